"""Which text encoder reads the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from napari_medad.backbones.prompt.ngrams import NgramTextEncoder
from napari_medad.errors import MedadError


class TextEncoder(Protocol):
    """Prompts to unit vectors [n, 512] float32."""

    name: str

    def encode(self, prompts: Sequence[str]) -> np.ndarray:
        """Features of prompts."""


def text_encoder(wanted: str) -> TextEncoder:
    """The encoder by name.

    Parameters
    ----------
    wanted : str
        "n-grams", "auto" (CLIP where installed, else n-grams), "CLIP ViT-B/32" (must be
        installed), or a CLIP ViT-B/32 checkpoint file.

    Raises
    ------
    MedadError
        If CLIP is asked for and not there.
    """
    if wanted == NgramTextEncoder.name:
        return NgramTextEncoder()
    from napari_medad.backbones.clip.text_tower import ClipTextEncoder, text_tower_file

    if wanted not in ("auto", ClipTextEncoder.name):
        return ClipTextEncoder(wanted)
    file = text_tower_file()
    if file is not None:
        return ClipTextEncoder(file)
    if wanted == "auto":
        return NgramTextEncoder()
    raise MedadError(
        "This model was trained with CLIP ViT-B/32's text tower, which is not installed; give its "
        "file by --set clip_weights=FILE."
    )
