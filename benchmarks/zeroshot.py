"""The CLIP detectors on a volume against the plain way: slice by slice in fp32, nothing skipped.

The plain way is that of the authors' scripts, written anew on open_clip: one slice after the other,
background too, through open_clip's own blocks, V-V attention by explicit matrices, prompts of 77
tokens. Both have the same random weights. Prompts that do not depend on the image are read before
the clock starts; AdaCLIP's are made for every image, so they count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import napari_medad as medad
from napari_medad.backbones.clip.load import Clip
from napari_medad.backbones.clip.pictures import maps_on, pictures_of
from napari_medad.backbones.clip.positions import Resize
from napari_medad.backbones.clip.text import ClipText
from napari_medad.backbones.clip.vision import Prompting, Seen, Stage, Vit, split
from napari_medad.detectors.clip_detector import ClipDetector
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import IntensityRange
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study

WANTED = {"fp32": 1.5, "bf16": 4.0}
BACKBONES = {"anovl": "vit-b-16-plus-240"}
REACH = 0.7


class PlainVit(Vit):
    """Open_clip's blocks as they are, and V-V attention by explicit matrices."""

    def look(
        self, images: Tensor, layers: Sequence[int], how: Resize, prompting: Prompting | None = None
    ) -> Seen:
        """As `Vit.look`."""
        x, grid = self.embed(images, how)
        count, held = x.shape[1], {}
        for i, block in enumerate(self.blocks):
            x = block.block(x if prompting is None else prompting(i, x))
            held[i + 1] = Stage(x[:, 1:count], grid)
        return Seen(self.project(x[:, 0]), [held[layer] for layer in layers])

    def look_by_values(
        self, images: Tensor, layers: Sequence[int], how: Resize, *, first: int, norm_feature: bool
    ) -> Seen:
        """As `Vit.look_by_values`."""
        h, grid = self.embed(images, how)
        p, held = h, {}
        for i, block in enumerate(self.blocks):
            if i < first:
                p = h = block.block(h)
            else:
                q, k, v = split(block, h)
                ordinary, by_values = (
                    block.out(_attended(a, b, v).transpose(1, 2).flatten(2))
                    for a, b in ((q, k), (v, v))
                )
                p, h = p + by_values, block.after(h, ordinary)
            held[i + 1] = p
        stages = [Stage(self.project(held[layer][:, 1:]), grid) for layer in layers]
        return Seen(self.project(h[:, 0], norm=norm_feature), stages)


def _attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v


class PlainText(ClipText):
    """All 77 tokens of every prompt through open_clip's blocks."""

    def encode(self, embedded: Tensor, ids: Tensor, prompting: Prompting | None = None) -> Tensor:
        """As `ClipText.encode`."""
        clip: Any = self.module
        x = embedded + clip.positional_embedding
        for i, block in enumerate(clip.transformer.resblocks):
            x = block(x if prompting is None else prompting(i, x), attn_mask=clip.attn_mask)
        ends = ids.argmax(-1).expand(len(x))
        return clip.ln_final(x)[torch.arange(len(x)), ends] @ clip.text_projection


def load(name: str, precision: str, size: int, **settings: object) -> ClipDetector:
    """A detector with random weights of the real size."""
    settings = {"backbone": BACKBONES.get(name, "vit-l-14-336"), "image_size": size, **settings}
    detector = medad.load_detector(
        name, weights="untrained", device="cpu", precision=precision, **settings
    )
    assert isinstance(detector, ClipDetector)
    return detector


def plain_clip(clip: Clip) -> Clip:
    """The same weights, run the plain way."""
    text = PlainText(clip.text.module, clip.text._encode, clip.text.context)
    return replace(clip, vision=PlainVit(clip.vision.module), text=text)


@torch.inference_mode()
def plain_maps(detector: ClipDetector, text: object, pictures: Tensor) -> Tensor:
    """Maps [n, s, s], one slice after the other."""
    own = detector.__dict__["clip"]
    detector.__dict__["clip"] = plain_clip(own)
    try:
        return torch.cat([detector.judge(picture[None], text)[0] for picture in pictures])
    finally:
        detector.__dict__["clip"] = own


def seconds(work: Callable[[], object]) -> float:
    """Wall time of some work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


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


def compare(name: str, study: Study, size: int, precisions: Sequence[str]) -> None:
    """Print one detector's ratios."""
    volume = study.volume()
    grey = IntensityRange.of(volume.array, foreground_of(volume)).apply(volume.array)
    exact = load(name, "fp32", size)
    pictures = pictures_of(grey, exact.size, exact.interpolation)
    text = exact.read_text()
    began = time.perf_counter()
    plain = plain_maps(exact, text, pictures)
    slow = time.perf_counter() - began
    print(f"{name} at {exact.size} pixels, plain: {slow:.1f} s", flush=True)
    for precision in precisions:
        detector = exact if precision == "fp32" else load(name, precision, size)
        detector.read_text()
        fast = medad.detect(study, detector)
        took, inside = fast.record.duration_s, fast.foreground
        laid = maps_on(plain, volume.array.shape[1:])[inside]
        apart = np.abs(laid - fast.maps["anomaly"][inside])
        share = reached(detector, pictures[:8])
        print(
            f"  {precision}: {took:.1f} s, {slow / took:.2f} x as fast ({WANTED[precision]:g} x is "
            f"wanted); maps differ by {apart.max():.1e} at most, {apart.mean() / laid.std():.1e} "
            f"of their spread on average; the backbone reaches {share:.0%} of the matrix rate "
            f"({REACH:.0%} is wanted)",
            flush=True,
        )


def together(names: Sequence[str], study: Study, precision: str) -> None:
    """Print what a shared pass saves, at CLIP's own size and with one activation for all."""
    detectors = [load(name, precision, 336, activation="gelu") for name in names]
    for detector in detectors:
        detector.read_text()
    alone = [medad.detect(study, detector) for detector in detectors]
    shared = medad.detect_all(study, detectors)
    one, other = (sum(d.record.duration_s for d in runs) for runs in (alone, shared))
    apart = max(
        float(np.abs(a.maps["anomaly"] - b.maps["anomaly"]).max()) for a, b in zip(alone, shared)
    )
    print(
        f"{', '.join(names)} at 336 pixels in {precision}: {one:.1f} s one after the other, "
        f"{other:.1f} s together; maps differ by {apart:.1e}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--detectors", default="anomalyclip,vand,anovl,adaclip")
    options.add_argument("--size", type=int, default=240, help="pixels; the authors' are 518, 240")
    options.add_argument("--spacing", type=float, default=10.0, help="mm, of the phantom's slices")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--precisions", default="fp32,bf16")
    options.add_argument("--together", action="store_true", help="time them in one run instead")
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    study = make_brain(0, contrasts=("t2f",), spacing=chosen.spacing).study
    depth = len(study.volume().array)
    rates = [matrix_rate(dtype) / 1e9 for dtype in (torch.float32, torch.bfloat16)]
    print(
        f"{depth} slices, {chosen.threads} threads; matrix rate {rates[0]:.0f} GFLOP/s in fp32, "
        f"{rates[1]:.0f} in bf16"
    )
    names, precisions = chosen.detectors.split(","), chosen.precisions.split(",")
    if chosen.together:
        for precision in precisions:
            together(names, study, precision)
        return
    for name in names:
        compare(name, study, chosen.size, precisions)


if __name__ == "__main__":
    main()
