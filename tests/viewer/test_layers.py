"""Layers lie where the scan lies, and come back as volumes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.viewer.layers import add_study, contrast_limits, placement, study_of
from napari_medad.viewer.orientation import ras_text
from napari_medad.viewer.reader import get_reader, read_layers
from napari_medad.viewer.writer import write_nifti_layer, write_nrrd_layer
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def oblique_file(tmp_path: Path) -> Path:
    turn = nib.eulerangles.euler2mat(0.2, -0.1, 0.15)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.9, 1.1, 2.5])
    affine[:3, 3] = (40, -60, 12)
    voxels = np.random.default_rng(0).integers(1, 999, (12, 14, 9)).astype(np.int16)
    path = tmp_path / "case_flair.nii.gz"
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def test_scale_is_mm_and_the_centre_is_at_its_place(tmp_path: Path) -> None:
    volume = read_volume(oblique_file(tmp_path))
    place = placement(volume)
    assert place["scale"] == pytest.approx((2.5, 1.1, 0.9))
    middle = (np.array(volume.array.shape) - 1) / 2
    world = np.array(place["translate"]) + middle * place["scale"]
    right, anterior, superior = volume.to_ras(middle)
    np.testing.assert_allclose(world, (superior, -anterior, -right))


def test_layers_of_two_studies_share_a_world() -> None:
    def at(shift: float) -> Volume:
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        affine[2, 3] = shift
        return Volume(np.zeros((5, 6, 7), np.int16), affine)

    low, high = placement(at(0)), placement(at(10))
    np.testing.assert_allclose(np.subtract(high["translate"], low["translate"]), (10, 0, 0))


def test_reader_gives_units_axes_and_the_study(tmp_path: Path) -> None:
    path = oblique_file(tmp_path)
    reader = get_reader(str(path))
    assert reader is not None
    ((_, options, kind),) = reader(str(path))
    assert kind == "image"
    assert options["units"] == ("mm",) * 3
    assert options["axis_labels"] == ("axial", "coronal", "sagittal")
    assert options["name"] == "case_flair · t2f"
    assert get_reader(str(tmp_path / "absent.nii.gz")) is None


def test_a_4d_file_gets_a_frame_slider_and_detectors_take_the_shown_frame(
    viewer, tmp_path: Path
) -> None:
    frames = np.arange(4 * 60).reshape(3, 4, 5, 4).astype(np.int16)
    path = tmp_path / "run.nii.gz"
    nib.save(nib.Nifti1Image(frames, np.diag([-2.0, -2.0, 3.0, 1.0])), path)
    ((data, options, _),) = read_layers(str(path))
    assert data.shape == (4, 5, 4, 3)
    assert options["scale"] == pytest.approx((1, 3, 2, 2))
    layer = viewer.add_image(data, **options)
    viewer.dims.set_current_step(0, 2)
    study, name = study_of(viewer, layer)
    np.testing.assert_array_equal(study.volumes[name].array, frames[..., 2].T)


def test_a_layer_of_another_plugin_becomes_a_study(viewer) -> None:
    layer = viewer.add_image(np.ones((4, 5, 6)), name="mine", scale=(3, 1, 2))
    study, name = study_of(viewer, layer)
    assert (study.name, name) == ("mine", "mine")
    assert study.volume().spacing == pytest.approx((3, 1, 2))
    flat = viewer.add_image(np.ones((5, 6)), name="flat")
    assert study_of(viewer, flat)[0].volume().array.shape == (1, 5, 6)
    deep = viewer.add_image(np.zeros((2, 2, 2, 2, 2)), name="deep")
    with pytest.raises(MedadError, match="'deep' has 5 dimensions"):
        study_of(viewer, deep)


def test_status_tells_exact_ras(viewer, tmp_path: Path) -> None:
    volume = read_volume(oblique_file(tmp_path))
    (layer,) = add_study(viewer, Study.from_volumes("case", {"t2f": volume}))
    index = (2, 3, 4)
    right, anterior, superior = volume.to_ras(np.array(index))
    world = layer.data_to_world(index)
    assert ras_text(layer, volume, world) == f"R {right:.1f}  A {anterior:.1f}  S {superior:.1f} mm"


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_saved_layers_lie_on_the_sources_voxels(tmp_path: Path, kind: str) -> None:
    source = oblique_file(tmp_path)
    ((data, options, _),) = read_layers(str(source))
    values = data if kind == "image" else (data > 500).astype(np.int64)
    out = tmp_path / "out.nii.gz"
    assert write_nifti_layer(str(out), values, options) == [str(out)]
    original, saved = nib.load(source), nib.load(out)
    np.testing.assert_allclose(saved.affine, original.affine, atol=1e-5)
    expected = np.asarray(original.dataobj)
    expected = expected if kind == "image" else expected > 500
    np.testing.assert_array_equal(np.asarray(saved.dataobj), expected)
    nrrd = tmp_path / "out.nrrd"
    write_nrrd_layer(str(nrrd), values, options)
    again = read_volume(nrrd)
    np.testing.assert_array_equal(again.array, values)
    np.testing.assert_allclose(again.affine, read_volume(source).affine, atol=1e-4)


def test_the_source_itself_is_never_overwritten(tmp_path: Path) -> None:
    source = oblique_file(tmp_path)
    before = source.read_bytes()
    ((data, options, _),) = read_layers(str(source))
    with pytest.raises(MedadError, match="never overwritten"):
        write_nifti_layer(str(source), data, options)
    assert source.read_bytes() == before


def test_contrast_limits_ignore_the_background() -> None:
    array = np.zeros((10, 10, 10), np.int16)
    array[4:6] = np.linspace(100, 200, 200).reshape(2, 10, 10)
    low, high = contrast_limits(array)
    assert low == 0
    assert 195 < high <= 200
    assert contrast_limits(np.zeros((2, 2, 2)))[1] > 0
