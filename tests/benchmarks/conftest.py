"""A made-up copy of the metastases' folder, and settings that make the matrix small."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import napari_medad as medad
from napari_medad.detectors.recipe import Example
from napari_medad.volumes.volume import Volume

TEST, OTHERS = (9, 17, 19), (2, 3, 4, 5)
SMALL = {
    "backbone": "tiny",
    "image_size": "56",
    "epochs": "1",
    "pmc.backbone": "tiny-pmc",
    "pmc.image_size": "64",
    "anovl.weights": "untrained",
    "anovl.templates": "a photo of a {}.",
    "adaclip.clusters": "3",
}
RELEASED = {
    "vand": "released-mvtec",
}


def write_patient(folder: Path, number: int) -> None:
    """Eight slices of a noisy square with a bright spot, tumour labels 1 to 3."""
    rng = np.random.default_rng(number)
    image = np.zeros((32, 32, 8), np.float32)
    image[4:28, 4:28, 1:7] = 100 + 20 * rng.random((24, 24, 6))
    labels = np.zeros(image.shape, np.uint8)
    x, y = rng.integers(8, 18, 2)
    labels[x : x + 6, y : y + 6, 3:6] = rng.integers(1, 4, (6, 6, 3))
    image[labels > 0] += 120
    name = f"BraTS-MET-{number:05d}-000"
    (folder / name).mkdir(parents=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    for what, array in (("t2w", image), ("t1c", image), ("seg", labels)):
        nib.save(nib.Nifti1Image(array, affine), folder / name / f"{name}-{what}.nii.gz")


@pytest.fixture(scope="session")
def mets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three test patients and four others."""
    folder = tmp_path_factory.mktemp("mets") / "ASNR-MICCAI-BraTS2023-MET-Challenge-TrainingData"
    for number in (*TEST, *OTHERS):
        write_patient(folder, number)
    return folder


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters of the smallest CLIP, as they would lie in the weights folder."""
    home = tmp_path_factory.mktemp("adapters")
    array = np.zeros((3, 32, 32), np.float32)
    array[:, 4:28, 4:28] = 1 + np.random.default_rng(0).random((3, 24, 24))
    mask = np.zeros(array.shape, np.uint8)
    mask[1, 10:18, 10:18] = 1
    example = Example(Volume(array, np.diag([-1.0, -1, 1, 1]), "t2w"), label=1, mask=mask)
    options = {"backbone": "tiny", "image_size": 56, "epochs": 1}
    for method, name in RELEASED.items():
        medad.train(method, [example], home / method / name, options=options, device="cpu")
    return home


@pytest.fixture
def released(small_models: Path, tmp_path: Path, _own_weights_folder: None) -> Path:
    """The weights folder with those adapters under the names of the authors'."""
    home = tmp_path / "weights-home"
    shutil.copytree(small_models, home)
    return home
