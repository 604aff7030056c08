"""Pictures of domain walls, their parameters and the laws that fit them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from physlearn.checks import InputError
from physlearn.records import WallTrack
from physlearn.report.draw_atoms import plot_image
from physlearn.report.drawing import BLUE, GREY, INK, RED, get_axes, unit_label
from physlearn.results import Fit

__all__ = ["plot_domain_share", "plot_laws", "plot_wall_parameters", "plot_walls"]


def plot_walls(
    video: xr.DataArray, track: WallTrack, frame: int, *, ax: Axes | None = None
) -> Axes:
    """Draw one frame with the contours found in it.

    Parameters
    ----------
    video
        Dims (time, y, x).
    track
        From ``track_walls``.
    frame
        Which frame, from 0.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> video = xr.DataArray(np.random.default_rng(0).normal(size=(2, 20, 20)),
    ...     dims=("time", "y", "x"))
    >>> from physlearn.records.walls import WALL_COLUMNS
    >>> empty = WallTrack(pd.DataFrame({n: np.empty(0) for n in WALL_COLUMNS}), [0.0, 1.0])
    >>> plot_walls(video, empty, 1).get_title()
    'frame 1'
    """
    if not 0 <= frame < video.sizes["time"]:
        raise InputError(f"frame must lie between 0 and {video.sizes['time'] - 1}; got {frame}.")
    ax = get_axes(ax, (4.2, 4.4))
    plot_image(video.isel(time=frame), ax=ax)
    rows = track.table[track.table["frame"] == frame]
    for wall, points in rows.groupby("wall"):
        contour = points.sort_values("arc_length")[["x", "y"]].to_numpy()
        if track.closed.get(int(str(wall)), False):
            contour = np.vstack([contour, contour[:1]])
        ax.plot(contour[:, 0], contour[:, 1], color="white", lw=2.6, alpha=0.8)
        ax.plot(contour[:, 0], contour[:, 1], color=RED, lw=1.5)
    time = float(track.frame_times[frame])
    said = f"frame {frame}" if track.time_unit == "frame" else f"{time:g} {track.time_unit}"
    ax.set_title(said)
    return ax


def plot_domain_share(
    shares: pd.DataFrame, *, time_unit: str = "frame", ax: Axes | None = None
) -> Axes:
    """Draw the share of the picture that each frame counts as the positive domain.

    Parameters
    ----------
    shares
        Columns time, raw (thresholded as the file is), normalised (after illumination is removed).

    Examples
    --------
    >>> shares = pd.DataFrame({"time": [0.0, 1.0], "raw": [0.4, 0.5], "normalised": [0.4, 0.41]})
    >>> plot_domain_share(shares).get_ylabel()
    'share of the bright domain'
    """
    ax = get_axes(ax, (5.4, 3.2))
    ax.plot(shares["time"], shares["raw"], "--", color=GREY, lw=1.5, label="file as it is")
    ax.plot(shares["time"], shares["normalised"], "o-", color=BLUE, lw=1.8, ms=4,
            label="illumination removed")  # fmt: skip
    ax.set_xlabel("frame" if time_unit == "frame" else unit_label("time", time_unit))
    ax.set_ylabel("share of the bright domain")
    ax.legend()
    return ax


def plot_wall_parameters(
    fit: Fit, *, truth: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the joint posterior of the two wall parameters: draws, means, 90 % bars, the truth.

    Parameters
    ----------
    fit
        From `fit_wall_dynamics`: `drive_mobility` or `drive_velocity`, and `curvature_mobility`.
    truth
        Variable -> planted value, where it is known.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.results import fit_from_draws
    >>> rng = np.random.default_rng(1)
    >>> draws = {name: rng.normal(1, 0.1, 999) for name in ("drive_mobility", "curvature_mobility")}
    >>> fit = fit_from_draws(draws, model="m", likelihood="exact", approximation="none", seed=1,
    ...     data=b"")
    >>> plot_wall_parameters(fit).get_xlabel()
    'drive mobility'
    """
    rows = fit.summary()
    if len(rows) != 2:
        raise InputError(f"fit must have two wall parameters; got {', '.join(fit.variables)}.")
    ax = get_axes(ax, (5.2, 4.2))
    names = [str(name) for name in rows["name"]]
    x, y = (fit[name] for name in names)
    ax.plot(x[:1500], y[:1500], ".", color=BLUE, ms=3.5, alpha=0.22, mew=0, label="posterior draws")
    (x0, y0), low, high = rows["mean"], rows["q05"], rows["q95"]
    ax.errorbar(
        x0, y0, xerr=[[x0 - low[0]], [high[0] - x0]], yerr=[[y0 - low[1]], [high[1] - y0]],
        fmt="o", color=INK, ms=5, lw=1.6, label="mean and 90 % intervals",
    )  # fmt: skip
    if truth and all(name in truth for name in names):
        ax.plot(truth[names[0]], truth[names[1]], "*", color=RED, ms=16, mec="white",
                label="planted truth", zorder=5)  # fmt: skip
    labels = [
        unit_label(name.replace("_", " "), str(unit))
        for name, unit in zip(names, rows["unit"], strict=True)
    ]
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
    ax.ticklabel_format(useOffset=False)
    ax.locator_params(nbins=6)
    legend = ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handletextpad=0.3,
                       columnspacing=1.0)  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    return ax


def plot_laws(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the candidate laws: misfit against complexity, weight as the mark's size.

    Parameters
    ----------
    table
        ``EquationSet.table``: equation, complexity, loss, weight.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> table = pd.DataFrame({"equation": ["a*x", "a*x + b"], "complexity": [1, 3],
    ...     "loss": [2.0, 1.0], "weight": [0.1, 0.9]})
    >>> plot_laws(table).get_xlabel()
    'complexity (symbols)'
    """
    ax = get_axes(ax, (5.4, 3.4))
    weights = table["weight"].to_numpy(dtype=float)
    sizes = 14 + 260 * weights / max(weights.max(), 1e-12)
    kept = weights >= 0.01
    ax.scatter(table["complexity"][~kept], table["loss"][~kept], s=14, color=GREY, lw=0,
               label="weight below 1 %")  # fmt: skip
    ax.scatter(table["complexity"][kept], table["loss"][kept], s=sizes[kept], color=BLUE, lw=0,
               alpha=0.6, label="in play (size: weight)")  # fmt: skip
    best = int(np.argmax(weights))
    ax.annotate(
        str(table["equation"].iloc[best]).replace("**", "^").replace("*", " ").replace("-", "−"),
        (table["complexity"].iloc[best], table["loss"].iloc[best]),
        xytext=(8, 10), textcoords="offset points", color=INK, fontsize=9.5,
    )  # fmt: skip
    if (table["loss"] > 0).all() and table["loss"].max() > 20 * table["loss"].min():
        ax.set_yscale("log")
    ax.set_xlabel("complexity (symbols)")
    ax.set_ylabel("misfit")
    ax.margins(x=0.12, y=0.18)
    ax.legend()
    return ax
