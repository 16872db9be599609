"""Files of every format: where they lie, what they say, and what happens when they cannot be."""

from __future__ import annotations

import csv
import errno
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

import napari_medad
from napari_medad.corrections import verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.errors import Cancelled, MedadError
from napari_medad.export.outcome import UNTRAINED, Outcome
from napari_medad.export.planes import FINDING, PlanePainter
from napari_medad.export.run import FORMATS
from napari_medad.volumes.itk import affine_of
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = np.linalg.qr(np.array([[0.1, 1.9, 0.3], [-1.2, 0.15, 0.4], [-0.1, -0.4, 2.9]]))[
    0
] * [1.2, 2.0, 3.0]
PLAIN = [name for name, held in FORMATS.items() if not held.dicom]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    path = tmp_path / "sub-07_ses-2_FLAIR.nii.gz"
    stored = rng.integers(0, 900, (26, 22, 18)).astype(np.int16)
    nib.Nifti1Image(stored, OBLIQUE).to_filename(path)
    return path


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def test_the_package_is_the_function(detection_on, scan, tmp_path):
    import napari_medad.export.run  # after which the name must still be the function

    written = napari_medad.export(detection_on(scan), tmp_path / "out", ["csv"])
    assert [p.name for p in written] == ["sub-07_ses-2_FLAIR_moe_findings.csv"]


def test_images_lie_on_the_sources_voxels(detection_on, scan, tmp_path):
    detection = detection_on(scan)
    napari_medad.export(detection, tmp_path / "out", ["nifti", "nrrd"])
    source = nib.load(scan)
    for pattern, values in (("*anomaly", detection.maps["anomaly"]), ("*mask", detection.mask)):
        image = nib.load(only(tmp_path / "out", f"{pattern}.nii.gz"))
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-5)
        back = detection.volume.on_source(values)
        np.testing.assert_array_equal(np.asarray(image.dataobj), back)
        other = sitk.ReadImage(str(only(tmp_path / "out", f"{pattern}.nrrd")))
        np.testing.assert_allclose(affine_of(other), source.affine, atol=1e-5)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(other).T, back)


def test_tables_say_the_findings_and_how_far_to_trust_them(detection_on, scan, tmp_path):
    detection = detection_on(scan, untrained=True)
    napari_medad.export(detection, tmp_path / "out", ["csv", "json"])
    with only(tmp_path / "out", "*.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(r["volume_ml"]) for r in rows] == [f.volume_ml for f in detection.findings]
    text = only(tmp_path / "out", "*.json").read_text()
    told = json.loads(text)
    assert told["untrained"] is True
    assert told["statements"][0] == UNTRAINED
    assert told["findings"][0]["peak_zyx"] == list(detection.findings[0].peak_zyx)
    assert str(tmp_path) not in text  # folders bear names


def test_of_a_correction_the_readers_findings_are_written(detection_on, scan, tmp_path):
    correction = Correction.of(detection_on(scan))
    correction.apply(verdicts.reject(correction, [1]))
    napari_medad.export(correction, tmp_path / "out", ["csv", "json", "nifti"])
    assert json.loads(only(tmp_path / "out", "*.json").read_text())["corrected"] is True
    assert "state" in only(tmp_path / "out", "*.csv").read_text().splitlines()[0]
    mask = np.asarray(nib.load(only(tmp_path / "out", "*mask.nii.gz")).dataobj)
    assert set(np.unique(mask)) == {0, 2}


def test_bids_names_sidecars_and_description(detection_on, scan, tmp_path):
    napari_medad.export(detection_on(scan), tmp_path / "out", ["bids"])
    root = tmp_path / "out" / "derivatives" / "napari-medad"
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    stem = "sub-07/ses-2/anat/sub-07_ses-2_desc-moe"
    assert files == [
        "dataset_description.json",
        f"{stem}Anomaly_FLAIR.json",
        f"{stem}Anomaly_FLAIR.nii.gz",
        f"{stem}_dseg.json",
        f"{stem}_dseg.nii.gz",
        f"{stem}_dseg.tsv",
    ]
    about = json.loads((root / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"][0]["Name"] == "napari-medad"
    table = (root / f"{stem}_dseg.tsv").read_text().splitlines()
    assert table[0].split("\t")[:2] == ["index", "name"]
    assert table[1].split("\t")[:2] == ["1", "finding 1"]


def test_the_html_report_needs_no_other_file_and_names_no_folder(detection_on, scan, tmp_path):
    detection = detection_on(scan, untrained=True)
    object.__setattr__(detection.study, "name", "<b>case & co</b>")
    napari_medad.export(detection, tmp_path / "out", ["html"])
    text = only(tmp_path / "out", "*.html").read_text(encoding="utf-8")
    assert "<b>case" not in text
    assert "&lt;b&gt;case &amp; co" in text
    assert text.count("data:image/png;base64,") == 1 + len(detection.findings)
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    for told in ("UNTRAINED", "Not for clinical use", "0.5 (set by the user)"):
        assert told in text
    assert str(tmp_path) not in text


def test_the_pdf_report_is_whole(detection_on, scan, tmp_path):
    napari_medad.export(detection_on(scan), tmp_path / "out", ["pdf"])
    held = only(tmp_path / "out", "*.pdf").read_bytes()
    assert held.startswith(b"%PDF-")
    assert held.rstrip().endswith(b"%%EOF")
    assert held.count(b"/Subtype /Image") == 3  # the montage and two findings


def test_animations_have_a_frame_a_slice(detection_on, scan, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    from imageio_ffmpeg import count_frames_and_secs

    detection = detection_on(scan)
    napari_medad.export(detection, tmp_path / "out", ["gif", "mp4"])
    count = detection.volume.array.shape[0]
    with Image.open(only(tmp_path / "out", "*.gif")) as picture:
        assert (picture.n_frames, picture.info["loop"]) == (count, 0)
    assert count_frames_and_secs(str(only(tmp_path / "out", "*.mp4")))[0] == count


def block_at(zyx: tuple[int, int, int]) -> Volume:
    """A dark box of 1 x 2 x 3 mm voxels with one bright voxel."""
    array = np.full((30, 24, 20), 10, np.float32)
    array[zyx] = 100
    return Volume(array, np.diag([-3.0, -2, 1, 1]), "t2f")


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_planes_are_turned_and_stretched_as_the_letters_say(detection_on, axis):
    place = (25, 4, 3)  # up, in front, on the patient's right
    volume = block_at(place)
    detection = detection_on(Study.from_volumes("case", {"t2f": volume}))
    painter = PlanePainter(Outcome.of(detection))
    index = {"axial": 25, "coronal": 4, "sagittal": 3}[axis]
    size = {"axial": (240, 192), "coronal": (240, 120), "sagittal": (192, 120)}[axis]
    assert painter.size_mm(axis) == tuple(n / 4 for n in size)  # 4 pixels a mm
    picture = painter.draw(axis, index, size, overlay=False, marks=False)
    grey = np.asarray(picture).astype(int)
    grey[(grey == FINDING).all(-1)] = 0
    row, column = np.unravel_index(grey.sum(-1).argmax(), grey.shape[:2])
    right, front, down = (3 + 0.5) * 12, (4 + 0.5) * 8, (30 - 25 - 0.5) * 4
    expected = {"axial": (front, right), "coronal": (down, right), "sagittal": (down, front)}
    np.testing.assert_allclose((row, column), expected[axis], atol=6)


def test_the_scale_bar_is_as_long_as_it_says(detection_on):
    detection = detection_on(Study.from_volumes("case", {"t2f": block_at((1, 1, 1))}))
    painter = PlanePainter(Outcome.of(detection))
    bare = np.asarray(painter.draw("axial", 20, (240, 192), marks=False)).astype(int)
    marked = np.asarray(painter.draw("axial", 20, (240, 192))).astype(int)
    line = (marked[192 - 8] != bare[192 - 8]).any(-1)
    assert abs(line[:150].sum() - 20 * 4) <= 2  # the longest round length below 40 % of 60 mm


@pytest.mark.parametrize("name", PLAIN)
def test_every_format_writes_something_for_findings_and_for_none(
    detection_on, scan, tmp_path, name
):
    if name == "mp4":
        pytest.importorskip("imageio_ffmpeg")
    detection = detection_on(scan)
    assert napari_medad.export(detection, tmp_path / "some", [name])
    none = detection.at(threshold=2.0)
    written = napari_medad.export(none, tmp_path / "none", [name])
    assert all(path.is_file() and path.stat().st_size for path in written)
    assert bool(written) == (name != "png")


@pytest.mark.parametrize("name", PLAIN)
def test_a_full_disk_leaves_older_files_whole_and_no_parts(
    detection_on, scan, tmp_path, monkeypatch, name
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "older.txt").write_text("older")

    def full(self: Path, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    detection = detection_on(scan)
    assert detection.findings
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MedadError, match="No space left on device; free space or choose") as told:
        napari_medad.export(detection, out, [name])
    assert ".part-" not in str(told.value)
    assert [p.name for p in out.iterdir()] == ["older.txt"]


def test_cancel_leaves_nothing(detection_on, scan, tmp_path):
    steps = []

    def stop(step):
        steps.append(step)
        return "stop" if len(steps) == 6 else None

    with pytest.raises(Cancelled):
        napari_medad.export(detection_on(scan), tmp_path / "out", ["csv", "gif"], progress=stop)
    assert not (tmp_path / "out").exists()


def test_unknown_formats_and_none_are_one_sentence(detection_on, scan, tmp_path):
    with pytest.raises(MedadError, match="'doc' is unknown; there are: nifti, nrrd"):
        napari_medad.export(detection_on(scan), tmp_path / "out", ["csv", "doc"])
    with pytest.raises(MedadError, match="No format was chosen"):
        napari_medad.export(detection_on(scan), tmp_path / "out", [])
