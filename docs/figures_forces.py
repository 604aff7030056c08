"""Figures of docs/forces_and_rates.md: bias, colloids, springs, computed forces, rates.

``python docs/figures.py forces_bias ...``. Public files as in figures_atoms.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from physlearn import AtomicConfiguration, Trajectory
from physlearn.datasets import read_forces, read_structures, read_trajectory, registry, set_scale
from physlearn.inference import (
    dispersion_curve,
    fit_beam_rates,
    fit_crystal,
    fit_forces,
    fit_hop_rates,
    fit_langevin,
    measure_diffusion,
    measure_pair_force,
    potential_curve,
    sample_harmonic_crystal,
)
from physlearn.lattice_models import (
    LennardJones,
    particle_forces,
    sample_positions,
    simulate_langevin,
)
from physlearn.plots import plot_diffusion, plot_pair_force, plot_pair_potential
from physlearn.report.drawing import BLUE, GREEN, GREY, RED

TRACKS = "colloid_bulk_water/tracks_300frames.csv"
STRUCTURES = {"lithium": "dft_forces_elements/pes_Li.json",
              "silicon": "dft_forces_elements/pes_Si.json"}  # fmt: skip
LAW = LennardJones(1.25, 1.0, cutoff=2.5)
INTERVALS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3)
DURATION = 0.08
N_FILMS = 6
SMALLEST_FORCE = 1e-3
BOLTZMANN_EV = 8.617333e-5


def _films(interval: float, n_frames: int) -> list[Trajectory]:
    """Return films of 144 Lennard-Jones particles at density 0.7, each from equilibrium."""
    side, spacing = 12, np.sqrt(2 / np.sqrt(3) / 0.7)
    row, column = np.divmod(np.arange(side**2), side)
    grid = spacing * np.column_stack([column + 0.5 * (row % 2), 0.5 * np.sqrt(3) * row])
    box = np.diag([side * spacing, 0.5 * np.sqrt(3) * side * spacing])
    start = AtomicConfiguration(grid, unit="reduced", cell=box)
    starts = sample_positions(LAW, start, N_FILMS, 1000, rng=5)
    n_steps = round(interval / 1e-5)
    return [
        simulate_langevin(LAW, one, n_frames, n_steps, time_step=1e-5, rng=seed)
        for seed, one in enumerate(starts)
    ]


def _regressed(film: Trajectory) -> NDArray[np.float64]:
    """Return c12 and c6 of u = c12 r^-12 - c6 r^-6 from displacements, over the true ones."""
    frames = film.positions.reshape(film.n_frames, -1, 2)
    box = np.asarray(film.cell)
    parts = [  # u of depth e, diameter s: c12 = 4 e s^12, c6 = 4 e s^6
        LennardJones(1.0, 1.0, cutoff=2.5), LennardJones(1.0, 2.0 ** (1 / 6), cutoff=2.5),
    ]  # fmt: skip
    forces = np.stack([
        [particle_forces(part, AtomicConfiguration(x % np.diag(box), unit="reduced", cell=box))
         for part in parts]
        for x in frames[:-1]
    ])  # fmt: skip
    # first: 4 r^-12 - 4 r^-6; second: 16 r^-12 - 8 r^-6
    twelve = (forces[:, 1] - 2 * forces[:, 0]) / 8
    six = (forces[:, 1] - 4 * forces[:, 0]) / 8
    moved = np.diff(frames, axis=0).ravel()
    interval = film.times[1] - film.times[0]
    diffusion = float((moved**2).mean()) / 2 / interval
    columns = np.stack([twelve.ravel(), six.ravel()], axis=1) * diffusion * interval
    found = np.linalg.lstsq(columns, moved, rcond=None)[0]
    # forces of + r^-12 and + r^-6: the attraction's coefficient comes with a minus
    return np.array([found[0] / 5.0, -found[1] / 5.0, diffusion])


def bias_figure() -> Figure:
    """Draw what displacement regression and ours find over the frame interval, films as long."""
    rows = []
    for interval in INTERVALS:
        regressed, ours = [], []
        for seed, film in enumerate(_films(interval, round(DURATION / interval) + 1)):
            regressed.append(_regressed(film))
            fit = fit_langevin(film, cutoff=2.5, localization_sd=0.0, rng=seed)
            depth, diameter = 4 * fit["depth"] / 5.0, fit["diameter"]
            ours.append([(depth * diameter**12).mean(), (depth * diameter**6).mean(),
                         fit["diffusion"].mean()])  # fmt: skip
        rows.append((np.array(regressed), np.array(ours)))
    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    names = ("repulsion c12", "attraction c6", "diffusion D")
    for k, (ax, name) in enumerate(zip(figure.subplots(1, 3), names, strict=True)):
        for which, color, label in ((0, RED, "displacement regression"), (1, BLUE, "fit_langevin")):
            values = np.array([row[which][:, k] for row in rows])
            error = values.std(axis=1, ddof=1) / np.sqrt(N_FILMS)
            ax.errorbar(INTERVALS, values.mean(axis=1), 1.645 * error, fmt="o-", color=color,
                        lw=1.6, ms=5, label=label)  # fmt: skip
        ax.axhline(1.0, color=GREY, lw=0.9, ls=(0, (4, 3)))
        ax.set(xscale="log", xlabel="frame interval (diameter²/D)", title=name)
        ax.set_ylim(-0.6, 1.8) if k < 2 else ax.set_ylim(0.6, 1.2)
    figure.axes[0].set_ylabel("found / true")
    figure.axes[0].legend(loc="lower left")
    return figure


def colloid_figure() -> Figure:
    """Draw diffusion by lag and the force by distance of public colloid tracks."""
    film = set_scale(
        read_trajectory(registry.fetch(TRACKS)), pixel_size=1 / 2.85, unit="um",
        frame_interval_s=1 / 24,
    )  # fmt: skip
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_diffusion(measure_diffusion(film, rng=1), ax=left)
    plot_pair_force(measure_pair_force(film, projected=True, rng=1), ax=right)
    return figure


def spring_figure() -> Figure:
    """Draw the waves of a crystal of known springs, found from one snapshot."""
    crystal = sample_harmonic_crystal(
        "triangular", 32, [300.0, -15.0, 20.0, -3.0], position_sd=0.02, rng=1
    )[0]
    fit = fit_crystal(crystal, sampling="thermal_snapshot", n_shells=2, position_sd=0.02, rng=1)
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    ax = figure.add_subplot()
    for color, (branch, rows) in zip(
        (BLUE, RED), dispersion_curve(fit).groupby("branch"), strict=False
    ):
        ax.fill_between(rows["wave"], rows["q05"], rows["q95"], color=color, alpha=0.3, lw=0)
        ax.plot(rows["wave"], rows["mean"], color=color, lw=1.6, label=f"branch {branch}")
    ax.set(xlabel="wave number (1 / length)", ylabel="frequency × √(mass / kT)")
    ax.legend()
    return figure


def computed_figure() -> Figure:
    """Draw pair potentials of lithium and silicon from computed forces, and what they lack."""
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for color, (name, path) in zip((BLUE, RED), STRUCTURES.items(), strict=True):
        file = registry.fetch(path)
        fit = fit_forces(read_structures(file), forces=read_forces(file), compare=False, rng=1)
        curve = potential_curve(fit, np.linspace(2.2, 6.0, 160))
        left.fill_between(curve["distance"], curve["q05"], curve["q95"], color=color, alpha=0.25)
        left.plot(curve["distance"], curve["mean"], color=color, lw=1.8, label=name)
        table = fit.diagnostics["by_condition"]
        seen = [row for row in table if row["rms_force"] > SMALLEST_FORCE]  # others: 0 by symmetry
        force = [row["rms_force"] for row in seen]
        error = [row["force_error_left_out"] for row in seen]
        right.loglog(force, error, "o", color=color, label=name)
    ends = np.array([5e-3, 2.0])
    right.loglog(ends, ends, color=GREY, ls=(0, (4, 3)), label="no better than zero")
    left.set(xlabel="distance (Å)", ylabel="pair potential (eV)", ylim=(-0.25, 0.5))
    right.set(xlabel="rms force of a condition (eV/Å)", ylabel="error when left out (eV/Å)")
    left.legend()
    right.legend()
    return figure


def rate_figure() -> Figure:
    """Draw a barrier from three temperatures, and counts under the beam over the dose rate."""
    import pandas as pd

    rng = np.random.default_rng(1)
    kelvin, exposure = np.array([290.0, 310.0, 330.0]), 400.0
    rate = 1e13 * np.exp(-0.8 / BOLTZMANN_EV / kelvin)
    counted = pd.DataFrame(
        {"hops": rng.poisson(exposure * rate), "exposure": exposure, "temperature_kelvin": kelvin}
    )
    hops = fit_hop_rates(counted, barrier=True, rng=1)
    grid = np.linspace(285.0, 335.0, 60)
    barrier, attempts = (hops[name].reshape(-1, 1) for name in
                         ("barrier_ev", "log10_attempt_frequency"))  # fmt: skip
    lines = attempts - barrier / BOLTZMANN_EV / grid / np.log(10.0)
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.fill_between(1e3 / grid, *np.quantile(lines, [0.05, 0.95], axis=0), color=BLUE, alpha=0.3)
    seen = counted["hops"] / exposure
    left.errorbar(1e3 / kelvin, np.log10(seen), 1.645 / np.sqrt(counted["hops"]) / np.log(10.0),
                  fmt="o", color=BLUE)  # fmt: skip
    left.set(xlabel="1000 / temperature (1/K)", ylabel="log10 rate (1/s)")
    dose_rate = np.array([0.0, 30.0, 60.0, 90.0, 120.0])
    events = rng.poisson(1e5 * (2e-4 + 8e-6 * dose_rate))
    fit = fit_beam_rates(events, n_sites=1e4, duration_s=10.0, dose_rate=dose_rate, once=False,
                         rng=1)  # fmt: skip
    line = fit["thermal_rate"].reshape(-1, 1) + fit["cross_section"].reshape(-1, 1) * dose_rate
    right.fill_between(dose_rate, *np.quantile(line, [0.05, 0.95], axis=0), color=GREEN, alpha=0.3)
    right.errorbar(dose_rate, events / 1e5, 1.645 * np.sqrt(events) / 1e5, fmt="o", color=GREEN)
    right.set(xlabel="dose rate (e/Å²/s)", ylabel="rate of changes (1/s)", ylim=(0, None))
    return figure


def potential_figure() -> Figure:
    """Draw the potential found from one noisy snapshot, its error denied and stated."""
    from physlearn.inference import fit_pair_potential

    side, spacing = 32, np.sqrt(2 / np.sqrt(3) / 0.7)
    row, column = np.divmod(np.arange(side**2), side)
    grid = spacing * np.column_stack([column + 0.5 * (row % 2), 0.5 * np.sqrt(3) * row])
    box = np.diag([side * spacing, 0.5 * np.sqrt(3) * side * spacing])
    start = AtomicConfiguration(grid, unit="reduced", cell=box)
    last = sample_positions(LAW, start, 2, 2000, rng=2)[-1]
    noise = np.random.default_rng(3).normal(0.0, 0.02, last.positions.shape)
    seen = AtomicConfiguration(last.positions + noise, unit="reduced", cell=box)
    r = np.linspace(0.95, 2.4, 160)
    import pandas as pd

    truth = pd.DataFrame({"distance": r, "mean": LAW.value(r)})
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    for ax, (sd, title) in zip(
        figure.subplots(1, 2, sharey=True),
        ((0.0, "error of positions denied"), (0.02, "error in the model")),
        strict=True,
    ):
        fit = fit_pair_potential(
            seen, sampling="thermal_snapshot", method="likelihood", position_sd=sd, cutoff=2.5,
            rng=1,
        )  # fmt: skip
        plot_pair_potential(potential_curve(fit, r), truth=truth, ax=ax)
        ax.set_title(title)
    return figure


FORCE_FIGURES: dict[str, Callable[[], Figure]] = {
    "forces_bias": bias_figure,
    "forces_snapshot": potential_figure,
    "forces_colloids": colloid_figure,
    "forces_springs": spring_figure,
    "forces_computed": computed_figure,
    "forces_rates": rate_figure,
}
