"""Posterior of a lattice Hamiltonian from the full likelihood, by Monte Carlo.

A population of replicas, each at its own parameters, is swept at equilibrium; log Z between them
follows from the multistate Bennett acceptance ratio (Shirts & Chodera 2008,
doi:10.1063/1.2978177), and the posterior from importance weights. The population moves with the
posterior until the two agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from physlearn.inference.lattice_data import LatticeData
from physlearn.inference.pseudolikelihood import replica_count
from physlearn.lattice_models.mbar import solve_partition
from physlearn.lattice_models.replicas import Replicas

__all__ = ["LikelihoodPosterior", "PartitionEstimate", "sample_likelihood_posterior"]

Float = NDArray[np.float64]
N_RECORDS = 12
SWEEPS_BETWEEN = 8
MAX_ROUNDS = 8
TRIAL_POINTS = 1500
STUDENT_DF = 6.0
WIDENING = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class LikelihoodPosterior:
    """Draws (n_draws, d), the effective number behind them, and whether the last rounds agreed."""

    draws: Float
    effective_draws: float
    converged: bool
    rounds: int


class PartitionEstimate:
    """log Z of an exponential family as a function of its parameters, up to a constant.

    ``settled`` is False when its equations could not be solved.

    Parameters
    ----------
    references
        Parameters that were sampled, shape (n_references, d).
    statistics
        Sufficient statistics, shape (n_references, n_samples, d).

    Examples
    --------
    >>> spins = np.array([[[-1.0], [1.0]] * 50])
    >>> estimate = PartitionEstimate(np.zeros((1, 1)), spins)
    >>> bool(np.isclose(estimate(np.array([[0.3]]))[0], np.log(np.cosh(0.3))))
    True
    """

    def __init__(self, references: Float, statistics: Float) -> None:
        _, n_samples, d = statistics.shape
        flat = statistics.reshape(-1, d)
        self._center = flat.mean(axis=0)
        self._samples = flat - self._center
        exponent = self._samples @ references.T
        guess = _integrate_between(references, statistics.mean(axis=1) - self._center)
        log_partition, self.settled = solve_partition(exponent, guess)
        self._mixture = logsumexp(exponent - log_partition, axis=1) + np.log(n_samples)

    def __call__(self, parameters: Float) -> Float:
        """Return log Z at parameters of shape (n, d)."""
        out = np.empty(len(parameters))
        for first in range(0, len(parameters), 500):
            block = slice(first, first + 500)
            exponent = parameters[block] @ self._samples.T - self._mixture
            top = exponent.max(axis=1)
            exponent -= top[:, None]
            out[block] = top + np.log(np.exp(exponent, out=exponent).sum(axis=1))
        return np.asarray(out + parameters @ self._center)


def _integrate_between(references: Float, means: Float) -> Float:
    """Return log Z of the references by the trapezoid rule along a tree of close pairs."""
    gaps = squareform(pdist(references)) + 1e-12
    tree = minimum_spanning_tree(gaps)
    order, parents = breadth_first_order(tree, 0, directed=False)
    log_partition = np.zeros(len(references))
    for node in order[1:]:
        parent = parents[node]
        step = references[node] - references[parent]
        log_partition[node] = log_partition[parent] + step @ (means[node] + means[parent]) / 2
    return log_partition


def sample_likelihood_posterior(
    data: LatticeData,
    mean: Float,
    covariance: Float,
    prior_sd: Float,
    n_draws: int,
    rng: np.random.Generator,
) -> LikelihoodPosterior:
    """Return posterior draws under the full likelihood, starting from a Gaussian guess.

    Rim sites stay as observed: given them the rest is an Ising model, exactly. Without a rim
    log Z(h) = log Z(-h), and only the observed phase's sign of the field is sampled: this keeps
    a metastable picture from passing for an equilibrium one.
    """
    # The matrices are small: threads would only get in each other's way (3 times slower, measured)
    with threadpool_limits(1, "blas"):
        return _sample(data, np.array(mean, float), 1.5 * covariance, prior_sd, n_draws, rng)


def _sample(
    data: LatticeData,
    mean: Float,
    covariance: Float,
    prior_sd: Float,
    n_draws: int,
    rng: np.random.Generator,
) -> LikelihoodPosterior:
    """Move the population until it agrees with the posterior, then draw from it."""
    n_replicas = replica_count(data.graph.n_sites)
    copies = Replicas(data.graph, data.n_shells, data.states, n_replicas, rng, data.terms)
    observed = copies.statistics()[0]
    sign = np.sign(observed[0]) if data.whole else 0.0
    kept: list[tuple[Float, Float]] = []
    converged, rounds = False, 0
    target = _Target(observed, float(sign), np.asarray(prior_sd))
    while True:
        normals = rng.standard_normal((n_replicas, len(mean)))
        normals -= normals.mean(axis=0)
        references = target.fold(mean + WIDENING * normals @ np.linalg.cholesky(covariance).T)
        kept = [*kept[-1:], (references, _trace(copies, references, 40 if rounds else 80))]
        partition = PartitionEstimate(
            np.concatenate([part[0] for part in kept]), np.concatenate([part[1] for part in kept])
        )
        rounds += 1
        if converged or rounds > MAX_ROUNDS:
            break
        points, weight = target.weigh(partition, mean, covariance, TRIAL_POINTS, rng)
        center = weight @ points
        spread = (points - center).T @ ((points - center) * weight[:, None])
        share = 1.0 / np.sum(weight**2) / TRIAL_POINTS
        gap = center - mean
        shift = np.sqrt(gap @ np.linalg.solve(spread + 1e-3 * covariance, gap))
        mean, covariance = center, spread if share > 0.1 else (spread + covariance) / 2
        converged = bool(rounds > 1 and shift < 0.25 and share > 0.2 and partition.settled)
    points, weight = target.weigh(partition, mean, covariance, 2 * n_draws, rng)
    draws = points[rng.choice(len(weight), n_draws, p=weight)]
    return LikelihoodPosterior(draws, float(1.0 / np.sum(weight**2)), converged, rounds)


class _Target(NamedTuple):
    """The posterior up to log Z; ``sign`` is that of the observed phase (0: do not fold)."""

    observed: Float
    sign: float
    prior_sd: Float

    def fold(self, parameters: Float) -> Float:
        """Give the field the sign of the observed phase."""
        folded = parameters.copy()
        if self.sign:
            folded[:, 0] = self.sign * np.abs(folded[:, 0])
        return folded

    def weigh(
        self,
        partition: PartitionEstimate,
        mean: Float,
        covariance: Float,
        n: int,
        rng: np.random.Generator,
    ) -> tuple[Float, Float]:
        """Return points of a wide proposal and their normalised posterior weights."""
        points, log_proposal = _student(mean, WIDENING * covariance, n, rng)
        log_weight = points @ self.observed - partition(self.fold(points)) - log_proposal
        log_weight -= 0.5 * np.sum((points / self.prior_sd) ** 2, axis=1)
        weight = np.exp(log_weight - log_weight.max())
        return points, weight / weight.sum()


def _trace(copies: Replicas, references: Float, burn_in: int) -> Float:
    """Return statistics of replicas at their references, (n_replicas, n_records, d)."""
    copies.sweep(references, burn_in)
    trace = np.empty((*references.shape[:1], N_RECORDS, references.shape[1]))
    for record in range(N_RECORDS):
        copies.sweep(references, SWEEPS_BETWEEN)
        trace[:, record] = copies.statistics()
    return trace


def _student(
    mean: Float, covariance: Float, n: int, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return draws of a multivariate Student t and their log density up to a constant."""
    d = len(mean)
    scaled = rng.standard_normal((n, d))
    scaled /= np.sqrt(rng.chisquare(STUDENT_DF, n) / STUDENT_DF)[:, None]
    log_density = -0.5 * (STUDENT_DF + d) * np.log1p(np.sum(scaled**2, axis=1) / STUDENT_DF)
    return mean + scaled @ np.linalg.cholesky(covariance).T, log_density
