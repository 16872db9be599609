"""Features of prompts, computed once for every model and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_medad.atomic import replacing
from napari_medad.backbones.clip.load import Clip
from napari_medad.errors import MedadError
from napari_medad.weights.installed import weights_home


def text_features(clip: Clip, prompts: Sequence[str]) -> Tensor:
    """Features [n, joint] float32 of prompts, not normalised, from disk where they are known.

    They are kept by model, activation, sha256 of the weights, and the prompts. Those of random
    weights are kept in memory only. A folder that is full or cannot be written costs time, and
    a remark in `Clip.remarks`, nothing else.
    """
    key = tuple(prompts)
    if key not in clip.known:
        clip.known[key] = _from_disk(clip, prompts)
    return clip.known[key]


def _from_disk(clip: Clip, prompts: Sequence[str]) -> Tensor:
    path = _path(clip, prompts)
    if path is not None and path.is_file():
        with suppress(OSError, SafetensorError, KeyError):
            return load_file(path)["features"]
    features = clip.text.features(prompts).float().cpu()
    if path is not None:
        try:
            with replacing(path) as part:
                save_file({"features": features.contiguous()}, part)
        except (OSError, SafetensorError, MedadError):
            clip.remarks.add(
                f"The prompts' features could not be kept in {path.parent}, which is full or "
                "cannot be written; every run has to read the prompts anew."
            )
    return features


def normalised_mean(features: Tensor, *, each: bool = True) -> Tensor:
    """Mean [joint] of features [n, joint] as a unit vector.

    Parameters
    ----------
    each : bool
        Whether every feature is brought to unit length before the mean.
    """
    if each:
        features = torch.nn.functional.normalize(features, dim=-1)
    return torch.nn.functional.normalize(features.mean(0), dim=-1)


def _path(clip: Clip, prompts: Sequence[str]) -> Path | None:
    if not clip.sha256:
        return None
    key = "\0".join((clip.backbone.name, clip.activation, clip.sha256, *prompts))
    name = hashlib.sha256(key.encode()).hexdigest()
    return weights_home() / "clip" / "text" / f"{name}.safetensors"
