"""Lattices that are there are found, whatever scan and sublattices do; others are refused."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import assign_sites, classify_species, read_image
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.records import AtomicConfiguration

SQUARE = 12.0 * np.eye(2)
TRIANGULAR = 12.0 * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


def lattice(vectors, n=18, *, noise=0.2, offset=(0.0, 0.0)):
    """Return positions of n x n sites in a rectangular view, rows along the first vector."""
    rng = np.random.default_rng(1)
    index = np.stack(np.meshgrid(np.arange(-2 * n, 2 * n), np.arange(-2 * n, 2 * n)), -1)
    points = index.reshape(-1, 2) @ vectors + offset
    inside = np.all((points > -0.01) & (points < 12.0 * n - 0.01), axis=1)
    return points[inside] + rng.normal(0, noise, (inside.sum(), 2))


def atoms_of(positions, species, levels=(1.0, 2.0)):
    return AtomicConfiguration(
        positions, species=species, intensity=np.asarray(levels)[species],
        species_names=tuple("abcd"[: len(levels)]),
        field_of_view=(-6.0, -6.0, *(positions.max(axis=0) + 6.0)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "vectors", "bonds", "constant"),
    [("square", SQUARE, (4, 4), 12.0), ("triangular", TRIANGULAR, (6, 6), 12.0)],
)
@pytest.mark.parametrize("angle", [0.0, 0.4])
@pytest.mark.parametrize("shear", [0.0, 0.08])
def test_lattice_states_and_bonds_come_back(kind, vectors, bonds, constant, angle, shear):
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    warp = np.array([[1.0, 0.0], [shear, 1.0]])
    positions = lattice(vectors @ turn @ warp)
    states = np.random.default_rng(0).integers(0, 2, len(positions))
    sites = assign_sites(atoms_of(positions, states))
    assert sites.metadata["lattice"] == kind
    assert sites.graph.n_sites == len(positions)
    assert sites.metadata["lattice_constant"] == pytest.approx(constant, rel=0.005)
    order = [int(np.argmin(np.hypot(*(positions - p).T))) for p in sites.graph.positions]
    assert np.array_equal(sites.states[0] > 0, states[order] == 1)
    view = positions.max(axis=0)
    deep = np.all((sites.graph.positions > 30) & (sites.graph.positions < view - 30), axis=1)
    for shell in (0, 1):
        degree = np.bincount(
            sites.graph.edges[sites.graph.shell == shell].ravel(), minlength=len(positions)
        )
        assert (degree[deep] == bonds[shell]).all()


def test_vacancies_leave_the_graph_and_are_counted():
    positions = lattice(SQUARE)
    rng = np.random.default_rng(2)
    inner = np.flatnonzero(np.all((positions > 24) & (positions < 180), axis=1))
    gone = rng.choice(inner, 9, replace=False)
    kept = np.delete(positions, gone, axis=0)
    sites = assign_sites(atoms_of(kept, rng.integers(0, 2, len(kept))))
    assert sites.graph.n_sites == len(kept)
    assert sites.metadata["n_vacant_sites"] == 9
    assert any("hold no column" in text for text in sites.warnings)


def test_the_bright_sublattice_of_a_sulphide_is_the_site_lattice():
    rng = np.random.default_rng(3)
    metal = lattice(TRIANGULAR)
    sulphur = lattice(TRIANGULAR, offset=(TRIANGULAR.sum(axis=0) / 3))
    heavy = (rng.random(len(metal)) < 0.1).astype(int)
    positions = np.concatenate([metal, sulphur])
    species = np.concatenate([1 + heavy, np.zeros(len(sulphur), dtype=int)])
    atoms = atoms_of(positions, species, levels=(1.0, 2.0, 4.0))
    sites = assign_sites(atoms)
    assert sites.graph.n_sites == len(metal)
    assert int((sites.states == 1).sum()) == heavy.sum()
    assert any("sublattices" in text for text in sites.warnings)
    assert sites.metadata["n_columns_off_lattice"] == len(sulphur)


def test_label_likelihoods_follow_the_sites():
    positions = lattice(SQUARE, 10)
    states = np.random.default_rng(4).integers(0, 2, len(positions))
    labels = np.stack([np.where(states == 0, 0.0, -3.0), np.where(states == 1, 0.0, -3.0)], 1)
    atoms = atoms_of(positions, states).with_changes(species_log_likelihood=labels)
    sites = assign_sites(atoms)
    difference = np.diff(sites.label_log_likelihood[0], axis=1)[:, 0]
    assert np.array_equal(difference > 0, sites.states[0] > 0)
    assert np.allclose(np.abs(difference), 3.0)


def test_no_lattice_and_the_wrong_one_are_refused():
    rng = np.random.default_rng(5)
    gas = rng.uniform(0, 200, (300, 2))
    with pytest.raises(NotIdentified, match="lattice"):
        assign_sites(atoms_of(gas, rng.integers(0, 2, 300)))
    positions = lattice(SQUARE, 10)
    states = rng.integers(0, 2, len(positions))
    with pytest.raises(NotIdentified, match="square lattice, not a triangular"):
        assign_sites(atoms_of(positions, states), lattice="triangular")
    with pytest.raises(NotIdentified, match="too few"):
        assign_sites(atoms_of(positions[:5], states[:5]))
    with pytest.raises(InputError, match="classified"):
        assign_sites(AtomicConfiguration(positions))
    with pytest.raises(InputError, match="n_shells"):
        assign_sites(atoms_of(positions, states), n_shells=0)


def test_one_species_is_said():
    positions = lattice(SQUARE, 10)
    sites = assign_sites(atoms_of(positions, np.zeros(len(positions), dtype=int)))
    assert (sites.states == -1).all()
    assert any("one species only" in text for text in sites.warnings)


def sites_of(path):
    return assign_sites(classify_species(find_atoms(read_image(path))))


def test_real_sulphide_with_dopants(public_file):
    sites = sites_of(public_file("stem_mo_re_s2/re05.tiff"))
    assert sites.metadata["lattice"] == "triangular"
    assert abs(sites.graph.n_sites - 726) <= 3
    assert abs(int((sites.states == 1).sum()) - 14) <= 1
    assert sites.metadata["lattice_constant"] == pytest.approx(30.02, rel=0.01)
    assert sites.graph.unit == "pixel"


def test_real_sulphide_with_a_scale(public_file):
    public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.json")
    sites = sites_of(public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.npy"))
    assert sites.graph.unit == "nm"
    # 2 % scan calibration
    assert sites.metadata["lattice_constant"] == pytest.approx(0.316, rel=0.02)
    assert any("distorted" in text for text in sites.warnings)
