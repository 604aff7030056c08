"""The principal components that carry signal: the space in which patches are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.datasets.components.factor_models import factor_model
from physlearn.datasets.components.prepared_table import PreparedTable

__all__ = ["signal_space", "space_rank"]

Floats = NDArray[np.float64]
FEW_COLUMNS = 6
"""So few columns are all used: none needs to be told from noise to be affordable."""
MOST_COMPONENTS = 15
PATCHES_A_COMPONENT = 8


def signal_space(data: PreparedTable, n_components: int | str, seed: int) -> Floats:
    """Return the scores (n, k) of the components that carry signal, or of as many as asked for."""
    most = min(data.n - 1, len(data.columns))
    if n_components != "auto":
        rank = check_count("n_components", n_components, 1)
        if rank > most:
            raise InputError(
                f"n_components must not exceed {most} for {data.n} patches and "
                f"{len(data.columns)} columns; got {rank}."
            )
    else:
        rank = space_rank(data)
    rows = data.scaled()
    model = factor_model("pca")
    patterns = model.fit(rows, rank, seed)
    return np.asarray(rows @ patterns.T)


def space_rank(data: PreparedTable) -> int:
    """Return how many components carry signal.

    With known errors: those whose variance lies above the edge of noise, (1 + sqrt(c / n))^2 in the
    metric where errors have variance 1 (Marchenko and Pastur). Without: those above the mean
    variance of columns that share nothing, by the same edge.
    """
    n, c = data.n, len(data.columns)
    affordable = max(1, min(MOST_COMPONENTS, n // PATCHES_A_COMPONENT, n - 1, c))
    if c <= min(FEW_COLUMNS, affordable):
        return c
    rows = data.scaled()
    variance = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)[:c] ** 2 / n
    edge = (1.0 + np.sqrt(c / n)) ** 2
    return int(np.clip(np.count_nonzero(variance > edge), 1, affordable))
