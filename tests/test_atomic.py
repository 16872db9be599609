from __future__ import annotations

import errno
import stat

import pytest

from napari_medad.atomic import replacing, replacing_files
from napari_medad.errors import MedadError


def test_a_file_appears_whole_with_the_usual_rights(tmp_path):
    with replacing(tmp_path / "new" / "map.nii.gz") as part:
        assert part.name.endswith(".nii.gz")
        part.write_text("whole")
    assert (tmp_path / "new" / "map.nii.gz").read_text() == "whole"
    plain = tmp_path / "plain"
    plain.touch()
    kept = stat.S_IMODE((tmp_path / "new" / "map.nii.gz").stat().st_mode)
    assert kept == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failed_file_leaves_the_older_one(tmp_path, error):
    path = tmp_path / "map.json"
    path.write_text("older")
    with pytest.raises(type(error)), replacing(path) as part:
        part.write_text("half")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["map.json"]
    assert path.read_text() == "older"


def test_a_full_disk_is_a_sentence_that_names_the_file(tmp_path):
    path = tmp_path / "map.json"
    with (
        pytest.raises(MedadError, match=r"map\.json was not written: No space left"),
        replacing(path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_set_of_files_appears_together_beside_what_was_there(tmp_path):
    (tmp_path / "other.txt").write_text("stays")
    (tmp_path / "a.txt").write_text("older")
    with replacing_files(tmp_path) as parts:
        (parts / "a.txt").write_text("1")
        (parts / "b.txt").write_text("2")
        assert (tmp_path / "a.txt").read_text() == "older"
    held = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert held == {"other.txt": "stays", "a.txt": "1", "b.txt": "2"}


def test_a_failed_set_leaves_nothing_and_names_the_folder_that_was_meant(tmp_path):
    folder = tmp_path / "results"
    with (
        pytest.raises(MedadError, match=f"^{folder}/b.txt was not written"),
        replacing_files(folder) as parts,
    ):
        (parts / "a.txt").write_text("1")
        with replacing(parts / "b.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert not folder.exists()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(MedadError, match="file/results cannot be written"),
        replacing_files(tmp_path / "file" / "results"),
    ):
        raise AssertionError("the block must not run")
