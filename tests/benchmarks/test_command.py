"""`medad benchmark` of a dataset."""

from __future__ import annotations

import csv

import pytest

from napari_medad.cli import run


def test_a_try_of_one_cell(mets, tmp_path, capsys):
    out = tmp_path / "out"
    small = ("backbone=tiny", "image_size=56", "weights=untrained")
    arguments = ["--data", mets, "--out", out, "--methods", "vand", "--setups", "industrial"]
    arguments += ["--limit", "1", "--policy", "test-pool", "--device", "cpu"]
    arguments += [word for pair in small for word in ("--set", pair)]
    assert run(["benchmark", "zsad", *map(str, arguments)]) == 0
    told = capsys.readouterr()
    assert "report.html" in told.out
    assert "NOT THE PROTOCOL" in told.err
    assert "UNTRAINED" in told.err
    with (out / "table.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["policy"] for row in rows} == {"test pool"}
    measured = {(row["method"], row["setup"]) for row in rows if row["mean"]}
    assert measured == {("vand", "industrial")}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["zsad"], "lacks 47 of the 50 test patients"),
        (["nonsense"], "There is no benchmark 'nonsense'; choose zsad"),
        (["zsad", "--weights", "mine"], "--weights and --precision are for a manifest"),
        (["zsad", "--limit", "1", "--policy", "best"], "There is no policy 'best'"),
    ],
)
def test_one_sentence_where_it_cannot(mets, tmp_path, capsys, arguments, sentence):
    name, *rest = arguments
    given = ["--data", str(mets), "--out", str(tmp_path / "out"), *rest]
    assert run(["benchmark", name, *given]) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
