"""The engine of ``find_atoms``: joint fit of columns, score tests, covariances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import norm

from physlearn.datasets.columns import column_kernels as kernels
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.noise import (
    fit_pixel_variance,
    pixel_noise_variance,
    residual_autocorrelation,
    variance_inflation,
)
from physlearn.datasets.columns.peak_kernels import local_maxima

__all__ = [
    "ColumnFit",
    "detect",
    "doubt_about",
    "finish",
    "start",
    "threshold_z",
]

Floats = NDArray[np.float64]
Report = Callable[[float, str], None]
NEIGHBOUR_WIDTHS = 6.0
SMALLEST_WIDTH_PX = 0.6
WIDEST_SHARE_OF_EDGE = 0.125
FEWEST_FOR_WIDTH = 4
KEEPING_SHARE = 0.65
"""A column as bright as others stays down to this share of the threshold: its refitted
significance scatters by 1, and correlated pixels, which the refit knows, lower it."""
DIM_SHARE, DIM_QUANTILE = 0.5, 0.1
"""As bright as others: above this share of that quantile of the significant columns' amplitudes."""
LONG_CORRELATION = 0.4
MOSTLY_EXPLAINED = 0.9
SMALLEST_PEAK_OF_ORDER = 30.0


@dataclass(slots=True)
class ColumnFit:
    """The state of a running fit (pixels)."""

    image: Floats
    kind: str
    width: float
    options: FindAtomsOptions
    noise: Floats
    nodes: Floats
    columns: Floats = field(default_factory=lambda: np.empty((0, 4)))
    model: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def rebuild(self) -> None:
        """Draw the model picture anew from nodes and columns."""
        self.model = _bilinear(self.nodes, self.image.shape)
        kernels.add_columns(self.model, self.columns, self.options.reach_widths)

    def sweep(self, n_sweeps: int, *, free_width: bool) -> int:
        """Fit columns and background by turns; return the columns that still move."""
        low, high = (np.log(self.width * share) for share in self.options.width_range)
        low = max(low, np.log(SMALLEST_WIDTH_PX))
        rules = np.array(
            [self.options.reach_widths, low, high, float(free_width), self.options.tolerance]
        )
        active = np.ones(len(self.columns), dtype=np.bool_)
        moving = 0
        for _ in range(n_sweeps):
            step = kernels.background_sweep(self.image, self.model, self.nodes, self.noise)
            moving = kernels.column_sweep(
                self.image, self.model, self.columns, active, self.noise, rules
            )
            if moving <= 0.002 * len(active):
                if step < 0.3:
                    break
                active[:] = True
        return moving

    def refit_noise(self) -> None:
        """Fit the noise model to the present residuals."""
        n_parameters = 4 * len(self.columns) + self.nodes.size
        self.noise = fit_pixel_variance(
            self.image - self.model, self.model, self.kind, n_parameters
        )

    def variance(self) -> Floats:
        """Return the variance of each pixel."""
        return np.asarray(np.maximum(self.noise[0] + self.noise[1] * self.model, self.noise[2]))

    def keep(self, flags: NDArray[np.bool_]) -> None:
        """Keep the flagged columns and redraw the model when some went."""
        if not flags.all():
            self.columns = np.ascontiguousarray(self.columns[flags])
            self.rebuild()


def _bilinear(nodes: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the background picture of evenly spaced nodes."""
    tents = []
    for length, count in zip(shape, nodes.shape, strict=True):
        places = np.arange(length) * (count - 1) / (length - 1)
        tents.append(np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(count))))
    return np.ascontiguousarray(tents[0] @ nodes @ tents[1].T)


def start(image: Floats, kind: str, width: float | None, options: FindAtomsOptions) -> ColumnFit:
    """Return the fit before its first column."""
    level = pixel_noise_variance(image)
    noise = np.array([level, 0.0, 0.02 * level])
    if kind == "poisson":
        noise = fit_pixel_variance(image, np.full_like(image, image.mean()), kind, 0)
    guess = width if width is not None else _guess_width(image, level)
    spacing = options.background_spacing_px or max(24.0, 12.0 * guess)
    counts = [max(2, round((length - 1) / spacing) + 1) for length in image.shape]
    fit = ColumnFit(image, kind, guess, options, noise, np.zeros(counts))
    low = ndimage.percentile_filter(
        ndimage.gaussian_filter(image, 0.7 * guess)[::2, ::2], 15, size=max(5, int(4 * guess))
    )
    rows = np.linspace(0, low.shape[0] - 1, counts[0]).round().astype(int)
    columns = np.linspace(0, low.shape[1] - 1, counts[1]).round().astype(int)
    fit.nodes = np.ascontiguousarray(low[np.ix_(rows, columns)])
    fit.rebuild()
    return fit


def _guess_width(image: Floats, level: float) -> float:
    """Return the scale at which blobs stand out most (scale-normalised Laplacian, noise off)."""
    scales = np.geomspace(0.8, min(16.0, min(image.shape) / 8), 24)
    energy = []
    smooth = image - ndimage.gaussian_filter(image, 0.15 * min(image.shape))
    for scale in scales:
        response = scale**2 * ndimage.gaussian_laplace(smooth, scale)
        # variance of white noise under this filter: level / (2 pi scale^2)
        energy.append(float(np.mean(response**2)) - level / (2 * np.pi * scale**2))
    best = int(np.argmax(energy))
    for k in range(1, len(scales) - 1):
        peak = energy[k] >= energy[k - 1] and energy[k] > energy[k + 1]
        if peak and energy[k] > 0.3 * max(energy):
            best = k
            break
    return float(scales[best])


def _score(fit: ColumnFit, width: float) -> tuple[Floats, Floats]:
    """Return z and amplitude of one more column at each pixel, local constant free."""
    variance = fit.variance()
    weight = 1.0 / variance
    pull = (fit.image - fit.model) * weight
    box = 2 * int(np.ceil(3 * width)) + 1
    area = float(box * box)

    def template(values: Floats, scale: float) -> Floats:
        smoothed = ndimage.gaussian_filter(values, scale, truncate=4.0, mode="constant")
        return np.asarray(2 * np.pi * scale**2 * smoothed)

    def total(values: Floats) -> Floats:
        return np.asarray(area * ndimage.uniform_filter(values, box, mode="constant"))

    cross, constant = template(weight, width), np.maximum(total(weight), 1e-300)
    share = cross / constant
    score = template(pull, width) - share * total(pull)
    information = template(weight, width / np.sqrt(2.0)) - share * cross
    information = np.maximum(information, 1e-6 * np.median(information))
    return score / np.sqrt(information), score / information


def threshold_z(fit: ColumnFit) -> float:
    """Return the z that noise alone passes ``false_columns_per_picture`` times a picture."""
    independent = max(1.0, fit.image.size / (2.0 * np.pi * fit.width**2)) * 3.0
    return float(norm.isf(min(0.3, fit.options.false_columns_per_picture / independent)))


def _candidates(fit: ColumnFit, width: float, *, first: bool) -> Floats:
    """Return rows (x, y, log amplitude, log width) of columns that the residual asks for."""
    z, amplitude = _score(fit, width)
    spread = 1.4826 * float(np.median(np.abs(z - np.median(z))))
    threshold = threshold_z(fit) * (1.0 if first else max(1.0, spread))
    found = local_maxima(z, threshold)
    if len(found) == 0:
        return np.empty((0, 4))
    rows, columns = found.T
    offsets = []
    for before, here, after in (
        (z[rows, columns - 1], z[rows, columns], z[rows, columns + 1]),
        (z[rows - 1, columns], z[rows, columns], z[rows + 1, columns]),
    ):
        bend = np.minimum(before - 2 * here + after, -1e-9)
        offsets.append(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    order = np.argsort(-z[rows, columns])
    points = np.stack([columns + offsets[0], rows + offsets[1]], axis=1)[order]
    heights = np.maximum(amplitude[rows, columns][order], np.finfo(np.float64).tiny)
    free = np.ones(len(points), dtype=np.bool_)
    if len(fit.columns):
        distance, _ = cKDTree(fit.columns[:, :2]).query(points)
        free = np.asarray(distance > 1.3 * fit.width)
    for k, near in enumerate(cKDTree(points).query_ball_point(points, 1.5 * fit.width)):
        if free[k]:
            free[[other for other in near if other > k]] = False
    widths = np.full((len(points), 1), np.log(fit.width))
    return np.concatenate([points, np.log(heights)[:, None], widths], axis=1)[free]


def detect(fit: ColumnFit, *, free_width: bool, report: Report) -> None:
    """Add and drop columns until the residual asks for no more."""
    for round_number in range(fit.options.max_rounds):
        first = round_number == 0
        new = _candidates(fit, (0.75 if first else 1.0) * fit.width, first=first)
        if len(new) == 0 and not first:
            break
        fit.columns = np.ascontiguousarray(np.concatenate([fit.columns, new]))
        fit.rebuild()
        fit.sweep(5, free_width=False)
        fit.keep(_sound(fit))
        if free_width and len(fit.columns) >= FEWEST_FOR_WIDTH and round_number < 3:
            _measure_width(fit)
        fit.refit_noise()
        report(0.6 * (round_number + 1) / fit.options.max_rounds, "columns")
        if len(new) <= (0.01 if round_number < 2 else 0.04) * len(fit.columns):
            break


def _measure_width(fit: ColumnFit) -> None:
    """Take the median width of the brighter columns as the common one."""
    trial = replace(fit, columns=fit.columns.copy(), nodes=fit.nodes.copy())
    trial.options = replace(fit.options, width_range=(0.35, 2.8))
    trial.rebuild()
    trial.sweep(6, free_width=True)
    bright = trial.columns[:, 2] >= np.quantile(trial.columns[:, 2], 0.6)
    fit.width = max(SMALLEST_WIDTH_PX, float(np.exp(np.median(trial.columns[bright, 3]))))
    fit.columns[:, 3] = np.log(fit.width)
    fit.rebuild()
    fit.sweep(4, free_width=False)
    fit.keep(_sound(fit))


def _sound(fit: ColumnFit, *, margin: float = 1.0) -> NDArray[np.bool_]:
    """Flag columns near the picture that no brighter one stands on."""
    n_rows, n_columns = fit.image.shape
    edge = margin * fit.width
    x, y, brightness = fit.columns[:, 0], fit.columns[:, 1], fit.columns[:, 2]
    keep: NDArray[np.bool_] = (
        (x > -edge) & (y > -edge) & (x < n_columns - 1 + edge) & (y < n_rows - 1 + edge)
    )
    keep &= np.isfinite(fit.columns).all(axis=1)
    weakest = np.log(np.sqrt(np.median(fit.variance()))) - 6.0
    keep &= brightness > weakest
    if len(fit.columns) > 1:
        for i, j in cKDTree(fit.columns[:, :2]).query_pairs(0.9 * fit.width):
            if keep[i] and keep[j]:
                keep[j if brightness[i] >= brightness[j] else i] = False
    return np.asarray(keep, dtype=np.bool_)


def _typical(fit: ColumnFit) -> tuple[float, float, float]:
    """Return width, amplitude and background of a typical column."""
    if len(fit.columns) == 0:
        return fit.width, float(np.sqrt(np.median(fit.variance()))), float(np.median(fit.nodes))
    return (
        float(np.exp(np.median(fit.columns[:, 3]))),
        float(np.exp(np.median(fit.columns[:, 2]))),
        float(np.median(fit.nodes)),
    )


def finish(fit: ColumnFit, report: Report) -> tuple[Floats, Floats]:
    """Free the widths, drop what is not significant; return covariances and correlation."""
    covariance = np.empty((0, 4, 4))
    for attempt in range(4):
        if len(fit.columns):
            fit.sweep(12 if attempt else fit.options.max_sweeps // 2, free_width=True)
            fit.keep(_sound(fit))
            fit.rebuild()
            fit.refit_noise()
            fit.sweep(6 if attempt else fit.options.max_sweeps // 3, free_width=True)
        scaled = (fit.image - fit.model) / np.sqrt(fit.variance())
        correlation, level = residual_autocorrelation(
            scaled, len(fit.columns), _typical(fit), fit.noise
        )
        if len(fit.columns) == 0:
            return covariance, correlation
        factor = variance_inflation(correlation, _typical(fit), fit.noise)
        # correlated noise hides in the fitted columns: the residuals' variance is too small
        inflation = np.sqrt(factor * (1.0 if fit.kind == "poisson" else max(1.0, level)))
        covariance = _covariances(fit) * inflation[:, None] * inflation
        # significance of the amplitude at its own width, as in the score test
        given = covariance[:, 2, 2] - covariance[:, 2, 3] ** 2 / covariance[:, 3, 3]
        keep = _significant(fit, 1.0 / np.sqrt(np.maximum(given, 1e-300)))
        # what is as narrow as the bound is a hot pixel, not a column
        keep &= fit.columns[:, 3] > np.log(1.01 * SMALLEST_WIDTH_PX)
        report(0.7 + 0.05 * attempt, "errors")
        if keep.all():
            return covariance, correlation
        fit.keep(keep)
        covariance = covariance[keep]
    return covariance, correlation


def _significant(fit: ColumnFit, significance: Floats) -> NDArray[np.bool_]:
    """Flag columns that passed the threshold, or nearly did and look like those that passed."""
    threshold = threshold_z(fit)
    sure = significance > threshold
    if sure.sum() <= FEWEST_FOR_WIDTH:
        return np.asarray(sure)
    brightness = fit.columns[:, 2]
    like_others = brightness > np.quantile(brightness[sure], DIM_QUANTILE) + np.log(DIM_SHARE)
    return np.asarray(sure | (like_others & (significance > KEEPING_SHARE * threshold)))


def doubt_about(fit: ColumnFit, correlation: Floats) -> str:
    """Return why the columns cannot be told from something else, or nothing.

    Peaks of noise whose pixels are correlated look like columns. They are believed when the pixel
    noise left over is short-ranged, when the columns explain the picture, or when they stand in
    order (a Bragg peak of their structure factor).
    """
    if fit.width > WIDEST_SHARE_OF_EDGE * min(fit.image.shape):
        return "what stands out is as wide as the picture's own gradients: no columns."
    lag = correlation.shape[0] // 2
    nearest = 0.5 * (correlation[lag, lag + 1] + correlation[lag + 1, lag])
    if nearest < LONG_CORRELATION:
        return ""
    background = _bilinear(fit.nodes, fit.image.shape)
    left = float(np.mean((fit.image - fit.model) ** 2)) / float(np.var(fit.image - background))
    if left < 1.0 - MOSTLY_EXPLAINED or _bragg_peak(fit) > max(
        SMALLEST_PEAK_OF_ORDER, 0.05 * len(fit.columns)
    ):
        return ""
    return (
        f"{len(fit.columns)} bright spots cannot be told from noise: the noise of neighbouring "
        f"pixels correlates by {nearest:.2f}, the spots explain {1 - left:.0%} of the picture and "
        "stand in no order."
    )


def _bragg_peak(fit: ColumnFit) -> float:
    """Return the highest structure factor |sum exp(ikr)|^2 / n of the columns' positions."""
    cell = 0.7 * fit.width
    shape = [int(np.ceil(length / cell)) + 1 for length in fit.image.shape]
    places = np.zeros(shape)
    index = np.clip(np.round(fit.columns[:, 1::-1] / cell).astype(np.int64), 0, np.array(shape) - 1)
    np.add.at(places, (index[:, 0], index[:, 1]), 1.0)
    places -= places.mean()
    return float((np.abs(np.fft.rfft2(places)) ** 2).max() / len(fit.columns))


def _covariances(fit: ColumnFit) -> Floats:
    """Return the covariance (n, 4, 4) of each column with neighbours and background free."""
    n = len(fit.columns)
    reach = fit.options.reach_widths
    widths = np.exp(fit.columns[:, 3])
    pairs = cKDTree(fit.columns[:, :2]).query_pairs(
        NEIGHBOUR_WIDTHS * widths.max(), output_type="ndarray"
    )
    pairs = np.sort(pairs.astype(np.int64).reshape(-1, 2), axis=1)
    apart = np.hypot(*(fit.columns[pairs[:, 0], :2] - fit.columns[pairs[:, 1], :2]).T)
    near = apart < 0.5 * NEIGHBOUR_WIDTHS * (widths[pairs[:, 0]] + widths[pairs[:, 1]])
    pairs = np.ascontiguousarray(pairs[near])
    blocks = kernels.pair_information(fit.model, fit.columns, pairs, fit.noise, reach)
    selves = np.repeat(np.arange(n, dtype=np.int64)[:, None], 2, axis=1)
    own = kernels.pair_information(fit.model, fit.columns, selves, fit.noise, reach)
    sources = np.concatenate([pairs[:, 0], pairs[:, 1]])
    targets = np.concatenate([pairs[:, 1], pairs[:, 0]])
    lookup = np.concatenate([np.arange(len(pairs))] * 2).astype(np.int64)
    order = np.argsort(sources, kind="stable")
    starts = np.searchsorted(sources[order], np.arange(n + 1)).astype(np.int64)
    spacing = min(
        (length - 1) / (count - 1)
        for length, count in zip(fit.image.shape, fit.nodes.shape, strict=True)
    )
    return kernels.cluster_covariance(
        fit.model, fit.columns, fit.noise, reach, 0.5 * spacing,
        starts, targets[order], blocks, own, lookup[order],
    )  # fmt: skip
