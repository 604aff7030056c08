"""The default conditional-independence test of a table, chosen by the table's own diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physlearn.causal.columns import Columns
from physlearn.causal.spatial_test import SpatialIndependenceTest
from physlearn.checks import check_choice

if TYPE_CHECKING:
    from physlearn.records import PatchTable

TESTS = ("auto", "linear")


def choose_test(
    table: PatchTable, columns: Columns, *, alpha: float = 0.05, test: str = "auto"
) -> SpatialIndependenceTest:
    """Return the test object that graph search asks about the columns of a table."""
    check_choice("test", test, TESTS)
    return SpatialIndependenceTest(columns, alpha=alpha)
