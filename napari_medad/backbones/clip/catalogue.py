"""Which CLIP models there are, what shape they have, and where their files lie."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict

from napari_medad.errors import MedadError
from napari_medad.weights.installed import weights_home

HUB, FOLDER = "hf-hub:", "local-dir:"
RANDOM = ("tiny", "tiny-pmc", "tiny-biomed")
"""Models that exist only with random weights."""


class ModelFile(BaseModel):
    """A file of a model: its place in the folder of CLIP weights, and where it comes from.

    Attributes
    ----------
    name, url : str
    sha256 : str or None
        Whole or its first digits, as far as the authors state it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    url: str
    sha256: str | None = None

    @property
    def path(self) -> Path:
        """Where it is, or should be."""
        return weights_home() / "clip" / self.name


class Shape(BaseModel):
    """What adapters must know of a CLIP, without its weights.

    Attributes
    ----------
    kind : {"vit", "resnet"}
    depth : int
        Vision blocks, or the four stages of a ResNet.
    width : int
        Channels of a vision block; of a ResNet those of its stem.
    joint : int
        Length of the features that images and texts share.
    text_width, text_depth, context : int
        Channels, blocks and tokens of the text tower.
    """

    model_config = ConfigDict(frozen=True)
    kind: Literal["vit", "resnet"]
    depth: int
    width: int
    joint: int
    text_width: int
    text_depth: int
    context: int

    @classmethod
    def of(cls, model: dict[str, Any]) -> Self:
        """From open_clip's description of a model."""
        vision, text = model["vision_cfg"], model["text_cfg"]
        stages = isinstance(vision["layers"], list)
        return cls(
            kind="resnet" if stages else "vit",
            depth=4 if stages else vision["layers"],
            width=vision["width"],
            joint=model["embed_dim"],
            text_width=text["width"],
            text_depth=text["layers"],
            context=text.get("context_length", 77),
        )

    def quarters(self) -> tuple[int, ...]:
        """The four stages that dense methods read, counted from 1: quarters of the depth."""
        return tuple(max(1, round(self.depth * i / 4)) for i in (1, 2, 3, 4))

    def stage_width(self, stage: int) -> int:
        """Channels of the tokens after a stage, counted from 1."""
        return self.width * 2 ** (stage + 1) if self.kind == "resnet" else self.width


class Backbone(BaseModel):
    """A CLIP model as the catalogue describes it.

    Attributes
    ----------
    kind : {"open_clip", "pmc", "biomed"}
        How it is put together.
    model : dict
        open_clip's description: `embed_dim`, `vision_cfg`, `text_cfg`.
    quick_gelu : bool
        Whether it was trained with QuickGELU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    title: str = ""
    kind: Literal["open_clip", "pmc", "biomed"] = "open_clip"
    architecture: str = ""
    model: dict[str, Any]
    quick_gelu: bool = False
    licence: str = ""
    citation: str = ""
    megabytes: int = 0
    files: tuple[ModelFile, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether all its files are on this machine."""
        return all(file.path.is_file() for file in self.files)

    @property
    def terms(self) -> str:
        """Size and licence in words."""
        size = f"{self.megabytes} MB" if self.megabytes else "size not stated"
        return f"{size}, licence {self.licence or 'not stated'}"

    @property
    def shape(self) -> Shape:
        """Its widths and depths."""
        return Shape.of(self.model)

    @property
    def patch(self) -> int:
        """Pixels of a patch's side; of a ResNet those of a cell of its last stage."""
        return int(self.model["vision_cfg"].get("patch_size") or 32)


def backbone(name: str) -> Backbone:
    """The CLIP model that a name means.

    Parameters
    ----------
    name : str
        A name of `backbones.yaml`, open_clip's name of an architecture, `hf-hub:owner/name`
        of a model in the local Hugging Face cache, or a folder with `open_clip_config.json`.

    Raises
    ------
    MedadError
        If there is no such model.
    """
    known = catalogue()
    if name in known:
        return known[name]
    if name.startswith((HUB, FOLDER)) or Path(name).is_dir():
        return _of_folder(name)
    import open_clip

    model = open_clip.get_model_config(name)
    if model is None:
        raise MedadError(
            f"There is no CLIP backbone '{name}'; use {', '.join(known)}, open_clip's name of a "
            "model, hf-hub:OWNER/NAME, or a folder with open_clip_config.json."
        )
    return _described(name, model, quick_gelu=bool(model.get("quick_gelu")))


@cache
def catalogue() -> dict[str, Backbone]:
    """The models of `backbones.yaml` by name; read without torch."""
    text = (files(__package__) / "backbones.yaml").read_text(encoding="utf-8")
    return {name: Backbone(name=name, **entry) for name, entry in yaml.safe_load(text).items()}


def released() -> dict[str, Backbone]:
    """Those of them that have weights to fetch."""
    return {name: found for name, found in catalogue().items() if found.files}


def _of_folder(name: str) -> Backbone:
    """A model of a folder, or of the local copy of a hub repository."""
    folder = _hub_copy(name) if name.startswith(HUB) else Path(name.removeprefix(FOLDER))
    try:
        text = (folder / "open_clip_config.json").read_text(encoding="utf-8")
        model = json.loads(text)["model_cfg"]
    except (OSError, ValueError, KeyError):
        raise MedadError(
            f"{folder} holds no readable open_clip_config.json; give a folder that open_clip saved."
        ) from None
    weights = [p for p in sorted(folder.iterdir()) if p.suffix in (".safetensors", ".bin", ".pt")]
    if not weights:
        raise MedadError(f"{folder} holds no weights; put the model's .safetensors there.")
    found = _described(name, model, quick_gelu=bool(model.get("quick_gelu")))
    best = min(weights, key=lambda path: path.suffix != ".safetensors")
    return found.model_copy(update={"files": (ModelFile(name=str(best), url=""),)})


def _hub_copy(name: str) -> Path:
    """Folder of a hub repository that was downloaded before."""
    from huggingface_hub import snapshot_download

    repository = name.removeprefix(HUB)
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError):
        raise MedadError(
            f"The model {repository} is not on this machine; run `hf download {repository}` (its "
            "page states size and licence) and try again."
        ) from None


def _described(name: str, model: dict[str, Any], *, quick_gelu: bool) -> Backbone:
    vision, text = model["vision_cfg"], model["text_cfg"]
    foreign = {"timm_model_name", "attentional_pool"} & set(vision)
    foreign |= {"hf_model_name", "hf_tokenizer_name", "no_causal_mask"} & set(text)
    if foreign or "layers" not in vision or "layers" not in text:
        raise MedadError(
            f"The CLIP model '{name}' has towers of another kind than CLIP's, which cannot be "
            "looked into; use biomedclip, pmc-clip or a model with open_clip's own ViT or ResNet."
        )
    return Backbone(name=name, architecture=name, model=model, quick_gelu=quick_gelu)
