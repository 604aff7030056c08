"""The chance that a site changes, or a particle hops, during a planned exposure."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.results import Fit

__all__ = ["event_probability"]

Floats = NDArray[np.float64]


def event_probability(
    fit: Fit,
    *,
    duration_s: float,
    dose: float = 0.0,
    voltage_kv: float | None = None,
    temperature_kelvin: float | None = None,
) -> Floats:
    """Return draws of the chance of at least one event at a site, 1 - exp(-rate x time).

    Parameters
    ----------
    fit
        From `fit_beam_rates` or `fit_hop_rates`.
    duration_s, dose
        Of the exposure: time (in the unit of the fit's rates) and electrons per square angstrom.
    voltage_kv, temperature_kelvin
        One of those of the fit, needed where it has several; another one is refused.

    Returns
    -------
    ndarray
        float64, shape (n_draws,).

    Raises
    ------
    InputError
        For a fit of another kind or without cross section though there is dose, or conditions that
        the fit does not have.

    Examples
    --------
    >>> from physlearn.inference import fit_beam_rates
    >>> fit = fit_beam_rates([4, 40], n_sites=1000, duration_s=10.0, dose_rate=[0, 50], rng=1)
    >>> chance = event_probability(fit, duration_s=10.0, dose=500.0)
    >>> bool(abs(chance.mean() - 0.04) < 0.01)
    True
    """
    check_positive("duration_s", duration_s, allow_zero=True)
    check_positive("dose", dose, allow_zero=True)
    subject = str(fit.attrs.get("subject", "")) if isinstance(fit, Fit) else ""
    if subject not in ("beam rates", "hop rates"):
        raise InputError("fit must come from fit_beam_rates or fit_hop_rates.")
    if subject == "hop rates" and "total_rate" not in fit.variables:
        raise InputError("fit must come from trajectories: a table of counts names no free bonds.")
    if not bool(fit.diagnostics.get("separated", True)):
        raise InputError(
            "fit must hold thermal and beam-driven parts apart; its total rate says nothing about "
            "another dose rate."
        )
    if voltage_kv is not None:
        _check_stated(fit, "cross_section", "voltage", "voltage_kv", voltage_kv)
    name = "thermal_rate" if subject == "beam rates" else "total_rate"
    rate = _at(fit, name, "temperature", "temperature_kelvin", temperature_kelvin)
    mean = rate * duration_s
    if dose > 0:
        if subject == "beam rates" and "cross_section" in fit.variables:
            area = _at(fit, "cross_section", "voltage", "voltage_kv", voltage_kv)
        elif "beam_cross_section" in fit.variables:
            area = fit["beam_cross_section"] @ np.array(json.loads(fit.attrs["n_bonds"]))
        else:
            raise InputError("dose must be 0: the fit knows no cross section.")
        mean = mean + area * dose
    return np.asarray(-np.expm1(-mean))


def _at(fit: Fit, name: str, dim: str, argument: str, value: float | None) -> Floats:
    """Return draws of a variable at one of its conditions."""
    place = _check_stated(fit, name, dim, argument, value)
    return fit[name] if place is None else np.asarray(fit[name][:, place])


def _check_stated(fit: Fit, name: str, dim: str, argument: str, value: float | None) -> int | None:
    """Return the place of a condition among those of the fit, None where it has only one."""
    variable = fit.idata["posterior"].get(name)
    if variable is not None and dim in variable.dims:
        known = variable[dim].to_numpy().astype(np.float64)
        near = np.flatnonzero(np.isclose(known, value)) if value is not None else np.zeros(0, int)
        if not len(near):
            raise InputError(f"{argument} must be one of {known.tolist()}; got {value!r}.")
        return int(near[0])
    stated = json.loads(fit.attrs.get("conditions", "{}")).get(argument)
    if value is not None and (stated is None or not np.isclose(value, stated)):
        told = "was told none" if stated is None else f"holds at {stated:g}"
        raise InputError(f"{argument} must be that of the data: the fit {told}; got {value!r}.")
    return None
