"""The released preprocessing step by step, and the way back to the study's voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    Resized,
    ScaleIntensityd,
    Spacingd,
)

from napari_medad.detectors.brat.framing import LABELS, framed
from napari_medad.detectors.brat.settings import SEQUENCES, BratShape
from napari_medad.errors import MedadError
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study

SIZE = (8, 64, 64)
SMALL = {"backbone": "small", "depth": 8, "side": 64}


@pytest.fixture(scope="module")
def brain() -> Study:
    return make_brain(5, spacing=5.0).study


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")  # of MONAI, where it cannot use a GPU
def test_it_is_the_authors_pipeline(brain: Study, tmp_path) -> None:
    scan = brain.volume("t1c")
    write_nifti(scan.array, scan, tmp_path / "p_t1c.nii.gz")
    steps = Compose(
        [
            LoadImaged("image", reader="NibabelReader"),
            EnsureChannelFirstd("image", channel_dim="no_channel"),
            Spacingd("image", (1, 1, 1), mode="bilinear"),
            Orientationd("image", "SAR", labels=LABELS),
            Resized("image", SIZE),
            NormalizeIntensityd("image", channel_wise=True, nonzero=True),
            ScaleIntensityd("image", channel_wise=True, maxv=1.0),
        ]
    )
    expected = steps({"image": tmp_path / "p_t1c.nii.gz"})["image"].as_tensor()
    found = framed(read_study(tmp_path / "p_t1c.nii.gz"), BratShape.parse(SMALL, "test"))
    assert found.image.shape == (1, *SIZE)
    assert torch.allclose(found.image, expected, atol=1e-5)
    # signed voxels beside an untouched zero: the background is grey, as in the release
    assert 0.1 < float(found.image[0, 0, 0, 0]) < 0.9


def test_a_missing_sequence_is_a_channel_of_zeros_and_told(brain: Study) -> None:
    shape = BratShape.parse({**SMALL, "modalities": SEQUENCES}, "test")
    some = Study.from_volumes("p", {name: brain.volume(name) for name in ("t2f", "t1c")})
    found = framed(some, shape)
    assert [bool(channel.any()) for channel in found.image] == [True, False, False, True]
    assert found.notes == ("Without t1n, t2w, which the weights can do without but less well.",)


def test_a_study_without_the_modality_is_one_sentence(brain: Study) -> None:
    shape = BratShape.parse({**SMALL, "modalities": ("t1c",)}, "test")
    with pytest.raises(MedadError, match=r"look at t1c, but the study p has only t2f; open"):
        framed(Study.from_volumes("p", {"t2f": brain.volume("t2f")}), shape)


def test_cells_lie_where_the_voxels_are(brain: Study) -> None:
    """A bright spot shows up in the cell that its voxel is mapped to."""
    scan = brain.volume("t1c")
    study = Study.from_volumes("p", {"t1c": scan})
    shape = BratShape.parse(SMALL, "test")
    plain = framed(study, shape)
    spot = np.array([n // 3 for n in scan.array.shape])
    volume = study.volume()
    volume.array[tuple(slice(s - 1, s + 2) for s in spot)] = volume.array.max()
    lit = framed(study, shape)
    change = (lit.image - plain.image).abs()[0].numpy()
    cells = (4, 8, 8)
    coarse = change.reshape(4, 2, 8, 8, 8, 8).mean((1, 3, 5))
    expected = lit.to_cells(cells) @ [*spot, 1]
    peak = np.unravel_index(np.argmax(coarse), cells)
    assert np.abs(peak - expected[:3]).max() <= 0.75
