"""Bond order and Voronoi cells: perfect lattices, errors, cells, refusals."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import measure_bond_order
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.records import AtomicConfiguration


def triangular(n=16):
    y, x = np.mgrid[:n, :n].reshape(2, -1)
    return np.stack([x + 0.5 * y, np.sqrt(0.75) * y], axis=1)


@pytest.mark.parametrize("neighbors", ["bonds", "voronoi", 6])
def test_a_triangular_lattice_has_psi_6_of_one(neighbors):
    order = measure_bond_order(AtomicConfiguration(triangular()), neighbors=neighbors)
    whole = ~order.edge & (order.n_neighbors == 6)
    assert whole.sum() > 100
    assert np.allclose(np.abs(order.psi[whole]), 1.0, atol=1e-4)
    assert (order.voronoi_sides[whole] == 6).all()
    assert np.allclose(order.voronoi_area[whole], np.sqrt(0.75), rtol=1e-4)


@pytest.mark.parametrize(("places", "fold", "count"), [("square", 4, 4), ("honeycomb", 3, 3)])
def test_other_lattices_have_their_own_order(places, fold, count):
    y, x = np.mgrid[:12, :12].reshape(2, -1)
    points = np.stack([x, y], axis=1) * 1.0 if places == "square" else honeycomb(6, 9)[0]
    order = measure_bond_order(AtomicConfiguration(points), fold)
    whole = order.n_neighbors == count
    assert whole.sum() > 50
    assert np.allclose(np.abs(order.psi[whole]), 1.0, atol=1e-5)


def test_angle_is_that_of_the_turned_lattice():
    turn = 0.2
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    order = measure_bond_order(AtomicConfiguration(triangular() @ matrix.T))
    assert np.allclose(order.to_pandas()["angle"][order.n_neighbors == 6], turn, atol=1e-4)


def test_error_bars_hold_the_scatter(oracle):
    rng = np.random.default_rng(0)
    base = triangular(40) + rng.normal(0, 0.04, (1600, 2))
    root = rng.normal(0, 0.006, (len(base), 2, 2))
    covariance = root @ np.swapaxes(root, 1, 2) + 0.006**2 * np.eye(2)
    kick = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=base.shape))
    truth = measure_bond_order(AtomicConfiguration(base))
    found = measure_bond_order(AtomicConfiguration(base + kick, position_covariance=covariance))
    same = (truth.n_neighbors == 6) & (found.n_neighbors == 6)
    gap = (found.psi - truth.psi * found.noise_factor)[same]
    z = np.stack([gap.real, gap.imag], axis=1) / np.sqrt(found.covariance[same][:, [0, 1], [0, 1]])
    # one atom in about seven is independent of the others
    free = z.size / 7
    oracle("psi_6 z sd", z=(z.std() - 1) * np.sqrt(2 * free))
    assert (found.noise_factor[same] < 1).all()


def test_a_periodic_crystal_has_no_edge():
    cell = 16 * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    for matrix in (np.eye(2), np.array([[0.6, -0.8], [0.8, 0.6]])):
        atoms = AtomicConfiguration(triangular() @ matrix.T, cell=cell @ matrix.T)
        for neighbors in ("bonds", "voronoi", 6):
            order = measure_bond_order(atoms, neighbors=neighbors)
            assert (order.n_neighbors == 6).all()
            assert np.allclose(np.abs(order.psi), 1.0, atol=1e-3)
            assert not order.edge.any()
        assert order.voronoi_area.sum() == pytest.approx(abs(np.linalg.det(cell)), rel=1e-4)


def test_a_dislocation_has_a_five_and_a_seven():
    base = triangular(20)
    row = np.arange(400) // 20
    half = (row >= 10) & (base[:, 0] > 14)
    squeezed = base.copy()
    squeezed[half, 0] = 14 + (squeezed[half, 0] - 14) * 0.9
    sides = measure_bond_order(AtomicConfiguration(squeezed), neighbors="voronoi").voronoi_sides
    assert {5, 7} & set(sides.tolist())


def test_atoms_without_errors_say_so():
    order = measure_bond_order(AtomicConfiguration(triangular(6)))
    assert np.isnan(order.covariance).all()
    assert any("no position errors" in text for text in order.warnings)
    assert len(order.to_pandas()) == 36


@pytest.mark.parametrize(
    ("places", "options", "error"),
    [
        (np.zeros((1, 2)), {}, NotIdentified),
        (np.zeros((0, 2)), {}, NotIdentified),
        (triangular(4), {"n_fold": 0}, InputError),
        (triangular(4), {"neighbors": "near"}, InputError),
        (triangular(2), {"neighbors": 9}, InputError),
        (np.zeros((9, 3)), {}, InputError),
    ],
)
def test_what_cannot_be_used_is_refused(places, options, error):
    with pytest.raises(error):
        measure_bond_order(AtomicConfiguration(places), **options)
