"""From snapshots to what a lattice fit works on: graphs, codes, label evidence and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.label_rows import CROSSTALK, LabelRows, read_labels
from physlearn.inference.lattice_conditions import (
    Conditions,
    Covariates,
    read_conditions,
    read_covariates,
    read_site_field,
)
from physlearn.inference.lattice_family import LatticeFamily, Variable
from physlearn.inference.lattice_rim import continue_crystal, term_sites
from physlearn.inference.priors import LatticePrior
from physlearn.lattice_models.triplets import find_triplets
from physlearn.records import LatticeSnapshots, SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.lattice_evidence import PairEvidence

__all__ = [
    "LatticeData",
    "LatticePrior",
    "PictureGroup",
    "as_records",
    "code_statistics",
    "gather_snapshots",
    "term_sites",
]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
LEAST_SITES = 10


@dataclass(frozen=True, slots=True, eq=False)
class PictureGroup:
    """Pictures under the same conditions, as one graph of disjoint parts.

    Attributes
    ----------
    graph
        The union of the pictures' graphs; ``shell_radii`` only where all agree, positions only of
        a single picture.
    codes
        uint8, shape (n_sites,): the likeliest state of each site (a placeholder where nothing is
        known of it).
    terms
        Sites that are random. The others, a rim that is conditioned on, only serve as neighbours.
    label
        float64, shape (n_sites, q): log p(measurement | state), at most 0 and at least -40, zeros
        where nothing is known; None when all labels are certain. With an unknown flip rate the
        rows of labelled sites are zero: what they say depends on that rate.
    labelled
        bool, shape (n_sites,): sites with a label.
    picture
        int64, shape (n_sites,): which picture, numbered over all snapshots.
    extra
        float64, shape (n_extra, n_sites, q): further statistics T_k(s) = sum_i extra[k, i, a_i].
    offset
        float64, shape (n_sites, q): known terms of log p, or None.
    design
        float64, shape (d_f + n_extra, d): the natural parameters of these pictures are
        ``design @ theta``.
    pairs
        Known terms of log p(measurement | states) that tie two sites (overlapping columns), or
        None.
    """

    graph: SiteGraph
    codes: Codes
    terms: NDArray[np.int64]
    label: Float | None
    labelled: NDArray[np.bool_]
    picture: NDArray[np.int64]
    extra: Float
    offset: Float | None
    design: Float
    pairs: PairEvidence | None = None

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return self.graph.n_sites

    @property
    def whole(self) -> bool:
        """Whether every site is random."""
        return len(self.terms) == self.graph.n_sites

    def statistics(self, family: LatticeFamily, codes: Codes | None = None) -> Float:
        """Return T of the family and the extra statistics at some codes, shape (d_f + n_extra,)."""
        at = self.codes if codes is None else codes
        sites = np.arange(self.n_sites)
        further = self.extra[:, sites, at].sum(axis=1)
        return np.concatenate([code_statistics(family, self.graph, at), further])


@dataclass(frozen=True, eq=False)
class LatticeData:
    """All pictures, the model's parameters in their terms, and what was noted on the way.

    Attributes
    ----------
    family
        The model.
    groups
        Pictures by conditions.
    variables
        The posterior's variables; their maps have d columns.
    notes
        Warnings met on the way.
    names, kinds
        A name for each of the d parameters, and ``site``, ``pair`` or ``triplet``.
    prior_scale
        float64, shape (d,): factor of the usual prior widths (one over the size of a covariate
        or an applied field that has a unit of its own).
    records
        The snapshots, continued by a latent margin where there is one.
    given
        The snapshots as they were given.
    conditions
        What was made of temperatures and applied fields.
    """

    family: LatticeFamily
    groups: tuple[PictureGroup, ...]
    variables: tuple[Variable, ...]
    notes: tuple[str, ...]
    names: list[str]
    kinds: tuple[str, ...]
    prior_scale: Float
    records: tuple[LatticeSnapshots, ...]
    given: tuple[LatticeSnapshots, ...]
    conditions: Conditions

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.family.model

    @property
    def n_parameters(self) -> int:
        """Number of parameters, d."""
        return len(self.names)

    @property
    def n_sites(self) -> int:
        """Number of sites of all pictures, the rim included."""
        return sum(group.n_sites for group in self.groups)

    @property
    def n_terms(self) -> int:
        """Number of sites that are random."""
        return sum(len(group.terms) for group in self.groups)

    @property
    def uncertain(self) -> bool:
        """Whether any label is not certain, or absent."""
        return any(group.label is not None or group.pairs is not None for group in self.groups)

    @property
    def n_pictures(self) -> int:
        """Number of pictures."""
        return sum(record.n_snapshots for record in self.records)

    @cached_property
    def state_counts(self) -> NDArray[np.int64]:
        """Random sites in each state, by their likeliest labels, shape (q,)."""
        q = self.family.n_states
        return np.sum(
            [np.bincount(group.codes[group.terms], minlength=q) for group in self.groups], axis=0
        )

    @property
    def minority(self) -> int:
        """Random sites in the second most frequent state."""
        return int(np.sort(self.state_counts)[-2])

    def observed(self) -> Float:
        """Return the sufficient statistics of theta, sum of design^T T, shape (d,).

        Examples
        --------
        >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
        >>> from physlearn.inference.lattice_family import lattice_family
        >>> picture = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), rng=1)
        >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
        >>> bool(data.observed()[0] == picture.states.sum())
        True
        """
        parts = [group.design.T @ group.statistics(self.family) for group in self.groups]
        return np.asarray(np.sum(parts, axis=0))


def code_statistics(family: LatticeFamily, graph: SiteGraph, codes: Codes) -> Float:
    """Return T of one picture's codes (n_sites,), shape (d_f,), by counting kinds of bonds.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> from physlearn.inference.lattice_family import lattice_family
    >>> family = lattice_family("ising", (-1, 1), 1)
    >>> code_statistics(family, square_lattice((4, 4)), np.ones(16, np.uint8)).tolist()
    [16.0, 32.0]
    """
    q, n_shells = family.n_states, family.n_shells
    at = np.asarray(codes, np.int64)
    out = family.site @ np.bincount(at, minlength=q)
    if n_shells:
        kept = slice(None) if graph.n_shells <= n_shells else graph.shell < n_shells
        ends = graph.edges[kept]
        kind = (graph.shell[kept] * q + at[ends[:, 0]]) * q + at[ends[:, 1]]
        counts = np.bincount(kind, weights=graph.multiplicity[kept], minlength=n_shells * q * q)
        out = out + family.pair.reshape(len(out), -1) @ counts
    for number, motif in enumerate(family.motifs):
        a, b, c = at[find_triplets(graph, motif)].T
        counts = np.bincount((a * q + b) * q + c, minlength=q**3)
        out = out + family.triplet[:, number].reshape(len(out), -1) @ counts
    return np.asarray(out, np.float64)


def as_records(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
) -> tuple[LatticeSnapshots, ...]:
    """Return snapshots as records with the same states, or say what came instead."""
    single = isinstance(snapshots, LatticeSnapshots)
    records = (snapshots,) if single else tuple(snapshots) if np.iterable(snapshots) else ()
    if not records or not all(isinstance(record, LatticeSnapshots) for record in records):
        raise InputError(
            "snapshots must be a LatticeSnapshots or a non-empty list of them; make one of an "
            "array of -1 and +1 with LatticeSnapshots(states.reshape(1, -1), "
            "square_lattice(states.shape, periodic=False))."
        )
    values = {record.state_values for record in records}
    if len(values) > 1:
        raise InputError(
            f"snapshots must share one set of state_values; got {', '.join(map(str, values))}."
        )
    return records


def gather_snapshots(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
    family: LatticeFamily,
    *,
    label_noise: float | str | None = None,
    covariates: str | ArrayLike | None = None,
    site_field: ArrayLike | None = None,
    margin: str | int = "auto",
) -> LatticeData:
    """Return all pictures of all snapshots as one data set, checked.

    Parameters
    ----------
    snapshots
        One record or a list, with the states of the family.
    family
        The model; its shells and motifs must exist on every graph.
    label_noise
        Known probability that a label is another state than it says (each other state alike), or
        ``"unknown"``; not with ``label_log_likelihood``.
    covariates
        A field that varies over the picture: ``"gradient"`` (linear in the positions, centred and
        scaled to [-1, 1]), ``"quadratic"``, or an array of shape (n_sites, k) that holds for every
        picture. Adds the variable ``field_gradient``.
    site_field
        A known field of every site, in kT, added to the model's field, shape (n_sites,) (or
        (n_sites, q): log weights of the states).
    margin
        What stands for the crystal around a cut-out: ``"rim"``, sites at the rim are conditioned
        on and only serve as neighbours (exact where labels are certain); a number of layers of
        unseen sites that are summed over; ``"auto"``: the rim where labels are certain, else four
        layers.

    Raises
    ------
    InputError
        For other states than the family's, too few shells, or options that do not fit the data.
    NotIdentified
        For fewer than 10 sites with a complete neighbourhood, or labels on less than half.

    Examples
    --------
    >>> from physlearn.inference.lattice_family import lattice_family
    >>> from physlearn.lattice_models import Potts, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Potts(3, [0.5]), square_lattice((8, 8)), rng=1)
    >>> data = gather_snapshots(picture, lattice_family("potts", (0, 1, 2), 1))
    >>> data.names, data.n_terms
    (['parameter 1', 'parameter 2', 'couplings[1]'], 64)
    """
    given = as_records(snapshots)
    for record in given:
        _check_record(record, family)
    labels = read_labels(given, family.n_states, label_noise)
    notes = list(labels.notes)
    records, more = continue_crystal(given, margin, _reach(family), uncertain=labels.uncertain)
    if any(new is not old for new, old in zip(records, given, strict=True)):
        labels = read_labels(records, family.n_states, label_noise, any_share=True)
    conditions = read_conditions(records, family)
    added = read_covariates(records, family, covariates)
    inside = [
        # a site whose state is open cannot be held fixed: without a margin the crystal ends there
        np.arange(record.graph.n_sites) if labels.uncertain else term_sites(record, _reach(family))
        for record in records
    ]
    n_terms = sum(
        len(terms) * record.n_snapshots for terms, record in zip(inside, records, strict=True)
    )
    if n_terms < LEAST_SITES:
        raise NotIdentified(
            f"snapshots hold {n_terms} sites with a complete neighbourhood; at least "
            f"{LEAST_SITES} are needed. Give a larger picture, more pictures or fewer shells."
        )
    fields = read_site_field(records, family, site_field)
    groups = tuple(
        _group(records, inside, labels, fields, added, conditions, family, number)
        for number in range(len(conditions.members))
    )
    notes += [*more, *conditions.notes]
    for record, terms in zip(records, inside, strict=True):
        notes += _record_notes(record, len(terms))
    variables, names, kinds, scale = _parameters(family, conditions, added)
    return LatticeData(
        family, groups, variables, tuple(dict.fromkeys(notes)), names, kinds, scale, records,
        given, conditions,
    )  # fmt: skip


def _reach(family: LatticeFamily) -> int:
    """Return how many shells the terms need, counting those of the triplets."""
    return max([family.n_shells, *(shell + 1 for motif in family.motifs for shell in motif)])


def _check_record(record: LatticeSnapshots, family: LatticeFamily) -> None:
    if record.state_values != family.state_values:
        raise InputError(
            f"snapshots must have the model's states {family.state_values}; got "
            f"{record.state_values}."
        )
    needed = _reach(family)
    if record.graph.n_shells < needed:
        raise InputError(
            f"n_shells is {needed}, but the graph holds {record.graph.n_shells} shell(s); build "
            "the graph with more shells or ask for fewer."
        )


def _group(
    records: tuple[LatticeSnapshots, ...],
    inside: list[NDArray[np.int64]],
    labels: LabelRows,
    fields: list[Float] | None,
    added: Covariates | None,
    conditions: Conditions,
    family: LatticeFamily,
    number: int,
) -> PictureGroup:
    """Return the pictures of one group as one graph."""
    members = conditions.members[number]
    sizes = [records[r].graph.n_sites for r, _ in members]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    numbers = np.cumsum([0, *(record.n_snapshots for record in records)])
    q = family.n_states
    extra = np.zeros((0, sum(sizes), q))
    if added is not None:
        stacked = np.concatenate([added.values[r] for r, _ in members])
        extra = np.ascontiguousarray(np.multiply.outer(stacked.T, added.direction))
    rows = labels.rows
    return PictureGroup(
        _union([records[r].graph for r, _ in members], starts),
        np.concatenate([labels.codes[r][k] for r, k in members]),
        np.concatenate([inside[r] + s for (r, _), s in zip(members, starts, strict=True)]),
        None if rows is None else np.concatenate([rows[r][k] for r, k in members]),
        np.concatenate([labels.labelled[r][k] for r, k in members]),
        np.repeat([numbers[r] + k for r, k in members], sizes).astype(np.int64),
        extra,
        None if fields is None else np.concatenate([fields[r] for r, _ in members]),
        _design(family, conditions, len(extra), number),
        _pairs(records, members, starts),
    )


def _pairs(
    records: tuple[LatticeSnapshots, ...],
    members: tuple[tuple[int, int], ...],
    starts: NDArray[np.int64],
) -> PairEvidence | None:
    """Return what the intensities say about pairs of sites, where columns overlap."""
    if not any(CROSSTALK in records[r].metadata for r, _ in members):
        return None
    from physlearn.inference.crosstalk import pair_evidence
    from physlearn.inference.lattice_evidence import join_evidence

    parts = [pair_evidence(records[r], k) for r, k in members]
    return join_evidence(
        [
            None if part is None else part.shifted(int(start))
            for part, start in zip(parts, starts, strict=True)
        ]
    )


def _union(graphs: list[SiteGraph], starts: NDArray[np.int64]) -> SiteGraph:
    """Return graphs side by side as one."""
    if len(graphs) == 1:
        return graphs[0]
    radii = {graph.shell_radii for graph in graphs}
    return SiteGraph(
        sum(graph.n_sites for graph in graphs),
        np.concatenate([graph.edges + s for graph, s in zip(graphs, starts, strict=True)]),
        np.concatenate([graph.shell for graph in graphs]),
        np.concatenate([graph.multiplicity for graph in graphs]),
        unit=graphs[0].unit, shell_radii=radii.pop() if len(radii) == 1 else (),
    )  # fmt: skip


def _design(family: LatticeFamily, conditions: Conditions, n_extra: int, number: int) -> Float:
    """Return natural parameters (d_f + n_extra) as a map of theta, for one group."""
    applied = conditions.applied_field
    d_f = family.n_parameters
    design = np.eye(d_f + n_extra, d_f + (applied is not None) + n_extra)
    if applied is not None:
        design[d_f:, d_f:] = np.eye(n_extra, 1 + n_extra, 1)
        design[_field_index(family), d_f] = applied[number]
    return np.asarray(design * conditions.scale[number])


def _field_index(family: LatticeFamily) -> int:
    """Return the parameter whose statistic an applied field multiplies."""
    direction = family.covariate_direction
    return next(
        index for index, row in enumerate(family.site)
        if family.kinds[index] == "site" and np.array_equal(row, direction)
    )  # fmt: skip


def _parameters(
    family: LatticeFamily, conditions: Conditions, added: Covariates | None
) -> tuple[tuple[Variable, ...], list[str], tuple[str, ...], Float]:
    """Return variables, names, kinds and usual widths of all parameters."""
    applied = conditions.applied_field
    k = 0 if added is None else len(added.names)
    further = int(applied is not None) + k
    d_f = family.n_parameters
    variables = [
        Variable(
            one.name, one.dims, one.coords,
            np.concatenate([one.map, np.zeros((*one.map.shape[:-1], further))], axis=-1),
        )
        for one in family.variables
    ]  # fmt: skip
    unit = np.eye(d_f + further)
    scale = np.ones(d_f + further)
    if applied is not None:
        variables.append(Variable("field_response", (), (), unit[d_f]))
        scale[d_f] = 1.0 / np.abs(applied).max()
    if added is not None:
        variables.append(Variable("field_gradient", ("covariate",), (added.names,), unit[-k:]))
        scale[-k:] = 1.0 / added.size
    names = [*family.labels, *(label for one in variables[len(family.variables) :]
                               for label in one.labels())]  # fmt: skip
    return tuple(variables), names, family.kinds + ("site",) * further, scale


def _record_notes(record: LatticeSnapshots, n_terms: int) -> list[str]:
    notes = list(record.warnings)
    n_sites = record.graph.n_sites
    if n_terms < n_sites:
        notes.append(
            f"{n_sites - n_terms} of {n_sites} sites at the rim have neighbours outside the "
            "picture: they serve as neighbours only"
        )
    if record.times is not None and record.n_snapshots > 1:
        notes.append(
            "the pictures follow each other in time and are treated as independent: if they are "
            "not, the error bars are too small"
        )
    return notes
