"""The force between bodies by their distance, on a basis, from the likelihood of their tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.dynamics.pair_bodies import Bodies
from physlearn.inference.dynamics.pair_motion_fit import (
    PairFit,
    PairProblem,
    fit_pair_motion,
)
from physlearn.inference.dynamics.pair_start import (
    NodeForce,
    Paths,
    WeakStart,
    fastest_rate,
    positions_at,
    smooth_bodies,
    start_of_force,
    unseen_path,
)

__all__ = ["BodyCurve", "curve_of_bodies", "distance_weights", "information_on_law"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STEP = 0.1  # of the time in which the fastest motion turns by a radian
PIECE = 2.5  # the same: how long the first pieces last
SHORTEST_PIECE = 6  # times
LIGHT = 0.05  # of the sum of the strengths
TYPICAL_LIGHT = 0.002
WIDE = 3.0  # of the largest force: prior of a node's force


@dataclass(frozen=True, slots=True, eq=False)
class BodyCurve:
    """The force at nodes with the information on it (of the noise's weight), and the motion."""

    nodes: Floats
    values: Floats
    information: Floats
    fit: PairFit
    problem: PairProblem

    @property
    def variance(self) -> float:
        """Of a measurement of weight 1."""
        if self.problem.bodies.noise_known:
            return 1.0
        freedom = self.problem.n_measured - self.problem.n_spent - len(self.nodes)
        return max(self.fit.misfit, 1e-280) / max(freedom, 1)


def curve_of_bodies(bodies: Bodies, strengths: Floats | None) -> BodyCurve:
    """Fit the force at nodes by the tracks' likelihood, on short pieces with states of their own.

    ``strengths`` None: fitted too, with sum 1.

    Raises
    ------
    NotIdentified
        Where no force on the basis follows the bodies even over short times.
    """
    paths = smooth_bodies(bodies)
    start = start_of_force(bodies, paths, strengths)
    rate = fastest_rate(paths)
    force = NodeForce(start.nodes)
    level = np.full(len(start.nodes), float(np.median(start.values)))
    for piece, values in ((PIECE, start.values), (0.5 * PIECE, start.values), (PIECE, level),
                          (0.2 * PIECE, level)):  # fmt: skip
        starts = _pieces(bodies.times, piece / rate)
        problem = PairProblem(bodies, starts, STEP / rate, strengths is None)
        now = (values, start.strengths, _states(paths, bodies, start, starts[:-1]))
        problem, now = _without_light(problem, now, _left_by_smoothing(bodies, paths))
        size = float(np.abs(start.values).max()) or 1.0
        fit = fit_pair_motion(problem, force, *now, _prior(start.values, size))
        if fit is not None:
            break
    if fit is None:
        raise NotIdentified(
            "the bodies could not be followed over even a few of their times: give more times, or "
            "tracks without jumps."
        )
    information = information_on_law(fit)
    return BodyCurve(start.nodes, fit.constants, information, fit, problem)


def _without_light(
    problem: PairProblem, start: tuple[Floats, Floats, Floats], noise: float
) -> tuple[PairProblem, tuple[Floats, Floats, Floats]]:
    """Hold light bodies near 0: short pieces hardly tell them, and wrong pulls throw others off."""
    values, strengths, states = start
    light = np.abs(strengths) < LIGHT
    if not problem.free or not light.any() or light.all():
        return problem, start
    first = np.where(light, 0.0, strengths)
    problem = replace(problem, pull=np.where(light, noise / TYPICAL_LIGHT**2, 0.0))
    return problem, (values, first / first.sum(), states)


def distance_weights(curve: BodyCurve) -> Floats:
    """Shape (k,): the share of the information at each node."""
    weight = np.maximum(np.diag(curve.information), 0.0) * curve.values**2
    return np.asarray(weight / weight.sum())


def _left_by_smoothing(bodies: Bodies, paths: Paths) -> float:
    """Mean square of what the smoothed paths leave, in units of the noise's weight."""
    rest = (bodies.places - positions_at(paths, bodies.times)) * np.sqrt(bodies.weight)[:, :, None]
    return float(np.nanmean(rest**2))


def _prior(values: Floats, size: float) -> tuple[Floats, Floats]:
    """Mean and precision of the force at nodes: wide, about the start."""
    return values, np.full(len(values), 1e-4 / (WIDE * size) ** 2)


def information_on_law(fit: PairFit) -> Floats:
    """Information on the constants, the strengths being unknown too."""
    free = fit.basis.shape[1]
    own = fit.information[free:, free:]
    if free:
        mixed = fit.information[:free, free:]
        own = own - mixed.T @ np.linalg.pinv(fit.information[:free, :free], hermitian=True) @ mixed
    return np.asarray(0.5 * (own + own.T))


def _pieces(times: Floats, length: float) -> Integers:
    """First pieces: some ``length`` long, none of few times, their number a power of 2."""
    most = min(int((times[-1] - times[0]) / length), len(times) // SHORTEST_PIECE)
    count = 2 ** int(np.log2(max(most, 1)))
    marks = np.linspace(times[0], times[-1], count + 1)[:-1]
    kept = [0]
    for node in np.searchsorted(times, marks)[1:].tolist():
        if node - kept[-1] >= SHORTEST_PIECE and len(times) - node >= SHORTEST_PIECE:
            kept.append(node)
    return np.array([*kept, len(times)], dtype=np.int64)


def _states(paths: Paths, bodies: Bodies, start: WeakStart, starts: Integers) -> Floats:
    """Shape (n_pieces, 2, n, d): smoothed positions and velocities; run on where unseen."""
    times = bodies.times[starts]
    states = np.stack([positions_at(paths, times), positions_at(paths, times, 1)], axis=1)
    for body in range(bodies.n_bodies):
        run_on = np.stack(unseen_path(paths, body, bodies.box, start, times), axis=1)
        states[:, :, body] = np.where(np.isfinite(run_on), run_on, states[:, :, body])
    return states
