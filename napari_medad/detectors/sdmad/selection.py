"""Which signs are kept: those nearer to their own category than to any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pairs:
    """Signs of all categories, one row for each pair of category and sign.

    Attributes
    ----------
    categories : tuple of str
    texts : tuple of str
        Of each row.
    owner : Tensor [n] int64
        Position of each row's category.
    """

    categories: tuple[str, ...]
    texts: tuple[str, ...]
    owner: Tensor

    @classmethod
    def of(cls, categories: Sequence[tuple[str, Sequence[str]]]) -> Pairs:
        """From categories and their signs."""
        owner = [c for c, (_, signs) in enumerate(categories) for _ in signs]
        texts = tuple(text for _, signs in categories for text in signs)
        return cls(tuple(name for name, _ in categories), texts, torch.tensor(owner))

    def same(self) -> Tensor:
        """Whether two rows are the same sign, [n, n] bool."""
        return torch.tensor([[a == b for b in self.texts] for a in self.texts])


@dataclass(frozen=True, eq=False)
class Selection:
    """What became of each row of the pairs.

    Attributes
    ----------
    kept : Tensor [n] bool
    own, other : Tensor [n] float32
        D(t, c) to its own category, and the least D(t, k) to another; infinite where there is
        no sign to measure to.
    restored : tuple of str
        Categories that would have ended empty, and keep all their signs.
    """

    kept: Tensor
    own: Tensor
    other: Tensor
    restored: tuple[str, ...]

    def facts(self, pairs: Pairs) -> list[dict[str, Any]]:
        """For the run record: category, text, whether kept, and both distances."""
        rows = zip(pairs.owner.tolist(), pairs.texts, self.kept.tolist(), self.own, self.other)
        return [
            {
                "category": pairs.categories[owner],
                "text": text,
                "kept": kept,
                "own": _finite(own),
                "other": _finite(other),
            }
            for owner, text, kept, own, other in rows
        ]


def select(pairs: Pairs, features: Tensor, *, all_kept: bool = False) -> Selection:
    """Keep sign t of category c iff D(t, c) < min over k != c of D(t, k).

    D(t, k) is the least of 1 - cosine from t to another sign of k. Signs that c and k share are
    left out of D(t, k), and a shared sign is not measured against those that share it. A
    category that would end empty keeps all its signs.

    Parameters
    ----------
    pairs : Pairs
    features : Tensor [n, joint]
        Unit features of the rows' texts.
    all_kept : bool
        Measure, but drop nothing ("no SS").
    """
    same, owner = pairs.same().to(features.device), pairs.owner.to(features.device)
    distance = (1 - features @ features.T).masked_fill(same, torch.inf)
    ours = owner[:, None] == owner
    # [n, K]: whether a category has the row's sign; [n, n]: whether the row's category has a sign
    had = torch.stack([same[:, owner == k].any(1) for k in range(len(pairs.categories))], 1)
    shared = had[:, owner].T
    own = distance.masked_fill(~ours, torch.inf).amin(1)
    other = distance.masked_fill(ours | shared | had[:, owner], torch.inf).amin(1)
    kept = torch.ones_like(own, dtype=torch.bool) if all_kept else own < other
    empty = [c for c in range(len(pairs.categories)) if not kept[owner == c].any()]
    for c in empty:
        kept = kept | (owner == c)
    return Selection(kept, own, other, tuple(pairs.categories[c] for c in empty))


def _finite(value: Tensor) -> float | None:
    number = float(value)
    return round(number, 6) if number < float("inf") else None
