"""MedSAM's own file under transformers' names."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from napari_medad.backbones.medsam.convert import from_segment_anything
from napari_medad.errors import MedadError


def convert(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """No settings, and the tensors of `medsam_vit_b.pth`.

    Raises
    ------
    MedadError
        If they are of the other generation.
    """
    if any("memory_attention" in key for key in tensors):
        raise MedadError(
            "These are MedSAM2's weights, which are used from their file: --weights FILE --set "
            "generation=medsam2."
        )
    return {}, from_segment_anything(tensors)
