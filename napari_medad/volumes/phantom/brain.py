"""A synthetic study: four contrasts of one brain, with lesions and their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.phantom.anatomy import make_anatomy
from napari_medad.volumes.phantom.contrast import SCALE, Acquisition, acquired, clean_image
from napari_medad.volumes.phantom.lesions import Lesion, draw_lesions, lesion_kinds, plan_lesions
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Source, Volume

CONTRASTS = ("t1n", "t1c", "t2w", "t2f")
SAMPLE_NAME = "synthetic-patient"
SAMPLE_SEED = 118


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic study and what is true of it.

    Attributes
    ----------
    study : Study
        Volumes int16, zero outside the brain.
    truth : ndarray [z, y, x] uint8
        0 healthy; above 0 a lesion (1 its innermost part).
    lesions : list of Lesion
    """

    study: Study
    truth: np.ndarray
    lesions: list[Lesion]


def make_brain(
    seed: int,
    *,
    lesions: Sequence[str] = (),
    contrasts: Sequence[str] = CONTRASTS,
    spacing: float = 1.0,
    shape: tuple[int, int, int] | None = None,
    acquisition: Acquisition | None = None,
    name: str = "",
) -> Phantom:
    """A synthetic brain, skull-stripped, different for every seed.

    Parameters
    ----------
    seed : int
        The same seed gives the same voxels.
    lesions : sequence of str
        Kinds from `lesion_kinds()`; empty for a healthy brain.
    contrasts : sequence of str
        Of "t1n", "t1c", "t2w", "t2f".
    spacing : float
        Isotropic voxel size, mm.
    shape : tuple of int (z, y, x), optional
        Grid; default: the brain's box.
    acquisition : Acquisition, optional
        The same for all contrasts; default: drawn for each.
    """
    rng = np.random.default_rng(seed)
    planned = plan_lesions(rng, lesions)
    masses = tuple(
        (lesion.centre, float(lesion.radii.max()))
        for lesion in planned
        if lesion_kinds()[lesion.kind]["mass_effect"]
    )
    anatomy = make_anatomy(rng, spacing, shape, masses)
    images = {contrast: clean_image(anatomy, contrast, rng) for contrast in contrasts}
    truth = draw_lesions(planned, anatomy, images)
    volumes = {}
    for contrast, image in images.items():
        how = acquisition or Acquisition.draw(rng)
        scanned = acquired(image, anatomy.brain, spacing, how, rng)
        stored = np.clip(np.rint(scanned * SCALE), 0, 32767).astype(np.int16)
        source = Source(None, Grid(stored.shape[::-1], anatomy.affine))
        volumes[contrast] = Volume(stored, anatomy.affine, contrast, source)
    study = Study.from_volumes(name or f"synthetic-{seed}", volumes)
    return Phantom(study, truth, planned)


def sample_study() -> Phantom:
    """The sample patient: a ring-enhancing tumour with oedema, white-matter patches, a cavity.

    240 x 240 x 155 voxels of 1 mm, the same voxels every time.
    """
    return make_brain(
        SAMPLE_SEED,
        lesions=("tumour", "patches", "cavity"),
        shape=(155, 240, 240),
        acquisition=Acquisition(shading=0.08, thickness=1.0, blur=0.5, noise=0.02),
        name=SAMPLE_NAME,
    )


def write_sample(folder: str | Path) -> Path:
    """Write the sample patient as NIfTI with BraTS-like names, truth included.

    Returns
    -------
    Path
        The case's folder, `<folder>/synthetic-patient`.
    """
    phantom = sample_study()
    case = Path(folder) / SAMPLE_NAME
    for name, volume in phantom.study.volumes.items():
        write_nifti(volume.array, volume, case / f"{SAMPLE_NAME}-{name}.nii.gz")
    volume = phantom.study.volume()
    write_nifti(phantom.truth, volume, case / f"{SAMPLE_NAME}-seg.nii.gz", labels=True)
    return case
