"""Triplets against triangles counted one by one in the infinite crystal."""

import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models.graphs.regular_lattices import (
    cubic_lattice,
    honeycomb_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.graphs.site_graphs import (
    remove_sites,
    site_graph_from_networkx,
    site_graph_from_positions,
)
from physlearn.lattice_models.graphs.triplets import find_triplets
from physlearn.records import SiteGraph


def triangles_counted(graph, motif):
    """Return the triplets of one cell of the infinite crystal, each as often as it occurs.

    Every ordered pair of images around every site is measured; a triangle is met six times.
    """
    wanted = sorted(graph.shell_radii[shell] for shell in motif)
    reach = 6 if graph.n_sites < 12 else 2
    steps = itertools.product(range(-reach, reach + 1), repeat=graph.positions.shape[1])
    crystal = np.concatenate([graph.positions + np.array(step) @ graph.cell for step in steps])
    number = np.tile(np.arange(graph.n_sites), len(crystal) // graph.n_sites)
    counts = {}
    for site, place in enumerate(graph.positions):
        distance = np.linalg.norm(crystal - place, axis=1)
        near = np.flatnonzero((distance > 1e-6) & (distance < wanted[-1] + 1e-6))
        for a, b in itertools.permutations(near, 2):
            sides = [distance[a], distance[b], np.linalg.norm(crystal[a] - crystal[b])]
            if np.allclose(sorted(sides), wanted, atol=1e-6):
                key = tuple(sorted((site, int(number[a]), int(number[b]))))
                counts[key] = counts.get(key, 0) + 1
    assert all(count % 6 == 0 for count in counts.values())
    return {key: count // 6 for key, count in counts.items()}


@pytest.mark.parametrize(
    ("graph", "motif", "per_site"),
    [
        (triangular_lattice((5, 6)), (0, 0, 0), 2),
        (triangular_lattice((3, 3)), (0, 0, 0), 2),
        (triangular_lattice((2, 2)), (0, 0, 0), 2),
        (triangular_lattice((3, 2)), (0, 0, 0), 2),
        (triangular_lattice((4, 4), 2), (0, 1, 0), 6),
        (triangular_lattice((4, 5), 2), (1, 1, 1), 2),
        (square_lattice((4, 5), 2), (0, 0, 1), 4),
        (square_lattice((2, 2), 2), (0, 0, 1), 4),
        (square_lattice((2, 3), 2), (1, 0, 0), 4),
        (square_lattice((3, 3), 3), (0, 0, 2), 2),
        (square_lattice((3, 5), 4), (0, 1, 3), 8),
        (honeycomb_lattice((3, 3), 2), (0, 0, 1), 3),
        (honeycomb_lattice((2, 2), 2), (0, 0, 1), 3),
        (honeycomb_lattice((2, 3), 2), (1, 1, 1), 2),
        (cubic_lattice((2, 2, 2), "fcc"), (0, 0, 0), 8),
        (cubic_lattice((2, 2, 3), "bcc", 2), (0, 0, 1), 12),
        (cubic_lattice((2, 2, 2), "sc", 2), (0, 0, 1), 12),
    ],
)
def test_triplets_are_those_of_the_infinite_crystal(graph, motif, per_site):
    rows, times = np.unique(find_triplets(graph, motif), axis=0, return_counts=True)
    found = {tuple(int(i) for i in row): int(n) for row, n in zip(rows, times, strict=True)}
    assert found == triangles_counted(graph, motif)
    assert sum(found.values()) == per_site * graph.n_sites


def test_a_loop_around_the_box_is_no_triplet():
    with pytest.raises(InputError, match="no three sites"):
        find_triplets(square_lattice((3, 3)), (0, 0, 0))


def test_a_graph_without_positions_has_the_triangles_of_networkx():
    graph = triangular_lattice((6, 5), 1, periodic=False)
    plain = SiteGraph(graph.n_sites, graph.edges, graph.shell, graph.multiplicity)
    import networkx as nx

    cliques = {tuple(sorted(c)) for c in nx.enumerate_all_cliques(graph.to_networkx())}
    expected = sorted(c for c in cliques if len(c) == 3)
    for any_graph in (graph, plain, site_graph_from_networkx(plain.to_networkx())):
        assert [tuple(row) for row in find_triplets(any_graph, (0, 0, 0)).tolist()] == expected


def test_measured_positions_have_the_triplets_of_their_crystal():
    ideal = triangular_lattice((6, 6), 2)
    moved = ideal.positions + np.random.default_rng(3).normal(scale=0.03, size=(36, 2)) + 5.0
    graph = site_graph_from_positions(moved, [1.35, 1.85], ideal.cell, "reduced")
    for motif in ((0, 0, 0), (0, 0, 1), (1, 1, 1)):
        assert np.array_equal(find_triplets(graph, motif), find_triplets(ideal, motif))


def test_a_vacancy_takes_its_triplets_along():
    full = triangular_lattice((5, 5))
    assert len(find_triplets(remove_sites(full, [12]), (0, 0, 0))) == 2 * 25 - 6


def test_large_lattices_are_joined_in_blocks():
    graph = triangular_lattice((400, 300))
    assert len(find_triplets(graph, (0, 0, 0))) == 2 * graph.n_sites


@pytest.mark.parametrize(
    ("graph", "motif", "message"),
    [
        (square_lattice((4, 4)), (0, 0), "three shells"),
        (square_lattice((4, 4)), (0, 0, -1), "three shells"),
        (square_lattice((4, 4)), (0, 0, 0.5), "three shells"),
        (square_lattice((4, 4)), (0, 0, 1), "shells 0 to 0"),
        (SiteGraph(3, [[0, 1], [1, 2], [0, 2]], [0, 0, 0], [1, 2, 1]), (0, 0, 0), "ambiguous"),
    ],
)
def test_bad_motifs_are_refused(graph, motif, message):
    with pytest.raises(InputError, match=message):
        find_triplets(graph, motif)
