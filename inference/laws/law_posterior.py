"""Posterior of a law's constants, given that the law holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_text import constant_names, formula_of
from physlearn.inference.laws.expression import evaluate_many
from physlearn.inference.pareto_smoothing import smoothed_weights
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = [
    "ConstantDraws", "LogLikelihood", "constants_posterior", "draw_constants",
    "unidentified_constants",
]  # fmt: skip

Floats = NDArray[np.float64]
LogLikelihood = Callable[[Equation, Floats], Floats]

WORST_TAIL = 0.7
GOOD_TAIL = 0.5
ROUNDS = 4
PROPOSALS_PER_DRAW = 3
FEWEST_PROPOSALS = 1000
HEAVY_TAILS = 8.0
"""Degrees of freedom of the proposal where the noise is known: tails above the Gaussian's."""
PRIOR_WIDTHS = 3.0
WIDE = 10.0
LARGEST_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ConstantDraws:
    """Draws of a law's constants.

    Attributes
    ----------
    constants
        Shape (n_draws, n_constants).
    noise_sd
        Shape (n_draws,): standard deviation of a point of weight 1 (1 where the noise is known).
    tail
        Pareto k of the importance weights; NaN where the observations are not kept.
    prior_sd
        Shape (n_constants,): prior width of every constant; NaN without observations.
    """

    constants: Floats
    noise_sd: Floats
    tail: float
    prior_sd: Floats


def draw_constants(
    law: Equation,
    data: SearchData | None,
    n_draws: int,
    rng: int | np.random.Generator | None,
    log_likelihood: LogLikelihood | None = None,
) -> ConstantDraws:
    """Draw the constants of a law from their posterior, given that the law holds.

    The proposal is Laplace's: a Student t about the fitted constants with the law's covariance,
    with n - k degrees of freedom where the noise is unknown. Importance weights against the exact
    likelihood, Pareto-smoothed, correct it; where they are poor the proposal is moved to the
    weighted draws, up to three times. Unknown noise is integrated out (prior 1 / sd). The prior of
    a constant is a normal about its fit, three times as wide as the constant's size or as what
    moves the law by the data's own spread: it matters only where the data say nothing.

    Parameters
    ----------
    law
        The law with its fitted constants.
    data
        The observations; None draws from the Gaussian of ``law.covariance``.
    n_draws
        Number of draws.
    rng
        Seed or generator.
    log_likelihood
        (law, constants (m, n_constants)) to log likelihoods (m,), where the noise is not Gaussian
        as in ``data``; None takes the Gaussian. ``law.covariance`` makes the proposal.

    Raises
    ------
    NotIdentified
        If neither observations nor a covariance are there.
    """
    generator, _ = as_generator(rng)
    centre = law.constants
    if centre.size == 0:
        noise = np.ones(n_draws) if data is None else _noise_draws(law, data, None, n_draws, rng)
        return ConstantDraws(np.empty((n_draws, 0)), noise, math.nan, np.empty(0))
    if data is None or log_likelihood is not None:
        if law.covariance is None:
            raise NotIdentified(
                "the constants of this law have neither a covariance nor observations: fit it with "
                "observations kept."
            )
        noise = np.full(n_draws, law.noise_sd or 1.0)
        if log_likelihood is None:
            draws = generator.multivariate_normal(centre, law.covariance, size=n_draws)
            return ConstantDraws(draws, noise, math.nan, np.full(centre.size, math.nan))
        error = np.sqrt(np.diag(law.covariance))
        prior_sd = PRIOR_WIDTHS * np.maximum(np.abs(centre), WIDE * error)
        proposal = (centre, prior_sd, law.covariance, HEAVY_TAILS)
        target = partial(log_likelihood, law)
        return _importance_draws(proposal, target, n_draws, generator, lambda _: noise)
    return _importance_draws(
        _proposal(law, data), partial(_log_likelihood, law, data), n_draws, generator,
        lambda chosen: _noise_draws(law, data, chosen, n_draws, generator),
    )  # fmt: skip


def _importance_draws(
    proposal: tuple[Floats, Floats, Floats, float],
    log_likelihood: Callable[[Floats], Floats],
    n_draws: int,
    generator: np.random.Generator,
    noise_of: Callable[[Floats], Floats],
) -> ConstantDraws:
    """Draw from the proposal (centre, prior sd, covariance, degrees of freedom) and correct it."""
    centre, prior_sd, covariance, freedom = proposal
    mean = centre
    best: tuple[float, Floats, Floats] | None = None
    for _ in range(ROUNDS):
        factor = _root(covariance)
        count = max(PROPOSALS_PER_DRAW * n_draws, FEWEST_PROPOSALS)
        # Two halves mirrored about the mean: odd moments of the proposal are exact
        normal = generator.standard_normal((count // 2, centre.size))
        scale = np.sqrt(freedom / generator.chisquare(freedom, count // 2))[:, None]
        steps = np.concatenate([normal * scale, -normal * scale])
        draws = mean + steps @ factor.T
        log_proposal = -0.5 * (freedom + centre.size) * np.log1p((steps**2).sum(axis=1) / freedom)
        with np.errstate(all="ignore"):
            log_prior = -0.5 * (((draws - centre) / prior_sd) ** 2).sum(axis=1)
            log_weights = log_likelihood(draws) + log_prior - log_proposal
        sound = np.isfinite(log_weights)
        if sound.sum() < 10 * (centre.size + 1):
            covariance = 0.1 * covariance
            continue
        weights, tail = smoothed_weights(log_weights[sound] - log_weights[sound].max())
        draws = draws[sound]
        if best is None or tail < best[0]:
            best = (tail, draws, weights)
        if tail < GOOD_TAIL:
            break
        mean = weights @ draws
        covariance = ((draws - mean) * weights[:, None]).T @ (draws - mean)
        freedom = min(freedom, HEAVY_TAILS)
    if best is None:
        draws = np.repeat(centre[None], n_draws, axis=0)
        return ConstantDraws(draws, noise_of(draws), math.inf, prior_sd)
    tail, draws, weights = best
    # Systematic resampling: one uniform number, the least Monte Carlo error
    marks = (np.arange(n_draws) + generator.uniform()) / n_draws
    picked = np.searchsorted(np.cumsum(weights), marks).clip(max=len(draws) - 1)
    chosen = draws[generator.permutation(picked)]
    return ConstantDraws(chosen, noise_of(chosen), tail, prior_sd)


def _proposal(law: Equation, data: SearchData) -> tuple[Floats, Floats, Floats, float]:
    """Centre, prior widths, covariance and degrees of freedom."""
    centre = law.constants
    slopes = np.nan_to_num(law.sensitivities(data.columns), posinf=0.0, neginf=0.0)
    residual = data.y - law.predict(data.columns)
    n, k = data.y.size, centre.size
    freedom = HEAVY_TAILS if data.noise_known else float(max(n - k, 1))
    misfit = float(np.nansum(data.weight * residual**2))
    variance = 1.0 if data.noise_known else max(misfit, 1e-280) / freedom
    total = float(data.weight.sum())
    effect = np.sqrt((data.weight * slopes**2).sum(axis=1) / total)
    spread = math.sqrt(float((data.weight * (data.y - data.y.mean()) ** 2).sum()) / total)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(effect > 0, spread / effect, 0.0)
    width = np.maximum(np.maximum(np.abs(centre), np.nan_to_num(reach)), 1e-150)
    prior_sd = PRIOR_WIDTHS * width
    scaled = slopes * np.sqrt(data.weight / variance) * prior_sd[:, None]
    information = scaled @ scaled.T + np.eye(k)
    covariance = np.linalg.pinv(information, hermitian=True) * np.outer(prior_sd, prior_sd)
    return centre, prior_sd, covariance, freedom


def _root(covariance: Floats) -> Floats:
    """Return a factor F of the covariance, F F^T, also where that is singular."""
    size = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(size, size))
    result: Floats = size[:, None] * vectors * np.sqrt(np.maximum(values, 1e-14))
    return result


def _misfits(law: Equation, data: SearchData, draws: Floats) -> Floats:
    block = max(LARGEST_BLOCK // data.y.size, 1)
    program, columns = law.program, data.columns
    parts = []
    for start in range(0, len(draws), block):
        residual = data.y - evaluate_many(program, columns, draws[start : start + block])
        parts.append((data.weight * residual**2).sum(axis=1))
    return np.concatenate(parts)


def _log_likelihood(law: Equation, data: SearchData, draws: Floats) -> Floats:
    """Gaussian; unknown noise is integrated out."""
    misfit = _misfits(law, data, draws)
    if data.noise_known:
        return -0.5 * misfit
    result: Floats = -0.5 * data.y.size * np.log(np.maximum(misfit, 1e-280))
    return result


def _noise_draws(
    law: Equation,
    data: SearchData,
    draws: Floats | None,
    n_draws: int,
    rng: int | np.random.Generator | None,
) -> Floats:
    """Draw the standard deviation of a point of weight one, given the constants."""
    if data.noise_known:
        return np.ones(n_draws)
    generator, _ = as_generator(rng)
    chosen = np.empty((n_draws, 0)) if draws is None else draws
    misfit = np.maximum(np.nan_to_num(_misfits(law, data, chosen)), 1e-280)
    result: Floats = np.sqrt(misfit / generator.chisquare(data.y.size, n_draws))
    return result


def unidentified_constants(law: Equation) -> list[str]:
    """Names of constants that the data leave open: error above the size, or no error at all.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> unidentified_constants(Equation((Term(1.0, ("x",)),), 0.0, 0.0, 1, np.array([[4.0]])))
    ['c0']
    """
    names = constant_names(law)
    if law.covariance is None:
        return []
    error = np.sqrt(np.maximum(np.diag(law.covariance), 0.0))
    size = np.abs(law.constants)
    return [name for name, sd, c in zip(names, error, size, strict=True) if sd > c]


def constants_posterior(
    laws: EquationSet, index: int, n_draws: int, rng: int | np.random.Generator | None
) -> Fit:
    """Return the constants' posterior of one law; see `draw_constants` and `EquationSet`."""
    check_count("n_draws", n_draws, 100)
    law = laws.law(index)
    if not law.constants.size:
        raise InputError("this law has no fitted constants.")
    generator, seed = as_generator(rng)
    data = laws.data
    found = draw_constants(law, data, n_draws, generator, laws.log_likelihood)
    names = constant_names(law, laws.variables)
    warnings = list(laws.warnings)
    if found.tail > WORST_TAIL:
        warnings.append(
            f"the constants' posterior is far from a Gaussian (Pareto k {found.tail:.2f}, above "
            f"{WORST_TAIL}): its intervals are rough"
        )
    open_ones = unidentified_constants(law)
    if open_ones:
        warnings.append(f"these data do not determine {', '.join(open_ones)} of this law")
    variables: dict[str, Floats] = {"constants": found.constants}
    prior_sd = {"constants": found.prior_sd} if np.isfinite(found.prior_sd).all() else {}
    if laws.log_likelihood is None and data is not None and not data.noise_known:
        # For weights of mean one this is the noise of a typical point
        variables["noise_sd"] = found.noise_sd / math.sqrt(float(np.mean(data.weight)))
    approximation, likelihood = _said(laws)
    arrays = [law.constants] if data is None else [data.x, data.y, data.weight]
    return fit_from_draws(
        variables,
        model=f"{laws.target} = {formula_of(law, laws.variables)}, given that this law holds",
        likelihood=likelihood, approximation=approximation, seed=seed, data=arrays,
        prior_sd=prior_sd, dims={"constants": ["constant"]}, coords={"constant": names},
        units={"constants": "", "noise_sd": laws.units or "1"},
        diagnostics={"pareto_k": found.tail, "weight_of_the_law": float(laws.weights[index])},
        warnings=warnings,
    )  # fmt: skip


def _said(laws: EquationSet) -> tuple[str, str]:
    """Name the posterior's approximation and likelihood."""
    exact = "Laplace (Student t), importance-corrected with Pareto-smoothed weights"
    if laws.log_likelihood is not None:
        return exact, "that of the noise model of the fit"
    if laws.data is None:
        return "Gaussian of the law's covariance: the observations are not kept", "not kept"
    noise = "known noise" if laws.data.noise_known else "unknown noise, integrated out"
    return exact, f"Gaussian with {noise}"
