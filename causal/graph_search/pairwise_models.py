"""Two columns alone: is the residual of a fit independent of what it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.interpolate import BSpline

from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout

N_LANDMARKS = 20
N_SHIFTS = 100
KNOTS = (0, 1, 2, 4, 7, 11)


def smooth_residual(cause: Floats, effect: Floats, n_effective: float) -> Floats:
    """Return what a cubic spline in `cause` (n,) leaves of `effect` (n,), centred.

    The number of knots, at quantiles, is the one of smallest BIC with the effective number of
    patches.
    """
    best, best_price = effect - effect.mean(), np.inf
    for n_knots in KNOTS:
        inner = np.quantile(cause, np.linspace(0, 1, n_knots + 2))
        knots = np.concatenate([np.repeat(inner[0], 3), np.unique(inner), np.repeat(inner[-1], 3)])
        basis = BSpline.design_matrix(cause, knots, 3).toarray()
        fitted = np.linalg.lstsq(basis, effect, rcond=1e-10)[0]
        residual = effect - basis @ fitted
        variance = max(float(residual @ residual) / len(effect), 1e-300)
        price = n_effective * np.log(variance) + basis.shape[1] * np.log(n_effective)
        if price < best_price:
            best, best_price = residual - residual.mean(), price
    return np.asarray(best)


def kernel_features(values: Floats) -> Floats:
    """Return centred features (n, m) whose inner products are those of a Gaussian kernel.

    Width: the median distance; landmarks at quantiles (Nystrom).
    """
    scaled = (values - values.mean()) / max(float(values.std()), 1e-300)
    marks = np.quantile(scaled, (np.arange(N_LANDMARKS) + 0.5) / N_LANDMARKS)
    distances = np.abs(marks[:, None] - marks[None, :])
    width = max(float(np.median(distances[np.triu_indices(N_LANDMARKS, 1)])), 1e-6)
    inner = np.exp(-0.5 * (distances / width) ** 2)
    outer = np.exp(-0.5 * ((scaled[:, None] - marks) / width) ** 2)
    size, vectors = np.linalg.eigh(inner)
    kept = size > 1e-8 * size[-1]
    features = outer @ (vectors[:, kept] / np.sqrt(size[kept]))
    return np.asarray(features - features.mean(axis=0))


def shift_rows(layout: SpatialLayout, rng: np.random.Generator) -> list[Integers]:
    """Return shifts of the field that keep its own pattern but lose its place."""
    return [layout.shifted(rng) for _ in range(N_SHIFTS)]


def independence_p_value(first: Floats, second: Floats, shifts: list[Integers]) -> float:
    """Return the p value of independence of two fields (n,) by HSIC.

    Its mean and variance under independence are those of one field shifted in space against the
    other, so that correlated patches count for what they are worth; a gamma law of these moments
    gives the p value (Gretton et al., NeurIPS 20, 585 (2007)).
    """
    left, right = kernel_features(first), kernel_features(second)
    value = float(((left.T @ right) ** 2).sum())
    moved = np.array([((left.T @ right[rows]) ** 2).sum() for rows in shifts])
    mean, variance = float(moved.mean()), float(moved.var(ddof=1))
    if variance <= 0:
        return 1.0
    return float(stats.gamma.sf(value, mean**2 / variance, scale=variance / mean))


@dataclass(frozen=True, slots=True)
class SlopeScore:
    """Difference of the two slope scores of IGCI, with its error over spatial blocks.

    Attributes
    ----------
    difference
        Score of x -> y less that of y -> x, with Gaussian reference: negative speaks for x -> y.
    uniform_difference
        The same with uniform reference.
    error
        Standard error of `difference`.
    """

    difference: float
    uniform_difference: float
    error: float


def slope_score(x: Floats, y: Floats, blocks: Integers) -> SlopeScore:
    """Return the slope scores of IGCI.

    Notes
    -----
    Janzing et al., Artif. Intell. 182-183, 1 (2012), doi:10.1016/j.artint.2012.01.002: mean of
    log|dy/dx| over neighbours in x, after both have been brought to a reference scale. Error:
    jackknife over spatial blocks.
    """
    whole = _gaussian_difference(x, y)
    spans = np.ptp(x), np.ptp(y)
    uniform = whole + 2 * (np.log(spans[0] / x.std()) - np.log(spans[1] / y.std()))
    labels = np.unique(blocks)
    left = [_gaussian_difference(x[blocks != b], y[blocks != b]) for b in labels]
    count = len(labels)
    error = float(np.sqrt((count - 1) / count * ((np.array(left) - np.mean(left)) ** 2).sum()))
    return SlopeScore(whole, float(uniform), error)


def _gaussian_difference(x: Floats, y: Floats) -> float:
    x, y = x / x.std(), y / y.std()
    return _mean_log_slope(x, y) - _mean_log_slope(y, x)


def _mean_log_slope(x: Floats, y: Floats) -> float:
    order = np.argsort(x, kind="stable")
    dx, dy = np.diff(x[order]), np.abs(np.diff(y[order]))
    used = (dx > 0) & (dy > 0)
    return float(np.log(dy[used] / dx[used]).mean())
