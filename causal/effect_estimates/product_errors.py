"""The variance of a mean of products, from the products themselves."""

from __future__ import annotations

import numpy as np
from scipy import signal
from scipy.spatial import cKDTree

from physlearn.causal.spatial_layout import Floats, SpatialLayout

MOST_STEPS = 24
"""Products further apart than so many patches count as independent."""
LARGEST_SHARE = 0.3
"""Nor are products looked at over more than this share of the field of view."""
REACHES = 3.0
"""The window is so many times as long as the distance over which products stay alike."""


def product_variance(layout: SpatialLayout, products: Floats) -> float:
    """Return the variance of the mean of `products` (n,), alike neighbours counted.

    Unlike the product of two autocovariances it also holds where the size of one factor depends on
    the other (White 1980, doi:10.2307/1912934; in space Conley 1999,
    doi:10.1016/S0304-4076(98)00084-0). Neighbours count by a spherical window, which never makes a
    variance negative, about as long as products stay alike.
    """
    centred = products - products.mean()
    n = len(centred)
    own = float(centred @ centred)
    if own <= 0:
        return 0.0
    sums, counts = _by_ring(layout, centred)
    noise = own / np.sqrt(np.maximum(counts, 1.0))  # of a ring's mean product, times n
    alike = sums / np.maximum(counts, 1.0) * n > 2.0 * noise
    reach = int(np.argmin(alike)) if not alike.all() else len(alike)
    if reach == 0:
        return own / n**2
    length = min(REACHES * (reach + 0.5), len(sums) + 0.5)
    apart = np.arange(1, len(sums) + 1) / length
    window = np.where(apart < 1.0, 1.0 - 1.5 * apart + 0.5 * apart**3, 0.0)
    total = own + float(window @ sums)
    # what the mean took out of the products within the window
    lost = min((n + float(window @ counts)) / n**2, 0.5)
    return max(total, own) / (1.0 - lost) / n**2


def _by_ring(layout: SpatialLayout, field: Floats) -> tuple[Floats, Floats]:
    """Return sums of products of pairs 1, 2, ... patches apart, both ways, and their numbers."""
    step = layout.patch_step
    extent = float(np.ptp(layout.centers, axis=0).max()) / step
    rings = int(np.clip(LARGEST_SHARE * extent, 2, MOST_STEPS))
    cells = layout.cells
    if cells is None:
        return _free_rings(layout, field, step, rings)
    shape = tuple(int(k) + 1 for k in cells.max(axis=0))
    images = np.zeros((2, *shape))
    images[0][cells[:, 0], cells[:, 1]] = field
    images[1][cells[:, 0], cells[:, 1]] = 1.0
    widths = [min(rings, k - 1) for k in shape]
    lags = np.meshgrid(*(np.arange(-w, w + 1) for w in widths), indexing="ij")
    steps = [_cell_step(layout, axis) / step for axis in (1, 0)]
    ring = np.rint(np.hypot(lags[0] * steps[0], lags[1] * steps[1])).astype(int)
    ring = np.where(ring == 0, (lags[0] != 0) | (lags[1] != 0), ring)
    sums = []
    for image in images:
        full = signal.fftconvolve(image, image[::-1, ::-1])
        middle = [k - 1 for k in shape]
        part = full[
            middle[0] - widths[0] : middle[0] + widths[0] + 1,
            middle[1] - widths[1] : middle[1] + widths[1] + 1,
        ]
        sums.append(np.bincount(ring.ravel(), part.ravel(), minlength=rings + 1)[1 : rings + 1])
    return np.asarray(sums[0], dtype=np.float64), np.rint(sums[1])


def _cell_step(layout: SpatialLayout, axis: int) -> float:
    most = 0 if layout.cells is None else int(layout.cells[:, 1 - axis].max())
    return float(np.ptp(layout.centers[:, axis])) / most if most else 1.0


def _free_rings(
    layout: SpatialLayout, field: Floats, step: float, rings: int
) -> tuple[Floats, Floats]:
    tree = cKDTree(layout.centers)
    pairs = tree.query_pairs((rings + 0.5) * step, output_type="ndarray")
    row, column = pairs[:, 0], pairs[:, 1]
    apart = np.linalg.norm(layout.centers[row] - layout.centers[column], axis=1)
    ring = np.clip(np.rint(apart / step).astype(int), 1, rings)
    sums = 2.0 * np.bincount(ring, field[row] * field[column], minlength=rings + 1)
    counts = 2.0 * np.bincount(ring, minlength=rings + 1)
    return np.asarray(sums[1:], dtype=np.float64), np.asarray(counts[1:], dtype=np.float64)
