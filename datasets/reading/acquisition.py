"""How a picture was taken, found in what its file says: dwell, dose, bias, temperature, beam."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "CONDITIONS",
    "find_conditions",
    "flatten_metadata",
    "metadata_text",
    "missing_conditions",
]

LONGEST_VALUE = 500
MOST_ENTRIES = 5000
ELECTRONS_PER_PA_S = 1e-12 / 1.602176634e-19
ANGSTROM2_PER = {"angstrom": 1.0, "nm": 1e2, "um": 1e8}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6}
KILOVOLTS = {"kv": 1.0, "kev": 1.0, "v": 1e-3, "ev": 1e-3}
PICOAMPERES = {"pa": 1.0, "na": 1e3, "µa": 1e6, "ua": 1e6, "a": 1e12}
DOSES = {
    "e/a^2": 1.0, "e/a2": 1.0, "e/å^2": 1.0, "e/å2": 1.0, "e/å²": 1.0, "e-/å2": 1.0, "e-/å^2": 1.0,
    "e-/å²": 1.0, "e-/a2": 1.0, "e-/a^2": 1.0, "e/nm^2": 1e-2, "e/nm2": 1e-2, "e-/nm2": 1e-2,
}  # fmt: skip
KELVIN = {"k": 1.0}
NUMBER = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Condition:
    """One fact of the acquisition: its attribute, its units, and the names it goes by.

    ``names`` maps a normalised key of the file (small letters and digits) to the factor of a bare
    number; None where a bare number could mean anything and a unit must stand beside it.
    """

    attribute: str
    label: str
    units: Mapping[str, float]
    names: Mapping[str, float | None]


CONDITIONS = (
    Condition("dwell_time_s", "dwell time", SECONDS, {
        "dwelltimes": 1.0, "dwelltime": None, "pixeldwelltime": None, "pixeltime": None,
        "dwelltimeus": 1e-6, "pixeltimeus": 1e-6, "dwelltimens": 1e-9,
    }),
    Condition("line_time_s", "line time", SECONDS, {
        "linetimes": 1.0, "linetime": None, "linetimeus": 1e-6, "linetimems": 1e-3,
    }),
    Condition("flyback_time_s", "fly-back time", SECONDS, {
        "flybacktimes": 1.0, "flybacktime": None, "flybacktimeus": 1e-6,
    }),
    Condition("frame_time_s", "frame time", SECONDS, {
        "frametimes": 1.0, "frametime": None, "imageframetime": 1.0,
    }),
    Condition("dose_e_per_angstrom2", "dose", DOSES, {
        "doseeperangstrom2": 1.0, "doseepera2": 1.0, "dose": None, "electrondose": None,
        "totaldose": None,
    }),
    Condition("bias_v", "bias", VOLTS, {
        "biasv": 1.0, "bias": None, "samplebias": None, "biasvoltage": None, "gapvoltage": None,
    }),
    Condition("temperature_k", "temperature", KELVIN, {
        "temperaturek": 1.0, "temperature": None, "sampletemperature": None,
        "holdertemperature": None, "rectemp": None,
    }),
    Condition("beam_energy_kev", "beam energy", KILOVOLTS, {
        "beamenergykev": 1.0, "beamenergy": None, "voltage": None, "accelerationvoltage": None,
        "acceleratingvoltage": None, "highvoltage": None,
    }),
    Condition("beam_current_pa", "beam current", PICOAMPERES, {
        "beamcurrentpa": 1.0, "beamcurrent": None, "probecurrent": None,
    }),
)  # fmt: skip
SAID_WHEN_ABSENT = ("dwell_time_s", "dose_e_per_angstrom2", "bias_v", "temperature_k")


def flatten_metadata(said: Any) -> dict[str, str | float | bool]:
    """Return nested metadata as one level: ``A/B/C`` to text, number or truth value."""
    flat: dict[str, str | float | bool] = {}
    for key, value in _leaves(said, ""):
        if len(flat) >= MOST_ENTRIES:
            break
        plain = _plain(value)
        if plain is not None and key:
            flat[key] = plain
    return flat


def _leaves(said: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if hasattr(said, "items"):
        for key, value in said.items():
            yield from _leaves(value, f"{prefix}/{key}" if prefix else str(key))
    elif isinstance(said, list | tuple) and len(said) <= 16 and said and hasattr(said[0], "items"):
        for number, value in enumerate(said):
            yield from _leaves(value, f"{prefix}/{number}")
    else:
        yield prefix, said


def _plain(value: Any) -> str | float | bool | None:
    """Return a value as JSON holds it, or None for arrays and what is too long."""
    if isinstance(value, bytes | np.bytes_):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        if value.size != 1:
            return str(value.tolist())[:LONGEST_VALUE] if 1 < value.size <= 16 else None
        value = value.reshape(-1)[0]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value) if np.isfinite(value) else str(value)
    if isinstance(value, str):
        return value.replace("\x00", "").strip()[:LONGEST_VALUE]
    if isinstance(value, list | tuple) and 0 < len(value) <= 16:
        return str(list(value))[:LONGEST_VALUE]
    return None


def metadata_text(flat: Mapping[str, str | float | bool]) -> str:
    """Return metadata as JSON, the form that every file format of ours can carry."""
    return json.dumps(dict(flat), sort_keys=True, ensure_ascii=False)


def find_conditions(
    flat: Mapping[str, str | float | bool],
    known: Mapping[str, float] | None = None,
    pixel: tuple[float, float, str] | None = None,
) -> dict[str, float]:
    """Return the acquisition's conditions; what the reader of a format ``known`` goes first.

    ``pixel`` (step along x, along y, unit) turns current and dwell time into a dose, when the file
    states none.
    """
    found = dict(known or {})
    for key, value in flat.items():
        name = re.sub(r"[^a-z0-9]", "", key.rsplit("/", 1)[-1].lower())
        for condition in CONDITIONS:
            if condition.attribute not in found and name in condition.names:
                number = _in_unit(value, condition, condition.names[name])
                if number is not None:
                    found[condition.attribute] = number
    for name in ("dwell_time_s", "line_time_s", "frame_time_s"):
        if name in found and not found[name] > 0:
            del found[name]
    current, dwell = found.get("beam_current_pa"), found.get("dwell_time_s")
    if (
        "dose_e_per_angstrom2" not in found and current and dwell
        and pixel is not None and pixel[2] in ANGSTROM2_PER
    ):  # fmt: skip
        area = abs(pixel[0] * pixel[1]) * ANGSTROM2_PER[pixel[2]]
        found["dose_e_per_angstrom2"] = current * dwell * ELECTRONS_PER_PA_S / area
    return found


def _in_unit(value: str | float | bool, condition: Condition, bare: float | None) -> float | None:
    """Return a number in the condition's unit, or None where the text does not say which."""
    if isinstance(value, bool):
        return None
    match = NUMBER.match(str(value))
    if match is None:
        return None
    number, unit = float(match.group(1)), match.group(2).lower()
    if not np.isfinite(number):
        return None
    if not unit:
        return None if bare is None else number * bare
    if condition.units is KELVIN and unit in ("c", "°c", "degc"):
        return number + 273.15
    factor = condition.units.get(unit)
    return None if factor is None else number * factor


def missing_conditions(found: Mapping[str, float], scaled: bool) -> tuple[str, ...]:
    """Return the names of what a file did not say: scale, dwell time, dose, bias, temperature."""
    labels = {condition.attribute: condition.label for condition in CONDITIONS}
    absent = [labels[name] for name in SAID_WHEN_ABSENT if name not in found]
    return tuple(absent if scaled else ["scale", *absent])
