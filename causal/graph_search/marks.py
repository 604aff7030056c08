"""What a search answers: which columns are linked, and the mark at each end of a link."""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from physlearn.causal.spatial_layout import Floats

NONE, TAIL, ARROW, CIRCLE = 0, 1, 2, 3
MARK_NAMES = {TAIL: "tail", ARROW: "arrow", CIRCLE: "circle"}

Ends = NDArray[np.int8]
Mask = NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Found:
    """The links that one search found.

    Attributes
    ----------
    ends
        int8, shape (p, p): the mark at column j of the link of i and j; 0 where there is none.
    open_reasons
        Pair (i < j) -> why the search leaves it open whether there is a link.
    notes
        What the reader must know.
    adjacency_posterior
        Probability of a link in either direction, shape (p, p), from a posterior over graphs.
    direction_posterior
        Probability that i causes j, given that they are linked, shape (p, p).
    """

    ends: Ends
    open_reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    adjacency_posterior: Floats | None = None
    direction_posterior: Floats | None = None


def empty_ends(p: int) -> Ends:
    """Return no link between `p` columns."""
    return np.zeros((p, p), dtype=np.int8)


def circles(adjacent: Mask) -> Ends:
    """Return links with both ends open."""
    return np.where(adjacent, CIRCLE, NONE).astype(np.int8)


def directed(ends: Ends) -> Mask:
    """Return [i, j]: the link of i and j points at j, and not at i."""
    return np.asarray((ends == ARROW) & (ends.T != ARROW) & (ends.T != NONE), dtype=np.bool_)


def orient(ends: Ends, cause: int, effect: int) -> None:
    """Put a tail at the cause and an arrowhead at the effect, in place."""
    ends[effect, cause] = TAIL
    ends[cause, effect] = ARROW


def find_cycle(arrows: Mask) -> list[int]:
    """Return the columns of one directed cycle, in order; empty when there is none."""
    graph = nx.from_numpy_array(arrows.astype(np.int8), create_using=nx.DiGraph)
    try:
        return [int(edge[0]) for edge in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        return []


def reachable(arrows: Mask) -> Mask:
    """Return [i, j]: a directed path leads from i to j."""
    reach = np.array(arrows, dtype=np.bool_)
    for k in range(len(reach)):
        reach |= reach[:, [k]] & reach[[k], :]
    return reach


def pair(first: int, second: int) -> tuple[int, int]:
    """Return two columns in the order of their numbers."""
    return (first, second) if first < second else (second, first)
