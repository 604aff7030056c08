"""What every reader checks first and says in one sentence: the file, its size, its library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets.reading import picture_frame

__all__ = ["check_file", "check_memory", "check_size", "need", "one_line", "unreadable"]

COPIES_HELD = 4
"""Copies of the data in memory while they are read and turned into floats."""
LONGEST_REASON = 120


def one_line(error: BaseException) -> str:
    """Return the first line of what an error says, short enough for a sentence."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:LONGEST_REASON].rstrip(". ")


def check_file(path: Path, wanted: str, folders: Iterable[str] = ()) -> None:
    """Refuse what is no readable file; ``folders`` are suffixes that may be folders (Zarr)."""
    if path.is_dir() and path.suffix.lower() not in folders:
        raise InputError(f"path {path} is a folder; give one {wanted} file.")
    if not path.exists():
        raise InputError(f"path {path} does not exist; check its name.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); export it again.")


def check_memory(path: Path, shape: Sequence[int], copies: int = COPIES_HELD) -> None:
    """Refuse data that would not fit into memory, from their announced shape alone."""
    needed = copies * 8 * int(np.prod([int(n) for n in shape], dtype=np.float64))
    free = picture_frame.free_memory_bytes()
    if needed > free:
        size = " x ".join(str(int(n)) for n in shape)
        what = "pixels" if len(shape) == 2 else "values"
        raise InputError(
            f"{path} has {size} {what} and needs {needed / 1e9:.1f} GB to be read; "
            f"{free / 1e9:.1f} GB are free: crop it or bin it."
        )


def check_size(path: Path, copies: int = 2) -> None:
    """Refuse a file that a library would read at once, when it does not fit into memory."""
    size, free = path.stat().st_size, picture_frame.free_memory_bytes()
    if path.is_file() and copies * size > free:
        raise InputError(
            f"{path} has {size / 1e9:.1f} GB and is read at once, which needs "
            f"{copies * size / 1e9:.1f} GB; {free / 1e9:.1f} GB are free: export a part of it."
        )


def kind_by_content(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return what a file is by its first bytes and the suffixes that go with it, or ("", ())."""
    if not path.is_file():
        return "", ()
    with path.open("rb") as stream:
        head = stream.read(16)
    for first, kind, suffixes in FIRST_BYTES:
        if head.startswith(first):
            return kind, suffixes
    return "", ()


def unreadable(path: Path, error: BaseException, kind: str = "") -> InputError:
    """Return the one sentence for a file whose content is not what its name says."""
    named = path.suffix.lower()[1:].upper()
    held, suffixes = kind_by_content(path)
    if held and path.suffix.lower() not in suffixes:
        return InputError(
            f"{path} is no {named} file: its first bytes are those of {held}; rename it to "
            f"{suffixes[0]}."
        )
    return InputError(
        f"{path} cannot be read as {kind or named} ({one_line(error)}); it is truncated or another "
        "kind of file: export it again."
    )


FIRST_BYTES = (
    (b"II*\x00", "a TIFF", (".tif", ".tiff", ".gel", ".lsm")),
    (b"MM\x00*", "a TIFF", (".tif", ".tiff")), (b"II+\x00", "a TIFF", (".tif", ".tiff")),
    (b"\x89PNG", "a PNG", (".png",)), (b"\xff\xd8\xff", "a JPEG", (".jpg", ".jpeg")),
    (b"GIF8", "a GIF", (".gif",)), (b"\x93NUMPY", "a NumPy array", (".npy",)),
    (b"PK\x03\x04", "a ZIP archive", (".npz", ".zip", ".xlsx", ".velox", ".odp")),
    (b"\x89HDF", "an HDF5 file", (".h5", ".hdf5", ".nc", ".emd", ".nxs", ".hspy", ".ome", ".hdf")),
    (b"CDF", "a netCDF file", (".nc", ".cdf")), (b"%PDF", "a PDF document", (".pdf",)),
)  # fmt: skip
PACKAGES = {"rsciio": "rosettasciio", "SciFiReaders": "scifireaders"}
"""Libraries whose package has another name than the module."""


def need(module: str, path: Path) -> Any:
    """Import an optional library, or name the package that brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise BackendUnavailable(
            f"reading {path.name} needs {name} ({one_line(error)}); install it with "
            f"`python -m pip install {PACKAGES.get(name, name)}`."
        ) from None
