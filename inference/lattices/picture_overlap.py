"""Whether pictures that follow each other are independent: how alike neighbours in time are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.records import LatticeSnapshots

__all__ = ["count_independent_pictures"]

Float = NDArray[np.float64]
LEAST_PICTURES = 6
MOST_PICTURES = 200
MOST_SITES = 5000
N_ORDERS = 2000
LEAST_P = 0.002


def count_independent_pictures(record: LatticeSnapshots) -> float | None:
    """Return how many independent pictures a series is worth, or None where nothing speaks.

    The overlap of two pictures is the share of sites in the same state. Consecutive pictures are
    compared with those in random order (a permutation test); with c their overlap's excess over
    that of distant pictures, relative to a picture with itself, n are worth n (1 - c) / (1 + c).
    Pictures are those of the most frequent conditions, by ``times`` or in their order.

    Parameters
    ----------
    record
        With at least 6 pictures under the same conditions; None for fewer.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> states = np.random.default_rng(1).choice([-1, 1], (12, 64))
    >>> count_independent_pictures(LatticeSnapshots(states, square_lattice((8, 8)))) is None
    True
    >>> slow = LatticeSnapshots(np.repeat(states, 3, axis=0), square_lattice((8, 8)))
    >>> bool(count_independent_pictures(slow) < 20)
    True
    """
    chosen = _series(record)
    n = len(chosen)
    if n < LEAST_PICTURES:
        return None
    alike = _overlaps(record, chosen)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    near = alike[lag == 1].mean()
    far, own = alike[lag > n / 2].mean(), np.diag(alike).mean()
    if own <= far or near <= far:
        return None
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(n), (N_ORDERS, 1)), axis=1)
    shuffled = alike[orders[:, :-1], orders[:, 1:]].mean(axis=1)
    if (1 + np.sum(shuffled >= near)) / (1 + N_ORDERS) > LEAST_P:
        return None
    excess = min((near - far) / (own - far), 1.0)
    return float(max(1.0, n * (1 - excess) / (1 + excess)))


def _series(record: LatticeSnapshots) -> NDArray[np.int64]:
    """Return pictures under the most frequent conditions, in the order of time."""
    number = np.arange(record.n_snapshots)
    if record.conditions:
        table = np.column_stack([np.asarray(value) for value in record.conditions.values()])
        _, which, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
        number = number[which.reshape(-1) == np.argmax(counts)]
    if record.times is not None:
        number = number[np.argsort(np.asarray(record.times)[number], kind="stable")]
    return np.asarray(number[:MOST_PICTURES], np.int64)


def _overlaps(record: LatticeSnapshots, chosen: NDArray[np.int64]) -> Float:
    """Return the number of sites, or of some of them, that two pictures show alike, (n, n)."""
    step = -(-record.graph.n_sites // MOST_SITES)
    states = record.states[chosen, ::step]
    seen = np.ones(states.shape, bool)
    if record.observed is not None:
        seen = record.observed[chosen, ::step]
    out = np.zeros((len(chosen), len(chosen)))
    for value in record.state_values:
        here = ((states == value) & seen).astype(np.float32)
        out += here @ here.T
    return out
