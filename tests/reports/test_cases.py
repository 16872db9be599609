"""Cases on disk become a library, are rebuilt, and keep no words unless asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medad.detectors.registry import load_detector
from napari_medad.errors import Cancelled, MedadError
from napari_medad.reports.cases import (
    StudyWithReport,
    cases_of,
    embed_cases,
    origin_of,
    rebuild,
    sentences_of_entry,
)
from napari_medad.reports.library import OtherWeights, ReportLibrary
from napari_medad.reports.scan import EmbeddedScan
from napari_medad.volumes.nifti import read_nifti, write_nifti
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.reader import read_study

REPORT = "There is an enhancing mass in the left frontal lobe. No midline shift. Mr. Smith is well."


@pytest.fixture(scope="module")
def scan() -> object:
    return make_brain(3, spacing=6.0, contrasts=("t1c",)).study.volume("t1c")


@pytest.fixture
def manifest(scan, tmp_path: Path) -> Path:
    """Three scans with reports in files, in a CSV."""
    rows = ["image,report"]
    for n in range(3):
        write_nifti(np.roll(scan.array, n, axis=2), scan, tmp_path / f"p{n}_t1c.nii.gz")
        (tmp_path / f"p{n}.txt").write_text(REPORT if n else "A mass. Ventricles are normal.")
        rows.append(f"p{n}_t1c.nii.gz,p{n}.txt")
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    return tmp_path / "cases.csv"


@pytest.fixture
def detector(tiny_brat):
    return load_detector("brat", weights="tiny", device="cpu", precision="fp32")


@pytest.fixture
def filled(manifest, detector) -> ReportLibrary:
    library = ReportLibrary(origin_of(detector))
    library.add(embed_cases(detector, cases_of(manifest))[0])
    return library


def test_what_is_kept_names_paths_but_no_words(filled, tmp_path: Path) -> None:
    path = tmp_path / "past"
    filled.save(path)
    held = path.read_bytes()
    assert b"Smith" not in held
    assert b"frontal" not in held
    assert b"p1.txt" in held
    assert [e.count for e in filled.entries] == [2, 3, 3]
    assert sentences_of_entry(filled.entries[1])[1] == "No midline shift."


def test_words_are_kept_when_asked(manifest, detector, tmp_path: Path) -> None:
    library = ReportLibrary(origin_of(detector))
    library.add(embed_cases(detector, cases_of(manifest), keep_sentences=True)[0])
    library.save(tmp_path / "past")
    assert b"Smith" in (tmp_path / "past").read_bytes()
    (tmp_path / "p1.txt").unlink()
    assert len(sentences_of_entry(library.entries[1])) == 3


def test_reports_in_the_manifest_itself_are_kept_only_when_asked(manifest, detector) -> None:
    manifest.write_text("image;report\np0_t1c.nii.gz;No mass. No shift.\n")
    cases = cases_of(manifest)
    assert cases[0].text == "No mass. No shift."
    with pytest.raises(MedadError, match="keeps no words"):
        embed_cases(detector, cases)
    (done,), _ = embed_cases(detector, cases, keep_sentences=True)
    assert done.entry.sentences == ("No mass.", "No shift.")


def test_a_case_without_sentences_or_scan_is_left_out_and_told(manifest, detector) -> None:
    (manifest.parent / "p0.txt").write_text(" ... 12 \n")
    (manifest.parent / "p2_t1c.nii.gz").write_bytes(b"no")
    done, skipped = embed_cases(detector, cases_of(manifest))
    assert [c.entry.name for c in done] == ["p1_t1c"]
    assert len(skipped) == 2
    assert "no sentence" in skipped[0]


def test_where_no_case_can_be_read_the_first_sentence_is_raised(manifest, detector) -> None:
    (manifest.parent / "p0.txt").write_text("")
    with pytest.raises(MedadError, match="no sentence"):
        embed_cases(detector, cases_of(manifest)[:1])


def test_it_stops_when_asked(manifest, detector) -> None:
    with pytest.raises(Cancelled):
        embed_cases(detector, cases_of(manifest), progress=lambda p: "stop")


def test_a_library_of_other_weights_is_rebuilt_from_its_files(filled, detector, tmp_path) -> None:
    import torch

    with torch.no_grad():
        for value in detector.network.parameters():
            value.mul_(1.5)
    detector.weights = detector.weights.model_copy(update={"sha256": None, "name": "newer"})
    detector.__dict__.pop("fingerprint", None)
    with pytest.raises(OtherWeights, match="'tiny'.*'newer'"):
        filled.check(origin_of(detector))
    (tmp_path / "p0.txt").unlink()
    with pytest.raises(MedadError, match="1 of 3 cases can no longer be read"):
        rebuild(filled, detector)
    fresh, lost = rebuild(filled, detector, drop_missing=True)
    fresh.check(origin_of(detector))
    assert [e.name for e in fresh.entries] == ["p1_t1c", "p2_t1c"]
    assert "p0.txt" in lost[0]
    assert len(filled) == 3
    assert np.abs(fresh.views - filled.views[1:]).max() > 1e-3


def test_a_report_that_has_shrunk_is_not_misquoted(filled, tmp_path: Path) -> None:
    (tmp_path / "p1.txt").write_text("A mass.")
    with pytest.raises(MedadError, match="has changed since it was added"):
        sentences_of_entry(filled.entries[1])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("image,report\n,a.txt", "names no image"),
        ("image,report\nnone.nii.gz,", "the image none.nii.gz, which is not there"),
        ("image,report\np0_t1c.nii.gz,gone.txt", "the report gone.txt, which is not there"),
        ("image,report", "holds no case"),
    ],
)
def test_a_wrong_manifest_is_one_sentence(manifest, rows: str, told: str) -> None:
    manifest.write_text(rows)
    with pytest.raises(MedadError, match=told):
        cases_of(manifest)


def test_a_scan_answers_sentences_with_scores_views_and_maps(manifest, detector, tmp_path) -> None:
    study = read_study(manifest.parent / "p0_t1c.nii.gz")
    scan = EmbeddedScan.of(study, detector)
    asked = scan.ask(["Ring-enhancing lesion", " Midline shift "])
    again = scan.ask(["Midline shift"])
    assert asked[1].score == pytest.approx(again[0].score, abs=1e-5)
    first = asked[0]
    assert first.score == pytest.approx(first.cosines.max())
    assert first.best_views[0] == first.cosines.argmax()
    assert scan.map_of(first).shape == study.volume().array.shape
    assert first.weights(0.1).sum() == pytest.approx(1)
    written = scan.save(asked, tmp_path / "out")
    assert [p.name for p in written] == [
        "p0_t1c_brat_sentence-1.nii.gz",
        "p0_t1c_brat_sentence-2.nii.gz",
        "p0_t1c_brat_sentences.json",
    ]
    source, map_ = read_nifti(study.path), read_nifti(written[0])
    assert map_.source.grid.same_as(source.source.grid)
    np.testing.assert_allclose(map_.array, scan.map_of(first), rtol=1e-5)
    assert '"untrained": false' in written[2].read_text()


@pytest.mark.parametrize("sentences", [[], [""], ["a", "  "]])
def test_nothing_asked_is_one_sentence(manifest, detector, sentences) -> None:
    scan = EmbeddedScan.of(read_study(manifest.parent / "p0_t1c.nii.gz"), detector)
    with pytest.raises(MedadError, match="no sentence to look for"):
        scan.ask(sentences)


def test_a_scan_without_a_report_is_a_case_without_sentences(manifest, detector) -> None:
    (done,), _ = embed_cases(detector, [StudyWithReport(manifest.parent / "p0_t1c.nii.gz")])
    assert done.entry.count == 0
    assert sentences_of_entry(done.entry) == []
