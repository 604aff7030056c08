"""Small frames of a long film in a file: written and read one by one or a few at a time."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameSource", "Frames", "StoredFrames"]

Floats = NDArray[np.float64]


class FrameSource(Protocol):
    """Frames that are read when they are asked for."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        ...

    def __getitem__(self, index: Any, /) -> Floats:
        """Return a frame, or some frames as one array."""
        ...


Frames = Floats | FrameSource


class StoredFrames:
    """An array (n_frames, rows, columns) of float64 in a file of its own, of zeros at first.

    It is read and not mapped: pages of a map would count as memory of this process. The file goes
    when it is closed.

    Parameters
    ----------
    path
        The file.
    shape
        Of the array.

    Examples
    --------
    >>> import tempfile
    >>> with StoredFrames(tempfile.mktemp(), (4, 2, 3)) as store:
    ...     store[1] = np.ones((2, 3))
    ...     store[1:3].sum(), store[np.array([0, 1])].shape
    (np.float64(6.0), (2, 2, 3))
    """

    ndim = 3

    def __init__(self, path: str | os.PathLike[str], shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._bytes = 8 * shape[1] * shape[2]
        self._path = Path(path)
        self._file = self._path.open("w+b")
        self._file.truncate(shape[0] * self._bytes)

    def __enter__(self) -> StoredFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Floats:
        """Return a frame, a run of frames, or some frames, as an array of their own."""
        if isinstance(index, slice):
            first, last, _ = index.indices(self.shape[0])
            return self._read(first, max(last - first, 0))
        if isinstance(index, np.ndarray):
            return np.concatenate([self._read(int(one), 1) for one in index])
        frame: Floats = self._read(int(index), 1)[0]
        return frame

    def __setitem__(self, index: int, frame: Floats) -> None:
        if frame.shape != self.shape[1:] or not 0 <= index < self.shape[0]:
            raise ValueError(f"frame {index} of shape {frame.shape} in {self.shape}")
        self._file.seek(int(index) * self._bytes)
        self._file.write(np.ascontiguousarray(frame, dtype=np.float64).tobytes())

    def _read(self, first: int, number: int) -> Floats:
        self._file.seek(first * self._bytes)
        found = np.empty((number, *self.shape[1:]))
        got = self._file.readinto(found.data.cast("B")) if found.size else 0
        if got != found.nbytes:
            raise OSError(f"{self._path} ends before frame {first + number - 1}")
        return found
