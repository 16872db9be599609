"""BMAD: one folder a set, parts with good and Ungood pictures, masks beside the latter."""

from __future__ import annotations

import re

from napari_medad.datasets.dataset import TEST, TRAIN, VALIDATION
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.pictures import FILES, NORMAL, picture, safe
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError

IMAGE = re.compile(
    rf"(?P<set>(?:.*/)?)(?P<split>train|valid|test)/(?P<kind>good|ungood)/(?:img/)?{FILES}", re.I
)
MASK = re.compile(
    rf"(?P<set>(?:.*/)?)(?P<split>valid|test)/ungood/(?:label|anomaly_mask)/{FILES}", re.I
)
"""The masks' folder is `label` in the release and `anomaly_mask` in MVFA's copy."""
SPLITS = {"train": TRAIN, "valid": VALIDATION, "test": TEST}
PATIENT = re.compile(r"[A-Z]+-(?P<oct>\d+)-\d+|(?P<volume>.+)_\d+")
"""In names such as NORMAL-1384-2 and 00003_60; others tell none."""


def _read(tree: Tree) -> Found:
    sets = sorted({match["set"] for _, match in tree.matching(IMAGE)})
    if len(sets) > 1:
        names = ", ".join(name.rstrip("/") or "." for name in sets)
        raise MedadError(f"{tree.folder} holds several sets of BMAD ({names}); give one's folder.")
    masks = {(m["split"].lower(), m["name"]): path for path, m in tree.matching(MASK)}
    found, maskless = Found(), []
    for path, match in tree.matching(IMAGE):
        split, kind = match["split"].lower(), match["kind"].lower()
        mask = masks.get((split, match["name"])) if kind == "ungood" else None
        name = safe(f"{split}_{kind}_{match['name']}")
        if masks and kind == "ungood" and mask is None:
            maskless.append(name)
        told = PATIENT.fullmatch(match["name"])
        found.cases.append(
            picture(
                path,
                NORMAL if kind == "good" else "abnormal",
                name=name,
                patient=(told["oct"] or told["volume"]) if told else name,
                split=SPLITS[split],
                masks=() if mask is None else (mask,),
            )
        )
    found.note("Abnormal pictures without a mask", maskless)
    return found


LAYOUTS = (Layout("bmad", lambda tree: tree.has(IMAGE), _read),)
