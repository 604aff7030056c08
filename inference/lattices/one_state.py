"""Pictures whose sites are all alike: a posterior that knows bounds only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.inference.posteriors.priors import Prior
from physlearn.inference.posteriors.site_features import make_surroundings, rows_of_group

__all__ = ["sample_one_state"]

Float = NDArray[np.float64]
TRIALS = 20_000
MOST_ROUNDS = 12
WANTED = 3000.0
LEAST_EFFECTIVE = 200.0
NEAR_SHARE = 0.8
WIDENING = 1.5
STUDENT_DF = 6
RARE = 0.2
"""Mean -log p(state | neighbours alike) of a site below which a uniform state is a phase."""
MOST_LOGITS = 4_000_000


def sample_one_state(
    data: LatticeData, prior: Prior, n_draws: int, rng: np.random.Generator
) -> tuple[Float, dict[str, float]]:
    """Return draws (n_draws, d) where every random site holds one state, and their worth.

    Prior draws are weighted by the likelihood of the state a that is seen,

    p(all a) = exp(theta . T(a)) / Z,   Z >= exp(theta . T(b)) / prod_i p(b | neighbours all b)

    for every uniform state b, the right side being Z where sites that differ from b are rare and
    apart. Z is taken as the largest of these: for b = a alone it would be the pseudolikelihood,
    which mistakes a phase that is merely metastable for an equilibrium. A state b that its own
    neighbours would flip is no phase (unlike neighbours preferred, say) and is not counted.
    """
    state = int(np.argmax(data.state_counts))
    points = prior.draw(TRIALS, rng)
    log_weight = _log_likelihood(data, points, state)
    for _ in range(MOST_ROUNDS):
        if _effective(log_weight) > WANTED:
            break
        points, log_weight = _propose(data, prior, state, points, log_weight, rng)
    effective = _effective(log_weight)
    weight = np.exp(log_weight - log_weight.max())
    chosen = rng.choice(len(points), n_draws, p=weight / weight.sum())
    return points[chosen], {"effective_draws": effective}


def _effective(log_weight: Float) -> float:
    """Return how many independent draws the weights are worth."""
    weight = np.exp(log_weight - log_weight.max())
    return float(weight.sum() ** 2 / np.sum(weight**2))


def _propose(
    data: LatticeData, prior: Prior, state: int, points: Float, log_weight: Float,
    rng: np.random.Generator,
) -> tuple[Float, Float]:  # fmt: skip
    """Return points from prior and from around the last weighted ones, with their weights."""
    flat = log_weight - log_weight.max()
    while _effective(flat) < LEAST_EFFECTIVE:
        flat = 0.7 * flat  # few points count yet: look at more of them
    weight = np.exp(flat)
    weight /= weight.sum()
    center = weight @ points
    away = points - center
    spread = (away * weight[:, None]).T @ away + 1e-6 * np.diag(prior.sd**2)
    proposal = stats.multivariate_t(center, WIDENING * spread, df=STUDENT_DF, seed=rng)
    n_near = int(NEAR_SHARE * TRIALS)
    near = np.asarray(proposal.rvs(n_near)).reshape(n_near, -1)
    new = np.concatenate([near, prior.draw(TRIALS - n_near, rng)])
    log_prior = prior.log_density(new)
    new, log_prior = new[np.isfinite(log_prior)], log_prior[np.isfinite(log_prior)]
    mixture = np.logaddexp(
        np.log(NEAR_SHARE) + proposal.logpdf(new), np.log1p(-NEAR_SHARE) + log_prior
    )
    return new, _log_likelihood(data, new, state) + log_prior - mixture


def _log_likelihood(data: LatticeData, theta: Float, state: int) -> Float:
    """Return the log probability that all random sites hold ``state``, shape (n,)."""
    out = np.zeros(len(theta))
    for group in data.groups:
        reached = [_log_weight(data, group, theta, other) for other in range(data.family.n_states)]
        phases = np.array([weight - log_product for weight, log_product in reached])
        stable = np.array([-product < RARE * len(group.terms) for _, product in reached])
        stable[state] = True
        out += reached[state][0] - np.where(stable, phases, -np.inf).max(axis=0)
    return out


def _log_weight(
    data: LatticeData, group: PictureGroup, theta: Float, state: int
) -> tuple[Float, Float]:
    """Return theta . T and the log pseudolikelihood of the uniform state, (n,) each."""
    family = data.family
    codes = group.codes.copy()
    codes[group.terms] = state
    weight = theta @ (group.design.T @ group.statistics(family, codes))
    if group.offset is not None:
        weight = weight + group.offset[np.arange(group.n_sites), codes].sum()
    around = make_surroundings(family, group.graph, group.terms)
    rows = rows_of_group(family, group, around, codes)
    sites = rows.counts.sum(axis=1)
    log_product = np.zeros(len(theta))
    block = max(1, MOST_LOGITS // rows.offset.size)
    for first in range(0, len(theta), block):
        logit = np.einsum("nqd,md->mnq", rows.features, theta[first : first + block]) + rows.offset
        top = logit.max(axis=2)
        total = top + np.log(np.exp(logit - top[..., None]).sum(axis=2))
        own = np.einsum("nq,mnq->m", rows.counts, logit)
        log_product[first : first + block] = own - total @ sites
    return weight, log_product
