"""Uncertain labels: Monte Carlo imputation under the Hamiltonian and the labels' likelihoods.

Data augmentation (Tanner & Wong 1987, doi:10.1080/01621459.1987.10478458): every replica holds a
complete picture drawn from p(states | parameters, labels) and parameters drawn from their
posterior given that picture, in turn. The spread within and between completed pictures adds up as
in multiple imputation (Rubin 1987, doi:10.1002/9780470316696).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.pseudolikelihood import (
    Sandwich,
    combine_with_prior,
    maximize_pseudolikelihood,
    measure_sandwich,
    replica_count,
)
from physlearn.inference.two_state_data import TwoStateData as LatticeData
from physlearn.lattice_models.replicas import Replicas

__all__ = ["Imputation", "impute_labels"]

Float = NDArray[np.float64]
ROUNDS = (40, 40, 30)
KEPT = 60
SWEEPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Imputation:
    """Posterior draws with the labels summed over.

    ``draws`` (n_draws, d); ``states`` (n_sites, n_replicas) completed pictures; ``missing_share``
    the largest share of the variance that comes from the labels; ``drift`` between the halves of
    the kept rounds in posterior standard deviations.
    """

    draws: Float
    states: NDArray[np.int8]
    sandwich: Sandwich
    missing_share: float
    drift: float


def impute_labels(
    data: LatticeData,
    evidence: Float,
    prior_precision: Float,
    n_draws: int,
    rng: np.random.Generator,
) -> Imputation:
    """Return the posterior of field and couplings with uncertain and missing labels summed over."""
    n_replicas = replica_count(data.graph.n_sites)
    share = np.clip(np.mean(data.states == 1), 0.01, 0.99)
    logit = evidence + 0.5 * np.log(share / (1 - share))
    up = rng.random((len(logit), n_replicas)) * (1 + np.exp(-2 * logit[:, None])) < 1
    copies = Replicas(data.graph, data.n_shells, np.where(up, 1, -1), n_replicas, rng)
    theta = maximize_pseudolikelihood(
        copies, data.terms, prior_precision, np.zeros(len(prior_precision)), 50
    )
    mode = theta
    kept_means: list[Float] = []
    for n_rounds in (*ROUNDS, KEPT):
        center = theta.mean(axis=0)
        completed = LatticeData(
            data.graph, data.n_shells, np.ascontiguousarray(copies.states[:, 0]), data.terms,
            None, (),
        )  # fmt: skip
        sandwich = measure_sandwich(completed, center, rng)
        kept_means = []
        for _ in range(n_rounds):
            copies.sweep(theta, SWEEPS, evidence)
            # One Newton step from the last mode: few labels change from round to round
            mode = maximize_pseudolikelihood(copies, data.terms, prior_precision, mode, 1)
            means, covariance = combine_with_prior(mode, sandwich, prior_precision)
            factor = np.linalg.cholesky(covariance)
            theta = means + rng.standard_normal(means.shape) @ factor.T
            kept_means.append(means)
    means = np.array(kept_means)
    pool = means.reshape(-1, means.shape[-1])
    draws = pool[rng.choice(len(pool), n_draws, replace=n_draws > len(pool))]
    draws = draws + rng.standard_normal(draws.shape) @ factor.T
    between = pool.var(axis=0)
    total = between + np.diag(covariance)
    half = len(means) // 2
    change = means[:half].mean(axis=(0, 1)) - means[half:].mean(axis=(0, 1))
    return Imputation(
        draws, copies.states, sandwich, float(np.max(between / total)),
        float(np.max(np.abs(change) / np.sqrt(total))),
    )  # fmt: skip
