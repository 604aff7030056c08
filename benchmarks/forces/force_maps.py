"""Force maps, diffusion in space and underdamped motion: errors, coverage and peers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference import (
    ForceMapSettings,
    fit_force_map,
    fit_underdamped,
    force_map_table,
)
from physlearn.inference.langevin.force_map_fields import make_field, make_log_diffusion
from physlearn.inference.langevin.force_map_likelihood import MotionModel, score_rows
from physlearn.inference.langevin.force_map_series import read_noise, read_series
from physlearn.records import Trajectory
from physlearn.results import Fit

__all__ = ["CHECKS"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
SUB_STEPS = 40
N_REPLICATES, N_WELLS, N_MAPS = 200, 12, 12


def _tracks(frames: Floats, interval: float) -> Trajectory:
    """Trajectory of frames (T, N, 2)."""
    n_frames, n, _ = frames.shape
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames),
        frames.reshape(-1, 2), interval * np.arange(n_frames), unit="um",
    )  # fmt: skip


def _overdamped(
    drift: Callable[[Floats], Floats],
    root: Callable[[Floats], Floats],
    start: Floats,
    interval: float,
    n_frames: int,
    rng: np.random.Generator,
) -> Floats:
    """Heun's scheme: drift in Stratonovich's sense, ``root`` the factor of dW; (T, N, 2)."""
    h, x, frames = interval / SUB_STEPS, start.copy(), [start]
    for _ in range(n_frames - 1):
        for _ in range(SUB_STEPS):
            push = np.sqrt(h) * rng.standard_normal(x.shape)
            trial = x + h * drift(x) + root(x) * push
            x = x + 0.5 * h * (drift(x) + drift(trial)) + 0.5 * (root(x) + root(trial)) * push
        frames.append(x)
    return np.array(frames)


def _inertial(
    force: Callable[[Floats], Floats],
    friction: float,
    start: Floats,
    interval: float,
    n_frames: int,
    rng: np.random.Generator,
) -> Floats:
    """Semi-exact splitting with kT / m = 1, after 2000 steps of settling; (T, N, 2)."""
    h, x = interval / SUB_STEPS, start.copy()
    v, frames = rng.standard_normal(x.shape), []
    decay = np.exp(-friction * h)
    for k in range(-2000, (n_frames - 1) * SUB_STEPS + 1):
        if k >= 0 and k % SUB_STEPS == 0:
            frames.append(x)
        v = v + 0.5 * h * force(x)
        x = x + 0.5 * h * v
        v = decay * v + np.sqrt(1.0 - decay**2) * rng.standard_normal(x.shape)
        x = x + 0.5 * h * v
        v = v + 0.5 * h * force(x)
    return np.array(frames)


def _study(
    n: int,
    make: Callable[[np.random.Generator], Trajectory],
    fit: Callable[[Trajectory, int], Fit],
    read: Callable[[Fit], Floats],
    truth: Floats,
    bound: Callable[[Trajectory], Floats] | None = None,
) -> tuple[Row, list[Trajectory]]:
    """Fit n data sets: bias over se, coverage, spread over stated sd, CPU seconds, RMSE."""
    z, holds, seconds, centred, seen, errors = [], [], [], 0, [], []
    for index in range(n):
        tracks = make(np.random.default_rng((index, 71)))
        begun = time.process_time()
        found = fit(tracks, index)
        seconds.append(time.process_time() - begun)
        draws = read(found)
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        holds.append((low < truth) & (truth < high))
        errors.append(draws.mean(axis=0) - truth)
        z.append(errors[-1] / draws.std(axis=0))
        centred += found.diagnostics.get("method") == "centred score"
        seen.append(tracks)
    scatter = np.std(errors, axis=0, ddof=1)
    least = None if bound is None else np.mean([bound(tracks) for tracks in seen[:8]], axis=0)
    return {
        "loss": None if least is None else np.sqrt(np.mean(np.square(errors), axis=0)) / least,
        "bias": np.mean(errors, axis=0) / scatter, "cover": np.mean(holds, axis=0),
        "z_sd": np.std(z, axis=0, ddof=1), "seconds": float(np.median(seconds)),
        "centred": centred, "n": n,
    }, seen  # fmt: skip


def _said(found: Row, more: str = "") -> str:
    return (
        f"bias/sd {np.round(found['bias'], 2).tolist()}, cov90 "
        f"{np.round(found['cover'], 3).tolist()}, sd of z {np.round(found['z_sd'], 2).tolist()}, "
        f"{found['centred']}/{found['n']} centred"
        + ("" if found["loss"] is None else f", RMSE/bound {np.round(found['loss'], 2).tolist()}")
        + f", {found['seconds']:.1f} s, {found['n']} data sets{more}"
    )


def _good(found: Row) -> bool:
    """Whether coverages agree with 0.9 within four standard errors, biases below 0.3 sd."""
    error = 4.0 * np.sqrt(0.09 / found["n"])
    slack = 0.3 + 3.0 / np.sqrt(found["n"])
    return bool((abs(found["cover"] - 0.9) < error).all() and (abs(found["bias"]) < slack).all())


def _bound(tracks: Trajectory, theta: Floats, underdamped: bool, known: float | None) -> Floats:
    """Cramer and Rao's bound of each element of theta (harmonic field, then rates and noise)."""
    series, order = read_series(tracks, None)
    family = make_field("harmonic", series.positions)
    diffusion = None if underdamped else make_log_diffusion("constant", family.grid, 1, 0.0)
    noise = read_noise(tracks, order, "free" if known is None else known, 1.0)
    model = MotionModel(family, diffusion, noise)
    information = score_rows(model, theta, series, model.longest_step(theta, series))[1]
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information))))


def trap(quick: bool) -> list[Row]:
    """Harmonic trap with unknown noise, a quarter of the rows missing."""
    n, rows = 10 if quick else N_REPLICATES, []
    theta = np.array([2.0, 2.0, 0.0, 0.0, 0.0, np.log(0.1)])
    for interval in (0.05, 0.2):

        def make(rng: np.random.Generator, interval: float = interval) -> Trajectory:
            start = rng.standard_normal((10, 2)) / np.sqrt(2.0)
            frames = _overdamped(lambda x: -2.0 * x, lambda x: np.sqrt(2.0) + 0.0 * x, start,
                                 interval, 100, rng)  # fmt: skip
            tracks = _tracks(frames + 0.1 * rng.standard_normal(frames.shape), interval)
            keep = rng.random(len(tracks.frame)) < 0.75
            return Trajectory(tracks.frame[keep], tracks.particle[keep], tracks.positions[keep],
                              tracks.times, unit="um")  # fmt: skip

        found, _ = _study(
            n, make, lambda t, k: fit_force_map(t, "harmonic", localization_sd="free", rng=k),
            lambda f: np.column_stack([f["stiffness"], f["diffusion"], f["localization_sd"]]),
            np.array([2.0, 2.0, 1.0, 0.1]),
            lambda t: _bound(t, theta, False, None)[[0, 1, 4, 5]] * [1.0, 1.0, 1.0, 0.1],
        )  # fmt: skip
        rows.append({
            "what": f"trap k = 2, D = 1, noise .1 unknown, 25 % of rows missing, interval "
            f"{interval}: k_x, k_y, D, noise", "measured": _said(found),
            "goal": "bias < .3 sd, cov90 .9", "met": _good(found),
        })  # fmt: skip
    return rows


def wells(quick: bool) -> list[Row]:
    """Double well x^4 - 2 x^2, with regression of displacements beside it."""
    n, rows = 10 if quick else N_WELLS, []
    settings = ForceMapSettings(axes=(0,), degree=4, center=[0.0])
    for interval, noise in ((0.02, 0.0), (0.1, 0.0), (0.1, 0.1)):

        def make(
            rng: np.random.Generator, interval: float = interval, noise: float = noise
        ) -> Trajectory:
            start = rng.choice([-1.0, 1.0], (10, 2)) + 0.3 * rng.standard_normal((10, 2))
            frames = _overdamped(lambda x: 4.0 * x - 4.0 * x**3, lambda x: np.sqrt(2.0) + 0.0 * x,
                                 start, interval, 200, rng)  # fmt: skip
            return _tracks(frames + noise * rng.standard_normal(frames.shape), interval)

        sd: Any = 0.0 if noise == 0.0 else "free"
        found, seen = _study(
            n, make,
            lambda t, k, sd=sd: fit_force_map(
                t, "polynomial", localization_sd=sd, settings=settings, rng=k
            ),
            lambda f: np.column_stack([f["potential"][:, [1, 3]], f["diffusion"]]),
            np.array([-2.0, 1.0, 1.0]),
        )  # fmt: skip
        naive = np.mean([_regression(t, interval) for t in seen], axis=0)
        rows.append({
            "what": f"double well x^4 - 2 x^2, interval {interval}, noise {noise}: x^2, x^4, D",
            "measured": _said(found, f"; regression of displacements gives {naive.round(2)} for "
                              "(-2, 1)"),
            "goal": "bias < .3 sd, cov90 .9", "met": _good(found),
        })  # fmt: skip
    return rows


def _regression(tracks: Trajectory, interval: float) -> Floats:
    """Coefficients of x^2 and x^4 from displacements over the interval."""
    x = tracks.positions[:, 0].reshape(tracks.n_frames, -1)
    at = x[:-1].ravel()
    design = -np.stack([np.ones_like(at), 2.0 * at, 3.0 * at**2, 4.0 * at**3], axis=1)
    found = np.linalg.lstsq(design, np.diff(x, axis=0).ravel() / interval, rcond=None)[0]
    return np.asarray(found[[1, 3]])


def diffusion_in_space(quick: bool) -> list[Row]:
    """D(x) = exp(0.6 sin x) in a trap: force and diffusion at three places."""
    n = 6 if quick else N_MAPS
    places = np.array([[-0.8], [0.0], [0.8]])

    def level(x: Floats) -> Floats:
        return np.exp(0.6 * np.sin(2.0 * x))

    def drift(x: Floats) -> Floats:
        # isothermal: Ito's D F + D'; less half of D' in Stratonovich's sense
        return level(x) * (-1.5 * x + 0.6 * np.cos(2.0 * x))

    def make(rng: np.random.Generator) -> Trajectory:
        start = rng.standard_normal((20, 2)) / np.sqrt(1.5)
        frames = _overdamped(drift, lambda x: np.sqrt(2.0 * level(x)), start, 0.05, 100, rng)
        return _tracks(frames, 0.05)

    holds = []
    settings = ForceMapSettings(axes=(0,), degree=4, diffusion_knots=4)
    for index in range(n):
        fit = fit_force_map(
            make(np.random.default_rng((index, 73))), "polynomial", localization_sd=0.0,
            diffusion="position", settings=settings, rng=index,
        )  # fmt: skip
        table = force_map_table(fit, places)
        for name, truth in (("force_x", -1.5 * places[:, 0]), ("diffusion", level(places[:, 0]))):
            inside = (table[f"{name}_q05"] < truth) & (truth < table[f"{name}_q95"])
            holds.append(inside.to_numpy())
    force, level_of = np.mean(holds[::2], axis=0), np.mean(holds[1::2], axis=0)
    error = 4.0 * np.sqrt(0.09 / n)
    worst = max(abs(force - 0.9).max(), abs(level_of - 0.9).max())
    return [{
        "what": "trap with D = exp(.6 sin 2x), interval .05: force and D at x = -.8, 0, .8",
        "measured": f"cov90 of the force {force.round(3)}, of D {level_of.round(3)}, {n} maps",
        "goal": "cov90 .9", "met": bool(worst < error),
    }]  # fmt: skip


def inertia(quick: bool) -> list[Row]:
    """Friction with velocities unseen; regression of finite differences beside it."""
    n, rows = 10 if quick else N_REPLICATES, []
    for interval, noise in ((0.05, 0.0), (0.2, 0.05)):

        def make(
            rng: np.random.Generator, interval: float = interval, noise: float = noise
        ) -> Trajectory:
            frames = _inertial(lambda x: -x, 0.8, rng.standard_normal((10, 2)), interval, 200, rng)
            return _tracks(frames + noise * rng.standard_normal(frames.shape), interval)

        sd: Any = 0.0 if noise == 0.0 else "free"
        found, seen = _study(
            n, make, lambda t, k, sd=sd: fit_underdamped(t, "harmonic", localization_sd=sd, rng=k),
            lambda f: np.column_stack([f["stiffness"], f["friction"], f["thermal_speed"]]),
            np.array([1.0, 1.0, 0.8, 1.0]),
            lambda t, noise=noise: _bound(
                t,
                np.r_[1.0, 1.0, 0.0, 0.0, np.log(0.8), 0.0, [np.log(noise)] if noise > 0.0 else []],
                True, None if noise > 0.0 else 0.0,
            )[[0, 1, 4, 5]] * [1.0, 1.0, 0.8, 0.5],
        )  # fmt: skip
        naive = np.mean([_difference_friction(t, interval) for t in seen])
        rows.append({
            "what": f"inertia in a trap, friction .8, interval {interval}, noise {noise}: k_x, "
            "k_y, friction, thermal speed",
            "measured": _said(found, f"; finite differences give a friction of {naive:.2f}"),
            "goal": "bias < .3 sd, cov90 .9", "met": _good(found),
        })  # fmt: skip
    return rows


def _difference_friction(tracks: Trajectory, interval: float) -> float:
    """Friction from second differences regressed on first differences and positions."""
    x = tracks.positions.reshape(tracks.n_frames, -1)
    speed = np.diff(x, axis=0) / interval
    change = np.diff(speed, axis=0).ravel() / interval
    design = -np.stack([speed[:-1].ravel(), x[1:-1].ravel()], axis=1)
    return float(np.linalg.lstsq(design, change, rcond=None)[0][0])


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    "harmonic trap": trap,
    "double well": wells,
    "diffusion in space": diffusion_in_space,
    "inertia": inertia,
}
