"""Medical Segmentation Decathlon, task 1: all contrasts of a case in one 4D file."""

from __future__ import annotations

import re

from napari_medad.datasets.dataset import TEST, TRAIN, DatasetCase
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.tree import Tree

IMAGES = re.compile(r"(?P<root>(?:.*/)?)images(?P<part>Tr|Ts)/(?P<case>BRATS_\d+)\.nii(?:\.gz)?")
FRAMES = {"t2f": 0, "t1n": 1, "t1c": 2, "t2w": 3}
"""As the release's dataset.json has them: FLAIR, T1w, t1gd, T2w."""
SPLITS = {"Tr": TRAIN, "Ts": TEST}


def _read(tree: Tree) -> Found:
    found, maskless, there = Found(), [], set(tree.files)
    for path, match in tree.matching(IMAGES):
        mask = path.parent.parent / "labelsTr" / path.name
        told = mask.relative_to(tree.folder).as_posix() in there
        if match["part"] == "Tr" and not told:
            maskless.append(match["case"])
        found.cases.append(
            DatasetCase(
                name=match["case"],
                patient=match["case"],
                images=dict.fromkeys(FRAMES, path),
                masks=(mask,) if told and match["part"] == "Tr" else (),
                abnormal=True,
                labels=("tumour",),
                split=SPLITS[match["part"]],
                frames=FRAMES,
            )
        )
    found.note("Cases without a mask, which cannot be measured", maskless)
    return found


LAYOUTS = (Layout("msd-task1", lambda tree: tree.has(IMAGES), _read),)
