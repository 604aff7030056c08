"""Pair potentials as families: a potential for every vector of unconstrained parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.lattice_models.particles.pair_table import PairTable
from physlearn.records.storage import html_table, short_repr

__all__ = ["InteractionFamily", "PairFamily", "natural_numbers"]

Float = NDArray[np.float64]
STEP = 1e-5
"""Of the central differences in a parameter: errors near 1e-10 of the function's scale."""


def natural_numbers(theta: ArrayLike, is_positive: NDArray[np.bool_]) -> Float:
    """Return theta (..., p) with the exponential of what is positive, and so held as logarithm."""
    theta = check_array("theta", theta, finite=False, allow_empty=True)
    if theta.shape[-1:] != is_positive.shape:
        raise InputError(f"theta must have shape (..., {len(is_positive)}); got {theta.shape}.")
    return np.where(is_positive, np.exp(np.where(is_positive, theta, 0.0)), theta)


@dataclass(frozen=True, eq=False)
class PairFamily:
    """A pair potential with free parameters, energies in kT.

    Estimators work with unconstrained parameters ``theta``: the logarithm of a parameter that must
    be positive, the parameter itself of one that has a sign.

    Attributes
    ----------
    name
        As the user named it.
    names, units
        Of the natural parameters: ``kT``, ``length``, ``1/length``, ``kT length`` or ``1``.
    is_positive
        bool, shape (p,): which parameters are taken by their logarithm.
    prior_mean, prior_covariance
        float64, shapes (p,), (p, p): Gaussian prior of theta.
    cutoff
        Distance from which on the energy is 0.
    build
        Natural parameters, shape (p,) -> ``PairPotential`` with that cutoff.
    recipe
        JSON of the arguments that make this family again; empty where that is not known.

    Examples
    --------
    >>> from physlearn.inference.potential_families.make_family import make_family
    >>> family = make_family("morse", length=1.0)
    >>> family.natural(family.unconstrained([2.0, 6.0, 1.0])).round(6).tolist()
    [2.0, 6.0, 1.0]
    """

    name: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    is_positive: NDArray[np.bool_]
    prior_mean: Float
    prior_covariance: Float
    cutoff: float
    build: Callable[[Float], PairPotential]
    recipe: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.names)

    def natural(self, theta: ArrayLike) -> Float:
        """Return natural parameters of unconstrained ones, shape (..., p)."""
        return natural_numbers(theta, self.is_positive)

    def unconstrained(self, numbers: ArrayLike) -> Float:
        """Return theta of natural parameters, shape (..., p).

        Raises
        ------
        InputError
            Where a parameter that must be positive is not.
        """
        numbers = check_array("numbers", numbers)
        if numbers.shape[-1:] != (self.n_parameters,):
            raise InputError(
                f"numbers must hold {', '.join(self.names)}, shape (..., {self.n_parameters}); "
                f"got {numbers.shape}."
            )
        if (numbers[..., self.is_positive] <= 0.0).any():
            wanted = ", ".join(np.asarray(self.names)[self.is_positive])
            raise InputError(f"{wanted} of {self.name} must be above 0; got {numbers.tolist()}.")
        return np.where(self.is_positive, np.log(np.where(self.is_positive, numbers, 1.0)), numbers)

    def potential(self, theta: ArrayLike) -> PairPotential:
        """Return the potential of one vector theta."""
        return self.build(self.natural(theta))

    def radial(self, theta: ArrayLike, distance: ArrayLike) -> Float:
        """Return u, u', u'' at distances, shape (3, m)."""
        return np.stack(self.potential(theta)._ended(distance))

    def radial_gradient(self, theta: ArrayLike, distance: ArrayLike) -> Float:
        """Return d(u, u', u'') / d theta at distances, shape (3, m, p)."""
        theta = np.asarray(theta, dtype=np.float64)
        columns = []
        for k in range(self.n_parameters):
            step = np.zeros_like(theta)
            step[k] = STEP
            change = self.radial(theta + step, distance) - self.radial(theta - step, distance)
            columns.append(change / (2.0 * STEP))
        return np.stack(columns, axis=-1)


@dataclass(frozen=True, eq=False)
class InteractionFamily:
    """The families between all pairs of species; with one species, one family.

    Attributes
    ----------
    parts
        A family for each pair of species (0, 0), (0, 1), ..., (1, 1), ...: rows of the upper
        triangle.
    n_species
        Number of species q; ``parts`` has q (q + 1) / 2 of them.
    """

    parts: tuple[PairFamily, ...]
    n_species: int = 1

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        wanted = self.n_species * (self.n_species + 1) // 2
        if len(self.parts) != wanted:
            raise InputError(
                f"parts must hold a family for each of {wanted} pairs of species; "
                f"got {len(self.parts)}."
            )

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pair of species of each part."""
        q = self.n_species
        return [(a, b) for a in range(q) for b in range(a, q)]

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, ``depth`` or ``depth[0,1]``."""
        if self.n_species == 1:
            return self.parts[0].names
        return tuple(
            f"{name}[{a},{b}]"
            for (a, b), part in zip(self.pairs, self.parts, strict=True)
            for name in part.names
        )

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the parameters."""
        return tuple(unit for part in self.parts for unit in part.units)

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Which parameters are taken by their logarithm."""
        return np.concatenate([part.is_positive for part in self.parts])

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of all parts."""
        return sum(part.n_parameters for part in self.parts)

    @property
    def cutoff(self) -> float:
        """The longest cutoff."""
        return max(part.cutoff for part in self.parts)

    @property
    def prior_mean(self) -> Float:
        """Mean of theta under the prior."""
        return np.concatenate([part.prior_mean for part in self.parts])

    @property
    def prior_covariance(self) -> Float:
        """Covariance of theta under the prior: parts are independent."""
        from scipy.linalg import block_diag

        return np.asarray(block_diag(*[part.prior_covariance for part in self.parts]))

    def slices(self) -> list[slice]:
        """Where each part's parameters stand in theta."""
        ends = np.cumsum([0] + [part.n_parameters for part in self.parts])
        return [slice(a, b) for a, b in pairwise(ends)]

    def natural(self, theta: ArrayLike) -> Float:
        """Return natural parameters, shape (..., p)."""
        theta = np.asarray(theta, dtype=np.float64)
        parts = zip(self.parts, self.slices(), strict=True)
        return np.concatenate([part.natural(theta[..., at]) for part, at in parts], axis=-1)

    def unconstrained(self, numbers: ArrayLike) -> Float:
        """Return theta of natural parameters, shape (..., p)."""
        numbers = np.asarray(numbers, dtype=np.float64)
        parts = zip(self.parts, self.slices(), strict=True)
        return np.concatenate([part.unconstrained(numbers[..., at]) for part, at in parts], axis=-1)

    def potential(self, theta: ArrayLike) -> PairPotential | PairTable:
        """Return what the simulators take: a pair potential, or a table with several species."""
        theta = np.asarray(theta, dtype=np.float64)
        built = [part.potential(theta[at])
                 for part, at in zip(self.parts, self.slices(), strict=True)]  # fmt: skip
        if self.n_species == 1:
            return built[0]
        return PairTable(dict(zip(self.pairs, built, strict=True)))

    def kinds(self, species: ArrayLike | None, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the part that acts in each pair of particles, shape (m,)."""
        if species is None or self.n_species == 1:
            return np.zeros(len(pairs), dtype=np.int64)
        table = np.zeros((self.n_species, self.n_species), dtype=np.int64)
        for kind, (a, b) in enumerate(self.pairs):
            table[a, b] = table[b, a] = kind
        codes = np.asarray(species, dtype=np.int64)[pairs]
        return table[codes[:, 0], codes[:, 1]]

    def radial(self, theta: ArrayLike, distance: Float, kinds: NDArray[np.int64]) -> Float:
        """Return u, u', u'' of pairs at ``distance`` with part ``kinds``, shape (3, m)."""
        theta = np.asarray(theta, dtype=np.float64)
        out = np.zeros((3, len(distance)))
        for kind, at in enumerate(self.slices()):
            here = kinds == kind
            out[:, here] = self.parts[kind].radial(theta[at], distance[here])
        return out

    def radial_gradient(self, theta: ArrayLike, distance: Float, kinds: NDArray[np.int64]) -> Float:
        """Return d(u, u', u'') / d theta of pairs, shape (3, m, p)."""
        theta = np.asarray(theta, dtype=np.float64)
        out = np.zeros((3, len(distance), self.n_parameters))
        for kind, at in enumerate(self.slices()):
            here = kinds == kind
            out[:, here, at] = self.parts[kind].radial_gradient(theta[at], distance[here])
        return out
