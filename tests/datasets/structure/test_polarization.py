"""Polar displacements: domains, errors, cages, sublattices found by themselves."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import find_atoms, make_polar_perovskite, measure_polarization
from physlearn.datasets.synthetic.relaxed_graphene import honeycomb
from physlearn.records import AtomicConfiguration


def noisy(truth, seed, sd=0.06):
    rng = np.random.default_rng(seed)
    root = rng.normal(0, sd, (truth.n, 2, 2))
    covariance = root @ np.swapaxes(root, 1, 2) + sd**2 * np.eye(2)
    kick = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=(truth.n, 2)))
    return truth.with_changes(positions=truth.positions + kick, position_covariance=covariance)


def true_displacements(made, field):
    """Planted displacement of each measured cell."""
    tree = cKDTree(made.centers + made.displacements)
    near = tree.query(made.scene.truth.positions[field.centers])[1]
    return made.displacements[near]


@pytest.mark.parametrize("domains", ["stripes", "vortex", "single", "none"])
def test_planted_displacements_come_back_exactly(domains):
    made = make_polar_perovskite((10, 12), domains=domains, rng=0)
    field = measure_polarization(made.scene.truth, center="B", cage="A")
    assert len(field.centers) == 120
    assert np.allclose(field.displacements, true_displacements(made, field), atol=1e-9)
    assert np.allclose(field.positions, made.centers, atol=1e-9)


def test_error_bars_hold_the_truth_and_so_does_the_mean(oracle):
    scores, means = [], []
    for seed in range(4):
        made = make_polar_perovskite((34, 34), domains="vortex", rng=seed)
        field = measure_polarization(noisy(made.scene.truth, seed), center="B", cage="A")
        gap = field.displacements - true_displacements(made, field)
        scores.append(gap / np.sqrt(field.covariance[:, [0, 1], [0, 1]]))
        mean, covariance = field.mean()
        means.append((mean - made.displacements.mean(axis=0)) / np.sqrt(np.diag(covariance)))
    z = np.concatenate(scores).ravel()
    oracle("displacement z sd less 1", error=z.std() - 1, bound=0.05)
    oracle("mean displacement", z=np.sum(means) / np.sqrt(np.size(means)))


def test_cells_that_share_a_cage_column_correlate():
    made = make_polar_perovskite((6, 6), rng=0)
    field = measure_polarization(noisy(made.scene.truth, 0), center="B", cage="A")
    joint = field.joint_covariance().toarray()
    assert np.allclose(joint[:2, :2], field.covariance[0])
    neighbour = joint[:2, 2:4]
    shared = np.intersect1d(field.cages[0], field.cages[1])
    expected = noisy(made.scene.truth, 0).position_covariance[shared].sum(axis=0) / 16
    assert np.allclose(neighbour, expected)


@pytest.mark.parametrize("classified", [True, False])
def test_cage_and_center_are_found_by_brightness(classified):
    made = make_polar_perovskite((14, 14), domains="stripes", displacement_px=0.5, rng=0)
    atoms = made.scene.truth
    if not classified:
        atoms = atoms.with_changes(species=None, species_names=())
    field = measure_polarization(atoms)
    assert len(field.centers) == 196
    assert np.allclose(field.displacements, true_displacements(made, field), atol=1e-9)
    assert any("taken as the cage" in text for text in field.warnings)


def test_other_cages_are_found():
    """Boron nitride: three neighbours; the count is that of the widest step in distance."""
    places, _ = honeycomb(8, 12)
    kind = np.zeros(len(places), dtype=int)
    kind[1::2] = 1
    atoms = AtomicConfiguration(places, species=kind, species_names=("B", "N"))
    field = measure_polarization(atoms, center="B", cage="N")
    assert field.cages.shape[1] == 3
    assert np.abs(field.displacements).max() < 1e-9
    assert 0 < len(field.centers) < (kind == 0).sum()
    mask = kind == 1
    same = measure_polarization(atoms, center=~mask, cage=mask)
    assert np.array_equal(same.cages, field.cages)


def test_a_cell_without_its_whole_cage_is_left_out():
    made = make_polar_perovskite((8, 8), rng=0)
    truth = made.scene.truth
    corner = 9 * 4 + 4
    kept = np.delete(np.arange(truth.n), corner)
    atoms = AtomicConfiguration(
        truth.positions[kept], species=truth.species[kept], species_names=truth.species_names
    )
    field = measure_polarization(atoms, center="B", cage="A")
    assert len(field.centers) == 60
    assert any("4 of 64" in text for text in field.warnings)


def test_row_means_are_flagged_and_can_be_left_out():
    made = make_polar_perovskite((12, 12), domains="none", rng=0)
    truth = made.scene.truth
    y = truth.positions[:, 1]
    jitter = np.random.default_rng(0).normal(0, 0.4, 60)[np.round(y / 8.0).astype(int)]
    moved = truth.with_changes(positions=truth.positions + jitter[:, None] * [1.0, 0.0])
    field = measure_polarization(moved, center="B", cage="A")
    assert not field.row_mean_identified
    assert any("not identified" in text for text in field.warnings)
    assert np.abs(field.displacements[:, 0]).max() > 0.2
    assert np.abs(field.without_row_means()[0]).max() < 1e-9
    assert measure_polarization(moved, center="B", cage="A", scanned=False).row_mean_identified


def turned(atoms, angle):
    """Return atoms turned about their first one."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = atoms.positions[0]
    return atoms.with_changes(positions=middle + (atoms.positions - middle) @ turn.T)


@pytest.mark.parametrize("angle", [0.0, 0.01, 0.02, 0.05, 0.3])
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_row_shifts_are_left_out_of_turned_crystals_too(angle, correlation):
    """Shifts of whole rows leave nothing, however many rows a line of cells crosses."""
    truth = turned(make_polar_perovskite((30, 30), domains="none", rng=0).scene.truth, angle)
    row = np.round(truth.positions[:, 1]).astype(int)
    rng = np.random.default_rng(1)
    shift = rng.normal(0, 0.4, row.max() - row.min() + 1)
    for k in range(1, len(shift)):
        shift[k] = correlation * shift[k - 1] + np.sqrt(1 - correlation**2) * shift[k]
    # an atom stands in the middle of its row: what lies between rows is another test's matter
    places = np.stack([truth.positions[:, 0] + shift[row - row.min()], row], axis=1)
    moved = truth.with_changes(positions=places.astype(float))
    still = truth.with_changes(positions=np.stack([truth.positions[:, 0], row], axis=1))
    field = measure_polarization(moved, center="B", cage="A")
    plain = measure_polarization(still, center="B", cage="A")
    gap = field.without_row_means()[0] - plain.without_row_means()[0]
    assert (field.displacements - plain.displacements)[:, 0].std() > 0.1
    assert np.abs(gap).max() < 1e-6


def test_smooth_row_shifts_leave_little_of_themselves():
    """Columns average the shifts of the rows they cover, so that atoms between rows follow too."""
    truth = turned(make_polar_perovskite((30, 30), domains="none", rng=0).scene.truth, 0.05)
    rows = np.arange(-200, 800)
    shift = np.random.default_rng(1).normal(0, 1.0, len(rows))
    weight = np.exp(-0.5 * ((rows - truth.positions[:, 1:]) / 2.2) ** 2)
    moved = (weight / weight.sum(axis=1, keepdims=True)) @ shift
    field = measure_polarization(
        truth.with_changes(positions=truth.positions + moved[:, None] * [1.0, 0.0]),
        center="B", cage="A",
    )  # fmt: skip
    before = field.displacements[:, 0].std()
    assert before > 0.3
    assert field.without_row_means()[0][:, 0].std() < 0.02 * before
    # a knot every column's width keeps more of the displacements and nearly as little of the shifts
    assert field.without_row_means(2.0)[0][:, 0].std() < 0.05 * before


@pytest.mark.parametrize("angle", [0.0, 0.05])
def test_errors_without_row_shifts_hold(angle, oracle):
    scores = []
    for seed in range(6):
        truth = turned(make_polar_perovskite((30, 30), domains="none", rng=0).scene.truth, angle)
        field = measure_polarization(noisy(truth, seed), center="B", cage="A")
        left, covariance = field.without_row_means(4.0)
        # a cell that shifts explain whole has nothing left, and no error
        rows = covariance[:, 0, 0] > 1e-6 * field.covariance[:, 0, 0]
        assert np.abs(left[~rows, 0]).max(initial=0.0) < 1e-3
        assert rows.mean() > 0.9
        scores.append(left[rows] / np.sqrt(covariance[rows][:, [0, 1], [0, 1]]))
    z = np.concatenate(scores)
    for axis in (0, 1):
        # cells share cage columns: a fourth of the values count
        effective = len(z) / 4
        oracle(f"z sd along {'xy'[axis]}", z=(z[:, axis].std() - 1) * np.sqrt(2 * effective))


def test_too_few_cells_in_a_row_are_refused():
    truth = turned(make_polar_perovskite((6, 6), domains="none", rng=0).scene.truth, 0.3)
    field = measure_polarization(truth, center="B", cage="A")
    with pytest.raises(NotIdentified, match="next to nothing"):
        field.without_row_means()


def test_table_tells_zero_from_not_zero():
    made = make_polar_perovskite((30, 30), domains="none", rng=0)
    table = measure_polarization(noisy(made.scene.truth, 3), center="B", cage="A").to_pandas()
    share = (table["p_zero"] < 0.05).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / (len(table) / 2))
    polar = make_polar_perovskite((10, 10), domains="single", displacement_px=1.6, rng=0)
    table = measure_polarization(noisy(polar.scene.truth, 3), center="B", cage="A").to_pandas()
    assert (table["p_zero"] < 1e-4).all()
    assert np.abs(table["angle"]).max() < 0.6


def test_atoms_without_errors_say_so():
    made = make_polar_perovskite((5, 5), rng=0)
    field = measure_polarization(made.scene.truth, center="B", cage="A")
    assert np.isnan(field.covariance).all()
    assert field.joint_covariance() is None
    assert any("no position errors" in text for text in field.warnings)
    assert np.isnan(field.to_pandas()["p_zero"]).all()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"center": "B"}, InputError, "both"),
        ({"center": "Q", "cage": "A"}, InputError, "one of the species"),
        ({"center": "A", "cage": "A"}, InputError, "different"),
        ({"center": np.ones(3, bool), "cage": "A"}, InputError, "mask"),
        ({"n_cage": 1}, InputError, "n_cage"),
    ],
)
def test_what_cannot_be_used_is_refused(options, error, text):
    atoms = make_polar_perovskite((4, 4), rng=0).scene.truth
    with pytest.raises(error, match=text):
        measure_polarization(atoms, **options)


def test_nothing_to_measure_is_said():
    one = AtomicConfiguration([[1.0, 1.0]], species=[0], species_names=("A",))
    with pytest.raises(NotIdentified):
        measure_polarization(one)
    plain = make_polar_perovskite((4, 4), rng=0).scene.truth.with_changes(intensity=None)
    with pytest.raises(NotIdentified, match="center and cage"):
        measure_polarization(plain)


@pytest.mark.slow
@pytest.mark.parametrize("domains", ["vortex", "single"])
def test_from_the_picture_on_bias_and_errors(domains, oracle):
    z, along, sds = [], [], []
    for seed in range(4):
        made = make_polar_perovskite((32, 32), domains=domains, rng=seed)
        atoms = find_atoms(made.scene.image)
        field = measure_polarization(atoms)
        near = cKDTree(made.centers + made.displacements).query(atoms.positions[field.centers])[1]
        sd = np.sqrt(field.covariance[:, [0, 1], [0, 1]])
        planted = made.displacements[near]
        z.append((field.displacements - planted) / sd)
        # a bias in proportion to the displacement hides in a mean over domains
        along.append((z[-1] * planted).sum(axis=1) / 0.8)
        sds.append(field.mean()[1][0, 0] / field.covariance[:, 0, 0].mean())
    z = np.concatenate(z)
    oracle(f"picture to displacement, {domains}: z sd less 1", error=z.std() - 1, bound=0.05)
    # the bias may be .1 of a cell's bound, and its own error comes on top
    noise = 4 * np.sqrt(np.mean(sds) / 4)
    means = {"x": z[:, 0], "y": z[:, 1], "along": np.concatenate(along)}
    for name, values in means.items():
        oracle(f"picture to displacement, {domains}: bias {name} in bounds",
               error=values.mean(), bound=0.1 + noise)  # fmt: skip
