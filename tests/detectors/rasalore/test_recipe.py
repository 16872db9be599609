"""What is cut out to learn from, and that learning goes the right way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from napari_medad.detectors.rasalore import calibration, synthesis
from napari_medad.detectors.rasalore import recipe as recipe_module
from napari_medad.detectors.rasalore.calibration import (
    WholeScan,
    corrected_threshold,
    scan_map,
    threshold_facts,
)
from napari_medad.detectors.rasalore.cases import healthy_slices
from napari_medad.detectors.rasalore.checkpoint import load_network
from napari_medad.detectors.rasalore.framing import Framing
from napari_medad.detectors.rasalore.recipe import AT_ONCE, RasaloreOptions, RasaloreRecipe
from napari_medad.detectors.rasalore.samples import vary
from napari_medad.detectors.rasalore.synthesis import Patient, SyntheticCases, make_patients
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.run import detect
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

from .conftest import SMALL, brain_study, small_folder

HEALTHY = np.array([True, True, False])


def recipe(*examples: Example, **options) -> RasaloreRecipe:
    return RasaloreRecipe(RasaloreOptions(**SMALL, per_case=4, **options), examples)


def example(mask, **more) -> Example:
    return Example(brain_study().volume(), label=1, mask=mask, **more)


def test_only_abnormal_slices_teach_unless_healthy_ones_are_wanted(spot_mask) -> None:
    paper = recipe(example(spot_mask)).dataset(held_out=False)
    assert all(paper[i]["weak"].any() for i in range(4))
    mixed = recipe(example(spot_mask), healthy_share=1.0).dataset(held_out=False)
    assert len(mixed._next_case(0)) == 6


def test_mask_and_image_are_cut_alike(spot_mask) -> None:
    sample = recipe(example(spot_mask, held_out=True)).dataset(held_out=True)[0]
    bright = sample["image"][0] > 140
    weak = sample["weak"][::2, ::2] > 0
    assert bright[weak].float().mean() > 0.9
    assert bright[~weak].float().mean() < 0.05


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda m: example(None), "has no mask"),
        (lambda m: example(m[:3]), "not on the image's grid"),
        (lambda m: example(m, slices={17: 1}), "slice 17"),
        (lambda m: example(np.zeros_like(m)), "holds a slice"),
    ],
)
def test_what_cannot_teach_is_told(spot_mask, made, said) -> None:
    samples = recipe(made(spot_mask)).dataset(held_out=False)
    with pytest.raises(MedadError, match=said):
        samples[0]


@pytest.mark.parametrize("objective", ["code", "paper", "exact"])
def test_a_few_steps_lower_the_loss(spot_mask, objective) -> None:
    torch.manual_seed(0)
    taught = recipe(example(spot_mask, held_out=True), objective=objective, lore="fixed")
    network = taught.network().train()
    samples = taught.dataset(held_out=True)
    batch = default_collate([samples[i] for i in range(4)])
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        terms = taught.losses(network, batch)
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.8 * losses[0]


def test_published_schedule_halves_after_epoch_21() -> None:
    taught = recipe()
    optimiser = taught.optimiser(taught.network())
    schedule = taught.schedule(optimiser, steps=400)
    rates = []
    for _ in range(400):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] == rates[41] == 0.01
    assert rates[42] == 0.005
    assert rates[82] == 0.0025


def test_branches_align_with_the_bridge_and_missing_modalities_are_skipped(tmp_path) -> None:
    bridge = small_folder(tmp_path / "bridge", modalities=("t2w",))
    taught = recipe(modalities=("t1n", "t2w"), bridge=str(bridge))
    network = taught.network()
    shared = taught.bridge.encoder.stage1[0].weight
    assert torch.equal(network.encoder.stage1[0].weight, shared)
    batch = {
        "image": torch.rand(3, 2, 128, 128) * 255,
        "present": torch.tensor([[True, True], [False, True], [True, False]]),
        "weak": (torch.rand(3, 256, 256) > 0.5).float(),
        "refined": torch.zeros(3, 256, 256),
        "weights": torch.rand(3, 3, 256, 256),
    }
    terms = taught.losses(network.eval(), batch)
    terms["loss"].backward()
    assert terms["align"] > 0
    assert all(p.grad is None for p in taught.bridge.parameters())
    batch["present"][:, 1] = False
    assert "align" not in taught.losses(network, batch)


def test_a_bridge_of_a_modality_that_is_not_taught_is_refused(tmp_path) -> None:
    bridge = small_folder(tmp_path / "bridge", modalities=("ct",))
    with pytest.raises(MedadError, match="trained on ct"):
        recipe(modalities=("t1n", "t2w"), bridge=str(bridge))


def test_variation_moves_mask_and_image_together() -> None:
    image, masks = torch.zeros(1, 128, 128), torch.zeros(2, 256, 256)
    image[0, 30:60, 40:90] = 200
    masks[:, 60:120, 80:180] = 1
    for seed in range(8):
        moved, marked = vary(image.clone(), masks, np.random.default_rng(seed))
        seen, marked = moved[0] > 120, marked[0, ::2, ::2] > 0
        assert (seen & marked).sum() > 0.93 * marked.sum()
        assert moved.max() <= 255


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(synthesis, "SPACING", 4.0)
        return make_patients(2, 0, lambda items, total: iter(items))


def test_small_turns_never_put_a_slice_upside_down() -> None:
    image, masks = torch.zeros(1, 128, 128), torch.zeros(2, 256, 256)
    image[0, :40, 30:100] = 200
    for seed in range(12):
        moved, _ = vary(image.clone(), masks, np.random.default_rng(seed), turn=20)
        assert moved[0, :64].sum() > moved[0, 64:].sum()


def test_synthetic_cases_are_the_same_for_a_seed_and_others_when_held_out(
    patients, monkeypatch
) -> None:
    monkeypatch.setattr(synthesis, "SPACING", 4.0)
    framing = recipe().framing
    one, same = (SyntheticCases(2, patients, ("any",), framing, 3, held_out=False) for _ in "ab")
    other = SyntheticCases(2, patients, ("any",), framing, 3, held_out=True)
    first = one.open(1, 0)
    assert np.array_equal(first.images, same.open(1, 0).images)
    assert not np.array_equal(first.images, one.open(1, 1).images)
    assert not other.open(0).weak.any()
    assert any(other.open(number).weak.any() for number in (1, 2))
    assert first.images.shape[1:] == (1, 128, 128)


def test_several_modalities_show_the_same_slices_of_the_same_brain(patients, monkeypatch) -> None:
    monkeypatch.setattr(synthesis, "SPACING", 4.0)
    names = ("t1n", "t2w")
    cases = SyntheticCases(2, patients, names, recipe().framing, 3, held_out=False)
    case = cases.open(0)
    assert case.present.all()
    seen = case.images > 0
    assert (seen[:, 0] == seen[:, 1]).mean() > 0.99
    assert not np.array_equal(case.images[:, 0], case.images[:, 1])


def test_synthetic_scans_are_drawn_from_a_few_at_a_time() -> None:
    taught = recipe(synthetic_cases=100)
    order = taught.order(400, np.random.default_rng(0))
    assert np.array_equal(np.sort(order), np.arange(400))
    scan = order // 4
    first, last = (np.array([f(np.flatnonzero(scan == s)) for s in range(100)]) for f in (min, max))
    open_at_once = [((first <= i) & (i <= last)).sum() for i in range(400)]
    assert 8 < max(open_at_once) < 2 * AT_ONCE


def test_calibration_needs_healthy_slices(spot_mask) -> None:
    network = recipe().network().eval()
    none = recipe(example(spot_mask, held_out=True)).calibrate(network)
    assert none == {"healthy_slices": 0}
    normal = Example(brain_study().volume(), label=0, held_out=True)
    facts = recipe(normal, healthy_share=1.0).calibrate(network)
    assert facts["healthy_slices"] == 6
    assert 0.5 <= facts["threshold"] <= 1


def test_preview_is_as_large_as_the_slice() -> None:
    taught = recipe()
    map_ = taught.preview(taught.network().eval(), brain_study().volume().array[2])
    assert map_.shape == (70, 60)
    assert map_.dtype == np.float32


def test_scans_without_any_lesion_decide_the_threshold(monkeypatch) -> None:
    """Eleven healthy scans with maps of 0.60 to 0.70: four in five of them lie below 0.68."""
    said = iter([*(0.6 + n / 100 for n in range(11)), 0.95])
    array = np.ones((3, 8, 8), np.float32)

    def whole(ill: bool) -> WholeScan:
        return WholeScan(Study.from_volumes("s", {"any": Volume(array, np.eye(4))}), HEALTHY, ill)

    monkeypatch.setattr(calibration, "foreground_of", lambda volume: np.ones((3, 8, 8), bool))
    monkeypatch.setattr(calibration, "scan_map", lambda *_: np.full((3, 8, 8), next(said)))
    network = recipe().network()
    scans = [*(whole(False) for _ in range(11)), whole(True)]
    framing = Framing("volume", 1.0)
    facts = threshold_facts(network, framing, ("any",), scans)
    assert facts == {"healthy_slices": 24, "threshold": pytest.approx(0.68)}
    said = iter([0.95])
    only_ill = threshold_facts(network, framing, ("any",), [whole(True)])
    assert only_ill == {"healthy_slices": 2, "threshold": 0.95}
    for edge_mm, lowest in ((0.0, 0.5), (4.0, 0.25)):
        said = iter([0.1])
        found = threshold_facts(network, Framing("volume", edge_mm=edge_mm), ("any",), scans[:1])
        assert found["threshold"] == lowest
    assert threshold_facts(network, framing, ("any",), []) == {"healthy_slices": 0}


def test_a_lesson_marks_what_was_corrected(spot_mask, monkeypatch) -> None:
    """Lesion voxels have 0.6, others 0.3: the best threshold is 0.6, and 0.9 would mark none."""
    found = np.where(spot_mask, 0.6, 0.3).astype(np.float32)
    monkeypatch.setattr(calibration, "scan_map", lambda *_: found)
    network = recipe().network()
    study = brain_study()
    seen = [(study, spot_mask), (study, np.zeros_like(spot_mask))]
    framing = Framing("volume", 1.0)
    assert corrected_threshold(network, framing, ("any",), seen) == pytest.approx(0.6)
    assert corrected_threshold(network, framing, ("any",), seen[1:]) == 1
    monkeypatch.setattr(
        recipe_module, "threshold_facts", lambda *_: {"healthy_slices": 9, "threshold": 0.9}
    )
    facts = recipe(example(spot_mask), rehearsal=1).calibrate(network)
    assert facts == {"healthy_slices": 9, "threshold": 0.6}


def test_a_map_for_calibration_is_that_of_a_detection(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "m", intensity="volume", gamma=1.0, stretch=2.0, edge_mm=4.0)
    network, framing, _ = load_network(folder)
    study = brain_study()
    volume = study.volume()
    looking = load_detector("rasalore", weights=str(folder), device="cpu", precision="fp32")
    detection = detect(study, looking)
    with torch.inference_mode():
        found = scan_map(network.eval(), framing, volume, detection.foreground, 0)
    assert np.allclose(found, detection.maps["anomaly"], atol=1e-4)


def test_which_slices_are_known_to_be_healthy(spot_mask) -> None:
    study = brain_study()
    marked = spot_mask.any(axis=(1, 2))
    held, ill = healthy_slices(example(spot_mask), study)
    assert ill
    assert held.tolist() == (~marked).tolist()
    free, lesion = int(np.flatnonzero(~marked)[0]), int(np.flatnonzero(marked)[0])
    held, ill = healthy_slices(example(spot_mask, slices={free: 0, lesion: 0}), study)
    assert np.flatnonzero(held).tolist() == [free]
    held, ill = healthy_slices(Example(study.volume(), label=0), study)
    assert held.all()
    assert not ill
