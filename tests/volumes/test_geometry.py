"""Display orientation, shear and the way back to the source, on hand-made and tilted grids."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medad.errors import MedadError
from napari_medad.volumes.itk import write_nrrd
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.orientation import Grid, orthogonal_grid, resample
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def tilted_affine(flip: tuple[int, int, int] = (1, 1, 1)) -> np.ndarray:
    """Oblique and anisotropic, each axis flipped on request."""
    affine = np.eye(4)
    turn = nib.eulerangles.euler2mat(0.25, -0.15, 0.2)
    affine[:3, :3] = turn @ np.diag(np.array([0.8, 1.2, 3.0]) * flip)
    affine[:3, 3] = (-31, 47, 12.5)
    return affine


FLIPS = [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)]
ORDERS = ["RAS", "LPS", "AIL", "PSR", "SRA", "ILP"]


def test_display_axes_run_left_posterior_superior() -> None:
    voxels = np.zeros((4, 5, 6), np.int16)
    voxels[3, 4, 5] = 9  # the most right, anterior and superior voxel of a RAS grid
    volume = Volume.from_grid(voxels, np.eye(4))
    assert volume.array.shape == (6, 5, 4)
    assert volume.array[5, 0, 0] == 9
    np.testing.assert_allclose(volume.to_ras(np.array([5, 0, 0])), (3, 4, 5))


@pytest.mark.parametrize("order", ORDERS)
def test_any_voxel_order_gives_the_same_display(order: str) -> None:
    rng = np.random.default_rng(0)
    reference = nib.Nifti1Image(rng.random((4, 5, 6)).astype(np.float32), tilted_affine())
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(reference.affine), nib.orientations.axcodes2ornt(order)
    )
    turned = reference.as_reoriented(turn)
    ours = Volume.from_grid(np.asarray(turned.dataobj), turned.affine)
    expected = Volume.from_grid(np.asarray(reference.dataobj), reference.affine)
    np.testing.assert_array_equal(ours.array, expected.array)
    np.testing.assert_allclose(ours.affine, expected.affine, atol=1e-9)
    np.testing.assert_array_equal(ours.on_source(ours.array), np.asarray(turned.dataobj))


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".img", ".nrrd", ".mha", ".mgz"])
def test_a_map_comes_back_on_exactly_the_sources_voxels(
    tmp_path: Path, flip: tuple[int, int, int], ending: str
) -> None:
    voxels = np.random.default_rng(1).integers(-500, 500, (7, 5, 4)).astype(np.int16)
    affine = tilted_affine(flip)
    source = tmp_path / f"scan{ending}"
    save(voxels, affine, source)
    volume = read_volume(source)
    out = tmp_path / "map.nii.gz"
    write_nifti(volume.array.astype(np.float32), volume, out)
    saved = nib.load(out)
    np.testing.assert_allclose(saved.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(saved.dataobj), voxels)
    write_nrrd(volume.array, volume, tmp_path / "map.nrrd")
    again = read_volume(tmp_path / "map.nrrd")
    np.testing.assert_array_equal(again.array, volume.array)
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)


def save(voxels: np.ndarray, affine: np.ndarray, path: Path) -> None:
    if path.suffix in (".nrrd", ".mha"):
        lps = np.diag([-1, -1, 1, 1]) @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image = sitk.GetImageFromArray(voxels.T)
        image.SetSpacing(spacing)
        image.SetDirection((lps[:3, :3] / spacing).ravel())
        image.SetOrigin(lps[:3, 3])
        sitk.WriteImage(image, str(path))
    elif path.suffix == ".mgz":
        nib.save(nib.MGHImage(voxels, affine), path)
    elif path.suffix == ".img":
        nib.save(nib.Nifti1Pair(voxels, affine), path)
    else:
        nib.save(nib.Nifti1Image(voxels, affine), path)


def sheared_grid() -> Grid:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.7
    return Grid((8, 9, 6), affine)


def test_a_sheared_grid_is_resampled_with_a_note_and_maps_go_back() -> None:
    grid = sheared_grid()
    i, j, k = np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij")
    world = nib.affines.apply_affine(grid.affine, np.stack([i, j, k], -1))
    voxels = (world @ (1.0, 2.0, 3.0)).astype(np.float32)  # linear in world: resampling is exact
    volume = Volume.from_grid(voxels, grid.affine)
    assert "sheared" in volume.source.notes[0]
    assert not volume.grid.sheared
    assert volume.spacing == pytest.approx((2, 1, 1))
    z, y, x = np.meshgrid(*[np.arange(n) for n in volume.array.shape], indexing="ij")
    ras = volume.to_ras(np.stack([z, y, x], -1))
    expected = ras @ (1.0, 2.0, 3.0)
    index = nib.affines.apply_affine(np.linalg.inv(grid.affine), ras)
    filled = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(-1)
    assert filled.mean() > 0.6
    np.testing.assert_allclose(volume.array[filled], expected[filled], atol=1e-3)
    back = volume.on_source(volume.array)
    assert back.shape == grid.shape
    middle = (slice(2, -2), slice(2, -2), slice(1, -1))
    np.testing.assert_allclose(back[middle], voxels[middle], atol=1e-3)


def test_orthogonal_grid_covers_the_sheared_one() -> None:
    sheared, target = sheared_grid(), orthogonal_grid(sheared_grid())
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in sheared.shape])).reshape(3, -1).T
    inside = nib.affines.apply_affine(np.linalg.inv(target.affine) @ sheared.affine, corners)
    assert (inside > -1).all()
    assert (inside < np.array(target.shape)).all()


def test_resampling_rounds_integers_and_keeps_labels() -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[2:4] = 7
    finer = Grid((12, 6, 6), np.diag([0.5, 1, 1, 1]))
    assert set(np.unique(resample(labels, np.eye(4), finer, order=0))) == {0, 7}
    linear = resample(labels, np.eye(4), finer, order=1)
    assert linear.dtype == np.uint8
    assert 4 in linear  # halfway between 0 and 7, rounded to even


def test_a_map_of_another_shape_is_refused() -> None:
    volume = Volume(np.zeros((3, 4, 5)), np.eye(4))
    with pytest.raises(MedadError, match=r"shape \(5, 4, 3\) but the volume has \(3, 4, 5\)"):
        volume.on_source(np.zeros((5, 4, 3)))


def test_volumes_of_other_grids_are_brought_onto_the_reference() -> None:
    fine = Volume(np.ones((6, 6, 6), np.float32), np.diag([-1.0, -1, 1, 1]), "t2f")
    coarse = Volume(np.full((3, 3, 3), 5, np.float32), np.diag([-2.0, -2, 2, 1]), "t1n")
    study = Study.from_volumes("case", {"t1n": coarse, "t2f": fine})
    assert study.reference == "t2f"
    assert study.volumes["t1n"].array.shape == (6, 6, 6)
    assert study.volumes["t1n"].array[2, 2, 2] == 5
    assert study.notes == ("t1n: Resampled (linearly) onto the reference volume's grid.",)
    far = np.diag([-1.0, -1, 1, 1])
    far[:3, 3] = 500
    stray = Volume(np.ones((3, 3, 3), np.float32), far)
    with pytest.raises(MedadError, match="'b' does not overlap"):
        Study.from_volumes("case", {"a": fine, "b": stray}, reference="a")


def test_volume_facts() -> None:
    volume = Volume(np.zeros((2, 3, 4)), np.diag([-0.5, -2.0, 3.0, 1.0]))
    assert volume.spacing == (3, 2, 0.5)
    assert volume.voxel_volume == pytest.approx(0.003)
    with pytest.raises(MedadError, match="3 dimensions"):
        Volume(np.zeros((2, 2)), np.eye(4))
