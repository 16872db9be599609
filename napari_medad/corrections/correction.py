"""A detection's mask in the reader's hands: every change kept, and every change undoable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from psygnal import Signal

from napari_medad.corrections.edit import Edit
from napari_medad.corrections.finding_table import CorrectedFinding, FindingTable
from napari_medad.corrections.history import History, Step
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.volumes import large_array
from napari_medad.volumes.volume import Volume

MOST_FINDINGS = int(np.iinfo(np.uint16).max)


class Correction:
    """An editable mask over a detection, with the provenance of every voxel.

    What edits it: `strokes` (brush and eraser), `verdicts` (accept, reject, merge, split,
    name), `shapes` (grow, smooth, fill) and `regions` (wand, threshold, MedSAM). Each function
    there makes an `Edit` for `apply`.

    Parameters
    ----------
    detection : Detection
    labels : ndarray [z, y, x] uint16
        0, or the id of a finding; edited in place.
    provenance : ndarray [z, y, x] uint8
        Values of `Provenance`; edited in place.
    categories : mapping of int to str, optional
        Names of findings.
    log : list of dict, optional
        What was done before, oldest first.

    Attributes
    ----------
    history : History
    revision : int
        Grows with every change; equal numbers mean an equal mask.
    changed : psygnal.Signal
        Emits the `Step` after a change, its undoing or redoing.
    """

    changed = Signal(Step)

    def __init__(
        self,
        detection: Detection,
        labels: np.ndarray,
        provenance: np.ndarray,
        categories: Mapping[int, str] | None = None,
        log: list[dict[str, object]] | None = None,
    ) -> None:
        self.detection = detection
        self.labels, self.provenance = labels, provenance
        self.categories = {n: name for n, name in (categories or {}).items() if name}
        self.history, self.revision = History(), 0
        self.log = list(log or [])
        self._table = FindingTable(labels, detection.maps["anomaly"], detection.volume)
        self._table.update(self._everything())

    @classmethod
    def of(cls, detection: Detection) -> Correction:
        """A correction that still says what the detection says."""
        shape = detection.mask.shape
        labels, provenance = (large_array.zeros(shape, kind) for kind in (np.uint16, np.uint8))
        np.copyto(labels, detection.mask)
        np.multiply(labels > 0, np.uint8(Provenance.DETECTED), out=provenance)
        return cls(detection, labels, provenance, {f.id: f.category for f in detection.findings})

    @property
    def volume(self) -> Volume:
        """The volume that was looked at; gives the voxels' size and place."""
        return self.detection.volume

    @property
    def findings(self) -> list[CorrectedFinding]:
        """Findings by id."""
        return self._table.rows(self.categories)

    @property
    def ids(self) -> list[int]:
        """Findings that have a voxel."""
        return self._table.ids

    def finding(self, number: int) -> CorrectedFinding:
        """One finding.

        Raises
        ------
        MedadError
            If there is none with this id.
        """
        self.box(number)
        return self._table.row(number, self.categories.get(number, ""))

    def box(self, number: int) -> tuple[slice, ...]:
        """Bounding box of a finding.

        Raises
        ------
        MedadError
            If there is none with this id.
        """
        if number not in self._table.ids:
            raise MedadError(f"There is no finding {number}; choose one of the table.")
        return self._table.box(number)

    def free_id(self, count: int = 1) -> int:
        """The first of `count` ids that no finding has.

        Raises
        ------
        MedadError
            If there are more findings than a mask can number.
        """
        first = max([*self.ids, *self.categories, 0]) + 1
        if first + count - 1 > MOST_FINDINGS:
            raise MedadError(
                f"A mask numbers at most {MOST_FINDINGS} findings; merge or reject some first."
            )
        return first

    # Changing -------------------------------------------------------------------------------

    def apply(self, edit: Edit) -> Step | None:
        """Make a change; None where it changes nothing.

        Raises
        ------
        MedadError
            If the mask was changed while the edit was worked out.
        """
        if edit.revision is not None and edit.revision != self.revision:
            raise MedadError(
                f"The mask changed meanwhile, so '{edit.what}' was dropped; try again."
            )
        labels, provenance = self.labels.reshape(-1), self.provenance.reshape(-1)
        where = edit.where
        before = labels[where], provenance[where]
        after = (
            np.broadcast_to(np.asarray(edit.labels, np.uint16), where.shape),
            before[1]
            if edit.provenance is None
            else np.broadcast_to(np.asarray(edit.provenance, np.uint8), where.shape),
        )
        return self._record(
            edit.what, where, (before[0], after[0]), (before[1], after[1]), edit.names
        )

    def painted(self, what: str, where: np.ndarray, before: np.ndarray) -> Step | None:
        """Take in voxels that something else has already painted into `labels`.

        Parameters
        ----------
        where : ndarray [n] int
            Flat positions; one painted twice counts by its first `before`.
        before : ndarray [n]
            Their labels before.
        """
        where, first = np.unique(where, return_index=True)
        labels = before[first], self.labels.reshape(-1)[where]
        earlier = self.provenance.reshape(-1)[where]
        later = np.where(labels[1] > 0, Provenance.DRAWN, Provenance.REMOVED)
        return self._record(what, where, labels, (earlier, later))

    def undo(self) -> Step | None:
        """Take the latest step back; None where there is none."""
        step = self.history.back()
        return None if step is None else self._make(step.reversed(), f"undo: {step.what}")

    def redo(self) -> Step | None:
        """Do the step again that was undone last; None where there is none."""
        step = self.history.forth()
        return None if step is None else self._make(step, f"redo: {step.what}")

    def _record(
        self,
        what: str,
        where: np.ndarray,
        labels: tuple[np.ndarray, np.ndarray],
        provenance: tuple[np.ndarray, np.ndarray],
        names: Mapping[int, str] | None = None,
    ) -> Step | None:
        """Keep and make the step from what changes."""
        named = {n: name for n, name in (self.categories | dict(names or {})).items() if name}
        differs = (labels[0] != labels[1]) | (provenance[0] != provenance[1])
        if not differs.any() and named == self.categories:
            return None
        size = np.uint32 if self.labels.size <= np.iinfo(np.uint32).max else np.int64
        step = Step(
            what,
            self.labels.shape,
            where[differs].astype(size),
            np.stack([side[differs] for side in labels]).astype(np.uint16),
            np.stack([side[differs] for side in provenance]).astype(np.uint8),
            (dict(self.categories), named),
        )
        self.history.add(step)
        return self._make(step, what)

    def _make(self, step: Step, what: str) -> Step:
        self.labels.reshape(-1)[step.where] = step.labels[1]
        self.provenance.reshape(-1)[step.where] = step.provenance[1]
        self.categories = dict(step.categories[1])
        self.revision += 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.log.append({"time": now, "what": what, "voxels": int(step.where.size)})
        self._table.update(step)
        self.changed.emit(step)
        return step

    def _everything(self) -> Step:
        """The step from an empty mask to this one."""
        where = np.flatnonzero(self.labels)
        labels, kinds = self.labels.reshape(-1)[where], self.provenance.reshape(-1)[where]
        sides = np.stack([np.zeros_like(labels), labels]), np.stack([np.zeros_like(kinds), kinds])
        return Step("", self.labels.shape, where, *sides, ({}, {}))
