"""What the sentences say: features of signs, anchor and, at the pixel level, of MVFA's prompts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.backbones.clip.load import Clip
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.text_cache import normalised_mean, text_features
from napari_medad.detectors.sdmad import CARD
from napari_medad.detectors.sdmad.network import Sentences, ShiftAdapters
from napari_medad.detectors.sdmad.scores import category_scores, decisions
from napari_medad.detectors.sdmad.selection import Pairs, Selection, select
from napari_medad.detectors.sdmad.signs import SignList


@dataclass(frozen=True, eq=False)
class SignText:
    """Features of a list of signs, and what was selected of them.

    Attributes
    ----------
    pairs : Pairs
    signs : Tensor [n, joint]
        Unit features.
    anchor : Tensor [joint]
    selection : Selection
    """

    pairs: Pairs
    signs: Tensor
    anchor: Tensor
    selection: Selection

    @property
    def count(self) -> int:
        """Number of categories, K."""
        return len(self.pairs.categories)

    def judge(self, cosines: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [b, K] and decisions [b, K] bool of cosines [b, n + 1], the anchor's last."""
        near, anchor = cosines[:, :-1], cosines[:, -1]
        owner, kept = self.pairs.owner.to(near.device), self.selection.kept.to(near.device)
        return (
            category_scores(near, owner, kept, self.count),
            decisions(near, anchor, owner, kept, self.count),
        )

    @property
    def all(self) -> Tensor:
        """Features [n + 1, joint] of the signs and, last, of the anchor."""
        return torch.cat([self.signs, self.anchor[None]])


def pairs_of(signs: SignList) -> Pairs:
    """The rows of a list of signs."""
    return Pairs.of([(category.name, category.texts) for category in signs.categories])


def shifted_features(network: ShiftAdapters, clip: Clip, signs: SignList) -> Tensor:
    """Unit features [n + 1, joint] of signs and anchor as the text adapter makes them."""
    read = Sentences.read(clip, [*pairs_of(signs).texts, signs.normal])
    return network.sentences(clip, read)


def frozen_features(clip: Clip, signs: SignList) -> Tensor:
    """Unit features [n + 1, joint] of signs and anchor as CLIP has them."""
    texts = [*pairs_of(signs).texts, signs.normal]
    return F.normalize(text_features(clip, texts).float(), dim=-1)


def sign_text(signs: SignList, features: Tensor, *, selected: bool) -> SignText:
    """Signs with features [n + 1, joint], the anchor's last."""
    pairs = pairs_of(signs)
    selection = select(pairs, features[:-1], all_kept=not selected)
    return SignText(pairs, features[:-1], features[-1], selection)


def prompt_features(clip: Clip, word: str) -> Tensor:
    """Unit features [2, joint] of MVFA's normal and abnormal prompts of an object."""
    sides = Ensemble.read(CARD.package).sentences(word)
    return torch.stack([normalised_mean(text_features(clip, side)) for side in sides])
