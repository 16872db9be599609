"""The CLIP detectors on a volume against their authors' own code, and against the machine.

`--authors FOLDER` holds clones of AnomalyCLIP, VAND-APRIL-GAN, AnoVL and AdaCLIP (and their
dependencies can be imported: kornia, opencv-python and tabulate for AnoVL). Both sides have the
same random weights of the real size, the same slices and number of threads, and take turns; the
median of the turns counts. The authors' side is the loop of their test script: all slices, one
after the other, in fp32, from ready pictures to smoothed maps at the picture's size. Ours is
`medad.detect` from voxels to findings. Prompts that do not depend on the picture are read before
the clock starts on both sides; AdaCLIP's are made for every picture, so they count, as do AnoVL's
22 views of each slice. On one thread, seconds are the processor's own, which other programs on the
machine change little; on several they are those on the wall.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import napari_medad as medad
from napari_medad.backbones.clip.pictures import maps_on, pictures_of
from napari_medad.detectors.anovl.adaptation import Start
from napari_medad.detectors.clip_detector import ClipDetector
from napari_medad.results.detection import Detection
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import IntensityRange
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

WANTED = {"fp32": 1.5, "bf16": 4.0}
REACH = 0.7
SIZES = {"vand": 518, "anovl": 240, "adaclip": 518, "anomalyclip": 518}
"""The papers' pictures."""


def clock() -> float:
    """Seconds of the processor on one thread, else on the wall."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def load(name: str, precision: str, size: int) -> ClipDetector:
    """A detector with random weights of the real size, that gives all that its authors' does."""
    settings: dict[str, Any] = {"backbone": "vit-l-14-336", "image_size": size or SIZES[name]}
    if name == "anovl":
        settings |= {"backbone": "vit-b-16-plus-240", "views": True}
    detector = medad.load_detector(
        name, weights="untrained", device="cpu", precision=precision, **settings
    )
    assert isinstance(detector, ClipDetector)
    return detector


def sampled(volume: Volume, every: int) -> Study:
    """Every so manieth slice of a volume, from the middle of the first stretch."""
    affine = volume.affine @ np.diag([1, 1, every, 1])
    kept = np.ascontiguousarray(volume.array[every // 2 :: every])
    return Study.from_volumes("sampled", {"t2f": Volume(kept, affine, "t2f")})


class Authors:
    """A process with the authors' code, loaded and ready."""

    def __init__(self, folder: str, detector: ClipDetector, pictures: Tensor, place: Path) -> None:
        self._answer, given = place / "answer.pt", place / "given.pt"
        torch.save(_given(detector, pictures), given)
        script = Path(__file__).with_name("zeroshot_authors.py")
        threads, name = str(torch.get_num_threads()), detector.card.name
        self._process = subprocess.Popen(
            [sys.executable, str(script), name, folder, str(given), str(self._answer), threads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("The authors' code ended early; run zeroshot_authors.py by hand to see why.")
        return line

    def judge(self) -> float:
        """Seconds that they take for all pictures."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return float(self._line())

    def end(self) -> dict[str, Tensor]:
        """Text features, maps and scores of the last turn."""
        self._process.communicate()
        return torch.load(self._answer, weights_only=True)


def _given(detector: ClipDetector, pictures: Tensor) -> dict[str, Any]:
    """Weights and pictures for the authors' side."""
    clip = detector.clip
    model = clip.backbone.model
    held = {k: v for k, v in clip.text.module.state_dict().items() if k != "attn_mask"}
    given: dict[str, Any] = {
        "pictures": pictures,
        "clip": held,
        "vision": model["vision_cfg"],
        "text": model["text_cfg"],
        "joint": model["embed_dim"],
        "object": "brain",
    }
    if detector.card.name == "anovl":
        patches = (detector.size // clip.backbone.patch) ** 2
        start = Start.drawn(detector.read_text(), patches, "text")
        noise = [start.noise(step) for step in range(5)]
        return {**given, "weight": start.weight, "bias": start.bias, "noise": noise}
    return {**given, "adapters": dict(detector.network.state_dict())}


def text_of(detector: ClipDetector, picture: Tensor) -> Tensor:
    """Features [2, joint] of the prompts, for AdaCLIP those of a picture [1, 3, s, s]."""
    text = detector.read_text()
    if detector.card.name == "adaclip":
        with torch.inference_mode():
            return detector.network(detector.clip, picture, text).text[0]
    return text.states if detector.card.name == "anovl" else text


def seconds(work: Callable[[], object]) -> float:
    """What some work takes."""
    began = clock()
    work()
    return clock() - began


def matrix_rate(dtype: torch.dtype) -> float:
    """Floating-point operations a second of a product as large as a block's MLP."""
    a, b = torch.ones(2320, 1024, dtype=dtype), torch.ones(4096, 1024, dtype=dtype)
    return 2 * 2320 * 1024 * 4096 / min(seconds(lambda: F.linear(a, b)) for _ in range(8))


def reached(detector: ClipDetector, pictures: Tensor) -> float:
    """Share of the machine's matrix rate that a plain pass through the blocks reaches."""
    clip, bf16 = detector.clip, detector.device.precision == "bf16"
    n = 1 + (detector.size // clip.backbone.patch) ** 2
    c, depth = clip.shape.width, clip.shape.depth
    work = len(pictures) * depth * (24 * n * c * c + 4 * n * n * c)
    dtype = torch.bfloat16 if bf16 else torch.float32
    before = matrix_rate(dtype)  # and after: other programs may take their share of the machine
    with detector.device.computing():
        spent = min(
            seconds(lambda: clip.vision.look(pictures, (depth,), "bicubic")) for _ in range(3)
        )
    return work / spent / max(before, matrix_rate(dtype))


def difference(detection: Detection, maps: Tensor, scores: Tensor) -> str:
    """How far maps and scores lie from the authors', inside the foreground."""
    shape, inside = detection.maps["anomaly"].shape[1:], detection.foreground
    theirs = maps_on(maps, (shape[0], shape[1]))[inside]
    apart = np.abs(theirs - detection.maps["anomaly"][inside])
    judged = np.isfinite(detection.slice_scores)
    score = np.abs(detection.slice_scores - scores.numpy())[judged].max()
    mean = apart.mean() / theirs.std()
    return f"maps {apart.max():.1e} ({mean:.1e} of their spread on average), scores {score:.1e}"


def compare(name: str, study: Study, chosen: argparse.Namespace, place: Path) -> float:
    """Print one detector's ratios; the authors' seconds."""
    volume = study.volume()
    grey = IntensityRange.of(volume.array, foreground_of(volume)).apply(volume.array)
    ours = {p: load(name, p, chosen.size) for p in chosen.precisions.split(",")}
    exact = load(name, "fp32", chosen.size)
    pictures = pictures_of(grey, exact.size, exact.interpolation)
    theirs = Authors(chosen.authors, exact, pictures, place)
    spent: dict[str, list[float]] = {key: [] for key in ("authors", *ours)}
    results = {}
    exact.read_text()
    for detector in ours.values():  # their text towers are the same, and in fp32
        detector.clip.known.update(exact.clip.known)
    for _ in range(chosen.turns):
        spent["authors"].append(theirs.judge())
        for precision, detector in ours.items():
            began = clock()
            results[precision] = medad.detect(study, detector)
            spent[precision].append(clock() - began)
    said = theirs.end()
    slow = median(spent["authors"])
    text = float((text_of(exact, pictures[:1]) - said["text"]).abs().max())
    print(f"{name} at {exact.size} pixels; authors {_times(spent['authors'])}; text {text:.1e}")
    for precision, detection in results.items():
        times = _times(spent[precision])
        ratio = slow / median(spent[precision])
        apart = difference(detection, said["maps"], said["scores"])
        print(f"  {precision}: {times}, {ratio:.2f} x ({WANTED[precision]:g} x wanted); {apart}")
    sys.stdout.flush()
    return slow


def _times(spent: Sequence[float]) -> str:
    return f"{median(spent):.1f} s ({min(spent):.1f} to {max(spent):.1f})"


def together(names: Sequence[str], study: Study, chosen: argparse.Namespace, slow: float) -> None:
    """Print what several detectors in one run take against the authors' one after the other."""
    for precision in chosen.precisions.split(","):
        detectors = [load(name, precision, chosen.size) for name in names]
        for detector in detectors:
            detector.read_text()
        spent = []
        for _ in range(chosen.turns):
            began = clock()
            medad.detect_all(study, detectors)
            spent.append(clock() - began)
        print(
            f"all together, {precision}: {_times(spent)}, {slow / median(spent):.2f} x of the "
            f"authors' {slow:.1f} s one after the other",
            flush=True,
        )


def share(name: str, chosen: argparse.Namespace) -> None:
    """Print the share of the machine's matrix rate."""
    for precision in chosen.precisions.split(","):
        detector = load(name, precision, chosen.size)
        pictures = torch.rand(detector.batch_size, 3, detector.size, detector.size)
        part = reached(detector, pictures)
        print(
            f"{name}, {precision}: {part:.0%} of the matrix rate ({REACH:.0%} wanted)", flush=True
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--authors", metavar="FOLDER", help="clones of the authors' code")
    options.add_argument("--detectors", default="anomalyclip,vand,anovl,adaclip")
    options.add_argument("--size", type=int, default=0, help="pixels; 0: the paper's")
    options.add_argument(
        "--scan", metavar="FILE", help="a volume; default: the phantom, 155 slices"
    )
    options.add_argument("--every", type=int, default=10, help="look at every N-th slice only")
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--precisions", default="fp32,bf16")
    options.add_argument("--turns", type=int, default=3)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    rates = [matrix_rate(dtype) / 1e9 for dtype in (torch.float32, torch.bfloat16)]
    print(f"{chosen.threads} threads; {rates[0]:.0f} GFLOP/s in fp32, {rates[1]:.0f} in bf16")
    names = chosen.detectors.split(",")
    if not chosen.authors:
        for name in names:
            share(name, chosen)
        return
    whole = (
        medad.read_study(chosen.scan) if chosen.scan else make_brain(0, contrasts=("t2f",)).study
    )
    study = sampled(whole.volume(), chosen.every)
    empty = sum(not plane.any() for plane in foreground_of(study.volume()))
    count, slices = len(study.volume().array), len(whole.volume().array)
    print(f"{count} of {slices} slices, {empty} of them empty", flush=True)
    with TemporaryDirectory() as place:
        slow = sum(compare(name, study, chosen, Path(place)) for name in names)
    if len(names) > 1:
        together(names, study, chosen, slow)


if __name__ == "__main__":
    main()
