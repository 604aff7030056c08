"""Local symmetry: groups of perfect lattices, calibrated p values, broken symmetry."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import score_local_symmetry
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.records import AtomicConfiguration

Y, X = np.mgrid[:24, :24].reshape(2, -1) * 1.0
LATTICES = {
    "square": (np.stack([X, Y], axis=1), "4m"),
    "triangular": (np.stack([X + 0.5 * Y, np.sqrt(0.75) * Y], axis=1), "6m"),
    "honeycomb": (honeycomb(9, 14)[0], "3m"),
    "rectangular": (np.stack([1.2 * X, Y], axis=1), "2m"),
    "oblique": (np.stack([X + 0.3 * Y, 1.15 * Y], axis=1), "2"),
}


def atoms_of(name, sd=0.01, seed=0):
    places, group = LATTICES[name]
    rng = np.random.default_rng(seed)
    covariance = np.tile(sd**2 * np.eye(2), (len(places), 1, 1))
    return AtomicConfiguration(
        places + rng.normal(0, sd, places.shape), position_covariance=covariance
    ), group


@pytest.mark.parametrize("name", LATTICES)
def test_point_groups_of_lattices(name):
    atoms, group = atoms_of(name)
    found = score_local_symmetry(atoms)
    groups = np.array(found.point_groups())[~found.edge]
    # each of at most five tests fails in one per cent
    assert (groups == group).mean() > 0.93
    assert set(np.array(found.point_groups())[found.edge]) == {"?"}


def test_p_values_of_exact_symmetries_are_uniform(oracle):
    from scipy.stats import kstest

    p = []
    for seed in range(4):
        atoms, _ = atoms_of("square", sd=0.02, seed=seed)
        found = score_local_symmetry(atoms)
        index = np.arange(atoms.n).reshape(24, 24)
        # every third atom along both axes: neighbourhoods that share no atom
        apart = index[3:-3:3, 3:-3:3].ravel()
        p.append(found.p[apart][:, [0, 2]])
    p = np.concatenate(p)
    assert not found.edge[apart].any()
    oracle("two-fold p uniform", p=kstest(p[:, 0], "uniform").pvalue)
    oracle("four-fold p uniform", p=kstest(p[:, 1], "uniform").pvalue)


def test_a_displaced_atom_loses_inversion_and_keeps_its_mirror():
    atoms, _ = atoms_of("square")
    places = atoms.positions.copy()
    middle = 24 * 12 + 12
    places[middle, 0] += 0.15
    found = score_local_symmetry(atoms.with_changes(positions=places))
    two, _, four, _, mirror = found.p[middle]
    assert two < 1e-6
    assert four < 1e-6
    assert mirror > 1e-3
    assert found.deviations[middle, 0] == pytest.approx(0.3, abs=0.05)
    angle = found.mirror_angle[middle]
    assert min(angle, np.pi - angle) < 0.1
    assert found.point_groups()[middle] == "1m"


def test_a_vacancy_breaks_its_neighbours():
    atoms, _ = atoms_of("triangular")
    middle = 24 * 12 + 12
    kept = np.delete(np.arange(atoms.n), middle)
    found = score_local_symmetry(
        AtomicConfiguration(
            atoms.positions[kept], position_covariance=atoms.position_covariance[kept]
        )
    )
    broken = np.flatnonzero((found.n_neighbors == 5) & ~found.edge)
    assert len(broken) == 6
    assert (found.p[broken, 0] < 1e-6).all()


def test_without_errors_there_are_deviations_and_no_verdict():
    places, _ = LATTICES["square"]
    found = score_local_symmetry(AtomicConfiguration(places))
    inside = ~found.edge
    assert np.abs(found.deviations[inside][:, [0, 2, 4]]).max() < 1e-9
    assert (found.deviations[inside][:, 3] > 0.3).all()
    assert set(found.point_groups()) == {"?"}
    assert any("no position errors" in text for text in found.warnings)
    assert len(found.to_pandas()) == len(places)


def test_periodic_crystals_have_no_edge():
    places, group = LATTICES["square"]
    atoms = AtomicConfiguration(
        places, cell=24 * np.eye(2), position_covariance=np.tile(1e-4 * np.eye(2), (576, 1, 1))
    )
    assert set(score_local_symmetry(atoms).point_groups()) == {group}


def test_what_cannot_be_used_is_refused():
    with pytest.raises(NotIdentified):
        score_local_symmetry(AtomicConfiguration([[0.0, 0.0]]))
    with pytest.raises(InputError, match="neighbours"):
        score_local_symmetry(atoms_of("square")[0], radius=6.0)
    with pytest.raises(NotIdentified):
        score_local_symmetry(atoms_of("square")[0], radius=0.1)
