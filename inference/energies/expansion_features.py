"""What an energy model sees of a structure: mean state, sums over bonds and triplets per site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice
from physlearn.datasets.reading.read_structures import configuration_from_ase
from physlearn.inference.energies.parent_lattices import (
    PARENTS,
    Matrix,
    map_to_lattice,
    neighbour_vectors,
    place_keys,
    supercell,
    supercell_sites,
)
from physlearn.inference.energies.structure_doubts import check_same_lattice, lattice_doubts
from physlearn.lattice_models.graphs.triplets import check_motif, find_triplets
from physlearn.records import AtomicConfiguration, LatticeSnapshots

__all__ = ["StructureTable", "describe_structures", "wave_sums", "without_copies"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Motif = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class StructureTable:
    """One row a structure.

    Attributes
    ----------
    mean_state
        float64, shape (n,): mean of s = -1, +1.
    pairs
        float64, shape (n, n_shells): sum over bonds s s' by shell, per site.
    next_shell
        float64, shape (n,): the same for the first shell left out; None where graphs lack it.
    triplets
        float64, shape (n, n_motifs): sum over triplets s s' s'', per site.
    n_sites
        int64, shape (n,).
    distances
        Bond length of each shell in nearest-neighbour distances.
    motif_distances
        Longest side of each motif in nearest-neighbour distances.
    log_volume, shear, displacement
        float64, shape (n,): log of the volume per site, strain without its volume part, rms
        distance from the sites in nearest-neighbour distances; None for structures on graphs.
    state_names
        The species of s = -1 and s = +1.
    lattice
        Parent lattice, or ``graph``.
    doubts
        What speaks against the lattice.
    """

    mean_state: Float
    pairs: Float
    next_shell: Float | None
    triplets: Float
    n_sites: Int
    distances: Float
    motif_distances: Float
    log_volume: Float | None
    shear: Float | None
    displacement: Float | None
    state_names: tuple[str, str]
    lattice: str
    doubts: tuple[str, ...] = ()


def describe_structures(
    structures: Sequence[Any] | LatticeSnapshots,
    n_shells: int,
    triplets: Sequence[Motif],
    lattice: str,
) -> StructureTable:
    """Return mean states, bond sums and triplet sums of structures of one kind.

    ``structures`` are ASE Atoms or records with a cell (mapped onto the parent lattice), or
    snapshots on graphs (each picture one structure).
    """
    given = [structures] if isinstance(structures, LatticeSnapshots) else list(structures)
    if not given:
        raise InputError("structures must hold at least one structure; the list is empty.")
    motifs = [check_motif(motif) for motif in triplets]
    if all(isinstance(one, LatticeSnapshots) for one in given):
        return _from_graphs(given, n_shells, motifs)
    if any(isinstance(one, LatticeSnapshots) for one in given):
        raise InputError(
            "structures must be all crystals (ASE Atoms, AtomicConfiguration) or all "
            "LatticeSnapshots; they are mixed."
        )
    crystals = [
        one if isinstance(one, AtomicConfiguration) else configuration_from_ase(one)
        for one in given
    ]
    return _from_crystals(crystals, n_shells, motifs, lattice)


def without_copies(table: StructureTable, energies: Float) -> tuple[StructureTable, Float, Int]:
    """Return table, energies and places of structures less those met before.

    A copy has the bonds, the composition and, to the last digit, the energy of an earlier one: its
    error is the earlier one's too, and counting it again would narrow every error bar.
    """
    seen = np.column_stack([table.mean_state, table.pairs, table.triplets, table.n_sites])
    rows = np.column_stack([np.round(seen, 9), energies])
    kept = np.sort(np.unique(rows, axis=0, return_index=True)[1]).astype(np.int64)
    if len(kept) == len(energies):
        return table, energies, kept
    names = (
        "mean_state", "pairs", "next_shell", "triplets", "n_sites", "log_volume", "shear",
        "displacement",
    )  # fmt: skip
    fewer: dict[str, Any] = {
        name: None if getattr(table, name) is None else getattr(table, name)[kept]
        for name in names
    }  # fmt: skip
    copies = (
        f"{len(energies) - len(kept)} of {len(energies)} structures repeat the bonds and the exact "
        "energy of another: they are left out, as they say nothing new"
    )
    return replace(table, **fewer, doubts=(*table.doubts, copies)), energies[kept], kept


def _from_graphs(
    records: Sequence[LatticeSnapshots], n_shells: int, motifs: Sequence[Motif]
) -> StructureTable:
    """Count on the graphs' own bonds."""
    n_counted = n_shells + all(record.graph.n_shells > n_shells for record in records)
    means, pairs, threes, sizes = [], [], [], []
    names = records[0].state_names or tuple(str(value) for value in records[0].state_values)
    for number, record in enumerate(records):
        graph = record.graph
        _check_record(record, records[0], n_shells, number)
        check_same_lattice(record, records[0], n_shells, number)
        s = np.where(record.states == record.state_values[1], 1.0, -1.0)
        sums = np.zeros((len(s), n_counted))
        products = s[:, graph.edges[:, 0]] * s[:, graph.edges[:, 1]] * graph.multiplicity
        for shell in range(n_counted):
            sums[:, shell] = products[:, graph.shell == shell].sum(axis=1)
        means.append(s.mean(axis=1))
        pairs.append(sums / graph.n_sites)
        found = [find_triplets(graph, motif) for motif in motifs]
        triples = [s[:, rows].prod(axis=2).sum(axis=1) / graph.n_sites for rows in found]
        threes.append(np.stack(triples, axis=1) if triples else np.empty((len(s), 0)))
        sizes.append(np.full(len(s), graph.n_sites))
    bonds = np.concatenate(pairs)
    radii = records[0].graph.shell_radii
    known = len(radii) >= n_shells
    distances = np.array(radii[:n_shells]) / radii[0] if known else np.sqrt(np.arange(n_shells) + 1)
    return StructureTable(
        np.concatenate(means), bonds[:, :n_shells],
        bonds[:, n_shells] if n_counted > n_shells else None, np.concatenate(threes),
        np.concatenate(sizes).astype(np.int64), distances,
        np.array([_reach(distances, motif) for motif in motifs]),
        None, None, None, (str(names[0]), str(names[1])), "graph",
    )  # fmt: skip


def _check_record(
    record: LatticeSnapshots, first: LatticeSnapshots, n_shells: int, number: int
) -> None:
    if len(record.state_values) != 2 or record.state_values != first.state_values:
        raise InputError(
            f"structures must have the same two states; number {number} has "
            f"{record.state_values} and the first {first.state_values}."
        )
    if record.graph.n_shells < n_shells:
        raise InputError(
            f"n_shells is {n_shells}, but the graph of structure {number} holds "
            f"{record.graph.n_shells} shell(s); build it with more shells or ask for fewer."
        )
    if record.observed is not None and not record.observed.all():
        raise InputError(
            f"structures must be known on every site; structure {number} has unobserved sites."
        )


def _reach(distances: Float, motif: Motif) -> float:
    """Return the longest side of a motif; shells beyond the pairs count by the root of number."""
    largest = max(motif)
    return float(distances[largest]) if largest < len(distances) else float(np.sqrt(largest + 1))


def _from_crystals(
    crystals: Sequence[AtomicConfiguration],
    n_shells: int,
    motifs: Sequence[Motif],
    lattice: str,
) -> StructureTable:
    """Map every crystal onto the parent lattice and count there."""
    check_choice("lattice", lattice, ("auto", *PARENTS))
    names = _two_species(crystals)
    kind = _choose_lattice(crystals) if lattice == "auto" else lattice
    known: list[Matrix] = []
    rows: list[tuple[float, Float, Float, float, float, float, float]] = []
    for number, crystal in enumerate(crystals):
        cell = _cell_of(crystal)
        try:
            place = map_to_lattice(crystal.positions, cell, kind, known)
        except InputError as error:
            raise InputError(f"structures[{number}]: {error}") from None
        if place.matrix not in known:
            known.append(place.matrix)
        up = np.array(crystal.species_names)[crystal.species] == names[1]
        s = np.empty(len(up))
        s[place.site] = np.where(up, 1.0, -1.0)
        volume = abs(float(np.linalg.det(cell))) / len(s)
        rows.append(
            (float(s.mean()), pair_sums(s, kind, place.matrix, n_shells + 1),
             triplet_sums(s, kind, place.matrix, motifs),
             float(np.log(volume)), place.shear, place.displacement, place.neighbours)
        )  # fmt: skip
    columns = list(zip(*rows, strict=True))
    doubts = lattice_doubts(kind, *(np.array(column) for column in columns[4:]))
    bonds = np.array(columns[1])
    far = max([n_shells, *(max(motif) + 1 for motif in motifs)])
    radii = np.array([radius for radius, _ in neighbour_vectors(kind, far)])
    radii = radii / radii[0]
    return StructureTable(
        np.array(columns[0]), bonds[:, :n_shells], bonds[:, n_shells], np.array(columns[2]),
        np.array([crystal.n for crystal in crystals]), radii[:n_shells],
        np.array([radii[max(motif)] for motif in motifs]),
        np.array(columns[3]), np.array(columns[4]), np.array(columns[5]), names, kind,
        doubts,
    )  # fmt: skip


def _two_species(crystals: Sequence[AtomicConfiguration]) -> tuple[str, str]:
    found: set[str] = set()
    for number, crystal in enumerate(crystals):
        if crystal.cell is None or crystal.species is None or crystal.dimension != 3:
            raise InputError(
                f"structures[{number}] must have a periodic cell, species and three coordinates; "
                "give a film or a cluster as LatticeSnapshots on its graph."
            )
        found |= {crystal.species_names[code] for code in np.unique(crystal.species)}
    if len(found) != 2:
        raise InputError(
            f"structures must hold two species for a cluster expansion in s = -1, +1; they hold "
            f"{len(found)} ({', '.join(sorted(found))})."
        )
    low, high = sorted(found)
    return low, high


def _cell_of(crystal: AtomicConfiguration) -> Float:
    """Return the cell, which ``_two_species`` has seen."""
    return np.asarray(crystal.cell, np.float64)


def _choose_lattice(crystals: Sequence[AtomicConfiguration]) -> str:
    """Return the parent lattice that the first structures fit with the least strain and shift."""
    best: list[tuple[float, str]] = []
    for kind in PARENTS:
        misfit = []
        for crystal in crystals[:5]:
            try:
                place = map_to_lattice(crystal.positions, _cell_of(crystal), kind)
            except InputError:
                break
            misfit.append(place.shear + place.displacement)
        else:
            best.append((float(np.mean(misfit)), kind))
    if not best:
        raise InputError(
            "structures fit neither sc, bcc nor fcc; check cells and positions, or give them as "
            "LatticeSnapshots on their graphs."
        )
    return min(best)[1]


def pair_sums(s: Float, lattice: str, matrix: Matrix, n_shells: int) -> Float:
    """Return the sum over bonds s s' of each shell, per site; each bond once."""
    shells = supercell(lattice, matrix, n_shells).shells
    return np.array([(s[:, None] * s[near]).sum() / (2 * len(s)) for near in shells])


@lru_cache(maxsize=64)
def _corners(lattice: str, motif: Motif) -> Int:
    """Return all (v, w) with the three sites 0, v, w joined by these shells, shape (n, 2, 3)."""
    shells = neighbour_vectors(lattice, max(motif) + 1)
    kind = {tuple(step): number for number, (_, steps) in enumerate(shells) for step in steps}
    wanted = Counter(motif)
    steps = [step for step, number in kind.items() if number in wanted]
    found = [
        (v, w)
        for v, w in product(steps, repeat=2)
        if Counter((kind[v], kind[w], kind.get(tuple(np.subtract(w, v)), -1))) == wanted
    ]
    if not found:
        raise InputError(
            f"triplets name the motif {motif}, but no three sites of the {lattice} lattice are "
            "joined by bonds of these shells."
        )
    return np.array(found, np.int64)


def wave_sums(lattice: str, n_cells: int, n_shells: int, motifs: Sequence[Motif]) -> Float:
    """Return sums of cos(k . r) over each shell, then over a side of every triplet at a site.

    One row for each wavevector of a box of n_cells^3 primitive cells; rows that are alike once.
    """
    whole = np.indices((n_cells,) * 3).reshape(3, -1).T / n_cells
    steps = [steps for _, steps in neighbour_vectors(lattice, n_shells)]
    steps += [_corners(lattice, motif)[:, 0] for motif in motifs]
    sums = [np.cos(2 * np.pi * whole @ ends.T).sum(axis=1) for ends in steps]
    return np.asarray(np.unique(np.stack(sums, axis=1).round(9), axis=0))


@lru_cache(maxsize=512)
def _corner_sites(lattice: str, matrix: Matrix, motif: Motif) -> Int:
    """Return the two other sites of every triplet at every site of a box, (n_sites, n, 2)."""
    periods = np.array(matrix, np.int64)
    sites = supercell_sites(matrix)
    keys = place_keys(sites, periods)
    order = np.argsort(keys)
    ends = sites[:, None, None] + _corners(lattice, motif)[None]
    return np.asarray(order[np.searchsorted(keys[order], place_keys(ends, periods))], np.int64)


def triplet_sums(s: Float, lattice: str, matrix: Matrix, motifs: Sequence[Motif]) -> Float:
    """Return the sum over triplets s s' s'' of each motif, per site; each triplet once."""
    out = np.empty(len(motifs))
    for number, motif in enumerate(motifs):
        ends = _corner_sites(lattice, matrix, motif)
        # every triplet is met from each of its three corners, in both orders
        out[number] = (s[:, None] * s[ends[..., 0]] * s[ends[..., 1]]).sum() / (6 * len(s))
    return out
