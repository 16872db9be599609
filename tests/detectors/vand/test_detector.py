import nibabel as nib
import numpy as np
import pytest
import torch

import napari_medad as medad
from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def load(**settings):
    settings = {"image_size": 56, **settings}
    return load_detector("vand", weights="untrained", device="cpu", **settings)


def scan(spot=None, seed=0) -> Volume:
    array = np.zeros((4, 56, 56), np.float32)
    array[:, 4:52, 4:52] = 1 + np.random.default_rng(seed).random((4, 48, 48))
    if spot is not None:
        array[2, 28:42, 28:42] = spot
    return Volume(array, np.diag([-1.0, -1.0, 3.0, 1.0]), "t2f")


def study(volume) -> Study:
    return Study.from_volumes("case", {"t2f": volume})


def test_a_remembered_scan_adds_nothing_where_it_is_the_same():
    detector = load()
    plain = medad.detect(study(scan()), detector).maps["anomaly"]
    detector.remember([scan()], slices=[[0, 1, 2, 3]])
    same = medad.detect(study(scan()), detector).maps["anomaly"]
    assert np.allclose(plain, same, atol=1e-3)
    detector.forget()
    assert np.array_equal(medad.detect(study(scan()), detector).maps["anomaly"], plain)


def test_what_no_normal_scan_shows_stands_out():
    detector = load()
    detector.remember([scan()], slices=[[0, 1, 2, 3]])
    with_spot = study(scan(spot=2.0))
    remembered = medad.detect(with_spot, detector).maps["anomaly"]
    detector.forget()
    added = remembered - medad.detect(with_spot, detector).maps["anomaly"]
    assert added[2, 28:42, 28:42].mean() > 1.5 * added[2, 6:20, 6:20].mean()


def test_normal_scans_come_from_files_too(tmp_path):
    volume = scan()
    image = nib.Nifti1Image(volume.array.T, volume.affine)
    nib.save(image, tmp_path / "normal.nii.gz")
    detector = load(references=(str(tmp_path / "normal.nii.gz"),), reference_slices=2)
    notes = medad.detect(study(scan()), detector).record.notes
    assert any("Compared with 32 patches of 2 slices of normal scans" in note for note in notes)


def test_slices_that_are_not_there():
    with pytest.raises(MedadError, match="has no slice 9; it has 0 to 3"):
        load().remember([scan()], slices=[[9]])
    with pytest.raises(MedadError, match="no normal scan to remember"):
        load().remember([])


def test_the_object_and_the_states_are_the_users():
    brain = load().read_text()
    assert not torch.allclose(brain, load(object="liver").read_text())
    assert not torch.allclose(brain, load(abnormal=("{} with tumour",)).read_text())
    with pytest.raises(MedadError, match="setting 'object' is empty"):
        medad.detect(study(scan()), load(object=""))
    with pytest.raises(MedadError, match="has 7[0-9]+ tokens, but this CLIP reads 77"):
        medad.detect(study(scan()), load(object="very " * 700 + "old brain"))


def published():
    held = {f"fc.{i}.weight": torch.randn(768, 1024) for i in range(4)}
    return held | {f"fc.{i}.bias": torch.randn(768) for i in range(4)}


def test_a_released_file_is_added(tmp_path):
    held = published()
    torch.save({"trainable_linearlayer": held}, tmp_path / "mvtec_pretrained.pth")
    added = add_weights("vand", tmp_path / "mvtec_pretrained.pth", name="released-mvtec")
    detector = load_detector("vand", weights=added.name, device="cpu")
    assert torch.equal(detector.network.fc[3].weight, held["fc.3.weight"])
    assert detector.weights.state == "released"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("fc.2.bias", None, "'fc.2.bias' is missing"),
        ("fc.1.weight", torch.zeros(640, 896), r"'fc.1.weight' has shape \(640, 896\), not"),
        ("fc.4.weight", torch.zeros(768, 1024), "'fc.4.weight' is not part of it"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path, key, value, sentence):
    held = published() | {key: value}
    torch.save({"trainable_linearlayer": held}, tmp_path / "wrong.pth")
    with pytest.raises(MedadError, match=sentence):
        add_weights("vand", tmp_path / "wrong.pth")


def test_layers_are_trained_on_masks_and_load_again(tmp_path):
    volume = scan(spot=2.0)
    mask = np.zeros(volume.array.shape, np.uint8)
    mask[2, 28:42, 28:42] = 1
    options = {"backbone": "tiny-pmc", "image_size": 64, "epochs": 2, "batch_size": 2}
    examples = [
        Example(volume, label=1, mask=mask, held_out=h, patient=p) for h, p in ((0, "a"), (1, "b"))
    ]
    model = medad.train("vand", examples, tmp_path / "run", options=options, device="cpu")
    detector = load_detector("vand", weights=str(model.path), device="cpu")
    assert detector.backbone_name == "tiny-pmc"
    anomaly = medad.detect(study(volume), detector).maps["anomaly"]
    assert 0 <= anomaly.min() <= anomaly.max() <= 4
    with pytest.raises(MedadError, match="labelled abnormal but have no mask"):
        unmasked = [Example(volume, label=1, slices={2: 1, 1: 0})]
        medad.train("vand", unmasked, tmp_path / "other", options=options, device="cpu")
