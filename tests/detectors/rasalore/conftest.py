"""Checkpoints as the authors' trainer writes them, with weights that anyone can make again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_medad.detectors.rasalore.checkpoint import (
    DECODER,
    EMBEDDING,
    ENCODER,
    load_network,
    shape_settings,
)
from napari_medad.detectors.rasalore.framing import Framing
from napari_medad.detectors.rasalore.network import Rasalore, random_embedding
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume
from napari_medad.weights.model_folder import ModelFolder


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


SMALL = {"width": 2, "side": 8}


def small_folder(path: Path, *, facts: dict | None = None, modalities=("any",), **framing) -> Path:
    """A model folder with a small random network."""
    torch.manual_seed(0)
    network = Rasalore(**SMALL, modalities=modalities)
    settings = shape_settings(8, modalities, Framing(**framing), width=2)
    ModelFolder(path, "rasalore", settings, facts or {}).write(network.state_dict())
    return path


def brain_study(modalities=("t2f",), seed: int = 0) -> Study:
    """A ball of tissue with a bright spot, on an anisotropic grid."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:6, :70, :60]
    inside = ((y - 35) / 30) ** 2 + ((x - 30) / 25) ** 2 < 1
    affine = np.diag([-1.0, -1.0, 4.0, 1.0])
    volumes = {}
    for modality in modalities:
        array = rng.normal(300, 20, inside.shape)
        array[spot(z, y, x)] += 200
        volumes[modality] = Volume((array * inside).astype(np.float32), affine, modality)
    return Study.from_volumes("case", volumes)


def spot(z, y, x) -> np.ndarray:
    return (abs(z - 2) <= 1) & ((y - 25) ** 2 + (x - 38) ** 2 < 64)


@pytest.fixture
def spot_mask() -> np.ndarray:
    return spot(*np.mgrid[:6, :70, :60])
