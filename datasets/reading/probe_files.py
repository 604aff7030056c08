"""Channels of probe microscopes' files: Igor, Omicron, RHK and those of SciFiReaders."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Axis, Channel, name_axes, picture_axes
from physlearn.datasets.reading.damage_checks import check_igor_header
from physlearn.datasets.reading.file_checks import need, one_line, unreadable

__all__ = ["igor_conditions", "list_igor", "list_matrix", "list_rhk", "list_scifireaders"]

SCIFIREADERS = {
    ".mdt": "MDTReader", ".spm": "BrukerAFMReader", ".asc": "AscReader", ".axz": "AxzReader",
    ".top": "WSxM2DReader", ".stp": "WSxM2DReader",
}  # fmt: skip
IGOR_UNITS = {
    "height": "m", "zsensor": "m", "amplitude": "m", "deflection": "m", "phase": "deg",
    "frequency": "Hz", "current": "A", "userin": "V", "potential": "V",
}  # fmt: skip
ASYLUM_TAIL = re.compile(r"(Retrace|Trace)\w*$")


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library from logging what the reader says in its own sentence."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def list_igor(path: Path) -> list[Channel]:
    """Return the channels of an Igor binary wave (Asylum Research, or exported from MATRIX)."""
    binarywave = need("igor2.binarywave", path)
    try:
        check_igor_header(path)
        with _quiet("igor2"):
            wave = binarywave.load(str(path))["wave"]
        header, values = wave["wave_header"], np.asarray(wave["wData"])
        note = bytes(wave["note"]).decode("utf-8", "replace")
        names = [
            one.decode("utf-8", "replace").strip()
            for one in (wave["labels"][2] if len(wave["labels"]) > 2 else [])
        ][1:]
        steps = [float(step) for step in header["sfA"]]
        units = [b"".join(row).decode("latin-1") for row in header["dimUnits"]]
        value_unit = b"".join(header["dataUnits"]).decode("latin-1")
    except Exception as error:  # igor2 raises what its parsing meets
        raise unreadable(path, error, "IBW") from None
    if values.ndim < 2:
        raise InputError(
            f"{path} holds one curve of {values.size} values, not a picture; there is nothing to "
            "map."
        )
    said = _igor_note(note)
    known, texts = igor_conditions(said, values.shape[0])
    if values.ndim == 3 and not names and units[2] != units[0]:  # spectra at each pixel
        return [_igor_spectra(path, wave, values, steps, units, value_unit, said)]
    planes = values.reshape(values.shape[0], values.shape[1], -1)
    axes = picture_axes(values.shape[0], values.shape[1], steps[0], steps[1], units[0])
    channels = []
    for number in range(planes.shape[2]):
        name = names[number] if number < len(names) and names[number] else f"channel {number}"
        name = ASYLUM_TAIL.sub(lambda tail: tail.group(1), name)
        if planes.shape[2] == 1 and not names:
            name = str(said.get("Channel name and data unit", name)).partition(" [")[0]
        plane = planes[:, :, number]
        way = {"fast_direction": "left"} if "Retrace" in name else {}
        unit = _igor_unit(name, value_unit, planes.shape[2])
        notes = () if unit == value_unit else (
            f"{path.name} states one unit ({value_unit or 'none'}) for all its channels: {name} "
            f"is taken to be in {unit or 'an unknown unit'}, as Asylum Research writes it.",
        )  # fmt: skip
        channels.append(
            Channel(
                name, axes, lambda plane=plane: plane.T[::-1],  # type: ignore[misc]
                unit, str(values.dtype), said, known, texts | way, notes,
            )
        )  # fmt: skip
    return channels


def _igor_spectra(
    path: Path, wave: Any, values: NDArray[Any], steps: list[float], units: list[str],
    value_unit: str, said: Mapping[str, str | float | bool],
) -> Channel:  # fmt: skip
    start = float(wave["wave_header"]["sfB"][2])
    places = start + steps[2] * np.arange(values.shape[2], dtype=np.float64)
    third = Axis("bias" if units[2] == "V" else "axis_2", places, units[2])
    axes = picture_axes(values.shape[0], values.shape[1], steps[0], steps[1], units[0])
    return Channel(
        path.stem, (*axes, third), lambda: values.transpose(1, 0, 2)[::-1], value_unit,
        str(values.dtype), said,
    )  # fmt: skip


def _igor_unit(name: str, stated: str, n_planes: int) -> str:
    """Return a channel's unit: stated once for the file, which holds for the first kind only."""
    if n_planes == 1:
        return stated
    start = name.lower()
    return next((unit for word, unit in IGOR_UNITS.items() if start.startswith(word)), "")


def _igor_note(note: str) -> dict[str, str | float | bool]:
    """Return the note's lines ``key: value``; numbers as such."""
    said: dict[str, Any] = {}
    for line in re.split(r"[\r\n]+", note):
        key, colon, value = line.partition(":")
        if colon and key.strip() and key.strip() not in said:
            try:
                said[key.strip()] = float(value)
            except ValueError:
                said[key.strip()] = value.strip()
    return flatten_metadata(said)


def igor_conditions(
    said: Mapping[str, str | float | bool], n_x: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Return line time (one trace and one retrace), dwell time and direction of an Asylum scan."""
    known: dict[str, float] = {}
    rate = said.get("ScanRate")
    if isinstance(rate, float) and np.isfinite(rate) and rate > 0:
        known = {"line_time_s": 1.0 / rate, "dwell_time_s": 0.5 / rate / n_x}
    down = said.get("ScanDown")
    texts = {"scan_direction": "down" if down else "up"} if isinstance(down, float) else {}
    return known, texts


def list_matrix(path: Path) -> list[Channel]:
    """Return the traces of an Omicron MATRIX result file (its parameter file must lie beside)."""
    module = need("access2thematrix", path)
    reader = module.MtrxData()
    try:
        traces, message = reader.open(str(path))
    except Exception as error:  # access2thematrix raises what its parsing meets
        raise unreadable(path, error, "MATRIX") from None
    if not traces:
        raise InputError(
            f"{path} cannot be read as MATRIX ({one_line(ValueError(message))}); the parameter "
            "file (..._0001.mtrx) must lie in the same folder."
        )
    parameters = flatten_metadata(reader.get_experiment_element_parameters()[0] or {})
    channels = []
    for trace in traces.values():
        image, _ = reader.select_image(trace)
        values = np.asarray(image.data)
        if values.ndim != 2 or not values.size:
            continue
        name, unit = image.channel_name_and_unit
        n_y, n_x = values.shape
        axes = picture_axes(n_x, n_y, float(image.width) / n_x, float(image.height) / n_y, "m")
        # rows are stored from the bottom of the scanned frame upwards
        direction = "up" if "up" in str(trace) else "down"
        channels.append(
            Channel(
                f"{name} {trace}", axes, lambda values=values: values[::-1],  # type: ignore[misc]
                str(unit), str(values.dtype), parameters, {},
                {
                    "scan_direction": direction,
                    "fast_direction": "left" if "backward" in str(trace) else "right",
                },
            )
        )  # fmt: skip
    return channels


def list_rhk(path: Path) -> list[Channel]:
    """Return the pages of an RHK file (.sm4) that hold pictures, through spym."""
    module = need("spym.io.rhksm4", path)
    try:
        with redirect_stdout(StringIO()):
            dataset = module.to_dataset(str(path))
    except Exception as error:  # spym raises what its parsing meets
        raise unreadable(path, error, "SM4") from None
    channels = []
    for name, array in dataset.items():
        names = name_axes([str(dim) for dim in array.dims])
        if array.ndim != 2 or str(array.attrs.get("interpretation")) != "image":
            continue
        axes = tuple(
            Axis(chosen, np.asarray(array[dim].to_numpy(), np.float64),
                 str(array[dim].attrs.get("units", "")))
            for dim, chosen in zip(array.dims, names, strict=True)
        )  # fmt: skip
        said = flatten_metadata(dict(array.attrs))
        known = {
            ours: float(said[theirs])
            for ours, theirs in (("bias_v", "bias"), ("dwell_time_s", "time_per_point"))
            if isinstance(said.get(theirs), float) and said[theirs] != 0
        }
        ways = {"RHK_SCAN_RIGHT": "right", "RHK_SCAN_LEFT": "left"}
        way = ways.get(str(said.get("RHK_ScanTypeName")))
        values = array.to_numpy()
        channels.append(
            Channel(
                str(name), axes, lambda values=values: values,  # type: ignore[misc]
                str(array.attrs.get("units", "")), str(array.dtype), said, known,
                {"fast_direction": way} if way else {},
            )
        )  # fmt: skip
    return channels


def list_scifireaders(path: Path) -> list[Channel]:
    """Return the channels of a file that SciFiReaders reads."""
    with redirect_stdout(StringIO()):
        module = need("SciFiReaders", path)
        reader = getattr(module, SCIFIREADERS[path.suffix.lower()], None)
        if reader is None:
            raise BackendUnavailable(
                f"reading {path.name} needs a SciFiReaders with "
                f"{SCIFIREADERS[path.suffix.lower()]}; install a newer one."
            )
        try:
            read = reader(str(path)).read()
        except Exception as error:  # each of its readers raises its own kinds
            raise unreadable(path, error) from None
    datasets = list(read.values()) if isinstance(read, dict) else read
    if not isinstance(datasets, list):
        datasets = [datasets]
    whole = [one for one in datasets if hasattr(one, "_axes") and getattr(one, "ndim", 0) > 0]
    return [_sidpy_channel(one, number) for number, one in enumerate(whole)]


def _sidpy_channel(dataset: Any, number: int) -> Channel:
    """Return the channel of one sidpy Dataset."""
    dimensions = [dataset._axes[place] for place in range(dataset.ndim)]
    names = name_axes([str(one.name) for one in dimensions])
    axes = tuple(
        Axis(name, np.asarray(one.values, np.float64), str(one.units))
        for name, one in zip(names, dimensions, strict=True)
    )
    said = dict(getattr(dataset, "metadata", {}) or {})
    said |= dict(getattr(dataset, "original_metadata", {}) or {})
    quantity = str(dataset.quantity or "")
    title = str(getattr(dataset, "title", "") or "")
    name = next((one for one in (quantity, title) if one and one != "generic"), f"channel {number}")
    return Channel(
        name, axes, lambda: np.asarray(dataset), str(dataset.units or ""), str(dataset.dtype),
        flatten_metadata(said),
    )  # fmt: skip
