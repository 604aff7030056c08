"""Whether a pattern moves between frames although nobody said so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from physlearn.causal.columns import Columns
from physlearn.causal.graph_search.lagged_layout import SpaceTimeLayout
from physlearn.causal.spatial_layout import Floats

CLEAR = 5.0
MIN_FRAMES = 4
SMALLEST_MOTION = 0.15
"""In patches: less than this is not looked for."""


def pattern_motion(
    columns: Columns, layout: SpaceTimeLayout, pairs: Sequence[tuple[int, int]]
) -> tuple[float, float] | None:
    """Return (dx, dy) in the centres' unit by which patterns move between frames, if they do.

    Each column one frame ago is laid over itself now, at every lag; the lag of best agreement is
    the motion of the pattern: of matter, of the field of view, or of a wave.

    Parameters
    ----------
    columns
        Pooled columns of a video on a grid.
    layout
        Their layout.
    pairs
        Number of the column one frame ago and of the same column now.

    Returns
    -------
    tuple or None
        None when no motion stands out, or off a grid.
    """
    if layout.cells is None or not pairs:
        return None
    agreement = _agreement(columns.values, layout, pairs)
    pooled = agreement.mean(axis=0)
    effective = _effective(columns, layout, pairs)
    rows, across = (k // 2 for k in pooled.shape)
    peak = np.unravel_index(int(np.argmax(pooled)), pooled.shape)
    step = np.array([peak[0] - rows, peak[1] - across], dtype=np.float64)
    if pooled[peak] < CLEAR / np.sqrt(effective):
        return None
    # neighbouring lags share most of their noise: frames that agree on the gain show it sooner
    gain = agreement[:, peak[0], peak[1]] - agreement[:, rows, across]
    far = gain.mean() > CLEAR * np.sqrt(2.0 / effective) or _clear(gain)
    if not far:
        step[:] = 0.0
        peak = (rows, across)
    fine, clear = _within_a_cell(agreement, (int(peak[0]), int(peak[1])))
    motion = step + np.where(clear, fine, 0.0)
    if np.abs(motion).max() < SMALLEST_MOTION:
        return None
    cells = layout.cells
    sizes = []
    for side, axis in ((0, 1), (1, 0)):
        sizes.append(np.ptp(layout.centers[:, axis]) / max(int(np.ptp(cells[:, side])), 1))
    return float(motion[1] * sizes[1]), float(motion[0] * sizes[0])


def _agreement(values: Floats, layout: SpaceTimeLayout, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Return the correlation at each lag in cells, shape (n_frames, 2 R + 1, 2 C + 1)."""
    cells = layout.cells
    shape = [int(k) + 1 for k in cells.max(axis=0)]  # type: ignore[union-attr]
    reach = [max(1, k // 4) for k in shape]
    padded = [fft.next_fast_len(k + r, real=True) for k, r in zip(shape, reach, strict=True)]
    total = np.zeros((layout.n_frames, 2 * reach[0] + 1, 2 * reach[1] + 1))
    frames = np.arange(layout.n_frames)
    lags = np.ix_(frames, *(np.arange(-r, r + 1) for r in reach))
    for before, now in pairs:
        spectra = []
        for column in (before, now):
            image = np.zeros((layout.n_frames, *shape))
            image[layout.frame, layout.cells[:, 0], layout.cells[:, 1]] = values[:, column]  # type: ignore[index]
            spectra.append(fft.rfft2(image, padded))
        product = fft.irfft2(spectra[0].conj() * spectra[1], padded)
        total += product[lags]
    return total / (len(pairs) * int(np.prod(shape)))


def _effective(
    columns: Columns, layout: SpaceTimeLayout, pairs: Sequence[tuple[int, int]]
) -> float:
    """Return how many independent patches the mean of the columns' correlations counts."""
    chosen = columns.values[:, [now for _, now in pairs]]
    shared = np.corrcoef(chosen, rowvar=False).reshape(len(pairs), len(pairs))
    counts = []
    for k in range(len(pairs)):
        own = layout.autocovariance(chosen[:, k])
        counts.append(layout.n**2 * own[layout.zero_lag] ** 2 / (layout.pair_counts @ own**2))
    # columns that repeat one another count as one
    return float(np.min(counts) * len(pairs) ** 2 / (shared**2).sum())


def _within_a_cell(agreement: Floats, peak: tuple[int, int]) -> tuple[Floats, np.ndarray]:
    """Return the peak's offset from a cell by a parabola, and whether it is clear, each axis."""
    offset, clear = np.zeros(2), np.zeros(2, dtype=np.bool_)
    for axis in (0, 1):
        if not 0 < peak[axis] < agreement.shape[axis + 1] - 1:
            continue
        low, high = list(peak), list(peak)
        low[axis], high[axis] = peak[axis] - 1, peak[axis] + 1
        before, after = agreement[:, low[0], low[1]], agreement[:, high[0], high[1]]
        bend = float((2 * agreement[:, peak[0], peak[1]] - before - after).mean())
        slope = after - before
        if bend <= 0:
            continue
        offset[axis] = float(np.clip(0.5 * slope.mean() / bend, -0.5, 0.5))
        clear[axis] = _clear(slope) or _clear(-slope)
    return offset, clear


def _clear(values: Floats) -> bool:
    """Whether at least four frames agree that a number is positive."""
    if len(values) < MIN_FRAMES:
        return False
    return bool(values.mean() > CLEAR * values.std(ddof=1) / np.sqrt(len(values)))
