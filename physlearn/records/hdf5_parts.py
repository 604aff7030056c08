"""What an HDF5 file takes from other files: external links, external storage, virtual data sets.

A file that was sent by somebody must not show its reader the content of another file of his.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from physlearn.checks import InputError

__all__ = ["check_hdf5_parts"]

MOST_OBJECTS = 200_000
HEAP = b"GCOL\x01\0\0\0"
"""Begin of a global heap: texts and links of attributes (HDF5 file format, III.E)."""
HEAD = 16
"""Bytes before the first entry of a heap, and at the beginning of each entry."""
LARGEST_SEARCHED = 256 << 20
MOST_ENTRIES = 1_000_000
"""Bytes and entries that are searched for damage: more would take seconds."""


def check_hdf5_parts(path: str | os.PathLike[str]) -> None:
    """Refuse an HDF5 file that takes values from outside its own folder.

    Raises
    ------
    InputError
        One sentence that names the other file; also for chunks larger than the memory.
    OSError, RuntimeError, ValueError
        As h5py raises them, for a damaged file.
    """
    file = Path(path)
    told = file.stat()
    _check(file.resolve(), told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=64)
def _check(path: Path, _changed: int, _size: int) -> None:
    import h5py

    _check_heaps(path)
    with h5py.File(path, "r") as file:
        for item in _objects(file, path):
            if isinstance(item, h5py.ExternalLink):
                _check_named(path, item.filename, "links to")
                continue
            for named, _, _ in item.external or ():
                _check_named(path, named, "takes values from")
            if item.is_virtual:
                for source in item.virtual_sources():
                    if source.file_name != ".":
                        _check_named(path, source.file_name, "takes values from")
            if item.chunks:
                _check_chunk(path, item)


def _check_heaps(path: Path) -> None:
    """Refuse a damaged heap in which libhdf5 would look for its end for ever."""
    if not HEAD < path.stat().st_size <= LARGEST_SEARCHED:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        searched, start = 0, content.find(HEAP)
        while start >= 0:
            end = min(start + _whole(content, start + 8, 8), len(content))
            entry = start + HEAD
            while entry + HEAD <= end and searched < MOST_ENTRIES:
                searched += 1
                number, size = _whole(content, entry, 2), _whole(content, entry + 8, 8)
                if number == 0 and size < HEAD:
                    raise InputError(f"{path} is damaged (its texts and links); export it again.")
                # free space counts its own head, and texts are filled up to 8 bytes
                entry += size if number == 0 else HEAD + -(-size // 8) * 8
            start = content.find(HEAP, start + 8)


def _whole(content: mmap.mmap, place: int, n_bytes: int) -> int:
    return int.from_bytes(content[place : place + n_bytes], "little")


def _objects(file: Any, path: Path) -> Iterator[Any]:
    """Yield every data set once, and every link that leaves the file."""
    import h5py

    waiting: list[Any] = [file]
    seen: set[int] = set()
    count = 0
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            if count > MOST_OBJECTS:
                raise InputError(f"{path} holds more than {MOST_OBJECTS} objects; export a part.")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield link
                continue
            if isinstance(link, h5py.SoftLink):
                continue  # what it names stands in the file under its own name
            item = group.get(name)
            place = None if item is None else int(h5py.h5o.get_info(item.id).addr)
            if place is None or place in seen:
                continue
            seen.add(place)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item


def _check_named(path: Path, named: str | bytes, does: str) -> None:
    """Refuse another file unless it lies beside or below this one."""
    text = os.fsdecode(named)
    if path.parent not in (path.parent / text).resolve().parents:
        raise InputError(
            f"{path} {does} {text}, a file outside its folder; put that file beside it and link "
            "it by its name, or export the data into one file."
        )


def _check_chunk(path: Path, item: Any) -> None:
    """Refuse chunks that would fill the memory, however few values are asked for."""
    import psutil

    size = int(np.prod(np.array(item.chunks, np.float64))) * item.dtype.itemsize
    if size > psutil.virtual_memory().available // 2:
        raise InputError(
            f"{path} is stored in chunks of {size / 1e9:.1f} GB ({item.name}), more than can be "
            "unpacked here; export it again in smaller ones."
        )
