"""Checkpoints of AnomalyCLIP's authors: key `prompt_learner`, one state dict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from napari_medad.detectors.anomalyclip.network import BACKBONE
from napari_medad.errors import MedadError

DEEP_KEY = "compound_prompts_text.{}"
DEEP = re.compile(r"compound_prompts_text\.(\d+)")


def convert(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors under our keys.

    The eight projections in the file are never used, and the fixed words of the prompts are
    made again.

    Raises
    ------
    MedadError
        Names the first key that is missing or misshapen.
    """
    held = {key.removeprefix("prompt_learner."): value for key, value in tensors.items()}
    blocks = sorted(int(m[1]) for key in held if (m := DEEP.fullmatch(key)))
    if blocks != list(range(len(blocks))) or not blocks:
        raise MedadError(
            "This is no checkpoint of AnomalyCLIP: 'compound_prompts_text.0' and following are "
            "missing; give one of the authors' epoch_N.pth."
        )
    width = held["compound_prompts_text.0"].shape[-1]
    normal, abnormal = (_context(held, f"ctx_{side}", width) for side in ("pos", "neg"))
    start = _context(held, "token_prefix_pos", width)[0]
    deep = [_shaped(held, f"compound_prompts_text.{i}", (None, width)) for i in blocks]
    stacked = torch.stack([_shaped(held, DEEP_KEY.format(i), deep[0].shape) for i in blocks])
    settings = {
        "backbone": BACKBONE,
        "context": len(normal),
        "deep": stacked.shape[1],
        "depth": len(blocks),
    }
    return settings, {"normal": normal, "abnormal": abnormal, "deep": stacked, "start": start}


def _context(held: Mapping[str, Tensor], key: str, width: int) -> Tensor:
    return _shaped(held, key, (1, 1, None, width))[0, 0]


def _shaped(held: Mapping[str, Tensor], key: str, shape: tuple[int | None, ...]) -> Tensor:
    """The tensor of a key, whose shape must be this one (None: any length)."""
    if key not in held:
        raise MedadError(f"This is no checkpoint of AnomalyCLIP: '{key}' is missing.")
    found = tuple(held[key].shape)
    if len(found) != len(shape) or any(w not in (None, f) for f, w in zip(found, shape)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise MedadError(
            f"This is no checkpoint of AnomalyCLIP: '{key}' has shape {found}, not ({wanted})."
        )
    return held[key].float()
