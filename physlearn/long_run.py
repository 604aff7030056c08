"""Long work in short pieces: progress, Ctrl-C between pieces, and checkpoints to the bit."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from types import FrameType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.file_lock import alone_with, lock_beside
from physlearn.whole_files import atomic_write

__all__ = ["LongRun"]

Arrays = Mapping[str, NDArray[Any]]
PIECE_SECONDS = 0.1  # short enough that Ctrl-C feels immediate
SAVE_SECONDS = 30.0
WORTH_KEEPING_SECONDS = 1.0
DONE, IDENTITY, SEED, CHECKSUM = "_done", "_identity", "_seed", "_checksum"


class LongRun:
    """Work of many units done in pieces of about a tenth of a second.

    Between pieces progress is shown, Ctrl-C is honoured and, every half minute, a checkpoint is
    written: a process that is killed loses no more than that. All state of the work must lie in
    arrays, so that its result does not depend on where it was cut into pieces. A disk that is full
    when a checkpoint is due does not stop the work: the earlier checkpoint stands, and the next
    half minute tries again.

    Parameters
    ----------
    total
        Units in all (sweeps, time steps, events).
    progress
        Called with (units done, total) after every piece.
    checkpoint
        File to go on from when it exists, and to write to; None keeps nothing. It is removed once
        the work is complete.
    arguments
        What defines the work: numbers, texts and arrays. A checkpoint of other work is refused.
    stop
        An event that stops the work as Ctrl-C does, for work in threads.

    Raises
    ------
    InputError
        When the file at ``checkpoint`` is no checkpoint, a damaged one or one of other work, or
        when another process works with it.

    Examples
    --------
    >>> count = np.zeros(1)
    >>> def step(n):
    ...     count[0] += n
    >>> with LongRun(1000) as run:
    ...     finished = run.advance_to(1000, step, lambda: {"count": count})
    >>> finished, int(count[0]), run.finish(1, 1, "counts")
    (True, 1000, ())
    """

    def __init__(
        self,
        total: int,
        *,
        progress: Callable[[int, int], Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        arguments: Mapping[str, Any] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.total = int(total)
        self.done = 0
        self.stopped = False
        self._progress = progress
        self._path = None if checkpoint is None else Path(checkpoint)
        self._identity = "" if self._path is None else _identity(arguments or {})
        self._seed = str((arguments or {}).get("seed", ""))
        self._failed_save = ""
        self._stop = threading.Event() if stop is None else stop
        self._handler: Any = None
        self._interrupted = False
        self._piece = 1
        self._saved_at = self._began_at = monotonic()
        self._alone = ExitStack()
        self._check_folder()
        if self._path is not None:
            busy = f"checkpoint {self._path} is in use by {{holder}}; wait for it, or give another."
            self._alone.enter_context(alone_with(lock_beside(self._path), busy))
        self.saved = self._load()

    def _check_folder(self) -> None:
        """Refuse a place that cannot be written to now, not hours later."""
        if self._path is None:
            return
        folder = self._path.parent
        if not folder.is_dir():
            raise InputError(f"checkpoint must lie in a folder that exists; {folder} does not.")
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(
                f"checkpoint must lie in a folder that can be written to; {folder} is not "
                f"({error.strerror})."
            ) from None

    def __enter__(self) -> LongRun:
        # Python lets only the main thread hear signals; workers are stopped by their event
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None
        if kind is not None:
            self._alone.close()

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop.is_set():  # asked twice: now, whatever is lost
            raise KeyboardInterrupt
        self._interrupted = True
        self._stop.set()

    def advance_to(
        self,
        target: int,
        step: Callable[[int], Any],
        arrays: Callable[[], Arrays],
        *,
        feel_the_way: bool = False,
    ) -> bool:
        """Do the units up to ``target`` and return whether they are done.

        Parameters
        ----------
        target
            Units done since the very beginning of the work; nothing happens when they are.
        step
            ``step(n)`` does n units.
        arrays
            Returns the whole state, as of now, for the checkpoint.
        feel_the_way
            Begin with a piece of one unit again: these units may cost more than those before.
        """
        if feel_the_way:
            self._piece = 1
        while self.done < target:
            if self._stop.is_set():
                self.stopped = True
                self._save(arrays)
                return False
            n = min(self._piece, target - self.done)
            start = monotonic()
            step(n)
            took = monotonic() - start
            self.done += n
            if took < PIECE_SECONDS / 2 and n == self._piece:
                self._piece *= 2
            elif took > 2 * PIECE_SECONDS:
                self._piece = max(1, int(n * PIECE_SECONDS / took))
            if self._progress is not None:
                try:
                    self._progress(self.done, self.total)
                except BaseException:
                    self._save(arrays)
                    raise
            if monotonic() - self._saved_at > SAVE_SECONDS:
                self._save(arrays)
        return True

    def finish(self, n_done: int, n_wanted: int, what: str) -> tuple[str, ...]:
        """Close the work: remove the checkpoint of complete work, speak of incomplete work.

        Parameters
        ----------
        n_done, n_wanted
            Samples there are and samples asked for.
        what
            Their name, in the plural.

        Returns
        -------
        tuple of str
            Empty, or one warning for the record that holds the samples so far.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, when a checkpoint holds the work or there is no sample yet, and when
            it came in the last piece of work of less than a second: a loop over such calls must
            not go on as if nothing had been asked.
        """
        with self._alone:
            return self._finished(n_done, n_wanted, what)

    def _finished(self, n_done: int, n_wanted: int, what: str) -> tuple[str, ...]:
        if not self.stopped:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            if not self._interrupted:  # an event stops other work, not what is complete
                return ()
            if monotonic() - self._began_at < WORTH_KEEPING_SECONDS:
                raise KeyboardInterrupt
            return ("Ctrl-C came with the last piece of work: it is complete.",)
        sentence = f"Stopped after {n_done} of {n_wanted} {what}"
        if self._failed_save and n_done:
            return (f"{sentence}, by Ctrl-C; the checkpoint was not saved ({self._failed_save}).",)
        if self._path is not None and not self._failed_save:
            seed = f"rng={self._seed}, " if self._seed else ""
            raise KeyboardInterrupt(
                f"{sentence}; the same call with {seed}checkpoint={str(self._path)!r} goes on "
                "from there."
            )
        if n_done == 0:
            raise KeyboardInterrupt(f"{sentence}; nothing to return.")
        return (f"{sentence}, by Ctrl-C.",)

    def _save(self, arrays: Callable[[], Arrays]) -> None:
        if self._path is None:
            return
        self._saved_at = monotonic()
        held = {
            DONE: np.array(self.done), IDENTITY: np.array(self._identity),
            SEED: np.array(self._seed), **{n: np.asarray(a) for n, a in arrays().items()},
        }  # fmt: skip
        try:
            with atomic_write(self._path) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **held, **{CHECKSUM: np.array(_identity(held))})
        except OSError as error:  # a full disk: what is in memory is still there
            self._failed_save = str(error)
        else:
            self._failed_save = ""

    def _load(self) -> dict[str, NDArray[Any]] | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            with np.load(self._path, allow_pickle=False) as file:
                saved = {name: file[name] for name in file.files}
            if str(saved.pop(CHECKSUM)) != _identity(saved):
                raise ValueError("another checksum")
            done, identity = int(saved.pop(DONE)), str(saved.pop(IDENTITY))
            seed = str(saved.pop(SEED))
        except Exception as error:  # zipfile, zlib and numpy raise kinds of their own
            raise InputError(
                f"checkpoint must be a file that a stopped run wrote; {self._path} is not "
                f"({type(error).__name__}). Give another path."
            ) from None
        if identity != self._identity:
            made_by = f" (its seed is rng={seed})" if seed != self._seed else ""
            raise InputError(
                f"checkpoint {self._path} belongs to a call with other arguments{made_by}; repeat "
                "that call, or give another path."
            )
        self.done = done
        return saved


def _identity(arguments: Mapping[str, Any]) -> str:
    """Return a fingerprint of numbers, texts and arrays by name."""
    digest = hashlib.sha256()
    for name in sorted(arguments):
        value = arguments[name]
        digest.update(name.encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            digest.update(json.dumps(value, sort_keys=True, default=repr).encode())
    return digest.hexdigest()
