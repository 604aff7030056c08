"""Channels of different sharpness brought to a common one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified, check_choice, check_positive
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.channels.given_channels import channel_items
from physlearn.datasets.channels.measure_noise import declare_noise, measure_channel_noise
from physlearn.datasets.channels.relative_blur import relative_blur
from physlearn.datasets.channels.resample import blurred
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MatchedChannels", "blurred_noise", "match_resolution"]

Floats = NDArray[np.float64]
SMALLEST_BLUR_PX = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class MatchedChannels:
    """Channels of one resolution.

    Attributes
    ----------
    dataset
        The channels; the attributes that ``declare_noise`` writes say what noise they have now,
        ``blur`` how wide the common blur is.
    blur
        Common blur (standard deviation of a Gaussian) in ``unit``; where blurs were estimated,
        beyond that of ``reference``.
    table
        pandas, one row a channel: ``channel``, ``blur``, ``blur_sd``, ``added`` (in ``unit``) and
        ``source`` ("declared", "estimated", "unknown").
    noise
        Channel -> ``ChannelNoise`` after the match.
    reference
        Channel against which blurs were estimated, None where all are declared.
    unit
        Of lengths.
    warnings
        What to know.

    Examples
    --------
    >>> picture = xr.DataArray(np.random.default_rng(0).normal(size=(32, 32)), dims=("y", "x"))
    >>> found = match_resolution({"a": picture, "b": picture}, {"a": 0.0, "b": 1.5})
    >>> found.blur, found.table.added.tolist()
    (1.5, [1.5, 0.0])
    """

    dataset: xr.Dataset
    blur: float
    table: pd.DataFrame
    noise: Mapping[str, ChannelNoise]
    reference: str | None
    unit: str
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def match_resolution(
    channels: xr.Dataset | Mapping[str, xr.DataArray],
    blur: Mapping[str, float] | None = None,
    *,
    reference: str | None = None,
    noise: Mapping[str, ChannelNoise] | None = None,
) -> MatchedChannels:
    """Blur the sharper channels to the resolution of the least sharp one.

    Fine structure that one channel has and another lost makes the two disagree, and a cause look
    like none. Each channel's blur (standard deviation of a Gaussian) is declared, or estimated
    against ``reference`` from how its response to the reference falls with spatial frequency:
    ``ln |H(k)| = c - 2 pi^2 (b^2 - b_ref^2) k^2``. Blurring makes noise smaller and longer: what it
    is afterwards goes with the channels.

    Parameters
    ----------
    channels
        Dataset or mapping, each (y, x), on one grid (``register_channels``).
    blur
        Channel -> blur in the unit of the coordinates; also the attribute ``blur`` of a channel.
        Channels in neither are estimated.
    reference
        Channel whose blur others are measured against; None takes the first that is declared, or
        else the first channel.
    noise
        Channel -> noise before; None measures it.

    Returns
    -------
    MatchedChannels
        Channels whose blur is neither declared nor identified stay as they are, with a warning.
        Pixels beside a gap become gaps where more than a tenth of the blur's weight is in it.

    Raises
    ------
    InputError
        For unknown names, negative blurs, or channels on different grids.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scene = ndimage.gaussian_filter(rng.normal(size=(96, 96)), 2.0)
    >>> scene /= scene.std()
    >>> sharp, soft = (xr.DataArray(part + rng.normal(0, 0.05, (96, 96)), dims=("y", "x"))
    ...     for part in (scene, ndimage.gaussian_filter(scene, 2.0)))
    >>> matched = match_resolution({"sharp": sharp, "soft": soft})
    >>> bool(abs(matched.blur - 2.0) < 4 * matched.table.blur_sd[1])
    True
    """
    given = channel_items(channels, finite=True)
    pictures = {
        name: part.transpose("y", "x") for name, part in given.items()
        if set(part.dims) == {"y", "x"}
    }  # fmt: skip
    if not pictures:
        raise InputError("channels must hold a channel with dims (y, x); got none.")
    names = list(pictures)
    frame = axis_frame(names[0], pictures[names[0]])
    for name in names:
        other = axis_frame(name, pictures[name])
        if other.shape != frame.shape or not np.allclose(other.step, frame.step, rtol=1e-3):
            raise InputError(
                f"channel {name} must lie on the grid of {names[0]} ({frame.shape} pixels): "
                "resample it first."
            )
    step = float(np.sqrt(frame.step[0] * frame.step[1]))
    known = _declared(pictures, blur)
    if reference is None:
        reference = next((name for name in names if name in known), names[0])
    check_choice("reference", reference, tuple(names))
    notes = [
        f"channel {name} has other dims than (y, x) and is left out."
        for name in given if name not in pictures
    ]  # fmt: skip
    widths, errors, sources = _widths(pictures, known, reference, step, notes)
    before = {
        name: noise[name] if noise is not None and name in noise
        else measure_channel_noise(pictures[name])
        for name in names
    }  # fmt: skip
    finite = [width for width in widths.values() if np.isfinite(width)]
    common = max(finite) if finite else 0.0
    out, after, rows = {}, {}, []
    for name in names:
        added = 0.0
        if np.isfinite(widths[name]) and angle_period(pictures[name]) is None:
            added = float(np.sqrt(max(common**2 - widths[name] ** 2, 0.0)))
        elif np.isfinite(widths[name]):
            notes.append(f"channel {name} is an angle and stays as it is: use complex_response.")
        out[name], after[name] = _blurred_channel(pictures[name], before[name], added, frame.step)
        out[name] = out[name].assign_attrs(blur=common if np.isfinite(widths[name]) else np.nan)
        rows.append(
            {"channel": name, "blur": widths[name], "blur_sd": errors[name], "added": added,
             "source": sources[name]}
        )  # fmt: skip
    return _record(out, common, rows, after, None if len(known) == len(names) else reference,
                   frame.unit, notes)  # fmt: skip


def _record(
    out: dict[str, xr.DataArray], common: float, rows: list[dict[str, object]],
    after: dict[str, ChannelNoise], reference: str | None, unit: str, notes: list[str],
) -> MatchedChannels:  # fmt: skip
    """Return the record."""
    import pandas as pd

    whole = xr.Dataset(
        {name: part.drop_vars(set(part.coords) - {"y", "x"}) for name, part in out.items()}
    )
    return MatchedChannels(whole, common, pd.DataFrame(rows), after, reference, unit, tuple(notes))


def _declared(
    pictures: Mapping[str, xr.DataArray], blur: Mapping[str, float] | None
) -> dict[str, float]:
    """Return the declared blurs."""
    known = {
        name: float(part.attrs["blur"]) for name, part in pictures.items()
        if np.isfinite(float(part.attrs.get("blur", np.nan)))
    }  # fmt: skip
    for name, width in (blur or {}).items():
        check_choice("blur", str(name), tuple(pictures))
        known[str(name)] = float(width)
    for name, width in known.items():
        check_positive(f"blur of {name}", width, allow_zero=True)
    return known


def _widths(
    pictures: Mapping[str, xr.DataArray], known: Mapping[str, float], reference: str, step: float,
    notes: list[str],
) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:  # fmt: skip
    """Return blur, its error and where it is from, by channel; NaN where it is not identified."""
    widths, errors, sources = {}, {}, {}
    relative: dict[str, tuple[float, float]] = {}
    for name, part in pictures.items():
        if name in known:
            continue
        if name == reference:
            relative[name] = (0.0, 0.0)
            continue
        try:
            if angle_period(part) is not None or angle_period(pictures[reference]) is not None:
                raise NotIdentified("an angle has no blur of its own.")
            square, sd = relative_blur(pictures[reference].to_numpy(), part.to_numpy())
            relative[name] = (square * step**2, sd * step**2)
        except NotIdentified as error:
            notes.append(f"channel {name} against {reference}: {error} It stays as it is.")
    base = known.get(reference, 0.0) ** 2
    if reference not in known:
        # the sharpest channel, not the reference, has no blur
        base = max(0.0, -min((square for square, _ in relative.values()), default=0.0))
    for name in pictures:
        widths[name], errors[name], sources[name] = np.nan, np.nan, "unknown"
        if name in known:
            widths[name], errors[name], sources[name] = known[name], 0.0, "declared"
        elif name in relative:
            square, sd = relative[name]
            widths[name] = float(np.sqrt(max(base + square, 0.0)))
            errors[name] = float(sd / (2.0 * max(widths[name], SMALLEST_BLUR_PX * step, sd**0.5)))
            sources[name] = "estimated"
    return widths, errors, sources


def _blurred_channel(
    channel: xr.DataArray, noise: ChannelNoise, added: float, step: tuple[float, float]
) -> tuple[xr.DataArray, ChannelNoise]:
    """Return a channel blurred by ``added``, and the noise that it has then."""
    widths = (added / step[1], added / step[0])
    if max(widths) < SMALLEST_BLUR_PX:
        return declare_noise(channel, noise), noise
    values = np.asarray(channel.to_numpy(), dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    after = blurred_noise(noise, widths)
    return declare_noise(channel.copy(data=blurred(values, widths)), after), after


def blurred_noise(noise: ChannelNoise, widths: tuple[float, float]) -> ChannelNoise:
    """Return the noise after a Gaussian blur of widths (y, x) in pixels.

    The autocorrelation is smeared by that of the blur, a Gaussian ``sqrt(2)`` times as wide; that
    of the lines' own offsets across the lines alone.

    Examples
    --------
    >>> after = blurred_noise(ChannelNoise(1.0), (2.0, 2.0))
    >>> bool(abs(after.sd - 1 / (2 * np.sqrt(np.pi) * 2.0)) < 2e-3)
    True
    """
    wide = noise.autocorrelation
    for axis, width in enumerate(widths):
        wide = _smeared(wide, width, axis)
    p, q = (length // 2 for length in wide.shape)
    share = float(wide[p, q])
    # what a line shares is not averaged along the line, and hangs together across lines
    lines = _smeared(noise.row_correlation[:, None], widths[0], 0)[:, 0]
    lines_share = float(lines[len(lines) // 2])
    return replace(
        noise, sd=noise.sd * float(np.sqrt(share)), sd_error=noise.sd_error * float(np.sqrt(share)),
        gain=noise.gain * share, autocorrelation=_trimmed(wide / share),
        row_sd=noise.row_sd * float(np.sqrt(lines_share)),
        row_correlation=_trimmed(lines[:, None] / lines_share)[:, 0],
    )  # fmt: skip


def _smeared(correlation: Floats, width: float, axis: int) -> Floats:
    """Return an autocovariance after a Gaussian blur along one axis, as applied to the pixels."""
    if not width > 0:
        return correlation
    half = int(4.0 * width + 0.5)
    unit = np.zeros(2 * half + 1)
    unit[half] = 1.0
    weights = ndimage.gaussian_filter1d(unit, width, mode="constant")
    own = np.convolve(weights, weights[::-1])
    pads = [(0, 0), (0, 0)]
    pads[axis] = (len(own) // 2, len(own) // 2)
    wide = np.pad(correlation, pads)
    return np.asarray(ndimage.convolve1d(wide, own, axis=axis, mode="constant"))


def _trimmed(correlation: Floats) -> Floats:
    """Return an autocorrelation without the outer lags at which nothing is left."""
    middle = [length // 2 for length in correlation.shape]
    keep = [
        int(np.max(np.abs(np.flatnonzero(np.abs(correlation).max(axis=1 - axis) > 1e-3) - m)))
        for axis, m in enumerate(middle)
    ]
    (p, q), (i, j) = middle, keep
    return correlation[p - i : p + i + 1, q - j : q + j + 1]
