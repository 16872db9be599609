"""fastMRI+: fastMRI's brains as HDF5, a radiologist's boxes and labels of studies in brain.csv."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_medad.datasets.dataset import TEST, TRAIN, VALIDATION, Box, DatasetCase
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.tables import box_of, lines_of, rows_of, table
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError
from napari_medad.volumes.fastmri import fastmri_shape, hdf5

IMAGE = re.compile(
    r"(?P<folders>(?:.*/)?)(?P<name>file_brain_(?P<contrast>AX[A-Z0-9]+)_[\d_]+)\.h5"
)
ANNOTATIONS = re.compile(r"(?:.*/)?brain\.csv")
REVIEWED = re.compile(r"(?:.*/)?brain_file_list\.csv")
CONTRASTS = {"AXFLAIR": "t2f", "AXT1": "t1n", "AXT1PRE": "t1n", "AXT1POST": "t1c", "AXT2": "t2w"}
PARTS = {"train": TRAIN, "val": VALIDATION, "test": TEST}
NO_DISEASE = {"Normal for age", "Normal variant", "Motion artifact", "Possible artifact"}
"""Labels of what is no abnormality of the patient."""
GLOBAL = "Global label: "
Row = Mapping[str, str]


def _read(tree: Tree) -> Found:
    hdf5()
    annotations = table(tree, ANNOTATIONS)
    if annotations is None:
        raise MedadError(f"{tree.folder} holds no brain.csv; add fastMRI+'s annotations.")
    rows: dict[str, list[Row]] = defaultdict(list)
    columns = ("file", "slice", "study_level", "x", "y", "width", "height", "label")
    for row in rows_of(annotations, columns):
        rows[row["file"]].append(row)
    reviewed = {*lines_of(table(tree, REVIEWED)), *rows}
    found, others, broken = Found(), list[str](), list[str]()
    for path, match in tree.matching(IMAGE):
        if match["name"] not in reviewed:
            others.append(match["name"])
            continue
        try:
            found.cases.append(_case(path, match, rows[match["name"]]))
        except MedadError:
            broken.append(match["name"])
    found.note("Scans left out, which no radiologist has looked at", others)
    found.note("Scans left out, without an image that can be read", broken)
    return found


def _case(path: Path, match: re.Match[str], rows: Sequence[Row]) -> DatasetCase:
    slices, height, _ = fastmri_shape(path)
    told: dict[int, list[str]] = {number: [] for number in range(slices)}
    boxes = []
    for row in rows:
        label = row["label"].removeprefix(GLOBAL)
        number = int(row["slice"]) if row["slice"].isdecimal() else -1
        if label in NO_DISEASE or number not in told:
            continue
        if label not in told[number]:
            told[number].append(label)
        box = box_of(row, ("y", "x", "height", "width"), label, number)
        if box is not None and row["study_level"].lower() != "yes":
            boxes.append(_as_displayed(box, height))
    labels = tuple(dict.fromkeys(label for held in told.values() for label in held))
    return DatasetCase(
        name=match["name"],
        patient=match["name"],
        images={CONTRASTS.get(match["contrast"], "image"): path},
        abnormal=bool(labels),
        labels=labels,
        boxes=tuple(boxes),
        split=_split(match["folders"]),
        slices={number: tuple(held) for number, held in told.items()},
    )


def _as_displayed(box: Box, height: int) -> Box:
    """With its row counted from the top: images were flipped up and down for the radiologists."""
    return box._replace(row=height - box.row - box.height)


def _split(folders: str) -> str:
    """The part that fastMRI's folder tells, as in multicoil_train."""
    words = re.split(r"[/_]", folders.lower())
    return next((PARTS[word] for word in reversed(words) if word in PARTS), "")


LAYOUTS = (Layout("fastmri-plus", lambda tree: tree.has(IMAGE) and tree.has(ANNOTATIONS), _read),)
