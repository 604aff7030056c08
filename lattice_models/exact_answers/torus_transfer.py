"""Exact thermodynamics of finite tori by the transfer matrix, for any sites of few states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.exact_answers.transfer_matrix import (
    all_rows,
    check_width,
    read_bonds,
    row_to_row,
    widest,
)
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian
from physlearn.records.storage import html_table, short_repr

__all__ = ["TorusEnsemble", "torus_ensemble", "torus_magnetization_distribution"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]
Matrix = NDArray[np.inexact]
LARGEST_TORUS = 8192
LARGEST_MATRIX = 1024
"""Largest numbers of states of a row: for its sectors by momentum, and for the whole matrix."""
LARGEST_TABLE = 1 << 25


@dataclass(frozen=True, slots=True)
class TorusEnsemble:
    """One finite torus, as a whole and in kT; M is the sum of the state values.

    Attributes
    ----------
    shape
        Rows and columns.
    log_partition
        log Z.
    energy, energy_variance
        Mean and variance of the energy.
    magnetization_moments
        Means of M, M ** 2, M ** 3 and M ** 4.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> _, second, _, fourth = torus_ensemble(Ising([0.0]), (2, 3)).magnetization_moments
    >>> round(second, 9), round(fourth, 9)   # independent spins
    (6.0, 96.0)
    """

    shape: tuple[int, int]
    log_partition: float
    energy: float
    energy_variance: float
    magnetization_moments: tuple[float, float, float, float]

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

    @property
    def binder_ratio(self) -> float:
        """1 - <M^4> / (3 <M^2>^2): 0 for independent spins, 2 / 3 for two ordered phases."""
        _, second, _, fourth = self.magnetization_moments
        return 1.0 - fourth / (3.0 * second**2)


def torus_ensemble(
    hamiltonian: Hamiltonian, shape: tuple[int, int], lattice: str = "square"
) -> TorusEnsemble:
    """Return log Z, energy and moments of the magnetization of a finite torus.

    Z is the trace of a power of the transfer matrix. The moments are its derivatives, carried along
    as truncated power series in the temperature and in a field: nothing is differenced. Rows that
    turn into each other are taken together, one momentum at a time. A torus two sites wide counts
    each bond twice, as ``square_lattice`` and ``triangular_lattice`` do.

    Parameters
    ----------
    hamiltonian
        As in ``strip_free_energy``.
    shape
        Rows and columns, at least 2 each; with q states, q ** (the shorter side) may reach 8192
        (13 for two states, in half a minute; 10 takes half a second). The longer side is free.
    lattice
        As in ``strip_free_energy``.

    Raises
    ------
    InputError
        As in ``strip_free_energy``, and for too large a torus.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> torus = torus_ensemble(Ising([0.4406868]), (4, 4))
    >>> round(torus.energy / 16 / 0.4406868, 6), round(torus.binder_ratio, 6)
    (-1.565624, 0.617199)
    """
    bonds = read_bonds(hamiltonian, lattice)
    sizes = check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=2)
    width, length = sorted(int(size) for size in sizes)
    if check_width(width, len(bonds.values)) > LARGEST_TORUS:
        raise InputError(
            f"shape must have a side of at most {widest(LARGEST_TORUS, len(bonds.values))} sites "
            f"of {len(bonds.values)} states; got {tuple(int(size) for size in sizes)}."
        )
    rows = all_rows(bonds, width, True)
    classes = _turned_rows(rows.codes, len(bonds.values))
    lower = classes.turns[:, 0]
    energy = row_to_row(bonds, rows, True, lower)
    lowest = energy.min()
    transfer = np.exp(lowest - energy)
    # many small products: one thread is faster, and the answer never depends on their number
    with threadpool_limits(limits=1, user_api="blas"):
        # the derivative along a common factor of all energies, about the mean energy of a row
        middle = _row_energy(transfer, energy, classes)
        series = _series(transfer, middle - energy, 2)
        log_z, first, second = _trace_of_power(series, classes, length)
        mean = middle * length - first
        variance = 2 * second - first**2
        total = (rows.total[lower, None] + rows.total[None, :]) / 2
        _, *slopes = _trace_of_power(_series(transfer, total, 4), classes, length)
        moments = [slope * factor for slope, factor in zip(slopes, (1, 2, 6, 24), strict=True)]
    return TorusEnsemble(
        (int(sizes[0]), int(sizes[1])),
        float(log_z - lowest * length),
        float(mean),
        float(variance),
        (float(moments[0]), float(moments[1]), float(moments[2]), float(moments[3])),
    )


def torus_magnetization_distribution(
    hamiltonian: Hamiltonian, shape: tuple[int, int], lattice: str = "square"
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return every value of M, the sum of the state values, and its exact probability.

    All terms of the sum are positive, so that even the smallest probabilities have full relative
    precision. All moments follow.

    Parameters
    ----------
    hamiltonian, shape, lattice
        As in ``torus_ensemble``; q ** (the shorter side) may reach 1024, and times the number of
        values of M 2 ** 25.

    Returns
    -------
    tuple
        Values, int64, ascending, those of probability zero left out, and their probabilities.

    Raises
    ------
    InputError
        As in ``torus_ensemble``.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> values, chances = torus_magnetization_distribution(Ising([0.0]), (2, 2))
    >>> values.tolist(), (16 * chances).round(9).tolist()
    ([-4, -2, 0, 2, 4], [1.0, 4.0, 6.0, 4.0, 1.0])
    """
    bonds = read_bonds(hamiltonian, lattice)
    sizes = check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=2)
    width, length = sorted(int(size) for size in sizes)
    n_states = check_width(width, len(bonds.values))
    steps = np.round(bonds.values - bonds.values[0]).astype(np.int64)
    unit = int(np.gcd.reduce(steps))
    n_values = width * length * int(steps[-1]) // unit + 1
    if n_states > LARGEST_MATRIX or n_states * n_values > LARGEST_TABLE:
        raise InputError(
            f"shape must be smaller: {tuple(int(size) for size in sizes)} has {n_states} states of "
            f"a row and {n_values} values of M; at most {LARGEST_MATRIX} and {LARGEST_TABLE} "
            "in all can be held."
        )
    rows = all_rows(bonds, width, True)
    energy = row_to_row(bonds, rows, True)
    transfer = np.exp(energy.min() - energy)
    jump = (steps[rows.codes].sum(axis=1) // unit).astype(np.int64)
    weights = np.zeros(n_values)
    classes = _turned_rows(rows.codes, len(bonds.values))
    block = max(1, LARGEST_TABLE // (n_states * n_values))
    scale = -np.inf
    for begin in range(0, len(classes.sizes), block):
        here = slice(begin, begin + block)
        with threadpool_limits(limits=1, user_api="blas"):
            part, grown = _paths_by_total(
                transfer, jump, classes.turns[here, 0], classes.sizes[here], length, n_values
            )
        # every block has a scale of its own
        largest = max(scale, grown)
        weights = weights * np.exp(scale - largest) + part * np.exp(grown - largest)
        scale = largest
    held = np.flatnonzero(weights > 0.0)
    values = int(bonds.values[0]) * width * length + unit * held
    return values, weights[held] / weights.sum()


def _paths_by_total(
    transfer: Float, jump: Codes, rows: Codes, images: Codes, length: int, n_values: int
) -> tuple[Float, float]:
    """Return the weight of the closed paths of some rows by their sum of values, and its scale."""
    n_states = len(transfer)
    table = np.zeros((n_states, len(rows), n_values))
    table[rows, np.arange(len(rows)), 0] = 1.0
    scale = 0.0
    for _ in range(length):
        table = (transfer @ table.reshape(n_states, -1)).reshape(table.shape)
        for row, step in enumerate(jump):
            if step:
                table[row, :, step:] = table[row, :, :-step].copy()
                table[row, :, :step] = 0.0
        largest = float(table.max())
        table /= largest
        scale += float(np.log(largest))
    return images @ table[rows, np.arange(len(rows))], scale


class _Classes(NamedTuple):
    """Rows that turn into each other: ``turns`` (n_classes, width) are one row's turns by 0, 1, ...

    columns, ``sizes`` how many of them differ.
    """

    turns: Codes
    sizes: Codes


def _turned_rows(codes: Codes, q: int) -> _Classes:
    """Return the classes of rows; the least of each class stands for it."""
    width = codes.shape[1]
    places = q ** np.arange(width)
    turns = np.stack([np.roll(codes, turn, axis=1) @ places for turn in range(width)], axis=1)
    numbers, sizes = np.unique(turns.min(axis=1), return_counts=True)
    return _Classes(turns[numbers], sizes)


def _row_energy(transfer: Float, energy: Float, classes: _Classes) -> float:
    """Return about the mean energy of a row, from a few steps towards the leading vectors."""
    plain, weighted = (_sector(m, classes, 0).real for m in (transfer, transfer * energy))
    right, left = np.ones(len(plain)), np.ones(len(plain))
    for _ in range(30):
        right, left = plain @ right, left @ plain
        right, left = right / right.sum(), left / left.sum()
    return float((left @ weighted @ right) / (left @ plain @ right))


def _series(transfer: Float, slope: Float, order: int) -> list[Float]:
    """Return the power series of transfer * exp(x slope) in x."""
    terms = [transfer]
    for k in range(1, order + 1):
        terms.append(terms[-1] * slope / k)
    return terms


def _sector(block: Float, classes: _Classes, momentum: int) -> Matrix:
    """Return a matrix that turning leaves alone, between rows of one momentum.

    With |a> the sum over the turns of a row, each turn with a phase, divided by the root of the
    class's size, <a|T|b> = sqrt(size_a / size_b) times the sum over the turns of b of the phase
    times T(a, turned b). Classes whose phases add up to zero have no such state.
    """
    width = classes.turns.shape[1]
    held = momentum * classes.sizes % width == 0
    turns, sizes = classes.turns[held], classes.sizes[held]
    phase = np.exp(-2j * np.pi * momentum * np.arange(width) / width)
    out = np.zeros((len(turns), len(turns)), complex)
    for turn in range(width):
        # a turn beyond the size of the class is one that came before
        out += block[np.ix_(held, turns[:, turn])] * np.where(turn < sizes, phase[turn], 0.0)
    out *= np.sqrt(sizes[:, None] / sizes[None, :])
    return out.real.copy() if 2 * momentum % width == 0 else out


def _trace_of_power(series: list[Float], classes: _Classes, power: int) -> tuple[float, ...]:
    """Return log of the trace of a power of a matrix, and the ratios of its series to it."""
    width = classes.turns.shape[1]
    parts = []
    for momentum in range(width // 2 + 1):
        sector = [_sector(term, classes, momentum) for term in series]
        # a momentum and its opposite have conjugate matrices
        times = 1 if 2 * momentum % width == 0 else 2
        parts.append((times, *_trace_in_sector(sector, power)))
    largest = max(scale for _, scale, _ in parts)
    traces = sum(times * np.exp(scale - largest) * trace for times, scale, trace in parts)
    return (largest + float(np.log(traces[0])), *(float(t / traces[0]) for t in traces[1:]))


def _trace_in_sector(series: list[Matrix], power: int) -> tuple[float, Float]:
    """Return the scale's log and the series of the trace of a power, divided by the scale."""
    half, scale_half = _power(series, power // 2)
    rest, scale_rest = half, scale_half
    if power % 2:
        rest, grown = _product(half, series)
        scale_rest = scale_half + grown
    traces = [
        sum(float(np.sum(half[j] * rest[k - j].T).real) for j in range(k + 1))
        for k in range(len(series))
    ]
    return scale_half + scale_rest, np.array(traces)


def _power(series: list[Matrix], power: int) -> tuple[list[Matrix], float]:
    """Return the power series of a power of a matrix divided by a scale, and the scale's log."""
    if power == 1:
        return series, 0.0
    half, scale = _power(series, power // 2)
    out, grown = _product(half, half)
    scale = 2 * scale + grown
    if power % 2:
        out, grown = _product(out, series)
        scale += grown
    return out, scale


def _product(one: list[Matrix], two: list[Matrix]) -> tuple[list[Matrix], float]:
    """Return the product of two series divided by a scale, and the scale's log."""
    out = []
    for k in range(len(one)):
        term = one[0] @ two[k]
        for j in range(1, k + 1):
            term = term + one[j] @ two[k - j]
        out.append(term)
    scale = float(np.abs(out[0]).max(initial=0.0)) or 1.0
    return [term / scale for term in out], float(np.log(scale))
