"""From snapshots to what a lattice fit works on: graphs, codes, label evidence and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices.group_pictures import describe_parameters, group_pictures
from physlearn.inference.lattices.lattice_conditions import (
    Conditions,
    read_conditions,
    read_covariates,
    read_site_field,
)
from physlearn.inference.lattices.lattice_family import LatticeFamily, Variable
from physlearn.inference.lattices.picture_group import PictureGroup, code_statistics
from physlearn.inference.lattices.picture_overlap import count_independent_pictures
from physlearn.inference.measurement.label_rows import read_labels
from physlearn.inference.measurement.lattice_rim import continue_crystal, term_sites
from physlearn.records import LatticeSnapshots
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "LatticeData",
    "PictureGroup",
    "as_records",
    "code_statistics",
    "gather_snapshots",
    "term_sites",
]

Float = NDArray[np.float64]
LEAST_SITES = 10


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

    __repr__ = short_repr
    _repr_html_ = html_table

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
        counts = [np.bincount(group.codes[group.terms], minlength=q) for group in self.groups]
        return np.asarray(np.sum(counts, axis=0), np.int64)

    @property
    def minority(self) -> int:
        """Random sites in the second most frequent state."""
        return int(np.sort(self.state_counts)[-2])

    def observed(self) -> Float:
        """Return the sufficient statistics of theta, sum of design^T T, shape (d,).

        Examples
        --------
        >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
        >>> from physlearn.inference.lattices.lattice_family import lattice_family
        >>> picture = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), rng=1)
        >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
        >>> bool(data.observed()[0] == picture.states.sum())
        True
        """
        parts = [group.design.T @ group.statistics(self.family) for group in self.groups]
        return np.asarray(np.sum(parts, axis=0))


def as_records(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
) -> tuple[LatticeSnapshots, ...]:
    """Return snapshots as records with the same states, or say what came instead."""
    if isinstance(snapshots, LatticeSnapshots):
        return (snapshots,)
    records = tuple(snapshots) if np.iterable(snapshots) else ()
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
        on and only serve as neighbours (exact, for certain labels only); a number of layers of
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
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
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
    _check_size(records, given, inside, uncertain=labels.uncertain)
    fields = read_site_field(records, family, site_field)
    groups = tuple(
        group_pictures(records, inside, labels, fields, added, conditions, family, number)
        for number in range(len(conditions.members))
    )
    notes += [*more, *conditions.notes]
    for record, terms in zip(records, inside, strict=True):
        notes += _record_notes(record, len(terms))
    variables, names, kinds, scale = describe_parameters(family, conditions, added)
    return LatticeData(
        family, groups, variables, tuple(dict.fromkeys(notes)), names, kinds, scale, records,
        given, conditions,
    )  # fmt: skip


def _reach(family: LatticeFamily) -> int:
    """Return how many shells the terms need, counting those of the triplets."""
    return max([family.n_shells, *(shell + 1 for motif in family.motifs for shell in motif)])


def _check_size(
    records: tuple[LatticeSnapshots, ...],
    given: tuple[LatticeSnapshots, ...],
    inside: list[NDArray[np.int64]],
    *,
    uncertain: bool,
) -> None:
    """Raise where fewer sites than LEAST_SITES were seen and are random."""
    n_terms = sum(
        int((terms < old.graph.n_sites).sum()) * new.n_snapshots
        for terms, new, old in zip(inside, records, given, strict=True)
    )
    if n_terms >= LEAST_SITES:
        return
    if uncertain:
        raise NotIdentified(
            f"snapshots hold {n_terms} sites; at least {LEAST_SITES} are needed. Give a larger "
            "picture or more pictures."
        )
    raise NotIdentified(
        f"snapshots hold {n_terms} sites with a complete neighbourhood; at least {LEAST_SITES} are "
        "needed. Give a larger picture, more pictures or fewer shells; sum over unseen sites "
        "around the picture by margin=4; or, where the crystal ends at the rim, say so by "
        "metadata['boundary'] = 'free'."
    )


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


def _record_notes(record: LatticeSnapshots, n_terms: int) -> list[str]:
    notes = list(record.warnings)
    n_sites = record.graph.n_sites
    if n_terms < n_sites:
        notes.append(
            f"{n_sites - n_terms} of {n_sites} sites at the rim have neighbours outside the "
            "picture: they serve as neighbours only"
        )
    worth = count_independent_pictures(record)
    if worth is not None:
        notes.append(
            "consecutive pictures are more alike than distant ones: "
            f"{record.n_snapshots} pictures are worth about {worth:.2g} independent ones, and as "
            "they are treated as independent, the error bars are too small; leave more time "
            "between pictures"
        )
    elif record.times is not None and record.n_snapshots > 1:
        notes.append(
            "the pictures follow each other in time and are treated as independent: if they are "
            "not, the error bars are too small"
        )
    return notes
