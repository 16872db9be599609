"""MedSAM (SAM ViT-B) through transformers: look at a slice once, ask as often as wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.backbones.medsam.convert import from_segment_anything
from napari_medad.backbones.medsam.prompts import Box, Points
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into, read_tensors

RELEASED = "flaviagiammarino/medsam-vit-base"
"""MedSAM's weights on the Hugging Face hub."""


def load_sam(weights: str | Path | None) -> Any:
    """A SamModel.

    Parameters
    ----------
    weights : str, path or None
        A hub name, a folder that transformers wrote, MedSAM's own `medsam_vit_b.pth`, added
        weights, or None for a small random network of the same parts.

    Raises
    ------
    MedadError
        If transformers is not installed, or the weights can be neither read nor downloaded.
    """
    try:
        from transformers import SamConfig, SamModel
    except ImportError:
        raise MedadError(
            "MedSAM needs the transformers package; install napari-medad[medsam]."
        ) from None
    if weights is None:
        return SamModel(small_config()).eval()
    path = Path(weights)
    if (path / "model.json").is_file():
        path = path / "weights.safetensors"
    if path.is_file():
        model = SamModel(SamConfig())
        load_into(model, from_segment_anything(read_tensors(path)), str(path))
        return model.eval()
    try:
        return SamModel.from_pretrained(str(weights)).eval()
    except (OSError, ValueError) as error:
        raise MedadError(
            f"MedSAM's weights '{weights}' could not be loaded ({str(error).splitlines()[0]}); "
            "download medsam_vit_b.pth elsewhere and run `medad weights add medsam+ddpt FILE`."
        ) from None


def small_config() -> Any:
    """Configuration of a SamModel that runs in milliseconds, for untrained use."""
    from transformers import SamConfig

    return SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "mlp_dim": 32,
            "window_size": 2,
            "global_attn_indexes": [1],
            "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": 64,
            "patch_size": 16,
            "image_embedding_size": 4,
            "mask_input_channels": 16,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )


class Sam:
    """A slice under MedSAM's eye.

    Parameters
    ----------
    model : SamModel
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.size: int = model.config.vision_config.image_size
        self._embedding: Tensor | None = None
        self._shape = (0, 0)

    @torch.inference_mode()
    def look(self, grey: np.ndarray) -> None:
        """Encode a slice [h, w] uint8; the costly part, kept until the next one.

        As MedSAM's authors: cubic enlargement to the model's square without keeping the
        aspect, truncation to 8 bits, minimum..maximum to 0..1, no ImageNet statistics.
        """
        picture = torch.from_numpy(np.ascontiguousarray(grey)).float()[None, None]
        enlarged = F.interpolate(
            picture, (self.size, self.size), mode="bicubic", antialias=True
        ).clamp(0, 255)
        enlarged = enlarged.floor()
        low, high = enlarged.min(), enlarged.max()
        scaled = ((enlarged - low) / (high - low).clamp(min=1e-8)).expand(-1, 3, -1, -1)
        device = next(self.model.parameters()).device
        self._embedding = self.model.get_image_embeddings(scaled.to(device))
        self._shape = (grey.shape[0], grey.shape[1])

    @torch.inference_mode()
    def ask(self, box: Box | None = None, points: Points | None = None) -> np.ndarray:
        """Probability [h, w] of what the box or the points mean in the slice looked at.

        Raises
        ------
        MedadError
            If there is neither box nor point, or nothing was looked at.
        """
        if self._embedding is None or (box is None and points is None):
            raise MedadError("MedSAM needs a slice and a box or a point; draw one.")
        device = self._embedding.device
        prompt: dict[str, Tensor] = {}
        if box is not None:
            edges = box.scaled(self._shape, self.size)
            prompt["input_boxes"] = torch.tensor([[edges]], device=device)
        if points is not None:
            xy = points.scaled(self._shape, self.size)
            prompt["input_points"] = torch.tensor(xy, device=device)[None, None].float()
            labels = torch.tensor(points.inside.astype(np.int64), device=device)
            prompt["input_labels"] = labels[None, None]
        out = self.model(image_embeddings=self._embedding, multimask_output=False, **prompt)
        logits = out.pred_masks[:, 0].float()
        probability = F.interpolate(logits.sigmoid(), self._shape, mode="bilinear")
        return probability[0, 0].cpu().numpy()
