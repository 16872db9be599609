"""What sees what in the Q-Former, and the text side against transformers' BERT."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from napari_medad.detectors.brat.bert import bert_tensors
from napari_medad.detectors.brat.encoders import encoder_of
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.detectors.brat.text import ReportTokenizer, learned_vocabulary
from napari_medad.errors import MedadError

REPORT = ["There is a mass.", "The ventricles are normal."]
VOCABULARY = learned_vocabulary([REPORT])
SHAPE = {
    "backbone": "small", "side": 64, "queries": 4, "width": 16, "layers": 2, "heads": 2,
    "feed_forward": 16, "embedding": 8, "vocabulary": len(VOCABULARY), "positions": 64,
}  # fmt: skip


def network(**shape) -> Brat:
    torch.manual_seed(0)
    return Brat(BratShape.parse({**SHAPE, **shape}, "test")).eval()


@pytest.fixture
def tokenizer() -> ReportTokenizer:
    return ReportTokenizer(VOCABULARY)


@pytest.mark.parametrize(
    ("backbone", "side", "cells"),
    [("small", 64, (1, 2, 2)), ("densenet121", 96, (1, 3, 3)), ("resnet50", 64, (1, 2, 2))],
)
def test_tokens_are_cells_in_order(backbone: str, side: int, cells: tuple[int, ...]) -> None:
    encoder = encoder_of(BratShape.parse({**SHAPE, "backbone": backbone, "side": side}, "t")).eval()
    image = torch.zeros(1, 1, 32, side, side)
    image[..., : side // 2, side // 2 :] = 5
    with torch.inference_mode():
        seen, dark = encoder(image), encoder(torch.zeros_like(image))
    assert seen.cells == cells
    change = (seen.tokens - dark.tokens).norm(dim=-1).reshape(cells)
    if backbone != "resnet50":  # whose random features see the whole image alike
        assert change[0, 0, -1] == change.max() > change[0, -1, 0]


def test_words_see_the_image_and_the_words_before_alone(tokenizer) -> None:
    brat, text = network(), tokenizer([REPORT])
    other = text.ids.clone()
    other[0, 6:] = tokenizer.number["ventricles"]
    image = torch.rand(1, 1, 32, 64, 64)
    with torch.inference_mode():
        tokens = brat.views(image).tokens
        words = brat.next_words(tokens, text)
        changed = brat.next_words(tokens, text._replace(ids=other))
        unseen = brat.next_words(torch.zeros_like(tokens), text)
    assert torch.allclose(words[:, :6], changed[:, :6], atol=1e-6)
    assert not torch.allclose(words[:, 6:], changed[:, 6:], atol=1e-3)
    assert not torch.allclose(words, unseen, atol=1e-6)


def test_padding_changes_no_sentence(tokenizer) -> None:
    brat = network()
    alone, padded = tokenizer([REPORT]), tokenizer([REPORT, REPORT * 3])
    with torch.inference_mode():
        first, second = brat.sentences(alone), brat.sentences(padded)
    assert torch.allclose(first.unit[0], second.unit[0, :2], atol=1e-6)
    assert second.present.sum(1).tolist() == [2, 6]
    assert not second.unit[0, 2:].any()
    assert torch.allclose(first.unit.norm(dim=-1), torch.ones(1))


def test_a_whole_report_is_one_feature_and_a_whole_scan_one_view(tokenizer) -> None:
    brat = network(reading="report", pooled=True)
    with torch.inference_mode():
        assert brat.sentences(tokenizer([REPORT])).unit.shape == (1, 1, 8)
        views = brat.views(torch.rand(2, 1, 32, 64, 64))
    assert views.unit.shape == (2, 1, 8)
    assert torch.allclose(views.attention[0], torch.tensor(0.25))


@pytest.fixture
def bert(tmp_path):
    """A random BERT in a folder, without token types, which the Q-Former lacks."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    model = BertForMaskedLM(config).eval()
    torch.nn.init.zeros_(model.bert.embeddings.token_type_embeddings.weight)
    model.save_pretrained(tmp_path)
    return model


def test_text_begins_as_a_berts(bert, tokenizer, tmp_path) -> None:
    brat = network()
    brat.load_state_dict(bert_tensors(str(tmp_path), brat), strict=False)
    text = tokenizer([REPORT])
    with torch.inference_mode():
        expected = bert.bert(text.ids).last_hidden_state
        words = bert(text.ids).logits
        found = brat.qformer(
            query_embeds=brat.embeddings(text.ids), query_length=0, attention_mask=text.there.long()
        ).last_hidden_state
        named = brat.language_head(found, brat.embeddings.word_embeddings.weight)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(named, words, atol=1e-4)


def test_a_bert_of_another_shape_or_none_is_one_sentence(bert, tmp_path) -> None:
    with pytest.raises(MedadError, match="set width, layers and feed_forward as in that BERT"):
        bert_tensors(str(tmp_path), network(width=32))
    with pytest.raises(MedadError, match=r"There is no model\.safetensors"):
        bert_tensors(str(tmp_path / "absent"), network())
