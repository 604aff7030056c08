"""The picture's own say on its row shifts: columns and rows fitted on the raw pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.columns.noise import (
    fit_pixel_variance,
    joint_variance_inflation,
    residual_autocorrelation,
)
from physlearn.datasets.scan.row_model import RowProblem
from physlearn.datasets.scan.scan_kernels import (
    column_statistics,
    column_steps,
    draw_columns,
    row_precision,
)

__all__ = ["Picture", "ShiftedFit", "quadratic_of", "start_fit"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
REACH_WIDTHS = 4.0
BACKGROUND_WIDTHS = 12.0
BACKGROUND_STEPS = 4
SMALLEST_VARIANCE = 0.02
COLUMN_TIES = np.array([1.0 / 9.0, 1.0 / 9.0, 0.0, 0.0])
GUEST_TIES = np.array([0.3**-2, 0.3**-2, 1.0, 0.1**-2])
"""Precisions that keep a column from running away: x, y (pixels), log amplitude and log width."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture turned so that its columns are bright (``sign`` -1: they were dark).

    ``usable`` flags the pixels that count; ``row_levels`` says that each row has its own offset.
    """

    image: Floats
    usable: Flags
    sign: float = 1.0
    row_levels: bool = False


@dataclass(slots=True)
class ShiftedFit:
    """Columns (x, y, log amplitude, log width) and row shifts on a picture, in pixels."""

    picture: Picture
    columns: Floats
    shift: Floats
    noise: Floats
    widths: Floats
    tents: tuple[Floats, Floats]
    nodes: Floats
    model: Floats
    slope: Floats
    anchors: Floats
    ties: Floats
    levels: Floats

    @property
    def image(self) -> Floats:
        """The picture's values, columns bright."""
        return self.picture.image

    @property
    def window(self) -> int:
        """Rows that the tallest column's window may cross."""
        tallest = float(np.exp(self.columns[:, 3].max())) if len(self.columns) else 1.0
        return int(np.ceil(2 * REACH_WIDTHS * tallest)) + 2

    def draw(self) -> None:
        """Draw model and slope anew."""
        ground = self.tents[0] @ self.nodes @ self.tents[1].T + self.levels[:, None]
        self.model = np.ascontiguousarray(ground)
        self.slope = np.zeros_like(self.model)
        draw_columns(self.model, self.slope, self.columns, self.shift, REACH_WIDTHS)

    def variance(self) -> Floats:
        """Return the variance of each pixel."""
        return np.asarray(np.maximum(self.noise[0] + self.noise[1] * self.model, self.noise[2]))

    def weight(self) -> Floats:
        """Return one over the variance of each pixel, zero where it does not count."""
        return np.asarray(self.picture.usable / self.variance())

    def refit(self, n_sweeps: int, tolerance: float = 0.02) -> None:
        """Fit columns and background by turns, the row shifts held."""
        for _ in range(n_sweeps):
            self.draw()
            self._background()
            moved = column_steps(
                self.image, self.picture.usable, self.model, self.columns, self.shift, self.noise,
                REACH_WIDTHS, self.window, self.widths, self.anchors, self.ties,
            )  # fmt: skip
            if moved < tolerance:
                break
        self.draw()

    def refit_noise(self, kind: str) -> None:
        """Fit the noise model to what the straightened columns leave."""
        n_parameters = 4 * len(self.columns) + self.nodes.size + len(self.shift)
        good, sign = self.picture.usable, self.picture.sign
        residual, mean = (self.image - self.model)[good], sign * self.model[good]
        # the gain belongs to the picture as it was taken, dark columns dark
        self.noise = fit_pixel_variance(residual, mean, kind, n_parameters) * [1.0, sign, 1.0]

    def inflation(self, kind: str) -> Floats:
        """Return what correlated pixels multiply the columns' variances with, shape (4,)."""
        scaled = (self.image - self.model) * np.sqrt(self.weight())
        typical = np.median(self.columns, axis=0)
        shape = (float(np.exp(typical[3])), float(np.exp(typical[2])), float(np.median(self.nodes)))
        correlation, level = residual_autocorrelation(scaled, len(self.columns), shape, self.noise)
        # pixels left out leave zeros behind
        level /= float(self.picture.usable.mean())
        factor = joint_variance_inflation(correlation, self.weight(), self.columns)
        return np.asarray(factor * (1.0 if kind == "poisson" else max(1.0, level)))

    def _background(self) -> None:
        """Move the background's nodes by damped weighted residuals."""
        one, two = self.tents
        for _ in range(BACKGROUND_STEPS):
            weight = self.weight()
            # a node that sees no pixel that counts stays
            total = np.maximum(one.T @ weight @ two, 1e-300)
            step = (one.T @ (weight * (self.image - self.model)) @ two) / total
            self.nodes += step
            self.model += one @ step @ two.T
            if self.picture.row_levels:
                rise = (weight * (self.image - self.model)).sum(axis=1)
                rise /= np.maximum(weight.sum(axis=1), 1e-300)
                self.levels += rise
                self.model += rise[:, None]


def _tents(length: int, spacing: float) -> Floats:
    """Return the tent functions (length, nodes) of evenly spaced nodes."""
    count = max(2, round((length - 1) / spacing) + 1)
    places = np.arange(length) * (count - 1) / (length - 1)
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(count))))


def start_fit(
    picture: Picture, columns: Floats, guests: Floats, shift: Floats, noise: tuple[float, float]
) -> ShiftedFit:
    """Return a fit that starts at given columns and row shifts; ``guests`` stand outside.

    ``noise`` is offset and gain of the picture as it was taken.
    """
    image, good = picture.image, picture.usable
    noise = (noise[0], picture.sign * noise[1])
    width = float(np.median(columns[:, 3]))
    spacing = max(24.0, BACKGROUND_WIDTHS * float(np.exp(width)))
    tents = (_tents(image.shape[0], spacing), _tents(image.shape[1], spacing))
    level = float(np.median(np.maximum(noise[0] + noise[1] * image[good], 0.0)))
    typical = np.array([noise[0], noise[1], max(SMALLEST_VARIANCE * level, 1e-12)])
    nodes = np.full((tents[0].shape[1], tents[1].shape[1]), float(np.quantile(image[good], 0.1)))
    levels = np.zeros(len(image))
    if picture.row_levels:
        low = np.nanquantile(np.where(good, image, np.nan)[good.any(axis=1)], 0.1, axis=1)
        levels[good.any(axis=1)] = low - nodes[0, 0]
    limits = np.array([width - 0.6, width + 0.6])
    empty = np.empty((0, 0))
    ties = np.tile(COLUMN_TIES, (len(columns), 1))
    if len(guests):
        # columns outside the picture reach into it; they stay near where the lattice puts them
        columns = np.ascontiguousarray(np.concatenate([columns, guests]))
        ties = np.concatenate([ties, np.tile(GUEST_TIES, (len(guests), 1))])
    fit = ShiftedFit(
        picture, np.array(columns), np.array(shift), typical, limits, tents, nodes, empty, empty,
        np.array(columns), ties, levels,
    )  # fmt: skip
    fit.draw()
    return fit


def quadratic_of(
    fit: ShiftedFit, away: Floats, design: Floats, on_lattice: NDArray[np.bool_], inflation: Floats
) -> tuple[RowProblem, Floats]:
    """Return the log-likelihood's quadratic in columns' x and rows; and (n, 4, 4) covariances.

    y, amplitude, width and a local background are eliminated from each column; ``inflation`` is
    what correlated pixels multiply variances with.
    """
    scores, informations, shared, first = column_statistics(
        fit.image, fit.picture.usable, fit.model, fit.columns, fit.shift, fit.noise,
        REACH_WIDTHS, fit.window,
    )  # fmt: skip
    # a column that faded away tells nothing: a whisper of the brightest keeps it invertible
    diagonal = np.einsum("kaa->ka", informations)
    whisper = 1e-6 * diagonal + 1e-9 * diagonal.max(axis=0)
    informations = informations + np.einsum("ka,ab->kab", whisper, np.eye(5))
    rest = np.linalg.inv(informations[:, 1:, 1:])
    link = np.einsum("kab,kb->ka", rest, informations[:, 0, 1:])
    information = informations[:, 0, 0] - np.einsum("ka,ka->k", link, informations[:, 0, 1:])
    score = scores[:, 0] - np.einsum("ka,ka->k", link, scores[:, 1:])
    own = shared[:, :, 0] - np.einsum("ka,kwa->kw", link, shared[:, :, 1:])
    weight = fit.weight()
    n_rows = fit.image.shape[0]
    band = np.zeros((fit.window, n_rows))
    rows = first[:, None] + np.arange(fit.window)
    band[0] = _on_rows(rows, shared[:, :, 0], n_rows)
    row_score = (fit.slope * (fit.image - fit.model) * weight).sum(axis=1)
    roots = np.linalg.cholesky(rest)
    nuisance = np.einsum("kab,kwa->kwb", roots, shared[:, :, 1:])
    for a in range(4):
        previous = band.copy()
        row_precision(
            previous, np.ascontiguousarray(nuisance[:, :, a]), first, np.ones(len(first)), band
        )
    pulls = np.einsum("kab,kb->ka", rest, scores[:, 1:])
    lost = np.einsum("kwa,ka->kw", shared[:, :, 1:], pulls)
    row_score -= _on_rows(rows, lost, n_rows)
    f = 1.0 / float(inflation[0])
    problem = RowProblem(
        information * f, score * f, np.ascontiguousarray(own * f), first, band * f, row_score * f,
        away, design, on_lattice, fit.shift,
    )  # fmt: skip
    root = np.sqrt(inflation)
    covariance = np.linalg.inv(informations)[:, :4, :4] * root[:, None] * root
    return problem, covariance


def _on_rows(rows: Integers, values: Floats, n_rows: int) -> Floats:
    """Return the sum of values (n, window) on their rows."""
    total = np.bincount(rows.ravel(), weights=values.ravel(), minlength=n_rows)
    return np.asarray(total[:n_rows], dtype=np.float64)
