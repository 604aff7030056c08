"""A wall's points on a grid of nodes along the wall and frames, and the posterior there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from physlearn.datasets.wall_motion.space_time_kernels import mode_means, mode_variances
from physlearn.datasets.wall_motion.space_time_prior import (
    ModeData,
    WallPrior,
    memory_spans,
    mode_strengths,
)

__all__ = ["GridPosterior", "WallGrid", "grid_modes", "make_grid", "solve_grid"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PAD_NODES = 24
LEAST_WEIGHT = 0.05
MOST_ITERATIONS = 40
CLOSE_ENOUGH, ROUGHLY = 1e-3, 1e-2
MEMORY = 6


@dataclass(frozen=True, slots=True, eq=False)
class WallGrid:
    """Points between nodes: each belongs to a node and the following one.

    ``left`` (n_points,) flat index frame * n_nodes + node, ``right`` the following node, ``share``
    of the following node, ``height`` the displacement, ``weight`` 1 / variance; ``lumped``
    (n_frames, n_nodes) the weights gathered on the nodes; ``pad`` unobserved nodes at either end.
    """

    left: Integers
    right: Integers
    share: Floats
    height: Floats
    weight: Floats
    lumped: Floats
    spacing: float
    start: float
    pad: int
    closed: bool
    spans: Floats
    middle: float
    shift: Floats

    @property
    def ends(self) -> tuple[float, float]:
        """Coordinates of the first and last node that is not padding."""
        last = self.lumped.shape[1] - 1 - self.pad
        return self.start + self.pad * self.spacing, self.start + last * self.spacing

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and nodes."""
        return self.lumped.shape[0], self.lumped.shape[1]

    def gather(self, values: Floats) -> Floats:
        """Sum values of points onto their nodes: (n_frames, n_nodes)."""
        size = self.lumped.size
        left = np.bincount(self.left, (1.0 - self.share) * values, size)
        total: Floats = np.asarray(left, dtype=np.float64)
        total = total + np.bincount(self.right, self.share * values, size)
        return total.reshape(self.shape)

    def at_points(self, field: Floats) -> Floats:
        """Interpolate a field on the nodes at the points."""
        flat = field.ravel()
        return np.asarray((1.0 - self.share) * flat[self.left] + self.share * flat[self.right])

    def interpolate(self, field: Floats, frames: Integers, along: Floats) -> Floats:
        """Interpolate a field on the nodes at coordinates along the wall."""
        count = self.shape[1]
        place = (along - self.start) / self.spacing
        if self.closed:
            place = place % count
        place = np.clip(place, 0.0, count - 1e-9) if self.closed else np.clip(place, 0, count - 1)
        node = np.floor(place).astype(np.int64)
        last = (node + 1) % count if self.closed else np.minimum(node + 1, count - 1)
        share = place - node
        return np.asarray((1 - share) * field[frames, node] + share * field[frames, last])

    def frame_weight(self) -> Floats:
        """Mean weight of the nodes that were seen in a frame; 0 where none was."""
        total = self.lumped.sum(axis=1)
        level = LEAST_WEIGHT * total.max() / self.shape[1]
        seen = (self.lumped > level).sum(axis=1)
        return np.asarray(total / np.maximum(seen, 1))


def slope_along(field: Floats, closed: bool) -> Floats:
    """Central differences of a field along the nodes (axis 1), to fourth order."""
    wide = np.pad(field, ((0, 0), (2, 2)), mode="wrap" if closed else "symmetric")
    near, far = wide[:, 3:-1] - wide[:, 1:-3], wide[:, 4:] - wide[:, :-4]
    return np.asarray((8.0 * near - far) / 12.0)


def make_grid(
    along: Floats,
    height: Floats,
    variance: Floats,
    frames: Integers,
    spans: Floats,
    *,
    spacing: float,
    period: float | None,
    ends: tuple[float, float] | None,
    shift: Floats,
) -> WallGrid:
    """Lay nodes about ``spacing`` apart over the points; ``period`` closes the coordinate."""
    if period is None:
        low, high = ends or (float(along.min()), float(along.max()))
        along = np.clip(along, low, high)
        inner = max(int(np.ceil((high - low) / spacing)), 4) + 1
        count = fft.next_fast_len(inner + 2 * PAD_NODES, real=True)
        inner += (count - inner) % 2
        pad = (count - inner) // 2
        step = (high - low) / (inner - 1)
        start = low - pad * step
    else:
        count = fft.next_fast_len(max(round(period / spacing), 16), real=True)
        pad, step, start = 0, period / count, 0.0
    place = (along - start) / step
    node = np.minimum(np.floor(place).astype(np.int64), count - (1 if period else 2))
    left = frames * count + node
    right = frames * count + (node + 1) % count
    grid = WallGrid(
        left, right, place - node, height - height.mean(), 1.0 / variance,
        np.zeros((len(spans), count)), step, start, pad, period is not None, spans,
        float(height.mean()), shift,
    )  # fmt: skip
    grid.lumped[:] = grid.gather(grid.weight)
    return grid


def to_modes(field: Floats, closed: bool) -> Floats:
    """Return orthonormal modes (n_modes, n_frames) of a field (n_frames, n_nodes)."""
    if not closed:
        return np.ascontiguousarray(fft.dct(field, type=2, norm="ortho", axis=1).T)
    spectrum = fft.rfft(field, norm="ortho", axis=1)
    count = field.shape[1]
    modes = np.empty((count, len(field)))
    modes[0] = spectrum[:, 0].real
    modes[1::2] = (np.sqrt(2.0) * spectrum[:, 1 : count // 2 + 1].real).T
    modes[2::2] = (np.sqrt(2.0) * spectrum[:, 1 : (count + 1) // 2].imag).T
    if count % 2 == 0:
        modes[count - 1] /= np.sqrt(2.0)
    return modes


def from_modes(modes: Floats, closed: bool) -> Floats:
    """Return the field (n_frames, n_nodes) of orthonormal modes."""
    if not closed:
        return np.asarray(fft.idct(modes.T, type=2, norm="ortho", axis=1))
    count = len(modes)
    spectrum = np.zeros((modes.shape[1], count // 2 + 1), dtype=complex)
    spectrum[:, 0] = modes[0]
    spectrum[:, 1:] = modes[1::2].T / np.sqrt(2.0)
    spectrum[:, 1 : (count + 1) // 2] += 1j * modes[2::2].T / np.sqrt(2.0)
    if count % 2 == 0:
        spectrum[:, -1] *= np.sqrt(2.0)
    return np.asarray(fft.irfft(spectrum, count, norm="ortho", axis=1))


def wave_numbers(count: int, spacing: float, closed: bool) -> Floats:
    """Wave numbers of the modes, per length."""
    if not closed:
        return np.asarray(np.pi * np.arange(count) / (count * spacing), dtype=np.float64)
    return np.asarray(2 * np.pi * ((np.arange(count) + 1) // 2) / (count * spacing))


def filled_heights(grid: WallGrid) -> Floats:
    """Heights on all nodes: gathered about a smooth pilot, interpolated where none was seen."""
    level = LEAST_WEIGHT * grid.frame_weight()[:, None]
    total = grid.gather(grid.weight * grid.height)
    seen = grid.lumped > np.maximum(level, 1e-300)
    rough = np.zeros(grid.shape)
    rough[seen] = total[seen] / grid.lumped[seen]
    rough = _interpolate(rough, seen, grid.closed)
    pilot = ndimage.gaussian_filter1d(rough, 2.0, axis=1, mode="wrap" if grid.closed else "nearest")
    rest = grid.gather(grid.weight * (grid.height - grid.at_points(pilot)))
    correction = np.zeros(grid.shape)
    correction[seen] = rest[seen] / grid.lumped[seen]
    return np.asarray(pilot + correction)


def _interpolate(values: Floats, seen: NDArray[np.bool_], closed: bool) -> Floats:
    """Fill unseen nodes linearly along the wall."""
    result = values.copy()
    nodes = np.arange(values.shape[1])
    for frame in np.flatnonzero(seen.any(axis=1) & ~seen.all(axis=1)):
        known = np.flatnonzero(seen[frame])
        result[frame] = np.interp(
            nodes, known, values[frame, known], period=len(nodes) if closed else None
        )
    return result


def mode_noise(grid: WallGrid, weights: Floats, count: int) -> Floats:
    """Noise variance of the modes: that of a node, and the frame's shift in the uniform mode."""
    with np.errstate(divide="ignore"):
        noise = np.tile(np.where(weights > 0, 1.0 / weights, np.inf), (count, 1))
    noise[0] += count * grid.shift**2
    return noise


def grid_modes(grid: WallGrid) -> ModeData:
    """Return the modes from which the prior's strength is inferred: without the padding.

    Gathering points onto nodes damps signal and noise alike by T(q) = 1 - 2 <share (1 - share)>
    (1 - cos q); waves that a frame's points are too sparse for count as not measured.
    """
    field = filled_heights(grid)
    inner = slice(grid.pad, grid.shape[1] - grid.pad) if grid.pad else slice(None)
    field = field[:, inner]
    count = field.shape[1]
    waves = wave_numbers(count, grid.spacing, grid.closed)
    damping = 1.0 - 2.0 * np.mean(grid.share * (1 - grid.share)) * (
        1 - np.cos(waves * grid.spacing)
    )
    values = to_modes(field, grid.closed) / np.sqrt(damping)[:, None]
    weights = grid.lumped[:, inner].mean(axis=1)
    noise = mode_noise(grid, weights, count)
    points = np.bincount(grid.left // grid.shape[1], minlength=grid.shape[0])
    finest = np.pi / grid.spacing * np.minimum(0.9 * points / count, 1.0)
    noise[waves[:, None] > finest] = np.inf
    return ModeData(values, noise, waves, grid.spans, grid.spacing)


@dataclass(frozen=True, slots=True, eq=False)
class GridPosterior:
    """Posterior on the nodes.

    ``height`` (n_frames, n_nodes); ``variances`` and ``step_variances`` (n_modes, n_frames) of the
    modes and of their central differences; ``waves`` their wave numbers; ``local`` (n_frames,
    n_nodes) factor of the variances where a place was seen better or worse than its frame.
    """

    height: Floats
    variances: Floats
    step_variances: Floats
    waves: Floats
    local: Floats


def solve_grid(
    grid: WallGrid,
    prior: WallPrior,
    uniform: tuple[float, float],
    speeds: Floats,
    *,
    variances: bool = True,
    close: float = CLOSE_ENOUGH,
) -> GridPosterior:
    """Return the posterior of the wall on the nodes.

    Even noise would make the modes independent; uneven weights are taken in by iteration (each
    step solves the problem of even noise for data completed by the last estimate), which ends at
    the exact mean. Variances are those of even noise, corrected for the weight near each node.
    """
    frames, count = grid.shape
    waves = wave_numbers(count, grid.spacing, grid.closed)
    power, rates = mode_strengths(prior, waves, grid.spacing, uniform)
    mean = grid.frame_weight()
    even = np.maximum(mean, grid.lumped.max(axis=1) / 1.9)
    noise = mode_noise(grid, even, count)
    scale = np.where(even > 0, 1.0 / np.maximum(even, 1e-300), 0.0)[:, None]
    means = np.empty((count, frames))
    # the uniform mode keeps the clock's time: it is its speed that the others' memory follows
    parts = ((slice(0, 1), grid.spans), (slice(1, None), memory_spans(grid.spans, speeds, prior)))

    def improve(field: Floats) -> Floats:
        rest = grid.gather(grid.weight * (grid.height - grid.at_points(field)))
        modes = to_modes(field + scale * rest, grid.closed)
        for own, spans in parts:
            mode_means(
                modes[own], noise[own], spans, power[own], rates[own], prior.gliding, means[own]
            )
        return from_modes(means, grid.closed)

    tolerance = close / np.sqrt(max(mean.max(), 1e-300))
    height = _fixed_point(improve, filled_heights(grid), grid.lumped > 0, tolerance)
    spread, steps = np.zeros((count, frames)), np.zeros((count, frames))
    if not variances:
        return GridPosterior(height, spread, steps, waves, np.ones(grid.shape))
    noise = mode_noise(grid, mean, count)
    for own, spans in parts:
        mode_variances(
            noise[own], spans, power[own], rates[own], prior.gliding, spread[own], steps[own]
        )
    return GridPosterior(height, spread, steps, waves, _local_factor(grid, mean, spread))


def _fixed_point(
    improve: Callable[[Floats], Floats], start: Floats, seen: NDArray[np.bool_], tolerance: float
) -> Floats:
    """Iterate to a fixed point with Anderson's acceleration."""
    point, moves, gains = start, [], []
    previous: tuple[Floats, Floats] | None = None
    for _ in range(MOST_ITERATIONS):
        image = improve(point)
        rest = image - point
        if np.sqrt(np.mean(rest[seen] ** 2)) < tolerance:
            return np.asarray(image)
        if previous is not None:
            moves.append((image - previous[0]).ravel())
            gains.append((rest - previous[1]).ravel())
            moves, gains = moves[-MEMORY:], gains[-MEMORY:]
        previous = image, rest
        point = image
        if gains:
            basis = np.stack(gains)
            gram = basis @ basis.T
            gram[np.diag_indices(len(gram))] *= 1 + 1e-10
            mix = np.linalg.lstsq(gram, basis @ rest.ravel(), rcond=None)[0]
            point = image - (mix @ np.stack(moves)).reshape(image.shape)
    return np.asarray(previous[0] if previous is not None else start)


def _local_factor(grid: WallGrid, mean: Floats, variances: Floats) -> Floats:
    """Factor of the variance where the weight near a node differs from its frame's mean.

    The smoother's own kernel (its gain, mode by mode) says what is near.
    """
    gain = variances / np.maximum(variances[1:].max(axis=0), 1e-300)
    gain[0] = 1.0
    near = from_modes(to_modes(grid.lumped, grid.closed) * gain, grid.closed)
    relative = np.where(mean[:, None] > 0, near / np.maximum(mean[:, None], 1e-300), 1.0)
    # information from other frames and the prior softens the dependence on this frame's weight
    return np.asarray(np.clip(relative, 0.2, 5.0) ** -SOFTNESS)


SOFTNESS = 0.75
