"""Defects of a ring network: connected rings of another size than the rest, named and located."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, as_generator
from physlearn.datasets.structure.find_rings import Rings, find_rings
from physlearn.datasets.structure.joint_positions import position_errors
from physlearn.records import AtomicConfiguration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["count_ring_defects", "find_ring_defects"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SAME_DEFECT_BONDS = 1.5
"""A defect of a redrawn picture is the same one within this many bond lengths."""
NAMES = {
    (5, 5, 7, 7): "5-5-7-7",
    (5, 7): "5-7",
    (5, 5, 8): "5-8-5",
    (5, 9): "5-9",
    (5, 5, 5, 7, 7, 7): "555-777",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Defects:
    """Places, kinds, ring sizes, bond angles and rings of the defects of one network."""

    centers: Floats
    kinds: list[str]
    sizes: list[tuple[int, ...]]
    angles: Floats
    ends: list[Integers]


def find_ring_defects(
    atoms: AtomicConfiguration | Rings,
    *,
    bond_length: float | None = None,
    draws: int = 0,
    rng: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """List the defects of a ring network: Stone-Wales, 5-7 pairs, 5-8-5, 5-9 and other groups.

    A Stone-Wales defect is a bond between two heptagons at whose both ends a pentagon closes: the
    trace of a bond turned by 90 degrees in a hexagonal network. What else differs from the
    commonest ring size is grouped by shared bonds and named by its ring sizes.

    Parameters
    ----------
    atoms
        Atoms in the plane, or the ``Rings`` found in them.
    bond_length
        See ``find_rings``.
    draws
        Networks redrawn with every position moved by its error; the share of them that shows the
        same kind within 1.5 bonds is the defect's ``probability`` (NaN with 0 draws).
    rng
        Seed or generator of those draws.

    Returns
    -------
    pandas.DataFrame
        One row a defect: kind, ring_sizes, x, y (mean of its atoms; of a Stone-Wales defect the
        turned bond's middle), x_sd, y_sd, bond_angle (radians, from 0 to pi; NaN otherwise),
        n_rings, probability. ``attrs`` hold ``normal_size``, ``unit`` and ``warnings``.

    Raises
    ------
    InputError
        For draws below 0, or draws of atoms without errors.
    NotIdentified
        When there is no ring at all.

    Notes
    -----
    The draws hold the atoms' number fixed: an atom missed or invented is another question. Stone
    and Wales (1986), doi:10.1016/0009-2614(86)80661-3.

    Examples
    --------
    >>> from physlearn.datasets import make_stone_wales_graphene
    >>> truth = make_stone_wales_graphene(1, shape=(170, 170), rng=1).scene.truth
    >>> find_ring_defects(truth)["kind"].tolist()
    ['stone-wales']
    """
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 0:
        raise InputError(f"draws must be an integer of at least 0; got {draws!r}.")
    rings = atoms if isinstance(atoms, Rings) else find_rings(atoms, bond_length=bond_length)
    if not rings.n:
        raise NotIdentified("the bonds close no ring: there is no network to have defects.")
    found = _defects(rings)
    warnings = list(rings.warnings)
    if rings.normal_size != 6:
        warnings.append(
            f"the commonest ring has {rings.normal_size} atoms, not 6: no Stone-Wales defects."
        )
    probability = np.full(len(found.kinds), np.nan)
    if draws:
        probability = _probability(rings, found, draws, rng)
    return _table(rings, found, probability, warnings)


def count_ring_defects(defects: pd.DataFrame) -> pd.DataFrame:
    """Count the defects of each kind, with a Poisson interval for the kind's expected number.

    Parameters
    ----------
    defects
        What ``find_ring_defects`` returns.

    Returns
    -------
    pandas.DataFrame
        Rows kind, count, expected_low, expected_high: the equal-tailed 90 % interval
        (Garwood 1936) of the mean number in a region of this size.

    Examples
    --------
    >>> import pandas as pd
    >>> count_ring_defects(pd.DataFrame({"kind": ["5-7", "5-7"]})).round(2).values.tolist()
    [['5-7', 2, 0.36, 6.3]]
    """
    import pandas as pd
    from scipy.stats import chi2

    counts = defects["kind"].value_counts()
    n = counts.to_numpy()
    tail = 0.5 * (1 - CREDIBLE_MASS)
    return pd.DataFrame(
        {
            "kind": counts.index.astype(str),
            "count": n,
            "expected_low": 0.5 * chi2.ppf(tail, 2 * n),
            "expected_high": 0.5 * chi2.ppf(1 - tail, 2 * n + 2),
        }
    )


def _defects(rings: Rings) -> _Defects:
    """Return all defects: Stone-Wales bonds first, then what is left, by shared bonds."""
    turned = _turned_bonds(rings)
    odd = rings.sizes != rings.normal_size
    used = np.zeros(rings.n, dtype=np.bool_)
    centers: list[Floats] = []
    kinds: list[str] = []
    sizes: list[tuple[int, ...]] = []
    angles: list[float] = []
    ends: list[Integers] = []
    positions = rings.atoms.positions
    for bond, four in turned:
        used[four] = True
        a, b = rings.bonds[bond]
        step = _nearest(positions[b] - positions[a], rings.atoms.cell)
        centers.append(positions[a] + 0.5 * step)
        kinds.append("stone-wales")
        sizes.append((5, 5, 7, 7))
        angles.append(float(np.arctan2(step[1], step[0]) % np.pi))
        ends.append(np.array([a, b]))
    left, right = rings.bond_rings.T
    joined = (left >= 0) & (right >= 0)
    joined[joined] = (odd & ~used)[left[joined]] & (odd & ~used)[right[joined]]
    graph = sparse.csr_array(
        (np.ones(joined.sum()), (left[joined], right[joined])), shape=(rings.n, rings.n)
    )
    group = connected_components(graph, directed=False)[1]
    loose = np.flatnonzero(odd & ~used)
    order = loose[np.argsort(group[loose], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if not len(part):
            continue
        near = np.unique(
            np.concatenate([rings.members[rings.starts[k] : rings.starts[k + 1]] for k in part])
        )
        first = positions[near[0]]
        steps = np.array([_nearest(place - first, rings.atoms.cell) for place in positions[near]])
        centers.append(first + steps.mean(axis=0))
        named = tuple(sorted(int(size) for size in rings.sizes[part]))
        sizes.append(named)
        kinds.append(NAMES.get(named, "other"))
        angles.append(np.nan)
        ends.append(near)
    return _Defects(np.array(centers).reshape(-1, 2), kinds, sizes, np.array(angles), ends)


def _turned_bonds(rings: Rings) -> list[tuple[int, Integers]]:
    """Return bonds between two heptagons with a pentagon at either end, and the four rings."""
    if rings.normal_size != 6:
        return []
    around = rings.bond_rings
    sizes = np.append(rings.sizes, -1)
    seven = np.flatnonzero((sizes[around] == 7).all(axis=1))
    rings_of: dict[int, set[int]] = {}
    wanted = np.unique(rings.bonds[seven])
    for bond in np.flatnonzero(np.isin(rings.bonds, wanted).any(axis=1)):
        for atom in rings.bonds[bond]:
            rings_of.setdefault(int(atom), set()).update(int(k) for k in around[bond])
    found = []
    taken: set[int] = set()
    for bond in seven:
        sevens = {int(k) for k in around[bond]}
        caps = [rings_of[int(atom)] - sevens for atom in rings.bonds[bond]]
        if any(len(cap) != 1 for cap in caps):
            continue
        four = [*sevens, *(cap.pop() for cap in caps)]
        if len(set(four)) == 4 and all(sizes[k] == 5 for k in four[2:]) and not taken & set(four):
            taken |= set(four)
            found.append((int(bond), np.array(four)))
    return found


def _nearest(step: Floats, cell: Floats | None) -> Floats:
    """Return a vector to the nearest periodic image."""
    if cell is None:
        return step
    shares = step @ np.linalg.inv(cell)
    return np.asarray((shares - np.round(shares)) @ cell)


def _probability(
    rings: Rings, found: _Defects, draws: int, rng: int | np.random.Generator | None
) -> Floats:
    """Return the share of redrawn networks that show each defect again."""
    covariance = rings.atoms.position_covariance
    if covariance is None:
        raise InputError(
            "draws need position errors and the atoms carry none; give draws=0, or atoms with "
            "position_covariance."
        )
    generator, _ = as_generator(rng)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    reach = SAME_DEFECT_BONDS * float(np.median(rings.bond_lengths))
    seen = np.zeros(len(found.kinds))
    for _ in range(draws):
        kick = np.einsum("nij,nj->ni", root, generator.normal(size=(rings.atoms.n, 2)))
        moved = rings.atoms.with_changes(positions=rings.atoms.positions + kick)
        other = _defects(find_rings(moved, bond_length=rings.longest_bond))
        for k, kind in enumerate(found.kinds):
            same = [m for m, name in enumerate(other.kinds) if name == kind]
            steps = [_nearest(other.centers[m] - found.centers[k], moved.cell) for m in same]
            seen[k] += any(np.hypot(*step) < reach for step in steps)
    return seen / draws


def _table(rings: Rings, found: _Defects, probability: Floats, warnings: list[str]) -> pd.DataFrame:
    """Return the table of defects with the errors of their places."""
    import pandas as pd

    sizes = np.array([len(near) for near in found.ends], dtype=np.int64)
    defect = np.repeat(np.arange(len(sizes)), sizes)
    members = np.concatenate([*found.ends, np.empty(0, dtype=np.int64)])
    share = sparse.csr_array(
        (1.0 / np.repeat(sizes, sizes), (defect, members)), shape=(len(sizes), rings.atoms.n)
    )
    operator = sparse.csr_array(sparse.kron(share, sparse.eye_array(2), format="csr"))
    errors = position_errors(rings.atoms)
    covariance = errors.blocks(operator, 2)
    sd = np.sqrt(covariance[:, [0, 1], [0, 1]])
    table = pd.DataFrame(
        {
            "kind": found.kinds,
            "ring_sizes": ["-".join(map(str, size)) for size in found.sizes],
            "x": found.centers[:, 0], "y": found.centers[:, 1],
            "x_sd": sd[:, 0], "y_sd": sd[:, 1], "bond_angle": found.angles,
            "n_rings": [len(size) for size in found.sizes], "probability": probability,
        }
    )  # fmt: skip
    table.attrs.update(
        normal_size=rings.normal_size, unit=rings.atoms.unit, warnings=(*warnings, *errors.warnings)
    )
    return table
