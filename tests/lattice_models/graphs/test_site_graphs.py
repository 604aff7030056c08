"""Site graphs against counts known from the infinite crystals."""

import networkx as nx
import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import (
    site_graph_from_networkx,
    site_graph_from_positions,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.records import SiteGraph

SQUARE_Z = [4, 4, 4, 8, 4]
TRIANGULAR_Z = [6, 6, 6, 12, 6]


def degrees(graph, shell):
    keep = graph.shell == shell
    count = np.zeros(graph.n_sites, int)
    for end in (0, 1):
        np.add.at(count, graph.edges[keep, end], graph.multiplicity[keep])
    return count


@pytest.mark.parametrize(
    ("make", "coordination"), [(square_lattice, SQUARE_Z), (triangular_lattice, TRIANGULAR_Z)]
)
@pytest.mark.parametrize("shape", [(12, 11), (7, 8)])
def test_shells_have_the_crystals_coordination(make, coordination, shape):
    graph = make(shape, n_shells=5)
    for shell, expected in enumerate(coordination):
        assert np.all(degrees(graph, shell) == expected)


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2), (2, 8)])
def test_small_torus_counts_bonds_as_the_infinite_periodic_crystal(shape):
    states = np.random.default_rng(1).choice([-1, 1], shape)
    crystal = np.tile(states, (9, 9))
    graph = square_lattice(shape, n_shells=2)
    flat = states.ravel()
    for shell, vectors in enumerate(([(0, 1), (1, 0)], [(1, 1), (1, -1)])):
        keep = graph.shell == shell
        pairs = flat[graph.edges[keep, 0]] * flat[graph.edges[keep, 1]]
        total = np.sum(pairs * graph.multiplicity[keep])
        rows, columns = np.indices(shape) + np.array([[[3 * shape[0]]], [[3 * shape[1]]]])
        expected = sum(
            np.sum(crystal[rows, columns] * crystal[rows + dy, columns + dx]) for dy, dx in vectors
        )
        assert total == expected
        assert np.sum(graph.multiplicity[keep]) == 2 * states.size


def test_shell_that_returns_to_its_own_site_is_refused():
    with pytest.raises(InputError, match="its own neighbour"):
        square_lattice((2, 2), n_shells=3)


@pytest.mark.parametrize("make", [square_lattice, triangular_lattice])
@pytest.mark.parametrize("periodic", [True, False])
def test_regular_lattice_equals_graph_of_its_positions(make, periodic):
    graph = make((6, 7), n_shells=3, periodic=periodic)
    lengths = np.array(graph.shell_radii)
    bounds = np.append((lengths[:-1] + lengths[1:]) / 2, lengths[-1] + 0.05)
    again = site_graph_from_positions(graph.positions, bounds, graph.cell, "reduced")

    def bonds(any_graph):
        rows = np.column_stack([any_graph.shell, any_graph.edges, any_graph.multiplicity])
        return {tuple(row) for row in rows}

    assert bonds(graph) == bonds(again)


def test_vacancy_is_absent_and_lowers_its_neighbours_degree():
    full = square_lattice((5, 5), periodic=False).positions
    graph = site_graph_from_positions(np.delete(full, 12, axis=0), [1.2])
    assert graph.n_sites == 24
    assert len(graph.edges) == 40 - 4


@pytest.mark.parametrize(
    "graph",
    [
        triangular_lattice((4, 5), n_shells=2),
        square_lattice((2, 2)),
        square_lattice((3, 3), n_shells=3),  # two shells join the same pairs
        triangular_lattice((3, 3), n_shells=4),
        square_lattice((4, 5), n_shells=2, periodic=False),
        SiteGraph(3, [], [], []),
        SiteGraph(3, [[0, 1], [0, 1], [1, 2]], [0, 1, 1], [2, 1, 3]),
    ],
)
def test_networkx_round_trip(graph):
    again = site_graph_from_networkx(graph.to_networkx())
    assert (again.n_sites, again.n_shells) == (graph.n_sites, graph.n_shells)
    assert (again.unit, again.shell_radii) == (graph.unit, graph.shell_radii)
    for name in ("edges", "shell", "multiplicity", "positions", "cell"):
        before, after = getattr(graph, name), getattr(again, name)
        assert (before is None) == (after is None)
        assert before is None or np.array_equal(before, after)


def test_networkx_graphs_keep_every_bond():
    """Two bonds of a pair need a MultiGraph; without them a plain graph is enough."""
    several = square_lattice((3, 3), n_shells=3).to_networkx()
    assert several.is_multigraph() and several.number_of_edges() == 54
    assert not square_lattice((3, 3), n_shells=2).to_networkx().is_multigraph()
    turned = SiteGraph(2, [[0, 1], [1, 0]], [0, 1], [1, 1])
    assert turned.to_networkx().number_of_edges() == 2


def test_networkx_graphs_that_are_no_site_graphs_are_refused():
    with pytest.raises(InputError, match="undirected"):
        site_graph_from_networkx(nx.DiGraph([(0, 1)]))
    with pytest.raises(InputError, match="to itself"):
        site_graph_from_networkx(nx.Graph([(0, 0)]))
    with pytest.raises(InputError, match="n_sites"):
        site_graph_from_networkx(nx.Graph())
    for name, value in (("shell", 0.9), ("multiplicity", 2.7), ("shell", "a"), ("shell", None)):
        with pytest.raises(InputError, match=f"{name} of the edges must hold"):
            site_graph_from_networkx(nx.Graph([(0, 1), (1, 2, {name: value})]))


def test_bond_table_lists_every_neighbour():
    graph = triangular_lattice((4, 4), n_shells=2, periodic=False)
    table = bond_table(graph, 1)
    wanted = graph.to_networkx()
    for site in range(graph.n_sites):
        near = {n for n in wanted[site] if wanted[site][n]["shell"] == 0}
        assert set(table.neighbour[table.start[site] : table.start[site + 1]]) == near


@pytest.mark.parametrize(
    ("positions", "radii", "cell", "message"),
    [
        ([[0, 0], [0, 0]], [1.0], None, "coincide"),
        ([[0, 0], [1, 0]], [2.0, 1.0], None, "ascend"),
        ([[0, 0], [0.5, 0]], [1.5], np.eye(2), "own neighbour"),
        ([[0, np.nan]], [1.0], None, "finite"),
        ([[0, 0], [1, 0]], [1.0], [[1, 0], [2, 0]], "span"),
    ],
)
def test_bad_positions_are_refused(positions, radii, cell, message):
    with pytest.raises(InputError, match=message):
        site_graph_from_positions(positions, radii, cell)
