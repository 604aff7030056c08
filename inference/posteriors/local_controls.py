"""Control variates for the means of statistics: what chance decided at each site.

Given its neighbours a site's mean state is known, m_i = tanh(f_i) for two states. Under the model
the sums over sites of (s_i - m_i) times what s_i multiplies have mean zero, whatever the neighbours
are; and where couplings are weak they carry most of the noise of the statistics' means. Taking them
out by regression leaves less noise at no bias (Hammersley & Handscomb 1964; the conditional means
are those of the pseudolikelihood, Besag 1975, doi:10.2307/2987782).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.records import SiteGraph

__all__ = ["LocalControls", "recentre"]

Float = NDArray[np.float64]
BLOCK = 1 << 20
"""Spins whose local fields are held at once."""


class LocalControls:
    """Sums of mean zero at each replica's own parameters, for two states with pairs.

    Parameters
    ----------
    family
        The plain Ising model: field and couplings.
    graph
        Sites and bonds.
    sites
        Those that are random; None: all.
    offset
        Known log weights, shape (n_sites, 2).
    extra
        Further statistics, shape (n_extra, n_sites, 2), with parameters after the family's.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import square_lattice
    >>> family = lattice_family("ising", (-1, 1), 1)
    >>> controls = LocalControls(family, square_lattice((4, 4)))
    >>> controls(np.ones((16, 2), np.uint8), np.array([[50.0, 0.0], [0.0, 0.0]])).tolist()
    [[0.0, 0.0], [16.0, 64.0]]
    """

    def __init__(
        self,
        family: LatticeFamily,
        graph: SiteGraph,
        sites: NDArray[np.int64] | None = None,
        offset: Float | None = None,
        extra: Float | None = None,
    ) -> None:
        n = graph.n_sites
        self._sites = np.arange(n) if sites is None else np.asarray(sites)
        self._around = []
        for shell in range(family.n_shells):
            here = graph.shell == shell
            ends, times = graph.edges[here], graph.multiplicity[here].astype(np.float32)
            rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
            whole = csr_matrix((np.concatenate([times, times]), (rows, columns)), shape=(n, n))
            self._around.append(whole[self._sites])
        self._has_field = family.n_parameters > family.n_shells
        known = np.zeros((n, 2)) if offset is None else offset
        further = np.zeros((0, n, 2)) if extra is None else extra
        self._known = ((known[:, 1] - known[:, 0]) / 2)[self._sites].astype(np.float32)
        self._slope = ((further[..., 1] - further[..., 0]) / 2)[:, self._sites].astype(np.float32)

    def __call__(self, codes: NDArray[np.uint8], natural: Float) -> Float:
        """Return the sums at codes (n_sites, R) and parameters (R, d), shape (R, d)."""
        n_replicas = codes.shape[1]
        given = np.broadcast_to(natural, (n_replicas, natural.shape[-1]))
        step = max(1, BLOCK // len(codes))
        parts = [
            self._block(codes[:, first : first + step], given[first : first + step])
            for first in range(0, n_replicas, step)
        ]
        return np.concatenate(parts)

    def _block(self, codes: NDArray[np.uint8], natural: Float) -> Float:
        spins = codes.astype(np.float32) * np.float32(2) - np.float32(1)
        theta = natural.astype(np.float32)
        fields = int(self._has_field)
        sums = [around @ spins for around in self._around]
        local = np.broadcast_to(self._known[:, None], (len(self._sites), len(theta))).copy()
        if fields:
            local += theta[:, 0]
        for k, near in enumerate(sums):
            local += near * theta[:, fields + k]
        first = fields + len(sums)
        local += self._slope.T @ theta[:, first:].T
        surplus = spins[self._sites] - np.tanh(local)
        out = np.empty((len(theta), theta.shape[1]))
        if fields:
            out[:, 0] = surplus.sum(axis=0, dtype=np.float64)
        for k, near in enumerate(sums):
            out[:, fields + k] = np.einsum("ir,ir->r", surplus, near, dtype=np.float64)
        out[:, first:] = (self._slope @ surplus).T
        return out


def recentre(trace: Float, controls: Float) -> Float:
    """Return statistics (R, n, d) whose means by replica hold less noise.

    ``controls`` (R, n, m) have mean zero. Each replica's samples are moved together by what the
    regression on the controls says of their mean. The spread about a mean that is no longer the
    samples' own is that of the distribution, n / (n - 1) times theirs.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> chance = rng.standard_normal((50, 10, 1))
    >>> bool(np.abs(recentre(5.0 + chance, chance).mean(axis=1) - 5.0).max() < 1e-6)
    True
    """
    means = controls.mean(axis=1)
    away = (controls - means[:, None]).reshape(-1, controls.shape[2])
    spread = (trace - trace.mean(axis=1, keepdims=True)).reshape(-1, trace.shape[2])
    gram = away.T @ away
    scale = np.sqrt(np.diag(gram))
    scale = np.where(scale > 0, scale, 1.0)
    gram = gram / np.outer(scale, scale) + 1e-9 * np.eye(len(gram))
    slope = np.linalg.solve(gram, (away / scale).T @ spread) / scale[:, None]
    n, total = trace.shape[1], np.sum(spread**2, axis=0)
    left = np.sum((spread - away @ slope) ** 2, axis=0) / np.where(total > 0, total, 1.0)
    wider = np.sqrt((1 - left / n) / (1 - 1 / n)) if n > 1 else np.ones(len(total))
    center = trace.mean(axis=1)
    away_from_it = (trace - center[:, None]) * wider
    return np.asarray((center - means @ slope)[:, None] + away_from_it)
