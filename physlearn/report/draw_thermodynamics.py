"""Pictures of what a fitted Hamiltonian predicts over temperature and composition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from physlearn.checks import InputError
from physlearn.report.drawing import BLUE, COLORS, GREY, RED, get_axes

if TYPE_CHECKING:
    from physlearn.inference.prediction.phase_diagram import PhaseDiagram
    from physlearn.inference.prediction.thermodynamics import ThermodynamicPrediction

__all__ = ["plot_phase_diagram", "plot_thermodynamics"]

WORDS = {
    "energy": "energy per site (kT of the picture)",
    "heat_capacity": "heat capacity per site (k)",
    "magnetization": "|magnetization| per site",
    "order_parameter": "order parameter",
    "susceptibility": "susceptibility (1 / kT)",
    "correlation_length": "correlation length (neighbour distances)",
    "binder_cumulant": "Binder cumulant",
}


def plot_thermodynamics(
    prediction: ThermodynamicPrediction,
    quantity: str = "order_parameter",
    *,
    color: str = BLUE,
    ax: Axes | None = None,
) -> Axes:
    """Draw one predicted quantity over temperature: mean, 90 % band, picture and transition.

    Parameters
    ----------
    prediction
        From ``predict_thermodynamics``.
    quantity
        One that was predicted.
    color
        Of line and band.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a quantity that was not predicted.
    """
    table = prediction.table
    rows = table[table["quantity"] == quantity].sort_values("temperature_ratio")
    if not len(rows):
        raise InputError(
            f"quantity must be one that was predicted ({', '.join(table['quantity'].unique())}); "
            f"got {quantity!r}."
        )
    ax = get_axes(ax)
    x = rows["temperature_ratio"].to_numpy()
    ax.fill_between(x, rows["q05"], rows["q95"], color=color, alpha=0.25, lw=0, label="90 %")
    ax.plot(x, rows["mean"], color=color, marker="o", ms=3.5, lw=1.4, label="mean")
    ax.axvline(1.0, color=GREY, lw=1.0, ls=(0, (4, 3)), zorder=0)
    ax.text(1.0, 1.01, "picture", color=GREY, ha="center", va="bottom", fontsize=9,
            transform=ax.get_xaxis_transform())  # fmt: skip
    found = prediction.transition
    if found is not None and np.isfinite(found.mean):
        low, high = found.interval()
        ax.axvspan(low, high, color=RED, alpha=0.15, lw=0, zorder=0)
        ax.axvline(found.mean, color=RED, lw=1.0, zorder=0)
        ax.text(found.mean, 1.01, "transition", color=RED, ha="center", va="bottom", fontsize=9,
                transform=ax.get_xaxis_transform())  # fmt: skip
    ax.set_xlabel("temperature / temperature of the picture")
    ax.set_ylabel(WORDS[quantity])
    return ax


def plot_phase_diagram(diagram: PhaseDiagram, *, ax: Axes | None = None) -> Axes:
    """Draw the boundary of order over composition, one colour an order, with 90 % intervals.

    Parameters
    ----------
    diagram
        From ``predict_phase_diagram``.
    ax
        Axes to draw in; None makes new ones.
    """
    ax = get_axes(ax)
    rows = diagram.boundary
    searched = np.array([found.search for found in diagram.transitions if found is not None])
    floor = float(diagram.table["temperature_ratio"].min())
    orders = [name for name in dict.fromkeys(rows["order"]) if name != "none"]
    for color, order in zip(COLORS, orders, strict=False):
        here = rows[(rows["order"] == order) & np.isfinite(rows["transition_ratio"])]
        low = here["transition_ratio"] - here["q05"]
        high = here["q95"] - here["transition_ratio"]
        ax.errorbar(here["composition"], here["transition_ratio"], [low, high], color=color,
                    fmt="o-", ms=5, lw=1.3, label=order)  # fmt: skip
        below = rows[(rows["order"] == order) & ~np.isfinite(rows["transition_ratio"])]
        ax.plot(below["composition"], np.full(len(below), floor), "v", color=color, ms=5)
    without = rows[rows["order"] == "none"]
    ax.plot(without["composition"], np.full(len(without), floor), "x", color=GREY, ms=6,
            label=f"no order down to {floor:.2g}")  # fmt: skip
    ax.axhline(1.0, color=GREY, lw=1.0, ls=(0, (4, 3)), zorder=0)
    ax.text(1.0, 1.0, " picture", color=GREY, ha="left", va="center", fontsize=9,
            transform=ax.get_yaxis_transform())  # fmt: skip
    top = float(searched.max()) if len(searched) else 1.0
    ax.set_ylim(0, max(top, 1.05))
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of the last state")
    ax.set_ylabel("temperature / temperature of the picture")
    ax.legend(loc="upper right")
    return ax
