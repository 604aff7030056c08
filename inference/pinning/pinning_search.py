"""Tension, field strength and correlation length by the evidence of a line's motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from physlearn.inference.fronts.wall_runs import WallRun
from physlearn.inference.pinning.pinned_line import PinnedLine
from physlearn.inference.pinning.pinning_solver import (
    PinningOptimum,
    curvature_log_determinant,
    draw_unknowns,
    solve_line,
)
from physlearn.inference.wall_laws.wall_drive import WallDrive

__all__ = ["FieldSearch"]

Floats = NDArray[np.float64]

NAMES = ("curvature_mobility", "pinning_strength", "pinning_length")
MOST_PLACES = 64
MOST_FRAMES = 48
MOST_TRIALS = 45
FIRST_STEPS = (0.7, -0.5, 0.4)
BEND_STEPS = (0.3, 0.15, 0.15)
LEAST_INFORMATION = 0.25
NUMBERS_DRAWN = 10
FARTHEST = 6.0


class FieldSearch:
    """Nelder-Mead over the logarithms of the three numbers, on a part of the line.

    The part is at most 64 nodes and 48 frames, in the middle and at the start: the three numbers
    are shared by all of the line, and the map itself is then made of the whole.
    """

    def __init__(
        self, run: WallRun, told: WallDrive, times: Floats, fixed: dict[str, float], steep: bool,
        generator: np.random.Generator,
    ) -> None:  # fmt: skip
        self.run, self.told, self.times = run, told, times
        self.fixed, self.steep = fixed, steep
        self.seed = int(generator.integers(2**32))
        self.speed, start = _rough_numbers(run, told, times)
        if "speed" in fixed:
            self.speed = (fixed["speed"], 1e-9)
        self.start = np.log([fixed.get(name, value)
                             for name, value in zip(NAMES, start, strict=True)])  # fmt: skip
        self.free = np.array([name not in fixed for name in NAMES])
        self.part = _part_of(run)
        self.tried: list[tuple[Floats, float]] = []
        self.effective = 0.0
        self._state: tuple[Floats, Floats, float] | None = None

    def best(self) -> tuple[PinnedLine, PinningOptimum]:
        """Find the three numbers, then the map of the whole line with them."""
        self.log_numbers = self.start.copy()
        if self.free.any():
            n = int(self.free.sum())
            simplex = np.tile(self.start[self.free], (n + 1, 1))
            simplex[1:] += np.diag(np.array(FIRST_STEPS)[self.free])
            found = optimize.minimize(
                self._minus_evidence, self.start[self.free], method="Nelder-Mead",
                options={"initial_simplex": simplex, "maxfev": MOST_TRIALS, "xatol": 0.03,
                         "fatol": 0.3},
            )  # fmt: skip
            self.log_numbers[self.free] = found.x
            self.information = self._bend(found.x)
        line = self._line(self.run, self.log_numbers)
        optimum = solve_line(line, np.zeros(line.size), grow=True)
        _, self.effective = curvature_log_determinant(line, np.random.default_rng(self.seed))
        return line, optimum

    def draws(
        self, line: PinnedLine, optimum: PinningOptimum, count: int,
        generator: np.random.Generator,
    ) -> tuple[Floats, Floats, Floats]:  # fmt: skip
        """Draws of (speed, mobility) (count, 2), field (count, n, n_knots), ends (count, n).

        A few draws of the three numbers, the map solved anew for each, and draws about each.
        """
        n_numbers = min(NUMBERS_DRAWN, count) if self.free.any() else 1
        numbers = self.draw(n_numbers, generator)
        state = line.unpack(optimum.theta)
        laws, fields, ends = [], [], []
        shares = np.array_split(np.arange(count), n_numbers)
        for logs, share in zip(numbers, shares, strict=True):
            here = self._line(self.run, logs)
            found = solve_line(here, here.whiten(*state), grow=False)
            for theta in draw_unknowns(here, found, len(share), generator):
                _, field, speed = here.unpack(theta)
                laws.append((speed, np.exp(logs[0])))
                fields.append(field)
                ends.append(here.frames(theta)[self.run.frames.size - 1])
        return np.array(laws), np.array(fields), np.array(ends)

    def _line(self, run: WallRun, logs: Floats) -> PinnedLine:
        mobility, strength, length = np.exp(logs)
        line = PinnedLine(
            run, self.told.force, self.times, steep=self.steep, largest_mobility=float(mobility)
        )
        line.choose(self.speed, float(mobility), float(strength), float(length))
        return line

    def _minus_evidence(self, free: Floats) -> float:
        logs = self.start.copy()
        logs[self.free] = free
        if (np.abs(logs - self.start) > FARTHEST).any():
            return 1e12
        line = self._line(self.part, logs)
        theta = np.zeros(line.size) if self._state is None else line.whiten(*self._state)
        optimum = solve_line(line, theta, grow=self._state is None)
        # The same probes every time: their noise is then the same, and the search sees none
        log_det, _ = curvature_log_determinant(line, np.random.default_rng(self.seed))
        evidence = -0.5 * (optimum.cost + log_det)
        if not self.tried or evidence > max(value for _, value in self.tried):
            self._state = line.unpack(optimum.theta)
        self.tried.append((free.copy(), evidence))
        return -evidence

    def _bend(self, center: Floats) -> Floats:
        """Minus the evidence's second derivatives at its best, by differences."""
        n = center.size
        steps = np.array(BEND_STEPS)[self.free]
        middle = self._minus_evidence(center)
        sides = {
            (i, sign): self._minus_evidence(center + sign * steps[i] * np.eye(n)[i])
            for i in range(n) for sign in (-1, 1)
        }  # fmt: skip
        result = np.zeros((n, n))
        for i in range(n):
            result[i, i] = (sides[i, 1] + sides[i, -1] - 2 * middle) / steps[i] ** 2
            for j in range(i):
                both = center + steps[i] * np.eye(n)[i] + steps[j] * np.eye(n)[j]
                cross = self._minus_evidence(both) - sides[i, 1] - sides[j, 1] + middle
                result[i, j] = result[j, i] = cross / (steps[i] * steps[j])
        return result

    def draw(self, count: int, generator: np.random.Generator) -> Floats:
        """Draw the logarithms of the three numbers, (count, 3): a Gaussian about the best trial."""
        drawn = np.tile(self.log_numbers, (count, 1))
        if not self.free.any():
            return drawn
        n, information = int(self.free.sum()), self.information
        # The evidence was that of a part: the whole line has that many times its points
        information = information * self.run.value.size / self.part.value.size
        sizes, vectors = np.linalg.eigh(information)
        sizes = np.maximum(sizes, LEAST_INFORMATION)
        noise = generator.standard_normal((count, n)) / np.sqrt(sizes)
        drawn[:, self.free] += noise @ vectors.T
        return drawn


def _part_of(run: WallRun) -> WallRun:
    """Return the middle of the line over the first frames."""
    middle = 0.5 * (run.place.min() + run.place.max())
    half = 0.5 * MOST_PLACES * run.spacing
    rows = (np.abs(run.place - middle) <= half) & (run.frame < MOST_FRAMES)
    return replace(
        run, frames=run.frames[:MOST_FRAMES], frame=run.frame[rows], time=run.time[rows],
        place=run.place[rows], value=run.value[rows], error=run.error[rows],
    )  # fmt: skip


def _rough_numbers(
    run: WallRun, told: WallDrive, times: Floats
) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Speed and its prior sd; first mobility, field strength and correlation length."""
    when, force = times[run.frames], told.force[run.frames]
    frames = np.unique(run.frame)
    means = np.array([run.value[run.frame == frame].mean() for frame in frames])
    rates = np.diff(means) / np.diff(when[frames])
    pushes = force[frames][:-1]
    speed = float((rates @ pushes) / max(float(pushes @ pushes), 1e-300))
    scale = float(np.sqrt(np.mean(pushes**2)))
    interval = float(np.median(np.diff(times)))
    usual = max(float(np.sqrt(np.mean(rates**2))), 0.05 * run.spacing / interval)
    first = (0.5 * run.spacing**2 / interval, 0.5 * usual, 2.0 * run.spacing)
    return (speed, 3.0 * usual / max(scale, 1e-12)), first
