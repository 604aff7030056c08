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
def hermite(t: float, h: float) -> tuple[float, float, float, float, float, float, float]:
    """Weights of values and slopes at both ends of a cell, and of the slope there.

    ``t``: share of the cell of width ``h``. Value: the first four times (y0, y1, y0', y1');
    slope: the fifth times y0 - y1, the last two times (y0', y1').
    """
    s = 1.0 - t
    return (
        s * s * (1.0 + 2.0 * t),
        t * t * (3.0 - 2.0 * t),
        h * t * s * s,
        -h * t * t * s,
        -6.0 * t * s / h,
        s * (1.0 - 3.0 * t),
        t * (3.0 * t - 2.0),
    )


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
        a, b, c, e, _, _, _ = hermite((r - low) / h - cell, h)
        slope = (
            a * table[kind, cell, 0]
            + b * table[kind, cell + 1, 0]
            + c * table[kind, cell, 1]
            + e * table[kind, cell + 1, 1]
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
        a, b, c, e, da, dc, de = hermite((r - low) / h - cell, h)
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
        a, b, c, e, _, _, _ = hermite((r - low) / h - cell, h)
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
    # rows of one component each: the innermost loops run along them
    own, pulled = np.zeros((n_dims, n_fields)), np.zeros((n_dims, n_fields))
    steep, even, along = np.zeros(n_fields), np.zeros(n_fields), np.zeros(n_fields)
    for m in range(len(distance)):
        r, kind = distance[m], kinds[m]
        low, h = grid[kind, 0], grid[kind, 1]
        if r >= grid[kind, 2]:
            continue
        i, j = pairs[m, 0], pairs[m, 1]
        cell = min(int((r - low) / h), table.shape[1] - 2)
        a, b, c, e, da, dc, de = hermite((r - low) / h - cell, h)
        both = inner[i] and inner[j]
        lo, hi = first[kind], first[kind + 1]
        for k in range(lo, hi):
            y0, y1 = table[kind, cell, k - lo, 0], table[kind, cell + 1, k - lo, 0]
            d0, d1 = table[kind, cell, k - lo, 1], table[kind, cell + 1, k - lo, 1]
            value = (a * y0 + b * y1 + c * d0 + e * d1) / r
            slope = da * (y0 - y1) + dc * d0 + de * d1
            excess = (slope - value) / (r * r)
            for d in range(n_dims):
                for f in range(n_dims):
                    bend = excess * vectors[m, d] * vectors[m, f]
                    if d == f:
                        bend += value
                    bends[i, k, d, f] += bend
                    bends[j, k, d, f] += bend
            steep[k], even[k] = slope, value
        if both:
            for k in range(lo, hi):
                one, two = 2.0 * steep[k], 2.0 * (n_dims - 1) * even[k]
                for o in range(lo, k + 1):
                    out[k, o] += one * steep[o] + two * even[o]
        if not inner[i] and not inner[j]:
            continue
        y0, y1 = force[kind, cell, 0], force[kind, cell + 1, 0]
        d0, d1 = force[kind, cell, 1], force[kind, cell + 1, 1]
        tension = (a * y0 + b * y1 + c * d0 + e * d1) / r
        stiffness = da * (y0 - y1) + dc * d0 + de * d1 - tension
        along[:] = 0.0
        left, right = 1.0 if inner[i] else 0.0, 1.0 if inner[j] else 0.0
        for d in range(n_dims):
            unit = vectors[m, d] / r
            for k in range(n_fields):
                own[d, k] = left * fields[i, k, d] - right * fields[j, k, d]
                along[k] += unit * own[d, k]
        for d in range(n_dims):
            unit = stiffness * vectors[m, d] / r
            for k in range(n_fields):
                pulled[d, k] = tension * own[d, k] + unit * along[k]
            for k in range(n_fields):
                push = own[d, k]
                for o in range(k + 1):
                    out[k, o] += push * pulled[d, o]
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
