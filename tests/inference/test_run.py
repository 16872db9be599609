"""What `detect` adds to a detector: order, crops and their way back, scores, record, cancel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medad.errors import Cancelled, MedadError
from napari_medad.inference.run import detect
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import AXES, Volume


@pytest.mark.parametrize("axis", AXES)
def test_crops_are_pasted_back_exactly(doubling, study, axis):
    detection = detect(study, doubling, axis=axis)
    array = study.volume().array
    assert np.array_equal(detection.maps["anomaly"], 2.0 * array)
    assert detection.maps["anomaly"].dtype == np.float32
    assert detection.slice_scores.shape == (array.shape[AXES[axis]],)


def test_only_slices_with_foreground_are_looked_at_each_once(doubling, study):
    detection = detect(study, doubling)
    assert sorted(i for batch in doubling.seen for i in batch) == list(range(2, 20))
    skipped = [0, 1, 20, 21, 22, 23]
    assert np.flatnonzero(np.isnan(detection.slice_scores)).tolist() == skipped


def test_slice_scores_are_means_over_the_foreground(doubling, study):
    detection = detect(study, doubling)
    inside = study.volume().array[7, 4:14, 3:17]
    assert detection.slice_scores[7] == pytest.approx(2 * inside.mean())


def test_the_wanted_slice_comes_first_and_the_others_outward(doubling, study):
    detect(study, doubling, start=10)
    assert sorted(doubling.seen[0]) == [9, 10, 11, 12] or sorted(doubling.seen[0]) == [8, 9, 10, 11]
    assert doubling.seen[0][0] == 10
    distances = [abs(i - 10) for batch in doubling.seen for i in batch]
    assert distances == sorted(distances)


def test_progress_streams_finished_slices_and_counts_to_the_end(doubling, study):
    reports = []

    def watch(progress):
        for index in progress.indices:
            assert np.array_equal(
                progress.maps["anomaly"][index], 2.0 * study.volume().array[index]
            )
        reports.append((progress.done, progress.total, progress.unit, progress.eta_s))

    detect(study, doubling, progress=watch)
    assert [r[0] for r in reports] == [4, 8, 12, 16, 18]
    assert {r[1:3] for r in reports} == {(18, "slices")}
    assert all(r[3] >= 0 for r in reports)
    assert reports[-1][3] == 0


def test_stop_ends_after_the_batch_in_which_it_was_said(doubling, study):
    with pytest.raises(Cancelled):
        detect(study, doubling, progress=lambda progress: "stop")
    assert len(doubling.seen) == 1


def test_a_volume_detector_stops_at_its_next_step(whole, study):
    steps = []

    def watch(progress):
        steps.append((progress.done, progress.total))
        return "stop" if progress.done == 2 else None

    with pytest.raises(Cancelled):
        detect(study, whole, progress=watch)
    assert steps == [(1, 5), (2, 5)]


def test_nothing_is_said_outside_the_foreground(whole, study):
    detection = detect(study, whole)
    assert np.array_equal(detection.maps["anomaly"] > 0, study.volume().array > 0)


def test_its_own_scores_threshold_and_remarks_reach_the_record(scoring, study):
    detection = detect(study, scoring)
    assert detection.slice_scores[2:20].tolist() == list(range(2, 20))
    assert detection.threshold == detection.record.threshold_value == 3.5
    assert detection.record.threshold_source == "drawn from a hat"
    assert detection.record.notes == ["Mind the gap."]
    assert detection.maps["anomaly"][5, 5, 5] == study.volume().array[5, 5, 5] + 1


def test_the_detectors_favourite_modality_is_chosen_and_else_the_reference(doubling, whole, study):
    volume = study.volume()
    both = Study.from_volumes("case", {"t1n": volume, "t2f": volume}, reference="t1n")
    assert detect(both, doubling).record.volume == "t2f"
    assert detect(both, whole).record.volume == "t1n"
    assert detect(both, doubling, volume="t1n").record.volume == "t1n"


def test_non_finite_voxels_never_reach_a_map(doubling, study):
    array = study.volume().array.astype(np.float32)
    array[5, 6, 7], array[5, 6, 8] = np.nan, np.inf
    hurt = Study.from_volumes("case", {"t2f": Volume(array, study.volume().affine, "t2f")})
    detection = detect(hurt, doubling)
    assert np.isfinite(detection.maps["anomaly"]).all()
    assert np.isfinite(detection.slice_scores[2:20]).all()


def test_the_source_is_left_as_it_is(doubling, study):
    before = study.volume().array.copy()
    study.volume().array.flags.writeable = False
    detect(study, doubling)
    assert np.array_equal(study.volume().array, before)


def test_sources_are_recorded_with_their_checksums(doubling, study, tmp_path):
    file = tmp_path / "scan.nii.gz"
    file.write_bytes(b"voxels")
    volume = study.volume()
    placed = replace(volume, source=replace(volume.source, path=file, frame=3))
    detection = detect(Study.from_volumes("case", {"t2f": placed}), doubling)
    (source,) = detection.record.sources
    assert (source.volume, source.path, source.frame) == ("t2f", str(file), 3)
    assert len(source.sha256) == 64


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"axis": "oblique"}, "The axis 'oblique' is unknown; use axial, coronal, sagittal."),
        ({"volume": "t1c"}, "has no volume 't1c'; it has t2f"),
        ({"threshold": "much"}, "The threshold 'much' is not understood"),
        ({"minimum_ml": -1}, "The minimum size cannot be -1 mL"),
    ],
)
def test_a_wrong_argument_is_one_sentence_before_anything_runs(doubling, study, wrong, sentence):
    with pytest.raises(MedadError) as caught:
        detect(study, doubling, **wrong)
    assert sentence in str(caught.value)
    assert doubling.seen == []
