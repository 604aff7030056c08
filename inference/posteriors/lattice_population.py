"""Populations of lattice models: many copies, each at its own natural parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.posteriors.population import Population, ScoredPopulation
from physlearn.lattice_models.replicas.cluster_replicas import ClusterReplicas
from physlearn.lattice_models.replicas.fixed_composition_replicas import ExchangeReplicas
from physlearn.lattice_models.replicas.pair_replicas import Replicas
from physlearn.lattice_models.replicas.replica_layout import fill_codes
from physlearn.lattice_models.replicas.state_replicas import StateReplicas
from physlearn.lattice_models.replicas.term_replicas import TermReplicas
from physlearn.records import SiteGraph

__all__ = ["Population", "make_population", "permuted_codes", "term_statistics"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
DYNAMICS = ("auto", "heat_bath", "clusters")
# tables at 00, 01, 10, 11 -> the coefficients of 1, n + n' and n n'; likewise of three states
PAIR_POLYNOMIAL = np.array([[1.0, -1.0, 1.0], [0.0, 1.0, -2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
TRIPLET_POLYNOMIAL = np.zeros((8, 4))
TRIPLET_POLYNOMIAL[[0, 1, 3, 7]] = [
    [1.0, -1.0, 1.0, -1.0], [0.0, 1.0, -2.0, 3.0], [0.0, 0.0, 1.0, -3.0], [0.0, 0.0, 0.0, 1.0]
]  # fmt: skip


def make_population(
    family: LatticeFamily,
    graph: SiteGraph,
    start: ArrayLike,
    n_replicas: int,
    rng: np.random.Generator,
    *,
    sites: NDArray[np.int64] | None = None,
    offset: ArrayLike | None = None,
    extra: ArrayLike | None = None,
    parts: ArrayLike | None = None,
    dynamics: str = "auto",
) -> ScoredPopulation:
    """Return a population of a lattice model on a graph.

    Parameters
    ----------
    family
        The model.
    graph
        Sites and bonds.
    start
        Codes 0 to q - 1, shape (n_sites,) for all copies or (n_sites, n_replicas).
    n_replicas
        Number of copies; multiples of 64 cost least.
    rng
        For the copies' own generators.
    sites
        The sites that are drawn; the others stay as they started. None draws all.
    offset
        Known terms added to log p, shape (n_sites, q).
    extra
        Further statistics T_k(s) = sum_i extra[k, i, a_i], shape (n_extra, n_sites, q), whose
        natural parameters follow those of the family.
    parts
        Which picture a site belongs to, shape (n_sites,); compositions are fixed within each.
    dynamics
        What a sweep does. At fixed composition it always offers every site an exchange.
        ``heat_bath`` and ``auto`` draw every site once. ``clusters``, which pays where the heat
        bath's memory is long: of two states with pairs it turns all clusters and then draws every
        site once, at 10 to 20 times the cost; other models have none here and keep the heat bath.
        The population's ``dynamics`` says which it became.

    Raises
    ------
    InputError
        For codes, offsets or statistics of another shape, or a fixed composition without
        ``parts``.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import square_lattice
    >>> copies = make_population(
    ...     lattice_family("ising", (-1, 1), 1), square_lattice((4, 4)), np.ones(16), 8,
    ...     np.random.default_rng(1),
    ... )
    >>> copies.sweep([0.1, 0.2], 10)
    >>> copies.statistics().shape
    (8, 2)
    """
    check_choice("dynamics", dynamics, DYNAMICS)
    n, q = graph.n_sites, family.n_states
    known = np.zeros((n, q)) if offset is None else check_array("offset", offset, shape=(n, q))
    further = (
        np.zeros((0, n, q)) if extra is None
        else check_array("extra", extra, shape=(None, n, q), allow_empty=True)
    )  # fmt: skip
    given = (family, graph, start, n_replicas, rng, sites, known, further)
    if family.fixed_composition:
        if parts is None:
            raise InputError(
                "parts must say which picture each site belongs to where the composition is fixed; "
                "give zeros for one picture."
            )
        return _ExchangePopulation(*given, parts=parts)
    if dynamics == "clusters" and q == 2 and not family.motifs:
        return _ClusterPopulation(*given)
    if family.two_state_pairs and not len(further):
        return _IsingPopulation(*given)
    return _TermPopulation(*given) if q == 2 else _StatePopulation(*given)


def permuted_codes(
    codes: ArrayLike, parts: ArrayLike, n_replicas: int, rng: np.random.Generator
) -> Codes:
    """Return random codes with the composition of ``codes`` in every part, (n_sites, n_replicas).

    Parameters
    ----------
    codes
        Codes, shape (n_sites,).
    parts
        Which picture a site belongs to, shape (n_sites,).
    n_replicas
        How many.
    rng
        For the permutations.

    Examples
    --------
    >>> permuted_codes([0, 1, 1], [0, 0, 1], 4, np.random.default_rng(1)).sum(axis=0).tolist()
    [2, 2, 2, 2]
    """
    given, picture = np.asarray(codes, np.uint8), np.asarray(parts)
    out = np.empty((len(given), n_replicas), np.uint8)
    for part in np.unique(picture):
        (here,) = np.nonzero(picture == part)
        out[here] = rng.permuted(np.repeat(given[here, None], n_replicas, axis=1), axis=0)
    return out


class _Population:
    """What all populations share: their shapes and the offset."""

    dynamics = "heat_bath"
    update_seconds = 1e-9

    def __init__(
        self, family: LatticeFamily, graph: SiteGraph, start: ArrayLike, n_replicas: int,
        rng: np.random.Generator, sites: NDArray[np.int64] | None, offset: Float, extra: Float,
    ) -> None:  # fmt: skip
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        self.n_sites = graph.n_sites
        self.n_parameters = family.n_parameters + len(extra)
        self._family, self._graph, self._sites, self._rng = family, graph, sites, rng
        self._offset, self._extra = offset, extra
        self._begin(fill_codes(start, graph.n_sites, self.n_replicas, family.n_states))

    def _begin(self, codes: Codes) -> None:
        raise NotImplementedError

    def _split(self, natural: ArrayLike) -> tuple[Float, Float]:
        """Return the parameters of the family, (R, d_f), and of the extra statistics."""
        shape = (self.n_replicas, self.n_parameters)
        given = np.asarray(natural, np.float64)
        if given.shape not in (shape, shape[1:]) or not np.all(np.isfinite(given)):
            raise InputError(
                f"natural must be finite, of shape {shape[1:]} or {shape}; got shape {given.shape}."
            )
        d = self._family.n_parameters
        wide = np.array(np.broadcast_to(given, shape))
        return wide[:, :d], wide[:, d:]


class _IsingPopulation(_Population):
    """Two states with pairs and nothing else: field and couplings."""

    def _begin(self, codes: Codes) -> None:
        self._copies = Replicas(
            self._graph, self._family.n_shells, 2 * codes.astype(np.int8) - 1, self.n_replicas,
            self._rng, self._sites,
        )  # fmt: skip
        self._field = (self._offset[:, 1] - self._offset[:, 0]) / 2

    def restart(self, codes: ArrayLike) -> None:
        wide = fill_codes(codes, self._graph.n_sites, self.n_replicas, 2)
        self._copies.restart(2 * wide.astype(np.int8) - 1)

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        self._copies.sweep(self._split(natural)[0], n_sweeps, self._field)

    def statistics(self) -> Float:
        return self._copies.statistics()

    def codes(self) -> Codes:
        return (self._copies.states > 0).astype(np.uint8)

    def scores(self, natural: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        return self._copies.scores(self._split(natural)[0], terms)


class _TermPopulation(_Population):
    """Two states with pairs, triplets and extra statistics."""

    def _begin(self, codes: Codes) -> None:
        family = self._family
        self._copies = TermReplicas(
            self._graph, family.n_shells, family.motifs, codes, self.n_replicas, self._rng,
            self._sites, self._extra,
        )  # fmt: skip

    def restart(self, codes: ArrayLike) -> None:
        self._copies.restart(codes)

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        theta, weight = self._split(natural)
        site, pair, triplet = self._family.energies(theta)
        self._copies.sweep(
            site, pair, n_sweeps, -self._offset, triplet_energy=triplet, extra_energy=-weight
        )

    def statistics(self) -> Float:
        return term_statistics(self._family, self._graph, self._copies)

    def codes(self) -> Codes:
        return self._copies.states

    def scores(self, natural: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        family = self._family
        return self._copies.scores(
            np.hstack(self._split(natural)), family.site, family.pair, family.triplet, terms
        )


class _ClusterPopulation(_TermPopulation):
    """Two states with pairs, by clusters and heat bath in turn."""

    dynamics = "clusters"
    update_seconds = 16e-9

    def _begin(self, codes: Codes) -> None:
        self._clusters = ClusterReplicas(
            self._graph, self._family.n_shells, codes, self.n_replicas, self._rng, self._sites,
            self._extra,
        )  # fmt: skip
        self._copies = self._clusters.copies

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        theta, weight = self._split(natural)
        site, pair, _ = self._family.energies(theta)
        self._clusters.sweep(site, pair, n_sweeps, -self._offset, extra_energy=-weight)


class _StatePopulation(_Population):
    """Any number of states with pairs and extra statistics."""

    def _begin(self, codes: Codes) -> None:
        family = self._family
        self._copies = StateReplicas(
            self._graph, family.n_shells, family.n_states, codes, self.n_replicas, self._rng,
            self._sites, self._extra,
        )  # fmt: skip

    def restart(self, codes: ArrayLike) -> None:
        self._copies.restart(codes)

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        theta, weight = self._split(natural)
        site, pair, _ = self._family.energies(theta)
        self._copies.sweep(site, pair, n_sweeps, -self._offset, extra_energy=-weight)

    def statistics(self) -> Float:
        return _state_statistics(self._family, self._copies)

    def codes(self) -> Codes:
        return self._copies.states.view(np.uint8)

    def scores(self, natural: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        family = self._family
        return self._copies.scores(np.hstack(self._split(natural)), family.site, family.pair, terms)


class _ExchangePopulation(_Population):
    """Any model at fixed composition."""

    dynamics = "exchange"

    def __init__(
        self, family: LatticeFamily, graph: SiteGraph, start: ArrayLike, n_replicas: int,
        rng: np.random.Generator, sites: NDArray[np.int64] | None, offset: Float, extra: Float,
        parts: ArrayLike,
    ) -> None:  # fmt: skip
        self._parts = parts
        super().__init__(family, graph, start, n_replicas, rng, sites, offset, extra)

    def _begin(self, codes: Codes) -> None:
        family = self._family
        self._exchanges = ExchangeReplicas(
            self._graph, family.n_shells, family.n_states, codes, self.n_replicas, self._rng,
            self._sites, parts=self._parts, extra=self._extra, motifs=family.motifs,
        )  # fmt: skip

    def restart(self, codes: ArrayLike) -> None:
        self._exchanges.restart(codes)

    def sweep(self, natural: ArrayLike, n_sweeps: int) -> None:
        theta, weight = self._split(natural)
        _, pair, triplet = self._family.energies(theta)
        self._exchanges.sweep(
            pair, n_sweeps, -self._offset, triplet_energy=triplet if self._family.motifs else None,
            extra_energy=-weight,
        )  # fmt: skip

    def scores(self, natural: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        """Return scores of sites given their neighbours, as if compositions were free."""
        copies, family, given = self._exchanges.copies, self._family, self._split(natural)
        if isinstance(copies, TermReplicas):
            return copies.scores(np.hstack(given), family.site, family.pair, family.triplet, terms)
        return copies.scores(np.hstack(given), family.site, family.pair, terms)

    def statistics(self) -> Float:
        copies = self._exchanges.copies
        if isinstance(copies, TermReplicas):
            return term_statistics(self._family, self._graph, copies)
        return _state_statistics(self._family, copies)

    def codes(self) -> Codes:
        return self._exchanges.states


def term_statistics(family: LatticeFamily, graph: SiteGraph, copies: TermReplicas) -> Float:
    """Return T of two-state copies."""
    ups, pairs, triplets, extra = copies.sums()
    d, n_shells, n_motifs = family.n_parameters, family.n_shells, len(family.motifs)
    site = family.site @ [[1.0, -1.0], [0.0, 1.0]]
    out = graph.n_sites * site[:, 0] + ups[:, None] * site[:, 1]
    pair = family.pair.reshape(d, n_shells, 4) @ PAIR_POLYNOMIAL
    triplet = family.triplet.reshape(d, n_motifs, 8) @ TRIPLET_POLYNOMIAL
    out += np.einsum("rko,dko->rd", pairs, pair) + np.einsum("rko,dko->rd", triplets, triplet)
    return np.hstack([out, extra])


def _state_statistics(family: LatticeFamily, copies: StateReplicas) -> Float:
    """Return T of copies of any number of states."""
    singles, pairs, extra = copies.sums()
    once = np.triu(np.ones((family.n_states, family.n_states)))
    out = singles @ family.site.T
    out += np.einsum("rkab,ab,dkab->rd", pairs, once, family.pair, optimize=True)
    return np.hstack([out, extra])
