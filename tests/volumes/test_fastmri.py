"""fastMRI's HDF5 files, written here as they are laid out."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.volumes.fastmri import fastmri_shape, read_fastmri
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_study, read_volume

HEADER = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>640</x><y>320</y><z>1</z></matrixSize>
<fieldOfView_mm><x>440</x><y>220</y><z>7.5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>512</x><y>512</y><z>1</z></matrixSize>
<fieldOfView_mm><x>220</x><y>220</y><z>5</z></fieldOfView_mm></reconSpace>
</encoding></ismrmrdHeader>"""


def written(
    path: Path, header: str | None = HEADER, name: str = "reconstruction_rss"
) -> np.ndarray:
    pixels = np.arange(3 * 6 * 4, dtype=np.float32).reshape(3, 6, 4)
    with h5py.File(path, "w") as file:
        file[name] = pixels
        file["kspace"] = np.zeros((3, 1, 2, 2), np.complex64)
        if header is not None:
            file["ismrmrd_header"] = header
    return pixels


def test_slices_rows_and_columns_are_as_stored(tmp_path):
    path = tmp_path / "file_brain_AXFLAIR_200_6000001.h5"
    pixels = written(path)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, pixels)
    # 440 mm over 640 columns of the readout, 220 mm over 320 of the phase, 5 mm a slice
    assert volume.spacing == (5.0, 0.6875, 0.6875)
    assert volume.modality == "t2f"
    assert fastmri_shape(path) == (3, 6, 4)
    assert "states no position of the patient" in volume.source.notes[0]


def test_a_map_goes_back_onto_its_voxels(tmp_path):
    path = tmp_path / "file_brain_AXT2_200_6000001.h5"
    pixels = written(path)
    study = read_study(path)
    write_nifti(study.volume().array, study.volume(), tmp_path / "map.nii.gz")
    back = read_volume(tmp_path / "map.nii.gz")
    np.testing.assert_array_equal(back.array, pixels)
    assert back.grid.same_as(study.volume().grid)


@pytest.mark.parametrize("header", [None, "no header", "<ismrmrdHeader/>"])
def test_without_a_voxel_size_1_mm_is_taken_and_noted(tmp_path, header):
    written(tmp_path / "a.h5", header)
    volume = read_fastmri(tmp_path / "a.h5")
    assert volume.spacing == (1.0, 1.0, 1.0)
    assert volume.source.notes[1] == "The file states no voxel size; 1 mm was assumed."


def test_raw_data_alone_is_refused(tmp_path):
    written(tmp_path / "a.h5", name="mask")
    with pytest.raises(MedadError, match="holds no reconstructed image"):
        read_fastmri(tmp_path / "a.h5")


def test_a_truncated_file_is_refused(tmp_path):
    written(tmp_path / "a.h5")
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:500])
    with pytest.raises(MedadError, match="cannot be read as HDF5"):
        read_fastmri(tmp_path / "a.h5")


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    written(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MedadError, match=r"pip install 'napari-medad\[fastmri\]'"):
        read_fastmri(tmp_path / "a.h5")
