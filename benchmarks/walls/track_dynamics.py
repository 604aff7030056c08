"""What moves tracked walls: open and closed ones, drive laws, forecasts, pinning maps."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from physlearn.checks import NotIdentified
from physlearn.datasets import make_wall_video, track_walls
from physlearn.inference import (
    fit_drive_law,
    fit_nucleation_rate,
    fit_pinning_map,
    fit_wall_dynamics,
    hold_out_frames,
    predict_walls,
    wall_dynamics_bound,
)
from physlearn.inference.walls.planted_lines import (
    CREEP,
    creep_drive,
    field_agreement,
    open_wall,
    pinned_wall,
)
from physlearn.records import WallTrack
from physlearn.results import Fit

__all__ = ["CHECKS"]

Row = dict[str, Any]
COVERAGE = (0.85, 0.95)


def _row(what: str, measured: str, goal: str = "", met: bool | None = None) -> Row:
    return {"what": what, "measured": measured, "goal": goal, "met": met}


def _coverage_row(what: str, inside: list[bool], refused: int) -> Row:
    """Share of 90 % intervals that hold the truth, judged by a binomial test about .85 to .95."""
    hits, count = int(np.sum(inside)), len(inside)
    share = hits / max(count, 1)
    low = stats.binomtest(hits, count, COVERAGE[0], alternative="less").pvalue
    high = stats.binomtest(hits, count, COVERAGE[1], alternative="greater").pvalue
    met = COVERAGE[0] <= share <= COVERAGE[1] or min(low, high) > 0.05
    return _row(
        f"{what}: cov90", f"{share:.3f} of {count} ({refused} refused)", ".85-.95", bool(met)
    )


def curvature_regression(track: WallTrack, smoothing: int = 5) -> np.ndarray:
    """Peer: least squares of the tracked velocity on drive and curvature, point by point.

    Velocities by nearest heights between neighbouring frames, curvatures by second differences of
    heights that a running mean smoothed: what is commonly done.
    """
    rows, values = [], []
    kernel = np.ones(smoothing) / smoothing
    grids = []
    for frame in range(track.n_frames):
        points = track.contour(frame, 0).sort_values("x")
        x = np.arange(np.ceil(points["x"].min()), points["x"].max())
        heights = np.interp(x, points["x"], points["y"])
        grids.append(
            (x, np.convolve(np.pad(heights, smoothing // 2, mode="edge"), kernel, "valid"))
        )
    for frame in range(track.n_frames - 1):
        x = grids[frame][0]
        here, after = grids[frame][1], np.interp(x, *grids[frame + 1])
        slope = np.gradient(here)
        size = np.hypot(1.0, slope)
        inner = slice(5, -5)
        drive = np.full(x.size, track.drive[frame] if track.drive is not None else 1.0)
        rows.append(np.column_stack([drive, np.gradient(slope) / size**3])[inner])
        values.append(((after - here) / size)[inner])
    found, *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)
    return np.asarray(found)


def _replicates(name: str, truth: dict[str, float], fits: list[Fit], seconds: list[float],
                peers: list[np.ndarray], refused: int) -> list[Row]:  # fmt: skip
    rows = []
    for index, (key, value) in enumerate(truth.items()):
        means = np.array([fit[key].mean() for fit in fits])
        sds = np.array([fit[key].std() for fit in fits])
        z = (means - value) / sds
        inside = [bool(low <= value <= high) for low, high in (fit.interval(key) for fit in fits)]
        rows.append(_coverage_row(f"{name}, {key}", inside, refused))
        bias = z.mean() * np.sqrt(len(z))
        rows.append(_row(
            f"{name}, {key}: error, mean z",
            f"{100 * np.sqrt(((means / value - 1) ** 2).mean()):.2f} %, {z.mean():+.2f} (sd "
            f"{z.std():.2f})", "mean z within 4 of its errors", bool(abs(bias) < 4),
        ))  # fmt: skip
        if peers:
            peer = np.array([found[index] for found in peers])
            rows.append(_row(
                f"{name}, {key}: curvature regression",
                f"error {100 * np.sqrt(((peer / value - 1) ** 2).mean()):.0f} %, bias "
                f"{100 * (peer.mean() / value - 1):+.0f} %",
            ))  # fmt: skip
    rows.append(_row(f"{name}: CPU seconds a fit", f"{np.median(seconds):.2f}"))
    return rows


def open_walls(quick: bool) -> list[Row]:
    """Fit open walls that a sine drives, beside a regression of velocity on curvature."""
    fits, seconds, peers, refused = [], [], [], 0
    truth = {"drive_mobility": 0.5, "curvature_mobility": 0.6}
    for seed in range(4 if quick else 100):
        track = open_wall(np.random.default_rng(seed))
        begun = time.process_time()
        try:
            fits.append(fit_wall_dynamics(track, rng=seed))
        except NotIdentified:
            refused += 1
            continue
        seconds.append(time.process_time() - begun)
        peers.append(curvature_regression(track))
    return _replicates("open walls", truth, fits, seconds, peers, refused)


def closed_walls(quick: bool) -> list[Row]:
    """Track and fit four closed domains of a film with noise .1."""
    fits, seconds, refused, widths = [], [], 0, []
    truth: dict[str, float] = {}
    for seed in range(2 if quick else 40):
        scene = make_wall_video(rng=seed)
        truth = scene.truth
        track = track_walls(scene.video)
        begun = time.process_time()
        try:
            fit = fit_wall_dynamics(track, rng=seed)
        except NotIdentified:
            refused += 1
            continue
        seconds.append(time.process_time() - begun)
        fits.append(fit)
        bound = wall_dynamics_bound(scene)
        widths.append([fit[name].std() / bound[name] for name in truth])
    rows = _replicates("closed walls", truth, fits, seconds, [], refused)
    ratio = np.median(widths, axis=0)
    rows.append(_row(
        "closed walls: sd over the Cramer-Rao bound", f"{ratio[0]:.2f}, {ratio[1]:.2f}", "<= 1.3",
        bool((ratio <= 1.3).all()),
    ))  # fmt: skip
    return rows


def drive_laws(quick: bool) -> list[Row]:
    """Measure creep and depinning exponents from velocities, and from tracked open walls."""
    rows = []
    rng = np.random.default_rng(5)
    fields = np.linspace(0.5, 1.5, 6)
    for law, name in (("creep", "creep_exponent"), ("depinning", "depinning_exponent")):
        for relative in (0.003, 0.03):
            inside, widths, refused = [], [], 0
            for _ in range(20 if quick else 150):
                exponent = rng.uniform(0.2, 1.2)
                if law == "creep":
                    speed = CREEP[0] * np.exp(-((CREEP[1] / fields) ** exponent))
                else:
                    speed = 1.5 * np.maximum(fields / rng.uniform(0.3, 0.9) - 1, 0) ** exponent
                sd = relative * np.maximum(speed, 0.05)
                try:
                    fit = fit_drive_law(
                        fields, speed + sd * rng.standard_normal(6), sd, law, rng=rng
                    )
                except NotIdentified:
                    refused += 1
                    continue
                low, high = fit.interval(name)
                inside.append(bool(low <= exponent <= high))
                widths.append(high - low)
            what = f"{law}, velocities to {relative:.1%}"
            rows.append(_coverage_row(what, inside, refused))
            rows.append(_row(f"{what}: width of the 90 % interval", f"{np.median(widths):.3f}"))
    inside, errors, refused = [], [], 0
    for seed in range(2 if quick else 40):
        own = np.random.default_rng(seed)
        drive, speed = creep_drive(30, 0.5, own)
        try:
            fit = fit_wall_dynamics(
                open_wall(own, n_frames=30, velocities=speed, drive=drive), law="creep", rng=seed
            )
        except NotIdentified:
            refused += 1
            continue
        levels = fit.idata["posterior"]["drive_level"].to_numpy()
        truth = CREEP[0] * np.exp(-((CREEP[1] / levels) ** 0.5))
        errors.append(fit["level_velocity"].mean(axis=0) / truth - 1)
        low, high = fit.interval("creep_exponent")
        inside.append(bool(low <= 0.5 <= high))
    rows.append(_coverage_row("creep exponent of tracked open walls", inside, refused))
    rows.append(_row(
        "velocity by level of tracked open walls: error",
        f"{100 * np.sqrt(np.mean(np.square(errors))):.2f} %",
    ))  # fmt: skip
    try:
        fit_drive_law(fields[:2], [0.1, 0.2], [0.01, 0.01])
    except NotIdentified as reason:
        rows.append(_row("two fields", str(reason), "refused", True))
    return rows


def forecasts(quick: bool) -> list[Row]:
    """Predict the last five frames of open and closed walls, beside two baselines."""
    rows = []
    for kind, count in (("open", 30), ("closed", 30), ("pinned, smooth law,", 20),
                        ("pinned, mapped,", 3)):  # fmt: skip
        tables, refused = [], 0
        for seed in range(min(count, 2) if quick else count):
            rng = np.random.default_rng(seed)
            if kind == "open":
                track = open_wall(rng)
            elif kind.startswith("pinned"):  # without its field the law does not hold
                track = pinned_wall(rng)[0]
            else:
                track = track_walls(make_wall_video(n_frames=16, rng=seed).video)
            seen, held = hold_out_frames(track, 5)
            try:
                fit = fit_wall_dynamics(seen, pinning="mapped" in kind, rng=seed)
                forecast = predict_walls(fit, seen, 5, drive=held.drive, n_futures=200, rng=seed)
            except NotIdentified:  # a wall that bends back, or one that no front describes
                refused += 1
                continue
            tables.append(forecast.score(held).assign(film=seed))
        table = pd.concat(tables)
        by_film = table.groupby("film")["covered"].mean()
        share, error = by_film.mean(), by_film.std() / np.sqrt(len(by_film))
        met = COVERAGE[0] - 2 * error <= share <= COVERAGE[1] + 2 * error
        rows.append(_row(
            f"{kind} walls, 5 frames ahead: cov90",
            f"{share:.3f} +- {error:.3f} ({refused} refused)", ".85-.95", bool(met),
        ))  # fmt: skip
        last = table[table["frame"] == 4]
        names = ("rmse", "persistence_rmse", "steady_rmse")
        rms = [float(np.sqrt((last[name] ** 2).mean())) for name in names]
        rows.append(_row(
            f"{kind} walls, fifth frame: error; persistence; constant velocity (pixel)",
            "; ".join(f"{value:.2f}" for value in rms), "below both", bool(rms[0] < min(rms[1:])),
        ))  # fmt: skip
    return rows


def pinning_maps(quick: bool) -> list[Row]:
    """Map the planted field, beside an oracle that knows all other parameters."""
    ratios, spreads, oracle_spreads, tensions, seconds = [], [], [], [], []
    refused = 0
    for seed in range(1 if quick else 4):
        track, planted = pinned_wall(np.random.default_rng(seed))
        known = {
            "speed": 0.5, "curvature_mobility": 1.2, "pinning_strength": 0.2,
            "pinning_length": 2.1,
        }  # fmt: skip
        begun = time.process_time()
        try:
            fit = fit_pinning_map(track, rng=seed)
        except NotIdentified:  # an overhang: no height over a line
            refused += 1
            continue
        seconds.append(time.process_time() - begun)
        own, spread = field_agreement(fit, planted)
        best, oracle_spread = field_agreement(
            fit_pinning_map(track, known=known, rng=seed), planted
        )
        ratios.append((own, best))
        spreads.append(spread)
        oracle_spreads.append(oracle_spread)
        tensions.append(fit["curvature_mobility"].mean() / 1.2 - 1)
    share = float(min(own / best for own, best in ratios))
    mean = np.mean(ratios, axis=0)
    return [
        _row("correlation with the planted field; the oracle's",
             f"{mean[0]:.3f}; {mean[1]:.3f} ({refused} refused for overhangs)"),
        _row("smallest ratio to the oracle", f"{share:.3f}", ">= .95", share >= 0.95),
        _row("sd of standardised errors; the oracle's",
             f"{np.mean(spreads):.2f}; {np.mean(oracle_spreads):.2f}"),
        _row("curvature mobility: error", f"{100 * np.sqrt(np.mean(np.square(tensions))):.0f} %"),
        _row("CPU seconds a map (96 pixels, 40 frames)", f"{np.median(seconds):.0f}"),
    ]  # fmt: skip


def nucleation(quick: bool) -> list[Row]:
    """Count births of planted Poisson processes at three drives."""
    rng = np.random.default_rng(3)
    base = open_wall(rng, n_frames=30)
    inside = []
    for _ in range(50 if quick else 500):
        rates = rng.uniform(0.2, 3.0, 3) * 1e-4
        drive = np.repeat([1.0, 2.0, 3.0], 10)
        counts = rng.poisson(0.9 * rates[np.repeat([0, 1, 2], 10)][:-1] * 128 * 128)
        events = pd.DataFrame({
            "frame": np.repeat(np.arange(1, 30), counts), "wall": np.arange(counts.sum()) + 1,
            "kind": "birth",
        })  # fmt: skip
        track = WallTrack(
            base.table, base.frame_times, events=events, drive=drive, closed={0: False}
        )
        fit = fit_nucleation_rate(track, area=(128, 128), detection=(0.9, 0.02), rng=rng)
        ends = fit.interval("nucleation_rate")
        inside += [bool(low <= rate <= high) for rate, (low, high) in zip(rates, ends, strict=True)]
    return [_coverage_row("births per area and time", inside, 0)]


CHECKS = {
    "open walls": open_walls,
    "closed walls": closed_walls,
    "drive laws": drive_laws,
    "held-out frames": forecasts,
    "pinning map": pinning_maps,
    "nucleation": nucleation,
}
