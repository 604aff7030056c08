"""Rotation-invariant polar-Fourier descriptors of patches, each centred on its own motif."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count, check_positive
from physlearn.datasets.descriptors.pixel_noise import (
    NoiseGiven,
    PixelNoise,
    linear_covariance,
    pixel_noise,
)
from physlearn.datasets.descriptors.polar_basis import PolarBasis, polar_basis
from physlearn.datasets.descriptors.polar_errors import amplitude_share, likely_power
from physlearn.datasets.descriptors.polar_parts import PolarParts, jump_of, polar_parts
from physlearn.one_thread import one_blas_thread
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["PolarFourier", "PolarOptions", "polar_fourier"]

Floats = NDArray[np.float64]
BATCH = 512
POOLED_FROM = 512
"""Patches that a pooled covariance is averaged over, evenly spread."""


@dataclass(frozen=True, slots=True)
class PolarOptions:
    """How patches are turned into polar-Fourier invariants.

    Attributes
    ----------
    order
        Largest n = 2 p + m; None takes 0.42 of the patch's edge, from 4 to 12.
    recenter
        "symmetry": on the point about which the patch is most circular; "none": its middle.
    reach_px
        Farthest that a centre may lie from the patch's middle.
    intensity
        "keep", or "divide" by the root of the patch's total power (any intensity scale).
    value
        "amplitude" |c| or "power" |c|^2; the noise's share of the power is removed first.
    covariance
        "none", "pooled" (one matrix, the mean over up to 512 patches) or "each".
    fill
        Share of the half edge at which the outermost function has its turning point.

    Examples
    --------
    >>> PolarOptions(order=8, intensity="divide").recenter
    'symmetry'
    """

    order: int | None = None
    recenter: Literal["symmetry", "none"] = "symmetry"
    reach_px: float = 2.5
    intensity: Literal["keep", "divide"] = "keep"
    value: Literal["amplitude", "power"] = "amplitude"
    covariance: Literal["none", "pooled", "each"] = "pooled"
    fill: float = 0.8

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class PolarFourier:
    """Invariants of every patch.

    Attributes
    ----------
    values
        Shape (n, k).
    modes
        (p, m) of each column, shape (k, 2): radial index and angular order.
    names
        ``p0_m2`` and so on.
    centers
        (x, y) of the motif in pixels of the picture, or of each patch of a stack; (n, 2).
    centered
        Whether a centre was found within reach; else the patch's middle, or the best of the grid.
    covariance
        Of the measurement errors, (n or 1, k, k); None when the noise is not known.

    Examples
    --------
    >>> found = polar_fourier(np.random.default_rng(0).poisson(9.0, (5, 16, 16)), noise="counts")
    >>> found.values.shape, found.names[:2], found.covariance.shape
    ((5, 20), ('p0_m0', 'p1_m0'), (1, 20, 20))
    """

    values: Floats
    modes: NDArray[np.int64]
    names: tuple[str, ...]
    centers: Floats
    centered: NDArray[np.bool_]
    covariance: Floats | None = None

    __repr__ = short_repr
    _repr_html_ = html_table


def polar_fourier(
    pixels: ArrayLike,
    centers: ArrayLike | None = None,
    size: int | None = None,
    *,
    noise: NoiseGiven = None,
    options: PolarOptions | None = None,
) -> PolarFourier:
    """Return polar-Fourier invariants of patches: any turn or shift of a motif gives the same.

    ``c_pm = sum_pixels I(r, theta) R_pm(r) exp(-i m theta)`` with the orthonormal Laguerre-Gauss
    functions R_pm about the motif's centre. A turn multiplies c_pm by a phase, so that c_p0 and
    |c_pm| do not feel it. The centre is the point at which ``sum_p c_p0^2 + 3 g^2`` is largest,
    with the power of the part that does not depend on theta and the light g under a Gaussian a
    quarter of the patch wide: found on a grid and by Newton steps. The mean of the inscribed disc
    is taken off first. Noise adds ``v`` to |c_pm|^2; it is taken away.

    Parameters
    ----------
    pixels
        Stack (n, rows, columns), or a picture (rows, columns) with ``centers``; finite.
    centers
        (x, y) of each patch's middle in pixels of the picture, shape (n, 2).
    size
        Edge of a patch in pixels, with ``centers``.
    noise
        Standard deviation of a pixel, a `ChannelNoise`, "counts" (Poisson), or None: not known,
        then nothing is taken away and there is no covariance.
    options
        `PolarOptions`.

    Returns
    -------
    PolarFourier
        ``values`` in the unit of the pixels (amplitude) or squared (power). The covariance follows
        every pixel's noise to first order, through the centre too; how an amplitude scatters near
        its own noise is counted exactly, with the true power taken from all patches. Such an
        amplitude has a bias of up to a third of its noise; powers have none.

    Raises
    ------
    InputError
        For pixels that are not finite, patches outside the picture or of fewer than 8 pixels.

    Notes
    -----
    Laguerre-Gauss moments in place of the pseudo-Zernike moments of Teh and Chin (1988),
    doi:10.1109/34.3913: they are separable, so that a sub-pixel centre costs nothing.

    Examples
    --------
    >>> y, x = np.mgrid[:24, :24] - 11.5
    >>> pair = np.exp(-((abs(x) - 4) ** 2 + y**2) / 4)
    >>> turned = np.exp(-((abs(y - 1) - 4) ** 2 + (x + 0.5) ** 2) / 4)
    >>> found = polar_fourier(np.stack([pair, turned]))
    >>> bool(np.allclose(found.values[0], found.values[1], atol=0.01)), found.centers[1].round(1)
    (True, array([11. , 12.5]))
    """
    chosen = options or PolarOptions()
    check_choice("recenter", chosen.recenter, ("symmetry", "none"))
    check_choice("intensity", chosen.intensity, ("keep", "divide"))
    check_choice("value", chosen.value, ("amplitude", "power"))
    check_choice("covariance", chosen.covariance, ("none", "pooled", "each"))
    windows, corners, starts = _windows(pixels, centers, size)
    edge = windows.shape[-2:]
    order = chosen.order
    if order is None:
        order = int(np.clip(round(0.42 * min(edge)), 4, 12))
    check_count("order", order, 2)
    basis = polar_basis(edge, order, check_positive("fill", chosen.fill))
    level = pixel_noise(noise)
    return _describe(windows, corners, starts, basis, level, chosen)


def _windows(
    pixels: ArrayLike, centers: ArrayLike | None, size: int | None
) -> tuple[Floats, NDArray[np.int64] | None, Floats]:
    """Return a stack or a view of all windows, which to take, and the middle within each."""
    array = np.asarray(pixels)
    if array.ndim == 3 and centers is None and size is None:
        check_array("pixels", array[:1], ndim=3)
        if min(array.shape[1:]) < 8:
            raise InputError(f"pixels must hold patches of 8 pixels or more, got {array.shape}.")
        middle = 0.5 * (np.array(array.shape[:0:-1]) - 1)
        return array, None, np.broadcast_to(middle, (len(array), 2))
    if array.ndim != 2 or centers is None or size is None:
        raise InputError(
            "pixels must be a stack (n, rows, columns), or a picture (rows, columns) given with "
            f"centers and size; got shape {array.shape}."
        )
    places = check_array("centers", centers, shape=(None, 2))
    edge = check_count("size", size, 8)
    first = np.round(places - 0.5 * (edge - 1)).astype(np.int64)
    outside = np.any((first < 0) | (first + edge > np.array(array.shape[::-1])), axis=1)
    if outside.any():
        raise InputError(
            f"centers must leave room for patches of {edge} pixels in the picture; "
            f"{int(outside.sum())} do not, first number {int(np.argmax(outside))}."
        )
    view = np.lib.stride_tricks.sliding_window_view(array, (edge, edge))
    return view, first, places - first


def _batches(
    windows: Floats, corners: NDArray[np.int64] | None, which: NDArray[np.int64], batch: int
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Yield patch numbers and their pixels, some hundred at a time."""
    for low in range(0, len(which), batch):
        rows = which[low : low + batch]
        where = rows if corners is None else (corners[rows, 1], corners[rows, 0])
        taken = windows[where]
        yield rows, np.ascontiguousarray(taken, dtype=np.float64)


def _describe(
    windows: Floats,
    corners: NDArray[np.int64] | None,
    middles: Floats,
    basis: PolarBasis,
    noise: PixelNoise | None,
    options: PolarOptions,
) -> PolarFourier:
    """Go through the patches in batches; a covariance of each on the way, a pooled one after."""
    n, k = len(middles), len(basis.modes)
    values, centers = np.empty((n, k)), np.empty((n, 2))
    found = np.empty(n, dtype=np.bool_)
    every = options.covariance == "each" and noise is not None
    covariance = np.empty((n, k, k)) if every else None
    batch = 64 if every else BATCH
    with one_blas_thread():
        for rows, pixels in _batches(windows, corners, np.arange(n), batch):
            if not np.isfinite(pixels).all():
                raise InputError("pixels must be finite in every patch; fill or leave out gaps.")
            part = describe_batch(pixels, middles[rows], basis, noise, options, every)
            values[rows], centers[rows], found[rows] = part[:3]
            if covariance is not None:
                covariance[rows] = part[3]
        if options.covariance == "pooled" and noise is not None:
            some = np.unique(np.linspace(0, n - 1, min(n, POOLED_FROM)).astype(np.int64))
            covariance = np.zeros((1, k, k))
            for rows, pixels in _batches(windows, corners, some, 64):
                part = describe_batch(pixels, middles[rows], basis, noise, options, True)
                covariance[0] += part[3].sum(axis=0) / len(some)
    shift = 0 if corners is None else corners
    names = tuple(f"p{p}_m{m}" for p, m in basis.modes)
    return PolarFourier(values, basis.modes, names, centers + shift, found, covariance)


def describe_batch(
    pixels: Floats,
    middles: Floats,
    basis: PolarBasis,
    noise: PixelNoise | None,
    options: PolarOptions,
    with_errors: bool,
) -> tuple[Floats, Floats, NDArray[np.bool_], Floats]:
    """Return values, centres, whether found, and covariances of a batch of patches."""
    variance = None if noise is None else noise.variance(pixels)
    parts = polar_parts(
        pixels, middles, basis, noise, variance=variance, with_gradients=with_errors,
        reach=options.reach_px if options.recenter == "symmetry" else None,
    )  # fmt: skip
    turning = parts.turning
    values, total = _values(parts, options)
    errors = np.empty((0, 0, 0))
    if parts.gradients is not None and noise is not None and variance is not None:
        likely = np.where(turning, likely_power(parts.clean, parts.added), 0.0)
        size = np.where(turning, np.sqrt(likely), parts.amplitude)
        gradients = _value_gradients(parts.gradients, size, total, turning, options)
        errors = linear_covariance(gradients, variance, noise)
        if options.value == "power":
            second = np.where(turning, parts.added**2, 0.0) / total[:, None] ** 2
            errors[:, np.arange(len(turning)), np.arange(len(turning))] += second
        else:
            share = np.sqrt(np.where(turning, amplitude_share(likely, parts.added), 1.0))
            errors *= share[:, :, None] * share[:, None, :]
        if parts.other is not None:
            jump = jump_of(parts, values, _values(parts.other, options)[0])
            if jump is not None:
                errors += jump[:, :, None] * jump[:, None, :]
    return values, parts.centers, parts.found, errors


def _values(parts: PolarParts, options: PolarOptions) -> tuple[Floats, Floats]:
    """Return amplitudes or powers, and the total power by which they are divided."""
    turning = parts.turning
    values = parts.amplitude
    if options.value == "power":
        values = np.where(turning, parts.clean, values)
    total = np.ones(len(values))
    if options.intensity == "divide":
        whole = parts.clean + np.where(turning, parts.added, 0.0)
        total = (whole - parts.added).sum(axis=1)
        total = np.maximum(total, np.maximum(1e-3 * whole.sum(axis=1), np.finfo(float).tiny))
        squares = turning if options.value == "power" else np.zeros_like(turning)
        values = values / np.where(squares, total[:, None], np.sqrt(total)[:, None])
    return values, total


def _value_gradients(
    gradients: Floats,
    amplitude: Floats,
    total: Floats,
    turning: NDArray[np.bool_],
    options: PolarOptions,
) -> Floats:
    """Return the gradients of the values from those of c_p0 and |c_pm|."""
    spread = amplitude[..., None, None]
    if options.intensity == "divide":
        length = np.sqrt(total)[:, None, None, None]
        along = np.einsum("nk,nkij->nij", amplitude, gradients)[:, None]
        gradients = (gradients - spread * along / length**2) / length
        spread = spread / length
    if options.value == "power":
        gradients = np.where(turning[:, None, None], 2.0 * spread, 1.0) * gradients
    return gradients
