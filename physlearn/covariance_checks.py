"""The check of covariance matrices that people hand over: symmetric, and no variance below 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["check_covariance"]

ASYMMETRY = 1e-6
ROUNDING = 1e-6
"""Of the largest variance: what rounding, of float32 too, may put below 0."""

MOST_WORK = 1e8
"""Operations above which only pairs of variables are looked at, not their combinations."""


def check_covariance(name: str, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return matrices, shape (..., d, d), when each is a covariance; variances may be 0.

    Parameters
    ----------
    name
        The argument's name, for the message.
    matrices
        Finite numbers. Of many large matrices every pair of variables is looked at alone.

    Raises
    ------
    InputError
        Naming the first matrix that is not symmetric or has a direction of negative variance.

    Examples
    --------
    >>> check_covariance("covariance", np.eye(2)).shape
    (2, 2)
    >>> check_covariance("covariance", np.array([[1.0, 2.0], [2.0, 1.0]]))
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: covariance must have no negative variance in any direction; got -1.
    """
    if matrices.size == 0:
        return matrices
    d = matrices.shape[-1]
    stack = matrices.reshape(-1, d, d)
    variances = np.diagonal(stack, axis1=1, axis2=2)
    # no covariance is above the larger variance of its two: the diagonal holds the scale
    scale = np.abs(variances).max(axis=1)
    differs = _asymmetry(stack) > ASYMMETRY * scale
    if differs.any():
        raise InputError(f"{name} must be symmetric{_of(differs, matrices)}.")
    if d <= 2 or len(stack) * d**3 > MOST_WORK:
        least = _least_of_pairs(stack, variances)
    else:
        even = 0.5 * (stack + stack.transpose(0, 2, 1))
        least = np.asarray(np.linalg.eigvalsh(even)[:, 0], dtype=np.float64)
    negative = least < -ROUNDING * scale
    if negative.any():
        raise InputError(
            f"{name} must have no negative variance in any direction; got "
            f"{least[negative][0]:g}{_of(negative, matrices)}."
        )
    return matrices


def _asymmetry(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest difference of two entries that should be the same, shape (n,)."""
    n, d, _ = stack.shape
    if d > n:
        return np.asarray(np.abs(stack - stack.transpose(0, 2, 1)).max(axis=(1, 2)))
    most = np.zeros(n)
    for first in range(d - 1):  # many small matrices: without copies of the whole
        for second in range(first + 1, d):
            np.maximum(most, np.abs(stack[:, first, second] - stack[:, second, first]), out=most)
    return most


def _least_of_pairs(
    stack: NDArray[np.float64], variances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the least variance in the plane of any two variables, shape (n,)."""
    least = np.array(variances.min(axis=1), dtype=np.float64)
    for first in range(stack.shape[-1] - 1):
        own, other = variances[:, first, None], variances[:, first + 1 :]
        half = np.sqrt((0.5 * (own - other)) ** 2 + stack[:, first, first + 1 :] ** 2)
        np.minimum(least, (0.5 * (own + other) - half).min(axis=1), out=least)
    return least


def _of(bad: NDArray[np.bool_], matrices: NDArray[np.float64]) -> str:
    return f" in matrix {int(np.argmax(bad))}" if matrices.ndim > 2 else ""
