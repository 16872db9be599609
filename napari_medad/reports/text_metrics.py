"""How alike a written report is to the reference: BLEU, ROUGE-L, METEOR and CIDEr.

All four compare words, not meaning: they say nothing of whether a report is right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medad.errors import MedadError

LONGEST_NGRAM = 4
CIDER_SIGMA = 6.0
"""Spread of CIDEr's penalty on a difference in length, in words."""


@dataclass(frozen=True)
class TextScores:
    """Figures over pairs of a written and a reference report.

    Attributes
    ----------
    bleu4 : float
        Of the corpus, 0..1.
    rouge_l : float
        Mean F-measure of the longest common subsequence, 0..1.
    meteor : float
        Mean, 0..1; words match exactly or by stem, never as synonyms.
    cider : float
        Mean of CIDEr-D, 0..10.
    count : int
        Pairs.
    """

    bleu4: float
    rouge_l: float
    meteor: float
    cider: float
    count: int


class NoSynonyms:
    """Stands where METEOR asks WordNet, which would have to be downloaded."""

    def synsets(self, word: str) -> list[Any]:
        """No word has synonyms."""
        return []


def words(text: str) -> list[str]:
    """Lower-case words and numbers; decimal points stay, punctuation goes."""
    return re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", text.lower())


def text_scores(written: Sequence[str], references: Sequence[str]) -> TextScores:
    """BLEU-4 (sacrebleu), ROUGE-L (rouge-score), METEOR (nltk) and CIDEr-D of report pairs.

    Every text goes through `words` first, so that all four see the same words.

    Parameters
    ----------
    written, references : sequence of str
        In the same order.

    Raises
    ------
    MedadError
        If there are no pairs, they differ in number, a reference is empty, or a library is
        missing.
    """
    if len(written) != len(references) or not written:
        raise MedadError(
            f"There are {len(written)} written and {len(references)} reference reports; give one "
            "reference for every report, and at least one pair."
        )
    read, wanted = [words(t) for t in written], [words(t) for t in references]
    empty = next((i for i, text in enumerate(wanted, 1) if not text), None)
    if empty is not None:
        raise MedadError(f"Reference report {empty} has no words; fill it in or leave it out.")
    try:
        return TextScores(
            _bleu4(read, wanted), _rouge_l(read, wanted), _meteor(read, wanted),
            float(np.mean(cider(read, wanted))), len(read),
        )  # fmt: skip
    except ModuleNotFoundError as error:
        raise MedadError(
            f"Report figures need {error.name}; run pip install 'napari-medad[reports]'."
        ) from None


def _bleu4(written: Sequence[list[str]], references: Sequence[list[str]]) -> float:
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="none", smooth_method="none")
    lines = [" ".join(text) for text in written]
    return metric.corpus_score(lines, [[" ".join(text) for text in references]]).score / 100


def _rouge_l(written: Sequence[list[str]], references: Sequence[list[str]]) -> float:
    from rouge_score.rouge_scorer import RougeScorer

    class Split:
        def tokenize(self, text: str) -> list[str]:
            return text.split()

    scorer = RougeScorer(["rougeL"], tokenizer=Split())
    pairs = zip(references, written)
    found = [scorer.score(" ".join(r), " ".join(w))["rougeL"].fmeasure for r, w in pairs]
    return float(np.mean(found))


def _meteor(written: Sequence[list[str]], references: Sequence[list[str]]) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    nothing: Any = NoSynonyms()
    pairs = zip(references, written)
    return float(np.mean([single_meteor_score(r, w, wordnet=nothing) for r, w in pairs]))


def cider(written: Sequence[list[str]], references: Sequence[list[str]]) -> list[float]:
    """CIDEr-D of every pair, one reference each (Vedantam et al., CVPR 2015, Eq. 4 and 5).

    The mean over n = 1..4 of 10 times the cosine of tf-idf vectors of n-grams, the written
    counts clipped to the reference's, times a Gaussian of the difference in length. How rare an
    n-gram is, is counted over the references given: with one pair every figure is 0.

    No kept library has it lightly: aac-metrics wants msclap and sentence-transformers beside it,
    pycocoevalcap was last released in 2020 and brings Java archives.

    Parameters
    ----------
    written, references : sequence of list of str
        Words.
    """
    grams = [_ngrams(text) for text in references]
    seen = Counter(gram for text in grams for gram in text)
    total = np.log(len(references))

    def weights(text: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
        return {gram: n * (total - np.log(max(1, seen[gram]))) for gram, n in text.items()}

    found = []
    for words_written, words_wanted, gram in zip(written, references, grams):
        ours, theirs = weights(_ngrams(words_written)), weights(gram)
        apart = max(0, len(words_written) - 1) - max(0, len(words_wanted) - 1)
        penalty = np.exp(-(apart**2) / (2 * CIDER_SIGMA**2))
        cosines = [_cosine(ours, theirs, n) for n in range(1, LONGEST_NGRAM + 1)]
        found.append(float(10 * np.mean(cosines) * penalty))
    return found


def _ngrams(text: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(
        tuple(text[i : i + n])
        for n in range(1, LONGEST_NGRAM + 1)
        for i in range(len(text) - n + 1)
    )


def _cosine(
    ours: dict[tuple[str, ...], float], theirs: dict[tuple[str, ...], float], n: int
) -> float:
    """Clipped cosine of the n-grams of length n; 0 where one of them has none of weight."""
    lengths = [np.sqrt(sum(w**2 for g, w in v.items() if len(g) == n)) for v in (ours, theirs)]
    dot = sum(
        min(w, theirs.get(g, 0.0)) * theirs.get(g, 0.0) for g, w in ours.items() if len(g) == n
    )
    return float(dot / (lengths[0] * lengths[1])) if all(lengths) else 0.0
