"""Maximum pseudolikelihood of two-state lattices with a sandwich covariance.

The log pseudolikelihood is the sum over sites of log p(s_i | its neighbours) (Besag 1975,
doi:10.2307/2987782). Its curvature H is no measure of its error; the covariance is H^-1 J H^-1
(Godambe 1960, doi:10.1214/aoms/1177705693) with J the variance of the score, taken here from a
Monte Carlo run at the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattice_data import LatticeData
from physlearn.lattice_models.replicas import Replicas

__all__ = ["Sandwich", "combine_with_prior", "maximize_pseudolikelihood", "measure_sandwich"]

Float = NDArray[np.float64]
N_REPLICAS = 64
BURN_IN = 120
N_RECORDS = 20
SWEEPS_BETWEEN = 8
LEAST_INFORMATION = 1e-6
WORK_LIMIT = 3e7
"""Most spins held at once; larger pictures get fewer replicas."""


@dataclass(frozen=True, slots=True, eq=False)
class Sandwich:
    """What a Monte Carlo run at the estimate says about the pseudolikelihood.

    ``curvature`` H and ``variability`` J, shape (d, d); ``statistics`` and their trace, shape
    (n_records, n_replicas, d); the first half of the replicas started from the picture, the other
    half from random states.
    """

    curvature: Float
    variability: Float
    statistics: Float

    @property
    def inflation(self) -> float:
        """Largest ratio of the sandwich variance to the naive one."""
        ratio = np.linalg.solve(self.curvature, self.variability)
        return float(np.max(np.linalg.eigvals(ratio).real))


def maximize_pseudolikelihood(
    copies: Replicas, terms: NDArray[np.int64], prior_precision: Float, start: Float, n_steps: int
) -> Float:
    """Return the penalised maximum for every replica, shape (n_replicas, d), by capped Newton."""
    theta = np.array(np.broadcast_to(start, (copies.n_replicas, len(prior_precision))))
    for _ in range(n_steps):
        score, curvature = copies.scores(theta, terms)
        score -= theta * prior_precision
        step = np.linalg.solve(curvature + np.diag(prior_precision), score[..., None])[..., 0]
        largest = np.abs(step).max(axis=1, keepdims=True)
        theta += step * np.minimum(1.0, 1.0 / np.maximum(largest, 1e-300))
        if largest.max() < 1e-9:
            break
    return theta


def replica_count(n_sites: int) -> int:
    """Return how many replicas fit into the work limit (an even number, at least 8)."""
    return int(min(N_REPLICAS, max(8, 2 * int(WORK_LIMIT / n_sites / 2))))


def measure_sandwich(data: LatticeData, theta: Float, rng: np.random.Generator) -> Sandwich:
    """Simulate at ``theta`` (rim sites fixed) and return H, J and the statistics' trace."""
    n_replicas = replica_count(data.graph.n_sites)
    start = np.repeat(data.states[:, None], n_replicas, axis=1)
    half = n_replicas // 2
    up = np.mean(data.states[data.terms] == 1)
    shape = (len(data.terms), n_replicas - half)
    start[data.terms, half:] = np.where(rng.random(shape) < up, 1, -1)
    copies = Replicas(data.graph, data.n_shells, start, n_replicas, rng, data.terms)
    copies.sweep(theta, BURN_IN)
    d = len(theta)
    curvature, variability = np.zeros((d, d)), np.zeros((d, d))
    trace = np.empty((N_RECORDS, n_replicas, d))
    for record in range(N_RECORDS):
        copies.sweep(theta, SWEEPS_BETWEEN)
        score, bend = copies.scores(theta, data.terms)
        curvature += bend.mean(axis=0) / N_RECORDS
        variability += score.T @ score / (n_replicas * N_RECORDS)
        trace[record] = copies.statistics()
    # A shell without bonds, or two that cannot be told apart, must end at the prior, not crash
    tiny = LEAST_INFORMATION * np.eye(d)
    return Sandwich(curvature + tiny, variability + tiny, trace)


def combine_with_prior(
    mode: Float, sandwich: Sandwich, prior_precision: Float
) -> tuple[Float, Float]:
    """Return mean (..., d) and covariance (d, d) of the Gaussian posterior.

    ``mode`` is the penalised maximum. The prior enters the mode with the naive curvature H; here
    it is taken out and put back against the sandwich precision H J^-1 H.
    """
    bread = sandwich.curvature @ np.linalg.inv(sandwich.variability)
    covariance = np.linalg.inv(bread @ sandwich.curvature + np.diag(prior_precision))
    pull = covariance @ bread @ (sandwich.curvature + np.diag(prior_precision))
    return mode @ pull.T, (covariance + covariance.T) / 2
