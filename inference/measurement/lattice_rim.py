"""Which sites of a picture count: those whose neighbourhood was seen whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.records import LatticeSnapshots, SiteGraph

__all__ = ["continue_crystal", "term_sites"]

MARGIN_LAYERS = 4
SIZEABLE = 0.02
"""Share of the sites that must have a degree for it to be that of a full site."""


def term_sites(snapshots: LatticeSnapshots, n_shells: int) -> NDArray[np.int64]:
    """Return the sites that count as terms of a conditional likelihood.

    A picture is a cut-out of a larger crystal: sites at its rim have neighbours that nobody saw, so
    they serve as neighbours only. In a crystal these are the sites with a bond that leads outside
    (a vacancy inside is no such place). Elsewhere a full degree is the largest one that
    a sizeable share of the sites has, for rather too many sites are held than too few: a site with
    a lower one is rim, unless positions in a plane show it further inside their convex hull
    than a bond reaches. All sites are terms on a periodic graph, where all degrees are
    equal, and where ``metadata["boundary"]`` is ``"free"``: the crystal ends there.
    """
    graph = snapshots.graph
    everyone = np.arange(graph.n_sites)
    if snapshots.metadata.get("boundary") == "free" or graph.cell is not None:
        return everyone
    low = _lacks_neighbours(graph, n_shells)
    if not low.any():
        return everyone
    from physlearn.inference.measurement.lattice_margin import rim_sites

    try:
        return everyone[~rim_sites(graph, n_shells)]
    except (InputError, ValueError):
        return everyone[~(low & _near_the_hull(graph, n_shells))]


def _lacks_neighbours(graph: SiteGraph, n_shells: int) -> NDArray[np.bool_]:
    """Return which sites have fewer neighbours in some shell than a full site."""
    table = bond_table(graph, n_shells)
    site = np.repeat(np.arange(graph.n_sites), np.diff(table.start))
    low = np.zeros(graph.n_sites, bool)
    for shell in range(n_shells):
        here = table.shell == shell
        degree = np.bincount(site[here], weights=table.times[here], minlength=graph.n_sites)
        values, counts = np.unique(degree, return_counts=True)
        low |= degree < values[counts >= SIZEABLE * graph.n_sites].max(initial=0.0)
    return low


def _near_the_hull(graph: SiteGraph, n_shells: int) -> NDArray[np.bool_]:
    """Return which sites lie within the longest bond of the convex hull; all without a plane."""
    from scipy.spatial import ConvexHull, QhullError

    everyone = np.ones(graph.n_sites, bool)
    points = graph.positions
    if points is None or points.shape[1] != 2:
        return everyone
    try:
        hull = ConvexHull(points)
    except QhullError:
        return everyone
    depth = -(points @ hull.equations[:, :-1].T + hull.equations[:, -1]).max(axis=1)
    fitted = graph.edges[graph.shell < n_shells]
    reach = np.linalg.norm(points[fitted[:, 0]] - points[fitted[:, 1]], axis=1).max(initial=0.0)
    return np.asarray(depth < reach)


def continue_crystal(
    records: tuple[LatticeSnapshots, ...],
    margin: str | int,
    n_shells: int,
    *,
    uncertain: bool,
) -> tuple[tuple[LatticeSnapshots, ...], list[str]]:
    """Return records with a latent margin where asked or needed, and what was done.

    Given certain labels at the rim, conditioning on it is exact; an uncertain one cannot be held.
    """
    if isinstance(margin, str) and margin not in ("auto", "rim"):
        raise InputError(f"margin must be auto, rim or a number of layers; got {margin!r}.")
    layers = MARGIN_LAYERS if isinstance(margin, str) else check_count("margin", margin, 1)
    if margin in ("auto", "rim") and not uncertain:
        return records, []
    inside = [len(term_sites(record, n_shells)) for record in records]
    cut = [n < record.graph.n_sites for n, record in zip(inside, records, strict=True)]
    if not any(cut):
        return records, []
    if margin == "rim":
        raise InputError(
            "margin must be auto or a number of layers where labels are uncertain: a rim whose "
            "states are open cannot be held fixed; got 'rim'. Where the crystal ends at the "
            "picture's rim, say so by metadata['boundary'] = 'free'."
        )
    return _widened(records, cut, layers, forced=margin != "auto")


def _widened(
    records: tuple[LatticeSnapshots, ...], cut: list[bool], layers: int, *, forced: bool
) -> tuple[tuple[LatticeSnapshots, ...], list[str]]:
    """Return records with unseen sites around those that are cut out, and what was done."""
    from physlearn.inference.measurement.lattice_margin import extend_field_of_view

    out, notes = [], []
    for record, is_cut in zip(records, cut, strict=True):
        if not is_cut:
            out.append(record)
            continue
        try:
            wider = extend_field_of_view(record, layers)
        except InputError as error:
            if forced:
                raise
            wider = record
            notes.append(
                f"the crystal cannot be continued beyond the picture ({error}): it is taken to end "
                "at the picture's rim, which biases the parameters where it does not"
            )
        else:
            more = wider.graph.n_sites - record.graph.n_sites
            notes.append(
                f"the picture is cut out of a larger crystal: {more} unseen sites around it are "
                "summed over"
            )
        out.append(wider)
    return tuple(out), notes
