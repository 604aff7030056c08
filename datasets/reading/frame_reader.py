"""Frames of a film that is larger than the memory: read when they are asked for, one block held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["FrameReader", "array_reader", "npy_reader", "raw_reader"]

Floats = NDArray[np.float64]
Read = Callable[[int, int], Any]
MOST_HELD_BYTES = 64 << 20
"""Of one block of frames: several frames of a chunk are decompressed once."""


class FrameReader:
    """An array (n_frames, rows, columns) of which one block of frames is in memory.

    Parameters
    ----------
    read
        Called with first and one past the last frame; returns real numbers of that shape.
    shape
        Of the whole film.
    chunk
        Frames that the source stores together.

    Examples
    --------
    >>> film = FrameReader(lambda first, last: np.ones((last - first, 2, 2)), (9, 2, 2))
    >>> film[3].sum(), film[np.array([0, 8])].shape
    (np.float64(4.0), (2, 2, 2))
    """

    ndim = 3

    def __init__(self, read: Read, shape: tuple[int, int, int], chunk: int = 1) -> None:
        self.shape = shape
        frame_bytes = 8 * shape[1] * shape[2]
        self._read = read
        self.chunk = max(1, min(int(chunk), MOST_HELD_BYTES // frame_bytes))
        self._first = 0
        self._held = np.empty((0, *shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | NDArray[np.int64]) -> Floats:
        """Return a frame, or several as one array."""
        if isinstance(index, np.ndarray):
            return np.stack([self._frame(int(each)) for each in index])
        return self._frame(int(index))

    def _frame(self, index: int) -> Floats:
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"frame {index} of {self.shape[0]}")
        if not self._first <= index < self._first + len(self._held):
            self._first = index - index % self.chunk
            last = min(self._first + self.chunk, self.shape[0])
            self._held = self._block(self._first, last)
        frame: Floats = self._held[index - self._first]
        return frame

    def _block(self, first: int, last: int) -> Floats:
        """Return frames as a float64 array of their own, or say what came instead."""
        # before the next block is made, lest two are held
        self._held = np.empty((0, *self.shape[1:]))
        block = np.asarray(self._read(first, last))
        wanted = (last - first, *self.shape[1:])
        if block.shape != wanted or block.dtype.kind not in "biuf":
            raise InputError(
                f"the stack must give real numbers of shape {wanted} for frames {first} to "
                f"{last - 1}; got {block.dtype} of shape {block.shape}."
            )
        # never the source's own memory, which the held block would pin
        return np.array(block, dtype=np.float64, order="C")

    def identity(self) -> str:
        """Return a digest of the shape and of the first, the middle and the last frame."""
        told = hashlib.sha256(repr(self.shape).encode())
        for index in sorted({0, len(self) // 2, len(self) - 1}):
            told.update(np.ascontiguousarray(self[index]).tobytes())
        return told.hexdigest()


def array_reader(array: Any, axes: tuple[int, int, int] = (0, 1, 2)) -> FrameReader:
    """Return the reader of what is sliced like an array: numpy, memory map, dask, Zarr, HDF5.

    ``axes``: which of the array's axes are time, y and x.
    """
    lengths = tuple(int(array.shape[axis]) for axis in axes)
    chunks = getattr(array, "chunks", None)
    along = chunks[axes[0]] if chunks else 1
    chunk = max(along) if isinstance(along, tuple) else int(along)

    def read(first: int, last: int) -> Any:
        place: list[slice] = [slice(None)] * len(axes)
        place[axes[0]] = slice(first, last)
        return np.asarray(array[tuple(place)]).transpose(axes)

    return FrameReader(read, (lengths[0], lengths[1], lengths[2]), chunk)


def npy_reader(path: Any) -> FrameReader:
    """Return the reader of an NPY file (time, y, x): read, not mapped, so that no page stays."""
    header = np.load(path, mmap_mode="r", allow_pickle=False)
    shape, dtype, offset = header.shape, header.dtype, int(header.offset)
    if not header.flags.c_contiguous:
        return array_reader(header)
    del header
    return raw_reader(path, offset, dtype, (shape[0], shape[1], shape[2]))


def raw_reader(
    path: Any, offset: int, dtype: np.dtype[Any], shape: tuple[int, int, int]
) -> FrameReader:
    """Return the reader of frames that lie one behind the other in a file."""
    values = shape[1] * shape[2]

    def read(first: int, last: int) -> Any:
        count = (last - first) * values
        found = np.fromfile(
            path, dtype=dtype, count=count, offset=offset + first * values * dtype.itemsize
        )
        if len(found) < count:
            raise InputError(
                f"{path} ends before frame {last - 1}; it is truncated: export it again."
            )
        return found.reshape(last - first, shape[1], shape[2])

    return FrameReader(read, shape)
