"""Many studies through one detector: the function behind the command and the library."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_medad.cohorts.cohort import CohortFolder, CohortRecord, failed
from napari_medad.cohorts.folders import find_cohort
from napari_medad.cohorts.index import write_index
from napari_medad.cohorts.one_study import Work
from napari_medad.cohorts.progress import CohortCallback, Tally
from napari_medad.cohorts.sources import StudyList, StudySource
from napari_medad.cohorts.summary import Row, append_rows, read_summary, write_table
from napari_medad.detectors.detector import Detector
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import Cancelled, MedadError
from napari_medad.inference.run import check_options
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import RESERVED, installed_weights

POLL_S = 0.2
"""Seconds between two looks at whether to stop."""


@dataclass(frozen=True)
class Cohort:
    """A finished run.

    Attributes
    ----------
    folder : Path
    record : CohortRecord
    rows : tuple of Row
        Every study of the folder.
    computed : int
        How many of them this run looked at.
    seconds : float
        That it took.
    """

    folder: Path
    record: CohortRecord
    rows: tuple[Row, ...]
    computed: int
    seconds: float

    @property
    def failed(self) -> tuple[Row, ...]:
        """Those that could not be looked at."""
        return tuple(row for row in self.rows if row.state == "failed")


def detect_cohort(
    source: str | Path | StudyList,
    detector: str,
    out: str | Path,
    *,
    weights: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    settings: Mapping[str, Any] | None = None,
    volume: str | None = None,
    prompt: str | None = None,
    axis: str = "axial",
    threshold: str | float = "auto",
    minimum_ml: float = 0.05,
    seed: int = 0,
    frame: int | None = None,
    cluster: str | None = None,
    workers: int | None = None,
    progress: CohortCallback | None = None,
) -> Cohort:
    """Run a detector over many studies, or go on with such a run.

    Reading the next study and writing the last one overlap with computing. A study that cannot
    be read is told in its row and left out; what was done before is not computed again.

    Parameters
    ----------
    source : path or StudyList
        A folder of studies (BIDS, BraTS-like trees, DICOM trees, plain files), or a manifest.
    detector : str
        Registered name.
    out : path
        Folder of the results; see `cohorts.cohort`.
    weights, device, precision
        As for `load_detector`.
    settings : mapping, optional
        The detector's settings by name.
    volume, prompt, axis, threshold, minimum_ml, seed
        As for `detect`.
    frame : int, optional
        Of 4D files.
    cluster : str, optional
        Address of a Dask scheduler, "tcp://...", whose workers see `source` and `out` under the
        same paths.
    workers : int, optional
        That many processes of this machine instead.
    progress : callable, optional
        Takes a `CohortProgress`; answers "stop" to cancel.

    Raises
    ------
    MedadError
        If there are no studies, an option is wrong, the folder is of another run, a result
        cannot be written, or the cluster cannot be used.
    Cancelled
        If `progress` answered "stop". The studies done are kept, and listed.
    """
    began = time.monotonic()
    found = source if isinstance(source, StudyList) else _found(source)
    sources = found.studies
    if cluster is not None and workers is not None:
        raise MedadError("A cluster has its own workers; give its address or a number, not both.")
    check_options(axis, threshold, minimum_ml)
    remote = cluster is not None or workers is not None
    loaded = load_detector(
        detector,
        weights=weights,
        device="cpu" if remote else device,
        precision=precision,
        **(settings or {}),
    )
    record = CohortRecord(
        input=found.input,
        detector=detector,
        settings=loaded.settings.model_dump(mode="json"),
        weights=loaded.weights,
        precision=precision,
        volume=volume,
        prompt=prompt,
        axis=axis,
        threshold=threshold,
        minimum_ml=minimum_ml,
        seed=seed,
        frame=frame,
    )
    folder = CohortFolder(out)
    left = folder.begin(record, sources)
    record = folder.read_record()
    tally = Tally(progress, len(sources), len(sources) - len(left))
    work = Work(str(folder.path), record, _everywhere(weights, detector), device)
    if remote and left:
        del loaded
        results = _on_cluster(work, left, tally, cluster, workers)
    else:
        results = _here(work, loaded, left, tally)
    try:
        with closing(results):
            for row in results:
                folder.sweep(row.study)
                append_rows(folder.path, [row])
                tally.finished(row)
    except Cancelled:
        _write_lists(folder, record)
        raise
    rows = _write_lists(folder, record)
    return Cohort(folder.path, record, rows, len(left), time.monotonic() - began)


def _write_lists(folder: CohortFolder, record: CohortRecord) -> tuple[Row, ...]:
    """The table and the index of what is there; answers the rows."""
    rows = read_summary(folder.path)
    write_table(folder.path, rows)
    write_index(folder.path, record, rows)
    return rows


def _found(source: str | Path) -> StudyList:
    if not Path(source).expanduser().exists():
        raise MedadError(f"There is no file or folder {source}; check the path.")
    found = find_cohort(source, cohort=True)
    if found is None:
        raise MedadError(
            f"{source} holds no studies; give a folder of scans or a manifest with the columns "
            "study and path."
        )
    return found


def _everywhere(weights: str, detector: str) -> str:
    """The weights as any process finds them: a path from the root."""
    path = Path(weights).expanduser()
    named = weights in (*RESERVED, *installed_weights(detector))
    return weights if named or not path.exists() else str(path.absolute())


def _on_cluster(*arguments: Any) -> Generator[Row, None, None]:
    try:
        from napari_medad.cohorts.cluster import on_cluster
    except ModuleNotFoundError as error:
        raise MedadError(
            f"A cohort on several processes needs the package '{error.name}'; install "
            "napari-medad[cluster]."
        ) from None
    return on_cluster(*arguments)


def _here(
    work: Work, detector: Detector, sources: Sequence[StudySource], tally: Tally
) -> Generator[Row, None, None]:
    """Each study's row: one is read and one is written while one is computed."""
    reading, last = ThreadPoolExecutor(1, "reading"), None
    try:
        with ThreadPoolExecutor(1, "writing") as writing:
            for source, coming in _read_ahead(reading, work, sources):
                try:
                    study = _waited(coming, source.name, tally)
                    detection = work.look(study, detector, tally.of(source.name))
                except Cancelled:
                    if last is not None:
                        yield last.result()
                    raise
                except Exception as error:
                    yield failed(source, error)
                    continue
                if last is not None:
                    yield last.result()
                last = writing.submit(work.write, source, detection)
            if last is not None:
                yield last.result()
    finally:
        reading.shutdown(wait=False, cancel_futures=True)


def _read_ahead(
    pool: Executor, work: Work, sources: Sequence[StudySource]
) -> Iterator[tuple[StudySource, Future[Study]]]:
    """Each study with its reading; that of the next has begun by then."""
    begun = deque(pool.submit(work.read, source) for source in sources[:1])
    for number, source in enumerate(sources):
        begun.extend(pool.submit(work.read, s) for s in sources[number + 1 : number + 2])
        yield source, begun.popleft()


def _waited(coming: Future[Study], name: str, tally: Tally) -> Study:
    while not wait([coming], POLL_S).done:
        tally.check(study=name)
    return coming.result()
