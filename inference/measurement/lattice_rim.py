"""Which sites of a picture count: those whose neighbourhood was seen whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.lattice_models.site_graphs import bond_table
from physlearn.records import LatticeSnapshots

__all__ = ["continue_crystal", "term_sites"]

MARGIN_LAYERS = 4


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


def continue_crystal(
    records: tuple[LatticeSnapshots, ...], margin: str | int, n_shells: int, *, uncertain: bool
) -> tuple[tuple[LatticeSnapshots, ...], list[str]]:
    """Return records with a latent margin where asked or needed, and what was done.

    Given certain labels at the rim, conditioning on it is exact; an uncertain one cannot be held.
    """
    from physlearn.inference.measurement.lattice_margin import extend_field_of_view

    if isinstance(margin, str) and margin not in ("auto", "rim"):
        raise InputError(f"margin must be auto, rim or a number of layers; got {margin!r}.")
    layers = MARGIN_LAYERS if isinstance(margin, str) else check_count("margin", margin, 1)
    if margin == "rim" or (margin == "auto" and not uncertain):
        return records, []
    out, notes = [], []
    for record in records:
        if len(term_sites(record, n_shells)) == record.graph.n_sites:
            out.append(record)
            continue
        try:
            wider = extend_field_of_view(record, layers)
        except InputError as error:
            if margin != "auto":
                raise
            notes.append(f"the crystal cannot be continued beyond the picture ({error})")
            wider = record
        else:
            more = wider.graph.n_sites - record.graph.n_sites
            notes.append(
                f"the picture is cut out of a larger crystal: {more} unseen sites around it are "
                "summed over"
            )
        out.append(wider)
    return tuple(out), notes
