"""Bond-orientational order and Voronoi coordination of each atom, by freud, with errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.structure.bond_search import find_bonds, planar
from physlearn.datasets.structure.joint_positions import position_errors
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BondOrder", "measure_bond_order"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
FEWEST_ATOMS = 4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BondOrder:
    """Order of each atom's bonds.

    Attributes
    ----------
    n_fold
        k of psi_k.
    psi
        complex128 (n,): mean of exp(i k theta) over the neighbours; 0 without neighbours.
    covariance
        float64 (n, 2, 2) of its real and imaginary part; NaN when the atoms carry no errors.
    noise_factor
        float64 (n,): the mean of exp(-k^2 var(theta) / 2): position errors shorten psi by about
        this factor. NaN without errors.
    n_neighbors
        int64 (n,).
    voronoi_sides, voronoi_area
        Sides of the Voronoi cell, int64 (n,), and its area, float64 (n,), in unit squared.
    edge
        bool (n,): the Voronoi cell reaches beyond the atoms' bounding box, so it is not closed.
    warnings
        Sentences for the report.

    Examples
    --------
    >>> from physlearn.datasets import measure_bond_order
    >>> y, x = np.mgrid[:5, :5].reshape(2, -1) * 1.0
    >>> order = measure_bond_order(AtomicConfiguration(np.stack([x, y], axis=1)), 4)
    >>> order.n_fold, int(order.n_neighbors.max())
    (4, 4)
    """

    n_fold: int
    psi: NDArray[np.complex128]
    covariance: Floats
    noise_factor: Floats
    n_neighbors: Integers
    voronoi_sides: Integers
    voronoi_area: Floats
    edge: Flags
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def to_pandas(self) -> pd.DataFrame:
        """Return one row an atom: |psi| and its sd, the bonds' angle (0 to 2 pi / k), Voronoi."""
        import pandas as pd

        size = np.abs(self.psi)
        along = np.stack([self.psi.real, self.psi.imag], axis=1) / np.maximum(size, 1e-300)[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        spread = [np.einsum("ni,nij,nj->n", u, self.covariance, u) for u in (along, across)]
        return pd.DataFrame(
            {
                "psi": size, "psi_sd": np.sqrt(spread[0]),
                "angle": np.angle(self.psi) % (2 * np.pi) / self.n_fold,
                "angle_sd": np.sqrt(spread[1]) / np.maximum(size, 1e-300) / self.n_fold,
                "noise_factor": self.noise_factor, "n_neighbors": self.n_neighbors,
                "voronoi_sides": self.voronoi_sides, "voronoi_area": self.voronoi_area,
                "edge": self.edge,
            }
        )  # fmt: skip


def measure_bond_order(
    atoms: AtomicConfiguration,
    n_fold: int = 6,
    *,
    neighbors: str | int = "bonds",
    bond_length: float | None = None,
) -> BondOrder:
    """Measure psi_k of each atom's bonds and its Voronoi cell.

    psi_k = (1/n) sum over the n neighbours of exp(i k theta).

    Parameters
    ----------
    atoms
        Atoms in the plane, with or without errors; a periodic ``cell`` is respected.
    n_fold
        k: 6 for a triangular lattice, 4 square, 3 honeycomb.
    neighbors
        ``bonds`` (up to ``bond_length``), ``voronoi`` (cells with a common side) or a number of
        nearest atoms.
    bond_length
        See ``find_rings``; with ``bonds`` only.

    Returns
    -------
    BondOrder
        Order with errors from the joint errors of the positions, neighbours held fixed.

    Raises
    ------
    InputError
        For numbers out of range.
    NotIdentified
        For fewer than 4 atoms, or none near another.

    Notes
    -----
    Order and Voronoi cells are computed by freud: Ramasubramani et al. (2020),
    doi:10.1016/j.cpc.2020.107275. Hexatic order: Nelson and Halperin (1979),
    doi:10.1103/PhysRevB.19.2457.

    Examples
    --------
    >>> row, column = np.mgrid[:6, :6].reshape(2, -1)
    >>> places = np.stack([column + 0.5 * row, np.sqrt(0.75) * row], axis=1)
    >>> order = measure_bond_order(AtomicConfiguration(places))
    >>> round(float(abs(order.psi[14])), 5), int(order.n_neighbors[14])
    (1.0, 6)
    """
    import freud

    for name, value in (("n_fold", n_fold), ("neighbors", neighbors)):
        if isinstance(value, bool) or (not isinstance(value, str) and not 1 <= value <= 24):
            raise InputError(f"{name} must be 1 to 24; got {value!r}.")
    if isinstance(neighbors, str) and neighbors not in ("bonds", "voronoi"):
        raise InputError(
            f"neighbors must be 'bonds', 'voronoi' or a number of atoms; got {neighbors!r}."
        )
    positions = planar(atoms)
    if atoms.n < FEWEST_ATOMS:
        raise NotIdentified(f"{atoms.n} atoms are too few: at least {FEWEST_ATOMS} are needed.")
    warnings = list(atoms.warnings)
    box, points = _freud_box(freud, positions, atoms.cell)
    cells = freud.locality.Voronoi()
    cells.compute((box, points))
    if neighbors == "bonds":
        network = find_bonds(atoms, bond_length)
        warnings += network.warnings
        first = network.order[np.repeat(np.arange(atoms.n), np.diff(network.starts))]
        pairs = np.stack([first, network.order[network.targets]], axis=1)
    elif neighbors == "voronoi":
        pairs = _not_across(np.array(cells.nlist[:], dtype=np.int64), atoms, points, box)
    else:
        pairs = _nearest_atoms(freud, atoms, points, box, int(neighbors))
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    steps = points[pairs[:, 1]] - points[pairs[:, 0]]
    if atoms.cell is not None:
        steps = box.wrap(steps)
    neighbor_list = freud.locality.NeighborList.from_arrays(
        atoms.n, atoms.n, pairs[:, 0], pairs[:, 1], steps
    )
    order = freud.order.Hexatic(k=n_fold)
    order.compute((box, points), neighbors=neighbor_list)
    psi = np.array(order.particle_order, dtype=np.complex128)
    count = np.bincount(pairs[:, 0], minlength=atoms.n)
    psi[count == 0] = 0.0
    covariance, factor = _errors(atoms, pairs, steps, count, n_fold, warnings)
    touching = np.array(cells.nlist[:], dtype=np.int64)
    sides = np.bincount(touching[:, 0], minlength=atoms.n)
    own = np.bincount(_not_across(touching, atoms, points, box)[:, 0], minlength=atoms.n)
    edge = _edges(cells.polytopes, points, atoms.cell is not None) | (own < sides)
    return BondOrder(
        n_fold, psi, covariance, factor, count, sides, np.array(cells.volumes, dtype=np.float64),
        edge, tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _freud_box(freud: Any, positions: Floats, cell: Floats | None) -> tuple[Any, Floats]:
    """Return a box and points (n, 3) in it.

    Without a cell the box is little wider than the atoms: voro++ takes minutes in an empty one.
    """
    if cell is None:
        low, extent = positions.min(axis=0), np.ptp(positions, axis=0)
        gap = 3.0 * float(np.sqrt((extent.max() ** 2 + 1e-300) / len(positions)))
        flat = positions - low - 0.5 * extent
        box = freud.box.Box(Lx=extent[0] + gap, Ly=extent[1] + gap, is2D=True)
    else:
        # freud wants the first period along x
        length = np.hypot(*cell[0])
        turn = np.array([cell[0], [-cell[0, 1], cell[0, 0]]]) / length
        if np.linalg.det(cell) < 0:
            turn[1] *= -1
        second = turn @ cell[1]
        box = freud.box.Box(Lx=length, Ly=second[1], xy=second[0] / second[1], is2D=True)
        flat = positions @ turn.T
    points = np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)
    return box, np.asarray(box.wrap(points) if cell is not None else points, dtype=np.float64)


def _not_across(pairs: Integers, atoms: AtomicConfiguration, points: Floats, box: Any) -> Integers:
    """Leave out pairs that meet only across the box's edge, where atoms are not periodic."""
    if atoms.cell is not None:
        return pairs
    steps = points[pairs[:, 1]] - points[pairs[:, 0]]
    return np.asarray(pairs[np.abs(box.wrap(steps) - steps).max(axis=1) < 1e-3 * box.Lx])


def _nearest_atoms(
    freud: Any, atoms: AtomicConfiguration, points: Floats, box: Any, count: int
) -> Integers:
    """Return pairs of each atom and its ``count`` nearest ones."""
    if count >= atoms.n:
        raise InputError(f"neighbors must be below the number of atoms, {atoms.n}; got {count}.")
    if atoms.cell is None:
        near = np.asarray(cKDTree(atoms.positions).query(atoms.positions, k=count + 1)[1])[:, 1:]
        return np.stack([np.repeat(np.arange(atoms.n), count), near.ravel()], axis=1)
    query = freud.locality.AABBQuery(box, points).query(
        points, {"num_neighbors": count, "exclude_ii": True}
    )
    return np.array(query.toNeighborList()[:], dtype=np.int64)


def _errors(
    atoms: AtomicConfiguration,
    pairs: Integers,
    steps: Floats,
    count: Integers,
    n_fold: int,
    warnings: list[str],
) -> tuple[Floats, Floats]:
    """Return the covariance of (real, imaginary) psi and the factor by which noise shortens it."""
    errors = position_errors(atoms)
    warnings += errors.warnings
    if not errors.known:
        return np.full((atoms.n, 2, 2), np.nan), np.full(atoms.n, np.nan)
    square = steps[:, 0] ** 2 + steps[:, 1] ** 2
    # d theta = (-dy d(step x) + dx d(step y)) / r^2
    slope = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / square[:, None]
    m = len(pairs)
    columns = np.concatenate([2 * pairs[:, :1] + [0, 1], 2 * pairs[:, 1:] + [0, 1]], axis=1)
    values = np.concatenate([-slope, slope], axis=1)
    turn = sparse.csr_array(
        (values.ravel(), (np.repeat(np.arange(m), 4), columns.ravel())), shape=(m, 2 * atoms.n)
    )
    variance = errors.blocks(turn, 1)[:, 0, 0]
    angle = np.arctan2(steps[:, 1], steps[:, 0])
    share = n_fold / count[pairs[:, 0]]
    # the real part changes by -k sin(k theta) d theta, the imaginary one by k cos(k theta) d theta
    weights = np.stack([-share * np.sin(n_fold * angle), share * np.cos(n_fold * angle)], axis=1)
    rows = (2 * pairs[:, :1] + [0, 1]).ravel()
    gather = sparse.csr_array(
        (weights.ravel(), (rows, np.repeat(np.arange(m), 2))), shape=(2 * atoms.n, m)
    )
    covariance = errors.blocks(sparse.csr_array(gather @ turn), 2)
    loss = np.bincount(pairs[:, 0], np.exp(-0.5 * n_fold**2 * variance), atoms.n)
    return covariance, loss / np.maximum(count, 1)


def _edges(polytopes: Any, points: Floats, periodic: bool) -> Flags:
    """Return which Voronoi cells reach beyond the atoms' bounding box."""
    if periodic:
        return np.zeros(len(points), dtype=np.bool_)
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    corners = np.concatenate(polytopes)[:, :2]
    owner = np.repeat(np.arange(len(points)), [len(cell) for cell in polytopes])
    out = np.any((corners < low) | (corners > high), axis=1)
    return np.bincount(owner, out, len(points)) > 0
