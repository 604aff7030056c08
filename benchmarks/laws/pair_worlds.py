"""Bodies that act on each other: orbits, springs, gases and films of colloids, with their laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from physlearn import AtomicConfiguration, Trajectory
from physlearn.lattice_models import LennardJones, Yukawa, sample_positions, simulate_langevin

__all__ = [
    "BODY_FORCES", "PairWorld", "make_bodies", "make_free_walk", "make_liquid", "make_orbits",
]  # fmt: skip

Floats = NDArray[np.float64]
LIQUIDS = {"lennard_jones": LennardJones(1.25, 1.0, cutoff=2.5),
           "yukawa": Yukawa(8.0, 0.5, cutoff=3.0)}  # fmt: skip
# Force per source strength by distance, positive: repulsion
BODY_FORCES: dict[str, Callable[[Floats], Floats]] = {
    "inverse_square": lambda r: -1.0 / r**2,
    "inverse": lambda r: -1.0 / r,
    "screened": lambda r: -np.exp(-r / 1.5) / r**2,
    "spring": lambda r: -r,
    "lennard_jones": lambda r: 24.0 * (2.0 / r**13 - 1.0 / r**7),
}


@dataclass(frozen=True)
class PairWorld:
    """A film, the force at distances that occur, and the strengths of the bodies.

    ``scale``: the found force over ``force`` (strengths that are fitted have the sum 1).
    """

    film: Trajectory
    force: Callable[[Floats], Floats]
    strengths: Floats
    scale: float = 1.0


def _moved(
    force: Callable[[Floats], Floats], strengths: Floats, state: Floats, times: Floats
) -> Floats:
    """Positions (T, n, d) from a start (2, n, d)."""
    shape = state.shape

    def rate(_: float, flat: Floats) -> Floats:
        x, v = flat.reshape(shape)
        line = x[:, None] - x[None]
        distance = np.sqrt((line**2).sum(axis=2))
        np.fill_diagonal(distance, 1.0)
        pull = force(distance) * strengths[None] / distance
        np.fill_diagonal(pull, 0.0)
        return np.stack([v, (pull[:, :, None] * line).sum(axis=1)]).ravel()

    span = (float(times[0]), float(times[-1]))
    found = solve_ivp(rate, span, state.ravel(), "DOP853", times, rtol=1e-9, atol=1e-10)
    return found.y.T.reshape(-1, *shape)[:, 0]


def _film(
    places: Floats, times: Floats, noise: float, missing: float, rng: np.random.Generator
) -> Trajectory:
    n_times, n, d = places.shape
    seen = rng.uniform(size=(n_times, n)) >= missing
    frame, body = np.nonzero(seen)
    noisy = places + noise * rng.normal(size=places.shape)
    return Trajectory(frame, body, noisy[frame, body].reshape(-1, d), times, unit="reduced",
                      time_unit="reduced")  # fmt: skip


def make_orbits(
    seed: int, *, n_planets: int = 4, noise: float = 0.01, n_times: int = 120,
    periods: float = 4.0, law: str = "inverse_square", missing: float = 0.05,
) -> PairWorld:  # fmt: skip
    """A star and planets on round to eccentric orbits of 1 to 4 radii, at random times.

    ``noise`` is a share of the innermost orbit's size; ``periods``: of the innermost planet. The
    planets' strengths are 1e-4 to 2e-3 of the star's; of five, neighbours may come near each other.
    """
    rng = np.random.default_rng((seed, 11))
    force = BODY_FORCES[law]
    strengths = np.append(1.0, 10 ** rng.uniform(-4.0, -2.7, n_planets))
    radius = np.geomspace(1.0, 4.0, n_planets) * rng.uniform(0.95, 1.05, n_planets)
    angle = rng.uniform(0, 2 * np.pi, n_planets)
    speed = np.sqrt(np.abs(force(radius)) * radius) * rng.uniform(0.93, 1.05, n_planets)
    state = np.zeros((2, n_planets + 1, 2))
    state[0, 1:] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    state[1, 1:] = speed[:, None] * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    state -= (strengths[:, None] * state).sum(axis=1, keepdims=True) / strengths.sum()
    duration = periods * 2 * np.pi * float(np.sqrt(radius[0] / np.abs(force(radius[:1]))[0]))
    times = np.sort(rng.uniform(0.0, duration, n_times))
    places = _moved(force, strengths, state, times)
    film = _film(places, times, noise, missing, rng)
    return PairWorld(film, force, strengths, float(strengths.sum()))


def make_bodies(
    law: str, seed: int, *, n_bodies: int = 5, noise: float = 0.01, n_times: int = 120,
    duration: float = 6.0, missing: float = 0.05,
) -> PairWorld:  # fmt: skip
    """Equal bodies about a ring (a grid for Lennard-Jones), moving slowly at first."""
    rng = np.random.default_rng((seed, 12))
    force = BODY_FORCES[law]
    state = np.zeros((2, n_bodies, 2))
    if law == "lennard_jones":
        side = int(np.ceil(np.sqrt(n_bodies)))
        state[0] = 1.2 * np.stack(np.divmod(np.arange(n_bodies), side), axis=1)
        state[0] += 0.05 * rng.normal(size=(n_bodies, 2))
        state[1] = 0.4 * rng.normal(size=(n_bodies, 2))
    else:
        angle = 2 * np.pi * np.arange(n_bodies) / n_bodies + 0.3 * rng.normal(size=n_bodies)
        radius = rng.uniform(0.7, 1.5, n_bodies)
        around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        state[0] = radius[:, None] * around
        speed = 0.8 * np.sqrt(n_bodies * np.abs(force(radius)) * radius / 2.0)
        state[1] = speed[:, None] * np.stack([-around[:, 1], around[:, 0]], axis=1)
    state[1] -= state[1].mean(axis=0)
    times = np.sort(rng.uniform(0.0, duration, n_times))
    places = _moved(force, np.ones(n_bodies), state, times)
    return PairWorld(_film(places, times, noise, missing, rng), force, np.ones(n_bodies))


def make_liquid(law: str, seed: int) -> tuple[PairWorld, float]:
    """A film of 144 overdamped particles in equilibrium, positions exact, and the force's cutoff.

    Energies in kT, D = 1, frames 5e-4 apart.
    """
    potential = LIQUIDS[law]
    side, spacing = 12, float(np.sqrt(2 / np.sqrt(3) / 0.5))
    row, column = np.divmod(np.arange(side**2), side)
    grid = spacing * np.column_stack([column + 0.5 * (row % 2), 0.5 * np.sqrt(3) * row])
    box = np.diag([side * spacing, 0.5 * np.sqrt(3) * side * spacing])
    start = AtomicConfiguration(grid, unit="reduced", cell=box)
    warm = sample_positions(potential, start, 1, 1000, rng=1000 + seed)[0]
    film = simulate_langevin(potential, warm, 60, 50, time_step=1e-5, rng=seed)

    def force(r: Floats) -> Floats:
        if law == "lennard_jones":
            return 24.0 * 1.25 * (2.0 / r**13 - 1.0 / r**7)
        return 8.0 * np.exp(-r / 0.5) * (1.0 / r**2 + 2.0 / r)

    return PairWorld(film, force, np.ones(side**2)), float(potential.cutoff or np.inf)


def make_free_walk(seed: int) -> Trajectory:
    """150 particles that diffuse in the open and do not act on each other, 200 frames."""
    rng = np.random.default_rng(seed)
    n, frames = 150, 200
    walk = 20.0 * rng.random((n, 2)) + np.cumsum(rng.normal(0.0, 0.05, (frames, n, 2)), axis=0)
    return Trajectory(np.repeat(range(frames), n), np.tile(range(n), frames),
                      walk.reshape(-1, 2), 0.1 * np.arange(frames), unit="um")  # fmt: skip
