"""Spectra as vectors: scores on the few shapes by which a field's spectra differ, with errors."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_count
from physlearn.datasets.spectra.pixel_spectra import maps_of, median_of_known, pixel_spectra
from physlearn.datasets.spectra.real_features import repeated_features
from physlearn.datasets.spectra.spoilt import spoilt_points

__all__ = ["score_spectra"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

REASONS = ("measured", "more than half of the points are missing or spikes")
MOST_COMPONENTS = 12
N_ROUNDS = 4
N_FILLS = 6
CUTOFF = 6.0
ODD_SD = 10.0
MOST_SPOILT = 0.5
NORMAL = 1.4826
CLEAR_ECHO = 0.1
LEAST_NOISE = 0.3
"""Smallest noise of a point in units of the usual one."""


def score_spectra(spectra: xr.DataArray, n_components: int | None = None) -> xr.Dataset:
    r"""Describe each spectrum by its scores on the shapes by which the spectra differ.

    Principal components of the spectra without spikes, in units of the noise at each point of the
    axis; missing points are filled from the components until they fit. Each pixel's scores are
    least squares on its own sound points, :math:`(V^T W V)^{-1} V^T W (y - m)`, and so is their
    covariance. The noise is that of the residuals; the number of components, where it is not
    given, is that of singular values above the optimal cut for white noise.

    Parameters
    ----------
    spectra
        DataArray (y, x, axis) or (pixel, axis), real, NaN where missing (dI/dV over bias, counts
        over energy).
    n_components
        Number of scores; None: as many as stand above the noise, at most 12.

    Returns
    -------
    xarray.Dataset
        By pixel: ``spectral_score_1``, ``spectral_score_2``, ... with ``_sd`` and ``covariance``,
        in the unit of the spectra (components have a mean square of 1 over the axis),
        ``spoilt_share``, ``reason``; over the axis: ``components`` (component, axis), ``mean`` and
        ``noise_sd``. The errors are given the components: their own error, common to all pixels,
        is not in them. ``attrs["warnings"]`` says where the noise is not white along the axis.

    Raises
    ------
    InputError
        For complex spectra, or fewer than 8 sound ones.
    NotIdentified
        When the spectra do not differ by more than their noise.

    References
    ----------
    M. Gavish and D. L. Donoho, IEEE Trans. Inf. Theory 60, 5040 (2014), on the cut.

    Examples
    --------
    >>> from physlearn.datasets import make_spectra
    >>> found = score_spectra(make_spectra("tunnelling", (16, 16), rng=1).spectra)
    >>> found.sizes["component"] >= 2, found.spectral_score_1.dims
    (True, ('y', 'x'))
    """
    pixels = pixel_spectra("spectra", spectra, least=8)
    if np.iscomplexobj(pixels.values):
        raise InputError("spectra must be real for scores; take amplitude or one quadrature.")
    if n_components is not None:
        check_count("n_components", n_components, 1)
    used = ~(spoilt_points(pixels.values) | _odd(pixels.values))
    share = 1.0 - used.mean(axis=1)
    sound = share <= MOST_SPOILT
    if sound.sum() < 8 or used[sound].sum(axis=0).min() < 8:
        raise InputError(
            f"spectra must hold at least 8 sound spectra; {int(sound.sum())} of {pixels.n} are."
        )
    y = np.where(used, pixels.values, 0.0)
    mean, noise, shapes, used = _components(y, used, sound, n_components)
    scores, covariance = _scores(y - mean, used, noise, shapes)
    left = (y - mean - scores @ shapes.T) / noise
    # a mean square of 1: a score then reads in the unit of the spectra
    size = np.sqrt((shapes**2).mean(axis=0))
    shapes, scores = shapes / size, scores * size
    covariance = covariance * size[:, None] * size
    sign = np.sign(shapes[np.argmax(np.abs(shapes), axis=0), np.arange(shapes.shape[1])])
    shapes, scores, covariance = shapes * sign, scores * sign, covariance * sign[:, None] * sign
    names = [f"spectral_score_{k + 1}" for k in range(shapes.shape[1])]
    why = np.where(1.0 - used.mean(axis=1) > MOST_SPOILT, 1, 0)
    warnings = _warnings(len(names) if n_components is None else 0, _echo(left, used))
    result = maps_of(
        pixels, names, [pixels.unit] * len(names), scores, covariance, REASONS, why,
        {"warnings": warnings},
    )  # fmt: skip
    share = 1.0 - used.mean(axis=1)
    result["spoilt_share"] = (pixels.dims, share.reshape(pixels.shape), {"units": "1"})
    units = {"units": pixels.unit}
    result["components"] = (("component", pixels.dim), shapes.T, {"units": "1"})
    result["mean"] = ((pixels.dim,), mean, units)
    result["noise_sd"] = ((pixels.dim,), noise, units)
    return result.assign_coords({pixels.dim: spectra.coords[pixels.dim]})


def _odd(y: Floats) -> Flags:
    """Return points that no spectrum comes near at their place, but features that some share."""
    middle = median_of_known(y, 0)
    wide = NORMAL * median_of_known(np.abs(y - middle), 0)
    with np.errstate(invalid="ignore"):
        odd = np.asarray(np.abs(y - middle) > ODD_SD * np.maximum(wide, 1e-300))
    return odd & ~repeated_features(y, odd)


def _echo(left: Floats, used: Flags) -> float:
    """Return the correlation of residuals one point of the axis apart."""
    left = np.where(used, left, 0.0)
    return float((left[:, 1:] * left[:, :-1]).sum() / max(float((left**2).sum()), 1e-300))


def _warnings(number: int, echo: float) -> tuple[str, ...]:
    """Return what speaks against the number of shapes and the errors."""
    found = []
    if number == MOST_COMPONENTS:
        found.append(
            f"{number} shapes stand above white noise, the most that are taken: noise that is "
            "correlated along the axis does this, and shapes that move do; give n_components."
        )
    if echo > CLEAR_ECHO:
        found.append(
            f"the noise of neighbouring points correlates by {echo:.2f}: errors of the scores, "
            "which take it for white, are too small, and the last shapes may be noise."
        )
    return tuple(found)


def _components(
    y: Floats, used: Flags, sound: Flags, wanted: int | None
) -> tuple[Floats, Floats, Floats, Flags]:
    """Return mean, noise, shapes (m, r) and the points that they leave in use."""
    noise = np.ones(y.shape[1])
    mean = median_of_known(np.where(used & sound[:, None], y, np.nan), 0)
    shapes = np.empty((y.shape[1], 0))
    for _ in range(N_ROUNDS):
        mean, shapes = _low_rank(y, used & sound[:, None], mean, shapes, noise, wanted)
        fitted = _scores(y - mean, used, noise, shapes)[0] @ shapes.T
        residual = y - mean - fitted
        away = np.where(used & sound[:, None], np.abs(residual), np.nan)
        noise = NORMAL * median_of_known(away, 0) / np.sqrt(_left(noise, shapes))
        # a point that the components follow wholly would seem to have no noise at all
        noise = np.maximum(noise, LEAST_NOISE * np.median(noise) + 1e-300)
        used = used & (np.abs(residual) < CUTOFF * noise)
    return mean, noise, shapes, used


def _left(noise: Floats, shapes: Floats) -> Floats:
    """Return the share of the noise variance at each point that least squares leave over."""
    scaled = shapes / noise[:, None]
    hat = np.linalg.pinv(scaled.T @ scaled)
    return np.asarray(np.maximum(1.0 - np.einsum("ma,ab,mb->m", scaled, hat, scaled), 0.1))


def _low_rank(
    y: Floats, used: Flags, mean: Floats, shapes: Floats, noise: Floats, wanted: int | None
) -> tuple[Floats, Floats]:
    """Fill what is missing, and take the singular vectors above the cut."""
    rows = used.any(axis=1)
    y, used = y[rows], used[rows]
    for _ in range(N_FILLS):
        fitted = mean + _scores(y - mean, used, noise, shapes)[0] @ shapes.T
        full = np.where(used, y, fitted)
        mean = full.mean(axis=0)
        whitened = (full - mean) / noise
        values, vectors = np.linalg.eigh(whitened.T @ whitened)
        singular = np.sqrt(np.maximum(values[::-1], 0.0))
        rank = _rank(singular, *whitened.shape) if wanted is None else wanted
        rank = min(rank, MOST_COMPONENTS if wanted is None else y.shape[1])
        if rank == 0:
            raise NotIdentified(
                "the spectra do not differ by more than their noise: there is no shape to score; "
                "average more pixels, or give n_components."
            )
        shapes = vectors[:, ::-1][:, :rank] * noise[:, None]
    return mean, shapes


def _rank(singular: Floats, n: int, m: int) -> int:
    """Return how many singular values stand above the cut for white noise of unknown size."""
    beta = min(n, m) / max(n, m)
    # the polynomial of the paper for the cut in units of the median singular value
    cut = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    return int(np.sum(singular > cut * np.median(singular)))


def _scores(y: Floats, used: Flags, noise: Floats, shapes: Floats) -> tuple[Floats, Floats]:
    """Return least-squares scores on each pixel's used points, and their covariance."""
    r = shapes.shape[1]
    if r == 0:
        return np.zeros((len(y), 0)), np.zeros((len(y), 0, 0))
    scaled = shapes / noise[:, None]
    pairs = (scaled[:, :, None] * scaled[:, None, :]).reshape(-1, r * r)
    bread = (used.astype(np.float64) @ pairs).reshape(-1, r, r) + 1e-10 * np.eye(r)
    right = np.where(used, y / noise, 0.0) @ scaled
    covariance = np.asarray(np.linalg.inv(bread), dtype=np.float64)
    return np.asarray((covariance @ right[..., None])[..., 0]), covariance
