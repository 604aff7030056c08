"""Draws of a posterior whose likelihood is known from simulation, with the checks it owes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.likelihood_surface import fit_surface
from physlearn.inference.configurations.simulated_problem import (
    FEWEST_CARRYING,
    Effort,
    SimulatedProblem,
    Slopes,
)
from physlearn.inference.configurations.theta_posterior import ThetaPosterior
from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["draw_posterior"]

Float = NDArray[np.float64]
FREEDOM = 6
"""Degrees of freedom of the proposal."""
LARGEST_K = 0.7
MOST_OUTSIDE = 0.05
N_REFINED = 3
LARGEST_SHARE = 0.1


def draw_posterior(
    problem: SimulatedProblem,
    mode: Float,
    local: Slopes,
    effort: Effort,
    rng: np.random.Generator,
    n_frames: int,
) -> ThetaPosterior:
    """Draw by importance sampling from a t distribution, refined while its tail is too long."""
    covariance: Float = np.asarray(np.linalg.inv(local.information), np.float64)
    center, scale = mode, covariance
    for refined in range(N_REFINED + 1):
        theta, log_proposal = _propose(center, scale, effort.n_draws, rng)
        likelihood, carried = problem.log_likelihood(theta)
        log_weights = likelihood + problem.log_prior(theta) - log_proposal
        weights, shape = smoothed_weights(log_weights)
        outside = float(weights @ (carried < FEWEST_CARRYING))
        if shape < LARGEST_K and outside < MOST_OUTSIDE:
            break
        if refined < N_REFINED:
            center = weights @ theta
            away = theta - center
            scale = (away * weights[:, None]).T @ away + 0.05 * covariance
            if outside >= MOST_OUTSIDE:
                for row in theta[rng.choice(len(theta), 6, p=weights)]:
                    problem.simulate(row, max(effort.final_records // 8, 20), effort.settle, effort)
                problem.solve()
    # what simulation does not know of log Z tilts the posterior by a random amount: added to it
    noise = covariance @ local.noise @ covariance
    picked = theta[_systematic(weights, effort.n_draws // 2, rng)]
    draws = picked + rng.multivariate_normal(np.zeros(len(mode)), noise, len(picked))
    share = float(np.max(np.diag(noise) / np.var(picked, axis=0)))
    top = log_weights.max()
    evidence = float(top + np.log(np.mean(np.exp(log_weights - top))))
    warnings = _warnings(shape, outside, share, problem)
    tied = " (true places integrated over, their error known)" if problem.tied else ""
    return ThetaPosterior(
        draws, f"density of {n_frames} snapshot(s) in equilibrium, log Z by simulation{tied}",
        "importance sampling of reweighted simulations", {
            "pareto_k": shape, "effective_draws": float(1.0 / np.sum(weights**2)),
            "simulation_noise_share": share, "n_sweeps": problem.n_sweeps,
            "carried_share": 1.0 - outside, "theta_mode": mode.tolist(),
            "theta_covariance": covariance.tolist(), "refined": refined,
            "relative_log_evidence": evidence,
            "likelihood_surface": fit_surface(theta, likelihood, weights).to_dict(),
            "frame_inflation": 1.0 / problem.share, **_three_body(problem),
        }, warnings,
    )  # fmt: skip


def _three_body(problem: SimulatedProblem) -> dict[str, float]:
    """Return what a model with the strength among its parameters needs."""
    term = problem.energies.three_body
    return {} if term is None else {"three_body_prior_sd": term.prior_sd}


def _warnings(
    shape: float, outside: float, share: float, problem: SimulatedProblem
) -> tuple[str, ...]:
    out = []
    if shape >= LARGEST_K:
        out.append(
            f"the importance weights have a long tail (Pareto k {shape:.2f}): intervals may be too "
            "narrow; a tighter prior or a family with fewer parameters helps"
        )
    if outside >= MOST_OUTSIDE:
        out.append(
            f"{outside:.0%} of the posterior lies where few simulated configurations carry it: "
            "simulate longer"
        )
    if share > LARGEST_SHARE:
        out.append(f"simulation adds {share:.0%} to a variance of the posterior: simulate longer")
    if not problem.settled:
        out.append("log Z of the simulations was not settled: simulate longer")
    return tuple(out)


def _propose(center: Float, scale: Float, n: int, rng: np.random.Generator) -> tuple[Float, Float]:
    """Return draws (n, p) of a multivariate t and the logarithm of its density."""
    from scipy.stats import multivariate_t

    law = multivariate_t(center, 1.2 * scale, df=FREEDOM, allow_singular=True)
    theta = np.asarray(law.rvs(n, random_state=rng)).reshape(n, len(center))
    return theta, np.asarray(law.logpdf(theta)).reshape(n)


def _systematic(weights: Float, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Resample with one random number: as even as can be."""
    places = (np.arange(n) + rng.random()) / n
    picked = np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)
    return np.asarray(rng.permutation(picked))
