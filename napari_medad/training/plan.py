"""What a run will do, settled before it touches its folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_medad.detectors.card import Card
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.detectors.registry import card as card_of
from napari_medad.detectors.registry import cards
from napari_medad.errors import MedadError
from napari_medad.training.dataset import empty_images, examples_from, fingerprint
from napari_medad.training.folder import Request, TrainingFolder
from napari_medad.training.held_out import hold_out
from napari_medad.weights.checkpoint import load_into, read_tensors
from napari_medad.weights.installed import find_weights
from napari_medad.weights.model_folder import ModelFolder

SYNTHETIC = "synthetic"
VOLUMES = "volumes"
WHERE = ("devices", "num_nodes", "strategy")
"""Options about where to compute; a run may go on elsewhere."""
Look = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """What the user asks for; fields as the parameters of `train`."""

    name: str
    data: str | Path | Sequence[Example]
    options: Mapping[str, Any]
    preset: str | None = None
    weights: str | None = None

    def card(self) -> Card:
        """Card of a detector that can be trained."""
        card = card_of(self.name)
        if not card.recipe_class:
            others = ", ".join(c.name for c in cards().values() if c.recipe_class)
            raise MedadError(f"'{self.name}' cannot be trained; these can: {others}.")
        return card

    def recipe_type(self) -> type[Recipe]:
        """Its recipe."""
        return self.card().recipe_type()

    def chosen(self) -> dict[str, Any]:
        """The preset's options, and over them those given by name."""
        presets = self.recipe_type().presets
        if self.preset is not None and self.preset not in presets:
            known = ", ".join(presets) or "none"
            raise MedadError(
                f"{self.name} has no preset '{self.preset}'; its presets are: {known}."
            )
        return {**presets.get(self.preset or "", {}), **self.options}

    def parse(self, values: Mapping[str, Any]) -> TrainingOptions:
        """Validated options."""
        return self.recipe_type().Options.parse(values, f"the training of {self.name}")

    @property
    def source(self) -> str:
        """The data in a word, or their path."""
        return str(self.data) if isinstance(self.data, str | Path) else VOLUMES

    def examples(self) -> Sequence[Example]:
        """What there is to learn from; none for synthetic images."""
        if not isinstance(self.data, str | Path):
            return tuple(self.data)
        if str(self.data) != SYNTHETIC:
            return examples_from(self.data)
        if not self.recipe_type().synthetic:
            raise MedadError(f"{self.name} makes no synthetic images; give a folder or a manifest.")
        return ()

    def beginning(self) -> tuple[Mapping[str, Any], Mapping[str, Tensor] | None]:
        """Settings that shape the network of the weights to fine-tune, and their tensors."""
        card = self.card()
        if self.weights in (None, "", "untrained"):
            return {}, None
        path = find_weights(card.name, str(self.weights)).path
        assert path is not None
        if path.is_dir():
            model = ModelFolder.read(path, card.name)
            return model.settings, model.tensors()
        return card.convert(read_tensors(path))


@dataclass(frozen=True)
class Plan:
    """A recipe with its examples, and what to begin from.

    Attributes
    ----------
    request : Request
    recipe : Recipe
    start : mapping of str to Tensor, optional
        Tensors to fine-tune.
    notes : tuple of str
        What the user should know of the data, one sentence each.
    """

    request: Request
    recipe: Recipe
    start: Mapping[str, Tensor] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def new(cls, wanted: Wanted, look: Look | None = None) -> Plan:
        """The plan of a new run, after a look at every image.

        Raises
        ------
        MedadError
            Wrong detector, preset, option, weights or data.
        """
        recipe, shape, start = wanted.recipe_type(), *wanted.beginning()
        shaping = {k: v for k, v in shape.items() if k in recipe.Options.model_fields}
        return cls._of(wanted, wanted.parse({**shaping, **wanted.chosen()}), start, None, look)

    @classmethod
    def again(cls, wanted: Wanted, folder: TrainingFolder, look: Look | None = None) -> Plan:
        """The plan of the unfinished run in `folder`.

        Raises
        ------
        MedadError
            If there is none, or what is asked now differs from what was asked then.
        """
        held = folder.unfinished().request
        if held.detector != wanted.name:
            raise MedadError(
                f"{folder.path} holds a training of '{held.detector}', not of '{wanted.name}'."
            )
        options = wanted.parse({**held.options, **wanted.chosen()})
        now = options.model_dump(mode="json")
        fixed = [key for key in now if key not in WHERE]
        changed = next((key for key in fixed if now[key] != held.options.get(key, now[key])), None)
        if changed is not None:
            raise MedadError(
                f"The training in {folder.path} began with {changed}={held.options.get(changed)}; "
                "resume it without changing options, or start another."
            )
        if wanted.weights not in (None, held.weights):
            raise MedadError(
                f"The training in {folder.path} began from the weights {held.weights}; resume it "
                "without naming others."
            )
        begun = replace(wanted, weights=held.weights)
        start = begun.beginning()[1] if options.blend < 1 else None  # mixed in at the end
        plan = cls._of(begun, options, start, held.empty, look)
        if plan.request.examples != held.examples:
            raise MedadError(
                f"The data are not those that the training in {folder.path} began with; give the "
                "same images, or start another."
            )
        return plan

    @classmethod
    def _of(
        cls,
        wanted: Wanted,
        options: TrainingOptions,
        start: Mapping[str, Tensor] | None,
        empty: Sequence[int] | None,
        look: Look | None,
    ) -> Plan:
        found = wanted.examples()
        if empty is None:
            empty = empty_images(found, look)
        kept = [example for number, example in enumerate(found) if number not in set(empty)]
        if found and not kept:
            raise MedadError("All images in the data are empty; give images that show something.")
        held = hold_out(kept, options.held_out_share, options.seed)
        request = Request(
            wanted.name,
            options.model_dump(mode="json"),
            wanted.source,
            fingerprint(held),
            wanted.weights,
            list(empty),
        )
        notes = (f"{len(empty)} empty images were left out.",) if empty else ()
        return cls(request, wanted.recipe_type()(options, held), start, notes)

    def network(self) -> nn.Module:
        """A new network, with the weights to fine-tune if there are any."""
        network = self.recipe.network()
        if self.start is not None:
            load_into(network, self.start, f"The model {self.request.weights}")
        return network

    @property
    def summary(self) -> dict[str, Any]:
        """Counts of the data; no path and no name of a file."""
        examples = self.recipe.examples
        tasks = dict.fromkeys(example.task for example in examples)
        kinds = {None: "unknown", 0: "normal", 1: "abnormal"}
        return {
            "source": _source(self.request.data),
            "images": len(examples),
            "held_out": sum(example.held_out for example in examples),
            "labels": dict(Counter(kinds[e.label] for e in examples)),
            "tasks": {
                task or "(none)": {
                    "learned": sum(e.task == task and not e.held_out for e in examples),
                    "held_out": sum(e.task == task and e.held_out for e in examples),
                }
                for task in tasks
            },
        }


def _source(data: str) -> str:
    if data in (SYNTHETIC, VOLUMES):
        return data
    return "folder" if Path(data).expanduser().is_dir() else "manifest"
