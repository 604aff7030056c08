"""Without the guard: how many shots, how much dose, how often wrong, and how well calibrated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.planning.campaigns import ORACLE, THRESHOLD, Run, policies_of, unguarded_run
from benchmarks.planning.cells import Goal, row, runs_until_decided, said_share
from benchmarks.planning.twin_worlds import WORLDS
from benchmarks.planning.worlds import World, inside, world_of_laws

__all__ = ["CHECKS", "calibration_error", "cells_of"]

N_LAWS, N_TWINS = 500, 500
WRONG = 1.0 - THRESHOLD


def calibration_error(runs: list[Run], n_bins: int = 10) -> float:
    """Return the mean distance of the leader's weight from how often it is right, over shots."""
    trail = [step for run in runs for step in run.trail]
    weight = np.array([w for w, _ in trail])
    right = np.array([r for _, r in trail], dtype=float)
    place = np.minimum((weight * n_bins).astype(int), n_bins - 1)
    parts = [place == b for b in range(n_bins) if (place == b).any()]
    return float(sum(part.mean() * abs(weight[part].mean() - right[part].mean()) for part in parts))


def error_by_chance(runs: list[Run], n_draws: int = 40) -> float:
    """Return the calibration error that weights which are exactly right show in so many runs.

    One number is drawn a run: the leader is right while it lies below the leader's weight, so
    that the shots of a run hang together as they do in truth.
    """
    rng, found = np.random.default_rng(7), []
    for _ in range(n_draws):
        drawn = rng.random(len(runs))
        found.append(
            calibration_error([
                replace(run, trail=tuple((w, bool(u < w)) for w, _ in run.trail))
                for run, u in zip(runs, drawn, strict=True)
            ])
        )  # fmt: skip
    return float(np.mean(found))


def _calibration_row(world: World, runs: list[Run]) -> dict[str, Any]:
    error, chance = calibration_error(runs), error_by_chance(runs)
    return row(
        f"{world.name}: calibration error of information",
        f"{error:.3f} (a perfect belief shows {chance:.3f} by chance alone); {len(runs)} runs",
        "<= .03", error <= 0.03,
    )  # fmt: skip


def rows_of(world: World, n_runs: int) -> list[dict[str, Any]]:
    """Return the rows of a world: every policy on the same truths and the same noise."""
    prior, found = world.belief(), {}
    truths = [inside(world, seed) for seed in range(n_runs)]
    for name, policy in policies_of(world).items():
        goals = [Goal(lambda run: run.wrong, WRONG, False, lambda run: run.claimed)]

        def run(seed: int, policy: Any = policy) -> Run:
            return unguarded_run(world, prior, truths[seed], policy, seed)

        # the runs that others are compared with are never cut short
        held = name in ("information", "information per dose", ORACLE)
        found[name] = runs_until_decided(run, [] if held else goals, n_runs)
    rows = [_row(world, name, runs, found) for name, runs in found.items()]
    return [*rows, _calibration_row(world, found["information"])]


def _row(world: World, name: str, runs: list[Run], found: dict[str, list[Run]]) -> dict[str, Any]:
    claimed = [run for run in runs if run.claimed]
    wrong, shots = sum(run.wrong for run in runs), np.array([run.shots for run in runs])
    best = np.array([run.shots for run in found[ORACLE][: len(runs)]])
    ratio = shots.mean() / best.mean()
    dose = np.mean([run.dose for run in runs])
    measured = (
        f"claims {len(claimed) / len(runs):.3f}, shots {shots.mean():.2f} ({ratio:.2f} x oracle), "
        f"dose {dose:.3g}, wrong {said_share(wrong, len(claimed))} claims, "
        f"calibration error {calibration_error(runs):.3f}; {len(runs)} runs"
    )
    goal, met = "", None
    share = wrong / max(len(claimed), 1)
    if name == "information":
        goal = "shots <= 1.4 x oracle; wrong <= .05"
        met = bool(ratio <= 1.4 and share <= WRONG)
    elif name == "information per dose":
        plain = found["information"][: len(runs)]
        doses = dose / max(np.mean([run.dose for run in plain]), 1e-12)
        claims = len(claimed) / max(sum(run.claimed for run in plain), 1)
        measured += f"; {doses:.3f} x the dose and {claims:.3f} x the claims of information"
        goal = "<= .2 x the dose at >= .95 of the claims of information"
        met = bool(doses <= 0.2 and claims >= 0.95)
    return row(f"{world.name}: {name}", measured, goal, met)


def cells_of(
    make: Callable[[], World], quick_make: Callable[[], World], n_runs: int
) -> Callable[[bool], list[dict[str, Any]]]:
    """Return the case of a world."""

    def check(quick: bool) -> list[dict[str, Any]]:
        return rows_of(quick_make(), 4) if quick else rows_of(make(), n_runs)

    return check


CHECKS = {
    "without the guard: response laws": cells_of(world_of_laws, world_of_laws, N_LAWS),
    **{
        f"without the guard: {name}": cells_of(make, lambda m=make: m(8), N_TWINS)  # type: ignore[misc]
        for name, make in WORLDS.items()
    },
}
