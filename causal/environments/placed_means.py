"""The mean of a field inside a mask, against the same mask moved over where nothing was done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import cKDTree

from physlearn.causal.environments.spatial_means import mean_of_field, wave_basis
from physlearn.causal.spatial_layout import SpatialLayout

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ON_PATCH = 0.3
MOST_PLACES = 1000
LEAST_PLACES = 20
LEAST_FREEDOM = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class MovedMasks:
    """One mask moved over the control patches.

    Attributes
    ----------
    rows
        Shape (n_places, n_mask): rows of the patches under the mask at each place.
    anchors
        Shape (n_places, 2): where it was moved to.
    """

    rows: Integers
    anchors: Floats


@dataclass(frozen=True, slots=True)
class PlacedMean:
    """Mean inside a mask less what the control says, with its error from the moved masks."""

    effect: float
    sd: float
    freedom: float
    p_value: float
    reason: str = ""

    def reach(self, mass: float) -> float:
        """Return half the width of the interval of that mass."""
        return float(stats.t.isf(0.5 * (1.0 - mass), max(self.freedom, 1.0)) * self.sd)


def moved_masks(centers: Floats, mask: Booleans, control: Booleans) -> MovedMasks:
    """Return every place (at most 1000) where the mask's patches all lie on control patches."""
    tree = cKDTree(centers)
    step = float(np.median(np.asarray(tree.query(centers, k=2)[0])[:, 1]))
    inside = centers[mask]
    start = inside[int(np.argmin(((inside - inside.mean(axis=0)) ** 2).sum(axis=1)))]
    places = np.flatnonzero(control)
    if len(places) > MOST_PLACES:
        places = places[np.linspace(0, len(places) - 1, MOST_PLACES).astype(int)]
    shifted = inside[None, :, :] + (centers[places] - start)[:, None, :]
    distance, near = tree.query(shifted, distance_upper_bound=ON_PATCH * step)
    rows = np.where(np.isfinite(distance), near, 0).astype(np.int64)
    fits = np.isfinite(distance).all(axis=1) & control[rows].all(axis=1)
    return MovedMasks(rows[fits], np.asarray(centers[places][fits]))


def placed_mean(
    change: Floats, centers: Floats, mask: Booleans, control: Booleans, moved: MovedMasks
) -> PlacedMean:
    """Return the mean change inside the mask less the plane through the control patches.

    Its error is the scatter of the mean under the moved masks, with the error of the plane; its
    degrees of freedom follow from how alike the means of neighbouring places are. The p value is
    the larger one of the t law's and of the rank among the moved masks.
    """
    if len(moved.rows) < LEAST_PLACES:
        return PlacedMean(
            np.nan, np.nan, np.nan, np.nan,
            f"the mask fits at only {len(moved.rows)} places where nothing was done",
        )  # fmt: skip
    places = np.column_stack([np.ones(len(centers)), centers - centers[control].mean(axis=0)])
    plane, *_ = np.linalg.lstsq(places[control], change[control], rcond=None)
    rest = change - places @ plane
    effect = float(rest[mask].mean())
    placebo = rest[moved.rows].mean(axis=1)
    scatter = float(np.mean(placebo**2))
    if scatter <= 0:
        return PlacedMean(effect, 0.0, np.nan, np.nan, "the control patches do not change at all")
    layout = SpatialLayout(moved.anchors)
    like = layout.autocovariance(placebo) / scatter
    freedom = 1.0 / max(float(layout.pair_counts @ like**2) / layout.n**2, 1.0 / layout.n)
    if freedom < LEAST_FREEDOM:
        return PlacedMean(
            effect, float(np.sqrt(scatter)), freedom, np.nan,
            f"the field holds only about {freedom:.0f} unrelated places of the mask's size",
        )  # fmt: skip
    of_mean = mean_of_field(rest[control], wave_basis(centers[control])).variance
    here = places[mask].mean(axis=0)
    spread = places[control].T @ places[control] / int(control.sum())
    leverage = float(here @ np.linalg.solve(spread, here))
    # the placebos lie within what the plane was fitted to, the mask does not
    sd = float(np.sqrt(scatter + 2.0 * leverage * of_mean))
    p_tail = 2.0 * float(stats.t.sf(abs(effect) / sd, freedom))
    beyond = int(np.count_nonzero(np.abs(placebo) >= abs(effect)))
    return PlacedMean(effect, sd, freedom, max(p_tail, (1 + beyond) / (1 + len(placebo))))
