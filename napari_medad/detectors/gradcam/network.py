"""MONAI's ResNet-18 with one logit, and its class activation maps."""

from __future__ import annotations

import torch
from monai.networks.nets.resnet import ResNet, resnet18
from monai.visualize.class_activation_maps import GradCAM
from torch import Tensor, nn


def classifier() -> ResNet:
    """Image [b, 1, size, size] -> logit [b, 1] of an abnormal slice."""
    network = resnet18(spatial_dims=2, n_input_channels=1, num_classes=1)
    assert network.fc is not None
    # a random sign would let Grad-CAM's ReLU blank out the maps of a new network
    nn.init.uniform_(network.fc.weight, 0, 1 / network.fc.in_features)
    nn.init.zeros_(network.fc.bias)
    return network


def activation_map(cam: GradCAM, image: Tensor) -> tuple[Tensor, Tensor]:
    """Grad-CAM of the logit [b, 1, h, w], not negative, and the logit [b], in one pass.

    ReLU(sum_k alpha_k A_k), where alpha_k is the mean of d logit / d A_k (Eq. 1, 2); h and w are
    those of the chosen stage. `image` [b, 1, size, size] may come from inference mode.
    """
    with torch.inference_mode(False), torch.enable_grad():
        found = cam.compute_map(image.clone().requires_grad_(), class_idx=0)
    assert cam.nn_module.score is not None
    return found.detach(), cam.nn_module.score.detach().reshape(-1)
