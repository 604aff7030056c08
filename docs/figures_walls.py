"""Figures of docs/domain_walls.md: walls, events, profiles, forecasts and Ginzburg-Landau films.

``python docs/figures.py walls_film ...``. Public files as in figures_atoms.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from physlearn.datasets import (
    WallSceneOptions,
    domain_fraction,
    make_wall_scene,
    normalize_frames,
    read_video,
    registry,
    smooth_walls,
    track_walls,
)
from physlearn.inference import (
    fit_ginzburg_landau,
    fit_pinning_map,
    fit_wall_dynamics,
    fit_wall_profile,
    hold_out_frames,
    pinning_of,
    predict_frames,
    predict_walls,
)
from physlearn.inference.fields.synthetic_film import planted_film
from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture
from physlearn.lattice_models import random_landscape, simulate_wall
from physlearn.plots import plot_domain_share, plot_image, plot_walls
from physlearn.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED

EVENT_MARKS = {
    "birth or entry": (("birth", "enter"), "o", GREEN),
    "vanishes or leaves": (("vanish", "leave"), "x", BLUE),
    "merging": (("merge",), "s", ORANGE),
    "splitting": (("split",), "^", PURPLE),
}
FILM = "xpeem_domain_wall_fluctuations/i161204_084_DIV_Clear_out.gif"


def film_figure() -> Figure:
    """Draw a public film: walls of its first and last frame, and the share of the dark domain."""
    import pandas as pd
    from skimage.filters import threshold_otsu

    video = read_video(registry.fetch(FILM))
    normal = normalize_frames(video)
    track = track_walls(video)
    figure = Figure(figsize=(12.0, 4.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    plot_walls(video, track, 0, ax=left)
    plot_walls(video, track, video.sizes["time"] - 1, ax=middle)
    seen = np.isfinite(normal.to_numpy()).all(axis=0)
    raw = video.to_numpy()[:, seen]
    dark = (raw < threshold_otsu(raw[0])).mean(axis=1)
    shares = pd.DataFrame({
        "time": normal["time"], "raw": dark, "normalised": domain_fraction(normal, positive=False),
    })  # fmt: skip
    plot_domain_share(shares, ax=right)
    right.set_ylabel("share of the dark domain")
    return figure


def events_figure() -> Figure:
    """Draw six frames of a history of nuclei: births, mergers, splits, and what vanishes."""
    scene = make_wall_scene("nuclei", (160, 160), 40, options=WallSceneOptions(noise_sd=0.3), rng=4)
    track = track_walls(scene.video)
    figure = Figure(figsize=(10.5, 7.6), layout="constrained")
    frames = (5, 15, 22, 28, 32, 36)
    for ax, frame in zip(figure.subplots(2, 3).ravel(), frames, strict=True):
        plot_walls(scene.video, track, frame, ax=ax)
        for kinds, mark, color in EVENT_MARKS.values():
            here = track.events["kind"].isin(kinds) & track.events["frame"].between(
                frame - 2, frame
            )
            place = track.events[here]
            for edge, width in (("white", 5.0), (color, 2.4)):
                ax.plot(place["x"], place["y"], mark, ms=15, mfc="none", mec=edge, mew=width)
    handles = [
        Line2D([], [], marker=mark, ls="", ms=11, mfc="none", mec=color, mew=2.4, label=name)
        for name, (_, mark, color) in EVENT_MARKS.items()
    ]
    handles.insert(0, Line2D([], [], color=RED, label="walls found"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def smoothing_figure() -> Figure:
    """Draw a pinned line as it was found, smoothed and true, and where and when it jumped."""
    options = WallSceneOptions(noise_sd=0.6, wall_width_pixel=2.0)
    scene = make_wall_scene("line", (160, 160), 40, options=options, rng=2)
    track = track_walls(scene.video)
    smooth = smooth_walls(track)
    figure = Figure(figsize=(12.0, 4.0), layout="constrained")
    picture, line, jumps = figure.subplots(1, 3)
    plot_walls(scene.video, track, 20, ax=picture)
    wall = smooth.walls[0]
    for record, name, style in (
        (track, "each frame by itself", {"color": GREY, "marker": ".", "ls": "", "ms": 4}),
        (smooth, "space-time prior", {"color": RED, "lw": 1.6}),
        (scene.track, "planted", {"color": INK, "lw": 0.8}),
    ):
        rows = record.table[record.table["frame"] == 20].sort_values("x")
        line.plot(rows["x"], rows["y"], label=name, **style)
    one = smooth.contour(20, wall).sort_values("x")
    line.fill_between(
        one["x"], one["y"] - 1.645 * one["normal_error"], one["y"] + 1.645 * one["normal_error"],
        color=RED, alpha=0.25,
    )  # fmt: skip
    line.set(xlabel="x (px)", ylabel="y (px), downwards as in the picture", title="frame 20")
    line.invert_yaxis()
    line.legend(loc="lower right", ncols=1)
    table = smooth.table[smooth.table["wall"] == wall]
    bound = float(np.nanquantile(np.abs(table["normal_velocity"]), 0.98))
    drawn = jumps.scatter(
        table["x"], table["time"], c=table["normal_velocity"], s=26, cmap="RdBu_r", marker="s",
        vmin=-bound, vmax=bound,
    )  # fmt: skip
    jumps.set(xlabel="x (px)", ylabel="time (frames)")
    figure.colorbar(drawn, ax=jumps, label="normal velocity (px/frame)")
    return figure


def profile_figure() -> Figure:
    """Draw a blurred wall, and its width with the blur known, known to 5 %, free, and ignored."""
    picture = make_wall_picture(2.0, 1.5, noise_sd=0.05, rng=1)
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    left.imshow(picture, cmap="gray")
    left.set(title="a wall of width 2 px, blur 1.5 px", xlabel="x (px)", ylabel="y (px)")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    for name, blur, color in (
        ("blur ignored", 0.0, RED), ("blur known", 1.5, BLUE), ("known to 5 %", (1.5, 0.075), INK),
        ("free", "free", GREY),
    ):  # fmt: skip
        draws = fit_wall_profile(picture, psf_width=blur, rng=1)["wall_width"]
        right.hist(
            draws, bins=60, range=(0.5, 3.5), density=True, histtype="step", color=color,
            label=name, lw=1.6,
        )  # fmt: skip
    right.axvline(2.0, color=INK, lw=0.8, ls="--")
    right.set(xlabel="wall width (px)", ylabel="posterior density", ylim=(0, 14))
    right.legend()
    return figure


def pinning_figure() -> Figure:
    """Draw the medium that pins a line, as planted and as mapped from the line's motion."""
    generator = np.random.default_rng(3)
    medium = random_landscape(
        64, 1.0, strength=0.25, correlation_length=3.0, period=120.0, rng=generator
    )
    line = simulate_wall(
        1.0, 1.0, 0.3, medium, start=np.full(64, 20.0), frame_times=np.arange(0.0, 120.0, 4.0)
    )
    table = line.table.assign(normal_error=0.1, error_correlation_length=1.0)
    errors = 0.1 * generator.standard_normal(len(table))
    table["x"] += errors * table["normal_x"]
    table["y"] += errors * table["normal_y"]
    chart = pinning_of(fit_pinning_map(replace(line, table=table), small_slopes=True, rng=1))
    # the map reaches beyond the line's ends; the medium is known at the line's points
    near = np.abs(chart.x[:, :1] - np.arange(64.0)).argmin(axis=0)
    planted = np.stack([medium.force(heights) for heights in chart.y[near].T], axis=1)
    shown = np.where(chart.swept, chart.field, np.nan)
    figure = Figure(figsize=(10.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    bound = float(np.nanmax(np.abs(shown)))
    scale = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
    left.pcolormesh(chart.x[near], chart.y[near], planted, **scale)
    for frame in range(0, 30, 3):
        one = line.contour(frame, 0)
        left.plot(one["x"], one["y"], color=INK, lw=0.7)
    left.set_title("planted force, and the line in every third frame")
    drawn = right.pcolormesh(chart.x, chart.y, shown, **scale)
    right.set_title("mapped where the line passed")
    figure.colorbar(drawn, ax=(left, right), label="force along y (drive = 0.3)")
    for ax in (left, right):
        ax.set_xlabel("x (spacings of the line)")
        ax.tick_params(labelleft=True)
    left.set_ylabel("y, upwards; the line climbs")
    return figure


def forecast_figure() -> Figure:
    """Draw futures of held-out walls, and of a field across a wall."""
    scene = make_wall_scene("domains", (128, 128), 20, rng=3)
    track = track_walls(scene.video)
    seen, held = hold_out_frames(track, 5)
    forecast = predict_walls(fit_wall_dynamics(seen, rng=1), seen, 5, drive=held.drive, rng=1)
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_image(scene.video.isel(time=-1), ax=left)
    for wall in forecast.walls:
        low, _, high = forecast.quantiles(wall, 4)
        last = seen.contour(seen.n_frames - 1, wall)
        left.plot(last["x"], last["y"], ":", color="white", lw=3.4)
        left.plot(last["x"], last["y"], ":", color=BLUE, lw=2.0)
        band = np.vstack([low, low[:1], high[:1], high[::-1], high[:1], low[:1]])
        left.fill(*band.T, color=RED, lw=1.6)
    left.plot([], [], ":", color=BLUE, lw=2.0, label="last seen, 5 frames before")
    left.plot([], [], color=RED, lw=3.0, label="90 % forecast of this frame")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)
    left.set_title("held-out frame 19")
    film = planted_film((64, 64), 40, rng=1)
    part = film.video[:30]
    fit = fit_ginzburg_landau(part, drive=film.drive, rng=1)
    fan = predict_frames(fit, 10, n_futures=40, drive=film.drive, rng=1)
    row = np.asarray(fan)[:, -1, 32]
    right.plot(row.T, color=BLUE, alpha=0.15, lw=1)
    right.plot([], [], color=BLUE, label="40 futures of frame 39, without camera noise")
    right.plot(np.asarray(film.video)[39, 32], ".", color=INK, label="frame 39, held out")
    right.plot(np.asarray(film.video)[29, 32], color=GREY, ls=":", label="frame 29, last seen")
    right.set(xlabel="x (px)", ylabel="order parameter along row 32")
    right.legend()
    return figure


WALL_FIGURES: dict[str, Callable[[], Figure]] = {
    "walls_film": film_figure,
    "walls_events": events_figure,
    "walls_smoothing": smoothing_figure,
    "walls_profile": profile_figure,
    "walls_pinning": pinning_figure,
    "walls_forecast": forecast_figure,
}
