"""What a wall's speed may owe to its place and its bend beyond a drive and a linear curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fronts.pin_map import PinMap

__all__ = ["LocalLaw"]

Floats = NDArray[np.float64]

LEAST_BEND = 0.05  # of the usual curvature: a power's slope at no bend at all stays finite
LEAST_DIVISOR = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class LocalLaw:
    """The velocity of the positive domain's edge, with unknowns that are 0 where nothing is added.

    v = (speed - mobility B(curvature)) (1 + a h(d)) for ``factor``, v = speed - mobility
    B(curvature) + a V h(d) for ``added``, with a V h(d) n for ``drawn``, where n is the cosine
    between the edge's normal and the direction to the pin; h(d) = exp(-d / l), L / d or d / L; B
    linear, saturating c / (1 + s |c| / k), a power c |c / k|^q, or linear with a mobility that
    grows as 1 + r |drive| / E. The scales V, L, k and E make the unknowns numbers without a unit.

    Attributes
    ----------
    pins
        Distances to pins, None for none.
    pinning
        ``none``, ``added``, ``drawn`` or ``factor``.
    reach
        h: ``exp``, ``inverse`` or ``linear``.
    length
        L; the length of exp is L exp(unknown).
    bending
        B: ``linear``, ``saturating``, ``power`` or ``driven``.
    speed, curvature, drive
        V, k, E: usual sizes.
    """

    pins: PinMap | None = None
    pinning: str = "none"
    reach: str = "exp"
    length: float = 1.0
    bending: str = "linear"
    speed: float = 1.0
    curvature: float = 1.0
    drive: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        """Unknowns in their order."""
        reach = ("amplitude", "log_length") if self.reach == "exp" else ("amplitude",)
        pinned = () if self.pinning == "none" else reach
        return pinned if self.bending == "linear" else (*pinned, self.bending)

    def reach_of(self, distance: Floats, log_length: Floats | float = 0.0) -> Floats:
        """Return h at distances."""
        if self.reach == "exp":
            return np.asarray(np.exp(-distance / (self.length * np.exp(log_length))))
        return self.length / distance if self.reach == "inverse" else distance / self.length

    def bend_of(self, curvature: Floats, extra: Floats, drive: float) -> Floats:
        """Return B at curvatures; ``extra`` broadcasts against them."""
        if self.bending == "saturating":
            divisor = 1.0 + extra * np.abs(curvature) / self.curvature
            return np.asarray(curvature / np.maximum(divisor, LEAST_DIVISOR))
        if self.bending == "power":
            size = np.sqrt((curvature / self.curvature) ** 2 + LEAST_BEND**2)
            return np.asarray(curvature * np.exp(extra * np.log(size)))
        if self.bending == "driven":
            return curvature * (1.0 + extra * abs(drive) / self.drive)
        return curvature

    def velocity(
        self, speed: Floats, mobility: Floats, unknowns: Floats, curvature: Floats,
        places: tuple[Floats, Floats], normals: tuple[Floats, Floats], drive: float,
    ) -> Floats:  # fmt: skip
        """Velocities (n_cases, n_nodes); speed and mobility (n_cases, 1), unknowns (n_cases, m)."""
        extra = unknowns[:, -1:]
        plain = speed - mobility * self.bend_of(curvature, extra, drive)
        if self.pinning == "none" or self.pins is None:
            return plain
        log_length = unknowns[:, 1:2] if self.reach == "exp" else 0.0
        reach = self.reach_of(self.pins.at(*places), log_length)
        share = unknowns[:, :1] * reach
        if self.pinning == "factor":
            return plain * (1.0 + share)
        if self.pinning == "drawn":
            share = share * self.pins.facing(*places, normals)
        return plain + self.speed * share
