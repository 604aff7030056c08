"""Parts of an energy model: pairs, an embedding, angles; each gives values and their slopes.

The answer of a model for the structures of a condition is one vector: the energy per atom of each
structure, then all force components. Energies in the unit of the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.force_fields import structure_kernels as kernels
from physlearn.inference.force_fields.structure_table import Condition
from physlearn.inference.potential_families.pair_family import InteractionFamily, natural_numbers

__all__ = ["AngleTerm", "EmbeddingTerm", "EnergyModel", "EnergyTerm", "PairTerm"]

Float = NDArray[np.float64]
GRID = 4000
"""Radii at which potentials are evaluated; pairs interpolate: errors near 1e-5 of the slope."""
STEP = 1e-5
LEAST_DENSITY = 1e-12


class EnergyTerm(Protocol):
    """What every part has: named parameters with a Gaussian prior of theta, and values."""

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units, energies in kT's place in those of the data."""

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Which are taken by their logarithm."""

    @property
    def prior_mean(self) -> Float:
        """Mean of theta, shape (p,)."""

    @property
    def prior_covariance(self) -> Float:
        """Covariance of theta, shape (p, p)."""

    def values(self, condition: Condition, theta: Float) -> Float:
        """Return energies per atom and forces, shape (s + n d,)."""

    def slopes(self, condition: Condition, theta: Float) -> Float:
        """Return their derivatives by theta, shape (s + n d, p)."""


def _gathered(condition: Condition, energy: Float, slope: Float) -> Float:
    """Return energies per atom and forces from u and u' of every pair, (m, p) both."""
    p = energy.shape[1]
    of_structure = condition.owner[condition.pairs[:, 0]]
    total = np.stack(
        [np.bincount(of_structure, energy[:, q], condition.n_structures) for q in range(p)], axis=1
    )
    forces = np.zeros((condition.n_total, 3, p))
    kernels.add_pair_forces(condition.pairs, condition.unit, np.ascontiguousarray(slope), forces)
    plane = forces[:, : condition.dimension].reshape(-1, p)
    return np.concatenate([total / condition.n_atoms[:, None], plane])


def _differences(term: EnergyTerm, condition: Condition, theta: Float) -> Float:
    columns = []
    for k in range(len(theta)):
        step = np.zeros_like(theta)
        step[k] = STEP
        change = term.values(condition, theta + step) - term.values(condition, theta - step)
        columns.append(change / (2.0 * STEP))
    return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class PairTerm:
    """Sum over pairs of a family's potential; ``shortest``: the least distance in the data."""

    family: InteractionFamily
    shortest: float
    kept: dict[tuple[bool, bytes], Float] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the family."""
        return self.family.names

    @property
    def units(self) -> tuple[str, ...]:
        """Of the family."""
        return self.family.units

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Of the family."""
        return self.family.is_positive

    @property
    def prior_mean(self) -> Float:
        """Of the family."""
        return self.family.prior_mean

    @property
    def prior_covariance(self) -> Float:
        """Of the family."""
        return self.family.prior_covariance

    def _kinds(self, condition: Condition) -> NDArray[np.int64]:
        return self.family.kinds(condition.species, condition.pairs)

    def _interpolated(self, condition: Condition, tables: Float) -> Float:
        """Return (2, m, p) of tables (kinds, 2, GRID, p) at the pairs' distances."""
        kinds = self._kinds(condition)
        start, end = self._ends()[kinds].T
        place = (condition.distance - start) / (end - start)
        # a kind's own cutoff may be shorter than the reach of the pairs: nothing beyond it
        inside = (place < 1.0)[:, None]
        place = np.clip(place, 0.0, 1.0) * (GRID - 1)
        low = np.minimum(place.astype(np.int64), GRID - 2)
        share = (place - low)[:, None]
        out = np.empty((2, len(low), tables.shape[-1]))
        for order in range(2):
            below, above = tables[kinds, order, low], tables[kinds, order, low + 1]
            out[order] = np.where(inside, below + share * (above - below), 0.0)
        return out

    def _ends(self) -> Float:
        """Return the least and the largest radius of each kind's table, shape (kinds, 2)."""
        end = np.array([part.cutoff for part in self.family.parts])
        return np.stack([np.where(self.shortest < end, self.shortest, 0.5 * end), end], axis=1)

    def _tables(self, theta: Float, of_slopes: bool) -> Float:
        """Return u and u' (or their slopes) on the radii; all conditions of a step share them."""
        key = (of_slopes, theta.tobytes())
        if key not in self.kept:
            family = self.family
            grids = [
                (np.linspace(start, end * (1.0 - 1e-12), GRID), np.full(GRID, kind))
                for kind, (start, end) in enumerate(self._ends())
            ]
            table = (
                np.stack([family.radial_gradient(theta, r, kind)[:2] for r, kind in grids])
                if of_slopes
                else np.stack([family.radial(theta, r, kind)[:2, :, None] for r, kind in grids])
            )
            for old in [one for one in self.kept if one[0] == of_slopes]:
                del self.kept[old]
            self.kept[key] = table
        return self.kept[key]

    def values(self, condition: Condition, theta: Float) -> Float:
        """As ``EnergyTerm``."""
        return _gathered(condition, *self._interpolated(condition, self._tables(theta, False)))[
            :, 0
        ]

    def slopes(self, condition: Condition, theta: Float) -> Float:
        """As ``EnergyTerm``."""
        return _gathered(condition, *self._interpolated(condition, self._tables(theta, True)))


@dataclass(frozen=True, eq=False)
class EmbeddingTerm:
    """-strength sum_i sqrt(rho_i), rho_i = sum_j exp(-2 decay (r / length - 1)) S(r).

    The square root of a density is the second moment of a band (Finnis & Sinclair 1984,
    doi:10.1080/01418618408244210); S ends it smoothly from .8 of the cutoff on.
    """

    length: float
    cutoff: float
    names = ("embedding_strength", "embedding_decay")
    units = ("kT", "1")

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Both."""
        return np.array([True, True])

    @property
    def prior_mean(self) -> Float:
        """Strength near the unit of energy, decay near 2.5."""
        return np.array([0.0, np.log(2.5)])

    @property
    def prior_covariance(self) -> Float:
        """Wide in the strength, a factor 1.8 in the decay."""
        return np.diag([1.5**2, 0.6**2])

    def _density(self, r: Float, decay: float) -> tuple[Float, Float]:
        start = 0.8 * self.cutoff
        width = self.cutoff - start
        x = np.clip((r - start) / width, 0.0, 1.0)
        end = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
        fall = -30.0 * x**2 * (1.0 - x) ** 2 / width
        plain = np.exp(-2.0 * decay * (r / self.length - 1.0))
        return plain * end, plain * (fall - 2.0 * decay / self.length * end)

    def values(self, condition: Condition, theta: Float) -> Float:
        """As ``EnergyTerm``."""
        strength, decay = np.exp(theta)
        i, j = condition.pairs.T
        value, slope = self._density(condition.distance, float(decay))
        n = condition.n_total
        density = np.bincount(i, value, n) + np.bincount(j, value, n) + LEAST_DENSITY
        root = np.sqrt(density)
        energy = np.bincount(condition.owner, -strength * root, condition.n_structures)
        pull = -0.5 * strength * (1.0 / root[i] + 1.0 / root[j]) * slope
        out = _gathered(condition, np.zeros((len(i), 1)), pull[:, None])[:, 0]
        out[: condition.n_structures] = energy / condition.n_atoms
        return out

    def slopes(self, condition: Condition, theta: Float) -> Float:
        """As ``EnergyTerm``."""
        return _differences(self, condition, theta)


@dataclass(frozen=True, eq=False)
class AngleTerm:
    """Stillinger and Weber's angle energy with free strength, cosine and decay length.

    strength (cos - cosine)^2 exp(d / (r1 - cutoff)) exp(d / (r2 - cutoff)) over all angles
    (doi:10.1103/PhysRevB.31.5262).
    """

    length: float
    cutoff: float
    names = ("angle_strength", "angle_cosine", "angle_decay_length")
    units = ("kT", "1", "length")

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Strength and length."""
        return np.array([True, False, True])

    @property
    def prior_mean(self) -> Float:
        """Strength above the unit of energy (two exponentials cut it), any cosine."""
        return np.array([np.log(10.0), -0.3, np.log(0.5 * self.length)])

    @property
    def prior_covariance(self) -> Float:
        """Wide."""
        return np.diag([2.0**2, 0.5**2, 0.7**2])

    def _features(self, condition: Condition, decay: float) -> Float:
        """Return the sums of cos^0, cos^1, cos^2, shape (s + n d, 3)."""
        near = condition.distance < self.cutoff
        i, j = condition.pairs[near].T
        step = condition.unit[near] * condition.distance[near][:, None]
        centre, other = np.concatenate([i, j]), np.concatenate([j, i])
        order = np.argsort(centre, kind="stable")
        n = condition.n_total
        start = np.concatenate([[0], np.cumsum(np.bincount(centre, minlength=n))])
        energies, forces = np.zeros((n, 3)), np.zeros((n, 3, 3))
        kernels.angle_sums(
            start, other[order], np.concatenate([step, -step])[order], decay, self.cutoff,
            energies, forces, np.zeros((n, 6, 3)),
        )  # fmt: skip
        total = np.stack(
            [np.bincount(condition.owner, energies[:, q], condition.n_structures)
             for q in range(3)], axis=1,
        )  # fmt: skip
        plane = forces[:, : condition.dimension].reshape(-1, 3)
        return np.concatenate([total / condition.n_atoms[:, None], plane])

    def values(self, condition: Condition, theta: Float) -> Float:
        """As ``EnergyTerm``."""
        strength, cosine, decay = np.exp(theta[0]), theta[1], np.exp(theta[2])
        weights = strength * np.array([cosine**2, -2.0 * cosine, 1.0])
        return np.asarray(self._features(condition, float(decay)) @ weights)

    def slopes(self, condition: Condition, theta: Float) -> Float:
        """As ``EnergyTerm``."""
        strength, cosine = np.exp(theta[0]), theta[1]
        features = self._features(condition, float(np.exp(theta[2])))
        value = features @ (strength * np.array([cosine**2, -2.0 * cosine, 1.0]))
        turned = features @ (strength * np.array([2.0 * cosine, -2.0, 0.0]))
        step = np.array([0.0, 0.0, STEP])
        change = self.values(condition, theta + step) - self.values(condition, theta - step)
        return np.stack([value, turned, change / (2.0 * STEP)], axis=1)


@dataclass(frozen=True, eq=False)
class EnergyModel:
    """Sum of terms plus an energy per atom of each element.

    theta: the terms' parameters one after the other, then ``energy_per_atom`` of each element.
    """

    terms: tuple[EnergyTerm, ...]
    elements: tuple[str, ...]
    offset_mean: Float
    offset_sd: float

    @property
    def n_shape(self) -> int:
        """Parameters of the terms, without the energies per atom."""
        return sum(len(term.names) for term in self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        shape = [name for term in self.terms for name in term.names]
        return (*shape, *(f"energy_per_atom[{name}]" for name in self.elements))

    @property
    def units(self) -> tuple[str, ...]:
        """Units, ``kT`` standing for the unit of energy."""
        shape = [unit for term in self.terms for unit in term.units]
        return (*shape, *("kT" for _ in self.elements))

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Which are taken by their logarithm."""
        flags = [term.is_positive for term in self.terms]
        return np.concatenate([*flags, np.zeros(len(self.elements), dtype=bool)])

    @property
    def prior_mean(self) -> Float:
        """Mean of theta."""
        return np.concatenate([*(term.prior_mean for term in self.terms), self.offset_mean])

    @property
    def prior_covariance(self) -> Float:
        """Covariance of theta."""
        from scipy.linalg import block_diag

        offsets = self.offset_sd**2 * np.eye(len(self.elements))
        return np.asarray(block_diag(*(term.prior_covariance for term in self.terms), offsets))

    def natural(self, theta: Float) -> Float:
        """Return natural parameters, shape (..., p)."""
        return natural_numbers(theta, self.is_positive)

    def values(self, condition: Condition, theta: Float) -> Float:
        """Return energies per atom and forces, shape (s + n d,)."""
        offset = np.zeros(condition.n_structures + condition.n_total * condition.dimension)
        offset[: condition.n_structures] = condition.composition @ theta[self.n_shape :]
        at = 0
        for term in self.terms:
            offset += term.values(condition, theta[at : at + len(term.names)])
            at += len(term.names)
        return offset

    def slopes(self, condition: Condition, theta: Float) -> Float:
        """Return the derivatives, shape (s + n d, p)."""
        rows = condition.n_structures + condition.n_total * condition.dimension
        last = np.zeros((rows, len(self.elements)))
        last[: condition.n_structures] = condition.composition
        columns, at = [], 0
        for term in self.terms:
            columns.append(term.slopes(condition, theta[at : at + len(term.names)]))
            at += len(term.names)
        return np.concatenate([*columns, last], axis=1)
