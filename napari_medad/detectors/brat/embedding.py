"""What brat sees in a study: 32 views, each with the place it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from napari_medad.detectors.brat.matching import match


@dataclass(frozen=True, eq=False)
class StudyEmbedding:
    """The views of one study, and where on its grid each of them looked.

    Attributes
    ----------
    views : ndarray [n_q, d] float32
        One row a learned query, of length 1.
    attention : ndarray [n_q, cz, cy, cx] float32
        Cross-attention of each view over the vision tokens; each sums to 1. The cells are
        coarse (1 x 8 x 8 for the convolutional backbones: the depth is one cell) and run from
        inferior to superior, posterior to anterior, left to right.
    to_cells : ndarray [4, 4] float64
        From a voxel (z, y, x) of the study's grid to a cell, whose centres are whole numbers.
    shape : tuple of int (z, y, x)
        Of the study's grid.
    notes : tuple of str
        What a careful reader should know: modalities that were missing or unknown.
    """

    views: np.ndarray
    attention: np.ndarray
    to_cells: np.ndarray
    shape: tuple[int, int, int]
    notes: tuple[str, ...] = ()

    def attention_map(self, weights: np.ndarray) -> np.ndarray:
        """Where the views looked, together, on the study's grid.

        Parameters
        ----------
        weights : ndarray [n_q]
            Of each view.

        Returns
        -------
        ndarray [z, y, x] float32
            Weighted sum of the attention maps, in units of an even gaze (1 everywhere where a
            view looks at nothing in particular), linear between the centres of the cells.
        """
        cells = np.tensordot(np.asarray(weights, np.float64), self.attention, axes=1)
        return ndimage.affine_transform(
            cells * cells.size,
            self.to_cells[:3, :3],
            self.to_cells[:3, 3],
            self.shape,
            output=np.float32,
            order=1,
            mode="nearest",
        )

    def view_map(self, view: int) -> np.ndarray:
        """Where one view looked, [z, y, x] float32; see `attention_map`."""
        return self.attention_map(np.eye(len(self.views))[view])


class Alignment(NamedTuple):
    """How the views of a study say the sentences of a report.

    Attributes
    ----------
    similarity : float
        Mean over the matched pairs, -1..1: the image-report similarity (Eq. 6).
    scores : ndarray [n_s] float32
        Cosine of each sentence and its view; NaN where all views were taken.
    views : ndarray [n_s] int
        Its view; -1 where all were taken.
    """

    similarity: float
    scores: np.ndarray
    views: np.ndarray


def align(views: np.ndarray, sentences: np.ndarray) -> Alignment:
    """Pairwise View Alignment of one study and the sentences of one report (Alg. 1).

    Every view is given to one sentence at most. To score sentences that are no report but
    questions of their own, see `sentence_scores`.

    Parameters
    ----------
    views : ndarray [n_q, d] float32
        Of length 1 each.
    sentences : ndarray [n_s, d] float32
        Of length 1 each; at least one.
    """
    found = match(torch.from_numpy(views @ sentences.T))
    taken = found.view.numpy()
    scores = np.where(taken >= 0, found.score.numpy(), np.nan).astype(np.float32)
    return Alignment(float(found.similarity), scores, taken)


def sentence_scores(views: np.ndarray, sentences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score [n_s] float32 and best view [n_s] int of each sentence on its own.

    The score of a sentence is its largest cosine with any view, -1..1; one view may serve
    several sentences.
    """
    cosines = views @ sentences.T
    return cosines.max(axis=0).astype(np.float32), cosines.argmax(axis=0)
