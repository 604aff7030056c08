"""What every site's state would add to the statistics, given its neighbours: softmax features."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.graphs.triplets import find_triplets
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup

__all__ = ["SiteRows", "Surroundings", "make_surroundings", "rows_of_data", "rows_of_group"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Codes = NDArray[np.uint8]
LEAST_KNOWN = 10


class SiteRows(NamedTuple):
    """Sites with equal surroundings, taken together.

    ``features`` (n, q, d): what state a would add to the statistics of the d parameters;
    ``counts`` (n, q): how many such sites are in state a; ``offset`` (n, q): known log weights.
    """

    features: Float
    counts: Float
    offset: Float

    def score(self, theta: Float) -> tuple[float, Float, Float]:
        """Return log pseudolikelihood, gradient (d,) and negative curvature (d, d)."""
        n, q, d = self.features.shape
        logit = self.features @ theta + self.offset
        top = logit.max(axis=1)
        weight = np.exp(logit - top[:, None])
        total = weight.sum(axis=1)
        share = weight / total[:, None]
        value = float(np.sum(self.counts * (logit - (top + np.log(total))[:, None])))
        sites = self.counts.sum(axis=1)
        gradient = np.tensordot(self.counts - sites[:, None] * share, self.features, 2)
        mean = np.einsum("nq,nqd->nd", share, self.features)
        away = (self.features - mean[:, None]) * np.sqrt(sites[:, None] * share)[:, :, None]
        flat = away.reshape(n * q, d)
        return value, np.asarray(gradient), np.asarray(flat.T @ flat)


class Surroundings(NamedTuple):
    """The bonds and triplets that meet at each of the chosen sites.

    ``owner``, ``neighbour``, ``shell``, ``times``: one entry for each end of a bond; ``corner``,
    ``first``, ``second``, ``motif``: one for each corner of a triplet; owners and corners count
    within ``sites``.
    """

    sites: Int
    owner: Int
    neighbour: Int
    shell: Int
    times: Float
    corner: Int
    first: Int
    second: Int
    motif: Int


def make_surroundings(family: LatticeFamily, graph: SiteGraph, sites: Int) -> Surroundings:
    """Return the bonds and triplets that meet at each of the sites."""
    table = bond_table(graph, family.n_shells)
    place = np.full(graph.n_sites, -1)
    place[sites] = np.arange(len(sites))
    owner = place[np.repeat(np.arange(graph.n_sites), np.diff(table.start))]
    chosen = owner >= 0
    corners: list[tuple[Int, Int, Int, Int]] = []
    for number, motif in enumerate(family.motifs):
        found = find_triplets(graph, motif)
        for turn in range(3):
            one, two, three = np.roll(found, turn, axis=1).T
            kept = place[one] >= 0
            corners.append(
                (place[one[kept]], two[kept], three[kept], np.full(int(kept.sum()), number))
            )
    empty = np.zeros(0, np.int64)
    joined = [np.concatenate(parts) for parts in zip(*corners, strict=True)] or [empty] * 4
    return Surroundings(
        np.asarray(sites, np.int64), owner[chosen], np.asarray(table.neighbour[chosen], np.int64),
        np.asarray(table.shell[chosen], np.int64), table.times[chosen].astype(np.float64), *joined,
    )  # fmt: skip


def _count(around: Surroundings, family: LatticeFamily, codes: Codes) -> Float:
    """Return how many neighbours of each kind every site has, (n, shells q + motifs q q)."""
    q, n = family.n_states, len(around.sites)
    at = codes.astype(np.int64)
    width = family.n_shells * q
    kind = (around.owner * family.n_shells + around.shell) * q + at[around.neighbour]
    counts = np.bincount(kind, weights=around.times, minlength=n * width)
    pairs: Float = counts.astype(np.float64).reshape(n, width)
    if not family.motifs:
        return pairs
    width = len(family.motifs) * q * q
    kind = (around.corner * len(family.motifs) + around.motif) * q + at[around.first]
    kind = kind * q + at[around.second]
    return np.hstack([pairs, np.bincount(kind, minlength=n * width).reshape(n, width)])


def rows_of_group(
    family: LatticeFamily, group: PictureGroup, around: Surroundings, codes: Codes
) -> SiteRows:
    """Return the rows of a group's chosen sites at some codes; equal ones are joined."""
    q, counts = family.n_states, _count(around, family, codes)
    own = codes[around.sites].astype(np.int64)
    plain = group.offset is None and not len(group.extra)
    if plain:
        # Random odd multipliers, wrapping around: two kinds of rows share a key by chance 2^-64
        keys = np.random.default_rng(1).integers(1, 2**62, counts.shape[1]) * 2 + 1
        _, first, row = np.unique(
            counts.astype(np.int64) @ keys, return_index=True, return_inverse=True
        )
        row = row.reshape(-1)
    else:
        first = row = np.arange(len(own))
    kinds = counts[first]
    table = np.bincount(row * q + own, minlength=len(first) * q).reshape(len(first), q)
    d_f, width = family.n_parameters, family.n_shells * q
    features = np.repeat(family.site.T[None], len(first), axis=0)
    pair = family.pair.transpose(1, 3, 2, 0).reshape(width, q * d_f)
    features = features + (kinds[:, :width] @ pair).reshape(-1, q, d_f)
    if family.motifs:
        triplet = family.triplet.transpose(1, 3, 4, 2, 0).reshape(-1, q * d_f)
        features = features + (kinds[:, width:] @ triplet).reshape(-1, q, d_f)
    if len(group.extra):
        further = group.extra[:, around.sites].transpose(1, 2, 0)
        features = np.concatenate([features, further], axis=2)
    offset = np.zeros((len(first), q))
    if group.offset is not None:
        offset = group.offset[around.sites]
    return SiteRows(features @ group.design, table.astype(np.float64), offset)


def known_sites(group: PictureGroup) -> Int:
    """Return the random sites that have a label and whose neighbours all have one.

    Where fewer than 10 do, the neighbours are taken as their placeholders say.
    """
    labelled = group.labelled
    terms = group.terms[labelled[group.terms]]
    bare = np.zeros(group.graph.n_sites, bool)
    ends = group.graph.edges
    np.logical_or.at(bare, ends[:, 0], ~labelled[ends[:, 1]])
    np.logical_or.at(bare, ends[:, 1], ~labelled[ends[:, 0]])
    whole = terms[~bare[terms]]
    return whole if len(whole) >= LEAST_KNOWN else terms


def rows_of_data(data: LatticeData, codes: list[Codes] | None = None) -> list[SiteRows]:
    """Return the rows of every group, at its own codes or at some others."""
    out = []
    for number, group in enumerate(data.groups):
        sites = group.terms if group.labelled.all() else known_sites(group)
        around = make_surroundings(data.family, group.graph, sites)
        at = group.codes if codes is None else codes[number]
        out.append(rows_of_group(data.family, group, around, at))
    return out
