"""Who computes where, and with which versions; no GPU and no cluster is needed to tell."""

import pytest

from napari_medad.cohorts.workers import COMPUTED, device_of, places, refuse_other_versions
from napari_medad.errors import MedadError


def test_workers_of_one_machine_share_its_gpus():
    assert [device_of("auto", name, 0, 2) for name in range(4)] == [
        "cuda:0", "cuda:1", "cuda:0", "cuda:1",
    ]  # fmt: skip
    assert device_of("cuda", "site-a-3", 0, 4) == "cuda:3"


def test_a_worker_that_is_called_by_its_address_takes_its_place():
    assert device_of("auto", "tcp://10.0.0.1:40001", 1, 2) == "cuda:1"
    assert device_of("auto", "gpu-worker", 2, 2) == "cuda:0"


@pytest.mark.parametrize("asked", ["cpu", "cuda:1", "mps"])
def test_a_device_that_was_named_holds_for_all(asked):
    assert device_of(asked, 3, 0, 4) == asked


def test_without_a_gpu_what_was_asked_stays():
    assert device_of("auto", 1, 0, 0) == "auto"
    assert device_of("cuda", 1, 0, 0) == "cuda"  # which the worker then refuses in a sentence


def test_places_are_counted_on_each_machine():
    workers = {
        "tcp://b:2": {"host": "b"},
        "tcp://a:9": {"host": "a"},
        "tcp://b:1": {"host": "b"},
    }
    assert places(workers) == {"tcp://a:9": 0, "tcp://b:1": 0, "tcp://b:2": 1}


def versions(**others):
    """What Dask says of three machines; `others` are a worker's packages."""
    own = dict.fromkeys(COMPUTED, "1.0") | {"python": "3.12.4.final.0", "torch": "2.5.1+cpu"}
    worker = own | {"python": "3.12.9.final.0", "torch": "2.5.1+cu121"} | others
    return {
        "client": {"packages": own},
        "scheduler": {"packages": {"dask": "1.0", "distributed": "1.0"}},
        "workers": {"tcp://a:1": {"packages": own}, "tcp://b:1": {"packages": worker}},
    }


def test_builds_and_patch_levels_of_python_may_differ():
    refuse_other_versions(versions(), "tcp://s:8786")


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"python": "3.11.9.final.0"}, "python is 3.12 here and 3.11 on the worker tcp://b:1"),
        ({"torch": "2.4.0"}, "torch is 2.5.1 here and 2.4.0 on the worker"),
        ({"napari-medad": None}, "napari-medad is 1.0 here and not installed on the worker"),
    ],
)
def test_other_versions_are_refused_by_name(others, told):
    with pytest.raises(MedadError, match=f"cluster at tcp://s:8786 is of other versions: {told}"):
        refuse_other_versions(versions(**others), "tcp://s:8786")


def test_a_scheduler_of_another_version_is_refused():
    held = versions()
    held["scheduler"]["packages"]["distributed"] = "0.9"
    with pytest.raises(MedadError, match=r"distributed is 1\.0 here and 0\.9 on the scheduler"):
        refuse_other_versions(held, "tcp://s:8786")
