import pytest
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip import text_cache
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.text_cache import normalised_mean, text_features
from napari_medad.errors import MedadError

PROMPTS = ["a photo of a brain.", "a damaged brain", "tumour"]


def test_features_are_what_open_clip_says_itself(tiny):
    import open_clip

    clip = tiny.text.module
    ids = open_clip.tokenize(PROMPTS)
    assert torch.equal(tiny.text.tokens(PROMPTS), ids)
    assert_close(tiny.text.features(PROMPTS), clip.encode_text(ids), atol=1e-5, rtol=1e-5)


def test_bert_features_are_what_transformers_says(tiny_pmc):
    ids = tiny_pmc.text.tokens(PROMPTS)
    bert, projection = tiny_pmc.text.module
    states = bert(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
    assert_close(tiny_pmc.text.features(PROMPTS), projection(states[:, 0]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "tiny_biomed"])
def test_prompting_exchanges_tokens_before_blocks(name, request):
    text = request.getfixturevalue(name).text
    blocks = []

    def prompting(block, x):
        blocks.append(block)
        return torch.cat([x[:, :1], torch.zeros_like(x[:, 1:3]), x[:, 3:]], 1)

    ids = text.tokens(PROMPTS)
    changed = text.encode(text.embed(ids), ids, prompting)
    assert blocks == list(range(len(blocks)))
    assert len(blocks) >= 3
    assert not torch.allclose(changed, text.features(PROMPTS))


def test_a_prompt_beyond_the_context_is_refused(tiny):
    fits = " ".join(["brain"] * 75)
    assert tiny.text.tokens([fits]).shape == (1, 77)
    with pytest.raises(MedadError, match="has 78 tokens, but this CLIP reads 77; shorten it"):
        tiny.text.tokens([fits + " brain"])


def test_features_are_computed_once(tiny, monkeypatch, tmp_path):
    from dataclasses import replace

    weighted = replace(tiny, sha256="0" * 64, known={})
    first = text_features(weighted, PROMPTS)
    weighted = replace(weighted, known={})
    monkeypatch.setattr(type(tiny.text), "features", lambda *_: pytest.fail("computed again"))
    assert torch.equal(text_features(weighted, PROMPTS), first)


@pytest.mark.parametrize("change", [{"sha256": "1" * 64}, {"activation": "quickgelu"}])
def test_features_of_other_weights_are_others(tiny, change):
    from dataclasses import replace

    one = text_cache._path(replace(tiny, sha256="0" * 64, known={}), PROMPTS)
    assert one != text_cache._path(replace(tiny, **{"sha256": "0" * 64, **change}), PROMPTS)
    assert one != text_cache._path(replace(tiny, sha256="0" * 64, known={}), PROMPTS[:1])


def test_features_of_random_weights_are_not_kept(tiny, tmp_path):
    first = text_features(tiny, PROMPTS)
    assert text_features(tiny, PROMPTS) is first
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_folder_that_cannot_be_written_costs_only_time(tiny, tmp_path, monkeypatch):
    from dataclasses import replace

    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MEDAD_WEIGHTS", str(tmp_path / "file"))
    weighted = replace(tiny, sha256="0" * 64, known={}, remarks=set())
    assert_close(text_features(weighted, PROMPTS), tiny.text.features(PROMPTS))
    (remark,) = weighted.remarks
    assert f"could not be kept in {tmp_path / 'file' / 'clip' / 'text'}" in remark


def test_a_full_disk_costs_only_time(tiny, monkeypatch):
    from dataclasses import replace

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(text_cache, "save_file", full)
    weighted = replace(tiny, sha256="0" * 64, known={}, remarks=set())
    assert_close(text_features(weighted, PROMPTS), tiny.text.features(PROMPTS))
    assert len(weighted.remarks) == 1
    assert not any(path.is_file() for path in text_cache._path(weighted, PROMPTS).parent.iterdir())


def test_a_broken_cache_file_is_computed_again(tiny):
    from dataclasses import replace

    weighted = replace(tiny, sha256="0" * 64, known={})
    first = text_features(weighted, PROMPTS)
    weighted = replace(weighted, known={})
    text_cache._path(weighted, PROMPTS).write_bytes(b"cut off")
    assert torch.equal(text_features(weighted, PROMPTS), first)


def test_means_of_features():
    features = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    half = 0.5**0.5
    assert_close(normalised_mean(features), torch.tensor([half, half]))
    assert_close(normalised_mean(features, each=False), torch.tensor([3.0, 1.0]) / 10**0.5)


ENSEMBLE = Ensemble(("{}", "good {}"), ("bad {}",), ("a {}.", "the {}."))


def test_sentences_by_state_and_by_template():
    normal, abnormal = ENSEMBLE.sentences("brain")
    assert normal == ["a brain.", "the brain.", "a good brain.", "the good brain."]
    assert abnormal == ["a bad brain.", "the bad brain."]
    by_template, _ = ENSEMBLE.sentences("brain", "by template")
    assert by_template == ["a brain.", "a good brain.", "the brain.", "the good brain."]


def test_the_users_lists_replace_ours():
    changed = ENSEMBLE.changed(abnormal=("ill {}", "{} with tumour"))
    assert changed.abnormal == ("ill {}", "{} with tumour")
    assert changed.normal == ENSEMBLE.normal


@pytest.mark.parametrize("wrong", ["", "ill", "{} {}"])
def test_a_state_without_a_place_for_the_object_is_refused(wrong):
    with pytest.raises(MedadError, match=r"setting 'abnormal' must have \{\} once"):
        ENSEMBLE.changed(abnormal=("ill {}", wrong))


def test_an_object_must_have_a_name():
    with pytest.raises(MedadError, match="setting 'object' is empty"):
        ENSEMBLE.sentences(" ")


def test_a_file_replaces_some_lists(tmp_path):
    path = tmp_path / "prompts.yaml"
    path.write_text("abnormal:\n  - '{} with a tumour, or a bleeding'\n")
    changed = ENSEMBLE.changed_by_file(str(path))
    assert changed.abnormal == ("{} with a tumour, or a bleeding",)
    assert changed.normal == ENSEMBLE.normal
    assert ENSEMBLE.changed_by_file("") is ENSEMBLE


@pytest.mark.parametrize("text", ["", "- a {}", "states: ['a {}']", "normal: []", "normal: [1]"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "prompts.yaml"
    path.write_text(text)
    with pytest.raises(MedadError, match="must hold lists of texts named normal, abnormal, templ"):
        ENSEMBLE.changed_by_file(str(path))


@pytest.mark.parametrize("text", ["normal: [", None])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, text):
    path = tmp_path / "prompts.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MedadError, match=r"prompts.yaml cannot be read: .*\.$") as told:
        ENSEMBLE.changed_by_file(str(path))
    assert "\n" not in str(told.value)
