"""One cell of a benchmark's matrix: a detector, how it is trained, and on whom it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from napari_medad.backbones.clip.catalogue import released
from napari_medad.datasets import DatasetCase
from napari_medad.detectors.card import Card
from napari_medad.detectors.needs import clip_of, clip_sentence, needs
from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError
from napari_medad.results.run_record import sha256_of
from napari_medad.weights.catalogue import releases
from napari_medad.weights.installed import find_weights, installed_weights

REFINER = "medsam+ddpt"
RANDOM, UNTRAINED = "random", "untrained"
Kind = Literal["volumes", "images", "slices", "categories"]
"""What is measured: voxels of volumes, scores of whole images, pixels of single slices, or which
abnormalities a slice is said to show."""

Supervision = Literal["normal slices", "slice labels", "weak masks", "refined masks", "none"]
"""What is learned from: normal slices alone, labels of slices, or a teacher's masks, as they are
or redrawn by MedSAM. "none": not trained, but prompted by the teacher."""


@dataclass(frozen=True)
class Weak:
    """How a cell learns where no mask is shown to it.

    Attributes
    ----------
    supervision : Supervision
    margin : int
        First and last axial slices that do not count.
    least_pixels : int
        Slices with more lesion pixels are abnormal; those with fewer, but some, do not count.
    teacher : str
        Detector whose masks are learned from, or become prompts.
    teacher_options : mapping
        Of its training, checked.
    """

    supervision: Supervision
    margin: int
    least_pixels: int
    teacher: str = ""
    teacher_options: Mapping[str, Any] = field(default_factory=dict)

    def lacking(self) -> str:
        """What the teacher needs to be trained; empty where it is there."""
        return (
            ""
            if self.teacher_options.get("backbone_weights")
            else clip_sentence(card(self.teacher)).removeprefix("needs ")
        )


@dataclass(frozen=True)
class Shown:
    """What a cell tells apart.

    Attributes
    ----------
    categories : tuple of str
        Other labels of the dataset do not count.
    slice : int
        Axial slice that is looked at; 0 of a picture.
    """

    categories: tuple[str, ...]
    slice: int = 0

    def of(self, case: DatasetCase) -> tuple[str, ...]:
        """The categories that a case shows there; datasets differ in their capitals."""
        labels = case.labels if case.slices is None else case.slices[self.slice]
        known = {label.casefold() for label in labels}
        return tuple(name for name in self.categories if name.casefold() in known)


@dataclass(frozen=True)
class Cell:
    """A detector in one setup, or on one dataset.

    Attributes
    ----------
    method, setup : str
        A row of the table, and what tells its cells apart.
    title : str
        In tables and figures.
    weights : str
        Installed name or path to run, or to begin the training with; "random" for none.
    settings : mapping
        Of the detector, checked.
    options : mapping or None
        Of its training, checked; None where it is not trained.
    volume : str
        Which volume of a case is looked at; empty for its only one.
    train, validation, test : tuple of DatasetCase
    half : float or None
        The fixed threshold; None: of each map, the one that the detector calibrated.
    kind : Kind
    model : str
        Of a network that cells share; empty for one of its own.
    tasks : mapping of str to str
        What the images of a dataset show, by the dataset that stands before "/" in a case's name.
    detector : str
        Its name, where the row is called otherwise.
    weak : Weak or None
        How it learns from labels of slices, where it does.
    shown : Shown or None
        Of the kind "categories".
    """

    method: str
    setup: str
    title: str
    weights: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any] | None
    volume: str
    test: tuple[DatasetCase, ...]
    train: tuple[DatasetCase, ...] = ()
    validation: tuple[DatasetCase, ...] = ()
    half: float | None = 0.5
    kind: Kind = field(default="volumes")
    model: str = ""
    tasks: Mapping[str, str] = field(default_factory=dict)
    detector: str = ""
    weak: Weak | None = None
    shown: Shown | None = None

    @property
    def name(self) -> str:
        """Of the cell and of its folder."""
        return f"{self.method}-{self.setup}"

    @property
    def card(self) -> Card:
        """Of its detector."""
        return card(self.detector or self.method)

    @property
    def work(self) -> dict[Any, float]:
        """Patients that each stage looks at."""
        seen = len(self.validation) + len(self.test)
        epochs = 0 if self.options is None else int(self.options.get("epochs", 1))
        return {"train": epochs * len(self.train), "detect": seen, "measure": 2 * len(self.test)}

    def image(self, case: DatasetCase) -> Path:
        """The file of the volume that is looked at."""
        return case.images[self.volume] if self.volume else next(iter(case.images.values()))

    def task(self, case: DatasetCase) -> str:
        """What a case shows; the prompt of detectors that read one."""
        return self.tasks.get(case.name.partition("/")[0], "")

    def made_of(self) -> dict[str, Any]:
        """All that decides the result, so that other settings or data are told from these."""
        return {
            "method": self.method,
            "setup": self.setup,
            "weights": self._weights(),
            "settings": dict(self.settings),
            "training options": None if self.options is None else dict(self.options),
            "fixed threshold": self.half,
            "volume": self.volume,
            **({"weak supervision": asdict(self.weak)} if self.weak else {}),
            **({"shown": asdict(self.shown)} if self.shown else {}),
            **{
                f"{part} patients": {
                    case.name: [_checksum(path) for path in (self.image(case), *case.masks)]
                    for case in cases
                }
                for part, cases in (
                    ("training", self.train),
                    ("validation", self.validation),
                    ("test", self.test),
                )
            },
        }

    def lacking(self) -> str:
        """What must be fetched before the cell can run; empty where it can."""
        if self.weights == "auto":
            return "; ".join([*map(str, needs(self.card, self.settings)), *self._weak_lacks()])
        lacks = self._weak_lacks()
        if not self._found:
            first = releases(self.card.package).get(self.weights)
            terms = f" ({first.size}, licence {first.licence})" if first else ""
            lacks.append(
                f"the weights {self.weights} of {self.card.name}{terms}: "
                f"medad weights fetch {self.card.name} {self.weights}"
            )
        clip = released().get(self._clip)
        given = self.settings.get("backbone_weights")
        if clip is not None and not clip.installed and not given and self.weights != UNTRAINED:
            lacks.append(f"CLIP {clip.name} ({clip.terms}): medad weights fetch {clip.name}")
        return "; ".join(lacks)

    def _weak_lacks(self) -> list[str]:
        """What the detectors before it in the chain lack."""
        if self.weak is None or self.weak.supervision == "normal slices":
            return []
        lacks = [] if self.weak.supervision == "slice labels" else [self.weak.lacking()]
        if self.weak.supervision == "refined masks":
            lacks += [f"MedSAM ({n.terms}): {n.command}" for n in needs(card(REFINER))]
        return [text for text in lacks if text]

    @property
    def _found(self) -> bool:
        known = (RANDOM, UNTRAINED, *installed_weights(self.card.name))
        return self.weights in known or Path(self.weights).expanduser().exists()

    @property
    def _clip(self) -> str:
        held = None
        if self.weights not in (RANDOM, UNTRAINED) and self._found:
            held = find_weights(self.card.name, self.weights)
        return clip_of(self.card, held, self.settings)

    def _weights(self) -> dict[str, Any]:
        if self.weights in (RANDOM, UNTRAINED):
            return {"name": self.weights}
        try:
            held = find_weights(self.card.name, self.weights).record()
        except MedadError:
            return {"name": self.weights, "sha256": None}
        return {"name": held.name, "sha256": held.sha256}


def _checksum(path: Path) -> str:
    stat = path.stat()
    return _checksum_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=100_000)
def _checksum_of(path: Path, changed: int, size: int) -> str:
    """By content; the other arguments tell a file that has changed."""
    return sha256_of(path)[:16]
