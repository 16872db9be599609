"""Draw the pictures of moe's method page from the starter weights and the sample study.

Run from the repository's root: `python docs/moe_pictures.py`.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

import napari_medad as medad
from napari_medad.volumes.phantom import sample_study

IMAGES = Path(__file__).parent / "images"


def hallucination() -> None:
    """Image, reconstruction, error, hallucination and anomaly of the sample's largest lesion."""
    phantom = sample_study()
    detector = medad.load_detector("moe", weights="starter", device="cpu", median=1)
    detection = medad.detect(phantom.study, detector, volume="t2f")
    z = int((phantom.truth > 0).sum(axis=(1, 2)).argmax())
    image = detection.volume.array[z].astype(float)
    reconstruction = detection.maps["reconstruction"][z]
    panels = {
        "image": (image, "gray"),
        "reconstruction": (reconstruction, "gray"),
        "error": (np.abs(image - reconstruction) * (image > 0), "magma"),
        "hallucination |u|": (detection.maps["hallucination"][z], "magma"),
        "anomaly": (detection.maps["anomaly"][z], "inferno"),
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(15, 3.4))
    for axis, (title, (values, colours)) in zip(axes, panels.items(), strict=True):
        axis.imshow(values, cmap=colours, vmax=np.quantile(values, 0.998))
        axis.set_title(title)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(IMAGES / "moe-hallucination.png", dpi=110)


def router() -> None:
    """Mean router weight of every expert for every task of the starter (the paper's Fig. 6)."""
    detector = medad.load_detector("moe", weights="starter", device="cpu")
    table = np.array(detector.facts["router"])
    figure, axis = plt.subplots(figsize=(5.5, 3.2))
    shown = axis.imshow(table, vmin=0, vmax=1, cmap="viridis")
    axis.set_yticks(range(len(detector.tasks)), detector.tasks)
    axis.set_xticks(range(table.shape[1]), [f"expert {k + 1}" for k in range(table.shape[1])])
    for (row, column), value in np.ndenumerate(table):
        ink = "black" if value > 0.6 else "white"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    figure.colorbar(shown, label="mean router weight")
    figure.tight_layout()
    figure.savefig(IMAGES / "moe-router.png", dpi=110)


if __name__ == "__main__":
    hallucination()
    router()
