"""Pictures sorted into a folder for each class: Brain Tumor MRI, OCT17, LAG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from napari_medad.datasets.dataset import TEST, TRAIN, VALIDATION
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.pictures import FILES, NORMAL, picture, safe
from napari_medad.datasets.tree import Tree

SPLITS = {"training": TRAIN, "train": TRAIN, "val": VALIDATION, "testing": TEST, "test": TEST}


@dataclass(frozen=True)
class ClassFolders:
    """A layout `[split/]class/[inside/]picture`.

    Attributes
    ----------
    splits : str
        Alternatives of the folder that tells the part; empty where there is none.
    classes : mapping of str to str
        What a class's folder is called, and the class.
    inside : str
        Folder between class and pictures.
    patient : pattern, optional
        Of a picture's name; its first group is the patient. Others are left out.
    """

    splits: str
    classes: Mapping[str, str]
    inside: str = ""
    patient: re.Pattern[str] | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """Of the pictures' paths."""
        split = f"(?P<split>{self.splits})/" if self.splits else "(?P<split>)"
        kind = "|".join(self.classes)
        return re.compile(rf"(?:.*/)?{split}(?P<kind>{kind})/{self.inside}{FILES}", re.I)

    def fits(self, tree: Tree) -> bool:
        """Whether there are pictures of two classes."""
        kinds = {match["kind"].lower() for _, match in tree.matching(self.pattern)}
        return len(kinds) > 1

    def read(self, tree: Tree) -> Found:
        """Every picture whose name tells its patient, where names do."""
        found, nameless = Found(), []
        for path, match in tree.matching(self.pattern):
            told = self.patient.match(match["name"]) if self.patient else None
            if self.patient and told is None:
                nameless.append(path.name)
                continue
            label = self.classes[match["kind"].lower()]
            name = safe(match["name"])
            if self.patient is None:
                name = f"{safe(match['kind'].lower())}_{name}"
            split = SPLITS.get(match["split"].lower(), "")
            patient = told[1] if told else ""
            found.cases.append(picture(path, label, name=name, patient=patient, split=split))
        found.note("Pictures left out, no patient in their names", nameless)
        return found


BRAIN_TUMOR_MRI = ClassFolders(
    "Training|Testing",
    {"glioma": "glioma", "meningioma": "meningioma", "pituitary": "pituitary", "notumor": NORMAL},
)
OCT17 = ClassFolders(
    "train|val|test",
    {"cnv": "CNV", "dme": "DME", "drusen": "Drusen", "normal": NORMAL},
    patient=re.compile(r"[A-Z]+-(\d+)-\d+$"),
)
LAG = ClassFolders(
    "",
    {"suspicious_glaucoma": "glaucoma", "glaucoma": "glaucoma", "non_glaucoma": NORMAL},
    "image/",
)
LAYOUTS = (
    Layout("brain-tumor-mri", BRAIN_TUMOR_MRI.fits, BRAIN_TUMOR_MRI.read),
    Layout("oct17", OCT17.fits, OCT17.read),
    Layout("lag", LAG.fits, LAG.read),
)
