"""The figures of the live page: the last frame with what was found in it, and the history."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from physlearn.live.records import Estimate, FrameResult, LiveState, Picture
from physlearn.phrases import said_number
from physlearn.report.draw_atoms import plot_atoms, plot_image, site_atoms
from physlearn.report.draw_walls import plot_walls
from physlearn.report.drawing import BLUE, GREY, INK, ORANGE, STYLE, blank_figure, unit_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_history", "draw_last", "draw_live"]

DOTS_PER_INCH = 130
MOST_PANELS = 5
LARGEST_DRAWN = 1024
"""Pixels of a picture's longer edge beyond which every second, third ... pixel is drawn."""


def draw_live(state: LiveState) -> dict[str, Picture]:
    """Draw what a state allows: ``last`` and ``history``.

    Examples
    --------
    >>> from physlearn.live.records import WatchOptions
    >>> draw_live(LiveState(WatchOptions(), 1))
    {}
    """
    with matplotlib.rc_context(STYLE):
        drawn = {"last": draw_last(state), "history": draw_history(state)}
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _rendered(figure: Figure, alt: str, caption: str) -> Picture:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    width, height = (round(DOTS_PER_INCH * float(inch)) for inch in figure.get_size_inches())
    return Picture(stream.getvalue(), alt, caption, width, height)


def draw_last(state: LiveState) -> Picture | None:
    """Draw the frame that was analysed last, with its atoms or walls."""
    last = state.last
    if last is None or last.image is None:
        return None
    image = last.image
    tall = float(np.clip(4.6 * image.sizes["y"] / image.sizes["x"], 1.5, 7.0))
    figure, ax = blank_figure((4.8, tall + 0.2))
    if state.kind == "film":
        return _draw_walls(state, last, figure, ax)
    step = max(1, -(-max(image.shape) // LARGEST_DRAWN))
    small = image.isel(y=slice(None, None, step), x=slice(None, None, step))
    if last.atoms is None:
        plot_image(small, ax=ax)
        return _rendered(
            figure, f"The picture {last.name} without marks.",
            f"{last.name}: no atoms were found in it.",
        )  # fmt: skip
    on_sites = last.snapshots is not None and last.snapshots.graph.positions is not None
    drawn = site_atoms(last.snapshots) if last.snapshots is not None and on_sites else last.atoms
    plot_atoms(small, drawn, ax=ax)
    said = ", ".join(f"{count:,} {name}" for name, count in last.counts.items())
    vacant = next((one for one in last.estimates if one.name.startswith("vacant")), None)
    tail = f"; vacant: {vacant.basis.split(';')[0]}" if vacant else ""
    return _rendered(
        figure,
        f"The picture {last.name} with a ring on each of {last.atoms.n:,} atom columns: "
        f"{said or 'species not told apart'}.",
        f"{last.name}: {last.atoms.n:,} atom columns{f' ({said})' if said else ''}{tail}.",
    )  # fmt: skip


def _draw_walls(state: LiveState, last: FrameResult, figure: Figure, ax: Axes) -> Picture:
    """Draw the newest frame of the film, which may not be the one that came last."""
    n = len(state.frames)
    if state.track is None or state.video is None:
        if last.image is not None:
            plot_image(last.image, ax=ax)
        return _rendered(
            figure, f"The frame {last.name} without walls.",
            f"{last.name}, {n} frame{'s' if n > 1 else ''} so far.",
        )  # fmt: skip
    frame = state.track.n_frames - 1
    plot_walls(state.video, state.track, frame, ax=ax)
    rows = state.track.table
    count = int(rows[rows["frame"] == frame]["wall"].nunique())
    name = state.frames[-1].name
    walls = f"{count} wall{'' if count == 1 else 's'}"
    return _rendered(
        figure, f"The newest frame of the film, {name}, with {walls} drawn in.",
        f"{name}, frame {n} of the film: {walls}.",
    )  # fmt: skip


def draw_history(state: LiveState) -> Picture | None:
    """Draw each estimate over the frames: all together as a band, single frames as points."""
    panels = _panels(state)
    if not panels:
        return None
    figure = Figure(figsize=(6.2, 1.0 + 1.35 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    said = []
    for ax, one in zip(axes, panels, strict=True):
        _draw_panel(ax, state, one)
        said.append(
            f"{one.label} {said_number(one.mean)}, interval {said_number(one.low)} to "
            f"{said_number(one.high)}"
        )
    axes[-1].set_xlabel("frames taken in")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    if state.kind != "film":
        handles, labels = axes[0].get_legend_handles_labels()
        if labels:
            figure.legend(handles, labels, loc="outside upper right", ncols=2)
    return _rendered(
        figure, f"History of {len(panels)} estimates over {len(state.frames)} frames; now: "
        f"{'; '.join(said)}.",
        "Line and band: mean and interval from all frames up to then."
        + ("" if state.kind == "film" else " Points: each frame alone."),
    )  # fmt: skip


def _panels(state: LiveState) -> list[Estimate]:
    """Return the estimates worth a panel: the spread between fields has no frame of its own."""
    return [one for one in state.estimates if not one.name.startswith("spread")][:MOST_PANELS]


def _draw_panel(ax: Axes, state: LiveState, one: Estimate) -> None:
    rows = [
        (n, past.mean, past.low, past.high)
        for n, row in state.history
        for past in row
        if past.name == one.name
    ]
    n, mean, low, high = np.array(rows).T if rows else np.empty((4, 0))
    alone = [
        (frame.order + 1, own)
        for frame in state.frames
        for own in frame.estimates
        if own.name == one.name
    ]
    if not one.name.startswith("vacant"):
        ax.fill_between(n, low, high, color=BLUE, alpha=0.22, lw=0, label="all frames, 90 %")
        ax.plot(n, mean, "-", color=BLUE, lw=1.8, marker="o" if len(n) < 2 else "", ms=5)
    if alone:
        x = np.array([place for place, _ in alone])
        values = np.array([(own.mean, own.low, own.high) for _, own in alone])
        ax.vlines(x, values[:, 1], values[:, 2], color=ORANGE, lw=2, alpha=0.8)
        ax.plot(x, values[:, 0], "D", color=INK, ms=4, ls="none", label="one frame alone")
    low_end, high_end = ax.get_ylim()
    if low_end < 0 < high_end:
        ax.axhline(0, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.set_title(unit_label(one.label, one.unit), fontsize=9.5, fontweight="normal")
    ax.margins(x=0.04)
    ax.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
