"""Channels of Gwyddion's files: the native format and the Simple Field."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from physlearn.checks import InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Channel, picture_axes
from physlearn.datasets.reading.file_checks import need, unreadable
from physlearn.datasets.reading.probe_files import igor_conditions

__all__ = ["list_gsf", "list_gwyddion"]

ITEM_BYTES = {"b": 1, "c": 1, "i": 4, "q": 8, "d": 8}
DEEPEST = 32


def _walk(content: bytes) -> None:
    """Check the nesting of a Gwyddion file; gwyfile creeps through a damaged one byte by byte.

    Format: Gwyddion user guide, "Gwyddion Native File Format".
    """
    if content[:4] != b"GWYP":
        raise ValueError("it has no Gwyddion header")
    if _walk_object(content, 4, len(content), 0) != len(content):
        raise ValueError("bytes follow the last object")


def _name_end(content: bytes, place: int, end: int) -> int:
    found = content.find(b"\0", place, end)
    if found < 0:
        raise ValueError("a name does not end")
    return found


def _number(content: bytes, place: int, end: int) -> int:
    if place + 4 > end:
        raise ValueError("a length is cut off")
    return int(struct.unpack_from("<I", content, place)[0])


def _walk_object(content: bytes, place: int, end: int, depth: int) -> int:
    """Return where an object ends: its name, the size of its components, the components."""
    place = _name_end(content, place, end) + 1
    stop = place + 4 + _number(content, place, end)
    place += 4
    if stop > end or depth > DEEPEST:
        raise ValueError("an object is cut off")
    while place < stop:
        place = _walk_component(content, place, stop, depth)
    return place


def _walk_component(content: bytes, place: int, end: int, depth: int) -> int:
    place = _name_end(content, place, end) + 1
    kind = content[place : place + 1].decode("latin-1")
    place, count = place + 1, 1
    if kind in "BCIQDSO" and kind:
        count = _number(content, place, end)
        place += 4
    kind = kind.lower()
    if kind in ITEM_BYTES:
        place += count * ITEM_BYTES[kind]
    elif kind and kind in "so":
        for _ in range(count):
            place = (
                _name_end(content, place, end) + 1
                if kind == "s"
                else _walk_object(content, place, end, depth + 1)
            )
    else:
        raise ValueError("a component has no known type")
    if place > end:
        raise ValueError("a component is cut off")
    return place


def list_gwyddion(path: Path) -> list[Channel]:
    """Return the channels of a Gwyddion file."""
    gwyfile = need("gwyfile", path)
    with path.open("rb") as stream:
        if stream.read(4) == b"GWYO":
            raise InputError(
                f"{path} is of Gwyddion's format before version 2, which gwyfile does not read; "
                "save it again with a newer Gwyddion."
            )
    try:
        _walk(path.read_bytes())
        content = gwyfile.load(str(path))
        fields = [
            (int(match.group(1)), key)
            for key in content
            if (match := re.fullmatch(r"/(\d+)/data", str(key)))
        ]
        channels = []
        for number, key in sorted(fields):
            data = content[key]
            n_x, n_y = int(data["xres"]), int(data["yres"])
            unit = str(_unit_of(data, "si_unit_xy"))
            title = str(content.get(f"/{number}/data/title", f"channel {number}"))
            values = np.asarray(data["data"]).reshape(n_y, n_x)
            axes = picture_axes(n_x, n_y, data["xreal"] / n_x, data["yreal"] / n_y, unit)
            said = flatten_metadata(dict(content.get(f"/{number}/meta", {})))
            rate = re.match(r"[\d.eE+-]+", str(said.get("ScanRate", "")))
            known = igor_conditions({"ScanRate": float(rate.group())}, n_x)[0] if rate else {}
            channels.append(
                Channel(
                    title, axes, lambda values=values: values,  # type: ignore[misc]
                    str(_unit_of(data, "si_unit_z")), str(values.dtype), said, known,
                )
            )  # fmt: skip
    except Exception as error:  # gwyfile raises what its parsing meets
        raise unreadable(path, error, "Gwyddion") from None
    return channels


def list_gsf(path: Path) -> list[Channel]:
    """Return the one picture of a Gwyddion Simple Field."""
    content = path.read_bytes()
    text, zero, _ = content.partition(b"\x00")
    lines = text.decode("utf-8", "replace").splitlines()
    said = {key.strip(): value.strip() for key, _, value in (row.partition("=") for row in lines)}
    try:
        if not lines[0].startswith("Gwyddion Simple Field") or not zero:
            raise ValueError("it has no header of a Gwyddion Simple Field")
        n_x, n_y = int(said["XRes"]), int(said["YRes"])
        width, height = (float(said.get(name, 0.0)) for name in ("XReal", "YReal"))
    except (IndexError, KeyError, ValueError) as error:
        raise unreadable(path, error, "GSF") from None
    start = len(text) + 4 - len(text) % 4  # one to four zeros end the header
    if len(content) < start + 4 * n_x * n_y:
        raise InputError(
            f"{path} announces {n_y} x {n_x} pixels and holds {(len(content) - start) // 4}; it is "
            "truncated: export it again."
        )
    axes = picture_axes(n_x, n_y, width / n_x, height / n_y, said.get("XYUnits", ""))
    values = np.frombuffer(content, "<f4", n_x * n_y, start).reshape(n_y, n_x)
    return [
        Channel(
            said.get("Title") or path.stem, axes, lambda: values, said.get("ZUnits", ""),
            "float32", flatten_metadata(said),
        )
    ]  # fmt: skip


def _unit_of(data: Any, name: str) -> str:
    unit = data.get(name)
    return "" if unit is None else str(unit.get("unitstr", ""))
