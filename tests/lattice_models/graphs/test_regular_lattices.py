"""Crystals against crystallography, and small boxes against images counted one by one."""

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
    keep_sites,
    remove_sites,
    site_graph_from_networkx,
    site_graph_from_positions,
)

# sites by shell and squared radius, as in the tables of crystallography
CRYSTALS = {
    "square": (lambda n: square_lattice((13, 12), n), [4, 4, 4, 8, 4], [1, 2, 4, 5, 8]),
    "triangular": (lambda n: triangular_lattice((13, 12), n), [6, 6, 6, 12, 6], [1, 3, 4, 7, 9]),
    "honeycomb": (lambda n: honeycomb_lattice((9, 8), n), [3, 6, 3, 6, 6, 6], [1, 3, 4, 7, 9, 12]),
    "sc": (
        lambda n: cubic_lattice((6, 7, 8), "sc", n),
        [6, 12, 8, 6, 24, 24, 12],
        [1, 2, 3, 4, 5, 6, 8],
    ),
    "bcc": (
        lambda n: cubic_lattice((5, 6, 7), "bcc", n),
        [8, 6, 12, 24, 8, 6, 24],
        [0.75, 1, 2, 2.75, 3, 4, 4.75],
    ),
    "fcc": (
        lambda n: cubic_lattice((5, 4, 6), "fcc", n),
        [12, 6, 24, 12, 24, 8, 48],
        [0.5, 1, 1.5, 2, 2.5, 3, 3.5],
    ),
}


def bonds(graph):
    rows = np.column_stack([graph.shell, graph.edges, graph.multiplicity])
    return {tuple(int(number) for number in row) for row in rows}


def degrees(graph, shell):
    keep = graph.shell == shell
    ends, times = graph.edges[keep].ravel(), np.repeat(graph.multiplicity[keep], 2)
    return np.bincount(ends, times, minlength=graph.n_sites)


@pytest.mark.parametrize("name", CRYSTALS)
def test_shells_have_the_coordination_and_radius_of_the_crystal(name):
    make, coordination, squared = CRYSTALS[name]
    graph = make(len(coordination))
    assert np.allclose(np.array(graph.shell_radii) ** 2, squared, rtol=1e-12)
    for shell, expected in enumerate(coordination):
        assert np.all(degrees(graph, shell) == expected)


@pytest.mark.parametrize("kind", ["sc", "bcc", "fcc"])
def test_thirty_shells_of_a_cubic_crystal_are_those_of_its_sums_of_squares(kind):
    """Shells by counting integer vectors in half lattice constants, far beyond the 30th."""
    doubled = np.array(list(itertools.product(range(-18, 19), repeat=3)))
    odd = doubled % 2
    legal = {
        "sc": np.all(odd == 0, axis=1),
        "bcc": np.all(odd == odd[:, :1], axis=1),
        "fcc": np.all(odd == 0, axis=1) | (odd.sum(axis=1) == 2),
    }[kind]
    squared, counts = np.unique((doubled[legal] ** 2).sum(axis=1), return_counts=True)
    motif = {"sc": 1, "bcc": 2, "fcc": 4}[kind]
    graph = cubic_lattice((14, 14, 14), kind, 30, periodic=False)
    assert np.allclose(4 * np.array(graph.shell_radii) ** 2, squared[1:31])
    middle = motif * (14 * 14 * 7 + 14 * 7 + 7)
    for shell in range(30):
        keep = graph.shell == shell
        assert np.sum(graph.edges[keep] == middle) == counts[1 + shell]


def images_counted(graph, radii):
    """Return the same bonds by measuring the distance to every image of every site."""
    reach = 6
    dimension = graph.positions.shape[1]
    shifts = np.array(list(itertools.product(range(-reach, reach + 1), repeat=dimension)))
    found = {}
    for a, b in itertools.combinations(range(graph.n_sites), 2):
        apart = graph.positions[b] - graph.positions[a] + shifts @ graph.cell
        lengths = np.linalg.norm(apart, axis=1)
        for shell, radius in enumerate(radii):
            times = int(np.sum(np.abs(lengths - radius) < 1e-6))
            if times:
                found[shell, a, b] = times
    return {(*key, times) for key, times in found.items()}


@pytest.mark.parametrize(
    ("make", "shape", "n_shells"),
    [
        (square_lattice, (2, 2), 2),
        (square_lattice, (2, 3), 2),
        (square_lattice, (3, 3), 4),
        (square_lattice, (3, 7), 5),
        (triangular_lattice, (2, 2), 2),
        (triangular_lattice, (3, 2), 2),
        (triangular_lattice, (3, 4), 4),
        (honeycomb_lattice, (1, 2), 1),
        (honeycomb_lattice, (2, 2), 3),
        (honeycomb_lattice, (3, 2), 3),
        (lambda shape, n: cubic_lattice(shape, "sc", n), (2, 2, 2), 3),
        (lambda shape, n: cubic_lattice(shape, "sc", n), (2, 3, 4), 3),
        (lambda shape, n: cubic_lattice(shape, "bcc", n), (2, 2, 2), 4),
        (lambda shape, n: cubic_lattice(shape, "bcc", n), (1, 1, 1), 1),
        (lambda shape, n: cubic_lattice(shape, "fcc", n), (1, 2, 1), 1),
        (lambda shape, n: cubic_lattice(shape, "fcc", n), (2, 2, 2), 3),
    ],
)
def test_small_boxes_count_every_image(make, shape, n_shells):
    graph = make(shape, n_shells)
    assert bonds(graph) == images_counted(graph, graph.shell_radii)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("kind", ["honeycomb", "sc", "bcc", "fcc"])
def test_crystal_equals_the_graph_of_its_positions(kind, periodic):
    if kind == "honeycomb":
        graph = honeycomb_lattice((5, 4), 4, periodic)
    else:
        graph = cubic_lattice((3, 4, 3), kind, 3, periodic)
    lengths = np.array(graph.shell_radii)
    bounds = np.append((lengths[:-1] + lengths[1:]) / 2, lengths[-1] + 0.05)
    again = site_graph_from_positions(graph.positions, bounds, graph.cell, "reduced")
    assert bonds(graph) == bonds(again)
    assert np.allclose(graph.shell_radii, again.shell_radii)
    assert bonds(site_graph_from_networkx(graph.to_networkx())) == bonds(graph)


def test_open_honeycomb_fills_a_rectangle():
    graph = honeycomb_lattice((20, 12), periodic=False)
    width, height = np.ptp(graph.positions, axis=0)
    assert width == pytest.approx(np.sqrt(3) * (11 + 0.5 + 0.5), abs=0.9)
    assert height == pytest.approx(1.5 * 19 + 0.5, abs=0.6)
    inside = np.all((graph.positions > 2) & (graph.positions < [width - 3, height - 2]), axis=1)
    assert np.all(degrees(graph, 0)[inside] == 3)


def test_sites_that_are_removed_take_their_bonds_along():
    full = triangular_lattice((6, 6), 2)
    less = remove_sites(full, [7, 20])
    wanted = full.to_networkx()
    wanted.remove_nodes_from([7, 20])
    assert less.n_sites == 34
    assert less.shell_radii == full.shell_radii
    names = list(wanted.nodes)
    expected = {
        (data["shell"], names.index(a), names.index(b), data["multiplicity"])
        for a, b, data in wanted.edges(data=True)
    }
    assert {(s, min(a, b), max(a, b), m) for s, a, b, m in expected} == bonds(less)
    assert np.array_equal(less.positions, np.delete(full.positions, [7, 20], axis=0))
    turned = keep_sites(full, np.arange(36)[::-1])
    assert len(bonds(turned)) == len(bonds(full))
    assert np.array_equal(turned.positions[0], full.positions[35])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: square_lattice((0, 4)),
            r"whole numbers \(rows, columns\) of at least 1.*got \(0, 4",
        ),
        (lambda: square_lattice((4, 4, 4)), r"such as \(32, 32\); got \(4, 4, 4\)"),
        (lambda: square_lattice(32), r"two whole numbers .* such as \(32, 32\); got 32\."),
        (lambda: square_lattice((4.5, 4)), r"two whole numbers .*; got \(4.5, 4\)"),
        (lambda: square_lattice((100_000, 100_000)), "at most 268,435,456 sites.* have 1e[+]10"),
        (lambda: square_lattice((2.5, 4)), "whole numbers"),
        (lambda: square_lattice((4, 4), 0), "n_shells must be a whole number from 1 to 30"),
        (lambda: square_lattice((4, 4), True), "n_shells"),
        (lambda: triangular_lattice((1, 5)), "its own neighbour"),
        (lambda: honeycomb_lattice((1, 1), 2), "its own neighbour"),
        (lambda: cubic_lattice((2, 2, 2), "sc", 4), "its own neighbour"),
        (lambda: cubic_lattice((3, 3, 3), "hcp"), "sc, bcc, fcc"),
        (lambda: cubic_lattice((3, 3)), r"three whole numbers \(layers, rows, columns\)"),
        (lambda: remove_sites(square_lattice((3, 3)), [9]), "below 9"),
        (lambda: remove_sites(square_lattice((3, 3)), [1, 1]), "comes 2 times"),
        (lambda: remove_sites(square_lattice((3, 3)), range(9)), "at least one site"),
        (lambda: keep_sites(square_lattice((3, 3)), []), "sites must not be empty"),
        (lambda: keep_sites(square_lattice((3, 3)), [-1]), "sites must be at least 0"),
    ],
)
def test_bad_lattices_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
