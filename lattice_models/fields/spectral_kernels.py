"""The local part of a spectral step."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["local_force", "local_vector_force"]

Real = NDArray[Any]


@kernel
def local_force(order: Real, force: Real, coefficients: Real, local: Real, push: Any,
                wave: Any) -> None:  # fmt: skip
    """Set ``force`` to df/dP - s P - field, cell by cell.

    ``order``, ``force``: (1, n_rows, n_columns). ``coefficients``: s, a, b, c, e. ``local``: (3,
    n_rows, n_columns), softening, field and profile of the drive, or (3, 0, 0).
    """
    shift, a, b, c, e = coefficients[:5]
    a = a - shift
    for i in range(order.shape[1]):
        for j in range(order.shape[2]):
            p = order[0, i, j]
            q = p * p
            force[0, i, j] = p * (a + p * b + q * (c + q * e)) - push
        if local.shape[1] > 0:
            for j in range(order.shape[2]):
                force[0, i, j] += (
                    local[0, i, j] * order[0, i, j] - local[1, i, j] - wave * local[2, i, j]
                )


@kernel
def local_vector_force(order: Real, force: Real, coefficients: Real, local: Real,
                       wave: Any) -> None:  # fmt: skip
    """Set ``force`` to df/dP - s P - field for a vector, both (2, n_rows, n_columns).

    ``coefficients``: s, 2 a1, 4 a11, 2 a12, 6 a111, 4 a112, 2 a112. ``local``: softening, field x,
    field y, profile x, profile y, (5, n_rows, n_columns), or (5, 0, 0).
    """
    shift, two, four, cross, six, quad, pair = coefficients[:7]
    two = two - shift
    for i in range(order.shape[1]):
        for j in range(order.shape[2]):
            x = order[0, i, j]
            y = order[1, i, j]
            p = x * x
            q = y * y
            force[0, i, j] = x * (two + p * (four + six * p + quad * q) + q * (cross + pair * q))
            force[1, i, j] = y * (two + q * (four + six * q + quad * p) + p * (cross + pair * p))
        if local.shape[1] > 0:
            for j in range(order.shape[2]):
                soft = local[0, i, j]
                force[0, i, j] += soft * order[0, i, j] - local[1, i, j] - wave * local[3, i, j]
                force[1, i, j] += soft * order[1, i, j] - local[2, i, j] - wave * local[4, i, j]
