"""Rings: sizes, errors, edges, periodic cells, and what bad input gets."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import find_rings
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.records import AtomicConfiguration


def lattice(kind, n=24, sd=0.03, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n].reshape(2, -1)
    places = {
        "square": np.stack([x, y], axis=1) * 1.0,
        "triangular": np.stack([x + 0.5 * y, np.sqrt(0.75) * y], axis=1),
        "honeycomb": honeycomb(n // 3, n // 2)[0],
    }[kind]
    return places + rng.normal(0, sd, places.shape)


@pytest.mark.parametrize(("kind", "size"), [("square", 4), ("triangular", 3), ("honeycomb", 6)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0])
def test_the_cut_is_found_and_every_ring_has_the_lattices_size(kind, size, scale):
    rings = find_rings(AtomicConfiguration(lattice(kind) * scale, unit="nm"))
    assert rings.normal_size == size
    # a noisy rhombus at a triangular lattice's corner may lose a bond
    assert (rings.sizes == size).mean() > 0.995
    assert not rings.warnings


def test_members_run_counter_clockwise_and_span_the_area():
    atoms = AtomicConfiguration(lattice("honeycomb"))
    rings = find_rings(atoms)
    for k in range(rings.n):
        x, y = atoms.positions[rings.members[rings.starts[k] : rings.starts[k + 1]]].T
        area = 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
        assert area == pytest.approx(rings.areas[k])
        assert area > 0


def test_each_bond_has_its_two_rings():
    rings = find_rings(AtomicConfiguration(lattice("honeycomb")))
    for bond, sides in zip(rings.bonds, rings.bond_rings, strict=True):
        for k in sides[sides >= 0]:
            assert np.isin(bond, rings.members[rings.starts[k] : rings.starts[k + 1]]).all()
    assert np.bincount(rings.bond_rings[rings.bond_rings >= 0]).tolist() == rings.sizes.tolist()


def test_a_vacancy_makes_one_large_ring():
    places = lattice("honeycomb")
    middle = np.argmin(np.hypot(*(places - places.mean(axis=0)).T))
    rings = find_rings(AtomicConfiguration(np.delete(places, middle, axis=0)))
    assert sorted(set(rings.sizes.tolist())) == [6, 12]
    assert (rings.sizes == 12).sum() == 1


def test_a_branch_is_no_part_of_its_ring():
    places = lattice("honeycomb", sd=0.0)
    right = places[np.argmax(places[:, 0])]
    chain = right + np.arange(1, 4)[:, None] * [0.8, 0.1]
    rings = find_rings(AtomicConfiguration(np.concatenate([places, chain])), bond_length=1.3)
    assert (rings.sizes == 6).all()
    middle = np.argmin(np.hypot(*(places - places.mean(axis=0)).T))
    hole = places[middle]
    # an atom alone in the hole of a vacancy, bonded to one of its three neighbours
    near = places[np.argsort(np.hypot(*(places - hole).T))[1]]
    places[middle] = near + 0.8 * (hole - near) * 0.5
    rings = find_rings(AtomicConfiguration(places), bond_length=1.2)
    assert sorted(set(rings.sizes.tolist())) == [6, 12]


def test_periodic_honeycomb_has_half_as_many_rings_as_atoms():
    places, _ = honeycomb(6, 10)
    cell = np.array([[18.0, 0.0], [0.0, 10 * np.sqrt(3.0)]])
    places = places + np.random.default_rng(0).normal(0, 0.02, places.shape)
    rings = find_rings(AtomicConfiguration(places, cell=cell))
    assert rings.n == len(places) // 2
    assert (rings.sizes == 6).all()
    assert rings.areas.sum() == pytest.approx(18 * 10 * np.sqrt(3.0))
    centers = rings.centers()[0]
    assert np.all((centers >= 0) & (centers < [18.0, 10 * np.sqrt(3.0)]))


def test_errors_of_centers_are_those_of_the_positions(oracle):
    rng = np.random.default_rng(5)
    places = lattice("honeycomb", n=60, sd=0.0)
    root = rng.normal(0, 0.015, (len(places), 2, 2))
    covariance = root @ np.swapaxes(root, 1, 2) + 1e-4 * np.eye(2)
    kick = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=places.shape))
    rings = find_rings(AtomicConfiguration(places + kick, position_covariance=covariance))
    centers, errors = rings.centers()
    truth = find_rings(AtomicConfiguration(places)).centers()[0]
    gaps = np.hypot(*(centers[:, None] - truth).transpose(2, 0, 1))
    nearest = truth[gaps.argmin(axis=1)]
    z = (centers - nearest) / np.sqrt(errors[:, [0, 1], [0, 1]])
    # rings share atoms: about one free ring in two
    free = z.size / 2
    oracle("ring centre z sd", z=(z.std() - 1) * np.sqrt(2 * free))
    assert np.isnan(find_rings(AtomicConfiguration(places)).to_pandas()["x_sd"]).all()


def test_counts_hold_an_interval():
    table = find_rings(AtomicConfiguration(lattice("honeycomb"))).counts()
    row = table.iloc[0]
    assert (row["size"], row["share"]) == (6, 1.0)
    assert row["share_low"] < 1.0


def test_atoms_without_order_are_warned_about():
    points = np.random.default_rng(0).uniform(0, 30, (900, 2))
    rings = find_rings(AtomicConfiguration(points))
    assert any("no clear gap" in text for text in rings.warnings)


@pytest.mark.parametrize(
    ("atoms", "options", "error", "text"),
    [
        (np.zeros((0, 2)), {}, NotIdentified, "0 atom"),
        (np.zeros((1, 2)), {}, NotIdentified, "1 atom"),
        (np.zeros((5, 2)), {}, NotIdentified, "one point"),
        (np.zeros((5, 3)), {}, InputError, "plane"),
        (np.arange(20.0).reshape(10, 2), {"bond_length": 0.1}, NotIdentified, "longer"),
        (np.arange(20.0).reshape(10, 2), {"bond_length": -1.0}, InputError, "bond_length"),
        (np.arange(400.0).reshape(200, 2) / 500, {"bond_length": 9.0}, InputError, "joins an atom"),
        (np.arange(20.0).reshape(10, 2), {"largest": 2}, InputError, "largest"),
    ],
)
def test_what_cannot_be_answered_is_refused(atoms, options, error, text):
    with pytest.raises(error, match=text):
        find_rings(AtomicConfiguration(atoms), **options)


def test_a_cell_of_two_bonds_is_refused():
    with pytest.raises(InputError, match="three bonds"):
        find_rings(
            AtomicConfiguration([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]], cell=2.5 * np.eye(2)),
            bond_length=1.2,
        )


def test_atoms_in_a_row_have_bonds_and_no_ring():
    rings = find_rings(AtomicConfiguration(np.stack([np.arange(9.0), np.zeros(9)], axis=1)))
    assert rings.n == 0
    assert len(rings.bonds) == 8
