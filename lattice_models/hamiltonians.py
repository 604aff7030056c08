"""Lattice Hamiltonians: small frozen records with one definition of the energy each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_positive
from physlearn.records import SiteGraph

__all__ = ["Ising", "LatticeGas", "coupling_from_bond_energy"]


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


@dataclass(frozen=True, slots=True, eq=False)
class Ising:
    """Two-state sites with pair couplings by shell.

    The convention, with temperature absorbed: p(s) ~ exp(+ sum_i h_i s_i + sum_bonds J s s'),
    s = -1 or +1, each bond counted once (times its multiplicity), J by the bond's shell. J > 0
    prefers like neighbours. Energies are in kT.

    Attributes
    ----------
    couplings
        float64, shape (n_shells,).
    field
        float64, shape () or (n_sites,).

    Raises
    ------
    InputError
        For couplings or a field that are not finite.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> Ising([0.2], 0.1).energy(np.ones(16), square_lattice((4, 4))).item()
    -8.0
    """

    couplings: NDArray[np.float64]
    field: NDArray[np.float64] | float = 0.0

    def __post_init__(self) -> None:
        couplings = check_array("couplings", np.atleast_1d(self.couplings), ndim=1).copy()
        field = np.asarray(check_array("field", self.field)).copy()
        if field.ndim > 1:
            raise InputError(f"field must be one number or one a site, got shape {field.shape}.")
        for name, value in (("couplings", couplings), ("field", field)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def n_shells(self) -> int:
        """Number of shells with a coupling."""
        return len(self.couplings)

    def site_field(self, graph: SiteGraph) -> NDArray[np.float64]:
        """Return the field of every site, shape (n_sites,)."""
        field = np.asarray(self.field)
        if field.ndim and field.shape != (graph.n_sites,):
            raise InputError(
                f"field must be one number or have shape ({graph.n_sites},), got {field.shape}."
            )
        return np.broadcast_to(field, (graph.n_sites,)).astype(np.float64)

    def bond_couplings(self, graph: SiteGraph) -> NDArray[np.float64]:
        """Return multiplicity times coupling of every edge; shells beyond the couplings have 0."""
        if self.n_shells > graph.n_shells:
            raise InputError(
                f"couplings has {self.n_shells} shells, the graph only {graph.n_shells}; build the "
                "graph with as many shells."
            )
        padded = np.zeros(max(graph.n_shells, 1))
        padded[: self.n_shells] = self.couplings
        return padded[graph.shell] * graph.multiplicity

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return -(sum h s + sum J s s') in kT, shape (...) for states of shape (..., n_sites)."""
        values = np.asarray(states, dtype=np.float64)
        if values.shape[-1:] != (graph.n_sites,) or not np.all(np.abs(values) == 1.0):
            raise InputError(
                f"states must hold -1 and +1 with shape (..., {graph.n_sites}), "
                f"got shape {values.shape}."
            )
        pairs = values[..., graph.edges[:, 0]] * values[..., graph.edges[:, 1]]
        return np.asarray(-(values @ self.site_field(graph)) - pairs @ self.bond_couplings(graph))


@dataclass(frozen=True, slots=True, eq=False)
class LatticeGas:
    """Sites that are empty (0) or occupied (1), as a view of an Ising model.

    p(n) ~ exp(+ mu sum n - sum_bonds V n n'), in kT; V > 0 repels. With n = (1 + s) / 2 this is an
    Ising model with J = -V / 4 and h_i = mu / 2 - sum over the bonds of site i of V / 4.

    Attributes
    ----------
    interactions
        V by shell, shape (n_shells,), in kT.
    chemical_potential
        mu in kT.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> gas = LatticeGas([0.8], chemical_potential=1.0)
    >>> gas.to_ising(square_lattice((4, 4))).couplings.tolist()
    [-0.2]
    """

    interactions: NDArray[np.float64]
    chemical_potential: float = 0.0

    def __post_init__(self) -> None:
        interactions = check_array("interactions", np.atleast_1d(self.interactions), ndim=1).copy()
        interactions.flags.writeable = False
        object.__setattr__(self, "interactions", interactions)
        if not np.isfinite(self.chemical_potential):
            raise InputError(f"chemical_potential must be finite; got {self.chemical_potential}.")

    def to_ising(self, graph: SiteGraph) -> Ising:
        """Return the same distribution as an Ising model on ``graph``."""
        bonds = Ising(self.interactions).bond_couplings(graph)
        around = np.zeros(graph.n_sites)
        for end in (0, 1):
            np.add.at(around, graph.edges[:, end], bonds)
        field = self.chemical_potential / 2 - around / 4
        return Ising(-self.interactions / 4, field[0] if np.ptp(field) == 0 else field)

    def energy(self, states: ArrayLike, graph: SiteGraph) -> NDArray[np.float64]:
        """Return sum_bonds V n n' - mu sum n in kT for occupations of shape (..., n_sites)."""
        values = np.asarray(states, dtype=np.float64)
        if values.shape[-1:] != (graph.n_sites,) or not np.all((values == 0) | (values == 1)):
            raise InputError(
                f"states must hold 0 and 1 with shape (..., {graph.n_sites}), "
                f"got shape {values.shape}."
            )
        pairs = values[..., graph.edges[:, 0]] * values[..., graph.edges[:, 1]]
        bonds = Ising(self.interactions).bond_couplings(graph)
        return np.asarray(pairs @ bonds - self.chemical_potential * values.sum(axis=-1))
