"""One training run on Lightning Fabric: steps, held-out losses, checkpoints, the model folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from napari_medad.detectors.device import Device
from napari_medad.errors import MedadError
from napari_medad.results.run_record import installed_versions
from napari_medad.training.folder import TrainingFolder
from napari_medad.training.history import History
from napari_medad.training.objective import (
    Gradients,
    Objective,
    flat,
    held_out_losses,
    weighted,
)
from napari_medad.training.plan import Plan
from napari_medad.training.processes import (
    fabric_on,
    gathered,
    refuse_different,
    shareable,
    together,
)
from napari_medad.training.progress import CALIBRATING, Listener, Watch, looking
from napari_medad.training.randomness import SeededItems, Stream, epoch_batches, seeded, share_of
from napari_medad.weights.model_folder import ModelFolder

SAVING_SHARE = 0.05
"""Largest share of the time that goes into checkpoints, however large the network."""
PREVIEW_S = 2.0
"""Shortest time between two previews."""

Slice = Callable[[], np.ndarray | None]
"""Gives the slice [h, w] to preview, or None."""


class Run:
    """One training from its plan to the model folder, or one process's part in it.

    The first process alone writes, reports and is asked; the others do as it does.

    Parameters
    ----------
    plan : Plan
    folder : TrainingFolder
    device : Device
    progress : callable or None
    preview : callable or None
    """

    def __init__(
        self,
        plan: Plan,
        folder: TrainingFolder,
        device: Device,
        progress: Listener | None,
        preview: Slice | None,
    ) -> None:
        self.plan, self.recipe, self.folder = plan, plan.recipe, folder
        self.options = plan.recipe.options
        self.fabric = fabric_on(device, self.options)
        self.fabric.launch()
        self.preview = preview
        self.recipe.watch = looking(progress)
        together(self.fabric, self._prepare)
        self.per_epoch = len(self._batches(0))
        self.total = self.per_epoch * self.options.epochs
        self.history = History(folder.history_file, self.total)
        self.done = 0
        self._earlier_s = 0.0
        self._saved_at, self._saving_s, self._previewed_at = time.monotonic(), 0.0, 0.0
        self._build(progress)
        if self.fabric.is_global_zero:
            folder.mark(plan.request, self.done, self.total)

    def _prepare(self) -> None:
        """The network and the data."""
        with seeded(self.options.seed, Stream.NETWORK):
            self.network = shareable(self.recipe, self.plan.network(), self.fabric)
            self.samples = self.recipe.dataset(held_out=False)
            self.held_out = self.recipe.dataset(held_out=True)
        if not len(self.samples):  # type: ignore[arg-type]
            raise MedadError("There is nothing to learn from in the data; give more images.")

    def _build(self, progress: Listener | None) -> None:
        """Network, optimiser, schedule and counters, from the checkpoint where there is one."""
        optimiser = self.recipe.optimiser(self.network)
        self.schedule = self.recipe.schedule(optimiser, self.total)
        self.alone = Objective(self.recipe, self.network)
        self.objective, self.optimiser = self.fabric.setup(self.alone, optimiser)
        held = together(self.fabric, self.folder.load)
        request = self.plan.request
        refuse_different(
            self.fabric, (request.options, request.examples, held["step"] if held else 0)
        )
        if held is not None:
            self.network.load_state_dict(held["network"])
            self.optimiser.load_state_dict(held["optimiser"])
            if self.schedule is not None:
                self.schedule.load_state_dict(held["schedule"])
            self.done, self._earlier_s = held["step"], held["seconds"]
            self.history.restore(self.done)
        agree = self.fabric.broadcast if self.fabric.world_size > 1 else None
        self.watch = Watch(progress, self.total, self.per_epoch, self.done, self.save, agree)
        parts = held["parts"] if held else 1
        self.gradients = Gradients(self.fabric, self.objective, parts, self.watch.poll, self._tell)

    def complete(self) -> ModelFolder:
        """Train to the end and write the model."""
        for note in self.plan.notes if not self.done else ():
            self._tell(note)
        self.watch.poll()
        self._measure_held_out()
        for epoch in range(self.done // self.per_epoch, self.options.epochs):
            for batch, share in self._loader(epoch, skip=self.done % self.per_epoch):
                self._step(batch, share)
            self._measure_held_out()
            self._preview()
        return self._finish()

    def _step(self, batch: Mapping[str, Any], share: float) -> None:
        with seeded(self.options.seed, Stream.STEP, self.done, self.fabric.global_rank):
            losses = self.gradients.accumulate(batch, self.optimiser.zero_grad, share)
        if self.options.clip_norm:
            largest = self.options.clip_norm
            self.fabric.clip_gradients(self.objective, self.optimiser, max_norm=largest)
        rate = self.optimiser.param_groups[0]["lr"]
        self.optimiser.step()
        if self.schedule is not None:
            self.schedule.step()
        self.done += 1
        self.history.step(losses, **self._facts(), learning_rate=rate)
        self.watch.step(self.done, losses)
        self._save_in_time()

    def _batches(self, epoch: int) -> Sequence[list[int]]:
        return epoch_batches(self.recipe, len(self.samples), epoch)  # type: ignore[arg-type]

    def _loader(self, epoch: int, skip: int) -> Iterator[tuple[Mapping[str, Any], float]]:
        """The process's part of the epoch's batches, without the first `skip`, and its share."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        shares = [share_of(batch, rank, world) for batch in self._batches(epoch)[skip:]]
        mine = self._load(self.samples, Stream.SAMPLE, epoch, [items for items, _ in shares])
        return zip(mine, (share for _, share in shares), strict=True)

    def _load(
        self, items: Any, stream: Stream, epoch: int, batches: Sequence[list[int]]
    ) -> Iterator[Mapping[str, Any]]:
        workers = self.options.workers
        poll = self.watch.poll if workers == 0 else None
        seeded_items = SeededItems(items, self.options.seed, stream, poll)
        seeded_items.set_epoch(epoch)
        loader = DataLoader(
            seeded_items,
            batch_sampler=batches,
            num_workers=workers,
            generator=torch.Generator(),  # else the loader draws from the caller's
        )
        placed: Any = self.fabric.setup_dataloaders(loader, use_distributed_sampler=False)
        return iter(placed)

    def _measure_held_out(self) -> None:
        """Held-out losses of the epoch just ended, unless they are known."""
        count = len(self.held_out)  # type: ignore[arg-type]
        epoch = self.done // self.per_epoch - 1
        if self.done % self.per_epoch or not count or self.history.has_held_out(epoch):
            return
        if epoch < 0:
            return
        size = math.ceil(self.options.batch_size / self.gradients.parts)
        batches = [list(range(i, min(i + size, count))) for i in range(0, count, size)]
        mine = range(self.fabric.global_rank, len(batches), self.fabric.world_size)
        loaded = self._load(self.held_out, Stream.HELD_OUT, 0, [batches[n] for n in mine])
        rows = []
        for number, batch in zip(mine, loaded, strict=True):
            # Without the strategy's wrapper: the processes may have different numbers of batches.
            with seeded(self.options.seed, Stream.HELD_OUT, number), self.fabric.autocast():
                rows += held_out_losses(self.alone, [batch])
        losses = weighted(flat(gathered(self.fabric, rows)))
        self.history.held_out(losses, **self._facts())
        self.watch.tell(held_out=losses)
        self._save_in_time()

    def _preview(self) -> None:
        """Report the anomaly map of the slice that the caller wants to see."""
        if self.preview is None or time.monotonic() - self._previewed_at < PREVIEW_S:
            return
        pixels = self.preview()
        if pixels is None:
            return
        try:
            with self._evaluating():
                made = self.recipe.preview(self.network, pixels)
            if made is not None:
                self.watch.tell(preview=made)
        except (MedadError, RuntimeError, ValueError) as error:
            # A picture that cannot be made is no reason to lose a night's training.
            self._tell(f"The preview could not be made: {error}")
        self._previewed_at = time.monotonic()

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The network in evaluation mode, with random numbers of its own."""
        self.network.eval()
        with seeded(self.options.seed, Stream.HELD_OUT):
            try:
                yield
            finally:
                self.network.train()

    def _tell(self, note: str) -> None:
        self.history.note(note, **self._facts())
        self.watch.tell(note=note)

    def _facts(self) -> dict[str, Any]:
        """Where the run is, for a row of the history."""
        epoch = max(self.done - 1, 0) // self.per_epoch
        return {"step": self.done, "epoch": epoch, "seconds": round(self._seconds(), 2)}

    def _seconds(self) -> float:
        """Working time so far, that of interrupted sessions included."""
        return self._earlier_s + self.watch.working_s()

    def _save_in_time(self) -> None:
        """Save when due: as often as asked, but not for more than a share of the time."""
        epoch_ended = self.done % self.per_epoch == 0
        due_s = 0.0 if epoch_ended else self.options.checkpoint_s
        if time.monotonic() - self._saved_at >= max(due_s, self._saving_s / SAVING_SHARE):
            self.save()

    def save(self) -> None:
        """Write history.csv, the checkpoint and training.json."""
        if not self.fabric.is_global_zero:
            return
        began = time.monotonic()
        self.history.write()
        self.folder.save(
            {
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict() if self.schedule else None,
                "step": self.done,
                "parts": self.gradients.parts,
                "seconds": self._seconds(),
            }
        )
        self.folder.mark(self.plan.request, self.done, self.total)
        self._saved_at = time.monotonic()
        self._saving_s = self._saved_at - began

    def _finish(self) -> ModelFolder:
        """Calibrate, and write the model folder."""
        together(self.fabric, self._write_model)
        return ModelFolder.read(self.folder.path, self.plan.request.detector)

    def _write_model(self) -> None:
        if not self.fabric.is_global_zero:
            return
        self.save()
        self._blend()
        self._tell(CALIBRATING)
        with self._evaluating():
            calibration = self.recipe.calibrate(self.network)
        model = ModelFolder(
            self.folder.path,
            self.plan.request.detector,
            self.recipe.model_settings(),
            {**calibration, "training": self._record()},
        )
        self.history.write()
        model.write(self.network.state_dict())
        self.folder.finish()

    def _blend(self) -> None:
        """Mix the learned weights with those that the run began from."""
        share, start = self.options.blend, self.plan.start
        if start is None or share == 1:
            return
        held = self.network.state_dict()
        for key, tensor in held.items():
            if key in start and tensor.is_floating_point():
                tensor.lerp_(start[key].to(tensor), 1 - share)

    def _record(self) -> dict[str, Any]:
        """How the model came about. Holds no path and no patient."""
        weights = self.plan.request.weights
        return {
            "recipe": type(self.recipe).__name__,
            "options": self.options.model_dump(mode="json"),
            "data": self.plan.summary,
            "fine_tuned_from": weights and Path(weights).name,
            "steps": self.total,
            "seconds": round(self._seconds(), 1),
            "losses": self.history.last("train"),
            "held_out_losses": self.history.last("held-out"),
            "notes": self.history.notes(),
            "versions": {**installed_versions(), "lightning": version("lightning")},
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
