"""ChestX-ray8 and its extension to 14 findings: radiographs, findings, boxes and the split."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from napari_medad.datasets.dataset import PICTURE, TEST, TRAIN, Box, DatasetCase
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.tables import box_of, lines_of, rows_of, table
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError

IMAGE = re.compile(r"(?:.*/)?(?P<name>\d{8}_\d{3})\.png")
ENTRIES = re.compile(r"(?:.*/)?Data_Entry_2017[^/]*\.csv")
BOXES = re.compile(r"(?:.*/)?BBox_List_2017[^/]*\.csv")
LISTS = {
    TRAIN: re.compile(r"(?:.*/)?train_val_list[^/]*\.txt"),
    TEST: re.compile(r"(?:.*/)?test_list[^/]*\.txt"),
}
NO_FINDING = "No Finding"
RENAMED = {"Infiltrate": "Infiltration", "Pleural_Thickening": "Pleural Thickening"}
"""Findings that are spelled in two ways."""


def _read(tree: Tree) -> Found:
    entries = table(tree, ENTRIES)
    if entries is None:
        raise MedadError(
            f"{tree.folder} holds no Data_Entry_2017.csv; add the one of the download."
        )
    columns = ("Image Index", "Finding Labels", "Patient ID")
    told = {row["Image Index"]: row for row in rows_of(entries, columns)}
    boxes, splits = _boxes(table(tree, BOXES)), _splits(tree)
    found, unknown, unlisted = Found(), [], []
    for path, match in tree.matching(IMAGE):
        row = told.get(path.name)
        if row is None:
            unknown.append(path.name)
            continue
        if splits and path.name not in splits:
            unlisted.append(path.name)
            continue
        names = [name for name in row["Finding Labels"].split("|") if name != NO_FINDING]
        found.cases.append(
            DatasetCase(
                name=match["name"],
                patient=row["Patient ID"],
                images={PICTURE: path},
                abnormal=bool(names),
                labels=tuple(RENAMED.get(name, name) for name in names),
                boxes=tuple(boxes.get(path.name, ())),
                split=splits.get(path.name, ""),
            )
        )
    found.note(f"Radiographs left out, not in {entries.name}", unknown)
    found.note("Radiographs left out, in no list of the split", unlisted)
    return found


def _boxes(path: Path | None) -> dict[str, list[Box]]:
    """Boxes by picture; the table's columns are called 'Bbox [x', 'y', 'w' and 'h]'."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    if path is not None:
        for row in rows_of(path, ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")):
            label = RENAMED.get(row["Finding Label"], row["Finding Label"])
            box = box_of(row, ("y", "Bbox [x", "h]", "w"), label)
            if box is not None:
                boxes[row["Image Index"]].append(box)
    return boxes


def _splits(tree: Tree) -> dict[str, str]:
    parts = ((split, table(tree, pattern)) for split, pattern in LISTS.items())
    return {name: split for split, path in parts for name in lines_of(path)}


LAYOUTS = (Layout("chestx-ray8", lambda tree: tree.has(IMAGE) and tree.has(ENTRIES), _read),)
