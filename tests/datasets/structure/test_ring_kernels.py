"""Cell-list bonds and face tracing against plain Python, a KD-tree and known networks."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physlearn.datasets.structure import ring_kernels as kernels
from physlearn.datasets.structure.bond_search import half_edges
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb

NAMES = (
    "bins_of", "bond_network", "nearest_distances", "sort_by_angle", "drop_crossings", "twins_of",
    "bond_faces",
)  # fmt: skip


def network(n=60, seed=0, longest=1.4):
    points = np.random.default_rng(seed).uniform(0, np.sqrt(n), (n, 2))
    return points, half_edges(points, None, longest)


def test_bonds_are_those_of_a_tree():
    points, (order, starts, targets, steps) = network(400)
    first = order[np.repeat(np.arange(len(points)), np.diff(starts))]
    found = set(zip(first.tolist(), order[targets].tolist(), strict=True))
    expected = {
        (a, b) for a, near in enumerate(cKDTree(points).query_ball_point(points, 1.4))
        for b in near if a != b
    }  # fmt: skip
    assert found == expected
    assert np.allclose(steps, points[order[targets]] - points[first])


def test_periodic_bonds_are_those_of_a_periodic_tree():
    points = np.random.default_rng(1).uniform(0, 12.0, (300, 2))
    order, starts, targets, _ = half_edges(points, 12.0 * np.eye(2), 1.5)
    tree = cKDTree(points, boxsize=12.0)
    assert len(targets) == 2 * len(tree.query_pairs(1.5))
    first = order[np.repeat(np.arange(len(points)), np.diff(starts))]
    assert set(zip(first.tolist(), order[targets].tolist(), strict=True)) == {
        pair for a, b in tree.query_pairs(1.5) for pair in ((a, b), (b, a))
    }


def test_compiled_and_plain_forms_agree():
    points = np.random.default_rng(2).uniform(0, 6.0, (40, 2))
    shares, box = points / 6.0, 6.0 * np.eye(2)
    for periodic in (False, True):
        compiled = kernels.bond_network(shares, box, periodic, 4, 4, 1.4)
        plain = kernels.bond_network.py_func(shares, box, periodic, 4, 4, 1.4)
        for one, two in zip(compiled, plain, strict=True):
            assert np.array_equal(one, two)
    _, starts, targets, steps = compiled
    assert np.array_equal(
        kernels.nearest_distances(starts, steps), kernels.nearest_distances.py_func(starts, steps)
    )
    other = targets.copy(), steps.copy()
    kernels.sort_by_angle(starts, targets, steps)
    kernels.sort_by_angle.py_func(starts, *other)
    assert np.array_equal(targets, other[0])
    assert np.array_equal(steps, other[1])
    keep = np.ones(len(targets), dtype=bool), np.ones(len(targets), dtype=bool)
    n_dropped = kernels.drop_crossings(starts, targets, steps, keep[0])
    assert n_dropped == kernels.drop_crossings.py_func(starts, targets, steps, keep[1])
    assert n_dropped > 0
    assert np.array_equal(*keep)
    before = np.concatenate([[0], np.cumsum(keep[0])])
    starts, targets, steps = before[starts], targets[keep[0]], steps[keep[0]]
    twins = kernels.twins_of(starts, targets)
    assert np.array_equal(twins, kernels.twins_of.py_func(starts, targets))
    assert np.array_equal(twins[twins], np.arange(len(twins)))
    live = np.ones(len(twins), dtype=bool), np.ones(len(twins), dtype=bool)
    for one, two in zip(
        kernels.bond_faces(starts, targets, steps, twins, live[0], 20),
        kernels.bond_faces.py_func(starts, targets, steps, twins, live[1], 20),
        strict=True,
    ):
        assert np.array_equal(one, two)
    assert all(hasattr(getattr(kernels, name), "py_func") for name in NAMES)


def test_half_edges_run_counter_clockwise():
    _, (_, starts, targets, steps) = network(200)
    kernels.sort_by_angle(starts, targets, steps)
    for low, high in pairwise(starts):
        angles = np.arctan2(steps[low:high, 1], steps[low:high, 0]) % (2 * np.pi)
        assert np.all(np.diff(angles) >= 0)


@pytest.mark.parametrize("seed", range(5))
def test_faces_fulfil_eulers_formula(seed):
    """Of a planar network: faces = bonds - atoms + parts, every half-edge in one face."""
    from physlearn.datasets import find_rings
    from physlearn.records import AtomicConfiguration

    points, _ = honeycomb(12, 18)
    rng = np.random.default_rng(seed)
    points = points[rng.permutation(len(points))[:-30]] + rng.normal(0, 0.02, (len(points) - 30, 2))
    rings = find_rings(AtomicConfiguration(points), bond_length=1.35, largest=10_000)
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(len(points)))
    graph.add_edges_from(rings.bonds.tolist())
    parts = nx.number_connected_components(graph)
    assert rings.n == len(rings.bonds) - len(points) + parts
