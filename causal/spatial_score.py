"""Moments of residuals on a layout of patches, known noise taken out, with spatial errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout

DETERMINED = 1e-8


@dataclass(frozen=True, slots=True)
class Score:
    """Mean product of two residuals, corrected for noise, with its spatial standard error."""

    value: float
    error: float
    noise_part: float
    variance_first: float
    variance_second: float
    n_effective: float


class SpatialScore:
    """Moments of residuals of columns on a layout of patches, with the known noise taken out.

    Residual weights ``w`` solve the errors-in-variables equations ``(C - N) w = 0`` on the
    conditioning columns, ``C`` the observed and ``N`` the noise covariance. The score
    ``w_x (C - N) w_y`` does not change to first order with the fitted coefficients, so its
    variance is that of a mean of products of residuals.

    Parameters
    ----------
    values
        Centred columns, shape (n, p).
    layout
        Where the patches lie.
    noise
        Covariance of the measurement errors of one patch, shape (p, p), same units as `values`.
    n_trend
        How many location terms were removed before (3 for a plane).
    """

    def __init__(
        self, values: Floats, layout: SpatialLayout, noise: Floats, *, n_trend: int = 3
    ) -> None:
        self.values = values
        self.layout = layout
        self.noise = noise
        self.n, self.p = values.shape
        self.n_trend = n_trend
        self.gram: Floats = values.T @ values / max(self.n - n_trend, 1)
        self._autocovariances: dict[tuple[int, tuple[int, ...]], Floats] = {}
        self._errors: dict[tuple[int, int, tuple[int, ...]], tuple[float, float]] = {}

    def block_grams(self, blocks: Integers) -> tuple[Floats, Floats]:
        """Return sums of products (n_blocks, p, p) and patches (n_blocks,) of each block."""
        count = np.bincount(blocks).astype(np.float64)
        grams = np.stack(
            [self.values[blocks == b].T @ self.values[blocks == b] for b in range(len(count))]
        )
        return grams, count

    def weights(self, column: int, given: tuple[int, ...], gram: Floats | None = None) -> Floats:
        """Return w (p,): `values @ w` is the column less its fit on the noise-free `given`."""
        weights = np.zeros(self.p)
        weights[column] = 1.0
        if given:
            true = (self.gram if gram is None else gram) - self.noise
            index = list(given)
            inner = true[np.ix_(index, index)]
            ridge = 1e-10 * np.trace(inner) / len(index)
            weights[index] = -np.linalg.solve(
                inner + ridge * np.eye(len(index)), true[index, column]
            )
        return weights

    def determined(self, columns: tuple[int, ...]) -> bool:
        """Whether the columns determine one another, so that no fit on all of them exists."""
        if len(columns) < 2:
            return False
        eigenvalues = np.linalg.eigvalsh(self.gram[np.ix_(columns, columns)])
        return bool(eigenvalues[0] < DETERMINED * eigenvalues[-1])

    def reliability(self, given: tuple[int, ...]) -> float:
        """Return the smallest share of true variance over directions of the `given` columns."""
        if not given or not self.noise.any():
            return 1.0
        index = np.ix_(list(given), list(given))
        inverse_root = np.linalg.inv(np.linalg.cholesky(self.gram[index]))
        true = self.gram[index] - self.noise[index]
        shares = np.linalg.eigvalsh(inverse_root @ true @ inverse_root.T)
        return float(np.min(shares))

    def autocovariance(self, weights: Floats) -> Floats:
        """Return the autocovariance of a residual, repaired for the mean taken out of it.

        Taking a mean (or a plane) out of a correlated field lowers its autocovariance at all
        lags by about the variance of the mean per term; that much is put back.
        """
        covariance = self.layout.autocovariance(self.values @ weights)
        pairs = self.layout.pair_counts
        share = pairs / self.n**2
        # location terms and fitted columns each take out part of the long waves (measured)
        terms = 0.4 * self.n_trend + 0.6 * (int(np.count_nonzero(weights)) - 1)
        mean_variance = float(share @ covariance) / max(1.0 - float(share.sum()), 0.5)
        limit = 0.2 * covariance_at_zero(covariance, self.layout)
        repaired = covariance + min(max(mean_variance, 0.0), limit) * terms
        return np.asarray(repaired, dtype=np.float64)

    def variance_of_product(self, first: Floats, second: Floats) -> float:
        """Return the variance of the mean product of two residuals, given their weights."""
        return self._combine(self.autocovariance(first), self.autocovariance(second), first, second)

    def _combine(self, cov_1: Floats, cov_2: Floats, first: Floats, second: Floats) -> float:
        product = float(self.layout.pair_counts @ (cov_1 * cov_2)) / self.n**2
        zero_1 = covariance_at_zero(cov_1, self.layout)
        zero_2 = covariance_at_zero(cov_2, self.layout)
        shared_noise = float(first @ self.noise @ second)
        return float(max(product, zero_1 * zero_2 / self.n) + shared_noise**2 / self.n)

    def error(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float]:
        """Return the standard error of the score of columns x and y and its effective n."""
        key = (min(x, y), max(x, y), given)
        if key not in self._errors:
            weights = [self.weights(k, given) for k in key[:2]]
            autocovariances = []
            for column, weight in zip(key[:2], weights, strict=True):
                cache = (column, given)
                if cache not in self._autocovariances:
                    self._autocovariances[cache] = self.autocovariance(weight)
                autocovariances.append(self._autocovariances[cache])
            variance = self._combine(*autocovariances, *weights)
            zeros = [covariance_at_zero(a, self.layout) for a in autocovariances]
            self._errors[key] = (float(np.sqrt(variance)), zeros[0] * zeros[1] / variance)
        return self._errors[key]

    def score(
        self, x: int, y: int, given: tuple[int, ...], gram: Floats | None = None, share: float = 1.0
    ) -> Score:
        """Return the score of two columns; `gram` from a `share` of the patches, if not all."""
        first, second = self.weights(x, given, gram), self.weights(y, given, gram)
        observed = self.gram if gram is None else gram
        noise_part = float(first @ self.noise @ second)
        error, n_effective = self.error(x, y, given)
        return Score(
            value=float(first @ observed @ second) - noise_part,
            error=error / float(np.sqrt(share)),
            noise_part=noise_part,
            variance_first=float(first @ (observed - self.noise) @ first),
            variance_second=float(second @ (observed - self.noise) @ second),
            n_effective=n_effective * share,
        )


def covariance_at_zero(autocovariance: Floats, layout: SpatialLayout) -> float:
    """Return the variance, which is the autocovariance at lag zero."""
    return float(autocovariance[layout.zero_lag])
