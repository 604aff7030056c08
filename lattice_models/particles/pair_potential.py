"""What every pair potential has: a cutoff, how it ends there, energy and two derivatives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.records.storage import html_table, short_repr

__all__ = ["PairPotential"]

Float = NDArray[np.float64]
Derivatives = tuple[Float, Float, Float]

ROW_LENGTH = 14
TRUNCATIONS = ("cut", "shift", "switch")
NO_SPLINE = np.zeros((1, 6))


@dataclass(frozen=True, eq=False)
class PairPotential:
    """What every pair potential has: a cutoff, how it ends there, energy and derivatives.

    Attributes
    ----------
    cutoff
        Distance from which on the energy is 0; None: the potential has no end (open box only).
    truncation
        ``"cut"``: u(r) as it is below the cutoff; ``"shift"``: u(r) - u(cutoff), a continuous
        energy; ``"switch"``: u(r) S(x), x = (r - switch_start) / (cutoff - switch_start),
        S = 1 - 10 x^3 + 15 x^4 - 6 x^5: energy, force and curvature are continuous.
    switch_start
        Where the switch begins; None: 0.9 cutoff.
    """

    cutoff: float | None = field(default=None, kw_only=True)
    truncation: str = field(default="shift", kw_only=True)
    switch_start: float | None = field(default=None, kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_choice("truncation", self.truncation, TRUNCATIONS)
        if self.cutoff is not None:
            check_positive("cutoff", self.cutoff)
        if self.switch_start is not None:
            check_positive("switch_start", self.switch_start)
            if self.truncation != "switch" or self.cutoff is None:
                raise InputError("switch_start belongs to truncation='switch' with a cutoff.")
            if self.switch_start >= self.cutoff:
                raise InputError(
                    f"switch_start must lie below cutoff = {self.cutoff:g}; "
                    f"got {self.switch_start:g}."
                )
        if self.truncation == "switch" and self.cutoff is None:
            raise InputError("truncation='switch' needs a cutoff; got None.")

    def value(self, distance: ArrayLike) -> Float:
        """Return the energy u(r), shape of ``distance``; distances must be above 0."""
        return self._ended(distance)[0]

    def derivative(self, distance: ArrayLike) -> Float:
        """Return du/dr (the force is its negative), shape of ``distance``."""
        return self._ended(distance)[1]

    def second_derivative(self, distance: ArrayLike) -> Float:
        """Return d2u/dr2, shape of ``distance``: the stiffness that limits a time step."""
        return self._ended(distance)[2]

    @property
    def energy_scale(self) -> float:
        """Energy against which an overlap is judged."""
        raise NotImplementedError

    @property
    def has_no_floor(self) -> bool:
        """Whether the energy falls without end as two particles meet: nothing keeps them apart."""
        return False

    def _plain(self, r: Float) -> Derivatives:
        """u, u', u'' without its end."""
        raise NotImplementedError

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        """Kind (place in KINDS) and up to five numbers, as the kernels read them."""
        raise NotImplementedError

    def _switch_from(self) -> float:
        if self.truncation != "switch" or self.cutoff is None:
            return float("inf")
        return 0.9 * self.cutoff if self.switch_start is None else self.switch_start

    def _shift(self) -> float:
        if self.truncation != "shift" or self.cutoff is None:
            return 0.0
        return float(self._plain(np.array([self.cutoff]))[0][0])

    def _ended(self, distance: ArrayLike) -> Derivatives:
        r = check_array("distance", distance, allow_empty=True)
        if r.size and r.min() <= 0.0:
            raise InputError(f"distance must be above 0; got {r.min():g}.")
        with np.errstate(over="ignore"):
            u, du, ddu = self._plain(r)
        u = u - self._shift()
        if self.cutoff is None:
            return u, du, ddu
        start = self._switch_from()
        if np.isfinite(start):
            width = self.cutoff - start
            x = np.clip((r - start) / width, 0.0, 1.0)
            s = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
            ds = -30.0 * x**2 * (1.0 - x) ** 2 / width
            dds = -60.0 * x * (1.0 - x) * (1.0 - 2.0 * x) / width**2
            u, du, ddu = u * s, du * s + u * ds, ddu * s + 2.0 * du * ds + u * dds
        inside = r < self.cutoff
        return np.where(inside, u, 0.0), np.where(inside, du, 0.0), np.where(inside, ddu, 0.0)

    def encoded(self) -> tuple[Float, Float]:
        """Return the numbers that the kernels read: a row, shape (14,), and a spline table."""
        kind, numbers = self._parameters()
        row = np.zeros(ROW_LENGTH)
        row[0] = kind
        row[1 : 1 + len(numbers)] = numbers
        cutoff = np.inf if self.cutoff is None else self.cutoff
        row[6:10] = cutoff * cutoff, self._shift(), self._switch_from(), cutoff
        return row, self._spline_table()

    def _spline_table(self) -> Float:
        return NO_SPLINE
