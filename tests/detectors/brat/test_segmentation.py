"""Teaching outlines: masks on the network's grid by hand, maps on the source's voxels, learning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

import napari_medad as medad
from napari_medad.detectors.brat.framing import framed
from napari_medad.detectors.brat.head_detectors import SegmentationDetector, on_study
from napari_medad.detectors.brat.heads import Outliner
from napari_medad.detectors.brat.recipe import BratOptions, BratRecipe
from napari_medad.detectors.brat.segmentation import shares
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.loop import train
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study
from napari_medad.weights.model_folder import ModelFolder

SMALL = {"backbone": "small", "depth": 32, "side": 64}


def patient(seed: int) -> Example:
    """A synthetic FLAIR with a glioma; every fifth is healthy and has no mask."""
    healthy = seed % 5 == 4
    brain = make_brain(
        seed, lesions=() if healthy else ("glioma",), contrasts=("t2f",), spacing=4.0
    )
    mask = None if healthy else brain.truth > 0
    return Example(brain.study.volume(), label=int(not healthy), mask=mask, held_out=seed >= 12)


@pytest.fixture(scope="module")
def examples() -> tuple[Example, ...]:
    """Fifteen patients; three are held out."""
    return tuple(patient(seed) for seed in range(15))


def recipe(examples, **options) -> BratRecipe:
    return BratRecipe(
        BratOptions.parse({"task": "segmentation", **SMALL, **options}, "brat"), examples
    )


@pytest.fixture(scope="module")
def taught(examples, tmp_path_factory) -> Path:
    """A model folder; the training takes seconds."""
    out = tmp_path_factory.mktemp("brat") / "gliomas"
    options = {**SMALL, "side": 32, "epochs": 10, "precision": "fp32"}
    train("brat", examples, out, preset="segmentation", options=options, device="cpu")
    return out


def dice(found: np.ndarray, true: np.ndarray) -> float:
    return float(2 * (found & true).sum() / (found.sum() + true.sum()))


def test_it_learns_to_outline_new_patients(taught: Path) -> None:
    facts = json.loads((taught / "model.json").read_text())["facts"]
    assert 0 < facts["threshold"] < 1
    assert facts["held_out_studies"] == 3
    detector = medad.load_detector("brat", weights=str(taught), device="cpu", precision="fp32")
    measured = []
    for seed in (200, 201, 202):
        new = patient(seed)
        found = medad.detect(new.study(), detector)
        assert found.threshold == facts["threshold"]
        measured.append(dice(found.mask > 0, new.mask))
        chance = dice(found.foreground, new.mask)
        assert measured[-1] > 2 * chance
    assert np.mean(measured) > 0.4


OBLIQUE = np.array(
    [[-0.9, 0.3, 0.2, 40.0], [-0.3, -1.1, 0.4, 50.0], [0.1, 0.25, 4.5, -60.0], [0, 0, 0, 1]]
)
"""Anisotropic, tilted, and with two axes counted the other way."""


@pytest.fixture
def oblique(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file on a tilted grid with a ball in it, and where the ball is [i, j, k]."""
    shape = (90, 80, 20)
    rotated, _ = np.linalg.qr(OBLIQUE[:3, :3])
    affine = OBLIQUE.copy()
    signs = np.sign(np.diag(rotated.T @ OBLIQUE[:3, :3]))
    affine[:3, :3] = rotated * signs * (0.95, 1.15, 4.5)
    place = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = place @ affine[:3, :3].T + affine[:3, 3]
    centre = affine[:3, :3] @ (55, 30, 8) + affine[:3, 3]
    ball = np.linalg.norm(world - centre, axis=-1) < 14
    middle = affine[:3, :3] @ (np.array(shape) / 2) + affine[:3, 3]
    image = (np.linalg.norm(world - middle, axis=-1) < 42) * 100.0 + ball * 100
    nib.save(nib.Nifti1Image(image.astype(np.float32), affine), tmp_path / "p_t2f.nii.gz")
    return tmp_path / "p_t2f.nii.gz", ball


def test_a_mask_goes_to_the_networks_grid_and_back_to_the_sources_voxels(oblique) -> None:
    path, ball = oblique
    study = read_study(path)
    volume = study.volume()
    shape = BratShape(backbone="small", depth=64, side=128)
    seen = framed(study, shape)
    mask = volume.array > 150
    covered = shares(mask, seen.to_image, shape.size)
    assert covered.shape == shape.size
    assert 0 <= covered.min() <= covered.max() <= 1 + 1e-6
    # the ball is brightest in the image where the mask says that it is
    assert seen.image[0].numpy()[covered > 0.99].mean() > seen.image[0].numpy().max() * 0.9
    back = on_study(covered, seen.to_image, volume.array.shape)
    assert dice(back > 0.5, mask) > 0.93
    on_source = volume.on_source((back > 0.5).astype(np.uint8))
    assert on_source.shape == ball.shape
    assert dice(on_source > 0, ball) > 0.93


class Bright(torch.nn.Module):
    """Takes for a lesion what is brightest, so that only the geometry is tried."""

    shape = BratShape(backbone="small", depth=64, side=128, task="segmentation")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (image - 0.8) * 100


def test_the_map_lies_on_the_sources_voxels(oblique, tmp_path: Path) -> None:
    path, ball = oblique
    home = tmp_path / "model"
    shape = BratShape(task="segmentation", **SMALL)
    ModelFolder(home, "brat", shape.model_dump(mode="json"), {}).write(Outliner(shape).state_dict())
    detector = medad.load_detector("brat", weights=str(home), device="cpu", precision="fp32")
    assert isinstance(detector, SegmentationDetector)
    detector.network = Bright()  # type: ignore[assignment]
    found = medad.detect(read_study(path), detector)
    assert found.record.threshold_source == "an even chance; nothing was held out"
    found.save(tmp_path / "out")
    source = nib.load(path)
    for name in ("anomaly", "mask"):
        written = nib.load(tmp_path / "out" / f"p_t2f_brat_{name}.nii.gz")
        assert written.shape == source.shape
        np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
    assert dice(np.asarray(written.dataobj) > 0, ball) > 0.9


def test_shares_by_hand() -> None:
    """Six planes become three, the second of them half covered: planes 2 of 2 and 3."""
    mask = np.zeros((6, 2, 2), bool)
    mask[2] = True
    to_image = np.diag([0.5, 1, 1, 1.0])
    to_image[0, 3] = -0.25
    found = shares(mask, to_image, (3, 2, 2))
    np.testing.assert_allclose(found, np.array([0, 0.5, 0])[:, None, None] * np.ones((3, 2, 2)))


def test_the_optimiser_is_nnu_nets(examples) -> None:
    made = recipe(examples, weight_decay=3e-5)
    optimiser = made.optimiser(made.network())
    group = optimiser.param_groups[0]
    assert isinstance(optimiser, torch.optim.SGD)
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (
        1e-2, 0.99, True, 3e-5
    )  # fmt: skip
    schedule = made.schedule(optimiser, 10)
    for _ in range(5):
        optimiser.step()
        schedule.step()
    assert group["lr"] == pytest.approx(1e-2 * 0.5**0.9)


def test_the_loss_is_dice_and_cross_entropy_by_hand(examples) -> None:
    """Logits 0 everywhere over half a cube: Dice 1 - 2 * 4 / (8 + 8), cross-entropy log 2."""

    class Undecided(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1, 1, 2, 2, 4)

    share = torch.zeros(1, 1, 2, 2, 4)
    share[..., :2] = 1
    batch = {"image": share, "share": share}
    loss = recipe(examples).losses(Undecided(), batch)["loss"]
    assert float(loss) == pytest.approx(0.5 + np.log(2), abs=1e-5)


def test_the_encoder_comes_from_the_checkpoint_and_the_size_is_free(tiny_brat, examples) -> None:
    given = ModelFolder.read(tiny_brat, "brat").tensors()
    made = recipe(examples, begin_from="tiny", depth=96)
    assert made.shape().size == (96, 64, 64)
    network = made.network()
    taken = [key for key in network.state_dict() if key.startswith("visual_encoder.")]
    assert len(taken) > 20
    for key in taken:
        torch.testing.assert_close(network.state_dict()[key], given[key], msg=key)


def test_data_that_cannot_teach_are_one_sentence(examples) -> None:
    without = [replace(example, mask=None) for example in examples[:3]]
    with pytest.raises(MedadError, match="No example to learn from has a mask"):
        recipe(without).dataset(held_out=False)
    with pytest.raises(MedadError, match="is not normal and has no mask"):
        recipe([examples[0], without[1]]).dataset(held_out=False)[1]
    with pytest.raises(MedadError, match="stands on a DenseNet, not on vit"):
        recipe(examples, backbone="vit").network()


def test_without_a_lesion_held_out_nothing_is_calibrated(examples) -> None:
    healthy = replace(examples[4], held_out=True)
    made = recipe([examples[0], healthy])
    assert made.calibrate(made.network().eval()) == {"held_out_studies": 1}


def test_a_study_in_two_contrasts_is_seen_in_both(tmp_path: Path) -> None:
    brain = make_brain(1, lesions=("glioma",), contrasts=("t1c", "t2f"), spacing=5.0)
    shape = BratShape(task="segmentation", modalities=("t1c", "t2f"), **SMALL)
    ModelFolder(tmp_path, "brat", shape.model_dump(mode="json"), {}).write(
        Outliner(shape).state_dict()
    )
    detector = medad.load_detector("brat", weights=str(tmp_path), device="cpu")
    assert medad.detect(brain.study, detector).maps["anomaly"].any()
    alone = Study.from_volumes("one", {"t2f": brain.study.volume("t2f")})
    notes = medad.detect(alone, detector).record.notes
    assert any(note.startswith("Without t1c") for note in notes)
