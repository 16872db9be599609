"""The file of a library: kept, changed, and refused where it is damaged or of other weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_medad.errors import MedadError
from napari_medad.reports.library import HEADER, Entry, Origin, OtherWeights, ReportLibrary

from .conftest import embedded


@pytest.fixture
def kept(library, tmp_path: Path) -> Path:
    path = tmp_path / "past.medad-library"
    library.save(path)
    return path


def test_what_is_saved_is_read(library, kept) -> None:
    read = ReportLibrary.open(kept)
    assert read.entries == library.entries
    assert read.origin == library.origin
    np.testing.assert_array_equal(read.views, library.views)
    np.testing.assert_array_equal(read.sentences, library.sentences)


def test_removing_takes_the_sentences_along(library) -> None:
    before = {e.name: part for e, part in zip(library.entries, _parts(library))}
    library.remove(["case1", "case6", "case39"])
    assert len(library) == 37
    for entry, part in zip(library.entries, _parts(library)):
        np.testing.assert_array_equal(part, before[entry.name])


def test_a_scan_that_is_added_again_is_replaced(library) -> None:
    library.add([embedded("case5", 777, count=2)])
    assert len(library) == 40
    assert library.entries[-1].name == "case5"
    np.testing.assert_array_equal(library.views[-1], embedded("case5", 777).views)


def test_another_scan_of_the_same_name_is_named_by_its_folder(library) -> None:
    twin = embedded("case5", 777)
    for folder in ("other", "more/other"):
        entry = Entry(name="case5", study=f"{folder}/case5.nii.gz", count=3)
        library.add([type(twin)(entry, twin.views, twin.sentences)])
    assert [e.name for e in library.entries[-2:]] == ["other/case5", "other/case5 (2)"]


def test_an_unknown_case_is_refused_and_nothing_is_removed(library) -> None:
    with pytest.raises(MedadError, match="no case 'nobody'"):
        library.remove(["case1", "nobody"])
    assert len(library) == 40


def test_an_emptied_library_is_kept_and_filled_again(library, tmp_path: Path) -> None:
    library.remove([e.name for e in library.entries])
    library.save(tmp_path / "empty")
    read = ReportLibrary.open(tmp_path / "empty")
    read.add([embedded("new", 5)])
    assert [e.name for e in read.entries] == ["new"]


def test_other_weights_are_refused_with_an_offer(library, kept) -> None:
    with pytest.raises(OtherWeights, match="other weights.*rebuild"):
        library.check(Origin(fingerprint="b2", name="theirs"), kept)
    library.check(Origin(fingerprint="a1", name="renamed"), kept)


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "pickle", "empty", "other", "counts"])
def test_a_damaged_file_is_one_sentence(kept: Path, damage: str) -> None:
    held = bytearray(kept.read_bytes())
    if damage == "cut":
        kept.write_bytes(held[: len(held) // 2])
    elif damage == "flip":
        held[-40] ^= 1
        kept.write_bytes(held)
    elif damage == "other":
        save_file({"views": np.zeros(3, np.float32)}, kept)
    elif damage == "counts":
        arrays = {name: np.zeros((2, 2), np.float32) for name in ("views", "sentences")}
        told = {"origin": {"fingerprint": "a"}, "entries": [], "checksums": {}}
        save_file(arrays, kept, metadata={HEADER: json.dumps(told)})
    else:
        kept.write_bytes({"text": b"hello", "pickle": b"\x80\x04K\x01.", "empty": b""}[damage])
    with pytest.raises(MedadError, match="damaged or is no report library") as told:
        ReportLibrary.open(kept)
    assert "\n" not in str(told.value)


def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MedadError, match="There is no report library"):
        ReportLibrary.open(tmp_path / "absent")


def test_a_change_by_another_program_is_not_overwritten(kept: Path) -> None:
    mine, theirs = ReportLibrary.open(kept), ReportLibrary.open(kept)
    theirs.remove(["case1"])
    theirs.save(kept)
    mine.remove(["case2"])
    with pytest.raises(MedadError, match="changed by another program"):
        mine.save(kept)
    assert len(ReportLibrary.open(kept)) == 39


def test_a_failed_write_leaves_the_old_file(library, kept, monkeypatch) -> None:
    before = kept.read_bytes()

    def full(*given: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_medad.reports.library.save_file", full)
    library.remove(["case1"])
    with pytest.raises(MedadError, match="No space left"):
        library.save(kept)
    assert kept.read_bytes() == before
    assert list(kept.parent.iterdir()) == [kept]


def _parts(library: ReportLibrary) -> list[np.ndarray]:
    return np.split(library.sentences, library.starts[1:-1])
