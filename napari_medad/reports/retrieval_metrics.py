"""How well scans find their reports and reports their scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.training.manifest import manifest_rows


@dataclass(frozen=True)
class RetrievalScores:
    """Figures of one direction of retrieval, as brat's tables 2 and 3 give them.

    Attributes
    ----------
    recall : dict of int to float
        R@k: share of queries whose own item is among the first k.
    median_rank, mean_rank : float
        Of the own item, from 1.
    finding_recall, finding_precision : dict of int to float
        R@k and P@k of findings; empty where no findings are known.
    count : int
        Queries.
    """

    recall: dict[int, float]
    median_rank: float
    mean_rank: float
    finding_recall: dict[int, float]
    finding_precision: dict[int, float]
    count: int

    def row(self) -> dict[str, float]:
        """The figures by their names in the field."""
        told = {f"R@{k}": value for k, value in self.recall.items()}
        told |= {f"R@{k} (finding)": value for k, value in self.finding_recall.items()}
        told |= {f"P@{k} (finding)": value for k, value in self.finding_precision.items()}
        return told | {"median rank": self.median_rank, "mean rank": self.mean_rank}


def ranks(similarity: np.ndarray) -> np.ndarray:
    """Rank [n] int of every query's own item, from 1.

    Parameters
    ----------
    similarity : ndarray [n, n]
        Queries in rows; the own item of query i is column i. An item as similar as the own one
        is ranked before it, so that embeddings that are all alike do not look perfect.
    """
    own = np.diagonal(similarity)[:, None]
    return (similarity >= own).sum(axis=1)


def retrieval_scores(
    similarity: np.ndarray,
    *,
    at: Sequence[int] = (1, 5, 10),
    findings: np.ndarray | None = None,
    finding_at: Sequence[int] = (5,),
) -> RetrievalScores:
    """Figures of one direction: pass the transposed similarity for the other.

    Parameters
    ----------
    similarity : ndarray [n, n]
        As `ranks`.
    at : sequence of int
        The k of R@k.
    findings : ndarray [n, f] bool, optional
        Positive findings of every case. P@k of findings is the share of the first k items that
        have a positive finding in common with the query's own item; R@k of findings the share
        of queries with at least one item among the first k that has exactly the own item's
        findings. Queries without a positive finding are left out of both, and of nothing else.
    finding_at : sequence of int
        The k of the finding-level figures.

    Raises
    ------
    MedadError
        If the similarity is not square and finite, or empty.
    """
    similarity = np.asarray(similarity, float)
    square = similarity.ndim == 2 and similarity.shape[0] == similarity.shape[1] > 0
    if not square or not np.isfinite(similarity).all():
        raise MedadError(
            f"A similarity of shape {similarity.shape} cannot be measured; give finite numbers, "
            "with a row for every query and a column for every item in the same order."
        )
    order = ranks(similarity)
    finding_recall: dict[int, float] = {}
    finding_precision: dict[int, float] = {}
    for k in finding_at if findings is not None else ():
        assert findings is not None
        finding_recall[k], finding_precision[k] = _finding_level(similarity, findings, k)
    return RetrievalScores(
        {k: float((order <= k).mean()) for k in at},
        float(np.median(order)),
        float(order.mean()),
        finding_recall,
        finding_precision,
        len(order),
    )


def findings_of(path: Path, cases: Sequence[str]) -> np.ndarray:
    """Findings [cases, f] bool from a table with a column `case` and one for every finding.

    Parameters
    ----------
    path : Path
        CSV or JSON; a cell of 1 is a positive finding, 0 or an empty one is none.
    cases : sequence of str
        Whose rows are wanted, in this order.

    Raises
    ------
    MedadError
        If the file lacks a case, or a cell holds anything else.
    """
    rows = {str(row.get("case", "")).strip(): (where, row) for where, row in manifest_rows(path)}
    found = []
    for case in cases:
        if case not in rows:
            raise MedadError(f"{path} has no row for the case '{case}' in a column 'case'; add it.")
        where, row = rows[case]
        cells = {key: str(value or "0").strip() for key, value in row.items() if key != "case"}
        wrong = next((key for key, cell in cells.items() if cell not in ("0", "1")), None)
        if wrong is not None:
            raise MedadError(f"{where} holds '{cells[wrong]}' for '{wrong}'; write 0 or 1.")
        found.append([cell == "1" for cell in cells.values()])
    return np.array(found, bool)


def _finding_level(similarity: np.ndarray, findings: np.ndarray, k: int) -> tuple[float, float]:
    """R@k and P@k of findings over the queries that have a positive one."""
    findings = np.asarray(findings, bool)
    positive = findings.any(axis=1)
    if not positive.any():
        return float("nan"), float("nan")
    first = np.argsort(-similarity[positive], axis=1, kind="stable")[:, :k]
    found, own = findings[first], findings[positive][:, None]
    same = (found == own).all(axis=2).any(axis=1)
    shared = (found & own).any(axis=2)
    return float(same.mean()), float(shared.mean())
