"""Films of a Lennard-Jones liquid, the bounds they allow, and rows of the tables."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from physlearn.inference.configurations.fit_pair_potential import read_interaction
from physlearn.inference.configurations.snapshot_bound import snapshot_bound
from physlearn.inference.langevin.motion_data import read_motion
from physlearn.inference.langevin.places_of_frames import snapshots_of
from physlearn.inference.langevin.short_runs import list_frames
from physlearn.inference.langevin.static_score import score_sums
from physlearn.lattice_models.particles import LangevinSettings, LennardJones, simulate_langevin
from physlearn.records import AtomicConfiguration, Trajectory

__all__ = [
    "CUTOFF",
    "DENSITY",
    "NAMES",
    "TRUTH",
    "best_errors",
    "grid_of",
    "make_films",
    "row",
    "share_row",
]

Row = dict[str, Any]
Float = NDArray[np.float64]
TRUTH = np.array([1.25, 1.0, 1.0])
NAMES = ("depth", "diameter", "diffusion")
CUTOFF, DENSITY = 2.5, 0.7
LEAST_P = 0.01
"""Of the exact binomial test of a coverage, below which it is not that of a 90 % interval."""


def grid_of(n_side: int, d: int = 2, density: float = DENSITY) -> tuple[Float, float]:
    """Places on a grid, shape (n_side^d, d), and the length of their box."""
    side = n_side / density ** (1 / d)
    ticks = (np.arange(n_side) + 0.5) * side / n_side
    return np.stack(np.meshgrid(*[ticks] * d), axis=-1).reshape(-1, d), side


@cache
def make_films(
    n_side: int, n_frames: int, interval: float, n_films: int, seed: int, density: float = DENSITY
) -> tuple[Trajectory, ...]:
    """Films of one long run, 1500 steps of 4e-5 and more apart from each other."""
    (places, side), films = grid_of(n_side, density=density), []
    fine = max(2, round(interval / 4e-5))
    apart = round(1500 * 4e-5 / (interval / fine))
    for k in range(n_films):
        start = AtomicConfiguration(places, unit="reduced", cell=side * np.eye(2))
        if k == 0:
            warm = simulate_langevin(
                LennardJones(TRUTH[0], TRUTH[1], cutoff=CUTOFF), start, 2, 30_000,
                time_step=4e-5, rng=seed,
            )  # fmt: skip
            places = warm.positions[n_side**2 :]
            start = AtomicConfiguration(places, unit="reduced", cell=side * np.eye(2))
        films.append(
            simulate_langevin(
                LennardJones(TRUTH[0], TRUTH[1], cutoff=CUTOFF), start, n_frames, fine,
                time_step=interval / fine, rng=seed + k,
                settings=LangevinSettings(burn_in_steps=apart if k else 0),
            )
        )  # fmt: skip
        places = films[-1].positions[-(n_side**2) :]
    return tuple(films)


def best_errors(films: tuple[Trajectory, ...]) -> Float:
    """Bounds of the standard errors of ln depth, ln diameter and ln D, which nobody can beat.

    The forces': the first frame's Fisher information, and that of its motion seen without pause
    (Girsanov). That of D: displacements without forces. Pauses between frames lose more.
    """
    motion, rows = np.zeros((2, 2)), 0
    for film in films:
        data = read_motion(film)
        family = read_interaction(snapshots_of(data), "lennard_jones", cutoff=CUTOFF)
        frames = list_frames(data, family, TRUTH[2])
        curvature = score_sums(frames, family, np.log(TRUTH[:2]))[1]
        motion += 0.5 * TRUTH[2] * data.interval * curvature / len(films)
        rows = len(frames) * (len(data.particle) - 1) * 2
    film = films[0]
    start = AtomicConfiguration(
        film.positions[film.frame == 0], unit="reduced", cell=film.cell
    )  # fmt: skip
    places = snapshot_bound(start, family, TRUTH[:2], rng=1).information
    forces = np.sqrt(np.diag(np.linalg.inv(motion + places)))
    return np.append(forces, np.sqrt(2.0 / rows))


def row(what: str, measured: float | str, goal: Any = None, met: bool | None = None) -> Row:
    """One line of a table."""
    return {"what": what, "measured": measured, "goal": goal, "met": met}


def share_row(what: str, inside: int, n: int, quick: bool) -> Row:
    """Line of a coverage, with the exact binomial test against 90 %."""
    p = float(binomtest(inside, n, 0.9).pvalue)
    said = f"cov90 of {what}, {inside} of {n}, exact binomial p = {p:.2g}"
    return row(said, inside / n, f"p > {LEAST_P}", None if quick else p > LEAST_P)
