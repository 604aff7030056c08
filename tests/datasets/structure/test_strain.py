"""Strain: known fields, error bars, references, sublattices, scan rows."""

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import polar

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    find_atoms,
    geometric_phase_strain,
    make_polar_perovskite,
    make_strained_crystal,
    measure_strain,
)
from physlearn.datasets.structure.strain import polar_strain
from physlearn.records import AtomicConfiguration


def true_strain(made):
    return polar_strain(made.gradients)


def noisy(truth, seed, sd=0.06):
    """Atoms moved by unequal, tilted errors."""
    rng = np.random.default_rng(seed)
    root = rng.normal(0, sd, (truth.n, 2, 2))
    covariance = root @ np.swapaxes(root, 1, 2) + sd**2 * np.eye(2)
    kick = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=(truth.n, 2)))
    return truth.with_changes(
        positions=truth.positions + kick, position_covariance=covariance, width=None
    )


def affine(matrix):
    return lambda places: places @ np.asarray(matrix).T


@pytest.mark.parametrize("lattice", ["square", "triangular"])
def test_a_uniform_strain_and_rotation_come_back_exactly(lattice):
    matrix = [[0.01, 0.004], [-0.002, -0.006]]
    made = make_strained_crystal((12, 12), lattice=lattice, displacement=affine(matrix), rng=0)
    field = measure_strain(made.scene.truth, reference=made.vectors)
    turn, stretch = polar(np.eye(2) + matrix)
    expected = [*np.diag(stretch - np.eye(2)), stretch[0, 1], np.arctan2(turn[1, 0], turn[0, 0])]
    assert np.allclose(expected, [0.01, -0.006, 0.001, -0.003], atol=3e-5)
    assert np.allclose(field.strain, expected, atol=1e-9)
    assert np.allclose(field.gradients, matrix, atol=1e-9)
    free = measure_strain(made.scene.truth)
    assert np.allclose(free.strain, 0.0, atol=1e-9)
    shells = measure_strain(made.scene.truth, reference=made.vectors, shells=3)
    assert np.allclose(shells.strain, field.strain[0], atol=1e-9)


@pytest.mark.parametrize("angle", [0.03, 0.06, 0.09, -0.2])
def test_a_turned_crystal_is_not_strained(angle, oracle):
    places = 10.0 * np.argwhere(np.ones((20, 20)))[:, ::-1].astype(float)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    means, scores = [], []
    for seed in range(6):
        kick = np.random.default_rng(seed).normal(0, [0.02, 0.06], places.shape)
        atoms = AtomicConfiguration(
            places @ turn.T + kick,
            position_covariance=np.tile(np.diag([0.0004, 0.0036]), (len(places), 1, 1)),
        )
        field = measure_strain(atoms, reference=10 * np.eye(2))
        mean, covariance = field.mean()
        means.append((mean - [0, 0, 0, angle]) / np.sqrt(np.diag(covariance)))
        gap = (field.strain - [0, 0, 0, angle])[field.complete]
        scores.append(gap / np.sqrt(np.einsum("nii->ni", field.covariance))[field.complete])
    for k, z in enumerate(np.sum(means, axis=0) / np.sqrt(len(means))):
        oracle(f"mean of component {k}", z=z)
    z = np.concatenate(scores)
    for k in range(4):
        oracle(f"z sd of component {k}", z=(z[:, k].std() - 1) * np.sqrt(2 * len(z) / 4))


@pytest.mark.parametrize("ratio", [1.0, 1.3, 1.8, 2.5])
def test_rectangular_lattices_have_strain_at_every_atom(ratio):
    places = np.argwhere(np.ones((14, 14)))[:, ::-1] * [3.0, 3.0 * ratio]
    rng = np.random.default_rng(0)
    atoms = AtomicConfiguration(places * [1.01, 0.98] + rng.normal(0, 0.003, places.shape))
    field = measure_strain(atoms, reference=[[3.0, 0.0], [0.0, 3.0 * ratio]])
    # a corner has two neighbours only
    assert len(field.members) == 192
    assert field.complete.sum() == 144
    assert np.abs(field.strain.mean(axis=0) - [0.01, -0.02, 0.0, 0.0]).max() < 1e-3


def test_grains_against_their_mean_lattice_are_said():
    places = 12.0 * np.argwhere(np.ones((20, 20)))[:, ::-1].astype(float)
    angle = np.where(places[:, 0] < 114, 0.06, -0.06)
    c, s = np.cos(angle), np.sin(angle)
    x, y = (places - 114).T
    atoms = AtomicConfiguration(np.stack([c * x - s * y, s * x + c * y], axis=1))
    found = [text for text in measure_strain(atoms).warnings if "grains" in text]
    assert len(found) == 1
    still = measure_strain(atoms, reference=12.0 * np.eye(2))
    assert not any("grains" in text for text in still.warnings)
    assert abs(np.median(still.strain[:, :3])) < 1e-9


def test_errors_of_other_atoms_are_not_taken():
    """A subset that keeps the whole joint covariance, or other errors than that one holds."""
    atoms = find_atoms(make_strained_crystal((12, 12), rng=0).scene.image)
    declared = 100 * atoms.position_covariance
    for changed in (
        atoms.with_changes(position_covariance=declared),
        AtomicConfiguration(
            atoms.positions[48:], position_covariance=declared[48:], covariance=atoms.covariance,
            pixel_size=atoms.pixel_size,
        ),
    ):  # fmt: skip
        field = measure_strain(changed)
        assert any("contradicts" in text for text in field.warnings)
        alone = measure_strain(changed.with_changes(covariance=None))
        assert np.allclose(field.covariance, alone.covariance)
    assert measure_strain(atoms).errors.source == "joint"


@pytest.mark.parametrize("lattice", ["square", "triangular"])
def test_error_bars_hold_the_truth(lattice, oracle):
    scores, means = [], []
    for seed in range(3):
        made = make_strained_crystal((46, 46), lattice=lattice, rng=seed)
        field = measure_strain(noisy(made.scene.truth, seed), reference=made.vectors)
        gap = (field.strain - true_strain(made)[field.members])[field.complete]
        scores.append(gap / np.sqrt(np.einsum("nii->ni", field.covariance))[field.complete])
        mean, covariance = field.mean()
        expected = true_strain(made)[field.members].mean(axis=0)
        means.append((mean - expected) / np.sqrt(np.diag(covariance)))
    z = np.concatenate(scores)
    # one atom in about four is independent of the others
    tolerance = max(0.05, 4 / np.sqrt(2 * len(z) / 4))
    for k, name in enumerate(("xx", "yy", "xy", "rotation")):
        oracle(f"{lattice} strain {name}, z sd less 1", error=z[:, k].std() - 1, bound=tolerance)
    oracle(f"{lattice} mean strain", z=np.sum(means) / np.sqrt(np.size(means)))


def test_neighbours_that_move_together_make_no_strain():
    """With fully shared errors only the joint covariance knows that strain is exact."""
    made = make_strained_crystal((14, 14), rng=0)
    truth = made.scene.truth
    alone = truth.with_changes(position_covariance=np.tile(0.01 * np.eye(2), (truth.n, 1, 1)))
    shared = 0.01 * np.kron(np.ones((truth.n, truth.n)), np.eye(2)) + 1e-8 * np.eye(2 * truth.n)
    joint = alone.with_changes(covariance=sparse.csc_array(shared))
    assert np.sqrt(measure_strain(alone).covariance[0, 0, 0]) > 1e-3
    assert np.sqrt(measure_strain(joint).covariance[0, 0, 0]) < 1e-4


def test_joint_covariance_of_four_numbers_an_atom_is_read():
    made = make_strained_crystal((10, 10), rng=0)
    truth = made.scene.truth
    blocks = np.tile(np.diag([0.01, 0.04, 9.0, 9.0]), (truth.n, 1, 1))
    joint = truth.with_changes(covariance=sparse.block_diag(blocks, format="csc"))
    alone = truth.with_changes(position_covariance=blocks[:, :2, :2])
    assert np.allclose(measure_strain(joint).covariance, measure_strain(alone).covariance)
    wrong = alone.with_changes(covariance=sparse.csc_array(np.eye(7)))
    field = measure_strain(wrong)
    assert any("does not belong" in text for text in field.warnings)
    assert np.allclose(field.covariance, measure_strain(alone).covariance)


def test_row_jitter_enters_the_shear_and_not_the_stretch_along_rows(oracle):
    """Rows shifted by a known random amount: the error bar of xy holds, xx stays as it was."""
    z = []
    for seed in range(6):
        made = make_strained_crystal((30, 30), displacement=affine(np.zeros((2, 2))), rng=seed)
        truth = noisy(made.scene.truth, seed, sd=0.01).with_changes(
            width=made.scene.truth.width, pixel_size=(1.0, 1.0)
        )
        rng = np.random.default_rng(seed)
        shift = rng.normal(0, 1.0, int(truth.positions[:, 1].max()) + 40)
        rows = np.arange(len(shift)) - 20
        profile = np.exp(-0.5 * ((rows - truth.positions[:, 1:]) / truth.width[:, None]) ** 2)
        mean_shift = profile @ shift / profile.sum(axis=1)
        moved = truth.positions + mean_shift[:, None] * [1.0, 0.0]
        atoms = truth.with_changes(positions=moved, row_error=(1.0, 0.0))
        field = measure_strain(atoms, reference=made.vectors)
        plain = measure_strain(truth.with_changes(row_error=None), reference=made.vectors)
        before, after = (f.covariance[f.complete].mean(axis=0) for f in (plain, field))
        assert after[0, 0] == pytest.approx(before[0, 0], rel=0.02)
        assert after[2, 2] > 20 * before[2, 2]
        shear = field.strain[:, 2] / np.sqrt(field.covariance[:, 2, 2])
        z.append(shear[field.complete])
        assert not field.row_mean_identified
        assert any("not identified" in text for text in field.warnings)
    # one free number a row
    n_free = 6 * 28
    rms = np.sqrt(np.mean(np.concatenate(z) ** 2))
    oracle("shear z under jitter", z=(rms - 1) * np.sqrt(2 * n_free / 2))


def test_row_error_that_a_correction_already_holds_is_not_added_twice():
    made = make_strained_crystal((12, 12), rng=0)
    atoms = noisy(made.scene.truth, 0).with_changes(row_error=(0.3, 2.0))
    held = atoms.with_changes(metadata={**atoms.metadata, "scan_corrected": True})
    once = measure_strain(atoms.with_changes(row_error=None))
    assert np.allclose(measure_strain(held).covariance, once.covariance)
    assert np.all(measure_strain(atoms).covariance[:, 2, 2] > 1.5 * once.covariance[:, 2, 2])
    assert measure_strain(atoms, scanned=False).row_mean_identified


def test_a_shift_between_sublattices_is_no_strain():
    made = make_polar_perovskite((16, 16), domains="single", displacement_px=1.2, rng=0)
    for atoms in (made.scene.truth, made.scene.truth.with_changes(species=None, species_names=())):
        assert np.abs(measure_strain(atoms).strain).max() < 1e-6


def test_the_reference_may_be_a_region():
    def film(places):
        u = np.zeros_like(places)
        u[:, 1] = 0.02 * np.maximum(places[:, 1], 0.0)
        return u

    made = make_strained_crystal((30, 20), displacement=film, rng=0)
    atoms = made.scene.truth
    half = atoms.positions[:, 1].mean()
    field = measure_strain(atoms, region=(0.0, 0.0, 1e3, half - 6))
    top = (atoms.positions[field.members, 1] > half + 20) & field.complete
    assert np.allclose(field.strain[top], [0.0, 0.02, 0.0, 0.0], atol=1e-9)
    with pytest.raises(InputError, match="region"):
        measure_strain(atoms, region=(0.0, 0.0, 10.0, 10.0))


def test_geometric_phase_agrees_and_sees_no_positions(oracle):
    made = make_strained_crystal((44, 44), rng=1)
    places = made.scene.truth.positions
    strain = geometric_phase_strain(made.scene.image, made.vectors, at=places, smoothing=20.0)
    seen = np.isfinite(strain).all(axis=1)
    assert seen.mean() > 0.6
    truth = true_strain(made)
    for k in range(4):
        assert np.corrcoef(strain[seen, k], truth[seen, k])[0, 1] > 0.98
    gap = (strain - truth)[seen]
    # smoothing takes a known part of a wave of 2 per cent: the rest is the method's own error
    oracle("geometric phase, rms error of xx", error=gap[:, 0].std(), bound=0.003)
    assert geometric_phase_strain(made.scene.image, made.vectors).shape == (
        *made.scene.image.shape, 4,
    )  # fmt: skip
    with pytest.raises(InputError, match="parallel"):
        geometric_phase_strain(made.scene.image, [[10.0, 0.0], [20.0, 0.0]])


def test_atoms_without_errors_say_so():
    field = measure_strain(make_strained_crystal((8, 8), rng=0).scene.truth)
    assert np.isnan(field.covariance).all()
    assert any("no position errors" in text for text in field.warnings)
    assert np.isnan(field.to_pandas()["xx_sd"]).all()
    assert np.isnan(field.mean()[1]).all()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"shells": 0}, InputError, "shells"),
        ({"reference": [[12.0, 0.0], [24.0, 0.0]]}, InputError, "parallel"),
        ({"reference": [[7.0, 0.0], [0.0, 12.0]]}, InputError, "own lattice"),
        ({"reference": np.eye(2), "region": (0, 0, 1, 1)}, InputError, "not both"),
    ],
)
def test_what_cannot_be_used_is_refused(options, error, text):
    atoms = make_strained_crystal((8, 8), rng=0).scene.truth
    with pytest.raises(error, match=text):
        measure_strain(atoms, **options)


@pytest.mark.parametrize("n", [0, 1, 200])
def test_no_lattice_no_strain(n):
    atoms = AtomicConfiguration(np.random.default_rng(0).uniform(0, 50, (n, 2)))
    with pytest.raises(NotIdentified):
        measure_strain(atoms)


@pytest.mark.parametrize("n", [20, 60, 200])
def test_columns_strewn_at_random_show_no_strain(n):
    """Of 60 sets of 200, four had translations that carry half the columns by chance."""
    for seed in range(60):
        places = np.random.default_rng([seed, 7]).uniform(0, 50, (n, 2))
        with pytest.raises(NotIdentified):
            measure_strain(AtomicConfiguration(places))


@pytest.mark.slow
@pytest.mark.parametrize("lattice", ["square", "triangular"])
def test_from_the_picture_on_error_bars_hold_the_truth(lattice, oracle):
    from scipy.spatial import cKDTree

    scores = []
    for seed in range(3):
        made = make_strained_crystal((48, 48), lattice=lattice, rng=seed)
        atoms = find_atoms(made.scene.image)
        gap, nearest = cKDTree(made.scene.truth.positions).query(atoms.positions)
        field = measure_strain(atoms, reference=made.vectors)
        assert field.errors.source == "joint"
        near = field.complete & (gap[field.members] < 2.0)
        error = field.strain - true_strain(made)[nearest[field.members]]
        scores.append((error / np.sqrt(np.einsum("nii->ni", field.covariance)))[near])
    z = np.concatenate(scores)
    for k, name in enumerate(("xx", "yy", "xy", "rotation")):
        oracle(f"picture to strain {name}, {lattice}", error=z[:, k].std() - 1, bound=0.05)


def test_the_mean_of_a_selection_is_that_of_its_rows_alone(oracle):
    made = make_strained_crystal((12, 12), displacement=lambda p: 0.0 * p, rng=0)
    scores = []
    for seed in range(30):
        field = measure_strain(noisy(made.scene.truth, seed), reference=made.vectors)
        quarter = np.all(field.positions < np.median(field.positions, axis=0), axis=1)
        mean, covariance = field.mean(quarter)
        scores.append(mean / np.sqrt(np.diag(covariance)))
    z = np.array(scores)
    oracle("spread of the mean of a quarter", z=(np.sqrt(np.mean(z**2)) - 1) * np.sqrt(2 * 30))
    only = np.arange(len(field.members)) == 40
    mean, covariance = field.mean(only)
    assert mean == pytest.approx(field.strain[40])
    assert np.allclose(covariance, field.covariance[40])


def test_printing_says_mean_errors_and_whether_row_shifts_are_excluded():
    made = make_strained_crystal((12, 12), displacement=affine([[0.01, 0], [0, 0]]), rng=0)
    field = measure_strain(noisy(made.scene.truth, 1), reference=made.vectors)
    said = str(field)
    mean, covariance = field.mean(field.complete)
    assert f"xx {mean[0]:.3%} ± {np.sqrt(covariance[0, 0]):.3%}" in said
    assert f"{int(field.complete.sum())} of them with all neighbours" in said
    assert ("are excluded" in said) == field.row_mean_identified
    assert len(repr(field)) < 1000
