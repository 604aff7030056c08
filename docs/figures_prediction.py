"""Figures of predictions: one picture, other temperatures and compositions, exact answers."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from physlearn.inference import fit_lattice_hamiltonian
from physlearn.inference.prediction.phase_diagram import predict_phase_diagram
from physlearn.inference.prediction.thermodynamics import LadderOptions, predict_thermodynamics
from physlearn.lattice_models import (
    Ising,
    kaufman_torus,
    onsager_magnetization,
    simulate_lattice,
    square_lattice,
)
from physlearn.report.draw_thermodynamics import plot_phase_diagram, plot_thermodynamics
from physlearn.report.drawing import GREEN, INK

EDGE = 24
COUPLING = 0.36
RATIOS = np.linspace(0.5, 1.5, 21)
SHARES = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


def prediction_figure() -> Figure:
    """Order and heat capacity that one picture predicts; the diagram of an antiferromagnet."""
    figure = Figure(figsize=(12.6, 3.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    picture = simulate_lattice(Ising([COUPLING]), square_lattice((64, 64)), burn_in=800, rng=1)
    fit = fit_lattice_hamiltonian(picture, 1, rng=1)
    found = predict_thermodynamics(fit, RATIOS, shape=(EDGE, EDGE), rng=1)
    plot_thermodynamics(found, "order_parameter", ax=left)
    plot_thermodynamics(found, "heat_capacity", ax=middle)
    fine = np.linspace(RATIOS[0], RATIOS[-1], 200)
    truth = [kaufman_torus((EDGE, EDGE), COUPLING / ratio).heat_capacity for ratio in fine]
    middle.plot(fine, truth, color=INK, lw=1.1, ls=(0, (4, 2)), label=f"truth, {EDGE} x {EDGE}")
    left.plot(RATIOS, [_finite_order(ratio) for ratio in RATIOS], color=INK, lw=1.1,
              ls=(0, (4, 2)), label=f"truth, {EDGE} x {EDGE} (simulated)")  # fmt: skip
    left.plot(fine, onsager_magnetization(COUPLING / fine), color=GREEN, lw=1.1, ls=(0, (1, 2)),
              label="truth, infinite lattice")  # fmt: skip
    for ax in (left, middle):
        ax.set_title("ferromagnet", pad=18)
        ax.legend(loc="upper right")
    picture = simulate_lattice(Ising([-COUPLING]), square_lattice((64, 64)), burn_in=800, rng=1)
    diagram = predict_phase_diagram(
        fit_lattice_hamiltonian(picture, 1, rng=1), SHARES, np.linspace(0.2, 1.2, 11),
        shape=(16, 16), options=LadderOptions(n_draws=24, n_sweeps=800, most_rounds=2), rng=1,
    )  # fmt: skip
    plot_phase_diagram(diagram, ax=right)
    right.set_title("antiferromagnet, fixed composition", pad=18)
    right.set_xlabel("share of the state +1")
    return figure


def _finite_order(ratio: float) -> float:
    """Return the mean order parameter |m| of the planted lattice of the forecast's size."""
    drawn = simulate_lattice(
        Ising([COUPLING / ratio]), square_lattice((EDGE, EDGE)), 2000, method="wolff", rng=7
    )
    return float(np.abs(drawn.states.mean(axis=1, dtype=float)).mean())
