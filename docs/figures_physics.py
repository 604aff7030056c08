"""Figures of physics, simulated anew: the square Ising lattice against exact answers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from physlearn.lattice_models import (
    Ising,
    critical_coupling,
    kaufman_torus,
    onsager_energy,
    onsager_heat_capacity,
    onsager_magnetization,
    simulate_lattice,
    square_lattice,
)
from physlearn.report.drawing import BLUE, GREEN, GREY, INK, RED

EDGE = 128
N_PICTURES = 1280
N_BLOCKS = 64
TEMPERATURES = (1.7, 1.9, 2.05, 2.15, 2.22, 2.27, 2.32, 2.4, 2.5, 2.65, 2.8, 3.0)
# sweeps between pictures: long against the correlation time of each method at T_c
METHODS = {
    "wolff": ("Wolff", BLUE, "o", 8),
    "swendsen_wang": ("Swendsen-Wang", RED, "D", 16),
    "multispin": ("multi-spin coded Metropolis", GREEN, "s", 1000),
}


def blocked(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard error by blocks."""
    means = values.reshape(N_BLOCKS, -1).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(N_BLOCKS))


def jackknifed_variance(values: NDArray[np.float64]) -> tuple[float, float]:
    """Variance of single values, and its standard error by leaving out blocks."""
    blocks = values.reshape(N_BLOCKS, -1)
    left_out = np.array([np.delete(blocks, k, axis=0).var(ddof=1) for k in range(N_BLOCKS)])
    error = np.sqrt((N_BLOCKS - 1) / N_BLOCKS * ((left_out - left_out.mean()) ** 2).sum())
    return float(values.var(ddof=1)), float(error)


def ising_points() -> dict[str, NDArray[np.float64]]:
    """For each method rows of: temperature; energy, heat capacity, |m|, each with its error."""
    lattice = square_lattice((EDGE, EDGE))
    rows: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for index, temperature in enumerate(TEMPERATURES):
        ising = Ising([1.0 / temperature])
        name = list(METHODS)[index % len(METHODS)]
        between = METHODS[name][3]
        pictures = simulate_lattice(
            ising, lattice, N_PICTURES, between, method=name, burn_in=100 * between,
            start=np.ones(lattice.n_sites, np.int8), rng=np.random.default_rng((2026, index)),
        )  # fmt: skip
        energies = np.asarray(ising.energy(pictures.states, lattice), float)
        order = np.abs(pictures.states.mean(axis=1, dtype=float))
        energy, energy_error = blocked(energies / lattice.n_sites * temperature)
        capacity, capacity_error = jackknifed_variance(energies)
        rows[name].append([
            temperature, energy, energy_error, capacity / lattice.n_sites,
            capacity_error / lattice.n_sites, *blocked(order),
        ])  # fmt: skip
    return {name: np.array(values) for name, values in rows.items()}


def ising_figure() -> Figure:
    """Energy, heat capacity and magnetization of the square lattice, by three methods."""
    points = ising_points()
    figure = Figure(figsize=(10.6, 4.7), layout="constrained")
    axes = figure.subplots(2, 3, height_ratios=(3, 1.1), sharex=True)
    fine = np.unique(np.r_[np.linspace(1.6, 3.1, 400), 1 / critical_coupling() + 1e-5])
    curves = (
        onsager_energy(1 / fine) * fine,
        onsager_heat_capacity(1 / fine),
        onsager_magnetization(1 / fine),
    )
    torus = [kaufman_torus((EDGE, EDGE), 1 / t) for t in fine]
    finite = ([t.energy / t.n_sites * x for t, x in zip(torus, fine, strict=True)],
              [t.heat_capacity for t in torus])  # fmt: skip
    said = ("energy per site (J)", "heat capacity per site (k)", "|magnetization| per site")
    for k, (top, curve, label) in enumerate(zip(axes[0], curves, said, strict=True)):
        top.plot(fine, curve, color=GREY, lw=1.2, label="exact, infinite lattice")
        if k < 2:
            top.plot(fine, finite[k], color=INK, lw=1.2, label=f"exact, {EDGE} x {EDGE} torus")
        for name, rows in points.items():
            said_name, color, mark, _ = METHODS[name]
            top.errorbar(rows[:, 0], rows[:, 1 + 2 * k], rows[:, 2 + 2 * k], fmt=mark, color=color,
                         ms=5.5, label=said_name, zorder=3)  # fmt: skip
        top.axvline(1 / critical_coupling(), color=GREY, lw=0.8, ls=(0, (2, 3)), zorder=0)
        top.set_ylabel(label)
    axes[0, 1].set_ylim(0, 4)  # the infinite lattice's goes to infinity
    axes[0, 0].text(1 / critical_coupling() + 0.02, axes[0, 0].get_ylim()[0] + 0.06, "$T_c$",
                    color=GREY, va="bottom")  # fmt: skip
    for k, bottom in enumerate(axes[1, :2]):
        deviations(bottom, points, k)
    axes[0, 2].text(
        0.98, 0.97, f"{EDGE} x {EDGE} sites keep some |m|\nabove $T_c$; no closed form",
        transform=axes[0, 2].transAxes, ha="right", va="top", fontsize=8.5, color=GREY,
    )  # fmt: skip
    axes[1, 2].set_axis_off()
    axes[0, 2].tick_params(labelbottom=True)
    axes[0, 2].set_xlabel("temperature kT / J")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    axes[1, 2].legend(handles, labels, loc="upper center")
    return figure


def deviations(ax: Axes, points: dict[str, NDArray[np.float64]], k: int) -> None:
    """Draw (simulated - exact for this torus) / standard error of one quantity."""
    ax.axhspan(-2, 2, color=GREY, alpha=0.18, lw=0)
    ax.axhline(0, color=GREY, lw=0.9)
    for name, rows in points.items():
        _, color, mark, _ = METHODS[name]
        torus = [kaufman_torus((EDGE, EDGE), 1 / t) for t in rows[:, 0]]
        exact = np.array([
            t.heat_capacity if k else t.energy / t.n_sites * x
            for t, x in zip(torus, rows[:, 0], strict=True)
        ])  # fmt: skip
        z = (rows[:, 1 + 2 * k] - exact) / rows[:, 2 + 2 * k]
        ax.plot(rows[:, 0], z, mark, color=color, ms=5.5)
    ax.set(ylim=(-4, 4), yticks=(-2, 0, 2), xlabel="temperature kT / J")
    ax.set_ylabel("deviation (s.e.)")
