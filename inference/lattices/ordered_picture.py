"""Pictures of perfect order: a posterior that knows bounds only.

Where all sites are alike, or every neighbour is another state, no stronger field or coupling would
make the picture less likely: the likelihood only bounds them, and the prior says the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linprog

from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.inference.posteriors.priors import Prior
from physlearn.inference.posteriors.site_features import make_surroundings, rows_of_group
from physlearn.lattice_models.graphs.triplets import find_triplets

__all__ = ["extreme_direction", "is_ordered", "sample_ordered"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
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
LEAST_SLACK = 1e-6


def extreme_direction(data: LatticeData) -> Float | None:
    """Return a direction of theta, shape (d,), along which the picture is at its very end.

    Along it each site, each bond and each triplet is in a state that none exceeds: no picture has a
    larger sum, so the likelihood never falls that way. Found by linear programming over the kinds
    of bonds that occur; None where there is no such direction, or labels are open.
    """
    if data.uncertain or data.n_parameters == 0:
        return None
    equal, above = [], []
    for group in data.groups:
        same, more = _kinds(data, group)
        equal.append(same)
        above.append(more)
    same, more = np.concatenate(equal), np.unique(np.concatenate(above).round(9), axis=0)
    if not len(more):
        return None
    found = linprog(
        -more.sum(axis=0), A_ub=-more, b_ub=np.zeros(len(more)),
        A_eq=same if len(same) else None, b_eq=np.zeros(len(same)) if len(same) else None,
        bounds=(-1.0, 1.0),
    )  # fmt: skip
    if found.x is None or float((more @ found.x).sum()) < LEAST_SLACK:
        return None
    return np.where(np.abs(found.x) < LEAST_SLACK, 0.0, found.x)


def _kinds(data: LatticeData, group: PictureGroup) -> tuple[Float, Float]:
    """Return what must be equal and what must not be below, rows of length d, of a group."""
    family, q, d_f = data.family, data.family.n_states, data.family.n_parameters
    codes = group.codes.astype(np.int64)
    tables: list[tuple[Float, NDArray[np.int64]]] = [(family.site, codes[group.terms])]
    ends = group.graph.edges
    for shell in range(family.n_shells):
        a, b = codes[ends[group.graph.shell == shell]].T
        tables.append((family.pair[:, shell].reshape(d_f, -1), a * q + b))
    for number, motif in enumerate(family.motifs):
        a, b, c = codes[find_triplets(group.graph, motif)].T
        tables.append((family.triplet[:, number].reshape(d_f, -1), (a * q + b) * q + c))
    # a further field of single sites must have no part in it: it differs from site to site
    same, more = [group.design[d_f:]], [np.zeros((0, data.n_parameters))]
    for values, kinds in tables:
        seen = np.unique(kinds)
        if not len(seen):
            continue
        rows = values.T @ group.design[:d_f]
        top = rows[seen[0]]
        same.append(rows[seen[1:]] - top)
        more.append(top - np.delete(rows, seen, axis=0))
    return np.concatenate(same), np.concatenate(more)


def is_ordered(data: LatticeData, direction: Float) -> bool:
    """Whether any change of a single site costs something along the direction, shape (d,)."""
    for group in data.groups:
        around = make_surroundings(data.family, group.graph, group.terms)
        rows = rows_of_group(data.family, group, around, group.codes)
        value = rows.features @ direction
        own = np.where(rows.counts > 0, value, np.inf).min(axis=1)
        other = np.where(rows.counts > 0, -np.inf, value).max(axis=1)
        if np.any((rows.counts > 0).sum(axis=1) > 1) or np.any(own - other < LEAST_SLACK):
            return False
    return True


def sample_ordered(
    data: LatticeData, prior: Prior, n_draws: int, rng: np.random.Generator
) -> tuple[Float, dict[str, float]]:
    """Return draws (n_draws, d) where the pictures are perfectly ordered, and their worth.

    Prior draws are weighted by the likelihood of the picture a that is seen,

    p(a) = exp(theta . T(a)) / Z,   Z >= exp(theta . T(b)) / prod_i p(b_i | neighbours as in b)

    for a and for every uniform picture b, the right side being Z where sites that differ from b are
    rare and apart. Z is taken as the largest of these: for b = a alone it would be the
    pseudolikelihood, which mistakes a phase that is merely metastable for an equilibrium. A picture
    b that its own neighbours would flip is no phase (unlike neighbours preferred, say) and is not
    counted.
    """
    points = prior.draw(TRIALS, rng)
    log_weight = _log_likelihood(data, points)
    for _ in range(MOST_ROUNDS):
        if _effective(log_weight) > WANTED:
            break
        points, log_weight = _propose(data, prior, points, log_weight, rng)
    effective = _effective(log_weight)
    weight = np.exp(log_weight - log_weight.max())
    chosen = rng.choice(len(points), n_draws, p=weight / weight.sum())
    return points[chosen], {"effective_draws": effective}


def _effective(log_weight: Float) -> float:
    """Return how many independent draws the weights are worth."""
    weight = np.exp(log_weight - log_weight.max())
    return float(weight.sum() ** 2 / np.sum(weight**2))


def _propose(
    data: LatticeData, prior: Prior, points: Float, log_weight: Float,
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
    return new, _log_likelihood(data, new) + log_prior - mixture


def _log_likelihood(data: LatticeData, theta: Float) -> Float:
    """Return the log probability of the pictures, shape (n,)."""
    out = np.zeros(len(theta))
    for group in data.groups:
        own = group.codes[group.terms]
        others = [np.full_like(own, state) for state in range(data.family.n_states)]
        candidates = [own, *(other for other in others if np.any(other != own))]
        reached = [_log_weight(data, group, theta, states) for states in candidates]
        phases = np.array([weight - log_product for weight, log_product in reached])
        stable = np.array([-product < RARE * len(group.terms) for _, product in reached])
        stable[0] = True
        out += reached[0][0] - np.where(stable, phases, -np.inf).max(axis=0)
    return out


def _log_weight(
    data: LatticeData, group: PictureGroup, theta: Float, states: Codes
) -> tuple[Float, Float]:
    """Return theta . T and the log pseudolikelihood of states of the random sites, (n,) each."""
    family = data.family
    codes = group.codes.copy()
    codes[group.terms] = states
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
