"""Fields with free parameters, as tables of uniform cubic B-splines."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.inference.langevin.force_map_grid import FINE_CELLS, FieldGrid, refined, roughness
from physlearn.inference.potential_families.pair_family import natural_numbers

__all__ = ["FIELDS", "FieldFamily", "make_field", "make_log_diffusion"]

Float = NDArray[np.float64]
FIELDS = ("free", "harmonic", "polynomial", "spline", "force_polynomial", "force_spline")
MOST_COEFFICIENTS = 200
KNOT_SD = 4.0
LEVEL_SD = 10.0


@dataclass(frozen=True, eq=False)
class FieldFamily:
    """An external field with free parameters, energies in kT.

    Attributes
    ----------
    name
        As the user named it.
    names, units
        Of the natural parameters.
    is_positive
        bool, shape (p,): which are taken by their logarithm.
    prior_mean, prior_precision
        float64, shapes (p,), (p, p): Gaussian prior of the unconstrained theta.
    grid
        Where it is tabulated.
    is_potential
        Whether tables are of an energy; otherwise of a force along each axis.
    tables
        Natural parameters (p,) -> (1 or d, n_coefficients).
    start
        float64, shape (p,): theta to start from.
    terms
        What multiplies each parameter, where the field is a sum of such terms.
    """

    name: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    is_positive: NDArray[np.bool_]
    prior_mean: Float
    prior_precision: Float
    grid: FieldGrid
    is_potential: bool
    tables: Callable[[Float], Float]
    start: Float
    terms: tuple[str, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.names)

    def natural(self, theta: ArrayLike) -> Float:
        """Return natural parameters, shape (..., p)."""
        return natural_numbers(theta, self.is_positive)


def make_field(
    field: str | Callable[..., Float],
    positions: Float,
    *,
    knots: int = 6,
    degree: int = 4,
    diffusion_knots: int = 1,
    center: ArrayLike | None = None,
    start: ArrayLike | None = None,
    start_sd: ArrayLike | None = None,
) -> FieldFamily:
    """Return a field family around positions of shape (n, d).

    Parameters
    ----------
    field
        ``free`` (no force), ``harmonic`` (stiffness and center of each axis), ``polynomial``
        (potential, all products of powers up to ``degree``), ``spline`` (potential with ``knots``
        cells along each axis), ``force_polynomial``, ``force_spline`` (a force for each axis that
        need not have a potential); or a function u(positions, *parameters) -> energies in kT of
        shape (m,).
    positions
        Where data are.
    knots, degree
        As above.
    diffusion_knots
        The grid's cells are a multiple of it, so that ln D fits the same grid.
    center
        Of the powers; None: the mean position.
    start, start_sd
        For a function: where its parameters start (also the mean of their Gaussian prior), and
        that prior's standard deviation (None: 3 |start| + 1).

    Raises
    ------
    InputError
        For an unknown name, a function without ``start``, or more coefficients than 200.

    Examples
    --------
    >>> family = make_field("polynomial", np.array([[-1.0], [1.0]]), degree=2)
    >>> family.names
    ('x', 'x^2')
    """
    d = positions.shape[1]
    check_count("diffusion_knots", diffusion_knots, 1)
    fine = diffusion_knots * math.ceil(FINE_CELLS[d] / diffusion_knots)
    if callable(field):
        return _function_field(field, FieldGrid.around(positions, fine), start, start_sd)
    check_choice("field", field, FIELDS)
    if field == "free":
        nothing, none = np.zeros(0), np.zeros((0, 0))
        coarse = FieldGrid.around(positions, max(2, diffusion_knots))
        empty = np.zeros((1, int(coarse.counts.prod()), 0))
        return FieldFamily(field, (), (), np.zeros(0, bool), nothing, none, coarse, True,
                           partial(_linear, empty), nothing)  # fmt: skip
    if field == "harmonic":
        return _harmonic(FieldGrid.around(positions, max(2, diffusion_knots)), positions)
    if field.endswith("spline"):
        check_count("knots", knots, 2)
        grid = FieldGrid.around(positions, math.lcm(knots, diffusion_knots))
        return _spline(FieldGrid.around(positions, knots), grid, field == "spline")
    check_count("degree", degree, 1)
    grid = FieldGrid.around(positions, fine)
    middle = positions.mean(axis=0) if center is None else check_array("center", center, ndim=1)
    return _polynomial(grid, positions, degree, middle, field == "polynomial")


def make_log_diffusion(kind: str, grid: FieldGrid, knots: int, level: float) -> FieldFamily:
    """Return ln D as a family over ``grid``: ``constant`` or ``position`` (a spline of ``knots``).

    ``level``: the prior's mean of ln D. Neighbouring coefficients bend by 0.5, and all stay within
    a factor of e^2 of their mean (one standard deviation); the mean is free.

    Raises
    ------
    InputError
        For another name.

    Examples
    --------
    >>> grid = FieldGrid.around(np.array([[0.0], [1.0]]))
    >>> make_log_diffusion("constant", grid, 4, 0.0).n_parameters
    1
    """
    check_choice("diffusion", kind, ("constant", "position"))
    if kind == "constant":
        return FieldFamily(
            kind, ("log_diffusion",), ("1",), np.zeros(1, bool), np.full(1, level),
            np.full((1, 1), 1e-4), grid, True, partial(_linear, np.zeros((0, 0, 1))),
            np.full(1, level),
        )  # fmt: skip
    own = FieldGrid(grid.lower, grid.upper, np.full(grid.dimension, knots))
    design = refined(own, grid)
    p = design.shape[1]
    even = np.full((p, p), 1.0 / p)
    precision = roughness(own.counts[: own.dimension]) / 0.5**2
    precision += 0.25 * (np.eye(p) - even) + 1e-4 * even
    names = tuple(f"log_diffusion[{k}]" for k in range(p))
    return FieldFamily(
        kind, names, ("1",) * p, np.zeros(p, bool), np.full(p, level), precision, grid, True,
        partial(_linear, design[None]), np.full(p, level),
    )  # fmt: skip


def _linear(design: Float, numbers: Float) -> Float:
    """Tables (k, n_coefficients) of a field linear in its parameters."""
    return np.asarray(design @ numbers)


def _function_field(
    field: Callable[..., Float], grid: FieldGrid, start: ArrayLike | None, sd: ArrayLike | None
) -> FieldFamily:
    """Field of a user's own energy."""
    names = tuple(inspect.signature(field).parameters)[1:]
    if start is None:
        raise InputError(f"a field given as a function needs start, a value for each of {names}.")
    first = check_array("start", start, shape=(len(names),))
    wide = 3.0 * abs(first) + 1.0 if sd is None else check_array("start_sd", sd, shape=first.shape)

    def tables(numbers: Float) -> Float:
        return grid.table(lambda points: np.asarray(field(points, *numbers.tolist())))[None]

    if not np.isfinite(tables(first)).all():
        raise InputError("the field must be finite around the data at the parameters of start.")
    p = len(names)
    return FieldFamily(getattr(field, "__name__", "function"), names, ("",) * p, np.zeros(p, bool),
                       first, np.diag(1.0 / wide**2), grid, True, tables, first)  # fmt: skip


def _harmonic(grid: FieldGrid, positions: Float) -> FieldFamily:
    """One stiffness and one center for each axis."""
    d, spread = grid.dimension, positions.var(axis=0)
    axes = "xyz"[:d]
    names = tuple(f"stiffness[{a}]" for a in axes) + tuple(f"center[{a}]" for a in axes)
    middle = positions.mean(axis=0)
    width = np.sqrt(np.maximum(spread, 1e-30))

    def tables(numbers: Float) -> Float:
        return grid.table(lambda at: 0.5 * ((at - numbers[d:]) ** 2 * numbers[:d]).sum(axis=1))[
            None
        ]

    # a stiffness has a sign: a hill is told from a trap; the scale is one kT over the data's spread
    start = np.concatenate([1.0 / width**2, middle])
    sd = np.concatenate([30.0 / width**2, 10.0 * width])
    mean = np.concatenate([np.zeros(d), middle])
    return FieldFamily(
        "harmonic", names, ("kT/length^2",) * d + ("length",) * d, np.zeros(2 * d, bool),
        mean, np.diag(1.0 / sd**2), grid, True, tables, start,
    )  # fmt: skip


def _polynomial(
    grid: FieldGrid, positions: Float, degree: int, center: Float, is_potential: bool
) -> FieldFamily:
    d = grid.dimension
    powers = [
        power for power in product(range(degree + 1), repeat=d)
        if (0 if is_potential else -1) < sum(power) <= degree
    ]  # fmt: skip
    powers.sort(key=lambda power: (sum(power), [-k for k in power]))
    scale = np.sqrt(positions.var(axis=0))
    scale = np.where(scale > 0.0, scale, 1.0)
    size = np.array([np.prod(scale ** np.array(power)) for power in powers])
    terms = tuple(_term(power) for power in powers)

    def monomials(at: Float) -> Float:
        return np.stack([((at - center) ** np.array(power)).prod(axis=1) for power in powers], -1)

    one = grid.table(monomials)
    if is_potential:
        return FieldFamily(
            "polynomial", terms, tuple(f"kT/length^{sum(power)}" for power in powers),
            np.zeros(len(terms), bool), np.zeros(len(terms)), np.diag((size / LEVEL_SD) ** 2), grid,
            True, partial(_linear, one[None]), np.zeros(len(terms)), terms,
        )  # fmt: skip
    m = len(terms)
    design = np.zeros((d, len(one), d * m))
    for a in range(d):
        design[a, :, a * m : (a + 1) * m] = one
    names = tuple(f"{axis}: {term}" for axis in "xyz"[:d] for term in terms)
    units = tuple(f"kT/length^{sum(power) + 1}" for power in powers) * d
    sd = np.concatenate([LEVEL_SD / (size * scale[a]) for a in range(d)])
    return FieldFamily(
        "force_polynomial", names, units, np.zeros(d * m, bool), np.zeros(d * m),
        np.diag(1.0 / sd**2), grid, False, partial(_linear, design), np.zeros(d * m), names,
    )  # fmt: skip


def _term(power: tuple[int, ...]) -> str:
    """Name of a product of powers: ``x^2*y``."""
    factors = [axis if k == 1 else f"{axis}^{k}" for axis, k in zip("xyz", power, strict=False)
               if k]  # fmt: skip
    return "*".join(factors) or "1"


def _spline(own: FieldGrid, grid: FieldGrid, is_potential: bool) -> FieldFamily:
    """Coefficients on the cells of ``own``, tables on the finer ``grid``."""
    d, n = own.dimension, int(own.counts.prod())
    n_all = n if is_potential else n * d
    if n_all > MOST_COEFFICIENTS:
        raise InputError(
            f"knots must give at most {MOST_COEFFICIENTS} coefficients; {own.cells.tolist()} cells"
            f" give {n_all}: use fewer knots, a polynomial or a function."
        )
    one = roughness(own.counts[:d]) / KNOT_SD**2 + np.eye(n) / (5.0 * LEVEL_SD) ** 2
    labels = ["-".join(map(str, index)) for index in np.ndindex(*own.counts[:d])]
    basis = refined(own, grid)
    if is_potential:
        return FieldFamily(
            "spline", tuple(f"coefficient[{k}]" for k in labels), ("kT",) * n, np.zeros(n, bool),
            np.zeros(n), one, grid, True, partial(_linear, basis[None]), np.zeros(n),
        )  # fmt: skip
    design = np.zeros((d, len(basis), d * n))
    for a in range(d):
        design[a, :, a * n : (a + 1) * n] = basis
    scale = np.repeat(own.spacing, n)
    precision = np.kron(np.eye(d), one) * np.outer(scale, scale)
    names = tuple(f"{axis}: coefficient[{k}]" for axis in "xyz"[:d] for k in labels)
    return FieldFamily(
        "force_spline", names, ("kT/length",) * (d * n), np.zeros(d * n, bool), np.zeros(d * n),
        precision, grid, False, partial(_linear, design), np.zeros(d * n),
    )  # fmt: skip
