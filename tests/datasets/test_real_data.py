"""Real scans and pictures, laid out as their datasets are."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.datasets import DatasetCase, read_dataset, write_manifest
from napari_medad.evaluation.patients import EvaluationCase, evaluate_cases
from napari_medad.training.dataset import examples_from


def link(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.symlink_to(source)


def auroc(case: DatasetCase, **settings: object) -> float:
    detector = medad.load_detector("hyperintensity", **settings)

    def each():
        study = case.study()
        scores = medad.detect(study, detector).maps["anomaly"].astype(np.float32)
        yield EvaluationCase(case.name, scores, case.truth(study), study.volume().spacing)

    figures = evaluate_cases("hyperintensity", each, policy="test pool", surface=False)
    assert figures.pooled.auroc is not None
    return figures.pooled.auroc


def test_a_glioma_of_brats_2023(real_data, tmp_path):
    root = tmp_path / "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"
    source = real_data / "tumour/BraTS-GLI-00000-000"
    link(source, root / "BraTS-GLI-00000-000")
    held = read_dataset(tmp_path)
    (case,) = held.cases
    assert (held.layout, case.split, held.notes) == ("brats23", "train", ())
    assert set(case.images) == {"t1n", "t1c", "t2w", "t2f"}
    assert int(case.truth().sum()) == 57305  # voxels of the mask, counted by others
    assert auroc(case) > 0.9


def test_a_metastasis_scan_without_a_mask_is_noted(real_data, tmp_path):
    source = real_data / "tumour/BraTS-MET-00110-000"
    link(source, tmp_path / "BraTS-MET-00110-000")
    held = read_dataset(tmp_path)
    assert held.layout == "brats-mets"
    assert held.notes[0].endswith("(1): BraTS-MET-00110-000.")
    assert held.cases[0].truth() is None


def test_brain_tumor_mri(real_data, tmp_path):
    names = {"glioma": "glioma", "meningioma": "meningioma", "normal": "notumor"}
    names |= {"pituitary": "pituitary"}
    for folder, kind in names.items():
        for file in (real_data / "2d/brain_mri_slices" / folder).iterdir():
            link(file, tmp_path / "data/Training" / kind / file.name)
    held = read_dataset(tmp_path / "data")
    assert held.layout == "brain-tumor-mri"
    assert len(held.cases) == 48
    assert sum(case.abnormal is False for case in held.cases) == 24
    path = write_manifest(held, tmp_path / "m.csv", normal_only=True).path
    assert {example.study().volume().array.shape for example in examples_from(path)} == {
        (1, 224, 224)
    }


def test_busi(real_data, tmp_path):
    root = tmp_path / "Dataset_BUSI_with_GT"
    masked = real_data / "2d/breast_ultrasound_masked"
    for mask in sorted(masked.glob("masks/*/*.png")):
        kind, number = mask.parent.name, mask.stem.split("_")[1]
        link(masked / kind / mask.name, root / kind / f"{kind} ({number}).png")
        link(mask, root / kind / f"{kind} ({number})_mask.png")
    for file in (real_data / "2d/breast_ultrasound/normal").iterdir():
        number = file.stem.split("_")[1]
        link(file, root / "normal" / f"normal ({number}).png")
    held = read_dataset(root)
    assert (held.layout, held.notes) == ("busi", ())
    lesions = [case for case in held.cases if case.abnormal]
    assert (len(lesions), len(held.cases)) == (7, 21)
    shares = [truth.mean() for case in lesions if (truth := case.truth()) is not None]
    assert np.mean(shares) == pytest.approx(0.074, abs=0.005)  # as counted by others
    # tumours are darker than the tissue around them
    assert np.mean([auroc(case, polarity="dark") for case in lesions]) > 0.6


def test_oct17(real_data, tmp_path):
    for kind in ("cnv", "dme", "drusen", "normal"):
        for file in (real_data / "2d/retinal_oct" / kind).iterdir():
            link(file, tmp_path / "OCT2017/test" / kind.upper() / file.name)
    held = read_dataset(tmp_path)
    told = {case.name: case.patient for case in held.cases}
    assert told == {"DME-15307-9": "15307", "DRUSEN-53018-1": "53018", "NORMAL-1384-2": "1384"}
    assert held.notes == ("Pictures left out, no patient in their names (1): CNV.jpeg.",)
    detection = medad.detect(held.cases[0].study(), medad.load_detector("hyperintensity"))
    assert np.isfinite(detection.maps["anomaly"]).all()


@pytest.fixture
def nih(real_data, tmp_path) -> Path:
    """Three normal radiographs and three with pneumonia, and the tables that list them."""
    rows = []
    for kind, finding in (("normal", "No Finding"), ("pneumonia", "Infiltration|Pneumonia")):
        for file in sorted((real_data / "2d/chest_xray_adult" / kind).iterdir()):
            link(file, tmp_path / "images_001/images" / file.name)
            rows.append((file.name, finding, int(file.stem[4:8])))
    with (tmp_path / "Data_Entry_2017_v2020.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("Image Index", "Finding Labels", "Patient ID"), *rows])
    boxes = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    boxes += "00007256_004.png,Pneumonia,100.6,200.2,300.1,150.0,,,\n"
    (tmp_path / "BBox_List_2017.csv").write_text(boxes)
    return tmp_path


def test_chestx_ray8(nih):
    held = read_dataset(nih)
    assert (held.layout, len(held.cases), held.notes) == ("chestx-ray8", 6, ())
    known = {case.name: case for case in held.cases}
    boxed = known["00007256_004"]
    assert (boxed.patient, boxed.labels) == ("7256", ("Infiltration", "Pneumonia"))
    truth = boxed.truth()
    assert truth.shape == (1, 1024, 1024)
    assert int(truth.sum()) == 300 * 150
    assert truth[0, 200:350, 101:401].all()
    assert not known["00001280_004"].truth().any()


def test_slices_of_head_ct(real_data, tmp_path):
    files = sorted((real_data / "2d/head_ct_masked/haemorrhage").iterdir())
    for number, file in enumerate(files):
        link(file, tmp_path / "data/head_ct/head_ct" / f"{number:03}.png")
    rows = "".join(f"{number},1\n" for number in range(len(files)))
    (tmp_path / "data/labels.csv").write_text(f"id, hemorrhage\n{rows}")
    held = read_dataset(tmp_path / "data")
    assert (held.layout, len(held.cases)) == ("headct", 23)
    assert all(case.labels == ("haemorrhage",) for case in held.cases)
    assert held.cases[0].study().volume().array.shape == (1, 512, 512)


def test_slices_of_head_ct_with_masks_as_bmad_has_them(real_data, tmp_path):
    source = real_data / "2d/head_ct_masked"
    for mask in (source / "masks/haemorrhage").iterdir():
        stem = f"{mask.stem[:3]}_{mask.stem[3:]}"
        image = source / "haemorrhage" / mask.name
        link(image, tmp_path / "Head/test/Ungood/img" / f"{stem}.png")
        link(mask, tmp_path / "Head/test/Ungood/label" / f"{stem}.png")
    held = read_dataset(tmp_path)
    assert (held.layout, len(held.cases), held.notes) == ("bmad", 23, ())
    shares = [truth.mean() for case in held.cases if (truth := case.truth()) is not None]
    assert np.mean(shares) == pytest.approx(0.0192, abs=1e-4)  # as counted by others
