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
from physlearn.lattice_models.site_graphs import bond_table

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


def test_networkx_round_trip():
    graph = triangular_lattice((4, 5), n_shells=2)
    again = site_graph_from_networkx(graph.to_networkx())
    assert again.n_sites == graph.n_sites
    key = np.lexsort((graph.edges[:, 1], graph.edges[:, 0], graph.shell))
    key_again = np.lexsort((again.edges[:, 1], again.edges[:, 0], again.shell))
    assert np.array_equal(graph.edges[key], again.edges[key_again])
    with pytest.raises(InputError, match="undirected"):
        site_graph_from_networkx(nx.DiGraph([(0, 1)]))


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
