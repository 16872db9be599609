"""Texts as token numbers, without a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from napari_medad.backbones.clip.catalogue import Backbone
from napari_medad.errors import MedadError

Encode = Callable[[str], list[int]]
"""Token numbers of a text, start and end included."""


@cache
def byte_pairs() -> Encode:
    """CLIP's words; also for random BERTs, whose vocabulary is not on every machine."""
    import open_clip

    words = open_clip.SimpleTokenizer()
    return lambda text: [words.sot_token_id, *words.encode(text), words.eot_token_id]


@cache
def word_pieces(vocabulary: Path) -> Encode:
    """BERT's words.

    Raises
    ------
    MedadError
        If the vocabulary is damaged.
    """
    from tokenizers.implementations import BertWordPieceTokenizer

    try:
        tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    except Exception:  # its errors have no type of their own
        raise MedadError(f"{vocabulary} is no vocabulary of BERT; fetch the CLIP anew.") from None
    return lambda text: list(tokenizer.encode(text).ids)


def words_of(model: Backbone) -> Encode | None:
    """How a model reads texts; None where its vocabulary is not on this machine."""
    if model.kind == "open_clip" or not model.files:
        return byte_pairs()
    vocabulary = model.files[-1].path
    try:
        return word_pieces(vocabulary) if vocabulary.is_file() else None
    except ImportError:
        return None


def token_numbers(text: str, encode: Encode, context: int) -> list[int]:
    """Token numbers of a text.

    Raises
    ------
    MedadError
        If it does not fit into the context.
    """
    numbers = encode(text)
    if len(numbers) > context:
        raise MedadError(
            f"The prompt '{text[:60]}' has {len(numbers)} tokens, but this CLIP reads {context}; "
            "shorten it."
        )
    return numbers
