"""A causal graph for other programs: DOT, GML, and the directed graph that dowhy takes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd

from physlearn.checks import NotIdentified
from physlearn.whole_files import atomic_write

SHAPES = {"arrow": "normal", "circle": "odot", "tail": "none"}
WIDEST = 4.0
LEGEND = {
    ("tail", "arrow"): "a -> b: a causes b.",
    ("circle", "arrow"): "a o-> b: b does not cause a; a causes b, or a hidden cause drives both.",
    ("arrow", "arrow"): "a <-> b: neither causes the other; a hidden cause drives both.",
    ("circle", "circle"): "a o-o b: linked; every direction, and a hidden cause, is open.",
    (
        "tail",
        "circle",
    ): "a -o b: linked; a hidden cause alone is ruled out.",
}


def legend(graph: nx.MultiDiGraph, *, hidden_causes: bool) -> list[str]:
    """Return what the marks that occur in a graph mean, one sentence each."""
    marks = {
        tuple(sorted((d["mark_source"], d["mark_target"]), key=("tail", "circle", "arrow").index))
        for _, _, d in graph.edges(data=True)
    }
    said = [text for key, text in LEGEND.items() if key in marks or key[::-1] in marks]
    if not hidden_causes:
        said = [text.replace("a causes b.", "a causes b, unless a hidden cause drives both.")
                for text in said]  # fmt: skip
    if any(d["presence"] == "undecided" for _, _, d in graph.edges(data=True)):
        said.append("dashed: undecided whether there is a link at all; its reason says why.")
    return said


def dot_text(graph: nx.MultiDiGraph) -> str:
    """Return DOT text: marks as arrow shapes, frequency as line width, undecided dashed."""
    drawn = nx.MultiDiGraph()
    drawn.graph["rankdir"] = "LR"
    names = {node: _dot_name(str(node)) for node in graph.nodes}
    drawn.add_nodes_from(names.values())
    for source, target, data in graph.edges(data=True):
        drawn.add_edge(names[source], names[target], **_drawn(data))
    return str(nx.nx_pydot.to_pydot(drawn).to_string())


def _dot_name(name: str) -> str:
    """Return the name, quoted where a colon would be read as the port of a shorter name."""
    if ":" not in name:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _drawn(data: Mapping[str, Any]) -> dict[str, str]:
    frequency = data.get("frequency", math.nan)
    shown = {
        "dir": "both",
        "arrowtail": SHAPES[data["mark_source"]],
        "arrowhead": SHAPES[data["mark_target"]],
        "style": "solid" if data["presence"] == "present" else "dashed",
    }
    if not math.isnan(frequency):
        shown |= {"penwidth": f"{max(WIDEST * frequency, 0.5):.2f}", "label": f"{frequency:.0%}"}
    return shown


def agreement_table(columns: Sequence[str], methods: Mapping[str, Any]) -> pd.DataFrame:
    """Return which methods link each pair of columns, and how (`CausalGraph.agreement`)."""
    rows = []
    for first, second in combinations(columns, 2):
        edges = {name: graph.edge_between(first, second) for name, graph in methods.items()}
        arrows = {name: _arrow(edge, first) for name, edge in edges.items()}
        if any(arrows.values()):
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "linked": sum(bool(arrow) for arrow in arrows.values()),
                    "forward": sum(arrow in ("->", "o->") for arrow in arrows.values()),
                    "backward": sum(arrow in ("<-", "<-o") for arrow in arrows.values()),
                    **arrows,
                }
            )
    names = ["first", "second", "linked", "forward", "backward", *methods]
    return pd.DataFrame(rows, columns=names).sort_values(
        "linked", ascending=False, kind="stable", ignore_index=True
    )


def _arrow(edge: Any, first: str) -> str:
    """Return a link as text, read from the column `first`."""
    if edge is None:
        return ""
    left, right = edge.mark_source, edge.mark_target
    if edge.source != first:
        left, right = right, left
    starts = {"tail": "", "arrow": "<", "circle": "o"}
    stops = {"tail": "", "arrow": ">", "circle": "o"}
    return f"{starts[left]}-{stops[right]}"


def write_gml(graph: nx.MultiDiGraph, path: str | os.PathLike[str]) -> None:
    """Write GML with all attributes that have a value."""
    plain = nx.MultiDiGraph(method=graph.graph.get("method", ""))
    for node, data in graph.nodes(data=True):
        plain.add_node(node, **_with_values(data))
    for source, target, data in graph.edges(data=True):
        plain.add_edge(source, target, **_with_values(data))
    with atomic_write(path) as temporary:
        Path(temporary).write_text("\n".join(nx.generate_gml(plain)) + "\n", encoding="utf-8")


def _with_values(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in data.items() if not (isinstance(v, float) and math.isnan(v))}


def dowhy_graph(graph: nx.MultiDiGraph) -> nx.DiGraph:
    """Return a directed graph with hidden common causes as unobserved nodes.

    Raises
    ------
    NotIdentified
        When the direction of a link is open.
    """
    result = nx.DiGraph()
    result.add_nodes_from(graph.nodes, observed="yes")
    open_links = []
    for source, target, data in graph.edges(data=True):
        marks = {"source": data["mark_source"], "target": data["mark_target"]}
        if "arrow" not in marks.values():
            open_links.append(f"{source} - {target}")
            continue
        if marks["target"] == "arrow" and marks["source"] != "arrow":
            result.add_edge(source, target)
        elif marks["source"] == "arrow" and marks["target"] != "arrow":
            result.add_edge(target, source)
        if "tail" not in marks.values():
            hidden = f"hidden_{source}_{target}"
            result.add_node(hidden, observed="no")
            result.add_edges_from([(hidden, source), (hidden, target)])
    if open_links:
        shown = ", ".join(open_links[:4]) + ("..." if len(open_links) > 4 else "")
        raise NotIdentified(
            f"dowhy takes directed graphs only, and the direction of {len(open_links)} link(s) is "
            f"open ({shown}); give tiers or knowledge, or take one of the graphs of "
            "physlearn.causal.members.members."
        )
    if not nx.is_directed_acyclic_graph(result):
        raise NotIdentified(
            f"the links hold the cycle {nx.find_cycle(result)}; dowhy takes acyclic graphs only."
        )
    return result
