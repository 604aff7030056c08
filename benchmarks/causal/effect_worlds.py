"""Patch tables in which the effect of one column on another is known."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from benchmarks.causal.worlds import Floats, gaussian_field, noise_of, patch_table, seed_of
from physlearn.causal import CausalGraph
from physlearn.causal.graphs import GraphEdge
from physlearn.records import PatchTable

__all__ = [
    "EFFECT", "EffectWorld", "confounded_world", "coverage_world", "hidden_graph",
    "randomised_world",
]  # fmt: skip

EFFECT = 0.3
CONFOUNDING = 0.6
SMOOTH = 12.0
"""Correlation length of a smooth confounder, in patches."""


@dataclass(frozen=True, eq=False)
class EffectWorld:
    """A table, the graph that is told, and the slope of ``y`` on a change of ``x``.

    ``oracle``: the columns beside x and y that the smallest-variance adjustment holds fixed.
    """

    table: PatchTable
    graph: nx.DiGraph | CausalGraph
    effect: float
    oracle: tuple[str, ...] = ()


def _table(columns: dict[str, Floats], snr: float | None, rng: np.random.Generator) -> PatchTable:
    """Return the columns as measured, the noise covariance told (zeros where there is none)."""
    if snr is None:
        return patch_table(columns, np.zeros((len(columns), len(columns))))
    covariance = np.diag([field.var() / snr for field in columns.values()])
    noise = noise_of(covariance, len(next(iter(columns.values()))), 0.0, rng)
    noisy = {name: field + noise[k] for k, (name, field) in enumerate(columns.items())}
    return patch_table(noisy, covariance)


def coverage_world(
    size: int, length: float, seed: int, *, snr: float | None = None, smooth: bool = False
) -> EffectWorld:
    """Return z -> x -> y <- z, z measured; with `smooth`, a wide hidden field drives x and y."""
    rng = seed_of("coverage", size, length, snr, smooth, seed)
    z, own, other = (gaussian_field((size, size), length, rng) for _ in range(3))
    x = 0.7 * z + own
    y = 0.7 * z + EFFECT * x + other
    if smooth:
        hidden = CONFOUNDING * gaussian_field((size, size), SMOOTH, rng, 0.0)
        x, y = x + hidden, y + hidden * (1.0 + EFFECT)
    graph = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])
    return EffectWorld(_table({"x": x, "y": y, "z": z}, snr, rng), graph, EFFECT, ("z",))


def hidden_graph(kind: str) -> nx.DiGraph | CausalGraph:
    """Return a graph without column u that admits a hidden cause of x and y.

    "node": u stands in it as an unmeasured node; "arrow": x <-> y; "circle": x o-> y, what the
    columns x, y and v tell (a cause w of x that does not touch y would settle the circle).
    """
    if kind == "node":
        return nx.DiGraph([("u", "x"), ("u", "y"), ("w", "x"), ("v", "y"), ("x", "y")])
    between = GraphEdge("x", "y", kind, "arrow")
    if kind == "circle":
        return CausalGraph(("v", "x", "y"), (GraphEdge("v", "y", "circle", "arrow"), between))
    known = (GraphEdge("w", "x"), GraphEdge("v", "y"))
    return CausalGraph(("w", "v", "x", "y"), (*known, between))


def confounded_world(
    size: int, length: float, seed: int, *, measured: bool, kind: str = "node"
) -> EffectWorld:
    """Return w -> x <- u -> y <- v without any effect of x on y, u measured or hidden."""
    rng = seed_of("confounded", size, length, seed)
    u, v, w, own, other = (gaussian_field((size, size), length, rng) for _ in range(5))
    x = CONFOUNDING * u + 0.5 * w + own
    y = CONFOUNDING * u + 0.5 * v + other
    columns = {"x": x, "y": y, "w": w, "v": v}
    if not measured:
        if kind == "circle":
            del columns["w"]
        return EffectWorld(_table(columns, None, rng), hidden_graph(kind), 0.0)
    graph = nx.DiGraph([("u", "x"), ("u", "y"), ("w", "x"), ("v", "y"), ("x", "y")])
    return EffectWorld(_table({**columns, "u": u}, None, rng), graph, 0.0, ("u", "v"))


def randomised_world(size: int, length: float, seed: int) -> EffectWorld:
    """Return x set at random from patch to patch, y driven by it and by columns of its own."""
    rng = seed_of("randomised", size, length, seed)
    v, hidden, other = (gaussian_field((size, size), length, rng) for _ in range(3))
    x = rng.choice([-1.0, 1.0], (size, size))
    y = EFFECT * x + 0.5 * v + CONFOUNDING * hidden + other
    graph = nx.DiGraph([("x", "y"), ("v", "y")])
    return EffectWorld(_table({"x": x, "y": y, "v": v}, None, rng), graph, EFFECT, ("v",))
