"""What a simulation refuses before it begins: overlaps, and time steps that the forces forbid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.lattice_models.particles.interaction import Interaction, Particles
from physlearn.lattice_models.particles.neighbours import neighbour_pairs
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.lattice_models.particles.system import ParticleSystem

__all__ = ["check_apart", "check_no_overlap", "check_time_step", "contact"]

Float = NDArray[np.float64]

ENORMOUS = 1000.0  # times kT or the potential's own scale
HOT = 5.0  # a collision with this many kT is common: its curvature limits the time step
LARGEST_RATE = 1.0  # time step x stiffest rate; both schemes become unstable at 2
PROPOSED_RATE = 0.25
POWER_STEPS = 12


def check_apart(particles: Particles, interaction: Interaction) -> None:
    """Refuse two interacting particles at one place: they have no direction and no force.

    Raises
    ------
    InputError
        Naming the two particles.
    """
    if interaction.cutoff == 0.0 or len(particles.positions) < 2:
        return
    places = particles.positions
    if particles.box is not None:
        places = places - np.floor(places / particles.box) * particles.box
        places = np.where(places == particles.box, 0.0, places)  # round-off just below 0
    order = np.lexsort(places.T)
    same = np.flatnonzero((places[order[1:]] == places[order[:-1]]).all(axis=1))
    if same.size:
        i, j = sorted(order[same[0] : same[0] + 2].tolist())
        raise InputError(
            f"particles {i} and {j} overlap: their distance is 0; move or remove one of them."
        )


def _check_floor(particles: Particles, interaction: Interaction) -> None:
    """Refuse species that meet with an energy of minus infinity: they have no equilibrium."""
    codes, counts = np.unique(particles.species, return_counts=True)
    for place, a in enumerate(codes):
        for b in codes[place:]:
            potential = interaction.between(int(a), int(b))
            if potential is None or not potential.has_no_floor or (a == b and counts[place] < 2):
                continue
            raise InputError(
                f"the {type(potential).__name__} of species {a} and {b} falls to minus infinity as "
                "two particles meet, so that they collapse; use a potential with a repulsive core."
            )


def check_no_overlap(particles: Particles, interaction: Interaction, temperature: float) -> None:
    """Refuse a pair whose energy is not finite or enormous, and attractions without a core.

    Raises
    ------
    InputError
        Naming the two particles, their distance and energy, or the potential.
    """
    check_apart(particles, interaction)
    if interaction.pairs is None or len(particles.positions) < 2:
        return
    _check_floor(particles, interaction)
    reach = max(
        _enormous_below(potential, temperature)
        for potential in interaction.pairs.potentials.values()
    )
    if particles.box is not None:
        reach = min(reach, 0.5 * float(particles.box.min()))
    pairs, displacement = neighbour_pairs(particles.positions, reach, particles.cell)
    distance = np.sqrt((displacement**2).sum(axis=1))
    kinds = particles.species[pairs]
    worst, place = 0.0, -1
    for a, b in np.unique(np.sort(kinds, axis=1), axis=0):
        potential = interaction.between(int(a), int(b))
        assert potential is not None  # noqa: S101 -- there are pairs
        of_kind = np.flatnonzero((np.sort(kinds, axis=1) == (a, b)).all(axis=1))
        limit = ENORMOUS * max(temperature, potential.energy_scale)
        with np.errstate(all="ignore"):
            excess = np.nan_to_num(potential.value(distance[of_kind]), nan=np.inf) / limit
        if excess.size and excess.max() > max(worst, 1.0):
            worst, place = float(excess.max()), int(of_kind[excess.argmax()])
    if place < 0:
        return
    i, j = pairs[place]
    raise InputError(
        f"particles {i} and {j} overlap: their distance {distance[place]:.4g} costs more than "
        f"{ENORMOUS:g} times kT and the potential's own energy; move or remove one of them."
    )


def _enormous_below(potential: PairPotential, temperature: float) -> float:
    """Distance below which two particles may overlap."""
    r = np.geomspace(1e-6, 1.0, 600) * _range(potential)
    limit = ENORMOUS * max(temperature, potential.energy_scale)
    with np.errstate(all="ignore"):
        high = np.flatnonzero(np.nan_to_num(potential.value(r), nan=np.inf) > limit)
    return float(r[min(int(high.max()) + 1, r.size - 1)]) if high.size else float(r[0])


def contact(potential: PairPotential, temperature: float) -> tuple[float, float]:
    """Distance of a collision with HOT kT above the minimum, and the stiffness there.

    The distance is 0 where the energy never rises that high on the way in.
    """
    far = _range(potential)
    r = np.geomspace(1e-3 * far, far * (1.0 - 1e-9), 4000)
    with np.errstate(all="ignore"):
        u = np.nan_to_num(potential.value(r), nan=np.inf)
    lowest = int(np.argmin(u))
    high = u[:lowest] > u[lowest] + HOT * temperature  # on the way in from the minimum
    first = 0 if not high.any() else int(np.flatnonzero(high).max())
    reached = r[first:]
    # soft cores: a distance below a hundredth of the range is too rare to limit the step
    reached = reached[reached > 0.01 * far]
    slope, bend = potential.derivative(reached), potential.second_derivative(reached)
    stiffest = float(np.maximum(np.abs(bend), np.abs(slope / reached)).max())
    return (float(r[first]) if high.any() else 0.0), stiffest


def _range(potential: PairPotential) -> float:
    """How far a potential is looked at: to its end, or many of its lengths."""
    if potential.cutoff is not None:
        return potential.cutoff
    for name in ("diameter", "minimum", "screening_length"):
        if hasattr(potential, name):
            return 50.0 * float(getattr(potential, name))
    return 50.0


def _probe_shift(system: ParticleSystem) -> float:
    """Return a small move in the user's unit that is still far above the places' round-off."""
    places = system.points[: system.n, : system.dimension]
    lengths = [float(np.ptp(places, axis=0).max()), system.interaction.cutoff]
    if system.interaction.pairs is not None:
        lengths += [_range(potential) for potential in system.interaction.pairs.potentials.values()]
    known = [length for length in lengths if 0.0 < length < np.inf]
    # with nothing known there is at most a trap, whose force is linear: any length will do
    return max(1e-7 * min(known, default=1.0), 1e-12 * float(np.abs(places).max()))


def stiffest_direction(system: ParticleSystem) -> float:
    """Largest curvature of the energy at the present places, by power steps on the forces."""
    n, d = system.n, system.dimension
    direction = np.random.default_rng(0).normal(size=(n, d))
    places = system.points[:n, :d].copy()
    shift = _probe_shift(system)
    system.refresh_forces()
    before = system.force[:n, :d].copy()
    stiffness = 0.0
    for _ in range(POWER_STEPS):
        direction /= np.sqrt((direction**2).sum())
        system.points[:n, :d] = places + shift * direction
        system.refresh_forces()
        direction = (before - system.force[:n, :d]) / shift
        stiffness = float(np.sqrt((direction**2).sum()))
        if stiffness == 0.0 or not np.isfinite(stiffness):
            break
    system.points[:n, :d] = places
    system.refresh_forces()
    return stiffness


def check_time_step(
    system: ParticleSystem,
    *,
    time_step: float,
    temperature: float,
    diffusion: float | None,
    mass: Float,
) -> float:
    """Refuse a time step that the stiffest forces do not bear; return the length of a collision.

    The rate is diffusion x stiffness / kT for overdamped motion (a pair: twice) and
    sqrt(stiffness / mass) for motion with inertia; time step x rate may be 1 at most. The
    stiffness is the larger of that at the start and that of collisions with 5 kT.

    Raises
    ------
    InputError
        With the rate and a usable time step.
    """
    here = stiffest_direction(system)
    stiffness, length = here, np.inf
    if system.interaction.pairs is not None:
        for potential in system.interaction.pairs.potentials.values():
            distance, pair = contact(potential, temperature)
            stiffness = max(stiffness, 2.0 * pair)  # both particles of the pair move
            if distance > 0.0:
                length = min(length, distance)
    if diffusion is not None:
        rate = diffusion * stiffness / temperature
        said = "diffusion x stiffness / kT"
    else:
        rate = float(np.sqrt(stiffness / mass.min()))
        said = "sqrt(stiffness / mass)"
    if time_step * rate > LARGEST_RATE or not np.isfinite(rate):
        raise InputError(
            f"time_step = {time_step:g} is too large for this potential: its stiffest motion has "
            f"the rate {rate:.3g} ({said}) and time_step x rate must not exceed "
            f"{LARGEST_RATE:g}; use time_step = {PROPOSED_RATE / rate:.2g}."
        )
    return float(length)
