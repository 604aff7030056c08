"""Repeated scans in several channels with planted signals, noise, shift, drift and blur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import InputError, as_generator, check_count, check_positive
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["ChannelScene", "ChannelSceneSettings", "make_channel_scene"]

Floats = NDArray[np.float64]
CHANNELS = ("height", "amplitude", "phase", "deflection", "idle")
UNITS = {"height": "nm", "amplitude": "pm", "phase": "deg", "deflection": "mV", "idle": "mV"}
LEVEL = {"height": 0.0, "amplitude": 50.0, "phase": 90.0, "deflection": 0.0, "idle": 0.0}
SWING = {"height": 2.0, "amplitude": 8.0, "phase": 40.0, "deflection": 5.0, "idle": 1.0}
"""Standard deviation of each channel's signal; of the idle channel: of its noise alone."""


@dataclass(frozen=True, slots=True)
class ChannelSceneSettings:
    """What the channels hold and what happens to them.

    Attributes
    ----------
    shape
        Rows and columns.
    pixel_size_nm
        Edge of a pixel.
    feature_px
        Correlation length of the signals (Gaussian).
    noise
        Standard deviation of the noise of each scan, in standard deviations of the signal.
    noise_correlation_px
        Standard deviation of the Gaussian that smears the noise; 0 leaves it white.
    noise_sharing
        Correlation of the noise of any two channels of a scan, 0 or more and below 1.
    n_scans
        Scans of the same place.
    shift_px
        (x, y): how far each scan sees the sample moved against the one before.
    drift_px
        (x, y): how far the sample moves evenly during each scan.
    blur_px
        Channel -> standard deviation of the blur of its signal.
    channel_shift_px
        Channel -> (x, y): how far its picture stands from the others'.
    fixed_pattern
        Standard deviation of a pattern that every scan repeats at the same pixels, in signals.
    spoilt_rows
        Rows of each scan that jump by three signals.

    Examples
    --------
    >>> ChannelSceneSettings(noise=0.5).n_scans
    2
    """

    shape: tuple[int, int] = (256, 256)
    pixel_size_nm: float = 4.0
    feature_px: float = 6.0
    noise: float = 0.3
    noise_correlation_px: float = 0.0
    noise_sharing: float = 0.0
    n_scans: int = 2
    shift_px: tuple[float, float] = (0.0, 0.0)
    drift_px: tuple[float, float] = (0.0, 0.0)
    blur_px: Mapping[str, float] = field(default_factory=dict)
    channel_shift_px: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fixed_pattern: float = 0.0
    spoilt_rows: int = 0

    def __post_init__(self) -> None:
        for name in ("pixel_size_nm", "feature_px"):
            check_positive(name, getattr(self, name))
        for name in ("noise", "noise_correlation_px", "fixed_pattern"):
            check_positive(name, getattr(self, name), allow_zero=True)
        check_count("n_scans", self.n_scans, 1)
        check_count("spoilt_rows", self.spoilt_rows, 0)
        if len(self.shape) != 2 or min(self.shape) < 16:
            raise InputError(
                f"shape must be (rows, columns) of at least 16 each; got {self.shape}."
            )
        if not 0 <= self.noise_sharing < 1:
            raise InputError(
                f"noise_sharing must be 0 or more and below 1; got {self.noise_sharing}."
            )
        for name, given in (("blur_px", self.blur_px), ("channel_shift_px", self.channel_shift_px)):
            unknown = sorted(set(given) - set(CHANNELS))
            if unknown:
                raise InputError(f"{name} must name channels of {CHANNELS}; got {unknown[0]!r}.")
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class ChannelScene:
    """Repeated scans and what made them.

    Attributes
    ----------
    scans
        One Dataset a scan, channels by name with dims (y, x), lengths in nm, units in attrs.
    truth
        Dataset: the channels of the first scan without noise (its drift, blur and shifts in it).
    noise_sd
        Channel -> standard deviation of the noise of one scan, in the channel's unit.
    shifts
        Shape (n_scans, 2): x, y of each scan's picture against the first, in pixels.
    spoilt_rows
        Rows of each scan that jump.
    seed
        Makes the same scans again.

    Examples
    --------
    >>> scene = make_channel_scene(ChannelSceneSettings(shape=(32, 48)), rng=1)
    >>> len(scene.scans), scene.scans[0]["height"].shape
    (2, (32, 48))
    """

    scans: tuple[xr.Dataset, ...]
    truth: xr.Dataset
    noise_sd: Mapping[str, float]
    shifts: Floats
    spoilt_rows: tuple[tuple[int, ...], ...]
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table


def make_channel_scene(
    settings: ChannelSceneSettings | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> ChannelScene:
    """Make repeated scans of one place in five channels.

    ``height``, ``amplitude`` and ``phase`` hold smooth signals of their own (each shares a part
    with the one before), ``deflection`` is the slope of the height along a row (derived: the error
    signal of a feedback), ``idle`` is noise alone.

    Parameters
    ----------
    settings
        See ``ChannelSceneSettings``.
    rng
        Seed or generator.

    Returns
    -------
    ChannelScene
        Scans and truth.

    Raises
    ------
    InputError
        For an unknown channel, a shape below 16 or a sharing outside [0, 1).

    Examples
    --------
    >>> quiet = ChannelSceneSettings(shape=(32, 32), noise=0.0)
    >>> scene = make_channel_scene(quiet, rng=1)
    >>> bool(abs(scene.scans[0]["height"] - scene.truth["height"]).max() < 1e-12)
    True
    """
    s = settings or ChannelSceneSettings()
    generator, seed = as_generator(rng)
    signals = _signals(s, generator)
    sd = {name: s.noise * SWING[name] if name != "idle" else SWING[name] for name in CHANNELS}
    pattern = {name: s.fixed_pattern * SWING[name] for name in CHANNELS}
    fixed = generator.normal(size=(len(CHANNELS), *s.shape))
    shifts = np.arange(s.n_scans)[:, None] * np.array(s.shift_px)
    scans, spoilt = [], []
    for shift in shifts:
        clean = {name: _seen(signals[name], name, shift, s) for name in CHANNELS}
        noise = _noise(s, generator)
        rows = np.sort(generator.choice(s.shape[0], s.spoilt_rows, replace=False))
        values = {}
        for k, name in enumerate(CHANNELS):
            values[name] = clean[name] + sd[name] * noise[k] + pattern[name] * fixed[k]
            values[name][rows] += 3 * SWING[name] * generator.choice([-1.0, 1.0], (len(rows), 1))
        scans.append(_dataset(values, s))
        spoilt.append(tuple(int(row) for row in rows))
    truth = {name: _seen(signals[name], name, shifts[0], s) for name in CHANNELS}
    return ChannelScene(tuple(scans), _dataset(truth, s), sd, shifts, tuple(spoilt), seed)


def _signals(s: ChannelSceneSettings, generator: np.random.Generator) -> dict[str, Floats]:
    """Return each channel's signal on a torus larger than the picture, blur included."""
    travel = np.abs(s.shift_px).max() * (s.n_scans - 1) + np.abs(s.drift_px).max()
    own = max((np.abs(shift).max() for shift in s.channel_shift_px.values()), default=0.0)
    room = int(np.ceil(travel + own + 8))
    size = (s.shape[0] + 2 * room, s.shape[1] + 2 * room)

    def smooth() -> Floats:
        rough = ndimage.gaussian_filter(generator.normal(size=size), s.feature_px, mode="wrap")
        return np.asarray((rough - rough.mean()) / rough.std())

    fields = [smooth() for _ in range(3)]
    shared = [fields[0]]
    for other in fields[1:]:
        shared.append(0.5 * shared[-1] + np.sqrt(0.75) * other)
    slope = 0.5 * (np.roll(shared[0], -1, axis=1) - np.roll(shared[0], 1, axis=1))
    plain = dict(zip(CHANNELS, (*shared, slope / slope.std(), np.zeros(size)), strict=True))
    out = {}
    for name, values in plain.items():
        blurred = ndimage.gaussian_filter(values, s.blur_px.get(name, 0.0), mode="wrap")
        out[name] = LEVEL[name] + SWING[name] * blurred
    return out


def _seen(signal: Floats, name: str, shift: Floats, s: ChannelSceneSettings) -> Floats:
    """Return what one scan sees of a signal: the sample stands elsewhere in every row."""
    own = np.array(s.channel_shift_px.get(name, (0.0, 0.0)), dtype=np.float64)
    share = (np.arange(s.shape[0]) - 0.5 * (s.shape[0] - 1)) / max(s.shape[0] - 1, 1)
    moved = shift + own + share[:, None] * np.array(s.drift_px)
    room = 0.5 * (np.array(signal.shape) - np.array(s.shape))
    rows = np.arange(s.shape[0])[:, None] - moved[:, 1:] + room[0]
    columns = np.arange(s.shape[1])[None, :] - moved[:, :1] + room[1]
    if not np.any(moved):
        top, left = (int(each) for each in room)
        return signal[top : top + s.shape[0], left : left + s.shape[1]].copy()
    places = np.broadcast_arrays(rows, columns)
    # a quintic spline of a signal of this smoothness is wrong by 1e-5 of its swing
    return np.asarray(ndimage.map_coordinates(signal, places, order=5, mode="grid-wrap"))


def _noise(s: ChannelSceneSettings, generator: np.random.Generator) -> Floats:
    """Return noise of standard deviation 1, (channels, rows, columns), shared between channels."""
    own = generator.normal(size=(len(CHANNELS) + 1, *s.shape))
    if s.noise_correlation_px > 0:
        probe = np.zeros((65, 65))
        probe[32, 32] = 1.0
        spread = ndimage.gaussian_filter(probe, s.noise_correlation_px)
        scale = 1.0 / np.sqrt((spread**2).sum())
        own = np.stack(
            [ndimage.gaussian_filter(each, s.noise_correlation_px, mode="wrap") for each in own]
        )
        own *= scale
    return np.asarray(
        np.sqrt(s.noise_sharing) * own[-1] + np.sqrt(1.0 - s.noise_sharing) * own[:-1]
    )


def _dataset(values: Mapping[str, Floats], s: ChannelSceneSettings) -> xr.Dataset:
    """Return channels with coordinates and units."""
    coords = {
        dim: (dim, s.pixel_size_nm * np.arange(length), {"units": "nm"})
        for dim, length in zip(("y", "x"), s.shape, strict=True)
    }
    return xr.Dataset(
        {
            name: xr.DataArray(
                channel, dims=("y", "x"), attrs={"units": UNITS[name], "channel": name}
            )
            for name, channel in values.items()
        },
        coords=coords,
        attrs={"source": "synthetic scan"},
    )
