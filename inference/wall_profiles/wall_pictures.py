"""Pictures of one wall with a known width, by adding up a fine grid: the truth of tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import as_generator

__all__ = ["make_wall_picture"]

Floats = NDArray[np.float64]
FINE = 5
N_RAYS = 41


def make_wall_picture(
    width: float,
    psf_width: float,
    *,
    noise_sd: float = 0.0,
    shape: tuple[int, int] = (20, 25),
    position: float = 0.3,
    angle: float = 0.1,
    curvature: float = 0.0,
    sextic: float | None = None,
    rng: int | np.random.Generator | None = None,
) -> Floats:
    """Return a picture of a wall between -1 and 1, blurred, averaged over pixels, with noise.

    The blur and the pixel are sums over a fine grid in the picture's plane, so that they test the
    Fourier profiles of `fit_wall_profile`.

    Parameters
    ----------
    width
        Half the jump over the steepest slope, pixels.
    psf_width
        Standard deviation of the Gaussian point spread, pixels.
    noise_sd
        Noise of a pixel.
    shape
        Rows and columns.
    position, angle, curvature
        Distance from the picture's middle along the normal, its angle from x, 1 / radius.
    sextic
        Shape Q of a 2-4-6 wall; tanh when None.
    rng
        Seed or generator.

    Examples
    --------
    >>> picture = make_wall_picture(1.5, 0.0, shape=(3, 9), angle=0.0)
    >>> picture.shape, bool(picture[0, 0] < -0.98)
    ((3, 9), True)
    """
    generator, _ = as_generator(rng)
    rows, columns = shape
    sub = (np.arange(FINE) + 0.5) / FINE - 0.5
    x = (np.arange(columns) - (columns - 1) / 2)[None, :, None, None] + sub[None, None, :, None]
    y = (np.arange(rows) - (rows - 1) / 2)[:, None, None, None] + sub[None, None, None, :]
    u = x * np.cos(angle) + y * np.sin(angle) - position
    v = -x * np.sin(angle) + y * np.cos(angle)
    top = 2 * u - curvature * (u * u + v * v)
    distance = top / (1 + np.hypot(1 - curvature * u, curvature * v))
    rays = np.linspace(-5.0, 5.0, N_RAYS) if psf_width > 0 else np.zeros(1)
    weights = np.exp(-0.5 * rays**2)
    picture = np.zeros(shape)
    for ray, weight in zip(rays, weights / weights.sum(), strict=True):
        place = distance - psf_width * ray
        if sextic is None:
            height = np.tanh(place / width)
        else:
            t = np.tanh(place / (width * np.sqrt(sextic / (1 + sextic))))
            height = t * np.sqrt(sextic / (1 + sextic - t * t))
        picture += weight * height.mean(axis=(2, 3))
    return np.asarray(picture + noise_sd * generator.standard_normal(shape))
