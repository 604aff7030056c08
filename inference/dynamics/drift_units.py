"""Tracks in units of their own, and laws found there in the units that were given."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.drift_data import DriftData
from physlearn.inference.law_search.unit_scales import rescaled_terms
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import Program, Token

__all__ = ["DriftUnits", "in_own_units"]

Floats = NDArray[np.float64]

FAR_OFF = 4.0  # spreads from 0, from which places are counted from their middle
DIGITS_OF_CENTRE = 0.1  # of the spread
STEP = 1e-6


@dataclass(frozen=True, slots=True)
class DriftUnits:
    """What own units are in those given: own place = (place - centre) / length.

    Attributes
    ----------
    names
        Of the coordinates.
    length, time
        Own units in the given ones.
    centre
        Of each coordinate, an exact number; 0 unless places lie far from 0.
    """

    names: tuple[str, ...]
    length: float
    time: float
    centre: tuple[Fraction, ...]

    def given(self, law: Equation, of_diffusion: bool = False) -> Equation | None:
        """Return an own law as one in the given units; None where a number belongs to own units.

        Examples
        --------
        >>> units = DriftUnits(("x",), 10.0, 2.0, (Fraction(0),))
        >>> units.given(Equation((Term(-3.0, ("x",)),), 0.0, 0.0, 1)).constants
        array([-1.5])
        """
        if not len(law.constants):
            return law
        scale = self.length ** (2 if of_diffusion else 1) / self.time
        terms = self._scaled(law, scale)
        if terms is None:
            return None
        found = replace(law, terms=terms, covariance=None)
        if law.covariance is not None:
            slopes = np.zeros((len(law.constants),) * 2)
            # Constants stand in units of own size here, so that one step suits all
            for k, value in enumerate(law.constants):
                change = np.zeros(len(law.constants))
                change[k] = STEP * max(abs(float(value)), STEP)
                ends = [self._scaled(law.with_constants(law.constants + turn * change), scale)
                        for turn in (1.0, -1.0)]  # fmt: skip
                if ends[0] is None or ends[1] is None:
                    return None
                high, low = (replace(found, terms=end).constants for end in ends if end)
                slopes[:, k] = (high - low) / (2.0 * change[k])
            covariance = slopes @ law.covariance @ slopes.T
            found = replace(found, covariance=0.5 * (covariance + covariance.T))
        moved = tuple(Term(t.coefficient, self._from_centre(t.program)) for t in found.terms)
        return replace(found, terms=moved)

    def _scaled(self, law: Equation, scale: float) -> tuple[Term, ...] | None:
        return rescaled_terms(law.terms, dict.fromkeys(self.names, self.length), scale)

    def _from_centre(self, program: Program) -> Program:
        """Write every place as a place from the centre."""
        tokens: list[Token] = []
        for token in program:
            tokens.append(token)
            if token in self.names:
                centre = self.centre[self.names.index(str(token))]
                if centre:
                    size = abs(centre)
                    tokens.append(size.numerator)
                    tokens += [size.denominator, "div"] if size.denominator > 1 else []
                    tokens.append("sub" if centre > 0 else "add")
        return tuple(tokens)

    def given_data(self, data: DriftData) -> DriftData:
        """Return own rows in the given units."""
        centre = np.array([float(c) for c in self.centre])
        places = data.series.positions * self.length + centre
        return _changed(data, places, self.length, self.time)


def _changed(data: DriftData, places: Floats, length: float, time: float) -> DriftData:
    series = data.series
    changed = replace(
        series, gaps=series.gaps * time, first=series.first * time,
        positions=np.ascontiguousarray(places),
    )  # fmt: skip
    noise = None if data.noise is None else data.noise * length
    return replace(data, series=changed, noise=noise, exposure=data.exposure * time)


def in_own_units(data: DriftData) -> tuple[DriftData, DriftUnits]:
    """Return tracks in units of their spread and their frame interval, and those units.

    Examples
    --------
    >>> from physlearn.inference.dynamics.drift_data import read_drift_data
    >>> table = {"t": 0.1 * np.arange(50.0), "x": 100.0 + np.sin(np.arange(50.0))}
    >>> own, units = in_own_units(read_drift_data(table, None, 0.0, None))
    >>> units.centre, round(float(own.series.positions.std()), 6), round(own.series.interval, 6)
    ((Fraction(100, 1),), 1.0, 1.0)
    """
    places = data.series.positions
    mean, spread = places.mean(axis=0), places.std(axis=0)
    length, time = float(np.sqrt(np.mean(spread**2))), data.series.interval
    centre = tuple(
        _rounded(float(m), float(s)) if abs(m) > FAR_OFF * s else Fraction(0)
        for m, s in zip(mean, spread, strict=True)
    )
    units = DriftUnits(data.names, length, time, centre)
    away = np.array([float(c) for c in centre])
    return _changed(data, (places - away) / length, 1.0 / length, 1.0 / time), units


def _rounded(mean: float, spread: float) -> Fraction:
    """Return the mean to about a tenth of the spread, as a short decimal."""
    digits = -math.floor(math.log10(DIGITS_OF_CENTRE * spread))
    step = Fraction(10) ** -digits
    return round(Fraction(mean) / step) * step
