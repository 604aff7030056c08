"""Hamiltonians of sites with more than two states, as frozen records in one convention.

All have E in kT with p ~ exp(-E); each bond (unordered pair) counts once, times its multiplicity
and times ``bonds[edge]`` where bonds are given. A sum over ordered pairs would count it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.argument_hints import IN_KT, explain_fields
from physlearn.lattice_models.graphs.triplets import motif_pairs
from physlearn.lattice_models.hamiltonians.energy_terms import (
    EnergyTerms,
    Motif,
    check_graph,
    energy_of_codes,
    make_terms,
    state_codes,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import (
    fixed_array,
    fixed_bonds,
    fixed_couplings,
)
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["BlumeCapel", "Clock", "PairHamiltonian", "Potts"]

Float = NDArray[np.float64]
Tables = Mapping[Motif, ArrayLike] | tuple[tuple[Motif, Float], ...]
MAX_STATES = 127
SPIN_ONE = np.array([-1.0, 0.0, 1.0])
ASYMMETRY = 1e-12
"""Largest relative difference between E(a, b) and E(b, a) that is taken for round-off."""


def check_n_states(n_states: int) -> int:
    """Return the number of states when a picture's int8 can hold them."""
    if not isinstance(n_states, int | np.integer) or not 2 <= n_states <= MAX_STATES:
        raise InputError(
            f"n_states must be a whole number from 2 to {MAX_STATES} (states are int8); "
            f"got {n_states!r}."
        )
    return int(n_states)


def _by_site(value: Float | float, graph: SiteGraph, name: str) -> Float:
    """Return one number a site."""
    check_graph(graph)
    array = np.asarray(value)
    if array.ndim and array.shape != (graph.n_sites,):
        raise InputError(
            f"{name} must be one number or have shape ({graph.n_sites},), got {array.shape}."
        )
    return np.broadcast_to(array, (graph.n_sites,)).astype(np.float64)


@explain_fields(IN_KT)
@dataclass(frozen=True, slots=True, eq=False)
class BlumeCapel:
    """Spin-1 sites: states -1 and +1, and 0 for a vacancy or a neutral site.

    E = - sum_bonds J s s' + sum_i D_i s_i ** 2 - sum_i h_i s_i (Blume 1966,
    doi:10.1103/PhysRev.141.517; Capel 1966, doi:10.1016/0031-8914(66)90027-9).

    Attributes
    ----------
    couplings
        J by shell, shape (n_shells,), in kT.
    crystal_field
        D in kT, one number or one a site; D > 0 favours 0.
    field
        h in kT, one number or one a site.
    bonds
        A factor on J of every edge of the graph, shape (n_edges,), or None.

    Raises
    ------
    InputError
        For numbers that are not finite or have a wrong shape.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> BlumeCapel([0.5], crystal_field=0.2).energy(np.ones(16), square_lattice((4, 4))).item()
    -12.8
    """

    couplings: NDArray[np.float64]
    crystal_field: NDArray[np.float64] | float
    field: NDArray[np.float64] | float = 0.0
    _: KW_ONLY
    bonds: NDArray[np.float64] | None = None

    if TYPE_CHECKING:  # lists are taken and become arrays

        def __init__(
            self, couplings: ArrayLike, crystal_field: ArrayLike, field: ArrayLike = 0.0, *,
            bonds: ArrayLike | None = None,
        ) -> None: ...  # fmt: skip

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "couplings", fixed_couplings("couplings", self.couplings))
        for name in ("crystal_field", "field"):
            object.__setattr__(self, name, fixed_array(name, getattr(self, name), 1))
        object.__setattr__(self, "bonds", fixed_bonds(self.bonds))

    @property
    def state_values(self) -> tuple[int, ...]:
        """Down, nothing, up."""
        return (-1, 0, 1)

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT, shape (...) for states of shape (..., n_sites)."""
        terms = self.terms(graph)
        return energy_of_codes(terms, state_codes(states, self.state_values, graph.n_sites))

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        strengths = _by_site(self.crystal_field, graph, "crystal_field")
        fields = _by_site(self.field, graph, "field")
        sites = np.multiply.outer(strengths, SPIN_ONE**2) - np.multiply.outer(fields, SPIN_ONE)
        like = np.multiply.outer(SPIN_ONE, SPIN_ONE)
        pairs = -np.multiply.outer(self.couplings, like)
        return make_terms(graph, self.state_values, sites, pairs, self.bonds)


@explain_fields(IN_KT)
@dataclass(frozen=True, slots=True, eq=False)
class Potts:
    """Sites with q states, 0 to q - 1, that count only whether neighbours are equal.

    E = - sum_bonds J delta(a, a') - sum_i h_i(a_i) (Potts 1952, doi:10.1017/S0305004100027419).
    With q = 2 this is the Ising model of coupling J / 2.

    Attributes
    ----------
    n_states
        q, from 2 to 127.
    couplings
        J by shell, shape (n_shells,), in kT.
    field
        h of every state in kT, shape (q,) or (n_sites, q), or None.
    bonds
        A factor on J of every edge of the graph, shape (n_edges,), or None.

    Raises
    ------
    InputError
        For a number of states outside 2 ... 127, or numbers that are not finite or have a wrong
        shape.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> Potts(3, [0.5]).energy(np.zeros(16), square_lattice((4, 4))).item()
    -16.0
    """

    n_states: int
    couplings: NDArray[np.float64]
    field: NDArray[np.float64] | None = None
    _: KW_ONLY
    bonds: NDArray[np.float64] | None = None

    if TYPE_CHECKING:  # lists are taken and become arrays

        def __init__(
            self, n_states: int, couplings: ArrayLike, field: ArrayLike | None = None, *,
            bonds: ArrayLike | None = None,
        ) -> None: ...  # fmt: skip

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        q = check_n_states(self.n_states)
        object.__setattr__(self, "n_states", q)
        object.__setattr__(self, "couplings", fixed_couplings("couplings", self.couplings))
        if self.field is not None:
            object.__setattr__(self, "field", _site_table("field", self.field, q))
        object.__setattr__(self, "bonds", fixed_bonds(self.bonds))

    @property
    def state_values(self) -> tuple[int, ...]:
        """0 to q - 1."""
        return tuple(range(self.n_states))

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT, shape (...) for states of shape (..., n_sites)."""
        terms = self.terms(graph)
        return energy_of_codes(terms, state_codes(states, self.state_values, graph.n_sites))

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        sites = np.zeros(self.n_states) if self.field is None else -self.field
        pairs = -np.multiply.outer(self.couplings, np.eye(self.n_states))
        return make_terms(graph, self.state_values, sites, pairs, self.bonds)


@explain_fields(IN_KT)
@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Planar spins that point in q directions, at angles 2 pi a / q for a = 0 ... q - 1.

    E = - sum_bonds J cos(2 pi (a - a') / q) - sum_i h_i cos(2 pi a_i / q). With q = 2 this is the
    Ising model, with q = 3 the Potts model of coupling 3 J / 2 (Jose et al. 1977,
    doi:10.1103/PhysRevB.16.1217).

    Attributes
    ----------
    n_states
        q, from 2 to 127.
    couplings
        J by shell, shape (n_shells,), in kT.
    field
        h along angle 0 in kT, one number or one a site.
    bonds
        A factor on J of every edge of the graph, shape (n_edges,), or None.

    Raises
    ------
    InputError
        As in ``Potts``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> Clock(4, [0.5]).energy(np.ones(16), square_lattice((4, 4))).item()
    -16.0
    """

    n_states: int
    couplings: NDArray[np.float64]
    field: NDArray[np.float64] | float = 0.0
    _: KW_ONLY
    bonds: NDArray[np.float64] | None = None

    if TYPE_CHECKING:  # lists are taken and become arrays

        def __init__(
            self, n_states: int, couplings: ArrayLike, field: ArrayLike = 0.0, *,
            bonds: ArrayLike | None = None,
        ) -> None: ...  # fmt: skip

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_states", check_n_states(self.n_states))
        object.__setattr__(self, "couplings", fixed_couplings("couplings", self.couplings))
        object.__setattr__(self, "field", fixed_array("field", self.field, 1))
        object.__setattr__(self, "bonds", fixed_bonds(self.bonds))

    @property
    def state_values(self) -> tuple[int, ...]:
        """0 to q - 1."""
        return tuple(range(self.n_states))

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT, shape (...) for states of shape (..., n_sites)."""
        terms = self.terms(graph)
        return energy_of_codes(terms, state_codes(states, self.state_values, graph.n_sites))

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        along = np.cos(2 * np.pi * np.arange(self.n_states) / self.n_states)
        turn = np.subtract.outer(np.arange(self.n_states), np.arange(self.n_states))
        pairs = -np.multiply.outer(self.couplings, along[np.abs(turn)])
        sites = -np.multiply.outer(_by_site(self.field, graph, "field"), along)
        return make_terms(graph, self.state_values, sites, pairs, self.bonds)


@dataclass(frozen=True, slots=True, eq=False)
class PairHamiltonian:
    """Any pair energies of sites with q states, with energies of sites and of triplets.

    E = sum_i e_i(a_i) + sum_bonds U_shell(a, a') + sum_triplets W(a, a', a''). U(a, a') is the
    energy of one bond; where a table was fitted to a sum over ordered pairs, halve it.

    Attributes
    ----------
    pair_energies
        U in kT, shape (n_shells, q, q), each table symmetric.
    site_energies
        e in kT, shape (q,) or (n_sites, q), or None for zero.
    state_values
        The states, ascending whole numbers of int8; 0 to q - 1 when None.
    bonds
        A factor on U of every edge of the graph, shape (n_edges,), or None.
    triplets
        W by motif, three shells: a table (q, q, q) that is the same for every order of its states;
        see ``find_triplets``.

    Raises
    ------
    InputError
        For tables that are not symmetric, not finite or have a wrong shape, or more than 127
        states.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> unlike = PairHamiltonian([[[0.0, 0.3], [0.3, 0.0]]])
    >>> unlike.energy([0, 1, 0, 1, 0, 1, 0, 1], square_lattice((2, 4))).round(3).item()
    2.4
    """

    pair_energies: NDArray[np.float64]
    site_energies: NDArray[np.float64] | None = None
    _: KW_ONLY
    state_values: tuple[int, ...] = ()
    bonds: NDArray[np.float64] | None = None
    triplets: Tables = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        pairs = np.array(check_array("pair_energies", self.pair_energies, ndim=3))
        q = check_n_states(pairs.shape[-1])
        if pairs.shape[1] != q:
            raise InputError(f"pair_energies must have shape (n_shells, q, q), got {pairs.shape}.")
        _check_symmetric("pair_energies", pairs, np.swapaxes(pairs, 1, 2))
        pairs.flags.writeable = False
        object.__setattr__(self, "pair_energies", pairs)
        sites = np.zeros(q) if self.site_energies is None else self.site_energies
        object.__setattr__(self, "site_energies", _site_table("site_energies", sites, q))
        object.__setattr__(self, "state_values", _state_values(self.state_values, q))
        object.__setattr__(self, "bonds", fixed_bonds(self.bonds))
        object.__setattr__(self, "triplets", _fixed_tables(self.triplets, q))

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT, shape (...) for states of shape (..., n_sites)."""
        terms = self.terms(graph)
        return energy_of_codes(terms, state_codes(states, self.state_values, graph.n_sites))

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        sites = np.asarray(self.site_energies)
        return make_terms(
            graph, self.state_values, sites, self.pair_energies, self.bonds, dict(self.triplets)
        )


def _site_table(name: str, value: ArrayLike, q: int) -> Float:
    """Return a read-only copy of energies by state, or by site and state."""
    array = np.array(check_array(name, value))
    if array.ndim not in (1, 2) or array.shape[-1] != q:
        raise InputError(f"{name} must have shape ({q},) or (n_sites, {q}), got {array.shape}.")
    array.flags.writeable = False
    return array


def _state_values(given: ArrayLike | None, q: int) -> tuple[int, ...]:
    """Return q ascending whole numbers of int8."""
    values = range(q) if given is None or np.size(given) == 0 else given
    array = check_array("state_values", values, ndim=1, dtype=np.int64)
    if len(array) != q or np.any(np.diff(array) <= 0) or array[0] < -128 or array[-1] > 127:
        raise InputError(
            f"state_values must be {q} ascending whole numbers from -128 to 127; "
            f"got {array.tolist()}."
        )
    return tuple(int(value) for value in array)


def _fixed_tables(triplets: Tables, q: int) -> tuple[tuple[Motif, Float], ...]:
    """Return (motif, table) pairs with read-only copies."""
    out = []
    for shells, value in motif_pairs(triplets):
        name = f"triplets[{shells}]"
        table = np.array(check_array(name, value, shape=(q, q, q)))
        for swapped in (np.swapaxes(table, 0, 1), np.swapaxes(table, 1, 2)):
            _check_symmetric(name, table, swapped)
        table.flags.writeable = False
        out.append((shells, table))
    return tuple(out)


def _check_symmetric(name: str, table: Float, swapped: Float) -> None:
    """Refuse energies that depend on the order of the sites."""
    difference = np.abs(table - swapped)
    if difference.max() > ASYMMETRY * max(np.abs(table).max(), 1e-300):
        where = tuple(int(i) for i in np.argwhere(difference == difference.max())[0])
        raise InputError(
            f"{name} must be symmetric (a bond has no direction); at index {where} it holds "
            f"{table[where]:g}, with the states exchanged {swapped[where]:g}. Average the two if "
            "they are meant to be equal."
        )
