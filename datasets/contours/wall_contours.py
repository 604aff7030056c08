"""Sub-pixel contours of a frame: seeds on the smoothed frame, a tanh fit along the normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.contours.contour_kernels import (
    collect_pixels,
    fit_offsets,
    forget_pixels,
    offset_covariance,
    step_heights,
)
from physlearn.datasets.contours.curve_kernels import curvature_errors, lay_curves, move_curves
from physlearn.datasets.contours.zero_line_kernels import trace_lines
from physlearn.datasets.frames.frame_kernels import smooth_blocks
from physlearn.datasets.frames.scaled_film import ScaledFrame

__all__ = ["Contour", "ContourFinder", "FrameFit", "WallModel"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

BLOCK_PIXEL = 2
REACH_WIDTHS = 3.0
COVARIANCE_LAGS = 8
LEAST_INFORMATION = 0.3
LEAST_STEP = 1.0
STEP_WINDOW = 7
LEAST_POINTS = 6
STEPS = (2, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One wall in one frame; lengths in pixels.

    Attributes
    ----------
    points, normals
        Shape (n, 2): x, y and the unit normals from the positive to the negative domain.
    curvature, curvature_error, arc_length, normal_error
        Shape (n,).
    correlation_length
        Length of wall per independent error.
    length
        Length of the smooth wall (of a closed one: its perimeter).
    closed
        Whether the wall closes on itself.
    """

    points: Floats
    normals: Floats
    curvature: Floats
    curvature_error: Floats
    arc_length: Floats
    normal_error: Floats
    correlation_length: float
    length: float
    closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class WallModel:
    """What the fit must know; lengths in pixels.

    ``noise_lags`` (m, 3): row and column difference and autocorrelation of the pixel noise.
    """

    width: float
    noise_sd: float
    noise_lags: Floats
    seed_scale: float
    spacing: float
    smoothing: float
    shortest: float


@dataclass(frozen=True, slots=True, eq=False)
class FrameFit:
    """All contour points of a frame with their pixels and fitted offsets.

    ``nodes`` (n, 5): x, y, normal, curvature of the curves that offsets count from; line k holds
    the points ``starts[k]`` to ``starts[k + 1]``. ``places`` (m, 3): row, column and point of each
    pixel; ``pixels`` (m, 2): distance from the curve and value. ``residual``: sum of the squared
    residuals and their number.
    """

    nodes: Floats
    starts: Integers
    closed: Mask
    arc: Floats
    lengths: Floats
    places: Integers
    pixels: Floats
    offsets: Floats
    information: Floats
    residual: Floats
    good: Mask


class ContourFinder:
    """Working space for the frames of one film, and the fit of one frame.

    Parameters
    ----------
    seen
        Pixels in view, shape (n_rows, n_columns).
    """

    def __init__(self, seen: Mask) -> None:
        rows, columns = seen.shape
        self.shape = rows, columns
        self.seen = np.ascontiguousarray(seen)
        blocks = -(-rows // BLOCK_PIXEL), -(-columns // BLOCK_PIXEL)
        self.smooth = np.empty(blocks)
        self.weight = np.empty(blocks)
        self.visited = np.zeros((*blocks, 2), np.uint8)
        edges = 2 * blocks[0] * blocks[1]
        self.line = np.empty((edges, 2))
        self.points = np.empty((edges, 2))
        self.ends = np.zeros(blocks[0] * blocks[1] // 4 + 2, np.int64)
        self.closed = np.zeros(len(self.ends), np.bool_)
        self.nearest = np.full(seen.shape, np.inf)
        self.owner = np.full(seen.shape, -1, np.int64)
        self.places = np.empty((seen.size, 3), np.int64)
        self.pixels = np.empty((seen.size, 2))
        self.slope = np.zeros(seen.shape)

    def smooth_frame(self, frame: ScaledFrame, scale: float) -> tuple[Floats, Mask]:
        """Smoothed frame at blocks of 2 x 2 pixels, and the blocks in view."""
        taps = _taps(np.sqrt(max(scale**2 - 0.25, 0.04)) / BLOCK_PIXEL)
        half, (rows, columns) = len(taps) - 1, self.smooth.shape
        padded, across = np.zeros(columns + 2 * half), np.zeros((rows + 2 * half, columns))
        smooth_blocks(frame.sums, taps, padded, across, self.smooth)
        smooth_blocks(frame.counts, taps, padded, across, self.weight)
        known = frame.counts > 0.5
        with np.errstate(invalid="ignore", divide="ignore"):
            smooth = np.where(known, self.smooth / self.weight, 0.0)
        return smooth, known

    def seed(self, frame: ScaledFrame, model: WallModel) -> tuple[Floats, Integers, Mask, Floats]:
        """Zero lines of the smoothed frame (points, ends, closed), and that frame at blocks."""
        smooth, known = self.smooth_frame(frame, model.seed_scale)
        self.visited.fill(0)
        count = trace_lines(
            smooth, known, model.shortest / BLOCK_PIXEL, self.visited, self.line, self.points,
            self.ends, self.closed,
        )  # fmt: skip
        points = self.points[: self.ends[count]] * BLOCK_PIXEL + 0.5 * (BLOCK_PIXEL - 1)
        return points, self.ends[: count + 1].copy(), self.closed[:count].copy(), smooth

    def fit(
        self, frame: ScaledFrame, model: WallModel, points: Floats, ends: Integers, closed: Mask
    ) -> FrameFit | None:
        """Fit the walls twice: about the smoothed seeds, then about the smoothed first fit."""
        if not len(closed):
            return None
        found = self._fit_once(frame, model, points, ends, closed, first=True)
        moved = np.empty((len(found.nodes), 2))
        move_curves(found.nodes, found.offsets, found.good, moved)
        return self._fit_once(frame, model, moved, found.starts, closed, first=False)

    def _fit_once(
        self, frame: ScaledFrame, model: WallModel, points: Floats, ends: Integers, closed: Mask,
        *, first: bool,
    ) -> FrameFit:  # fmt: skip
        # seeds lie up to 2 sqrt(2) pixels apart
        room = int((3.0 if first else 1.5) * len(points) / min(model.spacing, 1.0))
        starts, lengths = np.zeros(len(closed) + 1, np.int64), np.empty(len(closed))
        laid = -1
        while laid < len(closed):
            room = 2 * room if laid >= 0 else room + 16 * len(closed)
            nodes, arc = np.empty((room, 5)), np.empty(room)
            laid = lay_curves(
                points, ends, closed, model.spacing, model.smoothing, first, nodes, arc, starts,
                lengths,
            )  # fmt: skip
        n = int(starts[-1])
        nodes, arc = nodes[:n], arc[:n]
        count = collect_pixels(
            nodes, 0.5 * model.spacing, REACH_WIDTHS * model.width + 1.0, frame.pixels,
            self.nearest, self.owner, self.places, self.pixels,
        )  # fmt: skip
        places, pixels = self.places[:count], self.pixels[:count]
        offsets, information, residual = np.zeros(n), np.zeros(n), np.zeros(2)
        fit_offsets(
            places, pixels, count, model.width, STEPS[0] if first else STEPS[1], offsets,
            information, residual,
        )  # fmt: skip
        if first:
            forget_pixels(places, count, self.owner)
        full = 4.0 / (3.0 * model.width) * model.spacing
        good = (information > LEAST_INFORMATION * full) & (np.abs(offsets) < 2.0 * model.width)
        return FrameFit(
            nodes, starts, closed, arc, lengths, places, pixels, offsets, information, residual,
            good,
        )  # fmt: skip

    def contours(self, model: WallModel, fit: FrameFit) -> list[Contour]:
        """Walls with their errors; call it before the next fit, which uses the same space."""
        n, count = len(fit.nodes), len(fit.places)
        covariance = np.zeros((n, COVARIANCE_LAGS))
        if len(model.noise_lags) > 1:
            offset_covariance(
                fit.places, fit.pixels, count, self.owner, model.width, fit.offsets,
                fit.information, model.noise_lags, self.slope, covariance,
            )  # fmt: skip
        else:
            with np.errstate(divide="ignore"):
                covariance[:, 0] = 1.0 / fit.information
        heights = np.empty(n)
        step_heights(
            fit.places, fit.pixels, count, model.width, fit.offsets, fit.starts, fit.closed,
            STEP_WINDOW, heights,
        )  # fmt: skip
        forget_pixels(fit.places, count, self.owner)
        keep = fit.good & (heights > LEAST_STEP) & (covariance[:, 0] > 0)
        bends = np.empty(n)
        curvature_errors(covariance, keep, fit.starts, fit.closed, fit.lengths, model.smoothing,
                         bends)  # fmt: skip
        points = fit.nodes[:, :2] + fit.offsets[:, None] * fit.nodes[:, 2:4]
        result = []
        for line in range(len(fit.closed)):
            own = slice(int(fit.starts[line]), int(fit.starts[line + 1]))
            kept = keep[own]
            if kept.sum() < LEAST_POINTS:
                continue
            covered = covariance[own][kept]
            closed = bool(fit.closed[line])
            mean = covered.mean(axis=0)
            step = fit.lengths[line] / max(len(kept) - (not closed), 1)
            together = max(1.0, 1.0 + 2.0 * float(mean[1:].sum() / mean[0]))
            result.append(
                Contour(
                    points=points[own][kept],
                    normals=fit.nodes[own, 2:4][kept],
                    curvature=fit.nodes[own, 4][kept],
                    curvature_error=model.noise_sd * bends[own][kept],
                    arc_length=fit.arc[own][kept],
                    normal_error=model.noise_sd * np.sqrt(covered[:, 0]),
                    correlation_length=step * together,
                    length=float(fit.lengths[line]),
                    closed=closed and bool(kept.mean() > 0.9),
                )
            )
        return result


def _taps(sigma: float) -> Floats:
    """Half of a Gaussian filter, middle first."""
    places = np.arange(int(3.5 * sigma + 0.5) + 1)
    taps = np.exp(-0.5 * (places / sigma) ** 2)
    return np.asarray(taps / (taps[0] + 2.0 * taps[1:].sum()), dtype=np.float64)
