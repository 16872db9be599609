"""The files of the benchmarks against figures copied by hand from the papers."""

from __future__ import annotations

import pytest

from napari_medad.benchmarks.protocol import Protocol
from napari_medad.detectors.registry import card


def figure(method: str, setup: str, name: str) -> tuple[float, float | None]:
    rows = [r for r in Protocol.read("zsad").paper if (r.method, r.setup) == (method, setup)]
    assert len(rows) == 1
    held = rows[0].figures[name]
    return held.mean, held.sd


@pytest.mark.parametrize(
    ("method", "setup", "name", "mean", "sd"),
    [
        ("adaclip", "industrial", "dice", 0.09, 0.08),
        ("adaclip", "brats", "auroc", 0.35, None),
        ("adaclip", "pmc", "specificity", 0.91, 0.03),
        ("anovl", "industrial", "sensitivity", 0.98, 0.03),
        ("anomalyclip", "pmc", "ppv", 0.12, 0.14),
        ("vand", "industrial", "sensitivity", 0.51, 0.30),
        ("vand", "finetune", "f1_max", 0.41, None),
        ("vand", "pmc", "dice", 0.32, 0.26),
        ("vand", "pmc", "spearman", 0.55, None),
    ],
)
def test_printed_figures(method, setup, name, mean, sd):
    assert figure(method, setup, name) == (mean, sd)


def test_the_split():
    protocol = Protocol.read("zsad")
    assert len(protocol.test) == len(set(protocol.test)) == 50
    assert protocol.test[:5] == (9, 17, 19, 30, 32)
    assert protocol.test[-5:] == (544, 546, 548, 549, 550)
    assert protocol.training_patients + len(protocol.test) == 165


def test_thirteen_cells_as_in_the_paper():
    protocol = Protocol.read("zsad")
    cells = {(m, s) for m in protocol.methods for s in protocol.setups_of(m)}
    assert cells == {(row.method, row.setup) for row in protocol.paper}
    assert len(cells) == 13


def test_flags_are_of_printed_figures_in_the_order_of_the_table():
    protocol = Protocol.read("zsad")
    flagged = [(flag.method, flag.setup, flag.figure) for flag in protocol.all_flags]
    assert flagged == [
        ("adaclip", "brats", "auroc"),
        ("anovl", "industrial", "specificity"),
        ("vand", "finetune", "dice"),
        ("vand", "brats", "dice"),
        ("vand", "pmc", "auroc"),
    ]
    for method, setup, name in flagged:
        figure(method, setup, name)


@pytest.mark.parametrize("method", ["adaclip", "anovl", "anomalyclip", "vand"])
def test_released_weights_are_in_the_catalogue(method):
    released = Protocol.read("zsad").methods[method].released
    assert released == "auto" or released in card(method).weights


@pytest.mark.parametrize(
    ("method", "epochs", "batch", "rate"),
    [("adaclip", 5, 1, 0.01), ("anomalyclip", 15, 8, 0.001), ("vand", 10, 8, 0.001)],
)
def test_settings_of_the_appendix(method, epochs, batch, rate):
    held = Protocol.read("zsad").methods[method]
    wanted = {"epochs": epochs, "batch_size": batch, "learning_rate": rate}
    assert wanted.items() <= held.options.items()
    assert held.both["image_size"] == 240
