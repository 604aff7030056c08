"""Langevin motion of particles, overdamped and underdamped, and motion without friction."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_positive
from physlearn.lattice_models.particles import motion_kernels as kernels
from physlearn.lattice_models.particles.interaction import (
    Interaction,
    Particles,
    Term,
    read_particles,
)
from physlearn.lattice_models.particles.start_checks import check_no_overlap, check_time_step
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.lattice_models.random_numbers import seed_words, ziggurat_tables
from physlearn.long_run import LongRun
from physlearn.records import Trajectory

__all__ = ["LangevinSettings", "simulate_langevin"]

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
        if self.burn_in_steps < 0:
            raise InputError(f"burn_in_steps must be at least 0; got {self.burn_in_steps}.")
        if self.skin is not None:
            check_positive("skin", self.skin)


def simulate_langevin(
    potential: Term | Sequence[Term],
    start: Any,
    n_frames: int = 100,
    steps_between: int = 10,
    *,
    time_step: float,
    temperature: float = 1.0,
    dynamics: str = "overdamped",
    settings: LangevinSettings | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Trajectory:
    """Move particles by Langevin's equation and return where they are at regular times.

    ``"overdamped"``: dx = (D / kT) F dt + sqrt(2 D) dW. Scheme ``heun`` (predict and correct with
    the same noise: Platen's scheme for additive noise, Kloeden & Platen 1992, chapter 15) has weak
    order 2 in averages at any time, dynamics included: the default. ``leimkuhler_matthews``
    (Leimkuhler & Matthews 2013, doi:10.1093/amrx/abs010) needs one force a step, and its averages
    in equilibrium are of order 2 (exact for a harmonic potential); on the way there its error is
    of order 1.
    ``"underdamped"``: m dv = F dt - m friction v dt + sqrt(2 m friction kT) dW by BAOAB (the same
    paper), weak order 2, positions in equilibrium exact for a harmonic potential.
    ``"conservative"``: m dv = F dt by velocity Verlet; the temperature only draws velocities.

    Parameters
    ----------
    potential
        A pair potential, PairTable, StillingerWeberAngle or HarmonicTrap, or a sequence of them.
    start
        ``AtomicConfiguration`` (with a rectangular ``cell`` the box is periodic) or array (n, d).
    n_frames, steps_between
        Frames to return, the first one at the start (after the burn-in); time steps between them.
    time_step
        In the unit of time that the settings' numbers imply.
    temperature
        kT in the potential's energy.
    dynamics, settings
        As above; see ``LangevinSettings``.
    rng
        Seed or generator; None draws a seed. It stands in the metadata.
    progress, checkpoint
        Called with (steps done, steps); a file to go on from after Ctrl-C.

    Returns
    -------
    Trajectory
        Positions run on across the box's borders (not wrapped); ``cell`` holds the box.

    Raises
    ------
    InputError
        For wrong shapes, overlapping particles (named), a cutoff beyond half the box, a time step
        too large for the potential (with a usable one), and a motion that blows up on the way.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap
    >>> path = simulate_langevin(HarmonicTrap(2.0), [[1.0, 0.0]], 3, 10, time_step=0.01, rng=1)
    >>> path.n_frames, path.times.tolist()
    (3, [0.0, 0.1, 0.2])
    """
    chosen = LangevinSettings() if settings is None else settings
    particles, interaction = _checked_physics(potential, start)
    for name, number in (("n_frames", n_frames), ("steps_between", steps_between)):
        if int(number) != number or number < 1:
            raise InputError(f"{name} must be a whole number of at least 1; got {number!r}.")
    temperature = check_positive("temperature", temperature)
    time_step = check_positive("time_step", time_step)
    check_choice("dynamics", dynamics, tuple(SCHEMES))
    scheme = SCHEMES[dynamics][0] if chosen.scheme == "auto" else chosen.scheme
    check_choice(f"scheme of {dynamics} motion", scheme, SCHEMES[dynamics])
    mass = _mass(chosen, len(particles.positions))
    check_no_overlap(particles, interaction, temperature)
    system = ParticleSystem(particles, interaction, chosen.skin)
    length = check_time_step(
        system, time_step=time_step, temperature=temperature, mass=mass,
        diffusion=chosen.diffusion if dynamics == "overdamped" else None,
    )  # fmt: skip
    generator, seed = as_generator(rng)
    _set_in_motion(system, particles, chosen, scheme, mass, temperature, generator)
    half_skin = 0.5 * system.skin
    numbers = np.array(
        [time_step, temperature, chosen.diffusion, chosen.friction, (0.5 * length) ** 2,
         half_skin * half_skin]
    )  # fmt: skip
    if scheme == "velocity_verlet":
        numbers[3] = 0.0
    identity = {
        "positions": particles.positions, "species": particles.species, "box": particles.box_3,
        "law": np.concatenate([part.ravel() for part in interaction.law]), "numbers": numbers,
        "scheme": scheme, "mass": mass, "velocities": system.carried, "seed": seed,
        "frames": [n_frames, steps_between, chosen.burn_in_steps],
    }  # fmt: skip
    total = chosen.burn_in_steps + (n_frames - 1) * steps_between
    frames = np.zeros((n_frames, *particles.positions.shape))
    mover = _Mover(system, numbers)
    with LongRun(total, progress=progress, checkpoint=checkpoint, arguments=identity) as run:
        first = 0
        if run.saved is not None:
            system.restore(run.saved)
            frames[:], first = run.saved["frames"], int(run.saved["n_frames"])
        n_done = first

        def arrays() -> dict[str, NDArray[Any]]:
            return {**system.arrays(), "frames": frames, "n_frames": np.array(n_done)}

        for k in range(first, n_frames):
            if not run.advance_to(chosen.burn_in_steps + k * steps_between, mover.step, arrays):
                break
            frames[k] = system.positions()
            n_done = k + 1
        warnings = run.finish(n_done, n_frames, "frames")
    n = system.n
    return Trajectory(
        np.repeat(np.arange(n_done), n),
        np.tile(np.arange(n), n_done),
        frames[:n_done].reshape(n_done * n, system.dimension),
        time_step * steps_between * np.arange(n_done, dtype=np.float64),
        unit=particles.unit,
        time_unit="reduced",
        cell=particles.cell,
        metadata={
            "potential": repr(potential), "dynamics": dynamics, "scheme": scheme,
            "time_step": time_step, "temperature": temperature, "seed": seed,
            **mover.energies(dynamics != "overdamped"),
        },
        warnings=warnings,
    )  # fmt: skip


def _checked_physics(potential: Any, start: Any) -> tuple[Particles, Interaction]:
    particles = read_particles(start)
    n_species = int(particles.species.max()) + 1
    interaction = Interaction.of(potential, particles.dimension, n_species)
    particles.check_against(interaction)
    return particles, interaction


def _mass(settings: LangevinSettings, n: int) -> Float:
    mass = np.asarray(settings.mass, dtype=np.float64)
    if mass.ndim and mass.shape != (n,):
        raise InputError(f"mass must be one number or have shape ({n},); got {mass.shape}.")
    return np.broadcast_to(mass, (n,)).copy()


def _set_in_motion(
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


class _Mover:
    """Steps of one system, with new lists when the kernel asks for them."""

    def __init__(self, system: ParticleSystem, numbers: Float) -> None:
        self.system, self.numbers = system, numbers
        self.ziggurat = ziggurat_tables()
        self.energy_at_start = sum(system.energy()[:3]) + self._kinetic()

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

    def _kinetic(self) -> float:
        velocities = self.system.carried[: self.system.n]
        return float(0.5 * ((velocities[:, :3] ** 2).sum(axis=1) / velocities[:, 3]).sum())

    def energies(self, moving: bool) -> dict[str, float]:
        """Energies per particle for the metadata."""
        n = self.system.n
        potential, kinetic = sum(self.system.energy()[:3]), self._kinetic()
        said = {"potential_energy_per_particle": potential / n}
        if moving:
            said["kinetic_energy_per_particle"] = kinetic / n
            said["energy_change_per_particle"] = (potential + kinetic - self.energy_at_start) / n
        return said
