"""Records measured on atoms as columns of patches, with the records' own errors."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.datasets import (
    assign_sites,
    find_rings,
    make_polar_perovskite,
    make_stone_wales_graphene,
    measure_polarization,
    measure_strain,
    score_local_symmetry,
)
from physlearn.datasets.descriptors.patch_places import PatchPlaces, grid_places
from physlearn.datasets.patches.atom_blocks import atom_blocks
from physlearn.datasets.sites.site_states import SiteStates
from physlearn.records import AtomicConfiguration


def square(n=14, *, sd=0.1, spacing=10.0, seed=0):
    """Return a square crystal with noise that its errors tell."""
    rng = np.random.default_rng(seed)
    places = spacing * np.stack(np.mgrid[:n, :n].reshape(2, -1)[::-1], axis=1).astype(float)
    return AtomicConfiguration(
        places + sd * rng.normal(size=places.shape), intensity=np.ones(n * n),
        species=np.zeros(n * n, dtype=np.int64), species_names=("a",), unit="pixel",
        position_covariance=np.tile(sd**2 * np.eye(2), (n * n, 1, 1)),
    )  # fmt: skip


def column(blocks, name):
    """Return values and variances of a column."""
    for block in blocks:
        if name in block.names:
            k = block.names.index(name)
            return block.values[:, k], block.covariance[:, k, k]
    raise AssertionError(f"no column {name}")


@pytest.mark.parametrize("lattice", [True, False])
def test_a_strain_field_takes_the_place_of_the_patches_own(lattice):
    atoms = square()
    field = measure_strain(atoms)
    patches = grid_places([-5, -5], [135, 135], 35.0)
    sites = assign_sites(atoms) if lattice else None
    blocks = atom_blocks(atoms, sites, patches, [field])
    patch, atom = patches.members(field.positions)
    inside = atom[patch == 5]
    mean, covariance = field.mean(np.isin(np.arange(len(field.members)), inside))
    values, variance = column(blocks, "dilation")
    assert values[5] == pytest.approx(mean[0] + mean[1])
    assert variance[5] == pytest.approx(covariance[:2, :2].sum())
    values, variance = column(blocks, "lattice_rotation")
    assert values[5] == pytest.approx(mean[3])
    assert variance[5] == pytest.approx(covariance[3, 3])


def test_polar_displacements_come_back_with_their_errors():
    truth = make_polar_perovskite((16, 16), domains="single", rng=0).scene.truth
    rng = np.random.default_rng(1)
    sd = 0.4
    n = truth.n
    edge = truth.positions.max(axis=0)
    patches = grid_places([0, 0], edge, edge.min() / 5.01)
    found = []
    for _ in range(20):
        atoms = truth.with_changes(
            positions=truth.positions + sd * rng.normal(size=(n, 2)), covariance=None,
            position_covariance=np.tile(sd**2 * np.eye(2), (n, 1, 1)),
        )  # fmt: skip
        field = measure_polarization(atoms, center="B", cage="A")
        blocks = atom_blocks(atoms, None, patches, [field])
        found.append([column(blocks, f"polar_displacement_{word}")
                      for word in ("x", "y", "squared")])  # fmt: skip
    values, variances = np.array(found).transpose(2, 1, 0, 3)
    wanted = measure_polarization(truth, center="B", cage="A").mean()[0]
    targets = (*wanted, wanted @ wanted)
    for k in range(3):
        good = np.isfinite(values[k])
        error = (values[k] - targets[k])[good]
        assert len(error) > 400
        assert abs(error.mean()) < 4 * np.sqrt(variances[k][good].mean() / len(error)) * 1.5
        rms = np.sqrt(np.mean(error**2) / variances[k][good].mean())
        assert rms == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(error)))


def test_ring_shares_are_counted_where_they_are():
    truth = make_stone_wales_graphene(2, shape=(170, 170), rng=1).scene.truth
    rings = find_rings(truth)
    patches = grid_places([0, 0], [170, 170], 56.0)
    blocks = atom_blocks(truth, None, patches, [rings])
    patch, ring = patches.members(rings.centers()[0])
    for size in (5, 7):
        values, variance = column_or_unknown(blocks, f"ring_share_{size}")
        wanted = [(rings.sizes[ring[patch == p]] == size).mean() for p in range(patches.n)]
        assert np.allclose(values, wanted)
        assert max(wanted) > 0
        assert variance is None or np.all(variance >= 0)


def column_or_unknown(blocks, name):
    """Return values, and variances or None."""
    for block in blocks:
        if name in block.names:
            k = block.names.index(name)
            known = block.covariance is not None
            return block.values[:, k], block.covariance[:, k, k] if known else None
    raise AssertionError(f"no column {name}")


def test_rings_at_the_bond_cut_have_errors():
    atoms = square(10, sd=0.8)
    rings = find_rings(atoms, bond_length=11.2)
    patches = grid_places([-5, -5], [95, 95], 30.0)
    blocks = atom_blocks(atoms, None, patches, [rings])
    names = [name for block in blocks for name in block.names if name.startswith("ring_share")]
    assert names
    assert any(column(blocks, name)[1].max() > 0 for name in names)
    assert any("redrawn networks" in note for block in blocks for note in block.notes)


def test_vacancies_count_by_their_probabilities():
    atoms = square(10)
    n = atoms.n
    rng = np.random.default_rng(2)
    probability = np.zeros((n, 4))
    probability[:, 1] = rng.uniform(0, 0.3, n)
    probability[:, 2] = rng.uniform(0, 0.2, n)
    probability[:, 0] = 1 - probability.sum(axis=1)
    sites = SiteStates(
        atoms.positions, "pixel", np.zeros((n, 2), int), np.zeros(n, int), 10 * np.eye(2),
        np.zeros((1, 2)), np.arange(n), np.ones(n), np.ones(n), np.zeros((n, 4)), probability,
        np.zeros(n, int), np.empty(0, int), np.empty(0), pd.DataFrame(),
    )  # fmt: skip
    patches = grid_places([-5, -5], [95, 95], 50.0)
    blocks = atom_blocks(atoms, None, patches, [sites])
    patch, point = patches.members(atoms.positions)
    states = np.array(
        [rng.multinomial(1, row, size=20_000) for row in probability[point[patch == 0]]]
    )
    shares = states.mean(axis=0)
    block = next(b for b in blocks if "vacant_sites" in b.names)
    k = [block.names.index(f"{kind}_sites") for kind in ("vacant", "half")]
    assert "other_sites" not in block.names
    assert np.allclose(block.values[0, k], shares.mean(axis=0)[1:3], atol=2e-3)
    seen = np.cov(shares[:, 1:3].T)
    assert np.allclose(block.covariance[0][np.ix_(k, k)], seen, rtol=0.05, atol=2e-5)


def test_symmetry_deviation_is_free_of_noise_and_has_its_error():
    found = []
    for seed in range(12):
        atoms = square(16, sd=0.3, seed=seed)
        symmetry = score_local_symmetry(atoms)
        patches = grid_places([10, 10], [140, 140], 26.0)
        found.append(
            [column(atom_blocks(atoms, None, patches, [symmetry]), f"asymmetry_{turn}")
             for turn in (2, 4)]
        )  # fmt: skip
    values, variances = np.array(found).transpose(2, 1, 0, 3)
    for k in range(2):
        n = values[k].size
        sd = np.sqrt(variances[k].mean())
        assert abs(values[k].mean()) < 6 * sd / np.sqrt(n)
        assert np.sqrt(np.mean(values[k] ** 2)) == pytest.approx(sd, rel=0.12)


def test_column_shapes_are_averaged():
    atoms = square(10)
    n = atoms.n
    shapes = pd.DataFrame(
        {"e_plus": np.linspace(0, 1, n), "e_cross": 0.5, "e_plus_sd": 0.1, "e_cross_sd": 0.2,
         "e_covariance": 0.01}
    )  # fmt: skip
    shapes.loc[3, "e_plus"] = np.nan
    patches = PatchPlaces(np.array([[20.0, 20.0]]), 60.0, "pixel")
    blocks = atom_blocks(atoms, None, patches, [shapes])
    _, inside = patches.members(atoms.positions)
    inside = inside[inside != 3]
    values, variance = column(blocks, "ellipticity_plus")
    assert values[0] == pytest.approx(shapes["e_plus"][inside].mean())
    assert variance[0] == pytest.approx(0.01 / len(inside))
    block = next(b for b in blocks if "ellipticity_plus" in b.names)
    i, j = (block.names.index(f"ellipticity_{word}") for word in ("plus", "cross"))
    assert block.covariance[0, i, j] == pytest.approx(0.01 / len(inside))


def test_records_of_other_atoms_are_refused():
    atoms, other = square(10), square(9)
    patches = grid_places([-5, -5], [95, 95], 30.0)
    for record in (measure_strain(other), find_rings(other), score_local_symmetry(other)):
        with pytest.raises(InputError, match="another number of atoms"):
            atom_blocks(atoms, None, patches, [record])
    with pytest.raises(InputError, match="twice"):
        atom_blocks(atoms, None, patches, [measure_strain(atoms), measure_strain(atoms)])


def test_bonds_in_doubt_are_flagged():
    patches = grid_places([-5, -5], [135, 135], 35.0)
    for sd, doubtful in ((0.1, False), (1.2, True)):
        blocks = atom_blocks(square(sd=sd), None, patches)
        flags = {name for block in blocks for name in block.flags}
        assert ("spacing" in flags) == doubtful
        assert ("bond_order" in flags) == doubtful
        assert column(blocks, "coordination")[1].max() > (1e-3 if doubtful else -1)
