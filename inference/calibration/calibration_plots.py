"""The figure of a calibration study: rank histograms and ECDF differences, a row a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.calibration.uniformity import ecdf_bands

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from physlearn.inference.calibration.calibration_report import CalibrationReport

Float = NDArray[np.float64]
BLUE, RED, GREY, INK = "#0072b2", "#d55e00", "#8a949e", "#22303c"
PER_BIN = 20
MOST_BINS = 20
ROW_INCHES, WIDTH_INCHES = 2.1, 8.0


def draw_calibration(report: CalibrationReport) -> Figure:
    """Return the figure of a report: left a histogram of ranks, right the ECDF's difference."""
    from matplotlib.figure import Figure

    d = max(len(report.names), 1)
    figure = Figure(figsize=(WIDTH_INCHES, 0.7 + ROW_INCHES * d), layout="constrained")
    axes = figure.subplots(d, 2, squeeze=False)
    for row, name in zip(axes, report.names, strict=False):
        pits = report.pits[:, report.names.index(name)]
        mine = report.table[report.table["variable"] == name]
        color = BLUE if bool(mine["passes"].all()) else RED
        _histogram(row[0], pits, color)
        row[0].set_title(name, loc="left", fontweight="bold", fontsize=10.5, color=INK)
        _difference(row[1], pits, color)
        held = mine.set_index("interval").loc["90 %"]
        row[1].set_title(
            f"90 % intervals hold {100 * held['coverage']:.1f} %",
            loc="right",
            fontsize=9.5,
            color=INK,
        )
    for ax in axes.ravel():
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GREY)
        ax.tick_params(labelsize=8.5, colors=INK)
        ax.set_xlim(0, 1)
    axes[-1, 0].set_xlabel("rank of the truth among the draws, 0 to 1", fontsize=9.5, color=INK)
    axes[-1, 1].set_xlabel("rank of the truth among the draws, 0 to 1", fontsize=9.5, color=INK)
    told = f"{report.n_finished} replicates"
    if report.n_finished < len(report.status):
        told += f"; {report.n_refused} refused, {report.n_failed} failed"
    figure.suptitle(
        f"{told}. Shaded: 99 % of calibrated estimators lie wholly within",
        fontsize=9.5, color=INK, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _histogram(ax: Axes, pits: Float, color: str) -> None:
    """Draw how many ranks fall in each part, with the range that all counts should keep to."""
    from scipy.stats import binom

    n_bins = int(np.clip(len(pits) // PER_BIN, 5, MOST_BINS))
    edges = np.linspace(0, 1, n_bins + 1)
    counts = np.histogram(pits, edges)[0]
    # all bins together: each at its share of 1 %
    low, high = binom.interval(1 - 0.01 / n_bins, max(len(pits), 1), 1 / n_bins)
    ax.axhspan(low, high, color=GREY, alpha=0.22, linewidth=0)
    ax.axhline(len(pits) / n_bins, color=GREY, linewidth=0.9)
    ax.stairs(counts, edges, color=color, fill=True, alpha=0.75)
    for level in (low, high):
        ax.axhline(level, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
    ax.set_ylim(0, max(float(counts.max(initial=1)), float(high)) * 1.12)
    ax.set_ylabel("replicates", fontsize=9.5, color=INK)


def _difference(ax: Axes, pits: Float, color: str) -> None:
    """Draw the share of ranks below z, minus z, with its simultaneous band."""
    if not len(pits):
        return
    points, low, high = ecdf_bands(len(pits))
    ax.fill_between(points, low - points, high - points, color=GREY, alpha=0.22, linewidth=0)
    ax.axhline(0, color=GREY, linewidth=0.9)
    ordered = np.sort(pits)
    z = np.concatenate([[0.0], np.repeat(ordered, 2), [1.0]])
    share = np.repeat(np.arange(len(pits) + 1) / len(pits), 2)
    ax.plot(z, share - z, color=color, linewidth=1.3)
    ax.set_ylabel("share below, minus z", fontsize=9.5, color=INK)
