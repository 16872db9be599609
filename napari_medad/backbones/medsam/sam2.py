"""MedSAM2 (SAM 2.1 Hiera-tiny at 512) through the sam2 package: slices, and through slices."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.special import expit

from napari_medad.backbones.medsam.prompts import Box, Points
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into, read_tensors

SIZE = 512
CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
FEATURE_SIZES = [(128, 128), (64, 64), (32, 32)]
"""Of Hiera-tiny at 512; the package's image predictor assumes those of 1024."""


def load_sam2(weights: str | Path | None, *, untrained: bool = False) -> Any:
    """MedSAM2's network, which is also the package's video predictor.

    Parameters
    ----------
    weights : path or None
        MedSAM2's own file (`MedSAM2_latest.pt`).
    untrained : bool
        Random weights, for looking at shapes.

    Raises
    ------
    MedadError
        If the package or the file is missing.
    """
    try:
        from sam2.build_sam import build_sam2_video_predictor
    except ImportError:
        raise MedadError("MedSAM2 needs the sam2 package; install napari-medad[medsam2].") from None
    if weights is None and not untrained:
        raise MedadError(
            "MedSAM2's weights are not installed; download MedSAM2_latest.pt from the "
            "wanglab/MedSAM2 page and give its path as --weights."
        )
    network = build_sam2_video_predictor(
        CONFIG, device="cpu", hydra_overrides_extra=[f"++model.image_size={SIZE}"]
    )
    if weights is not None:
        load_into(network, read_tensors(weights), str(weights))
    return network.eval()


class Sam2:
    """Slices under MedSAM2's eye, one by one or as a film.

    Parameters
    ----------
    network
        From `load_sam2`.
    """

    def __init__(self, network: Any) -> None:
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        self.network = network
        self.predictor = SAM2ImagePredictor(network)
        self.predictor._bb_feat_sizes = FEATURE_SIZES

    def look(self, grey: np.ndarray) -> None:
        """Encode a slice [h, w] uint8."""
        with torch.inference_mode():
            self.predictor.set_image(np.repeat(grey[..., None], 3, axis=-1))

    def ask(self, box: Box | None = None, points: Points | None = None) -> np.ndarray:
        """Probability [h, w] of what the box or the points mean in the slice looked at."""
        with torch.inference_mode():
            logits, _, _ = self.predictor.predict(
                box=None if box is None else np.array([box.x0, box.y0, box.x1, box.y1]),
                point_coords=None if points is None else points.xy,
                point_labels=None if points is None else points.inside.astype(np.int32),
                multimask_output=False,
                return_logits=True,
            )
        return expit(logits[0].astype(np.float32))

    def follow(
        self, grey: np.ndarray, key: int, box: Box | None = None, points: Points | None = None
    ) -> np.ndarray:
        """Probability [n, h, w] in every slice of [n, h, w] uint8, from a prompt in one.

        The lesion is followed from slice `key` to the last, then anew to the first.
        """
        out = np.zeros(grey.shape, np.float32)
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            for z, plane in enumerate(grey):
                Image.fromarray(plane).convert("RGB").save(Path(folder, f"{z}.jpg"), quality=100)
            state = self.network.init_state(folder)
            for reverse in (False, True):
                self.network.reset_state(state)
                self.network.add_new_points_or_box(
                    state,
                    frame_idx=key,
                    obj_id=1,
                    box=None if box is None else np.array([box.x0, box.y0, box.x1, box.y1]),
                    points=None if points is None else np.asarray(points.xy, np.float32),
                    labels=None if points is None else points.inside.astype(np.int32),
                )
                followed = self.network.propagate_in_video(state, reverse=reverse)
                for z, _, logits in followed:
                    out[z] = np.maximum(out[z], expit(logits[0, 0].float().cpu().numpy()))
        return out
