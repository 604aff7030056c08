"""Channels of Nanonis scans (.sxm, finished or stopped half-way) and grids of spectra (.3ds)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Axis, Channel, counted
from physlearn.datasets.reading.file_checks import unreadable

__all__ = ["list_nanonis", "list_nanonis_grid"]

END = b":SCANIT_END:"
GRID_END = b":HEADER_END:\r\n"
DATA_MARK = b"\x1a\x04"  # Nanonis help, "File formats: Scan (SXM)"
MOST_HEADER_BYTES = 10**6


def list_nanonis(path: Path) -> list[Channel]:
    """Return the channels of a Nanonis scan, forward and backward apart."""
    with path.open("rb") as stream:
        head = stream.read(MOST_HEADER_BYTES)
    end = head.find(END)
    start = head.find(DATA_MARK, end)
    if not head.lstrip().startswith(b":NANONIS_VERSION:") or end < 0 or start < 0:
        raise unreadable(path, ValueError("it has no Nanonis header"), "SXM")
    said = _header(head[:end].decode("utf-8", "replace"))
    start += len(DATA_MARK)
    try:
        n_x, n_y = (int(word) for word in said["SCAN_PIXELS"].split())
        width, height = (float(word) for word in said["SCAN_RANGE"].split())
        table = [line.split("\t") for line in said["DATA_INFO"].splitlines() if line.strip()]
        titles = [word.strip() for word in table[0]]
        rows = [dict(zip(titles, (w.strip() for w in row), strict=False)) for row in table[1:]]
        directions = [
            ("forward", "backward") if row["Direction"].lower() == "both"
            else (row["Direction"].lower(),)
            for row in rows
        ]  # fmt: skip
    except (KeyError, ValueError, IndexError) as error:
        raise unreadable(path, error, "SXM") from None
    n_planes = sum(len(one) for one in directions)
    present = (path.stat().st_size - start) // 4
    if n_planes * n_x * n_y > present:
        raise InputError(
            f"{path} announces {n_planes} pictures of {n_y} x {n_x} pixels and holds {present} "
            "values; it is truncated: export it again."
        )
    order = "<f4" if "LSB" in said.get("SCANIT_TYPE", "") else ">f4"
    up = said.get("SCAN_DIR", "down").strip().lower() == "up"
    flat = flatten_metadata(said)
    axes = (
        Axis("y", counted(n_y) * height / n_y, "m"),
        Axis("x", counted(n_x) * width / n_x, "m"),
    )
    channels, place = [], 0
    for row, ways in zip(rows, directions, strict=True):
        for way in ways:
            offset = start + 4 * place * n_x * n_y
            known = _conditions(said, way, n_x)
            channels.append(
                Channel(
                    f"{row['Name']} {way}", axes,
                    _loader(path, offset, order, (n_y, n_x), up, way == "backward"),
                    row.get("Unit", ""), "float32", flat, known,
                    {
                        "scan_direction": "up" if up else "down",
                        "fast_direction": "left" if way == "backward" else "right",
                    },
                )
            )  # fmt: skip
            place += 1
    return channels


def _header(text: str) -> dict[str, str]:
    """Return the header's sections: ``:NAME:`` and the lines below it."""
    said: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(":") and line.rstrip().endswith(":"):
            name = line.strip().strip(":")
            said[name] = ""
        elif name:
            said[name] += ("\n" if said[name] else "") + line.strip(" \r")
    return {key: value.strip("\n") for key, value in said.items()}


def _loader(
    path: Path, offset: int, order: str, shape: tuple[int, int], up: bool, backward: bool
) -> Callable[[], Any]:
    """Return a function that reads one plane, first row on top and first column at the left."""

    def load() -> NDArray[Any]:
        values = np.fromfile(path, order, shape[0] * shape[1], offset=offset).reshape(shape)
        values = values[::-1] if up else values
        return values[:, ::-1] if backward else values

    return load


def _conditions(said: dict[str, str], way: str, n_x: int) -> dict[str, float]:
    """Return bias, temperature and the times of one line (seconds forward, seconds backward)."""
    known: dict[str, float] = {}
    for name, key in (("bias_v", "BIAS"), ("temperature_k", "REC_TEMP")):
        try:
            known[name] = float(said[key].split()[0])
        except (KeyError, ValueError, IndexError):
            continue
    if known.get("temperature_k", 1.0) <= 0:
        del known["temperature_k"]
    try:
        forward, backward = (float(word) for word in said["SCAN_TIME"].split()[:2])
    except (KeyError, ValueError):
        return known
    if forward > 0 and backward > 0:
        known["line_time_s"] = forward + backward
        known["dwell_time_s"] = (backward if way == "backward" else forward) / n_x
    return known


def list_nanonis_grid(path: Path) -> list[Channel]:
    """Return the channels of a Nanonis grid of spectra; rows are taken from the bottom upwards."""
    with path.open("rb") as stream:
        head = stream.read(MOST_HEADER_BYTES)
    end = head.find(GRID_END)
    if end < 0:
        raise unreadable(path, ValueError("it has no Nanonis header"), "3DS")
    lines = [line.partition("=") for line in head[:end].decode("utf-8", "replace").splitlines()]
    said = {key.strip(): value.strip().strip('"') for key, _, value in lines}
    try:
        n_x, n_y = (int(word) for word in said["Grid dim"].split("x"))
        width, height = (float(word) for word in said["Grid settings"].split(";")[2:4])
        n_points, n_parameters = int(said["Points"]), int(said["# Parameters (4 byte)"])
        titles = [one.strip() for one in said["Channels"].split(";")]
    except (KeyError, ValueError) as error:
        raise unreadable(path, error, "3DS") from None
    start = end + len(GRID_END)
    per_pixel = n_parameters + len(titles) * n_points
    present = (path.stat().st_size - start) // 4
    if n_x * n_y * per_pixel > present:
        raise InputError(
            f"{path} announces {n_x * n_y} spectra and holds {present // per_pixel}; the grid was "
            "not finished or the file is truncated: export what is complete."
        )
    first = np.fromfile(path, ">f4", 2, offset=start)
    sweep, _, unit = said.get("Sweep Signal", "sweep").partition(" (")
    axes = (
        Axis("y", counted(n_y) * height / n_y, "m"),
        Axis("x", counted(n_x) * width / n_x, "m"),
        Axis(sweep.lower(), np.linspace(first[0], first[1], n_points), unit.rstrip(")")),
    )

    def loader(number: int) -> Callable[[], Any]:
        def load() -> NDArray[Any]:
            whole = np.fromfile(path, ">f4", n_x * n_y * per_pixel, offset=start)
            begin = n_parameters + number * n_points
            spectra = whole.reshape(n_y, n_x, per_pixel)[:, :, begin : begin + n_points]
            return spectra[::-1]

        return load

    channels = []
    for number, title in enumerate(titles):
        name, _, value_unit = title.partition(" (")
        channels.append(
            Channel(
                name, axes, loader(number), value_unit.rstrip(")"), "float32",
                flatten_metadata(said), {}, {"scan_direction": "up"},
            )
        )  # fmt: skip
    return channels
