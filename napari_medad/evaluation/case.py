"""One anomaly map against its reference mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.evaluation.voxel_metrics import Overlap, Ranking
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.reader import read_volume

MAP_ENDING = "_anomaly.nii.gz"
RECORD_ENDING = "_record.json"


class CaseMetrics(BaseModel):
    """Voxel-wise figures of one case; None where a figure is not defined.

    Attributes
    ----------
    voxels, lesion_voxels : int
        Counted voxels, and those of them that are lesion.
    average_precision, auroc : float or None
        Of the scores, free of any threshold; None without lesion voxels.
    f1_max, f1_max_threshold : float or None
        The best F1 (Dice) that any threshold reaches, and that threshold. It is chosen with
        the truth in hand: a bound, not a result to expect on new scans.
    threshold : float or None
        The run's threshold; voxels strictly above it are found.
    dice, sensitivity, precision : float or None
        At `threshold`.
    """

    model_config = ConfigDict(frozen=True)

    voxels: int
    lesion_voxels: int
    average_precision: float | None
    auroc: float | None
    f1_max: float | None
    f1_max_threshold: float | None
    threshold: float | None = None
    dice: float | None = None
    sensitivity: float | None = None
    precision: float | None = None


def evaluate(
    anomaly: str | Path | np.ndarray,
    truth: str | Path | np.ndarray,
    *,
    mask: str | Path | np.ndarray | None = None,
    threshold: float | None = None,
    out: str | Path | None = None,
) -> CaseMetrics:
    """Measure an anomaly map against a reference mask, voxel by voxel, exactly.

    Parameters
    ----------
    anomaly : path or ndarray
        Higher is more abnormal.
    truth : path or ndarray
        Everything but 0 is lesion.
    mask : path or ndarray, optional
        Count only where it is not 0. Default: where the map is not 0, holes of each slice
        filled, and the lesions, so that a lesion the map leaves at 0 counts as missed.
    threshold : float, optional
        Default: the one in the run record beside a map that `medad detect` wrote.
    out : path, optional
        JSON file to write.

    Raises
    ------
    MedadError
        If a file cannot be read, the grids differ, the map is not finite, or the mask is empty.
    """
    scores, lesion, counted = _on_one_grid(anomaly, truth, mask)
    lesion = lesion != 0
    counted = where_the_map_speaks(scores) | lesion if counted is None else counted != 0
    if not counted.any():
        raise MedadError("The mask is empty, so no voxel is counted; give the brain's mask.")
    if threshold is None and not isinstance(anomaly, np.ndarray):
        threshold = _recorded_threshold(Path(anomaly))
    metrics = measure(scores[counted], lesion[counted], threshold)
    if out is not None:
        with replacing(out) as part:
            part.write_text(metrics.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return metrics


def measure(scores: np.ndarray, truth: np.ndarray, threshold: float | None = None) -> CaseMetrics:
    """Figures of scores [n] float against truth [n] bool."""
    if not np.isfinite(scores).all():
        raise MedadError("The map holds NaN or infinite voxels; make it again without them.")
    ranking = Ranking.of(scores, truth)
    best = ranking.best_f1
    metrics = CaseMetrics(
        voxels=scores.size,
        lesion_voxels=ranking.positives,
        average_precision=ranking.average_precision,
        auroc=ranking.auroc,
        f1_max=best[0] if best else None,
        f1_max_threshold=best[1] if best else None,
    )
    if threshold is None:
        return metrics
    overlap = Overlap.of(scores > threshold, truth)
    at_threshold = {
        "threshold": float(threshold),
        "dice": overlap.dice,
        "sensitivity": overlap.sensitivity,
        "precision": overlap.precision,
    }
    return metrics.model_copy(update=at_threshold)


def _on_one_grid(
    anomaly: str | Path | np.ndarray,
    truth: str | Path | np.ndarray,
    mask: str | Path | np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The arrays of a map, its truth and its mask, of which files must lie on one grid."""
    named = {"map": anomaly, "truth": truth} | ({} if mask is None else {"mask": mask})
    arrays = {name: given for name, given in named.items() if isinstance(given, np.ndarray)}
    volumes = {name: read_volume(p) for name, p in named.items() if not isinstance(p, np.ndarray)}
    arrays |= {name: volume.array for name, volume in volumes.items()}
    for name, array in arrays.items():
        if array.shape != arrays["map"].shape:
            raise MedadError(
                f"The {name} has shape {array.shape} but the map has {arrays['map'].shape}; "
                "give images on one grid."
            )
    first = next(iter(volumes), None)
    for name, volume in volumes.items():
        if first is not None and not volume.grid.same_as(volumes[first].grid):
            raise MedadError(
                f"{named[name]} and {named[first]} do not lie on the same voxels; resample one "
                "onto the other."
            )
    return arrays["map"], arrays["truth"], arrays.get("mask")


def where_the_map_speaks(scores: np.ndarray) -> np.ndarray:
    """Where the map is not background (0), holes of each axial slice filled."""
    spoken = scores != 0
    planes = spoken if spoken.ndim == 3 else spoken[None]
    filled = [ndimage.binary_fill_holes(p) if p.any() else p for p in planes]
    return np.stack(filled).reshape(scores.shape)


def _recorded_threshold(path: Path) -> float | None:
    """The threshold in the run record beside a map, where there is one."""
    if not path.name.endswith(MAP_ENDING):
        return None
    record = path.with_name(path.name.removesuffix(MAP_ENDING) + RECORD_ENDING)
    return RunRecord.read(record).threshold_value if record.is_file() else None
