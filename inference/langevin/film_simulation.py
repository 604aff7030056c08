"""Simulated films of interacting particles: from equilibrium, with blur, noise and gaps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.langevin.film import Film
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.particles.interaction import Interaction, Particles, read_physics
from physlearn.lattice_models.particles.langevin_motion import (
    LangevinSettings,
    Mover,
    set_in_motion,
)
from physlearn.lattice_models.particles.metropolis_walk import MetropolisWalk
from physlearn.lattice_models.particles.pair_potential import PairPotential
from physlearn.lattice_models.particles.pair_table import PairTable
from physlearn.lattice_models.particles.start_checks import contact
from physlearn.lattice_models.particles.system import ParticleSystem
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.records import AtomicConfiguration

__all__ = ["FilmSimulator"]

Float = NDArray[np.float64]

LARGEST_RATE = 0.3
"""Time step x stiffest rate in a common collision: where Heun's averages are good to 1 %."""
FEWEST_STEPS, MOST_STEPS = 8, 400
SWEEPS, FIRST_SWEEPS = 100, 1500
N_STATES = 4
DISPLACEMENT = 0.12
"""Of a Metropolis move, in mean distances of particles."""


@dataclass(eq=False)
class FilmSimulator:
    """Makes films like a given one.

    ``film``: whose gaps, box and number of frames are kept; ``exposure``: share of the interval
    over which a frame averages; ``noise_shape``: (n_frames, n) relative noise, or None: 1;
    ``states``: equilibrated positions from which the next film comes.
    """

    film: Film
    family: InteractionFamily
    exposure: float
    noise_shape: Float | None
    rng: np.random.Generator
    states: list[Float] = field(default_factory=list)
    n_made: int = 0

    def substeps(self, pair: Float, diffusion: float) -> int:
        """Return how many time steps one frame takes."""
        return self._steps(self.family.potential(pair), diffusion)[0]

    def _steps(self, built: PairPotential | PairTable, diffusion: float) -> tuple[int, float]:
        """Return time steps a frame, and the length of a collision."""
        each = [built] if isinstance(built, PairPotential) else list(built.potentials.values())
        lengths, rates = zip(*[contact(potential, 1.0) for potential in each], strict=True)
        wanted = self.film.interval * diffusion * max(rates) / LARGEST_RATE
        if not wanted < MOST_STEPS:
            raise InputError(
                f"a frame would take {wanted:.0f} time steps at these parameters; the interval of "
                f"the frames is too long for the potential's stiffness {max(rates):.3g} "
                "kT/length^2; measure_pair_force(trajectory) measures weak forces directly."
            )
        known = [length for length in lengths if length > 0.0]
        reach = min(known) if known else float(self.film.box[: self.film.dimension].min())
        return max(FEWEST_STEPS, int(np.ceil(wanted))), reach

    def __call__(self, pair: Float, diffusion: float, noise: float) -> Film:
        """Return one film of the model with these parameters."""
        film, d = self.film, self.film.dimension
        n_frames, n, _ = film.places.shape
        potential = self.family.potential(pair)
        n_sub, reach = self._steps(potential, diffusion)
        n_seen = max(1, round(self.exposure * n_sub)) if self.exposure > 0.0 else 0
        whole = n_seen > 0
        particles, interaction = self._equilibrated(potential)
        system = ParticleSystem(particles, interaction)
        settings = LangevinSettings(diffusion=diffusion)
        set_in_motion(system, particles, settings, "heun", np.ones(n), 1.0, self.rng)
        mover = Mover(system, film.interval / n_sub, 1.0, diffusion, 0.0, reach)
        n_kept = (n_frames - 1) * n_sub + n_seen + 1 if whole else n_frames
        moved = np.empty((n_kept, n, d))
        moved[0] = system.positions()
        for t in range(1, n_kept):
            mover.step(1 if whole else n_sub)
            moved[t] = system.positions()
        self.states[(self.n_made - 1) % N_STATES] = moved[-1]
        if whole:
            moved = _blurred(moved, n_frames, n_sub, n_seen)
        shape = 1.0 if self.noise_shape is None else self.noise_shape[..., None]
        moved = moved + noise * shape * self.rng.standard_normal(moved.shape)
        places = np.zeros_like(film.places)
        places[..., :d] = moved
        joined = film.joined
        if not film.periodic:
            lengths = film.box[:d]
            turns = np.floor(moved / lengths)
            places[..., :d] = moved - turns * lengths
            joined = joined * (turns[1:] == turns[:-1]).all(axis=2).astype(np.uint8)
        return replace(film, places=places, joined=joined)

    def _equilibrated(self, potential: PairPotential | PairTable) -> tuple[Particles, Interaction]:
        """Positions in equilibrium: the end of an earlier film walks on under this potential."""
        film, d = self.film, self.film.dimension
        n = film.places.shape[1]
        place, lengths = self.n_made % N_STATES, film.box[:d]
        fresh = len(self.states) <= place
        start = _spread_out(n, lengths) if fresh else self.states[place]
        particles, interaction = read_physics(
            potential,
            AtomicConfiguration(start, unit="reduced", cell=np.diag(lengths), species=_codes(film)),
        )
        spacing = float((np.prod(lengths) / n) ** (1.0 / d))
        walk = MetropolisWalk(particles, interaction, 1.0, DISPLACEMENT * spacing)
        walk.random_state[:] = seed_words(self.rng, (2,))
        walk.sweep(FIRST_SWEEPS if fresh else SWEEPS)
        positions = walk.positions()
        if fresh:
            self.states.append(positions)
        self.n_made += 1
        return replace(particles, positions=positions), interaction


def _codes(film: Film) -> NDArray[np.int64] | None:
    return film.species if film.species.any() else None


def _blurred(moved: Float, n_frames: int, n_sub: int, n_seen: int) -> Float:
    """Mean over each frame's exposure, by the trapezoid rule; it begins at the frame's time."""
    weights = np.full(n_seen + 1, 1.0 / n_seen)
    weights[[0, -1]] *= 0.5
    first = n_sub * np.arange(n_frames)
    return np.asarray(sum(weight * moved[first + k] for k, weight in enumerate(weights.tolist())))


def _spread_out(n: int, lengths: Float) -> Float:
    """Places on a close-packed-like grid that fills the box: no two lie near each other."""
    d = len(lengths)
    spacing = (np.prod(lengths) / n) ** (1.0 / d)
    shape = np.maximum(np.round(lengths / spacing).astype(int), 1)
    while shape.prod() < n:
        shape[np.argmax(lengths / shape)] += 1
    grid = np.stack(np.meshgrid(*[np.arange(k) for k in shape], indexing="ij"), axis=-1)
    rows = grid.reshape(-1, d).astype(np.float64)
    keep = np.linspace(0, len(rows) - 1, n).round().astype(int)
    # every second row is shifted by half a place, where their number is even
    shifted = 0.5 * (rows[:, 1] % 2) if shape[1] % 2 == 0 else 0.0
    rows[:, 0] += shifted
    return np.asarray(rows[keep] / shape * lengths)
