"""Rate of events under a beam as a function of parameters, and its log posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx

from physlearn.inference.event_rates.beam_table import BeamCounts
from physlearn.inference.event_rates.knock_on import knock_on_cross_section, largest_transfer_ev
from physlearn.inference.event_rates.rate_laws import BARRIER_PRIOR
from physlearn.lattice_models.kinetics.event_rates import BOLTZMANN_EV_PER_KELVIN

__all__ = ["BeamModel", "Threshold", "events_log_likelihood"]

Floats = NDArray[np.float64]
FASTEST = 1000.0
"""Events per site in the shortest exposure beyond which a rate is taken for impossible."""
HEATING_SD = 2.0
"""Prior of the change of the log rate at the largest dose rate that heating makes."""
SCALE_SD = 1.0
"""Prior of the log of a cross section over McKinley and Feshbach's."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What ties cross sections at several voltages together: an atom and its vibration."""

    element: str
    speed_sd: float


def events_log_likelihood(counts: BeamCounts, mean: Floats) -> Floats:
    """Return log p(events | mean events per site), summed over rows; mean (..., rows)."""
    safe = np.maximum(mean, 1e-300)
    if counts.once:
        with np.errstate(divide="ignore", over="ignore"):
            gone = np.log(-np.expm1(-safe))
        rest = counts.n_sites - counts.events
        return np.asarray(gone @ counts.events - safe @ rest)
    return np.asarray(np.log(safe) @ counts.events - safe @ counts.n_sites)


@dataclass(frozen=True, slots=True, eq=False)
class BeamModel:
    """Mean events per site = k(T) exp(heating j) x duration + cross section(V) x dose.

    Parameters in order: thermal (square roots of the rate at each temperature, or log rates and
    barrier of Arrhenius' law), cross sections (square roots, one a voltage; or displacement energy
    and log scale), heating. ``thermal``, ``beam``, ``heating`` say what there is.
    """

    counts: BeamCounts
    thermal: bool = True
    beam: bool = True
    heating: bool = False
    arrhenius: bool = False
    attempt_prior: tuple[float, float] | None = None
    threshold: Threshold | None = None

    @property
    def n_thermal(self) -> int:
        """Number of thermal parameters."""
        return (2 if self.arrhenius else len(self.counts.temperatures)) if self.thermal else 0

    @property
    def n_beam(self) -> int:
        """Number of parameters of the cross sections."""
        return (2 if self.threshold else len(self.counts.voltages)) if self.beam else 0

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return self.n_thermal + self.n_beam + int(self.heating)

    @property
    def folded(self) -> NDArray[np.bool_]:
        """Which parameters are square roots."""
        out = np.zeros(self.n_parameters, np.bool_)
        out[: self.n_thermal] = not self.arrhenius
        out[self.n_thermal : self.n_thermal + self.n_beam] = self.threshold is None
        return out

    @property
    def inverse_temperature(self) -> Floats:
        """1/kT, per eV."""
        return np.asarray(1.0 / (BOLTZMANN_EV_PER_KELVIN * self.counts.temperatures))

    @property
    def middle(self) -> float:
        """1/kT at which the log rate is a parameter."""
        return float(np.mean(self.inverse_temperature))

    @property
    def most(self) -> float:
        """Largest dose rate."""
        return float(self.counts.dose_rate.max())

    def thermal_rates(self, x: Floats) -> Floats:
        """Return rates (..., temperatures)."""
        part = x[..., : self.n_thermal]
        if not self.arrhenius:
            return np.asarray(part**2)
        away = self.inverse_temperature - self.middle
        return np.asarray(np.exp(np.clip(part[..., :1] - part[..., 1:] * away, -600, 300)))

    def cross_sections(self, x: Floats) -> Floats:
        """Return cross sections (..., voltages), square angstrom."""
        part = x[..., self.n_thermal : self.n_thermal + self.n_beam]
        if self.threshold is None:
            return np.asarray(part**2)
        energy = np.maximum(part[..., :1], 0.1)
        area = knock_on_cross_section(
            self.counts.voltages, energy, self.threshold.element,
            speed_sd_m_per_s=self.threshold.speed_sd,
        )  # fmt: skip
        return np.asarray(area * np.exp(np.clip(part[..., 1:], -50, 50)))

    def means(self, x: Floats) -> Floats:
        """Return mean events per site (..., rows)."""
        c = self.counts
        out = np.zeros((*x.shape[:-1], len(c.events)))
        if self.thermal:
            part = self.thermal_rates(x)[..., c.level] * c.duration
            if self.heating:
                part = part * np.exp(np.clip(x[..., -1:] * c.dose_rate / self.most, -300, 300))
            out = out + part
        if self.beam:
            out = out + self.cross_sections(x)[..., c.volt] * c.dose
        return np.asarray(out)

    def log_likelihood(self, x: Floats) -> Floats:
        """Return log p(events) at parameters (..., p)."""
        return events_log_likelihood(self.counts, self.means(x))

    def log_prior(self, x: Floats) -> Floats:
        """Return the normalised log prior at parameters (..., p)."""
        c, t, b = self.counts, self.n_thermal, self.n_beam
        rim = float(c.duration.min()) / FASTEST
        out = np.zeros(x.shape[:-1])
        if self.thermal and self.arrhenius:
            rate = np.exp(np.minimum(x[..., 0], 300.0))
            out = out + 0.5 * x[..., 0] - rim * rate + 0.5 * np.log(rim / np.pi)
            out = out + _normal(x[..., 1], *BARRIER_PRIOR)
            if self.attempt_prior is not None:
                out = out + _normal(x[..., 0] + x[..., 1] * self.middle, *self.attempt_prior)
        elif self.thermal:
            out = out + np.sum(0.5 * np.log(rim / np.pi) - rim * x[..., :t] ** 2, axis=-1)
        if self.beam and self.threshold is None:
            dose = c.dose[c.dose > 0]
            edge = float(dose.min()) / FASTEST
            part = x[..., t : t + b]
            out = out + np.sum(0.5 * np.log(edge / np.pi) - edge * part**2, axis=-1)
            out = out + self._given_thermal(x, edge)
        elif self.beam and self.threshold is not None:
            top = float(largest_transfer_ev(c.voltages.max(), self.threshold.element))
            out = out + _normal(x[..., t], top, top) + _normal(x[..., t + 1], 0.0, SCALE_SD)
            out = np.where(x[..., t] > 0.1, out, -np.inf)
        if self.heating:  # a beam heats: the effect is positive
            out = out + _normal(x[..., -1], 0.0, HEATING_SD) + np.log(2.0)
            out = np.where(x[..., -1] > 0, out, -np.inf)
        return np.asarray(out)

    @property
    def beam_shares(self) -> tuple[Floats, Floats]:
        """Return what an electron meets at each voltage, both averaged over the electrons.

        Shares of the temperatures (voltages, temperatures), and the dose rate (voltages,), zero
        where there was no dose.
        """
        c = self.counts
        electrons = c.n_sites * c.dose
        shares = np.zeros((len(c.voltages), len(c.temperatures)))
        np.add.at(shares, (c.volt, c.level), electrons)
        total = np.maximum(shares.sum(axis=1), 1e-300)
        rate = np.bincount(c.volt, electrons * c.dose_rate, len(c.voltages)) / total
        return shares / total[:, None], rate

    def _given_thermal(self, x: Floats, edge: float) -> Floats:
        """Return log of p(cross sections | thermal rates) over their prior with nothing thermal.

        The reference prior of the counts with the beam ON is (thermal + cross section j)^(-1/2):
        flat in the square root of what is counted. Flat in the square root of the cross section
        alone would pull it to zero wherever thermal events are as many (intervals of .88, not .9).
        """
        shares, dose_rate = self.beam_shares
        lit = dose_rate > 0
        if not (self.thermal and lit.any()):
            return np.zeros(x.shape[:-1])
        ratio = (self.thermal_rates(x) @ shares.T)[..., lit] / dose_rate[lit]
        area = self.cross_sections(x)[..., lit]
        with np.errstate(divide="ignore"):
            log_share = 0.5 * (np.log(area) - np.log(np.maximum(area + ratio, 1e-300)))
        return np.asarray(np.sum(log_share - np.log(erfcx(np.sqrt(edge * ratio))), axis=-1))

    def log_density(self, x: Floats) -> Floats:
        """Return the log posterior (n,) up to a constant."""
        prior = self.log_prior(x)
        with np.errstate(invalid="ignore"):
            value = prior + self.log_likelihood(x)
        return np.where(np.isfinite(prior), value, -1e300)

    def start(self) -> Floats:
        """Return a first guess: half of everything thermal, half by the beam."""
        c = self.counts
        share = 0.5 if self.thermal and self.beam else 1.0
        watched = float(c.n_sites @ c.duration)
        rate = share * (c.events.sum() + 0.5) / watched
        x = np.zeros(self.n_parameters)
        if self.thermal:
            x[: self.n_thermal] = [np.log(rate), 0.7] if self.arrhenius else np.sqrt(rate)
        if self.beam and self.threshold is None:
            dose = np.array([c.n_sites[c.volt == v] @ c.dose[c.volt == v]
                             for v in range(len(c.voltages))])  # fmt: skip
            seen = np.array([c.events[c.volt == v].sum() for v in range(len(c.voltages))])
            x[self.n_thermal : self.n_thermal + self.n_beam] = np.sqrt(
                share * (seen + 0.5) / np.maximum(dose, 1e-300)
            )
        if self.heating:
            x[-1] = 1.0
        return x


def _normal(x: Floats, mean: float, sd: float) -> Floats:
    return np.asarray(-0.5 * ((x - mean) / sd) ** 2 - np.log(sd * np.sqrt(2.0 * np.pi)))
