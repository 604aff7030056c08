"""Forces on atoms as a computation left them, in the order of ``read_structures``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import BackendUnavailable, InputError

__all__ = ["read_forces"]


def read_forces(path: str | os.PathLike[str], tag: str | None = None) -> list[NDArray[np.float64]]:
    """Read the force on every atom of computed structures.

    Parameters
    ----------
    path
        A JSON list of entries with ``outputs`` that hold ``forces`` (eV per angstrom), or any
        file with forces that ASE reads (extxyz, vasprun.xml, ...), all frames of it.
    tag
        As of ``read_structures``: only the entries with this tag.

    Returns
    -------
    list of float64 arrays, shape (n_atoms, 3)
        In the order in which ``read_structures`` gives the structures.

    Raises
    ------
    InputError
        When the file is absent, or a structure in it has no forces, or not one for every atom.
    BackendUnavailable
        When ASE is needed and not installed.

    Examples
    --------
    >>> import tempfile
    >>> entry = {"structure": {"lattice": {"matrix": [[3, 0, 0], [0, 3, 0], [0, 0, 3]]},
    ...     "sites": [{"label": "Li", "xyz": [0, 0, 0]}]},
    ...     "outputs": {"energy": -1.9, "forces": [[0.0, 0.0, 0.1]]}}
    >>> file = Path(tempfile.mkdtemp()) / "one.json"
    >>> _ = file.write_text(json.dumps([entry]))
    >>> read_forces(file)[0].tolist()
    [[0.0, 0.0, 0.1]]
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"path {path} does not exist or is a folder; check its name.")
    entries = _json_entries(path) if path.suffix.lower() == ".json" else None
    if entries is None:
        return _ase_forces(path, tag)
    kept = [
        (number, one) for number, one in enumerate(entries)
        if tag is None or tag in [str(name) for name in one.get("tags") or ()]
    ]  # fmt: skip
    if not kept:
        raise InputError(f"path {path} must hold structures with tag {tag!r}; it holds none.")
    return [
        _checked(
            (one.get("outputs") or {}).get("forces"),
            len((one.get("structure") or {}).get("sites", ())), path, number,
        )
        for number, one in kept
    ]  # fmt: skip


def _json_entries(path: Path) -> list[dict[str, Any]] | None:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"path {path} cannot be read as JSON ({error}); export it again."
        ) from None
    if not isinstance(entries, list):
        return None
    if not all(isinstance(one, dict) for one in entries):
        raise InputError(f"path {path} must hold a list of entries with outputs and structure.")
    return entries


def _checked(forces: Any, n_atoms: int, path: Path, number: int) -> NDArray[np.float64]:
    if forces is None:
        raise InputError(
            f"path {path} must hold forces; entry {number} has none: fit its energies alone, or "
            "export outputs.forces."
        )
    try:
        table = np.asarray(forces, dtype=np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.shape != (n_atoms, 3) or not np.isfinite(table).all():
        raise InputError(
            f"path {path} must hold a finite force, three numbers, for each of {n_atoms} atoms of "
            f"entry {number}; it holds shape {table.shape}."
        )
    return table


def _ase_forces(path: Path, tag: str | None) -> list[NDArray[np.float64]]:
    if tag is not None:
        raise InputError(f"tag belongs to JSON lists of entries; {path.name} has none.")
    try:
        from ase.io import read
    except ImportError:
        raise BackendUnavailable(
            f"reading {path.name} needs ASE; install it with `python -m pip install ase`."
        ) from None
    try:
        frames = read(path, index=":")
    except Exception as error:  # ASE's readers raise any error there is
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise InputError(
            f"path {path} cannot be read by ASE ({reason}); check the export."
        ) from None
    return [
        _checked(getattr(one.calc, "results", {}).get("forces"), len(one), path, number)
        for number, one in enumerate(frames)
    ]
