"""Figures of measured results: speeds, scaling, independent samples, comparisons with oracles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physlearn.report.drawing import (
    BLUE,
    COLORS,
    GREEN,
    GREY,
    INK,
    MARKS,
    ORANGE,
    PURPLE,
    RED,
)

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


class NoResultsError(Exception):
    """A results file that a figure needs is not there."""


def results(name: str, command: str) -> dict[str, Any]:
    """Content of a results file; says by which command it is made where it is absent."""
    path = RESULTS / name
    if not path.exists():
        raise NoResultsError(f"benchmarks/results/{name} is absent: python -m {command}")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def panel_letter(ax: Axes, letter: str, text: str) -> None:
    """Title of one panel."""
    ax.set_title(f"{letter}  {text}")


def oracle_figure() -> Figure:
    """Histogram of every z of the tests, beside the law that they should follow."""
    from scipy import stats

    content = results("oracles.json", "benchmarks.monte_carlo.oracles")
    zs = np.array([row["z"] for row in content["rows"] if "z" in row])
    ps = np.array([row["p"] for row in content["rows"] if "p" in row])
    figure = Figure(figsize=(8.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    edges = np.linspace(-4, 4, 33)
    left.hist(zs, edges, color=BLUE, alpha=0.55, edgecolor="white", lw=0.5)
    fine = np.linspace(-4, 4, 400)
    expected = len(zs) * (edges[1] - edges[0]) * stats.norm.pdf(fine)
    left.plot(fine, expected, color=INK, lw=1.6, label="standard normal")
    for bound in (-4, 4):
        left.axvline(bound, color=RED, lw=1.2, ls=(0, (4, 3)))
    left.set(xlabel="(simulated - exact) / standard error", ylabel="comparisons", xlim=(-4.7, 4.7))
    left.margins(y=0.1)
    height = left.get_ylim()[1]
    left.text(4.15, 0.5 * height, "limit", color=RED, rotation=90, va="center", fontsize=9.5)
    left.text(1.1, 0.8 * height, "standard\nnormal", fontsize=9.5, va="center")
    ks_z = stats.kstest(zs, "norm").pvalue if len(zs) else float("nan")
    panel_letter(left, "a", f"{len(zs)} z values (KS p = {ks_z:.2g})")
    bins = 10
    right.hist(ps, np.linspace(0, 1, bins + 1), color=BLUE, alpha=0.55, edgecolor="white", lw=0.5)
    right.axhline(len(ps) / bins, color=INK, lw=1.6, label="uniform")
    right.set(xlabel="p of chi-square and Kolmogorov-Smirnov tests", ylabel="tests", xlim=(0, 1))
    right.margins(y=0.3)
    right.legend(loc="upper right", borderaxespad=0)
    ks_p = stats.kstest(ps, "uniform").pvalue if len(ps) else float("nan")
    panel_letter(right, "b", f"{len(ps)} p values (KS p = {ks_p:.2g})")
    return figure


WHO = {
    "C": ("C twin", INK, "o"),
    "mcising": ("mcising", RED, "D"),
    "peapods": ("peapods", GREEN, "s"),
    "py-pde": ("py-pde", ORANGE, "^"),
    "lammps opt": ("LAMMPS, opt", PURPLE, "v"),
    "lammps": ("LAMMPS", PURPLE, "<"),
    "copy limit": ("copy limit", GREY, "X"),
}


def who(contender: str) -> tuple[str, str, str]:
    """Return label, colour and mark of a contender."""
    if contender.startswith("C, "):
        return "C, another way", INK, "x"
    return WHO.get(contender, ("another of our kernels", COLORS[5], "P"))


HEADLINES = (
    "checkerboard, one byte a site, 256 x 256",
    "checkerboard, one byte a site, 1024 x 1024",
    "multi-spin metropolis 256 x 256",
    "multi-spin metropolis 1024 x 1024",
    "replicas, J1-J2 square 64 x 64, 128 of them",
    "replicas, triangular, 3 shells, 64 x 64, 128 of them",
    "scalar, heat_bath, square z = 4, 256",
    "scalar, heat_bath, triangular z = 18, 256",
    "scalar, heat_bath, random z = 6, 16384 sites",
    "scalar, kawasaki any distance, square, 256",
    "clusters, Wolff, square 256",
    "clusters, Wolff, square 1024",
    "clusters, Swendsen-Wang, square 256",
    "clusters, Wolff, triangular 256",
    "tempering, spin glass 16, 64 rungs",
    "kinetics, hops, Ising, square 64",
    "kinetics, line of 1024 points, medium",
    "fields, Allen-Cahn quartic 256 float64",
    "fields, Allen-Cahn quartic 2048 float64",
    "fields, Cahn-Hilliard quartic 256 float64",
    "fields, Cahn-Hilliard quartic 2048 float64",
    "particles, Lennard-Jones NVE, 10976",
    "particles, Lennard-Jones Metropolis, 10976",
)
"""Cases that are drawn; the table beside the results has them all."""


def speed_figure() -> Figure:
    """Draw the time of every contender beside physlearn's, one row a case."""
    measured = results("monte_carlo.json", "benchmarks.monte_carlo")["cases"]
    if missing := [n for n in HEADLINES if n not in measured or "failed" in measured[n]]:
        raise NoResultsError(f"not measured yet: {'; '.join(missing)}")
    cases = {name: measured[name] for name in HEADLINES}
    rows = [
        (name, case) for name, case in cases.items()
        if any("ratio" in row for row in case.get("contenders", {}).values())
    ]  # fmt: skip
    figure = Figure(figsize=(9.0, 1.3 + 0.29 * len(rows)), layout="constrained")
    ax = figure.subplots()
    ax.axvline(1, color=BLUE, lw=2.2, zorder=1, label="physlearn")
    labels = []
    known: dict[str, Any] = {}
    for height, (name, case) in zip(range(len(rows))[::-1], rows, strict=True):
        ours = case["contenders"]["physlearn"]["ns"]
        labels.append(f"{name}  ({said_time(ours)})")
        for contender, row in case["contenders"].items():
            if "ratio" not in row:
                continue
            label, color, mark = who(contender)
            low, high = row["ratio_quartiles"]
            ax.plot([1 / high, 1 / low], [height, height], color=color, lw=2, alpha=0.5, zorder=2)
            look: dict[str, Any] = {
                "color": color,
                "ms": 6.5,
                "ls": "none",
                "zorder": 3,
                "mew": 1.5,
            }
            missed = not row.get("met", True)
            ax.plot(1 / row["ratio"], height, mark, mfc="white" if missed else color, **look)
            # the legend shows filled marks
            (known[label],) = ax.plot([], [], mark, label=label, **look)
            if "target" in row:
                ax.plot(
                    1 / row["target"], height, marker="|", ms=14, mew=1.2, zorder=2, color=color
                )
    ax.set_yticks(range(len(rows))[::-1], labels)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=GREY, alpha=0.25, lw=0.6)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    ax.set_xlabel(
        "time of the contender / time of physlearn\n(thin tick: target; open mark: target missed)"
    )
    ax.spines["left"].set_visible(False)
    handles = [ax.lines[0], *known.values()]
    figure.legend(handles=handles, loc="outside upper center", ncols=-(-len(handles) // 2))
    return figure


def said_time(nanoseconds: float) -> str:
    """Nanoseconds in a unit of sensible size."""
    for unit, size in (("ms", 1e6), ("µs", 1e3), ("ns", 1.0)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{1e3 * nanoseconds:.3g} ps"


def scaling_figure() -> Figure:
    """Time of an update over lattice sizes, and what a second thread brings."""
    content = results("scaling.json", "benchmarks.monte_carlo.scaling")
    figure = Figure(figsize=(9.4, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    sizes = [int(size) for size in content["sizes"]]
    methods = list(content["sizes"][str(sizes[0])])
    for index, method in enumerate(methods):
        cells = [content["sizes"][str(size)].get(method) for size in sizes]
        known = [(size, cell) for size, cell in zip(sizes, cells, strict=True) if cell]
        times = np.array([cell["ns"] for _, cell in known])
        spread = np.array([cell["ns_quartiles"] for _, cell in known]).T
        look = {"color": COLORS[index % len(COLORS)], "marker": MARKS[index % len(MARKS)]}
        left.errorbar([size for size, _ in known], times, abs(spread - times), ms=6, lw=1.4,
                      label=method, **look)  # fmt: skip
        row = content["threads"].get(method, {})
        if row:
            right.plot([int(size) for size in row], [cell["speed_up"] for cell in row.values()],
                       ms=6, lw=1.4, **look)  # fmt: skip
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}"))
        ax.set_xlabel("edge L of the square lattice")
    left.set_yscale("log")
    left.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    left.set(ylabel="ns per update, one thread", xticks=sizes)
    panel_letter(left, "a", "lattice size")
    right.axhline(2, color=GREY, lw=1, ls=(0, (4, 3)))
    right.axhline(1, color=GREY, lw=1)
    right.set(ylabel="speed-up of two threads", ylim=(0.8, 2.2))
    right.set_xticks(sorted({int(size) for row in content["threads"].values() for size in row}))
    panel_letter(right, "b", "two chains, two threads")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def independent_figure() -> Figure:
    """Draw the CPU time of one independent sample at the critical point, by method."""
    rows = results("autocorrelation.json", "benchmarks.monte_carlo.autocorrelation")["rows"]
    figure = Figure(figsize=(9.4, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    seen = [color for color in COLORS if color != "#f0e442"]  # yellow is lost on white
    for ax, quantity, said in zip(
        axes, ("energy", "magnetization"), ("a  energy", "b  |magnetization|"), strict=True
    ):
        for index, method in enumerate(methods):
            mine = [row for row in rows if row["method"] == method]
            times = np.array([row[quantity]["ms"] for row in mine])
            errors = times * [row[quantity]["relative_error"] for row in mine]
            ax.errorbar([row["size"] for row in mine], times, errors, ms=6, lw=1.4, label=method,
                        color=seen[index % len(seen)], marker=MARKS[index % len(MARKS)],
                        zorder=3 - index / 100)  # fmt: skip
        ax.set(xscale="log", yscale="log", xlabel="edge L of the square lattice", title=said)
        ax.set_xticks(sorted({row["size"] for row in rows}))
        ax.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}"))
        ax.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        ax.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
        ax.grid(axis="y", color=GREY, alpha=0.25, lw=0.6)
    axes[0].set_ylabel("CPU ms per independent sample")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
