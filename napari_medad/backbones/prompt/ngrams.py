"""The embedded default text encoder: no download, tolerant of typos, 512 numbers a prompt."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

WIDTH = 512
"""As CLIP ViT-B/32's text features, so that one network takes either."""
BUCKETS = 4096
LENGTHS = (3, 4, 5)
RIDGE = 0.3
"""Strength of the ridge penalty; found once by routing held-out typos."""


class NgramTextEncoder:
    """Unit vectors [n, 512] of prompts.

    A prompt becomes counts of its hashed character n-grams; a linear map, trained in closed
    form (ridge regression) on the synonyms of terms.yaml, takes them to a sum of concept
    directions. Equal on every machine.
    """

    name = "n-grams"

    def encode(self, prompts: Sequence[str]) -> np.ndarray:
        """Features [n, 512] float32 of unit length; zeros for an empty prompt."""
        features = _counts(prompts) @ _projection()
        norm = np.linalg.norm(features, axis=1, keepdims=True)
        return (features / np.maximum(norm, 1e-8)).astype(np.float32)


@cache
def terms() -> dict[str, dict[str, tuple[str, ...]]]:
    """Synonyms by concept and kind of concept; "fillers" mean nothing."""
    held = yaml.safe_load(files(__package__).joinpath("terms.yaml").read_text(encoding="utf-8"))
    fillers = {"": tuple(held.pop("fillers"))}
    kinds = {kind: {c: tuple(map(str, s)) for c, s in held[kind].items()} for kind in held}
    return {**kinds, "fillers": fillers}


def concepts_in(prompt: str) -> set[str]:
    """Concepts whose synonyms a prompt spells out, longest first, each word used once."""
    text, found = f" {_plain(prompt)} ", set()
    spelled = [
        (f" {_plain(s)} ", concept)
        for kind, group in terms().items()
        if kind != "fillers"
        for concept, synonyms in group.items()
        for s in synonyms
    ]
    for synonym, concept in sorted(spelled, key=lambda pair: -len(pair[0])):
        if synonym in text:
            found.add(concept)
            text = text.replace(synonym, " ")
    return found


def paraphrase(prompt: str, rng: np.random.Generator) -> str:
    """The same concepts in other words, order and filling, sometimes with a typo."""
    groups = {c: s for kind in terms().values() for c, s in kind.items()}
    words = [str(rng.choice(groups[concept])) for concept in sorted(concepts_in(prompt))]
    if not words:
        return prompt
    words += [str(rng.choice(groups[""])) for _ in range(rng.integers(0, 3))]
    rng.shuffle(words)
    text = " ".join(words)
    if rng.random() < 0.3 and len(text) > 4:
        at = int(rng.integers(1, len(text) - 1))
        text = text[:at] + text[at + 1 :]
    return text


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def _counts(prompts: Sequence[str]) -> np.ndarray:
    """Hashed n-gram counts [n, BUCKETS] float32, each word padded by spaces."""
    counts = np.zeros((len(prompts), BUCKETS), np.float32)
    for row, prompt in zip(counts, prompts, strict=True):
        text = f" {_plain(prompt)} "
        for length in LENGTHS:
            for at in range(len(text) - length + 1):
                gram = text[at : at + length].encode()
                row[zlib.crc32(gram) % BUCKETS] += 1
    return counts


@cache
def _projection() -> np.ndarray:
    """Ridge solution [BUCKETS, WIDTH] from n-grams to concept directions."""
    groups = [(concept, s) for kind in terms().values() for concept, s in kind.items()]
    names = sorted({concept for concept, _ in groups if concept})
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(rng.standard_normal((WIDTH, len(names))))
    phrases = [(concept, synonym) for concept, synonyms in groups for synonym in synonyms]
    inputs = _counts([synonym for _, synonym in phrases])
    targets = np.array(
        [
            directions[:, names.index(concept)] if concept else np.zeros(WIDTH)
            for concept, _ in phrases
        ]
    )
    gram = inputs @ inputs.T + RIDGE * np.eye(len(inputs))
    return (inputs.T @ np.linalg.solve(gram, targets)).astype(np.float32)
