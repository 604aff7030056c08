"""Pair potentials in closed form as small frozen records: energy, force and curvature.

Every energy is in one unit of energy and every distance in one unit of length, which the user
chooses once for all parameters; the temperature of a simulation is kT in that energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physlearn.checks import InputError, check_number, check_positive
from physlearn.lattice_models.particles.pair_potential import Derivatives, Float, PairPotential
from physlearn.records.storage import html_table, short_repr

__all__ = ["InversePower", "LennardJones", "Morse", "StillingerWeberPair", "Yukawa"]


@dataclass(frozen=True, eq=False)
class LennardJones(PairPotential):
    """u(r) = 4 depth ((diameter/r)^12 - (diameter/r)^6).

    Jones 1924 (doi:10.1098/rspa.1924.0082). The minimum is -depth at 2^(1/6) diameter. Without
    a ``cutoff`` given it ends at 2.5 diameters (``math.inf`` is not taken; see ``truncation``).

    Raises
    ------
    InputError
        For a depth or diameter that is not above 0.

    Examples
    --------
    >>> LennardJones(truncation="cut").value([1.0, 2 ** (1 / 6), 2.5]).round(6).tolist()
    [0.0, -1.0, 0.0]
    """

    depth: float = 1.0
    diameter: float = 1.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_positive("depth", self.depth)
        check_positive("diameter", self.diameter)
        if self.cutoff is None:
            object.__setattr__(self, "cutoff", 2.5 * self.diameter)
        super().__post_init__()

    @property
    def energy_scale(self) -> float:
        """The depth of the well."""
        return self.depth

    def _plain(self, r: Float) -> Derivatives:
        six = (self.diameter / r) ** 6
        scale = 24.0 * self.depth * six / r
        return (
            4.0 * self.depth * six * (six - 1.0),
            -scale * (2.0 * six - 1.0),
            scale * (26.0 * six - 7.0) / r,
        )

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        return 0, (self.depth, self.diameter)


@dataclass(frozen=True, eq=False)
class Morse(PairPotential):
    """u(r) = depth (exp(-2 a (r - r0)) - 2 exp(-a (r - r0))), a = ``steepness``, r0 = ``minimum``.

    Morse 1929 (doi:10.1103/PhysRev.34.57). ``steepness`` is in 1 / length.

    Raises
    ------
    InputError
        For a number that is not above 0.

    Examples
    --------
    >>> float(Morse(2.0, 3.0, 1.0).value(1.0))
    -2.0
    """

    depth: float = 1.0
    steepness: float = 6.0
    minimum: float = 1.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("depth", "steepness", "minimum"):
            check_positive(name, getattr(self, name))
        super().__post_init__()

    @property
    def energy_scale(self) -> float:
        """The depth of the well."""
        return self.depth

    def _plain(self, r: Float) -> Derivatives:
        a, e = self.steepness, np.exp(-self.steepness * (r - self.minimum))
        return (
            self.depth * e * (e - 2.0),
            -2.0 * a * self.depth * e * (e - 1.0),
            2.0 * a * a * self.depth * e * (2.0 * e - 1.0),
        )

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        return 1, (self.depth, self.steepness, self.minimum)


@dataclass(frozen=True, eq=False)
class Yukawa(PairPotential):
    """u(r) = strength exp(-r / screening_length) / r; ``strength`` is energy x length.

    Yukawa 1935; screened charges (Debye-Hueckel, DLVO) have a positive strength.

    Raises
    ------
    InputError
        For a strength that is 0 or not finite, or a length that is not above 0.

    Examples
    --------
    >>> round(float(Yukawa(2.0, 1.0).value(1.0)), 6)
    0.735759
    """

    strength: float = 1.0
    screening_length: float = 1.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        _check_strength(self.strength)
        check_positive("screening_length", self.screening_length)
        super().__post_init__()

    @property
    def energy_scale(self) -> float:
        """Strength over the screening length."""
        return abs(self.strength) / self.screening_length

    @property
    def has_no_floor(self) -> bool:
        """True for an attraction."""
        return self.strength < 0.0

    def _plain(self, r: Float) -> Derivatives:
        k = 1.0 / self.screening_length
        u = self.strength * np.exp(-r * k) / r
        return u, -u * (k + 1.0 / r), u * (k * k + 2.0 * k / r + 2.0 / (r * r))

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        return 2, (self.strength, self.screening_length)


@dataclass(frozen=True, eq=False)
class InversePower(PairPotential):
    """u(r) = strength (diameter / r)^exponent; any exponent above 0.

    Soft spheres (exponent 12), dipoles in a plane (3), charges (1).

    Raises
    ------
    InputError
        For a strength of 0, or a diameter or exponent that is not above 0.

    Examples
    --------
    >>> float(InversePower(1.0, 2.0, 3.0).value(4.0))
    0.125
    """

    strength: float = 1.0
    diameter: float = 1.0
    exponent: float = 12.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        _check_strength(self.strength)
        check_positive("diameter", self.diameter)
        check_positive("exponent", self.exponent)
        super().__post_init__()

    @property
    def energy_scale(self) -> float:
        """The strength."""
        return abs(self.strength)

    @property
    def has_no_floor(self) -> bool:
        """True for an attraction."""
        return self.strength < 0.0

    def _plain(self, r: Float) -> Derivatives:
        n = self.exponent
        u = self.strength * (self.diameter / r) ** n
        return u, -n * u / r, n * (n + 1.0) * u / (r * r)

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        return 3, (self.strength, self.diameter, self.exponent)


@dataclass(frozen=True, eq=False)
class StillingerWeberPair(PairPotential):
    """Two-body part of Stillinger & Weber 1985, smooth to all orders at its cutoff.

    u(r) = strength A (B (diameter/r)^p - (diameter/r)^q) exp(diameter / (r - cutoff)) below the
    cutoff (doi:10.1103/PhysRevB.31.5262); with the numbers of silicon (the defaults) the minimum
    is -strength at 2^(1/6) diameter. ``cutoff`` None: 1.8 diameters.

    Raises
    ------
    InputError
        For a number that is not above 0 (``exponent_q``: not below 0).

    Examples
    --------
    >>> round(float(StillingerWeberPair().value(2 ** (1 / 6))), 4)
    -1.0
    """

    strength: float = 1.0
    diameter: float = 1.0
    factor_a: float = 7.049556277
    factor_b: float = 0.6022245584
    exponent_p: float = 4.0
    exponent_q: float = 0.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("strength", "diameter", "factor_a", "factor_b", "exponent_p"):
            check_positive(name, getattr(self, name))
        check_positive("exponent_q", self.exponent_q, allow_zero=True)
        if self.truncation == "switch":
            raise InputError("truncation must stay 'shift' or 'cut': this one ends smoothly.")
        if self.cutoff is None:
            object.__setattr__(self, "cutoff", 1.8 * self.diameter)
        super().__post_init__()

    @property
    def energy_scale(self) -> float:
        """The strength: the depth of the well for the numbers of silicon."""
        return self.strength

    @property
    def has_no_floor(self) -> bool:
        """True where the attraction has the higher power, or the larger factor of the same one."""
        p, q = self.exponent_p, self.exponent_q
        return q > p or (q == p and self.factor_b < 1.0)

    def _shift(self) -> float:
        return 0.0

    def _plain(self, r: Float) -> Derivatives:
        assert self.cutoff is not None  # noqa: S101 -- __post_init__ filled it
        gap = np.minimum(r - self.cutoff, -1e-3 * self.diameter)  # exp(-1000): 0 to every digit
        end = np.exp(self.diameter / gap)
        p, q, ratio = self.exponent_p, self.exponent_q, self.diameter / r
        scale = self.strength * self.factor_a
        first, second = scale * self.factor_b * ratio**p, scale * ratio**q
        body = first - second
        slope = (q * second - p * first) / r
        bend = (p * (p + 1.0) * first - q * (q + 1.0) * second) / (r * r)
        g = -self.diameter / gap**2
        dg = 2.0 * self.diameter / gap**3
        return (
            body * end,
            (slope + body * g) * end,
            (bend + 2.0 * slope * g + body * (dg + g * g)) * end,
        )

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        numbers = (self.strength * self.factor_a, self.diameter, self.factor_b)
        return 5, (*numbers, self.exponent_p, self.exponent_q)


def _check_strength(strength: float) -> None:
    """Refuse 0, NaN and infinity; the sign is free."""
    if check_number("strength", strength) == 0.0:
        raise InputError(f"strength must be a finite number other than 0; got {strength!r}.")
