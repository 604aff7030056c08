"""Colourings that repeat after two cells, against cosines of the wavevectors they belong to."""

import numpy as np
import pytest

from physlearn.inference.lattices.period_two import two_colourings
from physlearn.lattice_models import cubic_lattice, square_lattice, triangular_lattice
from physlearn.records import SiteGraph


def as_set(colours):
    """Colourings as a set; which of the two colours the first site has is of no account."""
    return {tuple((row ^ row[0]).tolist()) for row in np.asarray(colours, bool)}


@pytest.mark.parametrize(
    ("graph", "cells"),
    [(square_lattice((4, 6)), (4, 6)), (square_lattice((4, 6), 3), (4, 6)),
     (triangular_lattice((4, 6)), (4, 6)), (square_lattice((5, 7), periodic=False), (5, 7)),
     (cubic_lattice((4, 4, 6), "sc"), (4, 4, 6))],
)  # fmt: skip
def test_every_half_of_a_reciprocal_vector_is_found_once(graph, cells):
    place = np.indices(cells).reshape(len(cells), -1)
    halves = np.array(list(np.ndindex(*(2,) * len(cells))))[1:]
    expected = (halves @ place) % 2 == 1
    found = two_colourings(graph)
    assert len(found) == len(halves)
    assert as_set(found) == as_set(expected)


def test_atoms_off_their_sites_and_missing_positions():
    graph = square_lattice((8, 8), periodic=False)
    shaken = graph.positions + 0.05 * np.random.default_rng(1).standard_normal((64, 2))
    moved = SiteGraph(64, graph.edges, graph.shell, graph.multiplicity, positions=shaken)
    assert as_set(two_colourings(moved)) == as_set(two_colourings(graph))
    bare = SiteGraph(64, graph.edges, graph.shell, graph.multiplicity)
    (checkerboard,) = two_colourings(bare)
    assert np.all(checkerboard[graph.edges[:, 0]] != checkerboard[graph.edges[:, 1]])


def test_without_bonds_there_is_nothing_to_colour():
    none = np.zeros(0, np.int64)
    graph = SiteGraph(4, np.zeros((0, 2), np.int64), none, np.ones(0))
    assert two_colourings(graph).shape == (0, 4)
