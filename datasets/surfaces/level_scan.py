"""Plane, line offsets and noise of a scanned surface, with or without its atoms in the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.picture_frame import PictureFrame, picture_frame
from physlearn.datasets.scan.scan_kernels import draw_columns
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["LeveledScan", "atom_picture", "level_scan"]

Floats = NDArray[np.float64]
REACH_WIDTHS = 4.0
ROBUST_ROUNDS = 15
ROBUST_LIMIT = 2.5
FEWEST_ROWS = 16
LOW_QUANTILE = 0.3


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LeveledScan:
    """A surface without tilt and line offsets, and what was taken away.

    Attributes
    ----------
    image
        DataArray (y, x) with the same coordinates and attributes.
    plane
        (x, y) slope in height per unit of length.
    row_level, row_level_sd
        Shape (rows,): offset of each row beside the plane, and its standard error, which holds
        the 1/f noise as its spectrum within rows foretells it (an extrapolation).
    white_noise
        Standard deviation of a pixel's own noise.
    pink_noise
        Standard deviation of the 1/f noise between the picture's lowest frequency and a pixel's.
    pink_exponent
        Power ~ 1/f^exponent of the noise in the time of the scan; NaN where white noise hides it.
    warnings
        What levelling may have done to the surface.

    Examples
    --------
    >>> y, x = np.mgrid[:32, :32]
    >>> found = level_scan(0.3 * x + np.random.default_rng(0).normal(0, 1, (32, 32)))
    >>> found.image.shape, len(found.row_level)
    ((32, 32), 32)
    """

    image: xr.DataArray
    plane: tuple[float, float]
    row_level: Floats
    row_level_sd: Floats
    white_noise: float
    pink_noise: float
    pink_exponent: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def level_scan(
    image: xr.DataArray | ArrayLike, atoms: AtomicConfiguration | None = None
) -> LeveledScan:
    """Take tilt and line offsets from a scanned surface and measure its noise.

    ``height = plane + level[row] + atoms + noise``. With atoms (``find_surface_atoms``), their
    fitted picture stands in the model and every row's level is a weighted mean of what is left.
    Without atoms, a row's level is a robust mean of its lower pixels, which atoms raise alike in
    all rows only on average: rows through atoms then come out too low, as in common line levelling.

    Parameters
    ----------
    image
        Heights (or current), rows are scan lines.
    atoms
        Atoms of this picture in its unit, bright or dark (``metadata["polarity"]``), or None.

    Returns
    -------
    LeveledScan
        Levelled picture, plane, row levels with errors, noise.

    Raises
    ------
    InputError
        For a picture of fewer than 16 rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = rng.normal(0, 5, 64)
    >>> y, x = np.mgrid[:64, :64]
    >>> found = level_scan(0.3 * x + level[:, None] + rng.normal(0, 1, (64, 64)))
    >>> round(found.plane[0], 2), bool(np.std(found.image.values) < 1.1)
    (0.3, True)
    """
    frame = picture_frame(image)
    values = frame.values
    if values.shape[0] < FEWEST_ROWS:
        raise InputError(f"image must have at least {FEWEST_ROWS} rows; got {values.shape[0]}.")
    known = np.zeros_like(values)
    warnings = list(frame.warnings)
    if atoms is None:
        warnings.append(
            "levelled without atoms in the model: rows that run through atoms come out too low."
        )
    else:
        known = atom_picture(atoms, frame)
    left = values - known
    slope_x, level = _rows_and_slope(left, robust=atoms is None)
    x = np.arange(values.shape[1]) - 0.5 * (values.shape[1] - 1)
    y = np.arange(values.shape[0]) - 0.5 * (values.shape[0] - 1)
    slope_y = float(y @ level / (y @ y))
    noise = left - level[:, None] - slope_x * x
    white, pink, exponent = _noise_colour(noise)
    flat = values - slope_x * x - level[:, None]
    pixel = frame.pixel_size
    picture = image.copy(data=flat) if isinstance(image, xr.DataArray) else _plain(flat)
    return LeveledScan(
        picture,
        (slope_x / pixel[0], slope_y / pixel[1]),
        level - slope_y * y,
        np.full(len(level), _level_sd(values.shape, white, pink, exponent)),
        white,
        pink,
        exponent,
        tuple(warnings),
    )


def atom_picture(atoms: AtomicConfiguration, frame: PictureFrame) -> Floats:
    """Return the heights that fitted atoms add to a picture (negative where they are dark)."""
    if atoms.width is None or atoms.intensity is None:
        raise InputError("atoms must have width and intensity, as find_atoms gives them.")
    pixel = np.array(frame.pixel_size)
    places = (atoms.positions - np.array(frame.origin)) / pixel
    width = np.asarray(atoms.width) / float(np.sqrt(pixel[0] * pixel[1]))
    height = np.asarray(atoms.intensity) / (2 * np.pi * width**2)
    picture = np.zeros(frame.values.shape)
    columns = np.column_stack([places, np.log(np.maximum(height, 1e-300)), np.log(width)])
    draw_columns(
        picture, np.zeros_like(picture), np.ascontiguousarray(columns), np.zeros(len(picture)),
        REACH_WIDTHS,
    )  # fmt: skip
    return -picture if atoms.metadata.get("polarity") == "dark" else picture


def _plain(values: Floats) -> xr.DataArray:
    """Return a plain array as a picture."""
    return xr.DataArray(values, dims=("y", "x"))


def _rows_and_slope(left: Floats, *, robust: bool) -> tuple[float, Floats]:
    """Return the slope along rows and each row's level; robust ones follow the lower pixels."""
    x = np.arange(left.shape[1]) - 0.5 * (left.shape[1] - 1)
    weight = np.ones_like(left)
    slope, level = 0.0, np.median(left, axis=1)
    for _ in range(ROBUST_ROUNDS):
        total = weight.sum(axis=1)
        mean = (weight * left).sum(axis=1) / total
        x_mean = (weight * x).sum(axis=1) / total
        away = x - x_mean[:, None]
        new = float((weight * away * (left - mean[:, None])).sum() / (weight * away * away).sum())
        level = mean - new * x_mean
        if not robust:
            return new, level
        rest = left - level[:, None] - new * x
        low = np.quantile(rest, LOW_QUANTILE)
        spread = max(1.4826 * float(np.median(np.abs(rest - low))), 1e-300)
        # atoms are what stands far above (or below) the terrace: Tukey's biweight fades them out
        weight = np.maximum(1.0 - ((rest - low) / (ROBUST_LIMIT * spread)) ** 2, 0.0) ** 2 + 1e-6
        if abs(new - slope) < 1e-9 * (abs(new) + 1e-12):
            break
        slope = new
    return slope, level


def _level_sd(shape: tuple[int, ...], white: float, pink: float, exponent: float) -> float:
    """Return the standard error of a row's level: white noise, and 1/f noise as fast as the scan.

    The noise's spectrum within rows is carried on to the time of the whole picture: what is slower
    than a row moves its mean and can't be told from a line offset.
    """
    n_rows, length = shape
    variance = white**2 / length
    if pink > 0:
        frequency = np.fft.rfftfreq(length)[1:]
        height = 0.5 * length * pink**2 / float(np.sum(frequency**-exponent))
        f = np.geomspace(1.0 / (length * n_rows), 0.5, 4000)
        # the mean over a row passes sinc^2; both signs of the frequency
        variance += 2.0 * float(np.trapezoid(height * f**-exponent * np.sinc(f * length) ** 2, f))
    return float(np.sqrt(variance))


def _noise_colour(noise: Floats) -> tuple[float, float, float]:
    """Return white and pink standard deviations and the exponent, from the power along rows.

    A Whittle fit of ``white + pink / f^exponent`` to the rows' mean periodogram.
    """
    from scipy.optimize import minimize

    length = noise.shape[1]
    centred = noise - noise.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(centred, axis=1)) ** 2).mean(axis=0)[1:] / length
    frequency = np.fft.rfftfreq(length)[1:]
    top = float(np.median(power[len(power) // 2 :]))

    def model(numbers: Floats) -> Floats:
        return np.asarray(np.exp(numbers[0]) + np.exp(numbers[1]) * frequency ** -numbers[2])

    def loss(numbers: Floats) -> float:
        expected = model(numbers)
        prior = ((numbers[2] - 1.0) / 0.7) ** 2 / noise.shape[0]
        return float(np.sum(np.log(expected) + power / expected)) + float(prior)

    start = np.array([np.log(top), np.log(max(power[0] * frequency[0], 1e-3 * top)), 1.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxfev": 600, "fatol": 1e-7})
    flat = float(np.sum(np.log(power.mean()) + power / power.mean()))
    white = float(np.exp(0.5 * found.x[0]))
    # twice the log-likelihood gain, times the rows averaged, against a white spectrum
    if (flat - found.fun) * noise.shape[0] < 9.0:
        return float(np.sqrt(power.mean())), 0.0, float("nan")
    pink = np.exp(found.x[1]) * frequency ** -found.x[2]
    return white, float(np.sqrt(2.0 * pink.sum() / length)), float(found.x[2])
