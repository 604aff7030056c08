"""What a Zarr store refers to beside itself, runs or unpacks: looked at before it is read.

A store may hold symbolic links, filters that unpickle, and chunks that unpack without end. One that
was sent by somebody must not show its reader another file of his, nor run code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from physlearn.checks import InputError
from physlearn.datasets.reading.file_checks import unreadable
from physlearn.records.json_text import parse_json

__all__ = ["check_zarr_folder"]

MOST_METADATA_BYTES = 64 << 20
CHUNK_SLACK_BYTES = 1 << 20
"""By how much a stored chunk may be longer than what it unpacks to."""
METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")


def check_zarr_folder(path: Path) -> None:
    """Refuse a Zarr store that leads out of its folder, unpickles, or unpacks without end.

    Raises
    ------
    InputError
        One sentence that names the part.
    """
    home = path.resolve()
    for folder, folders, files in os.walk(path):
        most = _chunk_bytes(Path(folder), path)
        for name in (*folders, *files):
            one = Path(folder) / name
            if one.is_symlink() and home not in one.resolve().parents:
                raise InputError(
                    f"{path} holds a link to a file outside of it ({one.relative_to(path)}); copy "
                    "the store with its content."
                )
        for name in files:
            one = Path(folder) / name
            if name in METADATA:
                _check_metadata(one, path)
            elif one.stat().st_size > most:
                raise InputError(
                    f"{path} holds a chunk that is far longer than it may be "
                    f"({one.relative_to(path)}); it is damaged: export it again."
                )


def _metadata(file: Path, store: Path) -> Any:
    try:
        if file.stat().st_size > MOST_METADATA_BYTES:
            raise ValueError("it is too long")
        # Zarr writes NaN as a fill value bare as well as quoted
        return parse_json(file.read_text(encoding="utf-8").replace("NaN", "null"))
    except (OSError, ValueError) as error:
        named = ValueError(f"{file.relative_to(store)}: {error}")
        raise unreadable(store, named, "Zarr") from None


def _check_metadata(file: Path, store: Path) -> None:
    """Refuse the codec that runs what it reads."""
    waiting = [_metadata(file, store)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "pickle" in (part.get("id"), part.get("name")):
                raise InputError(
                    f"{store} holds pickled Python objects, which are not opened because they may "
                    "run code; save plain arrays."
                )
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _chunk_bytes(folder: Path, store: Path) -> float:
    """Return how long a file of this array may be; no limit where the array says nothing."""
    for name in (".zarray", "zarr.json"):
        file = folder / name
        if not file.is_file():
            continue
        told = _metadata(file, store)
        try:
            if name == ".zarray":
                chunks, kind = told["chunks"], told["dtype"]
            else:
                chunks = told["chunk_grid"]["configuration"]["chunk_shape"]
                kind = told["data_type"]
            item = np.dtype(kind).itemsize
            return float(2.0 * item * np.prod(np.array(chunks, float)) + CHUNK_SLACK_BYTES)
        except (KeyError, TypeError, ValueError):
            return float("inf")
    # chunks of version 3 lie below the folder of their array (c/0/0)
    return _chunk_bytes(folder.parent, store) if folder != store else np.inf
