"""Two time points of one patient: which finding became which, and how much it grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_medad.errors import MedadError
from napari_medad.results.files import write_csv
from napari_medad.volumes.orientation import resample
from napari_medad.volumes.volume import Volume

NEAREST_MM = 10.0
"""How far apart the middles of one finding at two times may lie where they do not overlap."""
COLUMNS = ("change", "before", "after", "before_ml", "after_ml", "growth_ml", "growth_percent")


@dataclass(frozen=True)
class FindingChange:
    """One finding, or several that grew together or fell apart, at two times.

    Attributes
    ----------
    before, after : tuple of int
        Their ids at either time; empty where there is none.
    before_ml, after_ml : float
        Their volume.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    before_ml: float
    after_ml: float

    @property
    def kind(self) -> str:
        """One of "new", "gone", "merged", "split" and "same"."""
        if not self.before:
            return "new"
        if not self.after:
            return "gone"
        if len(self.before) > 1:
            return "merged"
        return "split" if len(self.after) > 1 else "same"

    @property
    def growth_ml(self) -> float:
        """Volume after less volume before."""
        return self.after_ml - self.before_ml

    @property
    def growth_percent(self) -> float | None:
        """Growth as a share of the volume before; None for a new finding."""
        return 100 * self.growth_ml / self.before_ml if self.before else None

    def row(self) -> dict[str, object]:
        """Columns of a table."""
        percent = self.growth_percent
        values = (
            self.kind,
            " ".join(map(str, self.before)),
            " ".join(map(str, self.after)),
            round(self.before_ml, 4),
            round(self.after_ml, 4),
            round(self.growth_ml, 4),
            "" if percent is None else round(percent, 2),
        )
        return dict(zip(COLUMNS, values, strict=True))


def follow_up(
    before: Volume, after: Volume, *, nearest_mm: float = NEAREST_MM
) -> list[FindingChange]:
    """Match the findings of two masks of one patient in world coordinates.

    Findings that share a place belong together; a finding that overlaps none belongs to the
    nearest unmatched one, if their middles lie within `nearest_mm`. Volumes are measured on
    each mask's own voxels; for the matching alone the earlier mask is brought onto the later
    one's grid by nearest neighbour. The scans must be registered to each other.

    Parameters
    ----------
    before, after : Volume
        Masks of ids: `detection.volume.with_array(detection.mask)`, of a correction its
        `labels`, or `read_volume("..._mask.nii.gz")`.
    nearest_mm : float

    Returns
    -------
    list of FindingChange
        The largest first; findings that are gone last.

    Raises
    ------
    MedadError
        If a mask does not hold whole numbers.
    """
    for when, volume in (("earlier", before), ("later", after)):
        if volume.array.dtype.kind not in "iub":
            raise MedadError(
                f"The {when} mask holds {volume.array.dtype} and no labels; give a mask of "
                "findings."
            )
    sizes = [_volumes(volume) for volume in (before, after)]
    pairs = _overlapping(before, after) | _near(before, after, sizes, nearest_mm)
    changes = []
    for olds, news in _groups(sizes, pairs):
        changes.append(
            FindingChange(
                olds, news, sum(sizes[0][n] for n in olds), sum(sizes[1][n] for n in news)
            )
        )
    return sorted(changes, key=lambda c: (not c.after, -c.after_ml, -c.before_ml))


def save_follow_up(changes: Sequence[FindingChange], path: str | Path) -> None:
    """Write the table as CSV.

    Raises
    ------
    MedadError
        If the file cannot be written.
    """
    write_csv(Path(path), COLUMNS, (change.row() for change in changes))


def _volumes(mask: Volume) -> dict[int, float]:
    """Volume in mL of every finding."""
    ids, counts = np.unique(mask.array[mask.array > 0], return_counts=True)
    return {int(n): float(c * mask.voxel_volume) for n, c in zip(ids, counts, strict=True)}


def _overlapping(before: Volume, after: Volume) -> set[tuple[int, int]]:
    """Ids before and after that share a voxel of the later grid."""
    old = before.array
    if not before.grid.same_as(after.grid):
        old = _onto(before, after)
    both = (old > 0) & (after.array > 0)
    found = np.unique(np.stack([old[both], after.array[both]], 1).astype(np.int64), axis=0)
    return {(int(a), int(b)) for a, b in found}


def _onto(mask: Volume, target: Volume) -> np.ndarray:
    """A mask on another grid by nearest neighbour, background outside its own."""
    padded = np.pad(mask.array.T, 1)
    affine = mask.affine.copy()
    affine[:3, 3] = apply_affine(mask.affine, (-1, -1, -1))
    return resample(padded, affine, target.grid, order=0).T


def _near(
    before: Volume, after: Volume, sizes: Sequence[Mapping[int, float]], nearest_mm: float
) -> set[tuple[int, int]]:
    """Pairs of findings that overlap none and whose middles are near, the nearest first."""
    matched = _overlapping(before, after)
    olds = [n for n in sizes[0] if n not in {a for a, _ in matched}]
    news = [n for n in sizes[1] if n not in {b for _, b in matched}]
    middles = [{n: _middle(v, n) for n in left} for v, left in ((before, olds), (after, news))]
    apart = sorted(
        (float(np.linalg.norm(middles[0][a] - middles[1][b])), a, b) for a in olds for b in news
    )
    pairs: set[tuple[int, int]] = set()
    for mm, a, b in apart:
        taken = any(a == p or b == q for p, q in pairs)
        if mm <= nearest_mm and not taken:
            pairs.add((a, b))
    return pairs


def _middle(mask: Volume, number: int) -> np.ndarray:
    """Centre of mass in RAS mm."""
    return mask.to_ras(np.argwhere(mask.array == number).mean(axis=0))


def _groups(
    sizes: Sequence[Mapping[int, float]], pairs: set[tuple[int, int]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ids before and after that hang together through pairs."""
    nodes = [(side, n) for side in (0, 1) for n in sizes[side]]
    place = {node: i for i, node in enumerate(nodes)}
    edges = np.array([[place[0, a], place[1, b]] for a, b in pairs], int).reshape(-1, 2)
    ones = np.ones(len(edges))
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), (len(nodes), len(nodes)))
    count, group = connected_components(graph, directed=False) if nodes else (0, np.zeros(0))
    return [
        (
            tuple(n for (side, n), g in zip(nodes, group, strict=True) if g == i and side == 0),
            tuple(n for (side, n), g in zip(nodes, group, strict=True) if g == i and side == 1),
        )
        for i in range(count)
    ]
