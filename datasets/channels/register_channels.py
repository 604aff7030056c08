"""Channels of one scan brought onto each other to parts of a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified, check_choice, check_positive
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.channels.contrast import match_contrast, matched_picture
from physlearn.datasets.channels.derived_channels import DerivedChannel, find_derived_channels
from physlearn.datasets.channels.given_channels import channel_items
from physlearn.datasets.channels.measure_noise import signal_test
from physlearn.datasets.channels.resample import fourier_shift, without_gaps
from physlearn.datasets.scan.register_images import Registration, register_images
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RegisteredChannels", "register_channels"]

Floats = NDArray[np.float64]
SIGNAL_P = 1e-3
SMOOTHINGS_PX = (0.5, 1.0, 2.0)
NEAR_PX = 3.0
BOW_SHARE = 0.1
SAME_STEP = 1e-3
FEWEST_PX = 32
SIGNIFICANT_SHIFT = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class RegisteredChannels:
    """Channels on the reference's grid, and how each lay on it.

    Attributes
    ----------
    dataset
        All channels, cut to where the moved ones are known.
    table
        pandas, one row a channel: ``channel``, ``shift_x``, ``shift_y`` (where the reference's
        middle lay in it), ``sd_x``, ``sd_y`` in ``unit``, ``share`` (of its variance that the
        reference tells), ``contrast`` ("same", "matched", "none") and ``moved``.
    covariance
        Channel -> covariance (2, 2) of its shift; NaN where it is not known.
    reference
        Channel that was kept in place.
    unit
        Of lengths.
    warnings
        What to know.

    Examples
    --------
    >>> from physlearn.datasets import ChannelSceneSettings, make_channel_scene
    >>> scene = make_channel_scene(ChannelSceneSettings(shape=(64, 64)), rng=1)
    >>> found = register_channels(scene.scans[0][["height", "idle"]])
    >>> found.reference, found.table.contrast.tolist()
    ('height', ['same', 'none'])
    """

    dataset: xr.Dataset
    table: pd.DataFrame
    covariance: Mapping[str, Floats]
    reference: str
    unit: str
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Shift of one channel with its covariance, the share told, and how it was found."""

    shift: Floats
    covariance: Floats
    share: float
    contrast: str


def register_channels(
    channels: xr.Dataset | Mapping[str, xr.DataArray],
    reference: str | None = None,
    *,
    largest_shift_px: float | None = None,
    least_shift_sds: float = SIGNIFICANT_SHIFT,
) -> RegisteredChannels:
    """Measure how each channel is shifted against a reference, and bring all onto one grid.

    Channels may mean different things by brightness: the reference is first put into the channel's
    contrast (levels and slopes of the reference fitted to the channel at the shift where they tell
    most of it), then both are registered with the error that their noise leaves. A channel is moved
    by a phase in Fourier space, which keeps its noise, and only where its shift is more than
    ``least_shift_sds`` standard errors.

    Parameters
    ----------
    channels
        Dataset or mapping, each (y, x) of one shape and pixel size, at least 32 x 32.
    reference
        Name of the channel to stay; None takes the one with the clearest signal.
    largest_shift_px
        Search radius; None takes an eighth of the shorter edge.
    least_shift_sds
        Smaller shifts are not undone (0 undoes all).

    Returns
    -------
    RegisteredChannels
        Channels without a signal, angles and channels that share nothing with the reference stay
        in place, with a warning.

    Raises
    ------
    InputError
        For channels of different shape or pixel size, too small ones, or an unknown reference.

    Notes
    -----
    A slope of the reference cannot be told from what a shift adds to it: error signals and parts
    of a response (``find_derived_channels``) are left in place; copies (trace and retrace) move.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:64, :64]
    >>> spots = rng.uniform(0, 64, (40, 2))
    >>> def draw(d):
    ...     return sum(np.exp(-((x - a - d) ** 2 + (y - b) ** 2) / 18) for a, b in spots)
    >>> noise = rng.normal(0, 0.02, (2, 64, 64))
    >>> found = register_channels(xr.Dataset({
    ...     "height": (("y", "x"), draw(0.0) + noise[0]),
    ...     "current": (("y", "x"), np.exp(-draw(1.6)) + noise[1])}), reference="height")
    >>> bool(abs(found.table.shift_x[1] - 1.6) < 0.1), found.table.contrast[1]
    (True, 'matched')
    """
    pictures = _pictures(channels)
    names = list(pictures)
    first = axis_frame(names[0], pictures[names[0]])
    radius = 0.125 * min(first.shape)
    if largest_shift_px is not None:
        radius = check_positive("largest_shift_px", largest_shift_px)
    least = check_positive("least_shift_sds", least_shift_sds, allow_zero=True)
    values = {name: without_gaps(_values(part))[0] for name, part in pictures.items()}
    p_values = {name: signal_test(_values(part))[1] for name, part in pictures.items()}
    derived = find_derived_channels(pictures)
    if reference is None:
        reference = _clearest(names, p_values, derived, pictures)
    check_choice("reference", reference, tuple(names))
    notes = [
        f"channel {name} has dims {tuple(map(str, part.dims))} and is left out."
        for name, part in channels.items() if str(name) not in pictures
    ]  # fmt: skip
    found: dict[str, _Found] = {}
    for name in names:
        if name == reference:
            found[name] = _Found(np.zeros(2), np.zeros((2, 2)), 1.0, "same")
            continue
        why = None
        if p_values[name] > SIGNAL_P:
            why = f"channel {name} holds no signal above its noise"
        elif angle_period(pictures[name]) is not None:
            why = f"channel {name} is an angle (register its complex_response)"
        elif name in derived and "copy" not in derived[name].relation:
            why = derived[name].sentence.rstrip(".")
        else:
            try:
                found[name] = _shift_of(values[reference], values[name], radius)
            except NotIdentified as error:
                why = f"channel {name} against {reference}: {str(error).rstrip('.')}"
        if why is not None:
            notes.append(f"{why}: it stays in place.")
            found[name] = _Found(np.zeros(2), np.full((2, 2), np.nan), 0.0, "none")
    return _result(pictures, found, reference, least, notes)


def _pictures(channels: xr.Dataset | Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return the channels (y, x), or refuse them."""
    pictures = {
        name: part.transpose("y", "x")
        for name, part in channel_items(channels).items() if set(part.dims) == {"y", "x"}
    }  # fmt: skip
    if len(pictures) < 2:
        raise InputError(
            f"channels must hold at least 2 channels with dims (y, x); got {len(pictures)}."
        )
    names = list(pictures)
    one = axis_frame(names[0], pictures[names[0]])
    for name in names[1:]:
        other = axis_frame(name, pictures[name])
        alike = np.allclose(one.step, other.step, rtol=SAME_STEP) and one.unit == other.unit
        if one.shape != other.shape or not alike:
            raise InputError(
                f"channel {name} must have the shape and pixel size of {names[0]}, {one.shape} "
                f"and {one.step} {one.unit}; got {other.shape} and {other.step} {other.unit}: "
                "describe_patches takes them as they are, resample one to register it."
            )
    if min(one.shape) < FEWEST_PX:
        raise InputError(f"channels must be at least 32 x 32 pixels; got {one.shape}.")
    return pictures


def _values(channel: xr.DataArray) -> Floats:
    """Return the numbers of a channel, infinities as gaps."""
    values = np.asarray(channel.to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _clearest(
    names: list[str], p_values: Mapping[str, float], derived: Mapping[str, DerivedChannel],
    pictures: Mapping[str, xr.DataArray],
) -> str:  # fmt: skip
    """Return the channel with the clearest signal that is neither derived nor an angle."""
    usable = [n for n in names if n not in derived and angle_period(pictures[n]) is None]
    if not usable:
        raise InputError("no channel can be the reference: all are angles or derived; name one.")
    return min(usable, key=lambda name: (p_values[name], names.index(name)))


def _shift_of(first: Floats, second: Floats, radius: float) -> _Found:
    """Return the shift of the second channel against the first, whatever their contrasts."""
    start = match_contrast(first, second, radius)
    near = start.shift
    picture, _ = matched_picture(first, second, near)
    near = _pair(_register(picture, second, near))
    best: Registration | None = None
    best_share = 0.0
    for width in SMOOTHINGS_PX:
        picture, share = matched_picture(first, second, near, width)
        found = _register(picture, second, near)
        if best is None or found.shift_sd.sum() < best.shift_sd.sum():
            best, best_share = found, share
    same = _same(first, second, near)
    if same is not None and best is not None and same.shift_sd.sum() < 1.1 * best.shift_sd.sum():
        return _Found(same.shift, same.covariance[:2, :2], same.correlation**2, "same")
    if best is None:
        raise NotIdentified("the two channels have nothing in common.")
    return _Found(best.shift, best.covariance[:2, :2], best_share, "matched")


def _same(first: Floats, second: Floats, near: tuple[float, float]) -> Registration | None:
    """Return the registration of two channels of one contrast, None where they are not."""
    try:
        return _register(first, second, near)
    except NotIdentified:
        return None


def _register(one: Floats, two: Floats, near: tuple[float, float]) -> Registration:
    """Register near a known shift; where a scene is too smooth for that, by its finer part."""
    try:
        return register_images(one, two, model="shift", largest_shift_px=NEAR_PX, around_px=near)
    except NotIdentified:
        width = BOW_SHARE * min(one.shape)
        flat = (part - ndimage.gaussian_filter(part, width) for part in (one, two))
        return register_images(*flat, model="shift", largest_shift_px=NEAR_PX, around_px=near)


def _pair(registration: Registration) -> tuple[float, float]:
    """Return the shift (x, y) as two numbers."""
    return float(registration.shift[0]), float(registration.shift[1])


def _result(
    pictures: dict[str, xr.DataArray], found: dict[str, _Found], reference: str, least: float,
    notes: list[str],
) -> RegisteredChannels:  # fmt: skip
    """Move the channels, cut them to what is known, and write the table."""
    import pandas as pd

    frame = axis_frame(reference, pictures[reference])
    step = np.array(frame.step)
    rows, moved = [], {}
    top, left, bottom, right = 0, 0, frame.shape[0], frame.shape[1]
    for name, each in found.items():
        sd = np.sqrt(np.diag(each.covariance))
        go = each.contrast != "none" and bool(np.any(np.abs(each.shift) > least * sd))
        go = go and name != reference
        part = pictures[name]
        if go:
            dx, dy = map(float, each.shift)
            part = part.copy(data=fourier_shift(_values(part), dx, dy))
            top, left = max(top, int(np.ceil(-dy))), max(left, int(np.ceil(-dx)))
            bottom = min(bottom, frame.shape[0] - int(np.ceil(dy)))
            right = min(right, frame.shape[1] - int(np.ceil(dx)))
        moved[name] = part
        rows.append(
            {
                "channel": name, "shift_x": each.shift[0] * step[0],
                "shift_y": each.shift[1] * step[1], "sd_x": sd[0] * step[0],
                "sd_y": sd[1] * step[1], "share": each.share, "contrast": each.contrast,
                "moved": go,
            }
        )  # fmt: skip
    whole = xr.Dataset(
        {name: part.drop_vars(set(part.coords) - {"y", "x"}) for name, part in moved.items()}
    )
    return RegisteredChannels(
        whole.isel(y=slice(top, bottom), x=slice(left, right)), pd.DataFrame(rows),
        {name: each.covariance * step[:, None] * step for name, each in found.items()},
        reference, frame.unit, tuple(notes),
    )  # fmt: skip
