"""Films of a driven order parameter with planted Landau terms, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.polynomial_field import make_polynomial_field

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PlantedFilm", "planted_film"]

Floats = NDArray[np.float64]

TERMS = ("alpha", "beta", "gradient", "field")
THETA = (-0.4, 0.4, 0.6, 0.08)
PERIOD = 25.0
GRAIN = 6.0  # pixels, of the first domains
WARM_UP = 4.0
FINE = 6


@dataclass(frozen=True, eq=False)
class PlantedFilm:
    """A film and its truth; ``clean`` is what a camera without noise and drift sees."""

    video: xr.DataArray
    clean: Floats
    terms: tuple[str, ...]
    theta: Floats
    drive: Callable[[Floats], Floats]
    noise_sd: float


def sine_drive(times: Floats) -> Floats:
    """Return a drive of amplitude 1 and a period of 25 frames."""
    return np.asarray(np.sin(2 * np.pi * np.asarray(times) / PERIOD))


def planted_film(
    shape: tuple[int, int] = (64, 64), n_frames: int = 60, *, theta: tuple[float, ...] = THETA,
    noise_sd: float = 0.05, drift: tuple[float, float] = (0.0, 0.0), missing: float = 0.0,
    missing_pixels: float = 0.0, blur: float = 0.0, thermal: float = 0.0,
    rng: int | np.random.Generator = 0,
) -> PlantedFilm:  # fmt: skip
    """Make a periodic Allen-Cahn film of coarsening domains under a sine drive.

    Drift (pixels / frame) and blur are exact in Fourier space; ``missing`` is the share of frames
    that are NaN; ``thermal`` the sd that white noise adds to the field in a frame.
    """
    import xarray as xr

    generator = np.random.default_rng(rng)
    values = np.array(theta)
    k_y = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    k_x = 2 * np.pi * np.fft.fftfreq(shape[1])[None, :]
    k2 = k_x**2 + k_y**2
    rough = np.fft.fft2(generator.normal(size=shape)) * np.exp(-k2 * GRAIN**2 / 4)
    start = np.fft.ifft2(rough).real
    start = 0.8 * np.tanh(2 * start / start.std())
    warm = make_polynomial_field(shape, np.array([0.0, WARM_UP]), TERMS[:3])
    start = warm.with_steps(values[:3], FINE).forward(start, values[:3])[-1]
    clean = _run(shape, n_frames, values, start, thermal, generator)
    seen = np.empty_like(clean)
    for t, frame in enumerate(clean):
        phase = np.exp(-1j * t * (k_x * drift[0] + k_y * drift[1]) - 0.5 * blur**2 * k2)
        seen[t] = np.fft.ifft2(np.fft.fft2(frame) * phase).real
    video = seen + noise_sd * generator.normal(size=seen.shape)
    video[1:][generator.random(n_frames - 1) < missing] = np.nan
    video[generator.random(video.shape) < missing_pixels] = np.nan
    return PlantedFilm(
        xr.DataArray(video, dims=("time", "y", "x")), clean, TERMS, values, sine_drive, noise_sd
    )


def _run(
    shape: tuple[int, int], n_frames: int, theta: Floats, start: Floats, thermal: float,
    generator: np.random.Generator,
) -> Floats:  # fmt: skip
    """Follow the field, a frame at a time where there is thermal noise."""

    def drive(times: Floats, intervals: NDArray[np.int64]) -> Floats:
        del intervals
        return sine_drive(times)

    if thermal == 0:
        model = make_polynomial_field(shape, np.arange(float(n_frames)), TERMS, drive=drive)
        return model.with_steps(theta, FINE).forward(start, theta)
    frames, parts = [start], 8
    for t in range(n_frames - 1):
        field = frames[-1]
        for part in range(parts):
            times = t + (part + np.array([0.0, 1.0])) / parts
            model = make_polynomial_field(shape, times, TERMS, drive=drive).with_steps(theta)
            field = model.forward(field, theta)[-1]
            field = field + thermal / np.sqrt(parts) * generator.normal(size=shape)
        frames.append(field)
    return np.stack(frames)
