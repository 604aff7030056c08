"""Pictures that are scanned row by row while the sample lives, drifts and takes the dose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import ndimage

from physlearn.causal.twins.readout_chain import ReadoutChain
from physlearn.causal.twins.sample_state import (
    Area,
    Conditions,
    Floats,
    SampleState,
    with_upper_edge,
)
from physlearn.causal.twins.stage import Landing, Stage
from physlearn.checks import InputError

__all__ = ["QUANTITIES", "Scan", "analyse_picture", "as_picture", "scan_picture"]

QUANTITIES = ("mean", "contrast", "roughness")


@dataclass(frozen=True, slots=True)
class Scan:
    """What one picture is asked to be.

    Attributes
    ----------
    area
        As commanded.
    landing
        Where the stage went for its middle.
    duration_s, dose
        Of the whole picture.
    conditions
        What is held meanwhile.
    extra_blur
        Width of the blur that the focus adds.
    """

    area: Area
    landing: Landing
    duration_s: float
    dose: float
    conditions: Conditions
    extra_blur: float


def scan_picture(
    state: SampleState, scan: Scan, stage: Stage, chain: ReadoutChain, rng: np.random.Generator
) -> Floats:
    """Scan a picture from the first row on and return its numbers, shape (rows, columns).

    Each row takes its share of the time and gives its part of the area the dose; the stage's error
    is that of the landing, the sample drifts on from row to row, and the tip may change at a row.
    """
    instrument = chain.instrument
    n_rows, n_columns = instrument.picture_rows, instrument.picture_columns
    x_min, y_min, x_max, y_max = scan.area
    x, y = pixel_places(scan.area, n_rows, n_columns)
    landing = scan.landing
    offset = [a - c for a, c in zip(landing.actual, landing.commanded, strict=True)]
    start = tuple(stage.drift)
    height = (y_max - y_min) / n_rows
    numbers = np.empty((n_rows, n_columns))
    row_time = scan.duration_s / n_rows
    changes_at = int(rng.integers(n_rows))
    for row in range(n_rows):
        if row == changes_at:
            chain.maybe_change_tip()
        shift_x = offset[0] - (stage.drift[0] - start[0])
        shift_y = offset[1] - (stage.drift[1] - start[1])
        if instrument.row_jitter > 0:
            shift_x += instrument.row_jitter * rng.standard_normal()
        shown = state.brightness(x + shift_x, np.full(n_columns, y[row] + shift_y))
        numbers[row] = chain.gain * shown + chain.zero
        # strips share their edges to the bit: no site is given the dose twice, and none is left out
        low, high = y_min + row * height + shift_y, y_min + (row + 1) * height + shift_y
        strip = (x_min + shift_x, low, x_max + shift_x, high)
        last = row == n_rows - 1
        state.rest(row_time, scan.conditions, with_upper_edge(strip) if last else strip, scan.dose)
        stage.wait(row_time)
        chain.wait(row_time)
    width = math.hypot(instrument.blur, scan.extra_blur)
    if width > 0:
        pixel = ((y_max - y_min) / n_rows, (x_max - x_min) / n_columns)
        numbers = ndimage.gaussian_filter(numbers, [width / edge for edge in pixel], mode="nearest")
    if instrument.pixel_noise_sd > 0:
        numbers = numbers + instrument.pixel_noise_sd * rng.standard_normal(numbers.shape)
    return numbers


def pixel_places(area: Area, n_rows: int, n_columns: int) -> tuple[Floats, Floats]:
    """Return x of the columns and y of the rows of a picture's pixels."""
    x_min, y_min, x_max, y_max = area
    x = x_min + (np.arange(n_columns) + 0.5) * (x_max - x_min) / n_columns
    y = y_min + (np.arange(n_rows) + 0.5) * (y_max - y_min) / n_rows
    return x, y


def as_picture(
    numbers: Floats, area: Area, unit: str, *, time_s: float, duration_s: float, dose: float
) -> xr.DataArray:
    """Return the numbers of a picture with the places that the instrument believes in."""
    x, y = pixel_places(area, *numbers.shape)
    rows = time_s + (np.arange(len(y)) + 1.0) * duration_s / len(y)
    return xr.DataArray(
        numbers,
        dims=("y", "x"),
        coords={
            "y": ("y", y, {"units": unit}),
            "x": ("x", x, {"units": unit}),
            "row_time_s": ("y", rows),
        },
        attrs={"source": "digital twin", "dose": dose, "time_s": time_s, "channel": "brightness"},
        name="image",
    )


def analyse_picture(picture: xr.DataArray, quantity: str) -> float:
    """Return a number of a picture.

    Parameters
    ----------
    picture
        Dims (y, x).
    quantity
        "mean"; "contrast" (standard deviation); "roughness": root mean square of the height, in
        the unit of y, at which each column passes from dark to bright.

    Raises
    ------
    InputError
        For another quantity, or a picture without a boundary in at least half of its columns.

    Examples
    --------
    >>> picture = xr.DataArray(np.array([[1.0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]),
    ...     dims=("y", "x"), coords={"y": [0.0, 1.0, 2.0], "x": [0.0, 1.0, 2.0, 3.0]})
    >>> analyse_picture(picture, "roughness")
    0.5
    """
    numbers = np.asarray(picture.to_numpy(), dtype=np.float64)
    simple: dict[str, Callable[[Floats], float]] = {
        "mean": lambda values: float(values.mean()),
        "contrast": lambda values: float(values.std()),
    }
    if quantity in simple:
        return simple[quantity](numbers)
    if quantity != "roughness":
        raise InputError(f"quantity must be one of {', '.join(QUANTITIES)}; got {quantity!r}.")
    y = np.asarray(picture["y"].to_numpy(), dtype=np.float64)
    level = 0.5 * (numbers.min() + numbers.max())
    above = numbers > level
    # a column's height is where as many of its pixels lie above the level as below the boundary
    crossed = above.any(axis=0) & ~above.all(axis=0)
    if 2 * crossed.sum() < crossed.size:
        raise InputError(
            "roughness needs a picture with a boundary between dark and bright in at least half of "
            f"its columns; it has one in {int(crossed.sum())} of {crossed.size}."
        )
    heights = np.abs(y[1] - y[0]) * above[:, crossed].sum(axis=0)
    return float(heights.std())
