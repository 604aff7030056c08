"""Two scans of a channel brought to one unit."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets.channels.angles import angle_period

__all__ = ["in_unit_of", "scaled_channel", "unit_factor"]

PREFIXES = {
    "": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6,
    "G": 1e9, "T": 1e12,
}  # fmt: skip
BASES = ("m", "V", "A", "s", "Hz", "N", "Pa", "F", "S", "W", "J", "T", "C", "K", "eV", "Ohm")
SPELLINGS = {
    "angstrom": (1e-10, "m"), "Å": (1e-10, "m"), "å": (1e-10, "m"),
    "micron": (1e-6, "m"), "meter": (1.0, "m"), "metre": (1.0, "m"), "cm": (1e-2, "m"),
    "nanometer": (1e-9, "m"), "nanometre": (1e-9, "m"), "volt": (1.0, "V"), "volts": (1.0, "V"),
    "ampere": (1.0, "A"), "sec": (1.0, "s"), "second": (1.0, "s"), "seconds": (1.0, "s"),
    "hz": (1.0, "Hz"), "Ω": (1.0, "Ohm"), "ohm": (1.0, "Ohm"), "%": (0.01, ""),
}  # fmt: skip
NOT_STATED = ("", "1", "intensity", "none", "a.u.", "arb. units")
SCALED_ATTRIBUTES = ("noise_sd", "noise_row_sd", "noise_gain", "noise_level")


def unit_factor(unit: str, wanted: str) -> float | None:
    """Return what a number in one unit is multiplied by in another, None where that is not known.

    Examples
    --------
    >>> unit_factor("m", "nm"), unit_factor("pm/V", "nm/V"), unit_factor("V", "nm")
    (1000000000.0, 0.001, None)
    """
    one, other = _parts(unit), _parts(wanted)
    if one is None or other is None or one[1] != other[1]:
        return None
    return float(f"{one[0] / other[0]:.12g}")


def _parts(unit: str) -> tuple[float, tuple[str, ...]] | None:
    """Return the scale of a unit, and its base units; None for one that is not known."""
    scale, bases = 1.0, []
    for number, part in enumerate(unit.strip().replace("µ", "u").replace("μ", "u").split("/")):
        known = SPELLINGS.get(part.strip()) or _prefixed(part.strip())
        if known is None:
            return None
        scale = scale * known[0] if number == 0 else scale / known[0]
        bases.append(known[1])
    return scale, tuple(bases)


def _prefixed(part: str) -> tuple[float, str] | None:
    """Return prefix and base of a unit such as nm."""
    for base in BASES:
        if part.endswith(base) and part[: -len(base)] in PREFIXES:
            return PREFIXES[part[: -len(base)]], base
    return None


def in_unit_of(
    name: str, first: xr.DataArray, second: xr.DataArray
) -> tuple[xr.DataArray, str | None]:
    """Return the second scan of a channel in the first one's unit, and what was done.

    Raises
    ------
    InputError
        For units that no known factor turns into one another.

    Examples
    --------
    >>> scans = [xr.DataArray([1.0], dims="x", attrs={"units": unit}) for unit in ("nm", "m")]
    >>> converted, said = in_unit_of("height", *scans)
    >>> converted.attrs["units"], float(converted[0])
    ('nm', 1000000000.0)
    """
    unit, other = (str(part.attrs.get("units", "")).strip() for part in (first, second))
    if unit == other:
        return second, None
    if unit.lower() in NOT_STATED or other.lower() in NOT_STATED:
        stated, which = (unit, "second") if other.lower() in NOT_STATED else (other, "first")
        note = None
        if stated.lower() not in NOT_STATED:
            note = f"{name} of the {which} scan states no unit: it was taken to be in {stated}."
        return second.assign_attrs(units=unit), note
    turns = angle_period(first), angle_period(second)
    factor = turns[0] / turns[1] if turns[0] and turns[1] else unit_factor(other, unit)
    if factor is None:
        raise InputError(
            f"{name} is in {unit} in the first scan and in {other} in the second, and no factor "
            "between them is known: give both scans in one unit."
        )
    if abs(factor - 1.0) < 1e-9:
        return second.assign_attrs(units=unit), None
    return (
        scaled_channel(second, factor).assign_attrs(units=unit),
        f"{name} of the second scan was converted from {other} to {unit}.",
    )


def scaled_channel(channel: xr.DataArray, factor: float, offset: float = 0.0) -> xr.DataArray:
    """Return ``factor * (channel - offset)`` with the noise that it declares.

    Counts that were multiplied are counts no more.
    """
    values = np.asarray(channel.to_numpy(), dtype=np.float64)
    scaled = channel.copy(data=factor * (values - offset))
    for key in SCALED_ATTRIBUTES:
        if key in scaled.attrs:
            shift = offset if key == "noise_level" else 0.0
            scaled.attrs[key] = factor * (float(scaled.attrs[key]) - shift)
    scaled.attrs.pop("counts", None)
    return scaled
