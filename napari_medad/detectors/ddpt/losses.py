"""What DDPT minimises: cross-entropies, and the class-aware prompts' own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from napari_medad.detectors.ddpt.network import Output

ETA = 0.3
"""Weight of the auxiliary loss."""


def guided_loss(output: Output, labels: Tensor) -> Tensor:
    """First epochs: keep either side near plain CLIP, CE(z_t) + CE(z_i) + 0.1 CE(z)."""
    return (
        F.cross_entropy(output.text_logits, labels)
        + F.cross_entropy(output.image_logits, labels)
        + 0.1 * F.cross_entropy(output.logits, labels)
    )


def class_aware_loss(output: Output, labels: Tensor) -> Tensor:
    """L_ca: the query of the true class must recognise its class; labels [b] in {0, 1}."""
    mine = output.queries == labels[:, None]
    return F.cross_entropy(output.query_logits[mine].float(), labels)
