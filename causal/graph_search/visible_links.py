"""Which arrows of a graph with hidden causes also rule out a hidden common cause of their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physlearn.causal.graphs import CausalGraph


def admits_hidden_causes(graph: CausalGraph) -> bool:
    """Whether the search that found the graph allowed for causes that nobody measured."""
    return graph.method.startswith("FCI")


def is_visible(graph: CausalGraph, cause: str, effect: str) -> bool:
    """Whether the marks of a partial ancestral graph rule out a hidden common cause of an arrow.

    An arrow says that `cause` acts on `effect`. That nothing hidden drives both is told by a column
    not linked to `effect` whose arrowhead meets `cause`, or from which a path leads into `cause`
    all of whose middle columns are common effects on it and causes of `effect`.

    Notes
    -----
    Zhang, J. Mach. Learn. Res. 9, 1437 (2008), definition 8 (visible edges).
    """
    mark_at: dict[tuple[str, str], str] = {}  # (a, b): the mark at b of the link of a and b
    linked: dict[str, set[str]] = {name: set() for name in graph.columns}
    for edge in graph.edges:
        firm = edge.presence == "present"
        mark_at[edge.source, edge.target] = edge.mark_target if firm else "circle"
        mark_at[edge.target, edge.source] = edge.mark_source if firm else "circle"
        linked[edge.source].add(edge.target)
        linked[edge.target].add(edge.source)
    seen, waiting = {cause, effect}, [cause]
    while waiting:
        here = waiting.pop()
        for far in linked[here] - seen:
            if mark_at[far, here] != "arrow":
                continue
            if far not in linked[effect]:
                return True
            acts = mark_at[far, effect] == "arrow" and mark_at[effect, far] == "tail"
            if acts and mark_at[here, far] == "arrow":
                seen.add(far)
                waiting.append(far)
    return False
