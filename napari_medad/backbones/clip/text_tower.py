"""CLIP ViT-B/32's frozen text tower, where its weights are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from napari_medad.errors import MedadError
from napari_medad.weights.installed import weights_home

ARCHITECTURE = "ViT-B-32-quickgelu"
"""OpenAI's ViT-B/32 was trained with QuickGELU."""
NAMES = ("ViT-B-32.pt", "ViT-B-32.safetensors", "open_clip_model.safetensors")


def text_tower_file() -> Path | None:
    """The installed ViT-B/32 checkpoint, `<weights home>/clip/ViT-B-32.(pt|safetensors)`."""
    folder = weights_home() / "clip"
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


class ClipTextEncoder:
    """Unit vectors [n, 512] of prompts from CLIP's text tower; the vision tower is dropped.

    Parameters
    ----------
    path : path
        Checkpoint of ViT-B/32 as OpenAI or open_clip publish it.

    Raises
    ------
    MedadError
        If the file is not such a checkpoint.
    """

    name = "CLIP ViT-B/32"

    def __init__(self, path: str | Path) -> None:
        import open_clip

        try:
            model = open_clip.create_model(ARCHITECTURE, pretrained=str(path))
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise MedadError(
                f"{path} is not a CLIP ViT-B/32 checkpoint ({str(error).splitlines()[0]}); give "
                "OpenAI's ViT-B-32.pt or open_clip's file."
            ) from None
        model.visual = None
        self.model = model.eval()
        self.tokenizer = open_clip.get_tokenizer(ARCHITECTURE)

    def encode(self, prompts: Sequence[str]) -> np.ndarray:
        """Features [n, 512] float32 of unit length."""
        with torch.inference_mode():
            features = self.model.encode_text(self.tokenizer(list(prompts)), normalize=True)
        return features.float().numpy()
