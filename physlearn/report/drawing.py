"""What every figure shares: colours that colour-blind readers can tell apart, type, axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BLUE", "COLORS", "GREEN", "GREY", "INK", "MARKS", "ORANGE", "PURPLE", "RED", "STYLE",
    "blank_figure", "get_axes", "interval_rows", "scale_bar", "unit_label",
]  # fmt: skip

INK = "#22303c"
GREY = "#8a949e"
BLUE = "#0072b2"
RED = "#d55e00"
GREEN = "#009e73"
ORANGE = "#e69f00"
PURPLE = "#cc79a7"
COLORS = (BLUE, RED, GREEN, ORANGE, PURPLE, "#56b4e9", "#f0e442", INK)
"""Okabe and Ito's colours, ordered so that the first two differ most in grey as well."""

MARKS = ("o", "D", "s", "^", "v", "P", "X", "*")

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "image.cmap": "cividis",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "physlearn",
}

SYMBOLS = {"angstrom": "Å", "um": "µm", "pixel": "px", "1": "", "reduced": ""}


def unit_label(name: str, unit: str) -> str:
    """Return an axis label: the name, and the unit in brackets when there is one.

    Examples
    --------
    >>> unit_label("x", "angstrom"), unit_label("strain", "1")
    ('x (Å)', 'strain')
    """
    symbol = SYMBOLS.get(unit, unit.replace("pixel", "px").replace("^2", "²"))
    return f"{name} ({symbol})" if symbol else name


def get_axes(ax: Axes | None, size: tuple[float, float] = (5.4, 4.2)) -> Axes:
    """Return ``ax``, or new axes of ``size`` inches made with pyplot."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    _, created = pyplot.subplots(figsize=size, layout="constrained")
    return created


def blank_figure(size: tuple[float, float] = (5.4, 4.2)) -> tuple[Figure, Axes]:
    """Return a figure that no window manager knows of, and its axes (call inside ``STYLE``)."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def scale_bar(ax: Axes, unit: str) -> None:
    """Draw a bar of a round length in the lower left corner and take the ticks away."""
    left, right = sorted(ax.get_xlim())
    low, high = ax.get_ylim()
    wanted = (right - left) / 5
    power = 10.0 ** np.floor(np.log10(wanted))
    length = power * max(step for step in (1, 2, 5) if step * power <= wanted)
    x0, y0 = left + 0.04 * (right - left), low + 0.05 * (high - low)
    over_picture = bool(ax.images)
    color = "white" if over_picture else INK
    effects = [
        [matplotlib.patheffects.withStroke(linewidth=width, foreground="black")]
        if over_picture
        else None
        for width in (4.5, 2.5)
    ]
    ax.plot([x0, x0 + length], [y0, y0], color=color, lw=3, path_effects=effects[0],
            solid_capstyle="butt")  # fmt: skip
    ax.text(
        x0 + length / 2, low + 0.065 * (high - low), f"{length:g} {SYMBOLS.get(unit, unit)}",
        color=color, ha="center", va="bottom", fontsize=10, fontweight="bold",
        path_effects=effects[1],
    )  # fmt: skip
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def interval_rows(
    ax: Axes,
    labels: Sequence[str],
    means: NDArray[np.float64],
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    truths: Sequence[float | None] | None = None,
) -> Axes:
    """Draw one horizontal 90 % interval a row, a line at zero, and the truth where it is known."""
    rows = np.arange(len(labels))[::-1]
    ax.axvline(0, color=GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    ax.hlines(rows, lows, highs, color=BLUE, lw=5, alpha=0.45, zorder=2)
    ax.plot(means, rows, "o", color=BLUE, ms=7, zorder=3, label="mean and 90 % interval")
    known = [(t, row) for t, row in zip(truths or [], rows, strict=False) if t is not None]
    if known:
        ax.plot([t for t, _ in known], [row for _, row in known], marker="|", ls="none", ms=19,
                mew=2.6, color=RED, zorder=4, label="planted truth")  # fmt: skip
    ax.set_yticks(rows, labels)
    ax.set_ylim(-0.7, len(labels) - 0.3)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.margins(x=0.12)
    return ax
