"""Are numbers uniform? Simultaneous bands of their distribution function, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count

__all__ = ["ecdf_bands", "ecdf_p_value"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
MOST_POINTS = 100
BISECTIONS = 40


def ecdf_points(n: int) -> Float:
    """Return where the distribution function of n numbers is looked at, inside 0 to 1."""
    k = min(n, MOST_POINTS)
    return np.arange(1, k) / k if k > 1 else np.array([0.5])


def ecdf_p_value(values: ArrayLike) -> float:
    """Return how likely independent uniform numbers would look at least as uneven.

    At each of up to 99 points z the number of values up to z is binomial; the statistic is the
    smallest of its two-sided tails over all points, and its distribution is summed exactly, point
    by point (Saeilynoja, Buerkner and Vehtari 2022, doi:10.1007/s11222-022-10090-6).

    Parameters
    ----------
    values
        Numbers between 0 and 1, shape (n,).

    Raises
    ------
    InputError
        For no numbers, or one outside 0 to 1.

    Examples
    --------
    >>> ecdf_p_value(np.arange(0.5, 100) / 100) > 0.99
    True
    >>> ecdf_p_value(np.arange(0.5, 100) / 200) < 1e-9
    True
    """
    given = check_array("values", values, ndim=1, minimum=0.0)
    if given.max() > 1.0:
        raise InputError(f"values must lie between 0 and 1; the largest is {given.max()!r}.")
    points = ecdf_points(len(given))
    counts = np.searchsorted(np.sort(given), points, side="right")
    smallest = float(_two_sided(counts, len(given), points).min())
    lower, upper = _acceptance(len(given), points, smallest)
    return float(np.clip(1.0 - _chance_inside(len(given), points, lower, upper), 0.0, 1.0))


def ecdf_bands(n: int, mass: float = 0.99) -> tuple[Float, Float, Float]:
    """Return points and lower and upper ends that hold the whole ECDF with a given chance.

    Parameters
    ----------
    n
        How many independent uniform numbers.
    mass
        The chance that all of the distribution function lies within (at least; counts are whole).

    Returns
    -------
    tuple
        Points z, lower and upper ends of the share of numbers up to z.

    Raises
    ------
    InputError
        For no numbers, or a mass outside 0 to 1.

    Examples
    --------
    >>> z, lower, upper = ecdf_bands(200)
    >>> bool(np.all((lower < z) & (z < upper)))
    True
    """
    check_count("n", n, 1)
    if not 0 < mass < 1:
        raise InputError(f"mass must lie between 0 and 1; got {mass!r}.")
    points = ecdf_points(n)
    # a smaller tail keeps more: the largest that still holds the mass
    low, high = np.log(1e-12), np.log(1.0 - mass)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        inside = _chance_inside(n, points, *_acceptance(n, points, float(np.exp(middle))))
        low, high = (middle, high) if inside >= mass else (low, middle)
    lower, upper = _acceptance(n, points, float(np.exp(low)))
    return points, lower / n, upper / n


def _two_sided(counts: NDArray[np.integer], n: int, points: Float) -> Float:
    """Return twice the smaller binomial tail, the count itself included, at most 1."""
    from scipy.stats import binom

    below, above = binom.cdf(counts, n, points), binom.sf(counts - 1, n, points)
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(below, above)), np.float64)


def _acceptance(n: int, points: Float, tail: float) -> tuple[Int, Int]:
    """Return the least and the greatest count at each point whose two-sided tail is above."""
    counts = np.arange(n + 1)
    kept = _two_sided(counts[:, None], n, points[None, :]) > tail
    # where the tail is 1 or more nothing is kept: an empty range
    lower = np.where(kept.any(axis=0), kept.argmax(axis=0), 1)
    upper = np.where(kept.any(axis=0), n - kept[::-1].argmax(axis=0), 0)
    return lower.astype(np.int64), upper.astype(np.int64)


def _chance_inside(n: int, points: Float, lower: Int, upper: Int) -> float:
    """Return the chance that the counts of n uniform numbers lie in range at all points.

    Given c numbers up to one point, how many of the others lie before the next is binomial.
    """
    from scipy.stats import binom

    if np.any(lower > upper):
        return 0.0
    held, chance = np.array([0]), np.array([1.0])
    before = 0.0
    for point, low, high in zip(points, lower, upper, strict=True):
        following = np.arange(low, high + 1)
        step = binom.pmf(
            following[None, :] - held[:, None], n - held[:, None], (point - before) / (1 - before)
        )
        held, chance, before = following, chance @ step, float(point)
    return float(chance.sum())
