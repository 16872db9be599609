"""What is lacking, told before anything runs."""

from __future__ import annotations

import pytest
import torch

from napari_medad.backbones.clip.catalogue import backbone
from napari_medad.cli import run
from napari_medad.detectors.needs import needs, sentence
from napari_medad.detectors.registry import card, load_detector
from napari_medad.errors import MedadError
from napari_medad.weights.installed import weights_home
from napari_medad.weights.model_folder import ModelFolder


def put(name: str) -> None:
    """A file where a CLIP's weights would lie."""
    path = backbone(name).files[0].path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["anomalyclip", "vand", "adaclip"])
def test_adapters_and_clip_are_told_with_size_licence_and_command(name):
    own, clip = needs(card(name))
    release = card(name).weights[0]
    assert own.command == f"medad weights fetch {name} {release}"
    assert "MB, licence " in own.terms
    assert str(clip) == (
        "CLIP vit-l-14-336 (934 MB, licence MIT): medad weights fetch vit-l-14-336"
    )


def test_what_is_installed_is_not_lacking():
    put("vit-l-14-336")
    (own,) = needs(card("vand"))
    assert own.what == "released-mvtec"
    ModelFolder(weights_home() / "vand" / "mine", "vand").write({"a": torch.ones(1)})
    assert needs(card("vand")) == ()


def test_adapters_trained_on_another_clip_need_that_one():
    settings = {"backbone": "pmc-clip"}
    ModelFolder(weights_home() / "vand" / "mine", "vand", settings).write({"a": torch.ones(1)})
    (clip,) = needs(card("vand"))
    assert clip.command == "medad weights fetch pmc-clip"
    assert clip.terms == "595 MB, licence not stated by its authors"


def test_anovl_needs_nothing_but_clip():
    (clip,) = needs(card("anovl"))
    assert clip.what == "CLIP vit-b-16-plus-240"
    put("vit-b-16-plus-240")
    assert sentence(card("anovl")) == ""


def test_the_clip_that_users_chose_is_the_one_needed():
    (clip,) = needs(card("anovl"), {"backbone": "biomedclip"})
    assert clip.what == "CLIP biomedclip"
    assert needs(card("anovl"), {"backbone_weights": "mine.pt"}) == ()
    assert needs(card("anovl"), {"backbone": "ViT-B-32"}) == ()
    own, clip = needs(card("vand"), {"backbone": "pmc-clip"})
    assert (own.what, clip.what) == ("released-mvtec", "CLIP pmc-clip")


def test_methods_without_releases_say_how_to_come_by_weights():
    assert "its own" in sentence(card("gradcam"))
    assert "medad train gradcam, or medad weights add gradcam FILE" in sentence(card("gradcam"))
    assert sentence(card("hyperintensity")) == ""


def test_loading_says_the_same():
    with pytest.raises(MedadError, match="'vand' needs weights: released-mvtec .*--weights untr"):
        load_detector("vand", device="cpu")


def test_the_list_of_detectors_says_so_too(capsys, wide_terminal):
    assert run(["detectors"]) == 0
    told = capsys.readouterr().out
    for name in ("anomalyclip", "vand", "adaclip", "anovl"):
        assert sentence(card(name)) in told
