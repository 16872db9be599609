"""A cohort on a Dask cluster: one model a worker, kept from its first study to its last.

The client sends a study at a time and keeps few on their way, so that neither the scheduler nor
the workers hold more than they can work on, whatever the size of the cohort.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, cast
from uuid import uuid4

from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker
from distributed.worker import Worker

from napari_medad.cohorts.cohort import CohortFolder, failed
from napari_medad.cohorts.one_study import Work
from napari_medad.cohorts.progress import Tally
from napari_medad.cohorts.sources import StudySource
from napari_medad.cohorts.summary import Row
from napari_medad.cohorts.workers import COMPUTED, device_of, places, refuse_other_versions
from napari_medad.detectors.detector import Detector
from napari_medad.errors import Cancelled, MedadError

CONNECT_S = 10
"""Seconds that a scheduler, and then a first worker, may take to answer."""
POLL_S = 0.2
"""Seconds between two looks at whether to stop."""
REFRESH_S = 2.0
"""Seconds after which the scheduler is asked again how many workers there are."""
AT_ONCE = 3
"""Studies in a worker: one is read, one computed, one written."""
END_S = 0.5
"""Seconds that workers of this machine have to end by themselves."""
UNINTERRUPTED = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"
"""In workers of this machine: Ctrl-C reaches all processes, but is this one's to answer."""
GONE = (
    "The cluster is gone; start it again and repeat the command, which goes on with the studies "
    "that are not done."
)
GPU = "GPU"
"""Resource of workers; where some state it, others get no study."""


def on_cluster(
    work: Work,
    sources: Sequence[StudySource],
    tally: Tally,
    address: str | None,
    workers: int | None,
) -> Generator[Row, None, None]:
    """The row of each study, in the order in which they are finished.

    Parameters
    ----------
    work : Work
    sources : sequence of StudySource
    tally : Tally
        Asked whether to stop several times a second.
    address : str, optional
        Of a scheduler; without one, processes of this machine.
    workers : int, optional
        How many.

    Raises
    ------
    MedadError
        If the cluster cannot be used, or a result cannot be written.
    Cancelled
    """
    with _connected(address, workers) as client, _at_work(client, work) as name:
        yield from spread(client, look_at, sources, tally, name)


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Client]:
    """A client of a scheduler, or of processes that live as long as it."""
    with _quiet():
        if address is not None:
            with reached(address) as client:
                yield client
            return
        number = 1 if workers is None else workers
        with local_cluster(number) as cluster, Client(cluster, set_as_default=False) as client:
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's own log of workers that come and go."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def reached(address: str) -> Client:
    """A client of the scheduler at an address.

    Raises
    ------
    MedadError
        If there is no scheduler or no worker, or they have other versions.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions; what matters of them is told below
            client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError):
        raise MedadError(
            f"The cluster at {address} cannot be reached; start its scheduler or correct the "
            "address, e.g. tcp://host:8786."
        ) from None
    try:
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            raise MedadError(
                f"The cluster at {address} has no workers; start some with dask worker."
            ) from None
        refuse_other_versions(cast(dict[str, Any], client.get_versions(False, COMPUTED)), address)
    except BaseException:
        client.close()
        raise
    return client


@contextmanager
def local_cluster(workers: int) -> Iterator[LocalCluster]:
    """Processes of this machine that share its cores among them, and end at once.

    Raises
    ------
    MedadError
        If there are to be none.
    """
    from dask.system import CPU_COUNT

    if workers < 1:
        raise MedadError(f"There cannot be {workers} workers; give 1 or more.")
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=max(1, CPU_COUNT // workers),
        memory_limit=None,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        preload=[UNINTERRUPTED],
    ) as cluster:
        try:
            yield cluster
        finally:
            cluster.sync(_end, cluster)


async def _end(cluster: LocalCluster) -> None:
    """End the workers, also those that compute; what they were writing is not half there."""
    ends = (nanny.close(timeout=END_S) for nanny in cluster.workers.values())
    await asyncio.gather(*ends, return_exceptions=True)  # on a busy machine killing takes its time


class StudyWorker(WorkerPlugin):
    """Lives in a worker process while a cohort runs, and holds its model.

    Parameters
    ----------
    work : Work
    """

    def __init__(self, work: Work) -> None:
        self.work = work

    async def setup(self, worker: Worker) -> None:
        """Find out which device is this worker's; the model waits for the first study."""
        self._room = threading.Semaphore(AT_ONCE)
        self._loading, self._computing = threading.Lock(), threading.Lock()
        self._stopped = threading.Event()
        self._detector: Detector | None = None
        self._worker = worker
        found = await worker.scheduler.identity(n_workers=-1)
        self._place = places(found["workers"]).get(worker.address, 0)

    def teardown(self, worker: Worker) -> None:
        """Stop at the next batch and let the model go."""
        self._stopped.set()
        self._detector = None

    def look_at(self, source: StudySource) -> Row:
        """One study, read, computed and written; computing is one study at a time.

        Raises
        ------
        MedadError
            If this worker cannot work on any study, or a result cannot be written.
        Cancelled
            If the worker or the run ends meanwhile.
        """
        with self._room:
            detector = self._loaded()
            try:
                study = self.work.read(source)
                with self._computing:
                    detection = self.work.look(study, detector, self._stop)
            except Cancelled:
                raise
            except Exception as error:
                return failed(source, error)
            return self.work.write(source, detection)

    def _loaded(self) -> Detector:
        with self._loading:
            if self._detector is None:
                self._detector = self._load()
            return self._detector

    def _load(self) -> Detector:
        import torch

        record = CohortFolder(self.work.folder).record_file
        if not record.is_file():
            raise MedadError(
                f"The worker {self._worker.address} does not see {record}; scans and results must "
                "lie where all machines see them under the same path."
            )
        torch.set_num_threads(self._worker.state.nthreads)
        gpus = torch.cuda.device_count()
        device = device_of(self.work.device, self._worker.name, self._place, gpus)
        return self.work.on(device).load()

    def _stop(self, step: object) -> str | None:
        return "stop" if self._stopped.is_set() else None


def look_at(source: StudySource, plugin: str) -> Row:
    """The task: a study through the model of the worker that it came to."""
    held = get_worker().plugins.get(plugin)
    if not isinstance(held, StudyWorker):
        raise Cancelled("This worker has just come, or is about to go.")
    return held.look_at(source)


@contextmanager
def _at_work(client: Client, work: Work) -> Iterator[str]:
    """A `StudyWorker` in every worker, also in those that come later; its name."""
    name = f"medad-{uuid4().hex[:8]}"
    client.register_plugin(StudyWorker(work), name=name)
    try:
        yield name
    finally:
        with suppress(Exception):  # of a cluster that is gone
            client.unregister_worker_plugin(name)


def spread(
    client: Client,
    task: Callable[..., Row],
    sources: Sequence[StudySource],
    tally: Tally,
    *arguments: Any,
) -> Generator[Row, None, None]:
    """Results of `task(source, *arguments)`, each as soon as there is one.

    A task whose worker dies is sent to another; one that several died of is a failed study.

    Raises
    ------
    MedadError
        What a task raised; or if the cluster is gone.
    Cancelled
        If `tally` says so.
    """
    finished: SimpleQueue[Future[Row]] = SimpleQueue()
    under_way: dict[Future[Row], StudySource] = {}
    window = _Window(client)
    waiting = deque(sources)
    try:
        while waiting or under_way:
            while waiting and len(under_way) < window.size():
                future = client.submit(
                    task, source := waiting.popleft(), *arguments, **window.how, pure=False
                )
                under_way[future] = source
                future.add_done_callback(finished.put)
            tally.check(workers=window.workers)
            try:
                future = finished.get(timeout=POLL_S)
            except Empty:
                continue
            source = under_way.pop(future)
            result = _result(future, source)
            if result is None:
                waiting.appendleft(source)
            else:
                yield result
    finally:
        client.cancel(list(under_way), force=True)


def _result(future: Future[Row], source: StudySource) -> Row | None:
    """A study's row; None where its worker ended before it was through."""
    if future.status == "finished":
        return future.result()
    if future.status != "error":
        raise MedadError(GONE)
    error = future.exception()
    if isinstance(error, Cancelled):
        return None
    if isinstance(error, KilledWorker):
        told = MedadError("Every worker that took it died; it may need more memory than they have.")
        return failed(source, told)
    raise error


class _Window:
    """How many studies are on their way: what the workers can hold, and one more for each."""

    def __init__(self, client: Client) -> None:
        self._client, self._size, self._asked = client, 0, -math.inf
        self.workers = 0
        held = client.scheduler_info(n_workers=-1)["workers"].values()
        gpu = any(GPU in worker["resources"] for worker in held)
        self.how: dict[str, Any] = {"resources": {GPU: 1}} if gpu else {}

    def size(self) -> int:
        """Asks the scheduler again now and then, because workers come and go."""
        if time.monotonic() - self._asked > REFRESH_S:
            try:
                threads = self._client.nthreads().values()
            except OSError:
                raise MedadError(GONE) from None
            self._asked, self.workers = time.monotonic(), len(threads)
            self._size = sum(min(number, AT_ONCE) + 1 for number in threads)
        return self._size
