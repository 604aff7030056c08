"""Descriptors of a channel's pixels in every patch, with the covariance of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.channels.angles import angle_period, wide_angle_flag
from physlearn.datasets.channels.axis_frame import AxisFrame, axis_frame
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.descriptors.pixel_columns import PixelColumns
from physlearn.datasets.descriptors.pixel_groups import make_groups, need_squares, to_redraw
from physlearn.datasets.descriptors.pixel_noise import NoiseGiven, PixelNoise, pixel_noise
from physlearn.datasets.descriptors.redrawn_noise import SAMPLE, fit_calibration, redrawn_variance
from physlearn.datasets.descriptors.user_descriptor import CustomColumns, Descriptor, PixelFunction
from physlearn.datasets.descriptors.window_batch import WindowBatch
from physlearn.one_thread import one_blas_thread

__all__ = ["channel_windows", "pixel_blocks"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BATCH = 256
BATCH_WITH_ERRORS = 32
POOLED_FROM = 512
MOST_NUMBERS = 2e7
"""Covariances of more numbers than this are pooled into one matrix."""
LEAST_SEEN = 0.5
MOST_GAPS, MOST_UNFILLED = 0.05, 0.01
"""Share of a patch's pixels that may lack, all and in clusters, where all of them are needed."""
OBLONG = 1e-3


def pixel_blocks(
    name: str,
    channel: xr.DataArray,
    places: PatchPlaces,
    groups: Sequence[str],
    noise: NoiseGiven = None,
    *,
    extra: Mapping[str, Descriptor | PixelFunction] | None = None,
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
    extra
        The user's own descriptors by the word that stands behind the channel's name.
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
        with more than half of their pixels missing, are rows of NaN. Moments, gradient and
        roughness pass over gaps. For the others lone gaps are filled by the cubic through their
        neighbours; they are NaN in patches that lack more than 5 % of their pixels, or 1 % in
        clusters. Descriptors that turn with the pattern are left out where pixels are not square.

    Raises
    ------
    InputError
        For an unknown group, a channel whose coordinates are not even, or pixels that are not
        square where every group needs squares.
    """
    frame = axis_frame(name, channel)
    values = channel.transpose("y", "x").to_numpy()
    level = pixel_noise(noise)
    period = angle_period(channel)
    _, shape = places.windows(frame)
    groups, notes = _square_groups(name, groups, frame, bool(extra))
    made = PixelColumns(
        make_groups(groups, shape, _filled(values), frame, level), CustomColumns(extra or {})
    )
    words = made.words
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise InputError(
            f"extra must not use the name of a descriptor that is there already; got {twice!r}."
        )
    windows = partial(channel_windows, values, places, frame, level, period)
    pooled = pooled or places.n * len(words) ** 2 > MOST_NUMBERS
    table, covariance, lacking = _described(made, windows, places.n, level, pooled)
    unit = str(channel.attrs.get("units", "intensity" if alone else "1")) or "1"
    length = None
    if level is not None:
        reach = float(np.sqrt(max(float(level.correlation.sum()), 1.0)))
        length = reach * max(frame.step)
    columns = tuple(_column(name, word, alone) for word in words)
    notes += made.notes(name)
    if lacking:
        whole = [_column(name, word, alone) for word in made.need_whole()]
        notes.append(_lacking_note(name, lacking, whole))
    directions = {_column(name, "", alone): period} if period and "" in words else {}
    return [
        ColumnBlock(
            columns, table,
            tuple(made.tiers(tier, alone)),
            tuple(each.replace("{channel}", unit).replace("{length}", frame.unit)
                  for each in made.units),
            covariance, length,
            flags={column: text for column, turn in directions.items()
                   if (text := wide_angle_flag(table[:, columns.index(column)], turn, unit))},
            notes=tuple(notes), periods=directions, pixels_of=dict.fromkeys(columns, name),
        )
    ]  # fmt: skip


def _described(
    made: PixelColumns,
    windows: Callable[..., Iterator[tuple[Integers, WindowBatch]]],
    n: int,
    level: PixelNoise | None,
    pooled: bool,
) -> tuple[Floats, Floats | None, int]:
    """Return values (n, k), their covariance, and how many patches lack too many pixels."""
    k = len(made.words)
    each = level is not None and not pooled
    table = np.full((n, k), np.nan)
    covariance = np.zeros((n, k, k)) if each else None
    lacking = 0
    with one_blas_thread():
        for rows, batch in windows(each):
            table[rows], errors = made.describe(batch)
            lacking += int(batch.incomplete.sum())
            if covariance is not None and errors is not None:
                covariance[rows] = errors
        picked = _some_complete(table)
        if level is not None and pooled:
            covariance = np.zeros((len(picked), k, k))
            for rows, batch in windows(True, picked):
                errors = made.describe(batch)[1]
                if errors is not None:
                    covariance[np.searchsorted(picked, rows)] = errors
        which = to_redraw(made.groups, level, k)
        if covariance is not None and which.any() and len(picked):
            some = _spread(picked, SAMPLE)
            own = np.searchsorted(picked, some) if pooled else some
            again = (batch for _, batch in windows(False, some))
            drawn = redrawn_variance(made.groups, again, which)
            linear = np.einsum("nkk->nk", covariance[own])
            fit_calibration(linear, drawn, which).apply(covariance)
    if covariance is not None and pooled:
        covariance = covariance.sum(axis=0, keepdims=True) / max(len(picked), 1)
    return table, covariance, lacking


def _lacking_note(name: str, lacking: int, whole: list[str]) -> str:
    """Say what patches with many gaps show, and which columns they do not have."""
    missing = f"{', '.join(whole[:4])}{' and others' if len(whole) > 4 else ''} are missing."
    return (
        f"{name}: {lacking} patches lack more than {MOST_GAPS:.0%} of their pixels (or "
        f"{MOST_UNFILLED:.0%} in clusters): moments, gradient and roughness are those of the "
        "pixels seen, and their errors do not know what the others would show"
        + (f"; {missing}" if whole else ".")
    )


def _some_complete(table: Floats) -> Integers:
    """Return up to 512 patches that have every column that any patch has."""
    known = np.isfinite(table)
    number = known.sum(axis=1)
    good = np.flatnonzero((number == number.max()) & (number > 0))
    return _spread(np.asarray(good, dtype=np.int64), POOLED_FROM)


def _spread(numbers: Integers, most: int) -> Integers:
    """Return up to ``most`` of the numbers, evenly spread."""
    if len(numbers) <= most:
        return numbers
    return np.asarray(numbers[np.linspace(0, len(numbers) - 1, most).astype(int)])


def _square_groups(
    name: str, groups: Sequence[str], frame: AxisFrame, others: bool
) -> tuple[Sequence[str], list[str]]:
    """Return the groups that the pixels' shape allows, and a sentence on the others."""
    if abs(frame.step[0] - frame.step[1]) <= OBLONG * max(frame.step):
        return groups, []
    stay, left = need_squares(groups)
    if not left:
        return groups, []
    text = (
        f"{', '.join(left)} of channel {name} need square pixels, and a pixel is "
        f"{frame.step[0]:.4g} x {frame.step[1]:.4g} {frame.unit}: resample the channel to square "
        "pixels to have them."
    )
    if not stay and not others:
        raise InputError(text)
    return stay, [text]


def _column(name: str, word: str, alone: bool) -> str:
    """Return the controlled name of a column."""
    if alone:
        return word or "mean_intensity"
    return f"{name}_{word}" if word else name


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
    mended = view
    if not np.isfinite(values).all():
        mended = np.lib.stride_tricks.sliding_window_view(_mended(values, period), shape)
    size = BATCH_WITH_ERRORS if with_errors else BATCH
    branch = 0.0 if period is None else _branch(values, period)
    for low in range(0, len(numbers), size):
        rows = numbers[low : low + size]
        pixels = mended[first[rows, 0], first[rows, 1]].astype(np.float64)
        whole = pixels if mended is view else view[first[rows, 0], first[rows, 1]]
        seen = np.isfinite(whole)
        enough = seen.mean(axis=(1, 2)) >= LEAST_SEEN
        if not enough.all():
            rows, pixels, seen = rows[enough], pixels[enough], seen[enough]
        if not len(rows):
            continue
        left = np.isfinite(pixels).mean(axis=(1, 2)) < 1.0 - MOST_UNFILLED
        incomplete = left | (seen.mean(axis=(1, 2)) < 1.0 - MOST_GAPS)
        pixels = _without_gaps(pixels, seen, period)
        variance = None
        if noise is not None:
            variance = noise.variance(pixels) * seen
        yield (
            rows,
            WindowBatch(pixels, seen.astype(np.float64), variance, noise, frame.step, period,
                        with_errors, branch, incomplete),
        )  # fmt: skip


def _branch(values: NDArray[np.floating], period: float) -> float:
    """Return the direction that angles are laid about: the channel's mean, in twelfths of a turn.

    Patches about the commonest direction must not be torn apart at half a turn; rounded, so that
    two scans of one place share it.
    """
    good = values[np.isfinite(values)]
    mean = np.angle(np.exp(2j * np.pi * good / period).mean()) if good.size else 0.0
    return float(np.round(12.0 * mean / (2.0 * np.pi)) * period / 12.0)


def _mended(values: NDArray[np.floating], period: float | None) -> Floats:
    """Return pixels with lone gaps filled; angles by way of their cosine and sine."""
    if period is None:
        return _from_neighbours(values)
    turn = 2.0 * np.pi / period
    real, imaginary = (_from_neighbours(part(turn * values)) for part in (np.cos, np.sin))
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, np.arctan2(imaginary, real) / turn), np.float64)


def _from_neighbours(values: NDArray[np.floating]) -> Floats:
    """Return pixels with lone gaps filled from their neighbours along x and y; others stay NaN.

    By the cubic through the two pixels on either side where all are there, else by the mean of
    the nearest.
    """
    known = np.isfinite(values)
    rows, columns = np.nonzero(~known)
    padded = np.pad(np.where(known, values, np.nan), 2, constant_values=np.nan)
    guesses = []
    for down, right in ((1, 0), (0, 1)):
        near, far = (
            [padded[rows + 2 + s * k * down, columns + 2 + s * k * right] for s in (-1, 1)]
            for k in (1, 2)
        )
        straight = 0.5 * (near[0] + near[1])
        cubic = (4.0 * (near[0] + near[1]) - (far[0] + far[1])) / 6.0
        guesses.append(np.where(np.isfinite(cubic), cubic, straight))
    both = np.array(guesses)
    there = np.isfinite(both)
    number = there.sum(axis=0)
    filled = np.array(values, dtype=np.float64)
    filled[rows, columns] = np.where(
        number > 0, np.where(there, both, 0.0).sum(axis=0) / np.maximum(number, 1), np.nan
    )
    return filled


def _without_gaps(pixels: Floats, seen: NDArray[np.bool_], period: float | None) -> Floats:
    """Return pixels with what gaps are left at their patch's mean; angles half a period off it."""
    number = seen.sum(axis=(1, 2))
    filled = np.where(seen, pixels, 0.0)
    known = np.isfinite(pixels)
    if period is not None:
        turn = 2.0 * np.pi / period
        direction = (np.exp(1j * turn * filled) * seen).sum(axis=(1, 2))
        mean = np.angle(direction)[:, None, None] / turn
        away = np.where(known, pixels, mean) - mean
        return np.asarray(mean + away - period * np.round(away / period))
    if known.all():
        return pixels
    mean = filled.sum(axis=(1, 2)) / number
    return np.where(known, pixels, mean[:, None, None])


def _filled(values: NDArray[np.floating]) -> Floats:
    """Return the picture without gaps, for what is measured on the whole of it."""
    whole = np.asarray(values, dtype=np.float64)
    good = np.isfinite(whole)
    if good.all():
        return whole
    return np.where(good, whole, whole[good].mean() if good.any() else 0.0)
