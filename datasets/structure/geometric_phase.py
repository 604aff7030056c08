"""Strain from the phases of two lattice waves of the picture: a check that uses no positions."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, check_array, check_positive
from physlearn.datasets.reading.picture_frame import picture_frame

__all__ = ["geometric_phase_strain"]

Floats = NDArray[np.float64]
SMALLEST_SHARE = 0.05
"""Below this share of its median strength a lattice wave gives no phase."""


def geometric_phase_strain(
    image: xr.DataArray | ArrayLike,
    vectors: ArrayLike,
    *,
    at: ArrayLike | None = None,
    smoothing: float | None = None,
) -> Floats:
    """Measure strain by geometric phase analysis, as a cross-check of ``measure_strain``.

    The picture times exp(-2 pi i g r), smoothed, has the phase P = -2 pi g u of the displacement u,
    for the reciprocal vectors g of the reference lattice; grad u follows from the two phases'
    gradients. No unwrapping: the gradient is Im(conj(H) grad H) / |H|^2.

    Parameters
    ----------
    image
        Shape (rows, columns).
    vectors
        Undeformed lattice vectors, shape (2, 2), rows x, y, in the picture's unit, as
        ``measure_strain(...).reference``.
    at
        Places (n, 2) in the picture's unit; None gives every pixel.
    smoothing
        Standard deviation of the Gaussian that smooths the waves, in the picture's unit; None takes
        1.2 times the longer vector. It limits the resolution.

    Returns
    -------
    numpy.ndarray
        (n, 4) or (rows, columns, 4): xx, yy, xy, rotation as in ``measure_strain``, at the deformed
        places. NaN within two smoothing lengths of the edge and where the lattice is not seen.

    Raises
    ------
    InputError
        For vectors that are parallel, or shorter than two pixels.

    Notes
    -----
    It has no error bar: use it to catch mistakes, not for numbers. Hytch, Snoeck and Kilaas (1998),
    doi:10.1016/S0304-3991(98)00035-7.

    Examples
    --------
    >>> y, x = np.mgrid[:128, :128]
    >>> wave = np.cos(2 * np.pi * x / 10.2) + np.cos(2 * np.pi * y / 10)
    >>> strain = geometric_phase_strain(wave, [[10.0, 0.0], [0.0, 10.0]], at=[[64.0, 64.0]])
    >>> strain.round(3)[0, :2].tolist()
    [0.02, 0.0]
    """
    frame = picture_frame(image)
    scale, origin = np.array(frame.pixel_size), np.array(frame.origin)
    lattice = check_array("vectors", vectors, shape=(2, 2)) / scale
    if abs(np.linalg.det(lattice)) < 1e-9 or np.hypot(*lattice.T).min() < 2:
        raise InputError(
            "vectors must hold two vectors that are not parallel and at least 2 pixels long; got "
            f"{lattice[0].round(3)} and {lattice[1].round(3)} pixels."
        )
    length = 1.2 * float(np.hypot(*lattice.T).max())
    if smoothing is not None:
        check_positive("smoothing", smoothing)
        length = float(smoothing) / float(np.sqrt(scale[0] * scale[1]))
    # columns of the inverse are the reciprocal vectors: v_i . g_j = delta_ij
    waves = np.linalg.inv(lattice).T
    slopes = [_phase_gradient(frame.values, wave, length) for wave in waves]
    # u = -sum_k P_k v_k / (2 pi), so du_a/dx_b = -sum_k v_k[a] dP_k/dx_b / (2 pi)
    deformed = -np.einsum("ka,kyxb->yxab", lattice, np.array(slopes)) / (2 * np.pi)
    # the derivative is along deformed places: F = (1 - du/dx)^-1
    gradients = np.full_like(deformed, np.nan)
    good = np.isfinite(deformed).all(axis=(2, 3))
    gradients[good] = np.linalg.inv(np.eye(2) - deformed[good]) - np.eye(2)
    gradients *= scale[:, None] / scale
    strain = np.stack(
        [
            gradients[..., 0, 0], gradients[..., 1, 1],
            0.5 * (gradients[..., 0, 1] + gradients[..., 1, 0]),
            0.5 * (gradients[..., 1, 0] - gradients[..., 0, 1]),
        ],
        axis=-1,
    )  # fmt: skip
    if at is None:
        return strain
    places = (check_array("at", at, shape=(None, 2)) - origin) / scale
    sampled = [
        ndimage.map_coordinates(strain[..., k], places.T[::-1], order=1, cval=np.nan)
        for k in range(4)
    ]
    return np.stack(sampled, axis=-1)


def _phase_gradient(values: Floats, wave: Floats, length: float) -> Floats:
    """Return the gradient (rows, columns, 2; along x, y) of one lattice wave's phase, per pixel."""
    y, x = np.mgrid[: values.shape[0], : values.shape[1]]
    turned = (values - values.mean()) * np.exp(-2j * np.pi * (wave[0] * x + wave[1] * y))
    smooth = ndimage.gaussian_filter(turned.real, length) + 1j * ndimage.gaussian_filter(
        turned.imag, length
    )
    strength = np.abs(smooth) ** 2
    slopes = []
    for axis in (1, 0):
        # a derivative of the Gaussian, not a difference: no bias from the pixel step
        order = (0, 1) if axis == 1 else (1, 0)
        along = ndimage.gaussian_filter(turned.real, length, order=order) + 1j * (
            ndimage.gaussian_filter(turned.imag, length, order=order)
        )
        slopes.append((np.conj(smooth) * along).imag / np.maximum(strength, 1e-300))
    gradient = np.stack(slopes, axis=-1)
    edge = int(np.ceil(2 * length))
    seen = strength > SMALLEST_SHARE**2 * np.median(strength)
    seen[:edge] = seen[-edge:] = False
    seen[:, :edge] = seen[:, -edge:] = False
    gradient[~seen] = np.nan
    return gradient
