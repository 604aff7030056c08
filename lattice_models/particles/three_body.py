"""A three-body term that prefers an angle between bonds, as Stillinger and Weber wrote it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_number, check_positive
from physlearn.records.storage import html_table, short_repr

__all__ = ["StillingerWeberAngle"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class StillingerWeberAngle:
    """Energy of every angle between two bonds at one particle, smooth at its cutoff.

    u = strength (cos(angle) - cosine)^2 exp(d / (r1 - cutoff)) exp(d / (r2 - cutoff)) for each
    particle and each pair of neighbours closer than the cutoff, d = ``decay_length``
    (Stillinger & Weber 1985, doi:10.1103/PhysRevB.31.5262; the defaults are silicon's in units of
    its pair energy and diameter). Add it to a pair potential: ``(StillingerWeberPair(),
    StillingerWeberAngle())``. Works in two and three dimensions.

    Attributes
    ----------
    strength
        Energy; below 0 the angle is avoided.
    cosine
        Cosine of the preferred angle, -1 to 1 (-1/3: tetrahedron, -1/2: honeycomb).
    decay_length, cutoff
        Lengths.

    Raises
    ------
    InputError
        For a strength of 0, a cosine outside -1 ... 1, or a length that is not above 0.

    Examples
    --------
    >>> angle = StillingerWeberAngle()
    >>> float(angle.value(1.0, 1.1, -1 / 3))
    0.0
    """

    strength: float = 21.0
    cosine: float = -1.0 / 3.0
    decay_length: float = 1.2
    cutoff: float = 1.8

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if check_number("strength", self.strength) == 0.0:
            raise InputError(f"strength must be a finite number other than 0; got {self.strength}.")
        if not -1.0 <= check_number("cosine", self.cosine) <= 1.0:
            raise InputError(f"cosine must lie between -1 and 1; got {self.cosine}.")
        check_positive("decay_length", self.decay_length)
        check_positive("cutoff", self.cutoff)

    def value(self, first: ArrayLike, second: ArrayLike, cosine: ArrayLike) -> Float:
        """Return the energy of one angle between bonds of two lengths, from its cosine."""
        ends = np.ones(())
        for r in (check_array("first", first), check_array("second", second)):
            gap = np.minimum(r - self.cutoff, -1e-3 * self.decay_length)
            ends = ends * np.where(r < self.cutoff, np.exp(self.decay_length / gap), 0.0)
        return np.asarray(self.strength * (check_array("cosine", cosine) - self.cosine) ** 2 * ends)

    def encoded(self) -> Float:
        """Return the four numbers that the kernels read."""
        return np.array([self.strength, self.cosine, self.decay_length, self.cutoff])
