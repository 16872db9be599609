"""A dataset as a manifest, read back by those who train."""

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_medad.datasets import read_dataset, write_manifest
from napari_medad.errors import Cancelled, MedadError
from napari_medad.training.dataset import examples_from, fingerprint
from napari_medad.volumes.reader import read_volume


def manifest(root: Path, **options):
    return write_manifest(read_dataset(root), root.parent / "out" / "m.csv", **options)


def test_a_brats_case_is_its_folder_with_its_mask(laid_out):
    written = manifest(laid_out("brats23"))
    examples = examples_from(written.path)
    assert (written.rows, len(examples), written.masks) == (3, 3, None)
    first = examples[0]
    assert set(first.study().volumes) == {"t2f", "t1n", "t1c", "t2w"}
    assert first.mask.name == "BraTS-GLI-00000-000-seg.nii.gz"
    assert (first.task, first.label, first.held_out) == ("Brain MRI slice.", 1, False)
    assert [e.patient for e in examples[1:]] == ["BraTS-GLI-00008"] * 2


def test_one_volume_can_be_taken(laid_out):
    (first, *_) = examples_from(manifest(laid_out("brats23"), volume="t2w").path)
    assert first.image.name == "BraTS-GLI-00000-000-t2w.nii.gz"


def test_a_mask_of_an_odd_name_in_the_folder_is_not_taken_for_a_scan(laid_out):
    examples = examples_from(manifest(laid_out("brats20")).path)
    stray = next(e for e in examples if e.patient == "BraTS20_Training_355")
    assert stray.image.name == "BraTS20_Training_355_flair.nii.gz"
    assert stray.mask.name == "W39_1998.09.19_Segm.nii.gz"
    assert {e.patient: e.held_out for e in examples} == {
        "BraTS20_Training_001": False,
        "BraTS20_Training_355": False,
        "BraTS20_Validation_001": True,
    }


def test_a_frame_of_the_decathlon_is_read(laid_out):
    root = laid_out("msd-task1")
    (flair,) = examples_from(manifest(root).path)
    lesion = read_volume(flair.mask).array > 0
    assert (flair.study().volume().array[lesion] == 900).all()
    (t2,) = examples_from(manifest(root, volume="t2w").path)
    assert (t2.study().volume().array[lesion] == 3900).all()
    assert fingerprint([flair]) != fingerprint([t2])


def test_parts_stay_apart(laid_out):
    path = manifest(laid_out("oct17")).path
    taught, tested = examples_from(path), examples_from(path, test=True)
    held_out = {e.image.name for e in taught if e.held_out}
    assert held_out == {"DME-15307-1.jpeg"}
    assert {e.image.name for e in tested} == {"NORMAL-1384-2.jpeg"}
    assert {e.patient for e in taught}.isdisjoint(e.patient for e in tested)
    assert {e.study_class for e in taught} == {"CNV", "DME", "Drusen"}


def test_several_masks_become_one_file(laid_out):
    written = manifest(laid_out("busi"))
    known = {e.patient: e for e in examples_from(written.path)}
    mask = read_volume(known["benign_4"].mask)
    expected = np.zeros((1, 12, 16), bool)
    expected[0, 3:5, 5:9] = expected[0, 8, 0:3] = True
    np.testing.assert_array_equal(mask.array > 0, expected)
    assert written.masks == known["benign_4"].mask.parent
    assert (known["normal_1"].mask, known["normal_1"].label) == (None, 0)
    assert known["benign_4"].categories == {0: ("benign",)}
    assert known["normal_1"].categories == {0: ()}


def test_boxes_of_a_radiograph_become_a_mask_on_it(laid_out):
    known = {e.patient: e for e in examples_from(manifest(laid_out("rsna")).path)}
    opacity = known["0002"]
    mask = read_volume(opacity.mask)
    assert mask.grid.same_as(opacity.study().volume().grid)
    assert int((mask.array > 0).sum()) == 2 * 4 + 3 * 2
    assert (opacity.study().volume().array[0, 3:5, 5:9] == 220).all()
    assert (mask.array[0, 3:5, 5:9] > 0).all()


def test_slices_of_fastmri_are_rows_with_categories(laid_out):
    written = manifest(laid_out("fastmri-plus"))
    assert written.rows == 8
    marked = [e for e in examples_from(written.path) if not e.held_out]
    assert [e.categories for e in marked] == [
        {0: ("Small vessel chronic white matter ischemic change",)},
        {1: ("Edema",)},
        {2: ()},
        {3: ()},
    ]
    assert [e.label for e in marked] == [1, 1, 0, 0]


def test_only_normal_images_are_taught_where_that_is_asked(laid_out):
    root = laid_out("chestx-ray8")
    path = manifest(root, normal_only=True).path
    assert [e.image.name for e in examples_from(path)] == ["00000002_000.png"]
    assert len(examples_from(path, test=True)) == 2


def test_a_dataset_without_a_normal_image_cannot_teach_what_is_normal(laid_out):
    with pytest.raises(MedadError, match="no normal image"):
        manifest(laid_out("brats21"), normal_only=True)


def test_a_mask_that_does_not_fit_is_noted_and_its_cell_is_empty(laid_out):
    root = laid_out("busi")
    image = root / "Dataset_BUSI_with_GT/benign/benign (4).png"
    image.write_bytes((root / "Dataset_BUSI_with_GT/normal/normal (1).png").read_bytes()[:40])
    written = manifest(root)
    assert len(written.notes) == 1
    assert written.notes[0].startswith("benign_4 has no mask in the manifest: ")
    with written.path.open() as stream:
        rows = {row["patient"]: row for row in csv.DictReader(stream)}
    assert rows["benign_4"]["mask"] == ""


def test_a_manifest_that_was_cancelled_leaves_no_table(laid_out):
    root = laid_out("busi")
    with pytest.raises(Cancelled):
        manifest(root, progress=lambda step: "stop")
    assert not (root.parent / "out" / "m.csv").exists()


def test_what_cannot_be_written_is_refused(laid_out, tmp_path):
    held = read_dataset(laid_out("brats21"))
    with pytest.raises(MedadError, match=r"must end in \.csv"):
        write_manifest(held, tmp_path / "m.json")
    with pytest.raises(MedadError, match="has no volume 'ct'; it has t2f"):
        write_manifest(held, tmp_path / "m.csv", volume="ct")
