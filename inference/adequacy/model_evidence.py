"""Evidence of lattice models on the same pictures: each posterior, and log Z between them.

The evidence of a model is the integral of prior times likelihood. Within a model it follows from
posterior importance weights, with log Z taken relative to that at one reference of the model.
Between models it needs log Z at these references: they are joined by a path of replicas in the
union of the models, whose statistics are those of all of them, and the multistate Bennett
acceptance ratio gives log Z along it (Shirts & Chodera 2008, doi:10.1063/1.2978177).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.measurement.lattice_measurement import free_problem, hidden_problem
from physlearn.inference.posteriors.lattice_posterior import sample_posterior
from physlearn.inference.posteriors.likelihood_records import LatticeProblem, LikelihoodPosterior
from physlearn.inference.posteriors.partition_surface import PartitionSurface
from physlearn.inference.posteriors.priors import Prior
from physlearn.inference.posteriors.pseudolikelihood import maximize_pseudolikelihood, replica_count
from physlearn.inference.posteriors.replica_chains import Chains
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData

__all__ = ["PRIOR_FACTORS", "Evidence", "measure_evidence", "union_family"]

Float = NDArray[np.float64]
PRIOR_FACTORS = (1.0, 1.0 / 3.0, 3.0)
"""The prior as given, and with couplings that not all models have at a third and three times."""
MOST_KEPT = 4000
PATH_REPLICAS, MOST_PATH_REPLICAS = 64, 512
PATH_RECORDS, PATH_BURN_IN, MEMORY_RECORDS = 40, 60, 16
PATH_UPDATES = 1.5e9
MOST_STEP = 0.5
"""Largest change of log p between neighbouring references that a path is planned for."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Evidence of several models on the same data.

    Attributes
    ----------
    log_evidence, errors
        float64, shape (n_factors, n_models): relative to a constant that all models share, at the
        ``PRIOR_FACTORS``; NaN where a prior cannot be scaled.
    posteriors
        Of each model, under the widest prior.
    draws
        Posterior draws of each model under the prior as given, shape (n, d).
    settled
        Whether each model's posterior and path settled.
    """

    log_evidence: Float
    errors: Float
    posteriors: tuple[LikelihoodPosterior, ...]
    draws: tuple[Float, ...]
    settled: tuple[bool, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def measure_evidence(
    members: Sequence[tuple[LatticeData, Prior]],
    rng: np.random.Generator,
    *,
    n_draws: int = 8000,
    starts: Sequence[tuple[Float, Float] | None] = (),
    progress: Callable[[int, int], Any] | None = None,
) -> Evidence:
    """Return the evidence of models, each as the data in its terms and a prior.

    Parameters
    ----------
    members
        The same pictures, gathered for each model, with each model's prior.
    rng
        For all random choices.
    n_draws
        Posterior draws of each model.
    starts
        Mean and covariance of each model's posterior where known.
    progress
        Called with (steps done, steps in all).
    """
    data = _on_common_sites([member[0] for member in members])
    n, done = len(data), 0
    chosen = _further_terms(data)
    models: list[_Model] = []
    for index, own in enumerate(data):
        start = starts[index] if starts else None
        models.append(_weigh(own, members[index][1], chosen[index], start, n_draws, rng))
        done += 1
        if progress is not None:
            progress(done, 2 * n - 1)
    value = np.array([model.log_evidence for model in models]).T
    variance = np.array([model.variance for model in models]).T
    settled = [model.found.converged and not model.found.flags for model in models]
    hub = int(np.argmax([own.n_parameters for own in data]))
    paths = _Paths(data, hub, rng)
    for index in range(n):
        if index == hub:
            continue
        change, noise, bridged = paths.measure(models[hub], models[index], index)
        value[:, index] += change
        variance[:, index] += noise
        settled[index] = bool(settled[index] and bridged)
        done += 1
        if progress is not None:
            progress(done, 2 * n - 1)
    return Evidence(
        value, np.sqrt(variance), tuple(model.found for model in models),
        tuple(model.draws for model in models), tuple(settled),
    )  # fmt: skip


class _Model(NamedTuple):
    """A model's posterior under the widest prior, and its evidence relative to its reference."""

    problem: LatticeProblem
    found: LikelihoodPosterior
    log_evidence: Float
    variance: Float
    draws: Float


def _weigh(
    data: LatticeData, prior: Prior, chosen: NDArray[np.bool_],
    start: tuple[Float, Float] | None, n_draws: int, rng: np.random.Generator,
) -> _Model:  # fmt: skip
    """Sample a model under its widest prior; weigh the draws to the others."""
    wide = scaled_prior(prior, chosen, max(PRIOR_FACTORS)) or prior
    problem = _problem(data, wide, rng)
    mean, covariance = _start(data, prior) if start is None else start
    found = sample_posterior(problem, mean, covariance, n_draws, rng)
    value, variance = (np.full(len(PRIOR_FACTORS), np.nan) for _ in range(2))
    draws = found.draws
    for row, factor in enumerate(PRIOR_FACTORS):
        narrow = prior if factor == 1.0 else scaled_prior(prior, chosen, factor)
        if narrow is None:
            continue
        gain, spread, weight = _reweigh(found.draws, wide, narrow)
        # log Z is as uncertain as it is where this prior's posterior lies
        noise = _surface_noise(problem, found, weight) + 1 / found.numbers["importance_draws"]
        value[row], variance[row] = found.log_evidence + gain, noise + spread
        if factor == 1.0:
            draws = found.draws[rng.choice(len(weight), min(n_draws, MOST_KEPT), p=weight)]
    return _Model(problem, found, value, variance, draws)


def scaled_prior(prior: Prior, chosen: NDArray[np.bool_], factor: float) -> Prior | None:
    """Return the prior with other widths of the chosen parameters (d,).

    None where one of these is not Gaussian.
    """
    if any(shape is not None for shape, use in zip(prior.shapes, chosen, strict=True) if use):
        return None
    return replace(prior, sd=np.where(chosen, factor * prior.sd, prior.sd))


def _further_terms(data: Sequence[LatticeData]) -> list[NDArray[np.bool_]]:
    """Return which parameters of each model are couplings that not all models have."""
    _, maps = union_family([own.family for own in data])
    shared = np.all([mapping.any(axis=1) for mapping in maps], axis=0)
    out = []
    for own, mapping in zip(data, maps, strict=True):
        chosen = np.array([kind != "site" for kind in own.kinds])
        chosen[: mapping.shape[1]] &= ~(shared @ mapping).astype(bool)
        chosen[mapping.shape[1] :] = False
        out.append(chosen)
    return out


def union_family(families: Sequence[LatticeFamily]) -> tuple[LatticeFamily, list[Float]]:
    """Return a family with the statistics of all, and each one's map into it, (d_union, d).

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> one, two = (lattice_family("ising", (-1, 1), n) for n in (1, 2))
    >>> union, maps = union_family([one, two])
    >>> union is two, maps[0].tolist()
    (True, [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    """
    order = sorted(range(len(families)), key=lambda index: -families[index].n_parameters)
    n_shells = max(family.n_shells for family in families)
    motifs = tuple(dict.fromkeys(motif for index in order for motif in families[index].motifs))
    tables: list[tuple[Float, Float, Float]] = []
    maps: list[list[int]] = [[] for _ in families]
    for index in order:
        family = families[index]
        for row in range(family.n_parameters):
            table = _padded(family, row, n_shells, motifs)
            same = [k for k, other in enumerate(tables) if _equal(table, other)]
            maps[index].append(same[0] if same else len(tables))
            if not same:
                tables.append(table)
    d = len(tables)
    first = families[order[0]]
    if d == first.n_parameters and motifs == first.motifs and n_shells == first.n_shells:
        union = first
    else:
        site, pair, triplet = (np.array([table[part] for table in tables]) for part in range(3))
        kinds = tuple(
            "site" if np.any(one) else "pair" if np.any(two) else "triplet"
            for one, two, _ in tables
        )
        union = replace(
            first, model="union", site=site, pair=pair, triplet=triplet, motifs=motifs,
            kinds=kinds, variables=(), covariate_direction=None,
        )  # fmt: skip
    return union, [np.eye(d)[:, chosen] for chosen in maps]


def _padded(
    family: LatticeFamily, row: int, n_shells: int, motifs: tuple[tuple[int, int, int], ...]
) -> tuple[Float, Float, Float]:
    """Return a parameter's tables with the shells and motifs of the union."""
    q = family.n_states
    pair, triplet = np.zeros((n_shells, q, q)), np.zeros((len(motifs), q, q, q))
    pair[: family.n_shells] = family.pair[row]
    for number, motif in enumerate(family.motifs):
        triplet[motifs.index(motif)] = family.triplet[row, number]
    return family.site[row], pair, triplet


def _equal(one: tuple[Float, ...], two: tuple[Float, ...]) -> bool:
    return all(np.allclose(a, b, atol=1e-12) for a, b in zip(one, two, strict=True))


def _on_common_sites(data: Sequence[LatticeData]) -> list[LatticeData]:
    """Return the data with the same random sites: those with all neighbours of every model."""
    common = []
    for groups in zip(*[own.groups for own in data], strict=True):
        kept = groups[0].terms
        for group in groups[1:]:
            kept = np.intersect1d(kept, group.terms)
        common.append(kept)
    return [
        replace(
            own,
            groups=tuple(
                replace(group, terms=terms) for group, terms in zip(own.groups, common, strict=True)
            ),
        )
        for own in data
    ]


def _problem(data: LatticeData, prior: Prior, rng: np.random.Generator) -> LatticeProblem:
    n_replicas = replica_count(max(group.n_sites for group in data.groups))
    make = hidden_problem if _is_hidden(data) else free_problem
    return make(data, prior, rng, n_replicas)


def _is_hidden(data: LatticeData) -> bool:
    return data.uncertain or not all(group.labelled.all() for group in data.groups)


def _start(data: LatticeData, prior: Prior) -> tuple[Float, Float]:
    """Return the pseudolikelihood's guess."""
    mode, curvature = maximize_pseudolikelihood(data, prior)
    return mode, np.asarray(np.linalg.inv(curvature + np.diag(prior.precision)))


def _surface_noise(problem: LatticeProblem, found: LikelihoodPosterior, weight: Float) -> float:
    """Return the variance of the log evidence from the noise of log Z, draws weighing ``weight``.

    Of 1,000 draws at even steps of the summed weights, which takes no random numbers.
    """
    even = (np.arange(1000) + 0.5) / 1000
    rows = np.minimum(np.searchsorted(np.cumsum(weight), even), len(weight) - 1)
    total = 0.0
    for ensemble, surface in zip(problem.ensembles, found.partition, strict=True):
        moved = surface.influence(found.draws[rows] @ ensemble.design.T).mean(axis=0)
        total += float(ensemble.power**2 * np.sum(moved**2))
    return total


def _reweigh(draws: Float, wide: Prior, narrow: Prior) -> tuple[float, float, Float]:
    """Return log of the evidence's ratio under two priors, its variance, and the weights."""
    log_ratio = narrow.log_density(draws) - wide.log_density(draws)
    top = float(log_ratio.max())
    weight = np.exp(log_ratio - top)
    total = float(weight.sum())
    effective = total**2 / float(np.sum(weight**2))
    spread = max(1.0 / effective - 1.0 / len(draws), 0.0)
    return top + np.log(total / len(draws)), spread, weight / total


class _Paths:
    """log Z between references of the hub, the largest model, and of others."""

    def __init__(self, data: Sequence[LatticeData], hub: int, rng: np.random.Generator) -> None:
        self.rng, self.hub = rng, hub
        self.union, self.maps = union_family([own.family for own in data])
        own = data[hub]
        d, further = self.union.n_parameters, max(len(group.extra) for group in own.groups)
        groups = tuple(
            replace(group, design=np.eye(d + len(group.extra), d + further))
            for group in own.groups
        )  # fmt: skip
        names = [f"parameter {index + 1}" for index in range(d + further)]
        self.data = replace(own, family=self.union, groups=groups, names=names)
        self.prior = Prior.gaussian(names, 1.0)

    def measure(self, hub: _Model, other: _Model, index: int) -> tuple[float, float, bool]:
        """Return sum power * log Z at the other's reference less that at the hub's, variance."""
        n_replicas = PATH_REPLICAS
        while True:
            found = self._try(hub, other, index, n_replicas)
            if found[2] or n_replicas >= MOST_PATH_REPLICAS:
                return found
            n_replicas *= 2

    def _try(
        self, hub: _Model, other: _Model, index: int, n_replicas: int
    ) -> tuple[float, float, bool]:
        """Sample replicas on a straight line between the references."""
        make = hidden_problem if _is_hidden(self.data) else free_problem
        problem = make(self.data, self.prior, self.rng, n_replicas)
        total, variance, settled = 0.0, 0.0, True
        ensembles = zip(
            problem.ensembles, hub.problem.ensembles, other.problem.ensembles, strict=True
        )
        for joint, one, two in ensembles:
            start = self._natural(one.design @ hub.found.reference, self.hub)
            end = self._natural(two.design @ other.found.reference, index)
            if np.allclose(start, end):
                continue
            step = np.linspace(0.0, 1.0, n_replicas)[:, None]
            natural = start + step * (end - start)
            chain = Chains(joint, self.rng)
            updates = self.data.n_sites * n_replicas
            burn_in = int(np.clip(PATH_UPDATES / 10 / updates, 5, PATH_BURN_IN))
            chain.trace(natural, burn_in, MEMORY_RECORDS, 2)
            memory = chain.memory
            between = max(1, round(1.5 * memory))
            between = int(np.clip(between, 1, max(1, PATH_UPDATES / updates / PATH_RECORDS)))
            burn_in = min(round(3 * memory), between * PATH_RECORDS)
            trace = chain.trace(natural, burn_in, PATH_RECORDS, between)
            natural, trace = natural[chain.stays], trace[chain.stays]
            surface = PartitionSurface(natural, trace, chain.odd)
            surface.move_anchor(start)
            rise = float(surface(end)[0])
            gap = np.abs((end - start) @ (trace[-1].mean(axis=0) - trace[0].mean(axis=0)))
            total += one.power * rise
            variance += one.power**2 * float(surface.errors(end)[0]) ** 2
            settled = settled and surface.settled and bool(gap < MOST_STEP * n_replicas**2)
        return total, variance, settled

    def _natural(self, natural: Float, index: int) -> Float:
        """Return a model's natural parameters (extras last) in the union."""
        mapping = self.maps[index]
        d = mapping.shape[1]
        return np.concatenate([mapping @ natural[:d], natural[d:]])


def check_same_pictures(data: Sequence[LatticeData]) -> None:
    """Raise unless all models were given the same pictures."""
    first = data[0]
    for own in data[1:]:
        same = len(own.groups) == len(first.groups) and all(
            np.array_equal(one.codes, two.codes) and np.array_equal(one.labelled, two.labelled)
            and _same_table(one.label, two.label)
            for one, two in zip(own.groups, first.groups, strict=True)
        )  # fmt: skip
        if not same:
            raise InputError(
                "models must be compared on the same pictures; these were fitted to different data."
            )


def _same_table(one: Float | None, two: Float | None) -> bool:
    return one is two or (one is not None and two is not None and np.array_equal(one, two))
