"""What a correction teaches, from memory and from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medad.corrections.lesson import DECIDED, UNSEEN, importance_from, read_lessons
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError


def test_what_a_person_decided_counts_most_and_slices_nobody_saw_least() -> None:
    provenance = np.zeros((3, 2, 2), np.uint8)
    provenance[0, 0, 0] = Provenance.DETECTED
    provenance[1, 0] = (Provenance.DRAWN, Provenance.DETECTED)
    provenance[2, 1] = (Provenance.REMOVED, Provenance.CONFIRMED)
    assert importance_from(provenance).tolist() == [
        [[UNSEEN, UNSEEN], [UNSEEN, UNSEEN]],
        [[DECIDED, 1], [1, 1]],
        [[1, 1], [DECIDED, DECIDED]],
    ]


def test_a_folder_without_corrections_is_told(tmp_path: Path) -> None:
    with pytest.raises(MedadError, match="There are no corrections in"):
        read_lessons(tmp_path)
