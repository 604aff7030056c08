"""Landau potentials: the local free energy of an order parameter and the cost of its gradients."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_number
from physlearn.records.storage import html_table, short_repr

__all__ = ["LandauPotential", "VectorLandauPotential"]

Floats = NDArray[np.float64]
DIRECTIONS = 33  # of the plane, 0 ... 90 degrees, on which a vector potential is bounded
SAMPLES = 65


def _check_numbers(record: Any, at_least_zero: tuple[str, ...]) -> None:
    """Refuse coefficients that are no finite numbers, and negative ones of the names given."""
    for entry in fields(record):
        least = 0.0 if entry.name in at_least_zero else -np.inf
        value = check_number(entry.name, getattr(record, entry.name), least=least)
        object.__setattr__(record, entry.name, value)


def _order(value: ArrayLike) -> Floats:
    """Return an order parameter; NaN, where nothing was seen, stays NaN."""
    return check_array("order", value, finite=False, allow_empty=True)


def _real_roots(coefficients: ArrayLike) -> Floats:
    """Real roots of a polynomial, highest power first, with its leading zeros dropped."""
    powers = np.trim_zeros(np.asarray(coefficients, dtype=float), "f")
    if powers.size < 2:
        return np.empty(0)
    roots = np.roots(powers)
    size = 1.0 + np.abs(roots)
    return np.sort(roots.real[np.abs(roots.imag) < 1e-7 * size])


@dataclass(frozen=True)
class LandauPotential:
    """Free energy density of a scalar order parameter P(x, y).

    ``f = a/2 P^2 + b/3 P^3 + c/4 P^4 + e/6 P^6
    + kappa_x/2 (dP/dx)^2 + kappa_y/2 (dP/dy)^2 + kappa_xy (dP/dx)(dP/dy)``

    and a field E adds ``- E P``. Energies per area of the picture (a film's per its thickness); x
    runs along the columns, y along the rows.

    Attributes
    ----------
    a, b, c, e
        Quadratic, cubic, quartic and sextic coefficient: energy / length^2 / P^2 (P^3, P^4, P^6).
    kappa_x, kappa_y, kappa_xy
        Gradient energy, energy / P^2; the matrix (kappa_x, kappa_xy; kappa_xy, kappa_y) must have
        no negative eigenvalue.

    Raises
    ------
    InputError
        For a coefficient that is not finite, a gradient energy that is negative in some direction,
        or a polynomial that falls without end.

    Examples
    --------
    >>> double_well = LandauPotential(a=-1.0, c=1.0)
    >>> [float(p) for p in double_well.minima()]
    [-1.0, 1.0]
    >>> float(double_well.density(1.0))
    -0.25
    """

    a: float
    b: float = 0.0
    c: float = 0.0
    e: float = 0.0
    kappa_x: float = 1.0
    kappa_y: float = 1.0
    kappa_xy: float = 0.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        _check_numbers(self, ("kappa_x", "kappa_y"))
        if self.kappa_xy**2 > self.kappa_x * self.kappa_y:
            raise InputError(
                "kappa_xy must satisfy kappa_xy^2 <= kappa_x kappa_y, or some direction gains from "
                f"ripples; got {self.kappa_xy} with {self.kappa_x} and {self.kappa_y}."
            )
        flat = self.e == 0 and self.c == 0
        bounded = self.e > 0 or (self.e == 0 and self.c > 0)
        if not bounded and not (flat and self.b == 0 and self.a >= 0):
            raise InputError(
                "the potential must rise for large P: give e > 0, or e = 0 with c > 0; "
                f"got a = {self.a}, b = {self.b}, c = {self.c}, e = {self.e} (numbers without a "
                "name are a, b, c and e in turn: name them, as in a=-1.0, c=1.0)."
            )

    @property
    def n_components(self) -> int:
        """Components of the order parameter: 1."""
        return 1

    def density(self, order: ArrayLike) -> Floats:
        """Return the local part of f, the shape of ``order``."""
        p = _order(order)
        q = p * p
        density: Floats = q * (self.a / 2 + self.b / 3 * p + q * (self.c / 4 + self.e / 6 * q))
        return density

    def derivative(self, order: ArrayLike) -> Floats:
        """Return df/dP of the local part, the shape of ``order``."""
        p = _order(order)
        q = p * p
        slope: Floats = p * (self.a + self.b * p + q * (self.c + self.e * q))
        return slope

    def curvature(self, order: ArrayLike) -> Floats:
        """Return d2f/dP2 of the local part, the shape of ``order``."""
        p = _order(order)
        q = p * p
        bend: Floats = self.a + 2 * self.b * p + q * (3 * self.c + 5 * self.e * q)
        return bend

    def stationary_points(self, field: float = 0.0) -> Floats:
        """Return all P with df/dP = field, ascending."""
        return _real_roots([self.e, 0.0, self.c, self.b, self.a, -check_number("field", field)])

    def minima(self, field: float = 0.0) -> Floats:
        """Return the (locally) stable P in a field, ascending."""
        found = self.stationary_points(field)
        return found[self.curvature(found) > 0]

    def extent(self, lowest_field: float, highest_field: float, softening: float) -> Floats:
        """Return the range (low, high) that holds every stationary P in these fields."""
        points = [0.0]
        for field in (lowest_field, highest_field):
            for extra in (0.0, -abs(softening)):
                points.extend(_real_roots([self.e, 0.0, self.c, self.b, self.a + extra, -field]))
        return np.array([min(points), max(points)])

    def thermal_extent(self, energy: float) -> Floats:
        """Return the range of P whose f lies less than ``energy`` above the lowest f."""
        floor = float(self.density(self.stationary_points()).min())
        ends = _real_roots([self.e / 6, 0, self.c / 4, self.b / 3, self.a / 2, 0, -floor - energy])
        return np.array([ends[0], ends[-1]]) if ends.size else np.array([-np.inf, np.inf])

    def largest_curvature(self, low: float, high: float) -> tuple[float, float]:
        """Return the largest d2f/dP2 and the largest of its size between two P."""
        inside = _real_roots([20 * self.e, 0.0, 6 * self.c, 2 * self.b])
        inside = inside[(inside > low) & (inside < high)]
        values = self.curvature(np.concatenate([[low, high], inside]))
        return float(values.max()), float(np.abs(values).max())


@dataclass(frozen=True)
class VectorLandauPotential:
    """Free energy density of a polarisation vector (Px, Py) in the plane.

    ``f = a1 (Px^2 + Py^2) + a11 (Px^4 + Py^4) + a12 Px^2 Py^2 + a111 (Px^6 + Py^6)
    + a112 (Px^4 Py^2 + Px^2 Py^4) + g11/2 (Px,x^2 + Py,y^2) + g12 Px,x Py,y
    + g44/2 (Px,y + Py,x)^2 + g44m/2 (Px,y - Py,x)^2``

    and a field adds ``- Ex Px - Ey Py``. No factors of 1/2 stand in the local part (the custom of
    ferroelectrics). With a12 = 2 a11 and a112 = 3 a111 the local part is isotropic.

    Attributes
    ----------
    a1, a11, a12, a111, a112
        energy / length^2 / P^2 (P^4, P^4, P^6, P^6).
    g11, g12, g44, g44m
        Gradient energies, energy / P^2.

    Raises
    ------
    InputError
        For a coefficient that is not finite, gradients that gain energy, or a local part that falls
        without end.

    Notes
    -----
    The form of Hlinka and Marton, Phys. Rev. B 74, 104104 (2006), doi:10.1103/PhysRevB.74.104104,
    in two dimensions.

    Examples
    --------
    >>> tetragonal = VectorLandauPotential(a1=-0.5, a11=0.25, a12=1.0)
    >>> float(tetragonal.density([1.0, 0.0]))
    -0.25
    """

    a1: float
    a11: float = 0.0
    a12: float = 0.0
    a111: float = 0.0
    a112: float = 0.0
    g11: float = 1.0
    g12: float = 0.0
    g44: float = 1.0
    g44m: float = 0.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        _check_numbers(self, ("g11", "g44", "g44m"))
        angle = np.linspace(0.0, np.pi, 4 * DIRECTIONS)
        cos, sin = np.cos(angle), np.sin(angle)
        shear = self.g44 + self.g44m
        cross = (self.g12 + self.g44 - self.g44m) * cos * sin
        first, second = self.g11 * cos**2 + shear * sin**2, self.g11 * sin**2 + shear * cos**2
        if (first * second - cross**2 < -1e-12 * (first + second) ** 2).any():
            raise InputError(
                "g12 must leave the gradient energy positive in every direction; "
                f"got g11 = {self.g11}, g12 = {self.g12}, g44 = {self.g44}, g44m = {self.g44m}."
            )
        sextic, quartic = (self.a111, self.a111 + self.a112), (self.a11, 2 * self.a11 + self.a12)
        if any(sextic) or self.a112:
            bounded = min(sextic) > 0
        elif any(quartic):
            bounded = min(quartic) > 0
        else:
            bounded = self.a1 >= 0
        if not bounded:
            raise InputError(
                "the potential must rise for large P in every direction: a111 > 0 and "
                "a111 + a112 > 0, or both zero with a11 > 0 and 2 a11 + a12 > 0; got "
                f"a11 = {self.a11}, a12 = {self.a12}, a111 = {self.a111}, a112 = {self.a112}."
            )

    @property
    def n_components(self) -> int:
        """Components of the order parameter: 2."""
        return 2

    def density(self, order: ArrayLike) -> Floats:
        """Return the local part of f; the first axis of ``order`` holds Px and Py."""
        x, y = self._components(order)
        p, q = x * x, y * y
        density: Floats = (
            self.a1 * (p + q) + self.a11 * (p * p + q * q) + self.a12 * p * q
            + self.a111 * (p**3 + q**3) + self.a112 * p * q * (p + q)
        )  # fmt: skip
        return density

    def derivative(self, order: ArrayLike) -> Floats:
        """Return (df/dPx, df/dPy) of the local part, the shape of ``order``."""
        x, y = self._components(order)
        p, q = x * x, y * y
        return np.stack([x * self._slope(p, q), y * self._slope(q, p)])

    def hessian(self, order: ArrayLike) -> Floats:
        """Return the second derivatives, shape (2, 2, ...)."""
        x, y = self._components(order)
        p, q = x * x, y * y
        cross = x * y * (4 * self.a12 + 8 * self.a112 * (p + q))
        return np.stack(
            [
                np.stack([self._bend(p, q), cross]),
                np.stack([cross, self._bend(q, p)]),
            ]
        )

    def _components(self, order: ArrayLike) -> Floats:
        p = _order(order)
        if p.ndim < 1 or p.shape[0] != 2:
            raise InputError(f"order must have 2 components along its first axis, got {p.shape}.")
        return p

    def _slope(self, p: Floats, q: Floats) -> Floats:
        """df/dPx / Px at p = Px^2, q = Py^2."""
        return (
            2 * self.a1 + 4 * self.a11 * p + 2 * self.a12 * q
            + 6 * self.a111 * p * p + self.a112 * (4 * p * q + 2 * q * q)
        )  # fmt: skip

    def _bend(self, p: Floats, q: Floats) -> Floats:
        """d2f/dPx2."""
        return (
            2 * self.a1 + 12 * self.a11 * p + 2 * self.a12 * q
            + 30 * self.a111 * p * p + self.a112 * (12 * p * q + 2 * q * q)
        )  # fmt: skip

    def extent(self, lowest_field: float, highest_field: float, softening: float) -> Floats:
        """Return (-r, r) with r the largest |P| that is stationary along its own direction."""
        push = max(abs(lowest_field), abs(highest_field))
        radii = [0.0]
        for quartic, sextic in self._directions():
            for extra in (0.0, -abs(softening)):
                radii.extend(
                    _real_roots([6 * sextic, 0, 4 * quartic, 0, 2 * self.a1 + extra, -push])
                )
        return max(radii) * np.array([-1.0, 1.0])

    def thermal_extent(self, energy: float) -> Floats:
        """Return (-r, r): along every direction f beyond r is ``energy`` above the lowest f."""
        floor, radii = 0.0, [0.0]
        for quartic, sextic in self._directions():
            r = _real_roots([6 * sextic, 0, 4 * quartic, 0, 2 * self.a1, 0])
            floor = min(floor, float((self.a1 * r**2 + quartic * r**4 + sextic * r**6).min()))
        for quartic, sextic in self._directions():
            radii.extend(_real_roots([sextic, 0, quartic, 0, self.a1, 0, -floor - energy]))
        return (max(radii) or np.inf) * np.array([-1.0, 1.0])

    def _directions(self) -> list[tuple[float, float]]:
        """Coefficients of r^4 and r^6 along directions of the first quadrant."""
        found = []
        for angle in np.linspace(0.0, np.pi / 2, DIRECTIONS):
            p, q = np.cos(angle) ** 2, np.sin(angle) ** 2
            quartic = self.a11 * (p * p + q * q) + self.a12 * p * q
            found.append((quartic, self.a111 * (p**3 + q**3) + self.a112 * p * q))
        return found

    def largest_curvature(self, low: float, high: float) -> tuple[float, float]:
        """Return the largest eigenvalue of the second derivatives and the largest of its size."""
        line = np.linspace(min(low, -high), max(high, -low), SAMPLES)
        x, y = np.meshgrid(line, line)
        inside = np.hypot(x, y) <= max(abs(low), abs(high)) * (1 + 1e-9)
        matrices = np.moveaxis(self.hessian(np.stack([x[inside], y[inside]])), -1, 0)
        values = np.linalg.eigvalsh(matrices)
        return float(values.max()), float(np.abs(values).max())


def check_potential(potential: object) -> LandauPotential | VectorLandauPotential:
    """Return the potential, or say that it is none."""
    if not isinstance(potential, LandauPotential | VectorLandauPotential):
        raise InputError(
            "potential must be a LandauPotential or a VectorLandauPotential; "
            f"got {type(potential).__name__}."
        )
    return potential


def check_order(potential: LandauPotential | VectorLandauPotential, order: ArrayLike) -> Floats:
    """Return the field as (components, y, x), or say what is wrong with it."""
    if potential.n_components == 1:
        return check_array("start", order, ndim=2)[None]
    return check_array("start", order, shape=(2, None, None))
