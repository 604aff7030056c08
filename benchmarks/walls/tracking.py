"""Walls in single frames: error against the bound, error bars, peers, frames a second."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.walls.tracking_peers import PEERS
from physlearn.datasets import (
    WallSceneOptions,
    make_wall_scene,
    normalize_frames,
    read_video,
    registry,
    track_walls,
)
from physlearn.datasets.frames.complex_frames import in_phase_video
from physlearn.datasets.walls.normalize_frames import domain_fraction
from physlearn.records import WallTrack

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
NOISES = 0.1, 0.3, 0.6
WIDTH = 2.0
MARGIN_PIXEL = 3.0
LARGEST_RATIO, SCORE_BAND, LEAST_RATE = 1.1, (0.95, 1.05), 500.0
XPEEM = "xpeem_domain_wall_fluctuations/i161204_084_Original.gif"


def distances(points: Floats, true: pd.DataFrame) -> Floats:
    """Return signed distances of points from a true frame's walls, along the true normals."""
    place = true[["x", "y"]].to_numpy()
    normal = true[["normal_x", "normal_y"]].to_numpy()
    _, nearest = cKDTree(place).query(points)
    return np.asarray(((points - place[nearest]) * normal[nearest]).sum(axis=1))


def inside(points: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Points whose pixels all lie in the picture: elsewhere the bound is another."""
    rows, columns = shape[-2:]
    kept = (points > MARGIN_PIXEL) & (points < np.array([columns, rows]) - 1 - MARGIN_PIXEL)
    return np.asarray(kept.all(axis=1))


def errors_of(track: WallTrack, true: WallTrack, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return distances from the true walls, and those over their stated errors."""
    found, scores = [], []
    truth = dict(list(true.table.groupby("frame")))
    for frame, rows in track.table.groupby("frame"):
        points = rows[["x", "y"]].to_numpy()
        keep = inside(points, shape)
        gap = distances(points, truth[frame])
        found.append(gap[keep])
        scores.append((gap / rows["normal_error"].to_numpy())[keep])
    return np.concatenate(found), np.concatenate(scores)


def root_mean_square(values: Floats) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def accuracy(quick: bool) -> list[Row]:
    """Complex films with an offset: error over the bound of a point with one pixel of wall."""
    rows = []
    for kind in ("line", "domains"):
        for noise in NOISES[: 1 if quick else 3]:
            gaps, scores, widths = [], [], []
            for seed in range(1 if quick else 3):
                options = WallSceneOptions(noise_sd=noise, complex_signal=True)
                scene = make_wall_scene(kind, (256, 256), 6 if quick else 24, options=options,
                                        rng=seed)  # fmt: skip
                track = track_walls(scene.video)
                gap, score = errors_of(track, scene.track, scene.video.shape)
                gaps.append(gap)
                scores.append(score)
                widths.append(track.metadata["wall_width"])
            gap, score = np.concatenate(gaps), np.concatenate(scores)
            ratio = root_mean_square(gap) / (noise * np.sqrt(3 * WIDTH / 4))
            spread = float(score.std())
            rows.append({
                "what": f"{kind}, 256 x 256, complex offset removed, noise {noise}, width measured "
                f"({np.mean(widths):.2f}, true {WIDTH:g})",
                "measured": f"error {root_mean_square(gap):.3f} pixel, {ratio:.3f} x bound; z mean "
                f"{score.mean():.3f}, sd {spread:.3f}, beyond 4: {np.mean(np.abs(score) > 4):.1e} "
                f"of {score.size:,} points",
                "goal": f"<= {LARGEST_RATIO} x bound, z sd {SCORE_BAND[0]}-{SCORE_BAND[1]}",
                "met": bool(ratio <= LARGEST_RATIO and SCORE_BAND[0] <= spread <= SCORE_BAND[1]),
            })  # fmt: skip
    return rows


def peers(quick: bool) -> list[Row]:
    """Run what people use today on the same normalised in-phase frames."""
    rows = []
    for noise in NOISES[: 1 if quick else 3]:
        options = WallSceneOptions(noise_sd=noise, complex_signal=True)
        scene = make_wall_scene("domains", (256, 256), 4 if quick else 8, options=options, rng=7)
        bound = noise * np.sqrt(3 * WIDTH / 4)
        begun = time.process_time()
        track = track_walls(scene.video)
        rate = len(scene.video) / (time.process_time() - begun)
        gap, _ = errors_of(track, scene.track, scene.video.shape)
        rows.append(_peer_row("track_walls", noise, gap, bound, rate))
        frames = normalize_frames(in_phase_video(scene.video)).to_numpy()
        truth = dict(list(scene.track.table.groupby("frame")))
        for name, find in PEERS.items():
            gaps = []
            begun = time.process_time()
            found = [find(frame, noise) for frame in frames]
            rate = len(frames) / (time.process_time() - begun)
            for index, points in enumerate(found):
                gaps.append(distances(points[inside(points, frames.shape)], truth[index]))
            rows.append(_peer_row(name, noise, np.concatenate(gaps), bound, rate))
        plain = np.abs(scene.video.to_numpy())
        middle = 0.5 * (plain.min() + plain.max())
        gaps = []
        for index, frame in enumerate(plain):
            points = PEERS["level contours (scikit-image)"](frame - middle, noise)
            gaps.append(distances(points, truth[index]))
        rows.append(_peer_row("level contours of the amplitude, offset left in", noise,
                              np.concatenate(gaps), bound, float("nan")))  # fmt: skip
    return rows


def _peer_row(name: str, noise: float, gap: Floats, bound: float, rate: float) -> Row:
    if not (np.abs(gap) <= 3.0).any():
        return {"what": f"{name}, domains, noise {noise}", "measured": "found no wall",
                "goal": "", "met": None}  # fmt: skip
    far = float(np.mean(np.abs(gap) > 3.0))
    near = gap[np.abs(gap) <= 3.0]
    text = f"error {root_mean_square(near):.3f} pixel ({root_mean_square(near) / bound:.2f} x "
    text += f"bound), mean {near.mean():+.3f}; {100 * far:.1f} % farther than 3 pixels"
    return {
        "what": f"{name}, domains, noise {noise}",
        "measured": text + (f"; {rate:,.0f} frames/s" if np.isfinite(rate) else ""),
        "goal": "", "met": None,
    }  # fmt: skip


def speed(quick: bool) -> list[Row]:
    """Frames a second of everything: check, normalisation, seeds, fit, identities, velocities."""
    rows = []
    n = 60 if quick else 300
    for kind in ("line", "domains"):
        scene = make_wall_scene(kind, (256, 256), 30, options=WallSceneOptions(noise_sd=0.0),
                                rng=1)  # fmt: skip
        clean = np.concatenate([scene.video.to_numpy(), scene.video.to_numpy()[::-1]])
        clean = np.tile(clean, (-(-n // len(clean)), 1, 1))[:n]
        noise = np.random.default_rng(2).standard_normal((2, *clean.shape))
        real = xr.DataArray(clean + 0.3 * noise[0], dims=("time", "y", "x"))
        signal = (clean + 0.15 + 0.1j) * np.exp(0.7j) + 0.3 * (noise[0] + 1j * noise[1])
        films: dict[str, Any] = {"real": real}
        if kind == "line":
            whole = xr.DataArray(signal, dims=("time", "y", "x"))
            films["complex"] = whole
            films["amplitude and phase"] = xr.Dataset(
                {"amplitude": abs(whole), "phase": whole.copy(data=np.angle(signal))}
            )
        for name, film in films.items():
            track_walls(film.isel(time=slice(0, 4)))
            seconds, points = [], 0
            for _ in range(3):
                begun = time.process_time()
                points = len(track_walls(film).table)
                seconds.append(time.process_time() - begun)
            rate = n / min(seconds)
            rows.append({
                "what": f"track_walls end to end, {kind}, {name}, {n} x 256 x 256, noise 0.3, "
                f"{points / n:.0f} points a frame",
                "measured": f"{rate:,.0f} frames/s/core", "goal": f"{LEAST_RATE:g}",
                "met": bool(rate >= LEAST_RATE) if name == "real" else None,
            })  # fmt: skip
    return rows


def illumination(_quick: bool) -> list[Row]:
    """The public XPEEM film: growth of the dark domain without false switching."""
    film = normalize_frames(read_video(registry.fetch(XPEEM)))
    dark = domain_fraction(film, positive=False)
    ordinary = float(np.median(np.abs(np.diff(dark))))
    back = {frame: float(dark[frame] - 0.5 * (dark[frame - 1] + dark[min(frame + 1, 15)]))
            for frame in (11, 15)}  # fmt: skip
    met = bool(np.diff(dark).min() > -0.002 and abs(back[11]) < 1.5 * ordinary)
    return [{
        "what": "XPEEM film: share of the dark domain, first and last frame",
        "measured": f"{dark[0]:.3f} -> {dark[-1]:.3f}; smallest step {np.diff(dark).min():+.4f}; "
        f"frame 11 off its neighbours' line {back[11]:+.4f}, last step (frame 15) "
        f"{dark[15] - dark[14]:+.4f}, ordinary step {ordinary:.4f}",
        "goal": "no false switching at frames 11 and 15", "met": met,
    }]  # fmt: skip


CHECKS = {
    "contours": accuracy,
    "contours of peers": peers,
    "frames a second": speed,
    "illumination": illumination,
}
