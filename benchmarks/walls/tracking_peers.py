"""Walls as common image processing finds them, on the same offset-corrected frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["PEERS"]

Floats = NDArray[np.float64]


def _joined(lines: list[Floats]) -> Floats:
    """Return all points, none where a way found no line."""
    return np.concatenate([np.empty((0, 2)), *lines])


def canny_edges(frame: Floats, noise: float) -> Floats:
    """Edge pixels of Canny's filter, smoothed as the noise asks."""
    from skimage.feature import canny

    scale = 1.5 if noise <= 0.3 else 3.0
    # a step of 2 smoothed by the scale has this slope; Sobel's filter weighs it 8 times
    slope = 8.0 * 2.0 / (np.sqrt(2 * np.pi) * np.hypot(scale, 1.8))
    edges = canny(frame, sigma=scale, low_threshold=0.3 * slope, high_threshold=0.6 * slope)
    return np.argwhere(edges)[:, ::-1].astype(float)


def level_contours(frame: Floats, _noise: float) -> Floats:
    """Zero level of the smoothed frame by marching squares."""
    from skimage.measure import find_contours

    lines = find_contours(ndimage.gaussian_filter(frame, 1.5), 0.0)
    return _joined([line[:, ::-1] for line in lines if len(line) > 20])


def chan_vese(frame: Floats, _noise: float) -> Floats:
    """Border of the morphological Chan-Vese segmentation."""
    from skimage.measure import find_contours
    from skimage.segmentation import morphological_chan_vese

    start = ndimage.gaussian_filter(frame, 3.0) > 0
    domain = morphological_chan_vese(frame, 20, init_level_set=start, smoothing=2)
    lines = find_contours(domain.astype(float), 0.5)
    return _joined([line[:, ::-1] for line in lines if len(line) > 20])


def active_contours(frame: Floats, _noise: float) -> Floats:
    """Snakes (Kass et al.) from the level contours, drawn to the edges of the smoothed frame."""
    from skimage.measure import find_contours
    from skimage.segmentation import active_contour

    smooth = ndimage.gaussian_filter(frame, 1.5)
    found = []
    for line in find_contours(smooth, 0.0):
        if len(line) <= 20:
            continue
        closed = bool(np.allclose(line[0], line[-1]))
        found.append(active_contour(
            smooth, line[::2], alpha=0.001, beta=0.1, w_line=0.0, w_edge=2.0, gamma=0.01,
            max_num_iter=300, boundary_condition="periodic" if closed else "free",
        )[:, ::-1])  # fmt: skip
    return _joined(found)


PEERS: dict[str, Callable[[Floats, float], Floats]] = {
    "Canny (scikit-image)": canny_edges,
    "level contours (scikit-image)": level_contours,
    "morphological Chan-Vese (scikit-image)": chan_vese,
    "active contours (scikit-image)": active_contours,
}
