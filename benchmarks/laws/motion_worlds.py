"""Time series of known laws of motion, with noise, and the laws that made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

__all__ = ["MOTION_WORLDS", "MotionWorld", "make_motion"]

Floats = NDArray[np.float64]
Rates = Callable[[float, Floats], list[float]]


@dataclass(frozen=True)
class MotionWorld:
    """One world.

    Attributes
    ----------
    order
        Of the law.
    law
        For each target the coefficients of its terms, named as in the library's texts.
    table
        Columns: ``t``, the variables with noise, the drives.
    drives, angles
        Names.
    """

    order: str
    law: Mapping[str, Mapping[str, float]]
    table: dict[str, Floats]
    drives: tuple[str, ...] = ()
    angles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a world is made: ``rates`` of the states, of which the first ``seen`` are measured."""

    order: str
    law: Mapping[str, Mapping[str, float]]
    rates: Rates
    start: tuple[float, ...]
    seen: tuple[str, ...]
    duration: float
    n: int
    drive: Callable[[Floats], Floats] | None = None
    angles: tuple[str, ...] = ()


def _landau_drive(t: Floats) -> Floats:
    return np.asarray(1.1 * np.sin(0.55 * t) + 0.3 * np.sin(1.7 * t))


def _tip_drive(t: Floats) -> Floats:
    return np.asarray(np.cos(0.93 * t))


MOTION_WORLDS: dict[str, Recipe] = {
    "lorenz": Recipe(
        "1",
        {"dx/dt": {"x": -10.0, "y": 10.0}, "dy/dt": {"x": 28.0, "y": -1.0, "x*z": -1.0},
         "dz/dt": {"z": -8 / 3, "x*y": 1.0}},
        lambda _t, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]],
        (-8.0, 7.0, 27.0), ("x", "y", "z"), 10.0, 1000,
    ),
    "van_der_pol": Recipe(
        "2", {"d2x/dt2": {"x": -1.0, "v_x": 1.5, "x**2*v_x": -1.5}},
        lambda _t, s: [s[1], 1.5 * (1 - s[0] ** 2) * s[1] - s[0]], (0.5, 0.0), ("x",), 30.0, 400,
    ),
    "duffing": Recipe(
        "2", {"d2x/dt2": {"x": -1.0, "x**3": -0.6, "v_x": -0.1}},
        lambda _t, s: [s[1], -s[0] - 0.6 * s[0] ** 3 - 0.1 * s[1]], (2.0, 0.0), ("x",), 30.0, 400,
    ),
    "lotka_volterra": Recipe(
        "1",
        {"dx/dt": {"x": 1.1, "x*y": -0.4}, "dy/dt": {"y": -0.4, "x*y": 0.1}},
        lambda _t, s: [1.1 * s[0] - 0.4 * s[0] * s[1], 0.1 * s[0] * s[1] - 0.4 * s[1]],
        (10.0, 5.0), ("x", "y"), 40.0, 300,
    ),
    "damped_pendulum": Recipe(
        "2", {"d2q/dt2": {"sin(q)": -2.0, "v_q": -0.15}},
        lambda _t, s: [s[1], -2.0 * np.sin(s[0]) - 0.15 * s[1]], (2.5, 0.0), ("q",), 25.0, 400,
        angles=("q",),
    ),
    "landau_switching": Recipe(
        "1", {"dP/dt": {"P": 0.8, "P**3": -0.4, "P**5": -0.32, "E": 0.8}},
        lambda t, s: [
            0.8 * (s[0] - 0.5 * s[0] ** 3 - 0.4 * s[0] ** 5 + float(_landau_drive(np.array(t))))
        ],
        (0.3,), ("P",), 40.0, 400, drive=_landau_drive,
    ),
    "cantilever": Recipe(
        "2", {"d2x/dt2": {"x": -1.0, "v_x": -0.05, "x**3": -0.2, "E": 0.3}},
        lambda t, s: [
            s[1], -s[0] - 0.05 * s[1] - 0.2 * s[0] ** 3 + 0.3 * float(_tip_drive(np.array(t)))
        ],
        (0.8, 0.0), ("x",), 60.0, 600, drive=_tip_drive,
    ),
    "cart_and_pole": Recipe(
        "2",
        {"d2x/dt2": {"x": -0.5, "q": 0.8, "v_x": -0.1},
         "d2q/dt2": {"x": 0.4, "q": -2.0, "v_q": -0.05}},
        lambda _t, s: [
            s[2], s[3], -0.5 * s[0] + 0.8 * s[1] - 0.1 * s[2], 0.4 * s[0] - 2 * s[1] - 0.05 * s[3]
        ],
        (1.0, -0.5, 0.0, 0.0), ("x", "q"), 40.0, 500,
    ),
}  # fmt: skip


def make_motion(
    name: str, noise_fraction: float, seed: int, *, irregular: bool = True
) -> MotionWorld:
    """Return a world measured at random times, with noise as a share of each variable's spread."""
    recipe = MOTION_WORLDS[name]
    generator = np.random.default_rng(seed)
    t = np.linspace(0.0, recipe.duration, recipe.n)
    if irregular:
        t = np.sort(generator.uniform(0.0, recipe.duration, recipe.n))
    solution = solve_ivp(
        recipe.rates, (0.0, recipe.duration), recipe.start, t_eval=t, rtol=1e-9, atol=1e-10
    )
    table = {"t": t}
    for row, variable in enumerate(recipe.seen):
        clean = solution.y[row]
        table[variable] = clean + noise_fraction * clean.std() * generator.normal(size=recipe.n)
    drives: tuple[str, ...] = ()
    if recipe.drive is not None:
        table["E"], drives = recipe.drive(t), ("E",)
    return MotionWorld(recipe.order, recipe.law, table, drives, recipe.angles)
