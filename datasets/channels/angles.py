"""Channels that are angles, and amplitude and phase as one response."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_array, check_number

__all__ = ["angle_period", "angle_with_unit", "complex_response", "is_angle", "wide_angle_flag"]

Floats = NDArray[np.float64]
PERIODS = {
    **dict.fromkeys(("deg", "degree", "degrees", "°", "\N{MASCULINE ORDINAL INDICATOR}"), 360.0),
    **dict.fromkeys(("mdeg", "millidegree", "millidegrees"), 360e3),
    **dict.fromkeys(("rad", "radian", "radians"), 2.0 * np.pi),
    **dict.fromkeys(("mrad", "milliradian", "milliradians"), 2e3 * np.pi),
    **dict.fromkeys(("gon", "grad", "grads", "gradian", "gradians"), 400.0),
    **dict.fromkeys(("turn", "turns"), 1.0),
}
"""A full turn in every unit of angle."""
SMALLEST_AXIS = 0.05
"""Share of the response that must lie along one axis for the phase offset to be known."""


def angle_period(channel: xr.DataArray) -> float | None:
    """Return the period of a channel that is an angle in its unit, None for any other channel.

    A unit of angle makes one (degrees 360, radians 2 pi, mrad 2000 pi, gon or grad 400, turns 1);
    so does the word "phase" in the name of a channel without a unit, whose values then fit into
    one turn (of 2 pi or 360, the smaller that holds them).

    Examples
    --------
    >>> angle_period(xr.DataArray([[10.0, 350.0]], attrs={"units": "deg"}))
    360.0
    """
    unit = str(channel.attrs.get("units", "")).strip()
    period = _period_of_unit(unit)
    if period is not None:
        return period
    name = f"{channel.name or ''} {channel.attrs.get('channel', '')}".lower()
    if "phase" not in name or unit not in ("", "1"):
        return None
    values = np.asarray(channel.to_numpy(), dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    span = float(values.max() - values.min())
    return float(2.0 * np.pi) if span <= 2.0 * np.pi * (1 + 1e-6) else 360.0


def _period_of_unit(unit: str) -> float | None:
    """Return a full turn in a unit of angle; "Grad" is German for degree, "grad" a gon."""
    return PERIODS["deg"] if unit == "Grad" else PERIODS.get(unit.lower())


def angle_with_unit(name: str, channel: xr.DataArray) -> tuple[xr.DataArray, str | None]:
    """Return a channel whose name alone makes it an angle with its unit, and a sentence.

    Any other channel comes back as it is, without a sentence: who asks later needs the unit alone.

    Examples
    --------
    >>> phase, said = angle_with_unit("phase", xr.DataArray([[-170.0, 170.0]]))
    >>> phase.attrs["units"], said
    ('deg', 'channel phase has no unit: its numbers are taken as an angle in deg.')
    """
    if _period_of_unit(str(channel.attrs.get("units", "")).strip()) is not None:
        return channel, None
    period = angle_period(channel.rename(name))
    if period is None:
        return channel, None
    unit = "deg" if period == PERIODS["deg"] else "rad"
    return channel.assign_attrs(units=unit), (
        f"channel {name} has no unit: its numbers are taken as an angle in {unit}."
    )


def wide_angle_flag(values: Floats, period: float, unit: str) -> str:
    """Return what must be known of angles that do not fit into half a turn, else nothing.

    Examples
    --------
    >>> wide_angle_flag(np.array([0.0, 20.0]), 360.0, "deg")
    ''
    """
    known = values[np.isfinite(values)]
    if not len(known) or np.ptp(known) <= 0.5 * period:
        return ""
    return (
        f"a direction that spans {np.ptp(known) / period:.0%} of a turn of {period:.4g} {unit}: as "
        "a straight number it jumps or bends; use its cosine and sine, or complex_response with "
        "its amplitude"
    )


def is_angle(channel: xr.DataArray) -> bool:
    """Return whether a channel is an angle, whose mean and scatter are those of a direction.

    Examples
    --------
    >>> is_angle(xr.DataArray([[10.0, 350.0]], attrs={"units": "deg"}))
    True
    >>> is_angle(xr.DataArray([[10.0, 350.0]], attrs={"units": "nm"}))
    False
    """
    return angle_period(channel) is not None


def complex_response(
    amplitude: xr.DataArray, phase: xr.DataArray, *, phase_offset: float | None = None
) -> xr.Dataset:
    """Return amplitude and phase as a response along one axis, and what is left across it.

    ``in_phase = A cos(phi - phi0)`` and ``quadrature = A sin(phi - phi0)``: domains of opposite
    polarization have opposite signs, a phase that wraps from 180 to -180 degrees does not jump,
    and where the amplitude vanishes the noise of the phase counts for nothing. The offset phi0 of
    the electronics is the axis of the response, ``phi0 = arg(sum A^2 exp(2 i phi)) / 2``
    (Fisher, 1993, axial data): known up to half a turn, so that the sign of ``in_phase`` is a
    convention.

    Parameters
    ----------
    amplitude, phase
        Shape (y, x) on one grid; the phase in degrees or radians (attribute ``units``).
    phase_offset
        phi0 in the phase's unit; None finds it.

    Returns
    -------
    Dataset
        ``in_phase`` and ``quadrature`` in the amplitude's unit; attributes ``phase_offset``,
        ``phase_offset_sd`` (from the scatter of 8 x 8 blocks of the picture; 0 where given) and
        ``axis_share`` (1 for one axis, 0 for none).

    Raises
    ------
    InputError
        For grids that differ, a phase without a unit of angle, or a negative amplitude.
    NotIdentified
        Where the response has no common axis.

    Examples
    --------
    >>> amplitude = xr.DataArray(np.ones((16, 16)), dims=("y", "x"), attrs={"units": "pm"})
    >>> phase = xr.DataArray(np.full((16, 16), 30.0), dims=("y", "x"), attrs={"units": "deg"})
    >>> phase[:, 8:] = -150.0
    >>> response = complex_response(amplitude, phase)
    >>> round(response.attrs["phase_offset"], 6), response.in_phase.to_numpy()[0, [0, 15]].round(6)
    (30.0, array([ 1., -1.]))
    """
    size = check_array("amplitude", amplitude.to_numpy(), ndim=2, finite=False)
    angle = check_array("phase", phase.to_numpy(), shape=size.shape, finite=False)
    period = angle_period(phase)
    if period is None:
        raise InputError("phase must be an angle: give it the attribute units, 'deg' or 'rad'.")
    good = np.isfinite(size) & np.isfinite(angle)
    if not good.any():
        raise InputError("amplitude and phase must share finite pixels; there is none.")
    if float(size[good].min()) < 0:
        raise InputError(
            f"amplitude must not be negative; the least is {float(size[good].min()):.4g}: a signed "
            "amplitude is a response already."
        )
    turn = 2.0 * np.pi / period
    share, sd = 1.0, 0.0
    if phase_offset is None:
        offset, sd, share = _axis(np.where(good, size, 0.0), np.where(good, angle, 0.0) * turn)
    else:
        offset = check_number("phase_offset", phase_offset) * turn
    response = size * np.exp(1j * (angle * turn - offset))
    attrs = {"units": amplitude.attrs.get("units", "1")}
    parts = {
        "in_phase": amplitude.copy(data=response.real),
        "quadrature": amplitude.copy(data=response.imag),
    }
    for part in parts.values():
        part.attrs = dict(attrs)
    return xr.Dataset(
        parts,
        attrs={"phase_offset": offset / turn, "phase_offset_sd": sd / turn, "axis_share": share},
    )


def _axis(size: Floats, angle: Floats) -> tuple[float, float, float]:
    """Return the axis of a response in radians, its error from blocks, and its share."""
    doubled = size**2 * np.exp(2j * angle)
    weight = float((size**2).sum())
    total = complex(doubled.sum())
    share = abs(total) / max(weight, 1e-300)
    blocks = np.array(
        [part.sum() for rows in np.array_split(doubled, 8) for part in np.array_split(rows, 8, 1)]
    )
    across = (blocks * np.exp(-1j * np.angle(total))).imag
    sd = 0.5 * float(np.sqrt((across**2).sum())) / max(abs(total), 1e-300)
    if share < SMALLEST_AXIS or sd > 0.25:
        raise NotIdentified(
            f"amplitude and phase have no common axis (share {share:.2f}): give phase_offset."
        )
    return 0.5 * float(np.angle(total)), sd, share
