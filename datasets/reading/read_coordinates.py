"""Coordinates of atoms or columns from CSV and XYZ files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from physlearn.checks import InputError
from physlearn.records import AtomicConfiguration

__all__ = ["read_coordinates"]


def read_coordinates(path: str | os.PathLike[str]) -> AtomicConfiguration:
    """Read positions (and species, widths, errors where given) from a CSV or XYZ file.

    Parameters
    ----------
    path
        CSV with columns x and y (z): an ``atoms.csv`` of a study, or any table. Its first line may
        say ``# unit: nm``; else pixels. XYZ (symbol x y z, angstrom).

    Raises
    ------
    InputError
        One sentence that names the file and what to do.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "atoms.csv"
    >>> _ = file.write_text("# unit: nm" + chr(10) + "x,y" + chr(10) + "0.1,0.2")
    >>> read_coordinates(file).positions.tolist()
    [[0.1, 0.2]]
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"path {path} does not exist or is a folder; check its name.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); export it again.")
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            return AtomicConfiguration.from_csv(path)
        if kind == ".xyz":
            return _read_xyz(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise InputError(
            f"{path} cannot be read as {kind[1:].upper()} ({reason.rstrip('.')}); check the export."
        ) from None
    raise InputError(f"{path} is of no kind that read_coordinates knows; give CSV or XYZ.")


def _read_xyz(path: Path) -> AtomicConfiguration:
    """Read the first frame of a plain XYZ file; the unit is angstrom unless its comment says."""
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        n = int(lines[0])
    except (ValueError, IndexError):
        raise InputError(
            "the first line of an XYZ file must be the number of atoms; "
            f"got {lines[0][:40] if lines else ''!r}."
        ) from None
    rows = [line.split() for line in lines[2 : 2 + n]]
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
    comment = lines[1].lower()
    unit = next((u for u in ("pixel", "reduced", "nm", "um") if f"lengths in {u}" in comment), None)
    flat = bool(np.all(positions[:, 2] == positions[0, 2]))
    return AtomicConfiguration(
        positions[:, :2] if flat else positions,
        unit=unit or "angstrom",
        species=np.array([names.index(symbol) for symbol in symbols]),
        species_names=tuple(names),
        metadata={"source": path.name},
    )
