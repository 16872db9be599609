"""A found mask against the truth of one volume: figures with their rules for empty masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3
"""Labels of `overlap_labels`."""
MEANINGS = {
    TRUE_POSITIVE: "found and true",
    FALSE_POSITIVE: "found, not true",
    FALSE_NEGATIVE: "true, not found",
}
"""What each label of `overlap_labels` says, for legends."""
CLASSICAL, COLOUR_BLIND_SAFE = "green, red, blue", "colour-blind safe"
SCHEMES = {
    CLASSICAL: {TRUE_POSITIVE: "#00c853", FALSE_POSITIVE: "#ff1744", FALSE_NEGATIVE: "#2979ff"},
    COLOUR_BLIND_SAFE: {
        TRUE_POSITIVE: "#56b4e9",
        FALSE_POSITIVE: "#d55e00",
        FALSE_NEGATIVE: "#f0e442",
    },
}
"""Colours of the labels, by the name of the scheme; the second (of Okabe and Ito's palette) stays
apart in every kind of colour blindness."""


def overlap_labels(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Where a mask is right and where not.

    Parameters
    ----------
    found, truth : ndarray of bool, of one shape

    Returns
    -------
    ndarray of uint8
        1 found and true, 2 found and not true, 3 true and not found, 0 neither.
    """
    labels = np.zeros(found.shape, np.uint8)
    labels[found & truth] = TRUE_POSITIVE
    labels[found & ~truth] = FALSE_POSITIVE
    labels[~found & truth] = FALSE_NEGATIVE
    return labels


@dataclass(frozen=True)
class Confusion:
    """Voxels of one volume by what was found and what is true.

    A figure is None where it is not defined; where the mask or the truth is empty the rules
    of the zero-shot benchmark hold (arXiv 2411.09310 is silent, so they are ours).
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, found: np.ndarray, truth: np.ndarray) -> Confusion:
        """From two masks of one shape, bool."""
        both = int(np.count_nonzero(found & truth))
        false_positives = int(np.count_nonzero(found)) - both
        false_negatives = int(np.count_nonzero(truth)) - both
        rest = truth.size - both - false_positives - false_negatives
        return cls(both, false_positives, false_negatives, rest)

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where nothing is true and nothing found."""
        whole = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / whole if whole else 1.0

    @property
    def sensitivity(self) -> float | None:
        """TP / (TP + FN); None without lesion."""
        whole = self.true_positives + self.false_negatives
        return self.true_positives / whole if whole else None

    @property
    def specificity(self) -> float | None:
        """TN / (TN + FP); None where everything is lesion."""
        whole = self.true_negatives + self.false_positives
        return self.true_negatives / whole if whole else None

    @property
    def ppv(self) -> float | None:
        """TP / (TP + FP); where nothing is found, 0 with a lesion and None without."""
        whole = self.true_positives + self.false_positives
        if whole:
            return self.true_positives / whole
        return 0.0 if self.false_negatives else None
