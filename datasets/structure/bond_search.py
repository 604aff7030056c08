"""Which atoms are bonded: distances up to a cut that the pair distances themselves show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.structure.ring_kernels import (
    bond_network,
    drop_crossings,
    nearest_distances,
    sort_by_angle,
)
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import short_repr

__all__ = ["BondNetwork", "bond_cut", "distance_gap", "find_bonds", "half_edges", "planar"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEWEST_ATOMS = 3
LARGEST_SAMPLE = 4_000
CUT_RANGE = (1.12, 1.62)
"""Where the longest bond may lie, in nearest distances."""
BIN = 0.02
SMALLEST_GAP = 0.2
"""The valley of pair distances may be at most this share of the first peak, or a warning."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BondNetwork:
    """Half-edges of each atom in counter-clockwise order, and what stands in doubt.

    Atoms are renumbered along the plane: number k of the network is atom ``order[k]``.
    """

    order: Integers
    starts: Integers
    targets: Integers
    steps: Floats
    longest: float
    warnings: tuple[str, ...]

    __repr__ = short_repr

    def pairs(self) -> tuple[Integers, Integers]:
        """Return each bond once (first atom < second), shape (m, 2), and its half-edge."""
        first = self.order[np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))]
        second = self.order[self.targets]
        once = np.flatnonzero(first < second)
        return np.stack([first[once], second[once]], axis=1), once


def planar(atoms: AtomicConfiguration, name: str = "atoms") -> Floats:
    """Return positions in the plane, or refuse."""
    if atoms.dimension != 2:
        raise InputError(
            f"{name} must lie in the plane, positions of shape (n, 2); got {atoms.positions.shape}."
        )
    return atoms.positions


def _box(positions: Floats, cell: Floats | None, longest: float) -> tuple[Floats, Floats, int, int]:
    """Return places as shares of a box, the box's rows and the bins along both."""
    if cell is not None:
        area = abs(float(np.linalg.det(cell)))
        heights = area / np.hypot(*cell[::-1].T)
        if np.any(heights < 3 * longest):
            raise InputError(
                f"cell must be at least three bonds ({3 * longest:.4g}) wide for bonds to be told "
                f"from their periodic images; it is {heights.min():.4g} wide. Repeat the cell."
            )
        shares = positions @ np.linalg.inv(cell)
        return (
            shares - np.floor(shares),
            cell,
            int(heights[0] // longest),
            int(heights[1] // longest),
        )
    low = positions.min(axis=0)
    edges = np.maximum(positions.max(axis=0) - low, longest) * (1 + 1e-9)
    # bins as wide as the cut, but never many more bins than atoms
    width = max(longest, float(np.sqrt(edges[0] * edges[1] / (4 * len(positions) + 16))))
    n_x, n_y = (max(1, int(edge // width)) for edge in edges)
    return (positions - low) / edges, np.diag(edges), n_x, n_y


def half_edges(
    positions: Floats, cell: Floats | None, longest: float
) -> tuple[Integers, Integers, Integers, Floats]:
    """Return order, starts, targets and steps of all pairs up to ``longest``."""
    places, box, n_x, n_y = _box(positions, cell, longest)
    periodic = cell is not None
    return bond_network(
        np.ascontiguousarray(places), np.ascontiguousarray(box), periodic, n_x, n_y, longest
    )


def _sample(positions: Floats) -> Floats:
    """Return a compact part of many atoms: whole neighbourhoods, about ``LARGEST_SAMPLE``."""
    n = len(positions)
    if n <= 2 * LARGEST_SAMPLE:
        return positions
    # strips across the whole scene, so that no corner speaks for all
    n_strips = 4
    low, high = positions[:, 1].min(), positions[:, 1].max()
    share = (positions[:, 1] - low) / max(high - low, 1e-300) * n_strips
    return np.asarray(positions[share - np.floor(share) < LARGEST_SAMPLE / n])


def bond_cut(positions: Floats) -> tuple[float, float, float]:
    """Return (longest bond, nearest distance, emptiness there) from the pair distances' valley.

    Emptiness: density of pair distances at the cut as a share of the first peak.
    """
    sample = _sample(positions)
    low, high = positions.min(axis=0), positions.max(axis=0)
    reach = 1.2 * float(np.sqrt(max(np.prod(high - low), 0.0) / len(positions)))
    reach = max(reach, 3.0 * float((high - low).max()) / len(positions))
    if not reach > 0:
        raise NotIdentified("the atoms stand on one point: there is no distance to bond by.")
    for _ in range(8):
        _, starts, _, steps = half_edges(sample, None, reach)
        nearest = nearest_distances(starts, steps)
        if np.mean(np.isfinite(nearest)) > 0.9:
            break
        reach *= 1.6
    typical = float(np.median(nearest[np.isfinite(nearest)]))
    cut, emptiness = distance_gap(sample, typical, CUT_RANGE)
    return cut * typical, typical, emptiness


def distance_gap(
    positions: Floats, typical: float, between: tuple[float, float]
) -> tuple[float, float]:
    """Return the emptiest pair distance in a range of nearest distances, and how full it is.

    The latter is the density there as a share of the first peak's.
    """
    widest = between[1] + 6 * BIN
    _, _, _, steps = half_edges(positions, None, widest * typical)
    lengths = np.hypot(steps[:, 0], steps[:, 1]) / typical
    edges = np.arange(0.0, widest, BIN)
    density = np.histogram(lengths, edges)[0] / (edges[:-1] + 0.5 * BIN)
    weights = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    density = np.convolve(density, weights / weights.sum(), mode="same")
    centers = edges[:-1] + 0.5 * BIN
    peak = max(float(density[(centers > 0.8) & (centers < 1.2)].max()), 1e-300)
    allowed = np.flatnonzero((centers > between[0]) & (centers < between[1]))
    empty = allowed[density[allowed] <= density[allowed].min() + 0.002 * peak]
    # the middle of the widest run of near-empty distances
    runs = np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
    widest_run = max(runs, key=len)
    return float(centers[widest_run].mean()), float(density[allowed].min() / peak)


def find_bonds(atoms: AtomicConfiguration, bond_length: float | None = None) -> BondNetwork:
    """Return all bonds up to ``bond_length`` (None: the valley of the pair distances)."""
    positions = planar(atoms)
    if atoms.n < FEWEST_ATOMS:
        raise NotIdentified(f"{atoms.n} atom(s) make no ring: at least {FEWEST_ATOMS} are needed.")
    warnings: list[str] = []
    if bond_length is None:
        longest, typical, emptiness = bond_cut(positions)
        if emptiness > SMALLEST_GAP:
            warnings.append(
                f"pair distances show no clear gap (density {emptiness:.0%} of the first peak at "
                f"the cut of {longest / typical:.2f} nearest distances): bonds and rings depend on "
                "the cut; give bond_length."
            )
    else:
        check_positive("bond_length", bond_length)
        longest = float(bond_length)
    order, starts, targets, steps = half_edges(positions, atoms.cell, longest)
    if not len(targets):
        raise NotIdentified(
            f"no two atoms stand nearer than {longest:.4g} {atoms.unit}: give a longer bond_length."
        )
    largest = int(np.diff(starts).max())
    if largest > 60:
        raise InputError(
            f"bond_length of {longest:.4g} {atoms.unit} joins an atom to {largest} others: bonds "
            "must be shorter than the second neighbours' distance."
        )
    sort_by_angle(starts, targets, steps)
    # crossing bonds need ends nearer than the cut over root 2
    if nearest_distances(starts, steps).min() * np.sqrt(2.0) < longest:
        keep = np.ones(len(targets), dtype=np.bool_)
        n_dropped = drop_crossings(starts, targets, steps, keep)
        if n_dropped:
            before = np.concatenate([[0], np.cumsum(keep)])
            starts, targets, steps = before[starts], targets[keep], steps[keep]
    return BondNetwork(order, starts, targets, steps, longest, tuple(warnings))
