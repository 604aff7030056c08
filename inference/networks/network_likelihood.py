"""The likelihood of a network of binary units as a Gaussian, by the pseudolikelihood's sandwich."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.lattice_models.chain_statistics import autocorrelation_time

__all__ = ["LONGEST_MEMORY", "NetworkLikelihood", "summarise_likelihood"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
MOST_STEPS = 60
LEAST_SAMPLES_PER_PARAMETER = 3
LONGEST_MEMORY, N_SHUFFLES = 2.0, 5


@dataclass(frozen=True, slots=True, eq=False)
class NetworkLikelihood:
    """Gaussian summary: exp(linear . theta - theta' information theta / 2)."""

    linear: Float
    information: Float
    memory: float
    chance: float


def summarise_likelihood(
    spins: Float, pairs: Int, field_sd: float, independent: bool
) -> NetworkLikelihood:
    """Maximise the pseudolikelihood and summarise it by its sandwich covariance."""
    n_samples, n_units = spins.shape
    p = n_units + len(pairs)
    if n_samples < LEAST_SAMPLES_PER_PARAMETER * p:
        raise NotIdentified(
            f"states hold {n_samples} samples for {p} parameters; at least "
            f"{LEAST_SAMPLES_PER_PARAMETER * p} are needed. Name the pairs that may be coupled "
            "with candidates, or observe for longer."
        )
    columns = _columns(pairs, n_units)
    prior = np.full(p, 1.0 / field_sd**2)
    prior[n_units:] = 1.0
    theta: Float = np.zeros(p)
    for _ in range(MOST_STEPS):
        score, curvature, _ = _derivatives(spins, columns, theta)
        curvature[np.diag_indices(p)] += prior
        step = np.linalg.solve(curvature, score - prior * theta)
        theta = theta + step * min(1.0, 1.0 / np.abs(step).max())
        if np.abs(step).max() < 1e-8:
            break
    _, curvature, scores = _derivatives(spins, columns, theta)
    variability = scores.T @ scores
    times = np.maximum(1.0, [autocorrelation_time(column) for column in scores.T])
    measured, memory, chance = float(times.max()), 1.0, 1.0
    if measured > LONGEST_MEMORY:
        shuffled = [np.random.default_rng(k).permutation(scores) for k in range(N_SHUFFLES)]
        chance = max(autocorrelation_time(column) for each in shuffled for column in each.T)
    if not independent:
        root = np.sqrt(times)
        variability = variability * np.multiply.outer(root, root)
        memory = measured
    # The inverse of a covariance from n samples is too large by n / (n - p - 1) (Wishart; Hartlap
    # et al. 2007, doi:10.1051/0004-6361:20066170)
    shrink = max(n_samples / memory - p - 1, 1.0) / (n_samples / memory)
    ridge = 1e-9 * np.trace(variability) / p * np.eye(p)
    bread = shrink * np.linalg.solve(variability + ridge, curvature)
    information = curvature @ bread
    linear = bread.T @ (curvature @ theta + prior * theta)
    return NetworkLikelihood(linear, (information + information.T) / 2, measured, chance)


def _columns(pairs: Int, n_units: int) -> list[tuple[Int, Int]]:
    """Return, by unit, its partners and the parameters of their couplings."""
    out = []
    for unit in range(n_units):
        here = np.flatnonzero((pairs == unit).any(axis=1))
        partner = pairs[here].sum(axis=1) - unit
        out.append((partner, n_units + here))
    return out


def _derivatives(
    spins: Float,
    columns: list[tuple[Int, Int]],
    theta: Float,
) -> tuple[Float, Float, Float]:
    """Return score, negative Hessian and each sample's score of the log pseudolikelihood."""
    n_samples, p = len(spins), len(theta)
    scores, curvature = np.zeros((n_samples, p)), np.zeros((p, p))
    for unit, (partner, place) in enumerate(columns):
        own = np.concatenate([[unit], place])
        features = np.column_stack([np.ones(n_samples), spins[:, partner]])
        mean = np.tanh(features @ theta[own])
        scores[:, own] += features * (spins[:, unit] - mean)[:, None]
        curvature[np.ix_(own, own)] += features.T @ (features * (1 - mean**2)[:, None])
    return scores.sum(axis=0), curvature, scores
