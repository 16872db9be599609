"""MedIAnomaly and Med-AD: pictures in one folder, parts and classes in data.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_medad.datasets.dataset import TEST, TRAIN
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.pictures import NORMAL, picture, safe
from napari_medad.datasets.tables import table
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError

LISTS = re.compile(r"(?:.*/)?data\.json")
IMAGE = re.compile(r"(?:.*/)?images/(?P<file>[^/]+)")
KINDS = {"0": NORMAL, "1": "abnormal"}


def _read(tree: Tree) -> Found:
    several = [path.parent.name for path, _ in tree.matching(LISTS)]
    if len(several) > 1:
        names = ", ".join(several)
        raise MedadError(f"{tree.folder} holds several sets ({names}); give the folder of one.")
    lists = table(tree, LISTS)
    if lists is None:
        raise MedadError(f"{tree.folder} holds no data.json; add the one of the download.")
    there = {match["file"]: path for path, match in tree.matching(IMAGE)}
    found, missing = Found(), []
    for file, split, kind in _listed(lists):
        if file not in there:
            missing.append(file)
            continue
        name = safe(Path(file).stem)
        found.cases.append(picture(there[file], KINDS[kind], name=name, split=split))
    found.note("Pictures listed in data.json but not there", missing)
    return found


def _listed(path: Path) -> Iterator[tuple[str, str, str]]:
    """File, part and class of what is labelled; the lists "unlabeled" are no part of it."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MedadError(f"{path} is not readable JSON ({error}); download it again.") from None
    for split in (TRAIN, TEST):
        part: Any = held.get(split, {}) if isinstance(held, Mapping) else {}
        for kind in KINDS:
            files = part.get(kind, ()) if isinstance(part, Mapping) else ()
            yield from ((str(file), split, kind) for file in files)


def _fits(tree: Tree) -> bool:
    return tree.has(LISTS) and tree.has(IMAGE)


LAYOUTS = (Layout("medianomaly", _fits, _read),)
