"""Oracles that know the true graph, and tables of random linear models."""

from collections.abc import Callable
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal.spatial_test import IndependenceResult
from physlearn.records import PatchTable


class Oracle:
    """Answers by d-separation in a known graph; columns beyond `p` are hidden."""

    def __init__(self, graph: nx.DiGraph, p: int) -> None:
        self.graph = graph
        self.alpha = 0.05
        self.columns = SimpleNamespace(names=tuple(f"c{k}" for k in range(p)))
        self.results: dict[tuple[int, int, tuple[int, ...]], IndependenceResult] = {}

    def __call__(self, x, y, given=()):
        key = (min(x, y), max(x, y), tuple(sorted(given)))
        if key not in self.results:
            apart = nx.is_d_separator(self.graph, {x}, {y}, set(given))
            verdict, p = ("independent", 1.0) if apart else ("dependent", 1e-9)
            self.results[key] = IndependenceResult(verdict, p, p, 0.0 if apart else 0.5, 900.0, 0.1)
        return self.results[key]


def _random_dag(p: int, n_edges: int, rng: np.random.Generator) -> nx.DiGraph:
    """Return a graph whose edges go from smaller to larger numbers."""
    pairs = [(i, j) for i in range(p) for j in range(i + 1, p)]
    graph = nx.DiGraph()
    graph.add_nodes_from(range(p))
    graph.add_edges_from(pairs[k] for k in rng.choice(len(pairs), n_edges, replace=False))
    return graph


def _linear_table(
    graph: nx.DiGraph, edge: int, rng: np.random.Generator, *, p: int | None = None, shape=None
) -> PatchTable:
    """Return uncorrelated patches of a linear model without errors; three tiers by number."""
    p = p or len(graph)
    columns: dict[int, np.ndarray] = {}
    for k in nx.topological_sort(graph):
        own = rng.standard_normal(edge * edge) if shape is None else shape(rng, edge * edge)
        for cause in sorted(graph.predecessors(k)):
            own = own + rng.choice([-1, 1]) * rng.uniform(0.4, 0.7) * columns[cause]
        columns[k] = own / own.std()
    row, column = np.mgrid[:edge, :edge].reshape(2, -1)
    frame = pd.DataFrame({f"c{k}": columns[k] for k in range(p)})
    tiers = {f"c{k}": 3 * k // p for k in range(p)}
    return PatchTable.from_frame(
        frame, np.stack([column, row], 1), 1.0, unit="nm", tiers=tiers,
        measurement_covariance=np.zeros((1, p, p)),
    )  # fmt: skip


@pytest.fixture(scope="session")
def oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture(scope="session")
def random_dag() -> Callable[..., nx.DiGraph]:
    return _random_dag


@pytest.fixture(scope="session")
def linear_table() -> Callable[..., PatchTable]:
    return _linear_table
