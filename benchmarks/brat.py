"""brat: embedding a study, bfloat16, and matching a batch, as ratios to what is wanted.

The plain network does what the released code does: every tensor in fp32, channels first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from napari_medad.detectors.brat.matching import match
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import BratShape

WANTED_BF16 = 1.5
ALLOWED_MATCHING_S = 0.05
IMAGES, REPORTS, SENTENCES = 32, 32, 8


def best_s(action: Callable[[], object], repeats: int) -> float:
    """Shortest of some runs, after one that warms up: others may use the machine, too."""
    action()
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        spent.append(time.perf_counter() - began)
    return min(spent)


def as_released(network: Brat, image: Tensor) -> Tensor:
    """The views' states by the steps of the released code."""
    tokens = network.ln_vision(network.visual_encoder(image).tokens)
    queries = network.query_tokens.expand(len(image), -1, -1)
    found = network.qformer(query_embeds=queries, encoder_hidden_states=tokens)
    return found.last_hidden_state


def embedding(backbone: str, repeats: int) -> None:
    """Print how long one study takes at the published size."""
    channels = ("t1c", "t1n", "t2w", "t2f") if backbone == "densenet169" else ("t1c",)
    shape = BratShape.parse(
        {"backbone": backbone, "modalities": channels, "vocabulary": 30523}, "benchmark"
    )
    network = Brat(shape).eval()
    image = torch.rand(1, shape.channels, *shape.size)
    with torch.inference_mode():
        theirs = best_s(lambda: as_released(network, image), repeats)
        ours = best_s(lambda: network.views(image), repeats)
        with torch.autocast("cpu", torch.bfloat16):
            half = best_s(lambda: network.views(image), repeats)
    print(
        f"{backbone}: as released {theirs:.2f} s, ours {ours:.2f} s ({theirs / ours:.2f} times as "
        f"fast), bfloat16 {half:.2f} s ({ours / half:.2f} times as fast as fp32; wanted "
        f"{WANTED_BF16})"
    )


def matching(repeats: int) -> None:
    """Print how long a batch of images and reports takes to be matched."""
    table = torch.rand(IMAGES, REPORTS, 32, SENTENCES)
    spent = best_s(lambda: match(table), repeats)
    share = spent / ALLOWED_MATCHING_S
    print(f"matching {IMAGES} x {REPORTS}: {1000 * spent:.1f} ms, {share:.2f} of what is allowed")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--backbones", default="densenet121,densenet169,resnet50,vit")
    asked.add_argument("--repeats", type=int, default=7)
    asked.add_argument("--threads", type=int, default=2)
    given = asked.parse_args()
    torch.set_num_threads(given.threads)
    matching(3 * given.repeats)
    for backbone in given.backbones.split(","):
        embedding(backbone, given.repeats)


if __name__ == "__main__":
    main()
