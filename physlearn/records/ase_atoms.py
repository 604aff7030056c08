"""Atoms as ASE holds them, with errors, species names and metadata there and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import BackendUnavailable, InputError

if TYPE_CHECKING:
    from physlearn.records.atoms import AtomicConfiguration

__all__ = ["atoms_to_ase", "values_from_ase"]

KEY = "physlearn"
LENGTHS = ("width",)
PLAIN = ("intensity", "intensity_sd", "detection_probability", "species_log_likelihood", "species")
TEXTS = ("species_names", "thickness_columns", "metadata", "warnings")


def atoms_to_ase(atoms: AtomicConfiguration, scale: float | None, symbols: Sequence[str]) -> Any:
    """Return the ``ase.Atoms``; ``scale`` is angstrom per unit, None for none.

    Raises
    ------
    BackendUnavailable
        When ASE is not installed.
    InputError
        When the unit has no length in angstrom.
    """
    ase = _import_ase()
    if scale is None:
        raise InputError(f"unit must be a length for ASE (angstrom, nm, um); got {atoms.unit!r}.")
    d = atoms.dimension
    full = np.zeros((atoms.n, 3))
    full[:, :d] = atoms.positions * scale
    known = ase.data.atomic_numbers
    cell = None
    if atoms.cell is not None:
        cell = np.zeros((3, 3))
        cell[:d, :d] = atoms.cell * scale
    periodic = [atoms.cell is not None and axis < d for axis in range(3)]
    made = ase.Atoms(
        [name if name in known else "X" for name in symbols],
        positions=full,
        cell=cell,
        pbc=periodic,
    )
    for name in (*LENGTHS, *PLAIN):
        values = getattr(atoms, name)
        if values is not None:
            made.set_array(name, values * scale if name in LENGTHS else values)
    if atoms.position_covariance is not None:
        covariance = np.zeros((atoms.n, 3, 3))
        covariance[:, :d, :d] = atoms.position_covariance * scale**2
        made.set_array("position_covariance", covariance.reshape(atoms.n, 9))
    told: dict[str, Any] = {name: getattr(atoms, name) for name in TEXTS}
    for name in ("field_of_view", "pixel_size", "row_error"):
        told[name] = getattr(atoms, name)
    made.info[KEY] = json.dumps({**told, "unit": atoms.unit, "dimension": d})
    return made


def values_from_ase(
    atoms: Any, angstrom_per: Mapping[str, float]
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return positions and the other attributes of the record of an ``ase.Atoms``.

    Raises
    ------
    InputError
        Where what physlearn left in ``info`` is damaged.
    """
    symbols = atoms.get_chemical_symbols()
    if KEY not in atoms.info:
        names = tuple(dict.fromkeys(symbols))
        code = {name: index for index, name in enumerate(names)}
        return atoms.get_positions(), {
            "unit": "angstrom",
            "species": np.array([code[name] for name in symbols], dtype=np.int64),
            "species_names": names,
            "cell": np.asarray(atoms.cell) if all(atoms.pbc) else None,
        }
    try:
        told = json.loads(atoms.info[KEY])
        d, scale = int(told.pop("dimension")), angstrom_per[told["unit"]]
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"atoms.info[{KEY!r}] must be what to_ase wrote there ({error}); delete it to take the "
            "atoms as they stand."
        ) from None
    values = {name: atoms.arrays[name] for name in (*LENGTHS, *PLAIN) if name in atoms.arrays}
    for name in LENGTHS:
        if name in values:
            values[name] = values[name] / scale
    if "position_covariance" in atoms.arrays:
        covariance = atoms.arrays["position_covariance"].reshape(-1, 3, 3)
        values["position_covariance"] = covariance[:, :d, :d] / scale**2
    if any(atoms.pbc):
        values["cell"] = np.asarray(atoms.cell)[:d, :d] / scale
    return atoms.get_positions()[:, :d] / scale, {**told, **values}


def _import_ase() -> Any:
    try:
        import ase
        import ase.data
    except ImportError:
        raise BackendUnavailable(
            "ASE is not installed; install it with `python -m pip install ase`."
        ) from None
    return ase
