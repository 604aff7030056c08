"""What several searches of the same table agree on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from physlearn.causal.graph_search.knowledge import (
    Constraints,
    cycle_notes,
    keep_strictly,
    without_cycles,
)
from physlearn.causal.graph_search.marks import (
    ARROW,
    CIRCLE,
    NONE,
    Ends,
    Found,
    directed,
    empty_ends,
    orient,
)
from physlearn.causal.graph_search.pc_search import open_tails
from physlearn.causal.spatial_layout import Floats


def consensus(found: Mapping[str, Found], constraints: Constraints) -> Found:
    """Return the links that more than half of the searches show.

    A link stands where all show it and none leaves it open; else it is undecided, and the reason
    names those without it. An arrowhead stands where at least two searches direct the link and
    none against it. Two arrowheads, a hidden common cause, stand where a search for hidden causes
    shows them and no other directs the link.
    """
    ends = empty_ends(len(constraints.names))
    result = Found(ends)
    for i, j in combinations(range(len(ends)), 2):
        without = [name for name, each in found.items() if each.ends[i, j] == NONE]
        if 2 * len(without) >= len(found):
            continue
        _direct(ends, [each.ends for each in found.values()], i, j)
        unsure = [name for name, each in found.items() if (i, j) in each.open_reasons]
        if without:
            result.open_reasons[i, j] = (
                f"{len(found) - len(without)} of {len(found)} methods show it, "
                f"not {' and '.join(without)}"
            )
        elif unsure:
            result.open_reasons[i, j] = f"{' and '.join(unsure)} leave(s) it open"
    ends, said = keep_strictly(ends, constraints, hidden_causes=False)
    ends, opened = without_cycles(ends, constraints, hidden_causes=False)
    said += cycle_notes(opened, constraints.names)
    result.ends = open_tails(ends, constraints)
    result.notes = [*said, "methods that agree saw the same patches: agreement is no new evidence."]
    return result


def _direct(ends: Ends, each: list[Ends], i: int, j: int) -> None:
    ends[i, j] = ends[j, i] = CIRCLE
    votes = [[bool(directed(e)[a, b]) for e in each] for a, b in ((i, j), (j, i))]
    forward, backward = sum(votes[0]), sum(votes[1])
    hidden = any(e[i, j] == e[j, i] == ARROW for e in each)
    if forward == backward == 0 and hidden:
        ends[i, j] = ends[j, i] = ARROW
    elif forward >= 2 and backward == 0 and not hidden:
        orient(ends, i, j)
    elif backward >= 2 and forward == 0 and not hidden:
        orient(ends, j, i)


def agreement(found: Mapping[str, Found]) -> tuple[Floats, Floats]:
    """Return the shares of searches with a link, and of the directing ones with i -> j (p, p)."""
    linked = np.mean([each.ends != NONE for each in found.values()], axis=0)
    forward = np.sum([directed(each.ends) for each in found.values()], axis=0)
    with np.errstate(invalid="ignore"):
        share = np.where(forward + forward.T > 0, forward / (forward + forward.T), np.nan)
    return np.asarray(linked), np.asarray(share)
