"""The table of the mixture of experts on made-up pictures of two datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from napari_medad.benchmarks import work
from napari_medad.benchmarks.cell_folder import CellFolder
from napari_medad.benchmarks.consistency import impossible_f1
from napari_medad.benchmarks.image_table import ImageTable
from napari_medad.benchmarks.paper import PaperRow
from napari_medad.benchmarks.run import Asked, measure_benchmark
from napari_medad.benchmarks.tables import mean_table
from napari_medad.benchmarks.work import IMAGES
from napari_medad.errors import Cancelled, MedadError

SMALL = {
    "size": "64", "epochs": "1", "batch_size": "8",
    **{
        f"{row}.{key}": value for row in ("moe", "moe-no-hq", "moe-no-tp")
        for key, value in (("hidden", "16"), ("warm_up", "1"), ("text", "n-grams"))
    },
}  # fmt: skip


def picture(path: Path, seed: int, spot: bool) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 120, (64, 64)).astype(np.uint8)
    if spot:
        pixels[20:40, 20:40] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """Forty normal pictures of breasts, more than the test takes, and some of brains."""
    home = tmp_path_factory.mktemp("pictures")
    busi, brain = home / "Dataset_BUSI_with_GT", home / "brain"
    for number in range(40):
        picture(busi / "normal" / f"normal ({number}).png", number, spot=False)
        picture(busi / "normal" / f"normal ({number})_mask.png", 0, spot=False)
    for number in range(3):
        picture(busi / "benign" / f"benign ({number}).png", 100 + number, spot=True)
        picture(busi / "benign" / f"benign ({number})_mask.png", 0, spot=True)
    for kind in ("glioma", "pituitary", "meningioma"):
        for number in range(2):
            picture(brain / "Testing" / kind / f"Te-{kind}_{number}.jpg", number, spot=True)
    for number in range(606):
        path = brain / "Training" / "notumor" / f"Tr-no_{number}.jpg"
        if number < 2:
            picture(path, number, spot=False)
        else:
            path.hardlink_to(path.with_name(f"Tr-no_{number % 2}.jpg"))
    return [busi, brain]


def test_parts_have_the_papers_counts_where_there_are_enough(folders):
    table = ImageTable.read("table1-moe")
    parts = table.parts(folders)
    busi, brain = parts["busi"], parts["brain-tumor-mri"]
    assert [case.abnormal for case in busi.test] == [False] * 34 + [True] * 3
    assert len(busi.train) == 6
    assert not {case.name for case in busi.train} & {case.name for case in busi.test}
    assert {case.labels for case in brain.test if case.abnormal} == {("glioma",), ("meningioma",)}
    assert "busi: 6 + 34 + 3 images" in busi.notes[0]
    assert table.parts(folders) == parts


def test_one_network_for_all_one_auto_encoder_for_each(folders, tmp_path, monkeypatch):
    out, trained, scored = tmp_path / "out", [], []
    train, add = work.train, CellFolder.add_score
    monkeypatch.setattr(work, "train", lambda *a, **k: (trained.append(a[0]), train(*a, **k)))
    monkeypatch.setattr(
        CellFolder, "add_score", lambda self, *a: (scored.append(a[0]), add(self, *a))
    )
    asked = Asked(limit=3, changes=SMALL, device="cpu")

    def stop(now):
        return "stop" if (now.cell, now.stage) == ("moe-busi", "detect") else None

    with pytest.raises(Cancelled):
        measure_benchmark("table1-moe", folders, out, asked, progress=stop)
    half = out / "cells" / "moe-busi" / "scores.csv"
    with half.open("a") as stream:
        stream.write("busi/normal_cut,0.1")  # as a kill in the middle of writing leaves it
    report = measure_benchmark("table1-moe", folders, out, asked)
    assert [outcome.why for outcome in report.outcomes] == [""] * 8
    assert trained == ["ae", "moe", "moe", "moe", "ae"]
    assert len(scored) == len(set(scored)) * 4 == 4 * 2 * 6
    cell = next(o.cell for o in report.outcomes if o.cell.name == "moe-busi")
    scores = CellFolder(out / "cells" / "moe-busi").scores()
    truth = [bool(case.abnormal) for case in cell.test]
    auroc = roc_auc_score(truth, [scores[case.name] for case in cell.test])
    row = next(
        r for r in report.rows()
        if (r["method"], r["setup"], r["figure"]) == ("moe", "busi", "auroc")
    )  # fmt: skip
    assert row["mean"] == pytest.approx(auroc)
    assert row["paper_mean"] == pytest.approx(0.8722)
    assert any("rsna, lag, headct" in text for text in report.deviations)
    means = next(table for table in report.tables if table.title.startswith("Means over rsna"))
    assert [row[2] for row in means.rows] == [
        "not run", "81.06", "not run", "88.12", "not run", "79.87", "not run", "84.76"
    ]  # fmt: skip
    both = mean_table(report.outcomes, report.printed, IMAGES, ["busi", "brain-tumor-mri"], "")
    own = [r["mean"] for r in report.rows() if (r["method"], r["figure"]) == ("moe", "auroc")]
    assert both.rows[2][2] == f"{100 * np.mean(own):.2f}"
    report.write(out)
    assert "87.22" in (out / "report.html").read_text(encoding="utf-8")


def test_tasks_are_the_prompts(folders):
    table = ImageTable.read("table1-moe")
    cells = table.cells(table.parts(folders, limit=1), {})
    moe = next(cell for cell in cells if cell.name == "moe-busi")
    assert {moe.task(case) for case in moe.train} == {
        "Breast ultrasound image.", "Brain MRI slice."
    }  # fmt: skip
    assert moe.options["epochs"] == 250
    assert moe.settings["size"] == 256
    without = {cell.method: cell for cell in cells if cell.setup == "busi"}
    assert [without[f"moe-no-{what}"].card.name for what in ("hq", "tp")] == ["moe", "moe"]
    assert without["moe-no-hq"].options["hallucination"] is False
    assert without["moe-no-tp"].options["prompted"] is False
    assert {moe.options["hallucination"], moe.options["prompted"]} == {True}


def test_an_f1_below_that_of_calling_all_abnormal_is_impossible():
    """647 of 681 abnormal: 2 * 647 / (2 * 647 + 34) = 0.97440."""
    flags = ImageTable.read("table1-moe").all_flags
    assert [(f.method, f.setup) for f in flags] == [
        ("NSA", "busi"), ("MADDR", "busi"), ("MADDR", "headct")
    ]  # fmt: skip
    assert "97.44" in flags[0].why
    row = PaperRow.model_validate({"method": "m", "setup": "s", "f1": 66.67})
    assert impossible_f1([row], {"s": (5, 5)}) == []


def test_what_cannot_be_measured(folders, mets, tmp_path):
    with pytest.raises(MedadError, match="laid out as brats-mets, which table1-moe is not"):
        measure_benchmark("table1-moe", [mets], tmp_path / "out")
    with pytest.raises(MedadError, match="second busi"):
        measure_benchmark("table1-moe", [folders[0], folders[0]], tmp_path / "out")
    with pytest.raises(MedadError, match="no threshold policies"):
        measure_benchmark("table1-moe", folders, tmp_path / "out", Asked(policies=("fixed",)))
    with pytest.raises(MedadError, match="There is no benchmark 'zero'; choose zsad, table1-moe"):
        measure_benchmark("zero", folders, tmp_path / "out")
