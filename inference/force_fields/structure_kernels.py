"""Pairs and angles of atoms in any periodic cell, and what they add to forces.

Displacements point from the first atom to the image of the second; the force of an energy u(r) on
the first atom is u'(r) times the unit vector to the second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physlearn.lattice_models.compiled import kernel

__all__ = ["add_pair_forces", "angle_sums", "list_structure_pairs"]


@kernel
def list_structure_pairs(
    positions: Any, cell: Any, turns: Any, reach: float, pairs: Any, displacement: Any
) -> Any:
    """Return how many pairs are closer than ``reach``, all images counted, and list those.

    ``positions``: (n, 3) inside the cell; ``turns``: (3,) images to look at on each side;
    ``pairs``: (m, 2), first <= second; ``displacement``: (m, 3). A number above m says that the
    arrays must grow. An atom and its own image count once a pair of opposite images.
    """
    n = positions.shape[0]
    square = reach * reach
    found = 0
    for i in range(n):
        for j in range(i, n):
            for a in range(-turns[0], turns[0] + 1):
                for b in range(-turns[1], turns[1] + 1):
                    for c in range(-turns[2], turns[2] + 1):
                        if i == j and (a, b, c) <= (0, 0, 0):
                            continue
                        total = 0.0
                        for k in range(3):
                            step = positions[j, k] - positions[i, k]
                            step += a * cell[0, k] + b * cell[1, k] + c * cell[2, k]
                            total += step * step
                        if total >= square:
                            continue
                        if found < pairs.shape[0]:
                            pairs[found, 0] = i
                            pairs[found, 1] = j
                            for k in range(3):
                                step = positions[j, k] - positions[i, k]
                                step += a * cell[0, k] + b * cell[1, k] + c * cell[2, k]
                                displacement[found, k] = step
                        found += 1
    return found


@kernel
def add_pair_forces(pairs: Any, unit: Any, slope: Any, forces: Any) -> None:
    """Add the forces of pairs with dE/dr ``slope``, (m, p), to ``forces``, (n, 3, p), in place."""
    for m in range(pairs.shape[0]):
        i, j = pairs[m, 0], pairs[m, 1]
        if i == j:
            continue
        for k in range(3):
            for q in range(slope.shape[1]):
                pull = slope[m, q] * unit[m, k]
                forces[i, k, q] += pull
                forces[j, k, q] -= pull


@kernel
def angle_sums(
    start: Any,
    neighbour: Any,
    displacement: Any,
    decay: float,
    cutoff: float,
    energies: Any,
    forces: Any,
    virial: Any,
) -> None:
    """Add sums over angles of cos^q h(r1) h(r2), q = 0, 1, 2, h = exp(decay / (r - cutoff)).

    ``start``: (n + 1,) where the bonds of each atom begin; ``neighbour``: (b,) the other atom of
    each directed bond; ``displacement``: (b, 3). ``energies``: (n, 3), kept at the central atom;
    ``forces``: (n, 3, 3), last axis q; ``virial``: (n, 6, 3) of xx, yy, zz, yz, xz, xy.
    """
    pull_1, pull_2 = np.zeros(3), np.zeros(3)
    for i in range(start.shape[0] - 1):
        for e in range(start[i], start[i + 1]):
            ax, ay, az = displacement[e, 0], displacement[e, 1], displacement[e, 2]
            r1 = math.sqrt(ax * ax + ay * ay + az * az)
            if r1 >= cutoff - 1e-3 * decay:
                continue
            h1 = math.exp(decay / (r1 - cutoff))
            s1 = -decay / (r1 - cutoff) ** 2
            for f in range(e + 1, start[i + 1]):
                bx, by, bz = displacement[f, 0], displacement[f, 1], displacement[f, 2]
                r2 = math.sqrt(bx * bx + by * by + bz * bz)
                if r2 >= cutoff - 1e-3 * decay:
                    continue
                h2 = math.exp(decay / (r2 - cutoff))
                s2 = -decay / (r2 - cutoff) ** 2
                cosine = (ax * bx + ay * by + az * bz) / (r1 * r2)
                both = h1 * h2
                for q in range(3):
                    value = 1.0 if q == 0 else (cosine if q == 1 else cosine * cosine)
                    slope = 0.0 if q == 0 else (1.0 if q == 1 else 2.0 * cosine)
                    energies[i, q] += both * value
                    for k in range(3):
                        u1, u2 = displacement[e, k] / r1, displacement[f, k] / r2
                        # dE/d(displacement) of either bond: along it, and across it
                        pull_1[k] = both * (value * s1 * u1 + slope * (u2 - cosine * u1) / r1)
                        pull_2[k] = both * (value * s2 * u2 + slope * (u1 - cosine * u2) / r2)
                        forces[i, k, q] += pull_1[k] + pull_2[k]
                        forces[neighbour[e], k, q] -= pull_1[k]
                        forces[neighbour[f], k, q] -= pull_2[k]
                    virial[i, 0, q] += pull_1[0] * ax + pull_2[0] * bx
                    virial[i, 1, q] += pull_1[1] * ay + pull_2[1] * by
                    virial[i, 2, q] += pull_1[2] * az + pull_2[2] * bz
                    virial[i, 3, q] += pull_1[1] * az + pull_2[1] * bz
                    virial[i, 4, q] += pull_1[0] * az + pull_2[0] * bz
                    virial[i, 5, q] += pull_1[0] * ay + pull_2[0] * by
