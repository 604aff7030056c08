"""Worker processes that are replaced when one of them dies, and tasks that outlive them."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from queue import SimpleQueue
from typing import Any

__all__ = ["MOST_DEATHS", "SteadyProcesses", "WorkerLost"]

MOST_DEATHS = 3
"""A task under way in so many worker processes that died is not tried again."""


class WorkerLost(RuntimeError):  # noqa: N818 -- it names what happened
    """The worker of a task died, again and again: its memory ran out, or it was killed."""


@dataclass(eq=False, slots=True)
class _Item:
    """A task on its way, and the promise that was given for it."""

    work: Callable[[], Any]
    promise: Future[Any] = field(default_factory=Future)
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class _Back:
    """A task that a pool is done with."""

    item: _Item
    answer: Future[Any]
    pool: Executor


class SteadyProcesses(Executor):
    """A process pool that survives the death of its workers.

    When a process dies, Python breaks its whole pool. Here the pool is replaced, and the tasks
    that were under way are repeated one after the other in a process of their own: so the one
    that kills its worker is told from its neighbours. After three deaths it fails with
    `WorkerLost`, and the others go on. All state belongs to one thread, which hears of everything
    through a queue: pools call back from threads that hold locks of theirs.

    Parameters
    ----------
    n_workers
        Processes; they are started (not forked) when the first task comes, and end with the
        process that started them, however that ends.
    given
        A pool to use until it breaks; it is not shut down here.

    Examples
    --------
    >>> from math import sqrt
    >>> with SteadyProcesses(1) as pool:
    ...     pool.submit(sqrt, 9.0).result()
    3.0
    """

    def __init__(self, n_workers: int, given: ProcessPoolExecutor | None = None) -> None:
        self.n_workers = n_workers
        self._given = given
        self._crowd: Executor | None = given
        self._alone: Executor | None = None
        self._inbox: SimpleQueue[_Item | _Back | None] = SimpleQueue()
        self._waiting: deque[_Item] = deque()
        self._suspects: deque[_Item] = deque()
        self._inside: set[_Item] = set()
        self._repeated: _Item | None = None
        self._closed = self._hopeless = self._lived = False
        self._lost = 0
        self._server: threading.Thread | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return the promise of ``fn(*args, **kwargs)``, as any executor does."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._server is None:
            self._server = threading.Thread(target=self._serve, daemon=True)
            self._server.start()
        item = _Item(partial(fn, *args, **kwargs))
        self._inbox.put(item)
        return item.promise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End when all tasks are done; with ``cancel_futures``, now, whatever is lost."""
        self._closed = True
        if cancel_futures:
            self._hopeless = True
            for pool in (self._crowd, self._alone):
                self._end_processes(pool)
        self._inbox.put(None)
        if wait and self._server is not None:
            self._server.join()

    def _end_processes(self, pool: Executor | None) -> None:
        """Terminate processes that were started here: a task of hours must not outlive Ctrl-C."""
        if pool is not None and pool is not self._given:
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.terminate()

    def _serve(self) -> None:
        while not (self._closed and not self._inside and not self._waiting and not self._suspects):
            event = self._inbox.get()
            if isinstance(event, _Item):
                self._waiting.append(event)
            elif event is not None:
                self._take_back(event)
            elif self._hopeless:  # a pool may have begun while the others were ended
                self._end_processes(self._crowd)
                self._end_processes(self._alone)
            self._feed()
        for pool in (self._crowd, self._alone):
            if pool is not None and pool is not self._given:
                pool.shutdown(wait=not self._hopeless)

    def _feed(self) -> None:
        """Send what there is room for: one task more than workers, so that none of them waits."""
        while self._waiting and (self._hopeless or self._n_crowd() <= self.n_workers):
            item = self._waiting.popleft()
            self._crowd = self._send(item, self._crowd, self.n_workers)
        while self._suspects and (self._hopeless or self._repeated is None):
            self._repeated = item = self._suspects.popleft()
            self._alone = self._send(item, self._alone, 1)
            if item not in self._inside:
                self._repeated = None

    def _n_crowd(self) -> int:
        return len(self._inside) - (self._repeated is not None)

    def _send(self, item: _Item, pool: Executor | None, n_workers: int) -> Executor | None:
        """Give a task to a pool, or to a new one where it is broken; return the one that has it."""
        if self._hopeless:
            self._lose(item)
            return pool
        if item.promise.cancelled():
            return pool
        try:
            if pool is None:
                pool = self._new_pool(n_workers)
            try:
                answer = pool.submit(item.work)
            except BrokenExecutor:
                pool = self._new_pool(n_workers)
                answer = pool.submit(item.work)
        except Exception as error:  # the given pool was shut down, no process can be started
            _settle(item.promise, error=error)
            return pool
        self._inside.add(item)
        chosen = pool
        answer.add_done_callback(lambda done: self._inbox.put(_Back(item, done, chosen)))
        return pool

    def _new_pool(self, n_workers: int) -> ProcessPoolExecutor:
        given = self._given
        if given is None:
            return ProcessPoolExecutor(n_workers, get_context("spawn"), _begin_worker)
        return ProcessPoolExecutor(
            n_workers, getattr(given, "_mp_context", None), getattr(given, "_initializer", None),
            getattr(given, "_initargs", ()),
        )  # fmt: skip

    def _take_back(self, back: _Back) -> None:
        item = back.item
        self._inside.discard(item)
        if item is self._repeated:
            self._repeated = None
        if back.answer.cancelled():  # whoever gave the pool has shut it down
            item.promise.cancel()
            return
        error = back.answer.exception()
        if not isinstance(error, BrokenExecutor):
            self._lived = True
            _settle(item.promise, error=error, value=None if error else back.answer.result())
            return
        if back.pool is self._crowd:
            self._crowd = None
        if back.pool is self._alone:
            self._alone = None
        item.deaths += 1
        if item.deaths < MOST_DEATHS and not self._hopeless:
            self._suspects.append(item)
        else:
            self._lose(item)

    def _lose(self, item: _Item) -> None:
        self._lost += 1
        # nothing ever came back: the workers cannot even start, and no further task can
        self._hopeless |= self._lost >= MOST_DEATHS and not self._lived
        said = f"its worker process died {max(item.deaths, 1)} time(s) (killed, or out of memory)"
        if not self._lived:
            said += ", and no other task was ever done: a script that starts processes needs "
            said += "`if __name__ == '__main__':` around what it runs"
        _settle(item.promise, error=WorkerLost(f"{said}."))


def _settle(promise: Future[Any], *, error: BaseException | None, value: Any = None) -> None:
    """Keep a promise, unless it was taken back."""
    if not promise.set_running_or_notify_cancel():
        return
    if error is not None:
        promise.set_exception(error)
    else:
        promise.set_result(value)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # the terminal's Ctrl-C would cut tasks short that listen to it
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
