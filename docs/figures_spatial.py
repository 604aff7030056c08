"""Figure of ``explain/spatial_dependence.md``: ``python docs/figures.py spatial``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from figures_from_results import panel_letter, results
from matplotlib.figure import Figure

from physlearn.report.drawing import BLUE, GREEN, INK, MARKS, ORANGE, RED

TESTS = {
    "ours": ("physlearn", BLUE),
    "Fisher z (causal-learn)": ("Fisher z, rows as independent", RED),
    "effective sample size": ("effective sample size", ORANGE),
    "spatial filter": ("spatial filter", GREEN),
}
LENGTHS = range(5)
SHIFT = 0.05  # marks of equal shares stand beside each other


def _share(row: Mapping[str, Any], test: str, effect: str) -> float | None:
    if test == "ours":
        share: float = row["type_1"] if effect == "0" else row["power"][effect]
        return share
    return row["peers"].get(test, {}).get(effect)


def spatial_figure() -> Figure:
    """Draw how often each test sees a link where there is none, and where there is a weak one."""
    cases = results("causal.json", "benchmarks.causal")["cases"]
    rows = {
        length: case["checks"][0]
        for length in LENGTHS
        if "checks" in (case := cases.get(f"clean, 64 x 64, length {length}, 1 given", {}))
    }
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    for place, (test, (label, color)) in enumerate(TESTS.items()):
        for ax, effect in ((left, "0"), (right, "0.2")):
            points = [
                (length + SHIFT * (place - 1.5), _share(row, test, effect))
                for length, row in rows.items()
            ]
            points = [point for point in points if point[1] is not None]
            style = {"color": color, "marker": MARKS[place], "ms": 6, "lw": 1.4}
            ax.plot(*zip(*points, strict=True), label=label, **style)
    left.axhline(0.05, color=INK, lw=1.2, ls=(0, (4, 3)), label="asked for: 5 %")
    for ax in (left, right):
        ax.set(xlabel="correlation length (patches)", ylim=(-0.03, 1.05), xticks=list(rows))
    left.set_ylabel("share of worlds called dependent")
    panel_letter(left, "a", "no link beside the common cause")
    panel_letter(right, "b", "a link (partial correlation .2)")
    left.legend(loc="upper left", fontsize=9)
    return figure
