"""Steps between frames as walks on small patches of sites, equal ones counted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.event_rates.walk_kernels import grow_patch, walk_chances

__all__ = ["Network", "StepSet", "WalkProblems", "make_problems"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
LARGEST_PATCH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Where a particle can be and go: for each site and bond its target and class.

    ``target`` (sites, bonds): site, -1 no bond, -2 beyond what is modelled. ``kind``: class of the
    hop, -1 where there is none. ``vectors``, ``n_bonds``: a vector of each class, and how many
    bonds of it a site has on average. ``n_dimensions``: of the space that the hops span.
    """

    target: Integers
    kind: Integers
    labels: tuple[str, ...]
    vectors: Floats
    n_bonds: Floats
    n_dimensions: int


@dataclass(frozen=True, slots=True, eq=False)
class StepSet:
    """Pairs of successive sightings of a data set.

    ``start``, ``end``: sites; ``time``; ``before``, ``after`` (steps,): rows of ``held`` (rows,
    sites) or None where particles don't see each other; ``group``: data set; ``count``: how often.
    """

    start: Integers
    end: Integers
    time: Floats
    group: Integers
    count: Floats
    before: list[Integers] | None = None
    after: list[Integers] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WalkProblems:
    """Distinct patches with the steps seen on them, as flat arrays for the kernel.

    ``rows`` (R, 4): group, class, m_from, m_to of each kind of edge that occurs.
    """

    node_offset: Integers
    edge_offset: Integers
    origin: Integers
    edge_from: Integers
    edge_to: Integers
    edge_row: Integers
    edge_weight: Floats
    rows: Integers
    query_offset: Integers
    query_node: Integers
    query_time: Floats
    query_count: Floats
    n_unreached: float
    radius: int

    def chances(self, row_rate: Floats, row_slope: Floats) -> tuple[Floats, Floats, float]:
        """Return the chance of each kind of step, its derivatives, and the largest leak."""
        chance = np.empty(len(self.query_node))
        slope = np.empty((len(self.query_node), row_slope.shape[1]))
        leak = walk_chances(
            self.node_offset, self.edge_offset, self.origin, self.edge_from, self.edge_to,
            self.edge_row, self.edge_weight, row_rate, np.ascontiguousarray(row_slope),
            self.query_offset, self.query_node, self.query_time, chance, slope,
        )  # fmt: skip
        return chance, slope, leak

    def log_likelihood(self, row_rate: Floats) -> float:
        """Return log p(steps) at the rates of the rows."""
        chance, _, _ = self.chances(row_rate, np.zeros((len(row_rate), 0)))
        with np.errstate(divide="ignore"):
            return float(self.query_count @ np.log(np.maximum(chance, 1e-300)))

    def every_end(self) -> WalkProblems:
        """Return the same walks with all ends as queries, each as often as its start was watched.

        ``query_count`` is then the number of steps watched, not the number that ended there: what
        expected counts and the Fisher information need.
        """
        offset, node, time, count = [0], [], [], []
        for k in range(len(self.origin)):
            seen = slice(self.query_offset[k], self.query_offset[k + 1])
            lasts, index = np.unique(self.query_time[seen], return_inverse=True)
            total = np.bincount(index, self.query_count[seen], len(lasts))
            n = int(self.node_offset[k + 1] - self.node_offset[k])
            node.append(np.tile(np.arange(n), len(lasts)))
            time.append(np.repeat(lasts, n))
            count.append(np.repeat(total, n))
            offset.append(offset[-1] + n * len(lasts))
        return WalkProblems(
            self.node_offset, self.edge_offset, self.origin, self.edge_from, self.edge_to,
            self.edge_row, self.edge_weight, self.rows, np.array(offset, np.int64),
            np.concatenate(node).astype(np.int64), np.concatenate(time), np.concatenate(count),
            0.0, self.radius,
        )  # fmt: skip


def make_problems(
    network: Network, steps: StepSet, radius: int, *, count_from: bool, count_to: bool
) -> WalkProblems:
    """Return the walks behind the steps, on patches of ``radius`` hops around each start."""
    n_sites, n_bonds = network.target.shape
    n_classes, n_counts = len(network.labels), n_bonds + 1
    n_groups = int(steps.group.max()) + 1
    kinds = [np.where(network.kind < 0, -1, network.kind + g * n_classes) for g in range(n_groups)]
    where = np.full(n_sites, -1, np.int64)
    nodes = np.empty(n_sites, np.int64)
    ends = np.empty((2 * n_sites * n_bonds, 3), np.int64)
    weights = np.empty(2 * n_sites * n_bonds)
    held = np.zeros((2, n_sites), np.bool_)
    collected = _Collector()
    for index in _distinct_starts(steps):
        first = index[0]
        around = () if steps.before is None or steps.after is None else (
            steps.before[first], steps.after[first]
        )  # fmt: skip
        for row, sites in enumerate(around):
            held[row, sites] = True
        n_nodes, n_edges = grow_patch(
            int(steps.start[first]), radius, network.target, kinds[steps.group[first]], held[0],
            held[1], n_counts, int(count_from), int(count_to), where, nodes, ends, weights,
        )  # fmt: skip
        for row, sites in enumerate(around):
            held[row, sites] = False
        local = {int(site): k for k, site in enumerate(nodes[:n_nodes])}
        collected.add(
            n_nodes, ends[:n_edges], weights[:n_edges],
            [local.get(int(steps.end[i]), -1) for i in index], steps.time[index],
            steps.count[index],
        )  # fmt: skip
    return collected.finish(n_classes, n_counts, radius)


def _distinct_starts(steps: StepSet) -> Sequence[Integers]:
    """Return the steps in groups that share the start and its surroundings."""
    if steps.before is not None:
        return [np.array([i]) for i in range(len(steps.start))]
    key = steps.start * (steps.group.max() + 1) + steps.group
    order = np.argsort(key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


class _Collector:
    """Patches met so far, equal ones merged, and the steps on each."""

    def __init__(self) -> None:
        self.known: dict[bytes, int] = {}
        self.patches: list[tuple[int, Integers, Floats]] = []
        self.seen: list[dict[tuple[int, float], float]] = []
        self.unreached = 0.0

    def add(
        self, n_nodes: int, ends: Integers, weights: Floats, targets: list[int], times: Floats,
        counts: Floats,
    ) -> None:  # fmt: skip
        key = ends.tobytes() + weights.tobytes()
        number = self.known.setdefault(key, len(self.patches))
        if number == len(self.patches):
            self.patches.append((n_nodes, ends.copy(), weights.copy()))
            self.seen.append({})
        for node, time, count in zip(targets, times.tolist(), counts.tolist(), strict=True):
            if node < 0:
                self.unreached += count
                continue
            found = self.seen[number]
            found[node, time] = found.get((node, time), 0.0) + count

    def finish(self, n_classes: int, n_counts: int, radius: int) -> WalkProblems:
        kept = [k for k, found in enumerate(self.seen) if found]
        sizes = [self.patches[k][0] for k in kept]
        ends = np.concatenate([self.patches[k][1] for k in kept])
        codes, row = np.unique(ends[:, 2], return_inverse=True)
        kind, m_to = np.divmod(codes, n_counts)
        kind, m_from = np.divmod(kind, n_counts)
        group, label = np.divmod(kind, n_classes)
        queries = [sorted(self.seen[k].items()) for k in kept]
        flat = [item for found in queries for item in found]
        return WalkProblems(
            np.cumsum([0, *sizes]), np.cumsum([0, *(len(self.patches[k][1]) for k in kept)]),
            np.zeros(len(kept), np.int64), ends[:, 0].copy(), ends[:, 1].copy(),
            row.astype(np.int64), np.concatenate([self.patches[k][2] for k in kept]),
            np.stack([group, label, m_from, m_to], axis=1),
            np.cumsum([0, *(len(found) for found in queries)]),
            np.array([key[0] for key, _ in flat], np.int64),
            np.array([key[1] for key, _ in flat]), np.array([count for _, count in flat]),
            self.unreached, radius,
        )  # fmt: skip
