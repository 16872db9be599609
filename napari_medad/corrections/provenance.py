"""Who says what a voxel is: the detector, or the person who reads the scan."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Provenance(IntEnum):
    """Value of a voxel in the provenance image (uint8)."""

    BACKGROUND = 0
    """No finding; nobody looked at it more closely."""
    DETECTED = 1
    """The detector's finding, as it came."""
    DRAWN = 2
    """In a finding by the reader's hand: painted, grown, filled in."""
    CONFIRMED = 3
    """The detector's finding, accepted by the reader."""
    REMOVED = 4
    """Taken out by the reader: erased, shrunk, or of a rejected finding. Normal tissue."""


READERS = (Provenance.DRAWN, Provenance.CONFIRMED, Provenance.REMOVED)
"""What a person has decided; a new threshold leaves it alone."""


def state_of(voxels: np.ndarray) -> str:
    """State of a finding from its voxels by provenance [5].

    "detected": all the detector's; "edited": some of it the detector's, some drawn or
    confirmed; "confirmed": nothing unseen is left; "drawn": all by hand.
    """
    drawn, total = int(voxels[Provenance.DRAWN]), int(voxels.sum())
    detected = int(voxels[Provenance.DETECTED])
    if detected:
        return "detected" if detected == total else "edited"
    return "drawn" if drawn == total else "confirmed"
