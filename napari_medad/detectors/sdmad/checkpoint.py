"""Checkpoints of MVFA's authors: `seg_adapters` and `det_adapters`, four of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from napari_medad.detectors.sdmad.network import BACKBONE
from napari_medad.errors import MedadError

KEY = re.compile(r"(seg|det)_adapters\.(\d+)\.fc([12])\.0\.weight")


def convert(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors under our keys.

    They hold neither signs nor normal shots, so that only P(abnormal) is told.

    Raises
    ------
    MedadError
        If a key is not one of MVFA's; others that are missing are seen on loading.
    """
    ours = {}
    for key, tensor in tensors.items():
        match = KEY.fullmatch(key)
        if match is None:
            raise MedadError(
                f"This is no checkpoint of MVFA: it has the key '{key}', where "
                "'seg_adapters.0.fc1.0.weight' and the like are expected."
            )
        which, layer, linear = match.groups()
        ours[f"{which}.{layer}.fc{linear}.weight"] = tensor.float()
    joint = next(iter(ours.values())).shape[0]
    layers = len({key.split(".")[1] for key in ours})
    ours["bank"] = torch.zeros(2 * layers, 0, joint, dtype=torch.float16)
    settings = {"level": "pixel", "backbone": BACKBONE, "image_size": 240, "normalised": False}
    return {**settings, "masks": True}, ours
