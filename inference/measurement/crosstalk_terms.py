"""Intensities of overlapping columns as an exponential family of the states.

The intensity of column i is y_i = m_i + noise, m_i = mu(s_i) + tail * sum of mu(s_j) over the
nearest neighbours, with Gaussian noise. With mu(s) = a + b s, s = -1 or +1, log p(y | s) is
quadratic in s: fields of sites, pairs of neighbours, and pairs that share a neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, triu

from physlearn.records import SiteGraph

__all__ = ["N_PAIR_TERMS", "CrosstalkTerms", "natural_terms", "neighbour_matrix"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
N_PAIR_TERMS = 2


@dataclass(frozen=True, slots=True, eq=False)
class CrosstalkTerms:
    """What intensities multiply, two kinds of pairs first and then five sums over sites.

    Attributes
    ----------
    edges, kind, times
        Pairs, which of the two kinds (0 neighbours, 1 sharing a neighbour), and how often.
    sites
        float64, shape (5, n_sites): sum_i sites[k, i] s_i is the k-th statistic.
    constants
        Sums of y^2, y, y z, 1, z, z^2 and of squared multiplicities over the measured sites: what
        does not depend on the states.
    """

    edges: Int
    kind: Int
    times: Int
    sites: Float
    constants: Float

    @classmethod
    def of(cls, intensity: Float, graph: SiteGraph) -> CrosstalkTerms:
        """Return the terms of one picture, shape (n_sites,), NaN where nothing was measured."""
        seen = np.isfinite(intensity)
        y = np.where(seen, intensity, 0.0)
        around = neighbour_matrix(graph)
        z = np.asarray(around.sum(axis=1)).ravel()
        measured = seen.astype(np.float64)
        half = csr_matrix((around[seen]).T @ around[seen])
        shared = triu(half, 1).tocoo()
        own = diags(measured) @ around
        both = triu(csr_matrix(own + own.T), 1).tocoo()
        sites = np.stack([
            y, around @ y, measured, measured * z + around @ measured, around @ (measured * z)
        ])  # fmt: skip
        constants = np.array([
            np.sum(y**2), y.sum(), y @ z, measured.sum(), measured @ z, measured @ z**2,
            half.diagonal().sum(),
        ])  # fmt: skip
        return cls(
            np.concatenate([np.stack([m.row, m.col], axis=1) for m in (both, shared)]).astype(
                np.int64
            ),
            np.repeat([0, 1], [both.nnz, shared.nnz]).astype(np.int64),
            np.concatenate([both.data, shared.data]).astype(np.int64),
            sites,
            constants,
        )

    def statistics(self, spins: Float) -> Float:
        """Return the seven statistics of states -1 and +1, (n_sites, R), shape (R, 7)."""
        products = spins[self.edges[:, 0]] * spins[self.edges[:, 1]]
        pairs = [(self.times * (self.kind == kind)) @ products for kind in range(N_PAIR_TERMS)]
        return np.column_stack([*pairs, *(self.sites @ spins)])

    def site_field(self, psi: Float) -> Float:
        """Return the field of every site, half the log-likelihood ratio of +1, (n_sites,)."""
        return np.asarray(natural_terms(psi)[N_PAIR_TERMS:] @ self.sites)

    def log_constant(self, psi: Float) -> float:
        """Return the part of log p(intensities | states) that no state enters."""
        a, b, tail, noise = _center(psi)
        yy, y, yz, n, z, zz, squares = self.constants
        square = yy - 2 * a * (y + tail * yz) + a**2 * (n + 2 * tail * z + tail**2 * zz)
        square += b**2 * (n + tail**2 * squares)
        return float(-square / (2 * noise**2) - n * np.log(noise) - n * np.log(2 * np.pi) / 2)


def neighbour_matrix(graph: SiteGraph) -> csr_matrix:
    """Return how often sites are nearest neighbours, sparse, shape (n_sites, n_sites)."""
    near = graph.shell == 0
    times = np.tile(graph.multiplicity[near].astype(np.float64), 2)
    rows, columns = np.concatenate([graph.edges[near], graph.edges[near][:, ::-1]]).T
    return csr_matrix((times, (rows, columns)), shape=(graph.n_sites, graph.n_sites))


def natural_terms(psi: Float) -> Float:
    """Return what multiplies the seven statistics at psi = (level -, level +, tail, log noise).

    Examples
    --------
    >>> natural_terms(np.array([-1.0, 1.0, 0.0, 0.0]))[[0, 1, 2]].tolist()
    [-0.0, -0.0, 1.0]
    """
    a, b, tail, noise = _center(psi)
    scale = b / noise**2
    return np.array([
        -b * tail, -b * tail**2, 1.0, tail, -a, -a * tail, -a * tail**2
    ]) * scale  # fmt: skip


def _center(psi: Float) -> tuple[float, float, float, float]:
    low, high, tail, log_noise = (float(value) for value in psi)
    return (low + high) / 2, (high - low) / 2, tail, float(np.exp(log_noise))
