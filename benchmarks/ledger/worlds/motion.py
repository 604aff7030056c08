"""Particles: springs of crystals, pair potentials, diffusion, force maps, inertia."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benchmarks.forces.noisy_motion import lennard_jones_film, walks
from benchmarks.ledger.row import N_DRAWS, Draws, Rng, Row, Truth, interval_draws, named, seed_of
from physlearn.inference import (
    fit_crystal,
    fit_force_map,
    fit_forces,
    fit_langevin,
    fit_noisy_motion,
    fit_pair_potential,
    fit_underdamped,
    measure_diffusion,
    measure_pair_force,
    measure_structure,
    sample_harmonic_crystal,
)
from physlearn.lattice_models import particle_energy, particle_forces
from physlearn.lattice_models.particles import (
    HarmonicTrap,
    LangevinSettings,
    LennardJones,
    MetropolisSettings,
    sample_positions,
    simulate_langevin,
)
from physlearn.records import AtomicConfiguration, Trajectory
from physlearn.results import Fit

CUTOFF = 2.5

# ---- crystals -----------------------------------------------------------------------------------


def draw_springs(rng: Rng) -> dict[str, Any]:
    """One shell, in kT over length squared."""
    return {"longitudinal": rng.uniform(200, 400, 1), "transverse": rng.uniform(-15, 15, 1)}


def crystal(theta: Truth, rng: Rng, position_sd: float = 0.0) -> AtomicConfiguration:
    """A periodic triangular crystal of 144 atoms."""
    springs = [float(theta["longitudinal"][0]), float(theta["transverse"][0])]
    return sample_harmonic_crystal(
        "triangular", 12, springs, position_sd=position_sd, rng=seed_of(rng)
    )[0]


def blurred_crystal(theta: Truth, rng: Rng) -> AtomicConfiguration:
    """Positions with an error of half a vibration that the fit takes for exact."""
    return crystal(theta, rng, 0.02)


def fit_springs(data: AtomicConfiguration, rng: Rng) -> Fit:
    """Exact positions of one moment."""
    return fit_crystal(data, sampling="thermal_snapshot", n_shells=1, position_sd=0, rng=rng)


def draw_spacing(rng: Rng) -> dict[str, Any]:
    """Spacing of a square lattice."""
    return {"spacing": rng.uniform(0.8, 1.2)}


def shaken_grid(theta: Truth, rng: Rng) -> AtomicConfiguration:
    """400 sites, every atom off by .02 on its own."""
    grid = np.stack(np.meshgrid(*[np.arange(20.0)] * 2), -1).reshape(-1, 2)
    shaken = theta["spacing"] * grid + rng.normal(0, 0.02, grid.shape)
    return AtomicConfiguration(shaken, unit="angstrom")


def fit_spacing(data: AtomicConfiguration, rng: Rng) -> Draws:
    """The first spacing."""
    fit = measure_structure(data, position_sd=0.01, rng=rng)
    return named(fit, {"spacing": fit["spacing"].reshape(len(fit["spacing"]), -1)[:, 0]})


# ---- pair potentials ----------------------------------------------------------------------------


def draw_pairs(rng: Rng) -> dict[str, Any]:
    """Depth (kT) and diameter, log-normal as the fit's prior."""
    return {"depth": np.exp(rng.normal(0.0, 0.25)), "diameter": np.exp(rng.normal(0.0, 0.03))}


PRIOR = {"depth": (1.0, 0.25), "diameter": (1.0, 0.03)}


def start_of(n_side: int, spacing: float) -> AtomicConfiguration:
    """Particles on a square grid in a periodic box."""
    ticks = (np.arange(n_side) + 0.5) * spacing
    grid = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    return AtomicConfiguration(grid, unit="reduced", cell=n_side * spacing * np.eye(2))


def liquid(theta: Truth, rng: Rng, n_side: int = 12, n_frames: int = 5) -> Any:
    """Five moments of 144 particles at density .69."""
    world = LennardJones(float(theta["depth"]), float(theta["diameter"]), cutoff=CUTOFF)
    settings = MetropolisSettings(burn_in_sweeps=600)
    return sample_positions(
        world, start_of(n_side, 1.2), n_frames, 60, settings=settings, rng=seed_of(rng)
    )


def small_liquid(theta: Truth, rng: Rng) -> Any:
    """One moment of 100 particles."""
    return liquid(theta, rng, 10, 1)


def blurred_liquid(theta: Truth, rng: Rng) -> Any:
    """Positions with an error of .05 that the fit takes for exact."""
    return [
        AtomicConfiguration(
            np.mod(one.positions + rng.normal(0, 0.05, one.positions.shape), 12 * 1.2),
            unit="reduced", cell=one.cell,
        )
        for one in liquid(theta, rng)
    ]  # fmt: skip


def fit_score(data: Any, rng: Rng) -> Fit:
    """Score matching."""
    return fit_pair_potential(
        data, sampling="thermal_snapshot", method="score", cutoff=CUTOFF, position_sd=0.0,
        prior=PRIOR, rng=rng,
    )  # fmt: skip


def fit_likelihood(data: Any, rng: Rng) -> Fit:
    """The whole likelihood."""
    return fit_pair_potential(
        data, sampling="thermal_snapshot", method="likelihood", cutoff=CUTOFF, position_sd=0.0,
        prior=PRIOR, rng=rng,
    )  # fmt: skip


def draw_computed(rng: Rng) -> dict[str, Any]:
    """Depth in eV and diameter in angstrom."""
    return {"depth": rng.uniform(0.3, 0.6), "diameter": rng.uniform(1.4, 1.6)}


def computed(theta: Truth, rng: Rng) -> Any:
    """Ten structures whose forces and energies hold errors of their own."""
    truth = LennardJones(
        float(theta["depth"]), float(theta["diameter"]), cutoff=3.3, truncation="switch"
    )
    grid = np.stack(np.meshgrid(*[np.arange(4) * 1.7] * 3), axis=-1).reshape(-1, 3)
    boxes = [
        AtomicConfiguration(
            grid + rng.normal(0, 0.1, grid.shape), unit="reduced", cell=6.8 * np.eye(3)
        )
        for _ in range(10)
    ]
    energies = [particle_energy(truth, one) + rng.normal(0, 0.05) for one in boxes]
    forces = [particle_forces(truth, one) + rng.normal(0, 0.1, grid.shape) for one in boxes]
    return boxes, energies, forces


def fit_computed(data: Any, rng: Rng) -> Fit:
    """The right family."""
    boxes, energies, forces = data
    return fit_forces(
        boxes, "lennard_jones", cutoff=3.3, compare=False, energies=energies, forces=forces,
        n_draws=N_DRAWS, rng=rng,
    )  # fmt: skip


# ---- motion -------------------------------------------------------------------------------------


def draw_diffusion(rng: Rng) -> dict[str, Any]:
    """The scale of the film: D over a decade."""
    return {"diffusion": 10 ** rng.uniform(-1, 0)}


def _scaled(film: Trajectory, diffusion: float) -> Trajectory:
    """Free walks of D = .5 as those of another D."""
    return Trajectory(
        film.frame, film.particle, film.positions * np.sqrt(diffusion / 0.5), film.times, unit="um"
    )


def free_walks(theta: Truth, rng: Rng) -> Trajectory:
    """Ten tracks of 60 frames, the error of a position unknown."""
    return _scaled(walks(rng, 10, 60), theta["diffusion"])


def smeared_walks(theta: Truth, rng: Rng) -> Trajectory:
    """Each frame averages over three."""
    return _scaled(walks(rng, 10, 60, smeared=3), theta["diffusion"])


def fit_walks(data: Trajectory, rng: Rng) -> Draws:
    """D and its interval."""
    found = measure_diffusion(data, rng=rng)
    return named(found, {"diffusion": interval_draws(rng, found.low, found.high)})


def fit_free(data: Trajectory, rng: Rng) -> Fit:
    """Diffusion alone."""
    return fit_langevin(data, forces="none", localization_sd="free", rng=rng)


def draw_trap(rng: Rng) -> dict[str, Any]:
    """Stiffness (kT over length squared) and D."""
    return {"stiffness": 10 ** rng.uniform(-0.3, 0.5), "diffusion": 10 ** rng.uniform(-0.3, 0.3)}


def trapped(theta: Truth, rng: Rng) -> Trajectory:
    """Ten particles in a round trap, 80 frames .1 apart, exact steps."""
    rate = theta["stiffness"] * theta["diffusion"]
    keep, spread = np.exp(-0.1 * rate), np.sqrt(1 / theta["stiffness"])
    places = [spread * rng.normal(size=(10, 2))]
    for _ in range(79):
        push = spread * np.sqrt(1 - keep**2) * rng.normal(size=(10, 2))
        places.append(keep * places[-1] + push)
    return _film(np.array(places), 0.1)


def _film(places: Any, interval: float) -> Trajectory:
    n_frames, n = places.shape[:2]
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames), places.reshape(-1, 2),
        interval * np.arange(n_frames), unit="um",
    )  # fmt: skip


def blurred_trap(theta: Truth, rng: Rng) -> Trajectory:
    """An error of .2 that the fit takes for none."""
    film = trapped(theta, rng)
    return _film(
        film.positions.reshape(80, 10, 2) + 0.2 * rng.normal(size=(80, 10, 2)), 0.1
    )  # fmt: skip


def fit_trap(data: Trajectory, rng: Rng) -> Draws:
    """Both axes have a stiffness; the first is compared."""
    fit = fit_force_map(data, "harmonic", localization_sd=0.0, rng=rng)
    return named(fit, {"stiffness": fit["stiffness"][:, 0], "diffusion": fit["diffusion"].ravel()})


def draw_inertia(rng: Rng) -> dict[str, Any]:
    """Friction (1 / time); kT / m is 1."""
    return {"friction": 10 ** rng.uniform(-0.5, 0.5)}


def inertial(theta: Truth, rng: Rng) -> Trajectory:
    """Ten particles in a trap, 200 frames .2 apart."""
    settings = LangevinSettings(friction=float(theta["friction"]), burn_in_steps=2000)
    return simulate_langevin(
        HarmonicTrap(1.0), rng.normal(size=(10, 2)), 200, 10, time_step=0.02,
        dynamics="underdamped", settings=settings, rng=seed_of(rng),
    )  # fmt: skip


def fit_inertia(data: Trajectory, rng: Rng) -> Fit:
    """Friction beside the trap."""
    return fit_underdamped(data, "harmonic", localization_sd=0.0, rng=rng)


@cache
def crowd() -> AtomicConfiguration:
    """Where the films of pairs start, before they settle."""
    return start_of(6, 1.2)


def draw_motion(rng: Rng) -> dict[str, Any]:
    """Depth and diameter as the fit's family has them, narrow; D = 1."""
    return {**draw_pairs(rng), "diffusion": 1.0}


def crowd_film(theta: Truth, rng: Rng) -> Trajectory:
    """36 particles, 40 frames .002 apart."""
    world = LennardJones(float(theta["depth"]), float(theta["diameter"]), cutoff=CUTOFF)
    settings = LangevinSettings(burn_in_steps=5000)
    return simulate_langevin(
        world, crowd(), 40, 40, time_step=5e-5, settings=settings, rng=seed_of(rng)
    )


def crowd_film_blurred(theta: Truth, rng: Rng) -> Trajectory:
    """An error of .03 that the fit takes for none."""
    film = crowd_film(theta, rng)
    places = film.positions + rng.normal(0, 0.03, film.positions.shape)
    return Trajectory(
        film.frame, film.particle, places, film.times, unit="reduced", time_unit=film.time_unit,
        cell=film.cell,
    )  # fmt: skip


def fit_crowd(data: Trajectory, rng: Rng) -> Fit:
    """Pair force and D."""
    return fit_langevin(data, "lennard_jones", localization_sd=0.0, cutoff=CUTOFF, rng=rng)


def draw_noisy(rng: Rng) -> dict[str, Any]:
    """One truth (depth 1.25, diameter 1, D 1, error .02): a film of 144 particles is dear."""
    return {"depth": 1.25, "diameter": 1.0, "diffusion": 1.0, "seed": seed_of(rng)}


def noisy_film(theta: Truth, _rng: Rng) -> Trajectory:
    """Twenty frames."""
    return lennard_jones_film(int(theta["seed"]), n_frames=21)


def fit_noisy(data: Trajectory, rng: Rng) -> Fit:
    """By simulated films, the error known."""
    return fit_noisy_motion(data, "lennard_jones", cutoff=CUTOFF, localization_sd=0.02, rng=rng)


def draw_no_force(rng: Rng) -> dict[str, Any]:
    """D; no particle acts on another."""
    return {"diffusion": 10 ** rng.uniform(-2, -1), "force": np.zeros(2)}


def free_crowd(theta: Truth, rng: Rng) -> Trajectory:
    """40 walkers in a field of 10 x 10, 60 frames .1 apart."""
    step = np.sqrt(2 * theta["diffusion"] * 0.1)
    steps = np.cumsum(rng.normal(0.0, step, (60, 40, 2)), axis=0)
    return _film(10 * rng.random((40, 2)) + steps, 0.1)


def streaming_crowd(theta: Truth, rng: Rng) -> Trajectory:
    """Neighbours share a flow that changes over 2 lengths."""
    film = free_crowd(theta, rng)
    places = film.positions.reshape(60, 40, 2).copy()
    flow = 0.3 * np.stack([np.sin(places[0, :, 1] * np.pi), np.cos(places[0, :, 0] * np.pi)], -1)
    return _film(places + flow * 0.1 * np.arange(60)[:, None, None], 0.1)


def fit_pair_force(data: Trajectory, rng: Rng) -> Draws:
    """Two bins."""
    fit = measure_pair_force(data, distances=[0.5, 1.2, 2.0], lag=1, rng=rng)
    return named(fit, {"force": fit["force"], "diffusion": fit["diffusion"].ravel()})


SPRINGS = Row(
    "crystal/triangular", "inference.fit_crystal", "L U(200, 400), T U(-15, 15); fit: its own",
    draw_springs, crystal, fit_springs, 0.3,
)  # fmt: skip
SCORE = Row(
    "pairs/score", "inference.fit_pair_potential", "depth LN(0, .25), diameter LN(0, .03)",
    draw_pairs, liquid, fit_score, 0.5,
)  # fmt: skip
WALKS = Row(
    "motion/diffusion", "inference.measure_diffusion", "D 10^U(-1, 0); fit: its own",
    draw_diffusion, free_walks, fit_walks, 0.5,
)  # fmt: skip
TRAP = Row(
    "motion/trap", "inference.fit_force_map",
    "stiffness 10^U(-.3, .5), D 10^U(-.3, .3); fit: its own", draw_trap, trapped, fit_trap, 1.0,
)  # fmt: skip
CROWD = Row(
    "motion/pairs", "inference.fit_langevin",
    "depth LN(0, .25), diameter LN(0, .03), D 1; fit: its own", draw_motion, crowd_film, fit_crowd,
    5.0, ("depth", "diameter", "diffusion"),
)  # fmt: skip
PAIR_FORCE = Row(
    "motion/pair-force", "inference.measure_pair_force", "D 10^U(-2, -1), no force", draw_no_force,
    free_crowd, fit_pair_force, 0.5,
)  # fmt: skip
ROWS = (
    SPRINGS, SPRINGS.probed("blur", "position errors of .02, none told", blurred_crystal),
    Row("crystal/spacing", "inference.measure_structure", "spacing U(.8, 1.2)", draw_spacing,
        shaken_grid, fit_spacing, 0.1),
    SCORE, SCORE.probed("blur", "position errors of .05, none told", blurred_liquid),
    Row("pairs/likelihood", "inference.fit_pair_potential",
        "depth LN(0, .25), diameter LN(0, .03)", draw_pairs, small_liquid, fit_likelihood, 6.0),
    Row("pairs/computed", "inference.fit_forces", "depth U(.3, .6), diameter U(1.4, 1.6)",
        draw_computed, computed, fit_computed, 1.0),
    WALKS, WALKS.probed("smear", "each frame averages over three", smeared_walks),
    Row("motion/free", "inference.fit_langevin", "D 10^U(-1, 0); fit: its own", draw_diffusion,
        free_walks, fit_free, 0.5),
    TRAP, TRAP.probed("blur", "position errors of .2, none told", blurred_trap),
    Row("motion/inertia", "inference.fit_underdamped", "friction 10^U(-.5, .5); fit: its own",
        draw_inertia, inertial, fit_inertia, 2.0),
    CROWD, CROWD.probed("blur", "position errors of .03, none told", crowd_film_blurred),
    Row("motion/noisy", "inference.fit_noisy_motion", "one truth: depth 1.25, diameter 1, D 1",
        draw_noisy, noisy_film, fit_noisy, 60.0, ("depth", "diameter", "diffusion")),
    PAIR_FORCE, PAIR_FORCE.probed("flow", "neighbours share a flow", streaming_crowd),
)  # fmt: skip
