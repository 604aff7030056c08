"""The likelihood of pictures: certain labels, and labels that the picture left uncertain.

With certain labels log L(theta) = theta . T(s) - log Z(theta). Where labels are uncertain or absent
the states are summed over,

log L(theta) = log sum_s exp(theta . T(s) + log p(measurement | s)) - log Z(theta),

a difference of two normalisation constants: that of the same model held by the evidence of every
label, and that of the free model. An unknown rate of symmetric label flips eps is one more natural
parameter, lambda = log((1 - eps) (q - 1) / eps), of the held model, whose statistic is the number
of labels that are right; then log p(labels | s) = lambda Y(s) - n log(q - 1 + exp(lambda)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.measurement.flip_rate import FlipRate
from physlearn.inference.measurement.lattice_evidence import FixedTerms, hold_pairs
from physlearn.inference.posteriors.lattice_population import Population, make_population
from physlearn.inference.posteriors.likelihood_records import LatticeProblem
from physlearn.inference.posteriors.local_controls import LocalControls
from physlearn.inference.posteriors.opposite_phase import HeldRim
from physlearn.inference.posteriors.replica_chains import Ensemble
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
    from physlearn.inference.posteriors.priors import Prior

__all__ = ["HiddenProblem", "free_problem", "held_population", "held_rim", "hidden_problem"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
SURE = 30.0
"""Log-likelihood ratio beyond which a label is certain (1e-13)."""


@dataclass(frozen=True, eq=False)
class HiddenProblem(LatticeProblem):
    """A ``LatticeProblem`` whose labels are summed over.

    Attributes
    ----------
    flip_rate
        The unknown flip rate, last of the parameters, or None.
    theta_prior
        Of the Hamiltonian's parameters alone.
    """

    flip_rate: FlipRate | None = None
    theta_prior: Prior | None = None


def free_problem(
    data: LatticeData, prior: Prior, rng: np.random.Generator, n_replicas: int
) -> LatticeProblem:
    """Return the posterior of a lattice model whose labels are certain.

    Parameters
    ----------
    data
        Pictures; sites outside ``terms`` stay as they are, and given them the rest is a lattice
        model, exactly.
    prior
        Of the parameters.
    rng
        For the populations.
    n_replicas
        Copies of each group of pictures.

    Raises
    ------
    InputError
        Where labels are uncertain or absent: ``hidden_problem`` sums over them.
    """
    if data.uncertain or not all(group.labelled.all() for group in data.groups):
        raise InputError("data must have certain labels on all sites; hidden_problem takes others.")
    ensembles = tuple(
        _free_ensemble(data, group, group.codes, group.design, rng, n_replicas)
        for group in data.groups
    )
    return LatticeProblem(
        ensembles=ensembles, linear=np.asarray(data.observed(), np.float64), extra=None,
        prior=prior, names=tuple(data.names),
    )  # fmt: skip


def hidden_problem(
    data: LatticeData,
    prior: Prior,
    rng: np.random.Generator,
    n_replicas: int,
    *,
    flip_rate: FlipRate | None = None,
) -> HiddenProblem:
    """Return the posterior of a lattice model with uncertain and absent labels summed over.

    Parameters
    ----------
    data
        Pictures. Sites with a label but no ``label`` table are certain, or wrong at the flip rate.
    prior
        Of the parameters that ``data`` names.
    rng
        For the populations.
    n_replicas
        Copies of each group of pictures, free and held each.
    flip_rate
        What is known of an unknown flip rate, which then is one more parameter; None: the labels
        are as certain as ``label`` says.

    Raises
    ------
    InputError
        For an unknown flip rate beside label log-likelihoods, or a fixed composition, which nobody
        knows where labels are uncertain.
    """
    family = data.family
    if family.fixed_composition:
        raise InputError(
            "composition must be free where labels are uncertain or absent: nobody counted them."
        )
    if flip_rate is not None and any(
        group.label is not None and np.any(np.ptp(group.label[group.labelled], axis=1) > 0)
        for group in data.groups
    ):
        raise InputError(
            "label_noise must not be unknown where the snapshots hold label log-likelihoods; these "
            "already say how uncertain each label is."
        )
    n_further = int(flip_rate is not None)
    linear = np.zeros(len(data.names) + n_further)
    ensembles, n_labels = [], 0
    for group in data.groups:
        start = _completed(group, family.n_states, n_replicas, rng)
        wide = np.hstack([group.design, np.zeros((len(group.design), n_further))])
        ensembles.append(_free_ensemble(data, group, start, wide, rng, n_replicas))
        held = _held_sites(group, flip_rate is not None)
        if not len(held):
            linear += wide.T @ ensembles[-1].population.statistics()[0]
            continue
        n_labels += int(group.labelled.sum())
        design = wide
        if flip_rate is not None:
            design = np.vstack([wide, np.eye(len(linear))[-1:]])
        model = _held_model(family, group, held, flip_rate)
        ensembles.append(model.ensemble(start, design, 1.0, False, rng, n_replicas))
    names, theta_prior = tuple(data.names), prior
    if flip_rate is not None:
        prior, names = prior.extended(flip_rate.prior()), (*names, "flip_rate")
    return HiddenProblem(
        ensembles=tuple(ensembles), linear=linear, extra=_known_part(flip_rate, n_labels),
        prior=prior, names=names, flip_rate=flip_rate, theta_prior=theta_prior,
    )  # fmt: skip


def held_population(
    family: LatticeFamily,
    group: PictureGroup,
    flip_rate: FlipRate | None,
    rng: np.random.Generator,
    n_replicas: int,
) -> Population:
    """Return copies of one group's states given its picture, to be burnt in."""
    start = _completed(group, family.n_states, n_replicas, rng)
    model = _held_model(family, group, _held_sites(group, flip_rate is not None), flip_rate)
    return model.population(start, n_replicas, rng)


def _known_part(flip_rate: FlipRate | None, n_labels: int) -> Callable[[Float], Float] | None:
    """Return the part of log p(labels | states) that does not depend on the states."""
    if flip_rate is None:
        return None
    return lambda phi: n_labels * flip_rate.log_constant(np.atleast_2d(phi)[:, -1])


def _free_ensemble(
    data: LatticeData,
    group: PictureGroup,
    start: Codes,
    design: Float,
    rng: np.random.Generator,
    n_replicas: int,
) -> Ensemble:
    """Return log Z of the model without any evidence, power -1."""
    whole = len(group.terms) == group.graph.n_sites
    model = _Model(
        data.family, group.graph, None if whole else group.terms, group.offset, group.extra,
        group.picture,
    )  # fmt: skip
    turns = group.offset is None and np.allclose(group.extra.sum(axis=2), 0.0)
    free = not data.family.fixed_composition
    mirrored = bool(data.family.mirrored and whole and turns and free)
    ensemble = model.ensemble(start, design, -1.0, mirrored, rng, n_replicas)
    if whole or group.offset is not None or len(group.extra) or not group.labelled.all():
        return ensemble
    rim = held_rim(data.family, group, rng)
    return replace(ensemble, rim=rim if rim is not None and rim.one_phase else None)


def held_rim(
    family: LatticeFamily, group: PictureGroup, rng: np.random.Generator
) -> HeldRim | None:
    """Return what surrounds the open sites of one picture; None for other models or pictures."""
    plain = family.model == "ising" and family.two_state_pairs and not family.fixed_composition
    if not plain or np.ptp(group.picture) > 0:
        return None
    graph, states = group.graph, 2.0 * group.codes - 1.0
    held = np.ones(group.n_sites, bool)
    held[group.terms] = False
    pull = np.zeros((family.n_shells, group.n_sites))
    for ends in (graph.edges, graph.edges[:, ::-1]):
        out = (graph.shell < family.n_shells) & ~held[ends[:, 0]] & held[ends[:, 1]]
        by = graph.multiplicity[out] * states[ends[out, 1]]
        np.add.at(pull, (graph.shell[out], ends[out, 0]), by)
    model = _Model(
        family, graph, group.terms, None, np.stack([-pull, pull], axis=2), group.picture
    )  # fmt: skip
    return HeldRim(
        lambda n: model.population(np.repeat(group.codes[:, None], n, axis=1), n, rng),
        len(group.terms), float(states[held].sum()), float(states[group.terms].mean()),
    )  # fmt: skip


class _Model(NamedTuple):
    """What a population is made of; natural parameters at ``place`` are known to be ``value``."""

    family: LatticeFamily
    graph: SiteGraph
    sites: NDArray[np.int64] | None
    offset: Float | None
    extra: Float
    picture: NDArray[np.int64]
    place: NDArray[np.int64] = np.zeros(0, np.int64)
    value: Float = np.zeros(0)

    def ensemble(
        self,
        start: Codes,
        design: Float,
        power: float,
        mirrored: bool,
        rng: np.random.Generator,
        n_replicas: int,
    ) -> Ensemble:
        """Return its normalisation constant with a population that starts from ``start``."""
        two = self.family.two_state_pairs and not self.family.fixed_composition
        odd = np.array([kind == "site" for kind in self.family.kinds] + [True] * len(self.extra))
        return Ensemble(
            population=self.population(start, n_replicas, rng), design=design, power=power,
            mirrored=mirrored, odd=odd if mirrored else None,
            controls=_Controls(self) if two else None,
            clusters=(lambda: self.population(start, n_replicas, rng, "clusters")) if two else None,
            parts=self.picture,
        )  # fmt: skip

    def population(
        self, start: Codes, n_replicas: int, rng: np.random.Generator, dynamics: str = "auto"
    ) -> Population:
        """Return copies that start from ``start``, all with the known parameters held."""
        copies = make_population(
            self.family, self.graph, start, n_replicas, rng, sites=self.sites, offset=self.offset,
            extra=self.extra, parts=self.picture if self.family.fixed_composition else None,
            dynamics=dynamics,
        )  # fmt: skip
        return FixedTerms(copies, self.place, self.value) if len(self.place) else copies


class _Controls:
    """Sums of mean zero in the open parameters of a model, whose tables are made when needed."""

    def __init__(self, model: _Model) -> None:
        self._model = model
        self._sums: LocalControls | None = None
        self._all = model.family.n_parameters + len(model.extra)
        self._open = np.setdiff1d(np.arange(self._all), model.place)

    def __call__(self, codes: Codes, natural: Float) -> Float:
        model = self._model
        if self._sums is None:
            self._sums = LocalControls(
                model.family, model.graph, model.sites, model.offset, model.extra
            )
        full = np.empty((*natural.shape[:-1], self._all))
        full[..., self._open], full[..., model.place] = natural, model.value
        return self._sums(codes, full)[:, self._open]


def _completed(group: PictureGroup, q: int, n_replicas: int, rng: np.random.Generator) -> Codes:
    """Return states to start from, (n_sites, R): the likeliest, or drawn where nothing is known."""
    start = np.repeat(group.codes[:, None], n_replicas, axis=1).astype(np.uint8)
    bare = np.flatnonzero(~group.labelled)
    if len(bare):
        counts = np.bincount(group.codes[group.labelled], minlength=q) + 1.0
        start[bare] = rng.choice(q, (len(bare), n_replicas), p=counts / counts.sum())
    return start


def _held_sites(group: PictureGroup, flips: bool) -> NDArray[np.int64]:
    """Return the sites whose states stay open once the picture is known."""
    certain = group.labelled.copy()
    if flips:
        certain[:] = False
    elif group.label is not None:
        best = np.sort(group.label, axis=1)
        certain &= best[:, -1] - best[:, -2] > SURE
    if group.pairs is not None:
        certain[:] = False
    return np.asarray(group.terms[~certain[group.terms]], np.int64)


def _held_model(
    family: LatticeFamily,
    group: PictureGroup,
    sites: NDArray[np.int64],
    flip_rate: FlipRate | None,
) -> _Model:
    """Return the model under the evidence of all labels."""
    n, q = group.graph.n_sites, family.n_states
    offset = np.zeros((n, q)) if group.offset is None else np.array(group.offset)
    if group.label is not None:
        # beyond SURE a state is as good as impossible, and single precision stays exact
        least = -2.0 * SURE if group.pairs is None else -np.inf
        offset += np.maximum(group.label - group.label.max(axis=1, keepdims=True), least)
    extra = group.extra
    if flip_rate is not None:
        right = (group.codes[:, None] == np.arange(q)) & group.labelled[:, None]
        extra = np.concatenate([extra, right[None].astype(np.float64)])
    drawn = None if len(sites) == n else sites
    if group.pairs is None:
        return _Model(family, group.graph, drawn, offset, extra, group.picture)
    wide, graph, known = hold_pairs(family, group.graph, group.pairs)
    place = np.arange(len(known)) + family.n_parameters
    return _Model(wide, graph, drawn, offset, extra, group.picture, place, known)
