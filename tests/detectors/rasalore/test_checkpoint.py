"""What opens, and what is said of what does not."""

import json
import shutil

import pytest
import torch

from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.rasalore.checkpoint import (
    EMBEDDING,
    ENCODER,
    convert,
    load_network,
)
from napari_medad.errors import MedadError

from .conftest import small_folder


def test_published_files_bring_their_framing_and_embedding(published_folder) -> None:
    network, framing, facts = load_network(published_folder / ENCODER)
    stored = torch.load(published_folder.parents[1] / EMBEDDING, weights_only=True)
    assert torch.equal(network.lore[0], stored)
    assert framing.transposed
    assert framing.gamma == 2
    # the weights are random, so no draw is theirs
    assert facts["embedding_fits"] is False


def test_without_the_embedding_the_files_are_refused(published_folder, tmp_path) -> None:
    alone = shutil.copytree(published_folder, tmp_path / "alone")
    with pytest.raises(MedadError, match=EMBEDDING):
        load_network(alone)
    torch.save(torch.zeros(3, 4), alone / EMBEDDING)
    with pytest.raises(MedadError, match="1024, 256"):
        load_network(alone)


def test_one_file_of_two_is_refused(published_folder, tmp_path) -> None:
    shutil.copy(published_folder / ENCODER, tmp_path / ENCODER)
    with pytest.raises(MedadError, match=r"Decoder_Model\.pth"):
        load_network(tmp_path)
    tensors = torch.load(published_folder / ENCODER, weights_only=True)
    with pytest.raises(MedadError, match="two files"):
        convert(tensors)


def test_our_folder_holds_the_embedding(tmp_path) -> None:
    folder = small_folder(tmp_path / "m", facts={"threshold": 0.6}, intensity="volume", gamma=1)
    first, framing, facts = load_network(folder)
    again, _, _ = load_network(folder)
    assert framing.intensity == "volume"
    assert facts["threshold"] == 0.6
    image = torch.rand(1, 1, 128, 128)
    assert torch.equal(first.eval()(image).logits, again.eval()(image).logits)


def test_another_input_size_is_told(tmp_path) -> None:
    folder = small_folder(tmp_path / "m")
    held = json.loads((folder / "model.json").read_text())
    held["settings"]["size"] = 256
    (folder / "model.json").write_text(json.dumps(held))
    with pytest.raises(MedadError, match="another input size"):
        load_network(folder)


def test_the_authors_folder_is_added_with_its_embedding(published_folder) -> None:
    added = add_weights("rasalore", published_folder, name="released")
    network, framing, facts = load_network(added)
    first, _, _ = load_network(published_folder)
    image = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network.eval()(image).logits, first.eval()(image).logits)
    assert framing.transposed
    assert facts["embedding_fits"] is False
    with pytest.raises(MedadError, match="holds no RASALoRE weights"):
        add_weights("rasalore", published_folder.parent)
