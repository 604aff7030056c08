"""Noisy motion and diffusion as PyMC models, for priors and samplers of one's own."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count, check_positive
from physlearn.inference.langevin.diffusion_spectra import spectra_of
from physlearn.inference.langevin.simulated_posterior import reach_of
from physlearn.inference.langevin.tracks import tracks_of
from physlearn.records import Trajectory
from physlearn.results import Fit

if TYPE_CHECKING:
    import pymc

__all__ = ["diffusion_model", "noisy_motion_model"]

Float = NDArray[np.float64]


def noisy_motion_model(fit: Fit) -> pymc.Model:
    """Return the posterior of ``fit_noisy_motion`` as a PyMC model, to be sampled or extended.

    Parameters
    ----------
    fit
        From ``fit_noisy_motion``; the model holds its surrogate likelihood and its priors.

    Returns
    -------
    pymc.Model
        Variables ``theta`` (the family's unconstrained parameters), ``log_diffusion`` and, where it
        is free, ``localization_sd``; ``natural`` and ``diffusion`` are derived.

    Raises
    ------
    InputError
        For another fit, or one of a film in which nothing moved.

    Examples
    --------
    >>> noisy_motion_model("no fit")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: fit must come from fit_noisy_motion of a film that moves.
    """
    kept = fit.idata.get("constant_data") if isinstance(fit, Fit) else None
    if kept is None or "surrogate_centre" not in kept:
        raise InputError("fit must come from fit_noisy_motion of a film that moves.")
    pm: Any = import_module("pymc")
    pt: Any = import_module("pytensor.tensor")
    array = {name: kept[name].to_numpy() for name in kept}
    positive = array["is_positive"].astype(bool)
    free, noise_mean, noise_sd = array["noise_prior"].tolist()
    p = len(positive)
    names = json.loads(fit.attrs["interaction"])["names"]
    with pm.Model(coords={"parameter": names}) as model:
        theta = pm.MvNormal(
            "theta", array["prior_mean"][:p], cov=array["prior_covariance"], dims="parameter"
        )
        spread = float(array["diffusion_spread"])
        log_d = pm.Normal("log_diffusion", float(array["prior_mean"][p]), spread)
        parts = [theta, pt.stack([log_d])]
        if free:
            noise = pm.TruncatedNormal("localization_sd", noise_mean, noise_sd, lower=0.0)
            parts.append(pt.stack([noise**2]))
        away = pt.dot(
            np.linalg.inv(array["surrogate_factor"]),
            pt.concatenate(parts) - array["surrogate_centre"],
        )
        n = len(array["surrogate_centre"])
        upper = np.triu_indices(n)
        share = reach_of(n) / pt.sqrt((away**2).sum() + 1e-18)
        square = away[upper[0]] * away[upper[1]] * pt.switch(share < 1.0, share**2, 1.0)
        columns = pt.concatenate([np.ones(1), away, square])
        miss = array["surrogate_observed"] - pt.dot(columns, array["surrogate_coefficients"])
        height = -0.5 * pt.dot(miss, pt.dot(array["surrogate_precision"], miss))
        pm.Potential("films", height)
        pm.Deterministic("natural", pt.switch(positive, pt.exp(theta), theta), dims="parameter")
        pm.Deterministic("diffusion", pt.exp(log_d))
    made: pymc.Model = model
    return made


def diffusion_model(
    trajectory: Trajectory,
    *,
    lag: int = 1,
    localization_sd: tuple[float, float] | None = None,
    exposure_s: float = 0.0,
    remove_drift: bool = True,
) -> pymc.Model:
    """Return free diffusion with localisation errors and blur as a PyMC model.

    The exact Gaussian likelihood of the displacements over ``lag`` frames, in the basis where they
    are independent: variance D + (sd^2 - D exposure / 3) rate.

    Parameters
    ----------
    trajectory, remove_drift
        As of ``measure_diffusion``.
    lag
        Every lag-th frame, from the first one, is used.
    localization_sd
        (mean, sd) of the prior of the error; None: half normal, as wide as the steps.
    exposure_s
        Time over which a frame averages.

    Returns
    -------
    pymc.Model
        Variables ``log_diffusion``, ``localization_sd``; ``diffusion`` is derived.

    Raises
    ------
    InputError
        As ``measure_diffusion``, and where no track spans the lag.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> walk = np.cumsum(rng.normal(0.0, 0.2, (30, 5, 2)), axis=0)
    >>> film = Trajectory(np.repeat(range(30), 5), np.tile(range(5), 30), walk.reshape(-1, 2),
    ...     0.1 * np.arange(30), unit="um")
    >>> [variable.name for variable in diffusion_model(film).free_RVs]
    ['log_diffusion', 'localization_sd']
    """
    spectra = spectra_of(tracks_of(trajectory, remove_drift), check_count("lag", lag, 1), 1)
    exposure = check_positive("exposure_s", exposure_s, allow_zero=True)
    if not len(spectra.rate):
        raise InputError(f"no track of trajectory spans lag = {lag} frames; give a shorter one.")
    pm: Any = import_module("pymc")
    pt: Any = import_module("pytensor.tensor")
    spectra = spectra.grouped()
    level = float(spectra.square.sum() / spectra.count.sum()) / spectra.dimension
    mean, sd = (0.0, float(np.sqrt(level * spectra.gap))) if localization_sd is None else (
        check_positive("localization_sd mean", localization_sd[0], allow_zero=True),
        check_positive("localization_sd sd", localization_sd[1]),
    )  # fmt: skip
    with pm.Model() as model:
        log_d = pm.Normal("log_diffusion", np.log(level), 3.0)
        noise = pm.TruncatedNormal("localization_sd", mean, sd, lower=0.0)
        d = pm.Deterministic("diffusion", pt.exp(log_d))
        variance = d + (noise**2 - d * exposure / 3.0) * spectra.rate
        terms = spectra.dimension * spectra.count * pt.log(variance) + spectra.square / variance
        pm.Potential("displacements", -0.5 * terms.sum())
    made: pymc.Model = model
    return made
