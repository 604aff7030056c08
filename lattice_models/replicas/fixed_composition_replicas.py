"""Many independent replicas whose numbers of each state never change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.replicas.fixed_composition_kernels import (
    ExchangeWeights,
    Parts,
    exchange_replica_sweeps,
)
from physlearn.lattice_models.replicas.replica_layout import checked_sites, partner_groups
from physlearn.lattice_models.replicas.state_replicas import StateReplicas
from physlearn.lattice_models.replicas.term_replicas import TermReplicas
from physlearn.records import SiteGraph

__all__ = ["ExchangeReplicas"]

Int64 = NDArray[np.int64]


class ExchangeReplicas:
    """Independent copies of a lattice of q states at fixed composition, each with its own energies.

    p ~ exp(-E) over the states that have the start's numbers of each state within every part (a
    picture), E as in ``StateReplicas`` and, for two states, with the triplets of ``TermReplicas``.
    A sweep offers every site in turn an exchange with a random site of its part at any distance
    (Kawasaki 1966, doi:10.1103/PhysRev.145.224, not only of neighbours), which each replica takes
    with the heat bath's chance 1 / (1 + exp(cost)); the pair is the same in all replicas.

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
        Seed or generator, for the lanes and the pairs.
    sites
        The sites that may change; the others stay as they started. None stands for all.
    parts
        A number for every site, shape (n_sites,): sites exchange within their part. None stands
        for one part.
    extra
        Statistics of single sites, shape (n_extra, n_sites, q).
    motifs
        For two states: three shells each, of the triplets with an energy.

    Raises
    ------
    InputError
        As ``StateReplicas`` and ``TermReplicas``, and for parts of another shape.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> start = np.arange(16) % 3
    >>> copies = ExchangeReplicas(square_lattice((4, 4)), 1, 3, start, 8, np.random.default_rng(1))
    >>> copies.sweep([-0.5 * np.eye(3)], 10)
    >>> [int((column == 2).sum()) for column in copies.states.T]
    [5, 5, 5, 5, 5, 5, 5, 5]
    """

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        n_states: int,
        start: ArrayLike,
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: Int64 | None = None,
        *,
        parts: ArrayLike | None = None,
        extra: ArrayLike | None = None,
        motifs: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        n_sites = graph.n_sites
        self.copies: TermReplicas | StateReplicas
        if check_count("n_states", n_states, 2) == 2:
            self.copies = TermReplicas(
                graph, n_shells, motifs, start, n_replicas, rng, sites, extra
            )
        elif motifs:
            raise InputError(f"motifs need two states; got {n_states} states.")
        else:
            self.copies = StateReplicas(
                graph, n_shells, n_states, start, n_replicas, rng, sites, extra
            )
        self.n_replicas = self.copies.n_replicas
        given = np.zeros(n_sites, np.int64) if parts is None else parts
        given = check_array("parts", given, shape=(n_sites,), dtype=np.int64)
        _, part = np.unique(given, return_inverse=True)
        part = part.reshape(-1).astype(np.int64)
        chosen = np.unique(checked_sites(sites, n_sites))
        members = chosen[np.argsort(part[chosen], kind="stable")]
        member_start = np.searchsorted(part[members], np.arange(part.max() + 2)).astype(np.int64)
        self._parts = Parts(part, member_start, members)
        # the copies' own lanes go on, after which the generator gives the stream of pairs
        generator = np.random.default_rng(self.copies.lanes.ravel())
        self._common = seed_words(generator, (2,))
        planes, width = n_states - 1, self.copies.memory.shape[-1]
        self._old = np.zeros((2, planes, width), np.uint8)
        self._count = np.zeros((planes, width), np.uint8)

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, and with them the composition, as ``start`` does."""
        self.copies.restart(codes)

    @property
    def states(self) -> NDArray[np.uint8]:
        """A copy of the codes, shape (n_sites, n_replicas)."""
        return self.copies.states.view(np.uint8)

    def sweep(
        self,
        pair_energy: ArrayLike,
        n_sweeps: int,
        offset: ArrayLike = 0.0,
        *,
        triplet_energy: ArrayLike | None = None,
        extra_energy: ArrayLike | None = None,
    ) -> None:
        """Offer every site ``n_sweeps`` exchanges.

        Parameters
        ----------
        pair_energy
            In kT, shape (n_shells, q, q) or (n_replicas, n_shells, q, q), symmetric in both states.
        n_sweeps
            How often.
        offset
            Energies of sites, shape (n_sites, q).
        triplet_energy, extra_energy
            As in ``TermReplicas``.

        Raises
        ------
        InputError
            As ``StateReplicas.sweep`` and ``TermReplicas.sweep``.
        """
        n_sweeps = check_count("n_sweeps", n_sweeps, 0)
        copies = self.copies
        if isinstance(copies, TermReplicas):
            term = copies.weights(np.zeros(2), pair_energy, offset, triplet_energy, extra_energy)
            active, unlike, bend, partners = term.active, term.unlike, term.bend, copies.partners
            base, slope = term.base[:, None], term.slope[:, None, None]
            known, weight, value = term.offset[:, None], term.weight, copies.value[..., None]
        else:
            if triplet_energy is not None:
                raise InputError("triplet_energy needs two states.")
            state = copies.weights(np.zeros(copies.n_states), pair_energy, offset, extra_energy)
            base, slope, known, weight = state.base, state.slope, state.offset, state.weight
            value = copies.value
            active, unlike = np.ones(len(base), np.uint8), False
            bend = np.zeros((0, base.shape[-1]), np.float32)
            partners = partner_groups([], copies.graph.n_sites)
        weights = ExchangeWeights(
            active, unlike, base, slope, bend, known, weight, value.astype(np.float32)
        )
        exchange_replica_sweeps(
            self.copies.memory.reshape(len(copies.memory), *self._count.shape), copies.words,
            copies.sites, self._parts, copies.groups, partners, weights, n_sweeps, copies.lanes,
            self._common, self._old, self._count, self._count.reshape(-1).view(np.uint64),
        )  # fmt: skip
