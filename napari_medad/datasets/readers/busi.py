"""BUSI: ultrasound pictures, beside each its mask, or several where there are several lesions."""

from __future__ import annotations

import re
from pathlib import Path

from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.pictures import NORMAL, picture, safe
from napari_medad.datasets.tree import Tree

MASK = re.compile(
    r"(?P<root>(?:.*/)?)(?P<kind>normal|benign|malignant)/(?P<name>[^/]+?)_mask(?:_\d+)?\.png"
)
IMAGE = re.compile(r"(?P<root>(?:.*/)?)(?P<kind>normal|benign|malignant)/(?P<name>[^/]+)\.png")


def _read(tree: Tree) -> Found:
    masks: dict[Path, list[Path]] = {}
    for path, match in tree.matching(MASK):
        masks.setdefault(path.parent / f"{match['name']}.png", []).append(path)
    known = {mask for held in masks.values() for mask in held}
    found, maskless = Found(), []
    for path, match in tree.matching(IMAGE):
        if path in known:
            continue
        held = masks.get(path, [])
        if not held and match["kind"] != NORMAL:
            maskless.append(path.name)
        found.cases.append(
            picture(path, match["kind"], name=safe(match["name"]), masks=sorted(held))
        )
    found.note("Pictures of lesions without a mask", maskless)
    return found


LAYOUTS = (Layout("busi", lambda tree: tree.has(MASK), _read),)
