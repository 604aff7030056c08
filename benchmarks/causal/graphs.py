"""Graphs of twelve descriptors with 18 links: false and missed links, directions, frequencies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.causal.graph_peers import PEERS, Found, Score, found_by_peer, found_of, score
from benchmarks.causal.graph_worlds import (
    CLEAN,
    NOISY,
    GraphWorld,
    Imaging,
    draw_table,
    physical_graph,
    random_graph,
)
from benchmarks.monte_carlo.results import check_lines
from physlearn.causal import discover_graph
from physlearn.checks import NotIdentified

__all__ = ["CHECKS", "peer_rows", "scores_row", "table_lines"]

Row = dict[str, Any]

SIZE, LENGTH = 64, 2.0
N_NODES, N_EDGES = 12, 18
MOST_FALSE, LEAST_RECALL, LEAST_DIRECTIONS = 1.0, 0.85, 0.95
FIRM, LEAST_FIRM = 0.9, 0.95
N_GRAPHS, N_PEERS = 20, 5
N_FREQUENCIES, BATCH, N_RESAMPLES = 60, 10, 50
IMAGINGS: dict[str, Imaging] = {"clean": CLEAN, "SNR 10, misfit .3": NOISY}


def make(kind: str, imaging: Imaging, seed: int, size: int = SIZE) -> GraphWorld:
    """Return world number `seed` of a kind: "physical graph" or "random graphs"."""
    graph = physical_graph() if kind == "physical graph" else random_graph(N_NODES, N_EDGES, seed)
    return draw_table(graph, size, LENGTH, seed, imaging=imaging)


def scores_row(what: str, scores: Sequence[Score], seconds: Sequence[float], **more: Any) -> Row:
    """Return the figures of one method over graphs."""
    directions = sum(one.directions for one in scores)
    right = sum(one.right_directions for one in scores)
    return {
        "what": f"{what}, {len(scores)} graphs",
        "false": float(np.mean([one.false for one in scores])),
        "recall": float(np.mean([one.recall for one in scores])),
        "precision": float(np.mean([one.precision for one in scores])),
        "undecided": float(np.mean([one.undecided for one in scores])),
        "direction_precision": right / directions if directions else None,
        "directions": directions / len(scores),
        "seconds": float(np.median(seconds)),
        **more,
    }


def ours(what: str, worlds: Sequence[GraphWorld], *, judged: bool) -> Row:
    """Return the row of `discover_graph` as it comes: it is told the tiers of the table."""
    scores, seconds = [], []
    for seed, world in enumerate(worlds):
        begun = time.process_time()
        try:
            found = found_of(discover_graph(world.table, rng=seed))
        except NotIdentified:
            found = Found(set())
        seconds.append(time.process_time() - begun)
        scores.append(score(found, world.graph))
    row = scores_row(what, scores, seconds)
    if judged:
        share = row["direction_precision"]
        row["met"] = [
            row["false"] <= MOST_FALSE,
            row["recall"] >= LEAST_RECALL,
            share is not None and share >= LEAST_DIRECTIONS,
        ]
    return row


def peer_rows(what: str, worlds: Sequence[GraphWorld], kind: str = "continuous") -> list[Row]:
    """Return the rows of the other tools, without tiers, as they come."""
    rows = []
    for name in PEERS:
        scores, seconds = [], []
        try:
            for world in worlds:
                data = world.table.frame
                found, spent = found_by_peer(name, data.to_numpy(), data.columns, kind)
                scores.append(score(found, world.graph))
                seconds.append(spent)
        except (ImportError, TimeoutError) as missing:
            rows.append({"what": f"{what}: {name}", "absent": str(missing)})
            continue
        rows.append(scores_row(f"{what}: {name}", scores, seconds))
    return rows


def discovery(kind: str, imaging: str, quick: bool) -> list[Row]:
    """Show what is found on graphs of a kind, and by other tools on the first of them."""
    size = 32 if quick else SIZE
    worlds = [make(kind, IMAGINGS[imaging], k, size) for k in range(2 if quick else N_GRAPHS)]
    few = worlds[: 1 if quick else N_PEERS]
    what = f"{kind}, {imaging}"
    return [ours(f"{what}: physlearn", worlds, judged=True), *peer_rows(what, few)]


def mixed(quick: bool) -> list[Row]:
    """Show random graphs in which every third column is binary."""
    worlds = []
    for k in range(2 if quick else 10):
        graph = random_graph(N_NODES, N_EDGES, k)
        binary = list(graph.nodes)[1::3]
        worlds.append(draw_table(graph, 32 if quick else SIZE, LENGTH, k, binary=binary))
    what = "a third of the columns binary"
    few = worlds[: 1 if quick else N_PEERS]
    return [ours(f"{what}: physlearn", worlds, judged=True), *peer_rows(what, few)]


def frequencies(imaging: str, first: int, quick: bool) -> list[Row]:
    """Count the links found in at least 90 % of the resamples, and how many of them are true."""
    kept = right = 0
    n = 1 if quick else BATCH
    for k in range(first, first + n):
        world = make("random graphs", IMAGINGS[imaging], k, 32 if quick else SIZE)
        graph = discover_graph(world.table, n_resamples=10 if quick else N_RESAMPLES, rng=k)
        firm = {
            frozenset((e.source, e.target)) for e in graph.edges if e.frequency >= FIRM
        }  # fmt: skip
        kept += len(firm)
        right += len(firm & world.skeleton)
    return [{
        "what": f"links at frequency >= {FIRM}, {imaging}, graphs {first} to {first + n - 1}",
        "measured": f"{right} of {kept} are true", "goal": None, "met": None,
        "imaging": imaging, "graphs": n, "kept": kept, "right": right,
    }]  # fmt: skip


def speed(quick: bool) -> list[Row]:
    """Time the default search on a large table and on a wide one, imports and kernels warm."""
    discover_graph(make("random graphs", CLEAN, 0, 16).table, n_resamples=2, rng=0)
    wide = random_graph(30, 45, 0)
    tables = {
        "16,384 patches x 12 columns": (physical_graph(), 32 if quick else 128, 3.0),
        "1,024 patches x 30 columns": (wide, 16 if quick else 32, 10.0),
    }
    rows = []
    for what, (graph, size, most) in tables.items():
        table = draw_table(graph, size, LENGTH, 0).table
        spent = {}
        for n_resamples in (N_RESAMPLES, 0):
            begun = time.process_time()
            discover_graph(table, n_resamples=n_resamples, rng=0)
            spent[n_resamples] = time.process_time() - begun
        rows.append({
            "what": f"time of discover_graph, {what}",
            "measured": f"{spent[N_RESAMPLES]:.2f} CPU s with {N_RESAMPLES} resamples, "
            f"{spent[0]:.2f} without",
            "goal": f"<= {most:g} s", "met": bool(spent[N_RESAMPLES] <= most),
        })  # fmt: skip
    return rows


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    **{
        f"{kind}, {imaging}": partial(discovery, kind, imaging)
        for kind in ("physical graph", "random graphs")
        for imaging in IMAGINGS
    },
    "mixed columns": mixed,
    **{
        f"frequencies, {imaging}, graphs {first} to {first + BATCH - 1}": partial(
            frequencies, imaging, first
        )
        for imaging in IMAGINGS
        for first in range(0, N_FREQUENCIES, BATCH)
    },
    "speed of the search": speed,
}


def _pooled(cases: Mapping[str, Any]) -> list[Row]:
    """Return one row an imaging: links at high frequency over all graphs measured so far."""
    rows = []
    for imaging in IMAGINGS:
        parts = [
            row for case in cases.values() for row in case.get("checks", [])
            if row.get("imaging") == imaging
        ]  # fmt: skip
        if not parts:
            continue
        kept, right = (sum(row[name] for row in parts) for name in ("kept", "right"))
        graphs = sum(row["graphs"] for row in parts)
        low = float(stats.beta.ppf(0.05, right, kept - right + 1)) if right else 0.0
        rows.append({
            "what": f"links at frequency >= {FIRM}, {imaging}, {graphs} graphs x {N_RESAMPLES} "
            "resamples",
            "measured": f"{right} of {kept} are true: precision {right / max(kept, 1):.3f}, "
            f"one-sided 95 % bound >= {low:.3f}",
            "goal": f"precision >= {LEAST_FIRM}",
            "met": right / kept >= LEAST_FIRM if kept else None,
        })  # fmt: skip
    return rows


HEADINGS = (
    "graphs and method", "false links", "recall", "precision", "left undecided",
    "direction precision", "CPU s", f"false <= {MOST_FALSE:g}", f"recall >= {LEAST_RECALL}",
    f"directions >= {LEAST_DIRECTIONS}",
)  # fmt: skip


def score_line(row: Mapping[str, Any]) -> str:
    """Return the line of one method."""
    if "absent" in row:
        return f"| {row['what']} | absent: {row['absent']} |" + " |" * (len(HEADINGS) - 2)
    directions = row["direction_precision"]
    cells = [
        row["what"], f"{row['false']:.2f}", f"{row['recall']:.2f}", f"{row['precision']:.2f}",
        f"{row['undecided']:.1f}",
        "" if directions is None else f"{directions:.2f} (of {row['directions']:.1f})",
        f"{row['seconds']:.2f}",
        *("met" if met else "MISSED" for met in row.get("met", ())),
        *("" for _ in range(0 if "met" in row else 3)),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def score_table(cases: Mapping[str, Any]) -> list[str]:
    """Return the table of methods."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    for name, case in cases.items():
        if "failed" in case:
            lines.append(f"| {name} | FAILED: {case['failed']} |" + " |" * (len(HEADINGS) - 2))
        lines += [
            score_line(row) for row in case.get("checks", []) if "recall" in row or "absent" in row
        ]
    return lines


def table_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the tables of this part."""
    counted = {k: c for k, c in cases.items() if not k.startswith(("frequencies", "speed"))}
    asked = {k: c for k, c in cases.items() if k.startswith("speed")}
    asked["pooled"] = {"checks": _pooled(cases)}
    asked |= {k: c for k, c in cases.items() if k.startswith("frequencies") and "failed" in c}
    return [*score_table(counted), "", *check_lines(asked, asked)]
