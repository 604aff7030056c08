"""Columns on a lattice of declared shape: indices, design of the fit, drift from its distortion."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.datasets.sites.lattice_finding import find_sublattices, lattice_vectors

__all__ = [
    "Affine",
    "IndexedColumns",
    "declared_vectors",
    "drift_of",
    "index_columns",
    "undo_drift_of",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SHAPES = {
    "square": ((1.0, 0.0), (0.0, 1.0)),
    "triangular": ((1.0, 0.0), (0.5, float(np.sqrt(0.75)))),
}
FEWEST_IN_PART = 12
SMALLEST_PART = 0.05
FEWEST_ON_LATTICE = 0.4
LARGEST_ABS_STEP = 2


@dataclass(frozen=True, slots=True, eq=False)
class IndexedColumns:
    """Lattice index (n, 2) and sublattice (n,) of each column; sublattice -1: off the lattice."""

    indices: Integers
    part: Integers
    n_parts: int
    vectors: Floats

    @property
    def on_lattice(self) -> NDArray[np.bool_]:
        """Which columns have an index."""
        return np.asarray(self.part >= 0)

    def design(self, order: int, positions: Floats) -> Floats:
        """Return the lattice's linear parameters along x: offsets, two vectors, smooth strain.

        ``order`` 1 is the lattice alone; above it, the monomials of the place up to that degree
        that are not functions of the row alone (those cannot be told from the scan).
        """
        columns = [np.asarray(self.part == k, dtype=np.float64) for k in range(self.n_parts)]
        on = self.on_lattice
        columns += [np.where(on, self.indices[:, a], 0).astype(np.float64) for a in (0, 1)]
        low, high = positions.min(axis=0), positions.max(axis=0)
        x, y = (2.0 * (positions - low) / np.maximum(high - low, 1e-12) - 1.0).T
        for degree in range(2, order + 1):
            columns += [np.where(on, x**a * y ** (degree - a), 0.0) for a in range(1, degree + 1)]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class Affine:
    """What carries the declared lattice onto the picture, and its standard deviations.

    ``drift`` (x, y) is how far the sample moved per picture row, in pixels; ``angle`` in radians
    from the declared to the measured vectors; ``scale`` picture length per declared length.
    ``drift_by_x`` (2,) is the derivative of the drift along x by the vectors' x parts, and
    ``drift_left_sd`` what the y parts alone leave open of it.
    """

    drift: Floats
    drift_sd: Floats
    angle: float
    angle_sd: float
    scale: float
    scale_sd: float
    drift_by_x: Floats
    drift_left_sd: float


def declared_vectors(lattice: str | ArrayLike) -> Floats | None:
    """Return the two declared vectors (rows), or None where only periodicity is declared."""
    if isinstance(lattice, str):
        if lattice == "any":
            return None
        if lattice not in SHAPES:
            raise InputError(
                f"lattice must be square, triangular, any or two vectors (2, 2); got {lattice!r}."
            )
        return np.array(SHAPES[lattice])
    vectors = check_array("lattice", lattice, shape=(2, 2))
    if abs(np.linalg.det(vectors)) < 1e-6 * np.prod(np.hypot(*vectors.T)):
        raise InputError("lattice must hold two vectors that are not parallel.")
    return np.asarray(vectors, dtype=np.float64)


def index_columns(positions: Floats, weights: Floats) -> IndexedColumns:
    """Give each column its lattice index and sublattice; ``weights`` are intensities."""
    vectors = lattice_vectors(positions, weights)
    parts = find_sublattices(positions, vectors)
    least = max(FEWEST_IN_PART, SMALLEST_PART * len(positions))
    large = [part for part in parts if len(part.members) >= least]
    indices = np.zeros((len(positions), 2), dtype=np.int64)
    part_of = np.full(len(positions), -1, dtype=np.int64)
    for k, part in enumerate(large):
        indices[part.members] = part.indices
        part_of[part.members] = k
    share = float(np.mean(part_of >= 0))
    if share < FEWEST_ON_LATTICE:
        raise NotIdentified(
            f"only {share:.0%} of the columns stand on a common lattice: row shifts cannot be told "
            "from the columns' own places."
        )
    found = IndexedColumns(indices, part_of, len(large), vectors)
    design = found.design(1, positions)[found.on_lattice]
    solution = np.linalg.lstsq(design, positions[found.on_lattice], rcond=None)[0]
    return IndexedColumns(indices, part_of, len(large), np.asarray(solution[-2:]))


def drift_of(vectors: Floats, covariance: Floats, declared: Floats) -> Affine:
    """Split measured vectors (rows) into rotation, scale and the drift that distorts them.

    With drift ``(d_x, d_y)`` per row a place ``(X, Y)`` is seen at row ``Y / (1 - d_y)`` and at
    ``X + d_x row``. ``covariance`` (4, 4) is of (a_x, a_y, b_x, b_y).
    """
    matched = _matched(vectors, declared)

    def numbers(flat: Floats) -> Floats:
        return _solve_affine(flat.reshape(2, 2), matched)

    best = numbers(vectors.ravel())
    jacobian = np.empty((4, 4))
    step = 1e-5 * float(np.abs(vectors).max())
    for k in range(4):
        up, down = vectors.ravel().copy(), vectors.ravel().copy()
        up[k] += step
        down[k] -= step
        jacobian[:, k] = (numbers(up) - numbers(down)) / (2 * step)
    sd = np.sqrt(np.maximum(np.diag(jacobian @ covariance @ jacobian.T), 0.0))
    along_y = jacobian[0, [1, 3]]
    left = np.sqrt(along_y @ covariance[np.ix_([1, 3], [1, 3])] @ along_y)
    return Affine(
        best[:2], sd[:2], float(best[2]), float(sd[2]), float(np.exp(best[3])),
        float(np.exp(best[3]) * sd[3]), jacobian[0, [0, 2]], float(left),
    )  # fmt: skip


def _matched(vectors: Floats, declared: Floats) -> Floats:
    """Return the declared lattice's basis that the measured one looks most like."""
    steps = range(-LARGEST_ABS_STEP, LARGEST_ABS_STEP + 1)
    best, chosen = np.inf, declared
    measured = vectors[:, 0] + 1j * vectors[:, 1]
    for a, b, c, d in product(steps, steps, steps, steps):
        if a * d - b * c not in (-1, 1):
            continue
        basis = np.array([[a, b], [c, d]]) @ declared
        plane = basis[:, 0] + 1j * basis[:, 1]
        factor = np.vdot(plane, measured) / np.vdot(plane, plane)
        left = float(np.sum(np.abs(measured - factor * plane) ** 2))
        left *= 1.0 + 1e-6 * (abs(a) + abs(b) + abs(c) + abs(d)) + 1e-3 * abs(np.angle(factor))
        if left < best:
            best, chosen = left, basis
    return np.asarray(chosen)


def undo_drift_of(points: Floats, drift: Floats) -> Floats:
    """Return where points seen at (x, row) stood without drift."""
    moved = np.array(points, dtype=np.float64)
    moved[:, 0] -= drift[0] * points[:, 1]
    moved[:, 1] -= drift[1] * points[:, 1]
    return moved


def _solve_affine(vectors: Floats, basis: Floats) -> Floats:
    """Return (drift x, drift y, angle, log scale) that carry ``basis`` onto ``vectors``."""
    plane = basis[:, 0] + 1j * basis[:, 1]
    measured = vectors[:, 0] + 1j * vectors[:, 1]
    factor = np.vdot(plane, measured) / np.vdot(plane, plane)

    def misfit(p: Floats) -> Floats:
        seen = undo_drift_of(vectors, p[:2])
        turned = np.exp(p[3] + 1j * p[2]) * plane
        difference = seen[:, 0] + 1j * seen[:, 1] - turned
        both = np.concatenate([difference.real, difference.imag])
        return np.asarray(both / np.abs(plane).mean())

    start = np.array([0.0, 0.0, np.angle(factor), np.log(np.abs(factor))])
    return np.asarray(least_squares(misfit, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).x)
