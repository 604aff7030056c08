"""How much larger a second scan shows the same structure than the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified

__all__ = ["ScanGain", "scan_gain"]

Floats = NDArray[np.float64]

LAGS = 6
"""Lines apart over which structure is compared; the noise of lines is independent."""
BLOCKS = 8
"""Along each edge, for the gain's standard error."""
SIGNAL_SDS = 5.0


@dataclass(frozen=True, slots=True)
class ScanGain:
    """Gain of a second scan against the first, its standard error, and the first's level.

    ``second = gain * first + offset`` for what is not noise.

    Examples
    --------
    >>> ScanGain(1.3, 0.01, 0.2).gain
    1.3
    """

    gain: float
    sd: float
    offset: float


def scan_gain(first: Floats, second: Floats) -> ScanGain:
    r"""Return the gain between two scans of one place that both are noisy (errors in variables).

    Structure is what lines share with the lines near them: with the autocovariances C_aa and C_bb
    of the scans and their cross-covariance C_ab at 1 to 6 lines apart, which noise that lines do
    not share leaves alone, ``gain^2 = sum C_ab C_bb / sum C_ab C_aa``; its standard error comes
    from leaving out one of 8 x 8 blocks after another. A plane is taken off both scans first. What
    is left of a shift makes both covariances alike, so that it cancels.

    Parameters
    ----------
    first, second
        Shape (lines, pixels), on one grid; NaN are passed over.

    Raises
    ------
    NotIdentified
        Where the scans hold no structure that both show.

    Notes
    -----
    A regression of one scan on the other would be flattened by the noise of the scan that it is
    drawn over (Fuller, Measurement Error Models, 1987, section 1.1; neighbours as instruments).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:96, :96]
    >>> scene = np.sin(x / 7) * np.cos(y / 9)
    >>> found = scan_gain(*(g * scene + rng.normal(0, 0.5, scene.shape) for g in (1.0, 1.3)))
    >>> bool(abs(found.gain - 1.3) < 4 * found.sd), found.sd < 0.1
    (True, True)
    """
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < BLOCKS**2 or min(first.shape) < 2 * LAGS:
        raise NotIdentified("the scans share too few pixels for a gain between them.")
    one, two = (_flat(part, both) for part in (first, second))
    parts = np.stack([_covariances(one, two, lag) for lag in range(1, LAGS + 1)])
    totals = parts.sum(axis=2)
    blocks = parts.shape[2]
    whole = _gain(totals)
    left_out = np.array([_gain(totals - parts[:, :, k]) for k in range(blocks)])
    # a cross-covariance that its own blocks do not agree on is no structure
    cross = np.einsum("l,lb->b", totals[:, 0], parts[:, 0])
    t = cross.sum() / max(float(np.sqrt(blocks) * cross.std(ddof=1)), 1e-300)
    if not (np.isfinite(whole) and np.isfinite(left_out).all() and t > SIGNAL_SDS):
        raise NotIdentified("the scans hold no structure that both show, so that no gain is known.")
    sd = float(np.sqrt((blocks - 1) / blocks * ((left_out - left_out.mean()) ** 2).sum()))
    level = float(second[both].mean()) - whole * float(first[both].mean())
    return ScanGain(whole, sd, level)


def _flat(values: Floats, both: NDArray[np.bool_]) -> Floats:
    """Return the picture without its plane, 0 where one scan saw nothing."""
    grid: Floats = np.indices(values.shape, dtype=np.float64)
    design = np.column_stack([np.ones(int(both.sum())), grid[0][both], grid[1][both]])
    left = np.linalg.qr(design)[0]
    flat: Floats = np.zeros(values.shape)
    flat[both] = values[both] - left @ (left.T @ values[both])
    return flat


def _covariances(one: Floats, two: Floats, lag: int) -> Floats:
    """Return sums of C_ab, C_aa, C_bb at a lag of lines, by block: shape (3, blocks)."""
    cross = 0.5 * (one[lag:] * two[:-lag] + two[lag:] * one[:-lag])
    result = []
    for product in (cross, one[lag:] * one[:-lag], two[lag:] * two[:-lag]):
        edges = [np.arange(BLOCKS) * length // BLOCKS for length in product.shape]
        sums = np.add.reduceat(np.add.reduceat(product, edges[0], axis=0), edges[1], axis=1)
        result.append(sums.ravel())
    return np.array(result)


def _gain(totals: Floats) -> float:
    """Return the gain from covariances (lags, 3): C_ab, C_aa, C_bb."""
    cross, own, other = totals.T
    below, above = float(cross @ own), float(cross @ other)
    if not (below != 0.0 and above / below > 0.0):
        return float("nan")
    sign = np.sign(cross @ (own / max(float(np.abs(own).max()), 1e-300)))
    return float(sign * np.sqrt(above / below))
