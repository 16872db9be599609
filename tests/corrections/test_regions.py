"""The wand, a new threshold under the reader's decisions, and MedSAM's answer as an edit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.backbones.medsam.prompts import Box
from napari_medad.corrections import regions, strokes, verdicts
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import Cancelled, MedadError


@pytest.fixture
def stairs() -> np.ndarray:
    """Scores 0, 0.1 ... 0.9 along x, the same everywhere else."""
    return np.broadcast_to(np.arange(10) / 10, (6, 8, 10)).astype(np.float32)


def test_the_wand_takes_what_is_like_the_seed(correction_of: Callable, stairs) -> None:
    correction = correction_of(stairs)
    correction.apply(verdicts.reject(correction, [1]))
    correction.apply(regions.wand(correction, (3, 4, 7), 0.11, 5))
    assert np.unique(np.nonzero(correction.labels == 5)[2]).tolist() == [6, 7, 8]
    assert correction.finding(5).volume_ml == pytest.approx(6 * 8 * 3 / 1000)
    assert correction.finding(5).state == "drawn"


def test_the_wand_stays_in_its_slice_and_reach(correction_of: Callable, stairs) -> None:
    correction = correction_of(stairs, (2, 1, 1))
    correction.apply(verdicts.reject(correction, [1]))
    correction.apply(regions.wand(correction, (3, 4, 7), 0.01, 5, axis=0))
    assert np.unique(np.nonzero(correction.labels)[0]).tolist() == [3]
    correction.undo()
    correction.apply(regions.wand(correction, (3, 4, 7), 0.01, 5, reach_mm=2))
    assert np.count_nonzero(correction.labels) == 3 * 5  # 2 mm: one slice, two rows each way


def test_the_wand_outside_the_scan_is_refused(correction_of: Callable, stairs) -> None:
    with pytest.raises(MedadError, match="outside the scan"):
        regions.wand(correction_of(stairs), (3, 4, 10), 0.1, 1)


def test_a_new_threshold_leaves_what_the_reader_decided(correction_of: Callable) -> None:
    scores = np.zeros((5, 5, 20), np.float32)
    scores[2, 2] = [0, 0, 0.6, 0.9, 0.9, 0.6, 0.4, 0, 0, 0, 0.6, 0.9, 0, 0, 0, 0.4, 0, 0, 0, 0]
    correction = correction_of(scores)  # findings 2..5 and 10..11
    correction.apply(strokes.erase(correction, [[2, 2, 2]], 0.4))
    correction.apply(verdicts.accept(correction, [2]))
    correction.apply(strokes.paint(correction, [[2, 2, 18]], 0.4, 3))
    correction.apply(regions.cut(correction, 0.3))
    row = correction.labels[2, 2].tolist()
    assert row == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 2, 2, 0, 0, 0, 4, 0, 0, 3, 0]
    correction.apply(regions.cut(correction, 0.8))
    row = correction.labels[2, 2].tolist()
    assert row == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 3, 0]
    assert correction.provenance[2, 2, 2] == Provenance.REMOVED
    assert correction.provenance[2, 2, 5] == Provenance.BACKGROUND


def test_new_voxels_between_two_findings_join_the_nearer(correction_of: Callable) -> None:
    scores = np.zeros((3, 3, 9), np.float32)
    scores[1, 1] = [0.9, 0.9, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.9]
    correction = correction_of(scores)
    correction.apply(regions.cut(correction, 0.3))
    assert correction.labels[1, 1, :5].tolist() == [1, 1, 1, 1, 1]
    assert correction.labels[1, 1, 5:].tolist() == [2, 2, 2, 2]


def test_noise_makes_no_findings_below_the_smallest(correction_of: Callable) -> None:
    rng = np.random.default_rng(0)
    scores = np.where(rng.random((30, 40, 40)) > 0.97, 0.4, 0).astype(np.float32)
    scores[3:6, 3:6, 3:6] = 0.9
    scores[20:23, 20:23, 20:23] = 0.45
    correction = correction_of(scores)
    correction.apply(regions.cut(correction, 0.3, minimum_ml=0.020))
    assert correction.ids == [1, 2]
    assert correction.finding(2).volume_ml >= 0.027
    assert (correction.labels[20:23, 20:23, 20:23] == 2).all()


def test_the_largest_are_numbered_where_numbers_run_out(correction_of: Callable) -> None:
    scores = np.zeros((3, 3, 30), np.float32)
    scores[1, 1, [1, 5, 9, 10, 11, 20, 21]] = 0.4
    correction = correction_of(scores)
    correction.apply(strokes.paint(correction, [[1, 1, 28]], 0.4, 65533))
    correction.apply(regions.cut(correction, 0.3))
    row = correction.labels[1, 1]
    assert (row[9:12] == 65534).all()
    assert (row[20:22] == 65535).all()
    assert not row[:9].any()


def test_a_cut_can_be_stopped(correction_of: Callable, stairs) -> None:
    correction = correction_of(stairs)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        regions.cut(correction, 0.3, report=stop)


class SeesTheBox:
    """In place of MedSAM: the inner part of the box that it is asked for."""

    def look(self, grey: np.ndarray) -> None:
        self.shape = grey.shape

    def ask(self, box: Box | None = None, points: object = None) -> np.ndarray:
        seen = np.zeros(self.shape)
        seen[int(box.y0) + 1 : int(box.y1) - 1, int(box.x0) + 1 : int(box.x1) - 1] = 0.9
        return seen


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_medsams_answer_lies_in_its_slice(correction_of: Callable, two_cubes, axis) -> None:
    correction = correction_of(two_cubes)
    grey = np.zeros(np.delete(two_cubes.shape, axis), np.uint8)
    edit = regions.ask_medsam(correction, SeesTheBox(), grey, axis, 3, 4, box=Box(5, 6, 10, 10))
    correction.apply(edit)
    found = np.argwhere(correction.labels == 4)
    assert len(found) == 3 * 2
    assert set(found[:, axis]) == {3}
    rows, columns = np.delete(found, axis, axis=1).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 8, 6, 8)


def test_medsam_that_sees_nothing_says_so(correction_of: Callable, two_cubes) -> None:
    correction = correction_of(two_cubes)
    with pytest.raises(MedadError, match="sees nothing there"):
        regions.ask_medsam(
            correction, SeesTheBox(), np.zeros((14, 16), np.uint8), 0, 3, 4, box=Box(5, 5, 6, 6)
        )
