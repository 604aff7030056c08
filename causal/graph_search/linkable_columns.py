"""Which columns of a table a search can link, and what is said of those it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import NEAR_DETERMINISTIC, Columns, prepare_columns
from physlearn.causal.graph_search.knowledge import Constraints, Knowledge, constraints_of
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import MIN_RELIABILITY
from physlearn.causal.table_notes import without_derived
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

ROUNDING = 1e-10
"""Below this share of its variance the rest of a column, given others, is rounding."""


def columns_to_link(table: PatchTable, notes: list[str]) -> Columns:
    """Return the columns that a search can use; `notes` gets what was left out and why."""
    if table.n_patches < len(table.columns):
        raise NotIdentified(
            f"the table holds {table.n_patches} patches and {len(table.columns)} columns: with "
            "fewer patches than columns every column is a sum of others; use more patches or "
            "fewer columns."
        )
    columns = prepare_columns(table, names=without_derived(table, notes), drop=True)
    if len(columns.names) < 2:
        raise NotIdentified(
            f"only column {columns.names[0]!r} varies; a graph needs at least 2 columns."
        )
    columns, said = _without_determined(columns, table)
    notes += said
    return _without_pure_noise(columns, table, notes)


def constraints_left(
    columns: Columns, tiers: Mapping[str, int], knowledge: Knowledge | None, notes: list[str]
) -> Constraints:
    """Return the constraints on the columns left; a required link needs both of its columns."""
    given = knowledge or Knowledge()
    for cause, effect in given.required:
        for name in (cause, effect):
            if name not in columns.names:
                why = next((note for note in notes if f"{name!r}" in note), "it was left out.")
                raise InputError(f"knowledge requires {cause} -> {effect}, but {why}")
    forbidden = [edge for edge in given.forbidden if set(edge) <= set(columns.names)]
    return constraints_of(columns.names, tiers, Knowledge(given.required, forbidden))


def _without_determined(columns: Columns, table: PatchTable) -> tuple[Columns, list[str]]:
    """Leave out columns that the others determine: they make every test of them meaningless."""
    notes = list(columns.warnings)
    names = list(columns.names)
    while len(names) > 2:
        index = [columns.index(name) for name in names]
        gram = columns.values[:, index].T @ columns.values[:, index] / len(columns.values)
        worst, others = _exact_relation(gram)
        if not others:
            left = 1.0 / (np.diag(np.linalg.pinv(gram, hermitian=True)) * np.diag(gram))
            worst = int(np.argmin(left))
            if left[worst] > 1.0 - NEAR_DETERMINISTIC:
                break
        by = f" ({', '.join(names[k] for k in others)})" if others else ""
        notes.append(
            f"column {names[worst]!r} is all but determined by the others{by} and was left out."
        )
        del names[worst]
    if len(names) == len(columns.names):
        return columns, notes
    kept = prepare_columns(table, names=names, drop=True, layout=columns.layout)
    return kept, notes


def _exact_relation(gram: Floats) -> tuple[int, list[int]]:
    """Return the first column that earlier ones determine exactly, and which; no others if none.

    The earlier columns determine none of themselves, so that their weights are unique.
    """
    size = np.sqrt(np.diag(gram))
    correlation = gram / np.outer(size, size)
    for k in range(1, len(gram)):
        weights = np.linalg.solve(correlation[:k, :k], correlation[:k, k])
        if 1.0 - float(weights @ correlation[:k, k]) < ROUNDING:
            return k, [int(i) for i in np.flatnonzero(np.abs(weights) > np.sqrt(ROUNDING))]
    return 0, []


def _without_pure_noise(columns: Columns, table: PatchTable, notes: list[str]) -> Columns:
    """Leave out columns that hardly vary beyond their errors: none can be held fixed in a test.

    One such column beside a true cause, by chance, would leave every link of the two untestable.
    """
    variance = np.mean(columns.values**2, axis=0)
    share = 1.0 - np.diag(columns.noise) / np.maximum(variance, 1e-300)
    kept = [name for name, true in zip(columns.names, share, strict=True) if true > MIN_RELIABILITY]
    if len(kept) == len(columns.names) or len(kept) < 2:
        return columns
    for name, true in zip(columns.names, share, strict=True):
        if name not in kept:
            notes.append(
                f"column {name!r} was left out: only {max(true, 0.0):.0%} of its variance is not "
                "measurement noise, so nothing can be said of its links."
            )
    return prepare_columns(table, names=kept, drop=True, layout=columns.layout)
