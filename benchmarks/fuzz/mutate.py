"""What happens to files: bits flip, ends are lost, parts change places, numbers become absurd."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["mutate_file", "mutated_bytes", "mutated_json"]

EXTREMES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
            0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # fmt: skip
WORDS = ("-1", "0", "1", "1e400", "-1e400", "nan", "inf", "9" * 30, "9" * 5000, "", "a", "\x00",
         "../../../etc/passwd", "/etc/passwd", "0x10", "1_0", "٣", "1e-400", "%s%n", "{{7*7}}",
         "__import__('os').system('true')", "!!python/object/apply:os.system ['true']")  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**30, 1e308, -1e308, "", "a", "../../x", "__import__('os')", [], {},
    [[]], [None], {"a": 1}, "x" * 10000, [0] * 1000,
)  # fmt: skip
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
DEEP = 100_000


def mutated_bytes(content: bytes, rng: np.random.Generator, other: bytes) -> tuple[bytes, str]:
    """Return damaged bytes and the name of the damage; ``other`` is a file to take parts from."""
    kinds: dict[str, Callable[[], bytes]] = {
        "flip": lambda: _flipped(content, rng),
        "truncate": lambda: content[: int(rng.integers(0, len(content) + 1))],
        "field": lambda: _field(content, rng),
        "number": lambda: _number(content, rng),
        "splice": lambda: _spliced(content, rng, other),
        "repeat": lambda: _repeated(content, rng),
        "drop": lambda: _dropped(content, rng),
    }
    name = str(rng.choice(list(kinds), p=[0.25, 0.1, 0.25, 0.2, 0.08, 0.06, 0.06]))
    result = kinds[name]()
    if rng.random() < 0.2:  # two damages at once
        result, second = mutated_bytes(result or b"\x00", rng, other)
        name = f"{name}+{second}"
    return result, name


def _place(content: bytes, rng: np.random.Generator) -> int:
    """Return an offset; headers, at both ends, are hit more often than what lies between."""
    which = rng.random()
    if which < 0.5:
        return int(rng.integers(0, max(1, min(len(content), 600))))
    if which < 0.65:
        return max(0, len(content) - 1 - int(rng.integers(0, 300)))
    return int(rng.integers(0, max(1, len(content))))


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    held = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 2, 4, 16]))):
        if held:
            place = _place(content, rng)
            held[place] ^= 1 << int(rng.integers(8)) if rng.random() < 0.6 else 0xFF
    return bytes(held)


def _field(content: bytes, rng: np.random.Generator) -> bytes:
    width, order = int(rng.choice([1, 2, 4, 8])), str(rng.choice(["little", "big"]))
    value = int(rng.choice(np.array(EXTREMES, dtype=object))) % (1 << 8 * width)
    place = _place(content, rng) // width * width
    return content[:place] + value.to_bytes(width, order) + content[place + width :]  # type: ignore[arg-type]


def _number(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace a number that stands there as text; where there is none, a field."""
    found = list(NUMBER.finditer(content[:20000]))
    if not found:
        return _field(content, rng)
    hit = found[int(rng.integers(len(found)))]
    word = str(rng.choice(np.array(WORDS, dtype=object))).encode()
    return content[: hit.start()] + word + content[hit.end() :]


def _spliced(content: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    start = int(rng.integers(0, max(1, len(other))))
    piece = other[start : start + int(rng.integers(1, 200))]
    place = _place(content, rng)
    over = len(piece) if rng.random() < 0.5 else 0
    return content[:place] + piece + content[place + over :]


def _repeated(content: bytes, rng: np.random.Generator) -> bytes:
    place, length = _place(content, rng), int(rng.choice([1, 4, 16, 100, 1000]))
    piece = content[place : place + length]
    return content[:place] + piece * int(rng.choice([2, 3, 50, 1000])) + content[place:]


def _dropped(content: bytes, rng: np.random.Generator) -> bytes:
    place = _place(content, rng)
    return content[:place] + content[place + int(rng.choice([1, 2, 4, 8, 64, 500])) :]


def mutated_json(
    content: bytes, rng: np.random.Generator, sign: Callable[[Any], Any] | None = None
) -> tuple[bytes, str]:
    """Return JSON with other values in some places, its checksum made anew."""
    tree = json.loads(content)
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        keys = part.keys() if isinstance(part, dict) else range(len(part))
        for key in keys:
            places.append((part, key))
            if isinstance(part[key], dict | list):
                walk(part[key])

    walk(tree)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        holder, key = places[int(rng.integers(len(places)))]
        if isinstance(holder, dict) and rng.random() < 0.15:
            holder.pop(key, None)
            continue
        value = VALUES[int(rng.integers(len(VALUES)))]
        if isinstance(holder, dict) or key < len(holder):
            holder[key] = json.loads(json.dumps(value))
    if sign is not None:
        tree = sign(tree)
    text = json.dumps(tree)
    kind = rng.random()
    if kind < 0.03:
        text = text.replace("1", "1e999", 1)
    elif kind < 0.05:
        text = text[:-1] + ', "deep": ' + "[" * DEEP + "]" * DEEP + "}"
    return text.encode(), "value"


def mutated_zip(content: bytes, rng: np.random.Generator, other: bytes) -> tuple[bytes, str]:
    """Damage one member of a ZIP archive and write it with right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        kinds = {one.filename: one.compress_type for one in archive.infolist()}
    hit = str(rng.choice(sorted(members)))
    members[hit], name = mutated_bytes(members[hit], rng, other)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for one, held in members.items():
            named = "../../" + one if rng.random() < 0.03 else one
            archive.writestr(zipfile.ZipInfo(named), held, compress_type=kinds[one])
    return stream.getvalue(), f"member {name}"


def mutate_hdf5(path: Path, rng: np.random.Generator) -> str:
    """Change a data set or an attribute of an HDF5 file through its library."""
    import h5py

    with h5py.File(path, "r+") as file:
        items: list[Any] = [file]
        file.visititems(lambda _, item: items.append(item) or None)
        item = items[int(rng.integers(len(items)))]
        if len(item.attrs) and rng.random() < 0.6:
            names = list(item.attrs)
            name = names[int(rng.integers(len(names)))]
            if rng.random() < 0.2:
                del item.attrs[name]
                return "attribute dropped"
            value = VALUES[int(rng.integers(len(VALUES)))]
            del item.attrs[name]
            held = str(value) if value is None or isinstance(value, list | dict) else value
            item.attrs[name] = float(held) if isinstance(held, int) and abs(held) > 2**63 else held
            return "attribute"
        if item.name == "/":
            item.create_group("x" * int(rng.choice([1, 300])))
            return "group"
        name, parent = item.name, item.parent
        data = item[()] if isinstance(item, h5py.Dataset) else None
        del file[name]
        which = rng.random()
        if which < 0.25:
            return "object dropped"
        new = {
            0: lambda: np.float64(np.nan), 1: lambda: np.full((2, 2), np.inf),
            2: lambda: np.zeros((0, 5)), 3: lambda: np.array([b"text"]),
            4: lambda: np.zeros((1,) * 8), 5: lambda: -np.ones(np.shape(data), np.int64),
            6: lambda: np.zeros((3, 3), np.complex128),
        }[int(rng.integers(7))]()  # fmt: skip
        if which > 0.9:
            parent.create_dataset(name, shape=(2**40, 2**20), chunks=(64, 64), dtype="f8")
            return "data set without end"
        parent.create_dataset(name, data=new)
    return "data set"


def mutate_file(
    source: Path, target: Path, rng: np.random.Generator, other: bytes,
    sign: Callable[[Any], Any] | None = None, structured: str = "",
) -> str:  # fmt: skip
    """Write a damaged copy of a file (or folder) and return what was done to it."""
    if source.is_dir():
        shutil.copytree(source, target)
        held = sorted(one for one in target.rglob("*") if one.is_file())
        hit = held[int(rng.integers(len(held)))]
        content = hit.read_bytes()
        if hit.suffix == ".json" and rng.random() < 0.5:
            content, name = mutated_json(content, rng)
        else:
            content, name = mutated_bytes(content, rng, other)
        hit.write_bytes(content)
        return f"{hit.name}: {name}"
    content = source.read_bytes()
    if structured and rng.random() < 0.5:
        if structured == "json":
            content, name = mutated_json(content, rng, sign)
        elif structured == "zip":
            content, name = mutated_zip(content, rng, other)
        else:
            target.write_bytes(content)
            return mutate_hdf5(target, rng)
    else:
        content, name = mutated_bytes(content, rng, other)
    target.write_bytes(content)
    return name
