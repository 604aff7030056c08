"""A chosen patch of atoms as a simulation cell, so that only patches of interest are simulated."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import BackendUnavailable, InputError, check_array, check_positive
from physlearn.records import AtomicConfiguration
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["patch_to_cell"]

Floats = NDArray[np.float64]
Column = str | Sequence[tuple[str, float]]

ANGSTROM_PER = {"angstrom": 1.0, "nm": 10.0, "um": 1e4}
VACUUM_ANGSTROM = 10.0
CLOSE_SHARE = 0.6
"""Atoms nearer than this share of the patch's usual distance do not fit together at the seam."""
ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As "
    "Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu "
    "Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np "
    "Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)


def patch_to_cell(
    atoms: AtomicConfiguration,
    center: ArrayLike,
    size: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    symbols: Mapping[str, Column] | None = None,
    lattice: ArrayLike | None = None,
    vacuum_angstrom: float = VACUUM_ANGSTROM,
) -> AtomicConfiguration:
    """Cut a patch out of a picture's atoms as a simulation cell, and write it as extended XYZ.

    Without ``lattice`` the patch is cut along x and y and stands alone, with vacuum on every side
    and no periodic direction. With the lattice's two vectors, the cell is the whole number of
    periods that comes nearest to ``size``, periodic in the plane. Along the beam there is always
    vacuum.

    Parameters
    ----------
    atoms
        In angstrom, nm or um, each with its species.
    center
        (x, y) of the patch in the atoms' unit.
    size
        Edge of the patch, or its edges along x and y, in the atoms' unit.
    path
        File to write (``.xyz`` or ``.extxyz``); None writes none. Needs ASE.
    symbols
        Species name -> element symbol, or the atoms that stand above one another in its column as
        (symbol, height in angstrom). None takes the species names for symbols.
    lattice
        Two lattice vectors as rows, in the atoms' unit.
    vacuum_angstrom
        Empty length on each side of the atoms.

    Returns
    -------
    AtomicConfiguration
        In angstrom, three coordinates, inside ``cell``; ``metadata`` hold centre, size, unit and
        source of the patch, ``pbc``, and how well the positions were known
        (``position_sd_angstrom``). ``warnings`` say where the seam of a periodic cell does not
        close.

    Raises
    ------
    InputError
        When the atoms have no scale or no species, a species is no element, the patch lies outside
        the field of view or holds no atom.
    BackendUnavailable
        When a file is asked for and ASE is not installed.

    Examples
    --------
    >>> x, y = (part.ravel() * 3.0 for part in np.meshgrid(np.arange(10.0), np.arange(10.0)))
    >>> atoms = AtomicConfiguration(np.stack([x, y], axis=1), "angstrom",
    ...     species=np.arange(100) % 2, species_names=("Nb", "Mo"))
    >>> cell = patch_to_cell(atoms, (13.5, 13.5), 12.0, lattice=[[3.0, 0.0], [0.0, 3.0]])
    >>> cell.n, np.diag(cell.cell).tolist()
    (16, [12.0, 12.0, 20.0])
    """
    check_positive("vacuum_angstrom", vacuum_angstrom, allow_zero=True)
    scale = _angstrom_per_unit(atoms)
    names = _columns(atoms, symbols)
    middle = check_array("center", center, shape=(2,)) * scale
    edges = np.broadcast_to(check_array("size", np.atleast_1d(np.asarray(size, float))), (2,))
    if not np.all(edges > 0):
        raise InputError(f"size must be above 0; got {edges.tolist()}.")
    edges = edges * scale
    _check_inside(atoms, middle, edges, scale)
    positions = atoms.positions[:, :2] * scale
    if lattice is None:
        plane = np.diag(edges)
        inside = np.all(np.abs(positions - middle) <= 0.5 * edges, axis=1)
    else:
        plane = _whole_periods(check_array("lattice", lattice, shape=(2, 2)) * scale, edges)
        share = (positions - middle) @ np.linalg.inv(plane) + 0.5
        # half-open with a slack for rounding, so that an atom on the seam is taken once
        inside = np.all((share >= -1e-9) & (share < 1 - 1e-9), axis=1)
    chosen = np.flatnonzero(inside)
    if not len(chosen):
        raise InputError(f"center and size must frame at least one atom; {_said(center)} has none.")
    cell = _build(atoms, chosen, names, positions - middle, plane, lattice is not None,
                  float(vacuum_angstrom), scale)  # fmt: skip
    cell = replace(cell, metadata={**cell.metadata, **_provenance(atoms, center, size)})
    if path is not None:
        _write(cell, path)
    return cell


def _angstrom_per_unit(atoms: AtomicConfiguration) -> float:
    if atoms.unit not in ANGSTROM_PER:
        raise InputError(
            f"atoms must be in {', '.join(ANGSTROM_PER)}, because a simulation needs lengths; they "
            f"are in {atoms.unit}: convert them with the size of a pixel first."
        )
    return ANGSTROM_PER[atoms.unit]


def _columns(
    atoms: AtomicConfiguration, symbols: Mapping[str, Column] | None
) -> list[list[tuple[str, float]]]:
    """Return the atoms of one column, as (symbol, height), for each species code."""
    if atoms.species is None or not atoms.species_names:
        raise InputError(
            "atoms must carry species and species_names; classify them first (classify_species)."
        )
    known = frozenset(ELEMENTS.split())
    columns = []
    for name in atoms.species_names:
        column = name if symbols is None else symbols.get(name, name)
        parts = [(column, 0.0)] if isinstance(column, str) else [(s, float(z)) for s, z in column]
        wrong = [symbol for symbol, _ in parts if symbol not in known]
        if wrong or not parts:
            raise InputError(
                f"symbols must say which element species {name!r} is; "
                f"{wrong[0] if wrong else 'nothing'!r} is none: give symbols={{{name!r}: 'Mo'}}, "
                "with the right element."
            )
        columns.append(parts)
    return columns


def _check_inside(atoms: AtomicConfiguration, middle: Floats, edges: Floats, scale: float) -> None:
    """Refuse a patch that the field of view holds in part only: its edge would be made up."""
    if atoms.field_of_view is None:
        return
    view = np.array(atoms.field_of_view) * scale
    low, high = middle - 0.5 * edges, middle + 0.5 * edges
    slack = 1e-9 * np.abs(view).max()
    if np.any(low < view[:2] - slack) or np.any(high > view[2:] + slack):
        raise InputError(
            f"center and size must frame a patch inside the field of view "
            f"{_said(atoms.field_of_view)} {atoms.unit}; the patch reaches from "
            f"{_said(low / scale)} to {_said(high / scale)}."
        )


def _whole_periods(vectors: Floats, edges: Floats) -> Floats:
    """Return the cell of whole lattice periods whose edges come nearest to the patch's."""
    lengths = np.linalg.norm(vectors, axis=1)
    if min(lengths) <= 0 or abs(np.linalg.det(vectors)) < 1e-6 * lengths.prod():
        raise InputError(f"lattice must hold two independent vectors; got {vectors.tolist()}.")
    # the vector that runs more along x is counted against the patch's edge along x
    along_x = int(abs(vectors[1, 0]) * lengths[0] > abs(vectors[0, 0]) * lengths[1])
    wanted = edges[::-1] if along_x else edges
    number = np.maximum(np.rint(wanted / lengths), 1.0)
    return np.asarray(vectors * number[:, None])


def _build(
    atoms: AtomicConfiguration, chosen: NDArray[np.int64], names: list[list[tuple[str, float]]],
    offsets: Floats, plane: Floats, periodic: bool, vacuum: float, scale: float,
) -> AtomicConfiguration:  # fmt: skip
    assert atoms.species is not None  # noqa: S101 -- the caller has checked it
    places, elements = [], []
    for atom in chosen:
        for symbol, height in names[atoms.species[atom]]:
            places.append([*offsets[atom], height])
            elements.append(symbol)
    positions = np.array(places)
    heights = positions[:, 2]
    positions[:, 2] += vacuum - heights.min()
    depth = float(np.ptp(heights)) + 2 * vacuum
    rim = 0.0 if periodic else vacuum
    edges = plane + 2 * rim * np.eye(2) if rim else plane
    positions[:, :2] += 0.5 * edges.sum(axis=0)
    cell = np.zeros((3, 3))
    cell[:2, :2], cell[2, 2] = edges, depth
    symbols = sorted(set(elements))
    warnings = list(atoms.warnings)
    if periodic:
        warnings += _seam(offsets[chosen], plane)
    metadata: dict[str, Any] = {"pbc": "T T F" if periodic else "F F F"}
    if atoms.position_covariance is not None:
        variance = np.trace(atoms.position_covariance[chosen][:, :2, :2], axis1=1, axis2=2) / 2
        metadata["position_sd_angstrom"] = float(np.sqrt(variance.mean())) * scale
    return AtomicConfiguration(
        positions, "angstrom", cell=cell, metadata=metadata, warnings=tuple(warnings),
        species=np.array([symbols.index(symbol) for symbol in elements]),
        species_names=tuple(symbols),
    )  # fmt: skip


def _seam(offsets: Floats, plane: Floats) -> list[str]:
    """Say where the two sides of a periodic cell do not fit together."""
    from scipy.spatial import cKDTree

    images = [
        offsets + i * plane[0] + j * plane[1] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j
    ]
    if len(offsets) < 2:
        return []
    own = np.asarray(cKDTree(offsets).query(offsets, k=2)[0])[:, 1]
    across = np.asarray(cKDTree(np.concatenate(images)).query(offsets)[0])
    close = int((across < CLOSE_SHARE * np.median(own)).sum())
    if not close:
        return []
    return [
        f"{close} atom(s) of the periodic cell come closer to their neighbours across its seam "
        f"than {CLOSE_SHARE:.0%} of the usual distance: the lattice vectors do not fit this patch "
        "there; relax it, or move the patch."
    ]


def _provenance(atoms: AtomicConfiguration, center: Any, size: Any) -> dict[str, Any]:
    """Return where the patch comes from, as texts and numbers."""
    known: dict[str, Any] = {
        "patch_center": _said(center), "patch_size": _said(size), "patch_unit": atoms.unit,
        "patch_source": str(atoms.metadata.get("source", "not recorded")),
        "patch_history": "columns seen along the beam, cut from one picture; heights are not "
        "measured",
    }  # fmt: skip
    return known


def _said(numbers: Any) -> str:
    return " ".join(f"{value:.6g}" for value in np.atleast_1d(np.asarray(numbers, float)))


def _write(cell: AtomicConfiguration, path: str | os.PathLike[str]) -> None:
    """Write extended XYZ through ASE, provenance in its comment line."""
    try:
        from ase.io.extxyz import write_extxyz
    except ImportError:
        raise BackendUnavailable(
            "writing a simulation cell needs ASE; install it with `python -m pip install ase`."
        ) from None
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        write_extxyz(file, [_ase_atoms(cell)])


def _ase_atoms(cell: AtomicConfiguration) -> Atoms:
    import ase

    assert cell.species is not None  # noqa: S101 -- made above
    symbols = [cell.species_names[code] for code in cell.species]
    periodic = [flag == "T" for flag in str(cell.metadata["pbc"]).split()]
    info = {key: value for key, value in cell.metadata.items() if key != "pbc"}
    if cell.warnings:
        info["patch_warnings"] = " ".join(cell.warnings)
    return ase.Atoms(symbols, cell.positions, cell=cell.cell, pbc=periodic, info=info)
