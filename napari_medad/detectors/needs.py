"""What a detector still lacks before it can run: told with size, licence and command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_medad.backbones.clip.catalogue import Backbone, released
from napari_medad.weights.catalogue import releases
from napari_medad.weights.installed import Weights, installed_weights

if TYPE_CHECKING:
    from napari_medad.detectors.card import Card


@dataclass(frozen=True)
class Need:
    """Weights that are not on this machine.

    Attributes
    ----------
    what : str
        Which: "released-visa", "its own", "CLIP vit-l-14-336".
    terms : str
        Size and licence.
    command : str
        Brings them.
    """

    what: str
    terms: str
    command: str

    def __str__(self) -> str:
        return f"{self.what} ({self.terms}): {self.command}"


def needs(card: Card) -> tuple[Need, ...]:
    """The weights that a detector lacks, its CLIP's included; empty where it can run."""
    if not card.weights:
        return ()
    best = next(iter(installed_weights(card.name).values()), None)
    clip = released().get(_clip_of(card, best))
    known = releases(card.package)
    first = next(iter(known.values()), None)
    is_clip = clip is not None and first is not None and first.url == clip.files[0].url
    lacking = []
    if best is None and not is_clip:
        name = first.name if first else "its own"
        terms = f"{first.size}, licence {first.licence}" if first else f"licence {card.licence}"
        lacking.append(Need(name, terms, _command(card, first.name if first else "")))
    if clip is not None and not clip.installed and not (is_clip and best is not None):
        lacking.append(_need_of(clip))
    return tuple(lacking)


def sentence(card: Card) -> str:
    """What a detector lacks in one sentence; empty where it can run."""
    lacking = needs(card)
    return "needs weights: " + "; ".join(map(str, lacking)) if lacking else ""


def clip_sentence(card: Card) -> str:
    """Which CLIP a detector lacks to be trained; empty where it is there."""
    clip = released().get(card.backbone)
    lacks = clip is not None and not clip.installed
    return f"needs the weights of {_need_of(clip)}" if clip is not None and lacks else ""


def _need_of(clip: Backbone) -> Need:
    return Need(f"CLIP {clip.name}", clip.terms, f"medad weights fetch {clip.name}")


def _command(card: Card, release: str) -> str:
    if release:
        return f"medad weights fetch {card.name} {release}"
    train = f"medad train {card.name}, or " if card.recipe_class else ""
    return f"{train}medad weights add {card.name} FILE"


def _clip_of(card: Card, best: Weights | None) -> str:
    """The CLIP that the best installed weights were made for, else the paper's."""
    if best is None or best.path is None:
        return card.backbone
    held = json.loads((best.path / "model.json").read_text(encoding="utf-8"))
    return str(held.get("settings", {}).get("backbone", card.backbone))
