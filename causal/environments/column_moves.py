"""Which columns differ between environments, by mean or by spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.causal.environments.field_moments import FieldMoments
from physlearn.causal.environments.invariant_sets import (
    agree,
    environment_mean,
    environment_variance,
    log_variances_agree,
)

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

LEAST_SPREAD = 1e-9
"""Variances below this share of the column's own are rounding."""


def column_moves(
    moments: Sequence[Sequence[FieldMoments]],
    names: Sequence[str],
    scale: Floats,
    units: Mapping[str, str],
    alpha: float,
    stands_below: float,
) -> pd.DataFrame:
    """Return the table `EnvironmentComparison.moves`."""
    import pandas as pd

    rows = [_row(moments, k, alpha) for k in range(len(names))]
    adjusted = stats.false_discovery_control([row["p_value"] for row in rows])
    for k, (name, row) in enumerate(zip(names, rows, strict=True)):
        row["column"], row["p_adjusted"] = name, float(adjusted[k])
        row["shift"], row["unit"] = row["shift_sds"] * float(scale[k]), units.get(name, "1")
        row["verdict"] = "undecided"
        if row["p_adjusted"] <= alpha:
            row["verdict"] = "moves"
        elif row["largest_shift_sds"] <= stands_below:
            row["verdict"] = "stands"
        row["words"] = _words(row, stands_below)
    order = [
        "column", "shift", "unit", "shift_sds", "largest_shift_sds", "spread_ratio", "p_value",
        "p_adjusted", "verdict", "words",
    ]  # fmt: skip
    return pd.DataFrame(rows)[order]


def _row(moments: Sequence[Sequence[FieldMoments]], column: int, alpha: float) -> dict[str, Any]:
    weights = np.zeros(len(moments[0][0].mean))
    weights[column] = 1.0
    found = [environment_mean(fields, weights) for fields in moments]
    means = np.array([mean for mean, _, _ in found])
    variances = np.array([variance for _, variance, _ in found])
    freedom = min(number for _, _, number in found)
    p_mean = agree(means, np.diag(variances), freedom)
    spreads = [environment_variance(fields, weights, 0) for fields in moments]
    true = np.array([max(value, 1e-12) for value, _ in spreads])
    # a column without any spread in one environment has no ratio, only a mean
    testable = min(value for value, _ in spreads) > LEAST_SPREAD
    p_spread = log_variances_agree(true, np.array([nu for _, nu in spreads])) if testable else 1.0
    low, high = int(np.argmin(means)), int(np.argmax(means))
    pairs = [
        abs(means[a] - means[b])
        + stats.t.isf(alpha, freedom) * np.sqrt(variances[a] + variances[b])
        for a in range(len(means))
        for b in range(a)
    ]
    return {
        "shift_sds": float(means[high] - means[low]) * (1.0 if high > low else -1.0),
        "largest_shift_sds": float(max(pairs)),
        "spread_ratio": float(np.sqrt(true.max() / true.min())) if testable else np.nan,
        "p_value": min(1.0, 2.0 * min(p_mean, p_spread)),
    }


def _words(row: Mapping[str, Any], stands_below: float) -> str:
    name, verdict = row["column"], row["verdict"]
    if verdict == "moves":
        spread = (
            f"its spread by a factor of {row['spread_ratio']:.2f}"
            if np.isfinite(row["spread_ratio"])
            else "its spread not to be compared (nothing above the noise in one of them)"
        )
        return (
            f"{name} moves between the environments: by {row['shift']:.3g} {row['unit']} in the "
            f"mean ({row['shift_sds']:.2f} standard deviations), {spread} "
            f"(p {row['p_adjusted']:.2g})."
        )
    if verdict == "stands":
        return (
            f"{name} stands: a shift above {row['largest_shift_sds']:.2f} standard deviations is "
            "excluded."
        )
    return (
        f"{name} is undecided: a shift up to {row['largest_shift_sds']:.2f} standard deviations is "
        f"not excluded; a larger field, or more of them, would (below {stands_below:g})."
    )
