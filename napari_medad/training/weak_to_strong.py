"""From labels of slices to a network that outlines: teacher, weak masks, refinement, rasalore."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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

    Everything on the way is kept in `out`: `teacher/`, a model; `weak/` and `refined/`, masks
    and maps with their run records, to look at, paint in and learn from again;
    `weak.csv`, the manifest that the last step learns from. With `resume`, steps that are done
    are not done again, and a mask that was painted since is learned from as it is.

    Parameters
    ----------
    name : str
        What is trained at the end: rasalore, or another that learns from masks.
    data : path
        Folder of images.
    labels : path
        Manifest with the columns `image` (name or path of a file in `data`) and `slices`
        ("12:1 13:0"), or with `image`, `slice` and `label`, a row for each slice.
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
    teacher = _taught(chain, examples, home / "teacher", device, progress)
    weak = _masked(examples, _teacher(chain, teacher, device), home / "weak", progress)
    refined: Sequence[Path] | None = None
    if chain.refiner == "medsam":
        refined = _masked(examples, _refiner(chain, teacher, device), home / "refined", progress)
    manifest = _write_manifest(examples, weak, refined, home / "weak.csv")
    started = resume and folder.request_file.is_file()
    return train(
        name,
        manifest,
        home,
        options=options,
        preset=preset,
        device=device,
        resume=started,
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
        assert isinstance(example.image, Path)
        path = example.image
        by_name |= dict.fromkeys((path.name, case_name(path), str(path.resolve())), example)
    found: dict[str, Example] = {}
    for where, image, slices in _rows(labels):
        named = by_name.get(image) or by_name.get(str((labels.parent / image).resolve()))
        if named is None:
            raise MedadError(f"{where} names the image {image}, which is not in {data}.")
        key = str(named.image)
        known = dict(found[key].slices or {}) if key in found else {}
        merged = known | slices
        found[key] = replace(named, slices=merged, label=int(any(merged.values())))
    if not found:
        raise MedadError(f"{labels} holds no labels; write rows of image, slice and label.")
    return tuple(found.values())


def _rows(labels: Path) -> list[tuple[str, str, dict[int, int]]]:
    """Where it stands, the image, and its labels, of each row."""
    try:
        with labels.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            held = [(f"Line {reader.line_num} of {labels}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MedadError(f"{labels} cannot be read as CSV ({error}); save it as UTF-8.") from None
    found = []
    for where, row in held:
        cells = {str(k).strip().lower(): (v or "").strip() for k, v in row.items() if k}
        if not cells.get("image"):
            raise MedadError(f"{where} names no image; fill in its 'image'.")
        found.append((where, cells["image"], _slices(where, cells)))
    return found


def _slices(where: str, cells: Mapping[str, str]) -> dict[int, int]:
    pairs = cells.get("slices", "").replace(",", " ").split()
    if not pairs:
        pairs = [f"{cells.get('slice', '')}:{cells.get('label', '')}"]
    words = {"normal": "0", "healthy": "0", "abnormal": "1"}
    try:
        split = (pair.split(":") for pair in pairs)
        labels = {int(z): int(words.get(label.lower(), label)) for z, label in split}
    except ValueError:
        labels = {-1: -1}
    if any(z < 0 or label not in (0, 1) for z, label in labels.items()):
        raise MedadError(
            f"{where} has no labels that can be read; write a slice number and 0 (normal) or 1 "
            "(abnormal), or pairs such as 12:1 13:0."
        )
    return labels


def _taught(
    chain: Chain,
    examples: Sequence[Example],
    out: Path,
    device: str,
    progress: Listener | None,
) -> Path:
    """The teacher's model folder, trained unless it is there."""
    if not (out / "model.json").is_file():
        begun = (out / "training.json").is_file()
        train(
            chain.teacher,
            examples,
            out,
            options=chain.teacher_options,
            device=device,
            resume=begun,
            progress=progress,
        )
    return out


def _teacher(chain: Chain, model: Path, device: str) -> Detector:
    return load_detector(chain.teacher, weights=str(model), device=device)


def _refiner(chain: Chain, model: Path, device: str) -> Detector:
    return load_detector(REFINER, device=device, source=chain.teacher, source_weights=str(model))


class _Asking:
    """Asks within an image, too, whether to go on; `report` raises where the user stops."""

    def __init__(self, report: Callable[[int, int], None], done: int, total: int) -> None:
        self.ask = partial(report, done, total)

    def __call__(self, progress: Progress) -> None:
        self.ask()


def _masked(
    examples: Sequence[Example], detector: Detector, out: Path, progress: Listener | None
) -> list[Path]:
    """Masks of all examples, in the slices that are labelled abnormal; those there are kept."""
    report, masks, total = looking(progress), [], len(examples)
    for number, example in enumerate(examples):
        report(number, total)
        assert isinstance(example.image, Path)
        path = out / f"{case_name(example.image)}_weak_mask.nii.gz"
        if not path.is_file():
            detection = detect(example.study(), detector, progress=_Asking(report, number, total))
            detection.save(out)
            mask = (detection.mask > 0).astype(np.uint8)
            labels = example.slices or {}
            mask[[z for z in range(len(mask)) if not labels.get(z, 0)]] = 0
            write_nifti(mask, detection.volume, path, labels=True)
        masks.append(path)
    return masks


def _write_manifest(
    examples: Sequence[Example],
    weak: Sequence[Path],
    refined: Sequence[Path] | None,
    path: Path,
) -> Path:
    """What the last step learns from."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "mask", "refined", "label", "slices"])
        for number, example in enumerate(examples):
            labels = example.slices or {}
            assert isinstance(example.image, Path)
            writer.writerow(
                [
                    example.image.resolve(),
                    weak[number].relative_to(path.parent),
                    refined[number].relative_to(path.parent) if refined else "",
                    example.label,
                    " ".join(f"{z}:{label}" for z, label in sorted(labels.items())),
                ]
            )
    return path
