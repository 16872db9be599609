"""What a detector said about one study: the object every later step takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from napari_medad.results.categories import with_categories
from napari_medad.results.findings import Finding, find
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import AXES, Volume


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
    category_scores : mapping of str to ndarray [slices] float32
        Score of each abnormality that the detector tells apart, along `record.axis`; NaN
        where a slice was skipped. Empty for most detectors.
    category_chances : mapping of str to ndarray [slices] float32
        Probability of each, in 0..1; NaN likewise.
    category_present : mapping of str to ndarray [slices] bool
        Its decision on each of them.
    """

    study: Study
    detector: str
    maps: Mapping[str, np.ndarray]
    slice_scores: np.ndarray
    foreground: np.ndarray
    threshold: float
    minimum_ml: float
    record: RunRecord
    category_scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    category_chances: Mapping[str, np.ndarray] = field(default_factory=dict)
    category_present: Mapping[str, np.ndarray] = field(default_factory=dict)

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
        mask, found = find(
            self.maps["anomaly"], self.threshold, self.volume, minimum_ml=self.minimum_ml
        )
        if self.category_scores:
            found = with_categories(
                found,
                mask,
                AXES[self.record.axis],
                self.maps,
                self.category_scores,
                self.category_present,
            )
        return mask, found

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
