"""Graphene with Stone-Wales defects: bonds turned by 90 degrees, then relaxed with springs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from physlearn.checks import InputError

__all__ = ["honeycomb", "relax_network", "turn_bonds"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ANGLE_STIFFNESS = 0.6
"""Energy of (cos angle + 1/2)^2 in units of spring constant times bond length squared."""


def honeycomb(n_x: int, n_y: int) -> tuple[Floats, Integers]:
    """Return places (n, 2) of unit bond length, and bonds (m, 2), of n_x x n_y cells of 4 atoms."""
    width, height = 3.0, float(np.sqrt(3.0))
    basis = np.array([[0.0, 0.0], [1.0, 0.0], [1.5, 0.5 * height], [2.5, 0.5 * height]])
    column, row = np.meshgrid(np.arange(n_x), np.arange(n_y))
    corner = np.stack([column.ravel() * width, row.ravel() * height], axis=1)
    number = 4 * (np.arange(n_y)[:, None] * n_x + np.arange(n_x))
    bonds = [
        np.stack([number + a, number + b], axis=-1).reshape(-1, 2)
        for a, b in ((0, 1), (1, 2), (2, 3))
    ]
    bonds.append(np.stack([number[:, :-1] + 3, number[:, 1:]], axis=-1).reshape(-1, 2))
    bonds.append(np.stack([number[:-1] + 2, number[1:] + 1], axis=-1).reshape(-1, 2))
    bonds.append(np.stack([number[:-1, :-1] + 3, number[1:, 1:]], axis=-1).reshape(-1, 2))
    return (corner[:, None] + basis).reshape(-1, 2), np.concatenate(bonds)


def neighbours_of(bonds: Integers, n: int) -> list[list[int]]:
    """Return each atom's bonded neighbours."""
    near: list[list[int]] = [[] for _ in range(n)]
    for a, b in bonds.tolist():
        near[a].append(b)
        near[b].append(a)
    return near


def turn_bonds(
    places: Floats, bonds: Integers, n_defects: int, distance: float, rng: np.random.Generator
) -> tuple[Floats, Integers, Integers]:
    """Return places, bonds and the turned pairs after ``n_defects`` Stone-Wales turns.

    Turned bonds stand at least ``distance`` bond lengths apart, and half of it from the edge.
    """
    places = places.copy()
    near = neighbours_of(bonds, len(places))
    low, high = places.min(axis=0), places.max(axis=0)
    middles = 0.5 * (places[bonds[:, 0]] + places[bonds[:, 1]])
    margin = 0.5 * distance
    inside = np.all((middles > low + margin) & (middles < high - margin), axis=1)
    chosen: list[int] = []
    for k in rng.permutation(np.flatnonzero(inside)):
        if len(chosen) == n_defects:
            break
        gaps = middles[chosen] - middles[k]
        if not len(chosen) or np.min(gaps[:, 0] ** 2 + gaps[:, 1] ** 2) >= distance**2:
            chosen.append(int(k))
    if len(chosen) < n_defects:
        raise InputError(
            f"shape has room for {len(chosen)} defects {distance:.3g} bonds apart, not "
            f"{n_defects}: give a larger shape or a smaller distance."
        )
    turned = bonds[chosen]
    for p, q in turned.tolist():
        middle, half = 0.5 * (places[p] + places[q]), 0.5 * (places[q] - places[p])
        across = np.array([-half[1], half[0]])
        # p goes up: it gives its lower neighbour to q and takes q's upper one
        low_p = min((k for k in near[p] if k != q), key=lambda k: (places[k] - middle) @ across)
        high_q = max((k for k in near[q] if k != p), key=lambda k: (places[k] - middle) @ across)
        places[p], places[q] = middle + across, middle - across
        for old, new, other in ((p, q, low_p), (q, p, high_q)):
            near[old].remove(other)
            near[other].remove(old)
            near[new].append(other)
            near[other].append(new)
    pairs = np.array([(a, b) for a in range(len(near)) for b in near[a] if a < b], dtype=np.int64)
    return places, pairs, turned


def relax_network(places: Floats, bonds: Integers, max_steps: int = 300) -> Floats:
    """Return the places of least energy: springs along bonds, (cos angle + 1/2)^2 between them.

    Atoms with fewer than three bonds (the edge) stay where they are.
    """
    n = len(places)
    near = neighbours_of(bonds, n)
    free = np.array([len(around) == 3 for around in near])
    angles = np.array(
        [(i, a, b) for i, around in enumerate(near) for k, a in enumerate(around)
         for b in around[k + 1 :]], dtype=np.int64,
    ).reshape(-1, 3)  # fmt: skip

    def energy(flat: Floats) -> tuple[float, Floats]:
        where = flat.reshape(n, 2)
        slope = np.zeros((n, 2))
        step = where[bonds[:, 1]] - where[bonds[:, 0]]
        length = np.hypot(*step.T)
        pull = ((length - 1.0) / length)[:, None] * step
        one, two = (
            where[angles[:, 1]] - where[angles[:, 0]],
            where[angles[:, 2]] - where[angles[:, 0]],
        )
        long, short = np.hypot(*one.T), np.hypot(*two.T)
        cosine = np.sum(one * two, axis=1) / (long * short)
        force = (2 * ANGLE_STIFFNESS * (cosine + 0.5))[:, None]
        by_one = force * (two / (long * short)[:, None] - (cosine / long**2)[:, None] * one)
        by_two = force * (one / (long * short)[:, None] - (cosine / short**2)[:, None] * two)
        for axis in range(2):
            slope[:, axis] = (
                np.bincount(bonds[:, 1], pull[:, axis], n)
                - np.bincount(bonds[:, 0], pull[:, axis], n)
                + np.bincount(angles[:, 1], by_one[:, axis], n)
                + np.bincount(angles[:, 2], by_two[:, axis], n)
                - np.bincount(angles[:, 0], by_one[:, axis] + by_two[:, axis], n)
            )
        slope[~free] = 0.0
        total = 0.5 * np.sum((length - 1.0) ** 2) + ANGLE_STIFFNESS * np.sum((cosine + 0.5) ** 2)
        return float(total), slope.ravel()

    found = minimize(
        energy, places.ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": max_steps, "maxcor": 12, "ftol": 1e-12, "gtol": 1e-4},
    )  # fmt: skip
    return np.asarray(found.x, dtype=np.float64).reshape(n, 2)
