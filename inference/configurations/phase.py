"""Whether positions are a crystal or a liquid, by the order of the bonds around each particle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.inference.configurations.snapshots import Snapshot

__all__ = ["bond_order", "judge_phase"]

Float = NDArray[np.float64]
NEIGHBOURS = {2: (4, 6), 3: (12,)}
"""Numbers of neighbours looked at: square and triangular order in a plane; close packing."""
BORDER = {2: 0.62, 3: 0.33}
"""Averaged bond order above which particles are a crystal: between what melts and freezes."""
MOST_FRAMES = 5


def judge_phase(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """Return the phase, the bond order behind it, and neighbours' relative scatter of distance.

    In a plane the order is |mean of exp(i m angle)| over a particle's bonds and those of its
    neighbours (Halperin & Nelson 1978, doi:10.1103/PhysRevLett.41.121); in space the averaged
    q6 of Lechner & Dellago 2008 (doi:10.1063/1.2977970).
    """
    orders = [bond_order(snapshot) for snapshot in snapshots[:MOST_FRAMES]]
    order = float(np.mean([value for value, _ in orders]))
    scatter = float(np.mean([value for _, value in orders]))
    border = BORDER[snapshots[0].dimension]
    return {
        "phase": "crystal" if order > border else "liquid",
        "bond_order": order,
        "bond_order_border": border,
        "neighbour_distance_scatter": scatter,
    }


def bond_order(snapshot: Snapshot) -> tuple[float, float]:
    """Return the mean averaged bond order and the relative sd of neighbours' distances."""
    d = snapshot.dimension
    tree = cKDTree(snapshot.positions, boxsize=snapshot.box)
    best, scatter = 0.0, 0.0
    for m in NEIGHBOURS[d]:
        if snapshot.n <= m:
            continue
        distance, near = (np.asarray(v) for v in tree.query(snapshot.positions, k=m + 1))
        vectors = snapshot.positions[near[:, 1:]] - snapshot.positions[:, None]
        if snapshot.box is not None:
            vectors -= np.round(vectors / snapshot.box) * snapshot.box
        own = _waves(vectors, m)
        averaged = own[near].mean(axis=1)
        size = np.sqrt((np.abs(averaged) ** 2).sum(axis=1))
        inner = snapshot.inner(2.0 * float(np.median(distance[:, 1])))
        value = float(size[inner].mean() if inner.any() else size.mean())
        if value > best:
            spread = distance[:, 1:].std(axis=1) / distance[:, 1:].mean(axis=1)
            best, scatter = value, float(np.median(spread))
    return best, scatter


def _waves(vectors: Float, m: int) -> NDArray[np.complex128]:
    """Mean over bonds (n, m, d) of the harmonics of their directions, (n, 1) or (n, 13)."""
    if vectors.shape[2] == 2:
        angle = np.arctan2(vectors[..., 1], vectors[..., 0])
        return np.asarray(np.exp(1j * m * angle).mean(axis=1)[:, None])
    from scipy.special import lpmv

    polar = vectors[..., 2] / np.linalg.norm(vectors, axis=2)
    around = np.arctan2(vectors[..., 1], vectors[..., 0])
    columns = []
    for order in range(7):
        # |Y6m|^2 4 pi / 13 = (6 - m)! / (6 + m)! P6m^2; -m is its conjugate and counts twice
        scale = np.sqrt((2.0 if order else 1.0) / np.prod(np.arange(7 - order, 7 + order)))
        columns.append((scale * lpmv(order, 6, polar) * np.exp(1j * order * around)).mean(axis=1))
    return np.stack(columns, axis=1)
