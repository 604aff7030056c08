"""A test of independence on part of the spatial blocks of its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns
from physlearn.causal.spatial_test import IndependenceResult

Key = tuple[int, int, tuple[int, ...]]
"""Two columns, the smaller number first, and the columns held fixed, sorted."""


def key_of(x: int, y: int, given: Sequence[int]) -> Key:
    """Return the one key of a question, however it is asked.

    Examples
    --------
    >>> key_of(3, 1, [5, 2])
    (1, 3, (2, 5))
    """
    return min(x, y), max(x, y), tuple(sorted(int(k) for k in given))


class WholeTest(Protocol):
    """A test of a whole table that can answer for some of its blocks with the fits of all."""

    columns: Columns
    alpha: float

    def of_part(self, key: Key, chosen: NDArray[np.bool_]) -> IndependenceResult:
        """Return what the chosen blocks say."""
        ...

    def on_blocks(self, chosen: NDArray[np.bool_]) -> BlockTest:
        """Return the test on some blocks."""
        ...


class BlockTest:
    """A test on part of the spatial blocks, with the fits of the whole table.

    Parameters
    ----------
    whole
        The test of the whole table.
    chosen
        One answer per block.
    """

    def __init__(self, whole: WholeTest, chosen: NDArray[np.bool_]) -> None:
        self.whole = whole
        self.columns = whole.columns
        self.alpha = whole.alpha
        self.chosen = chosen
        self.results: dict[Key, IndependenceResult] = {}

    @property
    def n_blocks(self) -> int:
        """Number of blocks of the whole table."""
        return len(self.chosen)

    def on_blocks(self, chosen: NDArray[np.bool_]) -> BlockTest:
        """Return the test on other blocks."""
        return self.whole.on_blocks(chosen)

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test columns number x and y given others on the chosen blocks."""
        key = key_of(x, y, given)
        if key not in self.results:
            self.results[key] = self.whole.of_part(key, self.chosen)
        return self.results[key]
