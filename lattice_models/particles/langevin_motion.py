"""What moves: settings of the motion, velocities and noise at its start, steps with new lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count, check_positive
from physlearn.lattice_models.particles import motion_kernels as kernels
from physlearn.lattice_models.particles.interaction import Particles
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.lattice_models.random_numbers import seed_words, ziggurat_tables

__all__ = ["CODES", "SCHEMES", "LangevinSettings", "Mover", "masses", "set_in_motion"]

Float = NDArray[np.float64]

SCHEMES = {
    "overdamped": ("heun", "leimkuhler_matthews"),
    "underdamped": ("baoab",),
    "conservative": ("velocity_verlet",),
}
CODES = {"heun": 0, "leimkuhler_matthews": 1, "baoab": 2, "velocity_verlet": 3}


@dataclass(frozen=True, eq=False)
class LangevinSettings:
    """Numbers of the motion, in the units of the potential.

    Attributes
    ----------
    scheme
        ``"auto"``: ``heun`` for overdamped, ``baoab`` for underdamped, ``velocity_verlet`` for
        conservative motion; or ``leimkuhler_matthews`` (overdamped).
    diffusion
        Overdamped: diffusion constant of a free particle, length^2 / time.
    friction
        Underdamped: rate at which a velocity decays, 1 / time.
    mass
        One number, or one a particle (n,): energy x time^2 / length^2.
    velocities
        Shape (n, d) at the start; None: drawn at the temperature.
    burn_in_steps
        Time steps before the first frame.
    skin
        How much further than the cutoff neighbours are listed; None chooses. Results agree up to
        round-off.

    Raises
    ------
    InputError
        For a number that is not above 0 (friction, burn-in and skin: below 0).

    Examples
    --------
    >>> LangevinSettings(diffusion=0.5).scheme
    'auto'
    """

    scheme: str = "auto"
    diffusion: float = 1.0
    friction: float = 1.0
    mass: ArrayLike = 1.0
    velocities: ArrayLike | None = None
    burn_in_steps: int = 0
    skin: float | None = None

    def __post_init__(self) -> None:
        check_choice("scheme", self.scheme, ("auto", *CODES))
        check_positive("diffusion", self.diffusion)
        check_positive("friction", self.friction, allow_zero=True)
        if (check_array("mass", self.mass) <= 0.0).any():
            raise InputError("mass must be above 0 for every particle.")
        if self.velocities is not None:
            check_array("velocities", self.velocities, ndim=2)
        check_count("burn_in_steps", self.burn_in_steps, 0)
        if self.skin is not None:
            check_positive("skin", self.skin)


def masses(settings: LangevinSettings, n: int) -> Float:
    """One mass a particle."""
    mass = np.asarray(settings.mass, dtype=np.float64)
    if mass.ndim and mass.shape != (n,):
        raise InputError(f"mass must be one number or have shape ({n},); got {mass.shape}.")
    return np.broadcast_to(mass, (n,)).copy()


def set_in_motion(
    system: ParticleSystem,
    particles: Particles,
    settings: LangevinSettings,
    scheme: str,
    mass: Float,
    temperature: float,
    generator: np.random.Generator,
) -> None:
    """Write velocities, masses, the scheme and the random state into the system's arrays."""
    n, d = particles.positions.shape
    drawn = generator.normal(size=(n, d))
    velocities = drawn * np.sqrt(temperature / mass)[:, None]
    if settings.velocities is not None:
        velocities = check_array("velocities", settings.velocities, shape=(n, d))
    identity = system.names[:, 0]
    system.carried[:n, :d] = velocities[identity]
    system.carried[:n, 3] = 1.0 / mass[identity]
    # the first noise of Leimkuhler and Matthews, which the first step shares with none before it
    system.carried[:n, 4 : 4 + d] = generator.normal(size=(n, d))[identity]
    system.counts[4], system.counts[5] = CODES[scheme], d
    system.random_state[:] = seed_words(generator, (2,))
    system.refresh_forces()


class Mover:
    """Steps of one system, with new lists when the kernel asks for them."""

    def __init__(
        self,
        system: ParticleSystem,
        time_step: float,
        temperature: float,
        diffusion: float,
        friction: float,
        length: float,
    ) -> None:
        """``length``: of a collision; a force that moves a particle by half of it is too much."""
        self.system = system
        longest, half_skin = 0.5 * length, 0.5 * system.skin
        self.numbers = np.array(
            [time_step, temperature, diffusion, friction, longest * longest, half_skin * half_skin]
        )
        self.ziggurat = ziggurat_tables()
        self.energy_at_start = sum(system.energy()[:3]) + self.kinetic()

    def step(self, n: int) -> None:
        """Do n time steps."""
        system = self.system
        system.counts[3] = system.counts[2] + n
        while True:
            ended = kernels.advance(
                system.points, system.carried, system.force, system.reference, system.names,
                system.lists, system.interaction.law, system.box, self.numbers, system.counts,
                system.near, system.lanes, system.sums, system.random_state, self.ziggurat,
            )  # fmt: skip
            if ended == kernels.DONE:
                return
            if ended == kernels.BLOWN_UP:
                raise InputError(
                    f"the motion blew up at time step {system.counts[2] + 1}: the forces moved "
                    f"particle {system.counts[6]} beyond half a collision's length in one step; "
                    f"use a time_step well below {self.numbers[0]:g}."
                )
            system.rebuild()

    def kinetic(self) -> float:
        """Kinetic energy."""
        velocities = self.system.carried[: self.system.n]
        return float(0.5 * ((velocities[:, :3] ** 2).sum(axis=1) / velocities[:, 3]).sum())

    def energies(self, moving: bool) -> dict[str, float]:
        """Energies per particle for the metadata."""
        n = self.system.n
        potential, kinetic = sum(self.system.energy()[:3]), self.kinetic()
        said = {"potential_energy_per_particle": potential / n}
        if moving:
            said["kinetic_energy_per_particle"] = kinetic / n
            said["energy_change_per_particle"] = (potential + kinetic - self.energy_at_start) / n
        return said
