"""Wolff and Swendsen-Wang cluster updates on any graph, for any Hamiltonian with a reflection.

They are exact for bonds of any sign and in any field. They beat single sites by far near a
continuous transition of a ferromagnet (or of an antiferromagnet on two sublattices). Where bonds
compete (spin glasses, antiferromagnets on triangles) clusters soon hold nearly all sites and do not
help, and in a strong field most are refused: use heat bath or tempering there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_count
from physlearn.lattice_models.hamiltonians.energy_terms import Hamiltonian, state_codes
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.cluster_kernels import (
    swendsen_wang_any,
    swendsen_wang_square,
    wolff_any,
    wolff_square,
)
from physlearn.lattice_models.samplers.cluster_tables import cluster_tables
from physlearn.records import SiteGraph
from physlearn.records.storage import short_repr

__all__ = [
    "SwendsenWangEngine", "WolffEngine", "make_swendsen_wang_engine", "make_wolff_engine",
]  # fmt: skip

PILOT_TURNS = 30
PILOT_SWEEPS = 64


class _ClusterEngine:
    """States, tables and random state that both engines hold."""

    __repr__ = short_repr

    def __init__(
        self,
        hamiltonian: Hamiltonian,
        graph: SiteGraph,
        start_states: ArrayLike,
        rng: np.random.Generator,
    ) -> None:
        terms = hamiltonian.terms(graph)
        self.tables = cluster_tables(terms)
        self.state_values = terms.state_values
        values = tuple(int(value) for value in terms.state_values)
        self.codes = state_codes(start_states, values, graph.n_sites).astype(np.int8)
        self.random_state = seed_words(rng, (2,))

    def states(self) -> NDArray[np.int8]:
        """Return the states, int8 of shape (n_sites,), as a fresh array."""
        return self.state_values[self.codes]


class WolffEngine(_ClusterEngine):
    """Single-cluster updates (Wolff 1989, doi:10.1103/PhysRevLett.62.361).

    One sweep is ``clusters_per_sweep`` clusters or one more, at even chances. Their number is fixed
    beforehand, by a pilot run on a copy, to visit about as many sites as there are: a rule that
    counted the sites of the chain itself would stop more often just after large clusters and bias
    the sample. The coin keeps single-site clusters (J = 0) from alternating. In a field a cluster
    flips with the Metropolis chance of its field energy.

    Parameters
    ----------
    hamiltonian
        Ising, lattice gas, Potts, clock, or a pair Hamiltonian whose states are exchanged by
        reflections.
    graph
        Sites and bonds.
    start_states
        Shape (n_sites,).
    rng
        Seeds the chain and its pilot run.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> engine = WolffEngine(
    ...     Ising([0.44]), square_lattice((8, 8)), np.ones(64), np.random.default_rng(1)
    ... )
    >>> engine.sweep(10)
    >>> engine.states().shape
    (64,)
    """

    def __init__(
        self,
        hamiltonian: Hamiltonian,
        graph: SiteGraph,
        start_states: ArrayLike,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(hamiltonian, graph, start_states, rng)
        n_sites = graph.n_sites
        self._queue = np.zeros(n_sites + 4, np.uint32)
        self._stamps = np.zeros(n_sites, np.int64)
        self.counts = np.zeros(2, np.int64)
        self.clusters_per_sweep = 1
        self.clusters_per_sweep = self._pilot(seed_words(rng, (2,)))

    def _pilot(self, words: NDArray[np.uint64]) -> int:
        """Return how many clusters visit about n_sites sites, by a run that is thrown away."""
        kept = self.codes.copy(), self.random_state
        self.random_state = words
        n_sites = len(self.codes)
        half = np.zeros(2, np.int64)
        while self.counts[1] < PILOT_TURNS * n_sites and self.counts[0] < PILOT_TURNS * n_sites:
            self.sweep(PILOT_SWEEPS)
            if self.counts[1] < PILOT_TURNS * n_sites // 2:
                half = self.counts.copy()
        clusters, sites = self.counts - half  # of the later half, nearer to equilibrium
        self.codes, self.random_state = kept
        self.forget()
        # A coin adds half a cluster; clusters given up at once visit one site
        return max(1, round(n_sites * int(clusters) / int(max(sites, clusters)) - 0.5))

    def sweep(self, n: int) -> None:
        """Do ``n`` sweeps."""
        n = check_count("n", n, 0)
        tables, work = self.tables, (self._queue, self.counts, self.random_state)
        if tables.square is not None:
            q = len(self.state_values)
            wolff_square(self.codes, *tables.square, q, self.clusters_per_sweep, n, *work)
            return
        wolff_any(
            self.codes, tables.start, tables.neighbour, tables.offset, tables.thresholds,
            tables.images, tables.movers, tables.n_movers, tables.site_energy, tables.with_field,
            tables.one_way, self.clusters_per_sweep, n, self._queue, self._stamps,
            self.counts, self.random_state,
        )  # fmt: skip

    def mean_cluster_size(self) -> float:
        """Return the mean number of sites of the clusters since ``forget``.

        In a ferromagnet without field its mean is sum_ij <s_i s_j> / N, the susceptibility, with
        less noise than (sum s)^2 / N has: an improved estimator (Wolff 1989). NaN before the first
        cluster.
        """
        clusters, sites = (int(count) for count in self.counts)
        return sites / clusters if clusters else float("nan")

    def forget(self) -> None:
        """Count clusters anew, after burn-in."""
        self.counts[:] = 0
        self._stamps[:] = 0  # they hold numbers of clusters, which begin again

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state, for a checkpoint."""
        return {
            "codes": self.codes.copy(), "random_state": self.random_state.copy(),
            "counts": self.counts.copy(), "clusters_per_sweep": np.array(self.clusters_per_sweep),
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` returned."""
        self.codes[:] = arrays["codes"]
        self.random_state[:] = arrays["random_state"]
        self.counts[:] = arrays["counts"]
        self.clusters_per_sweep = int(arrays["clusters_per_sweep"])
        self._stamps[:] = 0


class SwendsenWangEngine(_ClusterEngine):
    """Updates of all clusters (Swendsen & Wang 1987, doi:10.1103/PhysRevLett.58.86).

    One sweep links all sites and gives every cluster a new state at random: for Potts models with
    like neighbours favoured any of the q colours, for others one reflection, or not, at even
    chances. A field is one more spin, the ghost, to which a site is linked with the chance
    1 - exp(-rise) of its field energy; clusters on the ghost stay (Kent-Dobias & Sethna 2018,
    doi:10.1103/PhysRevE.98.063306).

    Parameters
    ----------
    hamiltonian, graph, start_states, rng
        As in ``WolffEngine``.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> engine = SwendsenWangEngine(
    ...     Ising([0.44], 0.1), square_lattice((8, 8)), np.ones(64), np.random.default_rng(1)
    ... )
    >>> engine.sweep(10)
    >>> engine.states().shape
    (64,)
    """

    def __init__(
        self,
        hamiltonian: Hamiltonian,
        graph: SiteGraph,
        start_states: ArrayLike,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(hamiltonian, graph, start_states, rng)
        self._parents = np.zeros(graph.n_sites + 1, np.uint32)
        self._turns = np.zeros(graph.n_sites + 1, np.int8)
        q = len(self.state_values)
        self._images = self.tables.images
        if self.tables.recolour:  # only says that a colour changes, whichever it becomes
            self._images = ((np.arange(q) + 1) % q).astype(np.int8)[None]

    def sweep(self, n: int) -> None:
        """Do ``n`` sweeps."""
        n = check_count("n", n, 0)
        tables, q = self.tables, len(self.state_values)
        if tables.square is not None:
            swendsen_wang_square(self.codes, *tables.square, q, n, self._parents, self.random_state)
            return
        swendsen_wang_any(
            self.codes, tables.earlier_start, tables.earlier, tables.earlier_offset,
            tables.thresholds, self._images, tables.recolour, tables.site_energy,
            tables.with_field, n,
            self._parents, self._turns, self.random_state,
        )  # fmt: skip

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state, for a checkpoint."""
        return {"codes": self.codes.copy(), "random_state": self.random_state.copy()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` returned."""
        self.codes[:] = arrays["codes"]
        self.random_state[:] = arrays["random_state"]


def make_wolff_engine(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    start_states: NDArray[np.int8],
    rng: np.random.Generator,
) -> WolffEngine:
    """Return the engine of ``method="wolff"``; see ``WolffEngine``.

    Raises
    ------
    InputError
        As in ``cluster_tables``: for triplets, or for energies without reflections.

    Examples
    --------
    >>> from physlearn.lattice_models import Potts, square_lattice
    >>> lattice, rng = square_lattice((8, 8)), np.random.default_rng(1)
    >>> make_wolff_engine(Potts(3, [1.0]), lattice, np.zeros(64, np.int8), rng).states().max()
    np.int8(0)
    """
    return WolffEngine(hamiltonian, graph, start_states, rng)


def make_swendsen_wang_engine(
    hamiltonian: Hamiltonian,
    graph: SiteGraph,
    start_states: NDArray[np.int8],
    rng: np.random.Generator,
) -> SwendsenWangEngine:
    """Return the engine of ``method="swendsen_wang"``; see ``SwendsenWangEngine``.

    Raises
    ------
    InputError
        As in ``cluster_tables``: for triplets, or for energies without reflections.

    Examples
    --------
    >>> from physlearn.lattice_models import Potts, square_lattice
    >>> lattice, rng = square_lattice((8, 8)), np.random.default_rng(1)
    >>> make_swendsen_wang_engine(Potts(3, [1.0]), lattice, np.zeros(64, np.int8), rng).states()[0]
    np.int8(0)
    """
    return SwendsenWangEngine(hamiltonian, graph, start_states, rng)
