"""Whether structures stand on the lattice that they are counted on, and all on the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.records import LatticeSnapshots

__all__ = ["check_same_lattice", "lattice_doubts"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
LARGEST_DISPLACEMENT, LARGEST_SHEAR, FEWEST_NEIGHBOURS = 0.12, 0.06, 0.75
"""Rms displacement (crystals melt at .1 to .15; hcp taken for bcc has .136), shear, and nearest
neighbours kept."""
SAME_RADII = 0.06


def check_same_lattice(
    record: LatticeSnapshots, first: LatticeSnapshots, n_shells: int, number: int
) -> None:
    """See that bonds of one shell are the same bonds in both graphs.

    Raises
    ------
    InputError
        When numbers of neighbours or ratios of the shells' radii differ.
    """
    own, usual = (_coordination(one, n_shells) for one in (record, first))
    # boxes with open rims share the largest or the usual number of neighbours, not both
    same = any(np.array_equal(own[row], usual[row]) for row in (0, 1))
    radii = [np.array(one.graph.shell_radii[:n_shells]) for one in (record, first)]
    if all(len(row) == n_shells for row in radii):
        one, other = (row / row[0] for row in radii)
        same &= bool(np.all(np.abs(one / other - 1) < SAME_RADII))
    if not same:
        raise InputError(
            f"structures must stand on one lattice; sites of number {number} have "
            f"{own[0].tolist()} neighbours by shell and those of the first {usual[0].tolist()}, or "
            "their shells have other radii: fit each lattice by itself."
        )


def _coordination(record: LatticeSnapshots, n_shells: int) -> Int:
    """Return largest and usual number of neighbours by shell, shape (2, n_shells)."""
    graph = record.graph
    out = np.empty((2, n_shells), np.int64)
    for shell in range(n_shells):
        here = graph.shell == shell
        times = np.repeat(graph.multiplicity[here], 2)
        degree = np.bincount(graph.edges[here].ravel(), times, minlength=graph.n_sites)
        counts = np.bincount(np.rint(degree).astype(np.int64))
        out[:, shell] = len(counts) - 1, int(counts.argmax())
    return out


def lattice_doubts(
    kind: str, shear: Float, displacement: Float, neighbours: Float
) -> tuple[str, ...]:
    """Refuse crystals of another kind, however little they strain; return lesser doubts.

    Raises
    ------
    InputError
        When the median displacement is beyond .12 of the neighbour distance.

    Examples
    --------
    >>> lattice_doubts("bcc", np.zeros(3), np.full(3, 0.01), np.ones(3))
    ()
    """
    shift = float(np.median(displacement))
    if shift > LARGEST_DISPLACEMENT:
        raise InputError(
            f"structures do not stand on a lattice of kind {kind}: half of them have their atoms "
            f"displaced by more than {shift:.2f} of the neighbour distance (at most "
            f"{LARGEST_DISPLACEMENT:g}), as crystals of another kind (hcp, diamond) or molten ones "
            "have; give them as LatticeSnapshots on their own graph."
        )
    out = []
    far = np.flatnonzero(displacement > LARGEST_DISPLACEMENT)
    if len(far):
        out.append(
            f"{len(far)} of {len(displacement)} structures (first structures[{far[0]}]) have atoms "
            f"displaced by more than {LARGEST_DISPLACEMENT:g} of the neighbour distance from the "
            f"{kind} lattice: see whether they are still {kind}"
        )
    if np.median(shear) > LARGEST_SHEAR:
        out.append(
            f"half of the structures are sheared by more than {np.median(shear):.2f} against the "
            f"{kind} lattice: see whether they are {kind}"
        )
    if np.median(neighbours) < FEWEST_NEIGHBOURS:
        out.append(
            f"only {np.median(neighbours):.0%} of the {kind} lattice's nearest neighbours are "
            f"nearest in the structures: see whether they are {kind}"
        )
    return tuple(out)
