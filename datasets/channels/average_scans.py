"""Repeated scans of one place averaged, and the noise of one scan from what they do not share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.channels.measure_noise import declare_noise
from physlearn.datasets.channels.repeats import (
    common_part,
    like_given,
    moved_scan,
    named_channels,
    register_scan,
)
from physlearn.datasets.channels.scan_difference import difference_notes
from physlearn.datasets.channels.scan_residuals import repeat_noise, spoilt_lines
from physlearn.datasets.channels.scan_units import in_unit_of
from physlearn.datasets.scan.register_images import Registration
from physlearn.records.storage import html_table, short_repr

__all__ = ["AveragedScans", "average_scans"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Channels = xr.DataArray | xr.Dataset
FIXED_PATTERN = (
    "what all scans repeat at the same pixels (a fixed pattern), and drift that all scans share, "
    "is in the average and not in its noise."
)


@dataclass(frozen=True, slots=True, eq=False)
class AveragedScans:
    """The mean of repeated scans and the noise of each channel.

    Attributes
    ----------
    mean
        Of the kind that was given, on the first scan's coordinates, cut to what all scans saw; its
        attributes hold its noise.
    noise
        Channel -> ``ChannelNoise`` of one scan.
    mean_noise
        Channel -> ``ChannelNoise`` of the mean.
    shift
        Shape (n_scans, 2): (x, y) of each scan against the first, in ``unit``.
    shift_covariance
        Shape (n_scans, 2, 2).
    spoilt
        Flags, shape (n_scans, rows of ``mean``): lines left out of the mean in every channel.
    unit
        Of lengths.
    warnings
        What to know.

    Examples
    --------
    >>> from physlearn.datasets import ChannelSceneSettings, make_channel_scene
    >>> scene = make_channel_scene(ChannelSceneSettings(shape=(64, 64)), rng=1)
    >>> averaged = average_scans(scene.scans, largest_shift_px=4.0)
    >>> averaged.noise["idle"].has_signal, averaged.noise["height"].has_signal
    (False, True)
    """

    mean: Channels
    noise: Mapping[str, ChannelNoise]
    mean_noise: Mapping[str, ChannelNoise]
    shift: Floats
    shift_covariance: Floats
    spoilt: Flags
    unit: str
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def average_scans(
    scans: Sequence[Channels] | xr.DataArray,
    *,
    channel: str | None = None,
    model: str = "shift",
    largest_shift_px: float | None = None,
) -> AveragedScans:
    """Bring repeated scans of one place onto each other, average them, and measure their noise.

    Every later scan is registered to the first and moved without changing its noise; lines that
    jumped in one scan are left out; noise per scan is ``sum_s (z_s - mean)^2 / (n - 1)`` with its
    autocorrelation, and that of the mean is ``n`` times smaller in variance.

    Parameters
    ----------
    scans
        At least 2 DataArrays (y, x) or Datasets with the same channels and pixel size, or one
        DataArray (time, y, x).
    channel, model, largest_shift_px
        As in ``align_repeat``: ``rigid`` or ``affine`` also undo even drift of the later scans
        against the first.

    Returns
    -------
    AveragedScans
        Mean, noise of one scan and of the mean, shifts, and spoilt lines.

    Raises
    ------
    NotIdentified
        Where a scan has nothing in common with the first.
    InputError
        For fewer than 2 scans, channels or pixel sizes that differ, or units that no known factor
        turns into one another.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:64, :64]
    >>> spots = rng.uniform(0, 64, (40, 2))
    >>> def draw(d):
    ...     scene = sum(np.exp(-((x - a - d) ** 2 + (y - b) ** 2) / 18) for a, b in spots)
    ...     return xr.DataArray(scene + rng.normal(0, 0.1, (64, 64)), dims=("y", "x"))
    >>> averaged = average_scans([draw(d) for d in (0.0, 1.3, 2.1)])
    >>> noise = averaged.noise["picture"]
    >>> bool(abs(noise.sd - 0.1) < 4 * noise.sd_error), averaged.shift.shape
    (True, (3, 2))
    """
    given = _scans(scans)
    channels = [named_channels(f"scan {k}", part) for k, part in enumerate(given)]
    first = {name: part.transpose("y", "x") for name, part in channels[0].items()}
    notes: list[str] = [FIXED_PATTERN]
    found: list[Registration | None] = [None]
    told: list[tuple[int, str]] = []
    for number, other in enumerate(channels[1:], start=1):
        _check_alike(number, first, other)
        own: list[str] = []
        for name, part in other.items():
            other[name], said = in_unit_of(f"channel {name}", first[name], part)
            own += [] if said is None else [said]
        best, how = register_scan(first, other, channel, model, largest_shift_px, own)
        found.append(how)
        told.append((number, best))
        notes += [f"scan {number}: {text}" for text in (*own, *found[-1].warnings)]  # type: ignore[union-attr]
    jumped = _jumped(channels, first, found)
    stacks, spoilt, (y, x) = _stacked(channels, first, found, jumped, model)
    if spoilt.any():
        notes.append(f"{sum(map(len, jumped))} line(s) jumped in one scan and are left out there.")
    for number, best in told:
        template = first[best].isel(y=y, x=x)
        pair = (template.copy(data=stacks[best][k]) for k in (0, number))
        notes += [f"scan {number}: {text}" for text in difference_notes(best, *pair)]
    mean, noise, mean_noise = {}, {}, {}
    for name, part in first.items():
        template = part.transpose("y", "x").isel(y=y, x=x)
        mean[name], noise[name], mean_noise[name] = _averaged(template, stacks[name], spoilt)
        notes += [f"channel {name}: {text}" for text in noise[name].warnings]
    shift = [np.zeros(2) if each is None else each.shift for each in found]
    covariance = [np.zeros((2, 2)) if each is None else each.covariance[:2, :2] for each in found]
    unit = axis_frame("scan 0", next(iter(first.values()))).unit
    return AveragedScans(
        cast("Channels", like_given(given[0], mean)), noise, mean_noise, np.array(shift),
        np.array(covariance), spoilt, unit, tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _jumped(
    channels: list[dict[str, xr.DataArray]], first: Mapping[str, xr.DataArray],
    found: list[Registration | None],
) -> list[NDArray[np.int64]]:  # fmt: skip
    """Return the lines of each scan that jumped in some channel, and not in the other scans."""
    frame = axis_frame("scan 0", next(iter(first.values())))
    moved = [0.0 if each is None else float(each.shift[1]) / frame.step[1] for each in found]
    jumped: list[set[int]] = [set() for _ in channels]
    for name in first:
        if angle_period(first[name]) is not None:
            continue
        out = [spoilt_lines(_values(part[name])) for part in channels]
        # the sample's own edges stand out in every scan, at the same place
        places = [rows - shift for rows, shift in zip(out, moved, strict=True)]
        for number, rows in enumerate(out):
            others = [where for k, where in enumerate(places) if k != number]
            for row, place in zip(rows, places[number], strict=True):
                seen = sum(bool(np.any(np.abs(where - place) <= 1.5)) for where in others)
                if seen < len(others):
                    jumped[number].add(int(row))
    return [np.array(sorted(rows), dtype=np.int64) for rows in jumped]


def _stacked(
    channels: list[dict[str, xr.DataArray]], first: Mapping[str, xr.DataArray],
    found: list[Registration | None], jumped: list[NDArray[np.int64]], model: str,
) -> tuple[dict[str, Floats], Flags, tuple[slice, slice]]:  # fmt: skip
    """Return the channels of all scans on the first's grid, their lost lines, and the cut."""
    any_name = next(iter(first))
    frame = axis_frame(any_name, first[any_name])
    inside = np.ones(frame.shape, dtype=np.bool_)
    lost = np.zeros((len(channels), frame.shape[0]), dtype=np.bool_)
    parts: list[dict[str, xr.DataArray]] = []
    for number, (scan, how) in enumerate(zip(channels, found, strict=True)):
        moved = {}
        for name, part in scan.items():
            mended = _mended(part, jumped[number])
            if how is None:
                moved[name] = mended
                continue
            moved[name], seen = moved_scan(name, first[name], mended, how, model)
            inside &= seen
        parts.append(moved)
        shift = 0.0 if how is None else float(how.shift[1]) / frame.step[1]
        for row in jumped[number]:
            lost[number] |= np.abs(np.arange(frame.shape[0]) + shift - row) < 1.0
    # a line must be left in some scan
    lost[:, lost.all(axis=0)] = False
    y, x = common_part(any_name, inside)
    stacks = {
        name: np.stack([_values(moved[name].isel(y=y, x=x)) for moved in parts]) for name in first
    }
    return stacks, lost[:, y], (y, x)


def _values(channel: xr.DataArray) -> Floats:
    """Return the numbers of a channel (y, x), infinities as gaps."""
    values = np.asarray(channel.transpose("y", "x").to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _mended(channel: xr.DataArray, rows: NDArray[np.int64]) -> xr.DataArray:
    """Return a channel whose spoilt lines are those of their nearest neighbours."""
    ordered = channel.transpose("y", "x")
    if not len(rows):
        return ordered
    values = _values(ordered).copy()
    good = np.setdiff1d(np.arange(len(values)), rows)
    near = good[np.argmin(np.abs(good[None, :] - rows[:, None]), axis=1)]
    values[rows] = values[near]
    return ordered.copy(data=values)


def _scans(scans: Sequence[Channels] | xr.DataArray) -> list[Channels]:
    """Return the scans one by one."""
    if isinstance(scans, xr.DataArray):
        others = [dim for dim in scans.dims if dim not in ("y", "x")]
        if scans.ndim != 3 or len(others) != 1:
            raise InputError(
                "scans must be a sequence of scans, or a DataArray (time, y, x); got dims "
                f"{tuple(map(str, scans.dims))}."
            )
        result: list[Channels] = [
            scans.isel({others[0]: k}, drop=True) for k in range(scans.sizes[others[0]])
        ]
    else:
        result = list(scans)
    if len(result) < 2:
        raise InputError(f"scans must hold at least 2 scans of one place; got {len(result)}.")
    return result


def _check_alike(
    number: int, first: Mapping[str, xr.DataArray], other: Mapping[str, xr.DataArray]
) -> None:
    """Refuse a scan of other channels or another size."""
    if set(first) != set(other):
        odd = sorted(set(first) ^ set(other))[0]
        raise InputError(f"scan {number} must hold the channels of the first; {odd!r} differs.")
    for name, part in other.items():
        if part.ndim != 2 or part.sizes != first[name].sizes:
            raise InputError(
                f"channel {name} of scan {number} must be (y, x) of {dict(first[name].sizes)} "
                f"pixels; got {dict(part.sizes)}: align_repeat brings scans of different size "
                "together."
            )


def _averaged(
    template: xr.DataArray, stack: Floats, spoilt: Flags
) -> tuple[xr.DataArray, ChannelNoise, ChannelNoise]:
    """Return the mean of a channel, the noise of one scan and that of the mean."""
    unit = str(template.attrs.get("units", "1"))
    period = angle_period(template)
    kept = np.where(spoilt[:, :, None], np.nan, stack)
    if period is None:
        mean = np.nanmean(kept, axis=0)
        used = kept
    else:
        turn = 2.0 * np.pi / period
        direction = np.angle(np.nanmean(np.exp(1j * turn * kept), axis=0)) / turn
        low = float(np.nanmin(kept))
        mean = low + np.mod(direction - low, period)
        # each scan within half a turn of the mean direction
        used = mean + (np.mod(kept - mean + 0.5 * period, period) - 0.5 * period)
    noise = repeat_noise(used, unit, angle=period is not None)
    share = 1.0 / np.sqrt(len(stack))
    of_mean = replace(
        noise, sd=noise.sd * share, sd_error=noise.sd_error * share, row_sd=noise.row_sd * share
    )
    return declare_noise(template.copy(data=mean), of_mean), noise, of_mean
