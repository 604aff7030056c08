"""Row shifts as an AR(1) process on top of columns that stand near a lattice: Gaussian inference.

Along x the model is ``x_k = lattice_k(p) + u_k``, ``u_k ~ N(0, displacement_sd^2)``, and a column
is seen at ``x_k + s_row``. The measurement enters as a quadratic around the present state: per
column an information ``h`` and a score, per row a score, and what columns and rows share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from scipy.optimize import minimize
from scipy.sparse import coo_array, csc_array

from physlearn.datasets.scan.scan_kernels import row_precision

__all__ = [
    "RowHyperparameters",
    "RowPosterior",
    "RowProblem",
    "common_lever",
    "fit_hyperparameters",
    "shared_errors",
    "shift_variance",
    "solve_rows",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BOUNDS_JITTER_PX = (1e-3, 20.0)
BOUNDS_DISPLACEMENT_PX = (1e-3, 5.0)
LARGEST_CORRELATION = 0.999
INVERSE_BLOCK = 512
WHOLE_COLUMNS, TAPER_WINDOWS, MOST_ENTRIES = 1500, 3, 12_000_000


@dataclass(frozen=True, slots=True)
class RowHyperparameters:
    """Standard deviation and coefficient of the jitter, and of the columns' own displacements."""

    jitter_px: float
    correlation: float
    displacement_px: float

    def packed(self) -> Floats:
        """Return the free numbers of the search."""
        return np.array(
            [np.log(self.jitter_px), np.arctanh(self.correlation), np.log(self.displacement_px)]
        )

    @classmethod
    def unpacked(cls, numbers: Floats) -> RowHyperparameters:
        """Return the hyperparameters of the search's free numbers, inside their bounds."""
        jitter = float(np.clip(np.exp(numbers[0]), *BOUNDS_JITTER_PX))
        correlation = float(np.clip(np.tanh(numbers[1]), -LARGEST_CORRELATION, LARGEST_CORRELATION))
        displacement = float(np.clip(np.exp(numbers[2]), *BOUNDS_DISPLACEMENT_PX))
        return cls(jitter, correlation, displacement)


@dataclass(frozen=True, slots=True, eq=False)
class RowProblem:
    """The measurement as a quadratic in columns (n) and rows, around the present state.

    ``information`` and ``score`` (n,); ``shared`` (n, window) from row ``first`` on; ``band``
    (window, rows) the rows' own information as a lower band; ``row_score`` (rows,); ``away`` (n,)
    column minus lattice; ``design`` (n, parameters), zero for columns off the lattice;
    ``shift`` (rows,) the present row shifts.
    """

    information: Floats
    score: Floats
    shared: Floats
    first: Integers
    band: Floats
    row_score: Floats
    away: Floats
    design: Floats
    on_lattice: NDArray[np.bool_]
    shift: Floats


@dataclass(frozen=True, slots=True, eq=False)
class RowPosterior:
    """Row shifts (rows,), lattice steps, and what the covariance needs."""

    shift: Floats
    lattice_step: Floats
    log_evidence: float
    factor: Floats
    cross: Floats
    lattice_covariance: Floats
    stiffness: Floats


def _prior_band(n_rows: int, hyper: RowHyperparameters, depth: int) -> tuple[Floats, float]:
    """Return the AR(1) precision as a lower band and its log determinant."""
    rho = hyper.correlation
    left = hyper.jitter_px**2 * (1.0 - rho * rho)
    band = np.zeros((depth, n_rows))
    band[0] = (1.0 + rho * rho) / left
    band[0, 0] = band[0, -1] = 1.0 / left
    band[1, :-1] = -rho / left
    log_determinant = -2.0 * n_rows * np.log(hyper.jitter_px) - (n_rows - 1) * np.log1p(-rho * rho)
    return band, float(log_determinant)


def _times(band: Floats, vector: Floats) -> Floats:
    """Return a tridiagonal band times a vector."""
    result = band[0] * vector
    result[1:] += band[1, :-1] * vector[:-1]
    result[:-1] += band[1, :-1] * vector[1:]
    return np.asarray(result)


def _scatter(problem: RowProblem, values: Floats) -> Floats:
    """Return ``sum_k shared[k] values[k]`` on rows, for values (n,) or (n, m)."""
    n_rows, window = len(problem.shift), problem.shared.shape[1]
    many = values.reshape(len(values), -1)
    out = np.zeros((n_rows + window, many.shape[1]))
    rows = problem.first[:, None] + np.arange(window)
    for m in range(many.shape[1]):
        np.add.at(out[:, m], rows.ravel(), (problem.shared * many[:, m : m + 1]).ravel())
    return np.asarray(out[:n_rows].reshape((n_rows, *values.shape[1:])))


def solve_rows(problem: RowProblem, hyper: RowHyperparameters) -> RowPosterior:
    """Return the posterior of the row shifts at given hyperparameters, with its log evidence."""
    n_rows = len(problem.shift)
    tightness = np.where(problem.on_lattice, hyper.displacement_px**-2.0, 0.0)
    whole = np.maximum(problem.information + tightness, 1e-300)
    stiffness = tightness / whole
    prior, log_prior = _prior_band(n_rows, hyper, problem.band.shape[0])
    matrix = np.empty_like(problem.band)
    row_precision(problem.band + prior, problem.shared, problem.first, 1.0 / whole, matrix)
    lower = cholesky_banded(matrix, lower=True, check_finite=False)
    pull = (problem.score - tightness * problem.away) / whole
    right = problem.row_score - _scatter(problem, pull) - _times(prior, problem.shift)
    cross = _scatter(problem, stiffness[:, None] * problem.design)
    solved = cho_solve_banded((lower, True), np.column_stack([right, cross]), check_finite=False)
    weighted = problem.design * (stiffness * problem.information)[:, None]
    lattice = problem.design.T @ weighted - cross.T @ solved[:, 1:]
    lattice_right = (
        problem.design.T @ (stiffness * (problem.information * problem.away + problem.score))
        - cross.T @ solved[:, 0]
    )
    scale = 1.0 / np.sqrt(np.maximum(np.diag(lattice), 1e-300))
    scaled = lattice * scale[:, None] * scale
    lattice_covariance = np.linalg.pinv(scaled, hermitian=True) * scale[:, None] * scale
    step = lattice_covariance @ lattice_right
    shift = solved[:, 0] - solved[:, 1:] @ step
    value = 0.5 * (
        right @ solved[:, 0] + lattice_right @ step
        + float(np.sum((problem.score - tightness * problem.away) ** 2 / whole))
        - float(np.sum(tightness * problem.away**2))
        - problem.shift @ _times(prior, problem.shift)
    )  # fmt: skip
    evidence = float(value) + 0.5 * float(
        np.sum(np.log(np.where(problem.on_lattice, stiffness, 1.0)))
        + log_prior
        - 2.0 * np.sum(np.log(lower[0]))
        - np.linalg.slogdet(scaled)[1]
        + 2.0 * np.sum(np.log(scale))
    )
    return RowPosterior(
        problem.shift + shift, step, evidence, lower, solved[:, 1:], lattice_covariance, stiffness
    )


def fit_hyperparameters(
    problem: RowProblem,
    start: RowHyperparameters,
    *,
    belief: RowHyperparameters | None = None,
    max_steps: int = 160,
) -> tuple[RowHyperparameters, Floats]:
    """Return the hyperparameters of largest evidence and the covariance of their packed form.

    ``belief`` narrows jitter and coefficient to about a factor of two and +-0.6: for a problem
    whose noise is known to be told too small.
    """
    center = _CENTER if belief is None else belief.packed()
    width = _SPREAD if belief is None else _NARROW

    def loss(numbers: Floats) -> float:
        try:
            evidence = solve_rows(problem, RowHyperparameters.unpacked(numbers)).log_evidence
        except LinAlgError:
            return 1e12
        # a whisper of a prior keeps a number that the data cannot tell inside its bounds
        return -evidence + 0.5 * float(np.sum(((numbers - center) / width) ** 2))

    first = start.packed()
    simplex = np.vstack([first, first + np.diag([0.4, 0.3, 0.4])])
    found = minimize(
        loss, first, method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 2e-3, "fatol": 1e-3, "maxfev": max_steps},
    )  # fmt: skip
    return RowHyperparameters.unpacked(found.x), _covariance(loss, found.x)


_CENTER = np.array([np.log(0.2), 0.0, np.log(0.05)])
_SPREAD = np.array([3.0, 1.5, 3.0])
_NARROW = np.array([0.5, 0.5, 3.0])


def _covariance(loss: Callable[[Floats], float], place: Floats) -> Floats:
    """Return the inverse of the loss's second differences; the prior's where they are not sound."""
    step = 0.05
    size = len(place)
    hessian = np.empty((size, size))
    unit = step * np.eye(size)
    for a in range(size):
        for b in range(a, size):
            total = 0.0
            for i in (1, -1):
                for j in (1, -1):
                    total += i * j * loss(place + i * unit[a] + j * unit[b])
            hessian[a, b] = hessian[b, a] = total / (4 * step * step)
    floor = np.diag(_SPREAD**-2.0)
    values, vectors = np.linalg.eigh(hessian)
    if values.min() < 0.5 * _SPREAD.max() ** -2.0:
        hessian = vectors @ np.diag(np.maximum(values, 0.0)) @ vectors.T + floor
    return np.asarray(np.linalg.inv(hessian))


def shared_errors(problem: RowProblem, posterior: RowPosterior, n: int) -> csc_array | None:
    """Return the covariance (n, n) that row shifts add between columns near each other in rows.

    Element (i, j) is ``w_i' P w_j - g_j w_i' R_j - g_i w_j' R_i`` with ``R_k`` the covariance of
    shifts and lattice with column k's own noise (see ``shift_variance``). Whole for up to
    ``WHOLE_COLUMNS`` columns; beyond, tapered to zero over ``TAPER_WINDOWS`` windows of rows (a
    triangle keeps it positive); None where even that is too much.
    """
    n_rows, window = len(problem.shift), problem.shared.shape[1]
    reach_rows = n_rows if n <= WHOLE_COLUMNS else TAPER_WINDOWS * window
    order = np.argsort(problem.first[:n], kind="stable")
    begins = problem.first[:n][order]
    ends = np.searchsorted(begins, begins + reach_rows, side="right")
    if 2 * int((ends - np.arange(n)).sum()) > MOST_ENTRIES:
        return None
    weights = problem.shared / np.maximum(problem.information, 1e-300)[:, None]
    lattice = posterior.cross @ posterior.lattice_covariance
    rows, columns, values = [], [], []
    for low in range(0, n_rows, INVERSE_BLOCK):
        high = min(n_rows, low + INVERSE_BLOCK + reach_rows + window)
        unit = np.zeros((n_rows, high - low))
        unit[np.arange(low, high), np.arange(high - low)] = 1.0
        block = cho_solve_banded((posterior.factor, True), unit, check_finite=False)
        block = block[low:high] + lattice[low:high] @ posterior.cross[low:high].T
        start, stop = np.searchsorted(begins, [low, min(n_rows, low + INVERSE_BLOCK)])
        last = int(ends[start:stop].max()) if stop > start else stop
        members = order[start:last]
        local = np.zeros((len(members), high - low))
        for m, k in enumerate(members):
            a = problem.first[k] - low
            size = min(window, high - low - a)
            local[m, a : a + size] = weights[k, :size]
        common = local @ block @ local.T
        own = common - (local @ lattice[low:high]) @ problem.design[members].T
        stiff = posterior.stiffness[members]
        whole = common - own * stiff - (own * stiff).T
        for m in range(stop - start):
            reach = slice(m, int(ends[start + m]) - start)
            rows.append(np.full(reach.stop - m, members[m]))
            columns.append(members[reach])
            gap = problem.first[members[reach]] - problem.first[members[m]]
            taper = 1.0 if n <= WHOLE_COLUMNS else np.maximum(1.0 - gap / reach_rows, 0.0)
            values.append(whole[m, reach] * taper)
    row, column = np.concatenate(rows), np.concatenate(columns)
    value = np.concatenate(values)
    apart = row != column
    full = coo_array(
        (
            np.concatenate([value, value[apart]]),
            (np.concatenate([row, column[apart]]), np.concatenate([column, row[apart]])),
        ),
        shape=(n, n),
    )
    return csc_array(full)


def common_lever(problem: RowProblem, lever: Floats, shared: csc_array) -> Floats:
    """Return ``lever_i lever_j`` for the entries of ``shared`` (as ``tocoo`` orders them).

    Tapered as ``shared_errors`` is, so that the sum stays positive.
    """
    entries = shared.tocoo()
    product = lever[entries.row] * lever[entries.col]
    if shared.shape[0] <= WHOLE_COLUMNS:
        return np.asarray(product)
    gap = np.abs(problem.first[entries.row] - problem.first[entries.col])
    reach_rows = TAPER_WINDOWS * problem.shared.shape[1]
    return np.asarray(product * np.maximum(1.0 - gap / reach_rows, 0.0))


def shift_variance(problem: RowProblem, posterior: RowPosterior) -> tuple[Floats, Floats]:
    """Return the variance of each row's shift and what it adds to each column's x variance.

    With ``w`` the column's weights on rows, ``P`` the shifts' covariance and ``g`` the share of the
    column's noise that its lattice site ties to the rows, the addition is
    ``w' P w - 2 g (w' P w + w' P_sp design)``: the rows were measured on the same column.
    """
    n_rows, window = len(problem.shift), problem.shared.shape[1]
    weights = problem.shared / np.maximum(problem.information, 1e-300)[:, None]
    lattice = posterior.cross @ posterior.lattice_covariance
    row_variance = np.empty(n_rows)
    own = np.zeros(problem.shared.shape[0])
    order = np.argsort(problem.first, kind="stable")
    begins = problem.first[order]
    for low in range(0, n_rows, INVERSE_BLOCK):
        high = min(n_rows, low + INVERSE_BLOCK + window)
        unit = np.zeros((n_rows, high - low))
        unit[np.arange(low, high), np.arange(high - low)] = 1.0
        block = cho_solve_banded((posterior.factor, True), unit, check_finite=False)
        block = block[low:high] + lattice[low:high] @ posterior.cross[low:high].T
        end = min(n_rows, low + INVERSE_BLOCK)
        row_variance[low:end] = np.diag(block)[: end - low]
        members = order[np.searchsorted(begins, low) : np.searchsorted(begins, end)]
        for k in members:
            a = problem.first[k] - low
            size = min(window, block.shape[0] - a)
            w = weights[k, :size]
            own[k] = w @ block[a : a + size, a : a + size] @ w
    rows = np.minimum(problem.first[:, None] + np.arange(window), n_rows - 1)
    tied = -np.einsum("kw,kwp,kp->k", weights, lattice[rows], problem.design)
    return row_variance, own - 2.0 * posterior.stiffness * (own + tied)
