"""What is exported: a detection as it came, or as its reader corrected it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medad.corrections.correction import Correction
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.volume import Volume

NOT_CLINICAL = "Not for clinical use: research software, not a medical device."
UNTRAINED = "UNTRAINED: random weights; these maps and findings mean nothing."
CORRECTED = "The findings were corrected by a reader."


@dataclass(frozen=True, eq=False)
class Outcome:
    """A detection and the mask that holds for it.

    Attributes
    ----------
    detection : Detection
    mask : ndarray [z, y, x] uint16
        0, or the id of a finding.
    findings : sequence of Finding
    corrected : bool
        Whether mask and findings are a reader's.
    """

    detection: Detection
    mask: np.ndarray
    findings: Sequence[Finding]
    corrected: bool = False

    @classmethod
    def of(cls, result: Detection | Correction) -> Outcome:
        """The mask and findings of a detection, or of its correction as it stands now."""
        if isinstance(result, Correction):
            return cls(result.detection, result.labels.copy(), list(result.findings), True)
        return cls(result, result.mask, result.findings)

    @property
    def volume(self) -> Volume:
        """The volume that was looked at."""
        return self.detection.volume

    @property
    def record(self) -> RunRecord:
        """How the detection came about."""
        return self.detection.record

    @property
    def stem(self) -> str:
        """What names of files begin with: CASE_DETECTOR."""
        return f"{self.detection.study.name}_{self.detection.detector}"

    @property
    def statements(self) -> tuple[str, ...]:
        """What every picture and page must say, the gravest first."""
        told = (UNTRAINED,) if self.record.untrained else ()
        return (*told, NOT_CLINICAL, *((CORRECTED,) if self.corrected else ()))

    def finding(self, number: int) -> Finding:
        """A finding by id.

        Raises
        ------
        MedadError
            If there is none.
        """
        for finding in self.findings:
            if finding.id == number:
                return finding
        raise MedadError(f"There is no finding {number} to picture; choose one of the table.")
