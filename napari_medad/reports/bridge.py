"""A language model that sees: a trained MLP turns a scan's views into tokens it reads first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformers import get_cosine_schedule_with_warmup

from napari_medad.detectors.settings import Settings
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.reports.cases import sentences_of_entry
from napari_medad.reports.draft import Draft
from napari_medad.reports.language_model import LocalLanguageModel
from napari_medad.reports.library import Origin, ReportLibrary
from napari_medad.reports.prompts import asked
from napari_medad.training.randomness import Stream, seeded
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.model_folder import ModelFolder

KIND = "brat-bridge"
"""What the model folder of a bridge says that it is for."""


class Bridge(nn.Module):
    """A two-layer MLP between two widths, for each view on its own."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def forward(self, views: Tensor) -> Tensor:
        """Views [b, q, width] -> soft tokens [b, q, hidden]."""
        return self.layers(views)


class BridgeOptions(Settings):
    """How a bridge is trained; the paper's figures where it gives them."""

    epochs: int = Field(default=20, ge=1, title="Epochs")
    batch_size: int = Field(default=32, ge=1, title="Batch size", description="The paper's: 1024")
    learning_rate: float = Field(default=2e-4, gt=0, title="Learning rate")
    warm_up: float = Field(default=0.3, ge=0, lt=1, title="Share of the steps to warm up")
    longest: int = Field(default=256, ge=1, title="Tokens of a report that are learned")
    seed: int = Field(default=0, ge=0, title="Random seed")


@dataclass(frozen=True, eq=False)
class ScanWithReport:
    """One pair to learn from: the views [q, d] float32 of a scan, and its report's text."""

    views: np.ndarray
    report: str


def pairs_of(library: ReportLibrary) -> list[ScanWithReport]:
    """The scans of a library whose reports can be read.

    Raises
    ------
    MedadError
        If there is none, or a report has changed.
    """
    found = [
        ScanWithReport(views, " ".join(sentences_of_entry(entry)))
        for entry, views in zip(library.entries, library.views)
        if entry.count
    ]
    if not found:
        raise MedadError("The library holds no scan with a report; add some to learn from.")
    return found


class SeeingLanguageModel(LocalLanguageModel):
    """A language model from a local folder that reads the views of a scan before the prompt.

    Parameters
    ----------
    folder : path
        The language model.
    bridge : path
        What `train_bridge` wrote for it.
    origin : Origin
        The weights of brat that the scans are looked at with.
    device : str

    Raises
    ------
    MedadError
        If the bridge leads from other weights, or to another language model.
    """

    def __init__(
        self, folder: str | Path, bridge: str | Path, origin: Origin, device: str = "cpu"
    ) -> None:
        super().__init__(folder, device)
        held = ModelFolder.read(bridge, KIND)
        self.origin = Origin.model_validate(held.facts["origin"])
        if self.origin.fingerprint != origin.fingerprint:
            raise MedadError(
                f"The bridge {held.path} was trained with other weights of brat "
                f"('{self.origin.name}') than '{origin.name}'; use those, or train another bridge."
            )
        if held.settings["hidden"] != self.width:
            raise MedadError(
                f"The bridge {held.path} leads to the language model "
                f"'{held.facts['language_model']}' of width {held.settings['hidden']}, but "
                f"{self.name} has {self.width}; give that model, or train another bridge."
            )
        self.bridge = Bridge(**held.settings)
        load_into(self.bridge, held.tensors(), f"The bridge {held.path}")
        self.bridge.eval().requires_grad_(False).to(device)
        self._views: Tensor | None = None

    def looking_at(self, views: np.ndarray) -> Self:
        """The same model before a scan with these views [q, d]."""
        looking = copy(self)
        looking._views = torch.from_numpy(views)[None].to(self._device)
        return looking

    def _given(self, ids: Tensor) -> dict[str, Tensor]:
        """The views' tokens, then the words'."""
        if self._views is None:
            return super()._given(ids)
        with torch.inference_mode():
            seen = torch.cat([self.bridge(self._views), self.embedded(ids)], dim=1)
        return {"inputs_embeds": seen, "attention_mask": seen.new_ones(seen.shape[:2]).long()}


def draft_from_views(
    case: str,
    views: np.ndarray,
    model: SeeingLanguageModel,
    *,
    longest: int = 400,
    progress: Callback | None = None,
) -> Draft:
    """Draft the findings of a scan from its views alone.

    Parameters
    ----------
    case : str
    views : ndarray [q, d] float32
    model : SeeingLanguageModel
    longest : int
        Most tokens to write.
    progress : callable, optional
        Takes a `Progress` after every token; answers "stop" to cancel.

    Raises
    ------
    MedadError
        If the model writes nothing.
    """
    body = model.looking_at(views).write(asked("look"), longest=longest, progress=progress)
    if not body:
        raise MedadError(f"The language model '{model.name}' wrote nothing; train the bridge more.")
    return Draft(case, body, model.name, (), model.origin.untrained)


def train_bridge(
    pairs: Sequence[ScanWithReport],
    model: LocalLanguageModel,
    origin: Origin,
    out: str | Path,
    *,
    options: BridgeOptions | None = None,
    progress: Callback | None = None,
) -> ModelFolder:
    """Teach a bridge to make a frozen language model write the reports of scans.

    AdamW with warm-up and cosine decay on the cross-entropy of each next word of the report,
    given the views and the prompt.

    Parameters
    ----------
    pairs : sequence of ScanWithReport
    model : LocalLanguageModel
        Stays as it is.
    origin : Origin
        The weights that saw the views.
    out : path
        Folder for the bridge.
    options : BridgeOptions, optional
    progress : callable, optional
        Takes a `Progress` after every step; answers "stop" to cancel.

    Raises
    ------
    MedadError
        If there is nothing to learn from, or the views differ in width.
    Cancelled
        If `progress` answered "stop"; nothing is written.
    """
    options = options or BridgeOptions.parse({}, "the bridge")
    widths = {pair.views.shape[-1] for pair in pairs if pair.report.strip()}
    if len(widths) != 1:
        raise MedadError(
            "A bridge learns from scans with reports, all seen by the same weights of brat; give "
            "such pairs."
        )
    with seeded(options.seed, Stream.NETWORK):
        bridge = Bridge(widths.pop(), model.width).to(model.device)
    losses = _learn(bridge, pairs, model, options, progress)
    facts = {
        "origin": origin.model_dump(),
        "language_model": model.name,
        "pairs": len(pairs),
        "options": options.model_dump(),
        "losses": [round(loss, 4) for loss in losses],
    }
    settings = {"width": bridge.layers[0].in_features, "hidden": model.width}
    held = ModelFolder(Path(out).expanduser(), KIND, settings, facts)
    held.write(bridge.state_dict())
    return held


def _learn(
    bridge: Bridge,
    pairs: Sequence[ScanWithReport],
    model: LocalLanguageModel,
    options: BridgeOptions,
    progress: Callback | None,
) -> list[float]:
    """Train a bridge in place; the mean loss of each epoch."""
    kept = [pair for pair in pairs if pair.report.strip()]
    per_epoch = -(-len(kept) // options.batch_size)
    steps = per_epoch * options.epochs
    optimiser = torch.optim.AdamW(bridge.parameters(), lr=options.learning_rate)
    schedule = get_cosine_schedule_with_warmup(optimiser, round(options.warm_up * steps), steps)
    order, losses = np.random.default_rng(options.seed), []
    reporter = Reporter(progress, steps, "steps")
    reporter(0)
    for epoch in range(options.epochs):
        shuffled, total = order.permutation(len(kept)), 0.0
        for number, first in enumerate(range(0, len(kept), options.batch_size), 1):
            chosen = [kept[n] for n in shuffled[first : first + options.batch_size]]
            loss = report_loss(bridge, chosen, model, options.longest)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() / per_epoch
            reporter(epoch * per_epoch + number)
        losses.append(total)
    return losses


def report_loss(
    bridge: Callable[[Tensor], Tensor],
    pairs: Sequence[ScanWithReport],
    model: LocalLanguageModel,
    longest: int,
) -> Tensor:
    """Mean cross-entropy of the next word of reports, and of their end.

    Parameters
    ----------
    bridge : callable
        Views [b, q, d] -> soft tokens [b, q, hidden].
    pairs : sequence of ScanWithReport
    model : LocalLanguageModel
    longest : int
        Tokens of a report that count.
    """
    views = torch.from_numpy(np.stack([pair.views for pair in pairs])).to(model.device)
    ids, there, learned = model.to_learn(asked("look"), [pair.report for pair in pairs], longest)
    soft = bridge(views)
    seen = torch.cat([there.new_ones(soft.shape[:2]), there], dim=1)
    logits = model.next_words(torch.cat([soft, model.embedded(ids)], dim=1), seen)
    before = logits[:, soft.shape[1] - 1 : -1]
    return F.cross_entropy(before[learned], ids[learned])
