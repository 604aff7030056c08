"""Sub-pixel contours of a frame: seeds on the smoothed frame, a tanh fit along the normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from physlearn.datasets.walls.wall_kernels import assign_pixels, fit_offsets, offset_covariance

__all__ = ["Contour", "WallImage", "fit_width", "measure_noise", "refine_contours", "seed_contours"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

REACH_WIDTHS = 3.0
NOISE_LAGS = 4
NOISE_BOX = 21
COVARIANCE_LAGS = 8
LEAST_INFORMATION = 0.3
LEAST_STEP = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One wall in one frame; lengths in pixels.

    Attributes
    ----------
    points, normals
        Shape (n, 2): x, y and the unit normals from the positive to the negative domain.
    curvature, arc_length, normal_error
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
    arc_length: Floats
    normal_error: Floats
    correlation_length: float
    length: float
    closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class WallImage:
    """A normalised frame with what the fit needs: pixels in view, wall width, noise."""

    frame: Floats
    valid: Mask
    width: float
    noise_sd: float
    noise_correlation: Floats
    spacing: float
    smoothing: float


def seed_contours(
    frame: Floats, valid: Mask, scale: float, shortest: float
) -> list[tuple[Floats, bool]]:
    """Zero level of the smoothed frame, as (points (n, 2) in x, y, closed) of enough length."""
    from skimage.measure import find_contours

    weight = ndimage.gaussian_filter(valid.astype(float), scale)
    smooth = ndimage.gaussian_filter(np.where(valid, frame, 0.0), scale) / np.maximum(weight, 1e-6)
    found = []
    for line in find_contours(smooth, 0.0, mask=valid):  # type: ignore[no-untyped-call]
        points = np.ascontiguousarray(line[:, ::-1])
        length = float(np.hypot(*np.diff(points, axis=0).T).sum())
        if length >= shortest:
            found.append((points, bool(np.allclose(points[0], points[-1]))))
    return found


def _smooth_curve(points: Floats, closed: bool, spacing: float, scale: float) -> Floats:
    """Even points along the curve, smoothed so that a circle keeps its radius to fourth order."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    keep = np.concatenate([[True], steps > 1e-9])
    points = points[keep]
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    count = max(8, round(arc[-1] / spacing))
    place = np.linspace(0.0, arc[-1], count + 1)
    even = np.stack([np.interp(place, arc, points[:, axis]) for axis in (0, 1)], axis=1)
    sigma = min(scale * count / max(arc[-1], 1e-9), count / 8)
    if closed:
        once = ndimage.gaussian_filter1d(even[:-1], sigma, axis=0, mode="wrap")
        twice = ndimage.gaussian_filter1d(once, sigma, axis=0, mode="wrap")
        return 2 * once - twice
    pad = min(count, int(4 * sigma) + 1)
    padded = np.concatenate(
        [2 * even[0] - even[pad:0:-1], even, 2 * even[-1] - even[-2 : -pad - 2 : -1]]
    )
    once = ndimage.gaussian_filter1d(padded, sigma, axis=0, mode="nearest")
    twice = ndimage.gaussian_filter1d(once, sigma, axis=0, mode="nearest")
    return (2 * once - twice)[pad : pad + count + 1]


def _geometry(curve: Floats, closed: bool, image: WallImage) -> tuple[Floats, Floats, float]:
    """Nodes (x, y, normal_x, normal_y, curvature), arc length and length of a curve."""
    if closed:
        forward, backward = np.roll(curve, -1, axis=0), np.roll(curve, 1, axis=0)
        first = 0.5 * (forward - backward)
        second = forward - 2 * curve + backward
    else:
        first = np.gradient(curve, axis=0)
        second = np.gradient(first, axis=0)
    speed = np.maximum(np.hypot(*first.T), 1e-9)
    normals = np.stack([first[:, 1], -first[:, 0]], axis=1) / speed[:, None]
    if _mean_step(image, curve, normals) > 0:
        normals = -normals
    curvature = -np.einsum("ij,ij->i", second, normals) / speed**2
    steps = np.hypot(*np.diff(curve, axis=0).T)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    length = float(arc[-1] + (np.hypot(*(curve[0] - curve[-1])) if closed else 0.0))
    return np.column_stack([curve, normals, curvature]), arc, length


def _mean_step(image: WallImage, curve: Floats, normals: Floats) -> float:
    """Mean change of the frame along the normals: negative toward the negative domain."""
    filled = np.where(image.valid, image.frame, 0.0)
    sides = [
        ndimage.map_coordinates(filled, (curve + side * normals).T[::-1], order=1, mode="nearest")
        for side in (2.0, -2.0)
    ]
    return float(np.mean(sides[0] - sides[1]))


@dataclass(frozen=True, slots=True, eq=False)
class _FrameFit:
    """All nodes of a frame with their pixels and fitted offsets."""

    nodes: Floats
    starts: Integers
    owner: Integers
    distance: Floats
    offsets: Floats
    information: Floats
    residual: Floats


def _fit_frame(image: WallImage, curves: list[Floats]) -> _FrameFit:
    nodes = np.concatenate(curves)
    owner = np.full(image.frame.shape, -1, dtype=np.int64)
    distance = np.zeros(image.frame.shape)
    reach = REACH_WIDTHS * image.width + 1.0
    assign_pixels(nodes, 0.5 * image.spacing, reach, image.valid, owner, distance)
    offsets = np.zeros(len(nodes))
    information = np.zeros(len(nodes))
    residual = np.zeros(2)
    frame = np.where(image.valid, image.frame, 0.0)
    fit_offsets(frame, owner, distance, image.width, offsets, information, residual)
    starts = np.cumsum([0, *(len(curve) for curve in curves)])
    return _FrameFit(nodes, starts, owner, distance, offsets, information, residual)


def _usable(fit: _FrameFit, image: WallImage) -> Mask:
    full = 4.0 / (3.0 * image.width) * image.spacing
    good: Mask = (fit.information > LEAST_INFORMATION * full) & (
        np.abs(fit.offsets) < 2.0 * image.width
    )
    return good


def refine_contours(
    image: WallImage, seeds: list[tuple[Floats, bool]]
) -> tuple[list[Contour], _FrameFit | None]:
    """Fit the walls twice: about the smoothed seeds, then about the smoothed first fit."""
    curves: list[tuple[Floats, bool]] = seeds
    fit, geometry = None, []
    for _ in range(2):
        geometry = [
            (
                *_geometry(
                    _smooth_curve(points, closed, image.spacing, image.smoothing), closed, image
                ),
                closed,
            )
            for points, closed in curves
        ]
        if not geometry:
            return [], None
        fit = _fit_frame(image, [nodes for nodes, _, _, _ in geometry])
        good = _usable(fit, image)
        curves = []
        for start, (nodes, _, _, closed) in zip(fit.starts, geometry, strict=False):
            own = slice(start, start + len(nodes))
            shift = np.where(good[own], fit.offsets[own], 0.0)
            points = nodes[:, :2] + shift[:, None] * nodes[:, 2:4]
            curves.append((np.concatenate([points, points[:1]]) if closed else points, closed))
    assert fit is not None  # noqa: S101 -- the loop ran
    return _contours(image, fit, geometry), fit


def _side_sums(image: WallImage, fit: _FrameFit) -> Floats:
    """Per node: sum and number of the pixels on the positive side, then the negative."""
    pixels = fit.owner >= 0
    node = fit.owner[pixels]
    place = (fit.distance[pixels] - fit.offsets[node]) / image.width
    value = image.frame[pixels]
    count = len(fit.nodes)
    sums = []
    for side in (place < -0.7, place > 0.7):
        sums.append(np.bincount(node[side], value[side], count))
        sums.append(np.bincount(node[side], minlength=count).astype(float))
    return np.stack(sums)


def _step_height(sides: Floats, closed: bool) -> Floats:
    """Height of the step across the wall (2 for full domains), averaged over 15 points."""
    window = ndimage.uniform_filter1d(sides, 15, axis=1, mode="wrap" if closed else "nearest")
    with np.errstate(invalid="ignore", divide="ignore"):
        height: Floats = window[0] / window[1] - window[2] / window[3]
    return np.nan_to_num(height)


def _contours(
    image: WallImage, fit: _FrameFit, geometry: list[tuple[Floats, Floats, float, bool]]
) -> list[Contour]:
    white = np.count_nonzero(image.noise_correlation) == 1
    covariance = np.zeros((len(fit.nodes), COVARIANCE_LAGS))
    with np.errstate(divide="ignore"):
        covariance[:, 0] = 1.0 / fit.information
    if not white:
        offset_covariance(
            fit.owner, fit.distance, image.width, fit.offsets, fit.information,
            image.noise_correlation, covariance,
        )  # fmt: skip
    good = _usable(fit, image)
    sides = _side_sums(image, fit)
    result = []
    for start, (nodes, arc, length, closed) in zip(fit.starts, geometry, strict=False):
        own = np.arange(start, start + len(nodes))
        keep = good[own] & (_step_height(sides[:, own], closed) > LEAST_STEP)
        if keep.sum() < 6:
            continue
        used = own[keep]
        mean = np.mean(covariance[used], axis=0)
        step = length / max(len(nodes) - (0 if closed else 1), 1)
        correlation_length = step * max(1.0, 1.0 + 2.0 * float(mean[1:].sum() / mean[0]))
        result.append(
            Contour(
                points=nodes[keep, :2] + fit.offsets[used, None] * nodes[keep, 2:4],
                normals=nodes[keep, 2:4],
                curvature=nodes[keep, 4],
                arc_length=arc[keep],
                normal_error=image.noise_sd * np.sqrt(covariance[used, 0]),
                correlation_length=correlation_length,
                length=length,
                closed=closed and bool(keep.mean() > 0.9),
            )
        )
    return result


def fit_width(images: list[WallImage], seeds: list[list[tuple[Floats, bool]]]) -> float:
    """Wall width from the pooled profile of some frames, its levels free."""
    places, values = [], []
    for image, lines in zip(images, seeds, strict=True):
        _, fit = refine_contours(image, lines)
        if fit is None:
            continue
        pixels = fit.owner >= 0
        pixels[pixels] = _usable(fit, image)[fit.owner[pixels]]
        places.append(fit.distance[pixels] - fit.offsets[fit.owner[pixels]])
        values.append(image.frame[pixels])
    if not places:
        return images[0].width
    place, value = np.concatenate(places), np.concatenate(values)
    bins = np.round(place / 0.25).astype(int)
    bins -= bins.min()
    counts = np.bincount(bins)
    used = counts > 0
    x = np.bincount(bins, place)[used] / counts[used]
    y = np.bincount(bins, value)[used] / counts[used]
    weight = np.sqrt(counts[used])

    def misfit(parameters: Floats) -> Floats:
        height, middle, width = parameters
        result: Floats = weight * (y - middle + height * np.tanh(x / width))
        return result

    solution = optimize.least_squares(
        misfit, [1.0, 0.0, images[0].width], bounds=([0.05, -1.0, 0.2], [5.0, 1.0, 100.0])
    )
    return float(solution.x[2])


def measure_noise(frame: Floats, valid: Mask, away: Mask) -> tuple[float, Floats]:
    """Pixel noise sd away from the walls and its autocorrelation, shape (9, 9), 1 in the middle.

    Means over 21 x 21 pixels are taken out, and what that takes from the noise is put back.
    """
    use = valid & away
    weight = ndimage.uniform_filter(use.astype(float), NOISE_BOX)
    mean = ndimage.uniform_filter(np.where(use, frame, 0.0), NOISE_BOX) / np.maximum(weight, 1e-9)
    rest = np.where(use, frame - mean, 0.0)
    count = int(use.sum())
    correlation = np.zeros((2 * NOISE_LAGS + 1, 2 * NOISE_LAGS + 1))
    correlation[NOISE_LAGS, NOISE_LAGS] = 1.0
    if count < 200:
        return float("nan"), correlation
    variance = float((rest**2).sum() / count)
    rows, columns = frame.shape
    for dy in range(NOISE_LAGS + 1):
        for dx in range(-NOISE_LAGS, NOISE_LAGS + 1):
            if dy == 0 and dx <= 0:
                continue
            one = (slice(0, rows - dy), slice(max(0, -dx), columns - max(0, dx)))
            two = (slice(dy, rows), slice(max(0, dx), columns - max(0, -dx)))
            pairs = int((use[one] & use[two]).sum())
            rho = float((rest[one] * rest[two]).sum() / max(pairs, 1) / variance)
            correlation[NOISE_LAGS + dy, NOISE_LAGS + dx] = rho
            correlation[NOISE_LAGS - dy, NOISE_LAGS - dx] = rho
    # The box mean holds the share s = (sum of the true correlations) / (pixels in a box) of the
    # variance
    box = float((NOISE_BOX**2 * weight[use]).mean())
    share = correlation.sum() / (box + correlation.sum() - correlation.size)
    share = float(np.clip(share, 0.0, 0.5))
    correlation = correlation * (1.0 - share) + share
    correlation[NOISE_LAGS, NOISE_LAGS] = 1.0
    return float(np.sqrt(variance / (1.0 - share))), correlation
