"""Amplitudes of patches about their own centres, and the doubt about which centre it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from physlearn.datasets.descriptors.pixel_noise import PixelNoise, linear_covariance
from physlearn.datasets.descriptors.polar_basis import PolarBasis
from physlearn.datasets.descriptors.polar_kernels import (
    describe_windows,
    ring_sums,
    window_gradients,
)

__all__ = ["PolarParts", "jump_of", "polar_parts"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
LAST_STEP_PX = 0.75
SAME_CENTER_PX = 0.5
NO_DOUBT = 4.0
"""Standard deviations by which one centre must be better than another to be beyond doubt."""


@dataclass(frozen=True, slots=True, eq=False)
class PolarParts:
    """What is known of a batch of patches: c_p0 and |c_pm|, their noise and their gradients.

    ``clean`` is the power without the noise's share ``added``; ``amplitude`` its root, or c_p0.
    ``other`` holds the same about each patch's next best centre, which is the right one with
    probability ``doubt``.
    """

    amplitude: Floats
    clean: Floats
    added: Floats
    turning: NDArray[np.bool_]
    centers: Floats
    found: NDArray[np.bool_]
    gradients: Floats | None = None
    other: PolarParts | None = None
    doubt: Floats | None = None


def jump_of(parts: PolarParts, here: Floats, there: Floats) -> Floats | None:
    """Return the standard deviation with sign of values that a jump of the centre would change."""
    if parts.doubt is None:
        return None
    return np.asarray(np.sqrt(parts.doubt * (1.0 - parts.doubt))[:, None] * (here - there))


def polar_parts(
    pixels: Floats | Singles,
    middles: Floats,
    basis: PolarBasis,
    noise: PixelNoise | None,
    *,
    reach: float | None,
    variance: Floats | None,
    with_gradients: bool,
) -> PolarParts:
    """Return amplitudes about each patch's own centre, and how they change with each pixel.

    ``reach`` None leaves the centre in the middle of the patch.
    """
    # the offset goes before the precision does
    mean = pixels.reshape(len(pixels), -1) @ basis.disc.ravel()
    flat = np.empty(pixels.shape, dtype=np.float32)
    np.subtract(pixels, mean[:, None, None], out=flat, casting="same_kind")
    starts = np.array(middles, dtype=np.float64)
    nexts = starts
    if reach is not None:
        best, second = basis.best_of_grid(flat, reach)
        starts, nexts = starts + best, starts + second
    parts = _at(flat, starts, basis, noise, reach, variance)
    if not with_gradients:
        return parts
    gradients = _gradients(flat, parts, basis, reach)
    parts = replace(parts, gradients=gradients)
    if reach is None or noise is None or variance is None:
        return parts
    other = _at(flat, nexts, basis, noise, reach, variance)
    doubt = _doubt(flat, parts, other, basis, reach, variance, noise)
    return replace(parts, other=other, doubt=doubt)


def _at(
    flat: Singles,
    starts: Floats,
    basis: PolarBasis,
    noise: PixelNoise | None,
    reach: float | None,
    variance: Floats | None,
) -> PolarParts:
    """Return amplitudes about the centres that Newton steps reach from ``starts``."""
    n, k = len(flat), len(basis.modes)
    centers, found = np.empty((n, 2)), np.empty(n, dtype=np.bool_)
    real, imaginary = np.empty((n, k)), np.empty((n, k))
    describe_windows(
        flat, starts, reach is not None, LAST_STEP_PX, basis.scale, basis.order, basis.modes,
        basis.n_circular, basis.mass, basis.table, centers, found, real, imaginary,
    )  # fmt: skip
    turning = basis.modes[:, 1] > 0
    power = real**2 + imaginary**2
    added = np.zeros_like(power)
    if noise is not None and variance is not None:
        added = _noise_power(variance, centers, basis, noise)
    clean = np.where(turning, power - added, power)
    amplitude = np.where(turning, np.sqrt(np.maximum(clean, 0.0)), real)
    return PolarParts(amplitude, clean, added, turning, centers, found)


def _gradients(flat: Singles, parts: PolarParts, basis: PolarBasis, reach: float | None) -> Floats:
    """Return how c_p0 and |c_pm| change with each pixel, the disc's mean and the centre too."""
    gradients = np.empty((len(flat), len(basis.modes), *flat.shape[1:]))
    window_gradients(
        flat, parts.centers, parts.found, reach is not None, basis.scale, basis.order,
        basis.modes, basis.n_circular, basis.mass, basis.table, gradients,
    )  # fmt: skip
    gradients -= basis.disc * gradients.sum(axis=(2, 3))[..., None, None]
    return gradients


def _doubt(
    flat: Singles,
    parts: PolarParts,
    other: PolarParts,
    basis: PolarBasis,
    reach: float,
    variance: Floats,
    noise: PixelNoise,
) -> Floats:
    """Return the probability that the noise alone made the first centre the better one.

    The power at a centre does not change to first order when the centre moves, so that its
    gradient is that of the pixels alone.
    """
    first, second = (_centre_weights(each, basis) for each in (parts, other))
    gain = first[1] - second[1]
    level = variance.mean(axis=(1, 2))
    level = level * noise.correlation.sum()
    largest = np.sqrt(4.0 * level * ((first[0] ** 2).sum(axis=1) + (second[0] ** 2).sum(axis=1)))
    apart = np.hypot(*(parts.centers - other.centers).T) > SAME_CENTER_PX
    rows = np.flatnonzero(apart & (gain < 1.5 * NO_DOUBT * largest))
    doubt = np.zeros(len(flat))
    if not len(rows) or parts.gradients is None:
        return doubt
    some = replace(
        other, amplitude=other.amplitude[rows], clean=other.clean[rows], added=other.added[rows],
        centers=other.centers[rows], found=other.found[rows],
    )  # fmt: skip
    count = basis.n_circular
    here = parts.gradients[rows, :count]
    there = _gradients(np.ascontiguousarray(flat[rows]), some, basis, reach)[:, :count]
    slope = 2.0 * np.einsum("nk,nkij->nij", first[0][rows], here)
    slope -= 2.0 * np.einsum("nk,nkij->nij", second[0][rows], there)
    sd = np.sqrt(linear_covariance(slope[:, None], variance[rows], noise)[:, 0, 0])
    doubt[rows] = ndtr(-np.maximum(gain[rows], 0.0) / np.maximum(sd, 1e-300))
    return doubt


def _centre_weights(parts: PolarParts, basis: PolarBasis) -> tuple[Floats, Floats]:
    """Return half the derivative of what the centre maximises by each c_p0, and its value."""
    circular = parts.amplitude[:, : basis.n_circular]
    mass = circular @ basis.mass
    value = (circular**2).sum(axis=1) + mass**2
    return circular + mass[:, None] * basis.mass, value


def _noise_power(variance: Floats, centers: Floats, basis: PolarBasis, noise: PixelNoise) -> Floats:
    """Return what the noise adds to each |c_pm|^2 of each patch, shape (n, k)."""
    even, lines = noise.power(basis.functions)
    if noise.gain == 0.0:
        return np.broadcast_to(noise.offset * even + lines, (len(centers), len(even)))
    rings = np.zeros((len(variance), len(basis.ring_weights)))
    ring_sums(variance, centers, basis.rings_per_px, rings)
    return np.asarray((rings @ basis.ring_weights) * even + lines)
