"""How nearly each atom's neighbourhood maps onto itself, against what position errors explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.structure.bond_search import bond_cut, distance_gap, half_edges, planar
from physlearn.datasets.structure.joint_positions import position_errors
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

__all__ = ["LocalSymmetry", "score_local_symmetry"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

OPERATIONS = ("c2", "c3", "c4", "c6", "mirror")
TURNS = {"c2": np.pi, "c3": 2 * np.pi / 3, "c4": 0.5 * np.pi, "c6": np.pi / 3}
RADIUS_RANGE = (1.45, 1.72)
"""Where the neighbourhood's edge is sought, in nearest distances: past a square's diagonal."""
N_MIRRORS = 24
SMALLEST_P = 0.01
MOST_NEIGHBORS = 40
CHUNK = 2_000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LocalSymmetry:
    """Symmetry of neighbourhoods; columns of the tables are c2, c3, c4, c6, mirror.

    Attributes
    ----------
    deviations
        float64 (n, 5): root mean square distance of the moved neighbours from the ones they fall
        on, as a share of the nearest distance; 0 is perfect. NaN without neighbours.
    noise
        float64 (n, 5): the same from position errors alone; NaN when the atoms carry none.
    p
        float64 (n, 5): probability of a larger deviation if the symmetry were exact.
    mirror_angle
        float64 (n,): direction of the best mirror line, 0 to pi, radians.
    n_neighbors, edge
        Neighbours, int64 (n,); bool (n,): nearer than 0.9 ``radius`` to the atoms' convex hull,
        so that neighbours are missing.
    radius
        Radius of a neighbourhood in the atoms' unit.
    warnings
        Sentences for the report.

    Examples
    --------
    >>> from physlearn.datasets import score_local_symmetry
    >>> y, x = np.mgrid[:5, :5].reshape(2, -1) * 1.0
    >>> found = score_local_symmetry(AtomicConfiguration(np.stack([x, y], axis=1)))
    >>> bool(found.deviations[12, 2] < 1e-9), found.point_groups()[12]
    (True, '?')
    """

    deviations: Floats
    noise: Floats
    p: Floats
    mirror_angle: Floats
    n_neighbors: Integers
    edge: Flags
    radius: float
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def point_groups(self) -> list[str]:
        """Return the largest point group of each atom that is not rejected at p < 0.01.

        1, 2, 3, 4, 6 or with m; ``?`` at the edge, without neighbours or without errors.
        """
        groups = []
        for k in range(len(self.p)):
            if self.edge[k] or np.isnan(self.p[k]).any():
                groups.append("?")
                continue
            two, three, four, six, mirror = self.p[k] >= SMALLEST_P
            axis = 6 if six and three and two else 4 if four and two else 3 if three else 1 + two
            groups.append(f"{axis}m" if mirror else str(axis))
        return groups

    def to_pandas(self) -> pd.DataFrame:
        """Return one row an atom: deviation, noise and p of each operation."""
        import pandas as pd

        columns: dict[str, object] = {}
        for k, name in enumerate(OPERATIONS):
            columns[name] = self.deviations[:, k]
            columns[f"{name}_noise"] = self.noise[:, k]
            columns[f"{name}_p"] = self.p[:, k]
        columns |= {
            "mirror_angle": self.mirror_angle, "n_neighbors": self.n_neighbors,
            "edge": self.edge, "point_group": self.point_groups(),
        }  # fmt: skip
        return pd.DataFrame(columns)


def score_local_symmetry(
    atoms: AtomicConfiguration, *, radius: float | None = None
) -> LocalSymmetry:
    """Score rotations by 2, 3, 4, 6 and the best mirror about each atom.

    An operation moves the neighbours' vectors; each is compared with the neighbour it falls
    nearest to. The mean square of these distances is compared with its expectation from the
    positions' errors (a weighted sum of squares, by a chi-square of the same three moments).

    Parameters
    ----------
    atoms
        Atoms in the plane, with or without errors.
    radius
        Radius of a neighbourhood in ``atoms.unit``; None takes the emptiest distance between 1.45
        and 1.72 nearest distances (8 neighbours on a square lattice, 6 on a triangular one).

    Returns
    -------
    LocalSymmetry
        Deviations, what noise explains of them, p values, point groups.

    Raises
    ------
    InputError
        For a radius that holds more than 40 neighbours.
    NotIdentified
        For fewer than 3 atoms, or none within the radius.

    Notes
    -----
    Species are not compared. The mirror line is the best of several, so its p is somewhat too
    large; the fitted angle is allowed for. Continuous symmetry: Zabrodsky, Peleg and Avnir (1992),
    doi:10.1021/ja00046a033; three moments: Buckley and Eagleson (1988),
    Australian Journal of Statistics 30A, 150.

    Examples
    --------
    >>> y, x = np.mgrid[:7, :7].reshape(2, -1) * 4.0
    >>> square = AtomicConfiguration(
    ...     np.stack([x, y], axis=1), position_covariance=np.tile(1e-4 * np.eye(2), (49, 1, 1))
    ... )
    >>> score_local_symmetry(square).point_groups()[24]
    '4m'
    """
    positions = planar(atoms)
    if atoms.n < 3:
        raise NotIdentified(f"{atoms.n} atom(s) have no neighbourhood; at least 3 are needed.")
    _, typical, _ = bond_cut(positions)
    warnings = list(atoms.warnings)
    if radius is None:
        gap, emptiness = distance_gap(positions, typical, RADIUS_RANGE)
        radius = gap * typical
        if emptiness > 0.2:
            warnings.append(
                f"pair distances show no gap at the neighbourhood's edge ({emptiness:.0%} of the "
                "first peak): the scores depend on radius."
            )
    else:
        check_positive("radius", radius)
    order, starts, targets, steps = half_edges(positions, atoms.cell, float(radius))
    count = np.diff(starts)
    if not len(targets):
        raise NotIdentified(f"no atom has another within {radius:.4g} {atoms.unit}: larger radius.")
    if count.max() > MOST_NEIGHBORS:
        raise InputError(
            f"radius of {radius:.4g} {atoms.unit} holds {count.max()} neighbours and at most "
            f"{MOST_NEIGHBORS} are compared; give a smaller one."
        )
    errors = position_errors(atoms)
    warnings += errors.warnings
    joint = errors.total(atoms.n)
    n, most = atoms.n, int(count.max())
    near = np.full((n, most), -1, dtype=np.int64)
    vectors = np.full((n, most, 2), np.nan)
    where = np.arange(len(targets)) - np.repeat(starts[:-1], count)
    atom = order[np.repeat(np.arange(n), count)]
    near[atom, where], vectors[atom, where] = order[targets], steps
    tables = [np.full((n, len(OPERATIONS)), np.nan) for _ in range(3)]
    angle = np.full(n, np.nan)
    for first in range(0, n, CHUNK):
        part = np.arange(first, min(first + CHUNK, n))
        part = part[(near[part] >= 0).any(axis=1)]
        blocks = None if joint is None else _local_covariances(joint, part, near[part])
        angle[part] = _score(vectors[part], near[part] >= 0, blocks, part, tables)
    n_neighbors = (near >= 0).sum(axis=1)
    deviations, noise = (table / typical for table in tables[:2])
    return LocalSymmetry(
        deviations, noise, tables[2], angle, n_neighbors, _edge(atoms, radius), float(radius),
        tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _edge(atoms: AtomicConfiguration, radius: float) -> Flags:
    """Return which atoms stand within ``radius`` of the atoms' convex hull, so miss neighbours."""
    from scipy.spatial import ConvexHull, QhullError

    if atoms.cell is not None:
        return np.zeros(atoms.n, dtype=np.bool_)
    try:
        sides = ConvexHull(atoms.positions).equations
    except QhullError:
        return np.ones(atoms.n, dtype=np.bool_)
    inside = -(atoms.positions @ sides[:, :2].T + sides[:, 2]).max(axis=1)
    return np.asarray(inside < 0.9 * radius)


def _score(
    vectors: Floats, here: Flags, blocks: Floats | None, part: Integers, tables: list[Floats]
) -> Floats:
    """Fill the rows ``part`` of deviation, noise and p; return the mirror angles."""
    n = len(part)
    best = np.full(n, np.inf)
    turn, partner = np.zeros(n), np.zeros(here.shape, dtype=np.int64)
    for k, name in enumerate(OPERATIONS[:-1]):
        angle = TURNS[name]
        matrix = np.broadcast_to(_rotation(np.array(angle)), (n, 2, 2))
        _write(vectors, here, matrix, _match(vectors, here, matrix), blocks, part, tables, k)
    for grid in np.arange(N_MIRRORS) * np.pi / N_MIRRORS:
        double = np.full(n, 2 * grid)
        for _ in range(2):
            found = _match(vectors, here, _reflection(double))
            double = _best_mirror(vectors, here, found)
        left = _deviation(vectors, here, _reflection(double), found)
        better = left < best - 1e-12
        best[better], turn[better], partner[better] = left[better], double[better], found[better]
    _write(vectors, here, _reflection(turn), partner, blocks, part, tables, len(OPERATIONS) - 1)
    return np.asarray(0.5 * turn % np.pi)


def _rotation(angle: Floats) -> Floats:
    """Return rotation matrices (..., 2, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def _reflection(double: Floats) -> Floats:
    """Return reflections about lines at half of each angle."""
    c, s = np.cos(double), np.sin(double)
    return np.stack([np.stack([c, s], -1), np.stack([s, -c], -1)], -2)


def _reflection_slope(matrix: Floats) -> Floats:
    """Return the derivative of reflections by twice their line's angle."""
    return np.stack([np.stack([-matrix[..., 1, 0], matrix[..., 0, 0]], -1),
                     np.stack([matrix[..., 0, 0], matrix[..., 1, 0]], -1)], -2)  # fmt: skip


def _match(vectors: Floats, here: Flags, matrix: Floats) -> Integers:
    """Return for each moved neighbour the number of the nearest one."""
    moved = np.einsum("nab,nkb->nka", matrix, vectors)
    gap = moved[:, :, None] - vectors[:, None]
    square = np.where(here[:, None, :] & here[:, :, None], (gap**2).sum(axis=-1), np.inf)
    return np.asarray(square.argmin(axis=2))


def _best_mirror(vectors: Floats, here: Flags, partner: Integers) -> Floats:
    """Return twice the angle of the line that best reflects vectors onto their partners."""
    z = np.where(here, vectors[..., 0] + 1j * vectors[..., 1], 0.0)
    total = (z * np.take_along_axis(z, partner, axis=1)).sum(axis=1)
    return np.asarray(np.angle(total))


def _deviation(vectors: Floats, here: Flags, matrix: Floats, partner: Integers) -> Floats:
    """Return the mean square distance of moved neighbours from their partners."""
    moved = np.einsum("nab,nkb->nka", matrix, vectors)
    gap = moved - np.take_along_axis(vectors, partner[..., None], axis=1)
    square = np.where(here, (gap**2).sum(axis=-1), 0.0)
    return np.asarray(square.sum(axis=1) / here.sum(axis=1))


def _write(
    vectors: Floats, here: Flags, matrix: Floats, partner: Integers, blocks: Floats | None,
    part: Integers, tables: list[Floats], column: int,
) -> None:  # fmt: skip
    """Write deviation, noise and p of one operation."""
    from scipy.stats import chi2

    square = _deviation(vectors, here, matrix, partner)
    tables[0][part, column] = np.sqrt(square)
    if blocks is None:
        return
    n, most = here.shape
    # gap_k = matrix (x_k - x_0) - (x_partner - x_0), atoms in the order center, neighbours
    linear = np.zeros((n, most, 2, most + 1, 2))
    row, k = np.nonzero(here)
    linear[row, k, :, k + 1] += matrix[row]
    for axis in range(2):
        linear[row, k, axis, partner[row, k] + 1, axis] -= 1.0
    linear[row, k, :, 0] += np.eye(2) - matrix[row]
    flat = linear.reshape(n, 2 * most, 2 * (most + 1))
    covariance = flat @ blocks @ np.swapaxes(flat, 1, 2)
    trace = np.trace(covariance, axis1=1, axis2=2)
    if OPERATIONS[column] == "mirror":
        # the fitted angle takes out what a turn of the line would explain
        slope = np.einsum("nab,nkb->nka", _reflection_slope(matrix), vectors)
        slope = np.where(here[..., None], slope, 0.0).reshape(n, -1)
        slope /= np.maximum(np.linalg.norm(slope, axis=1), 1e-300)[:, None]
        for _ in range(2):
            lost = np.einsum("ni,nij->nj", slope, covariance)
            covariance = np.swapaxes(covariance - slope[:, :, None] * lost[:, None, :], 1, 2)
        trace = np.trace(covariance, axis1=1, axis2=2)
    product = covariance @ covariance
    second = np.maximum(np.trace(product, axis1=1, axis2=2), 1e-300)
    third = np.einsum("nij,nji->n", product, covariance)
    count = here.sum(axis=1)
    trace = np.maximum(trace, 0.0)
    tables[1][part, column] = np.sqrt(trace / count)
    # a weighted sum of squares has the three first moments of a shifted chi-square
    ratio = np.minimum(np.sqrt(second) * second / np.maximum(third, 1e-300), 1e6)
    freedom = ratio**2
    standard = (square * count - trace) / np.sqrt(2 * second)
    tables[2][part, column] = chi2.sf(freedom + standard * np.sqrt(2 * freedom), freedom)


def _local_covariances(joint: sparse.csr_array, part: Integers, near: Integers) -> Floats:
    """Return covariances of each atom and its neighbours, (n, 2 (most + 1), 2 (most + 1))."""
    atoms = np.concatenate([part[:, None], near], axis=1)
    size = 2 * atoms.shape[1]
    number = np.where(atoms >= 0, atoms, 0)
    index = (2 * number[..., None] + np.arange(2)).reshape(len(part), size)
    known = np.repeat(atoms >= 0, 2, axis=1)
    row = np.broadcast_to(index[:, :, None], (len(part), size, size))
    column = np.broadcast_to(index[:, None, :], row.shape)
    values = np.asarray(joint[row.ravel(), column.ravel()]).reshape(row.shape)
    return np.where(known[:, :, None] & known[:, None, :], values, 0.0)
