"""Many independent replicas of two states with pairs, triplets and statistics of single sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.graphs.triplets import find_triplets
from physlearn.lattice_models.hamiltonians.energy_terms import check_shells
from physlearn.lattice_models.replicas.pair_replicas import TILE, neighbour_groups
from physlearn.lattice_models.replicas.replica_layout import (
    checked_offset,
    checked_sites,
    energies_by_replica,
    fill_codes,
    make_lanes,
    make_runs,
    partner_groups,
    with_partners,
)
from physlearn.lattice_models.replicas.term_replica_kernels import (
    TermWeights,
    term_scores,
    term_sweeps,
)
from physlearn.lattice_models.replicas.term_statistic_kernels import term_statistics
from physlearn.records import SiteGraph

__all__ = ["TermReplicas"]

Float = NDArray[np.float64]
Single = NDArray[np.float32]
Int64 = NDArray[np.int64]
LARGEST_BOND_RUN, LARGEST_CORNER_RUN = 125, 80
TO_EXPONENT = 1.0 / np.log(2.0)


class TermReplicas:
    """Independent copies of a lattice of two states, each with its own energies.

    Heat bath on any graph, site after site, p ~ exp(-E) with codes a = 0, 1,

    E = sum_i site[a_i] + sum_bonds pair[shell, a_i, a_j] + sum_triplets triplet[motif, a_i, a_j,
    a_k] + sum_i sum_k extra_energy[k] extra[k, i, a_i],

    each bond counted once, times its multiplicity; triplets are those of ``find_triplets``. The
    log-odds of a site are summed in single precision; given them the probability is that of
    ``Replicas``.

    Parameters
    ----------
    graph
        Sites and bonds.
    n_shells
        Shells with pair energies.
    motifs
        Three shells each, of the triplets with an energy.
    start
        Codes 0 and 1, shape (n_sites,) for all or (n_sites, n_replicas).
    n_replicas
        Number of copies; multiples of 64 cost least.
    rng
        Seed or generator, for the lanes.
    sites
        The sites that are drawn, in this order; the others stay as they started. None draws all.
    extra
        Statistics of single sites, shape (n_extra, n_sites, 2).

    Raises
    ------
    InputError
        For no replicas, more shells than the graph has, a motif that the graph does not hold, or
        a start of another shape or other codes.

    Examples
    --------
    >>> from physlearn.lattice_models import triangular_lattice
    >>> graph, rng = triangular_lattice((4, 4)), np.random.default_rng(1)
    >>> copies = TermReplicas(graph, 1, [(0, 0, 0)], np.zeros(16), 8, rng)
    >>> triplet = np.zeros((1, 2, 2, 2))
    >>> triplet[0, 1, 1, 1] = 0.2
    >>> copies.sweep([0.0, 0.1], [[[0.0, 0.0], [0.0, -0.3]]], 10, triplet_energy=triplet)
    >>> copies.sums()[0].shape
    (8,)
    """

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        motifs: Sequence[tuple[int, int, int]],
        start: ArrayLike,
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: Int64 | None = None,
        extra: ArrayLike | None = None,
    ) -> None:
        check_shells(graph, check_count("n_shells", n_shells, 0), "n_shells")
        self.graph, self.n_shells, self.motifs = graph, n_shells, tuple(motifs)
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        n_sites = graph.n_sites
        self.sites = checked_sites(sites, n_sites)
        shape = (None, n_sites, 2)
        self.extra = check_array(
            "extra", np.zeros((0, n_sites, 2)) if extra is None else extra, shape=shape,
            allow_empty=True,
        )  # fmt: skip
        triplets = [find_triplets(graph, motif) for motif in self.motifs]
        self.groups = neighbour_groups(
            with_partners(bond_table(graph, n_shells), triplets, n_shells), n_sites
        )
        self.partners = partner_groups(triplets, n_sites)
        self.value = np.ascontiguousarray(self.extra[..., 1] - self.extra[..., 0])
        keep = graph.shell < n_shells
        self._bond_runs = make_runs(
            graph.edges[keep], graph.shell[keep], graph.multiplicity[keep], LARGEST_BOND_RUN
        )
        corner_motif = np.repeat(np.arange(len(triplets)), [len(rows) for rows in triplets])
        corners = np.concatenate([np.empty((0, 3), np.int64), *triplets])
        self._corner_runs = make_runs(
            corners, corner_motif, np.ones(len(corners), np.int64), LARGEST_CORNER_RUN
        )
        self._numbers = (
            np.bincount(graph.shell[keep], graph.multiplicity[keep], n_shells).astype(np.float64),
            np.bincount(corner_motif, minlength=len(triplets)).astype(np.float64),
        )
        width = -(-self.n_replicas // TILE) * TILE
        self.memory = np.zeros((n_sites + 1, width), np.uint8)
        self.restart(start)
        self.lanes = make_lanes(rng, width)
        self._odds = np.zeros(width, np.float32)
        self._count = np.zeros(width, np.uint8)

    def restart(self, codes: ArrayLike) -> None:
        """Set the codes, shape (n_sites,) for all copies or (n_sites, n_replicas)."""
        n = self.n_replicas
        self.memory[:-1, :n] = fill_codes(codes, self.graph.n_sites, n, 2)

    @property
    def states(self) -> NDArray[np.uint8]:
        """A copy of the codes, shape (n_sites, n_replicas)."""
        return self.memory[:-1, : self.n_replicas].copy()

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
        triplet_energy: ArrayLike | None = None,
        extra_energy: ArrayLike | None = None,
    ) -> None:
        """Draw every site ``n_sweeps`` times.

        Parameters
        ----------
        site_energy
            In kT, shape (2,) or (n_replicas, 2).
        pair_energy
            In kT, shape (n_shells, 2, 2) or (n_replicas, n_shells, 2, 2), symmetric in the states.
        n_sweeps
            How often.
        offset
            Added to the site energy, shape (n_sites, 2).
        triplet_energy
            In kT, shape (n_motifs, 2, 2, 2) or with n_replicas first, the same for every order of
            the states. None stands for zeros.
        extra_energy
            What multiplies each extra statistic, shape (n_extra,) or (n_replicas, n_extra).

        Raises
        ------
        InputError
            For energies of another shape, not finite or not symmetric, or sweeps that are no whole
            number.
        """
        n_sweeps = check_count("n_sweeps", n_sweeps, 0)
        weights = self.weights(site_energy, pair_energy, offset, triplet_energy, extra_energy)
        term_sweeps(
            self.memory, self.words, self.sites, self.groups, self.partners, weights,
            self.value.astype(np.float32), n_sweeps, self.lanes, self._odds, self._count,
            self._count.view(np.uint64),
        )  # fmt: skip

    def weights(
        self,
        site_energy: ArrayLike,
        pair_energy: ArrayLike,
        offset: ArrayLike,
        triplet_energy: ArrayLike | None,
        extra_energy: ArrayLike | None,
    ) -> TermWeights:
        """Return the log-odds of ``term_sweeps`` for the energies of ``sweep``."""
        n_motifs, n_sites = len(self.motifs), self.graph.n_sites
        site = self._wide("site_energy", site_energy, (2,))
        pair = self._wide("pair_energy", pair_energy, (self.n_shells, 2, 2))
        triplet = self._wide("triplet_energy", triplet_energy, (n_motifs, 2, 2, 2))
        weight = self._wide("extra_energy", extra_energy, (len(self.extra),))
        _check_symmetric(pair, triplet)
        known = checked_offset(offset, (n_sites, 2))
        groups = self.groups
        base, slope = _edge_terms(pair)
        corner_base, corner_slope, bend, unlike = _corner_terms(triplet)
        base = np.concatenate([base, corner_base])[groups.shell] * groups.times[:, None]
        slope = np.concatenate([slope, corner_slope])[groups.shell] * groups.times[:, None]
        return TermWeights(
            ((base != 0.0) | (slope != 0.0)).any(axis=1).astype(np.uint8), unlike,
            _exponents(slope), _exponents(base), _exponents(bend), _exponents(site[0] - site[1]),
            _exponents(known[:, 0] - known[:, 1]), _exponents(-weight),
        )  # fmt: skip

    def _wide(self, name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> Float:
        """Return energies with the replicas last."""
        return energies_by_replica(name, values, shape, self.n_replicas, self.memory.shape[1])

    def sums(self) -> tuple[Float, Float, Float, Float]:
        """Return the symmetric sums of n = 0, 1 that the energy is linear in.

        ``n`` (n_replicas,): sum over sites. ``pairs`` (n_replicas, n_shells, 3): number of bonds,
        sums of n + n' and of n n'. ``triplets`` (n_replicas, n_motifs, 4): number, sums of n + n' +
        n'', of the products of two and of three. ``extra`` (n_replicas, n_extra): the statistics.
        """
        width, n = self.memory.shape[1], self.n_replicas
        ups = np.zeros(width, np.int64)
        pairs = np.zeros((self.n_shells, 2, width), np.int64)
        triplets = np.zeros((len(self.motifs), 3, width), np.int64)
        extra = np.zeros((len(self.extra), width))
        counts = np.zeros((3, width), np.uint8)
        bonds, corners = self._bond_runs, self._corner_runs
        term_statistics(
            self.memory, self.words, bonds.rows, bonds.start, bonds.group, bonds.times,
            corners.rows, corners.start, corners.group, self.value, ups, pairs, triplets, extra,
            counts, counts.view(np.uint64),
        )  # fmt: skip
        extra += self.extra[..., 0].sum(axis=1)[:, None]
        return (
            ups[:n].astype(np.float64),
            _with_number(pairs[..., :n], self._numbers[0]),
            _with_number(triplets[..., :n], self._numbers[1]),
            extra[:, :n].T.copy(),
        )

    def scores(
        self,
        parameters: ArrayLike,
        site: ArrayLike,
        pair: ArrayLike,
        triplet: ArrayLike,
        terms: Int64,
    ) -> tuple[Float, Float]:
        """Return gradient and curvature of every replica's log pseudolikelihood.

        Parameters
        ----------
        parameters
            Natural parameters theta, those of the tables and then those of ``extra``, shape
            (n_replicas, d + n_extra): -E = theta . T.
        site, pair, triplet
            Tables of T, shapes (d, 2), (d, n_shells, 2, 2) and (d, n_motifs, 2, 2, 2).
        terms
            The sites whose conditional probabilities are multiplied.

        Returns
        -------
        tuple
            Shapes (n_replicas, d + n_extra) and (n_replicas, d + n_extra, d + n_extra).
        """
        maps = _feature_maps(*(np.asarray(t, np.float64) for t in (site, pair, triplet)))
        n_extra, width = len(self.extra), self.memory.shape[1]
        d = len(maps) + n_extra
        full = np.zeros((d, maps.shape[1] + n_extra))
        full[: len(maps), : maps.shape[1]] = maps
        full[len(maps) :, maps.shape[1] :] = np.eye(n_extra)
        theta = self._wide("parameters", parameters, (d,))
        score, curvature = np.zeros((d, width)), np.zeros((d, d, width))
        term_scores(
            self.memory, self.words, checked_sites(terms, self.graph.n_sites), self.groups,
            self.partners, self.value, len(self.motifs), full, theta, score, curvature,
            self._count, self._count.view(np.uint64),
        )  # fmt: skip
        for k in range(d):
            curvature[:k, k] = curvature[k, :k]
        n = self.n_replicas
        return score[:, :n].T.copy(), curvature[:, :, :n].transpose(2, 0, 1).copy()


def _exponents(values: Float) -> Single:
    """Return log-odds in units of log 2."""
    return np.ascontiguousarray(TO_EXPONENT * values, np.float32)


def _edge_terms(pair: Float) -> tuple[Float, Float]:
    """Return log-odds for a neighbour, and more where it is 1, (n_shells, width) each."""
    base = pair[:, 0, 0] - pair[:, 1, 0]
    return base, 2 * pair[:, 1, 0] - pair[:, 0, 0] - pair[:, 1, 1]


def _corner_terms(triplet: Float) -> tuple[Float, Float, Float, bool]:
    """Return log-odds for a partner, more where it is 1, and for pairs of partners.

    Pairs are counted where both are 1, or where they are unlike, as spares the other terms:
    b c = (b + c - [b != c]) / 2.
    """
    base = triplet[:, 0, 0, 0] - triplet[:, 1, 0, 0]
    slope = triplet[:, 0, 1, 0] - triplet[:, 1, 1, 0] - base
    both = triplet[:, 0, 1, 1] - triplet[:, 1, 1, 1] - base - 2 * slope
    # a triplet has two partners, so that each brings half of the constant
    if not slope.any() or not both.any():
        return base / 2, slope, both, False
    half = slope + both / 2
    if np.abs(half).max() <= 1e-12 * np.abs(slope).max():
        half = np.zeros_like(half)
    return base / 2, half, -both / 2, True


def _feature_maps(site: Float, pair: Float, triplet: Float) -> Float:
    """Return (d, n_features): log-odds by the features of ``term_scores``, for tables of T."""
    columns = [site[:, 1] - site[:, 0]]
    for k in range(pair.shape[1]):
        base = pair[:, k, 1, 0] - pair[:, k, 0, 0]
        columns += [base, pair[:, k, 1, 1] - pair[:, k, 0, 1] - base]
    both = []
    for k in range(triplet.shape[1]):
        table = triplet[:, k]
        base = table[:, 1, 0, 0] - table[:, 0, 0, 0]
        slope = table[:, 1, 1, 0] - table[:, 0, 1, 0] - base
        columns += [base / 2, slope]
        both.append(table[:, 1, 1, 1] - table[:, 0, 1, 1] - base - 2 * slope)
    return np.stack(columns + both, axis=1)


def _check_symmetric(pair: Float, triplet: Float) -> None:
    if not np.array_equal(pair, pair.swapaxes(1, 2)):
        raise InputError("pair_energy must be symmetric in its two states.")
    if not (
        np.array_equal(triplet, triplet.swapaxes(1, 2))
        and np.array_equal(triplet, triplet.swapaxes(2, 3))
    ):
        raise InputError("triplet_energy must be the same for every order of its three states.")


def _with_number(sums: NDArray[np.int64], number: Float) -> Float:
    """Return (n_replicas, n_classes, 1 + orders) with the number of rows first."""
    out = np.empty((sums.shape[2], sums.shape[0], 1 + sums.shape[1]))
    out[..., 0] = number
    out[..., 1:] = sums.transpose(2, 0, 1)
    return out
