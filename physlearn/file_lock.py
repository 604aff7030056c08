"""One process at a time: locks that the operating system drops with the process."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from physlearn.checks import InputError

__all__ = ["alone_with", "lock_beside"]


def lock_beside(path: str | os.PathLike[str]) -> Path:
    """Return where the lock of a file or folder lies: hidden, beside it.

    Examples
    --------
    >>> lock_beside("runs/chains.npz").name
    '.chains.npz.lock'
    """
    final = Path(os.path.realpath(path))
    return final.with_name(f".{final.name}.lock")


@contextmanager
def alone_with(lock: Path, refusal: str, *, keep: bool = False) -> Iterator[None]:
    """Hold a lock, or say which process holds it; it is dropped however that process ends.

    Where the folder cannot be written to, or the file system has no locks, there is none: what is
    about to be written there refuses by itself.

    Parameters
    ----------
    lock
        File of the lock.
    refusal
        What to say when it is held, with {holder} for the process.
    keep
        Leave the file when the lock is dropped.

    Raises
    ------
    InputError
        When it is held.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a.lock"
    >>> with alone_with(place, ""), alone_with(place, "a is in use by {holder}; wait for it."):
    ...     pass
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: a is in use by process ...
    """
    from filelock import FileLock, Timeout

    if not lock.parent.is_dir():  # the lock would make it
        yield
        return
    held = FileLock(lock, timeout=0, thread_local=False)
    try:
        held.acquire()
    except Timeout:
        raise InputError(refusal.replace("{holder}", _holder(lock))) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        with suppress(OSError):
            lock.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        if not keep:  # while it is held: nobody may lock a file that has lost its name
            with suppress(OSError):
                lock.unlink()
        held.release()


def _holder(lock: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        words = lock.read_text(encoding="utf-8")[:200].split()
        if words:
            return " ".join(words)
    return "another process"
