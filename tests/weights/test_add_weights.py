from __future__ import annotations

import json

import pytest
import torch

from napari_medad.detectors.add_weights import add_weights, fetch_weights
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.weights.installed import installed_weights, weights_home
from napari_medad.weights.model_folder import ModelFolder


def installed_names() -> list[str]:
    home = weights_home() / "tiny"
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def test_a_checkpoint_becomes_a_model_folder_that_loads_by_name(method):
    added = add_weights("tiny", method.checkpoint)
    model = ModelFolder.read(added, "tiny")
    assert model.settings == {"width": 2}
    detector = load_detector("tiny", weights="authors", device="cpu")
    assert detector.network.bias.item() == 3
    assert detector.weights.state == "trained"
    assert detector.weights.sha256 == model.sha256


def test_a_file_of_the_catalogue_is_known_by_its_checksum(method):
    method.list_release("https://example.org/authors.pth", name="v1")
    other = method.checkpoint.rename(method.checkpoint.with_name("renamed.bin"))
    add_weights("tiny", other)
    assert installed_weights("tiny")["v1"].state == "released"
    assert json.loads((weights_home() / "tiny/v1/released.json").read_text())["licence"] == "MIT"


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"weight": torch.ones(1, 2)}, "'bias' is missing"),
        ({"weight": torch.ones(1, 3), "bias": torch.ones(1)}, r"'weight' has shape \(1, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_first_key_and_leaves_nothing(method, tensors, told):
    wrong = method.checkpoint.with_name("wrong.pth")
    torch.save(tensors, wrong)
    with pytest.raises(MedadError, match=f"^{wrong} does not fit this detector: {told}"):
        add_weights("tiny", wrong)
    assert installed_names() == []


def test_a_pickle_is_opened_only_when_it_is_trusted(method):
    odd = method.checkpoint.with_name("odd.pth")
    module = torch.nn.Linear(2, 1)
    torch.save({"state_dict": module.state_dict(), "module": module}, odd)
    with pytest.raises(MedadError, match="would run code"):
        add_weights("tiny", odd)
    assert add_weights("tiny", odd, trust_pickle=True).name == "odd"


def test_a_name_is_taken_once_and_never_a_reserved_one(method):
    add_weights("tiny", method.checkpoint, name="mine")
    with pytest.raises(MedadError, match="has weights called 'mine'"):
        add_weights("tiny", method.checkpoint, name="mine")
    for name in ("auto", "starter", "untrained", "a/b", ".hidden"):
        with pytest.raises(MedadError, match="choose another --name"):
            add_weights("tiny", method.checkpoint, name=name)
    assert installed_names() == ["mine"]


def test_a_model_folder_of_another_detector_is_refused(method, tmp_path):
    ModelFolder(tmp_path / "moe-model", "moe").write({"weight": torch.ones(1)})
    with pytest.raises(MedadError, match="holds weights of 'moe', not of 'tiny'"):
        add_weights("tiny", tmp_path / "moe-model")


def test_fetching_without_network_keeps_nothing(method):
    method.list_release("http://127.0.0.1:9/authors.pth")
    with pytest.raises(MedadError, match="then run `medad weights add tiny authors.pth`"):
        fetch_weights("tiny", "authors")
    assert installed_names() == []


def test_a_changed_file_is_found_out(method):
    model = ModelFolder.read(add_weights("tiny", method.checkpoint), "tiny")
    model.verify()
    with model.weights_file.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(MedadError, match="is not what was written there"):
        model.verify()
