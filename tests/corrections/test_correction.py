"""Steps, their undoing, provenance, and findings kept up to date voxel by voxel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.corrections import regions, shapes, strokes, verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.edit import Edit
from napari_medad.corrections.history import History
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError


def test_it_begins_as_the_detection(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    assert [f.volume_ml for f in correction.findings] == pytest.approx([0.027, 0.008])
    assert [f.state for f in correction.findings] == ["detected", "detected"]
    np.testing.assert_array_equal(correction.labels, correction.detection.mask)
    np.testing.assert_array_equal(
        correction.provenance, np.where(two_cubes > 0.5, Provenance.DETECTED, 0)
    )
    for ours, theirs in zip(correction.findings, correction.detection.findings, strict=True):
        row = ours.row()
        assert (row.pop("state"), row.pop("category")) == ("detected", "")
        assert row == pytest.approx({k: v for k, v in theirs.row().items() if k != "category"})


def test_the_detection_itself_stays(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.reject(correction, [1]))
    assert [f.id for f in correction.findings] == [2]
    assert [f.id for f in correction.detection.findings] == [1, 2]


def test_a_stroke_keeps_only_the_voxels_it_changed(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    step = correction.apply(strokes.paint(correction, [[3, 3, 5]], 1.0, 1))
    # A ball of 1 mm round the middle of a face: of its 7 voxels one is in the cube already.
    assert step.where.size == 6
    assert step.box == (slice(2, 5), slice(2, 5), slice(5, 7))
    assert step.nbytes == 6 * (4 + 2 * 2 + 2 * 1)
    assert correction.finding(1).volume_ml == pytest.approx(0.033)
    assert correction.finding(1).state == "edited"


def test_undo_and_redo_go_through_every_operation(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)

    def edits():
        yield strokes.paint(correction, [[3, 3, 6], [3, 8, 6]], 1.5, 1)
        yield strokes.erase(correction, [[3, 3, 3]], 1.0, axis=0)
        yield verdicts.accept(correction, [2])
        yield verdicts.name(correction, [2], "oedema")
        yield shapes.grow(correction, 2, 1.5)
        yield verdicts.merge(correction, [1, 2])
        yield verdicts.split(correction, 1)
        yield regions.wand(correction, (0, 0, 0), 0.1, 9, reach_mm=2)
        yield regions.cut(correction, 0.9)
        yield verdicts.reject(correction, [1])

    states = [(correction.labels.copy(), correction.provenance.copy(), correction.findings)]
    for edit in edits():
        assert correction.apply(edit) is not None
        states.append((correction.labels.copy(), correction.provenance.copy(), correction.findings))
    for labels, provenance, findings in states[-2::-1]:
        correction.undo()
        same(correction, labels, provenance, findings)
    assert correction.undo() is None
    for labels, provenance, findings in states[1:]:
        correction.redo()
        same(correction, labels, provenance, findings)
    assert correction.redo() is None


def same(correction: Correction, labels, provenance, findings) -> None:
    np.testing.assert_array_equal(correction.labels, labels)
    np.testing.assert_array_equal(correction.provenance, provenance)
    alike(correction, findings)


def alike(correction: Correction, findings) -> None:
    """Equal figures; where the highest score occurs twice, either place is its peak."""
    for ours, theirs in zip(correction.findings, findings, strict=True):
        assert (ours.id, ours.state, ours.category) == (theirs.id, theirs.state, theirs.category)
        assert ours.slices == theirs.slices
        assert ours.max_score == theirs.max_score
        assert ours.mean_score == pytest.approx(theirs.mean_score)
        assert ours.volume_ml == pytest.approx(theirs.volume_ml)
        assert ours.extent_mm == pytest.approx(theirs.extent_mm)
        assert ours.centroid_ras == pytest.approx(theirs.centroid_ras)
        assert correction.labels[ours.peak_zyx] == ours.id
        assert correction.detection.maps["anomaly"][ours.peak_zyx] == ours.max_score


def test_a_new_step_drops_what_was_undone(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.reject(correction, [1]))
    correction.undo()
    correction.apply(verdicts.reject(correction, [2]))
    assert correction.redo() is None
    assert correction.ids == [1]


def test_an_edit_that_changes_nothing_is_no_step(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    assert correction.apply(strokes.erase(correction, [[0, 0, 0]], 1.0)) is None
    assert correction.apply(verdicts.name(correction, [1], "")) is None
    assert correction.revision == 0
    assert not correction.history.done


def test_an_edit_worked_out_on_an_older_mask_is_refused(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    edit = shapes.grow(correction, 1, 2.0)
    correction.apply(verdicts.reject(correction, [2]))
    with pytest.raises(MedadError, match="The mask changed meanwhile"):
        correction.apply(edit)


def test_painted_voxels_are_taken_in(correction_of: Callable, two_cubes: np.ndarray) -> None:
    """As a viewer paints: the mask has changed already, some voxels twice in one stroke."""
    correction = correction_of(two_cubes)
    flat = correction.labels.reshape(-1)
    free, held = 0, int(np.flatnonzero(flat == 1)[0])
    flat[free], flat[held] = 2, 0
    step = correction.painted("brush", np.array([free, held, free]), np.array([0, 1, 2]))
    assert step.labels.tolist() == [[0, 1], [2, 0]]
    kinds = correction.provenance.reshape(-1)
    assert (kinds[free], kinds[held]) == (Provenance.DRAWN, Provenance.REMOVED)
    correction.undo()
    np.testing.assert_array_equal(correction.labels, correction.detection.mask)


def test_findings_stay_right_through_random_strokes(correction_of: Callable) -> None:
    rng = np.random.default_rng(5)
    correction = correction_of(rng.random((16, 18, 20)) ** 4, (3, 1, 2))
    for _ in range(60):
        where = rng.integers(0, correction.labels.shape, (2, 3))
        if rng.random() < 0.5:
            edit = strokes.paint(correction, where, 2.5, int(rng.integers(1, 6)), over_others=True)
        else:
            edit = strokes.erase(correction, where, 3.0)
        correction.apply(edit)
        if rng.random() < 0.3:
            correction.undo()
    fresh = Correction(correction.detection, correction.labels, correction.provenance)
    assert fresh.ids == [int(n) for n in np.unique(correction.labels) if n]
    alike(correction, fresh.findings)


def test_the_oldest_steps_go_when_memory_is_full(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    correction.history = History(limit_bytes=300)
    for x in range(6, 14):
        correction.apply(strokes.paint(correction, [[6, 6, x]], 1.0, 3))
    assert correction.history.nbytes <= 300
    assert 0 < len(correction.history.done) < 8


def test_the_log_says_what_was_done(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.merge(correction, [1, 2]))
    correction.undo()
    assert [entry["what"] for entry in correction.log] == ["merge 1, 2", "undo: merge 1, 2"]
    assert [entry["voxels"] for entry in correction.log] == [8, 8]


def test_a_listener_hears_what_changed(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    heard = []
    correction.changed.connect(heard.append)
    correction.apply(verdicts.reject(correction, [2]))
    assert heard[0].ids == {2}
    assert heard[0].box == (slice(8, 10), slice(9, 11), slice(10, 12))


def test_numbers_run_out_with_a_sentence(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(Edit("paint", np.array([0]), 65535, int(Provenance.DRAWN)))
    with pytest.raises(MedadError, match="at most 65535 findings"):
        correction.free_id()
