"""Pictures of a causal graph and of effects."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from physlearn.records.patches import TIERS
from physlearn.report.drawing import GREY, INK, get_axes, interval_rows

__all__ = ["plot_effects", "plot_graph"]

BOX_WIDTH, LINE = 0.24, 0.052
TIER_COLORS = ("#dcebf5", "#e6f3ec", "#fbe9dc")


def plot_graph(
    graph: nx.MultiDiGraph,
    *,
    tiers: Mapping[str, int] | None = None,
    planted: Sequence[tuple[str, str]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a causal graph, causes left and responses right, with the mark at each edge's end.

    An arrow head is a cause's target, a ring is undecided, a plain end is a tail; dashed edges
    are undecided as a whole.

    Parameters
    ----------
    graph
        ``CausalGraph.graph``: edges with ``mark_source``, ``mark_target`` (tail, arrow, circle)
        and ``presence`` (present, undecided).
    tiers
        Node -> 0 composition, 1 structure, 2 response.
    planted
        Edges (cause, effect) that are known to be true, drawn pale behind.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> graph = nx.MultiDiGraph()
    >>> _ = graph.add_edge("a", "b", mark_source="tail", mark_target="arrow", presence="present")
    >>> len(plot_graph(graph, tiers={"a": 0, "b": 2}).texts)
    4
    """
    tiers = dict(tiers or {})
    columns = sorted({tiers.get(node, 1) for node in graph.nodes})
    places = _places(graph, tiers, columns)
    tallest = max(sum(tiers.get(n, 1) == c for n in graph.nodes) for c in columns)
    ax = get_axes(ax, (5.8, max(2.6, 0.95 * tallest + 0.7)))
    boxes = {}
    for node, (x, y) in places.items():
        lines = textwrap.wrap(str(node).replace("_", " "), 15) or [""]
        height = LINE * len(lines) + 0.06
        box = FancyBboxPatch(
            (x - BOX_WIDTH / 2, y - height / 2), BOX_WIDTH, height,
            boxstyle="round,pad=0,rounding_size=0.02", fc=TIER_COLORS[tiers.get(node, 1)],
            ec=GREY, lw=0.9, zorder=3,
        )  # fmt: skip
        ax.add_patch(box)
        ax.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=10, zorder=4)
        boxes[node] = box
    for source, target in planted or ():
        if source in places and target in places:
            _draw_edge(ax, places, boxes, (source, target), {"planted": True})
    for source, target, data in graph.edges(data=True):
        _draw_edge(ax, places, boxes, (source, target), data)
    for index, tier in enumerate(columns):
        x = _column_x(index, len(columns))
        ax.text(x, 1.07, TIERS[tier], ha="center", va="center", color=GREY, fontsize=9.5,
                style="italic")  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.12), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def plot_effects(effects: Sequence[Mapping[str, Any]], *, ax: Axes | None = None) -> Axes:
    """Draw effects with their 90 % intervals; one that is not identified is named, not drawn.

    Parameters
    ----------
    effects
        Rows with name, mean, q05, q95 (numbers or None), and optionally truth.

    Examples
    --------
    >>> row = {"name": "a on b", "mean": 0.5, "q05": 0.3, "q95": 0.7, "truth": None}
    >>> [label.get_text() for label in plot_effects([row]).get_yticklabels()]
    ['a on b']
    """
    ax = get_axes(ax, (5.6, 1.3 + 0.62 * len(effects)))
    known = [row for row in effects if row["mean"] is not None]
    labels = [textwrap.fill(str(row["name"]).replace("_", " "), 24) for row in known]
    mean, low, high = (
        np.array([row[key] for row in known], dtype=np.float64) for key in ("mean", "q05", "q95")
    )
    interval_rows(ax, labels, mean, low, high, truths=[row.get("truth") for row in known])
    ax.set_xlabel("change of the outcome")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def _column_x(index: int, n_columns: int) -> float:
    return 0.5 if n_columns == 1 else 0.12 + 0.76 * index / (n_columns - 1)


def _places(
    graph: nx.MultiDiGraph, tiers: Mapping[str, int], columns: Sequence[int]
) -> dict[str, tuple[float, float]]:
    """Return where nodes stand; inside a column, in the order that crosses fewest edges."""
    order = {c: [n for n in graph.nodes if tiers.get(n, 1) == c] for c in columns}
    height = {n: _spread(order[c])[n] for c in columns for n in order[c]}
    undirected = graph.to_undirected()
    for _ in range(6):
        for c in columns:
            beside = {
                n: np.mean([height[m] for m in undirected.neighbors(n)] or [height[n]])
                for n in order[c]
            }
            order[c] = sorted(order[c], key=beside.__getitem__)
            height |= _spread(order[c])
    return {
        n: (_column_x(index, len(columns)), height[n])
        for index, c in enumerate(columns)
        for n in order[c]
    }


def _spread(nodes: Sequence[str]) -> dict[str, float]:
    return {node: (i + 0.5) / len(nodes) for i, node in enumerate(nodes)}


def _draw_edge(
    ax: Axes,
    places: Mapping[str, tuple[float, float]],
    boxes: Mapping[str, FancyBboxPatch],
    ends: tuple[str, str],
    data: Mapping[str, Any],
) -> None:
    (x0, y0), (x1, y1) = places[ends[0]], places[ends[1]]
    planted = bool(data.get("planted"))
    decided = planted or data.get("presence", "present") == "present"
    bend = 0.0 if abs(x0 - x1) > 1e-6 else 0.35
    if abs(x0 - x1) > 0.6 and abs(y0 - y1) < 0.12:
        bend = 0.22  # jumps over the middle column
    color = "#f2b48a" if planted else (INK if decided else GREY)
    marks = (str(data.get("mark_source", "tail")), str(data.get("mark_target", "arrow")))
    style = {("tail", "arrow"): "-|>", ("arrow", "tail"): "<|-", ("arrow", "arrow"): "<|-|>",
             ("circle", "arrow"): "-|>", ("arrow", "circle"): "<|-"}.get(marks, "-")  # fmt: skip
    arrow = FancyArrowPatch(
        (x0, y0), (x1, y1), patchA=boxes[ends[0]], patchB=boxes[ends[1]],
        connectionstyle=f"arc3,rad={bend}", arrowstyle=style, mutation_scale=15,
        lw=6.0 if planted else 1.7, color=color, ls="-" if decided else (0, (4, 2.5)),
        alpha=0.55 if planted else 1.0, zorder=1 if planted else 2, shrinkA=1.5, shrinkB=1.5,
    )  # fmt: skip
    ax.add_patch(arrow)
    if planted:
        return
    for mark, (xa, ya), (xb, yb) in (
        (marks[0], (x0, y0), (x1, y1)), (marks[1], (x1, y1), (x0, y0)),
    ):  # fmt: skip
        if mark == "circle":
            run = np.hypot(xb - xa, yb - ya)
            step = min(0.5, (BOX_WIDTH / 2 + 0.03) / max(run, 1e-9)) if bend == 0 else 0.3
            ax.add_patch(Circle((xa + step * (xb - xa), ya + step * (yb - ya)), 0.013,
                                fc="white", ec=color, lw=1.4, zorder=3))  # fmt: skip
    frequency = data.get("frequency")
    if frequency is not None and np.isfinite(frequency):
        ax.text(
            0.5 * (x0 + x1) + (0.5 * bend * (y1 - y0)),
            0.5 * (y0 + y1) - (0.5 * bend * (x1 - x0)),
            f"{float(frequency):.0%}", fontsize=8.5, ha="center", va="center", color=color,
            zorder=5, bbox={"fc": "white", "ec": "none", "pad": 0.8},
        )  # fmt: skip
