"""Crystals of a pair potential in equilibrium, started from springs that are nearly right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.crystals.crystal_kinds import CrystalKind
from physlearn.inference.crystals.spring_geometry import SpringGeometry, spring_geometry
from physlearn.inference.crystals.spring_model import PositionError, SpringModel
from physlearn.inference.crystals.spring_posterior import best_springs
from physlearn.inference.crystals.wave_likelihood import WaveLikelihood, wave_shares
from physlearn.inference.crystals.wave_vectors import cells_of, half_the_waves, row_form
from physlearn.lattice_models.particles.interaction import read_physics
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.records import AtomicConfiguration

__all__ = ["BoxWaves", "CrystalBox", "effective_springs", "thermal_springs", "thermalise"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(7)


@dataclass(frozen=True, eq=False)
class CrystalBox:
    """A whole periodic crystal in a rectangular box.

    ``kind``, ``primitive`` (d, d), ``periods`` (d, d) in primitive vectors.
    """

    kind: CrystalKind
    primitive: Float
    periods: Int

    @property
    def cells(self) -> Int:
        """Cells of the sites, atoms of one place of the cell together."""
        return np.tile(cells_of(row_form(self.periods)), (self.kind.n_basis, 1))

    @property
    def basis(self) -> Int:
        """Atom of the cell of each site."""
        n = len(cells_of(row_form(self.periods)))
        return np.repeat(np.arange(self.kind.n_basis), n)

    @property
    def sites(self) -> Float:
        """Places of the sites."""
        return np.asarray((self.cells + self.kind.offsets[self.basis]) @ self.primitive)

    @property
    def cell(self) -> Float:
        """Periods of the box, an exactly diagonal matrix."""
        return np.diag(np.diag(self.periods @ self.primitive))

    def geometry(self, n_shells: int) -> SpringGeometry:
        """Bonds of the first shells."""
        return spring_geometry(self.kind, self.primitive, n_shells)


@dataclass(frozen=True, eq=False)
class BoxWaves:
    """Waves of a box, with the phases of every cell.

    ``unit`` (q, k, D, D): what a unit of each spring adds; ``weight`` (q,); ``phase`` (q, cells).
    """

    box: CrystalBox
    unit: Float
    weight: Float
    phase: NDArray[np.complex128]

    @classmethod
    def of(cls, box: CrystalBox, n_shells: int) -> BoxWaves:
        """Compute the phases once."""
        waves, weight = half_the_waves(box.periods)
        unit = box.geometry(n_shells).matrices(wave_shares(waves, box.periods))
        shares = cells_of(row_form(box.periods)) @ np.linalg.inv(box.periods)
        return cls(box, unit, weight, np.exp(-2j * np.pi * ((waves @ shares.T) % 1.0)))

    def stiffness(self, springs: Float) -> NDArray[Any]:
        """Return the dynamical matrices (q, b d, b d) of springs (k,)."""
        whole = np.einsum("k,qkij->qij", springs, self.unit)
        size = self.box.kind.n_basis * self.box.kind.dimension
        if self.box.kind.n_basis == 1:
            return np.asarray(whole)
        return np.asarray(whole[:, :size, :size] + 1j * whole[:, size:, :size])

    def back(self, wave: NDArray[Any]) -> Float:
        """Return the real field (n, d) of amplitudes (q, b d)."""
        d, b = self.box.kind.dimension, self.box.kind.n_basis
        # a wave and its opposite give twice the real part
        field = (self.phase.conj().T @ (2.0 * self.weight[:, None] * wave)).real
        field = field.reshape(-1, b, d) / np.sqrt(len(field))
        return np.ascontiguousarray(field.transpose(1, 0, 2).reshape(-1, d))

    def forward(self, field: Float) -> NDArray[Any]:
        """Return amplitudes (q, b d) of a field (n, d)."""
        d, b = self.box.kind.dimension, self.box.kind.n_basis
        cells = field.reshape(b, -1, d).transpose(1, 0, 2).reshape(-1, b * d)
        return np.asarray(self.phase @ cells / np.sqrt(len(cells)))

    def vibrate(self, springs: Float, rng: np.random.Generator) -> Float:
        """Draw displacements (n, d) of a crystal of springs.

        Raises
        ------
        numpy.linalg.LinAlgError
            Where the springs do not hold the crystal.
        """
        factor = np.linalg.cholesky(np.linalg.inv(self.stiffness(springs)))
        noise = rng.standard_normal((2, len(factor), factor.shape[-1]))
        # amplitudes of a wave that is its own opposite are real, of others half real, half not
        whole = np.where(self.weight < 1.0, 1.0, np.sqrt(0.5))[:, None]
        other = np.where(self.weight < 1.0, 0.0, np.sqrt(0.5))[:, None]
        return self.back(np.einsum("qij,qj->qi", factor, whole * noise[0] + 1j * other * noise[1]))

    def smooth(self, springs: Float, noise: float, field: Float) -> Float:
        """Return the mean of the true displacements given measured ones, for springs."""
        stiff = self.stiffness(springs)
        gain = np.linalg.inv(np.eye(stiff.shape[-1]) + noise * stiff)
        return self.back(np.einsum("qij,qj->qi", gain, self.forward(field)))


def thermalise(
    box: CrystalBox, field: Float, potential: PairPotential, n_sweeps: int, rng: np.random.Generator
) -> Float:
    """Return the displacements (n, d) after Metropolis sweeps under ``potential``."""
    sites = box.sites
    start = AtomicConfiguration(sites + field, unit="reduced", cell=box.cell)
    particles, interaction = read_physics(potential, start)
    step = 2.2 * float(np.sqrt((field**2).mean()))
    walk = MetropolisWalk(particles, interaction, 1.0, step)
    walk.random_state[:] = seed_words(rng, (2,))
    walk.sweep(n_sweeps)
    off = walk.positions() - sites
    lengths = np.diag(box.cell)
    off -= np.rint(off / lengths) * lengths
    return np.asarray(off - off.mean(axis=0))


def thermal_springs(potential: PairPotential, geometry: SpringGeometry, spread: Float) -> Float:
    """Return springs averaged over Gaussian changes of each bond: self-consistent phonons.

    ``spread`` (n_shells, 2): variance of a bond's change along it and across it. The mean of the
    potential's second derivatives over those changes, shells by bond length.
    """
    d = geometry.kind.dimension
    lengths = geometry.lengths()
    weights = WEIGHTS / WEIGHTS.sum()
    grids = np.meshgrid(*[np.arange(len(NODES))] * d, indexing="ij")
    index = np.stack([g.ravel() for g in grids], axis=1)
    weight = weights[index].prod(axis=1)
    out = np.empty(2 * len(lengths))
    for shell, length in enumerate(lengths):
        sd = np.sqrt(np.append(spread[shell, :1], np.repeat(spread[shell, 1], d - 1)))
        change = NODES[index] * sd
        change[:, 0] += length
        distance = np.linalg.norm(change, axis=1)
        _, slope, bend = potential._ended(np.maximum(distance, 0.3 * length))
        along = (change[:, 0] / distance) ** 2
        out[2 * shell] = weight @ (bend * along + slope / distance * (1.0 - along))
        side = (1.0 - along) / (d - 1)
        out[2 * shell + 1] = weight @ (bend * side + slope / distance * (1.0 - side))
    return out


def effective_springs(box: CrystalBox, fields: Float, n_shells: int) -> Float:
    """Return the springs of the Gaussian closest to many displacements (frames, n, d)."""
    geometry = box.geometry(n_shells)
    part = WaveLikelihood.of(
        fields, box.cells, box.basis, box.periods, geometry, float(len(fields))
    )
    spacing = float(geometry.lengths()[0])
    scale = 1.0 / float((fields**2).mean())
    model = SpringModel(2 * n_shells, spacing, PositionError(0.0, 0.0), scale)
    return best_springs(part, model)
