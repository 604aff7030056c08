"""How the change of a column between two scans follows what the column was before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.spatial_layout import SpatialLayout

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GainChange:
    """Change of a column per unit of what it was, seen on the control, and its error."""

    slope: float
    sd: float

    @property
    def clear(self) -> bool:
        """Whether it is more than chance."""
        return abs(self.slope) > 2.0 * self.sd


def gain_change(
    change: Floats, baseline: Floats, other: Floats | None, centers: Floats, control: Booleans
) -> GainChange:
    """Return the gain of the later scan on the control patches, less one.

    Parameters
    ----------
    change, baseline
        Shape (n_patches,): later scan less the earlier one, and the earlier one.
    other
        Shape (n_patches,): one more scan, whose noise is its own; None where there is none.
    centers, control
        Shape (n_patches, 2), and which patches are far from the intervention.

    Notes
    -----
    A regression on the baseline itself would find a loss in any noisy pair of scans: the noise of
    the baseline stands in the change with the other sign. One more scan is an instrument free of
    it (Wald 1940, doi:10.1214/aoms/1177731868). Without one, the ratio of the two spreads is the
    gain if noise and signal keep their ratio (Samuelson 1942, doi:10.2307/1927029).
    """
    places = np.column_stack([np.ones(int(control.sum())), centers[control]])

    def flat(values: Floats) -> Floats:
        plane, *_ = np.linalg.lstsq(places, values[control], rcond=None)
        return np.asarray(values[control] - places @ plane)

    before, moved = flat(baseline), flat(change)
    after = before + moved
    if not before.var() > 0 or not after.var() > 0:
        return GainChange(0.0, np.inf)
    if other is None:
        ratio = float(after.std() / before.std())
        # d log(ratio) is the mean of half the difference of the squares of both, each over its own
        score = 0.5 * (after**2 / after.var() - before**2 / before.var())
        return GainChange(ratio - 1.0, ratio * _mean_sd(score, centers[control]))
    tool = flat(other)
    shared = float(tool @ before)
    slope = float(tool @ moved) / shared if shared else 0.0
    score = tool * (moved - slope * before)
    sd = abs(_mean_sd(score, centers[control]) * len(tool) / shared) if shared else np.inf
    return GainChange(slope, sd)


def _mean_sd(score: Floats, centers: Floats) -> float:
    """Return the standard error of the mean of a correlated field."""
    layout = SpatialLayout(centers)
    lagged = layout.autocovariance(np.ascontiguousarray(score - score.mean()))
    single = float(lagged[layout.zero_lag]) / len(score)
    return float(np.sqrt(max(float(layout.pair_counts @ lagged) / len(score) ** 2, single)))
