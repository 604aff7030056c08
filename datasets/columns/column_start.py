"""Before the first column: the pixels that count, the noise, a column's width, the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physlearn.datasets.columns import filter_kernels
from physlearn.datasets.columns.column_fit import ColumnFit
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.noise import fit_pixel_variance, pixel_noise_variance

__all__ = ["gaussian_taps", "start"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
CROP_PX = 256
CROPS_ALONG_EDGE = 3
SMOOTHING = 0.7
"""Smoothing before the background's start, in widths of a column."""
FEWEST_COUNTS = 3.0
"""Counts under that smoothing below which its low quantile is 0, not the background."""
BACKGROUND_SHARE = 0.15
"""Quantile of the smoothed picture that stands for the background at the start."""


def gaussian_taps(width: float, reach: float = 4.0) -> NDArray[np.float32]:
    """Return one half of a Gaussian profile, centre (1) first."""
    places = np.arange(int(np.ceil(reach * width)) + 1)
    return np.exp(-0.5 * (places / width) ** 2).astype(np.float32)


def start(
    image: Floats,
    kind: str,
    width: float | None,
    options: FindAtomsOptions,
    mask: Flags | None = None,
) -> ColumnFit:
    """Return the fit before its first column."""
    filled = image if mask is None else _filled(image, mask)
    crops = _crops(filled)
    level = float(np.median([pixel_noise_variance(crop) for crop in crops]))
    noise = np.array([level, 0.0, 0.02 * level])
    if kind == "poisson":
        # the spread of few counts, most of them 0, says nothing: their mean is their variance
        level = max(float(filled.mean()), np.finfo(np.float64).tiny)
        sample = filled[:: 1 + image.size // 1_000_000]
        noise = fit_pixel_variance(sample, np.full_like(sample, sample.mean()), kind, 0)
    guess = width if width is not None else _guess_width(crops, level, min(image.shape))
    spacing = options.background_spacing_px or max(24.0, 12.0 * guess)
    counts = [max(2, round((length - 1) / spacing) + 1) for length in image.shape]
    sign = -1.0 if options.polarity == "dark" else 1.0
    if kind == "poisson" and level * 4.0 * np.pi * (SMOOTHING * guess) ** 2 < FEWEST_COUNTS:
        nodes = np.full(counts, level)
    else:
        nodes = _low_background(filled, guess, counts, sign)
    fit = ColumnFit(image, kind, guess, options, noise, nodes)
    if mask is not None:
        fit.mask = np.ascontiguousarray(mask)
    if options.row_levels:
        fit.row_levels = np.zeros(len(image))
    fit.rebuild()
    return fit


def _filled(image: Floats, mask: Flags) -> Floats:
    """Return the picture with the median of its good pixels in the masked ones."""
    return np.where(mask, image, np.median(image[mask]))


def _crops(image: Floats) -> list[Floats]:
    """Return the picture, or squares spread evenly over a large one."""
    starts = []
    for length in image.shape:
        count = 1 if length <= 1.5 * CROP_PX else min(CROPS_ALONG_EDGE, length // CROP_PX)
        edge = length if count == 1 and length <= 1.5 * CROP_PX else CROP_PX
        starts.append([(int(low), edge) for low in np.linspace(0, length - edge, count)])
    return [image[y : y + h, x : x + w] for y, h in starts[0] for x, w in starts[1]]


def _guess_width(crops: list[Floats], level: float, edge: int) -> float:
    """Return the scale at which blobs stand out most (scale-normalised Laplacian, noise off)."""
    scales = np.geomspace(0.8, min(16.0, edge / 8), 24)
    energy = np.zeros(len(scales))
    for crop in crops:
        # the cosine transform mirrors the picture at its edges
        power = fft.dctn(crop, norm="ortho") ** 2
        k = [np.pi * np.arange(length) / length for length in crop.shape]
        square = k[0][:, None] ** 2 + k[1] ** 2
        high_pass = (1.0 - np.exp(-0.5 * square * (0.15 * edge) ** 2)) ** 2
        power = (power - level) * high_pass
        edges = np.linspace(0.0, 2.0 * np.pi**2, 4001)
        place = (square * (4000 / (2.0 * np.pi**2))).astype(np.int64).clip(0, 3999)
        rings = np.bincount(place.ravel(), power.ravel(), 4000) / crop.size
        middle = 0.5 * (edges[1:] + edges[:-1])
        for s, scale in enumerate(scales):
            energy[s] += float((scale * scale * middle) ** 2 * np.exp(-middle * scale**2) @ rings)
    best = int(np.argmax(energy))
    for k_ in range(1, len(scales) - 1):
        peak = energy[k_] >= energy[k_ - 1] and energy[k_] > energy[k_ + 1]
        if peak and energy[k_] > 0.3 * energy.max():
            best = k_
            break
    return float(scales[best])


def _low_background(image: Floats, width: float, counts: list[int], sign: float) -> Floats:
    """Return nodes at a low quantile (high for dark columns) of the smoothed picture nearby."""
    taps = gaussian_taps(SMOOTHING * width)
    taps /= 2.0 * taps.sum() - 1.0
    smoothed = filter_kernels.smooth((sign * image).astype(np.float32), taps)
    places = [
        np.linspace(0, length - 1, count).round().astype(np.int64)
        for length, count in zip(image.shape, counts, strict=True)
    ]
    # the filter sees zeros beyond the edge: stand off it
    off = [min(len(taps), length // 2) for length in image.shape]
    inner = smoothed[off[0] : image.shape[0] - off[0], off[1] : image.shape[1] - off[1]]
    for axis in (0, 1):
        places[axis] = np.clip(places[axis] - off[axis], 0, max(0, inner.shape[axis] - 1))
    half = max(5, int(4 * width))
    stride = max(1, half // 5)
    low = filter_kernels.low_quantiles(
        np.ascontiguousarray(inner), places[0], places[1], half, stride, BACKGROUND_SHARE
    )
    return np.ascontiguousarray(sign * low)
