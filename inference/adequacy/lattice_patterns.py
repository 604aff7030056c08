"""What a picture shows beyond the statistics that a lattice model is fitted to.

Correlations of pairs by shell and by steps, three sites, the number of like neighbours, clusters of
like states, and how much parts of a picture (and pictures) differ. All are counts over fixed sets
of sites, chosen once: large pictures are sampled, so the work is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.adequacy.lattice_pattern_kernels import (
    count_by_block,
    count_environments,
    count_like_pairs,
    count_like_triplets,
    measure_clusters,
    spread_from_seeds,
    sum_pair_values,
)
from physlearn.lattice_models.graphs.site_graphs import BondTable, bond_table
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import PictureGroup
    from physlearn.inference.lattices.lattice_family import LatticeFamily

__all__ = ["PatternPlan", "PatternRow", "measure_patterns", "plan_patterns"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
MOST_STEPS = 4
MOST_CENTRES = 16_000
MOST_TRIPLET_CENTRES = 4_000
MOST_BONDS = 50_000
MOST_CLUSTER_SITES = 16_000
MOST_CLASSES = 3
"""Classes of pairs with equally many steps, told apart by their number of shortest paths."""
LEAST_SHARE = 0.25
"""Classes with fewer pairs than this a site are left out (rims and vacancies make them)."""
SITES_PER_BLOCK, LEAST_BLOCKS, MOST_BLOCKS = 100, 4, 16
MOST_BLOCKS_IN_ALL = 1024


class PatternRow(NamedTuple):
    """One number of a picture.

    It is compared on its ``scale`` (``plain``, ``sqrt`` or ``log``), and counted over ``weight``
    sets of sites.
    """

    kind: str
    name: str
    scale: str
    shell: int = 0
    distance: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class PatternPlan:
    """Which sets of sites are counted in a group of pictures, with ``rows`` and ``weights``."""

    rows: tuple[PatternRow, ...]
    weights: Float
    n_states: int
    pair_edges: Int
    pair_bounds: Int
    pair_table: Int | None
    centres: Int
    start: Int
    neighbour: NDArray[np.int32]
    most_neighbours: int
    triplets: tuple[Int, ...]
    cluster_sites: Int | None
    cluster_edges: Int
    blocks: tuple[Int, ...]
    nearest: Int


def plan_patterns(
    group: PictureGroup, family: LatticeFamily, rng: np.random.Generator
) -> PatternPlan:
    """Choose what to count in a group of pictures.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import square_lattice
    >>> group = SimpleNamespace(graph=square_lattice((8, 8)), picture=np.zeros(64, int))
    >>> plan = plan_patterns(group, lattice_family("ising", (-1, 1), 1), np.random.default_rng(1))
    >>> [row.name for row in plan.rows[:3]]
    ['shell 1', '2 steps (2 paths)', '2 steps (1 path)']
    """
    graph, q = group.graph, family.n_states
    table = bond_table(graph, 1)
    nearest = graph.edges[graph.shell == 0]
    adjacent = _adjacency(table)
    rows: list[PatternRow] = []
    weights: list[float] = []
    edges, bounds, pair_rows = _pair_classes(graph, adjacent, rng)
    rows += pair_rows
    weights += np.diff(bounds).astype(float).tolist()
    numbers = np.array(family.state_values)
    values = np.multiply.outer(numbers, numbers) if family.model == "blume_capel" else None
    if values is not None:
        rows += [row._replace(kind="product", name=f"s s', {row.name}") for row in pair_rows]
        weights += np.diff(bounds).astype(float).tolist()
    degree = np.diff(table.start)
    usual = int(np.bincount(degree).argmax())
    full = np.flatnonzero(degree == usual)
    centres = _some(full, MOST_CENTRES, rng)
    triplets, names = _triplet_classes(graph, table, full, adjacent, rng)
    window, inside = _cluster_window(table, nearest, rng)
    blocks = _blocks(group, table, rng)
    for more, weight in (
        (_environment_rows(family, usual), len(centres)),
        *((_triplet_rows(family, name), len(t)) for t, name in zip(triplets, names, strict=True)),
        (_cluster_rows(family, [name for name, _ in blocks]), graph.n_sites),
    ):
        rows += more
        weights += [float(weight)] * len(more)
    weighed = tuple(row._replace(weight=w) for row, w in zip(rows, weights, strict=True))
    return PatternPlan(
        weighed, np.array(weights), q, edges, bounds, values, centres, table.start,
        table.neighbour, usual, tuple(triplets), window, inside,
        tuple(block for _, block in blocks), nearest,
    )  # fmt: skip


def _environment_rows(family: LatticeFamily, most: int) -> list[PatternRow]:
    return [
        PatternRow("environment", f"{_state(family, a)} with {n} like neighbours", "sqrt")
        for a in range(family.n_states) for n in range(most + 1)
    ]  # fmt: skip


def _triplet_rows(family: LatticeFamily, name: str) -> list[PatternRow]:
    if family.n_states == 2:
        return [PatternRow("triplet", f"<s s' s''>, {name}", "plain")]
    return [
        PatternRow("triplet", f"three of {_state(family, a)}, {name}", "sqrt")
        for a in range(family.n_states)
    ]


def _cluster_rows(family: LatticeFamily, parts: list[str]) -> list[PatternRow]:
    """Return the rows of clusters, then those of parts that are compared."""
    named = [_state(family, a) for a in range(family.n_states)]
    return [
        PatternRow("clusters", "clusters a site", "sqrt"),
        *(PatternRow("clusters", f"largest cluster of {name}", "log") for name in named),
        *(PatternRow("clusters", f"mean size of clusters of {name}", "log") for name in named),
        *(
            PatternRow("uniformity", f"{what} between {name}", "log")
            for name in parts for what in ("composition", "order")
        ),
    ]  # fmt: skip


def measure_patterns(plan: PatternPlan, codes: NDArray[np.uint8]) -> Float:
    """Return every row of the plan in every picture, shape (R, n_rows), on the row's scale."""
    codes = np.ascontiguousarray(codes, np.uint8)
    n = codes.shape[1]
    q, scratch = plan.n_states, np.empty(n, np.int32)
    share = np.array([np.count_nonzero(codes == a, axis=0) for a in range(q)]) / len(codes)
    like = np.zeros((len(plan.pair_bounds) - 1, n), np.int64)
    count_like_pairs(codes, plan.pair_edges, plan.pair_bounds, scratch, like)
    size = np.diff(plan.pair_bounds)[:, None]
    # for two states this is <s s'> - <s>^2
    parts = [(like / size - np.sum(share**2, axis=0)) * q / (q - 1)]
    if plan.pair_table is not None:
        total = np.zeros_like(like)
        sum_pair_values(codes, plan.pair_edges, plan.pair_bounds, plan.pair_table, total)
        mean = np.sqrt(np.abs(np.diag(plan.pair_table))) * np.sign(plan.pair_table[-1]) @ share
        parts.append(total / size - mean**2)
    seen = np.zeros((q, plan.most_neighbours + 1, n), np.int64)
    count_environments(codes, plan.centres, plan.start, plan.neighbour, scratch, seen)
    parts.append(np.sqrt(seen.reshape(-1, n) / len(plan.centres)))
    for triplets in plan.triplets:
        alike = np.zeros((q, n), np.int64)
        count_like_triplets(codes, triplets, scratch, alike)
        if q == 2:  # n(+++) - n(---) = sum of (s + s' + s'' + s s' s'') / 4
            parts.append(4 * (alike[1:] - alike[:1]) / len(triplets) - 3 * (share[1:] - share[:1]))
        else:
            parts.append(np.sqrt(alike / len(triplets)))
    parts.append(_clusters(plan, codes))
    parts += [_uniformity(plan, block, codes) for block in plan.blocks]
    return np.concatenate(parts).T


def _clusters(plan: PatternPlan, codes: NDArray[np.uint8]) -> Float:
    """Return clusters a site, and log of the largest and of the mean cluster by state."""
    inside = codes if plan.cluster_sites is None else codes[plan.cluster_sites]
    n_sites, n = inside.shape
    number, largest, squares = (np.zeros((plan.n_states, n), np.int64) for _ in range(3))
    measure_clusters(
        np.ascontiguousarray(inside), plan.cluster_edges, np.empty(n_sites, np.int32),
        np.empty(n_sites, np.int64), number, largest, squares,
    )  # fmt: skip
    members = np.array([(inside == a).sum(axis=0) for a in range(plan.n_states)])
    return np.concatenate(
        [
            np.sqrt(number.sum(axis=0, keepdims=True) / n_sites),
            np.log(largest + 1.0), np.log((squares + 1.0) / (members + 1.0)),
        ]
    )  # fmt: skip


def _uniformity(plan: PatternPlan, block: Int, codes: NDArray[np.uint8]) -> Float:
    """Return log of the chi-squares of composition and of like pairs between blocks, (2, n)."""
    n_blocks, n = int(block.max()) + 1, codes.shape[1]
    singles = np.zeros((n_blocks, plan.n_states, n), np.int64)
    pairs = np.zeros((n_blocks, n), np.int64)
    count_by_block(codes, block, plan.nearest, singles, pairs)
    ends = block[plan.nearest]
    within = ends[(ends[:, 0] == ends[:, 1]) & (ends[:, 0] >= 0), 0]
    bonds = np.bincount(within, minlength=n_blocks)[:, None]
    sites = singles.sum(axis=1)
    mean = singles.sum(axis=0) / sites.sum(axis=0)
    spread = np.sum((singles - sites[:, None] * mean) ** 2 / sites[:, None], axis=(0, 1))
    average = pairs.sum(axis=0) / max(bonds.sum(), 1)
    order = np.sum((pairs - bonds * average) ** 2 / np.maximum(bonds, 1), axis=0)
    return np.log(np.stack([spread, order]) + 1e-3)


def _state(family: LatticeFamily, code: int) -> str:
    return f"state {family.state_values[code]}"


def _some(sites: Int, most: int, rng: np.random.Generator) -> Int:
    """Return the sites, or so many of them drawn at random, ascending."""
    if len(sites) <= most:
        return sites
    return np.sort(rng.choice(sites, most, replace=False))


def _adjacency(table: BondTable) -> Any:
    """Return the symmetric 0-1 matrix of neighbours."""
    from scipy import sparse

    n = len(table.start) - 1
    ones = np.ones(len(table.neighbour), np.int32)
    return sparse.csr_matrix((ones, table.neighbour, table.start), (n, n))


def _pair_classes(
    graph: SiteGraph, adjacent: Any, rng: np.random.Generator
) -> tuple[Int, Int, list[PatternRow]]:
    """Return pairs by class: the graph's shells, then pairs 2 to 4 steps apart.

    Pairs equally many steps apart are told apart by their number of shortest paths: on a crystal
    these are the shells that the graph does not hold.
    """
    from scipy import sparse

    parts, rows = [], []
    for shell in range(graph.n_shells):
        bonds = np.flatnonzero(graph.shell == shell)
        if len(bonds):
            parts.append(graph.edges[_some(bonds, MOST_BONDS, rng)])
            radius = float(graph.shell_radii[shell]) if len(graph.shell_radii) > shell else None
            rows.append(PatternRow("pairs", f"shell {shell + 1}", "plain", shell + 1, radius))
    n = graph.n_sites
    base = _some(np.arange(n), MOST_CENTRES, rng)
    own = (adjacent if graph.n_shells == 1 else _adjacency(bond_table(graph)))[base]
    near = sparse.csr_matrix(
        (np.ones(len(base), np.int8), (np.arange(len(base)), base)), (len(base), n)
    )
    known = own + near
    walk = adjacent[base]
    for length in range(2, MOST_STEPS + 1):
        walk = walk @ adjacent
        known.data[:] = 1
        fresh = walk - walk.multiply(known)
        fresh.eliminate_zeros()
        fresh = fresh.tocoo()
        keep = (fresh.col > base[fresh.row]) if len(base) == n else slice(None)
        row, column, paths = fresh.row[keep], fresh.col[keep], fresh.data[keep]
        found, counts = np.unique(paths, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
        for kind in np.sort(order):
            if counts[kind] < LEAST_SHARE * len(base):
                continue
            here = _some(np.flatnonzero(paths == found[kind]), MOST_BONDS, rng)
            parts.append(np.column_stack([base[row[here]], column[here]]).astype(np.int64))
            text = f"{length} steps ({found[kind]} path{'s' if found[kind] > 1 else ''})"
            distance = _distance(graph, parts[-1])
            rows.append(PatternRow("pairs", text, "plain", len(rows) + 1, distance))
        known = known + fresh.astype(bool).tocsr()
        walk = walk.tocsr()
    parts, rows = _by_distance(parts, rows)
    bounds = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return np.ascontiguousarray(np.concatenate(parts), np.int64), bounds, rows


def _distance(graph: SiteGraph, pairs: Int) -> float | None:
    """Return the median distance of pairs (n, 2), by the shortest way around a periodic box."""
    if graph.positions is None:
        return None
    gap = graph.positions[pairs[:, 1]] - graph.positions[pairs[:, 0]]
    if graph.cell is not None:
        turns = np.round(gap @ np.linalg.inv(graph.cell))
        gap = gap - turns @ graph.cell
    return float(np.median(np.linalg.norm(gap, axis=1)))


def _by_distance(parts: list[Int], rows: list[PatternRow]) -> tuple[list[Int], list[PatternRow]]:
    """Return classes of pairs in the order of their distances, where all are known.

    The graph's own shells keep their numbers, and the others go on counting.
    """
    known = [row.distance for row in rows if row.distance is not None]
    if len(known) < len(rows):
        return parts, rows
    own = sum(row.name.startswith("shell") for row in rows)
    order = [*range(own), *(own + np.argsort(known[own:], kind="stable"))]
    numbers = [row.shell for row in rows]
    return [parts[k] for k in order], [
        rows[k]._replace(shell=number) for k, number in zip(order, numbers, strict=True)
    ]


def _triplet_classes(
    graph: SiteGraph, table: BondTable, full: Int, adjacent: Any, rng: np.random.Generator
) -> tuple[list[Int], list[str]]:
    """Return triplets (end, centre, end) of two nearest bonds by how their ends are related."""
    centres = _some(full, MOST_TRIPLET_CENTRES, rng)
    degree = int(np.diff(table.start[centres[0] : centres[0] + 2])[0]) if len(centres) else 0
    if degree < 2:
        return [], []
    around = table.neighbour[table.start[centres][:, None] + np.arange(degree)].astype(np.int64)
    one, two = np.triu_indices(degree, 1)
    ends = np.stack([around[:, one], around[:, two]], axis=-1).reshape(-1, 2)
    rows = np.column_stack([ends[:, 0], np.repeat(centres, len(one)), ends[:, 1]])
    low, high = ends.min(axis=1), ends.max(axis=1)
    keys = np.sort(graph.edges, axis=1) @ np.array([graph.n_sites, 1])
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], low * graph.n_sites + high), len(keys) - 1)
    bonded = keys[order][place] == low * graph.n_sites + high
    shell = np.where(bonded, graph.shell[order][place], -1)
    used, at = np.unique(low, return_inverse=True)
    common = np.asarray((adjacent[used] @ adjacent)[at, high]).ravel()
    label = np.where(shell >= 0, shell, graph.n_shells + common)
    found, counts = np.unique(label, return_counts=True)
    parts, names = [], []
    for kind in found[np.argsort(-counts, kind="stable")][:MOST_CLASSES]:
        here = (label == kind) & (low != high)
        if here.sum() >= LEAST_SHARE * len(centres):
            parts.append(np.ascontiguousarray(rows[here]))
            names.append(
                f"ends in shell {kind + 1}" if kind < graph.n_shells
                else f"ends with {kind - graph.n_shells} common neighbour(s)"
            )  # fmt: skip
    return parts, names


def _cluster_window(
    table: BondTable, nearest: Int, rng: np.random.Generator
) -> tuple[Int | None, Int]:
    """Return the sites whose clusters are measured (None: all) and the bonds between them."""
    n = len(table.start) - 1
    if n <= MOST_CLUSTER_SITES:
        return None, nearest
    block, queue = np.full(n, -1, np.int64), np.empty(n, np.int64)
    reached = spread_from_seeds(table.start, table.neighbour, rng.integers(0, n, 1), block, queue)
    window = np.sort(queue[: min(reached, MOST_CLUSTER_SITES)])
    place = np.full(n, -1, np.int64)
    place[window] = np.arange(len(window))
    ends = place[nearest]
    return window, np.ascontiguousarray(ends[(ends >= 0).all(axis=1)])


def _blocks(
    group: PictureGroup, table: BondTable, rng: np.random.Generator
) -> list[tuple[str, Int]]:
    """Return parts of the pictures, and the pictures, as the number of each site's block."""
    picture = np.unique(group.picture, return_inverse=True)[1].astype(np.int64)
    sizes = np.bincount(picture)
    out = []
    each = int(min(sizes.min() // SITES_PER_BLOCK, MOST_BLOCKS, MOST_BLOCKS_IN_ALL // len(sizes)))
    if each >= LEAST_BLOCKS:
        seeds = np.concatenate(
            [rng.choice(np.flatnonzero(picture == k), each, replace=False)
             for k in range(len(sizes))]
        )  # fmt: skip
        block, queue = np.full(len(picture), -1, np.int64), np.empty(len(picture), np.int64)
        spread_from_seeds(table.start, table.neighbour, seeds.astype(np.int64), block, queue)
        out.append(("parts of the picture", block))
    if len(sizes) > 1:
        out.append(("pictures", picture))
    return out
