"""The training that runs behind the Train dock: state without a widget."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from qtpy.QtCore import QCoreApplication, QObject, Signal

from napari_medad.training.progress import CALIBRATING
from napari_medad.viewer.worker import Work, leave_a_core_to_the_window

if TYPE_CHECKING:
    from napari_medad.detectors.recipe import Example
    from napari_medad.training.progress import TrainingProgress
    from napari_medad.viewer.session import Session

State = Literal["ready", "running", "paused", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Order:
    """What to train; fields as the parameters of `medad.train`."""

    detector: str
    data: str | Path | Sequence[Example]
    out: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    weights: str | None = None
    device: str = "auto"
    resume: bool = False


@dataclass(frozen=True, eq=False)
class ShownSlice:
    """The slice that the user looks at, and where it lies.

    Attributes
    ----------
    pixels : ndarray [h, w]
    layer : str
        Name of the layer it is of.
    axis : int or None
        Axis of the layer's data that it is cut across; None for a 2D layer.
    index : int
    """

    pixels: np.ndarray
    layer: str
    axis: int | None = None
    index: int = 0


class TrainingRun(QObject):
    """One training at a time, in a thread.

    Attributes
    ----------
    order : Order or None
    state : str
    progress : TrainingProgress or None
        The latest report.
    rows : list of (step, set, losses)
        Every loss so far, earlier sessions included; set is "train" or "held-out".
    messages : list of str
        What the user should know, one sentence each.
    shown : callable, optional
        Gives the slice to preview.

    Signals
    -------
    changed
        Anything but the preview.
    previewed : ShownSlice, ndarray [h, w]
    finished
        There is a new model.
    """

    changed = Signal()
    previewed = Signal(object, object)
    finished = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.order: Order | None = None
        self.state: State = "ready"
        self.progress: TrainingProgress | None = None
        self.rows: list[tuple[int, str, Mapping[str, float]]] = []
        self.messages: list[str] = []
        self.shown: Callable[[], ShownSlice | None] | None = None
        self._asked: ShownSlice | None = None
        self._incoming: deque[tuple[TrainingProgress, ShownSlice | None]] = deque()
        self.work, self._preparing = Work(self), Work(self)
        self.work.progressed.connect(self._drain)
        self.work.finished.connect(self._on_finished)
        self.work.failed.connect(lambda sentence: self._end("failed", sentence))
        self.work.cancelled.connect(self._on_cancelled)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._on_quit)

    @property
    def active(self) -> bool:
        """Whether a thread is at work, paused or not."""
        return self.state in ("running", "paused")

    def prepare(self) -> None:
        """Import in a thread what training needs, so that its start is not felt."""
        self._preparing.start(lambda report: import_module("napari_medad.training.run"))

    def start(self, order: Order) -> None:
        """Train in a thread."""
        self.order, self.state, self.progress = order, "running", None
        self.rows, self.messages = [], []
        self._incoming.clear()
        if order.resume:
            self.rows = _earlier_rows(order.out)
        self.work.start(self._train)
        self.changed.emit()

    def resume(self) -> None:
        """Go on with the stopped or failed training."""
        assert self.order is not None
        self.start(replace(self.order, resume=True))

    def pause(self, on: bool) -> None:
        """Wait at the next report, or go on; what was learned is saved first."""
        self.work.pause(on)

    def cancel(self) -> None:
        """Stop at the next report; what was learned is saved first."""
        self.work.cancel()

    def dismiss(self) -> None:
        """Forget the ended run, to set up another."""
        self.state = "ready"
        self.changed.emit()

    @property
    def resumable(self) -> bool:
        """Whether the ended run left a checkpoint."""
        return self.order is not None and (self.order.out / "checkpoint.ckpt").is_file()

    def _train(self, report: Callable[[Any], str | None]) -> Any:
        from napari_medad.training.loop import train

        order = self.order
        assert order is not None
        leave_a_core_to_the_window()

        def listen(progress: TrainingProgress) -> str | None:
            self._incoming.append((progress, self._asked))
            return report(progress)

        return train(
            order.detector,
            order.data,
            order.out,
            options=order.options,
            preset=order.preset,
            weights=order.weights,
            device=order.device,
            resume=order.resume,
            progress=listen,
            preview=self._pixels,
        )

    def _pixels(self) -> np.ndarray | None:
        self._asked = self.shown() if self.shown else None
        return None if self._asked is None else np.asarray(self._asked.pixels)

    def _drain(self) -> None:
        """Take over what the thread has reported."""
        while self._incoming:
            progress, asked = self._incoming.popleft()
            self.progress = progress
            if progress.losses:
                self.rows.append((progress.done, "train", progress.losses))
            if progress.held_out:
                self.rows.append((progress.done, "held-out", progress.held_out))
            if progress.note:
                self.messages.append(progress.note)
            if progress.preview is not None and asked is not None:
                self.previewed.emit(asked, progress.preview)
        if self.progress is not None and self.active:
            self.state = "paused" if self.progress.paused else "running"
        self.changed.emit()

    def _on_finished(self) -> None:
        assert self.order is not None
        where = _short(self.order.out.parent)
        self._end("done", f"The model is kept as '{self.order.out.name}' in {where}.")
        self.finished.emit()

    def _on_cancelled(self) -> None:
        kept = " What was learned is kept; resume to go on." if self.resumable else ""
        self._end("stopped", f"Stopped.{kept}")

    def _on_quit(self) -> None:
        """Save before the process ends."""
        self.cancel()
        self.work.wait(5)

    def _end(self, state: State, message: str) -> None:
        self._drain()
        self.messages = [told for told in self.messages if told != CALIBRATING]
        self.state = state
        self.messages.append(message)
        self.changed.emit()


def training_of(session: Session) -> TrainingRun:
    """The viewer's one training, which every dock that trains shows."""
    if session.training is None:
        session.training = TrainingRun()
    return session.training


def _short(path: Path) -> str:
    """The path, with ~ for the user's home."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _earlier_rows(out: Path) -> list[tuple[int, str, Mapping[str, float]]]:
    """Losses of the sessions before, from history.csv."""
    from napari_medad.training.folder import TrainingFolder
    from napari_medad.training.history import History

    folder = TrainingFolder(out)
    history = History(folder.history_file, 1)
    history.restore(folder.unfinished().step)
    return history.losses()
