"""RSNA Pneumonia Detection Challenge: radiographs as DICOM, classes and boxes in CSV tables."""

from __future__ import annotations

import re
from collections import defaultdict

from napari_medad.datasets.dataset import PICTURE, Box, DatasetCase
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.tables import box_of, rows_of, table
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError

IMAGE = re.compile(r"(?:.*/)?stage_2_train_images/(?P<name>[^/]+)\.(?:dcm|png|jpe?g)")
CLASSES = re.compile(r"(?:.*/)?stage_2_detailed_class_info\.csv")
BOXES = re.compile(r"(?:.*/)?stage_2_train_labels\.csv")
NORMAL, OPACITY = "Normal", "Lung Opacity"


def _read(tree: Tree) -> Found:
    classes, boxes = table(tree, CLASSES), table(tree, BOXES)
    if classes is None or boxes is None:
        missing = (
            "stage_2_detailed_class_info.csv" if classes is None else "stage_2_train_labels.csv"
        )
        raise MedadError(f"{tree.folder} holds no {missing}; add the one of the download.")
    kinds = {row["patientId"]: row["class"] for row in rows_of(classes, ("patientId", "class"))}
    places: dict[str, list[Box]] = defaultdict(list)
    for row in rows_of(boxes, ("patientId", "x", "y", "width", "height")):
        box = box_of(row, ("y", "x", "height", "width"), OPACITY)
        if box is not None:
            places[row["patientId"]].append(box)
    found, others, unknown = Found(), list[str](), list[str]()
    for path, match in tree.matching(IMAGE):
        name = match["name"]
        kind = kinds.get(name)
        if kind not in (NORMAL, OPACITY):
            (unknown if kind is None else others).append(name)
            continue
        found.cases.append(
            DatasetCase(
                name=name,
                patient=name,
                images={PICTURE: path},
                abnormal=kind == OPACITY,
                labels=(OPACITY,) if kind == OPACITY else (),
                boxes=tuple(places[name]) if kind == OPACITY else (),
            )
        )
    found.note("Radiographs left out, neither normal nor with lung opacity", others)
    found.note("Radiographs left out, of no told class", unknown)
    return found


LAYOUTS = (Layout("rsna", lambda tree: tree.has(IMAGE), _read),)
