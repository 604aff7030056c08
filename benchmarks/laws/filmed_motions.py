"""Laws of motion from films: coordinates found first, rows of a frame read one after another.

Each film is searched twice: with the time of every row, and with one time a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from benchmarks.laws.dynamics import FieldScore, row_of
from benchmarks.laws.motions import score
from physlearn.inference.dynamics.motion_coordinates import film_coordinates
from physlearn.inference.dynamics.motion_law import MotionLawOptions

__all__ = ["CHECKS", "swinging_bead", "turning_pattern"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
Film = tuple[xr.DataArray, dict[str, dict[str, float]]]
N_FILMS = 10
SIZE = 64
RADIUS, BEAD = 28.0, 2.0  # pixels: the rod's length, the bead's standard deviation


def _film(values: Floats, times: Floats, line_time: float, noise: float, seed: int) -> xr.DataArray:
    noisy = values + noise * np.random.default_rng((seed, 5)).normal(size=values.shape)
    coords = {"time": times, **{dim: np.arange(values.shape[k]) for k, dim in ((1, "y"), (2, "x"))}}
    return xr.DataArray(noisy, coords, ("time", "y", "x"), attrs={"line_time": line_time})


def _clock(times: Floats, n_rows: int, share: float) -> tuple[Floats, float]:
    """Return the time of every row, read within a share of the time between frames."""
    line_time = share * float(times[1] - times[0]) / n_rows
    return times[:, None] + line_time * np.arange(n_rows), line_time


def swinging_bead(seed: int) -> Film:
    """d2q/dt2 = -2 sin q - 0.15 dq/dt: a bead on a rod, 150 frames, noise 0.3 of its height."""
    times, place = 0.2 * np.arange(150), np.arange(float(SIZE))
    clock, line_time = _clock(times, SIZE, 0.9)
    start = np.random.default_rng(seed).uniform(1.6, 2.4)
    angle = solve_ivp(
        lambda _t, s: [s[1], -2.0 * np.sin(s[0]) - 0.15 * s[1]], (0.0, clock.max()), (start, 0.0),
        rtol=1e-9, atol=1e-10, dense_output=True,
    ).sol(clock.ravel())[0].reshape(clock.shape)  # fmt: skip
    y, x = SIZE / 2 + RADIUS * np.cos(angle), SIZE / 2 + RADIUS * np.sin(angle)
    far = (place - y)[:, :, None] ** 2 + (place - x[:, :, None]) ** 2
    law = {"d2q/dt2": {"sin(q)": -2.0, "v_q": -0.15}}
    return _film(np.exp(-far / (2 * BEAD**2)), times, line_time, 0.3, seed), law


def turning_pattern(seed: int) -> Film:
    """dr/dt = 0.5 r - 0.8 r^3, d phase/dt = 2 - 1.5 r^2 of a wave; noise a quarter of its size."""
    times, place = 0.2 * np.arange(120), np.arange(32.0)
    clock, line_time = _clock(times, 32, 0.9)
    start = np.random.default_rng(seed).uniform(0.1, 0.2)
    r, phase = solve_ivp(
        lambda _t, s: [0.5 * s[0] - 0.8 * s[0] ** 3, 2.0 - 1.5 * s[0] ** 2], (0.0, clock.max()),
        (start, 0.0), rtol=1e-9, atol=1e-10, dense_output=True,
    ).sol(clock.ravel()).reshape(2, *clock.shape, 1)  # fmt: skip
    values = np.sqrt(2) * r * np.cos(phase - 2 * np.pi * place / 32)
    law = {"dr/dt": {"r": 0.5, "r**3": -0.8}}
    return _film(values, times, line_time, 0.2, seed), law


def _options(kind: str) -> MotionLawOptions:
    if kind == "angle":
        return MotionLawOptions(order="2", angles=["q"])
    return MotionLawOptions(order="1", terms=["1", "r", "r**2", "r**3", "r**4", "r**5"])


def _filmed(make: Callable[[int], Film], kind: str, what: str) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        n = 1 if quick else N_FILMS
        scores: dict[str, list[FieldScore]] = {"the times of the rows": [], "one time a frame": []}
        for seed in range(n):
            film, law = make(seed)
            for said, line_time in zip(scores, (None, 0.0), strict=True):
                table = film_coordinates(film, kind, line_time=line_time)
                columns: Mapping[str, Floats] = {
                    name: table[name].to_numpy() for name in ("t", "q" if kind == "angle" else "r")
                }
                scores[said].append(score(columns, law, _options(kind)))
        return [row_of(f"{what}, {n} films, {said}", each, None) for said, each in scores.items()]

    check.__doc__ = f"{what}."
    return check


CHECKS = {
    "a bead that swings, scanned": _filmed(
        swinging_bead, "angle", "angle of a bead on a rod, read row by row"
    ),
    "a pattern that turns, scanned": _filmed(
        turning_pattern, "polar", "amplitude of a wave, read row by row"
    ),
}
