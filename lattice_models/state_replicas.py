"""Many independent replicas of one lattice of q states, each at its own energies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_count
from physlearn.lattice_models.energy_terms import check_shells
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.site_graphs import bond_table
from physlearn.lattice_models.state_replica_kernels import (
    state_replica_statistics,
    state_replica_sweeps,
)
from physlearn.records import SiteGraph

__all__ = ["StateReplicas"]

Float = NDArray[np.float64]
TILE = 64
MOST_STATES = 127


class StateReplicas:
    """Independent copies of a lattice of q states, each with its own energies.

    Heat bath on any graph, site after site, p ~ exp(-E) with, codes a = 0..q-1,

    E = sum_i site_energy[a_i] + sum_bonds pair_energy[shell, a_i, a_j],

    each bond counted once, times its multiplicity. Potts, Blume-Capel, clock and any other pair
    model: the tables of ``hamiltonian.terms(graph)`` fit. Energies are summed in single precision;
    given these sums every probability is within 1e-6 of the formula.

    Parameters
    ----------
    graph
        Sites and bonds.
    n_shells
        Shells with pair energies.
    n_states
        q, 2 to 127.
    start
        Codes, shape (n_sites,) for all or (n_sites, n_replicas).
    n_replicas
        Number of copies; multiples of 64 cost least.
    rng
        Seed or generator, for the lanes.
    sites
        The sites that are drawn; the others stay as they started. None draws all.

    Raises
    ------
    InputError
        For too many states or none, no replicas, more shells than the graph has, or a start of
        another shape or other codes.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> rng = np.random.default_rng(1)
    >>> copies = StateReplicas(square_lattice((4, 4)), 1, 3, np.zeros(16), 8, rng)
    >>> copies.sweep([0.0, 0.1, 0.2], [-0.5 * np.eye(3)], 10)
    >>> copies.states.shape, copies.statistics()[0].shape
    ((16, 8), (8, 3))
    """

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        n_states: int,
        start: ArrayLike,
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: NDArray[np.int64] | None = None,
    ) -> None:
        if check_count("n_states", n_states, 2) > MOST_STATES:
            raise InputError(f"n_states must be at most {MOST_STATES}; got {n_states}.")
        check_count("n_replicas", n_replicas, 1)
        check_shells(graph, check_count("n_shells", n_shells, 1), "n_shells")
        self.graph, self.n_shells, self.n_states = graph, n_shells, n_states
        self.n_replicas = n_replicas
        self.bonds = bond_table(graph, n_shells)
        chosen = np.arange(graph.n_sites) if sites is None else sites
        self.sites = np.ascontiguousarray(chosen, np.int64)
        if np.any((self.sites < 0) | (self.sites >= graph.n_sites)):
            raise InputError(f"sites must lie between 0 and {graph.n_sites - 1}.")
        codes = np.asarray(start)
        shapes = ((graph.n_sites,), (graph.n_sites, n_replicas))
        if codes.shape not in shapes:
            raise InputError(
                f"start must have shape {shapes[0]} or {shapes[1]}; got {codes.shape}."
            )
        wrong = np.argwhere(~np.isin(codes, np.arange(n_states)))
        if len(wrong):
            raise InputError(
                f"start may hold only whole numbers from 0 to {n_states - 1}; entry "
                f"{tuple(wrong[0].tolist())} holds {codes[tuple(wrong[0])]}."
            )
        width = -(-n_replicas // TILE) * TILE
        self._states = np.zeros((graph.n_sites, width), np.uint8)
        self._states[:, :n_replicas] = codes if codes.ndim == 2 else codes[:, None]
        generator = rng if isinstance(rng, np.random.Generator) else as_generator(rng)[0]
        halves = seed_words(generator, (width,)).view(np.uint32).reshape(width, 2)
        self._lanes = np.ascontiguousarray(halves.T)

    @property
    def states(self) -> NDArray[np.int8]:
        """A copy of the codes, shape (n_sites, n_replicas)."""
        return self._states[:, : self.n_replicas].astype(np.int8)

    def sweep(
        self,
        site_energy: ArrayLike,
        pair_energy: ArrayLike,
        n_sweeps: int,
        offset: ArrayLike = 0.0,
    ) -> None:
        """Draw every site ``n_sweeps`` times.

        Parameters
        ----------
        site_energy
            In kT, shape (q,) or (n_replicas, q).
        pair_energy
            In kT, shape (n_shells, q, q) or (n_replicas, n_shells, q, q), symmetric in both states.
        n_sweeps
            How often.
        offset
            Added to the site energy, shape (n_sites, q): random fields, evidence of a picture.

        Raises
        ------
        InputError
            For energies of another shape, not finite or not symmetric, or sweeps that are no whole
            number.
        """
        n_sweeps = check_count("n_sweeps", n_sweeps, 0)
        q = self.n_states
        pairs = self._wide("pair_energy", pair_energy, (self.n_shells, q, q))
        if not np.array_equal(pairs, pairs.swapaxes(1, 2)):
            raise InputError("pair_energy must be symmetric in its two states.")
        extra = np.asarray(offset, np.float64)
        shape = (self.graph.n_sites, q)
        if extra.shape not in ((), shape) or not np.all(np.isfinite(extra)):
            raise InputError(f"offset must be finite, of shape {shape}; got shape {extra.shape}.")
        table = self.bonds
        state_replica_sweeps(
            self._states, self.sites, table.start, table.neighbour, table.shell, table.times, pairs,
            self._wide("site_energy", site_energy, (q,)),
            np.ascontiguousarray(np.broadcast_to(extra / np.log(2.0), shape), np.float32),
            n_sweeps, self._lanes,
        )  # fmt: skip

    def _wide(self, name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return energies in kT log 2 with the replicas last, zero for those that only pad."""
        given = np.asarray(values, np.float64)
        full = (self.n_replicas, *shape)
        if given.shape not in (shape, full) or not np.all(np.isfinite(given)):
            raise InputError(
                f"{name} must be finite, of shape {shape} or {full}; got shape {given.shape}."
            )
        wide = np.zeros((*shape, self._states.shape[1]), np.float32)
        wide[..., : self.n_replicas] = np.moveaxis(
            np.broadcast_to(given / np.log(2.0), full), 0, -1
        )
        return wide

    def statistics(self) -> tuple[Float, Float]:
        """Return numbers of states, (n_replicas, q), and of bonds, (n_replicas, n_shells, q, q).

        Bonds, times their multiplicity, are counted in [shell, a, b] and [shell, b, a] where their
        ends are a and b: E = sum_a n_a site_energy[a] + sum over a <= b of n_ab pair_energy[a, b].
        """
        q, width = self.n_states, self._states.shape[1]
        singles = np.zeros((q, width), np.int64)
        pairs = np.zeros((self.n_shells, q, q, width), np.int64)
        graph = self.graph
        state_replica_statistics(
            self._states, graph.edges, graph.shell, graph.multiplicity, singles, pairs
        )
        ordered = np.triu_indices(q, 1)
        pairs[:, ordered[1], ordered[0]] = pairs[:, ordered[0], ordered[1]]
        n = self.n_replicas
        return (
            singles[:, :n].T.astype(np.float64),
            np.moveaxis(pairs[..., :n], -1, 0).astype(np.float64),
        )
