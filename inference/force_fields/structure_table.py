"""Computed structures as arrays: energies, forces and every pair of atoms, grouped by condition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.force_fields import structure_kernels as kernels
from physlearn.records import AtomicConfiguration

__all__ = ["Condition", "make_conditions", "nearest_distance", "periodic_pairs", "read_computed"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
SNAPSHOT = re.compile(r"snapshot \d+ of \d+ (of )?", re.IGNORECASE)
CLOSEST = 0.3
"""In units of the median nearest distance: atoms closer than that are on top of each other."""


@dataclass(frozen=True, eq=False)
class Computed:
    """What was given, checked: one entry a structure."""

    structures: list[AtomicConfiguration]
    energies: Float | None
    forces: list[Float] | None
    conditions: list[str]
    groups: list[str]
    elements: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Condition:
    """Structures of one run (one temperature, density, defect), all pairs of atoms listed.

    ``index``: which of the given structures; ``n_atoms``: (s,); ``owner``: (n,) structure of each
    atom; ``species``: (n,); ``composition``: (s, q) shares of the elements; ``energies``: (s,) per
    atom, or None; ``forces``: (n, d) or None; ``pairs``: (m, 2) of atoms of the whole condition;
    ``distance``, ``unit``: (m,), (m, 3).
    """

    label: str
    index: Int
    dimension: int
    n_atoms: Int
    owner: Int
    species: Int
    composition: Float
    energies: Float | None
    forces: Float | None
    pairs: Int
    distance: Float
    unit: Float

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return len(self.n_atoms)

    @property
    def n_total(self) -> int:
        """Number of atoms of all structures."""
        return len(self.owner)


def periodic_pairs(
    positions: ArrayLike, cell: ArrayLike | None, cutoff: float
) -> tuple[Int, Float]:
    """Return every pair of atoms closer than a cutoff, with all images, in a cell of any shape.

    Parameters
    ----------
    positions
        Shape (n, d), d = 2 or 3.
    cell
        Shape (d, d), rows are the periods; None: open. The cutoff may exceed the cell.

    Returns
    -------
    pairs, displacement
        int64 (m, 2), first <= second, and float64 (m, 3), from the first to the image of the
        second; an atom's own images are listed once a pair of opposite ones.

    Raises
    ------
    InputError
        For a cell without volume.
    """
    given = check_array("positions", positions, ndim=2)
    n, d = given.shape
    places = np.zeros((n, 3))
    places[:, :d] = given
    frame, turns = np.eye(3), np.zeros(3, dtype=np.int64)
    if cell is not None:
        frame[:d, :d] = check_array("cell", cell, shape=(d, d))
        volume = abs(np.linalg.det(frame))
        longest = np.linalg.norm(frame, axis=1).max()
        if volume < 1e-6 * longest**d:
            raise InputError(f"cell must have a volume; got {np.asarray(cell).tolist()}.")
        inverse = np.linalg.inv(frame)
        heights = 1.0 / np.linalg.norm(inverse, axis=0)
        turns[:d] = np.floor(cutoff / heights[:d]).astype(np.int64) + 1
        shares = places @ inverse
        shares[:, :d] -= np.floor(shares[:, :d])
        places = shares @ frame
    room = max(64, 40 * n)
    while True:
        pairs, displacement = np.zeros((room, 2), dtype=np.int64), np.zeros((room, 3))
        found = int(kernels.list_structure_pairs(places, frame, turns, cutoff, pairs, displacement))
        if found <= room:
            return pairs[:found], displacement[:found]
        room = found


def read_computed(
    structures: Sequence[Any],
    energies: ArrayLike | None,
    forces: Sequence[ArrayLike] | None,
    conditions: Sequence[str] | None,
    elements: Sequence[str] | None,
) -> Computed:
    """Check structures and what was computed of them, and name their runs.

    Raises
    ------
    InputError
        For no structures, wrong shapes, NaN, or elements that are not those asked for.
    """
    records = [_as_record(one, index) for index, one in enumerate(structures)]
    if len(records) < 2:
        raise InputError(f"structures must be at least 2; got {len(records)}.")
    dimensions = {one.dimension for one in records}
    if len(dimensions) > 1 or len({one.unit for one in records}) > 1:
        raise InputError("structures must have one number of dimensions and one unit of length.")
    known = [one.metadata.get("energy_ev") for one in records]
    table: Float | None = None
    if energies is not None:
        table = check_array("energies", energies, shape=(len(records),))
    elif all(value is not None for value in known):
        table = np.array(known, dtype=np.float64)
    given = _forces_of(structures, records, forces)
    if table is None and given is None:
        raise InputError(
            "energies or forces must be given, or be in every structure; read forces with "
            "read_forces(path)."
        )
    names = tuple(elements) if elements is not None else _elements_of(records)
    for index, one in enumerate(records):
        odd = sorted(set(_symbols(one)) - set(names))
        if odd:
            raise InputError(
                f"elements must name every species; {odd[0]!r} of structures[{index}] is not in "
                f"{list(names)}."
            )
    labels = [_run_of(one) for one in records] if conditions is None else list(map(str, conditions))
    if len(labels) != len(records):
        raise InputError(
            f"conditions must name the run of each of {len(records)} structures; got {len(labels)}."
        )
    groups = [str(one.metadata.get("group", label)) for one, label in zip(records, labels,
                                                                          strict=True)]  # fmt: skip
    return Computed(records, table, given, labels, groups, names)


def _as_record(one: Any, index: int) -> AtomicConfiguration:
    if isinstance(one, AtomicConfiguration):
        record = one
    elif hasattr(one, "get_positions"):
        from physlearn.datasets.reading.read_structures import configuration_from_ase

        record = configuration_from_ase(one)
    else:
        raise InputError(
            f"structures must be AtomicConfiguration records (read_structures) or ASE Atoms; "
            f"structures[{index}] is {type(one).__name__}."
        )
    if record.n == 0:
        raise InputError(f"structures[{index}] holds no atoms.")
    return record


def _forces_of(
    structures: Sequence[Any], records: list[AtomicConfiguration], forces: Any
) -> list[Float] | None:
    if forces is None:
        results = [getattr(getattr(one, "calc", None), "results", {}) for one in structures]
        if not all("forces" in one for one in results):
            return None
        forces = [one["forces"] for one in results]
    given = list(forces)
    if len(given) != len(records):
        raise InputError(f"forces must be of {len(records)} structures; got {len(given)}.")
    return [
        check_array(f"forces[{index}]", one, shape=(record.n, record.dimension))
        for index, (one, record) in enumerate(zip(given, records, strict=True))
    ]


def _symbols(one: AtomicConfiguration) -> list[str]:
    if one.species is None:
        return ["atom"] * one.n
    names = one.species_names
    return [names[code] if names else str(code) for code in one.species.tolist()]


def _elements_of(records: list[AtomicConfiguration]) -> tuple[str, ...]:
    return tuple(sorted({symbol for one in records for symbol in _symbols(one)}))


def _run_of(one: AtomicConfiguration) -> str:
    """Return the name of the run that made a structure: snapshots of one run share it."""
    said = str(one.metadata.get("description", ""))
    if SNAPSHOT.search(said):
        return SNAPSHOT.sub("", said).strip()
    return str(one.metadata.get("group", "structures"))


def make_conditions(data: Computed, cutoff: float) -> list[Condition]:
    """Return the structures run by run, in the order in which the runs appear."""
    labels = list(dict.fromkeys(data.conditions))
    listed = [periodic_pairs(one.positions, one.cell, cutoff) for one in data.structures]
    out = []
    for label in labels:
        index = np.array([k for k, name in enumerate(data.conditions) if name == label])
        out.append(_condition(data, label, index, listed))
    return out


def _condition(
    data: Computed, label: str, index: Int, listed: list[tuple[Int, Float]]
) -> Condition:
    chosen = [data.structures[k] for k in index]
    n_atoms = np.array([one.n for one in chosen])
    starts = np.concatenate([[0], np.cumsum(n_atoms)[:-1]])
    species = [np.array([data.elements.index(s) for s in _symbols(one)]) for one in chosen]
    q = len(data.elements)
    displacement = np.concatenate([listed[k][1] for k in index])
    distance = np.linalg.norm(displacement, axis=1)
    if distance.size and distance.min() <= 0.0:
        raise InputError("structures hold two atoms at one place; remove one of them.")
    return Condition(
        label, index, data.structures[0].dimension, n_atoms,
        np.repeat(np.arange(len(chosen)), n_atoms), np.concatenate(species),
        np.array([np.bincount(s, minlength=q) / len(s) for s in species]),
        None if data.energies is None else data.energies[index] / n_atoms,
        None if data.forces is None else np.concatenate([data.forces[k] for k in index]),
        np.concatenate([listed[k][0] + at for k, at in zip(index, starts, strict=True)]),
        distance, displacement / distance[:, None],
    )  # fmt: skip


def nearest_distance(structures: Sequence[AtomicConfiguration]) -> float:
    """Return the median distance of an atom to its nearest neighbour.

    Raises
    ------
    InputError
        For atoms on top of each other, or atoms without any neighbour.
    """
    found = []
    for one in structures:
        volume = _size(one)
        reach = 1.5 * (volume / one.n) ** (1.0 / one.dimension)
        for _ in range(8):
            pairs, displacement = periodic_pairs(one.positions, one.cell, reach)
            nearest = np.full(one.n, np.inf)
            r = np.linalg.norm(displacement, axis=1)
            np.minimum.at(nearest, pairs[:, 0], r)
            np.minimum.at(nearest, pairs[:, 1], r)
            if np.isfinite(nearest).all():
                break
            reach *= 1.5
        found.append(nearest[np.isfinite(nearest)])
    every = np.concatenate(found)
    if not every.size:
        raise InputError("structures have no two atoms near each other; no pair force follows.")
    middle = float(np.median(every))
    closest = min((float(one.min()), k) for k, one in enumerate(found) if one.size)
    if closest[0] < CLOSEST * middle:
        raise InputError(
            f"structures[{closest[1]}] holds atoms {closest[0]:.3g} apart, where {middle:.3g} is "
            "usual: two atoms on top of each other; remove one or the structure."
        )
    return middle


def _size(one: AtomicConfiguration) -> float:
    if one.cell is not None:
        return float(abs(np.linalg.det(one.cell)))
    spread = np.ptp(one.positions, axis=0)
    return float(np.prod(np.maximum(spread, 0.1 * max(float(spread.max()), 1e-9))))
