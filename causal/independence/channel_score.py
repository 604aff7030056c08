"""The score of two columns given others from moments of features: value, error, bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, linalg, special

from physlearn.causal.independence.channel_moments import ChannelMoments
from physlearn.causal.spatial_layout import Floats, Integers

MIN_DIRECTION = 0.15
"""Directions of the features with less true variance than this share are held back."""


@dataclass(frozen=True, slots=True, eq=False)
class ChannelScore:
    """Mean product of the residuals of two columns in the band, free of noise to first order.

    Attributes
    ----------
    value
        Jackknife-corrected.
    error
        Standard error.
    freedom
        Of the t law.
    noise_part
        What the known errors contributed, and was taken out.
    scale
        Product of the true residuals' standard deviations in the band; 0 when nothing is left.
    n_effective
        Patches that carry the same information, if independent.
    parts
        Contribution of each block to the value, shape (n_blocks,).
    mended
        What the powers of neighbours' copies took out: curved responses to a blurred column.
    """

    value: float
    error: float
    freedom: int
    noise_part: float
    scale: float
    n_effective: float
    parts: Floats
    mended: float


def p_of(score: ChannelScore, excess: float) -> float:
    """Return the two-sided p value of a score that exceeds all margins by `excess`."""
    # the t law's lower tail, without the checks of scipy.stats that cost more than the score
    quantile = -max(excess, 0.0) / max(score.error, 1e-300)
    return float(2.0 * special.stdtr(score.freedom, quantile))


class Scorer:
    """Scores on one set of moments, with fits and residuals kept for the next test.

    Parameters
    ----------
    moments
        Of all features.
    inflation
        The variance is multiplied by 1 + inflation x (features / effective patches).
    """

    def __init__(self, moments: ChannelMoments, *, inflation: float = 2.0) -> None:
        self.moments = moments
        self.inflation = inflation
        self.mean = moments.mean
        self.share = moments.counts / moments.counts.sum()
        self._inverses: dict[tuple[int, ...], _Fit] = {}
        self._lags = _Lags(moments)
        self._residuals: dict[tuple[int, tuple[int, ...]], _Residual] = {}

    def inverse(self, given: tuple[int, ...]) -> _Fit:
        """Return the features of `given`, the regularised inverse of their moments, and the lift.

        Moments of features with errors taken out may be singular; directions whose true share is
        below `MIN_DIRECTION` are lifted to it.
        """
        if given not in self._inverses:
            index = self.moments.features_of(given)
            inner = self.mean[np.ix_(index, index)]
            noise = self.moments.noise[np.ix_(index, index)]
            size = np.sqrt(np.maximum(np.diag(inner) + np.diag(noise), 1e-300))
            inner, noise = inner / np.outer(size, size), noise / np.outer(size, size)
            lift = 1e-6 * np.eye(len(index))
            if noise.any():
                observed = inner + noise + lift
                root = np.linalg.cholesky(observed)
                half = linalg.solve_triangular(root, noise, lower=True)
                half = linalg.solve_triangular(root, half.T, lower=True)
                shares, vectors = np.linalg.eigh(0.5 * (half + half.T))
                missing = np.maximum(MIN_DIRECTION - (1.0 - shares), 0.0)
                turned = root @ vectors
                lift = lift + (turned * missing) @ turned.T
            inverse = np.linalg.inv(inner + lift) / np.outer(size, size)
            self._inverses[given] = _Fit(index, inverse, lift * np.outer(size, size))
        return self._inverses[given]

    def residual(self, column: int, given: tuple[int, ...]) -> _Residual:
        """Return the fit of a column on the features of `given`, kept for the next test."""
        key = (column, given)
        if key not in self._residuals:
            self._residuals[key] = self._fit(column, given)
        return self._residuals[key]

    def _fit(self, column: int, given: tuple[int, ...]) -> _Residual:
        moments = self.moments
        fit = self.inverse(given)
        size, total = moments.size, moments.n_columns * moments.size
        here = column * size
        coefficients = fit.inverse @ self.mean[fit.index, here]
        weights = np.zeros(len(self.mean))
        weights[here] = 1.0
        weights[fit.index] -= coefficients
        field = moments.features[here].copy()
        parts = [*(slice(c * size, (c + 1) * size) for c in given), slice(total, len(weights))]
        centers = moments.blocks[:, here, :total:size].copy()
        products = np.concatenate([moments.blocks[:, here, own] for own in parts], axis=1)
        for part in parts:
            own_weights = weights[part].astype(np.float32)
            field += own_weights @ moments.features[part]
            centers += own_weights @ moments.blocks[:, part, :total:size]
            begin = 0
            for own in parts:  # small views: the moments of a test are never gathered
                end = begin + own.stop - own.start
                products[:, begin:end] += own_weights @ moments.blocks[:, part, own]
                begin = end
        used = fit.used(here)
        noise = float(weights[used] @ moments.noise[np.ix_(used, used)] @ weights[used])
        observed = float(field @ field) / len(field)
        image = np.zeros(moments.grid.shape)
        image.ravel()[moments.order] = field
        return _Residual(
            weights,
            coefficients,
            products.astype(np.float64),
            centers.astype(np.float64),
            observed,
            max(observed - noise, 0.1 * observed),
            self._lags.autocorrelation(image),
        )

    def score(self, x: int, y: int, given: tuple[int, ...]) -> ChannelScore:
        """Return the score of columns x and y given others."""
        fit = self.inverse(given)
        first, second = self.residual(x, given), self.residual(y, given)
        parts = first.centers[:, y] - first.products @ second.coefficients
        value = float(self.share @ parts)
        without = self._without_a_block(fit, first, second, value, parts)
        b = len(parts)
        corrected = b * value - (b - 1) * float(without.mean())
        jackknife = (b - 1) / b * float(((without - without.mean()) ** 2).sum())
        n_effective = self._lags.effective(first.autocorrelation, second.autocorrelation)
        features = len(fit.index)
        left = max(n_effective - min(features, 0.5 * n_effective), 1.0)
        spatial = first.observed * second.observed / left
        count = float(self.moments.counts.sum()) * self.moments.band
        variance = max(jackknife, spatial) * (1.0 + self.inflation * features / count)
        return ChannelScore(
            value=corrected,
            error=float(np.sqrt(variance)),
            freedom=b - 1,
            noise_part=self._noise_part(fit, x, y, first, second),
            scale=float(np.sqrt(first.true * second.true)),
            n_effective=n_effective,
            parts=parts,
            mended=self._mended(fit, len(given), first, second),
        )

    def _mended(self, fit: _Fit, n_given: int, first: _Residual, second: _Residual) -> float:
        """Return how much larger the value is without the powers of neighbours' copies."""
        size, near = self.moments.size, self.moments.of_neighbours
        if not n_given or not len(near):
            return 0.0
        used = np.concatenate([k * size + near for k in range(n_given)])
        left, right = first.coefficients[used], second.coefficients[used]
        return float(left @ np.linalg.solve(fit.inverse[np.ix_(used, used)], right))

    def _noise_part(self, fit: _Fit, x: int, y: int, first: _Residual, second: _Residual) -> float:
        """Return what the errors add to the mean product of two residuals."""
        one, two = (fit.used(column * self.moments.size) for column in (x, y))
        noise = self.moments.noise[np.ix_(one, two)]
        return float(first.weights[one] @ noise @ second.weights[two])

    def _without_a_block(
        self, fit: _Fit, first: _Residual, second: _Residual, value: float, parts: Floats
    ) -> Floats:
        """Return the score without each block, to second order in what the block changes.

        The coefficients without block b move by ``inverse (dg - dM c)``; the score, a quadratic
        form, by its linear part at the old coefficients less the products of the two moves.
        """
        counts = self.moments.counts
        ratio = counts / (counts.sum() - counts)
        change_x, change_y = (
            ratio[:, None] * (self.share @ r.products - r.products) for r in (first, second)
        )
        moved_x, moved_y = change_x @ fit.inverse, change_y @ fit.inverse
        without = value + ratio * (value - parts)
        without = without - moved_x @ (fit.lift @ second.coefficients)
        without = without - moved_y @ (fit.lift @ first.coefficients)
        without = without - np.einsum("bi,bi->b", moved_x, change_y)
        without = without - np.einsum("bi,bi->b", moved_y, change_x)
        inner = self.mean[np.ix_(fit.index, fit.index)]
        return np.asarray(without + np.einsum("bi,bi->b", moved_x @ inner, moved_y))


@dataclass(slots=True, eq=False)
class _Fit:
    """Features of a set of columns, the regularised inverse of their moments, what was added."""

    index: Integers
    inverse: Floats
    lift: Floats

    def used(self, here: int) -> Integers:
        """Return the features with weights in the residual of feature `here`."""
        return np.append(self.index, here)


@dataclass(slots=True, eq=False)
class _Residual:
    """A column less its fit: block products with the features and with all columns."""

    weights: Floats
    coefficients: Floats
    products: Floats
    centers: Floats
    observed: float
    true: float
    autocorrelation: Floats


class _Lags:
    """Pairs of used patches at each lag, and what they say of correlated neighbours."""

    def __init__(self, moments: ChannelMoments) -> None:
        shape = moments.grid.shape
        reach = [min(8, k // 4) for k in shape]
        self.padded = [
            fft.next_fast_len(k + r, real=True) for k, r in zip(shape, reach, strict=True)
        ]
        self.lags = np.ix_(np.arange(-reach[0], reach[0] + 1), np.arange(reach[1] + 1))
        used = np.zeros(shape)
        used.ravel()[moments.order] = 1.0
        self.pairs = np.maximum(self._correlate(used), 1.0)
        self.zero = reach[0]
        # half of the plane is kept: the opposite lag is the same number
        self.weight = 2.0 * self.pairs / used.sum() ** 2
        self.weight[:, 0] *= 0.5
        self.least = 0.3 / used.sum()

    def _correlate(self, image: Floats) -> Floats:
        modes = fft.rfft2(image, self.padded)
        return np.asarray(fft.irfft2(modes.real**2 + modes.imag**2, self.padded)[self.lags])

    def autocorrelation(self, image: Floats) -> Floats:
        """Return the autocorrelation of a residual on the grid at each lag."""
        found = self._correlate(image) / self.pairs
        return np.asarray(found / max(float(found[self.zero, 0]), 1e-300))

    def effective(self, first: Floats, second: Floats) -> float:
        """Return how many independent patches carry as much of a product of two residuals."""
        return float(1.0 / max(float((self.weight * first * second).sum()), self.least))
