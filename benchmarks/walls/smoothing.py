"""The space-time prior, velocities and roughness against planted walls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.datasets import (
    WallPrior,
    WallSceneOptions,
    make_wall_scene,
    measure_roughness,
    measure_velocities,
    smooth_walls,
    track_walls,
)
from physlearn.datasets.wall_motion.space_time_prior import NAMES, draw_heights
from physlearn.lattice_models import LineOptions, simulate_wall
from physlearn.records import WallTrack

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
SIDE, N_FRAMES, WIDTH = 256, 60, 2.0
MARGIN = 12
PRIOR = WallPrior(power=60.0, correlation_length=8.0, falloff=5.0, rate=0.15)


def _row(what: str, measured: object, goal: str = "", met: bool | None = None) -> Row:
    return {
        "what": what,
        "measured": measured,
        "goal": goal,
        "met": met if met is None else bool(met),
    }


def _bound_row(what: str, value: float, most: float) -> Row:
    return _row(what, f"{value:.3f}", f"<= {most:g}", value <= most)


def _spread_row(what: str, scores: Floats, low: float = 0.95, high: float = 1.05) -> Row:
    spread = float(np.nanstd(scores))
    return _row(what, f"{spread:.3f}", f"{low:g} to {high:g}", low <= spread <= high)


def _line_film(noise: float, seed: int, n_frames: int) -> tuple[WallTrack, Floats, WallTrack]:
    """Return tracked walls, true heights (n_frames, columns) and the true track."""
    options = WallSceneOptions(noise_sd=noise, wall_width_pixel=WIDTH)
    scene = make_wall_scene("line", (SIDE, SIDE), n_frames, options=options, rng=seed)
    track = track_walls(scene.video)
    longest = track.table.groupby("wall").size().idxmax()
    table = track.table[track.table["wall"] == longest].reset_index(drop=True)
    truth = scene.track.table
    heights = np.stack([
        np.interp(np.arange(SIDE), one["x"].sort_values(), one["y"].to_numpy()[one["x"].argsort()])
        for _, one in truth.groupby("frame")
    ])  # fmt: skip
    return replace(track, table=table), heights, scene.track


def _off(table: pd.DataFrame, heights: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return distances along the normals from the true line, and which points are inside."""
    frame, x = table["frame"].to_numpy(), table["x"].to_numpy()
    line = ndimage.map_coordinates(heights, [frame, x], order=1, mode="nearest")
    inside = (x > MARGIN) & (x < heights.shape[1] - 1 - MARGIN)
    return (table["y"].to_numpy() - line) * np.abs(table["normal_y"].to_numpy()), inside


def _mean_speeds(table: pd.DataFrame, heights: Floats, times: Floats) -> Floats:
    """Return true mean velocities along the points' normals between the neighbouring frames."""
    frame = table["frame"].to_numpy()
    before, after = np.maximum(frame - 1, 0), np.minimum(frame + 1, len(heights) - 1)
    at = [_crossing(table, heights, other) for other in (before, after)]
    return (at[1] - at[0]) / (times[after] - times[before])


def _crossing(table: pd.DataFrame, heights: Floats, frames: NDArray[np.int64]) -> Floats:
    """Return how far along the normals the true line of other frames lies."""
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    normal = table[["normal_x", "normal_y"]].to_numpy()
    steps = np.linspace(-5.0, 5.0, 201)
    along = x[:, None] + steps * normal[:, :1]
    rows = np.broadcast_to(frames[:, None], along.shape)
    gap = y[:, None] + steps * normal[:, 1:]
    gap = gap - ndimage.map_coordinates(heights, [rows, along], order=1, mode="nearest")
    change = gap[:, :-1] * gap[:, 1:] <= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        place = steps[:-1] + (steps[1] - steps[0]) * gap[:, :-1] / (gap[:, :-1] - gap[:, 1:])
    place = np.where(change, place, np.inf)
    nearest = place[np.arange(len(x)), np.abs(place).argmin(axis=1)]
    return np.where(np.isfinite(nearest), nearest, np.nan)


def _known_strength(truth: WallTrack) -> WallPrior:
    """Return the strength that the exact walls tell."""
    exact = replace(truth, table=truth.table.assign(normal_error=1e-2))
    found = smooth_walls(exact).metadata["strengths"]
    numbers = found[max(found, key=lambda wall: (truth.table["wall"] == int(wall)).sum())]
    return WallPrior(
        *(float(numbers[name][0]) for name in NAMES), gliding=numbers["motion"] == "gliding"
    )


def _best_filter(track: WallTrack, heights: Floats) -> float:
    """Return the error of a Gaussian filter over wall and time, its two widths chosen by truth."""
    table = track.table
    film = np.stack([
        np.interp(np.arange(SIDE), one["x"].sort_values(), one["y"].to_numpy()[one["x"].argsort()])
        for _, one in table.groupby("frame")
    ])  # fmt: skip
    inner = (slice(None), slice(MARGIN, SIDE - MARGIN))
    slope = np.gradient(ndimage.gaussian_filter1d(heights, 3.0, axis=1), axis=1)
    errors = [
        np.sqrt(np.mean(((ndimage.gaussian_filter(film, widths) - heights)[inner]) ** 2
                        / (1 + slope[inner] ** 2)))
        for widths in [(a, b) for a in (0.0, 0.5, 1.0, 1.5, 2.0) for b in (0.5, 1.0, 1.5, 2.0, 3.0)]
    ]  # fmt: skip
    return float(min(errors))


def _prior_on_lines(quick: bool) -> list[Row]:
    """Driven lines through pinning, tracked in noisy films of 256 x 256 pixels."""
    rows = []
    n_films, n_frames = (1, 20) if quick else (4, N_FRAMES)
    for noise in (0.1, 0.3, 0.6):
        bound = noise * np.sqrt(3 * WIDTH / 4)
        errors, known, raw, peers, score, speed, seconds, count = [], [], [], [], [], [], 0.0, 0
        for seed in range(n_films):
            track, heights, truth = _line_film(noise, 100 + seed, n_frames)
            smooth_walls(track)
            start = time.process_time()
            smooth = smooth_walls(track)
            seconds += time.process_time() - start
            count += n_frames
            given = smooth_walls(track, strength=_known_strength(truth))
            for table, into in ((smooth.table, errors), (given.table, known), (track.table, raw)):
                off, inside = _off(table, heights)
                into.append(np.mean(off[inside] ** 2))
            off, inside = _off(smooth.table, heights)
            score.append((off / smooth.table["normal_error"].to_numpy())[inside])
            truths = _mean_speeds(smooth.table, heights, smooth.frame_times)
            gap = smooth.table["normal_velocity"].to_numpy() - truths
            speed.append((gap / smooth.table["normal_velocity_error"].to_numpy())[inside])
            peers.append(_best_filter(track, heights))
        error = float(np.sqrt(np.mean(errors)))
        name = f"noise {noise:g}: "
        goal = 0.6 if noise >= 0.3 else 1.0
        rows += [
            _bound_row(name + "error over the bound of single frames", error / bound, goal),
            _bound_row(
                name + "error over that of a smoother that knows the strength",
                error / float(np.sqrt(np.mean(known))), 1.1,
            ),
            _row(name + "tracked frames over the bound (no prior)",
                 f"{np.sqrt(np.mean(raw)) / bound:.3f}"),
            _row(name + "peer: Gaussian filter, widths chosen by the truth, over the bound",
                 f"{np.mean(peers) / bound:.3f}"),
            _spread_row(name + "z sd of the contours", np.concatenate(score)),
            _spread_row(name + "z sd of the smoothed velocities", np.concatenate(speed)),
            _row(name + "frames a second", f"{count / seconds:.0f}", ">= 500",
                 count / seconds >= 500),
        ]  # fmt: skip
    return rows


def _points(heights: Floats, sd: float, rng: np.random.Generator) -> WallTrack:
    """Return heights as a track, with noise of known size."""
    n_frames, n_points = heights.shape
    frame, point = (grid.ravel() for grid in np.mgrid[:n_frames, :n_points])
    table = pd.DataFrame({
        "frame": frame, "wall": 0, "time": frame * 1.0, "x": point * 1.0,
        "y": heights.ravel() + sd * rng.normal(size=frame.size), "normal_x": 0.0, "normal_y": 1.0,
        "normal_error": sd, "error_correlation_length": 1.0, "arc_length": point * 1.0,
        "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip
    metadata = {"point_spacing": 1.0, "smoothing_length": 3.0}
    return WallTrack(table, np.arange(n_frames) * 1.0, closed={0: False}, metadata=metadata)


def _prior_on_draws(quick: bool) -> list[Row]:
    """Lines drawn from the prior itself: the bound is that of the planted strength."""
    rows, n_walls = [], 3 if quick else 40
    times = np.arange(30.0)
    for gliding in (True, False):
        prior = replace(PRIOR, gliding=gliding)
        errors, known, score, speed, held, told = [], [], [], [], [], 0
        for seed in range(n_walls):
            rng = np.random.default_rng(seed)
            heights = 0.3 * draw_heights(prior, 160, times, rng)
            planted = replace(prior, power=0.09 * prior.power)
            track = _points(heights, 0.3, rng)
            smooth = smooth_walls(track)
            found = smooth.metadata["strengths"]["0"]
            told += found["motion"] == ("gliding" if gliding else "diffusing")
            held += [found[name][1] <= getattr(planted, name) <= found[name][2] for name in NAMES]
            for one, into in ((smooth, errors), (smooth_walls(track, strength=planted), known)):
                off, inside = _off(one.table, heights)
                into.append(np.mean(off[inside] ** 2))
            off, inside = _off(smooth.table, heights)
            score.append((off / smooth.table["normal_error"].to_numpy())[inside])
            gap = smooth.table["normal_velocity"] - _mean_speeds(smooth.table, heights, times)
            speed.append((gap / smooth.table["normal_velocity_error"]).to_numpy()[inside])
        name = "gliding: " if gliding else "diffusing: "
        ratio = float(np.sqrt(np.mean(errors) / np.mean(known)))
        cover = float(np.mean(held))
        rows += [
            _bound_row(name + "error over that of a smoother that knows the strength", ratio, 1.1),
            _spread_row(name + "z sd of the contours", np.concatenate(score)),
            _spread_row(name + "z sd of the velocities", np.concatenate(speed)),
            _row(name + "cov90 of the strengths", f"{cover:.3f} of {len(held)}"),
            _row(name + "walls whose motion is told", f"{told} of {n_walls}"),
        ]
    return rows


def _velocities(quick: bool) -> list[Row]:
    """Velocities of tracked frames, no prior."""
    rows = []
    n_films, n_frames = (1, 12) if quick else (4, 40)
    for noise in (0.1, 0.3, 0.6):
        score, lost, seconds = [], [], 0.0
        for seed in range(n_films):
            track, heights, _ = _line_film(noise, 200 + seed, n_frames)
            start = time.process_time()
            table = measure_velocities(track).table
            seconds += time.process_time() - start
            _, inside = _off(table, heights)
            gap = table["normal_velocity"] - _mean_speeds(table, heights, track.frame_times)
            score.append((gap / table["normal_velocity_error"]).to_numpy()[inside])
            lost.append(float(table["normal_velocity"].isna().mean()))
        rows += [
            _spread_row(f"noise {noise:g}: z sd of the velocities", np.concatenate(score)),
            _row(f"noise {noise:g}: share without velocity", f"{np.mean(lost):.4f}"),
            _row(f"noise {noise:g}: ms a frame", f"{1e3 * seconds / n_films / n_frames:.2f}"),
        ]
    return rows


def _cut_line(zeta: float, n_points: int, n_frames: int, rng: np.random.Generator) -> Floats:
    """Cut frames out of a self-affine line eight times as long; they forget with 0.8 a frame."""
    long, memory = 8 * n_points, 0.8
    waves = 2 * np.pi * np.arange(1, long // 2) / long
    heights, state = np.zeros((n_frames, n_points)), rng.normal(size=(2, waves.size))
    for frame in range(n_frames):
        spectrum = np.zeros(long // 2 + 1, dtype=complex)
        spectrum[1 : long // 2] = (state[0] - 1j * state[1]) * waves ** -(0.5 + zeta)
        heights[frame] = np.fft.irfft(spectrum, long)[:n_points]
        state = memory * state + np.sqrt(1 - memory**2) * rng.normal(size=state.shape)
    return np.asarray(heights * 0.1 / np.diff(heights, axis=1).std())


def _thermal(seed: int) -> WallTrack:
    """Return three late frames of a thermal Edwards-Wilkinson line."""
    line = simulate_wall(
        1.0, 1.0, 0.0, start=np.zeros(256), frame_times=[0.0, 4000.0, 4400.0, 4800.0],
        options=LineOptions(thermal_energy=0.01), rng=seed,
    )  # fmt: skip
    return replace(line, table=line.table[line.table["frame"] > 0].reset_index(drop=True))


def _roughness(quick: bool) -> list[Row]:
    """Exponents of lines whose exponent is known, 200 points, 6 frames, noise 0.05."""
    rows, n_lines = [], 6 if quick else 200
    cases: list[tuple[str, float, Callable[[int], WallTrack]]] = [("thermal line", 0.5, _thermal)]
    for zeta in (0.3, 0.5, 0.67, 1.0, 1.25):

        def cut(seed: int, zeta: float = zeta) -> WallTrack:
            rng = np.random.default_rng(seed)
            return _points(_cut_line(zeta, 200, 6, rng), 0.05, rng)

        cases.append((f"cut line {zeta:g}", zeta, cut))
    for name, zeta, make in cases:
        table = pd.concat([measure_roughness(make(seed)).table for seed in range(n_lines)])
        good = table[table["refused"] == ""]
        held = (good["low"] <= zeta) & (zeta <= good["high"])
        cover = float(held.mean())
        rows += [
            _row(f"{name}: mean and sd of the exponents",
                 f"{good['exponent'].mean():.3f} +- {good['exponent'].std():.3f}"),
            _row(f"{name}: cov90", f"{cover:.3f} of {len(good)}, {len(table) - len(good)} refused",
                 "0.85 to 0.95", 0.85 <= cover <= 0.95),
        ]  # fmt: skip
    return rows


CHECKS = {
    "driven lines under the space-time prior": _prior_on_lines,
    "lines drawn from the prior": _prior_on_draws,
    "velocities of tracked frames": _velocities,
    "roughness exponents": _roughness,
}
