"""Figure of single big problems: time and peak memory against size."""

from __future__ import annotations

import numpy as np
from figures_from_results import NoResultsError, results
from matplotlib.figure import Figure

from physlearn.report.drawing import COLORS, GREY, MARKS

CASES = {
    "sample": "20 sweeps, one bit a site", "sample_graph": "list of bonds, 20 sweeps",
    "pseudolikelihood": "pseudolikelihood, no bonds listed", "likelihood": "full likelihood",
    "graph_fit": "pseudolikelihood, list of bonds", "atoms": "find_atoms", "rings": "find_rings",
    "patches": "describe_patches", "independence": "spatial independence",
    "clusters": "cluster_patches",
}  # fmt: skip
PER_SITE = {"sample": 20}
"""Updates of a site, where a case counts updates."""


def scale_figure() -> Figure:
    """Draw CPU seconds and peak memory over sites, atoms or patches; a grey line is linear."""
    content = results("scaling/big_problems.json", "benchmarks.scaling")
    figure = Figure(figsize=(9.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    drawn = 0
    for index, (name, label) in enumerate(CASES.items()):
        rows = [row for row in content["cases"].get(name, {}).values() if "failed" not in row]
        if not rows:
            continue
        rows.sort(key=lambda row: row["count"])
        size = np.array([row["count"] for row in rows]) / PER_SITE.get(name, 1)
        look = {"color": COLORS[index % len(COLORS)], "marker": MARKS[index % len(MARKS)]}
        line = "-" if index < len(COLORS) else "--"
        left.plot(size, [row["cpu_s"] for row in rows], line, ms=5, lw=1.4, label=label, **look)
        right.plot(size, [row["peak_gib"] for row in rows], line, ms=5, lw=1.4, **look)
        drawn += 1
    if not drawn:
        raise NoResultsError("no case of benchmarks.scaling is there: python -m benchmarks.scaling")
    low, high = left.get_xlim()
    ends = np.array([max(low, 1e3), high])
    for seconds in (1e-8, 1e-6, 1e-4):
        left.plot(ends, seconds * ends, color=GREY, lw=0.6, alpha=0.5, zorder=0)
    for ax in (left, right):
        ax.set(xscale="log", yscale="log", xlabel="sites, atoms or patches")
    right.axhline(10, color=GREY, lw=1, ls=(0, (4, 3)))
    left.set(ylabel="CPU seconds, one thread", title="a  time; grey: 10 ns, 1 and 100 µs each")
    right.set(ylabel="peak memory, GiB", title="b  memory; dashed: the cap")
    figure.legend(loc="outside lower center", ncols=4)
    return figure
