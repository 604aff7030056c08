"""Columns without their smooth part: what a smooth hidden field cannot have confounded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline
from scipy.sparse.linalg import SuperLU, splu

from physlearn.causal.columns import Columns
from physlearn.causal.effect_estimates.neighbours import neighbour_means
from physlearn.causal.spatial_layout import Floats, SpatialLayout
from physlearn.checks import NotIdentified

KNOTS_A_LENGTH = 4.0 / 3.0
"""Knots of the splines per correlation length of the field that they have to follow."""
LEAST_SHARE = 0.1
"""Below this share of its variance beyond the band a cause tells nothing of its own."""
MOST_TAKEN = 0.5
"""Share of the patches that the smooth part may use up."""
FILTERS = ((0.0, 0), *((share, 1) for share in (0.3, 0.5, 0.7, 0.85, 0.95, 1.0)),
           *((share, 2) for share in (0.7, 0.85, 1.0)))  # fmt: skip
"""Share of the neighbours' mean that is taken off, and how often."""
FEWEST_LEFT = 500
"""Patches, less splines, below which the intervals were measured to be too narrow."""
N_PROBES = 40


@dataclass(frozen=True, slots=True, eq=False)
class RoughBand:
    """A way to take the smooth part out of fields on one layout.

    Attributes
    ----------
    splines
        Products of cubic B-splines at the patches, shape (n, rank).
    neighbours
        Matrix (n, n) that gives the mean over the neighbours of each patch.
    rank
        Number of splines.
    gains
        Filter -> variance that white noise of variance 1 keeps, summed over the patches.
    """

    splines: sparse.csr_matrix
    neighbours: sparse.csr_matrix
    rank: int
    gains: dict[tuple[float, int], float]


def rough_band(layout: SpatialLayout, length_patches: float) -> RoughBand:
    """Return the band beyond a smooth part that varies over `length_patches` or more.

    Cubic splines with 4/3 knots a length in x and y follow a field of Gaussian covariance of that
    correlation length to within .1 % of its variance.

    Raises
    ------
    NotIdentified
        Where the field of view is too small for the length.
    """
    basis = _tensor_splines(layout, length_patches / KNOTS_A_LENGTH)
    n, rank = basis.shape
    if rank > MOST_TAKEN * n:
        raise NotIdentified(
            f"a smooth part of correlation length {length_patches:.3g} patches takes {rank} of the "
            f"{n} patches: state a longer confounder_length_patches, or use smaller patches."
        )
    if n - rank < FEWEST_LEFT:
        raise NotIdentified(
            f"a smooth hidden field takes {rank} of the {n} patches; what is left is too little "
            f"for an honest error ({FEWEST_LEFT} are needed, about 28 x 28 patches in all): use "
            "smaller patches or a larger field."
        )
    band = RoughBand(basis, neighbour_means(layout), rank, {})
    probes = np.random.default_rng(0).choice([-1.0, 1.0], (n, N_PROBES))
    solver = _solver(basis)
    for chosen in FILTERS:
        moved = probes
        for _ in range(chosen[1]):
            moved = moved - chosen[0] * (band.neighbours.T @ moved)
        kept = moved - basis @ solver.solve(basis.T @ moved)
        band.gains[chosen] = float((kept**2).sum() / N_PROBES)
    return band


def without_smooth_part(columns: Columns, band: RoughBand) -> Columns:
    """Return the columns less their smooth part, which a smooth hidden field may have given them.

    All columns lose it, not the cause alone ("spatial+", Dupont, Wood and Augustin 2022,
    doi:10.1111/biom.13656). Values keep the units of the given columns, scaled so that the noise
    covariance of a patch stays what it was.
    """
    basis = band.splines
    rough = columns.values - basis @ _solver(basis).solve(basis.T @ columns.values)
    return _scaled(columns, rough, band, FILTERS[0])


def whitened(rough: Columns, band: RoughBand, error: Floats) -> Columns:
    """Return columns less a share of their neighbours' mean: the one that whitens an `error`.

    The smooth part is out of the columns `rough` already; `error` are weights of columns.
    Beyond the smooth band fields still vary mostly near its edge; so filtered, every wave counts
    for what it tells, and the error of the slope is that of nearly independent patches.
    """
    layout, best, least = rough.layout, rough, np.inf
    for chosen in FILTERS:
        values = rough.values
        for _ in range(chosen[1]):
            values = values - chosen[0] * (band.neighbours @ values)
        filtered = _scaled(rough, values, band, chosen, FILTERS[0])
        covariance = layout.autocovariance(filtered.values @ error)
        colour = float(layout.pair_counts @ covariance**2) / covariance[layout.zero_lag] ** 2
        if colour < least:
            best, least = filtered, colour
    return best


def _scaled(
    columns: Columns,
    values: Floats,
    band: RoughBand,
    chosen: tuple[float, int],
    before: tuple[float, int] | None = None,
) -> Columns:
    """Scale filtered values so that white noise keeps its variance per patch."""
    known = len(values) - columns.n_trend if before is None else band.gains[before]
    scale = np.sqrt(known / band.gains[chosen])
    return replace(columns, values=np.asarray(values * scale, dtype=np.float64))


def _solver(basis: sparse.csr_matrix) -> SuperLU:
    normal = (basis.T @ basis).tocsc()
    ridge = 1e-9 * normal.diagonal().mean() * sparse.eye(basis.shape[1], format="csc")
    return splu(normal + ridge)


def _tensor_splines(layout: SpatialLayout, spacing_patches: float) -> sparse.csr_matrix:
    """Return products of cubic B-splines at the centres, those without any patch left out."""
    step = layout.patch_step
    axes = []
    for axis in (0, 1):
        place = layout.centers[:, axis] / step
        low, high = float(place.min()), float(place.max())
        pieces = max(1, round((high - low) / spacing_patches))
        inner = np.linspace(low, high, pieces + 1) if high > low else np.array([low, low + 1.0])
        width = inner[1] - inner[0]
        knots = np.concatenate(
            [inner[0] - width * np.arange(3, 0, -1), inner, inner[-1] + width * np.arange(1, 4)]
        )
        design = BSpline.design_matrix(np.clip(place, inner[0], inner[-1]), knots, 3)
        axes.append(sparse.csr_matrix(design))
    product = _row_products(*axes)
    weight = np.asarray(product.sum(axis=0)).ravel()
    return sparse.csr_matrix(product[:, weight > 0.05])


def _row_products(first: sparse.csr_matrix, second: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the products of all pairs of columns, row by row."""
    n = first.shape[0]
    per_first, per_second = len(first.data) // n, len(second.data) // n
    left = first.indices.reshape(n, per_first).astype(np.int64)
    right = second.indices.reshape(n, per_second).astype(np.int64)
    column = (left[:, :, None] * second.shape[1] + right[:, None, :]).ravel()
    value = (
        first.data.reshape(n, per_first)[:, :, None] * second.data.reshape(n, per_second)[:, None]
    ).ravel()
    row = np.repeat(np.arange(n), per_first * per_second)
    return sparse.csr_matrix((value, (row, column)), shape=(n, first.shape[1] * second.shape[1]))


def require_rough_cause(
    before: Columns, after: Columns, x: int, left_before: Floats, left_after: Floats
) -> None:
    """Refuse a cause that varies too little beyond the smooth band.

    `left_before` and `left_after` are the weights of what is left of the cause once columns are
    held fixed.

    Raises
    ------
    NotIdentified
        Where all of the cause may come from the hidden field.
    """
    share = _true_variance(after, left_after) / max(_true_variance(before, left_before), 1e-300)
    if share < LEAST_SHARE:
        name = before.names[x]
        raise NotIdentified(
            f"{name} varies as smoothly as the hidden field that may drive it: beyond the smooth "
            f"band only {max(share, 0.0):.1%} of its variance is left ({LEAST_SHARE:.0%} is "
            f"needed); measure what drives {name}, or set {name} on purpose."
        )


def _true_variance(columns: Columns, weights: Floats) -> float:
    residual = columns.values @ weights
    n = len(residual) - columns.n_trend
    return float(residual @ residual) / n - float(weights @ columns.noise @ weights)
