"""The default conditional-independence test of a table, chosen by the table's own diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns
from physlearn.causal.independence.channel_test import ChannelIndependenceTest, ChannelOptions
from physlearn.causal.spatial_test import IndependenceResult, SpatialIndependenceTest
from physlearn.checks import check_choice

if TYPE_CHECKING:
    from physlearn.records import PatchTable

TESTS = ("auto", "linear", "channel", "mixed")
FEWEST_ROWS = 24
"""Rows and columns of a grid from which the channel test holds its level with some power."""
FEW_LEVELS = 12
"""A column of at most so many different whole numbers is binary, ordinal or a count."""


class IndependenceTest(Protocol):
    """What graph search asks: tests on columns by number, also on part of the spatial blocks."""

    columns: Columns
    alpha: float
    results: dict[tuple[int, int, tuple[int, ...]], IndependenceResult]

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks."""
        ...

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test two columns given others."""
        ...

    def on_blocks(self, chosen: NDArray[np.bool_]) -> IndependenceTest:
        """Return the test on part of the blocks."""
        ...


def choose_test(
    table: PatchTable,
    columns: Columns,
    *,
    alpha: float = 0.05,
    test: str = "auto",
    noise_relative_error: float = 0.2,
) -> IndependenceTest:
    """Return the test of independence that holds its level on the columns of a table.

    "auto" takes the channel test where the patches are cells of a grid that is large enough, as
    channels may be blurred or misregistered without anybody saying so; the mixed test where
    columns hold few whole numbers (binary, ordinal, counts); and the linear spatial test for
    free positions and small fields.

    Parameters
    ----------
    table
        The patches.
    columns
        Prepared columns of the table (`prepare_columns`).
    alpha
        Level of one test.
    test
        "auto", "linear", "channel" or "mixed".
    noise_relative_error
        The noise covariance may be wrong by this share.

    Raises
    ------
    InputError
        For an unknown name, or the channel test on patches without a grid.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.causal.columns import prepare_columns
    >>> from physlearn.records import PatchTable
    >>> y, x = np.mgrid[:32, :32].reshape(2, -1)
    >>> frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1024, 2)), columns=["a", "b"])
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    >>> choose_test(table, prepare_columns(table))(0, 1).test
    'channel'
    """
    check_choice("test", test, TESTS)
    kind, why = (test, "") if test != "auto" else default_test(table, columns)
    if kind == "mixed":
        from physlearn.causal.independence.mixed_test import MixedIndependenceTest

        found: IndependenceTest = MixedIndependenceTest(table, columns, alpha=alpha)
    elif kind == "channel":
        options = ChannelOptions(noise_relative_error=noise_relative_error)
        found = ChannelIndependenceTest(columns, alpha=alpha, options=options, why=why)
    else:
        found = SpatialIndependenceTest(
            columns, alpha=alpha, noise_relative_error=noise_relative_error, why=why
        )
    return found


def default_test(table: PatchTable, columns: Columns) -> tuple[str, str]:
    """Return the name of the test for a table, and the reason in words."""
    whole = few_levels(table, columns)
    if whole and find_spec("physlearn.causal.independence.mixed_test") is not None:
        return "mixed", f"{', '.join(whole)} hold few whole numbers (binary, ordinal or counts)"
    cells = columns.layout.cells
    if cells is None:
        return "linear", (
            "the patches are no cells of one grid: neighbours cannot stand for blur or offsets "
            "between channels, which are taken as registered and of one resolution"
        )
    rows, across = (int(k) + 1 for k in cells.max(axis=0))
    if min(rows, across) < FEWEST_ROWS or len(cells) < 0.7 * rows * across:
        return "linear", (
            f"{len(cells)} patches on {rows} x {across} cells are too few to tell blur or offsets "
            "between channels, which are taken as registered and of one resolution"
        )
    return "channel", (
        f"patches on a grid of {rows} x {across} cells: blur, offsets and non-linear responses of "
        "channels are allowed for"
    )


def few_levels(table: PatchTable, columns: Columns) -> list[str]:
    """Return the columns that hold at most a dozen different whole numbers."""
    found = []
    for name in columns.names:
        values = table.frame[name].to_numpy()
        if np.array_equal(values, np.rint(values)) and len(np.unique(values)) <= FEW_LEVELS:
            found.append(name)
    return found
