"""Kernels of score matching: what pairs of particles add to the estimating functions.

Functions of distance come as tables on an even grid, value and slope at each point, one row of the
table for each kind of pair (pair of species); in between they are cubic. ``fields``: radial vector
fields; field k pushes each particle by ``table`` along the line to its neighbour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["add_forces", "add_variances", "gather_fields", "project_fields"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@kernel
def add_forces(
    pairs: Int, vectors: Float, distance: Float, kinds: Int, grid: Float, table: Float, out: Float
) -> None:
    """Add the force that each particle feels, (n, d); ``table``: (q, g, 2) of u' and u''."""
    for m in range(len(distance)):
        r, kind = distance[m], kinds[m]
        low, h = grid[kind, 0], grid[kind, 1]
        if r >= grid[kind, 2]:
            continue
        cell = min(int((r - low) / h), table.shape[1] - 2)
        t = (r - low) / h - cell
        s = 1.0 - t
        slope = (
            table[kind, cell, 0] * s * s * (1.0 + 2.0 * t)
            + table[kind, cell + 1, 0] * t * t * (3.0 - 2.0 * t)
            + h * t * s * (table[kind, cell, 1] * s - table[kind, cell + 1, 1] * t)
        )
        for d in range(vectors.shape[1]):
            push = slope * vectors[m, d] / r
            out[pairs[m, 0], d] += push
            out[pairs[m, 1], d] -= push


@kernel
def gather_fields(
    pairs: Int,
    vectors: Float,
    distance: Float,
    kinds: Int,
    grid: Float,
    first: Int,
    table: Float,
    fields: Float,
    divergence: Float,
) -> None:
    """Add each field at each particle, (n, p, d), and its divergence there, (n, p).

    ``table``: (q, g, k, 2) of a field's value and slope; those of kind c are the fields
    ``first[c]`` to ``first[c + 1]``.
    """
    n_dims = vectors.shape[1]
    for m in range(len(distance)):
        r, kind = distance[m], kinds[m]
        low, h = grid[kind, 0], grid[kind, 1]
        if r >= grid[kind, 2]:
            continue
        i, j = pairs[m, 0], pairs[m, 1]
        cell = min(int((r - low) / h), table.shape[1] - 2)
        t = (r - low) / h - cell
        s = 1.0 - t
        a, b = s * s * (1.0 + 2.0 * t), t * t * (3.0 - 2.0 * t)
        c, e = h * t * s * s, -h * t * t * s
        da = -6.0 * t * s / h
        dc, de = s * (1.0 - 3.0 * t), t * (3.0 * t - 2.0)
        for k in range(first[kind + 1] - first[kind]):
            y0, y1 = table[kind, cell, k, 0], table[kind, cell + 1, k, 0]
            d0, d1 = table[kind, cell, k, 1], table[kind, cell + 1, k, 1]
            value = a * y0 + b * y1 + c * d0 + e * d1
            slope = da * (y0 - y1) + dc * d0 + de * d1
            at = first[kind] + k
            for d in range(n_dims):
                push = value * vectors[m, d] / r
                fields[i, at, d] += push
                fields[j, at, d] -= push
            spread = slope + (n_dims - 1) * value / r
            divergence[i, at] -= spread
            divergence[j, at] -= spread


@kernel
def project_fields(
    pairs: Int,
    vectors: Float,
    distance: Float,
    kinds: Int,
    grid: Float,
    inner: Bool,
    fields: Float,
    out: Float,
) -> None:
    """Add the weights (q, g, 2, p) by which u', u'' at the grid make the sum of field x force."""
    n_fields = fields.shape[1]
    for m in range(len(distance)):
        r, kind = distance[m], kinds[m]
        low, h = grid[kind, 0], grid[kind, 1]
        if r >= grid[kind, 2]:
            continue
        i, j = pairs[m, 0], pairs[m, 1]
        if not inner[i] and not inner[j]:
            continue
        cell = min(int((r - low) / h), out.shape[1] - 2)
        t = (r - low) / h - cell
        s = 1.0 - t
        a, b = s * s * (1.0 + 2.0 * t), t * t * (3.0 - 2.0 * t)
        c, e = h * t * s * s, -h * t * t * s
        for k in range(n_fields):
            along = 0.0
            for d in range(vectors.shape[1]):
                if inner[i]:
                    along += fields[i, k, d] * vectors[m, d]
                if inner[j]:
                    along -= fields[j, k, d] * vectors[m, d]
            along /= r
            out[kind, cell, 0, k] += a * along
            out[kind, cell + 1, 0, k] += b * along
            out[kind, cell, 1, k] += c * along
            out[kind, cell + 1, 1, k] += e * along


@kernel
def add_variances(
    pairs: Int,
    vectors: Float,
    distance: Float,
    kinds: Int,
    grid: Float,
    inner: Bool,
    first: Int,
    table: Float,
    force: Float,
    fields: Float,
    bends: Float,
    out: Float,
) -> None:
    """Add E[g g'] of the estimating functions g = sum of field x force + divergence, (p, p).

    By parts once more: the trace of (gradient of field k)(gradient of field l) plus
    field k x Hessian of the energy x field l. ``force``: (q, g, 2) of u', u''; ``bends``:
    (n, p, d, d), the gradient of each field by its own particle, summed here first.
    """
    n_dims = vectors.shape[1]
    n_fields = out.shape[0]
    across, along = np.zeros((n_fields, n_dims)), np.zeros(n_fields)
    for m in range(len(distance)):
        r, kind = distance[m], kinds[m]
        low, h = grid[kind, 0], grid[kind, 1]
        if r >= grid[kind, 2]:
            continue
        i, j = pairs[m, 0], pairs[m, 1]
        cell = min(int((r - low) / h), table.shape[1] - 2)
        t = (r - low) / h - cell
        s = 1.0 - t
        a, b = s * s * (1.0 + 2.0 * t), t * t * (3.0 - 2.0 * t)
        c, e = h * t * s * s, -h * t * t * s
        da = -6.0 * t * s / h
        dc, de = s * (1.0 - 3.0 * t), t * (3.0 * t - 2.0)
        both = inner[i] and inner[j]
        lo, hi = first[kind], first[kind + 1]
        for k in range(lo, hi):
            y0, y1 = table[kind, cell, k - lo, 0], table[kind, cell + 1, k - lo, 0]
            d0, d1 = table[kind, cell, k - lo, 1], table[kind, cell + 1, k - lo, 1]
            value = (a * y0 + b * y1 + c * d0 + e * d1) / r
            slope = da * (y0 - y1) + dc * d0 + de * d1
            for d in range(n_dims):
                for f in range(n_dims):
                    bend = (slope - value) * vectors[m, d] * vectors[m, f] / (r * r)
                    if d == f:
                        bend += value
                    bends[i, k, d, f] += bend
                    bends[j, k, d, f] += bend
            across[k, 0], across[k, 1] = slope, value
        if both:
            for k in range(lo, hi):
                for o in range(lo, k + 1):
                    term = across[k, 0] * across[o, 0]
                    term += (n_dims - 1) * across[k, 1] * across[o, 1]
                    out[k, o] += 2.0 * term
        if not inner[i] and not inner[j]:
            continue
        y0, y1 = force[kind, cell, 0], force[kind, cell + 1, 0]
        d0, d1 = force[kind, cell, 1], force[kind, cell + 1, 1]
        tension = (a * y0 + b * y1 + c * d0 + e * d1) / r
        stiffness = da * (y0 - y1) + dc * d0 + de * d1 - tension
        for k in range(n_fields):
            for d in range(n_dims):
                across[k, d] = 0.0
                if inner[i]:
                    across[k, d] += fields[i, k, d]
                if inner[j]:
                    across[k, d] -= fields[j, k, d]
        for k in range(n_fields):
            along[k] = 0.0
            for d in range(n_dims):
                along[k] += across[k, d] * vectors[m, d] / r
        for k in range(n_fields):
            for o in range(k + 1):
                same = 0.0
                for d in range(n_dims):
                    same += across[k, d] * across[o, d]
                out[k, o] += tension * same + stiffness * along[k] * along[o]
    for i in range(len(inner)):
        if inner[i]:
            for k in range(n_fields):
                for o in range(k + 1):
                    term = 0.0
                    for d in range(n_dims):
                        for f in range(n_dims):
                            term += bends[i, k, d, f] * bends[i, o, f, d]
                    out[k, o] += term
    for k in range(n_fields):
        for o in range(k):
            out[o, k] = out[k, o]
