"""rasalore on a whole brain, and in training, against the authors' way of running the same network.

The plain network has the published modules' operations: every head's keys, values and attention
map of 1024 x 4096 are made, one slice at a time, in fp32.
"""

from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

import napari_medad as medad
from napari_medad.detectors.device import Device
from napari_medad.detectors.rasalore.detector import RasaloreDetector
from napari_medad.detectors.rasalore.framing import boxes_of, crop, paste
from napari_medad.detectors.rasalore.network import (
    SIZE,
    ChannelNorm,
    MaskDecoder,
    Rasalore,
    RegionAwareAttention,
)
from napari_medad.detectors.rasalore.recipe import RasaloreOptions, RasaloreRecipe
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom import sample_study
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import installed_weights

WANTED, TOLERANCE = 3.0, 1e-2


class PlainNorm(ChannelNorm):
    """Over channels moved last and back."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every pixel's channels."""
        moved = x.permute(0, 2, 3, 1)
        normal = F.layer_norm(moved, self.normalized_shape, self.weight, self.bias, self.eps)
        return normal.permute(0, 3, 1, 2)


class PlainAttention(RegionAwareAttention):
    """One head after the other."""

    def forward(self, refined: Tensor, lore: Tensor) -> tuple[Tensor, Tensor]:
        """Activations and embeddings of the points."""
        tokens = rearrange(refined, "b d h w -> b (h w) d")
        gathered = []
        parts = (
            [linear.weight.chunk(self.heads), linear.bias.chunk(self.heads)]
            for linear in (self.query, self.key, self.value)
        )
        for (wq, bq), (wk, bk), (wv, bv) in zip(*(zip(*p) for p in parts), strict=True):
            query = F.linear(lore.expand(len(tokens), -1, -1), wq, bq)
            key = F.linear(tokens, wk, bk)
            value = F.linear(tokens + self.position, wv, bv)
            scores = query @ key.transpose(1, 2) / lore.shape[-1] ** 0.5
            gathered.append(scores.softmax(-1) @ value)
        embedding = self.project(torch.cat(gathered, -1)) + lore
        return self.point_head(embedding).squeeze(-1), embedding


class PlainDecoder(MaskDecoder):
    """Cross-attention that makes its weights."""

    def forward(self, embedding: Tensor, last: Tensor) -> Tensor:
        """Logits of the mask."""
        features = rearrange(last, "b d h w -> b (h w) d")
        sequences = (embedding, features, rearrange(last + self.position, "b d h w -> b (h w) d"))
        attended, _ = self.attention(*(s.transpose(0, 1).contiguous() for s in sequences))
        query = self.query_norm(self.dropout(attended.transpose(0, 1)) + embedding)
        product = self.product_norm(features @ query.transpose(1, 2))
        return self.upsample(rearrange(product, "b (h w) k -> b k h w", h=last.shape[-1]))


def plain(network: Rasalore) -> Rasalore:
    """A copy with the same weights and the authors' operations."""
    twin = copy.deepcopy(network)
    swaps = {
        ChannelNorm: PlainNorm,
        RegionAwareAttention: PlainAttention,
        MaskDecoder: PlainDecoder,
    }
    for module in twin.modules():
        module.__class__ = swaps.get(type(module), type(module))
    return twin


@torch.inference_mode()
def plain_loop(detector: RasaloreDetector, study: Study, slices: list[int]) -> np.ndarray:
    """Maps [n, y, x] of some slices: one after the other through the plain network in fp32."""
    network, framing = plain(detector.network), detector.framing
    volume = study.volume("t2f")
    foreground = foreground_of(volume)
    level = framing.level(volume.array, foreground)
    maps = []
    for z in slices:
        inside = foreground[z][None]
        grey = framing.grey(framing.turn(volume.array[z][None]), framing.turn(inside), level)
        boxes = boxes_of(grey)
        logits = network(crop(grey, boxes, SIZE)[:, None]).logits[:, 0]
        pasted = paste(logits.sigmoid(), boxes, (grey.shape[1], grey.shape[2]))
        maps.append(framing.turn(pasted)[0] * inside[0])
    return np.stack(maps)


def compare_maps(study: Study, weights: str, every: int) -> None:
    """Print times and the largest difference of the maps."""
    foreground = foreground_of(study.volume("t2f"))
    slices = np.flatnonzero(foreground.any(axis=(1, 2)))[::every].tolist()
    torch.manual_seed(0)
    detector = medad.load_detector("rasalore", weights=weights, device="cpu", precision="fp32")
    assert isinstance(detector, RasaloreDetector)
    began = time.perf_counter()
    expected = plain_loop(detector, study, slices)
    slow = (time.perf_counter() - began) * every
    about = "about " if every > 1 else ""
    print(f"{detector.weights.state}: slice by slice {about}{slow:.1f} s")
    for precision in dict.fromkeys(("fp32", Device.choose("cpu").precision)):
        torch.manual_seed(0)
        detector = medad.load_detector(
            "rasalore", weights=weights, device="cpu", precision=precision
        )
        began = time.perf_counter()
        detection = medad.detect(study, detector, volume="t2f")
        fast = time.perf_counter() - began
        apart = np.abs(detection.maps["anomaly"][slices] - expected).max()
        print(
            f"  {precision}: {fast:.1f} s, {slow / fast:.2f} x as fast ({WANTED:g} x is wanted); "
            f"maps differ by {apart:.1e} at most ({TOLERANCE:g} is allowed)"
        )


def training_rate(recipe: RasaloreRecipe, network: Rasalore, precision: str, batch: int) -> float:
    """Images a second of a step: losses, gradients and update."""
    generator = torch.Generator().manual_seed(0)
    samples = {
        "image": 255 * torch.rand(batch, 1, SIZE, SIZE, generator=generator),
        "present": torch.ones(batch, 1, dtype=torch.bool),
        "weak": (torch.rand(batch, 2 * SIZE, 2 * SIZE, generator=generator) > 0.9).float(),
        "refined": torch.zeros(batch, 2 * SIZE, 2 * SIZE),
        "weights": torch.rand(batch, 3, 2 * SIZE, 2 * SIZE, generator=generator),
    }
    optimiser = recipe.optimiser(network.train())
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = recipe.losses(network, samples)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - began)
    return batch / min(times[1:])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--every", type=int, default=1, help="slice of the slow loop")
    options.add_argument("--batch", type=int, default=4, help="of the training step")
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)

    study = sample_study().study
    shipped = ["auto"] if installed_weights("rasalore") else []
    for weights in ("untrained", *shipped):
        compare_maps(study, weights, chosen.every)

    recipe = RasaloreRecipe(RasaloreOptions(), ())
    network = recipe.network()
    assert isinstance(network, Rasalore)
    precision = Device.choose("cpu").precision
    theirs = training_rate(recipe, plain(network), "fp32", chosen.batch)
    ours = training_rate(recipe, network, precision, chosen.batch)
    print(
        f"training, published size: {ours:.2f} images a second in {precision}, plain "
        f"{theirs:.2f} in fp32: {ours / theirs:.2f} x"
    )


if __name__ == "__main__":
    main()
