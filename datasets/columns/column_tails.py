"""Columns whose tails one Gaussian does not hold: a second, wider one common to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.columns import background_kernels, column_kernels
from physlearn.datasets.columns.column_covariance import ColumnCovariance
from physlearn.datasets.columns.column_finish import finish, measure_errors
from physlearn.datasets.columns.column_fit import ColumnFit, Report
from physlearn.datasets.columns.joint_step import refit
from physlearn.datasets.columns.noise_left import noise_left

__all__ = ["CommonTail", "finish_with_tails", "fit_tails"]

Floats = NDArray[np.float64]
MOST_ROUNDS = 20
MOST_FINISHES = 3
SETTLED_HEIGHT, SETTLED_WIDTHS = 0.002, 0.01
START_WIDTHS = (1.5, 2.0, 2.5, 3.0)
WIDTHS_RANGE = (1.25, 4.0)
LARGEST_HEIGHT = 1.0
LARGEST_WIDTHS_STEP = 0.15
LEAST_CLEAR = 4.0
"""Standard errors that the tail's height must have to be kept."""
RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class CommonTail:
    """A column's picture is amplitude x (exp(-r^2/2w^2) + height exp(-r^2/2(widths w)^2))."""

    height: float
    widths: float
    height_sd: float

    @property
    def volume(self) -> float:
        """What the tail adds to a column's volume, as a share of its core's."""
        return self.height * self.widths**2


def finish_with_tails(
    fit: ColumnFit, report: Report, warnings: list[str]
) -> tuple[ColumnCovariance, Floats, CommonTail | None]:
    """Fit the common tail and drop the columns that only stood for it, until none goes."""
    tail: CommonTail | None = None
    for _ in range(MOST_FINISHES):
        before = len(fit.columns)
        tail = fit_tails(fit, float(noise_left(fit)[1][2]))
        if tail is None:
            warnings.append("the columns show no common tail: they were fitted as one Gaussian.")
        covariance, correlation = finish(fit, report)
        if tail is None or len(fit.columns) == before:
            return covariance, correlation, tail
    if tail is not None:
        draw_tails(fit, tail)
    covariance, correlation = measure_errors(fit)
    return covariance, correlation, tail


def fit_tails(fit: ColumnFit, inflation: float = 1.0) -> CommonTail | None:
    """Fit the tail common to all columns, and the columns with it; None where there is none.

    By turns: the tail's height and width with all cores' amplitudes and widths common (weighted
    least squares, the background's nodes projected out), then all columns with the tails drawn
    as known light. ``inflation``: what correlated pixels multiply variances with.
    """
    if len(fit.columns) == 0:
        return None
    tail = _first(fit, inflation)
    for _ in range(MOST_ROUNDS):
        if tail.height <= 0.0:
            break
        draw_tails(fit, tail)
        refit(fit, max(2, fit.options.max_sweeps // 4))
        draw_tails(fit, tail)
        last, tail = tail, _step(fit, tail, inflation)
        if (
            abs(tail.height - last.height) < SETTLED_HEIGHT
            and abs(tail.widths - last.widths) < SETTLED_WIDTHS
        ):
            break
    if tail.height < LEAST_CLEAR * tail.height_sd or tail.height <= 0.0:
        fit.known = np.empty((0, 0))
        fit.rebuild()
        refit(fit, max(2, fit.options.max_sweeps // 4))
        return None
    draw_tails(fit, tail)
    refit(fit, max(2, fit.options.max_sweeps // 4))
    return tail


def draw_tails(fit: ColumnFit, tail: CommonTail) -> None:
    """Put the tails of the present columns under the model."""
    known = np.zeros(fit.image.shape)
    column_kernels.add_columns(known, _wide(fit, tail), fit.options.reach_widths, fit.sign)
    fit.known = known
    fit.rebuild()


def _wide(fit: ColumnFit, tail: CommonTail) -> Floats:
    """Return the tails as columns of their own."""
    columns = fit.columns + np.array([0.0, 0.0, np.log(tail.height), np.log(tail.widths)])
    return np.asarray(columns, dtype=np.float64)


def _first(fit: ColumnFit, inflation: float) -> CommonTail:
    """Return the tail that the residual of the round fit asks for, of some widths the best."""
    best, most = CommonTail(0.0, START_WIDTHS[0], np.inf), 0.0
    for widths in START_WIDTHS:
        pictures = [_tail_picture(fit, 1.0, widths)[0], *_core_pictures(fit)]
        values, covariance, gain = _least_squares(fit, pictures)
        if gain > most and values[0] > 0.0:
            height = min(float(values[0]), 0.5 * LARGEST_HEIGHT)
            best = CommonTail(height, widths, float(np.sqrt(covariance[0, 0] * inflation)))
            most = gain
    return best


def _step(fit: ColumnFit, tail: CommonTail, inflation: float) -> CommonTail:
    """Return the tail after one Gauss-Newton step with all cores' amplitudes and widths common."""
    picture, slope = _tail_picture(fit, tail.height, tail.widths)
    height_part = picture / tail.height
    tail_and_core = _core_pictures(fit)
    tail_and_core[0] = tail_and_core[0] + picture
    tail_and_core[1] = tail_and_core[1] + slope
    values, covariance, _ = _least_squares(fit, [height_part, slope, *tail_and_core])
    height = float(np.clip(tail.height + values[0], 0.3 * tail.height, LARGEST_HEIGHT))
    if tail.height + values[0] <= 0.0 and tail.height < SETTLED_HEIGHT:
        height = 0.0
    grown = float(np.clip(values[1], -LARGEST_WIDTHS_STEP, LARGEST_WIDTHS_STEP))
    widths = float(np.clip(tail.widths * np.exp(grown), *WIDTHS_RANGE))
    fit.columns[:, 2] += np.clip(values[2], -0.3, 0.3)
    fit.columns[:, 3] += np.clip(values[3], -0.05, 0.05)
    return CommonTail(height, widths, float(np.sqrt(covariance[0, 0] * inflation)))


def _tail_picture(fit: ColumnFit, height: float, widths: float) -> tuple[Floats, Floats]:
    """Return the tails' picture and its derivative by the log of their width."""
    shift = 1e-3
    pictures = []
    for grown in (-shift, shift):
        tail = CommonTail(height, widths * float(np.exp(grown)), 0.0)
        picture = np.zeros(fit.image.shape)
        column_kernels.add_columns(picture, _wide(fit, tail), fit.options.reach_widths, fit.sign)
        pictures.append(picture)
    return 0.5 * (pictures[0] + pictures[1]), (pictures[1] - pictures[0]) / (2.0 * shift)


def _core_pictures(fit: ColumnFit) -> list[Floats]:
    """Return the derivatives of the model by the cores' common log amplitude and log width."""
    shift = 1e-3
    pictures = []
    for grown in (-shift, shift):
        picture = np.zeros(fit.image.shape)
        columns = fit.columns + np.array([0.0, 0.0, 0.0, grown])
        column_kernels.add_columns(picture, columns, fit.options.reach_widths, fit.sign)
        pictures.append(picture)
    return [0.5 * (pictures[0] + pictures[1]), (pictures[1] - pictures[0]) / (2.0 * shift)]


def _least_squares(fit: ColumnFit, pictures: list[Floats]) -> tuple[Floats, Floats, float]:
    """Return weighted least squares of the residual on pictures, the background projected out."""
    free = [_without_background(fit, picture) for picture in pictures]
    weighted = [part * fit.weight for part in free]
    matrix = np.array([[float((a * b).sum()) for b in weighted] for a in free])
    residual = fit.image - fit.model
    right = np.array([float((residual * part).sum()) for part in weighted])
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    inverse = np.linalg.inv(matrix * scale[:, None] * scale + RIDGE * np.eye(len(scale)))
    inverse = inverse * scale[:, None] * scale
    values = inverse @ right
    return values, inverse, float(right @ values)


def _without_background(fit: ColumnFit, picture: Floats) -> Floats:
    """Return the picture less its weighted fit by the background's nodes."""
    zero = np.zeros_like(picture)
    matrix, right = np.empty((*fit.nodes.shape, 5)), np.empty(fit.nodes.shape)
    background_kernels.normal_equations(picture, zero, fit.weight, matrix, right)
    step = np.empty_like(right)
    scale = np.ascontiguousarray(matrix[:, :, 0])
    matrix[:, :, 0] += RIDGE * np.median(scale)
    background_kernels.solve_nodes(matrix, right, scale, 60, step)
    background_kernels.add_background(zero, step)
    return picture - zero
