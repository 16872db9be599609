"""A detection on disk: names, grids, tables, and what happens when it cannot be written."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.reader import read_study, read_volume

OBLIQUE = np.array(
    [[0.1, 1.9, 0.3, -20], [-1.2, 0.15, 0.4, 30], [-0.15, -0.42, 2.9, 7], [0, 0, 0, 1]], float
)
OBLIQUE[:3, :3] = np.linalg.qr(OBLIQUE[:3, :3])[0] * [1.2, 2.0, 3.0]


def block(shape: tuple[int, ...]) -> np.ndarray:
    array = np.zeros(shape, np.float32)
    array[2:4, 2:4, 2:4] = 0.75
    return array


def test_names_of_the_files(detection_of, volume, tmp_path):
    anomaly = block(volume.array.shape)
    detection = detection_of(volume, anomaly, **{"category:bleeding": anomaly / 2})
    written = detection.save(tmp_path / "out")
    assert [path.name for path in written] == [
        "case_moe_anomaly.nii.gz",
        "case_moe_category-bleeding.nii.gz",
        "case_moe_mask.nii.gz",
        "case_moe_findings.csv",
        "case_moe_slices.csv",
        "case_moe_record.json",
    ]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in written)


@pytest.mark.parametrize("affine", [OBLIQUE, np.diag([2.0, -1, -3, 1]), np.eye(4)[[1, 2, 0, 3]]])
def test_images_lie_on_exactly_the_sources_voxels(detection_of, tmp_path, affine):
    stored = np.random.default_rng(0).random((9, 8, 7), dtype=np.float32)
    source = tmp_path / "case.nii.gz"
    nib.Nifti1Image(stored, affine).to_filename(source)
    volume = read_volume(source)
    written = detection_of(volume, volume.array, threshold=0.9).save(tmp_path / "out")
    anomaly, mask = nib.load(written[0]), nib.load(written[1])
    assert np.array_equal(anomaly.get_fdata(dtype=np.float32), stored)
    assert np.array_equal(np.asarray(mask.dataobj) > 0, stored > 0.9)
    assert (anomaly.get_data_dtype(), mask.get_data_dtype()) == (np.float32, np.uint8)
    for image in (anomaly, mask):
        assert np.allclose(image.affine, nib.load(source).affine, atol=1e-6)
        assert nib.aff2axcodes(image.affine) == nib.aff2axcodes(affine)


def test_more_than_255_findings_fit_the_mask(detection_of, volume, tmp_path):
    shape = (20, 20, 20)
    anomaly = np.zeros(shape, np.float32)
    anomaly[::2, ::2, ::2] = 1
    written = detection_of(type(volume)(anomaly, volume.affine, "t2f"), anomaly).save(tmp_path)
    mask = nib.load(written[1])
    assert mask.get_data_dtype() == np.uint16
    assert np.asarray(mask.dataobj).max() == 1000


def test_tables_and_record_say_what_was_found(detection_of, volume, tmp_path):
    detection = detection_of(volume, block(volume.array.shape))
    *_, findings, slices, record = detection.save(tmp_path)
    with findings.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["volume_ml"]) == pytest.approx(8 * 6 / 1000)
    assert (row["id"], row["slices_first"], row["slices_last"]) == ("1", "2", "3")
    with slices.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(r["slice"]) for r in rows] == list(range(1, 12))  # slice 0 was background
    assert float(rows[1]["score"]) == pytest.approx(0.75 * 4 / 80)
    assert RunRecord.read(record) == detection.record


def test_no_finding_leaves_a_table_with_its_columns(detection_of, volume, tmp_path):
    *_, findings, _, _ = detection_of(volume, np.zeros(volume.array.shape, np.float32)).save(
        tmp_path
    )
    assert findings.read_text().startswith("id,volume_ml,max_score,mean_score,centroid_ras_r,")
    assert len(findings.read_text().splitlines()) == 1


def test_the_studys_own_file_is_never_overwritten(detection_of, tmp_path):
    source = tmp_path / "case_moe_mask.nii.gz"
    nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)).to_filename(source)
    before = source.read_bytes()
    volume = read_volume(source)
    with pytest.raises(MedadError, match=r"case_moe_mask\.nii\.gz is one of the study's own files"):
        detection_of(volume, volume.array).save(tmp_path)
    assert source.read_bytes() == before
    assert list(tmp_path.iterdir()) == [source]


def test_a_link_to_the_studys_own_file_is_not_followed(detection_of, tmp_path):
    source = tmp_path / "scan.nii.gz"
    nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)).to_filename(source)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "case_moe_anomaly.nii.gz").symlink_to(source)
    volume = read_volume(source)
    with pytest.raises(MedadError, match="never overwritten"):
        detection_of(volume, volume.array).save(tmp_path / "out")


def test_a_full_disk_leaves_the_older_result_whole(detection_of, volume, tmp_path, monkeypatch):
    detection = detection_of(volume, block(volume.array.shape))
    detection.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save, calls = nib.save, []

    def save_until_full(image: nib.Nifti1Image, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(image, path)

    monkeypatch.setattr(nib, "save", save_until_full)
    with pytest.raises(MedadError, match=r"case_moe_mask\.nii\.gz was not written: No space left"):
        detection.at(threshold=0.1).save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_where_the_folder_should_be_is_told(detection_of, volume, tmp_path):
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(MedadError, match="cannot be written"):
        detection_of(volume, block(volume.array.shape)).save(tmp_path / "out")


def test_a_saved_map_reads_back_as_a_study_with_its_values(detection_of, volume, tmp_path):
    anomaly = block(volume.array.shape)
    written = detection_of(volume, anomaly).save(tmp_path)
    assert np.array_equal(read_study(written[0]).volume().array, anomaly)
