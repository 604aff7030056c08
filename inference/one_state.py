"""Pictures whose sites are all alike: a posterior that knows bounds only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.lattice_data import LatticeData, PictureGroup
from physlearn.inference.priors import Prior
from physlearn.inference.site_features import make_surroundings, rows_of_group

__all__ = ["sample_one_state"]

Float = NDArray[np.float64]
FIRST_TRIALS = 20_000
MOST_TRIALS = 1_000_000
WANTED = 3000.0
MOST_LOGITS = 4_000_000


def sample_one_state(
    data: LatticeData, prior: Prior, n_draws: int, rng: np.random.Generator
) -> tuple[Float, dict[str, float]]:
    """Return draws (n_draws, d) where every random site holds one state, and their worth.

    Prior draws are weighted by the likelihood of the state a that is seen,

    p(all a) = exp(theta . T(a)) / Z,   Z >= exp(theta . T(b)) / prod_i p(b | neighbours all b)

    for every uniform state b, the right side being Z where sites that differ from b are rare and
    apart. Z is taken as the largest of these: for b = a alone it would be the pseudolikelihood,
    which mistakes a phase that is merely metastable for an equilibrium.
    """
    state = int(np.argmax(data.state_counts))
    kept: list[Float] = []
    weights: list[Float] = []
    effective, n = 0.0, FIRST_TRIALS
    while effective < WANTED and sum(map(len, kept)) < MOST_TRIALS:
        trial = prior.draw(n, rng)
        kept.append(trial)
        weights.append(_log_likelihood(data, trial, state))
        log_weight = np.concatenate(weights)
        weight = np.exp(log_weight - log_weight.max())
        effective = float(weight.sum() ** 2 / np.sum(weight**2))
        n = int(np.clip(1.2 * len(log_weight) * (WANTED / effective - 1), FIRST_TRIALS, 200_000))
    if effective < 100:
        raise NotIdentified(
            "all sites hold one state, which the prior makes next to impossible: widen the prior."
        )
    points = np.concatenate(kept)
    chosen = rng.choice(len(points), n_draws, p=weight / weight.sum())
    return points[chosen], {"effective_draws": effective, "prior_draws": float(len(points))}


def _log_likelihood(data: LatticeData, theta: Float, state: int) -> Float:
    """Return the log probability that all random sites hold ``state``, shape (n,)."""
    out = np.zeros(len(theta))
    for group in data.groups:
        reached = [_log_weight(data, group, theta, other) for other in range(data.family.n_states)]
        phases = np.array([weight - log_product for weight, log_product in reached])
        out += reached[state][0] - phases.max(axis=0)
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
