"""Checks that should find nothing: an effect that passes them by was none."""

from __future__ import annotations

import numpy as np

from physlearn.causal.columns import Columns
from physlearn.causal.spatial_test import SpatialScore

N_PLACEBOS = 200


def spatial_placebo(
    spatial: SpatialScore,
    columns: Columns,
    cause: str,
    outcome: str,
    adjustment: tuple[str, ...],
    contrast: tuple[float, float],
    generator: np.random.Generator,
) -> dict[str, float]:
    """Shift the cause's residual over the field: an effect that survives was none."""
    x, y = columns.index(cause), columns.index(outcome)
    given = tuple(columns.index(name) for name in adjustment)
    r_x = columns.values @ spatial.weights(x, given)
    r_y = columns.values @ spatial.weights(y, given)
    true = float(r_x @ r_x)
    shifted = np.array([r_x[columns.layout.shifted(generator)] @ r_y for _ in range(N_PLACEBOS)])
    slopes = shifted / true * (contrast[1] - contrast[0])
    slopes *= float(columns.scale[y] / columns.scale[x])
    beyond = np.count_nonzero(np.abs(shifted) >= abs(float(r_x @ r_y)))
    return {
        "placebo_p_value": float((1 + beyond) / (N_PLACEBOS + 1)),
        "placebo_mean": float(slopes.mean()),
        "placebo_sd": float(slopes.std()),
    }
