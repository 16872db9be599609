"""napari's sample data: the synthetic patient."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_medad.viewer.layers import study_layers
from napari_medad.volumes.phantom import sample_study


def synthetic_patient() -> list[tuple[np.ndarray, dict[str, Any], str]]:
    """A brain MRI with a tumour, in four contrasts; generated, nobody's scan."""
    return study_layers(sample_study().study)
