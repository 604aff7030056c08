"""Coordinates of atoms or columns from files of people, simulations, crystals and other finders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from physlearn.checks import InputError, check_choice
from physlearn.datasets.reading.file_checks import check_file, one_line
from physlearn.datasets.reading.finder_files import (
    read_array,
    read_atomai,
    read_atomap,
    table_of,
)
from physlearn.datasets.reading.structure_files import (
    ASE_FORMATS,
    ase_frames,
    configuration_of,
    gsd_frames,
)
from physlearn.records import AtomicConfiguration
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["read_coordinates"]

Reader = Callable[[Path, int], AtomicConfiguration]
TableReader = Callable[[Path, int, Sequence[str] | None], AtomicConfiguration]


def read_coordinates(
    path: str | os.PathLike[str],
    *,
    frame: int = 0,
    columns: Sequence[str] | None = None,
    unit: str | None = None,
) -> AtomicConfiguration:
    """Read positions, and species, widths, errors and the periodic box where a file has them.

    Parameters
    ----------
    path
        CSV with columns x and y (z): an ``atoms.csv`` of a study, or any table (its first line may
        say ``# unit: nm``; else pixels). XYZ and extended XYZ, CIF, POSCAR, LAMMPS data and dump
        (angstrom), GSD (reduced). What other finders left: atomap's HDF5, AtomAI's coordinates
        saved as NPZ (one array a frame), a plain array as NPY.
    frame
        Which frame of a file with several; all of them give ``read_trajectory``.
    columns
        Names of a bare table's columns in order (of x, y, z, species, width, intensity; other
        names are left out), for a CSV or an NPY without names: ``("y", "x", "species")``.
    unit
        Unit of length where the file states none: angstrom, nm, um, pixel or reduced.

    Raises
    ------
    InputError
        One sentence that names the file and what to do.
    BackendUnavailable
        When ASE or gsd is needed and not installed; it names the extra.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "atoms.csv"
    >>> _ = file.write_text("# unit: nm" + chr(10) + "x,y" + chr(10) + "0.1,0.2")
    >>> read_coordinates(file).positions.tolist()
    [[0.1, 0.2]]
    """
    path = Path(path)
    check_file(path, "coordinates")
    if unit is not None:
        check_choice("unit", unit, LENGTH_UNITS)
    key = _key(path)
    if key not in READERS and key not in TABLE_READERS:
        raise InputError(
            f"{path} is of no kind that read_coordinates knows ({key or 'no suffix'}); give CSV, "
            "XYZ, CIF, POSCAR, LAMMPS data or dump, GSD, NPZ, NPY or atomap's HDF5."
        )
    if columns is not None and key not in TABLE_READERS:
        raise InputError(f"columns go with a bare table (CSV, NPY); {path} names its own.")
    try:
        if key in TABLE_READERS:
            atoms = TABLE_READERS[key](path, frame, columns)
        else:
            atoms = READERS[key](path, frame)
    except InputError as error:
        said = str(error)
        raise InputError(said if str(path) in said else f"{path}: {said}") from None
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(
            f"{path} cannot be read as {key[1:].upper()} ({one_line(error)}); check the export."
        ) from None
    if unit is not None and unit != atoms.unit:
        atoms = atoms.with_changes(unit=unit)
    return atoms


def _key(path: Path) -> str:
    """Return what a file's name says of its kind; VASP's files carry it before the dot."""
    stem = path.name.lower().partition(".")[0]
    if stem.startswith(("poscar", "contcar")) and path.suffix.lower() not in ASE_FORMATS:
        return ".poscar"
    return path.suffix.lower()


def _read_csv(path: Path, frame: int, columns: Sequence[str] | None) -> AtomicConfiguration:
    if frame != 0:
        raise InputError(f"frame must be 0: a table holds one frame; got {frame}.")
    if columns is None:
        return AtomicConfiguration.from_csv(path)
    with path.open(encoding="utf-8") as file:
        first = file.readline()
        lines = [first, *(file.readline() for _ in range(3))]
    unit = first.split(":", 1)[1].strip() if first.startswith("# unit:") else "pixel"
    top = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    separator = "," if "," in top else r"\s+"
    try:
        float(top.replace(",", " ").split()[0])
        named = False
    except (ValueError, IndexError):
        named = True
    table = pd.read_csv(path, comment="#", header=0 if named else None, sep=separator)
    return table_of(table.to_numpy(dtype=np.float64), columns, unit, path)


def _read_ase(path: Path, frame: int) -> AtomicConfiguration:
    frames, _ = ase_frames(path, ASE_FORMATS[_key(path)], frame)
    return configuration_of(frames[0], "angstrom")


def _read_gsd(path: Path, frame: int) -> AtomicConfiguration:
    frames, _ = gsd_frames(path, frame)
    return configuration_of(frames[0], "reduced")


def _read_xyz(path: Path, frame: int) -> AtomicConfiguration:
    """Read one frame of an XYZ file; the unit is angstrom unless its comment says otherwise."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = 0
    for skipped in range(frame + 1):
        n = _announced(lines, start)
        if skipped < frame:
            start += n + 2
            if start >= len(lines) or not "".join(lines[start:]).strip():
                raise InputError(f"frame must be 0 to {skipped}; got {frame}.")
    if "lattice=" in "".join(lines[start + 1 : start + 2]).lower():
        frames, _ = ase_frames(path, "extxyz", frame)
        return configuration_of(frames[0], "angstrom")
    rows = [line.split() for line in lines[start + 2 : start + 2 + n]]
    if n < 1 or len(rows) < n:
        raise InputError(f"{n} atoms are announced and {len(rows)} found; the file is truncated.")
    try:
        positions = np.array([[float(word) for word in row[1:4]] for row in rows])
    except ValueError:
        raise InputError("each line must be: symbol x y z.") from None
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise InputError("each line must be: symbol x y z.")
    symbols = [row[0] for row in rows]
    names = sorted(set(symbols))
    comment = lines[start + 1].lower()
    unit = next((u for u in ("pixel", "reduced", "nm", "um") if f"lengths in {u}" in comment), None)
    flat = bool(np.all(positions[:, 2] == positions[0, 2]))
    return AtomicConfiguration(
        positions[:, :2] if flat else positions,
        unit=unit or "angstrom",
        species=np.array([names.index(symbol) for symbol in symbols]),
        species_names=tuple(names),
        metadata={"source": path.name},
    )


def _announced(lines: list[str], start: int) -> int:
    try:
        return int(lines[start])
    except (ValueError, IndexError):
        raise InputError(
            "the first line of an XYZ file must be the number of atoms; "
            f"got {lines[start][:40] if start < len(lines) else ''!r}."
        ) from None


READERS: dict[str, Reader] = {
    ".xyz": _read_xyz, ".gsd": _read_gsd, ".npz": read_atomai, ".h5": read_atomap,
    ".hdf5": read_atomap,
}  # fmt: skip
READERS.update(dict.fromkeys(ASE_FORMATS, _read_ase))
TABLE_READERS: dict[str, TableReader] = {".csv": _read_csv, ".txt": _read_csv, ".npy": read_array}
