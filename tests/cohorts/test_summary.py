import pytest

from napari_medad.cohorts.summary import (
    Row,
    SummaryReader,
    append_rows,
    mend_summary,
    read_summary,
    write_summary,
    write_table,
)
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


def test_of_several_rows_of_a_study_the_last_holds(tmp_path):
    write_summary(tmp_path, [Row(study="a"), Row(study="b")])
    append_rows(tmp_path, [Row(study="b", state="done", score=1.5)])
    assert read_summary(tmp_path) == (Row(study="a"), Row(study="b", state="done", score=1.5))


def test_a_reader_is_told_only_what_is_new(tmp_path):
    write_summary(tmp_path, [Row(study="a"), Row(study="b")])
    reader = SummaryReader(tmp_path)
    assert [row.study for row in reader.news()] == ["a", "b"]
    done = Row(study="b", state="done")
    append_rows(tmp_path, [done])
    assert reader.news() == (done,)
    assert reader.news() == ()
    write_summary(tmp_path, [Row(study="c")])
    assert reader.read() == (Row(study="c"),)


def test_a_line_without_its_end_is_left_until_it_is_whole(tmp_path):
    path = write_summary(tmp_path, [Row(study="a")])
    line = Row(study="b").model_dump_json().encode() + b"\n"
    reader = SummaryReader(tmp_path)
    with path.open("ab") as stream:
        stream.write(line[:9])
    assert reader.read() == (Row(study="a"),)
    with path.open("ab") as stream:
        stream.write(line[9:])
    assert reader.read() == (Row(study="a"), Row(study="b"))


def test_what_a_killed_run_left_of_a_line_is_cut_off(tmp_path):
    path = write_summary(tmp_path, [Row(study="a")])
    whole = path.read_bytes()
    mend_summary(tmp_path)
    assert path.read_bytes() == whole
    path.write_bytes(whole + b'{"study": "b", "st')
    mend_summary(tmp_path)
    assert path.read_bytes() == whole


def test_the_table_names_no_source(tmp_path):
    rows = [Row(study="a", state="done", score=0.5, findings=1, source="/scans/Jane Doe")]
    text = write_table(tmp_path, rows).read_text()
    assert text.splitlines()[1].startswith("a,done,0.5,1,")
    assert "Jane" not in text
