"""Files that are there whole or not at all: temporary names, the disk, what kills left behind."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from physlearn.checks import NotWritten

__all__ = [
    "FULL", "atomic_write", "folder_on_disk", "new_part", "on_disk", "process_lives", "sweep_parts",
    "this_machine", "why_not_written", "write_whole",
]  # fmt: skip

FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EFBIG", "EDQUOT") if hasattr(errno, name))
"""What a full disk, a limit on the size of files and a quota say."""

LEFT = re.compile(r"\..*\.(\d+)@(.+)\.part(\.[^.]*)?")
MOST_OF_A_NAME = 40
"""Characters of a name that its temporary name repeats: file systems allow 255 bytes in all."""


def process_lives(process: int) -> bool:
    """Return whether a process of this number runs, as far as can be told.

    Examples
    --------
    >>> process_lives(os.getpid())
    True
    """
    if os.name != "posix":  # elsewhere to ask would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@cache
def this_machine() -> str:
    """Return the name of the machine; containers of one name are told apart, as processes are.

    Examples
    --------
    >>> "/" in this_machine()
    False
    """
    name = re.sub(r"[^A-Za-z0-9-]+", "-", platform.node())[:MOST_OF_A_NAME]
    with suppress(OSError):
        return f"{name}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return name


def new_part(final: Path) -> Path:
    """Make an empty file beside `final`, whose name says who writes it and keeps the ending.

    Raises
    ------
    OSError
        When the folder does not exist or may not be written to.
    """
    stem, ending = final.stem[:MOST_OF_A_NAME], final.suffix[:MOST_OF_A_NAME]
    owner = f"{os.getpid()}@{this_machine()}"
    part = final.with_name(f".{stem}.{secrets.token_hex(4)}.{owner}.part{ending}")
    # as readable as any other file of the user
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    with suppress(OSError):
        part.chmod(final.stat().st_mode & 0o7777)
    return part


def sweep_parts(folder: Path) -> None:
    """Remove what killed processes of this machine left half-written in a folder.

    A process looks once into each folder: a folder of a million files is not read at every write.
    """
    _swept(str(folder.resolve()), os.getpid())


@cache
def _swept(folder: str, _process: int) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        left = [entry.name for entry in entries if LEFT.fullmatch(entry.name)]
        for name in left:
            process, machine = LEFT.fullmatch(name).groups()[:2]  # type: ignore[union-attr]
            if machine == this_machine() and not process_lives(int(process)):
                Path(folder, name).unlink(missing_ok=True)


def on_disk(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Raises
    ------
    OSError
        When the disk is full or broken, which some systems only say now.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_on_disk(folder: Path) -> None:
    """Wait until a folder's names are on the disk, where the system lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def why_not_written(final: Path, error: OSError) -> str:
    """Return the sentence for a file that the system did not let us write.

    Examples
    --------
    >>> why_not_written(Path("a.nc"), OSError(errno.ENOSPC, ""))
    'a.nc was not written (No space left on device): ...'
    """
    if error.errno in FULL:
        return (
            f"{final} was not written ({os.strerror(error.errno or 0)}): free space and repeat it; "
            "what stood there is as it was."
        )
    if not final.parent.is_dir():
        return f"{final} was not written, as its folder is gone: put it back and repeat it."
    return (
        f"path must lie in a folder that can be written to; {final.parent} is not "
        f"({error.strerror}): give another path."
    )


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Hand out a temporary path beside ``path``; on success bring it to the disk and rename it.

    A failure inside the block, Ctrl-C, a kill at any moment and a loss of power leave whatever
    stood at ``path`` as it was. Where ``path`` is a link, the file that it names is written. What
    killed processes left half-written in the folder is removed.

    Raises
    ------
    NotWritten
        When the folder does not exist or cannot be written to, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("kept whole")
    >>> (folder / "a.txt").read_text()
    'kept whole'
    """
    final = Path(os.path.realpath(path))
    if not final.parent.is_dir():
        raise NotWritten(
            f"path must lie in a folder that exists; {final.parent} does not.", errno.ENOENT
        )
    if final.exists() and not final.is_file():
        what = "a folder" if final.is_dir() else "no ordinary file"
        raise NotWritten(f"path must be that of a file; {final} is {what}.", errno.EISDIR)
    sweep_parts(final.parent)
    try:
        temporary = new_part(final)
    except OSError as error:
        raise NotWritten(why_not_written(final, error), error.errno) from None
    try:
        yield temporary
        on_disk(temporary)
        temporary.replace(final)
    except OSError as error:
        if error.errno not in FULL and final.parent.is_dir():
            raise
        raise NotWritten(why_not_written(final, error), error.errno) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    folder_on_disk(final.parent)


def write_whole(path: str | os.PathLike[str], content: str | bytes | memoryview) -> None:
    """Write a file so that it is there whole or as it was, also after a loss of power.

    Raises
    ------
    NotWritten
        As for `atomic_write`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_whole(path, "whole")
    >>> path.read_text()
    'whole'
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
