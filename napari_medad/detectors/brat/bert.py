"""A BERT from a local folder as the beginning of the Q-Former."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from napari_medad.detectors.brat.network import Brat
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import read_tensors

FILES = ("model.safetensors", "pytorch_model.bin")


def bert_tensors(folder: str, network: Brat) -> dict[str, Tensor]:
    """What a BERT gives to the network: attention, feed-forward layers, embeddings, word head.

    The queries' feed-forward layers begin as the words' do; cross-attention and the projections
    stay random (as in BLIP-2). The embedding of `[DEC]`, which BERT lacks, stays random too.

    Raises
    ------
    MedadError
        If the folder holds no weights, or of another shape.
    """
    home = Path(folder).expanduser()
    file = next((home / name for name in FILES if (home / name).is_file()), None)
    if file is None:
        raise MedadError(f"There is no {FILES[0]} or {FILES[1]} in {home}; give a BERT's folder.")
    given = {key.removeprefix("bert."): value for key, value in read_tensors(file).items()}
    own, found = network.state_dict(), {}
    for key, tensor in own.items():
        theirs = _bert_key(key)
        if theirs is None or theirs not in given:
            continue
        brought = given[theirs].float()
        words = key in ("embeddings.word_embeddings.weight", "language_head.bias")
        if words and brought.shape[1:] == tensor.shape[1:]:
            kept = tensor.clone()
            kept[: len(brought)] = brought[: len(kept)]
            brought = kept
        if brought.shape != tensor.shape:
            raise MedadError(
                f"'{theirs}' of {file} has shape {tuple(brought.shape)}, not "
                f"{tuple(tensor.shape)}; "
                "set width, layers and feed_forward as in that BERT."
            )
        found[key] = brought
    if not any(key.startswith("qformer.encoder") for key in found):
        raise MedadError(f"{file} holds no BERT; give the folder of one (BiomedBERT).")
    return found


def _bert_key(key: str) -> str | None:
    """What BERT calls a tensor of ours; None for what it has not."""
    if "crossattention" in key:
        return None
    if key.startswith("qformer.encoder."):
        plain = key.removeprefix("qformer.").replace("attention.attention.", "attention.self.")
        return plain.replace("_query.", ".")
    named = {
        "qformer.layernorm.": "embeddings.LayerNorm.",
        "embeddings.": "embeddings.",
        "language_head.dense.": "cls.predictions.transform.dense.",
        "language_head.layernorm.": "cls.predictions.transform.LayerNorm.",
        "language_head.": "cls.predictions.",
    }
    for ours, theirs in named.items():
        if key.startswith(ours):
            return theirs + key.removeprefix(ours)
    return None
