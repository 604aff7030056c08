"""Pictures of tracked particles: their paths, how fast they spread, what acts between them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullFormatter

from physlearn.checks import InputError
from physlearn.phrases import unit_text
from physlearn.records import Trajectory
from physlearn.report.drawing import BLUE, COLORS, GREY, RED, get_axes, scale_bar, unit_label
from physlearn.results import Fit

if TYPE_CHECKING:
    from physlearn.inference.langevin.diffusion import Diffusion

__all__ = ["plot_diffusion", "plot_pair_force", "plot_pair_potential", "plot_trajectory"]

MOST_PATHS = 400


def plot_trajectory(trajectory: Trajectory, *, ax: Axes | None = None) -> Axes:
    """Draw the paths of the particles seen longest, up to 400, coloured by particle.

    Parameters
    ----------
    trajectory
        Of three dimensions x and y are drawn.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> walk = Trajectory([0, 1], [4, 4], [[0.0, 0.0], [0.1, 0.0]], [0.0, 0.04], unit="um")
    >>> len(plot_trajectory(walk).collections)
    1
    """
    ax = get_axes(ax, (4.4, 4.4))
    order = np.lexsort((trajectory.frame, trajectory.particle))
    places = trajectory.positions[order, :2]
    cuts = np.flatnonzero(np.diff(trajectory.particle[order])) + 1
    paths = sorted(np.split(places, cuts), key=len, reverse=True)[:MOST_PATHS]
    colors = [COLORS[k % len(COLORS)] for k in range(len(paths))]
    ax.add_collection(LineCollection(paths, colors=colors, linewidths=0.8))
    ax.autoscale_view()
    ax.set_aspect("equal")
    ax.invert_yaxis()
    scale_bar(ax, trajectory.unit)
    return ax


def plot_diffusion(diffusion: Diffusion, *, ax: Axes | None = None) -> Axes:
    """Draw the diffusion coefficient by lag with 90 % intervals, and the one that is believed.

    Parameters
    ----------
    diffusion
        From ``measure_diffusion``.
    ax
        Axes to draw in; None makes new ones.
    """
    ax = get_axes(ax, (5.4, 3.6))
    table = diffusion.table
    short = table["lag"] < diffusion.min_lag
    for rows, color, label in (
        (table[short], GREY, "smeared, left out"),
        (table[~short], BLUE, "likelihood of the steps"),
    ):
        if len(rows):
            mean = rows["diffusion"]
            ax.errorbar(
                rows["lag_time"], mean, yerr=[mean - rows["q05"], rows["q95"] - mean], fmt="o",
                color=color, ms=5, lw=1.4, label=label,
            )  # fmt: skip
    ax.plot(
        table["lag_time"], table["apparent_diffusion"], "s", mfc="none", color=GREY, ms=4,
        label="mean square displacement",
    )  # fmt: skip
    ax.axhspan(diffusion.low, diffusion.high, color=RED, alpha=0.18, lw=0)
    ax.axhline(diffusion.diffusion, color=RED, lw=1.4, label="estimate, 90 % interval")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(unit_label("lag", diffusion.unit.partition("/")[2] or "frame"))
    ax.set_ylabel(unit_label("diffusion coefficient", unit_text(diffusion.unit)))
    ax.legend()
    return ax


def plot_pair_force(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Draw the force between particles by their distance with 90 % intervals; above 0 they repel.

    Parameters
    ----------
    fit
        From ``measure_pair_force``.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a fit without a force by distance.
    """
    if "force" not in fit.variables:
        raise InputError(f"fit must hold a force by distance; it holds {', '.join(fit.variables)}.")
    ax = get_axes(ax, (5.4, 3.6))
    distance = fit.idata["posterior"]["distance"].to_numpy().astype(float)
    low, high = fit.interval("force").T
    mean = fit["force"].mean(axis=0)
    unit = json.loads(fit.attrs["units"])["force"]
    ax.axhline(0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.errorbar(distance, mean, yerr=[mean - low, high - mean], fmt="o", color=BLUE, ms=6, lw=1.6)
    ax.set_xlabel(unit_label("distance", unit.partition("/")[2]))
    ax.set_ylabel(unit_label("force, repulsion above 0", unit_text(unit)))
    return ax


def plot_pair_potential(
    curve: pd.DataFrame,
    *,
    unit: str = "reduced",
    truth: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a pair potential over distance with its 90 % band.

    Parameters
    ----------
    curve
        From ``potential_curve``: distance, mean, q05, q95 in kT, and kind (pair of species).
    unit
        Of the distance.
    truth
        Columns distance and mean, where it is known.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a table without these columns.

    Examples
    --------
    >>> curve = pd.DataFrame({"distance": [1.0, 2.0], "mean": [0.5, 0.0], "q05": [0.4, -0.1],
    ...     "q95": [0.6, 0.1]})
    >>> plot_pair_potential(curve).get_ylabel()
    'pair potential (kT)'
    """
    missing = {"distance", "mean", "q05", "q95"} - set(curve)
    if missing:
        raise InputError(f"curve must have the column(s) {', '.join(sorted(missing))}.")
    ax = get_axes(ax, (5.4, 3.8))
    ax.axhline(0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    several = "kind" in curve and curve["kind"].nunique() > 1
    groups = curve.groupby("kind", sort=False) if several else [("", curve)]
    for index, (kind, rows) in enumerate(groups):
        color = COLORS[index % len(COLORS)]
        ax.fill_between(rows["distance"], rows["q05"], rows["q95"], color=color, alpha=0.25, lw=0)
        ax.plot(rows["distance"], rows["mean"], color=color, lw=1.8, label=str(kind) or None)
    if truth is not None:
        ax.plot(truth["distance"], truth["mean"], color=RED, ls=(0, (1, 1)), lw=2.0, label="truth")
    # the core goes up without end; what is of interest lies below
    low = float(curve["q05"].min())
    high = max(float(curve["q95"].quantile(0.6)), abs(min(low, 0.0)), 0.1)
    margin = 0.15 * (high - low)
    ax.set_ylim(low - margin, high + margin)
    ax.set_xlabel(unit_label("distance", unit))
    ax.set_ylabel("pair potential (kT)")
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax
