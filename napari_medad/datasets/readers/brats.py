"""BraTS: one folder a case, one file a contrast, and the tumour's parts beside them."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from napari_medad.datasets.dataset import TEST, TRAIN, VALIDATION, DatasetCase
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.tree import Tree

CASES = {
    "brats20": r"(?P<patient>BraTS20_(?:Training|Validation)_\d+)",
    "brats21": r"(?P<patient>BraTS2021_\d+)",
    "brats23": r"(?P<patient>BraTS-(?!MET-)[A-Za-z]+-\d+)-\d+",
    "brats-mets": r"(?P<patient>BraTS-MET-\d+)-\d+",
}
"""How cases are called; of 2023 the last number is the time point."""
CONTRASTS = {
    "t1": "t1n", "t1n": "t1n", "t1ce": "t1c", "t1c": "t1c",
    "t2": "t2w", "t2w": "t2w", "flair": "t2f", "t2f": "t2f", "seg": "seg",
}  # fmt: skip
STRAY = re.compile(r"(?:.*/)?(?P<case>BraTS20_Training_\d+)/W\d+_.*_Segm\.nii(?:\.gz)?", re.I)
"""The mask of BraTS20_Training_355, which kept its old name in the release."""
PART = re.compile(r"(training|validation|testing)(?:_?data|_\d)", re.I)
"""In names such as MICCAI_BraTS2020_TrainingData and BraTS20_Validation_001."""
PARTS = {"training": TRAIN, "validation": VALIDATION, "testing": TEST}


def _pattern(case: str) -> re.Pattern[str]:
    contrasts = "|".join(CONTRASTS)
    return re.compile(rf"(?:.*/)?(?P<case>{case})[_-](?P<what>{contrasts})\.nii(?:\.gz)?", re.I)


def _fits(pattern: re.Pattern[str], tree: Tree) -> bool:
    return tree.has(pattern)


def _read(pattern: re.Pattern[str], tree: Tree) -> Found:
    files: dict[str, dict[str, Path]] = {}
    patients: dict[str, str] = {}
    for path, match in tree.matching(pattern):
        files.setdefault(match["case"], {}).setdefault(CONTRASTS[match["what"].lower()], path)
        patients[match["case"]] = match["patient"]
    for path, match in tree.matching(STRAY):
        if match["case"] in files:
            files[match["case"]].setdefault("seg", path)
    found, imageless, maskless = Found(), [], []
    for name, held in files.items():
        mask = held.pop("seg", None)
        if not held:
            imageless.append(name)
            continue
        first = next(iter(held.values()))
        split = _split(tree.folder.resolve().name / first.relative_to(tree.folder))
        if mask is None and split in ("", TRAIN):
            maskless.append(name)
        masks = () if mask is None else (mask,)
        case = DatasetCase(name, patients[name], held, masks, True, ("tumour",), split=split)
        found.cases.append(case)
    found.note("Cases left out, without an image", imageless)
    found.note("Cases without a mask, which cannot be measured", maskless)
    return found


def _split(path: Path) -> str:
    """The part that the names of a case and its folders tell, from the inside out."""
    told = (PART.search(name) for name in reversed(path.parts))
    return next((PARTS[part[1].lower()] for part in told if part), "")


LAYOUTS = tuple(
    Layout(name, partial(_fits, _pattern(case)), partial(_read, _pattern(case)))
    for name, case in CASES.items()
)
