"""Run records: written, read back, and refused."""

from __future__ import annotations

import hashlib

import pytest

from napari_medad.errors import MedadError
from napari_medad.results.run_record import RunRecord, SourceRecord, WeightsRecord, sha256_of


def test_a_record_reads_back_as_it_was(tmp_path):
    record = RunRecord(
        detector="moe",
        volume="t2f",
        settings={"size": 128, "variant": "fixed"},
        prompt="Brain MRI slice.",
        threshold="quantile:0.98",
        threshold_value=0.25,
        weights=WeightsRecord(state="starter", name="starter", path="w", sha256="0" * 64),
        sources=[SourceRecord(volume="t2f", path="case.nii.gz", sha256="1" * 64, frame=2)],
        notes=["Resampled."],
    )
    path = tmp_path / "record.json"
    path.write_text(record.model_dump_json())
    assert RunRecord.read(path) == record
    assert "numpy" in record.versions


@pytest.mark.parametrize("state", ["none", "starter", "released", "trained"])
def test_only_random_weights_are_untrained(state):
    record = RunRecord(detector="moe", volume="t2f", weights=WeightsRecord(state=state))
    assert not record.untrained
    untrained = record.model_copy(update={"weights": WeightsRecord(state="untrained")})
    assert untrained.untrained


@pytest.mark.parametrize("text", ["{", "[]", '{"detector": "moe"}', '{"name": "Jane"}', "\x00\xff"])
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(MedadError, match=r"record\.json is not a run record"):
        RunRecord.read(path)


def test_an_absent_record_is_refused(tmp_path):
    with pytest.raises(MedadError, match="There is no run record at"):
        RunRecord.read(tmp_path / "record.json")


def test_the_checksum_of_a_file_and_of_a_folder(tmp_path):
    (tmp_path / "b.dcm").write_bytes(b"second")
    (tmp_path / "a.dcm").write_bytes(b"first")
    assert sha256_of(tmp_path / "a.dcm") == hashlib.sha256(b"first").hexdigest()
    assert sha256_of(tmp_path) == hashlib.sha256(b"firstsecond").hexdigest()
