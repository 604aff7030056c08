"""Coordinates that other finders left: atomap's HDF5, AtomAI's and any net's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array
from physlearn.datasets.reading.array_files import load_npz, npz_arrays
from physlearn.datasets.reading.file_checks import check_memory, one_line, unreadable
from physlearn.datasets.reading.hdf5_files import open_hdf5
from physlearn.records import AtomicConfiguration

__all__ = ["read_array", "read_atomai", "read_atomap", "table_of"]

AXES = ("x", "y", "z")
NO_ERRORS = (
    "the positions of {name} come from another finder and carry no errors; fit the columns at them "
    "in the picture to get some."
)


def table_of(
    values: NDArray[Any], columns: Sequence[str] | None, unit: str, path: Path
) -> AtomicConfiguration:
    """Return the record of an array whose columns are named by hand."""
    if values.ndim != 2:
        raise InputError(f"{path} must hold one row an atom, got shape {values.shape}.")
    if columns is None:
        raise InputError(
            f"{path} holds {values.shape[1]} columns without names; name them in order with "
            'columns=("x", "y") or, where rows stand first, columns=("y", "x", "species").'
        )
    if len(columns) != values.shape[1] or len(set(columns)) < len(columns):
        raise InputError(
            f"columns must be {values.shape[1]} different names for {path}; got {tuple(columns)}."
        )
    if not {"x", "y"} <= set(columns):
        raise InputError(f"columns must name x and y; got {tuple(columns)}.")
    numbers = check_array(f"the table in {path}", values)
    by_name = dict(zip(columns, numbers.T, strict=True))
    positions = np.stack([by_name[axis] for axis in AXES if axis in by_name], axis=1)
    known: dict[str, Any] = {
        name: by_name[name] for name in ("width", "intensity", "intensity_sd") if name in by_name
    }
    if "species" in by_name:
        codes = check_array(f"species in {path}", by_name["species"], dtype=np.int64, minimum=0)
        known["species"] = codes
        known["species_names"] = tuple(f"class {k}" for k in range(int(codes.max()) + 1))
    return AtomicConfiguration(
        positions, unit=unit, metadata={"source": path.name},
        warnings=(NO_ERRORS.format(name=path.name),), **known,
    )  # fmt: skip


def read_array(path: Path, frame: int, columns: Sequence[str] | None) -> AtomicConfiguration:
    """Read one row an atom from an NPY file whose columns the caller names."""
    if frame != 0:
        raise InputError(f"frame must be 0: {path} holds one frame; got {frame}.")
    try:
        header = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises many kinds
        if any(word in str(error).lower() for word in ("pickle", "python objects")):
            raise _pickled(path) from None
        raise unreadable(path, error) from None
    check_memory(path, header.shape)
    return table_of(np.array(header), columns, "pixel", path)


def _pickled(path: Path) -> InputError:
    return InputError(
        f"{path} holds Python objects (AtomAI's dictionary, saved by numpy.save), which are not "
        "opened because they may run code; save it anew with "
        "numpy.savez(name, **{str(frame): rows for frame, rows in coordinates.items()})."
    )


def read_atomai(path: Path, frame: int) -> AtomicConfiguration:
    """Read one frame of AtomAI's coordinates: rows of (row, column, class), one array a frame."""
    arrays = npz_arrays(path)
    if any(dtype.kind == "O" for _, dtype in arrays.values()):
        raise _pickled(path)
    numbers = sorted(int(name) for name in arrays if name.isdecimal())
    if not numbers:
        raise InputError(
            f"{path} must hold one array a frame, named 0, 1, ... (AtomAI's coordinates); it holds "
            f"{', '.join(list(arrays)[:8]) or 'nothing'}: give NPY with columns=."
        )
    if frame not in numbers:
        raise InputError(f"frame must be one of {numbers[0]} to {numbers[-1]}; got {frame!r}.")
    rows = load_npz(path, [str(frame)])[str(frame)]
    if rows.ndim != 2 or rows.shape[1] not in (2, 3):
        raise InputError(
            f"{path} must hold rows of (row, column, class) in frame {frame}, got shape "
            f"{rows.shape}."
        )
    atoms = table_of(rows, ("y", "x", "species")[: rows.shape[1]], "pixel", path)
    metadata = {**atoms.metadata, "finder": "AtomAI", "frame": int(frame)}
    return atoms.with_changes(metadata=metadata)


def read_atomap(path: Path, frame: int) -> AtomicConfiguration:
    """Read the sublattices of an atomap Atom_Lattice; each becomes a species."""
    if frame != 0:
        raise InputError(f"frame must be 0: {path} holds one frame; got {frame}.")
    positions, species, names, widths, sizes = [], [], [], [], []
    with open_hdf5(path) as file:
        try:
            groups = [
                (int(group.attrs.get("sublattice_index", at)), group)
                for at, (name, group) in enumerate(file.items())
                if hasattr(group, "keys") and "atom_positions" in group
            ]
            for code, (_, group) in enumerate(sorted(groups, key=lambda pair: pair[0])):
                rows = np.asarray(group["atom_positions"][()], np.float64)
                if rows.ndim != 2 or rows.shape[1] != 2:
                    raise InputError(
                        f"{path} must hold (x, y) a column in {group.name}, got shape {rows.shape}."
                    )
                name = group.attrs.get("name", group.attrs.get("tag", ""))
                name = name.decode() if isinstance(name, bytes) else str(name)
                positions.append(rows)
                species += [code] * len(rows)
                names.append(name or f"sublattice {code}")
                sizes.append(float(group.attrs.get("pixel_size", 1.0)))
                widths.append(_atomap_width(group, len(rows)))
        except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path} cannot be read as atomap's HDF5 ({one_line(error)}); save it again."
            ) from None
    if not positions:
        raise InputError(
            f"{path} holds no atomap sublattice (a group with atom_positions); save the "
            "Atom_Lattice with its save method."
        )
    stated = [one for one in widths if one is not None]
    width = np.concatenate(stated) if len(stated) == len(widths) else None
    notes = [NO_ERRORS.format(name=path.name)]
    if set(sizes) != {1.0}:
        notes.append(
            f"{path.name} states pixel sizes ({', '.join(f'{size:g}' for size in sizes)}) without "
            "a unit: positions stay in pixels."
        )
    return AtomicConfiguration(
        np.concatenate(positions), unit="pixel", species=np.array(species),
        species_names=tuple(names), warnings=tuple(notes),
        metadata={"source": path.name, "finder": "atomap", "pixel_size_stated": sizes[0]},
        width=width,
    )  # fmt: skip


def _atomap_width(group: Any, n: int) -> NDArray[np.float64] | None:
    """Return the geometric mean of an atom's two widths (standard deviations), where they stand."""
    if "sigma_x" not in group or "sigma_y" not in group:
        return None
    product = np.abs(np.asarray(group["sigma_x"][()]) * np.asarray(group["sigma_y"][()]))
    return np.sqrt(product) if product.shape == (n,) and np.isfinite(product).all() else None
