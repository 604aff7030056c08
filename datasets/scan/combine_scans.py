"""Two scans of one place with fast axes at right angles: each corrects the other's slow axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.scan.row_fits import in_pixels
from physlearn.one_thread import one_blas_thread
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["ScanPair", "combine_scans"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FEWEST_PAIRS = 24
NEAREST_SHARE = 0.45
BOUNDS_SHIFT = (1e-4, 50.0)
"""Of a line's shift, in pixels."""
LARGEST_CORRELATION = 0.9995
START = np.array([np.log(0.1), 1.0, np.log(0.1), 1.0])
"""Log standard deviation and logit of the AR(1) coefficient, first and second scan."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScanPair:
    """One set of columns from two scans, free of both scans' line shifts.

    Attributes
    ----------
    atoms
        Columns seen in both scans; positions and covariances combine both.
    line_shift_first, line_shift_second
        Shape (lines, 2): displacement (x, y) of each row of the first scan and of each picture
        column of the second, in the atoms' unit.
    jitter_sd
        Shape (2, 2): standard deviation of the line shifts about even drift; first and second scan,
        along x and y.
    drift, drift_sd
        Shape (2, 2): even drift per line as a share of the line distance; first and second scan,
        along x and y.
    pairs
        Shape (n, 2): numbers of the matched columns in the two inputs.
    not_identified
        What the two scans cannot tell.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = rng.uniform(5, 95, (300, 2))
    >>> common = {"position_covariance": np.tile(1e-4 * np.eye(2), (300, 1, 1)),
    ...     "pixel_size": (1.0, 1.0), "field_of_view": (0, 0, 99, 99)}
    >>> one, two = true + rng.normal(0, 0.01, (2, 300, 2))
    >>> pair = combine_scans(
    ...     AtomicConfiguration(one, **common), AtomicConfiguration(two, **common))
    >>> pair.atoms.n
    300
    """

    atoms: AtomicConfiguration
    line_shift_first: Floats
    line_shift_second: Floats
    jitter_sd: Floats
    drift: Floats
    drift_sd: Floats
    pairs: Integers
    not_identified: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def combine_scans(rows_first: AtomicConfiguration, columns_first: AtomicConfiguration) -> ScanPair:
    """Combine a scan with lines along x and one with lines along y into undistorted columns.

    A column is seen at ``p + f(y)`` in the first scan and at ``p + g(x)`` in the second, with f and
    g the displacements of their lines: an even drift plus an AR(1) process each, along both axes.
    The difference of the two scans, ``f(y) - g(x)``, tells them apart without any lattice.

    Parameters
    ----------
    rows_first
        Columns of the scan whose lines run along x, in the sample's frame.
    columns_first
        Columns of the scan whose lines run along y, turned back into the same frame.

    Returns
    -------
    ScanPair
        Combined columns and both scans' line shifts.

    Raises
    ------
    NotIdentified
        Where fewer than 24 columns are seen in both.
    InputError
        For columns without covariances or pixel size, or of another unit.

    Notes
    -----
    After the idea of Ophus, Ciston and Nelson (2016), doi:10.1016/j.ultramic.2015.12.002, at the
    level of fitted columns.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = rng.uniform(5, 95, (300, 2))
    >>> common = {"position_covariance": np.tile(1e-4 * np.eye(2), (300, 1, 1)),
    ...     "pixel_size": (1.0, 1.0), "field_of_view": (0, 0, 99, 99)}
    >>> one, two = true + rng.normal(0, 0.01, (2, 300, 2))
    >>> one[:, 0] += 0.03 * one[:, 1]
    >>> pair = combine_scans(
    ...     AtomicConfiguration(one, **common), AtomicConfiguration(two, **common))
    >>> bool(abs(pair.drift[0, 0] - 0.03) < 0.001)
    True
    """
    for name, atoms in (("rows_first", rows_first), ("columns_first", columns_first)):
        in_pixels(atoms)
        if atoms.position_covariance is None:
            raise InputError(f"{name} must have position_covariance, as find_atoms gives it.")
    if rows_first.unit != columns_first.unit:
        raise InputError(
            f"columns_first must be in {rows_first.unit}, like the first scan; "
            f"got {columns_first.unit}."
        )
    pairs = _matched(rows_first, columns_first)
    pixel, origin = in_pixels(rows_first)
    one = (rows_first.positions[pairs[:, 0]] - origin) / pixel
    two = (columns_first.positions[pairs[:, 1]] - origin) / pixel
    errors = [
        np.asarray(atoms.position_covariance)[index] / pixel[:, None] / pixel
        for atoms, index in ((rows_first, pairs[:, 0]), (columns_first, pairs[:, 1]))
    ]
    weights = [_weights(one[:, 1], _widths(rows_first, pairs[:, 0])),
               _weights(two[:, 0], _widths(columns_first, pairs[:, 1]))]  # fmt: skip
    axes = []
    with one_blas_thread():
        for axis in (0, 1):
            noise = (errors[0][:, axis, axis], errors[1][:, axis, axis])
            lines = (one[:, 1], two[:, 0])
            axes.append(_two_way(one[:, axis], two[:, axis], noise, lines, weights))
    return _pair_result(rows_first, pairs, errors, axes)


def _matched(first: AtomicConfiguration, second: AtomicConfiguration) -> Integers:
    """Return mutually nearest columns, after the common move and the smooth distortion."""
    spacing = float(
        np.median(np.asarray(cKDTree(first.positions).query(first.positions, k=2)[0])[:, 1])
    )
    moved = second.positions.copy()
    pairs = np.empty((0, 2), dtype=np.int64)
    for _ in range(6):
        distance, near = map(np.asarray, cKDTree(moved).query(first.positions))
        back = np.asarray(cKDTree(first.positions).query(moved)[1])
        mutual = (back[near] == np.arange(first.n)) & (distance < NEAREST_SHARE * spacing)
        pairs = np.column_stack([np.flatnonzero(mutual), near[mutual]])
        if len(pairs) < FEWEST_PAIRS:
            raise NotIdentified(
                f"only {len(pairs)} columns are seen in both scans; {FEWEST_PAIRS} are needed: "
                "register the pictures first, and turn the second back into the first's frame."
            )
        goal = first.positions[pairs[:, 0]] - second.positions[pairs[:, 1]]
        places = second.positions[pairs[:, 1]]
        middle = places.mean(axis=0)
        design = np.column_stack([np.ones(len(pairs)), places - middle])
        line = np.linalg.lstsq(design, goal, rcond=None)[0]
        whole = np.column_stack([np.ones(second.n), second.positions - middle])
        moved = second.positions + whole @ line
    return pairs


def _widths(atoms: AtomicConfiguration, index: Integers) -> Floats:
    """Return the columns' widths in pixels, half a pixel where they are unknown."""
    pixel, _ = in_pixels(atoms)
    if atoms.width is None:
        return np.full(len(index), 0.5)
    return np.asarray(atoms.width)[index] / float(np.sqrt(pixel[0] * pixel[1]))


def _weights(places: Floats, widths: Floats) -> Floats:
    """Return the shares (n, lines) with which lines enter each column's place."""
    lines = np.arange(int(np.ceil(max(float(places.max()), 1.0))) + 2)
    share = np.exp(-(((lines - places[:, None]) / widths[:, None]) ** 2))
    return np.asarray(share / share.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """Places along one axis with their variances, line shifts of both scans, drift, jitter."""

    places: Floats
    variance: Floats
    shifts: tuple[Floats, Floats]
    drift: Floats
    drift_sd: Floats
    jitter: Floats


class _TwoWay:
    """The difference of two scans as rows' and columns' line shifts and two even drifts."""

    def __init__(
        self, difference: Floats, noise: Floats, weights: list[Floats], trends: Floats
    ) -> None:
        self.lines = [part.shape[1] for part in weights]
        self.n_shifts = sum(self.lines)
        self.design = np.column_stack([weights[0], -weights[1], trends])
        scaled = self.design / noise[:, None]
        self.data = self.design.T @ scaled
        self.right = scaled.T @ difference
        self.square = float(np.sum(difference**2 / noise))

    def solve(self, numbers: Floats) -> tuple[float, Floats, Floats]:
        """Return minus the log evidence, the posterior mean and the factor of its precision."""
        precision = self.data.copy()
        log_prior, low = 0.0, 0
        for k in (0, 1):
            sd = float(np.clip(np.exp(numbers[2 * k]), *BOUNDS_SHIFT))
            rho = min(float(1.0 / (1.0 + np.exp(-numbers[2 * k + 1]))), LARGEST_CORRELATION)
            left = sd * sd * (1.0 - rho * rho)
            line = np.arange(low, low + self.lines[k])
            precision[line, line] += (1.0 + rho * rho) / left
            precision[line[[0, -1]], line[[0, -1]]] -= rho * rho / left
            precision[line[1:], line[:-1]] -= rho / left
            precision[line[:-1], line[1:]] -= rho / left
            log_prior -= 2 * len(line) * np.log(sd) + (len(line) - 1) * np.log1p(-rho * rho)
            low += self.lines[k]
        factor = np.linalg.cholesky(precision)
        half = solve_triangular(factor, self.right, lower=True, check_finite=False)
        mean = solve_triangular(factor, half, lower=True, trans=1, check_finite=False)
        loss = 0.5 * (self.square - float(half @ half)) - 0.5 * log_prior
        loss += float(np.log(np.diag(factor)).sum())
        loss += 0.5 * float(np.sum(((numbers - START) / 3.0) ** 2))
        return loss, np.asarray(mean), np.asarray(factor)


def _two_way(
    one: Floats, two: Floats, noise: tuple[Floats, Floats], lines: tuple[Floats, Floats],
    weights: list[Floats],
) -> _Axis:  # fmt: skip
    """Infer both scans' line shifts along one axis, and combine the two places of each column."""
    total = np.maximum(noise[0] + noise[1], 1e-12)
    centred = [line - line.mean() for line in lines]
    trends = np.column_stack([np.ones(len(one)), centred[0], -centred[1]])
    difference = one - two
    problem = _TwoWay(difference, total, weights, trends)

    def loss(numbers: Floats) -> float:
        return problem.solve(numbers)[0]

    found = minimize(
        loss, START, method="Nelder-Mead",
        options={"xatol": 0.03, "fatol": 0.02, "maxfev": 100},
    )  # fmt: skip
    _, mean, factor = problem.solve(found.x)
    share = noise[1] / total
    first, n = problem.lines[0], problem.n_shifts
    moved = np.zeros_like(problem.design)
    moved[:, :first] = share[:, None] * weights[0]
    moved[:, first:n] = (1.0 - share)[:, None] * weights[1]
    moved[:, n + 1] = share * centred[0]
    moved[:, n + 2] = (1.0 - share) * centred[1]
    # the common move of both scans is no error: the second scan's frame is taken on the average
    held = moved - moved.mean(axis=0)
    half = solve_triangular(factor, held.T, lower=True, check_finite=False)
    places = share * one + (1.0 - share) * two - held @ mean
    unit = np.zeros((len(mean), 2))
    unit[[n + 1, n + 2], [0, 1]] = 1.0
    spread = solve_triangular(factor, unit, lower=True, check_finite=False)
    return _Axis(
        places, noise[0] * noise[1] / total + (half**2).sum(axis=0),
        (mean[:first], mean[first:n]), mean[n + 1 :], np.sqrt((spread**2).sum(axis=0)),
        np.clip(np.exp(found.x[[0, 2]]), *BOUNDS_SHIFT),
    )  # fmt: skip


def _pair_result(
    first: AtomicConfiguration, pairs: Integers, errors: list[Floats], axes: list[_Axis]
) -> ScanPair:
    """Return the record in the atoms' unit."""
    pixel, origin = in_pixels(first)
    covariance = np.zeros((len(pairs), 2, 2))
    for axis in (0, 1):
        covariance[:, axis, axis] = axes[axis].variance
    # what x and y share in one scan is halved by the other
    covariance[:, 0, 1] = covariance[:, 1, 0] = 0.25 * (errors[0] + errors[1])[:, 0, 1]
    picked = {
        name: np.asarray(getattr(first, name))[pairs[:, 0]]
        for name in ("width", "intensity", "intensity_sd", "species", "species_log_likelihood",
                     "detection_probability")
        if getattr(first, name) is not None
    }  # fmt: skip
    said = (
        "a rotation of one scan against the other looks like drift of both: turn the second scan "
        "back by the known scan angle first.",
        "the common move of both scans along an axis cannot be told from the sample's place.",
    )
    shape = np.stack([axis.jitter for axis in axes], axis=1)
    atoms = first.with_changes(
        positions=origin + np.stack([axis.places for axis in axes], axis=1) * pixel,
        position_covariance=covariance * pixel[:, None] * pixel, covariance=None, row_error=None,
        metadata={**first.metadata, "scan_corrected": True, "scans_combined": 2},
        warnings=(*first.warnings, *said), **picked,
    )  # fmt: skip
    return ScanPair(
        atoms=atoms,
        line_shift_first=np.stack([axis.shifts[0] for axis in axes], axis=1) * pixel,
        line_shift_second=np.stack([axis.shifts[1] for axis in axes], axis=1) * pixel,
        jitter_sd=shape * pixel,
        drift=np.stack([axis.drift for axis in axes], axis=1),
        drift_sd=np.stack([axis.drift_sd for axis in axes], axis=1),
        pairs=pairs,
        not_identified=said,
    )
