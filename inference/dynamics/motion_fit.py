"""Likelihood of a law of motion: shoot from the starting states, improve them and the constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate

from physlearn.inference.dynamics.motion_kernels import shoot
from physlearn.inference.dynamics.motion_library import compile_terms
from physlearn.inference.dynamics.motion_series import MotionSeries
from physlearn.inference.laws.expression import Program, floats_of

__all__ = [
    "MotionFit",
    "Normal",
    "Problem",
    "Support",
    "build_problem",
    "fit_motion",
    "linearised",
    "own_coefficients",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Support = tuple[tuple[int, ...], ...]
"""For each variable the places of its terms in the library."""

FINEST_SHARE = 1e-4  # of a variable's spread: noise below it is not told from rounding of the steps
RUNS_AWAY = 1e4  # over typical sizes
SHRINKS = (1.0, 0.4, 0.1, 0.02)
DAMPINGS = (1e-8, 1e-3, 1e-1)
MOST_ITERATIONS = 12
SETTLED = 0.02  # nats


@dataclass(frozen=True, eq=False)
class Problem:
    """What all candidate laws share: the series, the terms, the steps of the integration.

    Attributes
    ----------
    series
        The measurements.
    programs
        The library.
    second
        Whether the law gives accelerations.
    columns
        Names of the states, then of the drives.
    scales
        (n_states,), typical sizes.
    n_steps, step, rows, drives
        As `motion_kernels.shoot` takes them.
    """

    series: MotionSeries
    programs: tuple[Program, ...]
    second: bool
    columns: tuple[str, ...]
    scales: Floats
    n_steps: Integers
    step: Floats
    rows: Integers
    drives: Floats

    @property
    def limits(self) -> Floats:
        """Sizes of the states that no motion like the measured one reaches."""
        largest = np.nanmax(np.abs(self.series.values), axis=0)
        sizes = np.maximum(self.scales, np.resize(largest, len(self.scales)))
        sizes[len(largest) :] = self.scales[len(largest) :]
        return RUNS_AWAY * sizes

    @property
    def n_states(self) -> int:
        """Variables, and their velocities where the law is of second order."""
        return len(self.series.variables) * (2 if self.second else 1)


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal equations of the constants, the starting states projected out."""

    gram: Floats
    right: Floats


@dataclass(frozen=True, eq=False)
class MotionFit:
    """A law at its best constants.

    Attributes
    ----------
    support
        Places of the terms.
    coefficients
        One a term, variable by variable.
    inner
        Constants within the terms, in the same order.
    starts, states
        First node of each piece (n_pieces + 1), and its state (n_pieces, n_states).
    paths
        (n, n_states), the law's motion at the times of the measurements.
    objective
        Minus the log likelihood at the best noise, without constants (nats).
    growth
        Largest sensitivity to a starting state, in typical sizes.
    normal
        In units of the noise; order: coefficients, then inner.
    """

    support: Support
    coefficients: Floats
    inner: Floats
    starts: Integers
    states: Floats
    paths: Floats
    objective: float
    growth: float
    normal: Normal

    @property
    def state_price(self) -> float:
        """Half the logarithm of its measurements for each number of each starting state."""
        lengths = np.maximum(np.diff(self.starts), 2)
        return float(0.5 * self.states.shape[1] * np.log(lengths).sum())


def build_problem(
    series: MotionSeries, programs: tuple[Program, ...], second: bool, columns: tuple[str, ...],
    scales: Floats, longest_step: float, smooth_drives: bool,
) -> Problem:  # fmt: skip
    """Return the problem with steps of at most ``longest_step``."""
    gaps = np.diff(series.times, append=series.times[-1])
    gaps[series.first[1:] - 1] = 0.0
    n_steps = np.maximum(np.ceil(gaps / longest_step - 1e-9), 1.0).astype(np.int64)
    n_steps[series.first[1:] - 1] = 0
    rows = np.concatenate([[0], np.cumsum(n_steps)])[:-1].astype(np.int64)
    step = np.where(n_steps > 0, gaps / np.maximum(n_steps, 1), 0.0)
    drives = np.zeros((int(n_steps.sum()), 3, len(series.drive_names)))
    if series.drive_names:
        node = np.repeat(np.arange(len(gaps)), n_steps)
        begin = series.times[node] + (np.arange(len(node)) - rows[node]) * step[node]
        moments = begin[:, None] + step[node][:, None] * np.array([0.0, 0.5, 1.0])
        for low, high in zip(series.first[:-1], series.first[1:], strict=True):
            own = (node >= low) & (node < high)
            curve = drive_curve(series.times[low:high], series.drives[low:high], smooth_drives)
            drives[own] = curve(moments[own])
    return Problem(series, programs, second, columns, scales, n_steps, step, rows, drives)


def drive_curve(times: Floats, drives: Floats, smooth: bool) -> interpolate.BSpline:
    """Return the drives between the times of measurement: cubic, or linear."""
    return interpolate.make_interp_spline(times, drives, k=3 if smooth else 1)


def _weights(problem: Problem, paths: Floats) -> tuple[Floats, float]:
    """1 / noise of each variable at these paths, and the objective."""
    values = problem.series.values
    seen = np.isfinite(values)
    residual = np.where(seen, values - paths[:, : values.shape[1]], 0.0)
    count = seen.sum(axis=0)
    floor = (FINEST_SHARE * problem.series.spread) ** 2
    variance = (residual**2).sum(axis=0) / count + floor
    return 1.0 / np.sqrt(variance), float(0.5 * (count * np.log(variance)).sum())


class _Shooter:
    """One law's compiled form; shoots and keeps the arrays between calls."""

    def __init__(self, problem: Problem, support: Support) -> None:
        self.problem = problem
        programs = [problem.programs[k] for places in support for k in places]
        self.terms = compile_terms(programs, problem.columns)
        self.owner = np.array([k for k, places in enumerate(support) for _ in places], np.int64)
        width = problem.n_states + len(programs) + len(self.terms.inner)
        n = len(problem.series.times)
        self.out = np.zeros((n, problem.n_states))
        self.slopes = np.zeros((n, problem.n_states, width))

    def __call__(
        self, coefficients: Floats, inner: Floats, starts: Integers, states: Floats
    ) -> Floats | None:
        """Return the paths, or None where the law runs away."""
        terms, problem = self.terms, self.problem
        good = shoot(
            terms.codes, terms.numbers, terms.first, self.owner, coefficients, inner,
            problem.second, starts, states, problem.n_steps, problem.step, problem.rows,
            problem.drives, problem.limits, self.out, self.slopes,
        )  # fmt: skip
        return self.out.copy() if good and np.isfinite(self.slopes).all() else None

    def normal(
        self, paths: Floats, starts: Integers, damping: float
    ) -> tuple[Normal, Floats, Floats]:
        """Return the constants' normal equations, and what gives each piece's step."""
        problem = self.problem
        values, n_states = problem.series.values, problem.n_states
        n_seen = values.shape[1]
        weight, _ = _weights(problem, paths)
        seen = np.isfinite(values)
        residual = np.where(seen, values - paths[:, :n_seen], 0.0) * weight
        slopes = self.slopes[:, :n_seen] * (seen * weight)[:, :, None]
        slopes[:, :, :n_states] *= problem.scales
        size = slopes.shape[2] - n_states
        gram, right = np.zeros((size, size)), np.zeros(size)
        offsets, changes = [], []
        for begin, end in pairwise(starts):
            own = slopes[begin:end].reshape(-1, slopes.shape[2])
            inner = own.T @ own
            target = own.T @ residual[begin:end].ravel()
            local = inner[:n_states, :n_states].copy()
            ridge = np.maximum(np.diag(local), 1e-12)
            local[np.diag_indices(n_states)] += (damping + 1e-10) * ridge
            solved = np.linalg.solve(
                local, np.column_stack([target[:n_states], inner[:n_states, n_states:]])
            )
            offsets.append(solved[:, 0] * problem.scales)
            changes.append(solved[:, 1:] * problem.scales[:, None])
            gram += inner[n_states:, n_states:] - inner[n_states:, :n_states] @ solved[:, 1:]
            right += target[n_states:] - inner[n_states:, :n_states] @ solved[:, 0]
        return Normal(0.5 * (gram + gram.T), right), np.array(offsets), np.array(changes)


def _solve(normal: Normal, damping: float) -> Floats:
    size = np.sqrt(np.maximum(np.diag(normal.gram), 1e-300))
    matrix = normal.gram / size[:, None] / size[None]
    matrix[np.diag_indices(len(size))] += damping + 1e-12
    return np.asarray(np.linalg.lstsq(matrix, normal.right / size, rcond=1e-13)[0] / size)


def fit_motion(
    problem: Problem, support: Support, coefficients: Floats, starts: Integers, states: Floats,
    inner: Floats | None = None,
) -> MotionFit | None:  # fmt: skip
    """Maximise the likelihood from a start by damped Gauss-Newton; None where the start runs away.

    The noise of each variable is put at its best value throughout, and steps must raise that
    likelihood.
    """
    shooter = _Shooter(problem, support)
    now = (coefficients, shooter.terms.inner if inner is None else inner, states)
    paths = shooter(now[0], now[1], starts, now[2])
    if paths is None:
        return None
    objective = _weights(problem, paths)[1]
    settled = False
    for _ in range(MOST_ITERATIONS):
        improved = False
        slopes = shooter.slopes.copy()
        for damping in DAMPINGS:
            shooter.slopes[:] = slopes
            normal, offsets, changes = shooter.normal(paths, starts, damping)
            change = _solve(normal, damping)
            local = offsets - changes @ change
            for shrink in SHRINKS:
                trial = (
                    now[0] + shrink * change[: len(now[0])],
                    now[1] + shrink * change[len(now[0]) :],
                    now[2] + shrink * local,
                )
                reached = shooter(trial[0], trial[1], starts, trial[2])
                value = np.inf if reached is None else _weights(problem, reached)[1]
                if value < objective:
                    improved = True
                    break
            if improved:
                break
        if not improved or reached is None:
            break
        settled = objective - value < SETTLED
        now, paths, objective = trial, reached, value
        if settled:
            break
    reached = shooter(now[0], now[1], starts, now[2])
    normal = shooter.normal(paths, starts, 0.0)[0]
    n = problem.n_states
    growth = np.abs(shooter.slopes[:, :, :n]).max(axis=0) * problem.scales / problem.scales[:, None]
    return MotionFit(
        support, now[0], now[1], starts, now[2], paths, objective, float(growth.max()), normal
    )


def linearised(problem: Problem, fit: MotionFit, target: int) -> tuple[Normal, Floats]:
    """Return the normal equations with all terms of one variable, and the constants they are at.

    Order: every term of the library for ``target``, then the terms of the other variables, then
    the constants within the active terms. Terms that hold constants of their own take part with
    these held; terms not in the law have coefficient 0.
    """
    whole = tuple(range(len(problem.programs)))
    support = tuple(whole if k == target else places for k, places in enumerate(fit.support))
    shooter = _Shooter(problem, support)
    coefficients, inner = _spread(problem, fit, support)
    paths = shooter(coefficients, inner, fit.starts, fit.states)
    if paths is None:
        raise FloatingPointError("a law that was shot before runs away")
    normal = shooter.normal(paths, fit.starts, 0.0)[0]
    before = sum(len(places) for places in support[:target])
    own = np.arange(before, before + len(whole))
    rest = np.setdiff1d(np.arange(len(coefficients)), own)
    order = np.concatenate([own, rest])
    values = np.concatenate([coefficients, inner])
    if len(inner):
        free = np.flatnonzero(np.diag(normal.gram)[len(coefficients) :] > 0) + len(coefficients)
        order = np.concatenate([order, free])
    return Normal(normal.gram[np.ix_(order, order)], normal.right[order]), values[order]


def _spread(problem: Problem, fit: MotionFit, support: Support) -> tuple[Floats, Floats]:
    """Coefficients and inner constants of a fit, on a support that holds the fit's."""
    coefficients: list[float] = []
    inner: list[float] = []
    place = spot = 0
    for own, wide in zip(fit.support, support, strict=True):
        for k in wide:
            count = len(floats_of(problem.programs[k]))
            if k in own:
                coefficients.append(float(fit.coefficients[place]))
                inner += fit.inner[spot : spot + count].tolist()
                place += 1
                spot += count
            else:
                coefficients.append(0.0)
                inner += floats_of(problem.programs[k])
    return np.array(coefficients), np.array(inner, dtype=np.float64)


def own_coefficients(fit: MotionFit, target: int) -> Floats:
    """Return the coefficients of one variable's terms."""
    before = sum(len(places) for places in fit.support[:target])
    return fit.coefficients[before : before + len(fit.support[target])]


def inner_of(problem: Problem, fit: MotionFit, support: Support) -> Floats:
    """Inner constants for another support, from a fit where it has the term."""
    wide = tuple(
        tuple(sorted({*own, *other})) for own, other in zip(fit.support, support, strict=True)
    )
    _, values = _spread(problem, fit, wide)
    found: list[float] = []
    spot = 0
    for places, all_places in zip(support, wide, strict=True):
        for k in all_places:
            count = len(floats_of(problem.programs[k]))
            if k in places:
                found += values[spot : spot + count].tolist()
            spot += count
    return np.array(found, dtype=np.float64)


def merged_starts(starts: Integers, first: Sequence[int] | Integers) -> Integers:
    """Leave out every second border between pieces, never one between series."""
    kept = [int(starts[0])]
    skip = True
    for node in starts[1:]:
        border = int(node) in {int(k) for k in first}
        if border or not skip:
            kept.append(int(node))
            skip = True
        else:
            skip = False
    return np.array(kept, dtype=np.int64)


def with_pieces(problem: Problem, fit: MotionFit, starts: Integers) -> MotionFit | None:
    """Fit the same law again on longer pieces."""
    states = fit.states[np.isin(fit.starts[:-1], starts[:-1])]
    return fit_motion(problem, fit.support, fit.coefficients, starts, states, fit.inner)
