"""One table form of every lattice Hamiltonian, which the samplers and the exact methods read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.declared_types import shown
from physlearn.lattice_models.graphs.site_rows import site_rows
from physlearn.lattice_models.graphs.triplets import find_triplets
from physlearn.records import SiteGraph
from physlearn.records.storage import short_repr

__all__ = ["EnergyTerms", "Hamiltonian", "energy_of_codes", "make_terms", "state_codes"]

Float = NDArray[np.float64]
Motif = tuple[int, int, int]
LARGEST_BLOCK = 1 << 24
"""Largest number of bond energies held at once while energies are summed."""


class EnergyTerms(NamedTuple):
    """Tables of one Hamiltonian on one graph; codes a = 0 ... q - 1 number the states.

    E = sum_i site_energy[i, a_i] + sum_bonds weight pair_energy[kind, a_i, a_j]
    + sum_triplets triplet_energy[motif, a_i, a_j, a_k], in kT, and p ~ exp(-E). Every bond counts
    once in E and has two entries in the compressed rows: ``start[i]:start[i + 1]`` are site i's.

    Attributes
    ----------
    state_values
        int8, shape (q,), ascending: the state of each code.
    site_energy
        float64, shape (n_sites, q).
    pair_energy
        float64, shape (n_kinds, q, q), each table symmetric.
    start, neighbour, kind, weight
        int64 (n_sites + 1,), int32, int32 and float64: compressed rows over both ends of each
        bond; ``weight`` is the multiplicity times the strength of the bond.
    triplets, motif
        int32, shape (n_triplets, 3) and (n_triplets,). A triplet that a small periodic box meets
        several times has several rows.
    triplet_energy
        float64, shape (n_motifs, q, q, q), the same for every order of its three states.
    triplet_start, triplet_entry
        int64 (n_sites + 1,) and int32: ``triplet_entry[triplet_start[i]:triplet_start[i + 1]]``
        are the rows of ``triplets`` that hold site i.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> Ising([0.2]).terms(square_lattice((4, 4))).pair_energy.tolist()
    [[[-0.2, 0.2], [0.2, -0.2]]]
    """

    state_values: NDArray[np.int8]
    site_energy: Float
    pair_energy: Float
    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    kind: NDArray[np.int32]
    weight: Float
    triplets: NDArray[np.int32]
    motif: NDArray[np.int32]
    triplet_energy: Float
    triplet_start: NDArray[np.int64]
    triplet_entry: NDArray[np.int32]

    def __repr__(self) -> str:
        return short_repr(self)


class Hamiltonian(Protocol):
    """What every lattice Hamiltonian offers: its states, its energy and its tables.

    A class of your own that has these three is sampled and enumerated as the ready-made ones are:
    ``make_terms`` lays out its tables, ``energy_of_codes`` sums them. A model of pairs and triplets
    needs no class: ``PairHamiltonian`` takes the tables themselves.

    Examples
    --------
    Charges -1, 0 and 1, of which neighbours attract or repel by 0.4 kT and each costs 0.3 kT:

    >>> from physlearn.lattice_models import simulate_lattice, square_lattice
    >>> class Charges:
    ...     state_values = (-1, 0, 1)
    ...
    ...     def terms(self, graph):
    ...         charge = np.array(self.state_values)
    ...         pairs = 0.4 * np.multiply.outer(charge, charge)
    ...         return make_terms(graph, self.state_values, 0.3 * charge**2, [pairs])
    ...
    ...     def energy(self, states, graph):
    ...         codes = state_codes(states, self.state_values, graph.n_sites)
    ...         return energy_of_codes(self.terms(graph), codes)
    >>> pictures = simulate_lattice(Charges(), square_lattice((8, 8)), n_snapshots=3, rng=1)
    >>> pictures.state_values, pictures.metadata["method"]
    ((-1, 0, 1), 'heat_bath')
    """

    @property
    def state_values(self) -> tuple[int, ...]:
        """The states a site can be in, ascending."""
        ...

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        ...

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT, shape (...) for states of shape (..., n_sites)."""
        ...


def make_terms(
    graph: SiteGraph,
    state_values: Iterable[int],
    site_energy: ArrayLike,
    pair_energy: ArrayLike,
    bonds: NDArray[np.float64] | None = None,
    triplets: Mapping[Motif, ArrayLike] | None = None,
) -> EnergyTerms:
    """Lay out energies by site, by shell and by motif of triplets on a graph, for a Hamiltonian.

    Parameters
    ----------
    graph
        Sites and bonds.
    state_values
        The q states, ascending.
    site_energy
        Shape (q,) for all sites alike, or (n_sites, q).
    pair_energy
        Shape (n_shells, q, q), each table symmetric; bonds of further shells have no energy.
    bonds
        Strength of every edge of the graph, shape (n_edges,), which multiplies its energy.
    triplets
        Table (q, q, q) by motif; see ``find_triplets``.

    Raises
    ------
    InputError
        For more shells than the graph has, a wrong number of site energies or bonds, or a motif
        of which the graph has no triplet.

    Examples
    --------
    >>> pair = SiteGraph(2, [[0, 1]], [0], [1])
    >>> make_terms(pair, (0, 1), [0.0, 1.0], [[[0.0, 2.0], [2.0, 0.0]]]).weight.tolist()
    [1.0, 1.0]
    """
    values = check_array("state_values", list(state_values), ndim=1, dtype=np.int8)
    n_sites, q = check_graph(graph).n_sites, len(values)
    # copies: kernels would compile anew for the read-only arrays of a record
    pairs = np.array(_no_nan("pair_energy", pair_energy))
    if pairs.size and pairs.shape[-2:] != (q, q):
        raise InputError(
            f"pair_energy must have one {q} x {q} table for every shell, got shape {pairs.shape}."
        )
    pairs = pairs.reshape(-1, q, q)
    check_shells(graph, len(pairs))
    sites = _no_nan("site_energy", site_energy)
    if sites.shape not in ((q,), (n_sites, q)):
        raise InputError(
            f"site energies (the field) must be alike on all sites or have one row for each of the "
            f"{n_sites} sites of the graph, got shape {sites.shape}."
        )
    felt = graph.shell < len(pairs)
    keep: slice | NDArray[np.bool_] = slice(None) if felt.all() else felt
    strength = graph.multiplicity * check_bonds(graph, bonds)
    start, neighbour, bond = site_rows(graph.edges[keep], n_sites)
    rows, kinds, tables = [np.empty((0, 3), np.int32)], [np.empty(0, np.int32)], []
    for number, (motif, table) in enumerate((triplets or {}).items()):
        found = find_triplets(graph, motif)
        rows.append(found.astype(np.int32))
        kinds.append(np.full(len(found), number, np.int32))
        tables.append(np.asarray(table, np.float64))
    members = np.ascontiguousarray(np.concatenate(rows))
    triplet_start, triplet_order = _rows(members.T.ravel(), n_sites)
    return EnergyTerms(
        values,
        np.array(np.broadcast_to(sites, (n_sites, q)), order="C"),
        pairs,
        start,
        neighbour,
        graph.shell[keep].astype(np.int32)[bond],
        strength[keep].astype(np.float64)[bond],
        members,
        np.concatenate(kinds),
        np.array(tables, np.float64).reshape(-1, q, q, q),
        triplet_start,
        (triplet_order % max(len(members), 1)).astype(np.int32),
    )


def _rows(site: NDArray[np.integer], n_sites: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each site's entries start, and the order that sorts the entries by site."""
    start = np.zeros(n_sites + 1, np.int64)
    np.cumsum(np.bincount(site, minlength=n_sites), out=start[1:])
    return start, np.argsort(site, kind="stable")


def check_graph(graph: SiteGraph) -> SiteGraph:
    """Return the graph when it is one."""
    if not isinstance(graph, SiteGraph):
        raise InputError(
            f"graph must be a SiteGraph; got {type(graph).__name__}. Make one with square_lattice, "
            "site_graph_from_positions or site_graph_from_networkx."
        )
    return graph


def check_hamiltonian(hamiltonian: Hamiltonian) -> Hamiltonian:
    """Return the Hamiltonian when it is one: the one check of all samplers and exact methods."""
    if isinstance(hamiltonian, type):
        raise InputError(
            f"hamiltonian must be a Hamiltonian with its numbers, such as Ising([0.2]); got the "
            f"class {hamiltonian.__name__} itself."
        )
    if not all(hasattr(hamiltonian, name) for name in ("terms", "energy", "state_values")):
        raise InputError(
            "hamiltonian must be a Hamiltonian such as Ising([0.2]) or Potts(3, [0.5]), or an "
            "object of your own with state_values, terms and energy (see Hamiltonian); got "
            f"{type(hamiltonian).__name__}."
        )
    return hamiltonian


def _no_nan(name: str, energies: ArrayLike) -> Float:
    """Return energies as an array; infinite ones forbid a state."""
    array: Float = check_array(name, energies, finite=False, allow_empty=True)
    if np.isnan(array).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise InputError(f"{name} must not hold NaN; found one at index {where}.")
    return array


def check_shells(graph: SiteGraph, n_shells: int, name: str = "couplings") -> None:
    """Refuse energies for more shells than the graph has."""
    if n_shells > graph.n_shells:
        raise InputError(
            f"{name} has {n_shells} shells, the graph only {graph.n_shells}; build the "
            "graph with as many shells."
        )


def check_bonds(graph: SiteGraph, bonds: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the strength of every edge, ones where none is given."""
    n_edges = len(graph.edges)
    if bonds is None:
        return np.ones(n_edges)
    bonds = check_array("bonds", bonds, allow_empty=True)
    if bonds.shape != (n_edges,):
        raise InputError(
            f"bonds must have one strength for each of the {n_edges} edges of the graph, "
            f"got shape {bonds.shape}."
        )
    return bonds


def state_codes(states: ArrayLike, state_values: tuple[int, ...], n_sites: int) -> NDArray[np.intp]:
    """Return the code of every state, its place among ``state_values``.

    Parameters
    ----------
    states
        Shape (..., n_sites).
    state_values
        The q states, ascending; their codes are 0 ... q - 1.
    n_sites
        Number of sites of the graph.

    Returns
    -------
    numpy.ndarray
        intp, of the shape of ``states``.

    Raises
    ------
    InputError
        For a wrong number of sites or a state that is not among the values.

    Examples
    --------
    >>> state_codes([-1, 1, 0], (-1, 0, 1), 3).tolist()
    [0, 2, 1]
    """
    given = check_array("states", states, allow_empty=True)
    names = ", ".join(str(value) for value in state_values[:8]) + (
        ", ..." if len(state_values) > 8 else ""
    )
    if given.ndim == 0 or given.shape[-1] != n_sites:
        raise InputError(
            f"states must hold {names} with shape (..., {n_sites}), got shape {given.shape}."
        )
    values = np.array(state_values, np.float64)
    codes: NDArray[np.intp] = np.minimum(np.searchsorted(values, given), len(values) - 1)
    wrong = np.argwhere(values[codes] != given)
    if len(wrong):
        where = tuple(int(i) for i in wrong[0])
        raise InputError(
            f"states may hold only {names}; found {len(wrong)} other value(s), first "
            f"{given[where]:g} at index {where}."
        )
    return codes


def energy_of_codes(terms: EnergyTerms, codes: NDArray[np.intp]) -> Float:
    """Return the energy in kT of states given by their codes, by the sum in ``EnergyTerms``.

    Parameters
    ----------
    terms
        The tables of a Hamiltonian on a graph.
    codes
        Shape (..., n_sites), of ``state_codes``.

    Returns
    -------
    numpy.ndarray
        float64, shape (...).

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts
    >>> terms = Potts(3, [0.5]).terms(square_lattice((4, 4)))
    >>> energy_of_codes(terms, np.zeros(16, np.intp)).item()
    -16.0
    """
    n_sites, q = terms.site_energy.shape
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iu" or codes.shape[-1:] != (n_sites,):
        raise InputError(
            f"codes must be whole numbers of shape (..., {n_sites}); got {shown(codes)}."
        )
    if codes.size and not 0 <= codes.min() <= codes.max() < q:
        raise InputError(
            f"codes must lie between 0 and {q - 1}; got {codes.min()} to {codes.max()}."
        )
    flat = codes.reshape(-1, n_sites)
    site = np.repeat(np.arange(n_sites), np.diff(terms.start))
    once = site < terms.neighbour
    left, right = site[once], terms.neighbour[once]
    kind, weight = terms.kind[once], terms.weight[once]
    out = np.empty(len(flat))
    block = max(1, LARGEST_BLOCK // max(n_sites, len(left), len(terms.triplets)))
    for first in range(0, len(flat), block):
        here = flat[first : first + block]
        energy = terms.site_energy[np.arange(n_sites), here].sum(axis=1)
        energy += terms.pair_energy[kind, here[:, left], here[:, right]] @ weight
        a, b, c = (here[:, terms.triplets[:, end]] for end in range(3))
        out[first : first + block] = energy + terms.triplet_energy[terms.motif, a, b, c].sum(axis=1)
    return out.reshape(codes.shape[:-1])
