"""How rates depend on temperature, beam and neighbours: from parameters to rates along bonds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kinetics.event_rates import BOLTZMANN_EV_PER_KELVIN

__all__ = ["RateLaw"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BARRIER_PRIOR = (1.0, 2.0)
"""Mean and standard deviation, eV."""
NEIGHBOUR_SD = 2.0
FASTEST = 1000.0
"""Hops in the shortest interval beyond which a rate is taken for impossible."""


@dataclass(frozen=True, slots=True, eq=False)
class RateLaw:
    """Rate = (thermal + cross section x dose rate) x exp(effect . occupied neighbours).

    Thermal rates are free for each class and temperature (parameter: square root), or Arrhenius'
    (log rate at the middle of 1/kT, barrier). The cross section's parameter is its square root.
    """

    n_classes: int
    temperature: Floats
    level: Integers
    dose_rate: Floats
    arrhenius: bool
    beam: bool
    count_from: bool
    count_to: bool
    shortest: float
    attempt_prior: tuple[float, float] | None = None

    @property
    def inverse_temperature(self) -> Floats:
        """1/kT of the distinct temperatures, per eV."""
        return 1.0 / (BOLTZMANN_EV_PER_KELVIN * np.unique(self.temperature))

    @property
    def middle(self) -> float:
        """1/kT at which the log rate is a parameter."""
        return float(np.mean(self.inverse_temperature))

    @property
    def n_levels(self) -> int:
        """Number of distinct temperatures."""
        return int(self.level.max()) + 1

    @property
    def n_thermal(self) -> int:
        """Number of thermal parameters."""
        return self.n_classes * (2 if self.arrhenius else self.n_levels)

    @property
    def n_beam(self) -> int:
        """Number of cross sections."""
        return self.n_classes if self.beam else 0

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return self.n_thermal + self.n_beam + int(self.count_from) + int(self.count_to)

    @property
    def folded(self) -> NDArray[np.bool_]:
        """Which parameters are square roots."""
        out = np.zeros(self.n_parameters, np.bool_)
        out[: self.n_thermal] = not self.arrhenius
        out[self.n_thermal : self.n_thermal + self.n_beam] = True
        return out

    def thermal_rates(self, x: Floats) -> Floats:
        """Return thermal rates, shape (..., levels, classes), for parameters (..., p)."""
        part = x[..., : self.n_thermal]
        if not self.arrhenius:
            return np.asarray(part.reshape(*x.shape[:-1], self.n_levels, self.n_classes) ** 2)
        log_rate, barrier = part[..., : self.n_classes], part[..., self.n_classes :]
        away = (self.inverse_temperature - self.middle)[:, None]
        return np.asarray(np.exp(log_rate[..., None, :] - barrier[..., None, :] * away))

    def cross_sections(self, x: Floats) -> Floats:
        """Return cross sections (..., classes)."""
        return np.asarray(x[..., self.n_thermal : self.n_thermal + self.n_beam] ** 2)

    def neighbour_effects(self, x: Floats) -> Floats:
        """Return the effects (..., 0 to 2)."""
        return np.asarray(x[..., self.n_thermal + self.n_beam :])

    def row_rates(self, x: Floats, rows: Integers) -> Floats:
        """Return the rates (R,) of rows (group, class, m_from, m_to)."""
        return self._base(x, rows) * self._factor(x, rows)

    def _base(self, x: Floats, rows: Integers) -> Floats:
        base = self.thermal_rates(x)[self.level[rows[:, 0]], rows[:, 1]]
        if self.beam:
            base = base + self.cross_sections(x)[rows[:, 1]] * self.dose_rate[rows[:, 0]]
        return np.asarray(base)

    def _factor(self, x: Floats, rows: Integers) -> Floats:
        counts = self._counts(rows)
        return np.asarray(np.exp(np.clip(counts @ self.neighbour_effects(x), -300, 300)))

    def _counts(self, rows: Integers) -> Floats:
        used = [column for column, on in ((2, self.count_from), (3, self.count_to)) if on]
        return np.asarray(rows[:, used], np.float64)

    def row_slopes(self, x: Floats, rows: Integers) -> Floats:
        """Return the derivatives (R, p) of the rates."""
        out = np.zeros((len(rows), self.n_parameters))
        every = np.arange(len(rows))
        level, label = self.level[rows[:, 0]], rows[:, 1]
        factor = self._factor(x, rows)
        c = self.n_classes
        if self.arrhenius:
            thermal = self.thermal_rates(x)[level, label] * factor
            out[every, label] = thermal
            out[every, c + label] = -thermal * (self.inverse_temperature - self.middle)[level]
        else:
            place = level * c + label
            out[every, place] = 2.0 * x[place] * factor
        if self.beam:
            place = self.n_thermal + label
            out[every, place] = 2.0 * x[place] * self.dose_rate[rows[:, 0]] * factor
        whole = self._base(x, rows) * factor
        out[:, self.n_thermal + self.n_beam :] = self._counts(rows) * whole[:, None]
        return out

    def log_prior(self, x: Floats) -> tuple[float, Floats]:
        """Return the log prior and its derivatives.

        Rates: Gamma of shape 1/2 with a mean of 500 hops in the shortest interval, next to flat in
        the square root; barriers Normal(1, 2 eV); effects Normal(0, 2).
        """
        rim = self.shortest / FASTEST
        grad = np.zeros_like(x)
        t, b, c = self.n_thermal, self.n_beam, self.n_classes
        most = float(self.dose_rate.max(initial=0.0))
        # normalised, so that evidences of different laws can be compared
        value = 0.5 * (c if self.arrhenius else t) * np.log(rim / np.pi)
        if b:
            value += 0.5 * b * np.log(rim * most / np.pi)
        value -= 0.5 * len(x[t + b :]) * np.log(2 * np.pi * NEIGHBOUR_SD**2)
        if self.arrhenius:
            rate = np.exp(np.minimum(x[:c], 300.0))
            value += float(np.sum(0.5 * x[:c] - rim * rate))
            grad[:c] = 0.5 - rim * rate
            away = (x[c:t] - BARRIER_PRIOR[0]) / BARRIER_PRIOR[1]
            value -= 0.5 * float(away @ away)
            value -= 0.5 * c * np.log(2 * np.pi * BARRIER_PRIOR[1] ** 2)
            grad[c:t] = -away / BARRIER_PRIOR[1]
            if self.attempt_prior is not None:
                mean, sd = self.attempt_prior
                off = (x[:c] + x[c:t] * self.middle - mean) / sd
                value -= 0.5 * float(off @ off) + c * np.log(sd * np.sqrt(2 * np.pi))
                grad[:c] -= off / sd
                grad[c:t] -= off / sd * self.middle
        else:
            value -= rim * float(x[:t] @ x[:t])
            grad[:t] = -2.0 * rim * x[:t]
        value -= rim * most * float(x[t : t + b] @ x[t : t + b])
        grad[t : t + b] = -2.0 * rim * most * x[t : t + b]
        effects = x[t + b :] / NEIGHBOUR_SD
        value -= 0.5 * float(effects @ effects)
        grad[t + b :] = -effects / NEIGHBOUR_SD
        return float(value), grad
