"""Forces on atoms as a computation left them, in the order of ``read_structures``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.computed_entries import (
    ase_frames,
    entry_tags,
    json_entries,
    keep_tagged,
)

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
    >>> import json, tempfile
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
    entries = json_entries(path)
    if entries is None:
        frames = ase_frames(path)
        tags = [entry_tags(one.info) for one in frames]
        tables = [(getattr(one.calc, "results", {}).get("forces"), len(one)) for one in frames]
    else:
        tags = [entry_tags(one) for one in entries]
        tables = [_forces_of(one, path, number) for number, one in enumerate(entries)]
    return [
        _checked(forces, n_atoms, path, number)
        for number, (forces, n_atoms) in keep_tagged(path, list(enumerate(tables)), tags, tag)
    ]


def _forces_of(entry: Mapping[str, Any], path: Path, number: int) -> tuple[Any, int]:
    try:
        sites = (entry.get("structure") or {}).get("sites", ())
        return (entry.get("outputs") or {}).get("forces"), len(sites)
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"path {path} must hold entries with structure and outputs; entry {number}: {error}."
        ) from None


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
