"""Weights of RASALoRE from disk: our model folders, and the authors' pairs of files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_medad.detectors.rasalore.framing import Framing
from napari_medad.detectors.rasalore.network import SIZE, Rasalore
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into, read_tensors
from napari_medad.weights.model_folder import ModelFolder

ENCODER, DECODER = "Encoder_Model.pth", "Decoder_Model.pth"
EMBEDDING = "Candidate_Prompt_Embedding.pt"
PUBLISHED = Framing(intensity="slice", gamma=2.0, transposed=True)

RENAMED = (
    (r"^e(\d)\.conv\.conv1\.", r"encoder.stage\1.0."),
    (r"^e(\d)\.conv\.conv2\.", r"encoder.stage\1.2."),
    (r"^e(\d)\.norm\.", r"encoder.stage\1.4."),
    (r"^adapter1\.conv\.0\.", "refiner.widen.0."),
    (r"^adapter1\.conv\.1\.", "refiner.widen.1."),
    (r"^adapter1\.upconv1\.0\.", "refiner.widen.3."),
    (r"^adapter1\.upconv1\.1\.", "refiner.widen.4."),
    (r"^adapter1\.upconv2\.0\.", "refiner.widen.6."),
    (r"^adapter1\.upconv2\.1\.", "refiner.widen.7."),
    (r"^adapter1\.skip_conv\.", "refiner.skip."),
    (r"^adapter2\.positional_noise_encoding$", "attention.0.position"),
    (r"^adapter2\.output_proj\.", "attention.0.project."),
    (r"^adapter2\.FF\.", "attention.0.point_head."),
    (r"^positional_encoding$", "decoder.position"),
    (r"^cross_attention\.", "decoder.attention."),
    (r"^norm1\.", "decoder.query_norm."),
    (r"^norm2\.", "decoder.product_norm."),
    (r"^upsample\.", "decoder.upsample."),
)
"""The authors' keys and ours; the four heads' projections are joined besides."""


def load_network(path: Path | None) -> tuple[Rasalore, Framing, dict[str, Any]]:
    """Network, framing and facts behind a path; a random network for None.

    Parameters
    ----------
    path : Path or None
        A model folder, or a folder (or one file of it) with the authors' two checkpoints
        and, there or above, the embedding they were trained with.

    Raises
    ------
    MedadError
        Names the file that is missing or does not fit.
    """
    if path is None:
        return Rasalore(), Framing(), {}
    folder = path if path.is_dir() else path.parent
    if (folder / "model.json").is_file():
        return _own(ModelFolder.read(folder, "rasalore"))
    if not (folder / ENCODER).is_file() or not (folder / DECODER).is_file():
        raise MedadError(
            f"{path} holds no RASALoRE weights; give a model folder, or the folder with "
            f"{ENCODER} and {DECODER}."
        )
    network = _published(folder)
    return network, PUBLISHED, {"embedding_fits": embedding_fits(network)}


def _own(model: ModelFolder) -> tuple[Rasalore, Framing, dict[str, Any]]:
    held = dict(model.settings)
    if held.pop("size", SIZE) != SIZE:
        raise MedadError(
            f"{model.path} was trained at another input size than {SIZE}; train it again."
        )
    framing = Framing(**held.pop("framing"))
    held["modalities"] = tuple(held["modalities"])
    network = Rasalore(**held)
    tensors = {key: value.to(torch.float32) for key, value in model.tensors().items()}
    load_into(network, _counted(tensors, network), str(model.path))
    return network, framing, model.facts


def shape_settings(
    side: int,
    modalities: Sequence[str],
    framing: Framing,
    *,
    width: int,
    scaled: bool = False,
    encoder_kind: str = "code",
    norm: str = "channel",
) -> dict[str, Any]:
    """What model.json keeps so that `load_network` can rebuild the network."""
    return {
        "size": SIZE,
        "width": width,
        "side": side,
        "modalities": list(modalities),
        "scaled": scaled,
        "encoder_kind": encoder_kind,
        "norm": norm,
        "framing": asdict(framing),
    }


def convert(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors of the authors' state dicts, encoder and decoder together.

    Raises
    ------
    MedadError
        If they hold only one of the two, or no embedding.
    """
    ours = _ours(tensors)
    lacking = {key.split(".")[0] for key in Rasalore(width=2, side=8).state_dict()} - {
        key.split(".")[0] for key in ours
    }
    if lacking - {"lore"}:
        raise MedadError(
            f"RASALoRE's weights are two files and an embedding; give the folder with {ENCODER}, "
            f"{DECODER} and {EMBEDDING}."
        )
    return shape_settings(32, ("any",), PUBLISHED, width=32), ours


def convert_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """Settings, facts and tensors of the authors' two files, their embedding among them.

    Raises
    ------
    MedadError
        Names the file that is missing or does not fit.
    """
    network, framing, facts = load_network(folder)
    return shape_settings(32, ("any",), framing, width=32), facts, network.state_dict()


def _published(folder: Path) -> Rasalore:
    home = next((f for f in (folder, *folder.parents[:3]) if (f / EMBEDDING).is_file()), None)
    if home is None:
        raise MedadError(
            f"{folder} lacks {EMBEDDING}, the random embedding that these weights were trained "
            "with and are useless without; put it beside them."
        )
    tensors = _ours(read_tensors(folder / ENCODER) | read_tensors(folder / DECODER))
    embedding = _read_embedding(home / EMBEDDING)
    network = Rasalore(lore="reference")
    load_into(network, _counted({**tensors, "lore": embedding[None]}, network), str(folder))
    return network


def _read_embedding(path: Path) -> Tensor:
    """The authors save one bare tensor."""
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(loaded, Tensor) or loaded.shape != (1024, 256):
        raise MedadError(f"{path} does not hold one embedding of shape (1024, 256).")
    return loaded.detach().float()


def _ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' state dicts under our keys."""
    out = {}
    for key, tensor in tensors.items():
        for pattern, new in RENAMED:
            if re.search(pattern, key):
                out[re.sub(pattern, new, key)] = tensor.float()
    for name in ("query", "key", "value"):
        for kind in ("weight", "bias"):
            heads = [f"adapter2.{name}_projections.{i}.{kind}" for i in range(4)]
            if all(head in tensors for head in heads):
                joined = torch.cat([tensors[head] for head in heads])
                out[f"attention.0.{name}.{kind}"] = joined.float()
    return out


def _counted(tensors: Mapping[str, Tensor], network: Rasalore) -> dict[str, Tensor]:
    """Batch counters of BatchNorm, which mean nothing to a trained network, are optional."""
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    return {**counters, **{k: v for k, v in tensors.items() if k not in counters}}


@torch.inference_mode()
def embedding_fits(network: Rasalore) -> bool:
    """Whether the weights were trained with the network's own embedding.

    Training pulls the points' embeddings to +1 or -1 (L_struct). With another draw they end
    no nearer to either than the draw's own spread.
    """
    was_training = network.training
    network.eval()
    grey = torch.full((1, 1, SIZE, SIZE), 96.0)
    embedding = network(grey).embedding
    network.train(was_training)
    distance = (embedding.abs() - 1).square().mean()
    return bool(distance < 0.5 * (network.lore[0].abs() - 1).square().mean())
