"""Learned prompts of DDPT from disk: our model folders, and the authors' three groups."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_medad.errors import MedadError
from napari_medad.weights.model_folder import ModelFolder

GROUPS = {
    "prompt_learner": {"ctx": "text_prompt.ctx"},
    "image_encoder.transformer.ctx_learner": {"ctx": "visual_prompts"},
    "image_encoder.transformer.extractor": {
        "ctx": "class_prompt.ctx",
        "meta_nets.0.weight": "class_prompt.widen.weight",
        "meta_nets.0.bias": "class_prompt.widen.bias",
        "attns.0.qmlp.weight": "class_prompt.query.weight",
        "attns.0.kmlp.weight": "class_prompt.key.weight",
        "attns.0.vmlp.weight": "class_prompt.value.weight",
        "lns.0.weight": "class_prompt.class_norm.weight",
        "lns.0.bias": "class_prompt.class_norm.bias",
        "lns2.0.weight": "class_prompt.prompt_norm.weight",
        "lns2.0.bias": "class_prompt.prompt_norm.bias",
        "classfiers.0.weight": "class_prompt.classifier.weight",
    },
}
"""The authors' folders and keys, and ours. Token prefix and suffix are made again, not read."""

SQUEEZED = "class_prompt.ctx"
PICKLED: list[Any] = [
    torch.optim.SGD,
    torch.optim.lr_scheduler.CosineAnnealingLR,
    defaultdict,
    dict,
]
"""Harmless classes in the scheduler that the authors saved beside the tensors."""


def learned_prompts(path: Path) -> tuple[dict[str, Tensor], str]:
    """Our state dict, and which CLIP it is for, see `load_clip`.

    Parameters
    ----------
    path : Path
        A model folder, or the authors' folder of three groups.

    Raises
    ------
    MedadError
        If the folder is neither, or one group is missing or unreadable.
    """
    if (path / "model.json").is_file():
        model = ModelFolder.read(path, "ddpt")
        tensors = {key: value.float() for key, value in model.tensors().items()}
        return tensors, str(model.settings.get("backbone_weights", ""))
    tensors = {}
    for group, keys in GROUPS.items():
        held = _read_group(path / group)
        for theirs, ours in keys.items():
            if theirs in held:
                value = held[theirs].float()
                tensors[ours] = value[0] if ours == SQUEEZED else value
    return tensors, ""


def convert_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """Settings, facts and tensors of the authors' folder of three groups."""
    tensors, clip = learned_prompts(folder)
    return {"backbone_weights": clip}, {}, tensors


def _read_group(folder: Path) -> Mapping[str, Tensor]:
    """State dict of the group's newest epoch."""
    files = sorted(folder.glob("model.pth.tar-*"), key=lambda f: int(f.name.rsplit("-")[-1]))
    if not files:
        raise MedadError(
            f"{folder} holds no model.pth.tar-EPOCH; give a model folder, or the folder that "
            f"holds {', '.join(GROUPS)}."
        )
    try:
        with torch.serialization.safe_globals(PICKLED):
            loaded: Any = torch.load(files[-1], map_location="cpu", weights_only=True)
        return loaded["state_dict"]
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise MedadError(
            f"{files[-1]} is not a readable DDPT checkpoint ({str(error).splitlines()[0]}); "
            "copy it again."
        ) from None
