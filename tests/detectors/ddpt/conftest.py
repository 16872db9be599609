"""A small CLIP of the same parts, and checkpoints as the authors' trainer writes them."""

from pathlib import Path

import open_clip
import pytest
import torch

from napari_medad.detectors.ddpt.network import Ddpt

EXTRACTOR = {
    "ctx": (1, 10, 768),
    "meta_nets.0.weight": (768, 512),
    "meta_nets.0.bias": (768,),
    "attns.0.kmlp.weight": (32, 768),
    "attns.0.qmlp.weight": (32, 768),
    "attns.0.vmlp.weight": (768, 768),
    "lns.0.weight": (768,),
    "lns.0.bias": (768,),
    "classfiers.0.weight": (2, 768),
    "lns2.0.weight": (768,),
    "lns2.0.bias": (768,),
}


@pytest.fixture(scope="session")
def small_clip() -> open_clip.CLIP:
    torch.manual_seed(0)
    vision = open_clip.CLIPVisionCfg(layers=3, width=64, head_width=32, patch_size=32)
    text = open_clip.CLIPTextCfg(width=64, heads=2, layers=2)
    return open_clip.CLIP(64, vision, text, quick_gelu=True).eval().requires_grad_(False)


@pytest.fixture
def small_network(small_clip: open_clip.CLIP) -> Ddpt:
    torch.manual_seed(1)
    return Ddpt(small_clip).eval()


@pytest.fixture
def published_folder(tmp_path: Path) -> Path:
    """Three groups, each with fp16 tensors, an optimiser and a pickled scheduler."""
    groups = {
        "prompt_learner": {
            "ctx": (16, 512),
            "token_prefix": (2, 1, 512),
            "token_suffix": (2, 60, 512),
        },
        "image_encoder.transformer.ctx_learner": {"ctx": (11, 10, 768)},
        "image_encoder.transformer.extractor": EXTRACTOR,
    }
    for group, shapes in groups.items():
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.01)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 60)
        held = {
            "state_dict": {k: torch.full(shape, 0.5).half() for k, shape in shapes.items()},
            "epoch": 60,
            "optimizer": optimiser.state_dict(),
            "scheduler": {"successor": cosine, "last_epoch": 60},
            "val_result": None,
        }
        (tmp_path / group).mkdir()
        torch.save(held, tmp_path / group / "model.pth.tar-60")
        (tmp_path / group / "checkpoint").write_text("model.pth.tar-60\n")
    return tmp_path
