"""Scan correction on pictures whose truth is known."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import chi2

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    FindAtomsOptions,
    ImagingSettings,
    correct_scan,
    find_atoms,
    image_columns,
    make_scan_series,
)
from physlearn.records import AtomicConfiguration

SHAPE = (200, 200)


def scene_of(sd, rho, peak, seed, **more):
    imaging = ImagingSettings(
        width_px=2.5, background_counts=0.1 * peak, jitter_px=sd, jitter_correlation=rho
    )
    return make_scan_series(SHAPE, peak=peak, imaging=imaging, rng=seed, **more)


def errors(positions, truth):
    inside = np.all((truth > 6) & (truth < 193), axis=1)
    distance, near = cKDTree(truth).query(positions)
    good = (distance < 4) & inside[near]
    error = positions[good] - truth[near[good]]
    return error - error.mean(axis=0), good


@pytest.mark.parametrize(("sd", "rho", "peak"), [(0.3, 0.0, 100), (0.3, 0.8, 100), (1.0, 0.0, 300)])
def test_x_error_comes_down_to_the_y_error(sd, rho, peak, oracle):
    scene = scene_of(sd, rho, peak, 1)
    atoms = find_atoms(scene.images[0])
    found = correct_scan(atoms, scene.images[0], lattice="square")
    error, good = errors(found.atoms.positions, scene.positions)
    ratio = error[:, 0].std() / error[:, 1].std()
    oracle(f"x over y error, jitter {sd}, correlation {rho}", error=ratio, bound=1.5)
    sd_told = np.sqrt(np.einsum("kaa->ka", np.asarray(found.atoms.position_covariance)[good]))
    z = error / sd_told
    for axis, name in enumerate("xy"):
        width = np.sqrt(0.5 / len(z))
        oracle(f"z sd {name}, jitter {sd}, {rho}", z=(z[:, axis].std() - 1) / width)
    true = scene.scenes[0].row_shift[:, 0]
    assert abs(found.jitter_sd - true.std()) < 4 * found.jitter_sd_error + 0.05 * sd
    assert found.atoms.row_error is not None
    assert found.atoms.metadata["scan_corrected"]
    assert "row" in found.verdict
    assert len(found.not_identified) >= 2


def test_without_jitter_nothing_is_spoiled():
    scene = scene_of(0.0, 0.0, 100, 2)
    atoms = find_atoms(scene.images[0])
    before, _ = errors(atoms.positions, scene.positions)
    found = correct_scan(atoms, scene.images[0], lattice="square")
    after, _ = errors(found.atoms.positions, scene.positions)
    assert found.jitter_sd < 0.05
    assert np.all(after.std(axis=0) < 1.15 * before.std(axis=0))


def test_drift_comes_from_the_declared_shape(oracle):
    scene = scene_of(0.1, 0.0, 100, 3, lattice="triangular", velocity_px=(3.0, -2.0))
    found = correct_scan(find_atoms(scene.images[0]), scene.images[0], lattice="triangular")
    true = np.array([3.0, -2.0]) / SHAPE[0]
    for axis, name in enumerate("xy"):
        oracle(f"drift {name}", z=(found.drift[axis] - true[axis]) / found.drift_sd[axis])
    error, _ = errors(found.atoms.positions, scene.positions)
    assert error[:, 0].std() < 1.5 * error[:, 1].std() < 0.12


def test_positions_alone_help_where_the_picture_is_gone():
    scene = scene_of(0.4, 0.8, 100, 4)
    atoms = find_atoms(scene.images[0])
    before, _ = errors(atoms.positions, scene.positions)
    found = correct_scan(atoms, lattice="square")
    after, _ = errors(found.atoms.positions, scene.positions)
    assert after[:, 0].std() < 0.5 * before[:, 0].std()


def test_periodicity_alone_leaves_drift_open():
    scene = scene_of(0.3, 0.0, 100, 5)
    found = correct_scan(find_atoms(scene.images[0]), scene.images[0], lattice="any")
    assert found.drift is None
    assert any("drift" in text for text in found.not_identified)


def test_scaled_pictures_give_scaled_answers():
    scene = scene_of(0.3, 0.0, 100, 1)
    image = scene.images[0]
    plain = correct_scan(find_atoms(image), image, lattice="square")
    scaled = image.assign_coords(
        x=("x", 2 + 0.1 * image.x.values, {"units": "angstrom"}),
        y=("y", 3 + 0.1 * image.y.values, {"units": "angstrom"}),
    )
    other = correct_scan(find_atoms(scaled), scaled, lattice="square")
    assert other.atoms.unit == "angstrom"
    np.testing.assert_allclose(
        other.atoms.positions, [2, 3] + 0.1 * plain.atoms.positions, atol=2e-4
    )
    np.testing.assert_allclose(other.jitter_sd, 0.1 * plain.jitter_sd, rtol=1e-2)


def test_bad_input_gets_a_sentence():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 99, (80, 2))
    loose = AtomicConfiguration(
        places, position_covariance=np.tile(0.01 * np.eye(2), (80, 1, 1)), width=np.ones(80),
        intensity=np.ones(80), pixel_size=(1.0, 1.0), field_of_view=(0, 0, 99, 99),
    )  # fmt: skip
    with pytest.raises(NotIdentified):
        correct_scan(loose, lattice="square")
    with pytest.raises(NotIdentified, match="too few"):
        correct_scan(
            loose.with_changes(
                positions=places[:5], position_covariance=loose.position_covariance[:5],
                width=np.ones(5), intensity=np.ones(5),
            ),
            lattice="square",
        )  # fmt: skip
    with pytest.raises(InputError, match="lattice"):
        correct_scan(loose, lattice="cubic")
    with pytest.raises(InputError, match="field_of_view"):
        correct_scan(loose.with_changes(field_of_view=None), lattice="square")
    with pytest.raises(InputError, match="strain_order"):
        correct_scan(loose, lattice="square", strain_order=7)


def test_dark_columns_are_corrected_like_bright_ones(oracle):
    places = 14.0 * np.argwhere(np.ones((13, 13)))[:, ::-1] + 15.0
    scene = image_columns(places, 200.0, (204, 204), ImagingSettings(jitter_px=0.4), rng=2)
    dark = 500 - scene.image.values
    atoms = find_atoms(dark, noise="gaussian", options=FindAtomsOptions(polarity="dark"))
    assert atoms.n == 169
    raw = np.asarray(cKDTree(places).query(atoms.positions)[0])
    found = correct_scan(atoms, dark, lattice="square")
    left = found.atoms.positions - found.atoms.positions.mean(axis=0) + places.mean(axis=0)
    corrected = np.asarray(cKDTree(places).query(left)[0])
    assert np.median(corrected) < 0.6 * np.median(raw)
    oracle("row jitter of dark columns (px)", z=(found.jitter_sd - 0.4) / found.jitter_sd_error)


def jittered(jitter=0.4, seed=2):
    places = 14.0 * np.argwhere(np.ones((13, 13)))[:, ::-1] + 15.0
    imaging = ImagingSettings(jitter_px=jitter, background_counts=20.0)
    return places, image_columns(places, 200.0, (204, 204), imaging, rng=seed)


def common_errors(positions, truth):
    distance, near = cKDTree(truth).query(positions)
    assert distance.max() < 3
    error = positions - truth[near]
    return error - error.mean(axis=0)


def test_rows_and_blots_left_out_do_not_steer():
    places, scene = jittered()
    image = scene.image.values.copy()
    mask = np.ones(image.shape, dtype=bool)
    mask[60:63] = mask[140:142] = False
    mask[90:110, 30:60] = False
    image[~mask] = np.random.default_rng(0).uniform(0, 3000, np.sum(~mask))
    atoms = find_atoms(image, noise="poisson", mask=mask)
    found = correct_scan(atoms, image, lattice="square", mask=mask)
    clean = correct_scan(find_atoms(scene.image), scene.image, lattice="square")
    far = cKDTree(np.argwhere(~mask)[:, ::-1]).query(found.atoms.positions)[0] > 9
    error = common_errors(found.atoms.positions[far], places)
    untouched = common_errors(clean.atoms.positions, places)
    assert np.all(error.std(axis=0) < 1.3 * untouched.std(axis=0))
    assert abs(found.jitter_sd - clean.jitter_sd) < 4 * clean.jitter_sd_error
    with pytest.raises(InputError, match="mask must be the one"):
        correct_scan(atoms, image, lattice="square")


@pytest.mark.parametrize("polarity", [pytest.param("bright", marks=pytest.mark.slow), "dark"])
def test_rows_of_their_own_levels_are_corrected(polarity):
    places, scene = jittered(seed=4)
    rng = np.random.default_rng(1)
    level = np.cumsum(rng.normal(0, 30, 204))
    sign = 1.0 if polarity == "bright" else -1.0
    image = sign * scene.image.values + level[:, None]
    options = FindAtomsOptions(polarity=polarity, row_levels=True)
    atoms = find_atoms(image, options=options)
    found = correct_scan(atoms, image, lattice="square")
    # the ragged columns' fragments are the finder's: here, what becomes of the columns themselves
    raw, error = (
        common_errors(at[cKDTree(places).query(at)[0] < 3], places)
        for at in (atoms.positions, found.atoms.positions)
    )
    assert len(error) == len(places)
    assert abs(found.jitter_sd - scene.row_shift[:, 0].std()) < 4 * found.jitter_sd_error
    assert error[:, 0].std() < 1.5 * error[:, 1].std()
    assert error[:, 0].std() < 0.5 * raw[:, 0].std()


def test_columns_share_the_error_of_the_drift(oracle):
    """The shear that is left in the corrected places is as large as their covariance says."""
    z = []
    for seed in range(8):
        imaging = ImagingSettings(width_px=2.5, background_counts=10.0, jitter_px=0.1)
        scene = make_scan_series((110, 110), peak=100, imaging=imaging, rng=seed)
        found = correct_scan(find_atoms(scene.images[0]), scene.images[0], lattice="square")
        atoms = found.atoms
        near = cKDTree(scene.positions).query(atoms.positions)[1]
        error = atoms.positions - scene.positions[near]
        lever = atoms.positions[:, 1] - atoms.positions[:, 1].mean()
        lever /= lever @ lever
        joint = atoms.covariance
        size = joint.shape[0] // atoms.n
        for axis in (0, 1):
            common = joint[axis::size][:, axis::size]
            z.append(lever @ error[:, axis] / np.sqrt(lever @ (common @ lever)))
    oracle("tilt left along x and y", p=chi2.sf(np.sum(np.square(z)), len(z)))
    oracle("tilt left, not told too large", p=chi2.cdf(np.sum(np.square(z)), len(z)))
