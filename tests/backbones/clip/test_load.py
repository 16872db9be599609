import json
import warnings
import zlib

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from napari_medad.backbones.clip import catalogue, load
from napari_medad.backbones.clip.catalogue import backbone
from napari_medad.backbones.clip.load import load_clip
from napari_medad.backbones.clip.untrained import numbers
from napari_medad.errors import MedadError
from napari_medad.weights.installed import weights_home

SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 28, "layers": 2, "width": 64, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}


def small_weights():
    import open_clip

    torch.manual_seed(0)
    return open_clip.CLIP(**SMALL).state_dict()


def folder_model(folder):
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": SMALL}))
    save_file(small_weights(), folder / "open_clip_model.safetensors")
    return str(folder)


def test_shapes_of_the_named_models():
    large, plus = backbone("vit-l-14-336").shape, backbone("vit-b-16-plus-240").shape
    assert (large.width, large.depth, large.joint, large.text_width) == (1024, 24, 768, 768)
    assert (plus.width, plus.depth, plus.joint, plus.text_width) == (896, 12, 640, 640)
    assert large.quarters() == (6, 12, 18, 24)
    assert plus.quarters() == (3, 6, 9, 12)
    pmc = backbone("pmc-clip").shape
    assert [pmc.stage_width(stage) for stage in pmc.quarters()] == [256, 512, 1024, 2048]
    assert backbone("ViT-B-32").shape.width == 768


@pytest.mark.parametrize("name", ["vit-l-14-336", "vit-b-16-plus-240"])
def test_the_catalogues_descriptions_are_open_clips(name):
    import open_clip

    described = backbone(name)
    theirs = open_clip.get_model_config(described.architecture)
    assert described.model == {key: theirs[key] for key in described.model}


@pytest.mark.parametrize("name", ["tiny", "tiny-pmc", "tiny-biomed"])
def test_random_models_are_always_the_same(name):
    one, other = load_clip(name), load_clip(name)
    for tower in ("vision", "text"):
        a = getattr(one, tower).module.state_dict()
        b = getattr(other, tower).module.state_dict()
        assert all(torch.equal(a[key], b[key]) for key in a)
        trained = [p for p in getattr(one, tower).module.parameters() if p.requires_grad]
        assert trained == []


def test_numbers_depend_on_name_and_shape_alone():
    """The first against splitmix64 in Python's own integers."""
    drawn = numbers("a", (10000,))
    mask = 2**64 - 1
    x = ((zlib.crc32(b"a") << 20) + 1) * 0x9E3779B97F4A7C15 & mask
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
    assert float(drawn[0]) == ((x ^ (x >> 31)) >> 40) / 2**23 - 1
    assert abs(float(drawn.mean())) < 0.02
    assert abs(float(drawn.std()) - 3**-0.5) < 0.01
    assert not torch.equal(drawn, numbers("b", (10000,)))


def test_missing_weights_are_asked_for_with_size_licence_and_command():
    with pytest.raises(MedadError) as told:
        load_clip("vit-l-14-336")
    sentence = str(told.value)
    assert "934 MB, licence MIT" in sentence
    assert "run `medad weights fetch vit-l-14-336`, or download https://openaipublic" in sentence
    assert "run `medad weights add vit-l-14-336 FILE`" in sentence
    assert "ViT-L-14-336px.pt" in sentence
    assert sentence.count("\n") == 0


def test_a_cut_off_download_is_recognised():
    path = weights_home() / "clip" / "ViT-L-14-336px.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut off")
    with pytest.raises(MedadError, match="its sha256 differs.*fetch it again"):
        load_clip("vit-l-14-336")


def test_an_unknown_backbone_lists_the_known_ones():
    with pytest.raises(MedadError, match="no CLIP backbone 'vit-xxl'; use vit-l-14-336, vit-b"):
        load_clip("vit-xxl")


def test_a_folder_as_open_clip_saves_it(tmp_path):
    clip = load_clip(folder_model(tmp_path))
    assert torch.equal(clip.vision.module.proj, small_weights()["visual.proj"])
    assert len(clip.sha256) == 64
    assert clip.activation == "gelu"


def test_a_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(MedadError, match="no readable open_clip_config.json"):
        load_clip(f"local-dir:{tmp_path}")


def test_a_hub_model_that_is_not_here_is_not_downloaded():
    with pytest.raises(MedadError, match="run `hf download nobody/nothing`"):
        load_clip("hf-hub:nobody/nothing")


def test_weights_of_another_model_are_refused_by_key(tmp_path):
    name = folder_model(tmp_path)
    held = small_weights()
    held["visual.conv1.weight"] = torch.zeros(64, 3, 16, 16)
    save_file(held, tmp_path / "other.safetensors")
    with pytest.raises(MedadError, match=r"'visual.conv1.weight' has shape \(64, 3, 16, 16\)"):
        load_clip(name, weights=str(tmp_path / "other.safetensors"))
    del held["visual.conv1.weight"]
    save_file(held, tmp_path / "other.safetensors")
    with pytest.raises(MedadError, match="'visual.conv1.weight' is missing"):
        load_clip(name, weights=str(tmp_path / "other.safetensors"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MedadError, match="no CLIP weights file at .*check backbone_weights"):
        load_clip("vit-l-14-336", weights=str(tmp_path / "nothing.pt"))


def test_openai_archives_are_read(tmp_path):
    """They are TorchScript in half precision, with three numbers beside the weights."""

    class Archive(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.proj = torch.nn.Parameter(torch.ones(2, 2).half())
            self.register_buffer("input_resolution", torch.tensor(28))

        def forward(self, x):
            return x @ self.proj

    path = tmp_path / "archive.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Archive()), path)
    held = load._tensors(path)
    assert set(held) == {"proj", "input_resolution"}
    assert held["proj"].dtype == torch.float16


def test_the_activation_can_be_chosen(tmp_path):
    name = folder_model(tmp_path)
    images = numbers("images", (1, 3, 28, 28))
    gelu, quick = (load_clip(name, activation=a) for a in ("gelu", "quickgelu"))
    features = [c.vision.look(images, (2,), "bicubic").feature for c in (gelu, quick)]
    assert not torch.allclose(*features, atol=1e-4)


def test_the_catalogue_trusts_quickgelu_only_for_openai():
    assert catalogue.backbone("vit-l-14-336").quick_gelu
    assert not catalogue.backbone("vit-b-16-plus-240").quick_gelu


def test_pmc_clip_is_read_from_its_files(tmp_path, monkeypatch, tiny_pmc):
    """Written as its authors do: with prefixes, a pooler and a bare projection matrix."""
    described = backbone("tiny-pmc")
    files = [tmp_path / name for name in ("image.pth", "text.pth", "projection.pth", "vocab.txt")]
    bert, projection = tiny_pmc.text.module
    image = {f"module.{k}": v for k, v in tiny_pmc.vision.module.state_dict().items()}
    torch.save(image, files[0])
    torch.save({**bert.state_dict(), "pooler.dense.weight": torch.zeros(2)}, files[1])
    torch.save(projection.weight.T.contiguous(), files[2])
    files[3].write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "brain"]))
    vision, text = load._pmc(described, False, files)
    images = numbers("images", (1, 3, 64, 64))
    vision.module.eval()
    text.module.eval()
    ours = vision.look(images, (4,), "bicubic").feature
    assert_close(ours, tiny_pmc.vision.look(images, (4,), "bicubic").feature)
    assert text.tokens(["Brain"])[0, :4].tolist() == [2, 5, 3, 0]
    ids = torch.tensor([[2, 5, 3, 0]])
    assert_close(
        text.encode(text.embed(ids), ids), tiny_pmc.text.encode(tiny_pmc.text.embed(ids), ids)
    )
