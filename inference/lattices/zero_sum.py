"""Vectors and tables over states whose sums are zero: what fields and pair energies are told by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import check_array

__all__ = ["zero_sum_tables", "zero_sum_vectors"]

Float = NDArray[np.float64]


def zero_sum_vectors(q: int) -> Float:
    """Return an orthonormal basis of vectors with zero sum, shape (q - 1, q) (Helmert contrasts).

    Examples
    --------
    >>> bool(np.allclose(zero_sum_vectors(3).sum(axis=1), 0))
    True
    """
    basis = np.zeros((q - 1, q))
    for k in range(1, q):
        basis[k - 1, :k], basis[k - 1, k] = 1.0, -float(k)
        basis[k - 1] /= np.sqrt(k * (k + 1.0))
    return basis


def zero_sum_tables(q: int) -> Float:
    """Return an orthonormal basis of symmetric tables with zero row sums, (q (q - 1) / 2, q, q).

    Examples
    --------
    >>> zero_sum_tables(2).round(3).tolist()
    [[[0.5, -0.5], [-0.5, 0.5]]]
    """
    vectors = zero_sum_vectors(q)
    tables = []
    for a in range(q - 1):
        for b in range(a + 1):
            outer = np.multiply.outer(vectors[a], vectors[b])
            table = outer + outer.T
            tables.append(table / np.linalg.norm(table))
    return np.array(check_array("tables", tables))
