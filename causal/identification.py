"""Which columns to hold fixed so that only the influence of the cause is left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import networkx as nx

from physlearn.causal.columns import Columns
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.members import (
    HIDDEN,
    blocks_back_doors,
    members,
    missed_edge_warning,
    with_missed_edge,
)
from physlearn.causal.quiet import quiet
from physlearn.checks import NotIdentified

if TYPE_CHECKING:
    import pandas as pd


def adjustment_sets(
    columns: Columns,
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    warnings: list[str],
) -> list[tuple[str, ...] | None]:
    """Return the different back-door sets over the graph's members; None where no path leads."""
    import pandas as pd

    frame = pd.DataFrame(columns.values, columns=list(columns.names))
    tiers = graph.tiers if isinstance(graph, CausalGraph) else {}
    possible = members(graph, cause, outcome)
    completed = [with_missed_edge(graph, member, cause, outcome) for member in possible]
    missed = any(new is not old for new, old in zip(completed, possible, strict=True))
    if missed:
        warnings.append(missed_edge_warning(cause, outcome))
    linked = [member for member in completed if nx.has_path(member, cause, outcome)]
    sets = dict.fromkeys(_backdoor(frame, member, cause, outcome, tiers) for member in linked)
    # one set that blocks every back door in all the graphs settles what they disagree about
    common = [s for s in sets if all(blocks_back_doors(m, cause, outcome, s) for m in linked)]
    chosen: list[tuple[str, ...] | None] = [max(common, key=len)] if common else list(sets)
    return [*chosen, None] if missed or len(linked) < len(completed) else chosen


def _backdoor(
    frame: pd.DataFrame,
    member: nx.DiGraph,
    cause: str,
    outcome: str,
    tiers: Mapping[str, int],
) -> tuple[str, ...]:
    with quiet("dowhy"):
        from dowhy import CausalModel

        model = CausalModel(frame, cause, outcome, graph=member)
        estimand = model.identify_effect(method_name="maximal-adjustment")
        if estimand.estimands.get("backdoor") is not None:
            best = model.identify_effect(method_name=_method(member, cause, outcome))
            found = set(best.get_backdoor_variables())
            return _guarded(frame, member, cause, outcome, found, tiers)
    hidden = [n for n in member if n.startswith(HIDDEN) and n.endswith(f"{cause}|{outcome}")]
    hidden += [n for n in member if n not in frame.columns and n not in hidden]
    raise NotIdentified(
        f"{cause} and {outcome} may share a cause that no column measures"
        + (f" ({hidden[0].removeprefix(HIDDEN).replace('|', ' and ')})" if hidden else "")
        + "; measure it, or set the cause on purpose."
    )


def _method(member: nx.DiGraph, cause: str, outcome: str) -> str:
    """Return dowhy's method: the efficient set, where dowhy can find it.

    Its search takes away the first edge of each directed path in turn, and fails (0.14) where two
    paths share theirs.
    """
    first = [path[0] for path in nx.all_simple_edge_paths(member, cause, outcome)]
    return "efficient-adjustment" if len(set(first)) == len(first) else "minimal-adjustment"


def _guarded(
    frame: pd.DataFrame,
    member: nx.DiGraph,
    cause: str,
    outcome: str,
    found: set[str],
    tiers: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the adjustment set made safe against a link that the graph missed.

    The causes of the cause are held fixed too, at some cost of precision. A column of a later
    tier than the cause is not: it may carry part of the influence.
    """
    parents = {p for p in member.predecessors(cause) if p in frame.columns}
    own = tiers.get(cause, math.inf)
    early = {name for name in found if tiers.get(name, -math.inf) <= own}
    for candidate in (early | parents, early, found):
        if blocks_back_doors(member, cause, outcome, tuple(candidate)):
            return tuple(sorted(candidate))
    return tuple(sorted(found))
