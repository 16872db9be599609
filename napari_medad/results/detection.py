"""What a detector said about one study: the object every later step takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from napari_medad.results.findings import Finding, find
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Detection:
    """Maps, slice scores and findings of one run.

    Attributes
    ----------
    study : Study
    detector : str
        Registered name, e.g. "moe".
    maps : mapping of str to ndarray [z, y, x] float32
        On the study's grid. Always holds `anomaly`; see `results.outputs` for the others.
    slice_scores : ndarray [slices] float32
        One score a slice along `record.axis`; NaN where the slice was skipped as background.
    foreground : ndarray [z, y, x] bool
        Where the detector looked.
    threshold : float
        Voxels of `anomaly` strictly above it belong to a finding.
    minimum_ml : float
        Smaller findings are dropped, in mL.
    record : RunRecord
    """

    study: Study
    detector: str
    maps: Mapping[str, np.ndarray]
    slice_scores: np.ndarray
    foreground: np.ndarray
    threshold: float
    minimum_ml: float
    record: RunRecord

    @property
    def volume(self) -> Volume:
        """The volume that was looked at."""
        return self.study.volume(self.record.volume)

    @property
    def settings(self) -> dict[str, object]:
        """The detector's settings in this run."""
        return self.record.settings

    @cached_property
    def _found(self) -> tuple[np.ndarray, list[Finding]]:
        return find(self.maps["anomaly"], self.threshold, self.volume, minimum_ml=self.minimum_ml)

    @property
    def mask(self) -> np.ndarray:
        """Labels [z, y, x] uint16: 0, or the id of a finding."""
        return self._found[0]

    @property
    def findings(self) -> list[Finding]:
        """Findings, largest first."""
        return self._found[1]

    def at(self, threshold: float | None = None, minimum_ml: float | None = None) -> Detection:
        """The same maps cut at another threshold or minimum size (mL)."""
        changed: dict[str, object] = {}
        if threshold is not None:
            changed = {
                "threshold": float(threshold),
                "threshold_value": float(threshold),
                "threshold_source": "set by the user",
            }
        threshold = self.threshold if threshold is None else float(threshold)
        minimum_ml = self.minimum_ml if minimum_ml is None else float(minimum_ml)
        record = self.record.model_copy(update=changed | {"minimum_ml": minimum_ml})
        return replace(self, threshold=threshold, minimum_ml=minimum_ml, record=record)

    def save(self, folder: str | Path) -> list[Path]:
        """Write maps, mask, tables and record into `folder`; see `results.files`."""
        from napari_medad.results.files import save_detection

        return save_detection(self, Path(folder))
