"""One robust value a patch from the pixels in it, with the covariance that their scatter shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from physlearn.datasets.spectra.pixel_spectra import median_of_known

__all__ = ["PatchLocations", "patch_locations"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

CUTOFF = 5.0
"""Pixels beyond this many robust standard deviations of their patch do not enter (bisquare)."""
N_ROUNDS = 30
LEAST_PLANE = 8
"""Pixels from which a slope across the patch is taken out before their scatter is measured."""
LEAST_PIXELS = 3
NORMAL = 1.4826
BLOCK = 400_000
"""Pixels times columns at a time: what bounds the memory."""
LARGEST_PRIOR = 1e4


class PatchLocations(NamedTuple):
    """Values (p, k), covariances (p, k, k), number of pixels used (p, k); NaN where too few."""

    values: Floats
    covariance: Floats
    number: Integers


def patch_locations(
    members: tuple[Integers, Integers], n_patches: int, points: Floats, values: Floats,
    *, least_share: float = 0.4,
) -> PatchLocations:  # fmt: skip
    """Return each patch's value in the middle of its pixels and the covariance of its error.

    A plane through the pixels of a patch by Tukey's bisquare (their mean where they are few). The
    covariance comes from the scatter about the plane, column with column; each patch's scatter is
    drawn towards the usual one by as much as the patches' scatters agree (empirical Bayes).

    References
    ----------
    The weight of the usual scatter: G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 3 (2004).
    """
    patch, point = members
    k = values.shape[1]
    size = np.bincount(patch, minlength=n_patches)
    most = int(size.max(initial=0))
    found = np.full((n_patches, k), np.nan)
    scatter = np.zeros((n_patches, k, k))
    number = np.zeros((n_patches, k), dtype=np.int64)
    freedom = np.zeros((n_patches, k))
    if most == 0:
        return PatchLocations(found, np.full((n_patches, k, k), np.nan), number)
    first = np.searchsorted(patch, np.arange(n_patches))
    for start in range(0, n_patches, max(BLOCK // (most * k), 1)):
        rows = np.arange(start, min(start + max(BLOCK // (most * k), 1), n_patches))
        slot = first[rows, None] + np.arange(most)
        there = np.arange(most) < size[rows, None]
        which = point[np.minimum(slot, len(point) - 1)]
        offset = np.where(there[..., None], points[which], 0.0)
        middle = offset.sum(axis=1) / np.maximum(size[rows, None], 1)
        offset = np.where(there[..., None], offset - middle[:, None], 0.0)
        pulls = np.empty((len(rows), most, k))
        for c in range(k):
            y = np.where(there, values[which, c], np.nan)
            found[rows, c], pulls[:, :, c], freedom[rows, c] = _plane(offset, y)
            number[rows, c] = np.isfinite(y).sum(axis=1)
        scatter[rows] = np.swapaxes(pulls, 1, 2) @ pulls
    enough = number >= np.maximum(LEAST_PIXELS, least_share * size[:, None])
    covariance = _moderated(scatter, freedom, number, enough)
    found[~enough] = np.nan
    covariance[~enough] = np.nan
    covariance.swapaxes(1, 2)[~enough] = np.nan
    return PatchLocations(found, covariance, number)


def _plane(offset: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return values in the middle (p,), what each pixel's noise adds to them (p, n), and freedom.

    The sum of the squares of the second is the variance of the first.
    """
    good = np.isfinite(y)
    number = good.sum(axis=1)
    y = np.where(good, y, 0.0)
    design = np.concatenate([np.ones((*y.shape, 1)), offset], axis=2)
    sizes = np.sqrt((offset**2).mean(axis=1))[:, None, :]
    design[:, :, 1:] /= np.where(sizes > 0, sizes, 1.0)
    few = number < LEAST_PLANE
    design[few, :, 1:] = 0.0
    p = np.where(few, 1, 3)
    middle = np.nan_to_num(median_of_known(np.where(good, y, np.nan), 1))[:, None]
    beta = np.concatenate([middle, np.zeros((len(y), 2))], axis=1)
    floor = 1e-12 * np.abs(y).max(axis=1) + 1e-300
    weight = good.astype(float)
    ridge = 1e-9 * np.eye(3)
    u = np.zeros_like(y)
    scale = floor
    for _ in range(N_ROUNDS):
        r = y - np.einsum("nmi,ni->nm", design, beta)
        away = np.where(good, np.abs(r), np.nan)
        spread = np.nan_to_num(median_of_known(away, 1))
        scale = np.maximum(NORMAL * spread * np.sqrt(number / np.maximum(number - p, 1)), floor)
        u = np.where(good, np.minimum((r / (CUTOFF * scale[:, None])) ** 2, 1.0), 1.0)
        weight = (1.0 - u) ** 2
        weighted = np.swapaxes(design * weight[..., None], 1, 2)
        step = np.linalg.solve(weighted @ design + ridge, weighted @ r[..., None])
        beta = beta + step[..., 0]
        if (np.abs(step[:, 0, 0]) < 1e-4 * scale).all():
            break
    r = y - np.einsum("nmi,ni->nm", design, beta)
    used = (weight > 0).sum(axis=1)
    curve = ((1.0 - u) * (1.0 - 5.0 * u)).sum(axis=1) / np.maximum(used, 1)
    inside = weight > 0
    bread = np.swapaxes(design * inside[..., None], 1, 2) @ design + ridge
    lever = np.einsum("nij,nmj->nmi", np.linalg.inv(bread), design)[..., 0]
    freedom = np.maximum(used - p, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inflate = np.sqrt(used / freedom) / curve
    pull = lever * weight * r * np.nan_to_num(inflate, posinf=0.0)[:, None]
    return beta[:, 0], pull, freedom.astype(float)


def _moderated(scatter: Floats, freedom: Floats, number: Integers, enough: Flags) -> Floats:
    """Draw each patch's covariance, in units of one pixel's, towards the usual one."""
    k = freedom.shape[1]
    scale = np.sqrt(np.maximum(number, 1))
    one = scatter * scale[:, :, None] * scale[:, None, :]
    variance = np.einsum("nii->ni", one)
    usual, prior = np.zeros(k), np.zeros(k)
    for c in range(k):
        known = enough[:, c] & (freedom[:, c] > 1) & (variance[:, c] > 0)
        usual[c], prior[c] = _usual(variance[known, c], freedom[known, c])
    weight = float(np.median(prior))
    known = (enough & (freedom > 1) & (variance > 0)).all(axis=1)
    sd = np.sqrt(np.where(variance > 0, variance, 1.0))
    agreement = np.eye(k)
    if known.any():
        agreement = (one[known] / sd[known, :, None] / sd[known, None, :]).mean(axis=0)
    target = agreement * np.sqrt(usual[:, None] * usual)
    own = np.sqrt(freedom[:, :, None] * freedom[:, None, :])
    # less 2: the mean of a variance that is known no better than so many degrees of freedom tell
    mixed = (weight * target + own * one) / np.maximum(weight + own - 2.0, 1.0)
    return np.asarray(mixed / scale[:, :, None] / scale[:, None, :])


def _usual(variance: Floats, freedom: Floats) -> tuple[float, float]:
    """Return the usual variance and its weight in degrees of freedom, from how variances differ."""
    if len(variance) < 3:
        return (float(variance.mean()) if len(variance) else 0.0), LARGEST_PRIOR
    half = 0.5 * freedom
    e = np.log(variance) - digamma(half) + np.log(half)
    excess = float(e.var(ddof=1) - polygamma(1, half).mean())
    if excess <= 0:
        return float(np.exp(e.mean())), LARGEST_PRIOR
    # trigamma(d0 / 2) = excess, by Newton's steps on its inverse (Smyth's appendix)
    x = 0.5 + 1.0 / excess
    for _ in range(20):
        x += polygamma(1, x) * (1.0 - polygamma(1, x) / excess) / polygamma(2, x)
    prior = min(2.0 * float(x), LARGEST_PRIOR)
    return float(np.exp(e.mean() + digamma(0.5 * prior) - np.log(0.5 * prior))), prior
