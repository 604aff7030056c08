"""Small planted worlds for tests of independence: channels of one field of view, imaged unlike."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter, shift

from physlearn.records import PatchTable

PAD = 6


def _field(edge, length, rng):
    """Return a field of unit variance: covariance exp(-r^2 / 2 l^2), a fifth of it white."""
    if length <= 0:
        return rng.standard_normal((edge, edge))
    wave = 2 * np.pi * np.fft.fftfreq(2 * edge)
    power = np.exp(-0.5 * length**2 * (wave[:, None] ** 2 + wave[None, :] ** 2))
    white = np.fft.fft2(rng.standard_normal((2 * edge, 2 * edge)))
    torus = np.fft.ifft2(np.sqrt(power / power.mean()) * white).real
    return np.sqrt(0.8) * torus[:edge, :edge] + np.sqrt(0.2) * rng.standard_normal((edge, edge))


def _imaged_table(
    edge, seed, *, length=2.0, n_given=1, effect=0.0, blur=0.0, offset=0.0, square=0.0,
    scale=(1.0, 1.0), near=0.0, snr=None, told=True, scans=1, keep=1.0, noise_length=0.0,
):  # fmt: skip
    """Return tables (one a scan) of x, y and z1.. that drive both; z blurred and offset."""
    rng = np.random.default_rng(seed)
    wide = edge + 2 * PAD
    given = [_field(wide, length, rng) for _ in range(n_given)]
    own, other = _field(wide, length, rng), _field(wide, length, rng)
    total = sum(given, np.zeros((wide, wide))) / np.sqrt(max(n_given, 1))
    beside = near * gaussian_filter(total, 1.5)
    x = 0.8 * (total + square * (total**2 - 1)) + beside + own
    y = 0.8 * (total - square * (total**2 - 1)) + beside
    y = y + effect / np.sqrt(1 - effect**2) * own + other
    factor = np.linspace(*scale, wide)[None]
    seen = [factor * x, factor * y]
    for z in given:
        z = gaussian_filter(z, blur) if blur else z
        seen.append(shift(z, (offset, offset), order=1, mode="nearest") if offset else z)
    clear = np.stack([field[PAD : PAD + edge, PAD : PAD + edge].ravel() for field in seen], axis=1)
    variance = clear.var(axis=0) / snr if snr else np.zeros(clear.shape[1])
    covariance = np.diag(variance)[None] if told else None
    row, column = np.mgrid[:edge, :edge].reshape(2, -1).astype(float)
    chosen = rng.random(edge * edge) < keep
    tables = []
    for _ in range(scans):
        noise = rng.standard_normal((clear.shape[1], edge, edge))
        if noise_length:
            noise = gaussian_filter(noise, (0, noise_length, noise_length), mode="wrap")
            noise /= noise.std(axis=(1, 2), keepdims=True)
        noise = noise.reshape(len(noise), -1).T * np.sqrt(variance)
        names = ["x", "y", *(f"z{k + 1}" for k in range(n_given))]
        tables.append(
            PatchTable.from_frame(
                pd.DataFrame((clear + noise)[chosen], columns=names),
                np.stack([column, row], axis=1)[chosen],
                1.0,
                measurement_covariance=covariance,
            )
        )
    return tables


@pytest.fixture(scope="session")
def imaged() -> Callable[..., list[PatchTable]]:
    return _imaged_table
