"""Many independent replicas of one lattice, swept together: the workhorse of inference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.replica_kernels import (
    replica_field_sweeps,
    replica_scores,
    replica_statistics,
    replica_table_sweeps,
)
from physlearn.lattice_models.site_graphs import bond_table
from physlearn.records import SiteGraph

__all__ = ["Replicas"]

Float = NDArray[np.float64]
LARGEST_TABLE = 4096
WORD = 4294967296.0


class Replicas:
    """Independent copies of a two-state lattice, each at its own field and couplings.

    Parameters
    ----------
    graph
        Sites and bonds.
    n_shells
        Shells with a coupling.
    start
        States -1 and +1, shape (n_sites,) for all or (n_sites, n_replicas).
    n_replicas
        Number of copies.
    rng
        Seeds the lanes.
    sites
        The sites that are drawn; the others stay as they started. None draws all.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> copies = Replicas(square_lattice((4, 4)), 1, np.ones(16), 8, np.random.default_rng(1))
    >>> copies.sweep(np.array([0.1, 0.2]), 10)
    >>> copies.statistics().shape
    (8, 2)
    """

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        start: NDArray[np.generic],
        n_replicas: int,
        rng: np.random.Generator,
        sites: NDArray[np.int64] | None = None,
    ) -> None:
        self.graph = graph
        self.n_shells = n_shells
        self.bonds = bond_table(graph, n_shells)
        self.sites = np.arange(graph.n_sites) if sites is None else np.asarray(sites, np.int64)
        values = np.asarray(start, dtype=np.int8)
        if values.ndim == 1:
            values = values[:, None]
        self.states = np.ascontiguousarray(np.broadcast_to(values, (graph.n_sites, n_replicas)))
        self.states = self.states.copy()
        self._lanes = seed_words(rng, (2, n_replicas))
        self._radices, self._stride = self._table_layout()

    @property
    def n_replicas(self) -> int:
        """Number of copies."""
        return int(self.states.shape[1])

    def _table_layout(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the largest neighbour sum of each shell and the table step of each neighbour."""
        table = self.bonds
        site = np.repeat(np.arange(self.graph.n_sites), np.diff(table.start))
        largest = np.zeros(self.n_shells, np.int64)
        for shell in range(self.n_shells):
            here = table.shell == shell
            if here.any():
                largest[shell] = np.bincount(site[here], weights=table.times[here]).max()
        strides = np.concatenate([[1], np.cumprod(2 * largest + 1)])
        step = strides[table.shell] * table.times if len(table.shell) else np.empty(0)
        return largest, step.astype(np.int32)

    def sweep(self, parameters: Float, n_sweeps: int, site_field: Float | None = None) -> None:
        """Draw every site ``n_sweeps`` times.

        Parameters
        ----------
        parameters
            Field and couplings, shape (1 + n_shells,) or (n_replicas, 1 + n_shells).
        n_sweeps
            How often.
        site_field
            Added to the field, shape (n_sites,).
        """
        theta = np.broadcast_to(parameters, (self.n_replicas, 1 + self.n_shells))
        table = self.bonds
        n_rows = int(np.prod(2 * self._radices + 1))
        if site_field is None and n_rows <= LARGEST_TABLE:
            replica_table_sweeps(
                self.states, self.sites, table.start, table.neighbour, self._stride,
                self._thresholds(theta, n_rows), n_sweeps, self._lanes,
                np.zeros(self.n_replicas, np.int32),
            )  # fmt: skip
            return
        field = np.broadcast_to(theta[:, 0], self.states.shape)
        if site_field is not None:
            field = field + np.asarray(site_field)[:, None]
        replica_field_sweeps(
            self.states, self.sites, table.start, table.neighbour, table.shell, table.times,
            np.ascontiguousarray(theta[:, 1:].T), np.ascontiguousarray(field), n_sweeps,
            self._lanes, np.zeros(self.n_replicas),
        )  # fmt: skip

    def _thresholds(self, theta: Float, n_rows: int) -> NDArray[np.uint64]:
        """Return 2 ** 32 times the probability of +1 for every neighbour sum and replica."""
        field = np.broadcast_to(theta[:, 0], (n_rows, self.n_replicas)).copy()
        rest = np.arange(n_rows)
        for shell, largest in enumerate(self._radices):
            rest, digit = np.divmod(rest, 2 * largest + 1)
            field += (digit - largest)[:, None] * theta[:, 1 + shell]
        with np.errstate(over="ignore"):
            chance = 1.0 / (1.0 + np.exp(-2.0 * field))
        return np.round(WORD * chance).astype(np.uint64)

    def statistics(self) -> Float:
        """Return sum s and the sums of s s' by shell, shape (n_replicas, 1 + n_shells)."""
        out = np.zeros((self.n_replicas, 1 + self.n_shells))
        graph = self.graph
        replica_statistics(self.states, graph.edges, graph.shell, graph.multiplicity, out)
        return out

    def scores(self, parameters: Float, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        """Return the gradient and curvature of every replica's log pseudolikelihood.

        Shapes (n_replicas, d) and (n_replicas, d, d); ``terms`` are the sites that count.
        """
        d = 1 + self.n_shells
        theta = np.broadcast_to(parameters, (self.n_replicas, d))
        score, curvature = np.zeros((self.n_replicas, d)), np.zeros((self.n_replicas, d, d))
        table = self.bonds
        replica_scores(
            self.states, terms, table.start, table.neighbour, table.shell, table.times,
            np.ascontiguousarray(theta.T), score, curvature,
        )  # fmt: skip
        return score, curvature
