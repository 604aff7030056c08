"""The wall nearest to each patch as a circle, the walls' length in a patch, and what noise does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["WallPoints", "fit_nearest", "joint_covariance", "measure_length", "smoothing"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_POINTS = 4
LEAST_SLOPE = 0.5
"""Distance from the centre of the wall's circle, in radii, below which no normal is known."""
TAPS = np.array([-2.0, 3.0, 6.0, 7.0, 6.0, 3.0, -2.0]) / 21
"""Local parabola through seven points (Savitzky and Golay, doi:10.1021/ac60214a047)."""
LEAST_CORRELATION = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class WallPoints:
    """Points of the walls of a frame, wall by wall along each.

    Attributes
    ----------
    places, normals
        Shape (m, 2): x, y, and unit normals.
    error, arc, curvature
        Shape (m,): standard deviation along the normal, way along the wall, curvature.
    first, last
        First point and one past the last of each point's wall.
    around
        Length of the wall where it closes, else 0.
    decay
        Way along the wall over which the errors' correlation falls by e; 0: independent.
    following
        Next point along the wall, -1 where the wall is not seen on.
    step
        Usual distance of neighbouring points.
    """

    places: Floats
    normals: Floats
    error: Floats
    arc: Floats
    curvature: Floats
    first: Integers
    last: Integers
    around: Floats
    decay: Floats
    following: Integers
    step: float

    def way(self, one: Integers, two: Integers) -> Floats:
        """Return the way between points of one wall, the short way where it closes."""
        way = np.abs(self.arc[one] - self.arc[two])
        around = self.around[one]
        return np.where(around > 0, np.minimum(way, np.abs(around - way)), way)


def _section(
    middle: Integers, half: float, turn: float, walls: WallPoints
) -> tuple[Integers, Mask]:
    """Return points about a middle (n, k) and which lie within ``half`` and ``turn`` radians."""
    reach = int(np.ceil(half / max(walls.step, 1e-12))) + 2
    offset = np.arange(-reach, reach + 1)
    first, last = walls.first[middle][:, None], walls.last[middle][:, None]
    count = last - first
    point = middle[:, None] + offset
    closed = walls.around[middle][:, None] > 0
    near = np.where(closed, np.abs(2 * offset) < count, (point >= first) & (point < last))
    point = np.where(closed, first + (point - first) % count, np.clip(point, first, last - 1))
    way = walls.way(point, np.broadcast_to(middle[:, None], point.shape))
    near &= way <= half
    bend = np.abs((walls.curvature[point] * near).sum(axis=1)) / near.sum(axis=1)
    shorter = np.minimum(half, turn / np.maximum(bend, 1e-12))
    return point, near & (way <= shorter[:, None])


def fit_nearest(
    centers: Floats, half: float, turn: float, middle: Integers, walls: WallPoints
) -> tuple[Floats, list[sparse.csr_array], Mask, Mask]:
    """Fit a circle to the wall about each patch's nearest point, at most ``turn`` radians of it.

    Returns values (n, 4): distance, curvature, normal x and y; for each of them how far it moves
    when a point of the wall moves along its normal, (n, m) sparse; which patches look at the end
    of a wall; and which lie so near to the circle's centre that no normal is known. Patches whose
    wall has fewer than four points are NaN.
    """
    for last in (False, True):
        # the point that noise put nearest names a section, the foot on its circle a better one
        point, near = _section(middle, half, turn, walls)
        fit = _fit(centers, point, near, walls)
        if last:
            break
        closest = np.argmin(np.where(near, np.abs(fit.along - fit.foot[:, :1]), np.inf), axis=1)
        middle = point[np.arange(len(middle)), closest]
    n, k = point.shape
    rows = np.repeat(np.arange(n), k)
    weights = [
        sparse.csr_array(
            (np.where(near, each, 0.0).ravel(), (rows, point.ravel())),
            shape=(n, len(walls.places)),
        )
        for each in _moves(fit)
    ]
    return fit.values, weights, fit.at_end, fit.near_center


@dataclass(frozen=True, slots=True, eq=False)
class _Circle:
    """Circles F = n - c0 - c1 t - c2 (t^2 + n^2) = 0, t along and n across each section.

    ``response`` (n, 3, k): d c / d n of each point; ``along`` (n, k): t of the points; ``tangent``
    and ``normal`` (n, 2): unit vectors of t and n; ``slope``: |grad F| on the circle; ``toward``:
    cosine of the angle between the normal and the way from the foot to the patch.
    """

    values: Floats
    c: Floats
    response: Floats
    along: Floats
    foot: Floats
    own_normal: Floats
    tangent: Floats
    normal: Floats
    slope: Floats
    turn: Floats
    toward: Floats
    at_end: Mask
    near_center: Mask


def _fit(centers: Floats, point: Integers, near: Mask, walls: WallPoints) -> _Circle:
    """Fit the circles and find each patch's foot on its own."""
    number = np.maximum(near.sum(axis=1), 1)[:, None]
    inside = near[:, :, None]
    origin = (walls.places[point] * inside).sum(axis=1) / number
    normal = (walls.normals[point] * inside).sum(axis=1)
    normal /= np.maximum(np.hypot(*normal.T), 1e-12)[:, None]
    tangent = np.stack([normal[:, 1], -normal[:, 0]], axis=1)
    away = walls.places[point] - origin[:, None]
    t, n = np.einsum("pki,pi->pk", away, tangent), np.einsum("pki,pi->pk", away, normal)
    design = np.stack([np.ones_like(t), t, t * t + n * n], axis=1) * near[:, None]
    square = np.einsum("puk,pvk->puv", design, design)
    few = near.sum(axis=1) < LEAST_POINTS
    square[few] = np.eye(3)
    response = np.linalg.pinv(square, rcond=1e-13, hermitian=True) @ design
    c = np.einsum("puk,pk->pu", response, n)
    slope = np.sqrt(np.maximum(1.0 + c[:, 1] ** 2 - 4.0 * c[:, 0] * c[:, 2], 1e-12))
    at = np.stack([((centers - origin) * axis).sum(axis=1) for axis in (tangent, normal)], axis=1)
    level = at[:, 1] - c[:, 0] - c[:, 1] * at[:, 0] - c[:, 2] * (at**2).sum(axis=1)
    # |grad F|^2 at the patch's centre is that on the circle less 4 c2 F
    there = np.sqrt(np.maximum(slope**2 - 4.0 * c[:, 2] * level, 0.0))
    signed = 2.0 * level / (slope + there)
    gradient = _gradient(c, at)
    gradient /= np.maximum(np.hypot(*gradient.T), 1e-12)[:, None]
    foot = at - signed[:, None] * gradient
    low, high = np.where(near, t, np.inf).min(axis=1), np.where(near, t, -np.inf).max(axis=1)
    room = 1.5 * (high - low) / number[:, 0]
    at_end = (foot[:, 0] < low - room) | (foot[:, 0] > high + room)
    end = np.argmax(np.where(near, t * np.sign(foot[:, :1]), -np.inf), axis=1)
    each = np.arange(len(centers))
    foot[at_end] = np.stack([t[each, end], n[each, end]], axis=1)[at_end]
    way = at - foot
    distance = np.where(at_end, np.hypot(*way.T), np.abs(signed))
    own_normal = _gradient(c, foot) / slope[:, None]
    toward = np.where(
        at_end, (way * own_normal).sum(axis=1) / np.maximum(distance, 1e-12), np.sign(signed)
    )
    turn = np.where(at_end, 1.0, there / slope)
    world = own_normal[:, :1] * tangent + own_normal[:, 1:] * normal
    values = np.column_stack([distance, -2.0 * c[:, 2] / slope, world])
    values[few] = np.nan
    return _Circle(
        values, c, response, t, foot, own_normal, tangent, normal, slope,
        np.maximum(turn, LEAST_SLOPE), toward, at_end & ~few, (turn < LEAST_SLOPE) & ~few,
    )  # fmt: skip


def _gradient(c: Floats, at: Floats) -> Floats:
    """Return grad F = (-c1 - 2 c2 t, 1 - 2 c2 n)."""
    return np.stack([-c[:, 1] - 2.0 * c[:, 2] * at[:, 0], 1.0 - 2.0 * c[:, 2] * at[:, 1]], axis=1)


def _moves(fit: _Circle) -> list[Floats]:
    """Return (n, k) for distance, curvature, normal x and y: its move per move of each point.

    A wall that moves by delta along its normal raises n by delta times the slope of F.
    """
    slope = fit.slope[:, None]
    e0, e1, e2 = (fit.response[:, u] * slope for u in range(3))
    c0, c1, c2 = (fit.c[:, u, None] for u in range(3))
    t, n = fit.foot[:, :1], fit.foot[:, 1:]
    normal_t, normal_n = fit.own_normal[:, :1], fit.own_normal[:, 1:]
    moved = (e0 + e1 * t + e2 * (t * t + n * n)) / slope
    grown = c1 * e1 - 2.0 * c2 * e0 - 2.0 * c0 * e2
    bent = -2.0 * e2 / slope + 2.0 * c2 / slope**3 * grown
    # d delta / ds turns the normal against the tangent; a foot that slides along a bent wall
    # turns it less, or more, by fit.turn
    tilt = (e1 * normal_n + 2.0 * e2 * (t * normal_n - n * normal_t)) / slope / fit.turn[:, None]
    ahead = normal_n * fit.tangent - normal_t * fit.normal
    known = ~fit.near_center[:, None]
    return [
        -fit.toward[:, None] * moved, bent,
        -tilt * ahead[:, :1] * known, -tilt * ahead[:, 1:] * known,
    ]  # fmt: skip


def smoothing(walls: WallPoints) -> sparse.csr_array:
    """Return the matrix (m, m) that puts each point on a parabola through seven of its wall."""
    m, reach = len(walls.places), len(TAPS) // 2
    number = np.arange(m)
    point = number[:, None] + np.arange(-reach, reach + 1)
    first, last = walls.first[:, None], walls.last[:, None]
    closed = walls.around[:, None] > 0
    inside = (point >= first) & (point < last)
    whole = np.where(closed[:, 0], (last - first)[:, 0] >= len(TAPS), inside.all(axis=1))
    point = np.where(closed, first + (point - first) % (last - first), point)
    rows, columns = np.repeat(number[whole], len(TAPS)), point[whole].ravel()
    values = np.tile(TAPS, int(whole.sum()))
    rest = number[~whole]
    return sparse.csr_array(
        (np.r_[values, np.ones(len(rest))], (np.r_[rows, rest], np.r_[columns, rest])),
        shape=(m, m),
    )


def _clipped(at: Floats, step: Floats, half: float, way: Floats) -> Floats:
    """Return the length along ``way`` of the parts of pieces that lie in a square about 0."""
    low, high = np.zeros(len(at)), np.ones(len(at))
    for axis in range(2):
        start, rise = at[:, axis], step[:, axis]
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = (-half - start) / rise, (half - start) / rise
        still = rise == 0.0
        outside = still & ~((start >= -half) & (start < half))
        low = np.where(still, np.where(outside, 2.0, low), np.maximum(low, np.minimum(one, two)))
        high = np.where(still, high, np.minimum(high, np.maximum(one, two)))
    return np.asarray(np.maximum(high - low, 0.0) * np.abs((step * way).sum(axis=1)))


def measure_length(
    centers: Floats, half: float, patch: Integers, piece: Integers, walls: WallPoints
) -> tuple[Floats, sparse.csr_array]:
    """Return the walls' length in each patch (n,), and how it grows when a point moves (n, m).

    ``patch`` and ``piece``: which patches may hold the piece of wall that follows a point. Lengths
    are measured along the smoothed wall, so that noise across it adds none.
    """
    smooth = smoothing(walls)
    places = smooth @ walls.places
    a, b = piece, walls.following[piece]
    mean = walls.normals[a] + walls.normals[b]
    mean /= np.maximum(np.hypot(*mean.T), 1e-12)[:, None]
    way = np.stack([mean[:, 1], -mean[:, 0]], axis=1)
    at, step = places[a] - centers[patch], places[b] - places[a]
    length = np.zeros(len(centers))
    np.add.at(length, patch, _clipped(at, step, half, way))
    size = np.maximum(np.maximum(walls.error[a], walls.error[b]), 1e-4 * half)[:, None]
    grown = np.zeros((2, len(piece)))
    for sign in (-1.0, 1.0):
        move = sign * size * walls.normals[a]
        grown[0] += sign * _clipped(at + move, step - move, half, way)
        move = sign * size * walls.normals[b]
        grown[1] += sign * _clipped(at, step + move, half, way)
    grown /= 2.0 * size[:, 0]
    shape = (len(centers), len(walls.places))
    weights = sparse.csr_array(
        (grown.ravel(), (np.r_[patch, patch], np.r_[a, b])), shape=shape
    )  # fmt: skip
    return length, sparse.csr_array(weights @ smooth)


def joint_covariance(
    weights: list[sparse.csr_array], walls: WallPoints, shift_error: float
) -> Floats:
    """Return W C W^T of each row (n, k, k): errors fall along a wall, a shift is common to all."""
    n, k = weights[0].shape[0], len(weights)
    covariance = np.empty((n, k, k))
    correlated = _point_covariance(walls)
    total = np.stack([np.asarray(each.sum(axis=1)) for each in weights], axis=1)
    for u in range(k):
        spread = sparse.csr_array(weights[u] @ correlated)
        for v in range(u, k):
            covariance[:, u, v] = np.asarray(spread.multiply(weights[v]).sum(axis=1))
            covariance[:, v, u] = covariance[:, u, v]
    return np.asarray(covariance + shift_error**2 * total[:, :, None] * total[:, None, :])


def _point_covariance(walls: WallPoints) -> sparse.csr_array:
    """Return the covariance of the points' errors along their normals, (m, m)."""
    m = len(walls.places)
    number = np.arange(m)
    rows, columns, values = [number], [number], [walls.error**2]
    reach = -np.log(LEAST_CORRELATION) * float(walls.decay.max()) / max(walls.step, 1e-12)
    for lag in range(1, int(min(np.ceil(reach), m - 1)) + 1):
        point = number + lag
        closed = walls.around > 0
        count = walls.last - walls.first
        ok = np.where(closed, 2 * lag < count, point < walls.last) & (walls.decay > 0)
        one = number[ok]
        two = np.where(closed, walls.first + (point - walls.first) % count, point)[ok]
        share = (
            np.exp(-walls.way(one, two) / walls.decay[one]) * walls.error[one] * walls.error[two]
        )
        rows += [one, two]
        columns += [two, one]
        values += [share, share]
    return sparse.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(m, m)
    )
