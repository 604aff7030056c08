"""Whether the rarer state of a lattice lies in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from physlearn.records import SiteGraph

__all__ = ["IN_ONE_PLACE", "clump_warning", "largest_clump"]

RAREST = 0.05
"""Up to this share of the sites, groups that touch by chance stay small."""
SMALLEST_CLUMP = 5
IN_ONE_PLACE = "touch in one place"
P_CLUMP = 1e-4


def largest_clump(rare: ArrayLike, graph: SiteGraph) -> tuple[int, float]:
    """Return the size of the largest group of touching rare sites, and how likely one is by chance.

    Touching: nearest neighbours. Were the pattern alike everywhere, whatever its couplings, small
    groups would end at each further site with one probability, which the other groups show (half a
    further member given to them); the chance is that of the largest of that many geometric sizes.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> graph = square_lattice((12, 12))
    >>> rare = np.isin(np.arange(144), [0, 5, 40, 77, 78, 89, 90, 91, 102, 130])
    >>> size, chance = largest_clump(rare, graph)
    >>> size, chance < 0.01
    (6, True)
    """
    flags = np.asarray(rare, dtype=np.bool_)
    bonds = graph.edges[graph.shell == 0]
    bonds = bonds[flags[bonds].all(axis=1)]
    links = sparse.coo_array((np.ones(len(bonds)), bonds.T), shape=(len(flags), len(flags)))
    label = connected_components(links, directed=False)[1]
    sizes = np.bincount(label[flags])
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 0, 1.0
    largest, others = int(sizes.max()), int(sizes.sum() - sizes.max())
    groups = len(sizes) - 1
    further = (others - groups + 0.5) / (others + 1.0)
    return largest, float(1.0 - (1.0 - further ** (largest - 1)) ** len(sizes))


def clump_warning(states: NDArray[np.int8], names: tuple[str, str], graph: SiteGraph) -> str | None:
    """Return what to say where the rarer state lies in one place, else None."""
    rarer = -1 if (states == -1).sum() <= (states == 1).sum() else 1
    rare = states == rarer
    n = int(rare.sum())
    if not 0 < n <= RAREST * len(states):
        return None
    size, chance = largest_clump(rare, graph)
    if size < SMALLEST_CLUMP or chance > P_CLUMP:
        return None
    return (
        f"{size} of the {n} {names[0 if rarer == -1 else 1]} sites {IN_ONE_PLACE}, which a "
        "pattern that is alike everywhere seldom does: a damaged, dirty or misfitted patch. "
        "Couplings fitted to these sites describe that patch; do not trust them for the crystal."
    )
