"""From a study to a map on its voxels."""

import numpy as np
import pytest

from napari_medad.detectors.device import Device
from napari_medad.detectors.rasalore.detector import RasaloreDetector, suppress_small
from napari_medad.detectors.rasalore.settings import RasaloreSettings
from napari_medad.errors import MedadError
from napari_medad.inference.run import detect
from napari_medad.volumes.foreground import foreground_of

from .conftest import brain_study, small_folder


def load(folder, **settings) -> RasaloreDetector:
    return RasaloreDetector(RasaloreSettings(**settings), Device("cpu"), str(folder))


@pytest.fixture
def folder(tmp_path):
    return small_folder(tmp_path / "m", facts={"threshold": 0.7}, intensity="volume", gamma=1.0)


def test_the_map_lies_on_the_volume_and_the_threshold_is_the_weights_own(folder) -> None:
    detection = detect(brain_study(), load(folder))
    anomaly = detection.maps["anomaly"]
    assert anomaly.shape == (6, 70, 60)
    assert not anomaly[~detection.foreground].any()
    assert 0 < anomaly[detection.foreground].max() <= 1
    assert detection.threshold == 0.7


@pytest.mark.parametrize("axis", ["coronal", "sagittal"])
def test_any_axis(folder, axis) -> None:
    detection = detect(brain_study(), load(folder), axis=axis)
    assert detection.maps["anomaly"].shape == (6, 70, 60)
    assert detection.maps["anomaly"].any()


def test_a_transposed_network_gives_the_transposed_map(tmp_path) -> None:
    study = brain_study()
    volume = study.volume()
    turned = volume.with_array(volume.array.swapaxes(1, 2).copy())
    plain = load(small_folder(tmp_path / "plain"))
    transposed = load(small_folder(tmp_path / "transposed", transposed=True))
    one = detect(type(study).from_volumes("turned", {"t2f": turned}), plain).maps["anomaly"]
    other = detect(study, transposed).maps["anomaly"]
    assert np.abs(one.swapaxes(1, 2) - other).max() < 1e-5


def test_several_volumes_are_joined_and_missing_ones_skipped(tmp_path) -> None:
    folder = small_folder(tmp_path / "m", modalities=("t1n", "t2f"), intensity="volume")
    both = detect(brain_study(("t1n", "t2f")), load(folder, volumes="all"))
    single = [
        detect(brain_study(("t1n", "t2f")), load(folder, volumes="chosen"), volume=v).maps[
            "anomaly"
        ]
        for v in ("t1n", "t2f")
    ]
    assert np.abs(both.maps["anomaly"] - np.max(single, axis=0)).max() < 1e-5
    assert any("Looked at t1n, t2f together" in note for note in both.record.notes)
    only = detect(brain_study(("t2f", "ct")), load(folder, volumes="all"))
    assert only.maps["anomaly"].any()
    with pytest.raises(MedadError, match="know t1n, t2f"):
        detect(brain_study(("ct",)), load(folder))


def test_mirror_makes_the_map_of_a_mirrored_slice_the_mirrored_map(folder) -> None:
    study = brain_study()
    volume = study.volume()
    flipped = type(study).from_volumes("f", {"t2f": volume.with_array(volume.array[:, :, ::-1])})
    one = detect(study, load(folder, mirror=True)).maps["anomaly"]
    other = detect(flipped, load(folder, mirror=True)).maps["anomaly"]
    assert np.abs(one[:, :, ::-1] - other).max() < 1e-4


def test_smoothing_is_across_slices_in_millimetres(folder) -> None:
    plain = detect(brain_study(), load(folder)).maps["anomaly"]
    smooth = detect(brain_study(), load(folder, smooth_mm=8.0)).maps["anomaly"]
    assert np.diff(smooth, axis=0).std() < np.diff(plain, axis=0).std()


def test_small_components_come_down_to_the_threshold_and_large_ones_stay() -> None:
    anomaly = np.zeros((4, 10, 10), np.float32)
    anomaly[0, 0, :3] = 0.9
    anomaly[1:3, 4:8, 4:8] = 0.8
    suppress_small(anomaly, voxels=10)
    assert anomaly[0, 0, :3].tolist() == pytest.approx([0.5] * 3)
    assert (anomaly[1:3, 4:8, 4:8] == np.float32(0.8)).all()


def test_a_gate_that_scores_no_slices_is_refused(folder) -> None:
    with pytest.raises(MedadError, match="no detector 'nobody'"):
        load(folder, gate="nobody")


def test_weights_that_saw_no_healthy_slice_say_so(tmp_path) -> None:
    folder = small_folder(tmp_path / "m", facts={"healthy_slices": 0})
    notes = detect(brain_study(), load(folder)).record.notes
    assert any("healthy" in note for note in notes)


def test_of_a_scan_smoother_than_any_only_what_is_nearly_certain_is_marked(folder) -> None:
    study = brain_study()
    volume = study.volume()
    assert detect(study, load(folder)).threshold == 0.7
    inside = volume.array > 0
    _, y, x = np.indices(inside.shape)
    ramp = ((300 + 0.02 * x + 2 * y) * inside).astype(np.float32)  # of one scan, none of another
    smooth = type(study).from_volumes("average", {"t2f": volume.with_array(ramp)})
    looking = load(folder)
    framing, foreground = looking.framing, foreground_of(smooth.volume())
    level = framing.level(ramp, foreground)
    assert framing.roughness(ramp, foreground, level, (4.0, 1.0, 2.0)) == pytest.approx(
        0.02 / level[1] / 2, rel=0.01
    )
    detection = detect(smooth, looking)
    assert detection.threshold == 0.85
    assert any("smoother than any" in note for note in detection.record.notes)
    assert detect(smooth, looking, threshold=0.3).threshold == 0.3
