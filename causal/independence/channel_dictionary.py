"""What a column may hold of another one on a grid: shifts, smooth copies, powers, location."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy import fft
from scipy.ndimage import gaussian_filter

from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.records.storage import html_table, short_repr

NINE = tuple((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1))
THIRTEEN = tuple((a, b) for a in range(-2, 3) for b in range(-2, 3) if a * a + b * b <= 4)
TWENTY_ONE = tuple((a, b) for a in range(-2, 3) for b in range(-2, 3) if a * a + b * b <= 5)
CROSS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
HERE = ((0, 0),)


COPIES = (
    {(0, 0): 1.0},
    dict.fromkeys(CROSS[1:], 0.25),
    {(0, 0): 1.0, **dict.fromkeys(CROSS[1:], -0.25)},
)
"""Weights of neighbours in linear copies of a column: itself, the mean of four, the difference."""


@dataclass(frozen=True, slots=True)
class Base:
    """A field that features are filtered and shifted copies of.

    Attributes
    ----------
    power
        Power of the copy.
    copy
        Number of the copy in `COPIES`.
    term
        Location term that multiplies it.
    length
        Smoothing in patches.
    shifts
        In patches, one a feature.
    """

    power: int = 1
    copy: int = 0
    term: int = 0
    length: float = 0.0
    shifts: tuple[tuple[int, int], ...] = HERE

    @property
    def field(self) -> tuple[int, int, int]:
        """Power, copy and location term: what there is before filters and shifts."""
        return self.power, self.copy, self.term


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Which features of a conditioning column a regression may use, and in which band.

    Attributes
    ----------
    shifts
        Copies of the column moved by whole patches.
    squares, cubes
        The same for its square and cube.
    degree
        Of the location polynomials that multiply the column.
    trend
        Of the location polynomials by themselves.
    cutoff
        Waves above this many radians per patch are damped as exp(-(k / cutoff)**4).
    margin
        Rows and columns at the border that only serve as neighbours.
    """

    shifts: tuple[tuple[int, int], ...] = THIRTEEN
    squares: tuple[tuple[int, int], ...] = CROSS
    cubes: tuple[tuple[int, int], ...] = HERE
    near: tuple[tuple[int, int], ...] = HERE
    degree: int = 2
    trend: int = 2
    cutoff: float = 2.6
    margin: int = 2

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def bases(self) -> list[Base]:
        """Fields that features are shifts of; the column itself first."""
        ordered = (HERE[0], *(s for s in self.shifts if s != HERE[0]))
        found = [Base(shifts=ordered), Base(length=1.5), Base(length=3.0)]
        if self.squares:
            found += [Base(2, shifts=self.squares), Base(2, length=1.5)]
        if self.near:
            found += [Base(2, copy=k, shifts=self.near) for k in range(1, len(COPIES))]
        if self.cubes:
            found += [Base(3, shifts=self.cubes)]
        n_location = (self.degree + 1) * (self.degree + 2) // 2
        return found + [Base(term=m) for m in range(1, n_location)]

    @property
    def size(self) -> int:
        """Number of features of one column."""
        return sum(len(base.shifts) for base in self.bases)

    def n_features(self, n_given: int) -> int:
        """Return the features of a regression on `n_given` columns, location terms included."""
        return n_given * self.size + (self.trend + 1) * (self.trend + 2) // 2

    @property
    def of_neighbours(self) -> Integers:
        """Numbers of the features that are powers of neighbours' copies, counted in a column."""
        own = np.repeat([base.copy for base in self.bases], [len(b.shifts) for b in self.bases])
        return np.flatnonzero(own).astype(np.int64)


NARROW = Dictionary()
LEAN = Dictionary(shifts=CROSS, squares=HERE, cubes=(), degree=1, trend=2)
LEAN_LONG = Dictionary(shifts=NINE, squares=HERE, cubes=(), degree=1, trend=2, cutoff=2.0)
WIDE = Dictionary(shifts=TWENTY_ONE, near=CROSS, degree=3, trend=3, cutoff=1.9)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells of a rectangular grid and which of them are patches of the table.

    Attributes
    ----------
    cells
        Row and column of each patch, shape (n, 2).
    shape
        Rows and columns of the grid.
    observed
        Which cells hold a patch, shape `shape`.
    """

    cells: Integers
    shape: tuple[int, int]
    observed: np.ndarray

    @classmethod
    def of(cls, cells: Integers) -> Grid:
        """Return the grid of the cells of patches."""
        rows, columns = (int(k) + 1 for k in cells.max(axis=0))
        observed = np.zeros((rows, columns), dtype=bool)
        observed[cells[:, 0], cells[:, 1]] = True
        return cls(cells, (rows, columns), observed)

    def image(self, values: Floats) -> Floats:
        """Return fields (..., rows, columns) of values (..., n), 0 where there is no patch."""
        image = np.zeros((*values.shape[:-1], *self.shape))
        image[..., self.cells[:, 0], self.cells[:, 1]] = values
        return image

    def filled(self, image: Floats) -> Floats:
        """Fill cells without a patch from their neighbours, by one linear rule for all fields.

        A linear rule keeps what is linear among the fields: a response of the filled field is
        the filled response.
        """
        if self.observed.all():
            return image
        known = self.observed.astype(np.float64)
        weight = gaussian_filter(known, 1.0, mode="nearest", truncate=8.0)
        missing = ~self.observed
        for plane in image.reshape(-1, *self.shape):
            plane[missing] = 0.0
            near = gaussian_filter(plane, 1.0, mode="nearest", truncate=8.0)
            plane[missing] = near[missing] / np.maximum(weight[missing], 1e-12)
        return image

    @property
    def waves(self) -> Floats:
        """Length of the wave vector of each cosine mode, in radians per patch."""
        rows, columns = (np.pi * np.arange(k) / k for k in self.shape)
        return np.asarray(np.hypot(rows[:, None], columns))


def location_terms(shape: tuple[int, int], degree: int) -> Floats:
    """Return Legendre products up to `degree` on the grid, shape (n_terms, rows, columns)."""
    rows, columns = (legvander(np.linspace(-1.0, 1.0, max(k, 2))[:k], degree) for k in shape)
    terms = [
        np.outer(rows[:, total - k], columns[:, k])
        for total in range(degree + 1)
        for k in range(total + 1)
    ]
    return np.stack(terms)


def copies(values: Floats) -> list[Floats]:
    """Return the copies of a field (rows, columns) that `COPIES` names."""
    wide = np.pad(values, 1, mode="edge")
    rows, columns = values.shape
    return [
        sum(
            (w * wide[1 + a : 1 + a + rows, 1 + b : 1 + b + columns] for (a, b), w in c.items()),
            np.zeros_like(values),
        )
        for c in COPIES
    ]


def wick_powers(values: Floats, variance: Floats | float, highest: int) -> list[Floats]:
    """Return powers 0..highest whose mean over Gaussian noise is that of the noise-free value.

    The Hermite recursion t[r + 1] = z t[r] - r s2 t[r - 1].
    """
    powers = [np.ones_like(values), values]
    for r in range(1, highest):
        powers.append(values * powers[-1] - r * variance * powers[-2])
    return powers


def smoothing(waves: Floats, length: float) -> Floats:
    """Return the transfer of a Gaussian smoothing of `length` patches."""
    return np.asarray(np.exp(-0.5 * (length * waves) ** 2))


def radial_spectrum(power: Floats, waves: Floats) -> Floats:
    """Return a smooth spectrum that depends on |k| only: degree 5 in |k| on the log of bin means.

    Parameters
    ----------
    power
        Squares of the coefficients of an orthonormal cosine transform, shape (rows, columns).
    waves
        Their wave numbers, same shape.
    """
    top = float(np.pi * np.sqrt(2.0))
    n_bins = max(8, min(power.shape) // 3)
    number = np.minimum((waves / top * n_bins).astype(int), n_bins - 1).ravel()[1:]
    count = np.bincount(number, minlength=n_bins).astype(np.float64)
    used = count > 0
    mean = (np.bincount(number, power.ravel()[1:], n_bins) / np.maximum(count, 1.0))[used]
    center = (np.bincount(number, waves.ravel()[1:], n_bins) / np.maximum(count, 1.0))[used]
    root = np.sqrt(count[used])
    degree = min(5, int(used.sum()) - 1)
    basis = legvander(2.0 * center / top - 1.0, degree)
    floor = 1e-12 * float(mean.max()) + 1e-300
    fitted = np.linalg.lstsq(basis * root[:, None], np.log(mean + floor) * root, rcond=None)[0]
    log = legvander(2.0 * waves.ravel() / top - 1.0, degree) @ fitted
    return np.asarray(np.exp(log)).reshape(waves.shape)


def error_ceiling(field: Floats, waves: Floats) -> float:
    """Return the largest variance that white errors of a field can have: its spectrum's floor.

    The spectrum of errors adds to that of the truth, so no wave may hold less than the errors.
    """
    modes = fft.dctn(field - field.mean(), norm="ortho")
    return float(min(radial_spectrum(modes**2, waves).min(), field.var()))


def block_rows(grid: Grid, margin: int, per_side: tuple[int, int]) -> tuple[Integers, Integers]:
    """Return the inner patches, block by block, and where each block begins.

    Parameters
    ----------
    grid
        The cells.
    margin
        Border cells left out.
    per_side
        Number of blocks along rows and columns; blocks of less than half the mean size are
        dropped with their patches.

    Returns
    -------
    order
        Flat cell numbers of the patches used, shape (n_used,).
    cuts
        Beginning of each block in `order`, and its length at the end, shape (n_blocks + 1,).
    """
    rows, columns = grid.shape
    row, column = np.nonzero(grid.observed)
    inside = (
        (row >= margin) & (row < rows - margin) & (column >= margin) & (column < columns - margin)
    )
    row, column = row[inside], column[inside]
    label = ((row - margin) * per_side[0] // (rows - 2 * margin)) * per_side[1] + (
        (column - margin) * per_side[1] // (columns - 2 * margin)
    )
    order = np.argsort(label, kind="stable")
    cells, label = (row * columns + column)[order], label[order]
    edges = np.flatnonzero(np.diff(label, prepend=-1, append=label[-1] + 1 if len(label) else 0))
    sizes = np.diff(edges)
    keep = sizes >= 0.5 * len(cells) / (per_side[0] * per_side[1])
    parts = [cells[a:b] for (a, b), kept in zip(pairwise(edges), keep, strict=True) if kept]
    cuts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return np.concatenate(parts).astype(np.int64), cuts.astype(np.int64)


def cosine_filter(fields: Floats, transfer: Floats) -> Floats:
    """Return fields (..., rows, columns) filtered by a transfer on cosine modes."""
    modes = fft.dctn(fields, axes=(-2, -1), norm="ortho")
    return np.asarray(fft.idctn(modes * transfer, axes=(-2, -1), norm="ortho"))
