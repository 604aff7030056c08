"""An open wall in a frozen pinning field: residuals, tangent and adjoint in whitened unknowns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.inference.fronts.wall_runs import WallRun
from physlearn.inference.pinning.pinning_kernels import adjoint_line, forward_line, tangent_line

__all__ = ["PinnedLine", "height_table"]

Floats = NDArray[np.float64]

MARGIN_NODES = 4
KNOTS_PER_NODE = 2
BEYOND = 3.0
AHEAD = 0.3
LEAST_EIGENVALUE = 1e-3
START_SD_ERRORS = 3.0


def height_table(run: WallRun, places: Floats) -> Floats:
    """Heights of every frame on a grid of places by local means, NaN where nothing is near."""
    step = places[1] - places[0]
    table = np.full((run.frames.size, places.size), np.nan)
    for frame in np.unique(run.frame):
        rows = run.frame == frame
        order = np.argsort(run.place[rows])
        place, value = run.place[rows][order], run.value[rows][order]
        found = np.interp(places, place, value)
        outside = (places < place[0] - step) | (places > place[-1] + step)
        table[frame] = np.where(outside, np.nan, found)
    return table


def _root(size: int, step: float, length: float) -> Floats:
    """Square root of the Gaussian correlation on an even grid, (size, rank)."""
    away = step * np.arange(size)
    matrix = np.exp(-0.5 * ((away[:, None] - away[None]) / length) ** 2)
    values, vectors = np.linalg.eigh(matrix)
    keep = values > LEAST_EIGENVALUE * values[-1]
    return np.ascontiguousarray(vectors[:, keep] * np.sqrt(values[keep]))


class PinnedLine:
    """Law: v_n = speed design(t) + pinning(x, u) - mobility curvature, a line of heights u(x).

    Unknowns, each standard normal a priori: the start's departures from the first heights, the
    white numbers behind the pinning field, and the departure of the speed.
    """

    def __init__(
        self, run: WallRun, force: Floats, times: Floats, *, steep: bool, largest_mobility: float
    ) -> None:
        self.run, self.steep = run, float(steep)
        self.spacing = run.spacing
        low, high = run.place.min(), run.place.max()
        n = int(np.ceil((high - low) / self.spacing)) + 1 + 2 * MARGIN_NODES
        self.places = low - MARGIN_NODES * self.spacing + self.spacing * np.arange(n)
        self.table = height_table(run, self.places)
        self.times = times[run.frames]
        late = run.time.max() > self.times[-1] + 1e-9
        if late:
            self.times = np.append(self.times, run.time.max())
        self.force = np.ascontiguousarray(force[run.frames][: self.times.size - 1])
        self.intervals = np.diff(self.times)
        rate = 4.0 * largest_mobility / self.spacing**2
        self.counts = np.maximum(np.ceil(self.intervals * rate), 3).astype(np.int64)
        self.step = self.spacing / KNOTS_PER_NODE
        # What lies ahead is part of the map: there its draws are those of the prior
        beyond = max(BEYOND * self.spacing, AHEAD * float(np.ptp(run.value)))
        self.low = float(run.value.min()) - beyond
        self.n_knots = (
            int(np.ceil((run.value.max() + BEYOND * self.spacing - self.low) / self.step)) + 2
        )
        self.heights = self.low + self.step * np.arange(self.n_knots)
        self.first = _filled(self.table)
        error = float(np.median(run.error))
        self.start_sd = START_SD_ERRORS * error
        self._observe(error)

    def _observe(self, error: float) -> None:
        """Lay out which nodes and frames every point sees, standardised by its error."""
        run, n = self.run, self.places.size
        at = (run.place - self.places[0]) / self.spacing
        left = np.clip(np.floor(at).astype(int), 0, n - 2)
        share = at - left
        slope = np.gradient(_filled_frames(self.table), self.spacing, axis=1)
        facing = 1.0 / np.hypot(1.0, slope[run.frame, left])
        weight = facing / run.error
        last = self.times.size - 2
        before = np.clip(np.searchsorted(self.times, run.time, side="right") - 1, 0, last)
        late = (run.time - self.times[before]) / self.intervals[before]
        rows = np.tile(np.arange(run.value.size), 4)
        columns = np.concatenate([
            (before + k) * n + left + j for k in (0, 1) for j in (0, 1)
        ])  # fmt: skip
        parts = np.concatenate([
            a * b * weight for a in (1 - late, late) for b in (1 - share, share)
        ])  # fmt: skip
        shape = (run.value.size, self.times.size * n)
        self.sees = sparse.csr_array((parts, (rows, columns)), shape=shape)
        self.sees_back = self.sees.T.tocsr()
        self.data = run.value * weight
        self.frame_of_point = np.maximum(before, run.frame)
        self.error = error

    def choose(
        self, speed: tuple[float, float], mobility: float, strength: float, length: float
    ) -> None:
        """Set the prior: speed's mean and sd, the usual mobility, the field's rms and length."""
        self.speed, self.mobility = speed, mobility
        self.strength = strength
        self.along = _root(self.places.size, self.spacing, length)
        self.up = _root(self.n_knots, self.step, length)
        self.n_white = self.along.shape[1] * self.up.shape[1]
        self.size = self.places.size + self.n_white + 1

    def whiten(self, start: Floats, field: Floats, speed: float) -> Floats:
        """Unknowns that give these heights, field and speed (the field's rough part is lost)."""
        back = [root / (root**2).sum(axis=0) for root in (self.along, self.up)]
        white = back[0].T @ field @ back[1] / self.strength
        departure = (start - self.first) / self.start_sd
        return np.concatenate([departure, white.ravel(), [(speed - self.speed[0]) / self.speed[1]]])

    def unpack(self, theta: Floats) -> tuple[Floats, Floats, float]:
        """Start heights, field (n, n_knots) and speed."""
        n = self.places.size
        white = theta[n : n + self.n_white].reshape(self.along.shape[1], -1)
        field = self.strength * (self.along @ white @ self.up.T)
        speed = self.speed[0] + self.speed[1] * theta[-1]
        return self.first + self.start_sd * theta[:n], field, float(speed)

    def run_path(self, theta: Floats) -> Floats:
        """Heights after every step, kept for tangent and adjoint."""
        start, field, speed = self.unpack(theta)
        path = np.empty((int(self.counts.sum()) + 1, start.size))
        self._drives = speed * self.force
        self._field = np.ascontiguousarray(field)
        forward_line(
            start, self._drives, self.counts, self.intervals, self._field, self.low, self.step,
            self.mobility, self.spacing, self.steep, path,
        )  # fmt: skip
        self._path = path
        return path

    def frames(self, theta: Floats) -> Floats:
        """Heights at the frames, (n_frames, n)."""
        ends = np.concatenate([[0], np.cumsum(self.counts)])
        result: Floats = self.run_path(theta)[ends]
        return result

    def residuals(self, theta: Floats) -> Floats:
        """Standardised distances of the points from the line."""
        result: Floats = (self.data - self.sees @ self.frames(theta).ravel()) * self.used
        return result

    def until(self, frame: int) -> None:
        """Use the points up to a frame only."""
        self.used = (self.frame_of_point <= frame).astype(float)

    def tangent(self, change: Floats) -> Floats:
        """Change of the standardised heights for a change of the unknowns, about the last path."""
        n = self.places.size
        white = change[n : n + self.n_white].reshape(self.along.shape[1], -1)
        field = np.ascontiguousarray(self.strength * (self.along @ white @ self.up.T))
        frames = np.empty((self.times.size, n))
        tangent_line(
            self._path, self.start_sd * change[:n], self._drives,
            self.speed[1] * change[-1] * self.force, self.counts, self.intervals, self._field,
            field, self.low, self.step, self.mobility, 0.0,
            self.spacing, self.steep, frames,
        )  # fmt: skip
        result: Floats = (self.sees @ frames.ravel()) * self.used
        return result

    def adjoint(self, force: Floats) -> Floats:
        """Transpose of `tangent`."""
        n = self.places.size
        frames = (self.sees_back @ (force * self.used)).reshape(self.times.size, n)
        field, drives, back = np.zeros_like(self._field), np.zeros(self.intervals.size), np.empty(n)
        adjoint_line(
            self._path, frames, self._drives, self.counts, self.intervals, self._field, self.low,
            self.step, self.mobility, self.spacing, self.steep, field, drives, back,
        )  # fmt: skip
        white = self.strength * (self.along.T @ field @ self.up)
        push = self.speed[1] * float(drives @ self.force)
        return np.concatenate([self.start_sd * back, white.ravel(), [push]])


def _filled(table: Floats) -> Floats:
    """Heights of the first frame on all nodes: what it lacks from later frames or the ends."""
    first = table[0]
    seen = np.isfinite(first)
    filled = np.interp(np.arange(first.size), np.flatnonzero(seen), first[seen])
    return np.asarray(filled, dtype=np.float64)


def _filled_frames(table: Floats) -> Floats:
    """Heights of all frames on all nodes; a frame without points repeats the one before."""
    result = table.copy()
    for index, row in enumerate(result):
        seen = np.isfinite(row)
        if seen.sum() > 1:
            result[index] = np.interp(np.arange(row.size), np.flatnonzero(seen), row[seen])
        else:
            result[index] = result[max(index - 1, 0)]
    return result
