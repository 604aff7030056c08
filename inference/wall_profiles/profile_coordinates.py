"""Coordinates in which the posterior of (ln width, blur, shape) is smooth and nearly upright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.wall_profiles.profile_posterior import (
    TANH_SPREAD,
    ProfileMode,
    ProfileModel,
)

__all__ = ["LARGEST_ANGLE", "Coordinates", "LeaningCoordinates", "PolarCoordinates", "trace_ridge"]

Floats = NDArray[np.float64]

LARGEST_ANGLE = np.pi / 2 - 0.02
N_ANGLES = 21
FIRST_HALF = 0.4
N_PROBES = 9
ROUNDS, POLISHES = 3, 4


class Coordinates:
    """Maps grid coordinates (3, n) to (ln w, blur, ln Q) and gives the map's log Jacobian."""

    def physical(self, at: Floats) -> Floats:
        """Return ln w, blur and ln Q, (3, n)."""
        raise NotImplementedError

    def log_jacobian(self, at: Floats) -> Floats:
        """Return the log of what the prior's density gains from the map, (n,)."""
        return np.zeros(at.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class LeaningCoordinates(Coordinates):
    """For a point spread known to an error: ln w less its regression on the blur and the shape."""

    center: tuple[float, float]
    lean: float
    tilt: float

    @classmethod
    def of(cls, model: ProfileModel, mode: ProfileMode) -> LeaningCoordinates:
        """Take the regressions from the covariance at the mode."""
        spread = mode.covariance
        lean = 0.0 if model.blur.known else spread[0, 1] / spread[1, 1]
        tilt = float(np.clip(spread[0, 2] / spread[2, 2], -1, 1)) if model.sextic else 0.0
        return cls((mode.blur, mode.log_shape), float(lean), tilt)

    def physical(self, at: Floats) -> Floats:
        """Return ln w, blur and ln Q."""
        log_width = at[0] + self.lean * (at[1] - self.center[0])
        log_width = log_width + self.tilt * (np.clip(at[2], -3, 3) - self.center[1])
        return np.stack([log_width, at[1], at[2]])


@dataclass(frozen=True, slots=True, eq=False)
class PolarCoordinates(Coordinates):
    """For a free point spread: distance from the ridge of ln t, and the angle between both widths.

    ``t cos(angle)`` is the wall's spread and ``t sin(angle)`` the blur. The prior is flat in both.
    """

    angles: Floats
    ridge: Floats
    scale: Floats

    def physical(self, at: Floats) -> Floats:
        """Return ln w, blur and ln Q."""
        log_total = self._at(self.ridge, at[1]) + at[0] * self._at(self.scale, at[1])
        log_width = log_total + np.log(np.cos(at[1])) - 0.5 * np.log(TANH_SPREAD)
        return np.stack([log_width, np.sin(at[1]) * np.exp(log_total), at[2]])

    def log_jacobian(self, at: Floats) -> Floats:
        """Return 2 ln t (polar coordinates of a flat prior) and the stretch of the first axis."""
        scale = self._at(self.scale, at[1])
        return np.asarray(2 * (self._at(self.ridge, at[1]) + at[0] * scale) + np.log(scale))

    def _at(self, values: Floats, angle: Floats) -> Floats:
        from scipy.interpolate import CubicSpline

        return np.asarray(CubicSpline(self.angles, values)(angle))


def trace_ridge(
    density: Callable[[Floats, Floats], Floats], start: float, low: float, high: float, most: float
) -> tuple[PolarCoordinates, Floats]:
    """Find the best ln t at each of a range of angles, its spread, and the density there.

    ``density(log_total, angle)`` is the log posterior by ln t and the angle, (n,) each; ln t stays
    below ``most``.
    """
    angles = np.linspace(low, high, N_ANGLES)
    ridge, half = np.full(N_ANGLES, start), FIRST_HALF
    offsets = np.linspace(-1.0, 1.0, N_PROBES)
    for _ in range(ROUNDS):
        probe = ridge + half * offsets[:, None]
        found = density(probe.ravel(), np.tile(angles, N_PROBES)).reshape(N_PROBES, -1)
        ridge = ridge + half * offsets[np.argmax(found, axis=0)]
        half *= 2.2 / (N_PROBES - 1)
    sd = np.full(N_ANGLES, half)
    for _ in range(POLISHES):
        probe = np.concatenate([ridge - sd, ridge, ridge + sd])
        below, here, above = density(probe, np.tile(angles, 3)).reshape(3, -1)
        bend = np.maximum((2 * here - below - above) / sd**2, 1e-2 / sd**2)
        ridge = ridge + np.clip((above - below) / (2 * sd * bend), -3 * sd, 3 * sd)
        ridge, sd = np.minimum(ridge, most), np.minimum(1 / np.sqrt(bend), 0.3)
    return PolarCoordinates(angles, ridge, sd), here
