"""Spacing, coordination and bond-orientational order of patches, with derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr

from physlearn.checks import NotIdentified
from physlearn.datasets.patches.atom_column import (
    AtomColumn,
    Curvature,
    square_root,
)
from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import PointSet
from physlearn.datasets.structure.bond_search import find_bonds
from physlearn.records import AtomicConfiguration

__all__ = [
    "Bonds",
    "atom_bonds",
    "bond_columns",
    "inner_atoms",
    "middle_operator",
    "strongest_order",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FEWEST_NEIGHBOURS = 3
"""One or two bonds are always in order: sums over bonds are divided by at least this."""
EDGE_SHARE = 0.5
"""Atoms nearer than this share of a bond to the convex hull lack neighbours beyond it."""
LARGEST_TURN = 1.0
"""Half of k^2 times the variance of a bond's angle above which order is lost in its noise."""
CUT_SD = 5.0
LARGEST_DOUBT = 0.01
"""Mean share of bonds that errors may make or break above which their columns are flagged."""


@dataclass(frozen=True, slots=True, eq=False)
class Bonds:
    """Bonds, each once: atoms (m, 2), steps (m, 2), which were cut at which length."""

    pairs: Integers
    steps: Floats
    longest: float | None
    notes: tuple[str, ...] = ()

    @property
    def lengths(self) -> Floats:
        """Lengths (m,)."""
        return np.asarray(np.hypot(self.steps[:, 0], self.steps[:, 1]))


def atom_bonds(
    atoms: AtomicConfiguration, edges: Integers | None, notes: list[str]
) -> Bonds | None:
    """Return the lattice's nearest-neighbour bonds, or those that the distances show, or None."""
    if edges is not None:
        steps = atoms.positions[edges[:, 1]] - atoms.positions[edges[:, 0]]
        return Bonds(edges, steps, None) if len(edges) else None
    try:
        network = find_bonds(atoms)
    except NotIdentified as problem:
        notes.append(f"no bonds: {problem}")
        return None
    pairs, once = network.pairs()
    notes.extend(network.warnings)
    return Bonds(pairs, network.steps[once], network.longest)


def step_operator(bonds: Bonds, errors: AtomErrors) -> sparse.csr_array:
    """Return (2m, sources): the x and y of each bond's step."""
    m = len(bonds.pairs)
    row = np.repeat(np.arange(m), 2)
    sign = np.tile([-1.0, 1.0], m)
    one = sparse.csr_array((sign, (row, bonds.pairs.ravel())), shape=(m, errors.n))
    return errors.of_positions(
        sparse.csr_array(sparse.kron(one, sparse.eye_array(2), format="csr"))
    )


def middle_operator(bonds: Bonds, n: int) -> sparse.csr_array:
    """Return (m, n): the mean of both ends of each bond."""
    m = len(bonds.pairs)
    ends = (np.repeat(np.arange(m), 2), bonds.pairs.ravel())
    return sparse.csr_array((np.full(2 * m, 0.5), ends), shape=(m, n))


def along(operator: sparse.csr_array, vectors: Floats) -> sparse.csr_array:
    """Return (m, sources): each pair of rows of ``operator`` (2m, sources) along a vector."""
    m = len(vectors)
    rows = np.repeat(np.arange(m), 2)
    pick = sparse.csr_array((vectors.ravel(), (rows, np.arange(2 * m))), shape=(m, 2 * m))
    return sparse.csr_array(pick @ operator)


def inner_atoms(atoms: AtomicConfiguration, chosen: Integers, bond: float) -> Flags:
    """Return which atoms stand inside the convex hull of the chosen ones by half a bond."""
    from scipy.spatial import ConvexHull, QhullError

    if atoms.cell is not None:
        return np.ones(atoms.n, dtype=np.bool_)
    try:
        sides = ConvexHull(atoms.positions[chosen]).equations
    except QhullError:
        return np.zeros(atoms.n, dtype=np.bool_)
    inside = -(atoms.positions @ sides[:, :2].T + sides[:, 2]).max(axis=1)
    return np.asarray(inside > EDGE_SHARE * bond)


def bond_columns(
    atoms: AtomicConfiguration,
    bonds: Bonds,
    middles: PointSet,
    points: PointSet,
    errors: AtomErrors,
    orders: tuple[int, ...],
    *,
    on_lattice: bool,
) -> list[AtomColumn]:
    """Return spacing, coordination and |psi_k| for each of ``orders`` (the first: bond_order).

    ``middles`` are the bonds in each patch; ``points`` its atoms, those at the edge left out.
    """
    steps = step_operator(bonds, errors)
    columns = [_spacing(bonds, steps, middles, errors, atoms.unit, on_lattice)]
    doubt = cut_doubt(bonds, steps, errors)
    if not on_lattice:
        columns.append(_coordination(atoms.n, bonds, doubt, points))
    network = BondAngles.of(bonds, steps, errors)
    columns.append(square_root(order_column("bond_order", orders[0], network, points, errors)))
    for order in orders[1:]:
        # where a lattice has no such order it is near 0, and so is its root's slope infinite
        name = f"bond_order_squared_{order}"
        columns.append(order_column(name, order, network, points, errors))
    if doubt.mean() <= LARGEST_DOUBT:
        return columns
    flag = (
        f"position errors put {doubt.mean():.0%} of the bonds in doubt; the error bar leaves out "
        "what a bond that comes or goes does to spacing and order"
    )
    return [replace(column, flag=column.flag or flag) for column in columns]


def _spacing(
    bonds: Bonds,
    steps: sparse.csr_array,
    points: PointSet,
    errors: AtomErrors,
    unit: str,
    dilated: bool,
) -> AtomColumn:
    """Return the mean nearest-neighbour distance of the bonds with their middle in a patch."""
    length = bonds.lengths
    unit_vectors = bonds.steps / length[:, None]
    across = np.stack([-unit_vectors[:, 1], unit_vectors[:, 0]], axis=1)
    sideways = along(steps, across)
    # errors across a bond make it longer: r + d^2 / (2 r)
    values = length - errors.variances(sideways) / (2.0 * length)
    lengthways = along(steps, unit_vectors)
    linear = sparse.csr_array(points.weights @ lengthways)
    bend = sparse.csr_array(points.weights @ sparse.diags_array(1.0 / length))
    return AtomColumn(
        "spacing", points.means(values), 1, unit, linear, None, Curvature(sideways, bend),
        frozenset({"position"}), points=points, point_values=values,
        point_noise=errors.variances(lengthways),
        derived=("dilation",) if dilated else (),
    )  # fmt: skip


def _coordination(n: int, bonds: Bonds, doubt: Floats, points: PointSet) -> AtomColumn:
    """Return the mean number of bonds; its error is that of bonds near the cut."""
    count = np.bincount(bonds.pairs.ravel(), minlength=n).astype(np.float64)
    row = bonds.pairs.ravel()
    column = np.repeat(np.arange(len(bonds.pairs)), 2)
    ends = sparse.csr_array((np.ones(len(row)), (row, column)), shape=(n, len(bonds.pairs)))
    own = sparse.csr_array(points.weights @ ends).power(2) @ doubt
    return AtomColumn(
        "coordination", points.means(count), 1, "neighbours per column", own=own,
        needs=frozenset({"position"}), points=points, point_values=count,
    )  # fmt: skip


def cut_doubt(bonds: Bonds, steps: sparse.csr_array, errors: AtomErrors) -> Floats:
    """Return the probability that a bond is on the wrong side of the cut, doubled.

    As many pairs stand beyond the cut that position errors may bring within it.
    """
    if bonds.longest is None or not errors.errors.known:
        return np.zeros(len(bonds.pairs))
    length = bonds.lengths
    sd = np.sqrt(errors.variances(along(steps, bonds.steps / length[:, None])))
    margin = (bonds.longest - length) / np.maximum(sd, 1e-12 * bonds.longest)
    return np.asarray(np.where(margin < CUT_SD, 2.0 * ndtr(-np.clip(margin, 0.0, CUT_SD)), 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class BondAngles:
    """All pairs of bonds of one atom: the atom, the angle between them, its derivatives and error.

    ``count`` (n_atoms,) are the bonds of each atom; ``apart`` is sparse (pairs, sources).
    """

    owner: Integers
    gap: Floats
    apart: sparse.csr_array
    variance: Floats
    count: Integers

    @classmethod
    def of(cls, bonds: Bonds, steps: sparse.csr_array, errors: AtomErrors) -> BondAngles:
        """Return the pairs of a bond network."""
        angle = np.arctan2(bonds.steps[:, 1], bonds.steps[:, 0])
        square = bonds.lengths**2
        across = np.stack([-bonds.steps[:, 1], bonds.steps[:, 0]], axis=1) / square[:, None]
        turn = along(steps, across)
        owner, first, second, gap = _bond_pairs(bonds, angle, errors.n)
        apart = sparse.csr_array(turn[second] - turn[first])
        count = np.bincount(bonds.pairs.ravel(), minlength=errors.n)
        return cls(owner, gap, apart, errors.variances(apart), count)


def squared_order(order: int, network: BondAngles) -> tuple[Floats, Floats, Floats]:
    """Return |psi_k|^2 of each atom, and its slope and bend by each angle between two bonds."""
    n = len(network.count)
    divisor = np.maximum(network.count, FEWEST_NEIGHBOURS).astype(np.float64)
    # normal errors shorten each cosine by exp(-k^2 variance / 2)
    raised = np.exp(np.minimum(0.5 * order**2 * network.variance, LARGEST_TURN))
    share = 2.0 * raised / divisor[network.owner] ** 2
    angle = order * network.gap
    values = network.count / divisor**2
    values += np.bincount(network.owner, share * np.cos(angle), n)
    return values, -order * share * np.sin(angle), -(order**2) * share * np.cos(angle)


def order_column(
    name: str, order: int, network: BondAngles, points: PointSet, errors: AtomErrors
) -> AtomColumn:
    """Return the mean square |psi_k| of a patch's atoms, without what position noise takes.

    |psi|^2 = (1/n^2) sum over bonds j, l of cos k(theta_j - theta_l).
    """
    values, slope, bend = squared_order(order, network)
    owner = network.owner
    pair = np.arange(len(owner))
    gather = sparse.csr_array((np.ones(len(owner)), (owner, pair)), (errors.n, len(owner)))
    per_pair = sparse.csr_array(points.weights @ gather)
    flag = ""
    if len(owner) and 0.5 * order**2 * float(np.median(network.variance)) > LARGEST_TURN:
        flag = f"position errors turn bonds by more than psi_{order} can bear: order is lost"
    return AtomColumn(
        name, points.means(values), 1, "1",
        sparse.csr_array(per_pair @ sparse.diags_array(slope) @ network.apart), None,
        Curvature(network.apart, sparse.csr_array(per_pair @ sparse.diags_array(bend))),
        frozenset({"position"}), points=points, point_values=values, flag=flag,
    )  # fmt: skip


def strongest_order(bonds: Bonds, chosen: Flags, errors: AtomErrors, among: tuple[int, ...]) -> int:
    """Return the k whose |psi_k| is largest over the chosen atoms."""
    network = BondAngles.of(bonds, step_operator(bonds, errors), errors)
    found = [float(squared_order(order, network)[0][chosen].mean()) for order in among]
    return among[int(np.argmax(found))]


def _bond_pairs(bonds: Bonds, angle: Floats, n: int) -> tuple[Integers, Integers, Integers, Floats]:
    """Return for each atom all pairs of its bonds: atom, both bonds, angle from one to the other.

    A bond's own angle differs by pi at its two ends; both of a pair are taken at the atom.
    """
    end = bonds.pairs.ravel()
    bond = np.repeat(np.arange(len(bonds.pairs)), 2)
    here = np.repeat(angle, 2) + np.tile([0.0, np.pi], len(bonds.pairs))
    order = np.argsort(end, kind="stable")
    end, bond, here = end[order], bond[order], here[order]
    start = np.searchsorted(end, np.arange(n + 1))
    most = int(np.diff(start).max()) if len(end) else 0
    position = np.arange(len(end)) - start[end]
    owners, one, two = [], [], []
    for shift in range(1, most):
        left = np.flatnonzero(position + shift < np.diff(start)[end])
        owners.append(end[left])
        one.append(left)
        two.append(left + shift)
    empty = [np.empty(0, dtype=np.int64)]
    a, b = np.concatenate(one or empty), np.concatenate(two or empty)
    return np.concatenate(owners or empty), bond[a], bond[b], here[b] - here[a]
