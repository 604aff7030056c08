"""Descriptors of a channel's pixels in every patch, with the covariance of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.descriptors.pixel_groups import make_groups
from physlearn.datasets.descriptors.pixel_noise import (
    NoiseGiven,
    PixelNoise,
    linear_covariance,
    pixel_noise,
)
from physlearn.datasets.descriptors.texture import PolarColumns
from physlearn.datasets.descriptors.window_batch import DescriptorGroup, GroupResult, WindowBatch
from physlearn.datasets.patches.column_block import ColumnBlock
from physlearn.datasets.patches.patch_places import AxisFrame, PatchPlaces, axis_frame
from physlearn.one_thread import one_blas_thread

__all__ = ["channel_windows", "pixel_blocks"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BATCH = 256
BATCH_WITH_ERRORS = 64
POOLED_FROM = 512
MOST_NUMBERS = 2e7
"""Covariances of more numbers than this are pooled into one matrix."""
LEAST_SEEN = 0.5


def pixel_blocks(
    name: str,
    channel: xr.DataArray,
    places: PatchPlaces,
    groups: Sequence[str],
    noise: NoiseGiven = None,
    *,
    tier: int = 2,
    alone: bool = False,
    pooled: bool = False,
) -> list[ColumnBlock]:
    """Return one block with every descriptor of the groups.

    Parameters
    ----------
    name
        Controlled name of the channel: the mean keeps it, the others stand behind it.
    channel
        DataArray (y, x); gaps are NaN.
    places
        Where the patches lie.
    groups
        Out of ``pixel_groups.GROUPS``.
    noise
        `ChannelNoise`, a pixel's standard deviation, "counts", or None: errors are not known.
    tier
        Of the channel's own mean and shape.
    alone
        The picture itself: ``mean_intensity`` of tier 0, and descriptors without a name before.
    pooled
        One covariance for all patches: the mean over up to 512 of them.

    Returns
    -------
    list of ColumnBlock
        One, whose covariance holds all columns: they share pixels. Patches outside the picture, or
        with more than half of their pixels missing, are rows of NaN.

    Raises
    ------
    InputError
        For an unknown group, or a channel whose coordinates are not even.
    """
    frame = axis_frame(name, channel)
    values = channel.transpose("y", "x").to_numpy()
    level = pixel_noise(noise)
    period = angle_period(channel)
    _, shape = places.windows(frame)
    some = _filled(values)
    made = make_groups(groups, shape, some, frame, level)
    words = [word for group in made for word in group.words]
    k, n = len(words), places.n
    if len(set(words)) < k:
        raise InputError(f"descriptors must name each group once; got {tuple(groups)}.")
    pooled = pooled or n * k * k > MOST_NUMBERS
    each = level is not None and not pooled
    table = np.full((n, k), np.nan)
    covariance = np.zeros((n, k, k)) if each else None
    with one_blas_thread():
        for rows, batch in channel_windows(values, places, frame, level, period, each):
            table[rows], errors = _joined(made, batch)
            if covariance is not None and errors is not None:
                covariance[rows] = errors
        if level is not None and pooled:
            covariance = np.zeros((1, k, k))
            good = np.flatnonzero(np.isfinite(table).all(axis=1))
            picked = good[np.unique(np.linspace(0, len(good) - 1, POOLED_FROM).astype(int))] \
                if len(good) else good  # fmt: skip
            for _, batch in channel_windows(values, places, frame, level, period, True, picked):
                errors = _joined(made, batch)[1]
                if errors is not None:
                    covariance[0] += errors.sum(axis=0) / len(picked)
    unit = str(channel.attrs.get("units", "intensity" if alone else "1")) or "1"
    length = None
    if level is not None:
        reach = max(float(np.sqrt(level.correlation.sum())), 1.0)
        length = reach * max(frame.step)
    return [
        ColumnBlock(
            tuple(_column(name, word, alone) for word in words), table,
            tuple(_tier(word, of, tier, alone) for group in made
                  for word, of in zip(group.words, group.tiers, strict=True)),
            tuple(each.replace("{channel}", unit).replace("{length}", frame.unit)
                  for group in made for each in group.units),
            covariance, length,
            notes=tuple(f"{name}: {group.note()}" for group in made
                        if isinstance(group, PolarColumns) and group.note()),
        )
    ]  # fmt: skip


def _column(name: str, word: str, alone: bool) -> str:
    """Return the controlled name of a column."""
    if alone:
        return word or "mean_intensity"
    return f"{name}_{word}" if word else name


def _tier(word: str, of: int | None, tier: int, alone: bool) -> int:
    """Return the tier of a column: its own, or its channel's; a channel's shape is the channel."""
    if alone:
        return 0 if not word else (1 if of is None else of)
    return tier


def _joined(groups: Sequence[DescriptorGroup], batch: WindowBatch) -> tuple[Floats, Floats | None]:
    """Return the values of all groups and the covariance of their errors."""
    parts: list[GroupResult] = [group.describe(batch) for group in groups]
    values = np.concatenate([part.values for part in parts], axis=1)
    if not batch.with_errors or batch.noise is None or batch.variance is None:
        return values, None
    gradients = np.concatenate([part.gradients for part in parts if part.gradients is not None], 1)
    covariance = linear_covariance(gradients, batch.variance, batch.noise)
    second = np.concatenate(
        [np.zeros_like(part.values) if part.second is None else part.second for part in parts],
        axis=1,
    )
    diagonal = np.arange(values.shape[1])
    covariance[:, diagonal, diagonal] += second
    if any(part.jump is not None for part in parts):
        jump = np.concatenate(
            [np.zeros_like(part.values) if part.jump is None else part.jump for part in parts],
            axis=1,
        )
        covariance += jump[:, :, None] * jump[:, None, :]
    return values, covariance


def channel_windows(
    values: NDArray[np.floating],
    places: PatchPlaces,
    frame: AxisFrame,
    noise: PixelNoise | None,
    period: float | None,
    with_errors: bool,
    which: Integers | None = None,
) -> Iterator[tuple[Integers, WindowBatch]]:
    """Yield patch numbers and their pixels, for patches in the picture with enough of them."""
    first, shape = places.windows(frame)
    inside = places.inside(frame)
    numbers = np.flatnonzero(inside) if which is None else which
    if not len(numbers):
        return
    view = np.lib.stride_tricks.sliding_window_view(values, shape)
    size = BATCH_WITH_ERRORS if with_errors else BATCH
    branch = 0.0 if period is None else _branch(values, period)
    for low in range(0, len(numbers), size):
        rows = numbers[low : low + size]
        pixels = view[first[rows, 0], first[rows, 1]].astype(np.float64)
        seen = np.isfinite(pixels)
        enough = seen.mean(axis=(1, 2)) >= LEAST_SEEN
        if not enough.all():
            rows, pixels, seen = rows[enough], pixels[enough], seen[enough]
        if not len(rows):
            continue
        pixels = _without_gaps(pixels, seen, period)
        variance = None
        if noise is not None:
            variance = noise.variance(pixels) * seen
        yield (
            rows,
            WindowBatch(pixels, seen.astype(np.float64), variance, noise, frame.step, period,
                        with_errors, branch),
        )  # fmt: skip


def _branch(values: NDArray[np.floating], period: float) -> float:
    """Return the direction that angles are laid about: the channel's mean, in twelfths of a turn.

    Patches about the commonest direction must not be torn apart at half a turn; rounded, so that
    two scans of one place share it.
    """
    good = values[np.isfinite(values)]
    mean = np.angle(np.exp(2j * np.pi * good / period).mean()) if good.size else 0.0
    return float(np.round(12.0 * mean / (2.0 * np.pi)) * period / 12.0)


def _without_gaps(pixels: Floats, seen: NDArray[np.bool_], period: float | None) -> Floats:
    """Return pixels with gaps at their patch's mean; angles within half a period of it."""
    number = seen.sum(axis=(1, 2))
    filled = np.where(seen, pixels, 0.0)
    if period is not None:
        turn = 2.0 * np.pi / period
        direction = (np.exp(1j * turn * filled) * seen).sum(axis=(1, 2))
        mean = np.angle(direction)[:, None, None] / turn
        away = filled - mean
        filled = np.where(seen, mean + away - period * np.round(away / period), mean)
        return np.asarray(filled)
    if seen.all():
        return pixels
    mean = filled.sum(axis=(1, 2)) / number
    return np.where(seen, pixels, mean[:, None, None])


def _filled(values: NDArray[np.floating]) -> Floats:
    """Return the picture without gaps, for what is measured on the whole of it."""
    whole = np.asarray(values, dtype=np.float64)
    good = np.isfinite(whole)
    if good.all():
        return whole
    return np.where(good, whole, whole[good].mean() if good.any() else 0.0)
