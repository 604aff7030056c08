"""Supercells of a parent lattice, relaxed crystals mapped onto them, and exact counts of bonds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations, product

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = [
    "PARENTS",
    "Mapping3D",
    "Supercell",
    "map_to_lattice",
    "neighbour_vectors",
    "place_keys",
    "supercell",
]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
PARENTS = {
    "sc": np.eye(3),
    "bcc": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "fcc": np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]),
}
"""Primitive vectors (rows) of each parent lattice, lattice constant 1, one site a cell."""

LARGEST_STRAIN = 0.15
"""Largest Green strain (Frobenius norm) at which a cell is still taken for one of the lattice."""
LARGEST_SHIFT = 0.5
"""Largest displacement from a site, in nearest-neighbour distances."""
MOST_CANDIDATES = 12
SHELLS_AROUND = 4
Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Supercell:
    """A periodic box of a parent lattice.

    Attributes
    ----------
    sites
        int64, shape (n, 3): the sites in primitive coordinates.
    shells
        One int64 array (n, z) a shell: the neighbours of every site, as often as the infinite
        periodic crystal meets them (a site's own image included).
    """

    sites: Int
    shells: tuple[Int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping3D:
    """A crystal on its parent lattice.

    Attributes
    ----------
    matrix
        The box in primitive vectors, int rows.
    site
        int64, shape (n,): the site of ``Supercell.sites`` under each atom.
    shear
        Frobenius norm of the strain without its volume part.
    displacement
        Root mean square distance from the sites, in nearest-neighbour distances.
    neighbours
        Share of the lattice's nearest neighbours that are nearest in the crystal as well.
    """

    matrix: Matrix
    site: Int
    shear: float
    displacement: float
    neighbours: float


@lru_cache(maxsize=64)
def neighbour_vectors(lattice: str, n_shells: int) -> tuple[tuple[float, Int], ...]:
    """Return (distance, primitive coordinates of the neighbours) of the first shells.

    Examples
    --------
    >>> [(round(radius, 3), len(steps)) for radius, steps in neighbour_vectors("bcc", 3)]
    [(0.866, 8), (1.0, 6), (1.414, 12)]
    """
    basis = PARENTS[lattice]
    height = float((1.0 / np.linalg.norm(np.linalg.inv(basis), axis=0)).min())
    reach = 2
    while True:
        grid = np.array(list(product(range(-reach, reach + 1), repeat=3)))
        squared = np.round(((grid @ basis) ** 2).sum(axis=1), 9)
        radii = np.unique(squared[(squared > 0) & (squared < (reach * height) ** 2)])
        if len(radii) >= n_shells:
            return tuple(
                (float(np.sqrt(value)), grid[squared == value]) for value in radii[:n_shells]
            )
        reach += 1


def place_keys(sites: Int, matrix: Int) -> Int:
    """Return a number that is the same for sites one period apart: their place in the box."""
    size = round(np.linalg.det(matrix))
    adjugate = np.rint(np.linalg.inv(matrix) * size).astype(np.int64)
    place = (sites @ adjugate) % abs(size)
    return np.asarray(place @ np.array([1, abs(size), abs(size) ** 2]), np.int64)


@lru_cache(maxsize=512)
def supercell(lattice: str, matrix: Matrix, n_shells: int) -> Supercell:
    """Return the sites of a box and their neighbours.

    Parameters
    ----------
    lattice
        ``sc``, ``bcc`` or ``fcc``.
    matrix
        The box in primitive vectors, rows of whole numbers.
    n_shells
        Number of shells.

    Examples
    --------
    >>> box = supercell("sc", ((2, 0, 0), (0, 2, 0), (0, 0, 2)), 1)
    >>> sorted(box.shells[0][0].tolist())   # each neighbour is met from both sides
    [1, 1, 2, 2, 4, 4]
    """
    periods = np.array(matrix, np.int64)
    corners = np.array(list(product((0, 1), repeat=3))) @ periods
    ranges = [
        range(low, high + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True)
    ]
    grid = np.array(list(product(*ranges)), np.int64)
    inside = np.abs(grid @ np.linalg.inv(periods) - 0.5 + 1e-9) <= 0.5
    sites = grid[inside.all(axis=1)]
    keys = place_keys(sites, periods)
    order = np.argsort(keys)
    shells = []
    for _, steps in neighbour_vectors(lattice, n_shells):
        ends = place_keys((sites[:, None] + steps[None]).reshape(-1, 3), periods)
        shells.append(order[np.searchsorted(keys[order], ends)].reshape(len(sites), -1))
    return Supercell(sites, tuple(shells))


def _reduced(cell: Float) -> Float:
    """Return short periods of the same crystal: pairs are shortened until none can be."""
    periods = cell.copy()
    for _ in range(100):
        periods = periods[np.argsort(np.linalg.norm(periods, axis=1), kind="stable")]
        before = periods.copy()
        for one, two in combinations(range(3), 2):
            share = np.rint(periods[two] @ periods[one] / (periods[one] @ periods[one]))
            periods[two] -= share * periods[one]
        best = periods[2]
        for signs in product((-1, 0, 1), repeat=2):
            trial = periods[2] + signs[0] * periods[0] + signs[1] * periods[1]
            if trial @ trial < best @ best * (1 - 1e-9):
                best = trial
        periods[2] = best
        if np.allclose(periods, before, rtol=0, atol=1e-12 * np.abs(cell).max()):
            break
    return periods


def _boxes(periods: Float, basis: Float, n_sites: int) -> list[tuple[float, Int]]:
    """Return (strain, box) of the boxes of the lattice that look like these periods, best first."""
    lengths = np.linalg.norm(periods, axis=1)
    height = float((1.0 / np.linalg.norm(np.linalg.inv(basis), axis=0)).min())
    reach = int(np.ceil(lengths.max() * (1 + LARGEST_STRAIN) / height))
    grid = np.array(list(product(range(-reach, reach + 1), repeat=3)))
    vectors = grid @ basis
    norms = np.linalg.norm(vectors, axis=1)
    gram = periods @ periods.T
    # a Green strain of norm e changes a dot product by at most about 2 e times the lengths
    allowed = 2 * LARGEST_STRAIN * np.multiply.outer(lengths, lengths)
    lists = [np.flatnonzero(np.abs(norms**2 - gram[k, k]) <= allowed[k, k]) for k in range(3)]
    # of boxes that a symmetry of the cubic lattice turns into each other one will do: that whose
    # first period lies in the wedge x >= y >= z >= 0
    wedge = np.all(np.diff(vectors[lists[0]], axis=1) <= 1e-9, axis=1)
    wedge &= vectors[lists[0]][:, 2] >= -1e-9
    found: list[tuple[float, Int]] = []
    for i in lists[0][wedge]:
        second = lists[1][np.abs(vectors[lists[1]] @ vectors[i] - gram[0, 1]) <= allowed[0, 1]]
        third = lists[2][np.abs(vectors[lists[2]] @ vectors[i] - gram[0, 2]) <= allowed[0, 2]]
        near = np.abs(vectors[second] @ vectors[third].T - gram[1, 2]) <= allowed[1, 2]
        two, three = (ends[near] for ends in np.meshgrid(second, third, indexing="ij"))
        boxes = np.stack([np.broadcast_to(grid[i], (len(two), 3)), grid[two], grid[three]], axis=1)
        sizes = np.abs(np.rint(np.linalg.det(boxes))).astype(np.int64)
        boxes = boxes[sizes == n_sites]
        if not len(boxes):
            continue
        change = np.linalg.solve(boxes @ basis, np.broadcast_to(periods, boxes.shape))
        green = (np.swapaxes(change, 1, 2) @ change - np.eye(3)) / 2
        # F^T F of the other side has the same norm: rotations drop out
        strain = np.linalg.norm(green, axis=(1, 2))
        found += [(float(s), box) for s, box in zip(strain, boxes, strict=True)]
    found = sorted((pair for pair in found if pair[0] <= LARGEST_STRAIN), key=lambda pair: pair[0])
    return _distinct(found, basis)


def _distinct(found: list[tuple[float, Int]], basis: Float) -> list[tuple[float, Int]]:
    """Return the first boxes that no symmetry of the cubic lattice turns into each other."""
    turns = []
    for order in permutations(range(3)):
        for signs in product((-1.0, 1.0), repeat=3):
            turn = np.eye(3)[list(order)] * np.array(signs)[:, None]
            turns.append(np.rint(basis @ turn @ np.linalg.inv(basis)).astype(np.int64))
    kept: list[tuple[float, Int]] = []
    seen: set[bytes] = set()
    for strain, box in found:
        if box.tobytes() not in seen:
            kept.append((strain, box))
            seen |= {np.ascontiguousarray(box @ turn).tobytes() for turn in turns}
            if len(kept) == MOST_CANDIDATES:
                break
    return kept


def _assign(fractions: Float, box: Int, basis: Float, nearest: float) -> tuple[Int, Float] | None:
    """Return the site under each atom and the displacements, where every site holds one atom."""
    key: Matrix = tuple(tuple(int(value) for value in row) for row in box)
    keys = place_keys(supercell_sites(key), box)
    order = np.argsort(keys)
    around = np.array(list(product((-1, 0, 1), repeat=3)))
    places = fractions @ box
    for anchor in range(min(len(places), 4)):
        shift = -places[anchor]
        for _ in range(4):
            moved_to = places + shift
            points = np.rint(moved_to).astype(np.int64)[:, None] + around[None]
            paths = (moved_to[:, None] - points) @ basis
            best = (paths**2).sum(axis=2).argmin(axis=1)
            row = np.arange(len(places))
            moved = paths[row, best]
            shift = shift - moved.mean(axis=0) @ np.linalg.inv(basis)
        moved = moved - moved.mean(axis=0)
        site = order[np.searchsorted(keys[order], place_keys(points[row, best], box))]
        whole = len(np.unique(site)) == len(site)
        if whole and np.linalg.norm(moved, axis=1).max() < LARGEST_SHIFT * nearest:
            return np.asarray(site, np.int64), np.asarray(moved, np.float64)
    return None


@lru_cache(maxsize=512)
def supercell_sites(matrix: Matrix) -> Int:
    """Return the sites of a box in primitive coordinates, (n, 3), in ``supercell``'s order."""
    return supercell("sc", matrix, 1).sites


def map_to_lattice(
    positions: Float, cell: Float, lattice: str, known: Sequence[Matrix] = ()
) -> Mapping3D:
    """Return which site of the parent lattice each atom of a relaxed crystal stands on.

    The lattice constant follows from the volume per atom; the box of the lattice that needs the
    least strain is taken, and atoms go to the nearest site by fractional coordinates, so that
    neither strain nor rotation matters. The common shift of all atoms is removed.

    Parameters
    ----------
    positions
        Shape (n, 3), any unit.
    cell
        Shape (3, 3), rows are the periods, in the same unit.
    lattice
        ``sc``, ``bcc`` or ``fcc``.
    known
        Boxes met before, which are tried first (they are taken at strains below a fifth of the
        largest allowed).

    Raises
    ------
    InputError
        When no box of the lattice fits, or atoms stand between the sites.

    Examples
    --------
    >>> cell = 3.3 * np.diag([1.0, 1.02, 0.97])
    >>> atoms = np.array([[0.1, 0, 0], [1.75, 1.6, 1.7]])
    >>> sorted(map_to_lattice(atoms, cell, "bcc").site.tolist())
    [0, 1]
    """
    basis = PARENTS[lattice]
    n = len(positions)
    volume = abs(float(np.linalg.det(cell)))
    if volume <= 1e-9 * float(np.abs(cell).max()) ** 3:
        raise InputError("structures must have three independent cell vectors.")
    constant = (volume / (n * abs(np.linalg.det(basis)))) ** (1 / 3)
    periods = _reduced(np.asarray(cell, np.float64) / constant)
    fractions = np.asarray(positions, np.float64) / constant @ np.linalg.inv(periods)
    nearest = neighbour_vectors(lattice, 1)[0][0]
    boxes = [(s, b) for s, b in _known_boxes(periods, basis, n, known)]
    for strain, box in boxes or _boxes(periods, basis, n):
        found = _assign(fractions, box, basis, nearest)
        if found is not None:
            site, moved = found
            matrix: Matrix = tuple(tuple(int(value) for value in row) for row in box)
            rms = float(np.sqrt((moved**2).sum(axis=1).mean())) / nearest
            change = np.linalg.solve(box @ basis, periods)
            kept = _neighbours_kept(lattice, matrix, site, moved, change)
            return Mapping3D(matrix, site, strain, rms, kept)
    if boxes:
        return map_to_lattice(positions, cell, lattice)
    raise InputError(
        f"the atoms do not stand on a {lattice} lattice: no box of {n} sites within a strain of "
        f"{LARGEST_STRAIN:.0%} puts one atom on every site; name another lattice, leave the "
        "structure out, or give it as LatticeSnapshots on its graph."
    )


def _neighbours_kept(lattice: str, matrix: Matrix, site: Int, moved: Float, change: Float) -> float:
    """Return the share of first-shell bonds that are among the shortest of their atom."""
    shells = neighbour_vectors(lattice, SHELLS_AROUND)
    ends = np.concatenate(supercell(lattice, matrix, SHELLS_AROUND).shells, axis=1)
    steps = np.concatenate([steps for _, steps in shells]) @ PARENTS[lattice]
    shift = np.empty_like(moved)
    shift[site] = moved
    lengths = np.linalg.norm((steps[None] + shift[ends] - shift[:, None]) @ change, axis=2)
    first = len(shells[0][1])
    farthest = np.sort(lengths, axis=1)[:, first - 1 : first]
    return float((lengths[:, :first] <= farthest * (1 + 1e-9)).mean())


def _known_boxes(
    periods: Float, basis: Float, n_sites: int, known: Sequence[Matrix]
) -> list[tuple[float, Int]]:
    """Return the best of the boxes met before where it fits well."""
    best: list[tuple[float, Int]] = []
    for matrix in known:
        box = np.array(matrix, np.int64)
        if abs(round(np.linalg.det(box))) != n_sites:
            continue
        change = np.linalg.solve(box @ basis, periods)
        strain = float(np.linalg.norm((change.T @ change - np.eye(3)) / 2))
        if strain < LARGEST_STRAIN / 5 and (not best or strain < best[0][0]):
            best = [(strain, box)]
    return best
