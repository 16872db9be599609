"""A short lesson from corrected scans: `medad teach`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import card as card_of
from napari_medad.detectors.registry import cards
from napari_medad.errors import MedadError
from napari_medad.training.loop import train
from napari_medad.training.plan import WHERE
from napari_medad.training.progress import Listener
from napari_medad.weights.installed import Weights, find_weights
from napari_medad.weights.model_folder import ModelFolder

if TYPE_CHECKING:
    from napari_medad.training.run import Slice

BLEND = 0.5
"""Share of the lesson in the new weights: measured to keep what was known on other scans."""
CASES = 3
"""Corrected scans up to which a lesson has all of its epochs; more of them take fewer."""


def teachable() -> tuple[str, ...]:
    """Names of the detectors that corrections can teach."""
    return tuple(card.name for card in cards().values() if card.teachable)


def teach(
    name: str,
    examples: Sequence[Example],
    out: str | Path,
    *,
    weights: str = "auto",
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    resume: bool = False,
    progress: Listener | None = None,
    preview: Slice | None = None,
) -> ModelFolder:
    """Teach a trained detector what a person has corrected; the old weights stay as they are.

    The lesson takes about a minute for a scan or a few. So that nothing is forgotten, half of
    what the detector sees are synthetic images, where it makes such, and the new weights are
    the mean of the old and the learned ones.

    Parameters
    ----------
    name : str
        See `teachable`.
    examples : sequence of Example
        Corrected masks, and how much each voxel counts.
    out : path
        Model folder.
    weights : str
        What to begin from: "auto", an installed name or a model folder.
    options : mapping, optional
        Options of the training, over those of the lesson.
    device, resume, progress, preview
        As for `train`.

    Raises
    ------
    MedadError
        If corrections cannot teach this detector, there are none, or it has no weights.
    """
    begin, chosen = lesson(name, len(examples), weights)
    return train(
        name,
        examples,
        out,
        options={**chosen, **(options or {})},
        weights=str(begin.path),
        device=device,
        resume=resume,
        progress=progress,
        preview=preview,
    )


def lesson(name: str, scans: int, weights: str = "auto") -> tuple[Weights, dict[str, Any]]:
    """The weights that a lesson begins from, and its options.

    Parameters
    ----------
    name : str
    scans : int
        Corrected scans.
    weights : str

    Raises
    ------
    MedadError
        As `teach`.
    """
    card = card_of(name)
    if not card.teachable:
        raise MedadError(
            f"'{name}' cannot be taught by corrections; these can: {', '.join(teachable())}."
        )
    if not scans:
        raise MedadError("There are no corrected scans; correct one first.")
    begin = find_weights(name, weights, card.weights)
    if begin.path is None:
        raise MedadError(f"Random weights of '{name}' know nothing to build on; train it first.")
    chosen = {"blend": BLEND, **(card.recipe_type().lesson or {})}
    read = {**_trained_with(name, begin.path), **chosen}
    options = card.recipe_type().Options.parse(read, f"the lesson of {name}").model_dump()
    epochs = int(options.get("epochs", 1))
    return begin, options | {"epochs": max(1, round(epochs * min(1.0, CASES / scans)))}


def _trained_with(name: str, path: Path) -> dict[str, Any]:
    """Options of the training that the weights come from, as far as there are still such."""
    if not (path / "model.json").is_file():
        return {}
    training = ModelFolder.read(path, name).facts.get("training", {})
    known = card_of(name).recipe_type().Options.model_fields.keys() - set(WHERE)
    return {key: value for key, value in training.get("options", {}).items() if key in known}
