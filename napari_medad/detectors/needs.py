"""What a detector still lacks before it can run: told with size, licence and command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


def needs(card: Card, settings: Mapping[str, Any] | None = None) -> tuple[Need, ...]:
    """The weights that a detector lacks, its CLIP's included; empty where it can run.

    Parameters
    ----------
    card : Card
    settings : mapping, optional
        Those that users changed: `backbone` and `backbone_weights` name another CLIP.
    """
    if not card.weights:
        return ()
    asked = settings or {}
    best = next(iter(installed_weights(card.name).values()), None)
    known, own = released(), released().get(card.backbone)
    clip = known.get(clip_of(card, best, asked))
    first = next(iter(releases(card.package).values()), None)
    is_clip = own is not None and first is not None and first.url == own.files[0].url
    lacking = []
    if best is None and not is_clip:
        name = first.name if first else "its own"
        terms = f"{first.size}, licence {first.licence}" if first else f"licence {card.licence}"
        lacking.append(Need(name, terms, _command(card, first.name if first else "")))
    brought = bool(asked.get("backbone_weights")) or (is_clip and best is not None and clip == own)
    if clip is not None and not clip.installed and not brought:
        lacking.append(_need_of(clip))
    return tuple(lacking)


def sentence(card: Card, settings: Mapping[str, Any] | None = None) -> str:
    """What a detector lacks in one sentence, see `needs`; empty where it can run."""
    lacking = needs(card, settings)
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


def clip_of(card: Card, weights: Weights | None, settings: Mapping[str, Any] | None = None) -> str:
    """The CLIP that users chose, else that of the weights, else the paper's."""
    chosen = str((settings or {}).get("backbone", "auto"))
    if chosen != "auto":
        return chosen
    if weights is None or weights.path is None:
        return card.backbone
    held = json.loads((weights.path / "model.json").read_text(encoding="utf-8"))
    return str(held.get("settings", {}).get("backbone", card.backbone))
