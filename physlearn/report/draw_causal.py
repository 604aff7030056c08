"""Pictures of a causal graph and of effects."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.phrases import unit_text
from physlearn.records.patches import TIERS
from physlearn.report.drawing import GREY, INK, get_axes, interval_rows

if TYPE_CHECKING:
    from physlearn.causal import Effect

__all__ = ["plot_effects", "plot_graph"]

BOX_WIDTH = 0.24
PLANTED = "#f9d3b8"
DASHES = (0, (4, 2.5))
MIDDLE_WIDTH = 1.7
TIER_COLORS = ("#dcebf5", "#e6f3ec", "#fbe9dc")
SHOWN_FROM = 0.1
"""Share of half-samples from which an undecided link is drawn; others are counted below."""


def plot_graph(
    graph: nx.MultiDiGraph,
    *,
    tiers: Mapping[str, int] | None = None,
    planted: Sequence[tuple[str, str]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a causal graph, causes left and responses right, with the mark at each edge's end.

    An arrow head is a cause's target, a ring is undecided, a plain end is a tail; dashed edges
    are undecided as a whole. The width of a line is its frequency in half-samples. A legend names
    the marks that occur. Undecided links that less than a tenth of the half-samples show are
    counted there instead of drawn. Nodes without any edge are left out.

    Parameters
    ----------
    graph
        ``CausalGraph.graph``: edges with ``mark_source``, ``mark_target`` (tail, arrow, circle),
        ``presence`` (present, undecided) and ``frequency`` (NaN when unknown).
    tiers
        Node -> 0 composition, 1 structure, 2 response; other numbers are shown as such.
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
    if not isinstance(graph, nx.Graph):
        raise InputError(
            "graph must be a networkx graph, such as the graph of a CausalGraph (found.graph); got "
            f"{type(graph).__name__}."
        )
    if not graph.number_of_nodes():
        raise InputError("graph must have at least one node to draw; it has none.")
    tiers = dict(tiers or {})
    unjudged = [(u, v, k) for u, v, k, d in graph.edges(keys=True, data=True) if _unjudged(d)]
    graph = graph.copy()
    graph.remove_edges_from(unjudged)
    loose = [node for node in graph.nodes if graph.degree(node) == 0]
    if len(loose) < graph.number_of_nodes():
        graph = graph.subgraph([node for node in graph.nodes if node not in loose])
    columns = sorted({tiers.get(node, 1) for node in graph.nodes})
    places = _places(graph, tiers, columns)
    tallest = max(sum(tiers.get(n, 1) == c for n in graph.nodes) for c in columns)
    ax = get_axes(ax, (5.8 * max(1.0, _right_rim(places)), max(2.6, 0.95 * tallest + 0.7)))
    heights: dict[str, float] = {}
    line = 0.21 / _inches_high(ax)
    for node, (x, y) in places.items():
        lines = textwrap.wrap(str(node).replace("_", " "), 15) or [""]
        height = line * (len(lines) + 0.8)
        box = FancyBboxPatch(
            (x - BOX_WIDTH / 2, y - height / 2), BOX_WIDTH, height,
            boxstyle="round,pad=0,rounding_size=0.02", fc=_tier_color(tiers.get(node, 1)),
            ec=GREY, lw=0.9, zorder=3,
        )  # fmt: skip
        ax.add_patch(box)
        heights[node] = height
        ax.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=10, zorder=4)
    for source, target in planted or ():
        if source in places and target in places:
            _draw_edge(ax, places, heights, (source, target), {"planted": True})
    for source, target, data in graph.edges(data=True):
        _draw_edge(ax, places, heights, (source, target), data)
    for index, tier in enumerate(columns):
        # nodes of unknown tier stand in the middle: that is a place, and no claim
        if not any(tiers.get(node) == tier for node in graph.nodes):
            continue
        x = _column_x(index, len(columns))
        label = TIERS[tier] if tier < len(TIERS) else f"tier {tier}"
        ax.text(x, 1.07, label, ha="center", va="center", color=GREY, fontsize=9.5,
                style="italic")  # fmt: skip
    ax.set(xlim=(-0.02, _right_rim(places)), ylim=(-0.04, 1.12), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    _explain(ax, [data for _, _, data in graph.edges(data=True)], len(unjudged))
    return ax


def _unjudged(data: Mapping[str, Any]) -> bool:
    """Return whether a link is undecided only because nothing could be said against it."""
    undecided = data.get("presence", "present") != "present"
    return undecided and float(data.get("frequency", np.nan)) < SHOWN_FROM


def _tier_color(tier: int) -> str:
    return TIER_COLORS[min(tier, len(TIER_COLORS) - 1)]


def _explain(ax: Axes, edges: Sequence[Mapping[str, Any]], n_unjudged: int) -> None:
    """Put a legend below the graph: the marks, dashes and widths that occur in it."""
    marks = {frozenset((_mark(d, "source"), _mark(d, "target"))) for d in edges}
    meanings = (
        (("tail", "arrow"), "−▶", "cause to effect"),
        (("circle", "arrow"), "○−▶", "cause or hidden cause of both"),
        (("arrow",), "◀−▶", "a hidden cause drives both"),
        (("circle",), "○−○", "linked, direction open"),
        (("tail",), "−−", "linked"),
        (("tail", "circle"), "−○", "linked, not by a hidden cause alone"),
    )
    rows = [f"{sign}  {text}" for ends, sign, text in meanings if frozenset(ends) in marks]
    lines = [Line2D([], [], ls="none") for _ in rows]
    if any(d.get("presence", "present") != "present" for d in edges):
        lines.append(Line2D([], [], color=GREY, lw=MIDDLE_WIDTH, ls=DASHES))
        rows.append("undecided link")
    if any(np.isfinite(d.get("frequency", np.nan)) for d in edges):
        lines.append(Line2D([], [], color=INK, lw=_width(1.0)))
        rows.append("width, number: share of half-samples")
    if n_unjudged:
        lines.append(Line2D([], [], ls="none"))
        rows.append(f"{n_unjudged} more pair(s) could not be judged")
    if rows:
        ax.legend(lines, rows, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2,
                  fontsize=8, frameon=False, handlelength=1.8, columnspacing=1.2)  # fmt: skip


def _mark(data: Mapping[str, Any], end: str) -> str:
    return str(data.get(f"mark_{end}", {"source": "tail", "target": "arrow"}[end]))


def _width(frequency: float) -> float:
    """Return the width of a line in points; of unknown frequency, the middle one."""
    return MIDDLE_WIDTH if not np.isfinite(frequency) else 0.5 + 2.5 * frequency


def plot_effects(effects: Sequence[Mapping[str, Any] | Effect], *, ax: Axes | None = None) -> Axes:
    """Draw effects with their 90 % intervals; one that is not identified is named, not drawn.

    Parameters
    ----------
    effects
        Rows with name, mean, q05, q95 (numbers or None), and optionally truth and unit; or what
        `estimate_effect` returned.

    Examples
    --------
    >>> row = {"name": "a on b", "mean": 0.5, "q05": 0.3, "q95": 0.7, "truth": None}
    >>> [label.get_text() for label in plot_effects([row]).get_yticklabels()]
    ['a on b']
    """
    given: list[Any] = list(effects) if isinstance(effects, Sequence) else [effects]
    rows = [_row_of(row) if hasattr(row, "contrast") else row for row in given]
    strange = [row for row in rows if not isinstance(row, Mapping) or "name" not in row]
    if strange or not isinstance(effects, Sequence):
        raise InputError(
            "effects must be a list of rows with name, mean, q05 and q95, for example "
            '[{"name": "a on b", **effect.summary()}]; got '
            f"{type(effects).__name__} of {type(given[0]).__name__}."
        )
    ax = get_axes(ax, (5.6, 1.3 + 0.62 * len(rows)))
    known = [row for row in rows if row["mean"] is not None]
    labels = [
        textwrap.fill(str(row["name"]).replace("_", " "), 24)
        + (f"\n({unit_text(str(row['unit']))})" if row.get("unit") not in (None, "", "1") else "")
        for row in known
    ]
    mean, low, high = (
        np.array([row[key] for row in known], dtype=np.float64) for key in ("mean", "q05", "q95")
    )
    interval_rows(ax, labels, mean, low, high, truths=[row.get("truth") for row in known])
    ax.set_xlabel("change of the outcome, each in its own unit")
    ax.locator_params(axis="x", nbins=5)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def _row_of(effect: Effect) -> Mapping[str, Any]:
    low, high = effect.interval()
    known = bool(np.isfinite([effect.mean, low, high]).all())
    return {
        "name": f"{effect.cause} on {effect.outcome}", "unit": effect.unit,
        "mean": effect.mean if known else None, "q05": low if known else None,
        "q95": high if known else None,
    }  # fmt: skip


def _inches_high(ax: Axes) -> float:
    figure = ax.get_figure()
    return 4.0 if figure is None else float(figure.get_figure(root=True).get_size_inches()[1])


def _column_x(index: int, n_columns: int) -> float:
    """Return where a column stands; more than three go on to the right at the same distance."""
    return 0.5 if n_columns == 1 else 0.12 + 0.76 * index / (min(n_columns, 3) - 1)


def _right_rim(places: Mapping[str, tuple[float, float]]) -> float:
    return max([1.0, *(x + 0.12 for x, _ in places.values())]) + 0.02


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
    heights: Mapping[str, float],
    ends: tuple[str, str],
    data: Mapping[str, Any],
) -> None:
    """Draw one edge between the rims of its boxes, with a mark at each end."""
    curve = _curve(places, heights, ends)
    planted = bool(data.get("planted"))
    decided = planted or data.get("presence", "present") == "present"
    color = PLANTED if planted else (INK if decided else GREY)
    width = 7.0 if planted else _width(float(data.get("frequency", np.nan)))
    ax.plot(curve[:, 0], curve[:, 1], color=color, lw=width, alpha=1.0,
            ls="-" if decided else DASHES, solid_capstyle="butt",
            zorder=1 if planted else 2)  # fmt: skip
    if planted:
        return
    marks = (_mark(data, "source"), _mark(data, "target"))
    for mark, near, far in ((marks[0], 0, 6), (marks[1], -1, -7)):
        tip, behind = curve[near], curve[far]
        if mark == "arrow":
            head = FancyArrowPatch(tuple(behind), tuple(tip), arrowstyle="-|>", mutation_scale=16,
                                   shrinkA=0, shrinkB=0, lw=0.5, color=color, zorder=3)  # fmt: skip
            ax.add_patch(head)
        elif mark == "circle":
            ax.plot(*tip, "o", mfc="white", mec=color, mew=1.5, ms=7, zorder=3)
    frequency = data.get("frequency")
    if frequency is not None and np.isfinite(frequency):
        x, y = curve[int(0.42 * len(curve))]
        short = abs(curve[-1, 0] - curve[0, 0]) < 0.2 and abs(curve[-1, 1] - curve[0, 1]) < 0.2
        ax.text(x, y + (0.05 if short else 0.0), f"{float(frequency):.0%}", fontsize=8.5,
                ha="center", va="center", color=color, zorder=5,
                bbox={"fc": "white", "ec": "none", "pad": 0.8})  # fmt: skip


def _curve(
    places: Mapping[str, tuple[float, float]], heights: Mapping[str, float], ends: tuple[str, str]
) -> NDArray[np.float64]:
    """Return points of the least bent Bezier curve between two boxes that crosses no other box."""
    start, stop = (np.array(places[end]) for end in ends)
    t = np.linspace(0, 1, 241)[:, None]
    across = np.array([start[1] - stop[1], stop[0] - start[0]])
    across /= max(float(np.hypot(*across)), 1e-12)
    others = [node for node in places if node not in ends]
    best = np.empty((0, 2))
    fewest = np.inf
    for bend in (0.0, 0.2, -0.2, 0.4, -0.4, 0.6, -0.6):
        middle = 0.5 * (start + stop) + bend * across
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * stop
        crossed = sum(int(_inside(curve, places[node], heights[node]).sum()) for node in others)
        outside = int(((curve < -0.01) | (curve > (_right_rim(places), 1.01))).sum())
        if crossed + outside < fewest:
            best, fewest = curve, crossed + outside
        if fewest == 0:
            break
    own = _inside(best, places[ends[0]], heights[ends[0]])
    own |= _inside(best, places[ends[1]], heights[ends[1]])
    kept: NDArray[np.float64] = best[~own]
    return kept if len(kept) > 14 else best


def _inside(
    points: NDArray[np.float64], center: tuple[float, float], height: float
) -> NDArray[np.bool_]:
    """Say which points lie in a box, its margin included."""
    offset = np.abs(points - np.array(center))
    inside: NDArray[np.bool_] = (offset[:, 0] < BOX_WIDTH / 2 + 0.008) & (
        offset[:, 1] < height / 2 + 0.012
    )
    return inside
