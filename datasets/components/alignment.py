"""The pose of a patch on a reference: every turn and shift, then least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Disc", "best_pose", "disc_of", "own_center", "pose_bank", "refine_poses", "resample"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BATCH = 256
TURN_PX = 1.0
"""Arc at the disc's edge between neighbouring turns of the bank."""
STEPS = 6
DIFFERENCE_PX = 0.05
LONGEST_STEP = 0.7
SETTLED_PX = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Disc:
    """Pixels that are compared: ``mask``, and (x, y) from the middle of those pixels (m, 2).

    ``shifts`` (s, 2): whole-pixel shifts (x, y) to try.
    """

    mask: NDArray[np.bool_]
    points: Floats
    radius: float
    shifts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PoseBank:
    """References at all poses: unit rows (poses, pixels); kind, turn and shift number of each."""

    rows: NDArray[np.float32]
    kind: Integers
    angle: Floats
    shift: Integers
    windows: NDArray[np.float32]


def disc_of(edge: int, reach: float) -> Disc:
    """Return the disc that stays inside a patch when it is shifted by up to ``reach``."""
    axis = np.arange(edge) - 0.5 * (edge - 1)
    x, y = np.meshgrid(axis, axis)
    radius = max(0.5 * edge - reach, 0.3 * edge)
    mask = np.hypot(x, y) <= radius
    most = int(np.floor(reach))
    near = np.arange(-most, most + 1, dtype=np.float64)
    shifts = np.stack(np.meshgrid(near, near), axis=-1).reshape(-1, 2)
    return Disc(mask, np.stack([x[mask], y[mask]], axis=1), radius, shifts)


def pose_bank(references: Floats, disc: Disc, rotate: bool) -> PoseBank:
    """Return every reference at every turn and shift, mean 0 and length 1 over the disc."""
    turns = int(np.ceil(2 * np.pi * disc.radius / TURN_PX)) if rotate else 1
    angles = 2 * np.pi * np.arange(turns) / turns
    edge = references.shape[1]
    middle = 0.5 * (edge - 1)
    # the disc moves with the motif: pixel numbers of the moved disc, a spare one for those outside
    axis = np.rint(disc.points + middle).astype(np.int64)
    moved = axis[None] + disc.shifts.astype(np.int64)[:, None]
    inside = np.all((moved >= 0) & (moved < edge), axis=2)
    places = np.where(inside, moved[..., 1] * edge + moved[..., 0], edge * edge)
    n_shifts = len(places)
    number = np.arange(n_shifts)[:, None]
    windows = np.zeros((n_shifts, edge * edge + 1), dtype=np.float32)
    windows[number, places] = 1.0
    rows = np.zeros((len(references) * turns * n_shifts, edge * edge + 1), dtype=np.float32)
    start = 0
    for reference in references:
        spline = ndimage.spline_filter(reference, order=3, mode="mirror")
        for angle in angles:
            turned = _sample(spline, _turn(disc.points, -angle))
            turned = turned - turned.mean()
            turned /= max(float(np.linalg.norm(turned)), 1e-300)
            rows[start + number, places] = turned
            start += n_shifts
    kind, turn, shift = np.indices((len(references), turns, n_shifts)).reshape(3, -1)
    return PoseBank(rows[:, :-1], kind, angles[turn], shift, windows[:, :-1])


def best_pose(stack: Floats, bank: PoseBank, disc: Disc) -> tuple[Floats, Integers, Floats]:
    """Return (x, y, angle), reference and correlation of the most alike pose of each patch."""
    n = len(stack)
    poses, kind, best = np.empty((n, 3)), np.empty(n, dtype=np.int64), np.empty(n)
    size = np.maximum(bank.windows.sum(axis=1), 1.0)
    for low in range(0, n, BATCH):
        part = stack[low : low + BATCH].reshape(-1, stack.shape[1] * stack.shape[2])
        part = (part - part.mean(axis=1, keepdims=True)).astype(np.float32)
        mean = part @ bank.windows.T / size
        power = (part**2) @ bank.windows.T - size * mean**2
        alike = part @ bank.rows.T / np.sqrt(np.maximum(power, 1e-12))[:, bank.shift]
        top = alike.argmax(axis=1)
        rows = slice(low, low + len(part))
        poses[rows, :2] = disc.shifts[bank.shift[top]]
        poses[rows, 2] = bank.angle[top]
        kind[rows] = bank.kind[top]
        best[rows] = alike[np.arange(len(part)), top]
    return poses, kind, best


def refine_poses(
    stack: Floats,
    references: Floats,
    kind: Integers,
    poses: Floats,
    disc: Disc,
    rotate: bool,
    noise: float | None,
) -> tuple[Floats, Floats, Floats]:
    """Return refined poses, (offset, brightness) and covariances (n, 3, 3) of the poses.

    Gauss-Newton steps on patch = offset + brightness x reference at the pose; brightness and
    offset are linear and solved at every step.
    """
    n = len(stack)
    refined, lines = poses.copy(), np.zeros((n, 2))
    covariance = np.zeros((n, 3, 3))
    free = 3 if rotate else 2
    for which in range(len(references)):
        spline = ndimage.spline_filter(references[which], order=3, mode="mirror")
        mine = np.flatnonzero(kind == which)
        for low in range(0, len(mine), BATCH):
            rows = mine[low : low + BATCH]
            pixels = stack[rows][:, disc.mask]
            pose, line, inverse, variance = _refine(spline, pixels, refined[rows], disc, free)
            refined[rows], lines[rows] = pose, line
            if noise is not None:
                variance = np.full(len(rows), noise**2)
            covariance[rows, :free, :free] = inverse * variance[:, None, None]
    refined[:, 2] = (refined[:, 2] + np.pi) % (2 * np.pi) - np.pi
    return refined, lines, covariance


def _refine(
    spline: Floats, pixels: Floats, pose: Floats, disc: Disc, free: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return poses, lines, inverse information of the poses and the variance of the misfit."""
    model, slopes = _model(spline, disc, pose)
    bright = _brightness(model, pixels)
    for step in range(STEPS + 1):
        design = np.concatenate([slopes[:, :free] * bright[:, None, None], _lines(model)], axis=1)
        normal = np.einsum("nam,nbm->nab", design, design)
        ridge = 1e-9 * np.trace(normal, axis1=1, axis2=2)
        inverse = np.linalg.inv(normal + ridge[:, None, None] * np.eye(free + 2))
        change = np.einsum("nab,nbm,nm->na", inverse, design, pixels)
        lines, move = change[:, free:], change[:, :free]
        length = np.abs(move).max(axis=1, keepdims=True)
        if step == STEPS or length.max() < SETTLED_PX:
            break
        pose[:, :free] += move * np.minimum(1.0, LONGEST_STEP / np.maximum(length, 1e-12))
        model, slopes = _model(spline, disc, pose)
        bright = np.where(np.abs(lines[:, 1]) > 0, lines[:, 1], bright)
    fitted = lines[:, :1] + lines[:, 1:] * model
    variance = ((pixels - fitted) ** 2).sum(axis=1) / max(pixels.shape[1] - free - 2, 1)
    return pose, lines, inverse[:, :free, :free], np.asarray(variance)


def own_center(poses: Floats) -> Floats:
    """Return (x, y) of the motif's centre in its reference, which turned motifs give away.

    A motif that lies off the reference's middle by r seems shifted by -R r in a patch turned by R;
    the patches' own offsets average to 0.
    """
    c, s = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    x, y = poses[:, 0], poses[:, 1]
    return -np.array([np.mean(c * x + s * y), np.mean(-s * x + c * y)])


def resample(stack: Floats, poses: Floats) -> Floats:
    """Return each patch in the frame of its reference; NaN where it does not reach."""
    edge = stack.shape[1]
    axis = np.arange(edge) - 0.5 * (edge - 1)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    result = np.empty_like(stack)
    for number, (patch, pose) in enumerate(zip(stack, poses, strict=True)):
        where = _turn(points, pose[2]) + pose[:2]
        spline = ndimage.spline_filter(patch, order=3, mode="mirror")
        values = _sample(spline, where)
        values[np.abs(where).max(axis=1) > 0.5 * edge] = np.nan
        result[number] = values.reshape(edge, edge)
    return result


def _model(spline: Floats, disc: Disc, poses: Floats) -> tuple[Floats, Floats]:
    """Return references at poses over the disc (n, m) and slopes by x, y, angle (n, 3, m)."""
    n = len(poses)
    offset = disc.points[None] - poses[:, None, :2]
    c, s = np.cos(poses[:, 2])[:, None], np.sin(poses[:, 2])[:, None]
    u = c * offset[..., 0] + s * offset[..., 1]
    v = -s * offset[..., 0] + c * offset[..., 1]
    h = DIFFERENCE_PX
    at = np.stack([u, v], axis=-1).reshape(-1, 2)
    shape = (n, len(disc.points))
    model = _sample(spline, at).reshape(shape)
    along, across = np.array([h, 0.0]), np.array([0.0, h])
    du = (_sample(spline, at + along) - _sample(spline, at - along)).reshape(shape) / (2 * h)
    dv = (_sample(spline, at + across) - _sample(spline, at - across)).reshape(shape) / (2 * h)
    slopes = np.stack([-c * du + s * dv, -s * du - c * dv, v * du - u * dv], axis=1)
    return model, slopes


def _lines(model: Floats) -> Floats:
    """Return the linear columns: offset and brightness, (n, 2, m)."""
    return np.stack([np.ones_like(model), model], axis=1)


def _brightness(model: Floats, pixels: Floats) -> Floats:
    """Return the slope of pixels on the reference."""
    flat = model - model.mean(axis=1, keepdims=True)
    return np.asarray((flat * pixels).sum(axis=1) / np.maximum((flat**2).sum(axis=1), 1e-300))


def _turn(points: Floats, angle: float) -> Floats:
    """Return points turned by an angle from x to y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[c, s], [-s, c]]))


def _sample(spline: Floats, points: Floats) -> Floats:
    """Return a spline's values at (x, y) from the middle."""
    middle = 0.5 * (len(spline) - 1)
    where = points[:, ::-1].T + middle
    return np.asarray(
        ndimage.map_coordinates(spline, where, order=3, mode="mirror", prefilter=False)
    )
