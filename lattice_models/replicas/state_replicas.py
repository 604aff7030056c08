"""Many independent replicas of one lattice of q states, each at its own energies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.hamiltonians.energy_terms import check_shells
from physlearn.lattice_models.replicas.pair_replicas import TILE, neighbour_groups
from physlearn.lattice_models.replicas.replica_layout import (
    checked_offset,
    checked_sites,
    energies_by_replica,
    fill_codes,
    make_lanes,
    make_runs,
)
from physlearn.lattice_models.replicas.state_replica_kernels import (
    StateWeights,
    state_replica_statistics,
    state_replica_sweeps,
)
from physlearn.lattice_models.replicas.state_score_kernels import state_scores
from physlearn.records import SiteGraph
from physlearn.records.storage import short_repr

__all__ = ["StateReplicas"]

Float = NDArray[np.float64]
Single = NDArray[np.float32]
MOST_STATES = 127
LARGEST_BOND_RUN = 125
TO_EXPONENT = 1.0 / np.log(2.0)


class StateReplicas:
    """Independent copies of a lattice of q states, each with its own energies.

    Heat bath on any graph, site after site, p ~ exp(-E) with, codes a = 0..q-1,

    E = sum_i site_energy[a_i] + sum_bonds pair_energy[shell, a_i, a_j]
    + sum_i sum_k extra_energy[k] extra[k, i, a_i],

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
    extra
        Statistics of single sites, shape (n_extra, n_sites, q).

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

    __repr__ = short_repr

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        n_states: int,
        start: ArrayLike,
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: NDArray[np.int64] | None = None,
        extra: ArrayLike | None = None,
    ) -> None:
        if check_count("n_states", n_states, 2) > MOST_STATES:
            raise InputError(f"n_states must be at most {MOST_STATES}; got {n_states}.")
        check_count("n_replicas", n_replicas, 1)
        check_shells(graph, check_count("n_shells", n_shells, 1), "n_shells")
        self.graph, self.n_shells, self.n_states = graph, n_shells, n_states
        self.n_replicas = n_replicas
        n_sites = graph.n_sites
        self.sites = checked_sites(sites, n_sites)
        self.extra = check_array(
            "extra", np.zeros((0, n_sites, n_states)) if extra is None else extra,
            shape=(None, n_sites, n_states), allow_empty=True,
        )  # fmt: skip
        self.value = np.ascontiguousarray(self.extra[..., 1:] - self.extra[..., :1])
        self.groups = neighbour_groups(bond_table(graph, n_shells), n_sites)
        keep = graph.shell < n_shells
        shell, times = graph.shell[keep], graph.multiplicity[keep]
        self._runs = make_runs(graph.edges[keep], shell, times, LARGEST_BOND_RUN)
        self._n_bonds = np.bincount(shell, times, n_shells)
        width = -(-n_replicas // TILE) * TILE
        self.memory = np.zeros((n_sites + 1, n_states - 1, width), np.uint8)
        self.restart(start)
        self.lanes = make_lanes(rng, width)
        self._count = np.zeros((n_states - 1, width), np.uint8)

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, shape (n_sites,) for all copies or (n_sites, n_replicas)."""
        wide = fill_codes(codes, self.graph.n_sites, self.n_replicas, self.n_states)
        for b in range(1, self.n_states):
            self.memory[:-1, b - 1, : self.n_replicas] = wide == b

    @property
    def states(self) -> NDArray[np.int8]:
        """A copy of the codes, shape (n_sites, n_replicas)."""
        codes = np.zeros((self.graph.n_sites, self.n_replicas), np.int8)
        for b in range(1, self.n_states):
            codes += np.int8(b) * self.memory[:-1, b - 1, : self.n_replicas].view(np.int8)
        return codes

    @property
    def words(self) -> NDArray[np.uint64]:
        """The memory of the states as words of eight replicas."""
        return self.memory.reshape(-1).view(np.uint64)

    def sweep(
        self,
        site_energy: ArrayLike,
        pair_energy: ArrayLike,
        n_sweeps: int,
        offset: ArrayLike = 0.0,
        *,
        extra_energy: ArrayLike | None = None,
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
        extra_energy
            What multiplies each extra statistic, shape (n_extra,) or (n_replicas, n_extra). None
            stands for zeros.

        Raises
        ------
        InputError
            For energies of another shape, not finite or not symmetric, or sweeps that are no whole
            number.
        """
        n_sweeps = check_count("n_sweeps", n_sweeps, 0)
        weights = self.weights(site_energy, pair_energy, offset, extra_energy)
        state_replica_sweeps(
            self.memory, self.words, self.sites, self.groups, weights,
            self.value.astype(np.float32), n_sweeps, self.lanes, self._count,
            self._count.reshape(-1).view(np.uint64),
        )  # fmt: skip

    def weights(
        self,
        site_energy: ArrayLike,
        pair_energy: ArrayLike,
        offset: ArrayLike,
        extra_energy: ArrayLike | None,
    ) -> StateWeights:
        """Return the log weights of ``state_replica_sweeps`` for the energies of ``sweep``."""
        q = self.n_states
        site = self._wide("site_energy", site_energy, (q,))
        pair = self._wide("pair_energy", pair_energy, (self.n_shells, q, q))
        weight = self._wide("extra_energy", extra_energy, (len(self.extra),))
        if not np.array_equal(pair, pair.swapaxes(1, 2)):
            raise InputError("pair_energy must be symmetric in its two states.")
        known = checked_offset(offset, (self.graph.n_sites, q))
        groups = self.groups
        rise = pair[:, 1:] - pair[:, :1]  # against state 0: [shell, a - 1, b]
        base = rise[:, :, 0][groups.shell] * groups.times[:, None, None]
        slope = (rise[:, :, 1:] - rise[:, :, :1])[groups.shell] * groups.times[:, None, None, None]
        return StateWeights(
            _exponents(base), _exponents(slope), _exponents(site[1:] - site[:1]),
            _exponents(known[:, 1:] - known[:, :1]), _exponents(weight),
        )  # fmt: skip

    def _wide(self, name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> Float:
        """Return energies with the replicas last."""
        return energies_by_replica(name, values, shape, self.n_replicas, self.memory.shape[2])

    def statistics(self) -> tuple[Float, Float]:
        """Return numbers of states, (n_replicas, q), and of bonds, (n_replicas, n_shells, q, q).

        Bonds, times their multiplicity, are counted in [shell, a, b] and [shell, b, a] where their
        ends are a and b: E = sum_a n_a site_energy[a] + sum over a <= b of n_ab pair_energy[a, b]
        + the energy of the extra statistics.
        """
        return self.sums()[:2]

    def sums(self) -> tuple[Float, Float, Float]:
        """Return what ``statistics`` returns, and the extra ones, shape (n_replicas, n_extra)."""
        planes, width = self.memory.shape[1:]
        n, runs = self.n_replicas, self._runs
        singles = np.zeros((planes, width), np.int64)
        margins = np.zeros((self.n_shells, planes, width), np.int64)
        upper = np.zeros((self.n_shells, planes, planes, width), np.int64)
        extra = np.zeros((len(self.extra), width))
        count = np.zeros(width, np.uint8)
        state_replica_statistics(
            self.memory, self.words, runs.rows, runs.start, runs.group, runs.times, self.value,
            singles, margins, upper, extra, count, count.view(np.uint64),
        )  # fmt: skip
        numbers = np.empty((n, planes + 1))
        numbers[:, 1:] = singles[:, :n].T
        numbers[:, 0] = self.graph.n_sites - numbers[:, 1:].sum(axis=1)
        pairs = np.empty((n, self.n_shells, planes + 1, planes + 1))
        inner = np.moveaxis(upper[..., :n], -1, 0)
        inner = np.triu(inner) + np.triu(inner, 1).swapaxes(2, 3)
        pairs[:, :, 1:, 1:] = inner
        # an end in state b belongs to a bond with one end in b, or, twice, with both
        ends = np.moveaxis(margins[..., :n], -1, 0)
        pairs[:, :, 0, 1:] = ends - inner.sum(axis=3) - np.einsum("rkbb->rkb", inner)
        pairs[:, :, 1:, 0] = pairs[:, :, 0, 1:]
        once = np.triu(pairs[:, :, 1:, 1:]).sum(axis=(2, 3)) + pairs[:, :, 0, 1:].sum(axis=2)
        pairs[:, :, 0, 0] = self._n_bonds - once
        extra += self.extra[..., 0].sum(axis=1)[:, None]
        return numbers, pairs, extra[:, :n].T.copy()

    def scores(
        self, parameters: ArrayLike, site: ArrayLike, pair: ArrayLike, terms: NDArray[np.int64]
    ) -> tuple[Float, Float]:
        """Return gradient and curvature of every replica's log pseudolikelihood.

        Parameters
        ----------
        parameters
            Natural parameters theta, those of the tables and then those of ``extra``, shape
            (d + n_extra,) or (n_replicas, d + n_extra): -E = theta . T.
        site, pair
            Tables of T, shapes (d, q) and (d, n_shells, q, q).
        terms
            The sites whose conditional probabilities are multiplied.

        Returns
        -------
        tuple
            Shapes (n_replicas, d + n_extra) and (n_replicas, d + n_extra, d + n_extra).
        """
        singles, pairs = np.asarray(site, np.float64), np.asarray(pair, np.float64)
        d = len(singles) + len(self.extra)
        theta = self._wide("parameters", parameters, (d,))
        score, curvature = np.zeros_like(theta), np.zeros((d, *theta.shape))
        rise = pairs[:, :, 1:] - pairs[:, :, :1]
        rise[..., 1:] -= rise[..., :1]
        groups = self.groups
        state_scores(
            self.memory, self.words, checked_sites(terms, self.graph.n_sites), groups.group_start,
            groups.entry_start, groups.kind, groups.degree, groups.entry, groups.shell,
            groups.times, np.ascontiguousarray(singles[:, 1:] - singles[:, :1]), rise, self.value,
            theta, score, curvature, self._count, self._count.reshape(-1).view(np.uint64),
        )  # fmt: skip
        for k in range(d):
            curvature[:k, k] = curvature[k, :k]
        n = self.n_replicas
        return score[:, :n].T.copy(), curvature[:, :, :n].transpose(2, 0, 1).copy()


def _exponents(energies: Float) -> Single:
    """Return log weights in units of log 2."""
    return np.ascontiguousarray(-TO_EXPONENT * energies, np.float32)
