import pytest

from napari_medad.cohorts.summary import Row, read_summary, write_summary
from napari_medad.errors import MedadError


def test_rows_come_back_as_written(tmp_path):
    rows = (
        Row(study="b", state="done", score=0.5, findings=2, volume_ml=1.25),
        Row(study="a", state="failed", reason="The file is empty."),
    )
    write_summary(tmp_path, rows)
    assert read_summary(tmp_path) == rows


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "summary.jsonl").write_text('{"study": "a"}\nrubbish\n')
    with pytest.raises(MedadError, match="line 2"):
        read_summary(tmp_path)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(MedadError, match=r"summary\.jsonl"):
        read_summary(tmp_path)
