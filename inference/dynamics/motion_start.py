"""A first law from smoothed paths in the weak form: no derivative of a noisy series is taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate

from physlearn.inference.dynamics.motion_fit import Problem, drive_curve
from physlearn.inference.dynamics.motion_series import MotionSeries
from physlearn.inference.laws.expression import Program, evaluate

__all__ = [
    "Supports",
    "WeakRows",
    "first_supports",
    "rank_supports",
    "rate_of",
    "undefined_terms",
    "weak_rows",
]

Floats = NDArray[np.float64]
Curves = list[list[interpolate.BSpline]]

BUMP_POWER = 6
POINTS_A_TIME = 25  # of the fine grid, over the time in which the motion changes
MOST_POINTS = 20_000
BEAM = 20


@dataclass(frozen=True)
class Supports:
    """One support and minus its log evidence, and its coefficients."""

    places: tuple[int, ...]
    length: float
    coefficients: Floats


@dataclass(frozen=True, eq=False)
class WeakRows:
    """Rows of the weak form: ``target`` (n_windows, n_variables), features (n_windows, n_terms)."""

    target: Floats
    features: Floats
    n_independent: float


def rate_of(series: MotionSeries, curves: Curves) -> float:
    """How fast the motion changes: the largest root mean square slope over spread."""
    rates = []
    for own, begin, end in zip(curves, series.first[:-1], series.first[1:], strict=True):
        times = series.times[begin:end]
        grid = np.linspace(times[0], times[-1], 4 * len(times))
        for curve in own:
            spread = max(float(np.std(curve(grid))), 1e-300)
            rates.append(float(np.sqrt(np.mean(curve.derivative()(grid) ** 2))) / spread)
    shortest = min(
        series.times[end - 1] - series.times[begin]
        for begin, end in zip(series.first[:-1], series.first[1:], strict=True)
    )
    return float(max(max(rates), 1.0 / shortest))


def path_columns(
    series: MotionSeries, curves: Curves, place: int, times: Floats, second: bool,
    smooth_drives: bool,
) -> list[Floats]:  # fmt: skip
    """States, then drives, of one series at other times."""
    own = curves[place]
    found = [np.asarray(curve(times)) for curve in own]
    if second:
        found += [np.asarray(curve.derivative()(times)) for curve in own]
    if series.drive_names:
        part = slice(series.first[place], series.first[place + 1])
        found += list(drive_curve(series.times[part], series.drives[part], smooth_drives)(times).T)
    return found


def weak_rows(problem: Problem, curves: Curves, rate: float, smooth_drives: bool) -> WeakRows:
    """Integrate each term and the motion against bumps that overlap by two thirds."""
    series = problem.series
    targets, features, independent = [], [], 0.0
    for place in range(len(series.first) - 1):
        times = series.times[series.first[place] : series.first[place + 1]]
        room = times[-1] - times[0]
        half = float(np.clip(1.0 / rate, 4.0 * np.median(np.diff(times)), room / 6.0))
        n_points = int(np.clip(room * rate * POINTS_A_TIME, 400, MOST_POINTS))
        fine = np.linspace(times[0], times[-1], n_points)
        columns = path_columns(series, curves, place, fine, problem.second, smooth_drives)
        values = features_at(problem.programs, problem.columns, columns)
        centres = np.arange(times[0] + half, times[-1] - half + 1e-9 * half, half / 3.0)
        weights = _bumps(fine, centres, half)
        cell = fine[1] - fine[0]
        features.append(cell * weights[0] @ values.T)
        moving = np.array(columns[: len(series.variables)]).T
        order = 2 if problem.second else 1
        targets.append(cell * (-1) ** order * weights[order] @ moving)
        independent += max(room / half, 2.0)
    return WeakRows(np.concatenate(targets), np.concatenate(features), independent)


def features_at(
    programs: tuple[Program, ...], names: tuple[str, ...], columns: list[Floats]
) -> Floats:
    """Values of all terms, (n_terms, n); 0 where undefined."""
    table = dict(zip(names, columns, strict=True))
    return np.asarray(np.nan_to_num(np.array([evaluate(p, table) for p in programs])))


def undefined_terms(
    series: MotionSeries, curves: Curves, programs: tuple[Program, ...], names: tuple[str, ...],
    second: bool,
) -> list[int]:  # fmt: skip
    """Return the places of the terms that have no value somewhere along the smoothed paths."""
    found = set()
    for place in range(len(series.first) - 1):
        times = series.times[series.first[place] : series.first[place + 1]]
        columns = path_columns(series, curves, place, times, second, False)
        table = dict(zip(names, columns, strict=True))
        found |= {k for k, p in enumerate(programs) if not np.isfinite(evaluate(p, table)).all()}
    return sorted(found)


def _bumps(times: Floats, centres: Floats, half: float) -> list[Floats]:
    """(1 - s^2)^6 and its first two derivatives by time, each (n_windows, n_times)."""
    polynomial = np.polynomial.Polynomial([1.0, 0.0, -1.0]) ** BUMP_POWER
    s = (times[None] - centres[:, None]) / half
    inside = np.abs(s) < 1
    return [
        np.where(inside, (polynomial.deriv(k) if k else polynomial)(s), 0.0) / half ** (k + 1)
        for k in range(3)
    ]


def first_supports(rows: WeakRows, largest: int) -> list[list[Supports]]:
    """Return for each variable the best supports by the weak form's residuals."""
    found = []
    gram = rows.features.T @ rows.features
    for target in rows.target.T:
        whole = float(target @ target)
        ranked = rank_supports(
            gram, rows.features.T @ target, whole, rows.n_independent, 0.0, largest
        )
        found.append(ranked)
    return found


def rank_supports(
    gram: Floats, right: Floats, whole: float, n: float, variance: float, largest: int,
    near: tuple[int, ...] | None = None,
) -> list[Supports]:  # fmt: skip
    """Rank supports of a linear model by the extended Bayesian information criterion.

    Chen and Chen 2008, 10.1093/biomet/asn034. ``variance`` known (misfit / 2) or 0 for unknown
    (n / 2 log misfit). Grown from nothing by a beam; with ``near`` also its neighbours.
    """
    size = len(right)
    price = 0.5 * np.log(max(n, 3.0)) + np.log(size)
    known: dict[tuple[int, ...], Supports] = {}

    def measure(supports: list[tuple[int, ...]]) -> list[Supports]:
        for count in sorted({len(places) for places in supports}):
            own = [places for places in supports if len(places) == count]
            misfits, coefficients = _misfits(gram, right, whole, own)
            costs = 0.5 * misfits / variance if variance else 0.5 * n * np.log(misfits)
            for places, cost, values in zip(own, costs, coefficients, strict=True):
                known[places] = Supports(places, float(cost) + price * count, values)
        return sorted((known[p] for p in supports), key=lambda s: s.length)

    front = measure([()])
    for _ in range(min(largest, size)):
        fresh = {
            tuple(sorted((*s.places, k))) for s in front for k in range(size) if k not in s.places
        }
        front = measure(sorted(fresh - set(known)))[:BEAM]
        if not front:
            break
    if near is not None:
        measure(sorted(_neighbours(near, size, largest) - set(known)))
    return sorted(known.values(), key=lambda s: (s.length, len(s.places)))


def _neighbours(near: tuple[int, ...], size: int, largest: int) -> set[tuple[int, ...]]:
    """Return a support, and every one with a term added, left out or exchanged."""
    others = [k for k in range(size) if k not in near]
    around = {near} | {tuple(k for k in near if k != out) for out in near}
    around |= {tuple(sorted((*near, k))) for k in others if len(near) < largest}
    return around | {tuple(sorted({*near, k} - {out})) for k in others for out in near}


def _misfits(
    gram: Floats, right: Floats, whole: float, supports: list[tuple[int, ...]]
) -> tuple[Floats, Floats]:
    """Misfits and coefficients of supports of one size."""
    least = 1e-12 * max(whole, 1e-300)
    places = np.array(supports, dtype=np.int64)
    if not places.shape[1]:
        return np.full(len(places), max(whole, least)), np.zeros(places.shape)
    inner, target = gram[places[:, :, None], places[:, None, :]], right[places]
    size = np.sqrt(np.maximum(np.einsum("kii->ki", inner), 1e-300))
    matrix = inner / size[:, :, None] / size[:, None, :] + 1e-11 * np.eye(places.shape[1])
    coefficients = np.linalg.solve(matrix, (target / size)[..., None])[..., 0] / size
    return np.maximum(whole - (target * coefficients).sum(axis=1), least), coefficients
