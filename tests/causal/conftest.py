"""Spatial scenes with a known structure: Gaussian fields on a grid, cut out of a larger torus."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from physlearn.records import PatchTable


def _fields(edge: int, length: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return fields (count, edge**2) of unit variance, covariance exp(-r^2 / 2 length^2)."""
    if length <= 0:
        return rng.standard_normal((count, edge * edge))
    wave = 2 * np.pi * np.fft.fftfreq(2 * edge)
    power = np.exp(-0.5 * length**2 * (wave[:, None] ** 2 + wave[None, :] ** 2))
    power /= power.mean()
    white = np.fft.fft2(rng.standard_normal((count, 2 * edge, 2 * edge)))
    torus = np.fft.ifft2(np.sqrt(power) * white).real
    return torus[:, :edge, :edge].reshape(count, -1)


def _grid(edge: int) -> NDArray[np.float64]:
    row, column = np.mgrid[:edge, :edge].reshape(2, -1).astype(float)
    return np.stack([column, row], axis=1)


@dataclass
class Scene:
    """A table and its noise-free columns."""

    table: PatchTable
    clean: pd.DataFrame
    truth: dict[str, float] = field(default_factory=dict)


def _planted(edge: int, length: float, seed: int, snr: float | None = None) -> Scene:
    """Composition and strain cause the response; the distractor only follows the composition."""
    rng = np.random.default_rng(seed)
    f = np.sqrt(0.8) * _fields(edge, length, 6, rng) + np.sqrt(0.2) * rng.standard_normal(
        (6, edge * edge)
    )
    composition = f[0]
    strain = 0.5 * composition + 0.8 * f[1]
    clean = pd.DataFrame(
        {
            "composition": composition,
            "disorder": f[5],
            "strain": strain,
            "response": 0.6 * composition + 0.5 * strain + 0.6 * f[2],
            "distractor": 0.8 * composition + 0.6 * f[3],
        }
    )
    # measured without errors, which is not the same as with errors that nobody knows
    frame, covariance = clean, np.zeros((1, clean.shape[1], clean.shape[1]))
    if snr is not None:
        variance = clean.var().to_numpy() / snr
        frame = clean + rng.standard_normal(clean.shape) * np.sqrt(variance)
        covariance = np.diag(variance)[None]
    table = PatchTable.from_frame(
        frame,
        8.0 * _grid(edge),
        8.0,
        unit="nm",
        units={"response": "V"},
        tiers={"composition": 0, "disorder": 0, "strain": 1, "response": 2, "distractor": 2},
        measurement_covariance=covariance,
    )
    # total effect of composition: 0.6 directly, 0.5 x 0.5 by way of the strain
    return Scene(table, clean, {"composition": 0.85, "strain": 0.5, "distractor": 0.0})


@pytest.fixture(scope="session")
def fields() -> Callable[..., NDArray[np.float64]]:
    return _fields


@pytest.fixture(scope="session")
def grid() -> Callable[[int], NDArray[np.float64]]:
    return _grid


@pytest.fixture(scope="session")
def planted() -> Callable[..., Scene]:
    return _planted
