"""Two scans of one place brought onto one grid: a repeat, or a field before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified, check_choice, check_positive
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.channels.given_channels import channel_items
from physlearn.datasets.channels.measure_noise import signal_test
from physlearn.datasets.channels.moved_scans import filled_from, moved_scan, seen_bounds
from physlearn.datasets.channels.noise_estimate import row_differences
from physlearn.datasets.channels.repeat_pairs import alike_channels, numbered
from physlearn.datasets.channels.resample import without_gaps
from physlearn.datasets.channels.scan_difference import difference_notes
from physlearn.datasets.scan.register_images import MODELS, Registration, register_images
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "RepeatPair",
    "align_repeat",
    "common_part",
    "like_given",
    "moved_scan",
    "named_channels",
    "register_scan",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Channels = xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray]
LEAST_OVERLAP_PX = 16
LARGEST_SHIFT_SHARE = 0.5
SIGNAL_P = 1e-3
AGREE_SDS = 5.0
NEAR_PX = 4.0
BOW_SHARE = 0.1
MOST_CHANNELS = 2
GAP_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class RepeatPair:
    """Two scans on one grid, cut to where both saw the sample.

    Attributes
    ----------
    first, second
        Of the kind that was given, on the first scan's coordinates (its pixels' numbers where it
        has none) and in its units.
    registration
        How the second scan lay on the first.
    channel
        Channel by which they were brought together.
    overlap_share
        Share of the first scan that both saw.
    same_sampling
        Whether both scans had pixels of one size; else the second was brought onto the first's
        grid, its noise is another one, and half of var(Z1 - Z2) is nobody's.
    warnings
        What to know.

    Examples
    --------
    >>> from physlearn.datasets import ChannelSceneSettings, make_channel_scene
    >>> scene = make_channel_scene(ChannelSceneSettings(shape=(64, 64)), rng=1)
    >>> pair = align_repeat(*scene.scans, largest_shift_px=4.0)
    >>> pair.same_sampling, bool((pair.registration.shift_sd < 2.0).all())
    (True, True)
    """

    first: Channels
    second: Channels
    registration: Registration
    channel: str
    overlap_share: float
    same_sampling: bool
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def align_repeat(
    first: Channels,
    second: Channels,
    *,
    channel: str | None = None,
    model: str = "shift",
    largest_shift_px: float | None = None,
) -> RepeatPair:
    """Bring a second scan of one place onto the first one's grid without changing its noise.

    One registration holds for all channels of a scan. The second scan is moved by a phase in
    Fourier space (``shift``; mirrored at its edges), which keeps its noise as it is, or sampled by
    a windowed sinc (``rigid``, ``affine``: even drift within the scan), and both are cut to where
    they overlap. Also for a field before and after a change: what changed must be the smaller part.

    Parameters
    ----------
    first, second
        DataArray (y, x) with or without other dims, Dataset, or mapping of channels (of any
        shapes), with the same channels. Pixels of another size are first brought onto the first's.
    channel
        Which one to register by; None takes the one that tells the shift best.
    model
        ``shift``, ``rigid`` or ``affine``.
    largest_shift_px
        Search radius in pixels of the first; None takes half of the shorter edge.

    Returns
    -------
    RepeatPair
        Both scans on one grid, the registration, and what to know.

    Raises
    ------
    NotIdentified
        Where they have nothing in common, or overlap by less than 16 pixels.
    InputError
        For other channels, units that no known factor turns into one another, or a second scan
        that holds the numbers of the first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:64, :64]
    >>> spots = rng.uniform(0, 64, (30, 2))
    >>> def draw(d):
    ...     scene = sum(np.exp(-((x - a - d) ** 2 + (y - b) ** 2) / 18) for a, b in spots)
    ...     return xr.DataArray(scene + rng.normal(0, 0.02, (64, 64)), dims=("y", "x"))
    >>> pair = align_repeat(draw(0.0), draw(2.4))
    >>> bool(np.abs(pair.registration.shift - [2.4, 0.0]).max() < 0.1), pair.second.sizes["x"]
    (True, 61)
    """
    check_choice("model", model, tuple(MODELS))
    one, two = named_channels("first", first), named_channels("second", second)
    if set(one) != set(two):
        odd = sorted(set(one) ^ set(two))[0]
        raise InputError(f"first and second must hold the same channels; only one holds {odd!r}.")
    notes: list[str] = []
    same = alike_channels(one, two, notes)
    if not same:
        notes.append(
            "the two scans had pixels of different size: the second was brought onto the first's "
            "grid, so that the scatter between them is that of two different noises."
        )
    best, registration = register_scan(one, two, channel, model, largest_shift_px, notes)
    cut_one, cut_two, share = {}, {}, 1.0
    for name in one:
        moved, inside = moved_scan(name, one[name], two[name], registration, model)
        y, x = common_part(name, inside)
        cut_one[name] = one[name].transpose(..., "y", "x").isel(y=y, x=x)
        cut_two[name] = moved.isel(y=y, x=x)
        share = min(share, float(inside.mean()))
    notes += [text for text in registration.warnings if text not in notes]
    notes += difference_notes(best, cut_one[best], cut_two[best])
    return RepeatPair(
        like_given(first, cut_one), like_given(second, cut_two), registration, best, share, same,
        tuple(notes),
    )  # fmt: skip


def named_channels(name: str, given: Channels) -> dict[str, xr.DataArray]:
    """Return the channels by name; all must have dims y and x."""
    if isinstance(given, xr.DataArray):
        found = {str(given.name or "picture"): given}
    else:
        found = channel_items(given)
    if not found:
        raise InputError(f"{name} must hold a channel; got none.")
    for key, part in found.items():
        if not {"y", "x"} <= set(part.dims):
            raise InputError(
                f"channel {key} of {name} must have dims y and x; got {tuple(map(str, part.dims))}."
            )
    if isinstance(given, xr.DataArray):
        return {"picture": given}
    return found


def like_given(given: Channels, parts: dict[str, xr.DataArray]) -> Channels:
    """Return the channels in the shape in which they were given."""
    if isinstance(given, xr.DataArray):
        return parts["picture"]
    if isinstance(given, xr.Dataset):
        return xr.Dataset(parts, attrs=given.attrs)
    return parts


def _bare(channel: xr.DataArray) -> xr.DataArray:
    """Return one picture (y, x) of a channel, without what its attributes say of counts."""
    others = [dim for dim in channel.dims if dim not in ("y", "x")]
    flat = channel.mean(others) if others else channel
    return numbered(flat.transpose("y", "x")).assign_attrs(counts="unknown")


def _picture(channel: xr.DataArray, seen: dict[str, slice]) -> xr.DataArray:
    """Return one picture (y, x) of a channel: the mean over what else it has; gaps filled."""
    flat = _bare(channel).isel(seen)
    values, _ = without_gaps(np.asarray(flat.to_numpy(), dtype=np.float64))
    period = angle_period(channel)
    if period is not None:
        # a direction's part along the commonest axis does not jump where the angle wraps
        u = np.exp(2j * np.pi * values / period)
        values = np.asarray((u * np.exp(-0.5j * np.angle((u**2).mean()))).real)
    return flat.copy(data=values)


def register_scan(
    one: dict[str, xr.DataArray], two: dict[str, xr.DataArray], channel: str | None, model: str,
    largest: float | None, notes: list[str],
) -> tuple[str, Registration]:  # fmt: skip
    """Return the channel that tells the transform best, and the transform."""
    if channel is not None:
        check_choice("channel", channel, tuple(one))
    refused: list[str] = []
    pairs = _candidates(one, two, [channel] if channel is not None else list(one), refused)
    found: dict[str, Registration] = {}
    for name, (before, after) in pairs.items():
        radius = LARGEST_SHIFT_SHARE * min(before.shape)
        if largest is not None:
            radius = check_positive("largest_shift_px", largest)
        around = (0.0, 0.0)
        if found:
            # the search is over; this channel says whether it agrees
            step = axis_frame(name, before).step
            known = next(iter(found.values())).shift
            around = (float(known[0] / step[0]), float(known[1] / step[1]))
            radius = NEAR_PX
        try:
            found[name] = _registered(before, after, model, radius, around)
            if len(found[name].rivals) and radius > NEAR_PX:
                found[name] = _nearer(before, after, model, found[name])
        except NotIdentified as error:
            refused.append(f"{name}: {error}")
        if name in found and model == "shift" and angle_period(one[name]) is None:
            found[name] = _without_their_gaps(name, one, two, found[name])
        if len(found) == MOST_CHANNELS:
            break
    if not found:
        raise NotIdentified(
            "the second scan cannot be brought onto the first, they may not overlap: "
            + "; ".join(refused)
        )
    best = min(found, key=lambda name: float(np.trace(found[name].covariance[:2, :2])))
    for name, other in found.items():
        apart = other.shift - found[best].shift
        sd = np.sqrt(np.diag(other.covariance)[:2] + np.diag(found[best].covariance)[:2])
        if np.any(np.abs(apart) > AGREE_SDS * sd) and len(other.rivals) == 0:
            notes.append(
                f"channel {name} is shifted by {apart[0]:.3g}, {apart[1]:.3g} {other.unit} against "
                f"channel {best} between the scans, more than {AGREE_SDS:.0f} standard errors: a "
                "fixed pattern, or a change of the sample."
            )
    return best, found[best]


def _registered(
    before: xr.DataArray, after: xr.DataArray, model: str, radius: float,
    around: tuple[float, float],
) -> Registration:  # fmt: skip
    """Register two pictures; where a scene is too smooth for that, by its finer part."""
    try:
        return register_images(
            before, after, model=model, largest_shift_px=radius, around_px=around
        )
    except NotIdentified:
        width = BOW_SHARE * min(before.shape)
        flat = (
            part.copy(data=part.to_numpy() - ndimage.gaussian_filter(part.to_numpy(), width))
            for part in (before, after)
        )
        return register_images(*flat, model=model, largest_shift_px=radius, around_px=around)


def _nearer(
    before: xr.DataArray, after: xr.DataArray, model: str, found: Registration
) -> Registration:
    """Return the registration about no shift where it fits better: a coarse search may miss it."""
    try:
        near = _registered(before, after, model, NEAR_PX, (0.0, 0.0))
    except NotIdentified:
        return found
    if near.correlation <= found.correlation:
        return found
    return replace(near, rivals=found.rivals, warnings=found.warnings)


def _without_their_gaps(
    name: str, one: dict[str, xr.DataArray], two: dict[str, xr.DataArray], found: Registration
) -> Registration:
    """Register again with each scan's gaps filled from the other: nearest pixels make up edges."""
    seen = seen_bounds(two[name])
    parts = [_bare(part[name]).isel(seen) for part in (one, two)]
    before, after = (np.asarray(part.to_numpy(), dtype=np.float64) for part in parts)
    if np.isfinite(before).all() and np.isfinite(after).all():
        return found
    frames = [axis_frame(name, part) for part in parts]
    for _ in range(GAP_ROUNDS):
        apart = found.shift - np.subtract(frames[1].start, frames[0].start)
        x, y = apart / np.array(frames[0].step)
        pair = (
            parts[0].copy(data=filled_from(before, after, (-x, -y))),
            parts[1].copy(data=filled_from(after, before, (x, y))),
        )
        try:
            found = _registered(*pair, "shift", NEAR_PX, (float(x), float(y)))
        except NotIdentified:
            break
    return found


def _candidates(
    one: dict[str, xr.DataArray], two: dict[str, xr.DataArray], names: list[str],
    refused: list[str],
) -> dict[str, tuple[xr.DataArray, xr.DataArray]]:  # fmt: skip
    """Return pairs of pictures with a signal, the one first that should tell a shift best."""
    pairs, worth = {}, {}
    for name in names:
        seen = seen_bounds(two[name])
        before, after = (_picture(part[name], seen) for part in (one, two))
        if not all(signal_test(part.to_numpy())[1] < SIGNAL_P for part in (before, after)):
            refused.append(f"{name} holds no signal above its noise")
            continue
        pairs[name] = (before, after)
        values = before.to_numpy()
        slope = ndimage.gaussian_gradient_magnitude(values, 1.5)
        noise = float(np.median(row_differences(values, 3) ** 2))
        worth[name] = float((slope**2).mean()) / max(noise, 1e-300)
        if angle_period(one[name]) is not None:
            worth[name] = 0.0
    return {name: pairs[name] for name in sorted(pairs, key=lambda name: -worth[name])}


def common_part(name: str, inside: Flags) -> tuple[slice, slice]:
    """Return the rows and columns that both scans saw, or refuse too few of them."""
    y, x = _rectangle(inside)
    if min(y.stop - y.start, x.stop - x.start) < LEAST_OVERLAP_PX:
        raise NotIdentified(
            f"the two scans overlap by {max(y.stop - y.start, 0)} x {max(x.stop - x.start, 0)} "
            f"pixels of channel {name}; at least {LEAST_OVERLAP_PX} x {LEAST_OVERLAP_PX} are "
            "needed."
        )
    return y, x


def _rectangle(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return a rectangle of rows and columns that lies inside: edges are cut where most is out."""
    top, left, bottom, right = 0, 0, *inside.shape
    while top < bottom and left < right:
        part = inside[top:bottom, left:right]
        out = [
            float((~part[0]).mean()), float((~part[-1]).mean()),
            float((~part[:, 0]).mean()), float((~part[:, -1]).mean()),
        ]  # fmt: skip
        worst = int(np.argmax(out))
        if out[worst] == 0.0:
            break
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)
