"""From labels of slices to a network that outlines: teacher, weak masks, refinement, rasalore."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_medad.atomic import replacing
from napari_medad.detectors.detector import Detector
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import card, load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Progress
from napari_medad.inference.run import detect
from napari_medad.training.dataset import examples_from
from napari_medad.training.folder import TrainingFolder
from napari_medad.training.loop import train
from napari_medad.training.progress import Listener, looking
from napari_medad.training.slice_labels_file import read_slice_labels
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import case_name
from napari_medad.weights.model_folder import ModelFolder

REFINER = "medsam+ddpt"


@dataclass(frozen=True)
class Chain:
    """How weak labels become a strong network.

    Attributes
    ----------
    teacher : str
        A detector that learns from slice labels: ddpt (the paper's), gradcam.
    teacher_options : mapping
        Options of its training.
    refiner : str
        "medsam", or "none" to learn from the teacher's masks alone.
    """

    teacher: str = "ddpt"
    teacher_options: Mapping[str, Any] | None = None
    refiner: str = "none"

    def check(self) -> None:
        """Refuse a teacher that does not learn from slice labels, or an unknown refiner.

        Raises
        ------
        MedadError
            Names what there is.
        """
        if "slice labels" not in card(self.teacher).labels:
            raise MedadError(
                f"'{self.teacher}' does not learn from slice labels; choose ddpt or gradcam as "
                "the teacher."
            )
        if self.refiner not in ("none", "medsam"):
            raise MedadError(f"The refiner '{self.refiner}' is unknown; use medsam or none.")


@dataclass(frozen=True)
class WeakToStrong:
    """A chain's folder. Each step leaves its result there and, once it is there, is not redone.

    `teacher/` is a model; `weak/` and `refined/` hold masks and maps with their run records, to
    look at, paint in and learn from again; `weak.csv` is the manifest that the last step learns
    from. A mask that was painted is learned from as it is.

    Attributes
    ----------
    home : Path
        Model folder of the network that is trained at the end.
    examples : tuple of Example
        Images on disk with labels of slices; see `labelled_examples`.
    chain : Chain
    device : str
    """

    home: Path
    examples: tuple[Example, ...]
    chain: Chain = field(default_factory=Chain)
    device: str = "auto"

    @property
    def teacher(self) -> Path:
        """The teacher's model folder."""
        return self.home / "teacher"

    @property
    def taught(self) -> bool:
        """Whether the teacher is trained."""
        return (self.teacher / "model.json").is_file()

    @property
    def manifest(self) -> Path:
        """What the last step learns from."""
        return self.home / "weak.csv"

    def masks(self, kind: str) -> list[Path]:
        """Where the "weak" or "refined" mask of each example is, or will be."""
        names = (case_name(image_of(example)) for example in self.examples)
        return [self.home / kind / f"{name}_weak_mask.nii.gz" for name in names]

    def teach(self, progress: Listener | None = None) -> None:
        """Train the teacher, or go on with it."""
        if not self.taught:
            train(
                self.chain.teacher,
                self.examples,
                self.teacher,
                options=self.chain.teacher_options,
                device=self.device,
                resume=(self.teacher / "training.json").is_file(),
                progress=progress,
            )

    def mark(self, progress: Listener | None = None) -> None:
        """The teacher's mask of every example."""
        self._mark("weak", self._teacher, progress)

    def refine(self, progress: Listener | None = None) -> None:
        """MedSAM's mask of what the teacher marks in every example."""
        self._mark("refined", self._refiner, progress)

    def write_manifest(self) -> Path:
        """Examples with their masks, refined ones where they are there."""
        refined = self.masks("refined")
        with replacing(self.manifest) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "frame", "mask", "refined", "label", "slices"])
            for example, weak, better in zip(
                self.examples, self.masks("weak"), refined, strict=True
            ):
                labels = example.slices or {}
                writer.writerow(
                    [
                        image_of(example).resolve(),
                        "" if example.frame is None else example.frame,
                        weak.relative_to(self.home),
                        better.relative_to(self.home) if better.is_file() else "",
                        example.label,
                        " ".join(f"{z}:{label}" for z, label in sorted(labels.items())),
                    ]
                )
        return self.manifest

    def _teacher(self) -> Detector:
        return load_detector(self.chain.teacher, weights=str(self.teacher), device=self.device)

    def _refiner(self) -> Detector:
        source = {"source": self.chain.teacher, "source_weights": str(self.teacher)}
        return load_detector(REFINER, device=self.device, **source)

    def _mark(self, kind: str, load: Callable[[], Detector], progress: Listener | None) -> None:
        """Masks of all examples, in the slices that are labelled abnormal; those there are kept."""
        report, total, detector = looking(progress), len(self.examples), None
        for number, (example, path) in enumerate(zip(self.examples, self.masks(kind), strict=True)):
            report(number, total)
            if path.is_file():
                continue
            detector = detector or load()
            detection = detect(example.study(), detector, progress=_Asking(report, number, total))
            detection.save(path.parent)
            mask = (detection.mask > 0).astype(np.uint8)
            labels = example.slices or {}
            mask[[z for z in range(len(mask)) if not labels.get(z, 0)]] = 0
            write_nifti(mask, detection.volume, path, labels=True)


def train_from_labels(
    name: str,
    data: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    chain: Chain | None = None,
    options: Mapping[str, Any] | None = None,
    preset: str | None = None,
    device: str = "auto",
    resume: bool = False,
    progress: Listener | None = None,
) -> ModelFolder:
    """Train a detector that needs masks from labels of slices.

    Everything on the way is kept in `out`, see `WeakToStrong`. With `resume`, steps that are
    done are not done again.

    Parameters
    ----------
    name : str
        What is trained at the end: rasalore, or another that learns from masks.
    data : path
        Folder of images.
    labels : path
        File of labels, see `read_slice_labels`.
    out : path
        Model folder.
    chain : Chain, optional
    options, preset, device, resume, progress
        As for `train`, of the last step.

    Raises
    ------
    MedadError
        If a label is of an image that is not there, or any step's data are wrong.
    """
    chain, home = chain or Chain(), Path(out).expanduser()
    chain.check()
    folder = TrainingFolder(home)
    if not resume:
        folder.refuse_if_used()
        if (home / "teacher").exists():
            raise MedadError(f"{home} holds an unfinished chain; go on with it (--resume).")
    examples = labelled_examples(Path(data).expanduser(), Path(labels).expanduser())
    home.mkdir(parents=True, exist_ok=True)
    steps = WeakToStrong(home, examples, chain, device)
    steps.teach(progress)
    steps.mark(progress)
    if chain.refiner == "medsam":
        steps.refine(progress)
    return train(
        name,
        steps.write_manifest(),
        home,
        options=options,
        preset=preset,
        device=device,
        resume=resume and folder.request_file.is_file(),
        progress=progress,
    )


def labelled_examples(data: Path, labels: Path) -> tuple[Example, ...]:
    """The folder's images that have labels, with them.

    Raises
    ------
    MedadError
        If a row's image is not in the folder, or a row is wrong.
    """
    by_name: dict[str, Example] = {}
    for example in examples_from(data):
        path = image_of(example)
        if by_name.get(str(path.resolve()), example).frame != example.frame:
            raise MedadError(
                f"{data} names several frames of {path.name}, which labels of slices cannot tell "
                "apart; save each frame as a file of its own."
            )
        by_name |= dict.fromkeys((path.name, case_name(path), str(path.resolve())), example)
    found: dict[str, Example] = {}
    for row in read_slice_labels(labels):
        named = by_name.get(row.image) or by_name.get(str((labels.parent / row.image).resolve()))
        if named is None:
            raise MedadError(f"{row.where} names the image {row.image}, which is not in {data}.")
        key = str(named.image)
        known = dict(found[key].slices or {}) if key in found else {}
        merged = known | row.slices
        found[key] = replace(named, slices=merged, label=int(any(merged.values())))
    if not found:
        raise MedadError(f"{labels} holds no labels; write rows of image, slice and label.")
    names = [case_name(image_of(example)) for example in found.values()]
    for name in names:
        if names.count(name) > 1:
            raise MedadError(f"{data} holds two images called {name}; rename one of them.")
    return tuple(found.values())


def teacher_of(home: Path) -> str | None:
    """Which detector teaches, or has begun to learn to, in a chain's folder."""
    for name in ("model.json", "training.json"):
        with suppress(OSError, ValueError, KeyError):
            held = json.loads((home / "teacher" / name).read_text(encoding="utf-8"))
            return str(held["detector"])
    return None


def image_of(example: Example) -> Path:
    """The file of an example that lies on disk."""
    assert isinstance(example.image, Path)
    return example.image


class _Asking:
    """Asks within an image, too, whether to go on; `report` raises where the user stops."""

    def __init__(self, report: Callable[[int, int], None], done: int, total: int) -> None:
        self.ask = partial(report, done, total)

    def __call__(self, progress: Progress) -> None:
        self.ask()
