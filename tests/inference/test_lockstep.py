"""Several detectors over one study: the same results, in fewer passes."""

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cli import run
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import Cancelled
from napari_medad.inference.run import detect, detect_all
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

NAMES = ("anomalyclip", "vand", "adaclip", "anovl")
FEW = {"templates": ("a photo of the {}",)}


def load(name):
    settings = {"activation": "gelu", "image_size": 56, "device": "cpu", "precision": "fp32"}
    few = {} if name == "anomalyclip" else FEW
    return load_detector(name, weights="untrained", **settings, **few)


@pytest.fixture
def slices() -> Study:
    array = 1 + np.random.default_rng(0).random((12, 40, 40)).astype(np.float32)
    volume = Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]), "t2f")
    return Study.from_volumes("case", {"t2f": volume})


def test_detectors_on_one_clip_share_its_blocks_and_say_the_same(slices):
    """Twelve slices in two batches. AdaCLIP looks again with prompts, AnoVL at other pictures."""
    detectors = [load(name) for name in NAMES]
    clip = detectors[0].clip
    assert all(detector.clip is clip for detector in detectors)
    alone = [detect(slices, detector) for detector in detectors]
    every_token = []
    for block in clip.vision.module.transformer.resblocks:
        block.mlp.register_forward_hook(lambda *call: every_token.append(call[-1].shape[1] > 1))
    together = detect_all(slices, detectors)
    depth, batches, passes = 4, 2, 1 + 1 + 1
    class_token_alone = batches  # AnoVL's own pass ends so
    assert sum(every_token) == depth * batches * passes - class_token_alone
    for one, other in zip(alone, together, strict=True):
        assert one.detector == other.detector
        np.testing.assert_allclose(one.maps["anomaly"], other.maps["anomaly"], atol=1e-5)
        np.testing.assert_allclose(one.slice_scores, other.slice_scores, atol=1e-5)
        assert other.record.duration_s > 0


@pytest.mark.parametrize("name", ["tiny-pmc", "tiny-biomed"])
def test_methods_of_two_activations_are_one_on_clips_with_only_one(name):
    settings = {"backbone": name, "image_size": 64, "device": "cpu"}
    detectors = [load_detector(n, weights="untrained", **settings) for n in NAMES]
    assert len({id(detector.clip) for detector in detectors}) == 1


def test_detectors_without_a_backbone_follow_one_another(doubling, scoring, study):
    reports = []
    two = detect_all(study, [doubling, scoring], progress=lambda p: reports.append(p.done))
    assert reports == [4, 8, 12, 16, 18] * 2
    assert [d.detector for d in two] == ["doubling", "doubling"]
    assert np.array_equal(two[0].maps["anomaly"], detect(study, doubling).maps["anomaly"])


def test_stop_ends_all(doubling, scoring, study):
    with pytest.raises(Cancelled):
        detect_all(study, [doubling, scoring], progress=lambda _: "stop")
    assert len(doubling.seen) == 1


def test_the_command_takes_several_names(slices, tmp_path, capsys):
    path, out = tmp_path / "case.nii.gz", tmp_path / "out"
    write_nifti(slices.volume().array, slices.volume(), path)
    names = ["detect", str(path), "--detector", "anomalyclip, vand", "--out", str(out)]
    settings = ["--set", "image_size=56", "--set", "vand.object=liver"]
    assert run([*names, "--weights", "untrained", *settings]) == 0
    assert {p.name.split("_")[1] for p in out.iterdir()} == {"anomalyclip", "vand"}
    told = capsys.readouterr()
    assert "The prompts speak of 'liver'." in " ".join(told.err.split())
    assert run([*names, "--set", "moe.size=128"]) == 1
    assert "--set moe.size=128 is for 'moe', which does not run" in capsys.readouterr().err
    assert run(["detect", str(path), "--detector", "vand,vand", "--out", str(out)]) == 1
    assert "names one twice" in capsys.readouterr().err


def test_it_is_public():
    assert medad.detect_all is detect_all
