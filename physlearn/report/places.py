"""What a figure says where the pointer or the keyboard is: numbers of points, edges, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from physlearn.phrases import interval_text, plain_name, said_number, unit_text
from physlearn.report.picture import Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physlearn.causal import CausalGraph
    from physlearn.causal.graphs import GraphEdge
    from physlearn.inference import Diffusion
    from physlearn.results import Fit

__all__ = [
    "coupling_places", "curve_places", "diffusion_places", "edge_places", "edge_text",
    "effect_places", "force_places", "law_places", "shell_places", "side_of",
]  # fmt: skip

FEWEST_OF_CURVE = 15
"""A drawn edge has more points than this, and a mark has one."""

SIDES = (("upper", "", "lower"), ("left", "middle", "right"))


def edge_places(ax: Axes, graph: CausalGraph) -> list[Place]:
    """Return what each drawn edge says, in its middle; nothing where edges can't be told apart."""
    drawn = [
        line
        for line in ax.lines
        if isinstance(line, Line2D)
        and len(np.asarray(line.get_xdata())) >= FEWEST_OF_CURVE
        and line.get_zorder() == 2
    ]
    found: list[Place] = []
    for line in drawn:
        xy = np.column_stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())])
        ends = [_nearest_box(ax, xy[0]), _nearest_box(ax, xy[-1])]
        edge = next(
            (e for e in graph.edges
             if {plain_name(e.source), plain_name(e.target)} == set(ends)), None,
        )  # fmt: skip
        if edge is not None:
            x, y = xy[len(xy) // 2]
            found.append((ax, float(x), float(y), edge_text(edge)))
    return found


def _nearest_box(ax: Axes, point: NDArray[Any]) -> str:
    """Return the name written in the box that lies nearest to the end of an edge."""
    boxes = [text for text in ax.texts if text.get_zorder() == 4]
    if not boxes:
        return ""
    away = [np.hypot(*(np.asarray(text.get_position()) - point)) for text in boxes]
    return boxes[int(np.argmin(away))].get_text().replace("\n", " ")


def edge_text(edge: GraphEdge) -> str:
    """Return what a link of a causal graph says.

    Examples
    --------
    >>> from physlearn.causal.graphs import GraphEdge
    >>> edge_text(GraphEdge("strain", "response", frequency=0.97, partial_correlation=0.4))
    'strain → response: stands in 97% of half-samples, partial correlation 0.4'
    """
    left = {"arrow": "←", "circle": "○"}.get(edge.mark_source, "")
    right = {"arrow": "→", "circle": "○"}.get(edge.mark_target, "")
    between = {"←→": "↔", "": "–"}.get(left + right, f"{left}{'–' * ('○' in left + right)}{right}")
    said = [] if edge.presence == "present" else ["undecided"]
    if np.isfinite(edge.frequency):
        said.append(f"stands in {edge.frequency:.0%} of half-samples")
    if np.isfinite(edge.partial_correlation):
        said.append(f"partial correlation {said_number(edge.partial_correlation)}")
    if np.isfinite(edge.p_value):
        said.append(f"p {'below 0.001' if edge.p_value < 0.001 else f'= {edge.p_value:.2g}'}")
    head = f"{plain_name(edge.source)} {between} {plain_name(edge.target)}"
    return f"{head}: {', '.join(said)}" if said else head


def effect_places(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> list[Place]:
    """Return what each interval of effects says, at its mean."""
    found = []
    for height, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
        text = f"{plain_name(str(row['name']))}: {interval_text(row)}"
        if row.get("truth") is not None:
            text += f"; planted {said_number(float(row['truth']))}"
        found.append((ax, float(row["mean"]), float(height), text))
    return found


def coupling_places(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> list[Place]:
    """Return what each posterior density says, at its summit."""
    curves = [line for line in ax.lines if len(np.asarray(line.get_xdata())) >= FEWEST_OF_CURVE]
    if len(curves) != len(rows):
        return []
    found = []
    for line, row in zip(curves, rows, strict=True):
        y = np.asarray(line.get_ydata(), dtype=float)
        x = float(np.asarray(line.get_xdata(), dtype=float)[int(y.argmax())])
        shell = str(row["name"]).partition("[")[2].rstrip("]")
        text = f"coupling J of shell {shell}: {interval_text(row)}"
        found.append((ax, x, float(y.max()), text))
    return found


def shell_places(ax: Axes, table: pd.DataFrame) -> list[Place]:
    """Return what was seen and what the fit predicts, shell by shell."""
    found = []
    for row in table.to_dict("records"):
        shell, seen, low, high = (
            float(row[key]) for key in ("shell", "observed", "predicted_q05", "predicted_q95")
        )
        text = f"seen {said_number(seen)}, predicted {said_number(low)} to {said_number(high)}"
        found.append((ax, shell, seen, f"shell {int(shell)}: {text}"))
    return found


def curve_places(ax: Axes, x: Sequence[float], y: Sequence[float], what: str) -> list[Place]:
    """Return the numbers of a curve's points; ``what`` holds {x} and {y}."""
    return [
        (ax, float(a), float(b), what.format(x=said_number(float(a)), y=said_number(float(b))))
        for a, b in zip(x, y, strict=True)
    ]


def law_places(ax: Axes, table: pd.DataFrame) -> list[Place]:
    """Return what each law that is in play says."""
    return [
        (ax, float(row["complexity"]), float(row["loss"]),
         f"{str(row['equation']).replace('**', '^').replace('*', ' ')}: weight "
         f"{float(row['weight']):.0%}, {int(row['complexity'])} symbols, misfit "
         f"{said_number(float(row['loss']))}")
        for row in table.to_dict("records")
        if float(row["weight"]) >= 0.01
    ]  # fmt: skip


def force_places(ax: Axes, fit: Fit, unit: str) -> list[Place]:
    """Return the force at each distance."""
    distance = fit.idata["posterior"]["distance"].to_numpy().astype(float)
    ends, mean = fit.interval("force"), fit["force"].mean(axis=0)
    found = []
    for at, middle, (low, high) in zip(distance, mean, ends, strict=True):
        row = {"mean": float(middle), "q05": float(low), "q95": float(high), "unit": unit}
        text = f"at {said_number(float(at))} {unit_text(unit.partition('/')[2])}"
        found.append((ax, float(at), float(middle), f"{text}: force {interval_text(row)}"))
    return found


def diffusion_places(ax: Axes, found: Diffusion) -> list[Place]:
    """Return the diffusion coefficient that each lag shows."""
    time = unit_text(found.unit.partition("/")[2] or "frame")
    return [
        (ax, float(row["lag_time"]), float(row["diffusion"]),
         f"lag {said_number(float(row['lag_time']))} {time}: "
         f"{interval_text({**row, 'mean': row['diffusion'], 'unit': found.unit})}"
         + (", smeared, left out" if row["lag"] < found.min_lag else ""))
        for row in found.table.to_dict("records")
    ]  # fmt: skip


def side_of(centers: NDArray[np.float64], values: NDArray[np.float64]) -> str:
    """Return in which part of a map the highest tenth of its values lies.

    Examples
    --------
    >>> centers = np.array([[x, y] for y in range(9) for x in range(9)], dtype=float)
    >>> side_of(centers, centers[:, 0] + centers[:, 1])
    'highest in the lower right'
    >>> side_of(centers, np.zeros(81))
    'the same everywhere'
    """
    if np.ptp(values) == 0:
        return "the same everywhere"
    top = centers[values >= np.quantile(values, 0.9)]
    low, span = centers.min(axis=0), np.ptp(centers, axis=0)
    spread = top.std(axis=0) / np.where(span > 0, span, 1.0)
    if (spread > 0.25).all():
        return "high values scattered over the whole map"
    across, down = (top.mean(axis=0) - low) / np.where(span > 0, span, 1.0)
    column, row = (int(np.clip(share * 3, 0, 2)) for share in (across, down))
    if spread[0] > 0.25:
        return f"highest along the {('top', 'middle', 'bottom')[row]}"
    if spread[1] > 0.25:
        return f"highest along the {('left', 'middle', 'right')[column]}"
    return "highest in the " + " ".join(part for part in (SIDES[0][row], SIDES[1][column]) if part)
