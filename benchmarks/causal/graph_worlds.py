"""Patch tables drawn from known graphs: one physical graph, and random graphs of the same size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.ndimage import shift as moved

from benchmarks.causal.worlds import PAD, Floats, gaussian_field, noise_of, patch_table, seed_of
from physlearn.records import PatchTable

__all__ = [
    "CLEAN", "NOISY", "PHYSICAL_EDGES", "PHYSICAL_TIERS", "GraphWorld", "Imaging", "draw_table",
    "physical_graph", "random_graph",
]  # fmt: skip

PHYSICAL_TIERS: dict[str, int] = {
    "composition": 0, "thickness": 0, "vacancies": 0,
    "strain": 1, "tetragonality": 1, "tilt": 1, "polarization": 1, "wall_density": 1,
    "wall_curvature": 1, "intensity": 2, "piezo_response": 2, "loop_width": 2,
}  # fmt: skip
PHYSICAL_EDGES: tuple[tuple[str, str], ...] = (
    ("composition", "vacancies"), ("composition", "strain"), ("thickness", "strain"),
    ("composition", "tetragonality"), ("vacancies", "tetragonality"), ("strain", "tetragonality"),
    ("strain", "tilt"), ("tetragonality", "polarization"), ("tilt", "polarization"),
    ("vacancies", "wall_density"), ("polarization", "wall_density"),
    ("wall_density", "wall_curvature"), ("thickness", "intensity"), ("composition", "intensity"),
    ("polarization", "piezo_response"), ("wall_density", "piezo_response"),
    ("wall_curvature", "loop_width"), ("vacancies", "loop_width"),
)  # fmt: skip
WEAKEST, STRONGEST = 0.4, 0.8
"""Slopes of a column on its standardised causes, beside an own part of unit variance."""


@dataclass(frozen=True)
class Imaging:
    """How the columns are measured: variance over noise variance (None: clean), largest offset."""

    snr: float | None = None
    misfit: float = 0.0


CLEAN, NOISY = Imaging(), Imaging(10.0, 0.3)


@dataclass(frozen=True, eq=False)
class GraphWorld:
    """A table and the graph it was drawn from."""

    table: PatchTable
    graph: nx.DiGraph

    @property
    def skeleton(self) -> set[frozenset[str]]:
        """The linked pairs."""
        return {frozenset(edge) for edge in self.graph.edges}


def physical_graph() -> nx.DiGraph:
    """Return twelve descriptors of a ferroelectric film in three tiers, 18 links."""
    graph = nx.DiGraph()
    for name, tier in PHYSICAL_TIERS.items():
        graph.add_node(name, tier=tier)
    graph.add_edges_from(PHYSICAL_EDGES)
    return graph


def random_graph(n_nodes: int, n_edges: int, seed: int) -> nx.DiGraph:
    """Return a random graph whose links lead from earlier to later columns, in three tiers."""
    rng = seed_of("random graph", n_nodes, n_edges, seed)
    tiers = np.sort(np.arange(n_nodes) * 3 // n_nodes)
    pairs = [(i, j) for i in range(n_nodes) for j in range(i + 1, n_nodes)]
    graph = nx.DiGraph()
    for k, tier in enumerate(tiers):
        graph.add_node(f"c{k:02d}", tier=int(tier))
    for k in rng.choice(len(pairs), n_edges, replace=False):
        graph.add_edge(*(f"c{node:02d}" for node in pairs[int(k)]))
    return graph


def draw_table(
    graph: nx.DiGraph, size: int, length: float, seed: int, *,
    imaging: Imaging = CLEAN, binary: Sequence[str] = (),
) -> GraphWorld:  # fmt: skip
    """Return size x size patches: linear mechanisms, own parts of .7 to 1.3 times `length`.

    Columns in ``binary`` say on which side of a random level (30 to 70 %) a patch lies; their
    effects feel nothing else.
    """
    rng = seed_of("graph world", sorted(graph.edges), size, length, imaging, seed)
    shape = (size + 2 * PAD, size + 2 * PAD)
    fields: dict[str, Floats] = {}
    for name in nx.lexicographical_topological_sort(graph):
        field = gaussian_field(shape, length * rng.uniform(0.7, 1.3), rng)
        for cause in sorted(graph.predecessors(name)):
            slope = rng.uniform(WEAKEST, STRONGEST) * rng.choice([-1.0, 1.0])
            field = field + slope * fields[cause]
        if name in binary:
            field = np.where(field > np.quantile(field, rng.uniform(0.3, 0.7)), 1.0, 0.0)
        fields[name] = (field - field.mean()) / field.std()
    return GraphWorld(_measured(graph, fields, size, imaging, binary, rng), graph)


def _measured(
    graph: nx.DiGraph, fields: dict[str, Floats], size: int, imaging: Imaging,
    binary: Sequence[str], rng: np.random.Generator,
) -> PatchTable:  # fmt: skip
    names = list(graph.nodes)
    columns: dict[str, Floats] = {}
    for name in names:
        field = fields[name]
        if imaging.misfit and name not in binary:
            radius, angle = imaging.misfit * np.sqrt(rng.uniform()), rng.uniform(0.0, 2 * np.pi)
            offset = (radius * np.sin(angle), radius * np.cos(angle))
            field = moved(field, offset, order=1, mode="nearest")
        inside = field[PAD : PAD + size, PAD : PAD + size]
        columns[name] = np.where(inside > 0, 1.0, 0.0) if name in binary else inside
    tiers = {name: graph.nodes[name]["tier"] for name in names}
    if imaging.snr is None:
        return patch_table(columns, np.zeros((len(names), len(names))), tiers=tiers)
    variance = [0.0 if n in binary else columns[n].var() / imaging.snr for n in names]
    noise = noise_of(np.diag(np.maximum(variance, 1e-30)), size, 0.0, rng)
    noisy = {
        name: columns[name] + (0.0 if name in binary else noise[k]) for k, name in enumerate(names)
    }
    return patch_table(noisy, np.diag(variance), tiers=tiers)
