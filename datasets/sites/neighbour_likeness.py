"""Whether neighbours are more alike than chance allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["neighbour_likeness"]

Floats = NDArray[np.float64]
LARGEST = 4.0


def neighbour_likeness(positions: Floats, values: Floats) -> tuple[float, float]:
    """Return Moran's I of ``values`` over the three nearest neighbours, as (z, correlation).

    ``positions`` (n, d), ``values`` (n,). z is I over its standard deviation under random
    permutation (Moran, 1950, doi:10.1093/biomet/37.1-2.17); values are cut at 4 standard
    deviations so that one outlier does not decide. (0, 0) with fewer than 20 values.
    """
    n = len(values)
    spread = float(np.std(values)) if n else 0.0
    if n < 20 or not spread > 0:
        return 0.0, 0.0
    seen = np.clip((values - np.median(values)) / spread, -LARGEST, LARGEST)
    seen = seen - seen.mean()
    near = cKDTree(positions).query(positions, k=4)[1][:, 1:]
    pairs = np.unique(
        np.sort(np.column_stack([np.repeat(np.arange(n), 3), near.ravel()]), axis=1), axis=0
    )
    correlation = float((seen[pairs[:, 0]] * seen[pairs[:, 1]]).mean() / np.mean(seen**2))
    return correlation * float(np.sqrt(len(pairs))), correlation
