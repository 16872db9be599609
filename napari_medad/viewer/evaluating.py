"""What the Evaluate dock asks of its thread, and what it hears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_medad.errors import Cancelled
from napari_medad.evaluation.reference import Measured, Reference, measure
from napari_medad.viewer.reference_layer import labels_in, truth_on

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction
    from napari_medad.results.detection import Detection


@dataclass(frozen=True, eq=False)
class Question:
    """How a detection measures against a layer.

    Attributes
    ----------
    detection : Detection
        At the threshold that is asked about.
    layer : Layer
        The reference.
    labels : tuple of int
        Those that are lesion; empty: all.
    resampled : bool
        Whether the reference may be brought onto the map's voxels.
    stamp : int
        Counts changes of the layer's voxels.
    correction : Correction or None
        Measured in place of the detection's own mask.
    """

    detection: Detection
    layer: Layer
    labels: tuple[int, ...] = ()
    resampled: bool = False
    stamp: int = 0
    correction: Correction | None = None

    def same_reference(self, other: Question) -> bool:
        """Whether map, mask and choices are those of another question."""
        return (
            self.layer is other.layer
            and self.detection.maps is other.detection.maps
            and (self.labels, self.resampled, self.stamp)
            == (other.labels, other.resampled, other.stamp)
        )

    def answer(self, known: Answer | None, report: Callable[[Any], str | None]) -> Answer:
        """Measure; what takes longest comes after a first answer is reported.

        Parameters
        ----------
        known : Answer or None
            An earlier one, whose reference is taken where it is the same.
        report : callable
            Takes an `Answer`; "stop" stops.

        Raises
        ------
        MedadError
            If the layer is no mask of the detection's scan.
        Cancelled
        """
        if known is not None and known.question.same_reference(self):
            labels, reference = known.labels, known.measured.reference
        else:
            labels = tuple(labels_in(self.layer))
            truth = truth_on(
                self.layer, self.detection.volume, self.labels, resampled=self.resampled
            )
            reference = Reference.of(self.detection, truth, self.layer.name)
        mask = findings = None
        if self.correction is not None:
            mask, findings = self.correction.labels.copy(), self.correction.findings
        first = Answer(
            self, labels, measure(reference, self.detection, mask=mask, findings=findings)
        )
        if report(first) == "stop":
            raise Cancelled
        return Answer(self, labels, first.measured.with_surfaces())


@dataclass(frozen=True, eq=False)
class Answer:
    """Figures, and the labels that the reference has."""

    question: Question
    labels: tuple[int, ...]
    measured: Measured
