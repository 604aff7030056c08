"""A part of a large picture, its outer sites held as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.lattice_models.graphs.site_graphs import keep_sites

__all__ = ["window_of", "window_of_data"]


def window_of(group: PictureGroup, n_sites: int) -> PictureGroup:
    """Return about ``n_sites`` sites in the middle of a group, as pictures of their own.

    Sites with a bond that leads out of the window are held: given them the rest has its own
    distribution, exactly. A group that is not larger comes back as it is.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_data import gather_snapshots
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((32, 32)), rng=1)
    >>> data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    >>> window = window_of(data.groups[0], 100)
    >>> window.n_sites, len(window.terms)
    (100, 64)
    """
    if group.n_sites <= n_sites:
        return group
    sites = _chosen(group, n_sites)
    place = np.full(group.n_sites, -1)
    place[sites] = np.arange(len(sites))
    open_site = np.zeros(group.n_sites, bool)
    open_site[group.terms] = True
    ends = group.graph.edges
    leads_out = (place[ends[:, 0]] < 0) != (place[ends[:, 1]] < 0)
    open_site[ends[leads_out].ravel()] = False
    return replace(
        group,
        graph=keep_sites(group.graph, sites),
        codes=group.codes[sites],
        terms=np.flatnonzero(open_site[sites]),
        label=None if group.label is None else group.label[sites],
        labelled=group.labelled[sites],
        picture=group.picture[sites],
        extra=group.extra[:, sites],
        offset=None if group.offset is None else group.offset[sites],
        pairs=None,
    )


def window_of_data(data: LatticeData, n_sites: int) -> LatticeData:
    """Return the data with every group cut to a window."""
    return replace(data, groups=tuple(window_of(group, n_sites) for group in data.groups))


def _chosen(group: PictureGroup, n_sites: int) -> NDArray[np.int64]:
    """Return the sites nearest to the middle, in their order; by number without positions."""
    points = group.graph.positions
    if points is None:
        first = (group.n_sites - n_sites) // 2
        return np.arange(first, first + n_sites)
    away = np.abs(points - np.median(points, axis=0)).max(axis=1)
    return np.sort(np.argsort(away, kind="stable")[:n_sites])
