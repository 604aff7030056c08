"""The Ising model on finite square tori without field: Kaufman's answer, and exact level counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array
from physlearn.records.storage import html_table, short_repr

__all__ = ["IsingTorus", "ising_energy_levels", "kaufman_torus"]

Float = NDArray[np.float64]
SECTORS = ((0.5, 0.5, 1.0), (0.5, 0.0, 1.0), (0.0, 0.5, 1.0), (0.0, 0.0, -1.0))
"""Shifts of the momenta along x and y (half: antiperiodic fermions), and the sign in the sum."""
BLOCK = 1 << 20
SPARE_DIGITS = 60
MAX_LEVEL_WIDTH = 10
MAX_LEVEL_SITES = 144


@dataclass(frozen=True, slots=True)
class IsingTorus:
    """Exact thermodynamics of one finite torus.

    Attributes
    ----------
    shape
        Rows and columns.
    couplings
        K_x (bonds within a row) and K_y (bonds between rows).
    log_partition
        log Z.
    energy
        Mean energy of the whole torus, in kT.
    energy_variance
        Variance of the energy of the whole torus, in kT squared.

    Examples
    --------
    >>> round(kaufman_torus((2, 2), 0.0).log_partition, 6)   # 4 log 2
    2.772589
    """

    shape: tuple[int, int]
    couplings: tuple[float, float]
    log_partition: float
    energy: float
    energy_variance: float

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return self.shape[0] * self.shape[1]

    @property
    def heat_capacity(self) -> float:
        """Heat capacity per site in units of the Boltzmann constant: Var(E) / N."""
        return self.energy_variance / self.n_sites


def kaufman_torus(
    shape: tuple[int, int], coupling: float, coupling_y: float | None = None
) -> IsingTorus:
    """Return log Z, mean and variance of the energy of a finite square torus.

    With p(s) ~ exp(+ K_x sum s s' along x + K_y sum s s' along y), every site joined to its four
    neighbours (twice to the same one where the torus is two sites wide, as in ``square_lattice``),

    Z = 2^(N - 1) (P(1/2, 1/2) + P(1/2, 0) + P(0, 1/2) - P(0, 0)),

    P(a, b)^2 the product over momenta p = 2 pi (k + a) / columns, q = 2 pi (l + b) / rows of
    cosh 2K_x cosh 2K_y - sinh 2K_x cos p - sinh 2K_y cos q. Each P is analytic in the couplings:
    momenta 0 and pi contribute cosh(u - v) - sinh(u + v) with u = K_x cos p, v = K_y cos q, which
    changes sign at criticality (Kaufman 1949, doi:10.1103/PhysRev.76.1232; in this form McCoy and
    Wu, The Two-Dimensional Ising Model, 1973). Antiferromagnets on an odd torus are frustrated and
    the four terms nearly cancel: these are summed with as many digits as they lose.

    Parameters
    ----------
    shape
        Rows and columns, at least 2 each.
    coupling
        K_x, in kT.
    coupling_y
        K_y; as ``coupling`` when None.

    Raises
    ------
    InputError
        For a shape below 2 or couplings that are not finite.

    Examples
    --------
    >>> torus = kaufman_torus((4, 4), 0.4406868)
    >>> round(torus.energy / torus.n_sites / 0.4406868, 6), round(torus.heat_capacity, 6)
    (-1.565624, 0.783267)
    """
    sizes = check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=2)
    rows, columns = int(sizes[0]), int(sizes[1])
    k_x = float(check_array("coupling", coupling, ndim=0))
    k_y = k_x if coupling_y is None else float(check_array("coupling_y", coupling_y, ndim=0))
    frustrated = (k_x < 0 and columns % 2 == 1) or (k_y < 0 and rows % 2 == 1)
    if frustrated:
        answer = _with_many_digits(rows, columns, k_x, k_y)
    else:
        answer = _in_double_precision(rows, columns, k_x, k_y)
    return IsingTorus((rows, columns), (k_x, k_y), *answer)


class _Series(NamedTuple):
    """Value, first and second derivative of a function of a common factor of both couplings."""

    value: Any
    first: Any
    second: Any

    def times(self, other: _Series) -> _Series:
        """Return the product of two functions."""
        return _Series(
            self.value * other.value,
            self.first * other.value + self.value * other.first,
            self.second * other.value + 2 * self.first * other.first + self.value * other.second,
        )


def _in_double_precision(rows: int, columns: int, k_x: float, k_y: float) -> tuple[float, ...]:
    """Return log Z, mean and variance of the energy from sums over all momenta."""
    sectors = [_sector(rows, columns, k_x, k_y, a, b) for a, b, _ in SECTORS]
    largest, steepest, _ = max(smooth for smooth, _ in sectors)
    total = _Series(0.0, 0.0, 0.0)
    for (smooth, single), (_, _, sign) in zip(sectors, SECTORS, strict=True):
        # exp(log P) and its derivatives, times the factor that may change sign; what all sectors
        # share, largest + steepest (t - 1), is taken out so that the variance is no difference of
        # large numbers
        weight, slope = sign * np.exp(smooth.value - largest), smooth.first - steepest
        grown = _Series(weight, weight * slope, weight * (smooth.second + slope**2))
        total = _Series(*(np.add(x, y) for x, y in zip(total, grown.times(single), strict=True)))
    n_sites, scale = rows * columns, abs(k_x) + abs(k_y)  # of each site's factor
    log_partition = n_sites * (np.log(2.0) + scale) - np.log(2.0) + largest + np.log(total.value)
    slope = total.first / total.value
    variance = total.second / total.value - slope**2
    return float(log_partition), float(-slope - steepest - n_sites * scale), float(variance)


def _sector(
    rows: int, columns: int, k_x: float, k_y: float, a: float, b: float
) -> tuple[_Series, _Series]:
    """Return log of the product over paired momenta, and the product over momenta 0 and pi.

    All factors are divided by exp(2 |K_x| + 2 |K_y|), their square roots by half of it; the
    derivatives are along a common factor t of both couplings, of the scaled factors.
    """
    alone_x, alone_y = _self_conjugate(columns, a), _self_conjugate(rows, b)
    half_x, times_x = _half_momenta(columns, a)
    half_y, times_y = _half_momenta(rows, b)
    smooth = np.zeros(3)
    block = max(1, BLOCK // len(half_y))
    for begin in range(0, len(half_x), block):
        here = slice(begin, begin + block)
        # the momentum p and -p share a factor; those that are their own partner stand apart
        times = np.multiply.outer(times_x[here], times_y)
        own = np.multiply.outer(times_x[here] == 1.0, times_y == 1.0)
        times = np.where(own, 0.0, times / 2)
        factor = _factors(half_x[here, None], half_y[None, :], k_x, k_y)
        value = np.where(own, 1.0, factor.value)
        first, second = factor.first / value, factor.second / value
        smooth += [
            np.sum(times * np.log(value)),
            np.sum(times * first),
            np.sum(times * (second - first**2)),
        ]
    single = _Series(1.0, 0.0, 0.0)
    for sign_x in alone_x:
        for sign_y in alone_y:
            single = single.times(_single(sign_x * k_x, sign_y * k_y, abs(k_x) + abs(k_y)))
    return _Series(*smooth), single


@lru_cache(maxsize=32)  # the same for all couplings, and a table of log Z is made at many
def _self_conjugate(size: int, shift: float) -> tuple[float, ...]:
    """Return the cosines (1 or -1) of the momenta 0 and pi, where the set has them."""
    steps = 2 * (np.arange(size) + shift)
    return (1.0,) * int(np.any(steps == 0)) + (-1.0,) * int(np.any(steps == size))


@lru_cache(maxsize=32)
def _half_momenta(size: int, shift: float) -> tuple[Float, Float]:
    """Return the momenta in [0, pi] and how many of the set each stands for."""
    steps = np.arange(size) + shift
    kept = steps[2 * steps <= size]
    times = np.where((kept == 0) | (2 * kept == size), 1.0, 2.0)
    momenta = 2 * np.pi * kept / size
    momenta.flags.writeable = times.flags.writeable = False
    return momenta, times


def _factors(p: Float, q: Float, k_x: float, k_y: float) -> _Series:
    """Return cosh 2K_x cosh 2K_y - sinh 2K_x cos p - sinh 2K_y cos q, scaled, and derivatives."""
    w_x, w_y = abs(k_x), abs(k_y)
    small_x, small_y = np.exp(-2 * w_x), np.exp(-2 * w_y)
    c_x, s_x = (1 + small_x**2) / 2, -np.expm1(-4 * w_x) / 2
    c_y, s_y = (1 + small_y**2) / 2, -np.expm1(-4 * w_y) / 2
    # 1 - cos p, or 1 + cos p where the coupling is negative, without cancellation
    low_x = 2 * (np.sin(p / 2) if k_x >= 0 else np.cos(p / 2)) ** 2
    low_y = 2 * (np.sin(q / 2) if k_y >= 0 else np.cos(q / 2)) ** 2
    off, over = s_x * s_y - small_x * small_y, s_x * s_y + small_x * small_y
    gap = off**2 / (c_x * c_y + s_x * small_y + s_y * small_x)
    value = gap + s_x * small_y * low_x + s_y * small_x * low_y
    # along a common factor: d/dt cosh 2tK = 2K sinh 2tK, and so on, all with the scale of the value
    slope_x = off * over / (s_x * c_y + c_x * small_y) + c_x * small_y * low_x
    slope_y = off * over / (s_y * c_x + c_y * small_x) + c_y * small_x * low_y
    first = 2 * w_x * slope_x + 2 * w_y * slope_y
    bend_x = c_x * c_y - s_x * small_y + s_x * small_y * low_x
    bend_y = c_x * c_y - s_y * small_x + s_y * small_x * low_y
    second = 4 * w_x**2 * bend_x + 4 * w_y**2 * bend_y + 8 * w_x * w_y * s_x * s_y
    # the scale exp(-2 t (w_x + w_y)) varies with t as well
    rate = 2 * (w_x + w_y)
    return _Series(value, first - rate * value, second - 2 * rate * first + rate**2 * value)


def _single(u: float, v: float, scale: float) -> _Series:
    """Return exp(-scale) (cosh(u - v) - sinh(u + v)) and its derivatives."""
    # four exponentials, none above 1
    rates = np.array([u - v, v - u, u + v, -u - v]) - scale
    terms = np.array([0.5, 0.5, -0.5, 0.5]) * np.exp(rates)
    return _Series(float(terms.sum()), float(terms @ rates), float(terms @ rates**2))


def _with_many_digits(rows: int, columns: int, k_x: float, k_y: float) -> tuple[float, ...]:
    """Return log Z, mean and variance of the energy where the terms of the sum nearly cancel."""
    from mpmath import mp  # type: ignore[import-untyped]

    # the terms exceed Z by at most exp(2 K) for each frustrated row and column, twice
    lost = 4 * (rows * abs(k_x) * (columns % 2) + columns * abs(k_y) * (rows % 2)) / np.log(10)
    with mp.workdps(int(lost) + SPARE_DIGITS):
        step = mp.mpf(10) ** -(SPARE_DIGITS // 3)
        low, here, high = (
            _log_partition_exactly(rows, columns, factor * mp.mpf(k_x), factor * mp.mpf(k_y))
            for factor in (1 - step, mp.mpf(1), 1 + step)
        )
        slope, bend = (high - low) / (2 * step), (high - 2 * here + low) / step**2
        return float(here), float(-slope), float(bend)


def _log_partition_exactly(rows: int, columns: int, k_x: Any, k_y: Any) -> Any:
    """Return log Z in the precision of mpmath; the product along y is in closed form."""
    from mpmath import mp

    c_x, s_x, c_y, s_y = mp.cosh(2 * k_x), mp.sinh(2 * k_x), mp.cosh(2 * k_y), mp.sinh(2 * k_y)
    total = mp.mpf(0)
    for a, b, sign in SECTORS:
        squared, single = mp.mpf(1), mp.mpf(sign)
        for k in range(columns):
            p = 2 * mp.pi * (k + mp.mpf(a)) / columns
            middle = c_x * c_y - s_x * mp.cos(p)
            root = mp.sqrt((middle - s_y) * (middle + s_y))
            # the product over q of middle - s_y cos q
            grown, shrunk = ((middle + root) / 2) ** rows, ((middle - root) / 2) ** rows
            squared *= grown + shrunk - 2 * (s_y / 2) ** rows * (1 if b == 0.0 else -1)
        for sign_x in _self_conjugate(columns, a):
            for sign_y in _self_conjugate(rows, b):
                u, v = sign_x * k_x, sign_y * k_y
                single *= 1 if mp.cosh(u - v) >= mp.sinh(u + v) else -1
        total += single * mp.sqrt(abs(squared))
    return (rows * columns - 1) * mp.log(2) + mp.log(total)


def ising_energy_levels(shape: tuple[int, int]) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Return every energy of a finite square torus and how many of its states have it.

    The numbers are exact: whole numbers of any size, counted by a transfer matrix whose entries are
    polynomials in the number of unlike bonds (as in Beale 1996, doi:10.1103/PhysRevLett.76.78,
    who expands Kaufman's formula). The histogram of any sampler follows: the probability of level k
    is ``counts[k] * exp(-coupling * energies[k]) / Z``.

    Parameters
    ----------
    shape
        Rows and columns, at least 2 each; the shorter at most 10, at most 144 sites.

    Returns
    -------
    tuple
        Energies in units of J for E = - J sum over bonds s s', int64, shape (n_levels,), ascending,
        and the number of states of each as Python integers.

    Raises
    ------
    InputError
        For a torus outside these bounds.

    Examples
    --------
    >>> energies, counts = ising_energy_levels((2, 2))
    >>> energies.tolist(), counts
    ([-8, 0, 8], (2, 12, 2))
    """
    sizes = check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=2)
    width, length = sorted(int(size) for size in sizes)
    n_sites = width * length
    if width > MAX_LEVEL_WIDTH or n_sites > MAX_LEVEL_SITES:
        raise InputError(
            f"shape must have a side of at most {MAX_LEVEL_WIDTH} and at most {MAX_LEVEL_SITES} "
            f"sites to count all states; got {shape}."
        )
    slot = n_sites + 1  # bits of one coefficient: a polynomial is one long integer
    rows = np.arange(1 << width)
    turned = (rows >> 1) | ((rows & 1) << (width - 1))
    unlike = np.array([int(row).bit_count() for row in rows ^ turned]) * slot
    total = 0
    for first, images in _first_rows(width):
        counts = np.zeros(len(rows), object)
        counts[first] = 1
        for _ in range(length):
            for column in range(width):
                pairs = counts.reshape(-1, 2, 1 << column)
                same, other = pairs[:, 0].copy(), pairs[:, 1].copy()
                pairs[:, 0] += other << slot
                pairs[:, 1] += same << slot
            counts = counts << unlike
        total += images * counts[first]
    levels = [(total >> (slot * k)) & ((1 << slot) - 1) for k in range(2 * n_sites + 1)]
    held = [k for k, count in enumerate(levels) if count]
    energies = 2 * np.array(held, np.int64) - 2 * n_sites
    return energies, tuple(levels[k] for k in held)


def _first_rows(width: int) -> list[tuple[int, int]]:
    """Return one row of each class of rows that turn or flip into each other, and its size."""
    full = (1 << width) - 1
    sizes: dict[int, int] = {}
    for row in range(1 << width):
        turns = [((row >> k) | (row << (width - k))) & full for k in range(width)]
        least = min(min(turns), min(full ^ turn for turn in turns))
        sizes[least] = sizes.get(least, 0) + 1
    return sorted(sizes.items())
