"""What all figures share: their look, the colours of detectors, and how they become files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_medad.atomic import replacing
from napari_medad.evaluation.evaluation import Evaluation

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which the colour-blind tell apart; one a detector."""
DASHES = ("-", "--", "-.", ":")
"""Beyond the palette's end the lines' dashes tell detectors apart."""
GREY = "#8a8f98"
DPI = 150
LOOK = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": "#555c66",
    "axes.labelcolor": "#1b1e23",
    "xtick.color": "#555c66",
    "ytick.color": "#555c66",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "medad",
}


@dataclass(frozen=True, eq=False)
class NamedFigure:
    """A figure with what a page and a file need of it.

    Attributes
    ----------
    name : str
        Of its files, without ending.
    title : str
    figure : matplotlib Figure
    caption : str
        One sentence or two below it.
    """

    name: str
    title: str
    figure: Figure
    caption: str = ""

    @cached_property
    def png(self) -> bytes:
        """The figure as a PNG file's bytes; drawn once, after which its layout is kept."""
        stream = io.BytesIO()
        with looking():
            self.figure.savefig(stream, format="png", dpi=DPI)
        self.figure.set_layout_engine("none")
        return stream.getvalue()

    def save(self, folder: Path) -> list[Path]:
        """Write `NAME.png` and `NAME.svg` into a folder."""
        paths = [folder / f"{self.name}.{kind}" for kind in ("png", "svg")]
        with replacing(paths[0]) as part:
            part.write_bytes(self.png)
        with replacing(paths[1]) as part, looking():
            self.figure.savefig(part, format="svg", metadata={"Date": None})
        return paths


def looking() -> AbstractContextManager[Any]:
    """The look of our figures, for as long as they are made."""
    return mpl.rc_context(LOOK)  # type: ignore[arg-type]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, without pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def colour(number: int) -> str:
    """Of the detector with this number."""
    return COLOURS[number % len(COLOURS)]


def dashes(number: int) -> str:
    """Of the line of the detector with this number."""
    return DASHES[number // len(COLOURS) % len(DASHES)]


def labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """What a legend calls each: its name, its policy where they differ or it is an oracle."""
    differ = len({held.policy for held in evaluations}) > 1
    return [
        f"{held.name} ({held.policy_name})" if differ or held.oracle else held.name
        for held in evaluations
    ]
