"""Sessions written and opened elsewhere; zips that nobody should open."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.corrections import verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.errors import Cancelled, MedadError
from napari_medad.export.session_file import SavedSession, is_session, open_session, save_session
from napari_medad.training.support import Shot
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume
from tests.export.conftest import write_series

SHEARED = np.array([[2.0, 0.3, 0, -20], [0, 1.9, 0, 10], [0, 0, 2.5, 5], [0, 0, 0, 1]])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    path = tmp_path / "scans" / "case.nii.gz"
    path.parent.mkdir()
    image = nib.Nifti1Image(rng.integers(0, 900, (22, 24, 16)).astype(np.int16), SHEARED)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)
    return path


def held_on(detection_on, scan: Path) -> SavedSession:
    detection = detection_on(scan)
    correction = Correction.of(detection)
    correction.apply(verdicts.accept(correction, [1]))
    shot = Shot(detection.volume, "case · t2f", 4, ("bleeding",), "coronal")
    other = Volume(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), np.diag([-1.0, -1, 2, 1]))
    return SavedSession(
        (detection.study,),
        (detection,),
        (correction,),
        (shot, Shot(other, "elsewhere", 2)),
        detection,
        {"detect": {"axis": "axial"}},
        {"camera": {"zoom": 2.5}},
    )


@pytest.mark.parametrize("with_scans", [True, False])
@pytest.mark.parametrize("name", ["s.zip", "folder"])
def test_everything_comes_back(detection_on, scan, tmp_path, name, with_scans):
    held = held_on(detection_on, scan)
    save_session(held, tmp_path / name, with_scans=with_scans)
    assert is_session(tmp_path / name)
    if with_scans:
        shutil.rmtree(scan.parent)  # as on another machine
    opened = open_session(tmp_path / name)
    (was,), (now,) = held.detections, opened.detections
    np.testing.assert_array_equal(now.volume.array, was.volume.array)
    assert now.volume.array.dtype == was.volume.array.dtype
    assert now.volume.grid.same_as(was.volume.grid, tolerance=1e-9)
    assert now.volume.source.grid.same_as(was.volume.source.grid, tolerance=1e-9)
    assert now.volume.source.header == was.volume.source.header
    assert now.volume.source.notes == was.volume.source.notes
    np.testing.assert_array_equal(now.maps["anomaly"], was.maps["anomaly"])
    np.testing.assert_allclose(now.slice_scores, was.slice_scores, rtol=1e-5)
    assert now.findings == was.findings
    assert now.record == was.record
    assert opened.current is now
    (correction,) = opened.corrections
    assert correction.detection is now
    np.testing.assert_array_equal(correction.provenance, held.corrections[0].provenance)
    assert [(s.index, s.categories, s.axis) for s in opened.shots] == [
        (4, ("bleeding",), "coronal"),
        (2, (), "axial"),
    ]
    np.testing.assert_array_equal(opened.shots[1].volume.array, held.shots[1].volume.array)
    assert opened.shots[0].volume is now.volume
    assert (opened.settings, opened.screen) == (held.settings, held.screen)


def test_a_dicom_series_with_a_colour_volume_in_memory(detection_on, tmp_path):
    series = write_series(tmp_path / "series", tilt=0.2)
    study = detection_on(series.folder).study
    rgb = np.random.default_rng(0).integers(0, 255, (*study.volume().array.shape, 3), np.uint8)
    drawn = Volume(rgb[..., 0].copy(), study.volume().affine, None, None, rgb)
    study = Study(study.name, {**study.volumes, "drawn": drawn}, study.reference, None)
    held = SavedSession((study,), (detection_on(study),))
    opened = open_session(save_session(held, tmp_path / "s.zip"))
    now = opened.studies[0]
    np.testing.assert_array_equal(now.volume("drawn").rgb, rgb)
    assert now.volume("drawn").source.path is None
    assert now.volume().source.path == series.folder
    np.testing.assert_array_equal(
        opened.detections[0].maps["anomaly"], held.detections[0].maps["anomaly"]
    )


def test_a_scan_that_moved_with_the_session_is_found(detection_on, scan, tmp_path):
    held = held_on(detection_on, scan)
    save_session(held, tmp_path / "s.zip", with_scans=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(tmp_path / "s.zip", elsewhere)
    shutil.move(scan.parent, elsewhere)
    opened = open_session(elsewhere / "s.zip")
    assert opened.studies[0].volume().source.path == elsewhere / "scans" / "case.nii.gz"
    shutil.rmtree(elsewhere / "scans")
    with pytest.raises(MedadError, match="names the scan of case at .* where it is no longer"):
        open_session(elsewhere / "s.zip")


def rezipped(path: Path, tmp_path: Path, **changed: str) -> Path:
    """The zip with other or more entries."""
    out = tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name not in changed:
                new.writestr(name, old.read(name))
        for name, text in changed.items():
            new.writestr(name, text)
    return out


@pytest.mark.parametrize(
    "name", ["../climbs.txt", "/absolute.txt", "a/../../climbs.txt", "C:/drive.txt", "..\\back.txt"]
)
def test_a_zip_that_climbs_out_is_refused_and_writes_nothing(detection_on, scan, tmp_path, name):
    path = save_session(held_on(detection_on, scan), tmp_path / "s.zip")
    bad = rezipped(path, tmp_path, **{name: "bad"})
    before = sorted(p for p in tmp_path.rglob("*"))
    with pytest.raises(MedadError, match="would write outside its own folder"):
        open_session(bad)
    assert sorted(p for p in tmp_path.rglob("*")) == before


def test_a_link_in_a_zip_is_refused(tmp_path):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr(entry, "/etc")
    with pytest.raises(MedadError, match="would write outside"):
        open_session(tmp_path / "s.zip")


def test_a_manifest_that_points_outside_is_refused(detection_on, scan, tmp_path):
    path = save_session(held_on(detection_on, scan), tmp_path / "folder")
    record = json.loads((path / "session.json").read_text())
    (tmp_path / "secret.npz").write_bytes((path / "studies/0/0.npz").read_bytes())
    name = next(iter(record["studies"][0]["volumes"]))
    record["studies"][0]["volumes"][name]["file"] = "../secret.npz"
    (path / "session.json").write_text(json.dumps(record))
    with pytest.raises(MedadError, match="points outside its own folder"):
        open_session(path)


def test_a_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("session.json", b"0" * 80_000_000)
    with pytest.raises(MedadError, match="far more than a session of its size"):
        open_session(tmp_path / "s.zip")


def test_a_newer_session_asks_for_an_update(detection_on, scan, tmp_path):
    path = save_session(held_on(detection_on, scan), tmp_path / "s.zip")
    newer = json.dumps({"format": 2, "version": "9.0", "surprise": True})
    with pytest.raises(MedadError, match="newer napari-medad .9.0, .* update it"):
        open_session(rezipped(path, tmp_path, **{"session.json": newer}))


def test_damaged_sessions_are_one_sentence(detection_on, scan, tmp_path):
    path = save_session(held_on(detection_on, scan), tmp_path / "s.zip")
    whole = path.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    turned = tmp_path / "turned.zip"
    turned.write_bytes(bytes(flipped))
    empty = tmp_path / "empty"
    empty.mkdir()
    npz = rezipped(path, tmp_path, **{"studies/0/0.npz": "no arrays"})
    for bad, told in (
        (cut, "damaged zip"),
        (turned, "damaged"),
        (empty, "not a saved session"),
        (npz, "damaged session"),
        (tmp_path / "none.zip", "There is no session"),
    ):
        with pytest.raises(MedadError, match=told):
            open_session(bad)


def test_a_full_disk_leaves_nothing(detection_on, scan, tmp_path, monkeypatch):
    held = held_on(detection_on, scan)
    out = tmp_path / "out"

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    for name in ("s.zip", "folder"):
        with pytest.raises(MedadError, match="No space left on device; free space"):
            save_session(held, out / name)
        assert [p for p in out.rglob("*") if p.is_file()] == []


def test_cancel_leaves_nothing(detection_on, scan, tmp_path):
    with pytest.raises(Cancelled):
        save_session(
            held_on(detection_on, scan), tmp_path / "out" / "s.zip", progress=lambda step: "stop"
        )
    assert not (tmp_path / "out").exists()
