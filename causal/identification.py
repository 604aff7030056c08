"""What has to be held fixed, followed or used so that only the influence of the cause is left."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import networkx as nx

from physlearn.causal.effect_estimates.effect_records import EffectOptions, Estimand
from physlearn.causal.graph_search.visible_links import admits_hidden_causes, is_visible
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.members import (
    HIDDEN,
    blocks_back_doors,
    members,
    missed_edge_warning,
    with_missed_edge,
)
from physlearn.causal.quiet import quiet


@dataclass(frozen=True, slots=True)
class Identification:
    """The estimands over the graphs that are still possible, or why there is none.

    `would_identify` names what nobody measured and each of which alone would identify the effect.
    """

    estimands: tuple[Estimand, ...]
    reason: str = ""
    would_identify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """dowhy's answer for one graph; `back_door` is None where no such set exists."""

    back_door: tuple[str, ...] | None
    front_door: tuple[str, ...]
    instruments: tuple[str, ...]


def identify(
    observed: Collection[str],
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    options: EffectOptions,
    warnings: list[str],
) -> Identification:
    """Return how the effect can be read from the `observed` columns in every possible graph.

    With `options.smooth_confounder` the hidden nodes count as observed: what they do is taken out
    by the band in space, not by a column.
    """
    tiers = graph.tiers if isinstance(graph, CausalGraph) else {}
    possible = [
        _with_invisible(graph, member, cause, outcome) for member in members(graph, cause, outcome)
    ]
    if not possible:
        return Identification(
            (),
            f"no directed graph without a cycle fits the marks around {cause} and {outcome}: the "
            "links were found with errors, or a hidden cause drives several of them.",
        )
    shared = [member for member in possible if _hidden_between(member, cause, outcome)]
    if options.smooth_confounder:
        # a hidden common cause alone is the case of no effect beside the smooth field
        direct = [member for member in possible if member not in shared]
        possible = direct or possible
    completed = [with_missed_edge(graph, member, cause, outcome) for member in possible]
    missed = any(new is not old for new, old in zip(completed, possible, strict=True))
    if missed:
        warnings.append(missed_edge_warning(cause, outcome))
    linked = [member for member in completed if nx.has_path(member, cause, outcome)]
    found = []
    for member in linked:
        estimand = _estimand(member, cause, outcome, observed, tiers, options)
        if estimand is None:
            would = columns_that_identify(member, cause, outcome, observed)
            reason = _refusal(member, cause, outcome, observed, would, options.strategy)
            return Identification((), reason, would)
        found.append(estimand)
    estimands = list(dict.fromkeys(found))
    # one set that blocks every back door in all the graphs settles what they disagree about
    common = [
        e for e in estimands
        if e.strategy == "back-door"
        and all(blocks_back_doors(m, cause, outcome, e.held_fixed) for m in linked)
    ]  # fmt: skip
    if common:
        estimands = [max(common, key=lambda e: len(e.held_fixed))]
    if missed or len(linked) < len(completed):
        estimands.append(Estimand("none"))
    would = (_name(_hidden_between(shared[0], cause, outcome)),) if shared else ()
    return Identification(tuple(estimands), would_identify=would)


def unhidden_assumption(
    graph: CausalGraph | nx.DiGraph, cause: str, outcome: str, held_fixed: Collection[str]
) -> str:
    """Return what a found graph takes for granted about hidden causes; "" for one that was given.

    Said of a back-door set: other strategies, and a smooth hidden field, have words of their own.
    """
    if not isinstance(graph, CausalGraph) or math.isnan(graph.alpha):
        return ""
    beside = f" beside {', '.join(held_fixed)}" if held_fixed else ""
    if admits_hidden_causes(graph):
        return (
            f"no hidden cause drives both {cause} and {outcome}{beside}: the search of the graph "
            f"({graph.method}) admits hidden causes, and its marks rule this one out as far as its "
            "tests were right."
        )
    return (
        f"no hidden cause drives both {cause} and {outcome}{beside}: the search of the graph "
        f"({graph.method}) takes this for granted; sensitivity(effect) says how strong one would "
        "have to be."
    )


def _with_invisible(
    graph: CausalGraph | nx.DiGraph, member: nx.DiGraph, cause: str, outcome: str
) -> nx.DiGraph:
    """Return the member with the hidden causes that arrows out of the cause leave room for.

    Where a search admits hidden causes an arrow alone says that the one acts on the other, not
    that nothing drives both (Zhang 2008: only a visible arrow does).
    """
    if not isinstance(graph, CausalGraph) or not admits_hidden_causes(graph):
        return member
    result = nx.DiGraph(member)
    for after in list(member.successors(cause)):
        edge = graph.edge_between(cause, after)
        if edge is None or {edge.mark_source, edge.mark_target} != {"tail", "arrow"}:
            continue
        if nx.has_path(member, after, outcome) and not is_visible(graph, cause, after):
            hidden = f"{HIDDEN}{cause}|{after}"
            result.add_edges_from([(hidden, cause), (hidden, after)])
    return result


def columns_that_identify(
    member: nx.DiGraph, cause: str, outcome: str, observed: Collection[str]
) -> tuple[str, ...]:
    """Return the unmeasured nodes each of which alone opens a back-door set; all, if none does."""
    unmeasured = [node for node in member if node not in observed]
    alone = [u for u in unmeasured if _back_door_exists(member, cause, outcome, {*observed, u})]
    if not alone and _back_door_exists(member, cause, outcome, {*observed, *unmeasured}):
        alone = unmeasured
    return tuple(_name(node) for node in alone)


def _back_door_exists(
    member: nx.DiGraph, cause: str, outcome: str, observed: Collection[str]
) -> bool:
    """Whether some set exists: then the observed ancestors, less what the cause moves, are one."""
    before = nx.ancestors(member, cause) | nx.ancestors(member, outcome)
    chosen = (before - nx.descendants(member, cause) - {cause, outcome}) & set(observed)
    return blocks_back_doors(member, cause, outcome, tuple(chosen))


def _hidden_between(member: nx.DiGraph, cause: str, outcome: str) -> str:
    """Return the node that stands for a hidden common cause of the two, "" for none."""
    names = (f"{HIDDEN}{cause}|{outcome}", f"{HIDDEN}{outcome}|{cause}")
    return next((name for name in names if name in member), "")


def _name(node: str) -> str:
    if not node.startswith(HIDDEN):
        return node
    return f"what drives both {node.removeprefix(HIDDEN).replace('|', ' and ')}"


def _refusal(
    member: nx.DiGraph,
    cause: str,
    outcome: str,
    observed: Collection[str],
    would: tuple[str, ...],
    strategy: str,
) -> str:
    if strategy in ("front-door", "instrument"):
        what = {"front-door": "columns between", "instrument": "instrument of"}[strategy]
        return (
            f"the graph holds no {what} {cause} and {outcome} that identify the effect; use "
            'strategy="auto".'
        ).replace("instrument of", "instrument for")
    unmeasured = [node for node in member if node not in observed]
    text = f"{cause} and {outcome} may share a cause that no column measures"
    text += f" ({', '.join(_name(node) for node in unmeasured)})" if unmeasured else ""
    if not would:
        return f"{text}; set {cause} on purpose."
    if len(would) > 1 and not _back_door_exists(
        member, cause, outcome, {*observed, _node(member, would[0])}
    ):
        return (
            f"{text}; measure {' and '.join(would)}: held fixed together they identify the effect. "
            f"Or set {cause} on purpose."
        )
    open_path = _path_through(member, _node(member, would[0]), cause, outcome)
    why = f", as it closes {open_path}" if open_path else ""
    return (
        f"{text}; measure {' or '.join(would)}: held fixed it identifies the effect{why}. "
        f"Or set {cause} on purpose."
    )


def _node(member: nx.DiGraph, name: str) -> str:
    return next(str(node) for node in member if _name(node) == name)


def _path_through(member: nx.DiGraph, node: str, cause: str, outcome: str) -> str:
    """Return the path by which a hidden node reaches both, "" where it does not."""
    without = member.subgraph(set(member) - {cause})
    try:
        to_cause = nx.shortest_path(member, node, cause)
        to_outcome = nx.shortest_path(without, node, outcome)
    except nx.NetworkXNoPath:
        return ""
    first = " <- ".join(_name(n) for n in reversed(to_cause))
    return " -> ".join([first, *(_name(n) for n in to_outcome[1:])])


def _estimand(
    member: nx.DiGraph,
    cause: str,
    outcome: str,
    observed: Collection[str],
    tiers: Mapping[str, int],
    options: EffectOptions,
) -> Estimand | None:
    seen = {*observed, *member.nodes} if options.smooth_confounder else set(observed)
    found = _ask_dowhy(
        frozenset(member.edges), cause, outcome, tuple(sorted(seen & set(member.nodes)))
    )
    wanted = options.strategy
    if wanted in ("auto", "back-door") and found.back_door is not None:
        chosen = _guarded(member, cause, outcome, set(found.back_door), tiers, seen)
        return Estimand("back-door", tuple(name for name in chosen if name in observed))
    if options.smooth_confounder:
        return None
    if wanted in ("auto", "front-door") and found.front_door:
        return Estimand("front-door", (), found.front_door)
    if wanted in ("auto", "instrument"):
        return _instrument(member, cause, outcome, observed, found.instruments)
    return None


@lru_cache(maxsize=4096)
def _ask_dowhy(
    edges: frozenset[tuple[str, str]], cause: str, outcome: str, observed: tuple[str, ...]
) -> _Found:
    """Return what dowhy identifies; only the graph counts, so an answer serves all tables."""
    import pandas as pd

    # a set has no order of its own, and dowhy's choice must not depend on it
    member = nx.DiGraph(sorted(edges))
    with quiet("dowhy"):
        from dowhy import CausalModel

        frame = pd.DataFrame(columns=list(observed), dtype=float)
        model = CausalModel(frame, cause, outcome, graph=member)
        estimand = model.identify_effect(method_name="maximal-adjustment")
        back_door = None
        if estimand.estimands.get("backdoor") is not None:
            best = model.identify_effect(method_name=_method(member, cause, outcome))
            back_door = tuple(sorted(best.get_backdoor_variables()))
        front_door = ()
        if estimand.estimands.get("frontdoor") is not None:
            front_door = tuple(sorted(estimand.get_frontdoor_variables()))
        instruments = ()
        if estimand.estimands.get("iv") is not None:
            instruments = tuple(sorted(estimand.get_instrumental_variables()))
    return _Found(back_door, front_door, instruments)


def _method(member: nx.DiGraph, cause: str, outcome: str) -> str:
    """Return dowhy's method: the efficient set, where dowhy can find it.

    Its search takes away the first edge of each directed path in turn, and fails (0.14) where two
    paths share theirs.
    """
    first = [path[0] for path in nx.all_simple_edge_paths(member, cause, outcome)]
    return "efficient-adjustment" if len(set(first)) == len(first) else "minimal-adjustment"


def _instrument(
    member: nx.DiGraph,
    cause: str,
    outcome: str,
    observed: Collection[str],
    by_dowhy: tuple[str, ...],
) -> Estimand | None:
    """Return instruments without anything held fixed (dowhy's), else one that needs a set."""
    without = nx.DiGraph(member)
    without.remove_edges_from(list(member.out_edges(cause)))
    clean = tuple(z for z in by_dowhy if nx.is_d_separator(without, {z}, {outcome}, set()))
    if clean:
        return Estimand("instrument", (), clean)
    allowed = (set(observed) & set(member)) - nx.descendants(member, cause) - {cause, outcome}
    for z in sorted(allowed):
        others = allowed - {z}
        held = nx.find_minimal_d_separator(without, {z}, {outcome}, restricted=others)
        if held is not None and not nx.is_d_separator(member, {z}, {cause}, held):
            return Estimand("instrument", tuple(sorted(held)), (z,))
    return None


def _guarded(
    member: nx.DiGraph,
    cause: str,
    outcome: str,
    found: set[str],
    tiers: Mapping[str, int],
    observed: Collection[str],
) -> tuple[str, ...]:
    """Return the adjustment set made safe against a link that the graph missed.

    The causes of the cause are held fixed too, at some cost of precision. A column of a later
    tier than the cause is not: it may carry part of the influence.
    """
    parents = {p for p in member.predecessors(cause) if p in observed}
    own = tiers.get(cause, math.inf)
    early = {name for name in found if tiers.get(name, -math.inf) <= own}
    for candidate in (early | parents, early, found):
        if blocks_back_doors(member, cause, outcome, tuple(candidate)):
            return tuple(sorted(candidate))
    return tuple(sorted(found))
