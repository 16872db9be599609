"""What a cohort costs: two workers against one, the cohort around the detector, 100,000 rows.

    python benchmarks/cohorts.py                       # the ratios, with hyperintensity
    python benchmarks/cohorts.py --detector moe
    python benchmarks/cohorts.py --rates               # studies an hour and disk of each detector
    python benchmarks/cohorts.py --large               # summary and index of 100,000 studies

Ratios are of the fastest of several turns, taken in turn, so that what else the machine does
falls on both alike; one worker and two have one core each. The cohort is set against the bare
detector on all cores, where it reads and writes beside computing, and on one core, where nothing
is beside anything and the difference is what a cohort costs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import napari_medad as medad
from napari_medad.cohorts.cluster import reached, spread
from napari_medad.cohorts.cohort import CohortFolder, CohortRecord
from napari_medad.cohorts.folders import find_cohort
from napari_medad.cohorts.index import write_index
from napari_medad.cohorts.progress import Tally
from napari_medad.cohorts.sources import StudySource
from napari_medad.cohorts.summary import Row, append_rows, read_summary, write_table
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain

STUDIES = 20
LEAST_SPEED_UP = 1.6
MOST_OVERHEAD = 0.05
SHIPPED = ("hyperintensity", "moe", "rasalore")
TASKS = 2000
LARGE = 100_000


def write_studies(folder: Path, count: int) -> Path:
    """Synthetic patients with four contrasts of 1 mm each, in BraTS-like folders."""
    for seed in range(count):
        name = f"patient-{seed:03}"
        study = make_brain(seed, lesions=("tumour",), name=name).study
        for key, volume in study.volumes.items():
            write_nifti(volume.array, volume, folder / name / f"{name}-{key}.nii.gz")
    return folder


@contextmanager
def workers(number: int) -> Iterator[str]:
    """Address of a cluster of so many processes with one core each, up and warm."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(_warm)
        yield cluster.scheduler_address


def _warm() -> None:
    import napari_medad.cohorts.one_study  # noqa: F401


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def one_core() -> Iterator[None]:
    """All threads of the process on one of its cores, and tensors on one thread."""
    import torch

    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    everything = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    try:
        for task in everything:
            os.sched_setaffinity(task, {min(cores)})
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)
        for task in (int(found.name) for found in Path("/proc/self/task").iterdir()):
            os.sched_setaffinity(task, cores)


def bare(scans: Path, out: Path, detector: str) -> None:
    """Every study read, detected in and saved, one after the other."""
    loaded = medad.load_detector(detector)
    found = find_cohort(scans)
    assert found is not None
    for source in found.studies:
        medad.detect(source.read(), loaded).save(out / source.name)


def turn(scans: Path, out: Path, detector: str) -> dict[str, float]:
    """Seconds of each way to go through the studies."""
    ways = {
        "bare": lambda to: bare(scans, to, detector),
        "cohort": lambda to: medad.detect_cohort(scans, detector, to),
    }
    spent = {name: seconds(partial(way, out / name)) for name, way in ways.items()}
    with one_core():
        for name, way in ways.items():
            spent[f"{name}, one core"] = seconds(partial(way, out / f"{name} on one"))
    for number in (1, 2):
        with workers(number) as address:
            run = partial(medad.detect_cohort, scans, detector, cluster=address)
            spent[f"{number} worker"] = seconds(partial(run, out=out / str(number)))
    return spent


def ratios(detector: str, turns: int) -> None:
    with TemporaryDirectory() as home:
        scans = write_studies(Path(home) / "scans", STUDIES)
        medad.detect(medad.read_study(scans / "patient-000"), detector)
        spent = [turn(scans, Path(home) / str(number), detector) for number in range(turns)]
    least = {name: min(t[name] for t in spent) for name in spent[0]}
    print(f"{STUDIES} synthetic studies, {detector}, {os.cpu_count()} cores")
    for name, took in least.items():
        print(f"{name:16} {took:7.2f} s, {took / STUDIES:6.3f} s a study")
    speed_up = least["1 worker"] / least["2 worker"]
    print(f"two workers against one: {speed_up:.2f} times (at least {LEAST_SPEED_UP})")
    for where in ("", ", one core"):
        over = least[f"cohort{where}"] / least[f"bare{where}"] - 1
        print(f"cohort over bare detector{where}: {over:+.1%} (at most {MOST_OVERHEAD:.0%})")


def nothing(source: StudySource) -> Row:
    """The task of a study that takes no time."""
    return Row(study=source.name)


def scheduler() -> None:
    sources = [StudySource(str(number), Path()) for number in range(TASKS)]
    with workers(2) as address, reached(address) as client:
        wall = seconds(lambda: list(spread(client, nothing, sources, Tally(None, TASKS, 0))))
    print(f"scheduler: {1000 * wall / TASKS:.2f} ms a task that does nothing, {TASKS} tasks")


def rates(count: int = 3) -> None:
    """Studies an hour and disk a study, one process, 240 x 240 x 155 voxels, model loading in."""
    print(f"{os.cpu_count()} cores")
    from napari_medad.volumes.phantom import write_sample

    with TemporaryDirectory() as home:
        for number in range(count):
            write_sample(Path(home) / "scans" / str(number))
        for detector in SHIPPED:
            out = Path(home) / detector
            began = time.process_time()
            wall = seconds(partial(medad.detect_cohort, Path(home) / "scans", detector, out))
            used = time.process_time() - began
            size = sum(path.stat().st_size for path in (out / "studies").rglob("*.*")) / count
            print(
                f"{detector:15} {3600 * count / wall:5.0f} studies an hour, {wall / count:5.1f} s "
                f"and {used / count:5.1f} core seconds each, {size / 1e6:.1f} MB each"
            )


def large() -> None:
    """Summary and index of 100,000 studies."""
    with TemporaryDirectory() as home:
        out = Path(home)
        names = [f"case-{number:06}" for number in range(LARGE)]
        sources = [StudySource(name, out / name) for name in names]
        folder, record = CohortFolder(out), CohortRecord(input="", detector="moe")
        rows = [
            Row(
                study=name, state="done", score=number % 997 / 997, findings=3, volume_ml=12.3,
                seconds=3.2, folder=f"studies/{name}", image=f"studies/{name}/{name}_moe_key.png",
                record=f"studies/{name}/{name}_moe_record.json", source=str(out / name),
            )
            for number, name in enumerate(names)
        ]  # fmt: skip
        tell("beginning a run", lambda: folder.begin(record, sources))
        tell("a row a study", lambda: [append_rows(out, [row]) for row in rows])
        tell("reading the summary", lambda: read_summary(out))
        tell("summary.csv", lambda: write_table(out, rows))
        tell("index.html and its pages", lambda: write_index(out, record, rows))
        pages = [out / "index.html", *(out / "pages").iterdir()]
        size = max(page.stat().st_size for page in pages)
        print(f"{len(pages)} pages of {size / 1000:.0f} kB at most")


def tell(what: str, work: Callable[[], object]) -> None:
    """Print the seconds of a call."""
    print(f"{LARGE:,} studies: {what:25} {seconds(work):6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="hyperintensity")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--large", action="store_true")
    asked = parser.parse_args()
    if asked.rates:
        rates()
    elif asked.large:
        large()
    else:
        ratios(asked.detector, asked.turns)
        scheduler()


if __name__ == "__main__":
    main()
