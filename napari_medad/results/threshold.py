"""Where a map becomes a mask: the threshold as the user writes it, and as a number."""

from __future__ import annotations

import numpy as np

from napari_medad.errors import MedadError

FALLBACK_QUANTILE = 0.98
"""What `auto` means for a detector that was never calibrated on healthy scans."""


STEPS = 400
"""Steps of a threshold's slider."""
EXACT_UP_TO = 10_000_000
"""Voxels from which on a quantile is taken from some of the slices only, to spare memory."""


def check_threshold(text: str | float) -> str | float:
    """Validate "auto", "quantile:Q" or a number, and return it as a canonical value.

    Raises
    ------
    MedadError
        If it is none of these, the number is not finite, or Q is outside (0, 1).
    """
    if isinstance(text, int | float):
        return _finite(float(text))
    text = text.strip().lower()
    if text == "auto":
        return text
    try:
        number = float(text.removeprefix("quantile:"))
    except ValueError:
        raise MedadError(
            f"The threshold '{text}' is not understood; write auto, quantile:0.98 or a number."
        ) from None
    if not text.startswith("quantile:"):
        return _finite(number)
    if not 0 < number < 1:
        raise MedadError(f"The quantile in '{text}' must lie between 0 and 1.")
    return f"quantile:{number:g}"


def _finite(number: float) -> float:
    if not np.isfinite(number):
        raise MedadError(f"The threshold cannot be {number}; give a finite number.")
    return number


def threshold_value(
    wanted: str | float,
    anomaly: np.ndarray,
    foreground: np.ndarray,
    calibrated: float | None = None,
    calibration: str = "calibrated on held-out healthy scans",
) -> tuple[float, str]:
    """The number behind a threshold, and a sentence that says how it came about.

    Parameters
    ----------
    wanted : str or float
        As `check_threshold` accepts.
    anomaly : ndarray [z, y, x]
    foreground : ndarray [z, y, x] bool
        Quantiles are taken inside it (inside everything where it is empty).
    calibrated : float, optional
        The detector's own threshold; what "auto" means when present.
    calibration : str
        How the detector came by it.
    """
    wanted = check_threshold(wanted)
    if isinstance(wanted, float):
        return wanted, "set by the user"
    if wanted == "auto":
        if calibrated is not None:
            return float(calibrated), calibration
        q = FALLBACK_QUANTILE
    else:
        q = float(wanted.removeprefix("quantile:"))
    step = 1 + anomaly.size // EXACT_UP_TO
    some, where = anomaly[::step], foreground[::step]
    inside = some[where] if where.any() else some.ravel()
    return float(np.quantile(inside, q)), f"the {q:g} quantile of this scan's foreground"


def threshold_levels(anomaly: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Threshold at each step [STEPS + 1] of a slider: quantiles 0.5 to 0.99999, log-spaced.

    Parameters
    ----------
    anomaly : ndarray [z, y, x]
    foreground : ndarray [z, y, x] bool
        Quantiles are taken inside it.
    """
    inside = anomaly[foreground]
    inside = inside[:: max(1, inside.size // 100_000)]
    if inside.size == 0:
        return np.linspace(0, 1, STEPS + 1)
    quantiles = 1 - np.geomspace(0.5, 1e-5, STEPS + 1)
    return np.maximum.accumulate(np.quantile(inside, quantiles))
