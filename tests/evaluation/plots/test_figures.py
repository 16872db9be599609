"""What figures show is what the evaluations say, for one and for several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.overlap import CLASSICAL, COLOUR_BLIND_SAFE, SCHEMES
from napari_medad.evaluation.plots.curves import ranking_curves, score_histograms
from napari_medad.evaluation.plots.heat_maps import expert_selection, text_similarity
from napari_medad.evaluation.plots.overlays import Outcome, key_slices, outcome_slices
from napari_medad.evaluation.plots.patients import dice_by_distance, dice_by_patient, dice_by_size
from napari_medad.evaluation.plots.standard import standard_figures, write_figures
from napari_medad.evaluation.slices import distance_curve, size_correlation

Make = Callable[..., Evaluation]


@pytest.fixture(scope="module")
def pair(made: Make) -> list[Evaluation]:
    return [made("moe"), made("vand", 0.15, policy="test pool")]


def test_boxes_are_the_slices_and_crosses_the_volumes(pair: list[Evaluation]) -> None:
    figure = dice_by_patient(pair)
    assert len(figure.axes) == 2
    assert figure.axes[1].get_title(loc="left") == "vand (oracle, pool)"
    for axis, held in zip(figure.axes, pair, strict=True):
        crosses = next(line for line in axis.lines if line.get_marker() == "x")
        np.testing.assert_allclose(crosses.get_ydata(), held.values("dice"))
        medians = [line.get_ydata()[0] for line in axis.lines if line.get_linewidth() == 1.6]
        expected = [np.median([s.dice for s in p.slices]) for p in held.patients]
        np.testing.assert_allclose(medians[: len(expected)], expected)


def test_the_curve_and_its_bars_are_those_of_the_slices(pair: list[Evaluation]) -> None:
    front, back = dice_by_distance(pair).axes
    for line, held in zip(front.lines, pair, strict=True):
        slices = [s for p in held.patients for s in p.slices]
        centres, dice, counts = distance_curve(slices)
        np.testing.assert_allclose(line.get_xdata(), centres)
        np.testing.assert_allclose(line.get_ydata(), dice)
        assert [bar.get_height() for bar in back.patches] == counts.tolist()


def test_dots_are_slices_and_patients_with_their_correlation(pair: list[Evaluation]) -> None:
    slices, volumes = dice_by_size(pair).axes
    shown = volumes.collections[0].get_offsets()
    expected = np.stack([pair[0].values("lesion_ml"), pair[0].values("dice")], 1)
    np.testing.assert_allclose(shown, expected)
    assert len(slices.collections[1].get_offsets()) == sum(len(p.slices) for p in pair[1].patients)
    rho = size_correlation(pair[0].values("lesion_ml"), pair[0].values("dice"))
    assert volumes.texts[0].get_text() == f"Spearman ρ = {rho:.2f}"


def test_curves_carry_their_areas(pair: list[Evaluation]) -> None:
    roc, precision = ranking_curves(pair).axes
    assert [t.get_text() for t in roc.get_legend().get_texts()] == [
        f"{held.name}, AUROC {held.pooled.auroc:.3f}" for held in pair
    ]
    across, up = roc.lines[0].get_data()
    assert np.trapezoid(up, across) == pytest.approx(pair[0].pooled.auroc, abs=0.01)
    share = pair[0].pooled.lesion_voxels / pair[0].pooled.voxels
    assert precision.lines[2].get_ydata()[0] == pytest.approx(share)


def test_histograms_are_shares_of_each_kind(pair: list[Evaluation]) -> None:
    axis = score_histograms(pair).axes[0]
    for patch in axis.patches[1::2]:
        values, edges, _ = patch.get_data()
        assert values.sum() == pytest.approx(1)
        np.testing.assert_allclose(edges, pair[0].pooled.score_edges)
    threshold = next(line for line in axis.lines if line.get_label() == "threshold")
    assert threshold.get_xdata()[0] == 0.55


def _outcome() -> Outcome:
    labels = np.zeros((9, 6, 6), np.uint8)
    labels[2, 1:4, 1:4], labels[4, 1:3, 1:3], labels[6, 2:5, 2:4], labels[8, 2, 2] = 1, 2, 3, 1
    image = np.ones(labels.shape, np.float32)
    return Outcome("p1, Dice 0.5", image, labels, (2.0, 1.0, 1.0))


def test_key_slices_show_what_is_right_false_and_missed() -> None:
    labels = _outcome().labels
    assert key_slices([labels]) == (2, 4, 6, 8)
    assert key_slices([labels], 3) == (2, 4, 6)
    assert key_slices([np.zeros_like(labels)]) == ()
    other = np.zeros_like(labels)
    other[3, :4, :4] = 1  # the slice with most right voxels of both, too near to 2 and 4
    assert key_slices([labels, other], 2) == (3, 6)


@pytest.mark.parametrize("scheme", [CLASSICAL, COLOUR_BLIND_SAFE])
def test_overlays_mix_the_colours_of_the_scheme_into_the_scan(scheme: str) -> None:
    axis = outcome_slices([_outcome()], scheme).axes[0]
    picture = axis.images[0].get_array()
    grey = picture[5, 5]
    expected = 0.4 * grey + 0.6 * np.array(to_rgb(SCHEMES[scheme][1]))
    np.testing.assert_allclose(picture[2, 2], expected)
    assert grey[0] == grey[1] == grey[2]


def test_heat_maps_hold_what_they_are_given() -> None:
    axis = expert_selection({"a": {"one": 0.9, "two": 0.1}, "b": {"two": 1.0}}).axes[0]
    np.testing.assert_allclose(axis.images[0].get_array(), [[0.9, 0.1], [np.nan, 1]])
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b"]
    before, after = np.zeros((2, 3)), np.ones((2, 3))
    figure = text_similarity(["x", "normal"], ["s1", "s2", "n"], after, before)
    assert [axis.get_title(loc="left") for axis in figure.axes[:2]] == [
        "Before learning",
        "After learning",
    ]
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), after)


def test_every_figure_is_written_and_the_global_state_is_left(
    tmp_path: Path, pair: list[Evaluation]
) -> None:
    before = dict(mpl.rcParams)
    figures = standard_figures(pair, [_outcome()])
    paths = write_figures(tmp_path, figures)
    assert dict(mpl.rcParams) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert len(figures) == 7
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert min(picture.size) > 200
        else:
            assert "</svg>" in path.read_text(encoding="utf-8")


def test_without_lesions_only_the_histogram_is_left(made: Make) -> None:
    healthy = made("moe").model_copy(update={"patients": ()})
    assert [figure.name for figure in standard_figures([healthy])] == ["score_histograms"]
