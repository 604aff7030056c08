"""A user's own descriptor: a plain function of pixels, with errors by drawing the noise again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.pixel_blocks import channel_windows
from physlearn.datasets.descriptors.pixel_noise import NoiseGiven, PixelNoise, pixel_noise
from physlearn.datasets.patches.column_block import ColumnBlock
from physlearn.datasets.patches.patch_places import PatchPlaces, axis_frame

__all__ = ["Descriptor", "custom_block"]

Floats = NDArray[np.float64]
PixelFunction = Callable[[Floats], NDArray[np.floating]]
N_DRAWS = 32


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of patches by a plain function.

    Attributes
    ----------
    function
        Pixels (n, rows, columns), float64 without gaps -> one number a patch, shape (n,).
    unit
        Of the result; ``{channel}`` and ``{length}`` stand for the channel's and the table's.
    tier
        0 composition, 1 structure, 2 response.
    invariance
        What leaves it unchanged, for the reader: "rotation", "shift", "intensity scale".
    formula
        How it is computed, for the reader.

    Examples
    --------
    >>> def range_of(pixels):
    ...     return np.ptp(pixels, axis=(1, 2))
    >>> Descriptor(range_of, "{channel}", invariance=("shift",), formula="max - min").tier
    1
    """

    function: PixelFunction
    unit: str = "1"
    tier: int = 1
    invariance: tuple[str, ...] = ()
    formula: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"function must be callable; got {self.function!r}.")
        if self.tier not in (0, 1, 2):
            raise InputError(f"tier must be 0, 1 or 2; got {self.tier!r}.")


def custom_block(
    column: str,
    descriptor: Descriptor | PixelFunction,
    name: str,
    channel: xr.DataArray,
    places: PatchPlaces,
    noise: NoiseGiven = None,
) -> ColumnBlock:
    """Return a user's descriptor of one channel with the variance of its error.

    The error is the scatter of the descriptor over 32 patches with the channel's noise added once
    more, from a fixed seed: right to first order in the noise, known to 13 %. The column is
    ``<channel>_<column>``, or ``column`` for the picture itself ("image"). Its errors are taken as
    independent of the other columns'.

    Raises
    ------
    InputError
        When the function does not give one finite number a patch.
    """
    chosen = descriptor if isinstance(descriptor, Descriptor) else Descriptor(descriptor)
    frame = axis_frame(name, channel)
    values = channel.transpose("y", "x").to_numpy()
    level = pixel_noise(noise)
    period = angle_period(channel)
    result = np.full((places.n, 1), np.nan)
    variance = np.zeros((places.n, 1, 1))
    rng = np.random.default_rng(20)  # the error's own sampling, the same for the same input
    for rows, batch in channel_windows(values, places, frame, level, period, False):
        result[rows, 0] = _called(column, chosen, batch.pixels)
        if level is None or batch.variance is None:
            continue
        draws = np.empty((N_DRAWS, len(rows)))
        for draw in range(N_DRAWS):
            added = _drawn(level, batch.pixels.shape, rng) * np.sqrt(batch.variance)
            if level.row_variance > 0:
                lines = rng.normal(size=(len(rows), batch.pixels.shape[1], 1))
                added += np.sqrt(level.row_variance) * lines
            draws[draw] = _called(column, chosen, batch.pixels + added)
        variance[rows, 0, 0] = draws.var(axis=0, ddof=1)
    unit = str(channel.attrs.get("units", "1")) or "1"
    unit = chosen.unit.replace("{channel}", unit).replace("{length}", frame.unit)
    title = column if name == "image" else f"{name}_{column}"
    return ColumnBlock(
        (title,), result, (chosen.tier,), (unit,), None if level is None else variance
    )


def _called(column: str, descriptor: Descriptor, pixels: Floats) -> Floats:
    """Return the user's numbers, checked."""
    given = np.asarray(descriptor.function(pixels), dtype=np.float64)
    if given.shape != (len(pixels),) or not np.isfinite(given).all():
        raise InputError(
            f"extra[{column!r}] must give one finite number for each of {len(pixels)} patches; "
            f"got shape {given.shape}"
            f"{'' if np.isfinite(given).all() else ' with numbers that are not finite'}."
        )
    return given


def _drawn(noise: PixelNoise, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Return noise of unit variance with the pixels' autocorrelation."""
    unit = ChannelNoise(1.0, noise.correlation)
    return unit.draw(shape, rng)
