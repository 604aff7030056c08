"""Variance of the pseudolikelihood's score from the picture itself, without simulation.

The score of site i, u_i = f_i(a_i) - E[f_i | neighbours], has mean zero given all other sites. For
sites i and j that are no neighbours u_j does not depend on the state of i, so that E[u_i u_j] = 0:
the variance of the score is the sum over sites and bonds of u_i u_j alone (the argument by which
Guyon 1995, Random Fields on a Network, shows the pseudolikelihood to be asymptotically normal).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.lattice_models.graphs.triplets import find_triplets

__all__ = ["picture_sandwich"]

Float = NDArray[np.float64]


def picture_sandwich(data: LatticeData, theta: Float) -> tuple[Float, Float]:
    """Return curvature H and variance of the score J at theta, shape (d, d) each.

    Labels must be certain and the composition free. J is unbiased; of a small picture it is noisy
    and need not be positive definite.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_data import gather_snapshots
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.0]), square_lattice((64, 64)), rng=1)
    >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    >>> curvature, variance = picture_sandwich(data, np.zeros(2))
    >>> (curvature / 64**2).round().tolist()   # sums of four neighbours: variance four
    [[1.0, 0.0], [0.0, 4.0]]
    >>> bool(abs(variance[1, 1] / 64**2 / 8 - 1) < 0.1)   # each bond counts at both of its ends
    True
    """
    d = data.n_parameters
    curvature, variance = np.zeros((d, d)), np.zeros((d, d))
    for group in data.groups:
        features = _features(data.family, group)
        natural = group.design @ theta
        logit = features @ natural
        if group.offset is not None:
            logit += group.offset
        share = np.exp(logit - logit.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        mean = np.einsum("nq,nqd->nd", share, features)
        score = features[np.arange(group.n_sites), group.codes] - mean
        held = np.ones(group.n_sites, bool)
        held[group.terms] = False
        score[held], share[held] = 0.0, 0.0
        away = (features - mean[:, None]) * np.sqrt(share)[..., None]
        flat = away.reshape(-1, away.shape[-1])
        bend = flat.T @ flat
        ends = _neighbours(data.family, group)
        cross = score[ends[:, 0]].T @ score[ends[:, 1]]
        spread = score.T @ score + cross + cross.T
        curvature += group.design.T @ bend @ group.design
        variance += group.design.T @ spread @ group.design
    return curvature, variance


def _features(family: LatticeFamily, group: PictureGroup) -> Float:
    """Return what each state of each site would add to the statistics, (n_sites, q, d_f + k)."""
    n, q, d_f = group.n_sites, family.n_states, family.n_parameters
    graph, codes = group.graph, group.codes.astype(np.int64)
    out = np.empty((n, q, d_f + len(group.extra)))
    out[:, :, :d_f] = family.site.T
    out[:, :, d_f:] = np.moveaxis(group.extra, 0, -1)
    for k, shell in np.argwhere(family.pair.any(axis=(2, 3))):
        here = graph.shell == shell
        ends, times = graph.edges[here], graph.multiplicity[here]
        for state in range(q):
            gain = family.pair[k, shell, state]
            for own, other in ((0, 1), (1, 0)):
                weight = times * gain[codes[ends[:, other]]]
                out[:, state, k] += np.bincount(ends[:, own], weight, minlength=n)
    for k, number in np.argwhere(family.triplet.any(axis=(2, 3, 4))):
        members = find_triplets(graph, family.motifs[number])
        for own, first, second in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
            table = family.triplet[k, number][
                :, codes[members[:, first]], codes[members[:, second]]
            ]
            for state in range(q):
                out[:, state, k] += np.bincount(members[:, own], table[state], minlength=n)
    return out


def _neighbours(family: LatticeFamily, group: PictureGroup) -> NDArray[np.int64]:
    """Return every pair of sites that share a term of the model, once."""
    graph = group.graph
    pairs = [graph.edges[graph.shell < family.n_shells]]
    for motif in family.motifs:
        members = find_triplets(graph, motif)
        pairs += [members[:, [0, 1]], members[:, [0, 2]], members[:, [1, 2]]]
    if len(pairs) == 1 and family.n_shells <= 1:
        return pairs[0]
    ends = np.sort(np.concatenate(pairs), axis=1)
    key = np.unique(ends[:, 0] * graph.n_sites + ends[:, 1])
    return np.stack([key // graph.n_sites, key % graph.n_sites], axis=1)
