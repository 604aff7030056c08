"""Langevin motion of particles, overdamped and underdamped, and motion without friction."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import as_generator, check_choice, check_count, check_positive
from physlearn.lattice_models.particles.interaction import Term, read_physics
from physlearn.lattice_models.particles.langevin_motion import (
    SCHEMES,
    LangevinSettings,
    Mover,
    masses,
    set_in_motion,
)
from physlearn.lattice_models.particles.start_checks import check_no_overlap, check_time_step
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.long_run import LongRun
from physlearn.records import Trajectory
from physlearn.records.shown import full_text

__all__ = ["simulate_langevin"]

Float = NDArray[np.float64]


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
        Positions run on across the box's borders (not wrapped); ``cell`` holds the box; the
        metadata keep the ``species`` of each particle where there are several.

    Raises
    ------
    InputError
        For wrong shapes, overlapping particles (named), an attraction without a core, a cutoff
        beyond half the box, a time step too large for the potential (with a usable one), and a
        motion that blows up on the way.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap
    >>> path = simulate_langevin(HarmonicTrap(2.0), [[1.0, 0.0]], 3, 10, time_step=0.01, rng=1)
    >>> path.n_frames, path.times.tolist()
    (3, [0.0, 0.1, 0.2])
    """
    chosen = LangevinSettings() if settings is None else settings
    particles, interaction = read_physics(potential, start)
    check_count("n_frames", n_frames, 1)
    check_count("steps_between", steps_between, 1)
    temperature = check_positive("temperature", temperature)
    time_step = check_positive("time_step", time_step)
    check_choice("dynamics", dynamics, tuple(SCHEMES))
    scheme = SCHEMES[dynamics][0] if chosen.scheme == "auto" else chosen.scheme
    check_choice(f"scheme of {dynamics} motion", scheme, SCHEMES[dynamics])
    check_no_overlap(particles, interaction, temperature)
    mass = masses(chosen, len(particles.positions))
    system = ParticleSystem(particles, interaction, chosen.skin)
    length = check_time_step(
        system, time_step=time_step, temperature=temperature, mass=mass,
        diffusion=chosen.diffusion if dynamics == "overdamped" else None,
    )  # fmt: skip
    generator, seed = as_generator(rng)
    set_in_motion(system, particles, chosen, scheme, mass, temperature, generator)
    friction = chosen.friction if dynamics == "underdamped" else 0.0
    mover = Mover(system, time_step, temperature, chosen.diffusion, friction, length)
    identity = {
        "positions": particles.positions, "species": particles.species, "box": particles.box_3,
        "law": np.concatenate([part.ravel() for part in interaction.law]), "scheme": scheme,
        "numbers": mover.numbers, "mass": mass, "velocities": system.carried, "seed": seed,
        "frames": [n_frames, steps_between, chosen.burn_in_steps],
    }  # fmt: skip
    total = chosen.burn_in_steps + (n_frames - 1) * steps_between
    with LongRun(total, progress=progress, checkpoint=checkpoint, arguments=identity) as run:
        frames, warnings = _frames(run, mover, n_frames, steps_between, chosen.burn_in_steps)
    n, n_done = system.n, len(frames)
    codes = {"species": particles.species.tolist()} if particles.species.any() else {}
    return Trajectory(
        np.repeat(np.arange(n_done), n),
        np.tile(np.arange(n), n_done),
        frames.reshape(n_done * n, system.dimension),
        time_step * steps_between * np.arange(n_done, dtype=np.float64),
        unit=particles.unit,
        time_unit="reduced",
        cell=particles.cell,
        metadata={
            "potential": full_text(potential), "dynamics": dynamics, "scheme": scheme,
            "time_step": time_step, "temperature": temperature, "seed": seed,
            **mover.energies(dynamics != "overdamped"), **codes,
        },
        warnings=warnings,
    )  # fmt: skip


def _frames(
    run: LongRun, mover: Mover, n_frames: int, steps_between: int, burn_in: int
) -> tuple[Float, tuple[str, ...]]:
    """Positions (n_done, n, d) at regular steps, and what a stopped run warns of."""
    system, first = mover.system, 0
    frames = np.zeros((n_frames, system.n, system.dimension))
    if run.saved is not None:
        system.restore(run.saved)
        frames[:], first = run.saved["frames"], int(run.saved["n_frames"])
    n_done = first

    def arrays() -> dict[str, NDArray[Any]]:
        return {**system.arrays(), "frames": frames, "n_frames": np.array(n_done)}

    for k in range(first, n_frames):
        if not run.advance_to(burn_in + k * steps_between, mover.step, arrays):
            break
        frames[k] = system.positions()
        n_done = k + 1
    return frames[:n_done], run.finish(n_done, n_frames, "frames")
