"""Planted worlds for tests of conditional independence on patches: the family that serves design.

Columns ``z1 .. zk`` drive ``x`` and ``y``; beside that x and y share nothing, or x drives y. All
fields are Gaussian with covariance exp(-r^2 / 2 l^2), l in patches, and a part that is white from
patch to patch. Then the channels are measured: blurred, moved, with noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as moved

from physlearn.records import PatchTable

__all__ = ["CASES", "Case", "World", "gaussian_field", "make_world", "patch_table", "seed_of"]

Floats = NDArray[np.float64]

PAD = 8
"""Patches that surround the field of view: filters and shifts see no border."""
WHITE = 0.2
"""Share of a field's variance that is white from patch to patch."""
STRENGTH = 0.8
"""Slope of x and y on the sum of the conditioning columns, which has about their variance."""
COMMON = 0.3
"""Correlation of the conditioning columns with one another."""
WIDE = 1.5
"""Length, in patches, over which a neighbourhood acts on a patch (interference)."""


@dataclass(frozen=True)
class Case:
    """How a world departs from linear mechanisms and clean channels.

    Attributes
    ----------
    square
        Coefficient of the square of a conditioning column (+ in x, - in y).
    scale
        From, to: factor on x and y across the field of view.
    neighbours
        Slope of x and y on the smoothed conditioning columns.
    blur
        Width of the blur of x, y and every z, in patches.
    shift
        Offset of x, y and every z, (rows, columns) in patches.
    snr
        Variance over noise variance of x, y and every z; None without noise.
    noise_correlation
        Between the noise of any two channels.
    noise_length
        Length l of the noise's correlation exp(-r^2 / 2 l^2), in patches; 0 for white.
    covariance_known
        Whether the table tells the covariance of the noise (zeros where there is none).
    scans
        How often the same patches are measured.
    kinds
        "real", "binary", "ordinal" (four levels) or "count" (Poisson) for x, y and every z. What
        z causes feels its levels; x and y are read off what they would be as real columns, between
        which the partial effect is meant.
    """

    square: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    neighbours: float = 0.0
    blur: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    snr: tuple[float, float, float] | None = None
    noise_correlation: float = 0.0
    noise_length: float = 0.0
    covariance_known: bool = True
    scans: int = 1
    kinds: tuple[str, str, str] = ("real", "real", "real")


_STILL = (0.0, 0.0)
_MOVED = ((0.0, 0.0), (0.3, -0.2), (-0.3, 0.3))
_UNLIKE = (0.7, 0.0, 0.7)
_TEN = (10.0, 10.0, 10.0)
CASES: dict[str, Case] = {
    "clean": Case(),
    "common blur .7": Case(blur=(0.7, 0.7, 0.7)),
    "blur .7 of z": Case(blur=(0.0, 0.0, 0.7)),
    "misregistered .3": Case(shift=(_STILL, _STILL, (0.3, 0.3))),
    "noise SNR 4": Case(snr=(4.0, 4.0, 4.0)),
    "noise SNR 10": Case(snr=_TEN),
    "noise SNR 20": Case(snr=(20.0, 20.0, 20.0)),
    "unequal noise": Case(snr=(20.0, 10.0, 4.0)),
    "noise shared by channels": Case(snr=_TEN, noise_correlation=0.5),
    "coloured noise SNR 10": Case(snr=_TEN, noise_length=1.0),
    "non-linear": Case(square=0.5),
    "non-linear, SNR 10": Case(square=0.5, snr=_TEN),
    "location-varying": Case(scale=(0.3, 2.0)),
    "interference": Case(neighbours=0.8),
    "blur, misfit, SNR 10": Case(blur=_UNLIKE, shift=_MOVED, snr=_TEN),
    "all together, SNR 10": Case(
        square=0.25, scale=(0.6, 1.5), neighbours=0.8, blur=_UNLIKE, shift=_MOVED, snr=_TEN
    ),
    "clean, errors not told": Case(covariance_known=False),
    "unknown noise SNR 10": Case(snr=_TEN, covariance_known=False),
    "binary x": Case(kinds=("binary", "real", "real")),
    "binary x and y": Case(kinds=("binary", "binary", "real")),
    "binary z": Case(kinds=("real", "real", "binary")),
    "count y, ordinal z": Case(kinds=("real", "count", "ordinal")),
    "repeat scan SNR 10": Case(snr=_TEN, covariance_known=False, scans=2),
}


@dataclass(frozen=True, eq=False)
class World:
    """One planted table and what is true of it.

    Attributes
    ----------
    table
        Columns x, y, z1 .. zk, as measured.
    given
        Names of the conditioning columns.
    planned
        The partial correlation of x and y given the true conditioning fields, as planted.
    true
        The columns before measurement, shape (n_patches, n_columns).
    residuals
        What is left of the true x and y given the true conditioning fields, shape (n_patches, 2).
    repeats
        The same patches measured again.
    """

    table: PatchTable
    given: tuple[str, ...]
    planned: float
    true: Floats
    residuals: Floats
    repeats: tuple[PatchTable, ...] = ()

    @property
    def partial_effect(self) -> float:
        """The partial correlation of x and y given the true conditioning fields, in this draw."""
        return float(np.corrcoef(self.residuals.T)[0, 1])


def seed_of(*parts: object) -> np.random.Generator:
    """Return the generator of a world: any texts and numbers name it."""
    return np.random.default_rng([zlib.crc32(repr(part).encode()) for part in parts])


@lru_cache(maxsize=32)
def _amplitude(torus: tuple[int, int], length: float) -> Floats:
    rows, columns = (2 * np.pi * np.fft.fftfreq(k) for k in torus)
    power = np.exp(-0.5 * length**2 * (rows[:, None] ** 2 + columns**2))
    return np.asarray(np.sqrt(power / power.mean())[:, : torus[1] // 2 + 1])


def gaussian_field(
    shape: tuple[int, int], length: float, rng: np.random.Generator, white: float = WHITE
) -> Floats:
    """Return a field of unit variance, correlation length in cells, cut from a larger torus."""
    if length <= 0:
        return rng.standard_normal(shape)
    torus = (2 * shape[0], 2 * shape[1])
    wave = fft.rfft2(rng.standard_normal(torus)) * _amplitude(torus, length)
    smooth = fft.irfft2(wave, torus)[: shape[0], : shape[1]]
    rest = rng.standard_normal(shape)
    return np.asarray(np.sqrt(1.0 - white) * smooth + np.sqrt(white) * rest)


def patch_table(
    columns: dict[str, Floats], covariance: Floats | None = None, **options: object
) -> PatchTable:
    """Return the table of equal grids, one patch a cell, patches of 1 nm that touch."""
    rows, across = next(iter(columns.values())).shape
    y, x = np.mgrid[:rows, :across].reshape(2, -1) + 0.5
    frame = pd.DataFrame({name: field.ravel() for name, field in columns.items()})
    return PatchTable.from_frame(
        frame, np.stack([x, y], axis=1), 1.0, unit="nm",
        measurement_covariance=None if covariance is None else covariance[None], **options,
    )  # fmt: skip


def _as_kind(field: Floats, kind: str, rng: np.random.Generator) -> Floats:
    """Return what is read off a field: 0 and 1, levels 0 to 3, or counts."""
    standard = (field - field.mean()) / field.std()
    if kind == "binary":
        return np.where(standard > 0.3, 1.0, 0.0)
    if kind == "ordinal":
        return np.digitize(standard, (-0.8, 0.3, 1.0)).astype(np.float64)
    if kind == "count":
        return rng.poisson(np.exp(0.8 + 0.6 * standard)).astype(np.float64)
    return field


def true_fields(
    case: Case, size: int, length: float, n_given: int, effect: float, rng: np.random.Generator
) -> tuple[list[Floats], list[Floats]]:
    """Return x, y, z1 .. zk with their surroundings, and what is left of x and y given z."""
    shape = (size + 2 * PAD, size + 2 * PAD)
    common = gaussian_field(shape, length, rng) if n_given > 1 else np.zeros(shape)
    share = COMMON if n_given > 1 else 0.0
    given = [
        np.sqrt(1.0 - share) * gaussian_field(shape, length, rng) + np.sqrt(share) * common
        for _ in range(n_given)
    ]
    own, other = (gaussian_field(shape, length, rng) for _ in range(2))
    given = [_as_kind(z, case.kinds[2], rng) for z in given]
    slope = effect / np.sqrt(1.0 - effect**2)
    x, y = own.copy(), slope * own + other
    gain = STRENGTH / np.sqrt(max(n_given * (1.0 + share * (n_given - 1)), 1.0))
    for z in given:
        near = case.neighbours * gaussian_filter(z, WIDE) if case.neighbours else 0.0
        of_x = gain * (z + case.square * (z**2 - 1.0) + near)
        of_y = gain * (z - case.square * (z**2 - 1.0) + near)
        x += of_x
        y += of_y + slope * of_x
    factor = np.linspace(*case.scale, shape[1])[None]
    left = [factor * own, factor * (slope * own + other)]
    x = _as_kind(factor * x, case.kinds[0], rng)
    y = _as_kind(factor * y, case.kinds[1], rng)
    return [x, y, *given], left


def make_world(
    case: str, size: int, length: float, n_given: int, effect: float, seed: int
) -> World:
    """Return a world of `CASES`, size x size patches, conditioning on `n_given` columns."""
    rng, about = seed_of(case, size, length, n_given, effect, seed), CASES[case]
    fields, left = true_fields(about, size, length, n_given, effect, rng)
    names = ["x", "y", *(f"z{k + 1}" for k in range(n_given))]
    kind = [0, 1, *(2 for _ in range(n_given))]
    measured = [
        _imaged(field, about.blur[k], about.shift[k]) for field, k in zip(fields, kind, strict=True)
    ]
    inside = (slice(PAD, PAD + size),) * 2
    clear = np.stack([field[inside] for field in measured])
    covariance = np.zeros((len(names), len(names)))
    if about.snr is not None:
        snr = np.array([about.snr[k] for k in kind])
        sd = np.sqrt(clear.var(axis=(1, 2)) / snr)
        alike = np.full_like(covariance, about.noise_correlation)
        np.fill_diagonal(alike, 1.0)
        covariance = alike * np.outer(sd, sd)
    told: dict[str, object] = {}
    if about.noise_length:
        # a table tells the distance at which the correlation has fallen to 1 / e
        told["error_correlation_length"] = np.sqrt(2.0) * about.noise_length
    known = covariance if about.covariance_known else None
    scans = tuple(
        patch_table(
            dict(zip(names, clear + noise_of(covariance, size, about.noise_length, rng),
                     strict=True)),
            known, **told,
        )
        for _ in range(about.scans)
    )  # fmt: skip
    return World(
        scans[0], tuple(names[2:]), effect,
        true=np.stack([field[inside].ravel() for field in fields], axis=1),
        residuals=np.stack([field[inside].ravel() for field in left], axis=1),
        repeats=scans[1:],
    )  # fmt: skip


def noise_of(covariance: Floats, size: int, length: float, rng: np.random.Generator) -> Floats:
    """Return noise of every channel, shape (n_columns, size, size)."""
    if not covariance.any():
        return np.zeros((len(covariance), size, size))
    fields = np.stack([gaussian_field((size, size), length, rng, 0.0) for _ in covariance])
    return np.tensordot(np.linalg.cholesky(covariance), fields, axes=1)


def _imaged(field: Floats, blur: float, offset: Sequence[float]) -> Floats:
    if blur:
        field = gaussian_filter(field, blur)
    if any(offset):
        field = moved(field, offset, order=1, mode="nearest")
    return field
