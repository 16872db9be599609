"""Reports as sentences, sentences as tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import Tensor

from napari_medad.errors import MedadError

PAD, UNKNOWN, START, END, BEGIN = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]"
"""BERT's marks, and the one with which a report begins that is to be written (BLIP-2's)."""
MARKS = (PAD, UNKNOWN, START, END, BEGIN)
LONGEST = 256
"""Tokens of a report that are read; what follows is cut off."""
MOST_SENTENCES = 20

_ABBREVIATED = r"(?<!\b[A-Za-z]\.)(?<!\b(?:Dr|Mr|Ms|vs|cf|No)\.)(?<!\b(?:Mrs|e\.g|i\.e|[Ff]ig)\.)"
_ENDS = re.compile(rf"(?<=[.!?]){_ABBREVIATED}\s+(?=[A-Z0-9(\"'])|\s*\n\s*|;\s+")
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")


class Tokens(NamedTuple):
    """Reports as numbers.

    Attributes
    ----------
    ids : Tensor [b, t] int64
    sentence : Tensor [b, t] int64
        Which sentence a token belongs to; -1 for marks and padding.
    there : Tensor [b, t] bool
        What is no padding.
    present : Tensor [b, n_s] bool
        Which sentences have a token.
    """

    ids: Tensor
    sentence: Tensor
    there: Tensor
    present: Tensor

    def to(self, device: str) -> Tokens:
        """The same on a device."""
        return Tokens(*(part.to(device) for part in self))

    def trimmed(self) -> Tokens:
        """Without padding that all rows share."""
        length, most = (int(part.any(dim=0).sum()) for part in (self.there, self.present))
        ids, sentence, there = (part[:, :length] for part in self[:3])
        return Tokens(ids, sentence, there, self.present[:, :most])


def sentences_of(report: str) -> list[str]:
    """The sentences of a report, without the numbers and dashes of lists.

    Raises
    ------
    MedadError
        If it has none.
    """
    parts = (_LIST_MARK.sub("", part).strip() for part in _ENDS.split(report))
    found = [part for part in parts if re.search(r"[A-Za-z]", part)]
    if not found:
        raise MedadError("The report holds no sentence; write at least one.")
    return found


@cache
def usual_sentences() -> tuple[str, ...]:
    """The findings that are scored where nobody names others."""
    listed = files(__package__).joinpath("sentences.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(listed))


class ReportTokenizer:
    """A BERT WordPiece tokenizer over a given vocabulary, with everything in lower case.

    Parameters
    ----------
    vocabulary : sequence of str
        Pieces in the order of their numbers, BERT's marks among them; `[DEC]` is added at the
        end where it is missing, as BLIP-2 does.

    Raises
    ------
    MedadError
        If a mark is missing.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        missing = [mark for mark in MARKS[:-1] if mark not in vocabulary]
        if missing:
            raise MedadError(f"The vocabulary lacks {missing[0]}; give that of a BERT (vocab.txt).")
        self.vocabulary = [*vocabulary, *([] if BEGIN in vocabulary else [BEGIN])]
        self.number = {piece: number for number, piece in enumerate(self.vocabulary)}
        self._pieces = Tokenizer(WordPiece(self.number, unk_token=UNKNOWN))
        self._pieces.normalizer = BertNormalizer(lowercase=True)
        self._pieces.pre_tokenizer = BertPreTokenizer()

    def __len__(self) -> int:
        return len(self.vocabulary)

    @property
    def padding(self) -> int:
        """Number of the padding."""
        return self.number[PAD]

    def pieces(self, text: str) -> list[int]:
        """Numbers of a text's pieces, without marks."""
        return list(self._pieces.encode(text, add_special_tokens=False).ids)

    def __call__(self, reports: Sequence[Sequence[str]], longest: int = LONGEST) -> Tokens:
        """Reports, each a list of sentences, as `[CLS] sentence [SEP] sentence [SEP] ...`.

        Raises
        ------
        MedadError
            If a report has no sentence.
        """
        rows = [self._row(sentences, longest) for sentences in reports]
        length = max(len(ids) for ids, _ in rows)
        most = max(max(owners) for _, owners in rows) + 1
        ids = torch.full((len(rows), length), self.number[PAD])
        sentence = torch.full((len(rows), length), -1)
        for row, (numbers, owners) in enumerate(rows):
            ids[row, : len(numbers)] = torch.tensor(numbers)
            sentence[row, : len(owners)] = torch.tensor(owners)
        present = (sentence.unsqueeze(-1) == torch.arange(most)).any(dim=1)
        lengths = torch.tensor([[len(numbers)] for numbers, _ in rows])
        return Tokens(ids, sentence, torch.arange(length) < lengths, present)

    def _row(self, sentences: Sequence[str], longest: int) -> tuple[list[int], list[int]]:
        numbers, owners = [self.number[START]], [-1]
        for owner, text in enumerate(sentences[:MOST_SENTENCES]):
            pieces = self.pieces(text)
            numbers += [*pieces, self.number[END]]
            owners += [owner] * len(pieces) + [-1]
        if max(owners) < 0:
            raise MedadError("The report holds no sentence; write at least one.")
        return numbers[:longest], owners[:longest]


def learned_vocabulary(reports: Iterable[Sequence[str]], most: int = 4000) -> list[str]:
    """A vocabulary of the words of some reports, and of letters for words that are not in them.

    Parameters
    ----------
    reports : iterable of sequence of str
        Sentences of each report.
    most : int
        Largest number of whole words; the commonest are kept.
    """
    split, plain = BertPreTokenizer(), BertNormalizer(lowercase=True)
    counted = Counter(
        word
        for sentences in reports
        for text in sentences
        for word, _ in split.pre_tokenize_str(plain.normalize_str(text))
    )
    common = sorted(counted, key=lambda word: (-counted[word], word))[:most]
    letters = sorted({*"abcdefghijklmnopqrstuvwxyz0123456789.,:;-()/%", *"".join(common)})
    pieces = [*MARKS, *letters, *(f"##{letter}" for letter in letters), *common]
    return list(dict.fromkeys(pieces))


def read_vocabulary(path: str | Path) -> list[str]:
    """The vocabulary of a BERT: a vocab.txt, or the folder that holds one.

    Raises
    ------
    MedadError
        If there is none.
    """
    path = Path(path).expanduser()
    file = path / "vocab.txt" if path.is_dir() else path
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise MedadError(
            f"There is no readable vocab.txt at {path}; give the tokenizer's folder, or the file."
        ) from None
