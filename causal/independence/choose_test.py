"""The default conditional-independence test of a table, chosen by the table's own diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns
from physlearn.causal.independence.channel_test import ChannelIndependenceTest, ChannelOptions
from physlearn.causal.independence.mixed_columns import column_kinds
from physlearn.causal.independence.mixed_test import MixedIndependenceTest
from physlearn.causal.spatial_test import (
    IndependenceResult,
    SpatialIndependenceTest,
    require_blocks,
)
from physlearn.causal.verbs import strict_number
from physlearn.checks import InputError, check_choice
from physlearn.plugins import load_plugin, plugin_names

if TYPE_CHECKING:
    from physlearn.records import PatchTable

TESTS = ("auto", "linear", "channel", "mixed")
FEWEST_ROWS = 30
LARGEST_LEVEL = 0.5
"""Rows and columns of a grid from which the channel test holds its level with some power."""
MIXED_ASSUMES = "channels are taken as registered and of one resolution"


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
    channels may be blurred or misregistered without anybody saying so; the linear spatial test
    for free positions, small fields and noisy patches that overlap, where the mixed test must
    confirm a dependence given columns without errors; and the mixed test for every question that
    names a binary, ordinal, categorical or count column, and for rows without places.

    Parameters
    ----------
    table
        The patches.
    columns
        Prepared columns of the table (`prepare_columns`).
    alpha
        Level of one test.
    test
        "auto", "linear", "channel", "mixed", or the name of an installed package's test: an entry
        point of the group ``physlearn.independence_tests``, called with table, columns and alpha.
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
    if not 0 < strict_number("alpha", alpha) < LARGEST_LEVEL:
        raise InputError(f"alpha must lie between 0 and {LARGEST_LEVEL}; got {alpha!r}.")
    strict_number("noise_relative_error", noise_relative_error, minimum=0)
    if test in (others := plugin_names("independence_tests")) and test not in TESTS:
        made: IndependenceTest = load_plugin("independence_tests", test)(table, columns, alpha)
        return made
    check_choice("test", test, (*TESTS, *others))
    options = ChannelOptions(noise_relative_error=noise_relative_error)
    if test == "channel":
        return ChannelIndependenceTest(columns, alpha=alpha, options=options)
    if test == "mixed":
        return MixedIndependenceTest(table, columns, alpha=alpha)
    kind, why = (test, "") if test == "linear" else default_test(table, columns)
    if kind == "mixed":
        return MixedIndependenceTest(table, columns, alpha=alpha, why=why)
    if kind == "channel":
        usual: IndependenceTest = ChannelIndependenceTest(
            columns, alpha=alpha, options=options, why=why
        )
    else:
        usual = SpatialIndependenceTest(
            columns, alpha=alpha, noise_relative_error=noise_relative_error, why=why
        )
    if test != "auto":
        return usual
    discrete = discrete_columns(table, columns)
    if not discrete and kind == "channel":
        return usual
    said = f"{', '.join(discrete)} hold no continuous quantity; {MIXED_ASSUMES}"
    mixed = MixedIndependenceTest(table, columns, alpha=alpha, why=said)
    numbers = frozenset(columns.index(name) for name in discrete)
    return KindsTest(usual, mixed, numbers, bends=kind == "linear")


def default_test(table: PatchTable, columns: Columns) -> tuple[str, str]:
    """Return the name of the test for a table, and the reason in words."""
    if table.metadata.get("rows_independent", False):
        return "mixed", "rows without places: there are no neighbours to allow for"
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
    if table.overlap > 0 and columns.noise.any():
        return "linear", (
            f"the patches overlap by {table.overlap:.0%}, so that neighbours share their errors: "
            "they cannot stand for blur or offsets between channels, which are taken as registered "
            "and of one resolution"
        )
    return "channel", (
        f"patches on a grid of {rows} x {across} cells: blur, offsets and non-linear responses of "
        "channels are allowed for"
    )


def discrete_columns(table: PatchTable, columns: Columns) -> list[str]:
    """Return the binary, ordinal, categorical and count columns, told or seen."""
    raw = table.frame[list(columns.names)].to_numpy(dtype=np.float64)
    told = {k: v for k, v in dict(table.metadata.get("kinds", {})).items() if k in columns.names}
    kinds = column_kinds(raw, columns.names, told)
    return [name for name, kind in kinds.items() if kind != "continuous"]


class KindsTest:
    """Each question goes to the test of its columns' kinds: all continuous, or not.

    Parameters
    ----------
    usual
        The test of continuous columns.
    mixed
        The test of all kinds.
    discrete
        Numbers of the columns that are not continuous.
    bends
        Whether the usual test is linear, so that the mixed one must confirm a dependence given
        columns that are known without errors: curved responses to those feign it. Errors that
        are known are taken out by the linear test alone.
    """

    def __init__(
        self,
        usual: IndependenceTest,
        mixed: IndependenceTest,
        discrete: frozenset[int],
        *,
        bends: bool = False,
    ) -> None:
        self.bends = bends
        self.usual = usual
        self.mixed = mixed
        self.discrete = discrete
        self.columns = usual.columns
        self.alpha = usual.alpha
        self.results: dict[tuple[int, int, tuple[int, ...]], IndependenceResult] = {}

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks of both tests."""
        return self.usual.n_blocks + self.mixed.n_blocks

    def on_blocks(self, chosen: NDArray[np.bool_]) -> KindsTest:
        """Return both tests on part of their own blocks: first the usual test's, then the other's.

        Where none of a test's blocks is chosen, it keeps its first.
        """
        chosen = require_blocks(chosen, self.n_blocks)
        parts = [chosen[: self.usual.n_blocks].copy(), chosen[self.usual.n_blocks :].copy()]
        for part in parts:
            part[0] |= not part.any()
        return KindsTest(
            self.usual.on_blocks(parts[0]),
            self.mixed.on_blocks(parts[1]),
            self.discrete,
            bends=self.bends,
        )

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test columns number x and y given others."""
        key = (min(x, y), max(x, y), tuple(sorted(int(k) for k in given)))
        if key not in self.results:
            if self.discrete.intersection(key[:2]) or self.discrete.intersection(key[2]):
                self.results[key] = self.mixed(*key)
            else:
                self.results[key] = self._continuous(key)
        return self.results[key]

    def _continuous(self, key: tuple[int, int, tuple[int, ...]]) -> IndependenceResult:
        """Test continuous columns; a linear dependence must outlast curved responses."""
        result = self.usual(*key)
        given = list(key[2])
        clear = not self.columns.noise[np.ix_(given, given)].any()
        if not (self.bends and given and clear and result.verdict == "dependent"):
            return result
        curved = self.mixed(*key)
        why = f"{result.why}; a dependence must outlast curved responses to the columns held fixed"
        return replace(result if curved.verdict == "dependent" else curved, why=why)
