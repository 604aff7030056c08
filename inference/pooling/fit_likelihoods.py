"""What one fit says without its prior: Gaussian information about a variable."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.lattices.fit_contents import family_of, prior_of
from physlearn.inference.posteriors.priors import Prior
from physlearn.results import Fit

__all__ = ["Information", "information_of", "log_prior_of", "prior_moments"]

Float = NDArray[np.float64]
MOST_SKEW = 0.5
MOST_KURTOSIS = 1.5
MOST_CORRELATED = 1e10


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Likelihood exp(linear @ theta - theta @ precision @ theta / 2) of k numbers.

    Attributes
    ----------
    precision
        float64, shape (k, k), at least zero in every direction.
    linear
        float64, shape (k,).
    mean, covariance
        Moments of the posterior that it came from.
    repeated
        Whether the posterior is as wide as its prior in some direction.
    gaussian
        Whether skewness and kurtosis of the draws are a Gaussian's, and the prior is one.
    """

    precision: Float
    linear: Float
    mean: Float
    covariance: Float
    repeated: bool
    gaussian: bool


def _own_prior(fit: Fit, name: str) -> Prior | None:
    """Return the prior of a variable of a fit to pictures, None for other fits."""
    if "prior" not in fit.attrs:
        return None
    variable = next((one for one in family_of(fit).variables if one.name == name), None)
    prior = prior_of(fit)
    if variable is None or not set(variable.labels()) <= set(prior.names):
        return None
    return prior.restricted([prior.names.index(label) for label in variable.labels()])


def log_prior_of(fit: Fit, name: str) -> Float:
    """Return the log prior density of a variable at a fit's draws, shape (n_draws,).

    Raises
    ------
    InputError
        When the fit does not say its prior.
    """
    draws = fit[name].reshape(len(fit[name]), -1)
    own = _own_prior(fit, name)
    if own is None:
        mean, sd = prior_moments(fit, name)
        if not np.all(np.isfinite(sd)):
            raise InputError(f"fits must say the prior of {name}; this one does not.")
        own = Prior.gaussian([str(index) for index in range(len(sd))], sd, mean)
    return own.log_density(draws)


def prior_moments(fit: Fit, name: str) -> tuple[Float, Float]:
    """Return mean and sd of the prior of one variable, flat arrays; infinite sd where not known.

    Raises
    ------
    InputError
        When the fit lacks the variable.
    """
    length = fit[name].reshape(len(fit[name]), -1).shape[1]
    own = _own_prior(fit, name)
    if own is not None:
        return own.mean, own.sd
    value = json.loads(fit.attrs.get("prior_sd", "{}")).get(name)
    flat = np.asarray(np.inf if value is None else value, np.float64)
    flat = np.where(np.isnan(flat), np.inf, flat).ravel()
    return np.zeros(length), np.broadcast_to(flat, (length,)).astype(np.float64)


def information_of(fit: Fit, name: str, prior: tuple[Float, Float] | None = None) -> Information:
    """Return what a fit's data say of a variable: posterior precision less the prior's.

    Parameters
    ----------
    fit
        With Gaussian priors.
    name
        A variable; all its elements count, in C order.
    prior
        Mean and sd of the prior; None reads them from the fit.

    Raises
    ------
    InputError
        When the fit lacks the variable or has too few draws for a covariance.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> draws = np.random.default_rng(1).normal(0.2, 0.1, (4000, 1))
    >>> fit = fit_from_draws({"couplings": draws}, model="", likelihood="", approximation="",
    ...     seed=0, data=b"", prior_sd={"couplings": [0.2]})
    >>> print(information_of(fit, "couplings").precision.round(-2))
    [[100.]]
    """
    draws = fit[name].reshape(len(fit[name]), -1)
    n, k = draws.shape
    if n < 10 * (k + 1):
        raise InputError(
            f"fits must have at least {10 * (k + 1)} draws of {name} for a covariance; got {n}."
        )
    mean = draws.mean(axis=0)
    covariance = np.cov(draws.T).reshape(k, k)
    scale = np.sqrt(np.diag(covariance))
    if not np.all(scale > 0):
        raise InputError(
            f"fits must leave {name} uncertain; element {int(np.argmin(scale))} is not."
        )
    center, sd = prior_moments(fit, name) if prior is None else prior
    if np.linalg.cond(covariance / np.multiply.outer(scale, scale)) > MOST_CORRELATED:
        raise InputError(
            f"fits must have {name} of independent elements; these are tied to each other (a "
            "zero-sum gauge): pool a model with one coupling a shell."
        )
    own = np.linalg.inv(covariance)
    known = np.diag(1.0 / sd**2)
    # in units of the posterior: directions where the prior alone made the width carry nothing
    sizes, axes = np.linalg.eigh(scale[:, None] * (own - known) * scale[None])
    kept = np.clip(sizes, 0.0, None)
    precision = (axes * kept) @ axes.T / np.multiply.outer(scale, scale)
    linear = own @ mean - known @ center
    # the linear term may not point along directions without information
    projector = axes[:, kept > 0] @ axes[:, kept > 0].T
    linear = projector @ (linear * scale) / scale
    z = (draws - mean) / scale
    skew, kurtosis = (z**3).mean(axis=0), (z**4).mean(axis=0) - 3
    held = None if prior is not None else _own_prior(fit, name)
    gaussian = held is None or held.is_gaussian
    gaussian &= bool(np.abs(skew).max() < MOST_SKEW and np.abs(kurtosis).max() < MOST_KURTOSIS)
    repeated = bool(np.any(sizes < 1 - 0.9**2))
    return Information(precision, linear, mean, covariance, repeated, gaussian)
