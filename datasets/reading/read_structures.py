"""Crystal structures with their energies from files of electronic-structure codes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physlearn.checks import InputError
from physlearn.datasets.reading.computed_entries import (
    ase_frames,
    entry_tags,
    json_entries,
    keep_tagged,
)
from physlearn.records import AtomicConfiguration

__all__ = ["configuration_from_ase", "read_structures"]


def read_structures(
    path: str | os.PathLike[str], tag: str | None = None
) -> list[AtomicConfiguration]:
    """Read crystals and their energies.

    Parameters
    ----------
    path
        A JSON list of entries with ``structure`` (lattice and sites as pymatgen writes them),
        ``outputs`` (energy in eV of the whole cell, stress) and ``tags``; or any file that ASE
        reads (extxyz, db, POSCAR, ...), all frames of it.
    tag
        Keep the entries with this tag only (``relax``, ``unrelax`` in ``dft_alloys_bcc``), the
        whole tag, blanks and all; for what ASE reads, ``tags`` of a frame's ``info`` or a word of
        it.

    Returns
    -------
    list of AtomicConfiguration
        In angstrom, with ``cell``, species and ``metadata``: ``energy_ev`` (whole cell, absent
        where the file has none), ``tags``, ``group`` and ``description`` as texts.

    Raises
    ------
    InputError
        When the file is absent, holds no structure, or none has the tag.
    BackendUnavailable
        When ASE is needed and not installed.

    Examples
    --------
    >>> import json, tempfile
    >>> entry = {"structure": {"lattice": {"matrix": [[3, 0, 0], [0, 3, 0], [0, 0, 3]]},
    ...     "sites": [{"label": "Nb", "xyz": [0, 0, 0]}]}, "outputs": {"energy": -10.1}}
    >>> file = Path(tempfile.mkdtemp()) / "one.json"
    >>> _ = file.write_text(json.dumps([entry]))
    >>> read_structures(file)[0].metadata["energy_ev"]
    -10.1
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"path {path} does not exist or is a folder; check its name.")
    entries = json_entries(path)
    if entries is not None:
        structures = [_from_entry(entry, path, number) for number, entry in enumerate(entries)]
        return keep_tagged(path, structures, [entry_tags(one) for one in entries], tag)
    frames = ase_frames(path)
    structures = [configuration_from_ase(frame) for frame in frames]
    return keep_tagged(path, structures, [entry_tags(one.info) for one in frames], tag)


def configuration_from_ase(atoms: Any) -> AtomicConfiguration:
    """Return an ASE ``Atoms`` object as a record in angstrom, with its energy where it has one.

    Raises
    ------
    InputError
        When the object is no ASE ``Atoms``, or is not periodic along all three cell vectors.

    Examples
    --------
    >>> import ase
    >>> cube = ase.Atoms("NbMo", [[0, 0, 0], [1.6, 1.6, 1.6]], cell=[3.2, 3.2, 3.2], pbc=True)
    >>> configuration_from_ase(cube).species_names
    ('Mo', 'Nb')
    """
    needed = ("get_positions", "get_chemical_symbols", "get_cell", "get_pbc")
    if not all(hasattr(atoms, name) for name in needed):
        raise InputError(f"structures must be ASE Atoms; got {type(atoms).__name__}.")
    if not np.all(atoms.get_pbc()):
        raise InputError(
            "structures must be periodic along all three cell vectors; set atoms.pbc = True, or "
            "give a film or a cluster as LatticeSnapshots on its graph."
        )
    metadata: dict[str, Any] = {
        str(name): value
        for name, value in getattr(atoms, "info", {}).items()
        if isinstance(value, str | int | float | bool)
    }
    try:
        symbols = list(atoms.get_chemical_symbols())
    except IndexError:
        highest = max(atoms.get_atomic_numbers())
        raise InputError(f"structures must hold atoms that exist; got number {highest}.") from None
    energy = _energy_of(atoms)
    if energy is not None:
        metadata["energy_ev"] = energy
    return _record(
        np.asarray(atoms.get_positions()), symbols,
        np.asarray(atoms.get_cell()), metadata,
    )  # fmt: skip


def _energy_of(atoms: Any) -> float | None:
    """Return the energy that ASE holds; asking for one without a result would start a run."""
    results = getattr(getattr(atoms, "calc", None), "results", {})
    if "energy" not in results:
        return None
    try:
        return float(results["energy"])
    except (TypeError, ValueError):
        said = repr(results["energy"])[:60]
        raise InputError(f"energy of a structure must be a number; got {said}.") from None


def _record(
    positions: Any, symbols: list[str], cell: Any, metadata: Mapping[str, Any]
) -> AtomicConfiguration:
    names = sorted(set(symbols))
    return AtomicConfiguration(
        positions, unit="angstrom", cell=cell, metadata=metadata,
        species=np.array([names.index(symbol) for symbol in symbols]),
        species_names=tuple(names),
    )  # fmt: skip


def _from_entry(entry: Mapping[str, Any], path: Path, number: int) -> AtomicConfiguration:
    try:
        structure = entry["structure"]
        cell = np.array(structure["lattice"]["matrix"], np.float64)
        places = np.array([site["xyz"] for site in structure["sites"]], np.float64)
        symbols = [str(site["label"]) for site in structure["sites"]]
        metadata = _metadata(entry, path, number)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"path {path} must hold entries with structure, lattice, matrix and sites; entry "
            f"{number} lacks {error}."
        ) from None
    return _record(places, symbols, cell, metadata)


def _metadata(entry: Mapping[str, Any], path: Path, number: int) -> dict[str, Any]:
    """Return what an entry says of itself."""
    known: dict[str, Any] = {"source": path.name, "entry": number}
    energy = (entry.get("outputs") or {}).get("energy")
    if energy is not None:
        known["energy_ev"] = float(energy)
    tags = entry.get("tags")
    if tags:
        known["tags"] = tags if isinstance(tags, str) else " ".join(map(str, tags))
    for name in ("group", "description"):
        if entry.get(name):
            known[name] = str(entry[name])
    return known
