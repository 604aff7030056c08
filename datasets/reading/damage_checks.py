"""Quick looks at vendors' files whose readers run away when a count in them is damaged."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

__all__ = ["check_atom_counts", "check_dm_tags", "check_igor_header", "check_mrc_header"]

IGOR_HEADER_BYTES = 384  # version 5: 64 of the file's header and 320 of the wave's (Tech Note 003)
DM_BYTES = {2: 2, 3: 4, 4: 2, 5: 4, 6: 4, 7: 8, 8: 1, 9: 1, 10: 1, 11: 8, 12: 8}
MRC_BYTES = {0: 1, 1: 2, 2: 4, 3: 4, 4: 8, 6: 2, 12: 2}
DM_GROUP, DM_DATA, DM_STRUCT, DM_STRING, DM_ARRAY = 20, 21, 15, 18, 20
DEEPEST = 64


def check_igor_header(path: Path) -> None:
    """Raise ValueError where the header of an Igor wave (version 5) has a wrong checksum."""
    with path.open("rb") as stream:
        head = stream.read(IGOR_HEADER_BYTES)
    if len(head) < IGOR_HEADER_BYTES:
        return
    order = "<" if head[:2] == b"\x05\x00" else ">" if head[:2] == b"\x00\x05" else ""
    if order and int(np.frombuffer(head, f"{order}i2").astype(np.int64).sum()) % 65536:
        raise ValueError("the checksum of its header is wrong")


def check_mrc_header(path: Path) -> None:
    """Raise ValueError where an MRC file (MRC2014) announces more voxels than it holds."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    if len(head) < 1024:
        raise ValueError("its header is cut off")
    size = path.stat().st_size
    needed = []
    for order in ("<", ">"):
        words = np.frombuffer(head, f"{order}i4")
        voxel = MRC_BYTES.get(int(words[3]))
        if voxel is None or min(words[:3]) < 1 or words[23] < 0:
            continue
        n_voxels = int(words[0]) * int(words[1]) * int(words[2])
        needed.append(1024 + int(words[23]) + voxel * n_voxels)
    if needed and min(needed) > size:
        raise ValueError(f"its header announces {min(needed)} bytes and it holds {size}")


class _DmWalk:
    """Walk over the tags of a DM3 or DM4 file that only adds up sizes."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.place = content, 4
        self.wide = content[:4] == b"\x00\x00\x00\x04"
        self.word = 8 if self.wide else 4
        self.place += self.word + 4

    def number(self) -> int:
        end = self.place + self.word
        if end > len(self.content):
            raise ValueError("its tags are cut off")
        (found,) = struct.unpack_from(">Q" if self.wide else ">I", self.content, self.place)
        self.place = end
        return int(found)

    def skip(self, n: int) -> None:
        self.place += n
        if self.place > len(self.content):
            raise ValueError("a tag is longer than the file")

    def group(self, depth: int) -> bool:
        """Walk one group; False where a tag is met that this walk does not know."""
        self.skip(2)
        for _ in range(self.number()):
            header = self.content[self.place : self.place + 3]
            if len(header) < 3 or depth > DEEPEST:
                raise ValueError("its tags are cut off")
            kind, length = header[0], int.from_bytes(header[1:], "big")
            self.skip(3 + length + (8 if self.wide else 0))
            if kind == DM_GROUP:
                if not self.group(depth + 1):
                    return False
            elif kind != DM_DATA or not self.data():
                return False
        return True

    def data(self) -> bool:
        self.skip(4)
        n = self.number()
        if n * self.word > len(self.content) - self.place:
            raise ValueError("a tag announces more than the file holds")
        code = "Q" if self.wide else "I"
        told = list(struct.unpack_from(f">{n}{code}", self.content, self.place))
        self.skip(n * self.word)
        size = _dm_size(told)
        if size is None:
            return False
        self.skip(size)
        return True


def _dm_size(told: list[int]) -> int | None:
    """Return the bytes of a tag's data from its description; None where it is unknown."""
    if not told:
        raise ValueError("a tag has no type")
    kind = told[0]
    if kind in DM_BYTES and len(told) == 1:
        return DM_BYTES[kind]
    if kind == DM_STRING and len(told) == 2:
        return 2 * told[1]
    if kind == DM_STRUCT and len(told) >= 3:
        if len(told) != 3 + 2 * told[2]:
            raise ValueError("a structure announces more fields than it describes")
        sizes = [DM_BYTES.get(one) for one in told[4::2]]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    if kind == DM_ARRAY and len(told) >= 3:
        inner = _dm_size(told[1:-1])
        return None if inner is None else inner * told[-1]
    return None


def check_dm_tags(path: Path) -> None:
    """Raise ValueError where a DM3 or DM4 file announces more than it can hold."""
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        if content[:4] in (b"\x00\x00\x00\x03", b"\x00\x00\x00\x04"):
            try:
                _DmWalk(content).group(0)
            except struct.error as error:
                raise ValueError(str(error)) from None


def check_atom_counts(path: Path, kind: str) -> None:
    """Raise ValueError where a text file announces more atoms than it has bytes.

    ASE reads on behind the end of a file until it has met them all.
    """
    size = path.stat().st_size
    for count in _atom_counts(path, kind):
        if not 0 <= count <= size:
            raise ValueError(f"it announces {count} atoms and has {size} bytes")


def _atom_counts(path: Path, kind: str) -> Iterator[int]:
    with path.open("rb") as stream:
        if kind == "extxyz":
            while (line := stream.readline()).strip():
                count = int(line)
                yield count
                for _ in range(count + 1):
                    if not stream.readline():
                        return
        elif kind == "lammps-dump-text":
            before = b""
            for line in stream:
                if before.startswith(b"ITEM: NUMBER OF ATOMS"):
                    yield int(line)
                before = line
        else:
            head = [stream.readline() for _ in range(60)]
            if kind == "lammps-data":
                found = (re.match(rb"\s*(-?\d+)\s+\w+s\s*$", line) for line in head)
                yield from (int(one.group(1)) for one in found if one)
            elif kind == "vasp":
                rows = [line.split() for line in head[5:7]]
                yield from (int(word) for row in rows for word in row if word.isdigit())
