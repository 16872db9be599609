"""Checkpoints with the released keys, in numbers that every machine draws alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).with_name("golden.npz")
"""What the authors' own modules made of these checkpoints, and their keys and shapes.

Their vision backbones are at full size; the Q-Former has all its layers, with 24 features,
5 queries, 60 words and embeddings of 8.
"""
SIZES = {
    "densenet121": (1, 1, 32, 64, 64),
    "densenet169": (1, 4, 32, 64, 64),
    "resnet50": (1, 1, 32, 64, 64),
    "vit": (1, 1, 32, 256, 256),
}
"""Of the images; a ViT takes one size only."""
WORDS = "Qformer.bert.embeddings.word_embeddings.weight"
HEAD = "Qformer.cls.predictions."


def drawn(shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """A state dict of these shapes: noise that every layer passes on."""
    rng = np.random.default_rng(0)
    tensors = {}
    for key, shape in sorted(shapes.items()):
        noise = torch.from_numpy(np.asarray(2 * rng.random(shape, np.float32) - 1))
        if key.endswith("position_ids"):
            tensors[key] = torch.arange(shape[1]).reshape(shape)
        elif key.endswith("num_batches_tracked"):
            tensors[key] = torch.zeros((), dtype=torch.int64)
        elif len(shape) > 1:
            tensors[key] = noise * _gain(key) * (3 / prod(shape[1:])) ** 0.5
        else:
            tensors[key] = 0.1 * noise + (not key.endswith(("bias", "running_mean")))
    tensors[HEAD + "decoder.weight"] = tensors[WORDS].clone()
    tensors[HEAD + "decoder.bias"] = tensors[HEAD + "bias"].clone()
    return tensors


def _gain(key: str) -> float:
    """So that attention is uneven, and views do not become alike from layer to layer."""
    if not key.startswith("Qformer.bert.encoder"):
        return 1.0
    return 3.0 if "query." in key or "key." in key else 0.6


def shapes_of(backbone: str) -> dict[str, list[int]]:
    """Keys and shapes of the authors' model on this backbone."""
    with np.load(GOLDEN) as golden:
        return json.loads(str(golden[f"{backbone}_keys"]))


def checkpoint(backbone: str) -> dict[str, Tensor]:
    """A file as the authors released it."""
    return drawn(shapes_of(backbone))


def image_for(backbone: str) -> Tensor:
    """In 0..1."""
    return torch.from_numpy(np.random.default_rng(1).random(SIZES[backbone], np.float32))
