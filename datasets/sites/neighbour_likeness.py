"""Whether neighbours are more alike than chance allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.records import AtomicConfiguration

__all__ = ["expected_likeness", "neighbour_likeness"]

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
    near = np.asarray(cKDTree(positions).query(positions, k=4)[1])[:, 1:]
    pairs = np.unique(
        np.sort(np.column_stack([np.repeat(np.arange(n), 3), near.ravel()]), axis=1), axis=0
    )
    correlation = float((seen[pairs[:, 0]] * seen[pairs[:, 1]]).mean() / np.mean(seen**2))
    return correlation * float(np.sqrt(len(pairs))), correlation


def expected_likeness(atoms: AtomicConfiguration) -> float | None:
    """Return how much the fit errors of neighbours' log intensities correlate, or None if unknown.

    The mean over pairs of nearest neighbours, from the joint covariance of the fit (order x, y, log
    amplitude, log width an atom; log intensity = log amplitude + 2 log width): neighbours share the
    background and each other's light.
    """
    if atoms.covariance is None or atoms.n < 2 or atoms.covariance.shape[0] < 4 * atoms.n:
        return None
    from scipy.sparse import csr_array

    rows = np.repeat(np.arange(atoms.n), 2)
    columns = (4 * np.arange(atoms.n)[:, None] + np.array([2, 3])).ravel()
    weights = np.tile([1.0, 2.0], atoms.n)
    to_log = csr_array((weights, (rows, columns)), shape=(atoms.n, atoms.covariance.shape[0]))
    joint = (to_log @ atoms.covariance.astype(np.float64) @ to_log.T).tocsr()
    variance = np.maximum(joint.diagonal(), 1e-300)
    near = np.asarray(cKDTree(atoms.positions).query(atoms.positions, k=2)[1])[:, 1]
    shared = np.asarray(joint[np.arange(atoms.n), near]).ravel()
    return float(np.mean(shared / np.sqrt(variance * variance[near])))
