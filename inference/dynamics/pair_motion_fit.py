"""A law of the force between bodies fitted to their tracks by integrating the motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.interpolate import CubicSpline

from physlearn.inference.dynamics.pair_bodies import Bodies
from physlearn.inference.dynamics.pair_motion_kernels import follow_bodies

__all__ = [
    "Force", "PairFit", "PairProblem", "fit_pair_motion", "followed_places", "force_table",
    "join_pieces", "per_freedom",
]  # fmt: skip

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Force = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(constants (k,), distances (n,)) to forces (n,) and their slopes (k, n)."""

N_CELLS = 500
BEYOND = 4.0  # how far the table goes below and above the distances seen
FARTHEST = 60.0  # median distances: a body that is further has run away
MOST_STEPS = 40
SETTLED = 0.01  # nats
GAPS = (0.1, 0.02, 0.004, 0.0008, 0.0001)  # of the median distance
STEEPEST = 1e60  # a path that hangs on its start so much tells nothing
STEPS_OF_A_SPEED = 10.0
NEARLY_FREE = 0.1
SHRINK, GROW, LARGEST_DAMPING = 0.2, 5.0, 1e8


@dataclass(frozen=True, slots=True, eq=False)
class PairProblem:
    """Tracks, and how they are followed.

    Attributes
    ----------
    bodies
        The measurements.
    starts
        Shape (n_pieces + 1,): times' places at which a piece begins; each has a state of its own.
    longest
        Longest step of time.
    free
        Whether the strengths are fitted (their sum stays).
    closing
        Shape (n_pieces - 1,): weight of the gap between a piece's end and the next one's state, in
        units of the noise's; None: pieces stand alone.
    pull
        Shape (n,): precision, in the same units, with which strengths are held near 0.
    """

    bodies: Bodies
    starts: Integers
    longest: float
    free: bool
    closing: Floats | None = None
    pull: Floats | None = None

    @property
    def n_measured(self) -> int:
        """Number of coordinates measured."""
        return int(np.isfinite(self.bodies.places).sum())

    @property
    def n_spent(self) -> int:
        """Fitted numbers beside the law's own constants."""
        n, d = self.bodies.places.shape[1:]
        return int(2 * n * d * (len(self.starts) - 1) + self.free * (n - 1))

    def log_likelihood(self, misfit: float) -> float:
        """Of the measurements; a noise that is not known is integrated out."""
        if self.bodies.noise_known:
            return -0.5 * misfit
        freedom = max(self.n_measured - self.n_spent, 1)
        return -0.5 * freedom * float(np.log(max(misfit, 1e-280)))


@dataclass(frozen=True, slots=True, eq=False)
class PairFit:
    """A fitted motion.

    ``states``: (n_pieces, 2, n, d); ``information``: of strengths' free directions and constants
    together, in units of the noise's weight; ``basis``: (n, n - 1) of these directions.
    """

    constants: Floats
    strengths: Floats
    states: Floats
    misfit: float
    information: Floats
    basis: Floats


def force_table(force: Force, constants: Floats, bodies: Bodies) -> tuple[Floats, float, float]:
    """Return polynomials (n_cells, 4, 1 + k) on cells of log r, the first edge and the width.

    Raises
    ------
    FloatingPointError
        Where the force is undefined at distances that were seen.
    """
    near, far = float(bodies.distances.min()), float(bodies.distances.max())
    edges = np.linspace(np.log(near / BEYOND), np.log(far * BEYOND), N_CELLS + 1)
    with np.errstate(all="ignore"):
        value, slopes = force(constants, np.exp(edges))
    rows = np.concatenate([value[None], slopes])
    sound = np.isfinite(rows).all(axis=0) & (np.abs(rows) < 1e100).all(axis=0)
    inside = (edges >= np.log(near)) & (edges <= np.log(far))
    if not sound[inside].all() or not sound.any():
        raise FloatingPointError("the force is undefined at distances that were seen")
    # Where it is undefined nobody was: it goes on as its nearest value
    known = np.flatnonzero(sound)
    places = known[np.abs(known[None] - np.arange(len(edges))[:, None]).argmin(axis=1)]
    spline = CubicSpline(edges, rows[:, places].T)
    table = np.ascontiguousarray(np.moveaxis(spline.c, 0, 1))
    return table, float(edges[0]), float(edges[1] - edges[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Motion:
    """Residuals, weighted, and their slopes by states, strengths and constants, piece by piece.

    ``rest`` (m,), ``slopes`` (m, p) of each piece's measurements; ``gaps`` (2 n d,) and their
    slopes between neighbours.
    """

    rest: list[Floats]
    slopes: list[Floats]
    gaps: list[Floats]
    gap_slopes: list[Floats]

    @property
    def misfit(self) -> float:
        """Sum of squares, without the gaps."""
        return float(sum((part**2).sum() for part in self.rest))


def _follow(
    problem: PairProblem, table: tuple[Floats, float, float], strengths: Floats, states: Floats,
    *, sloped: bool,
) -> _Motion | None:  # fmt: skip
    """Follow the bodies over every piece; None where they run away."""
    bodies = problem.bodies
    n_times, n, d = bodies.places.shape
    n_p = (2 * n * d + n + table[0].shape[2] - 1) if sloped else 0
    root = np.sqrt(bodies.weight)[:, :, None] * np.isfinite(bodies.places)
    motion = _Motion([], [], [], [])
    for piece, (begin, end) in enumerate(zip(problem.starts[:-1], problem.starts[1:], strict=True)):
        last = end + (end < n_times)
        path, slopes = np.empty((last - begin, n, d)), np.empty((last - begin, n, d, n_p))
        speed, speed_slopes = np.empty((n, d)), np.empty((n, d, n_p))
        good = follow_bodies(
            np.ascontiguousarray(states[piece]), strengths, bodies.box, *table,
            bodies.times[begin:last], problem.longest, FARTHEST, path, slopes, speed, speed_slopes,
        )  # fmt: skip
        if not good or (sloped and not max(abs(slopes.max()), abs(slopes.min())) < STEEPEST):
            return None
        count, part = end - begin, root[begin:end]
        motion.rest.append((np.nan_to_num(bodies.places[begin:end] - path[:count]) * part).ravel())
        motion.slopes.append((slopes[:count] * part[..., None]).reshape(part.size, n_p))
        if end < n_times:
            # A speed counts as the way in the time of some steps
            beat = STEPS_OF_A_SPEED * problem.longest
            gap = states[piece + 1] - np.stack([path[-1], speed])
            gap[1] *= beat
            motion.gaps.append(gap.ravel())
            both = np.stack([slopes[-1], beat * speed_slopes])
            motion.gap_slopes.append(both.reshape(gap.size, n_p))
    return motion


class _Normal:
    """Normal equations of all pieces' states, then the strengths' directions and the constants."""

    def __init__(self, problem: PairProblem, motion: _Motion, basis: Floats) -> None:
        n, d = problem.bodies.places.shape[1:]
        own, pieces = 2 * n * d, len(motion.rest)
        n_shared = basis.shape[1] + motion.slopes[0].shape[1] - own - n
        self.n_local = own * pieces
        size = self.n_local + n_shared
        self.gram, self.right = np.zeros((size, size)), np.zeros(size)
        shared = np.arange(self.n_local, size)

        def add(columns: Floats, rows: NDArray[np.int64], miss: Floats) -> None:
            self.gram[np.ix_(rows, rows)] += columns.T @ columns
            self.right[rows] += columns.T @ miss

        def common(slopes: Floats) -> Floats:
            return np.concatenate([slopes[:, own : own + n] @ basis, slopes[:, own + n :]], axis=1)

        for piece, (slopes, rest) in enumerate(zip(motion.slopes, motion.rest, strict=True)):
            rows = np.concatenate([piece * own + np.arange(own), shared])
            add(np.concatenate([slopes[:, :own], common(slopes)], axis=1), rows, rest)
        if problem.closing is None:
            return
        beat = np.ones((2, n * d))
        beat[1] = STEPS_OF_A_SPEED * problem.longest
        for piece, weight in enumerate(problem.closing):
            if weight > 0:
                slopes, root = motion.gap_slopes[piece], np.sqrt(weight)
                rows = np.concatenate([piece * own + np.arange(2 * own), shared])
                columns = [slopes[:, :own], -np.diag(beat.ravel()), common(slopes)]
                add(root * np.concatenate(columns, axis=1), rows, root * motion.gaps[piece])

    def shared(self) -> Floats:
        """Information on what is shared, the states being unknown."""
        local, rest = slice(0, self.n_local), slice(self.n_local, None)
        mixed = self.gram[local, rest]
        matrix = self.gram[local, local]
        size = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
        inner = np.linalg.lstsq(matrix / np.outer(size, size), mixed / size[:, None], rcond=1e-13)
        found = self.gram[rest, rest] - (mixed / size[:, None]).T @ inner[0]
        return np.asarray(0.5 * (found + found.T))


def fit_pair_motion(
    problem: PairProblem, force: Force, constants: Floats, strengths: Floats, states: Floats,
    prior: tuple[Floats, Floats] | None = None,
) -> PairFit | None:  # fmt: skip
    """Minimise the misfit by Levenberg and Marquardt's steps; None where the start runs away.

    ``prior``: mean and precision (k,) of the constants, in units of the noise's weight.
    """
    n = problem.bodies.n_bodies
    basis = np.linalg.svd(np.ones((1, n)))[2][1:].T if problem.free else np.zeros((n, 0))
    now = (constants, strengths, states)
    reached = _tried(problem, force, now, prior)
    if reached is None:
        return None
    value, misfit, table = reached
    damping, normal = 1e-3, None
    for _ in range(MOST_STEPS):
        if normal is None:
            motion = _follow(problem, table, now[1], now[2], sloped=True)
            if motion is None:
                return None
            normal = _Normal(problem, motion, basis)
        change = _change(problem, normal, now, basis, prior, damping)
        shared = change[normal.n_local :]
        trial = (
            now[0] + shared[basis.shape[1] :], now[1] + basis @ shared[: basis.shape[1]],
            now[2] + change[: normal.n_local].reshape(now[2].shape),
        )  # fmt: skip
        tried = _tried(problem, force, trial, prior)
        if tried is None or not tried[0] < value:
            damping *= GROW
            if damping > LARGEST_DAMPING:
                break
            continue
        gain = problem.log_likelihood(tried[0]) - problem.log_likelihood(value)
        now, (value, misfit, table), normal = trial, tried, None
        damping = max(damping * SHRINK, 1e-9)
        if gain < SETTLED and damping < NEARLY_FREE:
            break
    motion = _follow(problem, table, now[1], now[2], sloped=True)
    if motion is None:
        return None
    information = _Normal(problem, motion, basis).shared()
    return PairFit(now[0], now[1], now[2], misfit, information, basis)


def followed_places(problem: PairProblem, force: Force, fit: PairFit) -> Floats:
    """Return where a fitted motion has the bodies when they were seen, shape (T, n, d)."""
    table = force_table(force, fit.constants, problem.bodies)
    bare = (np.ascontiguousarray(table[0][:, :, :1]), table[1], table[2])
    motion = _follow(problem, bare, fit.strengths, fit.states, sloped=False)
    places = problem.bodies.places
    if motion is None:
        return places
    rest = np.concatenate(motion.rest).reshape(places.shape)
    return np.asarray(places - rest / np.sqrt(problem.bodies.weight)[:, :, None])


def _change(
    problem: PairProblem, normal: _Normal, now: tuple[Floats, Floats, Floats], basis: Floats,
    prior: tuple[Floats, Floats] | None, damping: float,
) -> Floats:  # fmt: skip
    """Return the damped step of states, strengths' directions and constants."""
    gram, right = normal.gram.copy(), normal.right.copy()
    if prior is not None:
        places = np.arange(len(gram) - len(now[0]), len(gram))
        gram[places, places] += prior[1]
        right[places] += prior[1] * (prior[0] - now[0])
    if problem.pull is not None:
        part = slice(normal.n_local, normal.n_local + basis.shape[1])
        gram[part, part] += (basis * problem.pull[:, None]).T @ basis
        right[part] -= basis.T @ (problem.pull * now[1])
    size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    matrix = gram / size[:, None] / size[None]
    matrix[np.diag_indices(len(size))] += damping + 1e-11
    try:
        return np.asarray(linalg.solve(matrix, right / size, assume_a="pos") / size)
    except linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right / size, rcond=1e-12)[0] / size)


def join_pieces(
    problem: PairProblem, force: Force, fit: PairFit, worse: float,
    prior: tuple[Floats, Floats] | None = None,
) -> tuple[PairProblem, PairFit]:  # fmt: skip
    """Join neighbouring pieces as long as the misfit grows by no more than a factor.

    Gaps between the pieces to be joined are closed by degrees: the end of one piece and the state
    of the next are pulled together while both follow the measurements.
    """
    while len(problem.starts) > 2:
        before = per_freedom(problem, fit)
        borders = np.arange(len(problem.starts) - 2) % 2 == 0
        closer = fit
        for gap in GAPS:
            soft = replace(problem, closing=np.where(borders, before / gap**2, 0.0))
            softly = fit_pair_motion(
                soft, force, closer.constants, closer.strengths, closer.states, prior
            )
            if softly is None:
                return problem, fit
            closer = softly
        longer = replace(problem, starts=np.append(problem.starts[:-1][::2], problem.starts[-1]))
        joined = fit_pair_motion(
            longer, force, closer.constants, closer.strengths, closer.states[::2], prior
        )
        if joined is None or per_freedom(longer, joined) > worse * before:
            break
        problem, fit = longer, joined
    return problem, fit


def per_freedom(problem: PairProblem, fit: PairFit) -> float:
    """Misfit over what is left to chance: the variance of a measurement of weight 1."""
    return fit.misfit / max(problem.n_measured - problem.n_spent, 1)


def _tried(
    problem: PairProblem, force: Force, point: tuple[Floats, Floats, Floats],
    prior: tuple[Floats, Floats] | None,
) -> tuple[float, float, tuple[Floats, float, float]] | None:  # fmt: skip
    """Objective, misfit and table at a point; None where it runs away or is undefined."""
    try:
        table = force_table(force, point[0], problem.bodies)
    except FloatingPointError:
        return None
    bare = (np.ascontiguousarray(table[0][:, :, :1]), table[1], table[2])
    motion = _follow(problem, bare, point[1], point[2], sloped=False)
    if motion is None:
        return None
    misfit = value = motion.misfit
    if problem.closing is not None:
        value += sum(
            weight * float((gap**2).sum())
            for weight, gap in zip(problem.closing, motion.gaps, strict=True)
        )
    if problem.pull is not None:
        value += float(problem.pull @ point[1] ** 2)
    if prior is not None:
        value += float((prior[1] * (point[0] - prior[0]) ** 2).sum())
    return (value, misfit, table) if np.isfinite(value) else None
