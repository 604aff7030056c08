"""Where work is done: one after the other, in threads, in processes, or on a cluster."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from time import monotonic
from typing import Any, Protocol, TypeAlias, TypeVar

from physlearn.checks import BackendUnavailable, InputError
from physlearn.one_thread import one_blas_thread
from physlearn.steady_processes import SteadyProcesses, WorkerLost

__all__ = ["ExecutorLike", "WorkerLost", "Workers", "open_workers"]

Answer = TypeVar("Answer")
_Ahead: TypeAlias = tuple[int, Future[Any], tuple[Any, ...]]
"""Place, promise and arguments of a task under way."""

LEAST_AHEAD = 32
"""Tasks that a cluster is given ahead at least, so that one that grows with its queue does grow."""
COUNT_AGAIN_SECONDS = 10.0
KILLED_BY_DASK = "KilledWorker"
"""Name of dask's exception for a task whose workers died; dask need not be installed."""
KINDS = "serial, threads, threads:4, processes, processes:4, dask:4, dask:ADDRESS"


class ClusterClient(Protocol):
    """What is used of a ``dask.distributed.Client``."""

    def get_executor(self, **kwargs: Any) -> Any:
        """Return it as an executor."""

    def nthreads(self) -> Any:
        """Return worker -> number of its threads."""


ExecutorLike: TypeAlias = Executor | ClusterClient | str
"""``"threads:4"``, ``"processes:4"``, ``"dask:ADDRESS"``, an executor, or a dask client."""


class Workers:
    """Those who do the work; made by `open_workers`.

    Attributes
    ----------
    executor
        A ``concurrent.futures.Executor``, or None: one task after the other, here.
    shares_memory
        Whether tasks see this process's objects and not copies.
    """

    def __init__(
        self, executor: Executor | None, count: Callable[[], int], *, on_cluster: bool = False
    ) -> None:
        self.executor = executor
        self.shares_memory = executor is None or isinstance(executor, ThreadPoolExecutor)
        self._count, self._on_cluster = count, on_cluster
        self._n, self._counted_at = 0, -COUNT_AGAIN_SECONDS
        self._under_way: set[Future[Any]] = set()

    @property
    def n_workers(self) -> int:
        """Tasks that run at the same time; a cluster is asked again now and then."""
        if monotonic() - self._counted_at >= COUNT_AGAIN_SECONDS:
            self._n, self._counted_at = max(1, self._count()), monotonic()
        return self._n

    def run(
        self,
        function: Callable[..., Answer],
        tasks: Iterable[tuple[Any, ...]],
        *,
        in_order: bool = True,
        if_lost: Callable[[WorkerLost], Answer] | None = None,
    ) -> Iterator[tuple[int, Answer]]:
        """Yield (place of the task, ``function(*task)``) for every task.

        Tasks are taken from the iterable as workers become free, twice as many ahead as there are
        workers: neither tasks nor answers need to fit into memory together. Linear algebra uses
        one thread in every task, so that the last digit does not depend on who does it. A task
        must not depend on others, and its randomness must come from its arguments.

        Parameters
        ----------
        function
            For processes it must be importable: no lambda, no function within a function.
        tasks
            Tuples of arguments.
        in_order
            Yield in the order of the tasks; else as they come.
        if_lost
            What stands for a task whose worker died three times; None raises.

        Raises
        ------
        WorkerLost
            When a worker died three times under the same task, and ``if_lost`` is None.
        InputError
            For a function that cannot be sent to processes. What a task raises is raised.
        """
        numbered = enumerate(tasks)
        if self.executor is None:
            for place, task in numbered:
                yield place, function(*task)
            return
        if isinstance(self.executor, SteadyProcesses):
            _check_travels(function)
        submit = partial(self._submit, self.executor, function)
        ahead: deque[_Ahead] = deque()
        try:
            while True:
                room = max(2 * self.n_workers, LEAST_AHEAD if self._on_cluster else 0) - len(ahead)
                for place, task in islice(numbered, max(room, 0)):
                    ahead.append((place, submit(task), task))
                if not ahead:
                    return
                if not in_order:
                    _first_done_first(ahead)
                place, future, task = ahead.popleft()
                if _is_blamed(future):
                    wait([other for _, other, _ in ahead])
                    future = submit(task)
                yield place, _answer(future, place, if_lost)
        finally:
            for _, future, _ in ahead:
                future.cancel()

    def _submit(
        self, executor: Executor, function: Callable[..., Answer], task: tuple[Any, ...]
    ) -> Future[Answer]:
        # threads keep the limit that `open_workers` sets, workers of dask start with it; to look
        # for libraries beside dask's own threads, which import, could stop both for ever
        limited = self.shares_memory or self._on_cluster
        do: Callable[..., Answer] = function if limited else partial(_call, function)
        future = executor.submit(do, *task)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def cancel(self) -> bool:
        """Take back what is not done; return whether there was any."""
        left = list(self._under_way)
        for future in left:
            future.cancel()
        return bool(left)


@contextmanager
def open_workers(executor: ExecutorLike | None = None) -> Iterator[Workers]:
    """Open what an argument ``executor`` names, and close what was opened.

    ====================  ========================================================================
    None, ``"serial"``    one task after the other, in this process
    ``"threads:4"``       4 threads: for compiled work, which lets others run
    ``"processes:4"``     4 processes of this machine; one that dies is replaced, its task repeated
    ``"dask:4"``          4 processes under dask, on this machine
    ``"dask:ADDRESS"``    a running dask cluster, by the address of its scheduler
    an ``Executor``       used as it is and left open; a ``ProcessPoolExecutor`` that breaks is
                          replaced for the rest of the work
    a dask ``Client``     used and left open, whatever started it (SLURM, Kubernetes, ssh)
    ====================  ========================================================================

    Without a number there are as many workers as cores that this process may use. An answer
    depends on none of this: the same seed gives the same answer everywhere.

    Parameters
    ----------
    executor
        As above.

    Raises
    ------
    InputError
        For anything else.
    BackendUnavailable
        For dask where it is not installed.

    Examples
    --------
    >>> with open_workers("threads:2") as workers:
    ...     [answer for _, answer in workers.run(pow, [(2, 3), (3, 2)])]
    [8, 9]
    """
    if executor is None or executor == "serial":
        with _one_thread:
            yield Workers(None, lambda: 1)
    elif isinstance(executor, str):
        with _named(executor) as workers:
            yield workers
    elif isinstance(executor, Workers):
        raise InputError("executor must be what workers were opened from, not the workers.")
    elif isinstance(executor, ProcessPoolExecutor):
        n = int(getattr(executor, "_max_workers", 0)) or _n_cores()
        steady = SteadyProcesses(n, executor)
        yield from _closing(Workers(steady, lambda: n), steady)
    elif isinstance(executor, Executor):
        n = int(getattr(executor, "_max_workers", 0) or _n_cores())
        workers = Workers(executor, lambda: n)
        with _one_thread if workers.shares_memory else nullcontext():
            try:
                yield workers
            finally:
                workers.cancel()
    elif hasattr(executor, "get_executor"):
        with _cluster(executor) as workers:
            yield workers
    else:
        raise InputError(
            f"executor must be one of {KINDS}, a concurrent.futures.Executor, a dask Client or "
            f"None; got {executor!r}."
        )


def _closing(workers: Workers, executor: Executor) -> Iterator[Workers]:
    """Yield workers, and close their executor after the work."""
    try:
        yield workers
    finally:
        # what is still under way is wanted by nobody: work that failed, or was stopped by Ctrl-C
        executor.shutdown(cancel_futures=workers.cancel())


@contextmanager
def _named(name: str) -> Iterator[Workers]:
    """Open workers by their name."""
    kind, _, rest = name.partition(":")
    wanted = kind in ("threads", "processes", "dask") and (rest or ":" not in name)
    if not wanted or (kind != "dask" and rest and not _is_count(rest)):
        raise InputError(f"executor must be one of {KINDS}, or an executor; got {name!r}.")
    n = int(rest) if _is_count(rest) else _n_cores()
    if kind == "threads":
        with _one_thread:
            yield from _closing(Workers(pool := ThreadPoolExecutor(n), lambda: n), pool)
    elif kind == "processes":
        yield from _closing(Workers(steady := SteadyProcesses(n), lambda: n), steady)
    else:
        with _dask(rest, n) as client, _cluster(client) as workers:
            yield workers


@contextmanager
def _dask(address: str, n_workers: int) -> Iterator[ClusterClient]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BackendUnavailable(
            f"executor 'dask' needs dask.distributed: pip install 'physlearn[cluster]' ({error})."
        ) from None
    if address and not _is_count(address):
        try:
            client = Client(address)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise InputError(
                f"executor must name a dask scheduler that answers; {address!r} does not ({error})."
            ) from None
        with client:
            yield client
        return
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@contextmanager
def _cluster(client: ClusterClient) -> Iterator[Workers]:
    """Use a cluster through its client; it repeats tasks of dead workers by itself."""

    def count() -> int:
        return sum(client.nthreads().values())

    executor = client.get_executor(pure=False)  # equal tasks are equal work: nothing is shared
    try:
        yield Workers(executor, count, on_cluster=True)
    finally:
        executor.shutdown(wait=False)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= 1024


def _n_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first_done_first(ahead: deque[_Ahead]) -> None:
    """Wait until one task is done, and bring the first such one to the front."""
    done = wait([future for _, future, _ in ahead], return_when=FIRST_COMPLETED).done
    first = next(number for number, (_, future, _) in enumerate(ahead) if future in done)
    found = ahead[first]
    del ahead[first]
    ahead.appendleft(found)


def _is_blamed(future: Future[Any]) -> bool:
    """Whether a cluster gave a task up.

    It blames all tasks that its dead worker held: each gets another chance, alone.
    """
    error = None if future.cancelled() else future.exception()
    return type(error).__name__ == KILLED_BY_DASK


def _answer(
    future: Future[Answer], place: int, if_lost: Callable[[WorkerLost], Answer] | None
) -> Answer:
    try:
        return future.result()
    except Exception as error:
        if not isinstance(error, BrokenExecutor | WorkerLost) and not _is_blamed(future):
            raise
        lost = WorkerLost(f"Task {place} was given up: {error}")
        if if_lost is None:
            raise lost from error
        return if_lost(lost)


def _check_travels(function: Callable[..., Any]) -> None:
    """Refuse a function that other processes could not find."""
    inner = function
    while isinstance(inner, partial):
        inner = inner.func
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    main = sys.modules.get("__main__")
    try:
        parcel = bytes(ForkingPickler.dumps(function))
    except Exception as error:  # whatever an object raises that cannot be copied
        reason = str(error)
    else:
        nowhere = b"__main__" in parcel and not hasattr(main, "__file__")
        reason = "it was defined in a notebook or at a prompt" if nowhere else ""
    if reason:
        raise InputError(
            f"executor of processes needs functions that can be imported; {name} cannot "
            f"({reason}). Put it at the top level of a module, or use 'threads' or 'dask'."
        )


class _OneThread:
    """Linear algebra on one thread while any work goes on.

    The limit belongs to the process: works in several threads must not lift each other's. Set by a
    thread of a pool it has no effect (OpenBLAS): it is set by the one who opens the pool.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n = 0
        self._limit: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._n == 0:
                self._limit = one_blas_thread()
                self._limit.__enter__()
            self._n += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n -= 1
            if self._n == 0 and self._limit is not None:
                self._limit.__exit__(None, None, None)
                self._limit = None


_one_thread = _OneThread()


def _call(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Do one task in a process of its own."""
    with _one_thread:
        return function(*arguments)
