"""Energies and pictures together: energies as a prior of couplings, and the joint posterior."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_positive,
    check_temperature,
)
from physlearn.inference.energies.expansion_ordering import thermal_energy_of
from physlearn.inference.lattices.fit_contents import family_of
from physlearn.inference.pooling.fit_likelihoods import log_prior_of, prior_moments
from physlearn.inference.pooling.same_models import crystals_of, holds_pictures
from physlearn.results import Fit, fit_from_draws

__all__ = ["join_energies_and_snapshots", "prior_from_energies"]

Float = NDArray[np.float64]
N_TEMPERATURES = 200
N_TRIALS = 32
LEAST_EFFECTIVE = 400.0
SMALLEST_P = 1e-3
FARTHEST_BELOW = -6.0
"""Temperatures centred so many sd below zero are no temperatures."""


def prior_from_energies(
    fit: Fit, temperature: tuple[float, float], *, discrepancy: float = 0.0
) -> dict[str, tuple[float, float]]:
    """Return priors of couplings J = -V / kT from bond energies, as (mean, sd) by name.

    The table is what ``fit_lattice_hamiltonian(..., prior=...)`` takes. Its entries are
    independent: that the one unknown temperature moves all couplings together is lost, which
    ``join_energies_and_snapshots`` keeps.

    Parameters
    ----------
    fit
        From ``fit_hamiltonian_to_energies``.
    temperature
        Mean and standard deviation of the temperature at which the pattern froze, in kelvin (kT
        itself for a fit in reduced units); the deviation at most a third of the mean.
    discrepancy
        Standard deviation of what the energies' method gets wrong about each bond, in the fit's
        unit, added to the posterior's.

    Raises
    ------
    InputError
        For another kind of fit, or a temperature that is not a positive (mean, sd).

    Examples
    --------
    >>> draws = np.random.default_rng(1).normal(-50.0, 2.0, (4000, 1))
    >>> fit = fit_from_draws({"bond_energies": draws}, model="", likelihood="", approximation="",
    ...     seed=0, data=b"", attrs={"energy_unit": "reduced", "motifs": "[]"})
    >>> mean, sd = prior_from_energies(fit, (250.0, 25.0))["couplings[1]"]
    >>> round(mean, 2), round(sd, 2)
    (0.2, 0.02)
    """
    temperatures, weights = _temperatures(temperature)
    thermal = np.array([thermal_energy_of(fit, t) for t in temperatures])
    extra = check_positive("discrepancy", discrepancy, allow_zero=True)
    first, second = float(weights @ (1 / thermal)), float(weights @ (1 / thermal**2))
    out: dict[str, tuple[float, float]] = {}
    for name, values, labels in _energy_blocks(fit):
        mean, variance = values.mean(axis=0), values.var(axis=0, ddof=1) + extra**2
        spread = np.sqrt(variance * second + mean**2 * (second - first**2))
        for label, v, sd in zip(labels, mean, spread, strict=True):
            out[f"{name}[{label}]"] = (float(-v * first), float(sd))
    return out


def _energy_blocks(fit: Fit) -> list[tuple[str, Float, list[str]]]:
    """Return the names of couplings, the energies behind them, and their labels."""
    blocks = [
        ("couplings", fit["bond_energies"],
         [str(k + 1) for k in range(fit["bond_energies"].shape[1])])
    ]  # fmt: skip
    motifs = json.loads(fit.attrs.get("motifs", "[]"))
    if motifs:
        labels = ["-".join(str(shell + 1) for shell in motif) for motif in motifs]
        blocks.append(("triplets", fit["triplet_energies"], labels))
    return blocks


def _temperatures(temperature: tuple[float, float]) -> tuple[Float, Float]:
    """Return temperatures and weights of a normal prior."""
    center, width = check_temperature(temperature)
    if width == 0:
        return np.array([center]), np.ones(1)
    low = max(0.1 * center, center - 6 * width)
    points = np.linspace(low, center + 6 * width, N_TEMPERATURES)
    weight = np.exp(-0.5 * ((points - center) / width) ** 2)
    return points, weight / weight.sum()


def join_energies_and_snapshots(
    energy_fit: Fit,
    snapshot_fit: Fit,
    temperature: tuple[float, float],
    *,
    discrepancy: float = 0.0,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Return the joint posterior of couplings, bond energies and temperature.

    Pictures fix J; energies fix V; J = -V / kT ties them by one temperature. The draws of the fit
    to pictures are weighted by the energies' density of their couplings over the fit's own prior,
    which is exact up to the draws' number (the energies' posterior is taken as normal).

    Parameters
    ----------
    energy_fit
        From ``fit_hamiltonian_to_energies``, with as many shells as the pictures' fit.
    snapshot_fit
        From ``fit_lattice_hamiltonian`` of an Ising model.
    temperature
        Mean and standard deviation, as in ``prior_from_energies``.
    discrepancy
        As in ``prior_from_energies``.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``field`` (where the pictures' fit has it), ``couplings``, ``bond_energies`` and
        ``temperature``. ``diagnostics``: ``effective_draws``, ``agreement_p`` (chance of a
        disagreement as large between energies and pictures).

    Raises
    ------
    InputError
        For fits of other kinds, of pictures with another model than Ising's, or of different
        numbers of shells.
    NotIdentified
        When energies and pictures have opposite signs, so that no temperature above zero ties them.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> made = {"model": "", "likelihood": "", "approximation": "", "seed": 0, "data": b""}
    >>> energies = fit_from_draws({"bond_energies": rng.normal(-20, 1, (4000, 1))}, **made,
    ...     attrs={"energy_unit": "reduced", "motifs": "[]"})
    >>> pictures = fit_from_draws({"couplings": rng.normal(0.22, 0.03, (4000, 1))}, **made,
    ...     prior_sd={"couplings": [0.5]})
    >>> joint = join_energies_and_snapshots(energies, pictures, (100.0, 10.0), rng=1)
    >>> bool(joint["couplings"].std() < 0.02), round(float(joint["temperature"].mean()))
    (True, 98)
    """
    generator, seed = as_generator(rng)
    couplings = snapshot_fit["couplings"]
    energies = energy_fit["bond_energies"]
    if couplings.ndim != 2 or couplings.shape[1] != energies.shape[1]:
        raise InputError(
            f"energy_fit must have the shells of snapshot_fit; they have {energies.shape[1]} and "
            f"{couplings.shape[1:]}."
        )
    _check_models(energy_fit, snapshot_fit)
    temperatures, weights = _temperatures(temperature)
    thermal = np.array([thermal_energy_of(energy_fit, t) for t in temperatures])
    extra = check_positive("discrepancy", discrepancy, allow_zero=True)
    mean = energies.mean(axis=0)
    covariance = np.cov(energies.T).reshape(len(mean), -1) + extra**2 * np.eye(len(mean))
    kelvin = thermal_energy_of(energy_fit, 1.0)
    known = _Thermal(kelvin * float(temperature[0]), kelvin * float(temperature[1]))
    center, sd = prior_moments(snapshot_fit, "couplings")
    log_weight = known.log_density(couplings, mean, covariance)
    log_weight -= log_prior_of(snapshot_fit, "couplings")
    if not np.isfinite(log_weight.max()):
        raise NotIdentified(
            "energies and pictures have opposite signs: J = -V / kT holds at no temperature above "
            "zero; check the sign of the energies, or that both are of the same alloy."
        )
    weight = np.exp(log_weight - logsumexp(log_weight))
    effective = float(1 / (weight**2).sum())
    picked = generator.choice(len(weight), len(weight), p=weight)
    scale = known.draw(couplings[picked], mean, covariance, generator)
    p = _agreement(couplings, (center, sd), mean, covariance, thermal, weights)
    draws: dict[str, Any] = {
        "couplings": couplings[picked],
        "bond_energies": -couplings[picked] * scale[:, None],
        "temperature": scale / kelvin,
    }
    if "field" in snapshot_fit.variables:
        draws["field"] = snapshot_fit["field"][picked]
    return _joint_fit(draws, energy_fit, snapshot_fit, seed, effective, p)


def _joint_fit(
    draws: dict[str, Any], energy_fit: Fit, snapshot_fit: Fit, seed: int, effective: float, p: float
) -> Fit:
    """Return joint draws with what both fits say of themselves."""
    flags = [*_joint_flags(effective, p), *snapshot_fit.warnings, *energy_fit.warnings]
    flags = [*_check_models(energy_fit, snapshot_fit), *flags]
    unit = str(energy_fit.attrs["energy_unit"])
    labels = list(range(1, draws["couplings"].shape[1] + 1))
    return fit_from_draws(
        draws,
        model=f"{snapshot_fit.model}; couplings -V / kT with V from: {energy_fit.model}",
        likelihood=f"{snapshot_fit.attrs['likelihood']} and energies",
        approximation="draws of the pictures' fit weighted by the energies' normal posterior",
        seed=seed,
        data=json.dumps([snapshot_fit.attrs["data_sha256"], energy_fit.attrs["data_sha256"]])
        .encode(),
        units={"couplings": "kT", "field": "kT", "bond_energies": unit,
               "temperature": "K" if unit == "meV" else unit},
        dims={"couplings": ["shell"], "bond_energies": ["shell"]},
        coords={"shell": labels},
        diagnostics={"effective_draws": effective, "agreement_p": p},
        warnings=flags,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Thermal:
    """A normal prior of t = kT, and what it makes of J = -V / t with a normal V.

    The density of J at t is that of V at -J t times t^k: a normal in t times a power, for every J.
    """

    mean: float
    sd: float

    def _normal(
        self, couplings: Float, mean: Float, covariance: Float
    ) -> tuple[Float, Float, Float]:
        """Return mean, sd and log constant of the normal in t."""
        inverse = np.linalg.inv(covariance)
        told = np.einsum("nk,kl,nl->n", couplings, inverse, couplings)
        pull = -couplings @ inverse @ mean
        if self.sd == 0:
            t = np.full(len(told), self.mean)
            log = -0.5 * (told * t**2 - 2 * pull * t + mean @ inverse @ mean)
            return t, np.zeros_like(t), log
        precision = told + 1 / self.sd**2
        center = (pull + self.mean / self.sd**2) / precision
        log = -0.5 * (mean @ inverse @ mean + (self.mean / self.sd) ** 2 - precision * center**2)
        return center, precision**-0.5, log - 0.5 * np.log(precision)

    def log_density(self, couplings: Float, mean: Float, covariance: Float) -> Float:
        """Return log p(J) up to a constant, temperatures above zero integrated."""
        center, sd, log = self._normal(couplings, mean, covariance)
        if self.sd == 0:
            return np.asarray(log + couplings.shape[1] * np.log(center))
        # moments of t^k over t > 0: the first two, then by parts
        score = center / sd
        below = stats.norm.cdf(score)
        moment = center * below + sd * stats.norm.pdf(score)
        for power in range(2, couplings.shape[1] + 1):
            below, moment = moment, center * moment + (power - 1) * sd**2 * below
        possible = (score > FARTHEST_BELOW) & (moment > 0)
        return np.where(possible, log + np.log(np.where(possible, moment, 1.0)), -np.inf)

    def draw(
        self, couplings: Float, mean: Float, covariance: Float, rng: np.random.Generator
    ) -> Float:
        """Draw t > 0 given J: of several normal draws one, by its power."""
        center, sd, _ = self._normal(couplings, mean, covariance)
        if self.sd == 0:
            return center
        floor = stats.norm.cdf(-center / sd)[:, None]
        trial = stats.norm.ppf(floor + (1 - floor) * rng.random((len(center), N_TRIALS)))
        trial = np.maximum(center[:, None] + sd[:, None] * trial, 1e-12 * self.mean)
        levels = np.cumsum((trial / self.mean) ** couplings.shape[1], axis=1)
        slot = (levels < rng.random(len(center))[:, None] * levels[:, -1:]).sum(axis=1)
        return np.asarray(trial[np.arange(len(center)), slot])


def _check_models(energy_fit: Fit, snapshot_fit: Fit) -> list[str]:
    """Refuse pictures of another model than s = -1, +1; return what to say of the lattices."""
    if not holds_pictures(snapshot_fit):
        return []
    family = family_of(snapshot_fit)
    if family.model != "ising":
        raise InputError(
            "snapshot_fit must be of model 'ising', whose couplings are those of s = -1, +1; it "
            f"is of {family.model!r}: fit the pictures again with model='ising'."
        )
    flags = []
    if family.motifs or json.loads(energy_fit.attrs.get("motifs", "[]")):
        flags.append(
            "triplets of the fits are left out of the joint posterior: field and couplings hold "
            "beside the pictures' own triplets"
        )
    energies_on = str(energy_fit.attrs.get("lattice", "graph"))
    shown = crystals_of(snapshot_fit)
    if energies_on != "graph" and shown != {energies_on}:
        flags.append(
            f"the energies are of {energies_on} crystals, the pictures show "
            f"{' and '.join(sorted(shown))}: bonds of the same shell are not the same bonds there; "
            "join them only if you know that they are"
        )
    return flags


def _agreement(
    couplings: Float,
    prior: tuple[Float, Float],
    mean: Float,
    covariance: Float,
    thermal: Float,
    weights: Float,
) -> float:
    """Return the chance of a distance as large between both sources, at the best temperature."""
    k = len(mean)
    own = np.linalg.inv(np.cov(couplings.T).reshape(k, k))
    told = own - np.diag(1 / prior[1] ** 2)
    if np.linalg.eigvalsh(told)[0] <= 0:
        return float("nan")
    estimate = np.linalg.solve(told, own @ couplings.mean(axis=0) - prior[0] / prior[1] ** 2)
    spread = np.linalg.inv(told)
    apart = estimate + mean / thermal[:, None]
    total = spread[None] + covariance[None] / thermal[:, None, None] ** 2
    distance = np.einsum("ti,ti->t", apart, np.linalg.solve(total, apart[:, :, None])[:, :, 0])
    # the temperature's own prior counts: k numbers meet k expectations
    distance -= 2 * np.log(np.maximum(weights / weights.max(), 1e-300))
    return float(stats.chi2.sf(distance.min(), k))


def _joint_flags(effective: float, p: float) -> list[str]:
    flags = []
    if p < SMALLEST_P:
        flags.append(
            f"energies and pictures disagree (p = {p:.1g} at the best temperature): the pattern is "
            "not these energies' equilibrium at a temperature in the given range; do not join them"
        )
    if effective < LEAST_EFFECTIVE:
        flags.append(
            f"only {effective:.0f} effective draws: the energies say much more than the pictures; "
            "fit the pictures again with prior=prior_from_energies(...)"
        )
    return flags
