"""Many independent replicas of two states by clusters: fast where correlations are long."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.replicas.cluster_replica_kernels import (
    cluster_replica_sweeps,
    turn_table,
)
from physlearn.lattice_models.replicas.term_replicas import TermReplicas
from physlearn.records import SiteGraph

__all__ = ["ClusterReplicas"]

Float = NDArray[np.float64]
HALF_WORD = 2.0**32
LOG_2 = float(np.log(2.0))


class ClusterReplicas:
    """Independent copies of a lattice of two states with pairs, updated by clusters.

    p ~ exp(-E) with E as in ``TermReplicas`` without triplets. One sweep turns the clusters of
    every copy (Swendsen & Wang 1987, doi:10.1103/PhysRevLett.58.86; a field is one more spin, the
    ghost: Kent-Dobias & Sethna 2018, doi:10.1103/PhysRevE.98.063306) and then draws every site once
    from its heat bath. The two-state model is brought to Ising form first, so that a lattice gas,
    antiferromagnets and fields of sites all have clusters. They shorten the memory where bonds do
    not contradict each other; a strong field, or frustration, leaves the heat bath to do the work.

    Parameters
    ----------
    graph, n_shells, start, n_replicas, rng, sites, extra
        As in ``TermReplicas``.

    Raises
    ------
    InputError
        As ``TermReplicas``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> rng = np.random.default_rng(1)
    >>> copies = ClusterReplicas(square_lattice((8, 8)), 1, np.ones(64), 4, rng)
    >>> copies.sweep([0.0, 0.0], [[[-0.4, 0.4], [0.4, -0.4]]], 5)
    >>> copies.copies.sums()[0].shape
    (4,)
    """

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        start: ArrayLike,
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: NDArray[np.int64] | None = None,
        extra: ArrayLike | None = None,
    ) -> None:
        self.copies = TermReplicas(graph, n_shells, (), start, n_replicas, rng, sites, extra)
        self.n_replicas, n_sites = self.copies.n_replicas, graph.n_sites
        bonds = bond_table(graph, n_shells)
        site = np.repeat(np.arange(n_sites), np.diff(bonds.start))
        shell, times = self.copies.groups.shell, self.copies.groups.times
        number = {(int(s), int(t)): k for k, (s, t) in enumerate(zip(shell, times, strict=True))}
        pairs, of_pair = np.unique(
            np.stack([bonds.shell, bonds.times]), axis=1, return_inverse=True
        )
        kind = np.array([number[int(s), int(t)] for s, t in pairs.T], np.uint32)
        kinds = kind[of_pair.reshape(-1)] if len(kind) else np.zeros(0, np.uint32)
        self._degree = np.zeros((len(shell), n_sites))
        np.add.at(self._degree, (kinds, site), 1.0)
        (later,) = np.nonzero(site > bonds.neighbour)
        # the site before comes first: its root is at hand
        later = later[np.lexsort((bonds.neighbour[later] + 1 != site[later], site[later]))]
        self._start = np.zeros(n_sites + 1, np.uint64)
        counts = np.bincount(site[later], minlength=n_sites)
        self._start[1:] = np.cumsum(counts)
        self._earlier = bonds.neighbour[later].astype(np.uint32)
        self._kind = kinds[later]
        self._follows = np.zeros(n_sites, np.uint8)
        self._follows[site[later][bonds.neighbour[later] + 1 == site[later]]] = 1
        self._changes = np.zeros(n_sites, np.uint8)
        self._changes[self.copies.sites] = 1
        self._chains = np.zeros((self.copies.memory.shape[1], n_sites), np.uint8)
        self._parents = np.zeros(n_sites + 1, np.uint32)
        self._turns = np.zeros(n_sites + 1, np.uint8)
        generator = np.random.default_rng(self.copies.lanes.ravel())
        self._words = seed_words(generator, (self.n_replicas, 2))

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, shape (n_sites,) for all copies or (n_sites, n_replicas)."""
        self.copies.restart(codes)

    @property
    def states(self) -> NDArray[np.uint8]:
        """A copy of the codes, shape (n_sites, n_replicas)."""
        return self.copies.states

    def sweep(
        self,
        site_energy: ArrayLike,
        pair_energy: ArrayLike,
        n_sweeps: int,
        offset: ArrayLike = 0.0,
        *,
        extra_energy: ArrayLike | None = None,
        heat_bath: int = 1,
    ) -> None:
        """Turn all clusters, then draw every site ``heat_bath`` times, ``n_sweeps`` times over.

        Parameters
        ----------
        site_energy, pair_energy, n_sweeps, offset, extra_energy
            As in ``TermReplicas.sweep``.
        heat_bath
            Sweeps of the heat bath after each of clusters.

        Raises
        ------
        InputError
            As ``TermReplicas.sweep``.
        """
        n_sweeps = check_count("n_sweeps", n_sweeps, 0)
        check_count("heat_bath", heat_bath, 0)
        copies, n = self.copies, self.n_replicas
        w = copies.weights(site_energy, pair_energy, offset, None, extra_energy)
        coupling = LOG_2 / 4 * w.slope[:, :n].T.astype(np.float64)
        # log-odds of n = 0, 1 are twice the local field of s = 2 n - 1
        degree_field = LOG_2 / 2 * (w.base[:, :n] + w.slope[:, :n] / 2).T.astype(np.float64)
        chance = -np.expm1(-2.0 * np.abs(coupling))
        for _ in range(n_sweeps):
            turn_table(copies.memory[:-1], self._chains)
            cluster_replica_sweeps(
                self._chains[:n], self._start, self._earlier, self._kind, self._follows,
                np.ceil(chance * HALF_WORD).astype(np.uint64),
                np.ascontiguousarray(coupling < 0).astype(np.uint8),
                LOG_2 / 2 * w.field[:n].astype(np.float64), np.ascontiguousarray(degree_field),
                self._degree, LOG_2 / 2 * w.offset.astype(np.float64),
                np.ascontiguousarray(LOG_2 / 2 * w.weight[:, :n].T.astype(np.float64)),
                copies.value, self._changes, 1, self._parents, self._turns, self._words,
            )  # fmt: skip
            turn_table(self._chains, copies.memory[:-1])
            if heat_bath:
                copies.sweep(site_energy, pair_energy, heat_bath, offset, extra_energy=extra_energy)
