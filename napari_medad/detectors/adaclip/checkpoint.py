"""Checkpoints of AdaCLIP's authors: 38 tensors whose keys begin with `clip_model.`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from napari_medad.detectors.adaclip.network import BACKBONE
from napari_medad.errors import MedadError

RENAMED = (
    ("dynamic_visual_prompt_generator.", "visual_dynamic."),
    ("dynamic_text_prompt_generator.", "text_dynamic."),
    ("patch_token_layer.head.", "patch."),
    ("cls_token_layer.head.0.", "image."),
)
STATIC = {"text_static": "text_prompter", "visual_static": "visual_prompter"}


def convert(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors under our keys.

    Raises
    ------
    MedadError
        If the static prompts are not there or not of one shape; other keys are seen on loading.
    """
    held = {k.removeprefix("clip_model."): v for k, v in tensors.items()}
    ours: dict[str, Tensor] = {name: _static(held, group) for name, group in STATIC.items()}
    for key, tensor in held.items():
        for theirs, new in RENAMED:
            if key.startswith(theirs):
                ours[new + key.removeprefix(theirs)] = tensor.float()
    depth, length, _ = ours["text_static"].shape
    return {"backbone": BACKBONE, "length": length, "depth": depth}, ours


def _static(held: Mapping[str, Tensor], group: str) -> Tensor:
    """Prompts [depth, length, c] of a group."""
    keys = [k for k in held if re.fullmatch(rf"{group}\.static_prompts\.\d+", k)]
    ordered = [f"{group}.static_prompts.{i}" for i in range(len(keys))]
    missing = next((key for key in ordered or [f"{group}.static_prompts.0"] if key not in held), "")
    if missing:
        raise MedadError(f"This is no checkpoint of AdaCLIP: 'clip_model.{missing}' is missing.")
    shape = held[ordered[0]].shape
    wrong = next((key for key in ordered if held[key].shape != shape or len(shape) != 2), "")
    if wrong:
        raise MedadError(
            f"This is no checkpoint of AdaCLIP: 'clip_model.{wrong}' has shape "
            f"{tuple(held[wrong].shape)}, unlike the others."
        )
    return torch.stack([held[key].float() for key in ordered])
