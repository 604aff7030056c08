"""Structures with energies and forces of a known potential: what fits of forces are tried on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import as_generator, check_count
from physlearn.inference.force_fields import structure_kernels as kernels
from physlearn.inference.force_fields.energy_terms import AngleTerm
from physlearn.inference.force_fields.structure_table import (
    make_conditions,
    periodic_pairs,
    read_computed,
)
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.lattice_models.particles.potentials import Morse
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["ForceWorld", "make_force_world", "pair_answer"]

Float = NDArray[np.float64]
BASIS = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
MORSE = (0.12, 1.1, 3.2)
CUTOFF = 6.5
ANGLE_CUTOFF = 4.2


@dataclass(frozen=True, eq=False)
class ForceWorld:
    """Structures, energies (cells), forces, the run of each, and log Morse numbers per run."""

    structures: list[AtomicConfiguration]
    energies: list[float]
    forces: list[Float]
    conditions: list[str]
    own: Float

    __repr__ = short_repr
    _repr_html_ = html_table


def pair_answer(potential: PairPotential, one: AtomicConfiguration) -> tuple[float, Float]:
    """Return energy and forces of a pair potential in any cell, all images counted."""
    reach = float(potential.cutoff or 0.0)
    pairs, step = periodic_pairs(one.positions, one.cell, reach)
    r = np.linalg.norm(step, axis=1)
    forces = np.zeros((one.n, 3, 1))
    kernels.add_pair_forces(pairs, step / r[:, None], potential.derivative(r)[:, None], forces)
    return float(potential.value(r).sum()), forces[:, : one.dimension, 0]


def make_force_world(
    n_conditions: int = 8,
    n_each: int = 4,
    *,
    spread: tuple[float, float, float] = (0.0, 0.0, 0.0),
    noise: float = 0.05,
    wave: float = 0.0,
    angle: float = 0.0,
    size: int = 2,
    rng: int | np.random.Generator | None = None,
) -> ForceWorld:
    """Make runs of a body-centred crystal at densities and temperatures of their own.

    Parameters
    ----------
    n_conditions, n_each
        Runs, and structures of each.
    spread
        Standard deviations of the logarithms of depth, steepness and minimum between runs.
    noise
        Error of every force component, eV per angstrom.
    wave
        Amplitude of an error that is smooth in space: forces of one structure share it.
    angle
        Strength in eV of an angle term that no pair potential has.
    size
        Cells along each axis; 2 size^3 atoms.
    rng
        Seed or generator.
    """
    check_count("n_conditions", n_conditions, 1)
    generator, _ = as_generator(rng)
    out = ForceWorld([], [], [], [], np.empty((n_conditions, 3)))
    for run in range(n_conditions):
        out.own[run] = np.log(MORSE) + np.asarray(spread) * generator.standard_normal(3)
        potential = Morse(*np.exp(out.own[run]).tolist(), cutoff=CUTOFF, truncation="switch")
        edge, shake = 3.4 * generator.uniform(0.96, 1.05), generator.uniform(0.08, 0.3)
        offset = 0.02 * generator.standard_normal()
        grid = np.stack(np.meshgrid(*[np.arange(size)] * 3), axis=-1).reshape(-1, 1, 3)
        rest = edge * (grid + BASIS).reshape(-1, 3)
        for _ in range(n_each):
            moved = rest + shake * generator.standard_normal(rest.shape)
            one = AtomicConfiguration(moved, unit="angstrom", cell=size * edge * np.eye(3))
            energy, forces = pair_answer(potential, one)
            if angle:
                more = _angle_answer(one, angle)
                energy, forces = energy + more[0], forces + more[1]
            forces = forces + noise * generator.standard_normal(forces.shape)
            if wave:
                phase = 2.0 * np.pi * (moved[:, :1] / (size * edge) + generator.random())
                forces = forces + wave * np.sin(phase) * generator.standard_normal(3)
            out.structures.append(one)
            out.forces.append(forces - forces.mean(axis=0))
            error = 0.001 * generator.standard_normal()
            out.energies.append(energy + one.n * (offset - 1.9 + error))
            out.conditions.append(f"run {run}")
    return out


def _angle_answer(one: AtomicConfiguration, strength: float) -> tuple[float, Float]:
    data = read_computed([one, one], [0.0, 0.0], None, None, None)
    condition = make_conditions(data, ANGLE_CUTOFF)[0]
    theta = np.array([np.log(strength), -1.0 / 3.0, np.log(1.5)])
    answer = AngleTerm(3.0, ANGLE_CUTOFF).values(condition, theta)
    return float(answer[0] * one.n), answer[2 : 2 + 3 * one.n].reshape(-1, 3)
