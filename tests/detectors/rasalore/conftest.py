"""Checkpoints as the authors' trainer writes them, with weights that anyone can make again."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from napari_medad.detectors.rasalore.checkpoint import DECODER, EMBEDDING, ENCODER, load_network
from napari_medad.detectors.rasalore.network import Rasalore, random_embedding


def _pair(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _batch_norm(name: str, n: int) -> dict[str, tuple[int, ...]]:
    running = {f"{name}.running_mean": (n,), f"{name}.running_var": (n,)}
    return {**_pair(name, n), **running, f"{name}.num_batches_tracked": ()}


def encoder_shapes() -> dict[str, tuple[int, ...]]:
    shapes = {"adapter2.positional_noise_encoding": (4096, 256)}
    for stage, (a, b) in enumerate([(1, 32), (32, 64), (64, 128), (128, 256)], 1):
        shapes |= _pair(f"e{stage}.conv.conv1", b, a, 3, 3)
        shapes |= _pair(f"e{stage}.conv.conv2", b, b, 3, 3)
        shapes |= _pair(f"e{stage}.norm", b)
    shapes |= _pair("adapter1.conv.0", 64, 32, 3, 3) | _batch_norm("adapter1.conv.1", 64)
    for name, a, b in (("upconv1", 64, 128), ("upconv2", 128, 256)):
        shapes[f"adapter1.{name}.0.weight"] = (a, b, 3, 3)
        shapes[f"adapter1.{name}.0.bias"] = (b,)
        shapes |= _batch_norm(f"adapter1.{name}.1", b)
    shapes |= _pair("adapter1.skip_conv", 256, 32, 1, 1)
    for head in range(4):
        for kind in ("query", "key", "value"):
            shapes |= _pair(f"adapter2.{kind}_projections.{head}", 256, 256)
    shapes |= _pair("adapter2.output_proj", 256, 1024)
    shapes |= _pair("adapter2.FF.0", 128, 256) | _pair("adapter2.FF.2", 128)
    shapes |= _pair("adapter2.FF.3", 64, 128) | _pair("adapter2.FF.5", 64)
    return shapes | _pair("adapter2.FF.6", 1, 64)


def decoder_shapes() -> dict[str, tuple[int, ...]]:
    return {
        "positional_encoding": (1, 256, 64, 64),
        "cross_attention.in_proj_weight": (768, 256),
        "cross_attention.in_proj_bias": (768,),
        **_pair("cross_attention.out_proj", 256, 256),
        "upsample.0.weight": (1024, 128, 4, 4),
        "upsample.0.bias": (128,),
        "upsample.2.weight": (128, 64, 4, 4),
        "upsample.2.bias": (64,),
        **_pair("upsample.4", 1, 64, 1, 1),
        **_pair("norm1", 256),
        **_pair("norm2", 1024),
    }


def fill(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights that depend on nothing but their key and shape."""
    filled = {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            filled[key] = torch.tensor(0)
            continue
        value = torch.randn(shape, generator=torch.Generator().manual_seed(sum(key.encode())))
        if key.endswith("running_var"):
            filled[key] = value.abs() + 0.5
        elif len(shape) > 1:
            filled[key] = value / value[0].numel() ** 0.5
        else:
            filled[key] = 0.1 * value + key.endswith("weight")
    return filled


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments/.../Fold_0 with both files; the embedding lies two folders above."""
    home = tmp_path_factory.mktemp("published")
    folder = home / "Experiments" / "BraTS20_first" / "Fold_0"
    folder.mkdir(parents=True)
    torch.save(fill(encoder_shapes()), folder / ENCODER)
    torch.save(fill(decoder_shapes()), folder / DECODER)
    draw = random_embedding(32, 256, "reference", torch.Generator().manual_seed(7))
    torch.save(draw.requires_grad_(), home / "Experiments" / EMBEDDING)
    return folder


@pytest.fixture(scope="session")
def published(published_folder: Path) -> Rasalore:
    return load_network(published_folder)[0].eval()
