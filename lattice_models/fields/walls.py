"""Flat walls between two stable values of a scalar order parameter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_positive
from physlearn.lattice_models.fields.potentials import LandauPotential

__all__ = ["wall_profile", "wall_tension", "wall_velocity", "wall_width"]

Floats = NDArray[np.float64]
EQUAL = 1e-9


def _stiffness(potential: LandauPotential, normal_angle: float) -> float:
    """Gradient energy along a wall's normal."""
    if not isinstance(potential, LandauPotential):
        raise InputError(f"potential must be a LandauPotential; got {type(potential).__name__}.")
    angle = float(check_array("normal_angle", normal_angle, shape=()))
    x, y = np.cos(angle), np.sin(angle)
    kappa = potential.kappa_x * x * x + potential.kappa_y * y * y + 2 * potential.kappa_xy * x * y
    return check_positive("the gradient energy along normal_angle", float(kappa))


def _equal_wells(potential: LandauPotential, field: float) -> tuple[float, float]:
    """Return the two neighbouring minima of f - E P that are the lowest, equally deep."""
    wells = potential.minima(field)
    depths = potential.density(wells) - field * wells
    if wells.size < 2:
        raise InputError(
            f"the potential has {wells.size} stable value(s) at field {field}: a wall needs two."
        )
    lowest = depths.min()
    barrier = potential.stationary_points(field)
    scale = float(np.ptp(potential.density(barrier) - field * barrier)) or 1.0
    equal = wells[depths - lowest < EQUAL * scale]
    if equal.size < 2:
        raise InputError(
            "a wall at rest needs two minima of equal depth; the depths are "
            f"{', '.join(f'{depth:.6g}' for depth in depths)}. Use wall_velocity, or change field."
        )
    return float(equal[0]), float(equal[1])


def wall_width(potential: LandauPotential, *, normal_angle: float = 0.0) -> float:
    """Return the width w of a flat wall: half the jump of P over its steepest slope.

    For ``a < 0, c > 0, b = e = 0`` the profile is ``P0 tanh(s / w)`` with
    ``w = sqrt(-2 kappa / a)``; else the steepest slope is where f is largest between the wells:
    ``dP/ds = sqrt(2 (f - f0) / kappa)``.

    Parameters
    ----------
    potential
        With two equally deep minima.
    normal_angle
        Of the wall's normal from x, radians; kappa is that of this direction.

    Raises
    ------
    InputError
        Without two equally deep minima, or with no gradient energy.

    Examples
    --------
    >>> round(wall_width(LandauPotential(a=-2.0, c=1.0)), 12)
    1.0
    """
    kappa = _stiffness(potential, normal_angle)
    low, high = _equal_wells(potential, 0.0)
    between = potential.stationary_points()
    between = between[(between > low) & (between < high)]
    barrier = float((potential.density(between) - potential.density(low)).max())
    return float((high - low) / 2 / np.sqrt(2 * barrier / kappa))


def wall_tension(potential: LandauPotential, *, normal_angle: float = 0.0) -> float:
    """Return the energy of a flat wall per length.

    ``integral of sqrt(2 kappa (f(P) - f0)) dP`` from well to well; for ``b = e = 0`` it is
    ``(2 sqrt(2) / 3) sqrt(kappa) (-a)^(3/2) / c``.

    Parameters
    ----------
    potential
        With two equally deep minima.
    normal_angle
        Of the wall's normal from x, radians.

    Raises
    ------
    InputError
        Without two equally deep minima, or with no gradient energy.

    Examples
    --------
    >>> round(wall_tension(LandauPotential(a=-1.0, c=1.0)), 9)
    0.942809042
    """
    from scipy.integrate import quad

    kappa = _stiffness(potential, normal_angle)
    low, high = _equal_wells(potential, 0.0)
    floor = float(potential.density(low))

    def slope(order: float) -> float:
        return float(np.sqrt(max(0.0, 2 * kappa * (float(potential.density(order)) - floor))))

    found = quad(slope, low, high, epsabs=0.0, epsrel=1e-12, limit=200)
    return float(found[0])


def wall_profile(
    potential: LandauPotential, distance: NDArray[np.float64], *, normal_angle: float = 0.0
) -> Floats:
    """Return P across a flat wall at rest, rising with the distance from its steepest point.

    Parameters
    ----------
    potential
        With two equally deep minima.
    distance
        Along the normal, any shape.
    normal_angle
        Of the wall's normal from x, radians.

    Raises
    ------
    InputError
        Without two equally deep minima, or with no gradient energy.

    Examples
    --------
    >>> wall_profile(LandauPotential(a=-2.0, c=2.0), np.array([0.0, 1.0])).round(6).tolist()
    [0.0, 0.761594]
    """
    kappa = _stiffness(potential, normal_angle)
    low, high = _equal_wells(potential, 0.0)
    place = check_array("distance", distance)
    if potential.b == 0 and potential.e == 0:
        width = float(np.sqrt(-2 * kappa / potential.a))
        return np.asarray(high * np.tanh(place / width))
    return _integrated_profile(potential, place, kappa, low, high)


def _integrated_profile(
    potential: LandauPotential, place: Floats, kappa: float, low: float, high: float
) -> Floats:
    """Integrate dP/ds = sqrt(2 (f - f0) / kappa) both ways from the steepest point."""
    from scipy.integrate import solve_ivp

    floor = float(potential.density(low))
    between = potential.stationary_points()
    between = between[(between > low) & (between < high)]
    middle = float(between[np.argmax(potential.density(between))])

    def rate(_: float, order: Floats) -> Floats:
        held = np.clip(order, low, high)
        return np.sqrt(np.maximum(0.0, 2 / kappa * (potential.density(held) - floor)))

    profile = np.empty(place.size)
    flat = place.reshape(-1)
    for side in (flat >= 0, flat < 0):
        wanted = flat[side]
        if not wanted.size:
            continue
        reach = float(wanted[np.argmax(np.abs(wanted))]) or 1.0
        found = solve_ivp(rate, (0.0, reach), [middle], rtol=1e-10, atol=1e-12, dense_output=True)
        assert found.sol is not None  # noqa: S101 -- dense output was asked for
        profile[side] = found.sol(wanted)[0]
    return profile.reshape(place.shape)


def wall_velocity(
    potential: LandauPotential,
    field: float,
    *,
    mobility: float = 1.0,
    normal_angle: float = 0.0,
) -> float:
    """Return the speed of a driven flat wall; positive where the larger P advances.

    Non-conserved dynamics with a quartic potential (e = 0): with the three stationary values
    ``p1 < p2 < p3`` of ``f - E P`` the wall moves at
    ``mobility sqrt(kappa c / 2) (p1 + p3 - 2 p2)``.

    Parameters
    ----------
    potential
        Quartic: c > 0, e = 0.
    field
        E.
    mobility
        L.
    normal_angle
        Of the wall's normal from x, radians.

    Raises
    ------
    InputError
        For a sextic potential, or a field beyond which only one value is stable.

    Examples
    --------
    >>> round(wall_velocity(LandauPotential(a=-1.0, c=1.0), 0.0), 12)
    0.0
    """
    kappa = _stiffness(potential, normal_angle)
    rate = check_positive("mobility", mobility)
    push = float(check_array("field", field, shape=()))
    if potential.e != 0 or potential.c <= 0:
        raise InputError(
            "wall_velocity is a closed form of quartic potentials: c > 0 and e = 0; "
            f"got c = {potential.c}, e = {potential.e}."
        )
    points = potential.stationary_points(push)
    if points.size != 3:
        raise InputError(
            f"field must leave two stable values with one between them; at {push} there are "
            f"{points.size} stationary value(s)."
        )
    speed = rate * np.sqrt(kappa * potential.c / 2) * (points[0] + points[2] - 2 * points[1])
    return float(speed)
