"""Grad-CAM by its equations, its gate, and learning that points at the lesion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.visualize.class_activation_maps import GradCAM

import napari_medad as medad
from napari_medad.detectors.gradcam.network import activation_map, classifier
from napari_medad.detectors.gradcam.recipe import GradcamOptions, GradcamRecipe
from napari_medad.detectors.gradcam.samples import synthetic_patients
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def parts(network, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations of the last stage, and the logit that is made of them."""
    seen = {}
    hook = network.layer4.register_forward_hook(lambda m, given, out: seen.update(a=out))
    logit = network(image)[:, 0]
    hook.remove()
    return seen["a"], logit


@pytest.mark.parametrize("sign", [1, -1])
def test_the_map_follows_the_papers_equations(sign) -> None:
    torch.manual_seed(0)
    network = classifier().eval()
    with torch.no_grad():
        network.fc.weight.copy_(sign * (torch.rand_like(network.fc.weight) - 0.2))
    image = torch.rand(3, 1, 64, 64)
    activations, logit = parts(network, image)
    (gradient,) = torch.autograd.grad(logit.sum(), activations)
    alpha = gradient.mean((2, 3))
    expected = torch.einsum("bk,bkhw->bhw", alpha, activations).clamp(min=0)
    found, logits = activation_map(GradCAM(network, "layer4"), image)
    torch.testing.assert_close(found[:, 0], expected)
    torch.testing.assert_close(logits, logit)
    assert found.any() == (sign > 0)  # what speaks against it is not shown


def test_with_mean_pooling_it_is_the_class_activation_map() -> None:
    """alpha_k is then the last layer's weight over the number of cells (the paper's Sec. 3.1)."""
    torch.manual_seed(0)
    network = classifier().eval()
    image = torch.rand(2, 1, 64, 64)
    activations, _ = parts(network, image)
    weight = network.fc.weight[0] / activations[0, 0].numel()
    expected = torch.einsum("k,bkhw->bhw", weight, activations)
    found, _ = activation_map(GradCAM(network, "layer4"), image)
    torch.testing.assert_close(found[:, 0], expected, atol=1e-5, rtol=1e-4)


def test_one_image_and_inference_mode_are_fine() -> None:
    cam = GradCAM(classifier().eval().requires_grad_(False), "layer3")
    with torch.inference_mode():
        found, logits = activation_map(cam, torch.rand(1, 1, 64, 64))
    assert found.shape == (1, 1, 8, 8)
    assert logits.shape == (1,)


WHERE = (slice(8, 24), slice(36, 52))
"""Rows and columns of the bright square of abnormal slices."""


def scan(seed: int) -> Volume:
    """Eight noisy slices, the last four with a bright square."""
    rng = np.random.default_rng(seed)
    array = rng.normal(300, 15, (8, 64, 64)).astype(np.float32)
    array[4:, WHERE[0], WHERE[1]] += 200
    array[:, [0, -1]] = array[:, :, [0, -1]] = 0
    return Volume(array, np.eye(4), "t2f")


LABELS = {z: int(z >= 4) for z in range(8)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Taught from three scans whose slices were called normal or abnormal."""
    out = tmp_path_factory.mktemp("gradcam") / "model"
    options = {
        "size": 64,
        "epochs": 14,
        "learning_rate": 1e-3,
        "batch_size": 4,
        "precision": "fp32",
    }
    examples = [Example(scan(s), slices=LABELS, label=1, patient=str(s)) for s in range(3)]
    medad.train("gradcam", examples, out, options=options, device="cpu")
    return out


@pytest.fixture(scope="module")
def found(model):
    detector = medad.load_detector("gradcam", weights=str(model), device="cpu")
    return medad.detect(Study.from_volumes("case", {"t2f": scan(50)}), detector)


def test_unseen_slices_are_told_apart(found) -> None:
    assert found.slice_scores[:4].max() < 0.5 < found.slice_scores[4:].min()


def test_maps_are_gated_and_reach_one(found) -> None:
    assert not found.maps["anomaly"][:4].any()
    assert found.maps["anomaly"].max(axis=(1, 2))[4:] == pytest.approx(1)
    assert np.array_equal(found.maps["attention"][4:], found.maps["anomaly"][4:])
    assert found.threshold == 0.5


def test_the_map_points_at_the_square(found) -> None:
    cell = 16
    for plane in found.maps["anomaly"][4:]:
        peak = np.unravel_index(plane.argmax(), plane.shape)
        for at, side in zip(peak, WHERE, strict=True):
            assert side.start - cell / 2 <= at < side.stop + cell / 2


def test_without_gate_all_slices_speak(model) -> None:
    detector = medad.load_detector("gradcam", weights=str(model), device="cpu", gate_at=0)
    seen = medad.detect(Study.from_volumes("case", {"t2f": scan(50)}), detector)
    assert np.array_equal(seen.maps["anomaly"], seen.maps["attention"])


def recipe(*examples: Example) -> GradcamRecipe:
    return GradcamRecipe(GradcamOptions(size=64), examples)


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (Example(scan(0), slices={40: 1}), "slice 40, but only slices 0 to 7"),
        (Example(scan(0), slices={1: 0, 2: 0}), "All 2 labelled slices are normal"),
        (Example(scan(0), label=1), "in which slices"),
    ],
)
def test_labels_that_cannot_teach_are_told(example, said) -> None:
    with pytest.raises(MedadError, match=said):
        recipe(example).dataset(held_out=False)


def test_pictures_are_slices_of_their_own_label() -> None:
    one = Volume(scan(0).array[:1], np.eye(4), "t2f")
    samples = recipe(Example(one, label=1), Example(one, label=0)).dataset(held_out=False)
    assert samples.labels == [1, 0]
    assert samples[0]["label"].item() == 1


def test_a_preview_leaves_the_training_alone() -> None:
    taught = recipe()
    network = taught.network()
    shown = taught.preview(network, scan(0).array[6])
    assert shown.shape == (64, 64)
    assert shown.max() == pytest.approx(1)
    assert all(p.requires_grad for p in network.parameters())
    assert network.training
    assert not network.layer4._forward_hooks


def test_synthetic_patients_are_labelled_by_their_lesions() -> None:
    healthy, ill = synthetic_patients((2, 3), ("t2f",), 3.0, 40)
    assert set(healthy.labels.values()) == {0}
    assert 1 in ill.labels.values()
