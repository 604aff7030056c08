"""Exact thermodynamics of strips and tori by the transfer matrix, for any sites of few states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from physlearn.checks import InputError, check_choice
from physlearn.lattice_models.graphs.regular_lattices import square_lattice
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian, check_hamiltonian
from physlearn.records.storage import html_table, short_repr

__all__ = ["InfiniteStrip", "strip_free_energy"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]
LARGEST_DENSE = 4096
LARGEST_STRIP = 262144
"""Largest numbers of states of one row: for the matrix itself, and for its factors, one column at a
time."""
DENSE_EIGENVALUES = 512
DEGENERATE, ROUND_OFF = 1e-13, 1e-15
"""Ratios of eigenvalues that cannot be told from 1 and from 0."""
MIXED = 1e-7
"""The vector of the largest eigenvalue holds about 1e-15 / (1 - ratio) of the second one's."""


@dataclass(frozen=True, slots=True)
class InfiniteStrip:
    """One endless strip, per site and in kT.

    Attributes
    ----------
    width
        Sites across.
    free_energy
        - log Z / N.
    energy
        Mean energy per site.
    magnetization
        Mean state value per site, exactly 0 where turning all states over changes no energy; NaN
        where the two largest eigenvalues agree within 1e-7 (the strip is ordered over ten million
        rows, and a field below round-off decides the sign). Elsewhere its error is 1e-15 over their
        relative difference.
    correlation_length
        Along the strip, -1 / log of the ratio of the two largest eigenvalues; infinite where they
        agree to round-off.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> strip_free_energy(Ising([0.0]), 4).correlation_length
    0.0
    """

    width: int
    free_energy: float
    energy: float
    magnetization: float
    correlation_length: float

    __repr__ = short_repr
    _repr_html_ = html_table


class StripBonds(NamedTuple):
    """Energies of a translation-invariant strip: by state, along bonds, and along diagonals."""

    values: Float
    site: Float
    straight: Float
    diagonal: Float
    rising: bool  # bonds to the column on the right above
    falling: bool  # and on the left above


class StripRows(NamedTuple):
    """All states of one row: their codes, their own energy, and their sum of values."""

    codes: Codes
    energy: Float
    total: Float


def strip_free_energy(
    hamiltonian: Hamiltonian, width: int, lattice: str = "square", *, periodic: bool = True
) -> InfiniteStrip:
    """Return free energy, energy, magnetization and correlation length of an endless strip.

    With T the transfer matrix between rows and lambda its largest eigenvalue, f = - log(lambda) /
    width per site (Kramers and Wannier 1941, doi:10.1103/PhysRev.60.252); energy and magnetization
    are its derivatives, from the eigenvectors.

    Parameters
    ----------
    hamiltonian
        Any Hamiltonian of pairs that is the same on all sites: one field, no random bonds, no
        triplets.
    width
        Sites across, from 2. With q states q ** width may reach 262144 for bonds along the axes,
        and 4096 with diagonal bonds.
    lattice
        ``square``, with couplings along the axes (shell 0) and along both diagonals (shell 1), or
        ``triangular`` (shell 0).
    periodic
        Join the last column to the first; else the strip has two edges.

    Raises
    ------
    InputError
        For another lattice, further shells, a Hamiltonian that differs from site to site, or too
        wide a strip.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> strip = strip_free_energy(Ising([0.4]), 6)
    >>> round(strip.free_energy, 8), round(strip.correlation_length, 6)
    (-0.88426327, 4.268553)
    """
    bonds = read_bonds(hamiltonian, lattice)
    n_states = check_width(width, len(bonds.values))
    diagonals = bonds.rising or bonds.falling
    most = LARGEST_DENSE if diagonals else LARGEST_STRIP
    if n_states > most:
        raise InputError(
            f"width must be at most {widest(most, len(bonds.values))} for {len(bonds.values)} "
            f"states{' with diagonal bonds' if diagonals else ''}; got {width}."
        )
    rows = all_rows(bonds, width, periodic)
    if diagonals or n_states <= DENSE_EIGENVALUES:
        apply, weigh, offset = _dense_transfer(bonds, rows, periodic)
    else:
        apply, weigh, offset = _factored_transfer(bonds, rows, width)
    # one thread: many small products, and the answer never depends on the number of threads
    with threadpool_limits(limits=1, user_api="blas"):
        (largest, second), right, left = _leading(apply, n_states, bonds.rising == bonds.falling)
        weighed = weigh(left, right)
    norm = largest * (left @ right)
    ratio = second / largest
    degenerate = ratio > 1.0 - DEGENERATE
    length = 0.0 if ratio < ROUND_OFF else -1.0 / np.log(min(ratio, 1.0 - ROUND_OFF))
    magnetization = float((left * rows.total) @ right / (left @ right) / width)
    if ratio > 1.0 - MIXED:
        magnetization = np.nan
    elif turns_over(bonds):
        magnetization = 0.0
    return InfiniteStrip(
        int(width),
        float((offset - np.log(largest)) / width),
        float(weighed / norm / width),
        magnetization,
        np.inf if degenerate else float(length),
    )


def read_bonds(hamiltonian: Hamiltonian, lattice: str) -> StripBonds:
    """Return the energies of a Hamiltonian that is the same on all sites and bonds."""
    check_choice("lattice", lattice, ("square", "triangular"))
    probe = square_lattice((7, 7), n_shells=8)
    check_hamiltonian(hamiltonian)
    try:
        terms = hamiltonian.terms(probe)
    except InputError as error:
        raise InputError(
            f"hamiltonian must be the same on all sites and bonds for a transfer matrix: {error}"
        ) from None
    if len(terms.triplets):
        raise InputError("hamiltonian must not have triplets for a transfer matrix.")
    if np.ptp(terms.site_energy, axis=0).max() > 0 or np.any(terms.weight != 1.0):
        raise InputError(
            "hamiltonian must be the same on all sites and bonds for a transfer matrix; it has "
            "fields or bonds of single sites."
        )
    pairs = terms.pair_energy
    reach = 2 if lattice == "square" else 1
    if np.any(pairs[reach:] != 0.0):
        raise InputError(
            f"hamiltonian must have at most {reach} shell(s) of couplings for a transfer matrix "
            f"of the {lattice} lattice; got {len(pairs)}."
        )
    straight = pairs[0] if len(pairs) else np.zeros((len(terms.state_values),) * 2)
    if lattice == "triangular":
        diagonal, rising, falling = straight, False, True
    else:
        diagonal = pairs[1] if len(pairs) > 1 else np.zeros_like(straight)
        rising = falling = bool(np.any(diagonal != 0.0))
    values = terms.state_values.astype(np.float64)
    return StripBonds(values, terms.site_energy[0], straight, diagonal, rising, falling)


def turns_over(bonds: StripBonds) -> bool:
    """Say whether each state has one of opposite value, and no energy changes if all turn over."""
    return bool(
        np.array_equal(bonds.values, -bonds.values[::-1])
        and np.array_equal(bonds.site, bonds.site[::-1])
        and np.array_equal(bonds.straight, bonds.straight[::-1, ::-1])
        and np.array_equal(bonds.diagonal, bonds.diagonal[::-1, ::-1])
    )


def check_width(width: int, q: int) -> int:
    """Return the number of states of a row."""
    legal = isinstance(width, int | np.integer) and not isinstance(width, bool)
    if not legal or width < 2:
        raise InputError(f"width must be a whole number of at least 2; got {width!r}.")
    n_states: int = int(q) ** min(int(width), 64)  # more is refused anyway
    return n_states


def widest(most: int, q: int) -> int:
    """Return the largest width whose rows have at most so many states."""
    return int(np.log(most) / np.log(q) + 1e-9)


def all_rows(bonds: StripBonds, width: int, periodic: bool) -> StripRows:
    """Return all rows with their energies; column 0 is the fastest digit."""
    q = len(bonds.values)
    numbers = np.arange(q**width)
    codes = np.stack([numbers // q**column % q for column in range(width)], axis=1)
    energy = bonds.site[codes].sum(axis=1)
    for column in range(width if periodic else width - 1):
        energy += bonds.straight[codes[:, column], codes[:, (column + 1) % width]]
    return StripRows(codes, energy, bonds.values[codes].sum(axis=1))


def row_to_row(
    bonds: StripBonds, rows: StripRows, periodic: bool, lower: Codes | None = None
) -> Float:
    """Return the energy of all rows above all others (or above the ``lower`` ones).

    Each row's own energy is shared half and half.
    """
    codes = rows.codes
    chosen = np.arange(len(codes)) if lower is None else lower
    width = codes.shape[1]
    energy = (rows.energy[chosen, None] + rows.energy[None, :]) / 2
    for column in range(width):
        below = codes[chosen, column, None]
        energy += bonds.straight[below, codes[None, :, column]]
        for wanted, other in ((bonds.rising, column + 1), (bonds.falling, column - 1)):
            if wanted and (periodic or 0 <= other < width):
                energy += bonds.diagonal[below, codes[None, :, other % width]]
    return energy


Apply = Callable[[Float, bool], Float]
Weigh = Callable[[Float, Float], float]


def _dense_transfer(
    bonds: StripBonds, rows: StripRows, periodic: bool
) -> tuple[Apply, Weigh, float]:
    """Return the product with T (or its transpose), y T' x with T' = T times energy, and a scale.

    T is scaled by exp(scale) so that its largest entry is about 1.
    """
    energy = row_to_row(bonds, rows, periodic)
    offset = float(energy.min())
    transfer = np.exp(offset - energy)

    def apply(vector: Float, transposed: bool) -> Float:
        return np.asarray((transfer.T if transposed else transfer) @ vector)

    def weigh(left: Float, right: Float) -> float:
        return float(left @ ((transfer * energy) @ right))

    return apply, weigh, offset


def _factored_transfer(
    bonds: StripBonds, rows: StripRows, width: int
) -> tuple[Apply, Weigh, float]:
    """Return the same for bonds along the axes only, one column at a time."""
    q = len(bonds.values)
    lowest, least = float(rows.energy.min()), float(bonds.straight.min())
    half = np.exp((lowest - rows.energy) / 2)
    upward = np.exp(least - bonds.straight)

    def across(vector: Float, tables: list[Float]) -> Float:
        block = vector.reshape((q,) * width)
        for table in tables:
            # the axis goes to the end: after all columns the order is the old one
            block = np.tensordot(block, table, axes=(0, 0))
        return np.asarray(block.reshape(-1))

    def apply(vector: Float, _transposed: bool) -> Float:
        return np.asarray(half * across(half * vector, [upward] * width))

    def weigh(left: Float, right: Float) -> float:
        left_own, right_own = left * half, right * half
        plain = across(right_own, [upward] * width)
        total = left_own @ (rows.energy * plain)
        total += left_own @ across(rows.energy * right_own, [upward] * width)
        tilted = bonds.straight * upward
        between = sum(
            left_own @ across(right_own, [upward] * k + [tilted] + [upward] * (width - k - 1))
            for k in range(width)
        )
        return float(total / 2 + between)

    return apply, weigh, lowest + width * least


def _leading(
    apply: Apply, n_states: int, symmetric: bool
) -> tuple[tuple[float, float], Float, Float]:
    """Return the two largest eigenvalues and the right and left vectors of the largest.

    All entries of the matrix are positive: the largest eigenvalue is positive and single, and its
    vectors are positive (Perron and Frobenius).
    """
    pairs = [
        _two_eigenvalues(apply, n_states, symmetric, transposed)
        for transposed in ((False,) if symmetric else (False, True))
    ]
    tops = []
    for values, vectors in pairs:
        tops.append(np.abs(vectors[:, np.argmax(values.real)]))
    values = pairs[0][0]
    first = int(np.argmax(values.real))
    second = float(np.abs(np.delete(values, first)).max())
    return (float(values[first].real), second), tops[0], tops[-1]


def _two_eigenvalues(
    apply: Apply, n_states: int, symmetric: bool, transposed: bool
) -> tuple[NDArray[np.inexact], NDArray[np.inexact]]:
    """Return eigenvalues, the largest among them, and their vectors in columns."""
    from scipy.sparse.linalg import LinearOperator, eigs, eigsh

    # all eigenvalues of a matrix that is not symmetric take some ten times longer
    if n_states <= (DENSE_EIGENVALUES if symmetric else DENSE_EIGENVALUES // 8):
        matrix = apply(np.eye(n_states), transposed)
        values, vectors = np.linalg.eigh(matrix) if symmetric else np.linalg.eig(matrix)
        return values, vectors
    operator = LinearOperator(
        (n_states, n_states), matvec=lambda vector: apply(vector.ravel(), transposed), dtype=float
    )
    # a start of no symmetry, the same every time
    start = np.random.default_rng(1).uniform(0.5, 1.5, n_states)
    values, vectors = (eigsh if symmetric else eigs)(operator, k=2, which="LM", v0=start)
    return values, vectors
