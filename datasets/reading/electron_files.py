"""Channels of electron microscopes' files, through RosettaSciIO."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Axis, Channel, counted, name_axes
from physlearn.datasets.reading.damage_checks import check_dm_tags, check_mrc_header
from physlearn.datasets.reading.file_checks import need, one_line, unreadable
from physlearn.datasets.reading.hdf5_files import check_tree

__all__ = ["PLUGINS", "list_electron"]

PLUGINS = {
    ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".mrc": "mrc", ".ali": "mrc",
    ".emd": "emd", ".de5": "emd", ".hspy": "hspy", ".zspy": "zspy", ".ser": "tia", ".emi": "tia",
    ".mib": "quantumdetector", ".tvips": "tvips", ".blo": "blockfile", ".nxs": "nexus",
    ".rpl": "ripple", ".prz": "pantarhei", ".unf": "semper", ".bcf": "bruker",
    ".sur": "digitalsurf", ".pro": "digitalsurf",
}  # fmt: skip
FIRST_LOOKS = {"digitalmicrograph": check_dm_tags, "mrc": check_mrc_header}
HDF5_BASED = (".emd", ".de5", ".hspy", ".nxs")
SECONDS_PER_US = 1e-6


def list_electron(path: Path) -> list[Channel]:
    """Return the channels of a file that RosettaSciIO reads, without loading them."""
    plugin = PLUGINS[path.suffix.lower()]
    module = need(f"rsciio.{plugin}", path)
    options: dict[str, Any] = {"select_type": "images"} if plugin == "emd" else {}
    if plugin == "pantarhei":
        options = {"allow_restricted_pickle": False}
        _check_unpickles_nothing(module, path)
    if path.suffix.lower() in HDF5_BASED:
        check_tree(path)  # RosettaSciIO walks a damaged tree without end
    try:
        if plugin in FIRST_LOOKS:
            FIRST_LOOKS[plugin](path)
        signals = _signals(module, path, options)
        return [_channel(signal, number, path) for number, signal in enumerate(signals)]
    except (ModuleNotFoundError, ImportError) as error:
        raise BackendUnavailable(
            f"reading {path.name} needs a library that RosettaSciIO asks for ({one_line(error)})."
        ) from None
    except InputError:
        raise
    except Exception as error:  # each of its plugins raises its own kinds
        raise unreadable(path, error) from None


def _check_unpickles_nothing(module: Any, path: Path) -> None:
    """Refuse PRZ where RosettaSciIO is so old that it unpickles the file's metadata unasked."""
    if "allow_restricted_pickle" not in inspect.signature(module.file_reader).parameters:
        raise BackendUnavailable(
            f"reading {path.name} safely needs a newer RosettaSciIO, which does not unpickle what "
            "a PRZ file holds; install it with `python -m pip install --upgrade rosettasciio`."
        )


def _signals(module: Any, path: Path, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return RosettaSciIO's dictionaries, lazily where the format allows it."""
    try:
        return list(module.file_reader(str(path), lazy=True, **options))
    except NotImplementedError:
        return list(module.file_reader(str(path), lazy=False, **options))


def _channel(signal: Mapping[str, Any], number: int, path: Path) -> Channel:
    data = signal["data"]
    said = signal.get("metadata") or {}
    general = said.get("General", {}) if hasattr(said, "get") else {}
    kept = [place for place, length in enumerate(data.shape) if length > 1]
    shape = tuple(int(data.shape[place]) for place in kept)
    by_place = {axis.get("index_in_array", at): axis for at, axis in enumerate(signal["axes"])}
    axes_said = [by_place[place] for place in kept]
    # the Semper plugin calls rows x and columns y
    unnamed = path.suffix.lower() == ".unf"
    names = name_axes(["" if unnamed else str(axis.get("name") or "") for axis in axes_said])
    axes = tuple(
        Axis(name, _places(axis, length), _unit(axis))
        for name, axis, length in zip(names, axes_said, shape, strict=True)
    )
    original = signal.get("original_metadata") or {}
    flat = flatten_metadata(said) | flatten_metadata(original)
    return Channel(
        str(general.get("title") or f"{path.stem} {number}"), axes, _loader(data, shape),
        _quantity_unit(said), str(data.dtype), flat, _conditions(said, flat),
    )  # fmt: skip


def _loader(data: Any, shape: tuple[int, ...]) -> Callable[[], Any]:
    def load() -> NDArray[Any]:
        return np.asarray(data).reshape(shape)

    return load


def _places(axis: Mapping[str, Any], length: int) -> NDArray[np.float64]:
    if "axis" in axis:
        return np.asarray(axis["axis"], np.float64)
    scale, offset = float(axis.get("scale", 1.0)), float(axis.get("offset", 0.0))
    return offset + scale * counted(length)


def _unit(axis: Mapping[str, Any]) -> str:
    unit = str(axis.get("units") or "")
    return "" if unit.startswith(("<", "undefined")) else unit


def _quantity_unit(said: Any) -> str:
    """Return the unit of the values where the metadata names one, as in 'Intensity (Counts)'."""
    quantity = str((said.get("Signal", {}) or {}).get("quantity", "")) if said else ""
    return quantity.rpartition("(")[2].rstrip(")") if "(" in quantity else ""


def _conditions(said: Any, flat: Mapping[str, str | float | bool]) -> dict[str, float]:
    """Return what the formats state in units that stand in their definitions.

    HyperSpy's metadata: beam energy in keV, beam current in nA, dwell time in s. DigiScan (Gatan)
    writes sample time and fly-back in microseconds; Velox (FEI) dwell time in s, voltage in V.
    """
    known: dict[str, float] = {}
    instrument = (said.get("Acquisition_instrument", {}) or {}) if said else {}
    for microscope in ("TEM", "SEM"):
        told = instrument.get(microscope, {}) or {}
        for name, key, factor in (
            ("beam_energy_kev", "beam_energy", 1.0),
            ("beam_current_pa", "beam_current", 1e3),
            ("dwell_time_s", "dwell_time", 1.0),
        ):
            if isinstance(told.get(key), int | float | np.number):
                known[name] = float(told[key]) * factor
    for ending, name, factor in (
        ("DigiScan/Sample Time", "dwell_time_s", SECONDS_PER_US),
        ("DigiScan/Flyback", "flyback_time_s", SECONDS_PER_US),
        ("Acquisition/Pixel time (s)", "dwell_time_s", 1.0),
        ("Microscope Info/Voltage", "beam_energy_kev", 1e-3),
        ("Microscope Info/Probe Current (nA)", "beam_current_pa", 1e3),
        ("Scan/DwellTime", "dwell_time_s", 1.0),
        ("Scan/LineTime", "line_time_s", 1.0),
        ("Scan/FrameTime", "frame_time_s", 1.0),
        ("Optics/AccelerationVoltage", "beam_energy_kev", 1e-3),
    ):
        for key, value in flat.items():
            if key.endswith(ending) and name not in known:
                try:
                    known[name] = float(value) * factor
                except ValueError:
                    continue
    return {name: value for name, value in known.items() if np.isfinite(value) and value > 0}
