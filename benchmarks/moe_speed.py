"""moe on a whole brain against a plain loop over the same network, slice by slice in fp32."""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import napari_medad as medad
from napari_medad.detectors.device import Device
from napari_medad.detectors.framing import from_square, scale_of, scaled, to_square
from napari_medad.detectors.moe.detector import MoeDetector
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom import sample_study
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import installed_weights

TOLERANCE = {"fp32": 1e-5, "bf16": 1e-2}
WANTED = 3.0


def load(precision: str, size: int) -> MoeDetector:
    """The shipped weights, else a random network; unfiltered maps, so that networks compare."""
    trained = bool(installed_weights("moe"))
    settings = {} if trained else {"size": size}
    torch.manual_seed(0)
    detector = medad.load_detector(
        "moe",
        weights="auto" if trained else "untrained",
        device="cpu",
        precision=precision,
        median=1,
        **settings,
    )
    assert isinstance(detector, MoeDetector)
    return detector


@torch.inference_mode()
def plain_loop(detector: MoeDetector, study: Study) -> np.ndarray:
    """Anomaly map [z, y, x]: one slice after the other through the network in fp32."""
    array = study.volume("t2f").array
    foreground = foreground_of(study.volume("t2f"))
    network = detector.network.to(memory_format=torch.contiguous_format)
    scale = scale_of(detector.settings.intensity, array, foreground)
    text = torch.from_numpy(detector.text_encoder.encode(["Brain MRI slice, FLAIR"]))
    anomaly = np.zeros(array.shape, np.float32)
    box = SlicePlan.of(foreground, "axial").box
    for z in range(len(array)):
        inside = foreground[z][box][None]
        pixels = scaled(scale, array[z][box][None].astype(np.float32), inside)
        image = to_square(pixels, detector.settings.size)
        signed = network.anomaly(image, network(image, text))
        anomaly[z][box] = np.maximum(from_square(signed, *inside.shape[1:])[0], 0) * inside[0]
    return anomaly


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--size", type=int, default=256, help="of a random network")
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    study = sample_study().study

    began = time.perf_counter()
    plain = plain_loop(load("fp32", chosen.size), study)
    slow = time.perf_counter() - began
    print(f"plain loop: {slow:.1f} s")
    for precision in ("fp32", Device.choose("cpu").precision):
        detector = load(precision, chosen.size)
        began = time.perf_counter()
        detection = medad.detect(study, detector, volume="t2f", prompt="Brain MRI slice, FLAIR")
        fast = time.perf_counter() - began
        apart = np.abs(detection.maps["anomaly"] - plain).max() / plain.max()
        print(
            f"{detector.weights.state} {precision}: {fast:.1f} s, {slow / fast:.2f} x as fast "
            f"({WANTED:g} x is wanted); maps differ by {apart:.1e} of the highest value "
            f"({TOLERANCE[precision]:g} is allowed)"
        )


if __name__ == "__main__":
    main()
