"""Pictures of structures: relaxed networks, planted displacements and strains, same seed same."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import (
    make_polar_perovskite,
    make_stone_wales_graphene,
    make_strained_crystal,
)
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb, relax_network, turn_bonds


def test_turned_bonds_keep_three_bonds_an_atom_and_turn_by_ninety_degrees():
    places, bonds = honeycomb(14, 24)
    rng = np.random.default_rng(0)
    moved, after, turned = turn_bonds(places, bonds, 3, 8.0, rng)
    degree = np.bincount(after.ravel(), minlength=len(places))
    assert np.array_equal(degree, np.bincount(bonds.ravel(), minlength=len(places)))
    for p, q in turned:
        before = places[q] - places[p]
        now = moved[q] - moved[p]
        assert abs(before @ now) < 1e-9
    middles = 0.5 * (places[turned[:, 0]] + places[turned[:, 1]])
    gaps = np.hypot(*(middles[:, None] - middles).transpose(2, 0, 1))
    assert gaps[gaps > 0].min() >= 8.0


def test_relaxed_bonds_are_near_their_length_and_forces_vanish():
    places, bonds = honeycomb(14, 24)
    moved, after, _ = turn_bonds(places, bonds, 1, 8.0, np.random.default_rng(1))
    relaxed = relax_network(moved, after)
    lengths = np.hypot(*(relaxed[after[:, 0]] - relaxed[after[:, 1]]).T)
    assert 0.85 < lengths.min() < 1 < lengths.max() < 1.12
    again = relax_network(relaxed, after)
    assert np.abs(again - relaxed).max() < 2e-3
    assert np.allclose(relax_network(places, bonds), places, atol=1e-9)


def test_the_same_seed_makes_the_same_picture():
    one, two = (make_stone_wales_graphene(2, rng=4) for _ in range(2))
    assert np.array_equal(one.scene.image, two.scene.image)
    assert np.array_equal(one.defects, two.defects)
    assert one.scene.truth.positions.min() > -16


def test_polar_cells_hold_what_was_planted():
    made = make_polar_perovskite((8, 12), domains="stripes", domain_cells=4.0, rng=0)
    assert np.allclose(np.hypot(*made.displacements.T), 0.8)
    signs = np.sign(made.displacements[:, 1]).reshape(8, 12)[0]
    assert signs.tolist() == [1] * 4 + [-1] * 4 + [1] * 4
    b = made.scene.truth.positions[made.scene.truth.species == 1]
    assert np.allclose(b, made.centers + made.displacements)
    rows, columns = made.scene.image.shape
    assert np.all((b > 0) & (b < [columns, rows]))


@pytest.mark.parametrize("lattice", ["square", "triangular"])
def test_gradients_are_those_of_the_displacement(lattice):
    made = make_strained_crystal((20, 20), lattice=lattice, rng=0)
    u = made.scene.truth.positions - made.sites
    tree = np.round((made.sites - made.sites[0]) @ np.linalg.inv(made.vectors)).astype(int)
    place = {tuple(index): k for k, index in enumerate(tree)}
    k = place[tuple(tree[210])]
    ahead, behind = (place[tuple(tree[210] + [step, 0])] for step in (1, -1))
    difference = (u[ahead] - u[behind]) / (2 * 12.0)
    assert np.allclose(difference, made.gradients[k] @ made.vectors[0] / 12.0, atol=2e-3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: make_stone_wales_graphene(-1), "n_defects"),
        (lambda: make_stone_wales_graphene(500, shape=(200, 200)), "room"),
        (lambda: make_polar_perovskite((1, 5)), "cells"),
        (lambda: make_polar_perovskite(domains="spots"), "domains"),
        (lambda: make_strained_crystal((1, 5)), "sites"),
        (lambda: make_strained_crystal(lattice="kagome"), "lattice"),
        (lambda: make_strained_crystal(displacement=lambda r: r[:, 0]), "displacement"),
    ],
)
def test_what_cannot_be_made_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
