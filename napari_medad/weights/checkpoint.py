"""Tensors from files, safely, and into networks, strictly."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "network",
    "params",
    "prompt_learner",
    "trainable_linearlayer",
)
"""Keys under which training scripts hide the state dict."""


def read_tensors(path: str | Path, *, trust_pickle: bool = False) -> dict[str, Tensor]:
    """Tensors of a .safetensors file or a torch checkpoint, by key, on the CPU.

    Parameters
    ----------
    path : path
    trust_pickle : bool
        Run the pickle of an old checkpoint, which can execute any code. Only on the
        user's explicit word.

    Raises
    ------
    MedadError
        If the file is absent, unreadable, or needs its pickle executed.
    """
    path = Path(path)
    if not path.is_file():
        raise MedadError(f"There is no weights file at {path}; check the path.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError:
        raise MedadError(
            f"{path} is a pickled checkpoint that would run code when opened; ask for a "
            ".safetensors file, or pass --trust-pickle if you trust who made it."
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise MedadError(
            f"{path} is not a readable weights file ({str(error).splitlines()[0]}); "
            "download it again or give another."
        ) from None
    return _flatten(loaded, path)


def write_tensors(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Write tensors as .safetensors."""
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with replacing(path) as part:
        save_file(plain, part)


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Load tensors into a network, every key and shape as it must be.

    Raises
    ------
    MedadError
        Names the first key that is missing, misshapen or unexpected.
    """
    wanted = network.state_dict()
    for key, tensor in wanted.items():
        if key not in tensors:
            raise MedadError(
                f"{origin} does not fit this detector: '{key}' is missing; give weights "
                "made for it and for these settings."
            )
        if tensors[key].shape != tensor.shape:
            raise MedadError(
                f"{origin} does not fit this detector: '{key}' has shape "
                f"{tuple(tensors[key].shape)}, not {tuple(tensor.shape)}; give weights made "
                "for these settings."
            )
    extra = next((key for key in tensors if key not in wanted), None)
    if extra is not None:
        raise MedadError(
            f"{origin} does not fit this detector: '{extra}' is not part of it; give "
            "weights made for it and for these settings."
        )
    network.load_state_dict(dict(tensors))


def _flatten(loaded: object, path: Path) -> dict[str, Tensor]:
    """The state dict inside a checkpoint."""
    while isinstance(loaded, Mapping):
        inner = next((loaded[w] for w in WRAPPERS if isinstance(loaded.get(w), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if isinstance(loaded, Mapping):
        tensors = {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}
        groups = {str(k): v for k, v in loaded.items() if isinstance(v, Mapping)}
        for group, held in groups.items() if not tensors else ():
            tensors |= {f"{group}.{k}": v for k, v in held.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors
    raise MedadError(f"{path} holds no tensors by name; give a state dict or .safetensors file.")
