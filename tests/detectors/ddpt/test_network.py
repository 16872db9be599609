"""Sizes as published, and each part against its own formula written out."""

import pytest
import torch
from torch.nn.functional import normalize

from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.ddpt import detector
from napari_medad.detectors.ddpt.checkpoint import learned_prompts
from napari_medad.detectors.ddpt.losses import class_aware_loss, guided_loss
from napari_medad.detectors.ddpt.network import ClassAwarePrompt, Ddpt, TextPrompt, load_clip
from napari_medad.detectors.needs import sentence
from napari_medad.detectors.registry import card, load_detector
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.model_folder import ModelFolder


@pytest.mark.slow
def test_the_published_checkpoint_fits_the_published_size(published_folder) -> None:
    network = Ddpt(load_clip("random"))
    assert sum(p.numel() for p in network.parameters()) == 1_137_920
    load_into(network, learned_prompts(published_folder)[0], "published")
    assert network.class_prompt.classifier.weight.unique().tolist() == [0.5]
    output = network(torch.zeros(1, 3, 224, 224))
    assert output.attention.shape == (1, 7, 7)


def test_the_authors_folder_is_added(published_folder, monkeypatch) -> None:
    monkeypatch.setattr(detector, "load_clip", lambda weights: load_clip("random"))
    added = add_weights("ddpt", published_folder, name="released")
    again, clip = learned_prompts(added)
    first, _ = learned_prompts(published_folder)
    assert clip == ""
    assert again.keys() == first.keys()
    assert all(torch.equal(again[key], first[key]) for key in first)


def test_without_clip_the_sentence_says_what_to_fetch() -> None:
    with pytest.raises(MedadError, match="`medad weights fetch vit-b-32`"):
        load_clip()
    assert "CLIP vit-b-32 (354 MB, licence MIT)" in sentence(card("ddpt"))


def test_prompts_learned_on_a_random_clip_count_as_untrained(tmp_path, monkeypatch) -> None:
    learned = Ddpt(load_clip("random"))
    settings = {"backbone_weights": "random"}
    ModelFolder(tmp_path / "m", "ddpt", settings).write(learned.state_dict())
    loaded = load_detector("ddpt", weights=str(tmp_path / "m"), device="cpu")
    assert loaded.weights.state == "untrained"


def test_a_missing_group_is_named(published_folder) -> None:
    (published_folder / "prompt_learner" / "model.pth.tar-60").unlink()
    with pytest.raises(MedadError, match="prompt_learner"):
        learned_prompts(published_folder)


def test_text_prompt_with_the_embedding_of_x_is_clips_own_text(small_clip) -> None:
    import open_clip

    prompt = TextPrompt(64)
    words = " ".join(["X"] * 16)
    tokens = open_clip.get_tokenizer("ViT-B-32")([f"{words} Healthy.", f"{words} Unhealthy."])
    with torch.no_grad():
        prompt.ctx.copy_(small_clip.token_embedding(tokens)[0, 1:17])
        assert torch.allclose(prompt(small_clip), small_clip.encode_text(tokens), atol=1e-5)


def test_without_prompts_the_image_feature_is_clips_own(
    small_network, small_clip, monkeypatch
) -> None:
    image = torch.randn(2, 3, 224, 224)
    output = small_network(image)
    scale = small_clip.logit_scale.exp()
    plain = normalize(small_clip.encode_image(image), dim=-1)
    text = normalize(small_network.text_prompt(small_clip), dim=-1)
    assert torch.allclose(output.text_logits, scale * plain @ text.T, atol=1e-4)
    small_network.visual_prompts = torch.nn.Parameter(torch.zeros(2, 0, 64))
    monkeypatch.setattr(ClassAwarePrompt, "forward", lambda part, x, text: (x[:, :0], None))
    bare = small_network(image).image_logits
    assert torch.allclose(bare, scale * plain @ small_network.fixed.T, atol=1e-4)


def test_attention_is_the_last_blocks_class_row(small_network, small_clip) -> None:
    seen = {}
    block = small_clip.visual.transformer.resblocks[-1]
    hook = block.register_forward_hook(lambda m, args, out: seen.update(x=args[0]))
    output = small_network(torch.randn(1, 3, 224, 224))
    hook.remove()
    x = block.ln_1(seen["x"])[0]
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    q, k = (x @ weight[i * 64 : i * 64 + 64].T + bias[i * 64 : i * 64 + 64] for i in (0, 1))
    heads = [((q[:1, h : h + 32] @ k[:, h : h + 32].T) / 32**0.5).softmax(-1)[0] for h in (0, 32)]
    expected = (heads[0] + heads[1]) / 2
    assert len(expected) == 1 + 49 + 2
    assert torch.allclose(output.attention.flatten(), expected[1:50], atol=1e-6)


def test_class_prompts_do_not_teach_the_blocks_below() -> None:
    part = ClassAwarePrompt(64, 32)
    x = torch.randn(2, 50, 64, requires_grad=True)
    prompts, logits = part(x, torch.randn(2, 2, 32))
    (prompts.sum() + logits.sum()).backward()
    assert x.grad is None
    assert prompts.shape == (2, 2, 64)
    assert logits.shape == (2, 2, 2)


def test_clip_is_moved_but_not_saved(small_network) -> None:
    assert not any("clip" in key or "visual." in key for key in small_network.state_dict())
    small_network.double()
    assert small_network.clip.visual.conv1.weight.dtype == torch.float64
    small_network.float()


def test_losses_by_hand(small_network) -> None:
    output = small_network(torch.randn(2, 3, 224, 224))._replace(
        logits=torch.tensor([[2.0, 0.0], [0.0, 0.0]]),
        text_logits=torch.zeros(2, 2),
        image_logits=torch.zeros(2, 2),
        queries=torch.tensor([[1, 0], [0, 1]]),
        query_logits=torch.tensor([[[9.0, 0.0], [0.0, 0.0]], [[9.0, 0.0], [0.0, 3.0]]]),
    )
    labels = torch.tensor([0, 1])
    ln2 = 0.693147
    ce = (torch.log(1 + torch.exp(torch.tensor(-2.0))).item() + ln2) / 2
    assert guided_loss(output, labels).item() == pytest.approx(2 * ln2 + 0.1 * ce, abs=1e-4)
    # each image's true class is asked by its second query: logits (0, 0) and (0, 3)
    expected = (ln2 + torch.log(1 + torch.exp(torch.tensor(-3.0))).item()) / 2
    assert class_aware_loss(output, labels).item() == pytest.approx(expected, abs=1e-4)
