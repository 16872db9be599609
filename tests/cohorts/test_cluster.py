"""A cohort on Dask: the same files as on one machine, also where a worker dies."""

import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cohorts import cluster as module
from napari_medad.cohorts.cohort import CohortRecord
from napari_medad.cohorts.folders import find_cohort
from napari_medad.cohorts.progress import Tally
from napari_medad.cohorts.sources import StudySource
from napari_medad.cohorts.summary import Row, read_summary
from napari_medad.errors import Cancelled, MedadError

distributed = pytest.importorskip("distributed")
DETECTOR = "hyperintensity"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning")


@pytest.fixture
def threads():
    """A cluster of one worker in this process."""
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address="127.0.0.1:0",
        protocol="tcp",
    ) as cluster:
        yield cluster.scheduler_address


def kept(out):
    """Contents of all results by place, but of records, which hold times."""
    files = (out / "studies").rglob("*")
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in files
        if path.is_file() and not path.name.endswith("_record.json")
    }


def without_times(rows):
    return sorted((row.model_copy(update={"seconds": None}) for row in rows), key=lambda r: r.study)


def test_with_a_worker_killed_the_results_are_those_of_one_machine(scan, tmp_path):
    for number in range(8):
        scan(tmp_path / "scans" / f"c{number}" / "t2f.nii.gz", number, size=32)
    (tmp_path / "scans" / "c5" / "t2f.nii.gz").write_bytes(b"nothing")
    here = medad.detect_cohort(tmp_path / "scans", DETECTOR, tmp_path / "here")
    with module.local_cluster(2) as cluster, distributed.Client(cluster) as client:
        pids = client.run(os.getpid)

        def kill(step):
            if step.done == 2 and len(pids) == 2:
                os.kill(pids.popitem()[1], signal.SIGKILL)

        spread = medad.detect_cohort(
            tmp_path / "scans",
            DETECTOR,
            tmp_path / "spread",
            cluster=cluster.scheduler_address,
            progress=kill,
        )
        assert len(pids) == 1
    assert kept(tmp_path / "here") == kept(tmp_path / "spread")
    assert without_times(here.rows) == without_times(spread.rows)
    assert [row.study for row in spread.failed] == ["c5"]
    assert not list((tmp_path / "spread").rglob(".part-*"))


def test_a_network_says_the_same_on_a_cluster(scans, tmp_path):
    options = {"weights": "starter", "precision": "fp32", "settings": {"mirror": False}}
    here = medad.detect_cohort(scans, "rasalore", tmp_path / "here", **options)
    spread = medad.detect_cohort(scans, "rasalore", tmp_path / "spread", workers=1, **options)
    for row in here.rows:
        ours, theirs = (
            medad.load_detection(cohort.folder / row.record) for cohort in (here, spread)
        )
        assert ours.record.weights.sha256 == theirs.record.weights.sha256
        np.testing.assert_allclose(ours.maps["anomaly"], theirs.maps["anomaly"], atol=1e-5, rtol=0)
        assert ours.maps["anomaly"].max() > 0.1


def test_the_model_is_loaded_once_a_worker(scans, tmp_path, threads, monkeypatch):
    from napari_medad.cohorts import one_study

    loads, load = [], one_study.load_detector
    monkeypatch.setattr(
        one_study, "load_detector", lambda *a, **k: loads.append(k["device"]) or load(*a, **k)
    )
    told = []
    cohort = medad.detect_cohort(
        scans, DETECTOR, tmp_path / "out", cluster=threads, device="cpu", progress=told.append
    )
    assert loads == ["cpu"]
    assert [row.state for row in cohort.rows] == ["done"] * 3
    assert {step.workers for step in told if not step.done} == {1}


def test_stopping_takes_less_than_a_second(scan, tmp_path, threads, monkeypatch):
    for number in range(3):
        scan(tmp_path / "scans" / f"c{number}" / "t2f.nii.gz", number)
    hung, work = [], module.StudyWorker.look_at

    def slow(self, source):
        hung.append(source.name)
        while not self._stop(None):
            time.sleep(0.01)
        raise Cancelled("Cancelled.")

    monkeypatch.setattr(module.StudyWorker, "look_at", slow)
    asked = []

    def stop(step):
        if hung:
            asked.append(time.monotonic())
            return "stop"
        return None

    with pytest.raises(Cancelled):
        medad.detect_cohort(
            tmp_path / "scans", DETECTOR, tmp_path / "out", cluster=threads, progress=stop
        )
    assert time.monotonic() - asked[0] < 1
    assert {row.state for row in read_summary(tmp_path / "out")} == {"waiting"}
    monkeypatch.setattr(module.StudyWorker, "look_at", work)
    cohort = medad.detect_cohort(tmp_path / "scans", DETECTOR, tmp_path / "out", cluster=threads)
    assert cohort.computed == 3


def test_results_that_a_worker_cannot_write_end_the_run(scans, tmp_path, threads):
    (tmp_path / "out" / "studies").mkdir(parents=True)
    (tmp_path / "out" / "studies" / "case-0").touch()
    with pytest.raises(MedadError, match="case-0.* cannot be written"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", cluster=threads)


def test_a_worker_without_the_folder_is_named(scans, tmp_path, threads, monkeypatch):
    monkeypatch.setattr(module.CohortFolder, "record_file", tmp_path / "elsewhere", raising=True)
    work = module.Work(str(tmp_path), CohortRecord(input="", detector=DETECTOR))
    with (
        module.reached(threads) as client,
        module._at_work(client, work) as name,
        pytest.raises(MedadError, match=f"worker .* does not see {tmp_path / 'elsewhere'}; scans"),
    ):
        sources = find_cohort(scans).studies
        list(module.spread(client, module.look_at, sources, Tally(None, 3, 0), name))


def died(source):
    raise distributed.KilledWorker("study", SimpleNamespace(address="tcp://a:1"), 3)


def test_a_study_that_kills_every_worker_is_a_failed_one(tmp_path, threads):
    sources = [StudySource("big", tmp_path)]
    with module.reached(threads) as client:
        (row,) = module.spread(client, died, sources, Tally(None, 1, 0))
    assert (row.study, row.state) == ("big", "failed")
    assert "Every worker that took it died" in row.reason


def test_a_cluster_that_is_gone_is_told(tmp_path, threads, monkeypatch):
    sources = [StudySource(str(number), tmp_path) for number in range(20)]
    with module.reached(threads) as client:
        rows = module.spread(client, named, sources, Tally(None, 20, 0))
        next(rows)

        def lost():
            raise distributed.comm.CommClosedError("Connection reset by peer")

        monkeypatch.setattr(client, "nthreads", lost)
        monkeypatch.setattr(module, "REFRESH_S", 0)
        with pytest.raises(MedadError, match="cluster is gone; start it again and repeat the"):
            list(rows)


def named(source):
    return Row(study=source.name)


def test_where_workers_state_gpus_only_those_are_sent_studies(tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp",
            resources={"GPU": 2},
        ) as cluster,
        module.reached(cluster.scheduler_address) as client,
    ):  # fmt: skip
        assert module._Window(client).how == {"resources": {"GPU": 1}}
        sources = [StudySource(str(number), tmp_path) for number in range(5)]
        rows = list(module.spread(client, named, sources, Tally(None, 5, 0)))
    assert {row.study for row in rows} == set("01234")


def test_a_cluster_that_cannot_be_reached_is_told(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 0.3)
    with pytest.raises(MedadError, match="cluster at tcp://127.0.0.1:9 cannot be reached; start"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", cluster="tcp://127.0.0.1:9")
    with pytest.raises(MedadError, match="cluster at nonsense cannot be reached"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", cluster="nonsense")


def test_a_cluster_without_workers_is_told(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp"
        ) as cluster,
        pytest.raises(MedadError, match="has no workers; start some with dask worker"),
    ):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", cluster=cluster.scheduler_address)


def test_a_cluster_of_other_versions_is_told(scans, tmp_path, threads, monkeypatch):
    def other(self, check=False, packages=None):
        own = dict.fromkeys(packages, "1")
        worker = {"packages": own | {"torch": "2"}}
        return {
            "client": {"packages": own},
            "scheduler": {"packages": own},
            "workers": {"w": worker},
        }

    monkeypatch.setattr(distributed.Client, "get_versions", other)
    with pytest.raises(MedadError, match="of other versions: torch is 1 here and 2 on the worker"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", cluster=threads)


def test_a_cluster_and_a_number_of_workers_exclude_each_other(scans, tmp_path):
    with pytest.raises(MedadError, match="give its address or a number, not both"):
        medad.detect_cohort(scans, DETECTOR, tmp_path, cluster="tcp://127.0.0.1:9", workers=2)


def test_there_cannot_be_no_workers(scans, tmp_path):
    with pytest.raises(MedadError, match="There cannot be 0 workers; give 1 or more"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", workers=0)
