"""Hamiltonians of two-state sites: small frozen records with one definition of the energy each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_positive
from physlearn.lattice_models.argument_hints import IN_KT, explain_fields
from physlearn.lattice_models.graphs.triplets import find_triplets, motif_pairs
from physlearn.lattice_models.hamiltonians.energy_terms import (
    EnergyTerms,
    Motif,
    check_bonds,
    check_graph,
    check_shells,
    make_terms,
    state_codes,
)
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["Ising", "LatticeGas", "coupling_from_bond_energy", "spin_glass"]

Float = NDArray[np.float64]
Triplets = Mapping[Motif, float] | tuple[tuple[Motif, float], ...]
UP_DOWN = np.array([-1.0, 1.0])


def coupling_from_bond_energy(
    bond_energy: ArrayLike, thermal_energy: float = 1.0
) -> NDArray[np.float64]:
    """Return the coupling J = -V / kT of an energy E = + sum over bonds V s s'.

    Parameters
    ----------
    bond_energy
        V, energy per bond; V > 0 prefers unlike neighbours, which makes J negative.
    thermal_energy
        kT in the unit of ``bond_energy``.

    Examples
    --------
    >>> coupling_from_bond_energy(5.0, thermal_energy=25.0).item()
    -0.2
    """
    energy = check_array("bond_energy", bond_energy)
    return np.asarray(-energy / check_positive("thermal_energy", thermal_energy))


def fixed_array(name: str, value: ArrayLike, most_dimensions: int) -> Float:
    """Return a read-only copy with at most so many dimensions."""
    array = np.array(check_array(name, value))
    if array.ndim > most_dimensions:
        raise InputError(
            f"{name} must be one number or one a site, got shape {array.shape}."
            if most_dimensions == 1
            else f"{name} must have at most {most_dimensions} dimensions, got shape {array.shape}."
        )
    array.flags.writeable = False
    return array


def fixed_couplings(name: str, value: ArrayLike) -> Float:
    """Return a read-only copy of one number a shell."""
    array = np.array(check_array(name, np.atleast_1d(np.asarray(value)), ndim=1))
    array.flags.writeable = False
    return array


def fixed_bonds(bonds: ArrayLike | None) -> Float | None:
    """Return a read-only copy of one strength an edge, or None."""
    if bonds is None:
        return None
    array = np.array(check_array("bonds", bonds, ndim=1, allow_empty=True))
    array.flags.writeable = False
    return array


def fixed_triplets(triplets: Triplets) -> tuple[tuple[Motif, float], ...]:
    """Return (motif, energy) pairs with the shells of each motif ascending."""
    return tuple(
        (shells, float(check_array(f"triplets[{shells}]", value, ndim=0)))
        for shells, value in motif_pairs(triplets)
    )


@explain_fields(IN_KT)
@dataclass(frozen=True, slots=True, eq=False)
class Ising:
    """Two-state sites with pair couplings by shell, and random bonds, fields and triplets.

    The convention, with temperature absorbed: p(s) ~ exp(-E),

    E = - sum_i h_i s_i - sum_bonds J_bond s s' - sum_triplets K s s' s'',

    s = -1 or +1, each bond (unordered pair) counted once, times its multiplicity; a sum over
    ordered pairs would count it twice. J_bond = ``couplings[shell] * bonds[edge]``. J > 0 prefers
    like neighbours. Energies are in kT.

    Attributes
    ----------
    couplings
        float64, shape (n_shells,).
    field
        float64, shape () or (n_sites,). A random-field model has
        ``field=strength * rng.normal(size=graph.n_sites)``.
    bonds
        float64, shape (n_edges,), a factor on the coupling of every edge of the graph, or None.
        Random bonds: ``bonds=rng.choice([-1, 1], len(graph.edges))``; see ``spin_glass``. A
        diluted lattice has zeros.
    triplets
        K by motif, three shells: ``{(0, 0, 0): 0.1}``; see ``find_triplets``.

    Raises
    ------
    InputError
        For couplings, fields, bonds or triplets that are not finite or have a wrong shape.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> Ising([0.2], 0.1).energy(np.ones(16), square_lattice((4, 4))).item()
    -8.0
    """

    couplings: NDArray[np.float64]
    field: NDArray[np.float64] | float = 0.0
    _: KW_ONLY
    bonds: NDArray[np.float64] | None = None
    triplets: Triplets = ()

    if TYPE_CHECKING:  # lists are taken and become arrays

        def __init__(
            self, couplings: ArrayLike, field: ArrayLike = 0.0, *,
            bonds: ArrayLike | None = None, triplets: Triplets = (),
        ) -> None: ...  # fmt: skip

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "couplings", fixed_couplings("couplings", self.couplings))
        object.__setattr__(self, "field", fixed_array("field", self.field, 1))
        object.__setattr__(self, "bonds", fixed_bonds(self.bonds))
        object.__setattr__(self, "triplets", fixed_triplets(self.triplets))

    @property
    def n_shells(self) -> int:
        """Number of shells with a coupling."""
        return len(self.couplings)

    @property
    def state_values(self) -> tuple[int, ...]:
        """Down and up."""
        return (-1, 1)

    def site_field(self, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the field of every site, shape (n_sites,)."""
        check_graph(graph)
        field = np.asarray(self.field)
        if field.ndim and field.shape != (graph.n_sites,):
            raise InputError(
                f"field must be one number or have shape ({graph.n_sites},), got {field.shape}."
            )
        return np.broadcast_to(field, (graph.n_sites,)).astype(np.float64)

    def bond_couplings(self, graph: SiteGraph) -> NDArray[np.float64]:
        """Return multiplicity times J of every edge; shells beyond the couplings have 0."""
        check_shells(check_graph(graph), self.n_shells)
        padded = np.zeros(max(graph.n_shells, 1))
        padded[: self.n_shells] = self.couplings
        return padded[graph.shell] * graph.multiplicity * check_bonds(graph, self.bonds)

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT, shape (...) for states of shape (..., n_sites)."""
        bonds = self.bond_couplings(graph)
        values = UP_DOWN[state_codes(states, (-1, 1), graph.n_sites)]
        pairs = values[..., graph.edges[:, 0]] * values[..., graph.edges[:, 1]]
        energy = -(values @ self.site_field(graph)) - pairs @ bonds
        for motif, strength in dict(self.triplets).items():
            a, b, c = find_triplets(graph, motif).T
            energy -= strength * (values[..., a] * values[..., b] * values[..., c]).sum(axis=-1)
        return np.asarray(energy)

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        like = np.multiply.outer(UP_DOWN, UP_DOWN)
        return make_terms(
            graph, self.state_values, -np.multiply.outer(self.site_field(graph), UP_DOWN),
            -np.multiply.outer(self.couplings, like), self.bonds,
            {m: -k * np.multiply.outer(like, UP_DOWN) for m, k in dict(self.triplets).items()},
        )  # fmt: skip


def spin_glass(
    graph: SiteGraph,
    coupling: float = 1.0,
    distribution: str = "two_values",
    *,
    field: ArrayLike = 0.0,
    rng: int | np.random.Generator | None = None,
) -> Ising:
    """Return an Edwards-Anderson spin glass: bonds of random sign, or of random strength.

    Parameters
    ----------
    graph
        Sites and bonds; all shells have random bonds.
    coupling
        J in kT: the size of the bonds, or their standard deviation.
    distribution
        ``two_values``: +J or -J with equal chance; ``normal``: mean 0, standard deviation J.
    field
        As in ``Ising``.
    rng
        Seed or generator of the bonds.

    Raises
    ------
    InputError
        For an unknown distribution, a coupling that is not positive, or a graph without bonds.

    Notes
    -----
    S. F. Edwards and P. W. Anderson, J. Phys. F 5, 965 (1975), doi:10.1088/0305-4608/5/5/017.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> model = spin_glass(square_lattice((4, 4)), 0.7, rng=1)
    >>> np.unique(np.abs(model.bond_couplings(square_lattice((4, 4))))).tolist()
    [0.7]
    """
    check_choice("distribution", distribution, ("two_values", "normal"))
    generator, _ = as_generator(rng)
    n_edges = len(graph.edges)
    if not n_edges:
        raise InputError("graph must have bonds for a spin glass; it has none.")
    bonds = (
        generator.choice(UP_DOWN, n_edges)
        if distribution == "two_values"
        else generator.normal(size=n_edges)
    )
    couplings = np.full(graph.n_shells, check_positive("coupling", coupling))
    return Ising(couplings, np.asarray(field), bonds=bonds)


@explain_fields(
    dict.fromkeys(
        ("temperature", "T", "kT", "thermal_energy"),
        "interactions and chemical_potential are in units of kT, so that a temperature is in them "
        "already: give V / kT and mu / kT",
    )
    | {
        "J": "give interactions=[-4 J / kT], one number a shell: V > 0 repels",
        "coupling": "give interactions=[V / kT], one number a shell: V > 0 repels",
        "h": "give chemical_potential=mu / kT",
        "beta": "interactions and chemical_potential are in units of kT: give beta V and beta mu",
        "mu": "give chemical_potential=mu / kT",
        "V": "give interactions=[V / kT], one number a shell of neighbours",
        "couplings": "give interactions=[V / kT]: its sign is the other one, V > 0 repels",
        "field": "give chemical_potential=mu / kT",
    }
)
@dataclass(frozen=True, slots=True, eq=False)
class LatticeGas:
    """Sites that are empty (0) or occupied (1), as a view of an Ising model.

    p(n) ~ exp(-E), E = sum_bonds V n n' + sum_triplets W n n' n'' - sum_i mu_i n_i, in kT, each
    bond (unordered pair) once, times its multiplicity; V > 0 repels. With n = (1 + s) / 2 and pairs
    only this is an Ising model with J = -V / 4 and h_i = mu / 2 - sum over the bonds of site i of
    V / 4.

    Attributes
    ----------
    interactions
        V by shell, shape (n_shells,), in kT.
    chemical_potential
        mu in kT, one number or one a site.
    bonds
        A factor on V of every edge of the graph, shape (n_edges,), or None.
    triplets
        W by motif, three shells: ``{(0, 0, 0): 0.1}``; see ``find_triplets``.

    Raises
    ------
    InputError
        As in ``Ising``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> gas = LatticeGas([0.8], chemical_potential=1.0)
    >>> gas.to_ising(square_lattice((4, 4))).couplings.tolist()
    [-0.2]
    """

    interactions: NDArray[np.float64]
    chemical_potential: NDArray[np.float64] | float = 0.0
    _: KW_ONLY
    bonds: NDArray[np.float64] | None = None
    triplets: Triplets = ()

    if TYPE_CHECKING:  # lists are taken and become arrays

        def __init__(
            self, interactions: ArrayLike, chemical_potential: ArrayLike = 0.0, *,
            bonds: ArrayLike | None = None, triplets: Triplets = (),
        ) -> None: ...  # fmt: skip

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "interactions", fixed_couplings("interactions", self.interactions))
        potential = fixed_array("chemical_potential", self.chemical_potential, 1)
        object.__setattr__(
            self, "chemical_potential", potential if potential.ndim else float(potential)
        )
        object.__setattr__(self, "bonds", fixed_bonds(self.bonds))
        object.__setattr__(self, "triplets", fixed_triplets(self.triplets))

    @property
    def state_values(self) -> tuple[int, ...]:
        """Empty and occupied."""
        return (0, 1)

    def site_potential(self, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the chemical potential of every site, shape (n_sites,)."""
        check_graph(graph)
        potential = np.asarray(self.chemical_potential)
        if potential.ndim and potential.shape != (graph.n_sites,):
            raise InputError(
                f"chemical_potential must be one number or have shape ({graph.n_sites},), "
                f"got {potential.shape}."
            )
        return np.broadcast_to(potential, (graph.n_sites,)).astype(np.float64)

    def to_ising(self, graph: SiteGraph) -> Ising:
        """Return the same distribution as an Ising model; its energy differs by a constant."""
        bonds = Ising(self.interactions, bonds=self.bonds).bond_couplings(graph)
        strength, around = bonds / 4, np.zeros(graph.n_sites)
        for motif, energy in dict(self.triplets).items():
            members = find_triplets(graph, motif)
            np.add.at(around, members, energy / 8)
            strength = strength + _triplets_of_edges(graph, members) * energy / 8
        for end in (0, 1):
            np.add.at(around, graph.edges[:, end], bonds / 4)
        field = self.site_potential(graph) / 2 - around
        field = field[0] if np.ptp(field) == 0 else field
        triplets = tuple((motif, -energy / 8) for motif, energy in dict(self.triplets).items())
        if not self.triplets:
            return Ising(-self.interactions / 4, field, bonds=self.bonds)
        # triplets add to single bonds (to few at a rim), so that couplings are the edges' own
        return Ising(
            np.ones(graph.n_shells), field, bonds=-strength / graph.multiplicity, triplets=triplets
        )

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the energy in kT for occupations of shape (..., n_sites)."""
        bonds = Ising(self.interactions, bonds=self.bonds).bond_couplings(graph)
        values = state_codes(states, (0, 1), graph.n_sites).astype(np.float64)
        pairs = values[..., graph.edges[:, 0]] * values[..., graph.edges[:, 1]]
        energy = pairs @ bonds - values @ self.site_potential(graph)
        for motif, strength in dict(self.triplets).items():
            a, b, c = find_triplets(graph, motif).T
            energy += strength * (values[..., a] * values[..., b] * values[..., c]).sum(axis=-1)
        return np.asarray(energy)

    def terms(self, graph: SiteGraph) -> EnergyTerms:
        """Return the tables of the energy on ``graph``."""
        check_shells(check_graph(graph), len(self.interactions), "interactions")
        filled = np.array([0.0, 1.0])
        both = np.multiply.outer(filled, filled)
        return make_terms(
            graph, self.state_values, -np.multiply.outer(self.site_potential(graph), filled),
            np.multiply.outer(self.interactions, both), self.bonds,
            {m: w * np.multiply.outer(both, filled) for m, w in dict(self.triplets).items()},
        )  # fmt: skip


def _triplets_of_edges(graph: SiteGraph, members: NDArray[np.int64]) -> Float:
    """Return how many triplets hold both ends of each edge; one edge stands for a pair of sites."""
    keys = np.sort(graph.edges, axis=1) @ np.array([graph.n_sites, 1])
    order = np.argsort(keys, kind="stable")
    counts = np.zeros(len(keys))
    for low, high in ((0, 1), (0, 2), (1, 2)):
        wanted = members[:, low] * graph.n_sites + members[:, high]
        np.add.at(counts, order[np.searchsorted(keys[order], wanted)], 1.0)
    return counts
