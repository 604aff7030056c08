"""Which sites of a picture count: those whose neighbourhood was seen whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.site_graphs import bond_table
from physlearn.records import LatticeSnapshots

__all__ = ["term_sites"]


def term_sites(snapshots: LatticeSnapshots, n_shells: int) -> NDArray[np.int64]:
    """Return the sites that count as terms of a conditional likelihood.

    A picture is a cut-out of a larger crystal: sites at its rim have neighbours that nobody saw, so
    they serve as neighbours only. A site is taken for rim when it lies within the largest fitted
    bond length of the convex hull of all positions AND lacks neighbours in some shell (a vacancy
    inside lowers the degree too, but that site's neighbourhood is complete). Without 2-D positions
    a low degree alone decides. All sites are terms on a periodic graph, where all
    degrees are equal, and where ``metadata["boundary"]`` is ``"free"``: the crystal ends there.
    """
    graph = snapshots.graph
    everyone = np.arange(graph.n_sites)
    if snapshots.metadata.get("boundary") == "free" or graph.cell is not None:
        return everyone
    table = bond_table(graph, n_shells)
    site = np.repeat(everyone, np.diff(table.start))
    low = np.zeros(graph.n_sites, bool)
    for shell in range(n_shells):
        here = table.shell == shell
        degree = np.bincount(site[here], weights=table.times[here], minlength=graph.n_sites)
        values, counts = np.unique(degree, return_counts=True)
        low |= degree < values[np.argmax(counts)]
    points = graph.positions
    if points is None or points.shape[1] != 2 or not low.any():
        return everyone[~low]
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except QhullError:
        return everyone[~low]
    depth = -(points @ hull.equations[:, :-1].T + hull.equations[:, -1]).max(axis=1)
    fitted = graph.edges[graph.shell < n_shells]
    reach = np.linalg.norm(points[fitted[:, 0]] - points[fitted[:, 1]], axis=1).max(initial=0.0)
    kept: NDArray[np.int64] = everyone[~(low & (depth < reach))]
    return kept
