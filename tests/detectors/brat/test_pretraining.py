"""Pre-training: the objective's parts and ablations, its rates, and data that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medad.detectors.brat.made_up import FINDINGS, SITES, examples, scan_with_report
from napari_medad.detectors.brat.pretraining import Pretraining
from napari_medad.detectors.brat.recipe import BratOptions, BratRecipe
from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.loop import device_for
from napari_medad.volumes.phantom import make_brain

TINY = {
    "backbone": "small", "side": 64, "queries": 4, "width": 48, "layers": 2, "heads": 4,
    "feed_forward": 96, "cross_every": 1, "embedding": 32, "precision": "fp32",
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs() -> list[Example]:
    return examples(learned=3, held_out=1)


def recipe(pairs, preset: str = "", **options) -> Pretraining:
    chosen = {**TINY, **BratRecipe.presets.get(preset, {}), **options}
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
    made = recipe(pairs)
    rates = [group["lr"] for group in made.optimiser(made.network()).param_groups]
    assert rates == [5e-4, 5e-5]


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
    assert "an enhancing mass in the right frontal lobe" in report
    assert "a cyst in the right parietal lobe" in report
    change = scan.array.astype(int) - plain.array
    for found, site in ((change > 0, "right frontal"), (scan.array == 0, "right parietal")):
        where = np.argwhere(found & (change != 0))[:, ::-1]
        world = where @ scan.affine[:3, :3].T + scan.affine[:3, 3]
        assert np.linalg.norm(world - SITES[site], axis=1).max() < 17
    assert len(FINDINGS) == 2
