"""From a dataset's folder through a detector to figures."""

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cli import run
from napari_medad.datasets import DatasetCase, read_dataset
from napari_medad.evaluation.image_level import image_metrics
from napari_medad.evaluation.patients import EvaluationCase, evaluate_cases


@pytest.fixture(scope="module")
def detector():
    return medad.load_detector("hyperintensity", median=1)


def measured(cases: list[DatasetCase], detector):
    def each():
        for case in cases:
            study = case.study()
            detection = medad.detect(study, detector)
            scores = detection.maps["anomaly"].astype(np.float32)
            yield EvaluationCase(case.name, scores, case.truth(study), study.volume().spacing)

    return evaluate_cases("hyperintensity", each, policy="test pool", surface=False)


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("brats20", ["BraTS20_Training_001", "BraTS20_Training_355"]),
        ("brats-mets", ["BraTS-MET-00009-000"]),
        ("msd-task1", ["BRATS_001"]),
        ("bmad", ["test_ungood_00002_60"]),
        ("chestx-ray8", ["00000001_001"]),
        ("fastmri-plus", ["file_brain_AXFLAIR_200_6000001"]),
    ],
)
def test_what_is_bright_is_found_where_the_truth_has_it(laid_out, detector, layout, names):
    held = [case for case in read_dataset(laid_out(layout)).cases if case.name in names]
    assert [case.name for case in held] == names
    figures = measured(held, detector)
    assert figures.pooled.auroc == pytest.approx(1.0)
    assert figures.pooled.average_precision == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("layout", "images", "abnormal"),
    [
        ("rsna", 2, 1),
        ("lag", 2, 1),
        ("busi", 3, 2),
        ("headct", 2, 1),
        ("brain-tumor-mri", 4, 3),
        ("oct17", 5, 4),
        ("medianomaly", 3, 1),
    ],
)
def test_images_of_classes_are_scored_and_measured(laid_out, detector, layout, images, abnormal):
    held = read_dataset(laid_out(layout)).cases
    scores = [medad.detect(case.study(), detector).maps["anomaly"].mean() for case in held]
    figures = image_metrics(np.array(scores), np.array([case.abnormal for case in held]))
    assert (figures.images, figures.abnormal) == (images, abnormal)
    assert figures.auroc is not None


def test_a_detector_learns_from_a_dataset(laid_out, tmp_path):
    root = laid_out("lag")
    first = root / "non_glaucoma/image/0001.jpg"
    for number in range(2, 7):
        first.with_stem(f"{number:04}").write_bytes(first.read_bytes())
    table, model = tmp_path / "lag.csv", tmp_path / "model"
    assert run(["datasets", str(root), "--manifest", str(table), "--normal-only"]) == 0
    small = {"size": 64, "hidden": 16, "decoder_fc": "direct", "epochs": 1, "batch_size": 8}
    small |= {"warm_up": 1, "text": "n-grams", "precision": "fp32"}
    sets = [text for key, value in small.items() for text in ("--set", f"{key}={value}")]
    train = ["train", "moe", "--data", str(table), "--out", str(model), "--device", "cpu"]
    assert run([*train, *sets]) == 0
    learned = medad.load_detector("moe", weights=str(model), device="cpu")
    case = read_dataset(root).cases[-1]
    assert case.abnormal
    detection = medad.detect(case.study(), learned)
    assert detection.maps["anomaly"].shape == (1, 12, 16)
