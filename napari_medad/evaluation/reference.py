"""One detection against a reader's mask: figures that follow its threshold, lesion by lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cc3d
import numpy as np

from napari_medad.errors import MedadError
from napari_medad.evaluation.case import where_the_map_speaks
from napari_medad.evaluation.evaluation import PatientFigures, PooledFigures
from napari_medad.evaluation.lesions import RegionOverlap, lesion_matches
from napari_medad.evaluation.overlap import overlap_labels
from napari_medad.evaluation.patients import EvaluationCase, patient_figures
from napari_medad.evaluation.pooled import StreamedRanking
from napari_medad.evaluation.slices import slice_dice
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding
from napari_medad.volumes.volume import AXES


@dataclass(frozen=True, eq=False)
class Reference:
    """A reader's mask, and what no threshold of the detection changes.

    Attributes
    ----------
    name : str
    detection : Detection
        Gives map, voxel size and grid; its threshold does not matter.
    truth : ndarray [z, y, x] bool
    counted : ndarray [z, y, x] bool
        Where the map is not 0, holes of each slice filled, and the lesions.
    pooled : PooledFigures
        Of the counted voxels.
    """

    name: str
    detection: Detection
    truth: np.ndarray
    counted: np.ndarray
    pooled: PooledFigures

    @classmethod
    def of(
        cls,
        detection: Detection,
        truth: np.ndarray,
        name: str,
        *,
        progress: Callback | None = None,
    ) -> Reference:
        """Rank the voxels of a detection's map by the truth.

        Parameters
        ----------
        detection : Detection
        truth : ndarray [z, y, x] bool
            On the detection's grid. May be empty: then nothing can be ranked, and whatever is
            found is false.

        Raises
        ------
        MedadError
            If the truth is on another grid, or the map is not finite.
        Cancelled
        """
        scores = detection.maps["anomaly"]
        report = Reporter(progress, 3, "steps")
        if not np.isfinite(scores).all():
            raise MedadError(
                f"The map of {detection.detector} holds NaN or infinite voxels; detect again."
            )
        if truth.shape != scores.shape:
            raise MedadError(
                f"{name} has shape {truth.shape} but the map has {scores.shape}; bring it onto "
                "the map's voxels first."
            )
        counted = where_the_map_speaks(scores) | truth
        report(1)
        ranking = StreamedRanking()
        ranking.add(scores[counted], truth[counted])
        report(2)
        regions = RegionOverlap(ranking)
        regions.add(scores, truth)
        report(3)
        return cls(name, detection, truth, counted, ranking.figures(regions.value()))


@dataclass(frozen=True)
class Lesion:
    """One 26-connected component of the reference.

    Attributes
    ----------
    id : int
    volume_ml : float
    found_share : float
        Of its voxels that are found, 0..1; 0: the lesion is missed.
    dice : float
        With the found components that touch it.
    slices : (int, int)
        First and last axial slice.
    place_zyx : (int, int, int)
        Its voxel nearest to its middle.
    """

    id: int
    volume_ml: float
    found_share: float
    dice: float
    slices: tuple[int, int]
    place_zyx: tuple[int, int, int]

    @property
    def missed(self) -> bool:
        """Whether no voxel of it is found."""
        return self.found_share == 0


@dataclass(frozen=True, eq=False)
class Measured:
    """A mask against a reference.

    Attributes
    ----------
    reference : Reference
    found : ndarray [z, y, x] bool
    figures : PatientFigures
        Distances of outlines are None until `with_surfaces`.
    found_ml : float
    dice : ndarray [slices]
        Of every slice along the detection's axis; 0 where something is found and nothing is
        true, NaN where there is neither.
    lesions : tuple of Lesion
        Missed ones first, then the largest first.
    false_findings : tuple of Finding
        Those that touch no lesion.
    threshold_source : str
        How the threshold came about.
    corrected : bool
        Whether the mask is a reader's.
    surfaces : bool
        Whether distances of outlines have been measured.
    """

    reference: Reference
    found: np.ndarray
    figures: PatientFigures
    found_ml: float
    dice: np.ndarray
    lesions: tuple[Lesion, ...]
    false_findings: tuple[Finding, ...]
    threshold_source: str
    corrected: bool = False
    surfaces: bool = False

    @cached_property
    def labels(self) -> np.ndarray:
        """True positive, false positive and false negative voxels; see `overlap_labels`."""
        return overlap_labels(self.found, self.reference.truth)

    def with_surfaces(self) -> Measured:
        """With the distances of outlines, which take longest."""
        figures = _figures(self.reference, self.found, surface=True)
        threshold = self.figures.threshold
        told = figures.model_copy(
            update={"threshold": threshold, "image_score": self.figures.image_score}
        )
        return replace(self, figures=told, surfaces=True)


def measure(
    reference: Reference,
    detection: Detection,
    *,
    mask: np.ndarray | None = None,
    findings: Sequence[Finding] | None = None,
) -> Measured:
    """Measure a detection's mask as it is shown, small findings dropped.

    Parameters
    ----------
    reference : Reference
        Made of the same maps.
    detection : Detection
        Cut at any threshold.
    mask : ndarray [z, y, x], optional
        A corrected mask to be measured in its place: 0, or the id of a finding.
    findings : sequence of Finding, optional
        Those of `mask`.
    """
    corrected = mask is not None
    mask = detection.mask if mask is None else mask
    findings = detection.findings if findings is None else findings
    found, truth = mask > 0, reference.truth
    axis = AXES[detection.record.axis]
    stacked = [np.moveaxis(m, axis, 0) for m in (found, truth)]
    dice = slice_dice(*stacked)
    dice[np.isnan(dice) & stacked[0].any(axis=(1, 2))] = 0.0
    touched = set(np.unique(mask[truth]).tolist())
    scores = detection.maps["anomaly"][reference.counted]
    figures = _figures(reference, found, surface=False).model_copy(
        update={
            "threshold": detection.threshold,
            "image_score": float(scores.max(initial=0.0)),
        }
    )
    return Measured(
        reference=reference,
        found=found,
        figures=figures,
        found_ml=float(np.count_nonzero(found) * detection.volume.voxel_volume),
        dice=dice,
        lesions=_lesions(found, truth, detection.volume.voxel_volume),
        false_findings=tuple(f for f in findings if f.id not in touched),
        threshold_source=detection.record.threshold_source,
        corrected=corrected,
    )


def _figures(reference: Reference, found: np.ndarray, *, surface: bool) -> PatientFigures:
    """Figures of a mask rather than of a map at a threshold."""
    case = EvaluationCase(
        reference.detection.study.name,
        found.astype(np.float32),
        reference.truth,
        reference.detection.volume.spacing,
        reference.counted | found,
        reference.counted,
    )
    return patient_figures(case, 0.5, surface=surface)


def _lesions(found: np.ndarray, truth: np.ndarray, voxel_ml: float) -> tuple[Lesion, ...]:
    """Lesions of the truth, numbered by size."""
    matches = lesion_matches(found, truth)
    if not matches.dice.size:
        return ()
    about = cc3d.statistics(matches.labels)
    sizes = about["voxel_counts"][1:]
    lesions = []
    for number, row in enumerate(np.argsort(-sizes.astype(np.int64), kind="stable"), 1):
        box = about["bounding_boxes"][row + 1]
        inside = np.argwhere(matches.labels[box] == row + 1) + [s.start for s in box]
        middle = about["centroids"][row + 1]
        place = inside[np.argmin(((inside - middle) ** 2).sum(axis=1))]
        lesions.append(
            Lesion(
                id=number,
                volume_ml=float(sizes[row] * voxel_ml),
                found_share=float(matches.shares[row]),
                dice=float(matches.dice[row]),
                slices=(int(box[0].start), int(box[0].stop) - 1),
                place_zyx=(int(place[0]), int(place[1]), int(place[2])),
            )
        )
    return tuple(sorted(lesions, key=lambda lesion: not lesion.missed))
