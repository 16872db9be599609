"""Pre-training: the objective's parts and ablations, its rates, and data that are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import torch

from napari_medad.detectors.brat import pretraining
from napari_medad.detectors.brat.embedding import align
from napari_medad.detectors.brat.made_up import SITES, SIZE, SMALL, examples, scan_with_report
from napari_medad.detectors.brat.pretraining import Pretraining, gallery
from napari_medad.detectors.brat.recipe import BratOptions, BratRecipe
from napari_medad.detectors.brat.text import sentences_of
from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.loop import device_for
from napari_medad.volumes.phantom import make_brain


@pytest.fixture(scope="module")
def pairs() -> list[Example]:
    return examples(learned=3, held_out=1, scans=1)


def recipe(pairs, preset: str = "", **options) -> Pretraining:
    chosen = {**SMALL, **BratRecipe.presets.get(preset, {}), **options}
    made = BratRecipe(BratOptions.parse(chosen, "test"), pairs)
    assert isinstance(made, Pretraining)
    return made


def batch_of(made: Pretraining) -> dict[str, torch.Tensor]:
    return torch.utils.data.default_collate(list(made.dataset(held_out=False)))


@pytest.mark.parametrize(
    ("preset", "parts"),
    [
        ("", {"contrastive", "repulsion", "writing"}),
        ("no-qd", {"contrastive", "writing"}),
        ("pairwise", {"contrastive", "repulsion", "writing"}),
        ("colbert", {"contrastive", "repulsion", "writing"}),
        ("q-former", {"contrastive", "writing"}),
        ("q-former-qd", {"contrastive", "repulsion", "writing"}),
        ("clip", {"contrastive"}),
    ],
)
def test_every_ablation_has_its_parts_and_can_be_learned(pairs, preset, parts) -> None:
    made = recipe(pairs, preset)
    network = made.network()
    found = made.losses(network, batch_of(made))
    found["loss"].backward()
    found = {name: value.detach() for name, value in found.items()}
    assert set(found) == {"loss", "hits", "views_cosine", *parts}
    assert float(found["loss"]) == pytest.approx(sum(float(found[p]) for p in parts), rel=1e-5)
    assert all(group["params"] for group in made.optimiser(network).param_groups)
    learned = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert {"visual_encoder", "qformer", "text_proj"} <= learned


def test_rates_are_the_papers(pairs) -> None:
    made = BratRecipe(BratOptions.parse({"backbone": "small", "side": 64}, "test"), pairs)
    rates = [group["lr"] for group in made.optimiser(made.network()).param_groups]
    assert rates == [5e-4, 5e-5]


def test_the_rate_rises_then_falls_from_a_temperature_that_is_set(pairs) -> None:
    made = recipe(pairs, warm_up=0.2, temperature=0.07)
    network = made.network()
    assert float(network.temp.detach()) == pytest.approx(0.07)
    assert network.qformer.config.hidden_dropout_prob == SMALL["dropout"] == 0
    optimiser = made.optimiser(network)
    schedule, rates = made.schedule(optimiser, 10), []
    assert schedule is not None
    for _ in range(10):
        rates.append(optimiser.param_groups[1]["lr"] / SMALL["text_learning_rate"])
        optimiser.step()
        schedule.step()
    assert rates[:3] == pytest.approx([0.5, 0.75, 1])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.05


def test_a_report_without_sentences_is_named(pairs) -> None:
    with pytest.raises(MedadError, match="Example 2 has no report with a sentence"):
        recipe([pairs[0], Example(pairs[1].image, report=" 12. \n")]).network()


def test_a_processor_trains_in_full_precision(pairs, monkeypatch) -> None:
    monkeypatch.setattr("napari_medad.detectors.device._fast_bf16", lambda kind: True)
    assert device_for(recipe(pairs, precision="auto"), "cpu") == Device("cpu", "fp32")
    with pytest.raises(MedadError, match="cannot train this in bfloat16"):
        device_for(recipe(pairs, precision="bf16"), "cpu")


def test_made_up_findings_lie_where_the_report_says() -> None:
    plain = make_brain(7, contrasts=("t1c",), spacing=6.0).study.volume()
    scan, report = scan_with_report(7, (0, 1, 0, 2))
    assert sentences_of(report) == [
        "Left frontal lobe: normal.",
        "Right frontal lobe: mass.",
        "Left parietal lobe: normal.",
        "Right parietal lobe: cyst.",
    ]
    largest = int(plain.array.max())
    for brightness, site in ((1.3, "right frontal"), (0.05, "right parietal")):
        found = (scan.array == round(brightness * largest)) & (scan.array != plain.array)
        world = (np.argwhere(found)[:, ::-1] @ scan.affine[:3, :3].T + scan.affine[:3, 3]) / SIZE
        assert np.linalg.norm(world - SITES[site], axis=1).max() < 28
        assert np.linalg.norm(world.mean(axis=0) - SITES[site]) < 12
    assert np.count_nonzero(scan.array != plain.array) < 0.1 * scan.array.size


def test_held_out_combinations_are_never_learned() -> None:
    made = examples(learned=5, held_out=3, scans=2)
    told = [example.report for example in made]
    assert [example.held_out for example in made] == [False] * 10 + [True] * 3
    assert all(told[n] not in told[:10] for n in (10, 11, 12))
    arrays = [example.image.array for example in made]
    assert not any(np.array_equal(a, b) for a, b in combinations(arrays, 2))


def test_calibration_tells_how_held_out_pairs_find_each_other(pairs, monkeypatch) -> None:
    held_out = [replace(pair, held_out=True) for pair in pairs]
    made = recipe([*pairs, *held_out])
    alike = torch.tensor(
        [[0.9, 0.1, 0.2, 0.3], [0.5, 0.4, 0.1, 0.1], [0.1, 0.1, 0.8, 0.8], [0.1, 0.2, 0.3, 0.7]]
    )
    monkeypatch.setattr(pretraining, "gallery", lambda *given: (alike, 0.25))
    found = made.calibrate(made.network().eval())
    assert found["vocabulary"] == made.tokenizer.vocabulary
    told = found["held_out_retrieval"]
    # ranks 1, 2, 2 (a tie counts against it), 1; and 1, 1, 1, 2
    assert told["scan to report"] == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median rank": 1.5}
    assert told["report to scan"] == {"R@1": 0.75, "R@5": 1.0, "R@10": 1.0, "median rank": 1.0}
    assert told["mean cosine of views"] == 0.25


def test_the_gallery_is_every_scan_with_every_report(pairs) -> None:
    held_out = [replace(pair, held_out=True) for pair in pairs]
    made = recipe(held_out)
    made.__dict__["tokenizer"] = recipe(pairs).tokenizer
    network, samples = made.network().eval(), made.dataset(held_out=True)
    alike, cosine = gallery(network, samples, "pva")
    assert alike.shape == (4, 4)
    with torch.inference_mode():
        views = [network.views(samples[n]["image"][None]).unit[0] for n in range(4)]
        for row, column in product(range(4), range(4)):
            text = made.tokenizer([sentences_of(pairs[column].report)])
            said = network.sentences(text).unit[0]
            one = align(views[row].numpy(), said.numpy()).similarity
            assert float(alike[row, column]) == pytest.approx(one, abs=1e-5)
    expected = [(v @ v.T)[~torch.eye(4, dtype=torch.bool)].mean() for v in views]
    assert cosine == pytest.approx(float(sum(expected)) / 4, abs=1e-5)


def test_nothing_held_out_is_not_measured(pairs) -> None:
    made = recipe([replace(pair, held_out=False) for pair in pairs])
    assert made.calibrate(made.network().eval()).keys() == {"vocabulary"}
