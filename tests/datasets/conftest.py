"""A small made-up copy of every layout, a few pixels a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

ROWS, COLUMNS = 12, 16
PATCH = (3, 5, 2, 4)
"""Row, column, height and width of what is bright in an abnormal picture."""
AS_BRATS = np.diag([-1.0, -1.0, 1.0, 1.0])
SCAN_XYZ = (10, 9, 8)
LESION_XYZ = (slice(2, 5), slice(3, 5), slice(1, 3))
"""3 x 2 x 2 voxels."""


def tissue(rows: int, columns: int) -> np.ndarray:
    """Grey that brightens to the right, in a black frame."""
    pixels = np.zeros((rows, columns), np.uint8)
    pixels[1:-1, 1:-1] = 100 + np.arange(columns - 2, dtype=np.uint8)
    return pixels


def picture(path: Path, patch: tuple[int, int, int, int] | None = PATCH) -> Path:
    row, column, height, width = patch or (0, 0, 0, 0)
    pixels = tissue(ROWS, COLUMNS)
    pixels[row : row + height, column : column + width] = 220
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def mask(path: Path, patch: tuple[int, int, int, int] | None = PATCH) -> Path:
    row, column, height, width = patch or (0, 0, 0, 0)
    pixels = np.zeros((ROWS, COLUMNS), np.uint8)
    pixels[row : row + height, column : column + width] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def scan(path: Path, *, channels: int = 0, labels: bool = False) -> Path:
    voxels = np.zeros(SCAN_XYZ, np.int16)
    if labels:
        voxels[LESION_XYZ] = 4
    else:
        voxels[1:-1, 1:-1, :] = 100
        voxels[LESION_XYZ] = 900
    if channels:
        voxels = np.stack([voxels + 1000 * number for number in range(channels)], axis=-1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(voxels, AS_BRATS).to_filename(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def brats(root: Path, case: str, *, old: bool, mask: bool = True) -> None:
    mark, names = (
        ("_", ("flair", "t1", "t1ce", "t2")) if old else ("-", ("t2f", "t1n", "t1c", "t2w"))
    )
    for name in names:
        scan(root / case / f"{case}{mark}{name}.nii.gz")
    if mask:
        scan(root / case / f"{case}{mark}seg.nii.gz", labels=True)


def brats20(root: Path) -> None:
    brats(root / "MICCAI_BraTS2020_TrainingData", "BraTS20_Training_001", old=True)
    brats(root / "MICCAI_BraTS2020_TrainingData", "BraTS20_Training_355", old=True, mask=False)
    stray = "W39_1998.09.19_Segm.nii.gz"
    scan(root / "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355" / stray, labels=True)
    brats(root / "MICCAI_BraTS2020_ValidationData", "BraTS20_Validation_001", old=True, mask=False)


def brats21(root: Path) -> None:
    brats(root, "BraTS2021_00000", old=True)
    brats(root, "BraTS2021_00002", old=True, mask=False)


def brats23(root: Path) -> None:
    folder = root / "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"
    brats(folder, "BraTS-GLI-00000-000", old=False)
    brats(folder, "BraTS-GLI-00008-000", old=False)
    brats(folder, "BraTS-GLI-00008-001", old=False)


def brats_mets(root: Path) -> None:
    brats(root, "BraTS-MET-00009-000", old=False)
    scan(root / "BraTS-MET-00017-000/BraTS-MET-00017-000-seg.nii.gz", labels=True)


def msd(root: Path) -> None:
    task = root / "Task01_BrainTumour"
    scan(task / "imagesTr/BRATS_001.nii.gz", channels=4)
    scan(task / "labelsTr/BRATS_001.nii.gz", labels=True)
    scan(task / "imagesTs/BRATS_485.nii.gz", channels=4)
    text(task / "imagesTr/._BRATS_001.nii.gz", "left by another file system")


HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>24</x><y>10</y><z>1</z></matrixSize>
<fieldOfView_mm><x>48</x><y>30</y><z>7.5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>320</x><y>320</y><z>1</z></matrixSize>
<fieldOfView_mm><x>220</x><y>220</y><z>5</z></fieldOfView_mm></reconSpace>
</encoding></ismrmrdHeader>"""


def fastmri_file(path: Path, bright: tuple[int, int, int, int, int] | None = None) -> Path:
    """4 slices of 12 x 10 pixels; `bright`: slice, row from the top, column, height, width."""
    pixels = np.tile(tissue(12, 10).astype(np.float32), (4, 1, 1))
    if bright is not None:
        z, row, column, height, width = bright
        pixels[z, row : row + height, column : column + width] = 500
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["reconstruction_rss"] = pixels
        file["ismrmrd_header"] = HEADER
    return path


def fastmri_plus(root: Path) -> None:
    # y = 3 and height 2 counted from the bottom of 12 rows: rows 7 and 8 from the top
    fastmri_file(root / "multicoil_train/file_brain_AXFLAIR_200_6000001.h5", (1, 7, 4, 2, 3))
    fastmri_file(root / "multicoil_val/file_brain_AXT1POST_201_6000002.h5")
    fastmri_file(root / "multicoil_val/file_brain_AXT2_203_6000003.h5")
    text(root / "multicoil_val/file_brain_AXT1_201_6000004.h5", "cut off")
    text(
        root / "Annotations/brain.csv",
        "file,slice,study_level,x,y,width,height,label\n"
        "file_brain_AXFLAIR_200_6000001,1,No,4,3,3,2,Edema\n"
        "file_brain_AXFLAIR_200_6000001,1,No,0,0,2,2,Possible artifact\n"
        "file_brain_AXFLAIR_200_6000001,0,Yes,,,,,Global label: Small vessel chronic white matter "
        "ischemic change\n"
        "file_brain_AXT1_201_6000004,2,No,1,1,1,1,Mass\n",
    )
    listed = ("AXFLAIR_200_6000001", "AXT1POST_201_6000002", "AXT1_201_6000004")
    text(root / "Annotations/brain_file_list.csv", "".join(f"file_brain_{n}\n" for n in listed))


def bmad(root: Path) -> None:
    brain = root / "Brain"
    picture(brain / "train/good/img/00003_60.png", None)
    picture(brain / "valid/good/img/00025_99.png", None)
    picture(brain / "valid/Ungood/img/00124_60.png")
    mask(brain / "valid/Ungood/label/00124_60.png")
    picture(brain / "test/good/img/00002_97.png", None)
    picture(brain / "test/Ungood/img/00002_60.png")
    mask(brain / "test/Ungood/label/00002_60.png")
    picture(brain / "test/Ungood/img/00005_60.png")


def radiograph(path: Path, patch: tuple[int, int, int, int] | None) -> Path:
    row, column, height, width = patch or (0, 0, 0, 0)
    pixels = tissue(ROWS, COLUMNS)
    pixels[row : row + height, column : column + width] = 220
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    file.SeriesInstanceUID, file.Modality = pydicom.uid.generate_uid(), "CR"
    file.Rows, file.Columns, file.SamplesPerPixel = ROWS, COLUMNS, 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelSpacing, file.PixelData = [0.2, 0.2], pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path


def rsna(root: Path) -> None:
    for name, patch in (("0001", None), ("0002", PATCH), ("0003", None), ("0004", None)):
        radiograph(root / f"stage_2_train_images/{name}.dcm", patch)
    radiograph(root / "stage_2_test_images/0005.dcm", None)
    text(
        root / "stage_2_detailed_class_info.csv",
        "patientId,class\n0001,Normal\n0002,Lung Opacity\n0002,Lung Opacity\n"
        "0003,No Lung Opacity / Not Normal\n",
    )
    text(
        root / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target\n0001,,,,,0\n0002,5.0,3.0,4.0,2.0,1\n"
        "0002,12.0,8.0,2.0,3.0,1\n0003,,,,,0\n",
    )


def lag(root: Path) -> None:
    picture(root / "suspicious_glaucoma/image/0001.jpg")
    picture(root / "suspicious_glaucoma/attention_map/0001.jpg")
    picture(root / "non_glaucoma/image/0001.jpg", None)


def busi(root: Path) -> None:
    folder = root / "Dataset_BUSI_with_GT"
    picture(folder / "normal/normal (1).png", None)
    mask(folder / "normal/normal (1)_mask.png", None)
    picture(folder / "benign/benign (4).png")
    mask(folder / "benign/benign (4)_mask.png", (3, 5, 2, 4))
    mask(folder / "benign/benign (4)_mask_1.png", (8, 0, 1, 3))
    picture(folder / "malignant/malignant (2).png")


def headct(root: Path) -> None:
    picture(root / "head_ct/head_ct/000.png")
    picture(root / "head_ct/head_ct/001.png", None)
    picture(root / "head_ct/head_ct/002.png", None)
    text(root / "labels.csv", "id, hemorrhage\n0,1\n1,0\n")


def brain_tumor_mri(root: Path) -> None:
    picture(root / "Training/glioma/Tr-gl_0010.jpg")
    picture(root / "Training/notumor/Tr-no_0010.jpg", None)
    picture(root / "Testing/meningioma/Te-me_0010.jpg")
    picture(root / "Testing/pituitary/Te-pi_0010.jpg")


def oct17(root: Path) -> None:
    folder = root / "OCT2017 "
    picture(folder / "train/CNV/CNV-1016042-1.jpeg")
    picture(folder / "train/CNV/CNV-1016042-2.jpeg")
    picture(folder / "train/NORMAL/NORMAL-1384-1.jpeg", None)
    picture(folder / "train/DRUSEN/DRUSEN-53018-1.jpeg")
    picture(folder / "val/DME/DME-15307-1.jpeg")
    picture(folder / "test/NORMAL/NORMAL-1384-2.jpeg", None)
    picture(folder / "test/CNV/CNV.jpeg")


def chestx_ray8(root: Path) -> None:
    for name in ("00000001_000", "00000001_001", "00000002_000", "00000003_000"):
        picture(root / f"images/{name}.png", PATCH if name == "00000001_001" else None)
    text(
        root / "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age\n"
        "00000001_000.png,Cardiomegaly|Pleural_Thickening,0,1,58\n"
        "00000001_001.png,Infiltration,1,1,58\n"
        "00000002_000.png,No Finding,0,2,81\n",
    )
    text(
        root / "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000001_001.png,Infiltrate,5.2,3.0,4.1,1.9,,,\n",
    )
    text(root / "train_val_list.txt", "00000002_000.png\n00000003_000.png\n")
    text(root / "test_list.txt", "00000001_000.png\n00000001_001.png\n")


def medianomaly(root: Path) -> None:
    for name in ("0001.jpg", "0002.jpg", "0003.jpg", "0004.jpg"):
        picture(root / "images" / name, PATCH if name in ("0003.jpg", "0004.jpg") else None)
    unlabelled = {"0": [], "1": ["0004.jpg"]}
    lists = {
        "train": {"0": ["0001.jpg"], "unlabeled": unlabelled},
        "test": {"0": ["0002.jpg", "0009.jpg"], "1": ["0003.jpg"]},
    }
    text(root / "data.json", json.dumps(lists))


WRITERS = {
    "brats20": brats20,
    "brats21": brats21,
    "brats23": brats23,
    "brats-mets": brats_mets,
    "msd-task1": msd,
    "fastmri-plus": fastmri_plus,
    "bmad": bmad,
    "rsna": rsna,
    "lag": lag,
    "busi": busi,
    "headct": headct,
    "brain-tumor-mri": brain_tumor_mri,
    "oct17": oct17,
    "chestx-ray8": chestx_ray8,
    "medianomaly": medianomaly,
}


@pytest.fixture
def laid_out(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the made-up copy of a layout and gives its folder."""

    def write(layout: str) -> Path:
        root = tmp_path / "data"
        WRITERS[layout](root)
        return root

    return write
