"""From snapshots to what a lattice fit works on: one graph, states, terms and label evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.lattice_models.site_graphs import bond_table
from physlearn.records import LatticeSnapshots, SiteGraph

__all__ = ["LatticeData", "LatticePrior", "gather_snapshots", "term_sites"]

Float = NDArray[np.float64]
LEAST_SITES = 10
SURE = 20.0
"""Half a log-likelihood ratio beyond which a label is certain (1e-17)."""


@dataclass(frozen=True, slots=True)
class LatticePrior:
    """Independent Gaussian priors centred on zero, in kT.

    Attributes
    ----------
    field_sd
        Standard deviation of the field.
    coupling_sd
        Standard deviation of every coupling.

    Examples
    --------
    >>> LatticePrior(coupling_sd=0.2).sds(2).tolist()
    [3.0, 0.2, 0.2]
    """

    field_sd: float = 3.0
    coupling_sd: float = 0.5

    def __post_init__(self) -> None:
        check_positive("field_sd", self.field_sd)
        check_positive("coupling_sd", self.coupling_sd)

    def sds(self, n_shells: int) -> Float:
        """Return the standard deviations of field and couplings, shape (1 + n_shells,)."""
        return np.array([self.field_sd] + [self.coupling_sd] * n_shells)

    @classmethod
    def read(cls, prior: LatticePrior | Mapping[str, float] | None) -> LatticePrior:
        """Return a prior from a record, a mapping of its fields, or None."""
        if isinstance(prior, LatticePrior):
            return prior
        known = {"field_sd", "coupling_sd"}
        if prior is not None and (not isinstance(prior, Mapping) or set(prior) - known):
            raise InputError(
                f"prior must be a LatticePrior or a mapping with field_sd and coupling_sd; "
                f"got {prior!r}."
            )
        return cls(**dict(prior or {}))


@dataclass(frozen=True, slots=True, eq=False)
class LatticeData:
    """All pictures as one graph of disjoint parts.

    Attributes
    ----------
    graph
        The union of the pictures' graphs.
    n_shells
        Shells that are fitted.
    states
        int8, shape (n_sites,), -1 and +1 (the likelier state where labels are uncertain).
    terms
        Sites whose neighbourhood is complete; the others only serve as neighbours.
    evidence
        float64, shape (n_sites,): half the log-likelihood ratio of +1 against -1, or None when
        all labels are certain.
    notes
        Warnings met on the way.
    """

    graph: SiteGraph
    n_shells: int
    states: NDArray[np.int8]
    terms: NDArray[np.int64]
    evidence: Float | None
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every site is a term."""
        return len(self.terms) == self.graph.n_sites


def term_sites(snapshots: LatticeSnapshots, n_shells: int) -> NDArray[np.int64]:
    """Return the sites that count as terms of a conditional likelihood.

    A picture is a cut-out of a larger crystal: sites at its rim have neighbours that nobody saw, so
    they serve as neighbours only. A site is taken for rim when it lies within the largest fitted
    bond length of the convex hull of all positions AND lacks neighbours in some shell (a vacancy
    inside lowers the degree too, but that site's neighbourhood is complete). Without 2-D positions
    a low degree alone decides. All sites are terms on a periodic graph, where all
    degrees are equal, and where ``metadata["boundary"]`` is ``"free"``: the crystal ends there.
    """
    graph = snapshots.graph
    everyone = np.arange(graph.n_sites)
    if snapshots.metadata.get("boundary") == "free" or graph.cell is not None:
        return everyone
    table = bond_table(graph, n_shells)
    site = np.repeat(everyone, np.diff(table.start))
    low = np.zeros(graph.n_sites, bool)
    for shell in range(n_shells):
        here = table.shell == shell
        degree = np.bincount(site[here], weights=table.times[here], minlength=graph.n_sites)
        values, counts = np.unique(degree, return_counts=True)
        low |= degree < values[np.argmax(counts)]
    points = graph.positions
    if points is None or points.shape[1] != 2 or not low.any():
        return everyone[~low]
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except QhullError:
        return everyone[~low]
    depth = -(points @ hull.equations[:, :-1].T + hull.equations[:, -1]).max(axis=1)
    fitted = graph.edges[graph.shell < n_shells]
    reach = np.linalg.norm(points[fitted[:, 0]] - points[fitted[:, 1]], axis=1).max(initial=0.0)
    kept: NDArray[np.int64] = everyone[~(low & (depth < reach))]
    return kept


def gather_snapshots(
    snapshots: LatticeSnapshots | Sequence[LatticeSnapshots],
    n_shells: int,
    label_noise: float | None,
) -> LatticeData:
    """Return all pictures of all snapshots as one data set, checked."""
    records = [snapshots] if isinstance(snapshots, LatticeSnapshots) else list(snapshots)
    if not records or not all(isinstance(record, LatticeSnapshots) for record in records):
        raise InputError(
            "snapshots must be a LatticeSnapshots or a non-empty list of them; make one of an "
            "array of -1 and +1 with LatticeSnapshots(states.reshape(1, -1), "
            "square_lattice(states.shape, periodic=False))."
        )
    if not isinstance(n_shells, int | np.integer) or n_shells < 1:
        raise InputError(f"n_shells must be a whole number of at least 1; got {n_shells!r}.")
    if label_noise is not None and not 0 < label_noise < 0.5:
        raise InputError(f"label_noise must lie between 0 and 0.5; got {label_noise!r}.")
    edges, shell, count, states, terms, evidence = [], [], [], [], [], []
    notes: list[str] = []
    offset = 0
    for record in records:
        graph = record.graph
        _check_record(record, n_shells)
        inside = term_sites(record, n_shells)
        for picture in range(record.n_snapshots):
            edges.append(graph.edges + offset)
            shell.append(graph.shell)
            count.append(graph.multiplicity)
            sites, support = _labels(record, picture, label_noise)
            states.append(sites)
            evidence.append(support)
            terms.append(inside + offset)
            offset += graph.n_sites
        notes += _record_notes(record, len(inside))
    union = SiteGraph(offset, np.concatenate(edges), np.concatenate(shell), np.concatenate(count))
    hard = np.concatenate(states)
    kept = np.concatenate(terms)
    if len(kept) < LEAST_SITES:
        raise NotIdentified(
            f"snapshots hold {len(kept)} sites with a complete neighbourhood; at least "
            f"{LEAST_SITES} are needed. Give a larger picture, more pictures or fewer shells."
        )
    support = np.concatenate(evidence)
    soft, note = _uncertain(hard, support)
    return LatticeData(
        union, int(n_shells), hard, kept, support if soft else None,
        tuple(dict.fromkeys([*notes, *note])),
    )  # fmt: skip


def _check_record(record: LatticeSnapshots, n_shells: int) -> None:
    if len(record.state_values) != 2:
        raise InputError(
            f"snapshots must have two states for this model; got {len(record.state_values)}."
        )
    if record.graph.n_shells < n_shells:
        raise InputError(
            f"n_shells is {n_shells}, but the graph holds {record.graph.n_shells} shell(s); build "
            "the graph with more shells or ask for fewer."
        )


def _labels(
    record: LatticeSnapshots, picture: int, label_noise: float | None
) -> tuple[NDArray[np.int8], Float]:
    """Return states as -1 and +1, and half the log-likelihood ratio of every site."""
    states = np.where(record.states[picture] == record.state_values[1], 1, -1).astype(np.int8)
    if record.label_log_likelihood is not None:
        table = record.label_log_likelihood[picture]
        support = np.clip((table[:, 1] - table[:, 0]) / 2, -SURE, SURE)
    elif label_noise is not None:
        support = states * np.arctanh(1 - 2 * label_noise)
    else:
        support = states * SURE
    if record.observed is not None:
        support = np.where(record.observed[picture], support, 0.0)
    return states, support


def _uncertain(states: NDArray[np.int8], support: Float) -> tuple[bool, list[str]]:
    """Decide whether labels must be summed over; few expected errors change nothing."""
    seen = support != 0
    share = np.clip(expit(2 * support[seen]).mean() if seen.any() else 0.5, 1e-4, 1 - 1e-4)
    logit = 2 * support + np.log(share / (1 - share))
    wrong = float(expit(-np.abs(logit)).sum())
    minority = int(min((states == 1).sum(), (states == -1).sum()))
    notes = []
    if not seen.all():
        notes.append(
            f"{int((~seen).sum())} of {len(seen)} sites have no label: they are hidden, and summed "
            "over as if missing had nothing to do with the state"
        )
    if (~seen).mean() > 0.5:
        raise NotIdentified("snapshots have no label on more than half of the sites.")
    return wrong > 0.05 * np.sqrt(minority + 1), notes


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
    if any(np.ptp(values) > 0 for values in record.conditions.values()):
        notes.append("conditions differ between the pictures and are not used: one Hamiltonian")
    return notes
