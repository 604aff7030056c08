"""Finished parts of long work beside its file: the same call goes on after an interruption."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.file_lock import alone_with, lock_beside
from physlearn.whole_files import atomic_write

__all__ = ["PartFiles", "claim_parts", "parts_beside"]

PARTS_A_FOLDER = 500
IDENTITY = "identity.txt"


@dataclass(frozen=True, slots=True)
class PartFiles:
    """A folder of numbered parts, each there as a whole or not at all."""

    folder: Path

    def file(self, number: int, suffix: str = ".npz") -> Path:
        """Return where a part lies."""
        return self.folder / f"{number // PARTS_A_FOLDER:04d}" / f"{number:07d}{suffix}"

    def place(self, number: int, suffix: str = ".npz") -> Path:
        """Return where a part is to be written; its folder is made."""
        path = self.file(number, suffix)
        path.parent.mkdir(exist_ok=True)
        return path

    def save(self, number: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the arrays of a part."""
        with atomic_write(self.place(number)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def load(self, number: int) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of a part; None where it is not there or damaged."""
        try:
            with np.load(self.file(number), allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except FileNotFoundError:
            return None
        except Exception:  # zipfile, zlib and numpy raise kinds of their own
            return None


@contextmanager
def claim_parts(folder: str | os.PathLike[str], identity: str) -> Iterator[PartFiles]:
    """Hand out the folder of the parts of one piece of work; no other process has it meanwhile.

    Parameters
    ----------
    folder
        Made where it is not there; the folder above it must be.
    identity
        Digest of the data and the settings.

    Raises
    ------
    InputError
        When the folder holds parts of other work, or another process works on it.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "work"
    >>> with claim_parts(folder, "a") as parts:
    ...     parts.save(3, {"x": np.arange(2)})
    >>> with claim_parts(folder, "a") as parts:
    ...     parts.load(3)["x"].tolist(), parts.load(4)
    ([0, 1], None)
    """
    place = Path(folder)
    if not place.parent.is_dir():
        raise InputError(f"path must lie in a folder that exists; {place.parent} does not.")
    if place.exists() and not place.is_dir():
        raise InputError(f"path must be that of a folder, or new; {place} is a file.")
    busy = f"{place} is worked on by {{holder}}; wait for it, or give another path."
    with alone_with(lock_beside(place), busy):
        place.mkdir(exist_ok=True)
        _check_identity(place, identity)
        try:
            yield PartFiles(place)
        finally:
            # work that was refused leaves nothing behind
            if place.is_dir() and {one.name for one in place.iterdir()} <= {IDENTITY}:
                shutil.rmtree(place)


@contextmanager
def parts_beside(path: str | os.PathLike[str], identity: str) -> Iterator[PartFiles]:
    """Hand out the folder of the parts of a file that is to be written; it goes when all is done.

    Raises
    ------
    InputError
        As `claim_parts`, or when the path is that of a folder.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "table.nc"
    >>> with parts_beside(file, "a") as parts:
    ...     parts.folder.name
    'table.nc.parts'
    """
    if Path(path).is_dir():
        raise InputError(f"path must be that of a file; {path} is a folder.")
    with claim_parts(f"{os.fspath(path)}.parts", identity) as parts:
        yield parts
        shutil.rmtree(parts.folder)


def _check_identity(place: Path, identity: str) -> None:
    name = place / IDENTITY
    if not name.is_file():
        if any(place.iterdir()):
            raise InputError(f"{place} holds other files; give a new folder or an empty one.")
        with atomic_write(name) as temporary:
            temporary.write_text(identity, encoding="utf-8")
    elif name.read_text(encoding="utf-8") != identity:
        raise InputError(
            f"{place} must hold unfinished parts of this stack with these settings, and holds "
            "others; remove it or give another path."
        )
