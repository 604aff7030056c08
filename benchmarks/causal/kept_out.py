"""The test on the kept-out family of worlds. Run when the design no longer changes, not before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.causal.independence import (
    N_FIRST,
    N_MORE,
    N_MORE_POWER,
    N_NULL,
    N_POWER,
    Cell,
    measure,
)
from benchmarks.causal.independence import table_lines as lines_of_cells
from benchmarks.causal.kept_out_worlds import KEPT_OUT_CASES, make_kept_out_world

__all__ = ["CHECKS", "table_lines"]

DECIDABLE = (
    "rough fields", "Matern fields, SNR 10", "anisotropic fields, SNR 10", "domains",
    "grains, SNR 10", "registered blur, anisotropic",
)  # fmt: skip


def kept_out_cells() -> list[Cell]:
    """Return the cells: every world at 64 x 64 with 1 and 3 given, and at 32 x 32."""
    return [
        Cell(case, size, 2.5, n_given, size >= 64 and case in DECIDABLE, make_kept_out_world, False)
        for case in KEPT_OUT_CASES
        for size, n_given in ((64, 1), (64, 3), (32, 1))
    ]


def _case(cell: Cell) -> Callable[[bool], list[dict[str, Any]]]:
    def check(quick: bool) -> list[dict[str, Any]]:
        if quick:
            return [measure(cell, 3, 1, quick=True)]
        if cell.must_decide:
            return [measure(cell, N_NULL, N_POWER)]
        first = (cell.size, cell.n_given) == (64, 1)
        return [measure(cell, N_FIRST if first else N_MORE, N_MORE_POWER)]

    check.__doc__ = f"Kept out: {cell.name}."
    return check


CHECKS = {f"kept out: {cell.name}": _case(cell) for cell in kept_out_cells()}


def table_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the table of this part."""
    return lines_of_cells(cases)
