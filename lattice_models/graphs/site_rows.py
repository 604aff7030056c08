"""The bonds of every site in compressed rows, in one pass over the list of bonds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["site_rows"]

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@kernel
def fill_rows(ends: Int32, place: Int64, neighbour: Int32, bond: Int32) -> None:
    """Write the rows; ``place`` (n_sites,), where each row starts, moves to where it ends."""
    for end in range(2):
        for row in range(ends.shape[0]):
            site = ends[row, end]
            here = place[site]
            neighbour[here] = ends[row, 1 - end]
            bond[here] = row
            place[site] = here + 1


def site_rows(ends: NDArray[np.integer], n_sites: int) -> tuple[Int64, Int32, Int32]:
    """Return where the entries of each site start, and the neighbour and the bond of each entry.

    A site's entries are the bonds of which it is the first end, then those of which it is the
    second, each in the order of the list: what a stable sort by site gives, in linear time.

    Parameters
    ----------
    ends
        Both sites of every bond, shape (n_bonds, 2).
    n_sites
        Number of sites.

    Examples
    --------
    >>> start, neighbour, bond = site_rows(np.array([[0, 1], [1, 2]]), 3)
    >>> start.tolist(), neighbour.tolist(), bond.tolist()
    ([0, 1, 3, 4], [1, 2, 0, 1], [0, 1, 0, 1])
    """
    start = np.zeros(n_sites + 1, np.int64)
    np.cumsum(np.bincount(ends.ravel(), minlength=n_sites), out=start[1:])
    neighbour, bond = np.empty(ends.size, np.int32), np.empty(ends.size, np.int32)
    # a writable copy: kernels would compile anew for the read-only arrays of a record
    fill_rows(np.array(ends, np.int32, order="C"), start[:-1].copy(), neighbour, bond)
    return start, neighbour, bond
