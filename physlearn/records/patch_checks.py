"""Checks of the numbers that a table of patches holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["check_error_covariance"]


def check_error_covariance(covariance: NDArray[np.float64], columns: list[str]) -> None:
    """Refuse matrices that are the covariance of no errors."""
    variances = np.diagonal(covariance, axis1=1, axis2=2)
    # a computed variance of nothing may come out a rounding error below zero
    negative = variances < -1e-9 * np.abs(covariance).max()
    if negative.any():
        patch, column = (int(k) for k in np.argwhere(negative)[0])
        raise InputError(
            "measurement_covariance must hold variances of at least 0 on its diagonal; got "
            f"{variances[patch, column]:g} for {columns[column]!r} in matrix {patch}."
        )
    largest = np.abs(covariance).max(axis=(1, 2), keepdims=True)
    differs = np.abs(covariance - covariance.transpose(0, 2, 1)) > 1e-6 * largest
    if differs.any():
        patch, first, second = (int(k) for k in np.argwhere(differs)[0])
        raise InputError(
            "measurement_covariance must hold symmetric matrices; got "
            f"{covariance[patch, first, second]:g} and {covariance[patch, second, first]:g} for "
            f"{columns[first]!r} and {columns[second]!r} in matrix {patch}."
        )
