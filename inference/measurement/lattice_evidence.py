"""Known terms of log p(measurement | states) that tie two sites, and how a population holds them.

Where columns overlap, what is measured at a site depends on its neighbours' states, too. Such
evidence enters the held model as further shells of bonds whose couplings are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_family import LatticeFamily, lattice_family
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.posteriors.population import ScoredPopulation

__all__ = ["FixedTerms", "PairEvidence", "hold_pairs", "join_evidence"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PairEvidence:
    """Terms of log p(measurement | states): sum over pairs of times table[kind, a, a'].

    Attributes
    ----------
    edges
        int64, shape (n_pairs, 2).
    kind
        int64, shape (n_pairs,): which table.
    times
        int64, shape (n_pairs,): how often the pair counts.
    tables
        float64, shape (n_kinds, q, q), symmetric.

    Examples
    --------
    >>> edges, first, twice = np.array([[0, 1]]), np.array([0]), np.array([2])
    >>> PairEvidence(edges, first, twice, np.eye(2)[None]).shifted(5).edges.tolist()
    [[5, 6]]
    """

    edges: NDArray[np.int64]
    kind: NDArray[np.int64]
    times: NDArray[np.int64]
    tables: Float

    def shifted(self, n_sites: int) -> PairEvidence:
        """Return the same evidence with all sites numbered from ``n_sites``."""
        return replace(self, edges=self.edges + n_sites)


def join_evidence(parts: Sequence[PairEvidence | None]) -> PairEvidence | None:
    """Return the evidence of several pictures as one, each with tables of its own.

    Examples
    --------
    >>> join_evidence([None, None]) is None
    True
    """
    given = [part for part in parts if part is not None]
    if not given:
        return None
    tables: list[Float] = []
    kinds = []
    for part in given:
        own = []
        for table in part.tables:
            same = [index for index, other in enumerate(tables) if np.array_equal(table, other)]
            own.append(same[0] if same else len(tables))
            if not same:
                tables.append(table)
        kinds.append(np.asarray(own, np.int64)[part.kind])
    return PairEvidence(
        np.concatenate([part.edges for part in given]), np.concatenate(kinds),
        np.concatenate([part.times for part in given]), np.array(tables),
    )  # fmt: skip


def hold_pairs(
    family: LatticeFamily, graph: SiteGraph, evidence: PairEvidence
) -> tuple[LatticeFamily, SiteGraph, Float]:
    """Return family and graph with the evidence as further shells, and its natural parameters.

    The new parameters follow those of the family. Two states need tables g s s' + constant (what
    is linear in a state belongs to the evidence of single sites): then the plain Ising model stays
    one, for which the fastest samplers exist.
    """
    q, n_kinds = family.n_states, len(evidence.tables)
    # shells that only a motif names stay, too
    used = max([family.n_shells, *[shell + 1 for motif in family.motifs for shell in motif]])
    kept = graph.shell < used
    wide = SiteGraph(
        graph.n_sites,
        np.concatenate([graph.edges[kept], evidence.edges]),
        np.concatenate([graph.shell[kept], used + evidence.kind]),
        np.concatenate([graph.multiplicity[kept], evidence.times]),
    )  # fmt: skip
    if family.two_state_pairs:
        tables = evidence.tables
        coupling = (tables[:, 0, 0] + tables[:, 1, 1] - 2 * tables[:, 0, 1]) / 4
        if not np.allclose(tables[:, 0, 0], tables[:, 1, 1]):
            raise InputError("evidence must have tables of the form g s s' for two states.")
        held = lattice_family(
            "ising", family.state_values, family.n_shells + n_kinds,
            fixed_composition=family.fixed_composition,
        )  # fmt: skip
        return held, wide, coupling
    d, m = family.n_parameters, len(family.motifs)
    pair = np.zeros((d + n_kinds, used + n_kinds, q, q))
    pair[:d, : family.n_shells] = family.pair
    pair[np.arange(n_kinds) + d, np.arange(n_kinds) + used] = evidence.tables
    held = replace(
        family,
        model="pair",
        site=np.concatenate([family.site, np.zeros((n_kinds, q))]),
        pair=pair,
        triplet=np.concatenate([family.triplet, np.zeros((n_kinds, m, q, q, q))]),
        kinds=(*family.kinds, *["pair"] * n_kinds),
        variables=(),
    )
    return held, wide, np.ones(n_kinds)


class FixedTerms:
    """A population some of whose natural parameters are known: it shows only the others.

    Parameters
    ----------
    population
        With all parameters.
    place
        Where the known ones stand among them.
    value
        What they are.
    """

    def __init__(self, population: ScoredPopulation, place: ArrayLike, value: ArrayLike) -> None:
        self._all, self._value = population, np.asarray(value, np.float64)
        self._place = np.asarray(place, np.int64)
        self._open = np.setdiff1d(np.arange(population.n_parameters), self._place)
        self.n_replicas, self.n_parameters = population.n_replicas, len(self._open)
        self.n_sites, self.dynamics = population.n_sites, population.dynamics
        self.update_seconds = population.update_seconds

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        """Draw every site ``n_sweeps`` times at the open parameters (d,) or (R, d)."""
        self._all.sweep(self._full(natural), n_sweeps)

    def _full(self, natural: ArrayLike) -> Float:
        given = np.asarray(natural, np.float64)
        full = np.empty((*given.shape[:-1], self._all.n_parameters))
        full[..., self._open], full[..., self._place] = given, self._value
        return full

    def statistics(self) -> Float:
        """Return the statistics of the open parameters, shape (R, d)."""
        return self._all.statistics()[:, self._open]

    def scores(self, natural: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        """Return gradient and curvature of the pseudolikelihood in the open parameters."""
        score, bend = self._all.scores(self._full(natural), terms)
        return score[:, self._open], bend[:, self._open][:, :, self._open]

    def codes(self) -> NDArray[np.uint8]:
        """Return a copy of the codes, shape (n_sites, R)."""
        return self._all.codes()

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, shape (n_sites,) or (n_sites, R)."""
        self._all.restart(codes)
