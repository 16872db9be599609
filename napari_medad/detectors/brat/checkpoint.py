"""Weights: the authors' keys become ours, and settings are read off the shapes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import SEQUENCES, BratShape
from napari_medad.detectors.brat.text import (
    ReportTokenizer,
    learned_vocabulary,
    read_vocabulary,
    usual_sentences,
)
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into, read_tensors
from napari_medad.weights.model_folder import ModelFolder

CONV0 = "visual_encoder.densenet.features.conv0.weight"
WORDS = "Qformer.bert.embeddings.word_embeddings.weight"
DECODER = "Qformer.cls.predictions.decoder.weight"
HEADS = 12
"""Attention heads of the released models, which no shape tells."""

RENAMED = (
    (r"^visual_encoder\.densenet\.features\.", "visual_encoder.features."),
    (r"^Qformer\.bert\.embeddings\.LayerNorm\.", "qformer.layernorm."),
    (r"^Qformer\.bert\.embeddings\.", "embeddings."),
    (r"^Qformer\.bert\.(.*\.(?:cross)?attention)\.self\.", r"qformer.\1.attention."),
    (r"^Qformer\.bert\.", "qformer."),
    (r"^Qformer\.cls\.predictions\.transform\.dense\.", "language_head.dense."),
    (r"^Qformer\.cls\.predictions\.transform\.LayerNorm\.", "language_head.layernorm."),
    (r"^Qformer\.cls\.predictions\.", "language_head."),
)
"""The authors' prefixes and ours, the first that fits."""
UNUSED = re.compile(
    r"^(itm_head\.|visual_encoder\.densenet\.class_layers\.|visual_encoder\.vit\.blocks\.\d+\."
    r"cross_attn\.|Qformer\.bert\.embeddings\.position_ids$"
    r"|Qformer\.cls\.predictions\.decoder\.bias$)"
)
"""What the authors' files hold and nothing reads: the matching head that the paper left out, the
DenseNet's classifier, cross-attention that MONAI's ViT once made, and second names."""


def convert(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors of a file that the authors released.

    Raises
    ------
    MedadError
        If it is none of their four models.
    """
    shape = released_shape(tensors)
    kept = {key: value for key, value in tensors.items() if not UNUSED.match(key)}
    if shape.tied:
        kept.pop(DECODER)
    return shape.model_dump(mode="json"), {_renamed(key): t.float() for key, t in kept.items()}


def convert_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """Settings, facts and tensors of a folder with a released file and BERT's vocab.txt.

    Raises
    ------
    MedadError
        If it does not hold one of each.
    """
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".bin", ".pt", ".safetensors")]
    if len(files) != 1 or not (folder / "vocab.txt").is_file():
        raise MedadError(
            f"{folder} must hold one file of weights and the vocab.txt of the BERT that reads for "
            "it; put both there, and nothing else."
        )
    settings, tensors = convert(read_tensors(files[0]))
    vocabulary = ReportTokenizer(read_vocabulary(folder)).vocabulary
    check_vocabulary(vocabulary, settings["vocabulary"], str(folder / "vocab.txt"))
    return settings, {"vocabulary": vocabulary}, tensors


def check_vocabulary(vocabulary: list[str], wanted: int, origin: str) -> None:
    """Refuse a vocabulary of another size than the weights'.

    Raises
    ------
    MedadError
        If it cannot be the one they were trained with.
    """
    if len(vocabulary) != wanted:
        raise MedadError(
            f"{origin} has {len(vocabulary)} pieces, but these weights were trained with {wanted}; "
            "give the vocabulary of their BERT (BiomedBERT, uncased)."
        )


def released_shape(tensors: dict[str, Tensor]) -> BratShape:
    """What shapes a released model, read off its tensors.

    Raises
    ------
    MedadError
        If a tensor that tells is missing.
    """
    try:
        channels, backbone = _backbone(tensors)
        words = tensors[WORDS]
        layers = _numbers(tensors, r"Qformer\.bert\.encoder\.layer\.(\d+)\.attention\.")
        crossed = _numbers(tensors, r"Qformer\.bert\.encoder\.layer\.(\d+)\.crossattention\.")
        first = "Qformer.bert.encoder.layer.0.intermediate.dense.weight"
        return BratShape(
            backbone=backbone,
            modalities=SEQUENCES if channels == len(SEQUENCES) else SEQUENCES[:channels],
            queries=tensors["query_tokens"].shape[1],
            width=words.shape[1],
            layers=len(layers),
            heads=HEADS,
            feed_forward=tensors[first].shape[0],
            cross_every=crossed[1] - crossed[0] if len(crossed) > 1 else len(layers),
            embedding=tensors["vision_proj.weight"].shape[0],
            vocabulary=words.shape[0],
            positions=tensors["Qformer.bert.embeddings.position_embeddings.weight"].shape[0],
            tied=torch.equal(tensors[DECODER], words),
        )
    except KeyError as error:
        raise MedadError(
            f"The file holds no weights of brat: {error} is missing; give one of the four that its "
            "authors released, or a folder that medad train wrote."
        ) from None


def _backbone(tensors: dict[str, Tensor]) -> tuple[int, Any]:
    """Channels and name of the vision backbone."""
    if CONV0 in tensors:
        third = _numbers(
            tensors, r"visual_encoder\.densenet\.features\.denseblock3\.denselayer(\d+)\."
        )
        return tensors[CONV0].shape[1], "densenet169" if len(third) == 32 else "densenet121"
    if "visual_encoder.resnet.conv1.weight" in tensors:
        return tensors["visual_encoder.resnet.conv1.weight"].shape[1], "resnet50"
    patches = "visual_encoder.vit.patch_embedding.patch_embeddings.weight"
    return tensors[patches].shape[1], "vit"


def _numbers(tensors: dict[str, Tensor], pattern: str) -> list[int]:
    """The numbers in keys that begin like this, in order."""
    found = (re.match(pattern, key) for key in tensors)
    return sorted({int(match[1]) for match in found if match})


def _renamed(key: str) -> str:
    for pattern, ours in RENAMED:
        renamed, count = re.subn(pattern, ours, key)
        if count:
            return renamed
    return key


def load_network(path: Path | None) -> tuple[Brat, dict[str, Any]]:
    """Network and facts of a model folder; a random one of the published shape where None.

    Raises
    ------
    MedadError
        If the folder is of another method or does not fit.
    """
    if path is None:
        vocabulary = learned_vocabulary([usual_sentences()])
        shape = BratShape.parse({"vocabulary": len(vocabulary)}, "brat")
        return Brat(shape), {"vocabulary": vocabulary}
    if not path.is_dir():
        settings, tensors = convert(read_tensors(path))
        facts: dict[str, Any] = {}
    else:
        model = ModelFolder.read(path, "brat")
        settings, tensors, facts = model.settings, model.tensors(), model.facts
    network = Brat(BratShape.parse(settings, str(path)))
    load_into(network, tensors, f"The model {path.name}")
    return network, facts
