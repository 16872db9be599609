"""Corrections and measurements on real scans."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from napari_medad.corrections import shapes, verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import load_correction, save_correction
from napari_medad.corrections.provenance import Provenance
from napari_medad.inference.run import detect
from napari_medad.results.measurements import finding_diameters
from napari_medad.volumes.reader import read_study, read_volume


def test_an_oblique_flair_keeps_its_voxels(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "stroke" / "niivue_FLAIR.nii.gz"
    detection = detect(read_study(source), "hyperintensity", minimum_ml=0.5)
    detection.save(tmp_path)
    correction = Correction.of(detection)
    correction.apply(verdicts.reject(correction, [2]))
    correction.apply(shapes.grow(correction, 1, 2.0))
    mask, provenance, *_ = save_correction(correction, tmp_path)
    image, found = nib.load(source), nib.load(mask)
    np.testing.assert_allclose(found.affine, image.affine, atol=1e-5)
    assert found.shape == image.shape
    labels = np.asarray(found.dataobj)
    kinds = np.asarray(nib.load(provenance).dataobj)
    before = np.asarray(nib.load(next(tmp_path.glob("*_mask.nii.gz"))).dataobj)
    np.testing.assert_array_equal(kinds == Provenance.REMOVED, (before == 2) & (labels == 0))
    np.testing.assert_array_equal(kinds == Provenance.DRAWN, (labels == 1) & (before != 1))
    again = load_correction(detection, tmp_path)
    np.testing.assert_array_equal(again.labels, correction.labels)
    np.testing.assert_array_equal(again.provenance, correction.provenance)


def test_the_longest_diameter_of_a_drawn_tumour(real_data: Path) -> None:
    """From voxel edges it is longer than between the farthest voxel centres, by a voxel at most."""
    volume = read_volume(real_data / "tumour" / "pyradiomics_brain1" / "brain1_label.nrrd")
    found = finding_diameters(volume.array.astype(np.uint16), 1, volume)
    spacing = np.array(volume.spacing)[1:]
    centres = max(
        pdist(np.argwhere(plane) * spacing).max() for plane in volume.array if plane.sum() > 1
    )
    assert centres == pytest.approx(np.hypot(58, 17) * 0.78125)
    assert centres < found.longest_mm <= centres + np.hypot(*spacing)
    assert found.perpendicular_mm < found.longest_mm
