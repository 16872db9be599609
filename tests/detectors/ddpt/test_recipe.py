"""Labels to slices, rates by epoch, and learning that goes the right way."""

import numpy as np
import pytest
import torch

from napari_medad.detectors.ddpt import recipe as module
from napari_medad.detectors.ddpt.recipe import DdptOptions, DdptRecipe
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.volume import Volume


def volume() -> Volume:
    rng = np.random.default_rng(0)
    array = rng.normal(300, 20, (10, 40, 40)).astype(np.float32)
    array[5:, 10:30, 10:30] += 400
    array[:, :3] = 0
    return Volume(array, np.eye(4), "t2w")


def recipe(*examples: Example, **options) -> DdptRecipe:
    return DdptRecipe(DdptOptions(backbone_weights="random", **options), examples)


LABELS = {z: int(z >= 5) for z in range(10)}


def test_labels_choose_the_slices() -> None:
    samples = recipe(Example(volume(), slices=LABELS)).dataset(held_out=False)
    assert len(samples) == 10
    assert [int(samples[i]["label"]) for i in (0, 9)] == [0, 1]
    assert samples[0]["image"].shape == (3, 224, 224)


def test_a_normal_scan_gives_normal_slices() -> None:
    abnormal = Example(volume(), slices={7: 1})
    samples = recipe(abnormal, Example(volume(), label=0)).dataset(held_out=False)
    assert sorted(int(samples[i]["label"]) for i in range(len(samples))) == [0] * 10 + [1]


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (Example(volume(), slices={40: 1}), "slice 40"),
        (Example(volume(), slices={1: 0, 2: 0}), "All 2 labelled slices are normal"),
        (Example(volume(), slices={1: 1}), "are abnormal"),
        (Example(volume(), label=1), "in which slices"),
    ],
)
def test_labels_that_cannot_teach_are_told(example, said) -> None:
    with pytest.raises(MedadError, match=said):
        recipe(example).dataset(held_out=False)


def test_rates_warm_up_and_follow_the_cosine_of_the_paper(small_network) -> None:
    taught = recipe(Example(volume(), slices=LABELS))
    optimiser = taught.optimiser(small_network)
    schedule = taught.schedule(optimiser, steps=120)
    visual, text = [], []
    for _ in range(120):
        visual.append(optimiser.param_groups[0]["lr"])
        text.append(optimiser.param_groups[1]["lr"])
        optimiser.step()
        schedule.step()
    assert visual[0] == visual[17] == pytest.approx(1e-5)
    assert visual[18] == pytest.approx(0.01)
    assert visual[-1] == pytest.approx(6.7e-4, rel=0.01)
    assert text[1] == pytest.approx(1e-5)
    assert text[2] == pytest.approx(0.002)


def test_guidance_ends_with_its_epoch(small_network) -> None:
    taught = recipe(Example(volume(), slices=LABELS), guidance_epochs=1, epochs=2)
    batch = {"image": torch.randn(4, 3, 224, 224), "label": torch.tensor([0, 1, 0, 1])}
    optimiser = taught.optimiser(small_network)
    schedule = taught.schedule(optimiser, steps=2)
    guided = taught.losses(small_network, batch)
    optimiser.step()
    schedule.step()
    plain = taught.losses(small_network, batch)
    assert guided["loss"] != plain["loss"]
    expected = plain["class"] + 0.3 * plain["auxiliary"]
    assert plain["loss"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_it_learns_to_tell_the_slices_apart(monkeypatch, small_clip) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(module, "load_clip", lambda weights: small_clip)
    taught = recipe(Example(volume(), slices=LABELS, held_out=True), guidance_epochs=0)
    network = taught.network()
    samples = taught.dataset(held_out=True)
    items = [samples[i] for i in range(10)]
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    first = taught.losses(network, batch)["loss"].item()
    for _ in range(15):
        terms = taught.losses(network, batch)
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
    assert terms["loss"].item() < 0.7 * first
    assert taught.preview(network, volume().array[7]).shape == (40, 40)
