"""Pictures of perfect order: a posterior that knows bounds only.

Where all sites are alike, or every neighbour is another state, no stronger field or coupling would
make the picture less likely: the likelihood only bounds them, and the prior says the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linprog

from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.inference.lattices.period_two import two_colourings
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
TOLD_APART_BY = 50
"""Prior draws at which two phases must weigh the same to be one (mirrored or turned) phase."""
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

    for a, for every uniform picture b and for every one of two states that repeats after two cells
    (stripes along each direction of the lattice, checkerboards), the right side being Z where sites
    that differ from b are rare and apart. Z is taken as the largest of these: for b = a alone it
    would be the pseudolikelihood, which mistakes a phase that is merely metastable for an
    equilibrium. A picture b that its own neighbours would flip is no phase (unlike neighbours
    preferred, say) and is not counted. Orders of longer periods are not among them.
    """
    points = prior.draw(TRIALS, rng)
    phases = [_distinct(group, points[:TOLD_APART_BY]) for group in _all_phases(data)]
    log_weight = _log_likelihood(phases, points)
    for _ in range(MOST_ROUNDS):
        if _effective(log_weight) > WANTED:
            break
        points, log_weight = _propose(phases, prior, points, log_weight, rng)
    effective = _effective(log_weight)
    weight = np.exp(log_weight - log_weight.max())
    chosen = rng.choice(len(points), n_draws, p=weight / weight.sum())
    return points[chosen], {"effective_draws": effective}


def _effective(log_weight: Float) -> float:
    """Return how many independent draws the weights are worth."""
    weight = np.exp(log_weight - log_weight.max())
    return float(weight.sum() ** 2 / np.sum(weight**2))


def _propose(
    phases: list[list[_Phase]], prior: Prior, points: Float, log_weight: Float,
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
    return new, _log_likelihood(phases, new) + log_prior - mixture


@dataclass(frozen=True, slots=True, eq=False)
class _Phase:
    """Sums of a group's picture with one choice of states, and what a change of each site costs."""

    statistics: Float  # (d,)
    known: float
    features: Float  # (n, q, d), of sites with the same surroundings
    offset: Float  # (n, q)
    counts: Float  # (n, q): sites in each state
    n_terms: int

    def weigh(self, theta: Float) -> tuple[Float, Float]:
        """Return theta . T and the log pseudolikelihood of the random sites, (n,) each."""
        weight = theta @ self.statistics + self.known
        sites = self.counts.sum(axis=1)
        log_product = np.zeros(len(theta))
        block = max(1, MOST_LOGITS // self.offset.size)
        for first in range(0, len(theta), block):
            here = theta[first : first + block]
            logit = np.einsum("nqd,md->mnq", self.features, here) + self.offset
            top = logit.max(axis=2)
            total = top + np.log(np.exp(logit - top[..., None]).sum(axis=2))
            own = np.einsum("nq,mnq->m", self.counts, logit)
            log_product[first : first + block] = own - total @ sites
        return weight, log_product


def _all_phases(data: LatticeData) -> list[list[_Phase]]:
    """Return of every group the picture that is seen, and after it those that compete with it."""
    out = []
    for number, group in enumerate(data.groups):
        members = data.conditions.members[number]
        colours = [two_colourings(data.records[record].graph) for record, _ in members]
        # pictures of one group that differ in their lattices have only the uniform ones in common
        alike = len({len(one) for one in colours}) == 1
        stripes = np.concatenate(colours, axis=1) if alike else np.zeros((0, group.n_sites), bool)
        own = group.codes[group.terms]
        states = range(data.family.n_states)
        others = [np.full_like(own, state) for state in states]
        others += [
            np.where(one[group.terms], first, second).astype(own.dtype)
            for one in stripes for first, second in permutations(states, 2)
        ]  # fmt: skip
        candidates = [own, *(other for other in others if np.any(other != own))]
        out.append([_phase(data, group, states) for states in candidates])
    return out


def _distinct(phases: list[_Phase], points: Float) -> list[_Phase]:
    """Return the phases without those that weigh what an earlier one does at all points (n, d)."""
    found: dict[bytes, _Phase] = {}
    for phase in phases:
        values = np.concatenate(phase.weigh(points))
        found.setdefault(np.round(values, 6).tobytes(), phase)
    return list(found.values())


def _phase(data: LatticeData, group: PictureGroup, states: Codes) -> _Phase:
    """Return what one choice of states of the random sites weighs."""
    codes = group.codes.copy()
    codes[group.terms] = states
    known = 0.0
    if group.offset is not None:
        known = float(group.offset[np.arange(group.n_sites), codes].sum())
    around = make_surroundings(data.family, group.graph, group.terms)
    rows = rows_of_group(data.family, group, around, codes)
    return _Phase(
        group.design.T @ group.statistics(data.family, codes), known,
        np.asarray(rows.features), np.asarray(rows.offset), np.asarray(rows.counts),
        len(group.terms),
    )  # fmt: skip


def _log_likelihood(phases: list[list[_Phase]], theta: Float) -> Float:
    """Return the log probability of the pictures, shape (n,)."""
    out = np.zeros(len(theta))
    for group in phases:
        largest = np.zeros(len(theta))
        for number, phase in enumerate(group):
            weight, log_product = phase.weigh(theta)
            reached = weight - log_product
            if number == 0:
                out, largest = out + weight, reached
            else:
                stable = -log_product < RARE * phase.n_terms
                largest = np.where(stable, np.maximum(largest, reached), largest)
        out -= largest
    return out
