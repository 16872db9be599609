"""CLIP models from the files on this machine; nothing is ever downloaded here."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import RANDOM, Backbone, Shape, backbone
from napari_medad.backbones.clip.fetch import check
from napari_medad.backbones.clip.text import BertText, ClipText, Text
from napari_medad.backbones.clip.untrained import fill
from napari_medad.backbones.clip.vision import ResNet, Vit
from napari_medad.backbones.clip.words import byte_pairs, word_pieces
from napari_medad.errors import MedadError
from napari_medad.results.run_record import sha256_of
from napari_medad.weights.checkpoint import load_into, read_tensors

Activation = Literal["trained", "gelu", "quickgelu"]
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
"""Entries of OpenAI's files that are no weights."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A frozen CLIP, taken apart.

    Attributes
    ----------
    backbone : Backbone
    vision : Vit or ResNet
    text : Text
    activation : str
        "gelu" or "quickgelu".
    sha256 : str
        Of the weights' files, joined by "+"; empty for random weights.
    known : dict
        Features of prompts that were asked before; see `text_features`.
    remarks : set of str
        What users should know of this model on this machine.
    """

    backbone: Backbone
    vision: Vit | ResNet
    text: Text
    activation: str
    sha256: str = ""
    known: dict[tuple[str, ...], Tensor] = field(default_factory=dict, repr=False)
    remarks: set[str] = field(default_factory=set, repr=False)

    @property
    def shape(self) -> Shape:
        """Widths and depths."""
        return self.backbone.shape

    def to(self, device: str | torch.device) -> Self:
        """Both towers on a device."""
        self.vision.module.to(device)
        self.text.module.to(device)
        return self


def load_clip(
    name: str, *, activation: Activation = "trained", weights: str = "", untrained: bool = False
) -> Clip:
    """A CLIP model, frozen, in fp32, on the CPU.

    Parameters
    ----------
    name : str
        As for `backbone`.
    activation : {"trained", "gelu", "quickgelu"}
        Some methods' adapters were fitted to OpenAI's weights run with GELU.
    weights : str
        A file of open_clip's or OpenAI's. Empty: the model's files in the weights folder.
    untrained : bool
        Random weights instead.

    Raises
    ------
    MedadError
        If the weights are not on this machine (names what to download, its size and licence),
        or do not fit.
    """
    described = backbone(name)
    if activation == "trained":
        activation = "quickgelu" if described.quick_gelu else "gelu"
    random = untrained or name in RANDOM
    files = [] if random else _files(described, weights)
    checksums = [sha256_of(path) for path in files]
    for file, checksum in zip(described.files, [] if weights else checksums):
        check(file, checksum)
    vision, text = BUILDERS[described.kind](described, activation == "quickgelu", files)
    for tower in (vision.module, text.module):
        tower.eval().requires_grad_(False)
    if random:
        fill(vision.module, "visual.")
        fill(text.module)
    return Clip(described, vision, text, activation, "+".join(checksums))


def shared_clip(
    name: str, *, activation: Activation, weights: str, untrained: bool, device: str, bf16: bool
) -> Clip:
    """The CLIP that is held for these files and this device already, else a new one.

    Detectors of one run thus have one CLIP, whose passes and text features they share. Unlike
    that of `load_clip` it must not be moved, and with `bf16` its vision tower is for use under
    autocast only.
    """
    described = backbone(name)
    if activation == "trained" or described.kind != "open_clip":  # these have one of their own
        activation = "quickgelu" if described.quick_gelu else "gelu"
    paths = [Path(weights).expanduser()] if weights else [f.path for f in described.files]
    stats = [path.stat() for path in paths if path.is_file()]
    state = tuple((s.st_mtime_ns, s.st_size) for s in stats)
    key = (name, activation, *paths, state, untrained, device, bf16)
    clip = _held.get(key)
    if clip is None:
        clip = load_clip(name, activation=activation, weights=weights, untrained=untrained)
        _held[key] = clip.to(device)
        if bf16 and isinstance(clip.vision, Vit):
            clip.vision.round_matrices()
    return clip


_held: WeakValueDictionary[tuple[object, ...], Clip] = WeakValueDictionary()


def _files(described: Backbone, weights: str) -> list[Path]:
    """The model's files, all of which exist."""
    if weights:
        path = Path(weights).expanduser()
        if len(described.files) > 1:
            raise MedadError(
                f"'{described.name}' consists of {len(described.files)} files, so backbone_weights "
                f"cannot name it; put them into {described.files[0].path.parent}."
            )
        if not path.is_file():
            raise MedadError(f"There is no CLIP weights file at {path}; check backbone_weights.")
        return [path]
    if not described.files:
        raise MedadError(
            f"The CLIP model '{described.name}' has no weights in the catalogue; give its file as "
            "--set backbone_weights=FILE."
        )
    missing = next((f for f in described.files if not f.path.is_file()), None)
    if missing is not None:
        raise MedadError(
            f"The CLIP weights '{described.name}' ({described.title}, {described.terms}) are not "
            f"on this machine; run `medad weights fetch {described.name}`, or download "
            f"{missing.url} elsewhere and run `medad weights add {described.name} FILE`."
        )
    return [file.path for file in described.files]


def _open_clip(described: Backbone, quick: bool, files: list[Path]) -> tuple[Vit | ResNet, Text]:
    import open_clip

    model = {key: described.model[key] for key in ("embed_dim", "vision_cfg", "text_cfg")}
    clip = open_clip.CLIP(**model, quick_gelu=quick)
    if files:
        held = {k: v.float() for k, v in _tensors(files[0]).items() if k not in NOT_WEIGHTS}
        load_into(clip, _counted(held, clip), str(files[0]))
    vision = Vit if described.shape.kind == "vit" else ResNet
    return vision(clip.visual), ClipText(clip, byte_pairs(), described.shape.context)


def _pmc(described: Backbone, quick: bool, files: list[Path]) -> tuple[ResNet, Text]:
    """PMC-CLIP: its authors publish the two towers and the projection as three files."""
    from open_clip.modified_resnet import ModifiedResNet

    vision, joint = described.model["vision_cfg"], described.shape.joint
    visual = ModifiedResNet(
        layers=vision["layers"],
        output_dim=joint,
        heads=vision["heads"],
        image_size=vision["image_size"],
        width=vision["width"],
    )
    bert = _bert(described)
    projection = nn.Linear(described.shape.text_width, joint, bias=False)
    if files:
        image, text, matrix, _ = files
        load_into(visual, _counted(_tensors(image), visual), str(image))
        load_into(bert, _only_layers(_tensors(text)), str(text))
        held = torch.load(matrix, map_location="cpu", weights_only=True)
        load_into(projection, {"weight": held.detach().float().T}, str(matrix))
    encode = word_pieces(files[-1]) if files else byte_pairs()
    return ResNet(visual), BertText(bert, projection, encode, described.shape.context)


def _biomed(described: Backbone, quick: bool, files: list[Path]) -> tuple[Vit, Text]:
    """BiomedCLIP: a timm ViT, and BERT with a projection of two layers."""
    import timm
    from open_clip.timm_model import TimmModel

    vision, shape = described.model["vision_cfg"], described.shape
    side, heads = vision["image_size"], vision.get("heads", 12)
    visual: Any = TimmModel("vit_base_patch16_224", shape.joint, side, pool="", proj="linear")
    if not files and shape.width != visual.trunk.embed_dim:
        visual.trunk = timm.models.VisionTransformer(
            side,
            vision["patch_size"],
            num_classes=0,
            embed_dim=shape.width,
            depth=shape.depth,
            num_heads=heads,
        )
        visual.head = nn.Linear(shape.width, shape.joint, bias=False)
    middle = (shape.text_width + shape.joint) // 2
    projection = nn.Sequential(
        nn.Linear(shape.text_width, middle, bias=False),
        nn.GELU(),
        nn.Linear(middle, shape.joint, bias=False),
    )
    bert = _bert(described)
    if files:
        held = _tensors(files[0])
        load_into(visual, _below(held, "visual."), str(files[0]))
        load_into(bert, _only_layers(_below(held, "text.transformer.")), str(files[0]))
        load_into(projection, _below(held, "text.proj."), str(files[0]))
    encode = word_pieces(files[-1]) if files else byte_pairs()
    return Vit(visual), BertText(bert, projection, encode, shape.context)


BUILDERS: dict[str, Callable[[Backbone, bool, list[Path]], tuple[Any, Text]]] = {
    "open_clip": _open_clip,
    "pmc": _pmc,
    "biomed": _biomed,
}


def _bert(described: Backbone) -> Any:
    try:
        from transformers import BertConfig, BertModel
    except ImportError:
        raise MedadError(
            f"'{described.name}' reads text with BERT; run `pip install napari-medad[bert]` first."
        ) from None
    text = described.model["text_cfg"]
    config = BertConfig(
        vocab_size=text["vocab_size"],
        hidden_size=text["width"],
        num_hidden_layers=text["layers"],
        num_attention_heads=text["heads"],
        intermediate_size=4 * text["width"],
    )
    return BertModel(config, add_pooling_layer=False)


def _tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of open_clip's files, and of OpenAI's TorchScript archives."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "`torch.jit")  # there is no other reader
                    return dict(torch.jit.load(path, map_location="cpu").state_dict())
    held = read_tensors(path)
    return {key.removeprefix("module."): value for key, value in held.items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _only_layers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """BERT without its pooler, which CLIPs do not use, and without position numbers."""
    unused = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids")
    return {k: v for k, v in tensors.items() if not k.startswith(unused)}


def _counted(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Batch counters of BatchNorm, which mean nothing to frozen weights, are optional."""
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    return {**counters, **tensors}
