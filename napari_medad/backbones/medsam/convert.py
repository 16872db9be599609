"""Segment-anything's names of SAM's tensors (as in medsam_vit_b.pth) and transformers'."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

RENAMED = (
    (r"^module\.", ""),
    (r"^image_encoder\.", "vision_encoder."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"^vision_encoder\.blocks\.", "vision_encoder.layers."),
    (r"\.neck\.0\.", ".neck.conv1."),
    (r"\.neck\.1\.", ".neck.layer_norm1."),
    (r"\.neck\.2\.", ".neck.conv2."),
    (r"\.neck\.3\.", ".neck.layer_norm2."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.point_embeddings\.", ".point_embed."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"(_mlps\.\d|_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(_mlps\.\d|_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(_mlps\.\d|_head)\.layers\.2\.", r"\1.proj_out."),
)
POSITION = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


def from_segment_anything(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict for transformers' SamModel; names that are transformers' already stay."""
    if not any("image_encoder." in key for key in tensors):
        return dict(tensors)
    converted = {}
    for key, tensor in tensors.items():
        for pattern, new in RENAMED:
            key = re.sub(pattern, new, key)
        if key == POSITION:
            converted["shared_image_embedding.positional_embedding"] = tensor
            converted["prompt_encoder.shared_embedding.positional_embedding"] = tensor.clone()
        else:
            converted[key] = tensor
    return converted
