"""A first force between bodies, on a basis, by the weak form of their motion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import BSpline, CubicSpline

from physlearn.checks import NotIdentified
from physlearn.inference.dynamics.motion_series import MotionSeries, smooth_paths
from physlearn.inference.dynamics.pair_bodies import Bodies

__all__ = [
    "NodeForce",
    "WeakStart",
    "pair_lines",
    "place_nodes",
    "smooth_bodies",
    "start_of_force",
    "unseen_path",
]

Floats = NDArray[np.float64]
Paths = list[list[BSpline]]

N_NODES = 8
FEWEST_TOGETHER = 8  # frames
BUMP_POWER = 6
POINTS_PER_TIME = 6
MOST_POINTS = 4000
OVERLAP = 3.0  # windows a half width
ROUNDS = 30
RIDGE = 1e-6
LEVELLED = 1e-4
TAIL = 0.001  # of the weight of distances beyond the outer nodes, on each side
NEAREST_NODES = 0.13  # in log r
LEAST_SPAN = 0.3  # the same: noise alone spreads the distances of a circle


@dataclass(frozen=True, slots=True, eq=False)
class NodeForce:
    """A force given at nodes: a cubic spline in log r, straight beyond them."""

    nodes: Floats

    def __call__(self, values: Floats, distance: Floats) -> tuple[Floats, Floats]:
        """Return forces (n,) and their slopes by the values (k, n)."""
        basis = self.basis(distance)
        return basis @ values, basis.T

    def basis(self, distance: Floats) -> Floats:
        """Shape (n, k): the force of value 1 at one node, 0 at the others."""
        u, at = np.log(distance), np.log(self.nodes)
        spline = CubicSpline(at, np.eye(len(at)), bc_type="not-a-knot")
        inner = np.clip(u, at[0], at[-1])
        return np.asarray(spline(inner) + (u - inner)[:, None] * spline(inner, 1))


@dataclass(frozen=True, slots=True, eq=False)
class WeakStart:
    """``nodes`` (k,), force there, strengths (n,), share of the bumps' motion left unexplained."""

    nodes: Floats
    values: Floats
    strengths: Floats
    unexplained: float


def smooth_bodies(bodies: Bodies) -> Paths:
    """Return a smoothing spline for every body and coordinate."""
    _, n, d = bodies.places.shape
    paths: Paths = []
    for body in range(n):
        seen = np.isfinite(bodies.places[:, body, 0])
        values = bodies.places[seen, body]
        series = MotionSeries(
            bodies.times[seen], values, np.zeros((len(values), 0)), np.array([0, len(values)]),
            tuple("xyz"[:d]), (),
        )  # fmt: skip
        paths += smooth_paths(series)
    return paths


def positions_at(paths: Paths, times: Floats, order: int = 0) -> Floats:
    """Smoothed positions (T, n, d), or their derivatives; straight on where a body is unseen."""
    found = [[_straight_on(curve, times, order) for curve in own] for own in paths]
    return np.moveaxis(np.array(found), 2, 0)


def _straight_on(curve: BSpline, times: Floats, order: int) -> Floats:
    first, last = curve.t[curve.k], curve.t[-curve.k - 1]
    inside = np.clip(times, first, last)
    value = curve(inside, order)
    if order == 0:
        value = value + (times - inside) * curve(inside, 1)
    return np.asarray(value if order < 2 else np.where(times == inside, value, 0.0))


def seen_spans(paths: Paths) -> Floats:
    """Shape (n, 2): when each body was seen first and last."""
    return np.array([[own[0].t[own[0].k], own[0].t[-own[0].k - 1]] for own in paths])


def fastest_rate(paths: Paths) -> float:
    """Return the largest root mean square speed of a body over its spread, of those that move."""
    found = []
    for own, (first, last) in zip(paths, seen_spans(paths), strict=True):
        times = np.linspace(first, last, 400)
        places, speeds = positions_at([own], times)[:, 0], positions_at([own], times, 1)[:, 0]
        found.append((((places - places.mean(axis=0)) ** 2).sum(axis=1).mean(),
                      (speeds**2).sum(axis=1).mean()))  # fmt: skip
    spread, speed = np.sqrt(np.array(found)).T
    moving = spread > 0.1 * spread.max()
    return float(max((speed[moving] / spread[moving]).max(), 1.0))


def pair_lines(places: Floats, box: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors from j to i (T, n, n, d), distances (T, n, n)."""
    line = places[:, :, None] - places[:, None]
    finite = np.isfinite(box)
    line = line - np.where(finite, np.round(line / box) * np.where(finite, box, 0.0), 0.0)
    distance = np.sqrt((line**2).sum(axis=3))
    n = places.shape[1]
    distance[:, np.arange(n), np.arange(n)] = 1.0
    return line / distance[..., None], distance


def place_nodes(distances: Floats, weight: Floats) -> Floats:
    """Nodes even in log r where distances carry weight; fewer for a short range."""
    order = np.argsort(distances)
    share = np.cumsum(weight[order]) / weight.sum()
    low, high = np.interp([TAIL, 1.0 - TAIL], share, distances[order])
    span = max(float(np.log(high / low)), LEAST_SPAN)
    middle = 0.5 * float(np.log(high * low))
    count = int(np.clip(np.ceil(span / NEAREST_NODES), 3, N_NODES))
    return np.asarray(np.exp(np.linspace(middle - 0.5 * span, middle + 0.5 * span, count)))


def start_of_force(bodies: Bodies, paths: Paths, strengths: Floats | None) -> WeakStart:
    """Integrate the smoothed motion against bumps and solve for the force and the strengths.

    ``strengths`` None: found by alternating least squares, from equal ones and from each body
    alone; their sum is 1.

    Raises
    ------
    NotIdentified
        If the bodies are hardly seen together.
    """
    rate = fastest_rate(paths)
    first, last = _seen_together(bodies, paths)
    half = float(np.clip(1.0 / rate, 3.0 * np.median(np.diff(bodies.times)), (last - first) / 4.0))
    n_points = int(np.clip(POINTS_PER_TIME * rate, 400, MOST_POINTS))
    fine = np.linspace(first, last, n_points)
    places = positions_at(paths, fine)
    unit, distance = pair_lines(places, bodies.box)
    bumps = _bumps(fine, np.arange(first + half, last - half + 1e-9, half / OVERLAP), half)
    target = np.tensordot(bumps[1], places, axes=(1, 0)) / n_points
    n = bodies.n_bodies
    design_of = partial(_design, bumps[0], unit, distance)
    starts = (
        [np.full(n, 1.0 / n), *np.eye(n)] if strengths is None
        else [strengths]
    )  # fmt: skip
    found = [_alternate(*design_of(one), target, one, fixed=strengths is not None)
             for one in starts]  # fmt: skip
    best = min(found, key=lambda one: one.unexplained)
    if strengths is not None:
        return best
    # Nodes where the sources act: distances to weightless bodies tell nothing
    return _alternate(*design_of(best.strengths), target, best.strengths, fixed=False)


def _seen_together(bodies: Bodies, paths: Paths) -> tuple[float, float]:
    """Return from when to when all bodies are seen: what an unseen one pulls is not known."""
    spans = seen_spans(paths)
    first, last = float(spans[:, 0].max()), float(spans[:, 1].min())
    if ((bodies.times >= first) & (bodies.times <= last)).sum() < FEWEST_TOGETHER:
        late, early = bodies.particle[[int(spans[:, 0].argmax()), int(spans[:, 1].argmin())]]
        raise NotIdentified(
            f"all bodies must be seen together for at least {FEWEST_TOGETHER} frames; particle "
            f"{late} appears when particle {early} is gone, or soon is: leave one of them out."
        )
    return first, last


def unseen_path(
    paths: Paths, body: int, box: Floats, start: WeakStart, times: Floats
) -> tuple[Floats, Floats]:
    """Return where a body was at times before or after it was seen, and its velocity.

    Its motion among the smoothed paths of the others is integrated with the first force. Shapes
    (T, d); nan at times when it was seen.
    """
    force, d = NodeForce(start.nodes), len(box)
    others = np.arange(len(paths)) != body
    place, speed = np.full((len(times), d), np.nan), np.full((len(times), d), np.nan)

    def rates(time: float, state: Floats) -> Floats:
        now = positions_at(paths, np.array([time]))
        now[0, body] = state[:d]
        unit, distance = pair_lines(now, box)
        pull = start.strengths[others] * force(start.values, distance[0, body, others])[0]
        return np.concatenate([state[d:], pull @ unit[0, body, others]])

    for edge, wanted in zip(
        seen_spans(paths)[body], _beyond(seen_spans(paths)[body], times), strict=True
    ):
        if len(wanted):
            at = np.array([edge])
            state = np.concatenate([positions_at(paths, at)[0, body],
                                    positions_at(paths, at, 1)[0, body]])  # fmt: skip
            run = solve_ivp(rates, (edge, times[wanted[-1]]), state, t_eval=times[wanted],
                            rtol=1e-5, atol=1e-7)  # fmt: skip
            done = wanted[: run.y.shape[1]]
            place[done], speed[done] = run.y[:d].T, run.y[d:].T
    return place, speed


def _beyond(span: Floats, times: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers of the times before and after a span, the nearest first."""
    return np.flatnonzero(times < span[0])[::-1], np.flatnonzero(times > span[1])


def _design(
    bumps: Floats, unit: Floats, distance: Floats, strengths: Floats
) -> tuple[Floats, Floats]:
    """Nodes, and the weak form (windows, i, d, j, node) of a unit force at each."""
    n = distance.shape[1]
    pairs = ~np.eye(n, dtype=bool)
    heavy = np.broadcast_to(strengths**2, distance.shape)[:, pairs].ravel()
    nodes = place_nodes(distance[:, pairs].ravel(), heavy)
    basis = NodeForce(nodes).basis(distance.ravel()).reshape(*distance.shape, len(nodes))
    basis[:, np.arange(n), np.arange(n)] = 0.0
    both = np.einsum("wt,tijd,tijk->widjk", bumps, unit, basis, optimize=True)
    return nodes, both / len(distance)


def _alternate(
    nodes: Floats, design: Floats, target: Floats, strengths: Floats, *, fixed: bool
) -> WeakStart:
    n, k = design.shape[1], design.shape[4]
    right = target.ravel()
    for _ in range(1 if fixed else ROUNDS):
        values = _level((design * strengths[:, None]).sum(axis=3).reshape(-1, k), right)
        if not fixed:
            columns = (design @ values).reshape(-1, n)
            solved = _ridge(columns, right)
            if abs(solved.sum()) < 1e-9 * np.abs(solved).sum():
                break
            strengths = solved / solved.sum()
    values = _level((design * strengths[:, None]).sum(axis=3).reshape(-1, k), right)
    said = ((design * strengths[:, None]).sum(axis=3) @ values).ravel()
    return WeakStart(nodes, values, strengths, float(((right - said) ** 2).sum() / (right @ right)))


def _level(matrix: Floats, right: Floats) -> Floats:
    """Least squares in which values that the data hardly feel are near the mean of the others."""
    gram, k = matrix.T @ matrix, matrix.shape[1]
    held = LEVELLED * float(np.diag(gram).max()) * (np.eye(k) - 1.0 / k)
    return np.asarray(np.linalg.lstsq(gram + held, matrix.T @ right, rcond=1e-13)[0])


def _ridge(matrix: Floats, right: Floats) -> Floats:
    gram = matrix.T @ matrix
    size = np.sqrt(np.maximum(np.diag(gram), 1e-12 * np.diag(gram).max() + 1e-300))
    scaled = gram / size[:, None] / size[None] + RIDGE * np.eye(len(size))
    return np.asarray(np.linalg.solve(scaled, (matrix.T @ right) / size) / size)


def _bumps(times: Floats, centres: Floats, half: float) -> tuple[Floats, Floats]:
    """(1 - s^2)^6 and its second derivative by time, each (n_windows, n_times)."""
    polynomial = np.polynomial.Polynomial([1.0, 0.0, -1.0]) ** BUMP_POWER
    s = (times[None] - centres[:, None]) / half
    inside = np.abs(s) < 1
    plain = np.where(inside, polynomial(s), 0.0) / half
    return plain, np.where(inside, polynomial.deriv(2)(s), 0.0) / half**3
