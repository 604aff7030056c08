"""Public data with a published or exact graph: physlearn beside causal-learn on the same columns.

The files are those of `physlearn.datasets.registry`: set PHYSLEARN_DATA_DIR to a folder that holds
`causal_sachs` and `causal_bnlearn_nets`, or let them be downloaded. Their rows have no places
(`PatchTable.from_rows`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from benchmarks.causal.graph_peers import found_by_peer, found_of, score
from physlearn.causal import discover_graph
from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import registry
from physlearn.records import PatchTable

__all__ = ["CHECKS", "read_graph", "table_lines", "table_without_places"]

Row = dict[str, Any]

NETS = ("asia", "cancer", "survey", "sachs", "alarm")
METHODS = ("causal-learn PC", "causal-learn GES", "causal-learn FCI", "causal-learn DirectLiNGAM")
QUICK_ROWS, FEW_COLUMNS = 400, 20


def public(name: str) -> Path:
    """Return the path of a public file, or say in one sentence what is missing."""
    try:
        return registry.fetch(name)
    except (FileNotFoundError, OSError) as absent:
        raise FileNotFoundError(
            f"{name} is not on this machine: set {registry.DATA_DIR_VARIABLE} to a folder that "
            "holds it (registry.list() names its source)."
        ) from absent


def read_graph(text: str) -> nx.DiGraph:
    """Return the graph of a Tetrad text file."""
    nodes = text.split("Graph Nodes:")[1].split("Graph Edges:")[0].strip()
    graph = nx.DiGraph()
    graph.add_nodes_from(re.split(r"[;,\s]+", nodes))
    graph.add_edges_from(re.findall(r"(\S+) --> (\S+)", text))
    return graph


def table_without_places(frame: pd.DataFrame, kind: str) -> PatchTable:
    """Return a table of rows without places, levels of a discrete network in no order.

    Measurement errors are told to be zero, as every other method takes them to be.
    """
    errors = np.zeros((1, frame.shape[1], frame.shape[1]))
    kinds = {name: "categorical" for name in frame.columns if frame[name].nunique() > 2}
    return PatchTable.from_rows(
        frame.astype(float), measurement_covariance=errors,
        metadata={"kinds": kinds if kind == "discrete" else {}},
    )  # fmt: skip


def _row(what: str, scored: Any, seconds: float) -> Row:
    return {
        "what": what, "links": scored.right + scored.false, "precision": scored.precision,
        "recall": scored.recall, "undecided": scored.undecided, "directions": scored.directions,
        "direction_precision": scored.right_directions / scored.directions
        if scored.directions else None,
        "direction_recall": scored.right_directions / scored.true_links, "seconds": seconds,
    }  # fmt: skip


def f1(row: Mapping[str, Any]) -> float:
    """Return the harmonic mean of precision and recall of the links."""
    total = row["precision"] + row["recall"]
    return 2.0 * row["precision"] * row["recall"] / total if total else 0.0


def compare(what: str, frame: pd.DataFrame, truth: nx.DiGraph, kind: str) -> list[Row]:
    """Return one row a method on the same columns."""
    rows = []
    begun = time.process_time()
    try:
        # half-samples of a net of dozens of columns take minutes
        resamples = 50 if frame.shape[1] <= FEW_COLUMNS else 10
        table = table_without_places(frame, kind)
        graph = discover_graph(table, n_resamples=resamples, rng=0)
        rows.append(
            _row(f"{what}: physlearn", score(found_of(graph), truth), time.process_time() - begun)
        )
    except (InputError, NotIdentified) as refusal:
        rows.append({"what": f"{what}: physlearn", "absent": f"refused: {refusal}"})
    for name in METHODS:
        try:
            found, spent = found_by_peer(name, frame.to_numpy(), frame.columns, kind)
            rows.append(_row(f"{what}: {name}", score(found, truth), spent))
        except Exception as failed:  # a peer that breaks on a table is a row, not an end
            said = f"{type(failed).__name__}: {str(failed)[:80]}"
            rows.append({"what": f"{what}: {name}", "absent": said})
    ours, peers = rows[0], [row for row in rows[1:] if "precision" in row]
    if "precision" in ours and peers:
        best = max(peers, key=f1)
        ours["met"] = f1(ours) >= f1(best)
        who = best["what"].split(": ")[-1]
        ours["goal"] = f"F1 of links {f1(ours):.2f} >= {f1(best):.2f} ({who})"
    return rows


def sachs(scale: str, quick: bool) -> list[Row]:
    """Show the eleven proteins of Sachs et al. against the published graph of 20 edges."""
    frame = pd.read_csv(public("causal_sachs/sachs.2005.continuous.txt"), sep="\t")
    truth = read_graph(public("causal_sachs/sachs.2005.ground.truth.graph.txt").read_text())
    if scale == "logarithms":
        frame = np.log1p(frame)
    frame = frame.head(QUICK_ROWS) if quick else frame
    return compare(f"sachs, {len(frame):,} cells, {scale}", frame, truth, "continuous")


def net(name: str, quick: bool) -> list[Row]:
    """Show samples drawn from a published discrete network."""
    frame = pd.read_csv(public(f"causal_bnlearn_nets/{name}.txt"), sep=" ")
    truth = read_graph(public(f"causal_bnlearn_nets/{name}.graph.txt").read_text())
    frame = frame.head(QUICK_ROWS) if quick else frame
    return compare(f"{name}, {len(frame):,} rows, discrete", frame, truth, "discrete")


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    **{f"sachs, {scale}": partial(sachs, scale) for scale in ("as they come", "logarithms")},
    **{f"network {name}": partial(net, name) for name in NETS},
}

HEADINGS = (
    "data and method", "links", "precision", "recall", "left undecided", "directions claimed",
    "direction precision", "direction recall", "CPU s", "goal", "",
)  # fmt: skip


def _line(row: Mapping[str, Any]) -> str:
    if "absent" in row:
        return f"| {row['what']} | {row['absent']} |" + " |" * (len(HEADINGS) - 2)
    directions = row["direction_precision"]
    cells = [
        row["what"], str(row["links"]), f"{row['precision']:.2f}", f"{row['recall']:.2f}",
        str(row["undecided"]), str(row["directions"]),
        "" if directions is None else f"{directions:.2f}", f"{row['direction_recall']:.2f}",
        f"{row['seconds']:.1f}", row.get("goal", ""),
        {True: "met", False: "MISSED"}.get(row.get("met"), ""),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def table_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the table of this part."""
    lines = [
        "The rows of these files have no places and count one by one; measurement errors are taken "
        "as none, as the other methods take them. "
        "No method is told tiers. Discrete columns: causal-learn gets its G-squared test (PC, FCI) "
        "and the BDeu score (GES).",
        "",
        "| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS),
    ]  # fmt: skip
    for name, case in cases.items():
        if "failed" in case:
            lines.append(f"| {name} | FAILED: {case['failed']} |" + " |" * (len(HEADINGS) - 2))
        lines += [_line(row) for row in case.get("checks", [])]
    return lines
