"""Quenched media that pin an elastic line: smooth potentials, periodic in height."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_positive
from physlearn.records.storage import html_table, short_repr

__all__ = ["PinningLandscape", "random_landscape"]

Float = NDArray[np.float64]
KNOTS_PER_LENGTH = 4
MOST_KNOTS = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class PinningLandscape:
    """A potential V(x, u) on each point x of a line, as a function of its height u.

    Between its knots V is the periodic cubic spline through the given values; the force on the
    line, -dV / du, is that spline's exact derivative.

    Attributes
    ----------
    potential
        V at the knots, shape (n_points, n_knots), energy per length of line; knot k lies at the
        height k x period / n_knots.
    period
        Height after which the medium repeats.

    Raises
    ------
    InputError
        For fewer than 4 knots, or a number that is not finite.

    Examples
    --------
    >>> heights = np.arange(64) / 64
    >>> washboard = PinningLandscape(np.tile(np.cos(2 * np.pi * heights), (3, 1)), period=1.0)
    >>> washboard.force([0.25, 0.5, 0.75]).round(3).tolist()
    [6.283, 0.0, -6.283]
    """

    potential: Float
    period: float
    coefficients: Float = field(init=False, repr=False)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        values = check_array("potential", self.potential, ndim=2).copy()
        check_positive("period", self.period)
        n_knots = values.shape[1]
        if n_knots < 4:
            raise InputError(f"potential must have at least 4 knots a period; got {n_knots}.")
        angle = 2 * np.pi * np.fft.rfftfreq(n_knots)
        # at its knots a cubic B-spline is 1/6, 4/6, 1/6
        transform = np.fft.rfft(values, axis=1) * 6.0 / (4.0 + 2.0 * np.cos(angle))
        coefficients = np.fft.irfft(transform, n_knots, axis=1)
        for name, array in (("potential", values), ("coefficients", coefficients)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def spacing(self) -> float:
        """Height between two knots."""
        return float(self.period / self.potential.shape[1])

    def force_table(self) -> Float:
        """Return the B-spline of the force, (n_points, n_knots + 2), closed over the period."""
        force = -(np.roll(self.coefficients, -1, axis=1) - self.coefficients) / self.spacing
        return np.column_stack([force[:, -1], force, force[:, 0]])

    def strength(self) -> float:
        """Return the root mean square of the force over the whole medium."""
        table = self.force_table()[:, 1:-1]
        # integrals of products of quadratic B-splines: 66, 26 and 1 of 120
        total = sum(
            weight * np.mean(table * np.roll(table, shift, axis=1))
            for shift, weight in ((0, 66.0), (1, 52.0), (2, 2.0))
        )
        return float(np.sqrt(total / 120.0))

    def largest_curvature(self) -> float:
        """Return the largest |d^2 V / du^2|, which lies on a knot."""
        return float(np.abs(np.diff(self.force_table(), axis=1)).max() / self.spacing)

    def energy(self, heights: ArrayLike) -> Float:
        """Return V of each point at its height, shape (..., n_points)."""
        return self._spline(heights, self.coefficients, derivative=False)

    def force(self, heights: ArrayLike) -> Float:
        """Return -dV / du of each point at its height, shape (..., n_points)."""
        return -self._spline(heights, self.coefficients, derivative=True)

    def _spline(self, heights: ArrayLike, coefficients: Float, derivative: bool) -> Float:
        """Return the cubic spline or its slope, straight from the cubic B-spline."""
        u = check_array("heights", heights)
        n_points, n_knots = coefficients.shape
        if u.shape[-1:] != (n_points,):
            raise InputError(f"heights must have shape (..., {n_points}), got {u.shape}.")
        place = u / self.spacing
        knot = np.floor(place).astype(np.int64)
        f = place - knot
        if derivative:
            pieces = [-((1 - f) ** 2) / 2, 1.5 * f**2 - 2 * f, -1.5 * f**2 + f + 0.5, f**2 / 2]
        else:
            pieces = [
                (1 - f) ** 3 / 6, (3 * f**3 - 6 * f**2 + 4) / 6,
                (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6, f**3 / 6,
            ]  # fmt: skip
        points = np.arange(n_points)
        total = np.zeros(u.shape)
        for offset, piece in zip((-1, 0, 1, 2), pieces, strict=True):
            total += piece * coefficients[points, (knot + offset) % n_knots]
        return total / self.spacing if derivative else total


def random_landscape(
    n_points: int,
    spacing: float,
    strength: float,
    correlation_length: float,
    period: float,
    *,
    rng: int | np.random.Generator | None = None,
) -> PinningLandscape:
    """Return a Gaussian random medium of random-bond kind.

    <V(x, u) V(x', u')> ~ exp(-r^2 / (2 l^2)) with the distance r between (x, u) and (x', u') and
    the correlation length l; periodic along the line and in height.

    Parameters
    ----------
    n_points, spacing
        Points of the line and the distance between them.
    strength
        Root mean square of the pinning force per length of line, over the whole medium.
    correlation_length
        l; below about a third of the spacing the points are independent.
    period
        Height after which the medium repeats; at least 4 l.
    rng
        Seed or generator.

    Raises
    ------
    InputError
        For numbers that are not positive, or a period of too few or too many correlation lengths.

    Examples
    --------
    >>> medium = random_landscape(64, 1.0, strength=0.3, correlation_length=2.0, period=50.0, rng=1)
    >>> round(medium.strength(), 12)
    0.3
    """
    if not isinstance(n_points, int | np.integer) or n_points < 3:
        raise InputError(f"n_points must be a whole number of at least 3; got {n_points!r}.")
    for name, value in (
        ("spacing", spacing), ("strength", strength), ("correlation_length", correlation_length),
        ("period", period),
    ):  # fmt: skip
        check_positive(name, value)
    n_knots = int(np.ceil(KNOTS_PER_LENGTH * period / correlation_length))
    if n_knots < KNOTS_PER_LENGTH**2 or n_knots * n_points > MOST_KNOTS:
        raise InputError(
            f"period must be at least {KNOTS_PER_LENGTH} correlation lengths and give at most "
            f"{MOST_KNOTS} knots in all; {period} gives {n_knots} knots on {n_points} points."
        )
    generator, _ = as_generator(rng)
    along = 2 * np.pi * np.fft.fftfreq(n_points, spacing)
    up = 2 * np.pi * np.fft.rfftfreq(n_knots, period / n_knots)
    squared = along[:, None] ** 2 + up[None] ** 2
    white = np.fft.rfft2(generator.standard_normal((n_points, n_knots)))
    smooth = np.fft.irfft2(
        white * np.exp(-0.25 * squared * correlation_length**2), (n_points, n_knots)
    )
    raw = PinningLandscape(smooth, period)
    return PinningLandscape(smooth * (strength / raw.strength()), period)
