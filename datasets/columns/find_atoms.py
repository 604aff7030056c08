"""Atom columns from a picture: detection and a joint likelihood fit, with covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_choice, check_positive
from physlearn.datasets.columns.background_kernels import chi_square as sum_of_squares
from physlearn.datasets.columns.column_covariance import ColumnCovariance
from physlearn.datasets.columns.column_finish import doubt_about, finish
from physlearn.datasets.columns.column_fit import ColumnFit, Report
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.column_start import start
from physlearn.datasets.columns.column_tails import CommonTail, finish_with_tails
from physlearn.datasets.columns.detection import detect, threshold_z
from physlearn.datasets.columns.detection_probability import detection_probability
from physlearn.datasets.columns.recorded_settings import recorded_settings
from physlearn.datasets.columns.usable_pixels import usable_pixels
from physlearn.datasets.reading.picture_frame import PictureFrame, free_memory_bytes, picture_frame
from physlearn.records import AtomicConfiguration

__all__ = ["find_atoms"]

Floats = NDArray[np.float64]
NOISE_KINDS = ("auto", "poisson", "gaussian", "gain")
LARGEST_ASPECT = 1.05
ARRAYS_HELD = 14
"""Copies of the picture that the fit holds at its peak, for the refusal of huge ones."""


def _no_report(share: float, word: str) -> None:
    """Say nothing."""


def find_atoms(
    image: xr.DataArray | ArrayLike,
    *,
    noise: str = "auto",
    width: float | None = None,
    mask: ArrayLike | None = None,
    options: FindAtomsOptions | None = None,
    progress: Report | None = None,
) -> AtomicConfiguration:
    """Find all atom columns of a picture and fit them jointly, with a covariance for each.

    Every column is a Gaussian (x, y, amplitude, width) on a smooth background of bilinear nodes.
    Fisher scoring visits the columns in turn on a live model picture; score tests on the residual
    add columns until none passes the threshold that pure noise would pass
    pass; columns that are not significant are dropped.

    Parameters
    ----------
    image
        Shape (rows, columns), at least 16 x 16: a DataArray of ``read_image`` or a plain array.
    noise
        ``poisson`` (the picture holds counts), ``gaussian`` (one variance), ``gain`` (variance =
        offset + gain x mean, fitted on the residuals) or ``auto``: poisson where the picture's
        attribute ``counts`` says ``known``, gaussian with ``row_levels``, else gain.
    width
        Standard deviation of a typical column, in pixels; None measures it.
    mask
        Shape of the picture, True where a pixel counts: leaves out dead rows, saturated or foreign
        parts. Saturated pixels (plateaus at the largest value) are left out by themselves, with a
        warning.
    options
        See ``FindAtomsOptions``: polarity, row offsets, false-discovery rate.
    progress
        Called with the share done (0 to 1) and a word.

    Returns
    -------
    AtomicConfiguration
        Positions in the picture's unit with covariances (neighbours and background free, pixel
        correlation included), ``width`` (standard deviation), ``intensity`` (2 pi amplitude
        width^2 in intensity x pixel^2) and ``intensity_sd``. No atoms: n = 0 and a warning.

    Raises
    ------
    InputError
        For a picture that is none, or one that needs more memory than the machine has free.

    Notes
    -----
    Fisher scoring: Osborne (1992), doi:10.2307/1403504; score test: Rao (1948),
    doi:10.1017/S0305004100023987.

    Examples
    --------
    >>> y, x = np.mgrid[:48, :48]
    >>> mean = 5 + 200 * np.exp(-((x - 20.3) ** 2 + (y - 24.6) ** 2) / (2 * 2.5**2))
    >>> counts = np.random.default_rng(1).poisson(mean).astype(float)
    >>> atoms = find_atoms(counts, noise="poisson")
    >>> atoms.n, bool(np.abs(atoms.positions - [20.3, 24.6]).max() < 0.2)
    (1, True)
    """
    options = options or FindAtomsOptions()
    if width is not None:
        check_positive("width", width)
    shape = np.shape(image)
    needed = ARRAYS_HELD * 8 * int(np.prod(shape)) if len(shape) == 2 else 0
    free = free_memory_bytes()
    if needed > free:
        raise InputError(
            f"image of {shape[0]} x {shape[1]} pixels needs {needed / 1e9:.1f} GB to be fitted and "
            f"{free / 1e9:.1f} GB are free; crop it or bin it."
        )
    frame = picture_frame(image)
    report = progress or _no_report
    warnings = list(frame.warnings)
    kind = noise_kind(noise, frame, options)
    if kind == "gain" and noise == "auto":
        warnings.append(
            "counts unknown: the picture's noise was fitted as variance = offset + gain x mean "
            "on the residuals."
        )
    aspect = frame.pixel_size[0] / frame.pixel_size[1]
    if max(aspect, 1.0 / aspect) > LARGEST_ASPECT:
        warnings.append(
            f"pixels are {aspect:.3g} times as wide as high: columns that are round in length are "
            "ellipses in pixels, which round columns do not fit (their error bars and widths are "
            "off); resample the picture to square pixels first."
        )
    good = usable_pixels(frame.values, mask, options.polarity, warnings)
    fit = start(frame.values, kind, width, options, good)
    detect(fit, free_width=width is None, report=report)
    covariance, correlation = finish(fit, report)
    tail = None
    if options.shape == "two_widths":
        covariance, correlation, tail = finish_with_tails(fit, report, warnings)
    doubt = doubt_about(fit, correlation) if len(fit.columns) else ""
    if doubt:
        warnings.append(doubt)
        covariance = covariance.keep(np.zeros(len(fit.columns), dtype=np.bool_))
        fit.keep(np.zeros(len(fit.columns), dtype=np.bool_))
    return _record(fit, frame, covariance, correlation, warnings, tail, mask)


def noise_kind(noise: str, frame: PictureFrame, options: FindAtomsOptions) -> str:
    """Return the noise model that ``noise`` names for this picture."""
    check_choice("noise", noise, NOISE_KINDS)
    kind = noise
    if noise == "auto":
        kind = "poisson" if frame.counts_known else "gain"
        if options.row_levels:
            # a row's offset is no signal: the variance cannot follow the mean
            kind = "gaussian"
    if kind == "poisson" and frame.values.min() < 0:
        raise InputError(
            "image holds negative values, so it is not counts; "
            "give noise='gain' (or 'gaussian') instead of 'poisson'."
        )
    return kind


def _record(
    fit: ColumnFit,
    frame: PictureFrame,
    covariance: ColumnCovariance,
    correlation: Floats,
    warnings: list[str],
    tail: CommonTail | None = None,
    mask: ArrayLike | None = None,
    *,
    everywhere: bool = False,
) -> AtomicConfiguration:
    """Return the fitted columns in the picture's own unit, those inside it or all."""
    n_rows, n_columns = frame.values.shape
    columns = fit.columns
    inside = (
        (columns[:, 0] >= -0.5) & (columns[:, 0] <= n_columns - 0.5)
        & (columns[:, 1] >= -0.5) & (columns[:, 1] <= n_rows - 0.5)
    )  # fmt: skip
    if everywhere:
        inside = np.ones(len(columns), dtype=np.bool_)
    columns = columns[inside]
    scale = np.array(frame.pixel_size)
    joint = covariance if inside.all() else covariance.keep(inside)
    joint = joint.in_unit(frame.pixel_size)
    blocks = joint.blocks
    intensity = 2 * np.pi * np.exp(columns[:, 2] + 2 * columns[:, 3])
    if tail is not None:
        intensity = intensity * (1.0 + tail.volume)
    # log intensity = log amplitude + 2 log width
    relative = blocks[:, 2, 2] + 4 * blocks[:, 2, 3] + 4 * blocks[:, 3, 3]
    metadata = _metadata(fit, frame, correlation, tail, mask)
    chi_square = metadata["residual_chi_square_per_pixel"]
    if len(columns) == 0:
        warnings.append("no atom columns stand out of the picture's noise.")
    if fit.kind == "poisson" and chi_square > 1.2:
        warnings.append(
            f"residuals are {chi_square:.2f} times the Poisson variance: the picture may not hold "
            "counts, or columns are not Gaussian; error bars are too small by the square root."
        )
    origin = np.array(frame.origin)
    chance = None
    if len(fit.significance) == len(inside) and len(columns):
        chance = detection_probability(fit.significance[inside], fit.lowest)
    return AtomicConfiguration(
        origin + columns[:, :2] * scale,
        unit=frame.unit,
        position_covariance=np.ascontiguousarray(blocks[:, :2, :2]),
        covariance=joint.sparse(),
        detection_probability=chance,
        width=np.exp(columns[:, 3]) * float(np.sqrt(scale[0] * scale[1])),
        intensity=intensity,
        intensity_sd=intensity * np.sqrt(np.maximum(relative, 0.0)),
        field_of_view=(
            float(origin[0]),
            float(origin[1]),
            float(origin[0] + (n_columns - 1) * scale[0]),
            float(origin[1] + (n_rows - 1) * scale[1]),
        ),
        pixel_size=(float(scale[0]), float(scale[1])),
        metadata=metadata,
        warnings=tuple(warnings),
    )


def _metadata(
    fit: ColumnFit, frame: PictureFrame, correlation: Floats, tail: CommonTail | None,
    mask: ArrayLike | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the noise, width, threshold and settings of a fit."""
    lag = correlation.shape[0] // 2
    metadata: dict[str, Any] = {
        "source": frame.source, "noise_model": fit.kind,
        "noise_offset": float(fit.noise[0]), "noise_gain": float(fit.noise[1]),
        "pixel_correlation_x": float(correlation[lag, lag + 1]),
        "pixel_correlation_y": float(correlation[lag + 1, lag]),
        "column_width_px": fit.width, "detection_threshold_z": threshold_z(fit),
        "polarity": fit.options.polarity,
        "intensity_definition": "2 pi amplitude width^2, intensity x pixel^2",
    }  # fmt: skip
    metadata |= recorded_settings(fit.options, mask)
    if tail is not None:
        metadata |= {
            "column_tail_height": tail.height, "column_tail_height_sd": tail.height_sd,
            "column_tail_widths": tail.widths,
            "intensity_definition": "2 pi amplitude width^2 (1 + tail_height tail_widths^2), "
            "intensity x pixel^2",
        }  # fmt: skip
    metadata["residual_chi_square_per_pixel"] = (
        sum_of_squares(fit.image, fit.model, fit.weight) / fit.n_pixels
    )
    return metadata
