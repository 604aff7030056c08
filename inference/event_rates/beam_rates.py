"""Rates of changes under an electron beam: thermal part, cross section, barrier, threshold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import NotIdentified, as_generator, check_choice, check_positive
from physlearn.inference.event_rates.beam_model import BeamModel
from physlearn.inference.event_rates.beam_table import BeamCounts, read_beam_counts
from physlearn.inference.event_rates.beam_threshold import (
    beam_gains,
    fit_threshold,
    open_upwards,
    sample_model,
)
from physlearn.inference.event_rates.hop_model import allowed_barrier
from physlearn.inference.event_rates.knock_on import ATOMS
from physlearn.inference.event_rates.rate_models import beam_contents
from physlearn.inference.event_rates.rate_posterior import RateSample
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fit_beam_rates"]

Floats = NDArray[np.float64]
BARN_PER_ANGSTROM2 = 1e8
LEVELS_FOR_HEATING = 3
EVEN_ODDS = np.log(3.0)


def fit_beam_rates(
    counts: pd.DataFrame | ArrayLike,
    *,
    n_sites: ArrayLike | None = None,
    duration_s: ArrayLike | None = None,
    dose: ArrayLike | None = None,
    dose_rate: ArrayLike | None = None,
    voltage_kv: ArrayLike | None = None,
    temperature_kelvin: ArrayLike | None = None,
    once: bool | None = None,
    barrier: bool | None = None,
    attempt_frequency_hz: tuple[float, float] | None = None,
    threshold: bool | None = None,
    element: str | None = None,
    speed_sd_m_per_s: float = 0.0,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit thermal rate and cross section to counts of events under an electron beam.

    Parameters
    ----------
    counts
        Events of each exposure, shape (n,); or a table with the columns ``events`` and, in place
        of the arguments of the same names, ``n_sites``, ``duration_s``, ``dose``, ``dose_rate``,
        ``voltage_kv``, ``temperature_kelvin`` (see `transformation_table`).
    n_sites
        Sites watched in each exposure, that could change.
    duration_s, dose, dose_rate
        Two of the three, for each exposure: seconds, e/A^2, e/A^2/s. With the beam off: dose 0.
    voltage_kv, temperature_kelvin
        Of each exposure, or one number.
    once
        True: a site that changed is gone (binomial counts); False: events repeat (Poisson). None:
        True where ``n_sites`` is given.
    barrier, attempt_frequency_hz
        As in `fit_hop_rates`.
    threshold
        True: fit the displacement energy or say why not; None: where ``element`` is given and the
        voltages allow it.
    element, speed_sd_m_per_s
        Atom that is knocked out and the standard deviation of its speed along the beam (phonons),
        see `knock_on_cross_section`.
    rng, n_draws
        Seed or generator; number of posterior draws.

    Returns
    -------
    Fit
        ``thermal_rate`` (1/s; dim temperature where several) and ``cross_section`` (square
        angstrom; also ``cross_section_barn``; dim voltage where several); where allowed
        ``barrier_ev``, ``log10_attempt_frequency``, ``displacement_energy_ev``,
        ``knock_on_log_scale``. Where one dose rate only was used: ``total_rate`` at it, the SUM,
        and ``cross_section_at_most``. ``diagnostics``: ``log_odds_heating`` and more.

    Raises
    ------
    InputError
        For a table that lacks something, or numbers that cannot be.
    NotIdentified
        For a barrier from fewer than three temperatures, or a threshold without voltages on both
        sides of it.

    Notes
    -----
    Rate = thermal rate + cross section x dose rate. Priors: (rate)^(-1/2) of what is counted, the
    reference prior of counts [1]_: (thermal rate)^(-1/2) for the counts with the beam off and
    (thermal rate + cross section x dose rate)^(-1/2), at the dose rate that the mean electron came
    with, for those with the beam on. No event at all gives an upper bound. Where a cross section
    is zero in truth its interval begins near zero. Heating by the beam is the alternative: the
    thermal rate grows as exp(heating x dose rate) and nothing is knocked; its odds need three dose
    rates.

    References
    ----------
    .. [1] J. O. Berger and J. M. Bernardo, On the development of reference priors, Bayesian
       Statistics 4, 35 (1992).

    Examples
    --------
    >>> fit = fit_beam_rates([4, 40, 80], n_sites=1000, duration_s=10.0, dose_rate=[0, 50, 100],
    ...                      rng=1)
    >>> low, high = fit.interval("cross_section")
    >>> bool(low < 8e-5 < high)
    True
    """
    generator, seed = as_generator(rng)
    check_positive("speed_sd_m_per_s", speed_sd_m_per_s, allow_zero=True)
    if element is not None:
        check_choice("element", element, tuple(ATOMS))
    given = {
        "n_sites": n_sites, "duration_s": duration_s, "dose": dose, "dose_rate": dose_rate,
        "voltage_kv": voltage_kv, "temperature_kelvin": temperature_kelvin,
    }  # fmt: skip
    data = read_beam_counts(counts, given, once)
    notes: list[str] = []
    known = bool(np.all(np.isfinite(data.temperatures)))
    arrhenius, attempt = allowed_barrier(
        data.temperatures if known else None, barrier, attempt_frequency_hz, notes
    )
    if not _separate(data, arrhenius):
        if barrier or threshold:
            raise NotIdentified(
                "thermal and beam-driven parts do not separate (one dose rate at each temperature "
                "and voltage), so neither barrier nor threshold is known: add exposures at a "
                "second dose rate, or with the beam off."
            )
        return _sum_fit(data, notes, generator, seed, n_draws)
    on = bool(np.any(data.dose > 0))
    model = BeamModel(data, beam=on, arrhenius=arrhenius, attempt_prior=attempt)
    sample = sample_model(model, generator, n_draws)
    said: dict[str, Any] = dict(sample.diagnostics)
    if on:
        said |= _heating(data, model, sample, notes, generator)
        said |= beam_gains(model, sample)
    used = fit_threshold(
        model, sample, said, threshold, element, speed_sd_m_per_s, notes, generator
    )
    if used is not None:
        model, sample = used
    return _fit(model, sample, said, notes, seed)


def _separate(data: BeamCounts, arrhenius: bool) -> bool:
    """Return whether thermal rates and cross sections are all determined by the exposures."""
    group, rates = data.rate_group
    rate = rates[group]
    top = max(float(rates.max()), 1e-300)
    thermal = np.eye(len(data.temperatures))[data.level]
    if arrhenius and len(data.temperatures) > 1:
        thermal = np.column_stack([np.ones(len(rate)), (data.temperatures[data.level])])
        thermal[:, 1] /= thermal[:, 1].max()
    used = np.unique(data.volt[rate > 0])
    beam = np.stack([np.where(data.volt == v, rate / top, 0.0) for v in used], axis=1) if len(
        used
    ) else np.zeros((len(rate), 0))  # fmt: skip
    # two dose rates at one temperature and voltage, or the beam off: never by the law alone
    if len(used):
        pure = any(
            len(np.unique(group[data.level == k])) > 1 for k in range(len(data.temperatures))
        )
        if not pure:
            return False
    design = np.column_stack([thermal, beam])
    return bool(np.linalg.matrix_rank(design, tol=1e-6) == design.shape[1])


def _sum_fit(
    data: BeamCounts, notes: list[str], generator: np.random.Generator, seed: int, n_draws: int
) -> Fit:
    """Return the total rate of each temperature, voltage and dose rate."""
    group, rates = data.rate_group
    keys, index = np.unique(
        np.stack([data.level, data.volt, group], axis=1), axis=0, return_inverse=True
    )
    index = index.ravel()
    total, open_ones = [], 0
    for k in range(len(keys)):
        use = index == k
        part = BeamCounts(
            data.events[use], data.n_sites[use], data.duration[use], data.dose[use],
            np.zeros(use.sum(), np.int64), data.voltages[:1], np.zeros(use.sum(), np.int64),
            data.temperatures[:1], data.once,
        )  # fmt: skip
        alone = BeamModel(part, beam=False)
        sample = sample_model(alone, generator, n_draws)
        open_ones += len(open_upwards(alone, sample))
        total.append(sample.draws[:, 0] ** 2)
    draws = np.stack(total, axis=1)
    dose_rate = rates[keys[:, 2]]
    at_most = draws / np.maximum(dose_rate, 1e-300)
    labels = [
        _label(data.temperatures[a], data.voltages[b], r)
        for (a, b, _), r in zip(keys, dose_rate, strict=True)
    ]
    one = len(keys) == 1
    notes.append(
        "one dose rate at each temperature and voltage: total_rate is the SUM of thermal and "
        "beam-driven events, and the cross section has an upper bound only "
        "(cross_section_at_most, as if nothing were thermal); a second dose rate, or exposures "
        "with the beam off, would separate them."
    )
    verdicts = {"cross_section_at_most": "upper bound only"}
    if open_ones:
        notes.append(_lower_bound(["total_rate"]))
        verdicts = {"total_rate": "lower bound only"}
    return fit_from_draws(
        {
            "total_rate": draws[:, 0] if one else draws,
            "cross_section_at_most": at_most[:, 0] if one else at_most,
        },
        model="events at a total rate, thermal + cross section x dose rate together",
        likelihood=_likelihood(data), approximation="importance weights, Pareto k < 0.7",
        seed=seed, data=_arrays(data), units={"total_rate": "1/s", "cross_section_at_most": "A^2"},
        dims=None if one else {"total_rate": ["exposure"], "cross_section_at_most": ["exposure"]},
        coords={} if one else {"exposure": labels},
        diagnostics={"events": float(data.events.sum()), "separated": False}, warnings=notes,
        verdicts=verdicts,
        attrs={"subject": "beam rates"} | _conditions(data),
    )  # fmt: skip


def _label(temperature: float, voltage: float, rate: float) -> str:
    known = [f"{temperature:g} K"] if np.isfinite(temperature) else []
    known += [f"{voltage:g} kV"] if np.isfinite(voltage) else []
    return ", ".join([*known, f"{rate:.4g} e/A^2/s"])


def _lower_bound(names: list[str]) -> str:
    return (
        f"nearly every site had changed when it was seen again: a far larger {' and '.join(names)} "
        "explains the counts as well, only a lower bound is known; take shorter exposures."
    )


def _conditions(data: BeamCounts) -> dict[str, str]:
    """Return the voltage and the temperature of data that were taken at one only."""
    stated = {
        name: float(values[0])
        for name, values in (
            ("voltage_kv", data.voltages), ("temperature_kelvin", data.temperatures)
        )
        if len(values) == 1 and np.isfinite(values[0])
    }  # fmt: skip
    return {"conditions": json.dumps(stated)}


def _likelihood(data: BeamCounts) -> str:
    return "binomial: each site changes once" if data.once else "Poisson: events repeat"


def _arrays(data: BeamCounts) -> list[Floats]:
    return [data.events, data.n_sites, data.duration, data.dose, data.voltages[data.volt],
            data.temperatures[data.level]]  # fmt: skip


def _heating(
    data: BeamCounts, model: BeamModel, sample: RateSample, notes: list[str],
    generator: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """Return the log odds of heating against knock-on, where the dose rates can tell."""
    levels = len(data.rate_group[1])
    if levels < LEVELS_FOR_HEATING:
        notes.append(
            "fewer than three dose rates: heating of the sample by the beam would raise the rate "
            "in the same way and cannot be told from knock-on."
        )
        return {"n_dose_rates": levels, "log_odds_heating": float("nan")}
    other = BeamModel(data, beam=False, heating=True, arrhenius=model.arrhenius,
                      attempt_prior=model.attempt_prior)  # fmt: skip
    hot = sample_model(other, generator, 500)
    odds = hot.log_evidence - sample.log_evidence
    if odds > -EVEN_ODDS:
        notes.append(
            f"heating of the sample by the beam explains the counts {np.exp(min(odds, 50.0)):.3g} "
            "times as well as knock-on (odds): the cross section holds only if there is no "
            "heating; use more dose rates, or cool the sample."
        )
    return {"n_dose_rates": levels, "log_odds_heating": odds}


def _fit(
    model: BeamModel, sample: RateSample, said: dict[str, Any], notes: list[str], seed: int
) -> Fit:
    """Return the fit of separated parts."""
    data, x = model.counts, sample.draws
    thermal = model.thermal_rates(x)
    several_t, several_v = len(data.temperatures) > 1, len(data.voltages) > 1
    out: dict[str, Floats] = {"thermal_rate": thermal if several_t else thermal[:, 0]}
    dims = {"thermal_rate": ["temperature"]} if several_t else {}
    coords: dict[str, list[Any]] = {}
    if several_t:
        coords["temperature"] = data.temperatures.tolist()
    units = {"thermal_rate": "1/s"}
    prior_sd: dict[str, float] = {}
    if model.beam:
        area = model.cross_sections(x)
        out["cross_section"] = area if several_v else area[:, 0]
        out["cross_section_barn"] = BARN_PER_ANGSTROM2 * out["cross_section"]
        units |= {"cross_section": "A^2", "cross_section_barn": "barn"}
        if several_v:
            dims |= {"cross_section": ["voltage"], "cross_section_barn": ["voltage"]}
            coords["voltage"] = data.voltages.tolist()
    if model.arrhenius:
        out["barrier_ev"] = x[:, 1]
        out["log10_attempt_frequency"] = (x[:, 0] + x[:, 1] * model.middle) / np.log(10.0)
        units |= {"barrier_ev": "eV", "log10_attempt_frequency": "log10(1/s)"}
        prior_sd["barrier_ev"] = 2.0
    if model.threshold is not None:
        out["displacement_energy_ev"] = x[:, model.n_thermal]
        out["knock_on_log_scale"] = x[:, model.n_thermal + 1]
        units["displacement_energy_ev"] = "eV"
        prior_sd["knock_on_log_scale"] = 1.0
    arrays, texts = ({}, {}) if model.threshold else beam_contents(model)
    verdicts: dict[str, str] = {}
    if data.events.sum() == 0:
        notes.append("no event at all: rates and cross sections are upper bounds.")
        verdicts = dict.fromkeys(("thermal_rate", "cross_section"), "upper bound only")
    if wide := open_upwards(model, sample):
        notes.append(_lower_bound(wide))
        verdicts = dict.fromkeys(wide, "lower bound only")
    return fit_from_draws(
        out,
        model="rate = thermal rate + cross section x dose rate"
        + (", thermal rate by Arrhenius' law" if model.arrhenius else "")
        + (", cross section by McKinley and Feshbach" if model.threshold else ""),
        likelihood=_likelihood(data),
        approximation=sample.approximation,
        seed=seed,
        data=_arrays(data),
        prior_sd=prior_sd,
        units=units,
        dims=dims,
        coords=coords,
        diagnostics=said | {"events": float(data.events.sum()), "separated": True},
        warnings=[*notes, *sample.warnings],
        verdicts=verdicts,
        attrs={"subject": "beam rates"} | _conditions(data) | texts,
        constants=arrays,
    )
