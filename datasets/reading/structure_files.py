"""Atoms from files of simulations and crystals: GSD, and what ASE reads of CIF, VASP and LAMMPS."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.damage_checks import check_atom_counts
from physlearn.datasets.reading.file_checks import check_memory, check_size, need, unreadable
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["ASE_FORMATS", "Frame", "ase_frames", "configuration_of", "gsd_frames"]

ASE_FORMATS = {
    ".extxyz": "extxyz", ".cif": "cif", ".vasp": "vasp", ".poscar": "vasp", ".contcar": "vasp",
    ".lmp": "lammps-data", ".lammps": "lammps-data", ".data": "lammps-data",
    ".dump": "lammps-dump-text", ".lammpstrj": "lammps-dump-text",
}  # fmt: skip
TEXT_COPIES = 6
"""Memory of what ASE makes of a text file, in sizes of the file."""
LAMMPS = ("lammps-data", "lammps-dump-text")
BYTES_AN_ATOM = 12
"""Of its position in a GSD file: three numbers of 4 bytes."""


@dataclass(slots=True)
class Frame:
    """Atoms at one moment as a file states them."""

    positions: NDArray[np.float64]
    species: NDArray[np.int64]
    names: tuple[str, ...]
    cell: NDArray[np.float64] | None
    step: int | None
    metadata: dict[str, Any]
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def configuration_of(frame: Frame, unit: str) -> AtomicConfiguration:
    """Return one frame as a record."""
    return AtomicConfiguration(
        frame.positions, unit=unit, species=frame.species, species_names=frame.names,
        cell=frame.cell, metadata=frame.metadata, warnings=frame.warnings,
    )  # fmt: skip


def gsd_frames(path: Path, which: int | None) -> tuple[list[Frame], int]:
    """Return one frame (or, for None, all) of a GSD file, and how many the file holds."""
    hoomd = need("gsd.hoomd", path)
    try:
        with hoomd.open(str(path), "r") as file:
            count = len(file)
            numbers = range(count) if which is None else [_one_of(path, which, count)]
            _check_counts(file.file, path, {0, *numbers} if count else set())
            if which is None and count:
                check_memory(path, (count, int(file[0].particles.N), 3))
            return [_gsd_frame(file[number], path, number) for number in numbers], count
    except InputError:
        raise
    except Exception as error:  # gsd raises what its own C library meets
        raise unreadable(path, error) from None


def _check_counts(file: Any, path: Path, numbers: set[int]) -> None:
    """Refuse more atoms than a file has bytes for: gsd would fill the memory with defaults."""
    for number in sorted(numbers):
        if file.chunk_exists(number, "particles/N"):
            n = int(file.read_chunk(number, "particles/N")[0])
            if BYTES_AN_ATOM * n > path.stat().st_size:
                raise InputError(f"{path} announces {n} atoms in frame {number} and holds fewer.")


def _one_of(path: Path, which: int, count: int) -> int:
    if not isinstance(which, int) or isinstance(which, bool) or not 0 <= which < count:
        raise InputError(f"frame must be 0 to {count - 1} in {path}; got {which!r}.")
    return which


def _gsd_frame(snapshot: Any, path: Path, number: int) -> Frame:
    """Return the atoms of one snapshot; the box is centred at the origin, in reduced units."""
    particles, configuration = snapshot.particles, snapshot.configuration
    if particles.position is None:
        raise InputError(f"{path} holds no positions in frame {number}.")
    positions = np.asarray(particles.position, np.float64)
    notes: list[str] = []
    cell = None
    if configuration.box is not None:
        lx, ly, lz, xy, xz, yz = (float(number) for number in configuration.box)
        cell = np.array([[lx, 0, 0], [xy * ly, ly, 0], [xz * lz, yz * lz, lz]])
    if configuration.dimensions == 2 or (cell is not None and cell[2, 2] == 0):
        positions = positions[:, :2]
        cell = None if cell is None else cell[:2, :2]
    if cell is not None and not abs(np.linalg.det(cell)) > 0:
        cell = None
        notes.append(f"{path.name} states a box without volume: none is kept.")
    types = tuple(particles.types or ("A",))
    codes = np.zeros(len(positions)) if particles.typeid is None else particles.typeid
    step = None if configuration.step is None else int(configuration.step)
    return Frame(
        positions, np.asarray(codes, np.int64), types, cell, step,
        {"source": path.name, "frame": number, "step": step if step is not None else "unknown"},
        tuple(notes),
    )  # fmt: skip


def ase_frames(path: Path, kind: str, which: int | None) -> tuple[list[Frame], int]:
    """Return one frame (or, for None, all) of a file that ASE reads, and how many it holds."""
    module = need("ase.io", path)
    check_size(path, TEXT_COPIES)
    try:
        check_atom_counts(path, kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Sequence[Any] = module.read(
                str(path), index=":", format=kind, do_not_split_by_at_sign=True
            )
    except Exception as error:  # ASE's readers raise any error there is
        raise unreadable(path, error, kind) from None
    if not found:
        raise InputError(f"{path} holds no atoms; check the export.")
    numbers = range(len(found)) if which is None else [_one_of(path, which, len(found))]
    return [_ase_frame(found[number], path, kind, number) for number in numbers], len(found)


def _ase_frame(atoms: Any, path: Path, kind: str, number: int) -> Frame:
    positions = np.asarray(atoms.get_positions(), np.float64)
    if not len(positions):
        raise InputError(f"{path} holds no atoms; check the export.")
    notes: list[str] = []
    symbols = _symbols(atoms, path, kind, notes)
    names = tuple(dict.fromkeys(sorted(symbols)))
    box = np.asarray(atoms.get_cell(), np.float64)
    cell: NDArray[np.float64] | None = box
    if not np.all(atoms.get_pbc()) or not abs(np.linalg.det(box)) > 0:
        if np.any(atoms.get_pbc()):
            notes.append(
                f"{path.name} is periodic along some directions only; no periodic box is kept."
            )
        cell = None
    if kind in LAMMPS:
        notes.append(
            f"{path.name}: LAMMPS files state no unit of length; angstrom (units metal or real) is "
            "taken: give unit='reduced' for Lennard-Jones units."
        )
    occupancy = atoms.info.get("occupancy")
    if isinstance(occupancy, dict) and any(
        isinstance(share, int | float) and share < 1
        for one in occupancy.values()
        for share in one.values()
    ):
        notes.append(
            f"{path.name} has sites that two species share or that are partly empty; the more "
            "frequent species stands at each."
        )
    step = atoms.info.get("timestep")
    metadata: dict[str, Any] = {"source": path.name, "frame": number}
    metadata |= {
        str(key): value
        for key, value in atoms.info.items()
        if isinstance(value, str | int | float | bool)
    }
    return Frame(
        positions, np.array([names.index(symbol) for symbol in symbols], np.int64), names, cell,
        None if step is None else int(step), metadata, tuple(notes),
    )  # fmt: skip


def _symbols(atoms: Any, path: Path, kind: str, notes: list[str]) -> list[str]:
    """Return each atom's species; LAMMPS types without element or mass keep their number.

    ASE calls types without masses H, He, ... in turn, which would be invented chemistry.
    """
    symbols = [str(symbol) for symbol in atoms.get_chemical_symbols()]
    if kind not in LAMMPS:
        return symbols
    types = atoms.arrays.get("type")
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.read(65536)
    stated = "Masses" in head if kind == "lammps-data" else " element" in head
    if types is None or stated:
        return symbols
    notes.append(f"{path.name} names no elements: the species are LAMMPS types.")
    return [f"type {int(number)}" for number in types]
