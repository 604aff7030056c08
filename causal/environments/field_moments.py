"""Moments of the columns of one field, and what their correlation in space does to errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.environments.spatial_means import (
    MeanError,
    WaveBasis,
    mean_error,
    wave_basis,
)
from physlearn.causal.spatial_layout import SpatialLayout

Floats = NDArray[np.float64]

N_TREND = 3
LARGEST_REPAIR = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class FieldMoments:
    """What one field tells of its columns; everything else is algebra on these.

    Attributes
    ----------
    n
        Number of patches.
    mean
        Shape (p,).
    values
        Shape (n, p): a plane in x and y taken out.
    covariance
        Shape (p, p), of ``values``, as observed.
    noise
        Shape (p, p): mean covariance of the measurement errors, zeros when unknown.
    lagged
        Shape (n_lags, p, p): covariance of the columns a lag apart.
    weights
        Shape (n_lags,): share of all pairs of patches that are a lag apart.
    zero_lag
        Place of lag 0.
    amplitudes
        Shape (n_waves, p): of the slow waves, the plane left in.
    basis
        The waves.
    """

    n: int
    mean: Floats
    values: Floats
    covariance: Floats
    noise: Floats
    lagged: Floats
    weights: Floats
    zero_lag: int
    amplitudes: Floats
    basis: WaveBasis


def field_moments(raw: Floats, centers: Floats, noise: Floats) -> FieldMoments:
    """Return the moments of columns (n, p) on centres (n, 2) with noise covariance (p, p)."""
    n, p = raw.shape
    mean = raw.mean(axis=0)
    centered = raw - mean
    places = centers - centers.mean(axis=0)
    slopes, *_ = np.linalg.lstsq(places, centered, rcond=None)
    values = centered - places @ slopes
    layout = SpatialLayout(centers)
    own = [layout.autocovariance(np.ascontiguousarray(values[:, k])) for k in range(p)]
    lagged = np.empty((len(layout.pair_counts), p, p))
    for k in range(p):
        lagged[:, k, k] = own[k]
        for j in range(k):
            both = layout.autocovariance(values[:, k] + values[:, j])
            lagged[:, k, j] = lagged[:, j, k] = 0.5 * (both - own[k] - own[j])
    basis = wave_basis(centers)
    return FieldMoments(
        n, mean, values, values.T @ values / max(n - N_TREND, 1), noise, lagged,
        layout.pair_counts / n**2, layout.zero_lag, basis.waves @ centered / n, basis,
    )  # fmt: skip


def lagged_of(field: FieldMoments, weights: Floats, n_fitted: int) -> Floats:
    """Return the autocovariance of ``values @ weights``, repaired for what was fitted out of it."""
    found = np.einsum("hkl,k,l->h", field.lagged, weights, weights)
    return _repaired(field, found, n_fitted)


def mean_variance(field: FieldMoments, weights: Floats) -> MeanError:
    """Return the error of the mean of ``raw @ weights`` over the field."""
    least = float(weights @ field.noise @ weights) / field.n
    return mean_error(field.amplitudes @ weights, field.basis, least=least)


def score_covariance(
    field: FieldMoments, chosen: list[int], residual: Floats, n_fitted: int
) -> tuple[Floats, float]:
    """Return the covariance of the mean products of columns with a residual, and its effective n.

    Products of two independent fields: the sum over lags of both autocovariances (Clifford,
    Richardson and Hemon 1989, doi:10.2307/2532039), never below that of independent patches.
    """
    of_residual = lagged_of(field, residual, n_fitted)
    block = field.lagged[:, chosen][:, :, chosen]
    between = np.einsum("h,h,hkl->kl", field.weights, of_residual, block)
    single = float(of_residual[field.zero_lag]) * block[field.zero_lag] / field.n
    single = single + 1e-12 * np.trace(single) / len(chosen) * np.eye(len(chosen))
    root = np.linalg.cholesky(single)
    inverse = np.linalg.inv(root)
    sizes, axes = np.linalg.eigh(inverse @ between @ inverse.T)
    sizes = np.maximum(sizes, 1.0)
    shared = field.noise[chosen] @ residual
    covariance = root @ (axes * sizes) @ axes.T @ root.T + np.outer(shared, shared) / field.n
    return np.asarray(covariance), field.n / float(sizes.mean())


def log_variance_error(field: FieldMoments, residual: Floats, n_fitted: int) -> tuple[float, float]:
    """Return the noise-free variance of a residual and the freedom of the observed one.

    The variance of a mean square is twice the mean over pairs of the squared autocovariance,
    and more where the residual has heavier tails than a Gaussian one.
    """
    lagged = lagged_of(field, residual, n_fitted)
    observed = float(residual @ field.covariance @ residual)
    if not observed > 0:
        return 0.0, float(field.n)
    squares = (field.values @ residual) ** 2
    excess = max(float((squares**2).mean() / squares.mean() ** 2) - 3.0, 0.0)
    relative = 2.0 * float(field.weights @ lagged**2) / observed**2 + excess / field.n
    freedom = 2.0 / max(relative, 2.0 / field.n)
    true = observed - float(residual @ field.noise @ residual)
    return true, freedom * (max(true, 0.0) / observed) ** 2


def _repaired(field: FieldMoments, lagged: Floats, n_fitted: int) -> Floats:
    """Return an autocovariance with the variance of what was fitted out put back."""
    at_zero = float(lagged[field.zero_lag])
    of_mean = float(field.weights @ lagged) / max(1.0 - float(field.weights.sum()), 0.5)
    added = min(max(of_mean, 0.0), LARGEST_REPAIR * at_zero)
    return np.asarray(lagged + added * (0.4 * N_TREND + 0.6 * n_fitted))
