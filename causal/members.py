"""The fully directed graphs that an open causal graph may stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product

import networkx as nx

from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.checks import InputError, NotIdentified

HIDDEN = "hidden:"
"""Nodes whose name starts like this stand for a common cause that nobody measured."""
MAX_MEMBERS = 3000
NEAR_LIMIT = 1.5
"""A link below so many times the detectable partial correlation owes part of it to its luck."""


def members(graph: CausalGraph | nx.DiGraph, *targets: str) -> list[nx.DiGraph]:
    """Return the directed acyclic graphs among the possible ancestors of `targets`.

    An undirected edge stands for either direction or a hidden common cause, a circle-arrow edge
    for cause or hidden common cause (between two targets for both together, too), an arrow-arrow
    edge for a hidden one. An undecided edge
    between two targets may also be absent; elsewhere it is kept, as its strength is estimated
    and may come out as zero. Graphs with a cycle, or with a collider that the found graph does
    not have, are left out.

    Raises
    ------
    InputError
        For targets that are no nodes, or a given graph with a cycle.
    NotIdentified
        When more graphs are left than can be gone through.
    """
    nodes = set(graph.columns) if isinstance(graph, CausalGraph) else set(graph.nodes)
    for target in targets:
        if target not in nodes:
            raise InputError(f"{target!r} is no node of the graph; it has {sorted(nodes)}.")
    if not isinstance(graph, CausalGraph):
        if not nx.is_directed_acyclic_graph(graph):
            raise InputError("graph must be directed and hold no cycle.")
        return [_ancestral(graph, targets)]
    relevant = _possible_ancestors(graph, targets)
    edges = [e for e in graph.edges if {e.source, e.target} <= relevant]
    choices = [_choices(edge, targets) for edge in edges]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MAX_MEMBERS:
        unclear = [f"{e.source} - {e.target}" for e in edges if len(_choices(e, targets)) > 1]
        raise NotIdentified(
            f"{len(unclear)} links around {', '.join(targets)} are open "
            f"({', '.join(unclear[:4])}...): too many graphs fit to bound the effect."
        )
    found: dict[frozenset[tuple[str, str]], nx.DiGraph] = {}
    for member in _oriented(graph, edges, choices):
        member.add_nodes_from(targets)
        ancestral = _ancestral(member, targets)
        found.setdefault(frozenset(ancestral.edges), ancestral)
    return list(found.values())


def _ancestral(graph: nx.DiGraph, targets: tuple[str, ...]) -> nx.DiGraph:
    """Return the part of a directed graph from which the targets can be reached."""
    kept = set().union(*(nx.ancestors(graph, t) | {t} for t in targets))
    return nx.DiGraph(graph.subgraph(kept))


def with_missed_edge(
    graph: CausalGraph | nx.DiGraph, member: nx.DiGraph, cause: str, outcome: str
) -> nx.DiGraph:
    """Return the member with an edge from cause to outcome where a test may have missed one.

    A test that found no link did not show that the influence is zero. In a discovered graph
    without a path from cause to outcome the edge is therefore put in beside the graph as found,
    to be estimated with its error, unless tiers or the direction of another path forbid it.
    """
    if not isinstance(graph, CausalGraph) or math.isnan(graph.alpha):
        return member
    if nx.has_path(member, cause, outcome) or nx.has_path(member, outcome, cause):
        return member
    later = graph.tiers.get(cause, 0) > graph.tiers.get(outcome, math.inf)
    if later or graph.edge_between(cause, outcome) is not None:
        return member
    result = nx.DiGraph(member)
    result.add_edge(cause, outcome)
    return result


def blocks_back_doors(
    member: nx.DiGraph, cause: str, outcome: str, adjustment: tuple[str, ...]
) -> bool:
    """Whether holding the columns fixed leaves only the influence of the cause (back-door rule)."""
    if not set(adjustment) <= set(member.nodes) - nx.descendants(member, cause):
        return False
    without = nx.DiGraph(member)
    without.remove_edges_from(list(member.out_edges(cause)))
    return bool(nx.is_d_separator(without, {cause}, {outcome}, set(adjustment)))


def missed_edge_warning(cause: str, outcome: str) -> str:
    """Return the sentence that goes with `with_missed_edge`."""
    return (
        f"the graph shows no path from {cause} to {outcome}; what is not zero is what a direct "
        "link that was missed would carry."
    )


def weak_link_warnings(
    graph: CausalGraph | nx.DiGraph, cause: str, outcome: str
) -> tuple[str, ...]:
    """Return what to say where the influence rests on links that were only just found.

    Of links near the limit of detection those are found that the noise makes larger, and the
    same patches show them too large again (the winner's curse). The direct link counts, and where
    every path holds a weak link those on the paths.
    """
    if not isinstance(graph, CausalGraph):
        return ()
    limit = NEAR_LIMIT * graph.detectable  # NaN in a graph that nobody searched for
    weak = [e for e in graph.edges if abs(e.partial_correlation) < limit]
    possible = _possible_causes(graph, graph.edges)
    if not nx.has_path(possible, cause, outcome):
        return ()
    ends = {cause, outcome}
    named = [e for e in weak if {e.source, e.target} == ends]
    firm = _possible_causes(graph, [e for e in graph.edges if e not in weak])
    if not named and not nx.has_path(firm, cause, outcome):
        between = (nx.descendants(possible, cause) & nx.ancestors(possible, outcome)) | ends
        named = [e for e in weak if {e.source, e.target} <= between]
    return tuple(
        f"the link between {e.source} and {e.target} is near the limit of what its patches can "
        "show: estimated on the patches that it was found on, its effect is often overstated; "
        "estimate it on a new field."
        for e in named
    )


def possible_directions(graph: CausalGraph | nx.DiGraph) -> nx.DiGraph:
    """Return every direction that the marks of a graph leave open, all columns as nodes."""
    if not isinstance(graph, CausalGraph):
        return nx.DiGraph(graph)
    return _possible_causes(graph, graph.edges)


def _possible_causes(graph: CausalGraph, edges: Iterable[GraphEdge]) -> nx.DiGraph:
    """Return every direction that the marks of the edges leave open."""
    result = nx.DiGraph()
    result.add_nodes_from(graph.columns)
    for edge in edges:
        if edge.mark_source != "arrow":
            result.add_edge(edge.source, edge.target)
        if edge.mark_target != "arrow":
            result.add_edge(edge.target, edge.source)
    return result


def _possible_ancestors(graph: CausalGraph, targets: tuple[str, ...]) -> set[str]:
    upstream = _possible_causes(graph, graph.edges)
    for edge in graph.edges:
        if edge.mark_source == edge.mark_target == "arrow":
            # the hidden cause matters where either end does
            upstream.add_edges_from([(edge.source, edge.target), (edge.target, edge.source)])
    return set().union(*(nx.ancestors(upstream, t) | {t} for t in targets))


def _choices(edge: GraphEdge, targets: tuple[str, ...]) -> list[str]:
    marks = (edge.mark_source, edge.mark_target)
    options = {
        ("tail", "arrow"): ["forward"],
        ("arrow", "tail"): ["backward"],
        ("circle", "arrow"): ["forward", "hidden"],
        ("arrow", "circle"): ["backward", "hidden"],
        ("arrow", "arrow"): ["hidden"],
    }.get(marks, ["forward", "backward", "hidden"])
    if not {edge.source, edge.target} <= set(targets):
        return options
    if sorted(marks) == ["arrow", "circle"]:
        # the circle leaves room for both at once, and then nothing bounds the effect
        options = [*options, f"{options[0]}+hidden"]
    return [*options, "absent"] if edge.presence == "undecided" else options


def _oriented(
    graph: CausalGraph, edges: list[GraphEdge], choices: list[list[str]]
) -> Iterator[nx.DiGraph]:
    adjacent = {frozenset((e.source, e.target)) for e in graph.edges}
    for picked in product(*choices):
        heads: dict[str, list[tuple[str, bool]]] = {}
        member = nx.DiGraph()
        for edge, choice in zip(edges, picked, strict=True):
            ends = (edge.source, edge.target)
            member.add_nodes_from(ends)
            if "forward" in choice:
                member.add_edge(*ends)
            if "backward" in choice:
                member.add_edge(*ends[::-1])
            if "hidden" in choice:
                hidden = f"{HIDDEN}{ends[0]}|{ends[1]}"
                member.add_edges_from([(hidden, ends[0]), (hidden, ends[1])])
            if "forward" in choice or "hidden" in choice:
                heads.setdefault(ends[1], []).append((ends[0], edge.mark_target == "arrow"))
            if "backward" in choice or "hidden" in choice:
                heads.setdefault(ends[0], []).append((ends[1], edge.mark_source == "arrow"))
        if nx.is_directed_acyclic_graph(member) and not _new_collider(heads, adjacent):
            yield member


def _new_collider(heads: dict[str, list[tuple[str, bool]]], adjacent: set[frozenset[str]]) -> bool:
    """Whether two arrowheads meet, between columns not linked, of which one was not found."""
    for incoming in heads.values():
        for k, (first, first_found) in enumerate(incoming):
            for second, second_found in incoming[k + 1 :]:
                shielded = frozenset((first, second)) in adjacent
                if not shielded and not (first_found and second_found):
                    return True
    return False
