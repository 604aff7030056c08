"""Sites and waves of a periodic crystal whose box need not be along the primitive vectors."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["amplitudes", "cell_number", "cells_of", "half_the_waves", "reduce_rows", "row_form"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Int = NDArray[np.int64]
CHUNK = 1 << 21


def row_form(rows: Int) -> Int:
    """Return the Hermite form of integer rows: upper triangular, the same lattice of sums.

    Examples
    --------
    >>> row_form(np.array([[2, 1], [0, 3]])).tolist()
    [[2, 1], [0, 3]]
    """
    form = np.array(rows, dtype=np.int64)
    d = len(form)
    for column in range(d):
        while True:
            below = [r for r in range(column, d) if form[r, column] != 0]
            pivot = min(below, key=lambda r: abs(form[r, column]))
            form[[column, pivot]] = form[[pivot, column]]
            for r in range(column + 1, d):
                form[r] -= (form[r, column] // form[column, column]) * form[column]
            if not form[column + 1 :, column].any():
                break
        if form[column, column] < 0:
            form[column] *= -1
    return form


def reduce_rows(points: Int, form: Int) -> Int:
    """Return integer points (n, d) modulo the lattice of a Hermite form: one name a class."""
    reduced = np.array(points, dtype=np.int64)
    for axis in range(len(form)):
        turns = np.floor_divide(reduced[:, axis], form[axis, axis])
        reduced -= turns[:, None] * form[axis]
    return reduced


def cells_of(form: Int) -> Int:
    """Return one integer point of each class, shape (determinant, d)."""
    return np.array(list(product(*[range(n) for n in np.diag(form)])), dtype=np.int64)


def cell_number(points: Int, form: Int) -> Int:
    """Return which of ``cells_of(form)`` each integer point (n, d) is, shape (n,)."""
    sizes = np.append(np.cumprod(np.diag(form)[::-1])[::-1][1:], 1)
    return np.asarray(reduce_rows(points, form) @ sizes)


def half_the_waves(periods: Int) -> tuple[Int, Float]:
    """Return waves (m, d) in reciprocal vectors of the box, and how often each counts (m,).

    A real field has the same amplitude at q and -q: one of the two is kept and counts 1, a wave
    that is its own opposite counts 1/2. Wave 0, the common shift, is left out.
    """
    form = row_form(periods.T)
    waves = cells_of(form)
    own, opposite = cell_number(waves, form), cell_number(-waves, form)
    keep = (own <= opposite) & (own > 0)
    return waves[keep], np.where(own == opposite, 0.5, 1.0)[keep]


def amplitudes(field: Float, shares: Float, waves: Int) -> Complex:
    """Return sum of field exp(-2 pi i wave . share) over sites, shape (..., m, d).

    ``field`` (..., n, d); ``shares`` (n, d): sites in shares of the box.
    """
    out = np.zeros((*field.shape[:-2], len(waves), field.shape[-1]), dtype=np.complex128)
    size = max(CHUNK // len(shares), 1)
    for first in range(0, len(waves), size):
        rows = slice(first, first + size)
        phase = np.exp(-2j * np.pi * ((waves[rows] @ shares.T) % 1.0))
        out[..., rows, :] = phase @ field
    return out
