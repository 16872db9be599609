import pytest
import torch

from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.anomalyclip.checkpoint import convert
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError


def published():
    """Keys and shapes of the authors' epoch_15.pth."""
    held = {
        f"{kind}_{side}": torch.randn(1, 1, length, 768)
        for side in ("pos", "neg")
        for kind, length in (("ctx", 12), ("token_prefix", 1), ("token_suffix", 64))
    }
    for i in range(8):
        held[f"compound_prompts_text.{i}"] = torch.randn(4, 768)
        held[f"compound_prompt_projections.{i}.weight"] = torch.randn(896, 768)
        held[f"compound_prompt_projections.{i}.bias"] = torch.randn(896)
    for side in ("pos", "neg"):
        held[f"tokenized_prompts_{side}"] = torch.zeros(1, 1, 77, dtype=torch.int32)
    return held


def test_the_authors_keys_become_ours():
    held = published()
    settings, tensors = convert(held)
    assert settings == {"backbone": "vit-l-14-336", "context": 12, "deep": 4, "depth": 8}
    assert torch.equal(tensors["normal"], held["ctx_pos"][0, 0])
    assert torch.equal(tensors["abnormal"], held["ctx_neg"][0, 0])
    assert torch.equal(tensors["deep"][7], held["compound_prompts_text.7"])
    assert torch.equal(tensors["start"], held["token_prefix_pos"][0, 0, 0])


def test_a_released_file_is_added_without_clip(tmp_path):
    torch.save({"prompt_learner": published()}, tmp_path / "epoch_15.pth")
    added = add_weights("anomalyclip", tmp_path / "epoch_15.pth")
    detector = load_detector("anomalyclip", weights=added.name, device="cpu")
    assert detector.network.normal.shape == (12, 768)
    assert detector.backbone_name == "vit-l-14-336"


def test_detecting_without_clip_says_what_to_download(tmp_path):
    import numpy as np

    import napari_medad as medad
    from napari_medad.volumes.study import Study
    from napari_medad.volumes.volume import Volume

    torch.save({"prompt_learner": published()}, tmp_path / "epoch_15.pth")
    add_weights("anomalyclip", tmp_path / "epoch_15.pth")
    study = Study.from_volumes("case", {"t2f": Volume(np.eye(8)[None], np.eye(4), "t2f")})
    with pytest.raises(MedadError, match="934 MB, licence MIT.*run `medad weights fetch vit-"):
        medad.detect(study, "anomalyclip")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("ctx_neg", None, "'ctx_neg' is missing"),
        ("ctx_pos", torch.zeros(12, 768), r"'ctx_pos' has shape \(12, 768\), not \(1, 1, any"),
        ("compound_prompts_text.3", None, "'compound_prompts_text.0' and following are missing"),
        ("compound_prompts_text.3", torch.zeros(5, 768), r"'compound_prompts_text.3' has shape"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path, key, value, sentence):
    held = published()
    del held[key]
    if value is not None:
        held[key] = value
    torch.save({"prompt_learner": held}, tmp_path / "wrong.pth")
    with pytest.raises(MedadError, match=sentence):
        add_weights("anomalyclip", tmp_path / "wrong.pth")


def test_another_backbone_is_refused(tmp_path):
    torch.save({"prompt_learner": published()}, tmp_path / "epoch_15.pth")
    add_weights("anomalyclip", tmp_path / "epoch_15.pth")
    with pytest.raises(MedadError, match=r"'normal' has shape \(12, 768\), not \(12, 640\)"):
        load_detector("anomalyclip", device="cpu", backbone="vit-b-16-plus-240")
