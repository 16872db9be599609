"""Hand-worked cases of BLEU, ROUGE-L, METEOR and CIDEr."""

from __future__ import annotations

import math

import pytest

from napari_medad.errors import MedadError
from napari_medad.reports.text_metrics import cider, text_scores, words


def test_words_keep_numbers_whole() -> None:
    assert words("Mass: 0.9 x 0.3 cm (T1), no Shift!") == [
        "mass", "0.9", "x", "0.3", "cm", "t", "1", "no", "shift",
    ]  # fmt: skip


def test_the_reference_itself_scores_highest() -> None:
    told = ["There is a mass in the left frontal lobe.", "The ventricles are of normal size."]
    scores = text_scores(told, told)
    assert scores.bleu4 == pytest.approx(1)
    assert scores.rouge_l == pytest.approx(1)
    assert scores.cider == pytest.approx(10)
    # METEOR of n matched words in one run: 1 - 0.5 (1/n)^3
    expected = sum(1 - 0.5 / n**3 for n in (9, 6)) / 2
    assert scores.meteor == pytest.approx(expected)


def test_one_wrong_word_by_hand() -> None:
    reference = ["a small mass in the left frontal lobe"]
    written = ["a small mass in the right frontal lobe"]
    scores = text_scores(written, reference)
    # n-grams that are found: 7 of 8, 5 of 7, 3 of 6, 2 of 5
    assert scores.bleu4 == pytest.approx((7 / 8 * 5 / 7 * 3 / 6 * 2 / 5) ** 0.25)
    assert scores.rouge_l == pytest.approx(7 / 8)
    # 7 words matched in 2 runs, precision and recall 7/8
    assert scores.meteor == pytest.approx(7 / 8 * (1 - 0.5 * (2 / 7) ** 3))


def test_meteor_matches_stems_but_no_synonyms() -> None:
    assert text_scores(["lesions"], ["lesion"]).meteor == pytest.approx(0.5)
    assert text_scores(["tumor"], ["neoplasm"]).meteor == 0


def test_cider_by_hand() -> None:
    references = [["a", "b"], ["a", "c"]]
    # "a" is in both references, so it weighs nothing; b, (a b) weigh log 2.
    assert cider([["a", "b"], ["c", "c"]], references) == [
        pytest.approx(10 * (1 + 1) / 4),
        # c counts 2, clipped to 1: cosine log2 * log2 / (2 log2 * log2) = 1/2; no bigram is shared
        pytest.approx(10 * 0.5 / 4),
    ]
    longer = cider([["a", "b", "a", "a"], ["c"]], references)[0]
    # bigrams: (a b), known once; (b a), (a a), known nowhere, so each log 2
    penalty = math.exp(-(2**2) / 72)
    assert longer == pytest.approx(10 * penalty * (1 + 1 / math.sqrt(3)) / 4)


def test_cider_is_that_of_pycocoevalcap() -> None:
    pairs = {
        "there is an enhancing mass in the right frontal lobe": (
            "there is an enhancing mass in the left frontal lobe with surrounding oedema"
        ),
        "no lesion is seen no lesion is seen the ventricles are of normal size": (
            "no enhancing lesion is seen and the ventricles are of normal size"
        ),
        "there is a cyst in the right parietal lobe": (
            "there is a cyst in the right parietal lobe and there is a cyst in the left parietal "
            "lobe"
        ),
        "normal": "the ventricles are mildly dilated",
    }
    written, references = ([text.split() for text in texts] for texts in (pairs, pairs.values()))
    # what CiderScorer of pycocoevalcap 1.2 gives for these pairs
    expected = [5.162807746252267, 3.983735608830299, 2.1711848345224753, 0.0]
    assert cider(written, references) == pytest.approx(expected, rel=1e-12)


def test_pairs_must_fit() -> None:
    with pytest.raises(MedadError, match="1 written and 2 reference"):
        text_scores(["a"], ["a", "b"])
    with pytest.raises(MedadError, match="Reference report 2 has no words"):
        text_scores(["a", "b"], ["a", " . "])
