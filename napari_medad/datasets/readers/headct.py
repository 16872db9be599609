"""HeadCT: 200 slices called by their numbers, and labels.csv."""

from __future__ import annotations

import re

from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.pictures import NORMAL, picture
from napari_medad.datasets.tables import rows_of, table
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError

IMAGE = re.compile(r"(?:.*/)?head_ct/(?P<number>\d+)\.png")
LABELS = re.compile(r"(?:.*/)?labels\.csv")
KINDS = {"0": NORMAL, "1": "haemorrhage"}


def _read(tree: Tree) -> Found:
    labels = table(tree, LABELS)
    if labels is None:
        raise MedadError(f"{tree.folder} holds no labels.csv; add the one of the download.")
    rows = rows_of(labels, ("id", "hemorrhage"))
    told = {int(r["id"]): r["hemorrhage"] for r in rows if r["id"].isdecimal()}
    found, unlabelled = Found(), []
    for path, match in tree.matching(IMAGE):
        kind = KINDS.get(told.get(int(match["number"]), ""))
        if kind is None:
            unlabelled.append(path.name)
            continue
        found.cases.append(picture(path, kind, name=path.stem))
    found.note("Slices left out, not in labels.csv", unlabelled)
    return found


LAYOUTS = (Layout("headct", lambda tree: tree.has(IMAGE) and tree.has(LABELS), _read),)
