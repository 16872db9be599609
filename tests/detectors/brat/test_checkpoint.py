"""All four released models: read strictly, and giving the numbers of their authors' modules."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch
from released import GOLDEN, HEAD, SIZES, checkpoint, image_for, shapes_of

from napari_medad.cli import run
from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.brat.checkpoint import convert, load_network, released_shape
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import SEQUENCES, BratShape
from napari_medad.detectors.brat.text import MARKS, Tokens
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.model_folder import ModelFolder

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as held:
        return dict(held)


def network_of(tensors: dict[str, torch.Tensor]) -> Brat:
    """As `medad weights add` makes it."""
    settings, converted = convert(tensors)
    network = Brat(BratShape.parse(settings, "test")).eval()
    load_into(network, converted, "test")
    return network


@pytest.mark.parametrize("backbone", SIZES)
def test_views_agree_with_the_authors(backbone: str, golden) -> None:
    network = network_of(checkpoint(backbone))
    assert network.shape.backbone == backbone
    assert network.shape.channels == SIZES[backbone][1]
    with torch.inference_mode():
        found = network.views(image_for(backbone))
        seen = network.visual_encoder(image_for(backbone)).tokens
    some = seen[:, :: 97 if backbone == "vit" else 1, ::64].numpy()
    assert np.abs(some - golden[f"{backbone}_tokens"]).max() < TOLERANCE
    assert np.abs(found.states.numpy() - golden[f"{backbone}_queries"]).max() < TOLERANCE
    assert np.ptp(golden[f"{backbone}_queries"], axis=1).max() > 0.1  # views that differ
    assert all(torch.allclose(layer.sum(-1), torch.ones(1)) for layer in found.attention)


def test_what_is_read_and_written_agrees_with_the_authors(golden) -> None:
    network = network_of(checkpoint("densenet121"))
    ids = torch.from_numpy(golden["text_ids"])
    there = ids != 0
    # sentences end with mark 3; the first mark belongs to none
    ended = (ids == 3).cumsum(1) - (ids == 3).long()
    sentence = torch.where(there & (ids != 3), ended, -1)
    sentence[:, 0] = -1
    text = Tokens(ids, sentence, there, torch.ones(2, 2, dtype=torch.bool))
    with torch.inference_mode():
        read = network.sentences(text)
        views = network.views(image_for("densenet121"))
        words = network.next_words(
            views.tokens.expand(2, -1, -1),
            text._replace(ids=torch.cat([torch.full((2, 1), 4), ids[:, 1:]], 1)),
        )
    own = golden["view_features"]
    own = own / np.linalg.norm(own, axis=-1, keepdims=True)
    assert np.abs(views.unit.numpy() - own).max() < TOLERANCE
    # the projection is linear: the mean of projected tokens is the projected mean
    for report, spans in enumerate((((1, 4), (5, 7)), ((1, 3), (4, 8)))):
        for number, (first, last) in enumerate(spans):
            mean = golden["text_features"][report, first:last].mean(0)
            expected = mean / np.linalg.norm(mean)
            assert np.abs(read.unit[report, number].numpy() - expected).max() < TOLERANCE
    off = np.abs(words.numpy() - golden["next_words"])[there.numpy()]
    assert off.max() < TOLERANCE


FULL = {"densenet121": 194_409_407, "densenet169": 207_675_519, "resnet50": 238_760_062}
"""Numbers in the released models, without the second names of tied ones, as counted by their
authors' code with BiomedBERT's vocabulary."""


def widened(key: str, shape: list[int]) -> tuple[int, ...]:
    """A tensor's shape at the published size, from that of the golden model."""
    if key.startswith(("visual_encoder.", "ln_vision.")):
        return tuple(shape)
    published = {24: 768, 48: 3072, 60: 30523, 40: 512, 8: 256, 5: 32}
    return tuple(published.get(edge, edge) for edge in shape)


@pytest.mark.parametrize("backbone", SIZES)
def test_at_the_published_size_every_key_has_its_place(backbone: str) -> None:
    shapes = {key: widened(key, shape) for key, shape in shapes_of(backbone).items()}
    if backbone in FULL:
        twice = (HEAD + "decoder.weight", HEAD + "decoder.bias")
        unlearned = ("position_ids", "num_batches_tracked", "running_mean", "running_var")
        counted = (s for k, s in shapes.items() if k not in twice and not k.endswith(unlearned))
        assert sum(prod(shape) for shape in counted) == FULL[backbone]
    # one number stands for all, so that no memory is needed
    settings, tensors = convert({key: torch.zeros(()).expand(s) for key, s in shapes.items()})
    with torch.device("meta"):
        network = Brat(BratShape.parse(settings, "test"))
    wanted = {key: tensor.shape for key, tensor in network.state_dict().items()}
    assert wanted == {key: tensor.shape for key, tensor in tensors.items()}
    shape = network.shape
    assert (shape.width, shape.layers, shape.heads, shape.cross_every) == (768, 12, 12, 2)
    assert (shape.queries, shape.embedding, shape.vocabulary) == (32, 256, 30523)
    assert shape.modalities == (SEQUENCES if backbone == "densenet169" else ("t1c",))


def test_cross_attention_of_old_monai_is_dropped() -> None:
    shapes = shapes_of("vit")
    names = ("out_proj.weight", "out_proj.bias", "to_q.weight", "to_k.weight", "to_v.weight")
    old = {f"visual_encoder.vit.blocks.{n}.cross_attn.{name}" for n in range(12) for name in names}
    tensors = {key: torch.zeros(()).expand(s) for key, s in shapes.items() if key not in old}
    plain = convert(tensors)[1].keys()
    assert convert(tensors | dict.fromkeys(old, torch.zeros(1)))[1].keys() == plain


def test_a_released_file_is_added_and_gives_the_same(tmp_path, golden) -> None:
    file = tmp_path / "brat-densenet121.bin"
    torch.save(checkpoint("densenet121"), file)
    added = add_weights("brat", file)
    assert {f.suffix for f in added.iterdir()} >= {".safetensors", ".json"}
    network, facts = load_network(added)
    assert "vocabulary" not in facts
    with torch.inference_mode():
        found = network.eval().views(image_for("densenet121")).states.numpy()
    assert np.abs(found - golden["densenet121_queries"]).max() < TOLERANCE


def test_the_licence_is_shown_and_must_be_accepted(tmp_path, monkeypatch, capsys) -> None:
    file = tmp_path / "brat.bin"
    torch.save(checkpoint("densenet121"), file)
    monkeypatch.setattr("typer.confirm", lambda *a, **k: False)
    assert run(["weights", "add", "brat", str(file)]) == 1
    assert "CC BY-NC-SA 4.0" in " ".join(capsys.readouterr().err.split())
    assert run(["weights", "add", "brat", str(file), "--accept-licence"]) == 0


def test_a_folder_with_the_vocabulary_brings_it(tmp_path) -> None:
    torch.save(checkpoint("densenet121"), tmp_path / "brat.bin")
    with pytest.raises(MedadError, match=r"vocab\.txt"):
        add_weights("brat", tmp_path)
    pieces = [*MARKS[:-1], *(f"word{n}" for n in range(55))]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    facts = ModelFolder.read(add_weights("brat", tmp_path, name="whole"), "brat").facts
    assert facts["vocabulary"] == [*pieces, "[DEC]"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces[:-3]))
    with pytest.raises(MedadError, match="57 pieces, but these weights were trained with 60"):
        add_weights("brat", tmp_path, name="short")


def test_other_files_are_one_sentence() -> None:
    with pytest.raises(MedadError, match="holds no weights of brat"):
        released_shape({"query_tokens": torch.zeros(1, 2, 3)})
    tensors = checkpoint("densenet121")
    del tensors["Qformer.bert.encoder.layer.7.attention.self.key.bias"]
    with pytest.raises(MedadError, match=r"layer\.7\.attention\.attention\.key\.bias' is missing"):
        network_of(tensors)
    with pytest.raises(MedadError, match=r"'extra' is not part"):
        network_of(checkpoint("densenet121") | {"extra": torch.zeros(1)})
