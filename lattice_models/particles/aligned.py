"""Arrays that begin where a vector register's load does not cross two cache lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["aligned"]

LINE_BYTES = 64


def aligned(shape: tuple[int, ...], fill: float = 0.0) -> NDArray[np.float64]:
    """Return a float64 array of ``shape`` that begins at a multiple of 64 bytes.

    Examples
    --------
    >>> aligned((3, 8)).ctypes.data % 64
    0
    """
    size = int(np.prod(shape))
    raw = np.empty(size + LINE_BYTES // 8)
    first = -(raw.ctypes.data // 8) % (LINE_BYTES // 8)
    array = raw[first : first + size].reshape(shape)
    array[...] = fill
    return array
