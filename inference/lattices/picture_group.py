"""Pictures under the same conditions, as one graph of disjoint parts, and their statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.lattice_models.graphs.triplets import find_triplets
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.measurement.lattice_evidence import PairEvidence

__all__ = ["PictureGroup", "code_statistics"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]


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


def code_statistics(family: LatticeFamily, graph: SiteGraph, codes: Codes) -> Float:
    """Return T of one picture's codes (n_sites,), shape (d_f,), by counting kinds of bonds.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
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
