"""A picture of the diffusion constant by lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physlearn.inference.langevin.diffusion import Diffusion

__all__ = ["draw_diffusion"]


def draw_diffusion(found: Diffusion) -> Figure:
    """Draw D by lag with 90 % intervals, the shortest lag that holds and the result."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    ax = figure.subplots()
    table = found.table
    error = np.abs(table[["q05", "q95"]].to_numpy().T - table.diffusion.to_numpy())
    ax.errorbar(table.lag, table.diffusion, error, fmt="o", capsize=2, label="exact likelihood")
    ax.plot(table.lag, table.apparent_diffusion, ".", color="0.6", label="mean square / (2 d t)")
    ax.axhspan(found.low, found.high, alpha=0.2, color="C1")
    ax.axvline(found.min_lag, color="0.6", lw=0.8)
    ax.set(xlabel="lag (frames)", ylabel=f"D ({found.unit})", xscale="log")
    ax.legend(frameon=False)
    return figure
