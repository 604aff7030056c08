"""Errors from a repeated scan agree with the planted noise, and say what they cannot see."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    ChannelSceneSettings,
    PatchOptions,
    assign_sites,
    describe_patches,
    make_channel_scene,
)
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import grid_places
from physlearn.datasets.patches.repeated_scan import difference_noise, merge_repeat
from physlearn.records import AtomicConfiguration, PatchTable

PLACES = grid_places([0, 0], [720, 720], 10.0)


def smooth(rng, length=3.0):
    field = ndimage.gaussian_filter(rng.normal(size=PLACES.shape), length, mode="wrap")
    return (field / field.std()).ravel()


def test_covariance_of_one_scan_and_its_correlations(oracle):
    rng = np.random.default_rng(1)
    wanted = np.array([[1.0, 0.5, 0.0], [0.5, 2.0, -0.6], [0.0, -0.6, 1.5]])
    root = np.linalg.cholesky(wanted)
    truth = np.stack([10 * smooth(rng) for _ in range(3)], axis=1)
    scans = [truth + rng.normal(size=truth.shape) @ root.T for _ in range(2)]
    # the second scan drifts: an offset and a plane
    scans[1] = scans[1] + 0.3 + 0.004 * PLACES.centers[:, :1]
    found = difference_noise(*scans, PLACES)
    n = PLACES.n
    error = np.sqrt((wanted**2 + np.outer(np.diag(wanted), np.diag(wanted))) / n)
    assert np.abs((found.covariance - wanted) / error).max() < 4.5
    assert found.length == 0.0
    z = (scans[0] - truth) / np.sqrt(np.diag(found.covariance))
    oracle("z sd of one scan", error=abs(z.std() - 1), bound=0.05)


def test_a_shift_left_by_the_registration_is_no_noise():
    rng = np.random.default_rng(2)
    field = 10 * smooth(rng, 3.0).reshape(PLACES.shape)
    moved = ndimage.shift(field, (0.03, -0.05), order=5, mode="grid-wrap")
    scans = [each.reshape(-1, 1) + rng.normal(0, 0.1, (PLACES.n, 1)) for each in (field, moved)]
    blind = np.var(scans[0] - scans[1]) / 2
    found = difference_noise(*scans, PLACES)
    assert blind > 1.5 * 0.1**2
    assert found.covariance[0, 0] == pytest.approx(0.1**2, rel=0.15)


def test_length_over_which_errors_agree():
    rng = np.random.default_rng(3)
    scans = [smooth(rng, 2.0)[:, None] for _ in range(2)]
    # a Gaussian filter of width s leaves exp(-d^2 / 4 s^2): 1/e at d = 2 s
    assert difference_noise(*scans, PLACES).length == pytest.approx(40.0, rel=0.15)


def test_angles_are_compared_within_half_a_turn():
    rng = np.random.default_rng(4)
    scans = [np.mod(180 + rng.normal(0, 3, (PLACES.n, 1)) + 178, 360) for _ in range(2)]
    found = difference_noise(*scans, PLACES, periods=[360.0])
    assert found.covariance[0, 0] == pytest.approx(9.0, rel=0.1)


def test_z_scores_of_a_table_from_two_scans(oracle):
    sharing = 0.5
    settings = ChannelSceneSettings(
        shape=(272, 272), shift_px=(2.3, -1.6), noise=0.5, noise_sharing=sharing
    )
    scene = make_channel_scene(settings, rng=5)
    first, second = (scan[["height", "amplitude", "idle"]] for scan in scene.scans)
    table = describe_patches(first, repeat=second, patch_size=16.0)
    truth = describe_patches(
        scene.truth[["height", "amplitude"]], patch_size=16.0,
        options=PatchOptions(centers=table.centers),
    )  # fmt: skip
    sd = np.sqrt(np.diag(table.measurement_covariance[0]))
    assert table.measurement_covariance.shape == (1, 3, 3)
    for name in ("height", "amplitude"):
        difference = table.frame[name].to_numpy() - truth.frame[name].to_numpy()
        z = (difference - difference.mean()) / sd[table.columns.index(name)]
        assert len(z) >= 4000
        oracle(f"z sd of {name}", error=abs(z.std() - 1), bound=0.05)
    correlation = table.measurement_covariance[0] / np.outer(sd, sd)
    assert correlation[0, 1] == pytest.approx(sharing, abs=4 / np.sqrt(table.n_patches))
    told = table.metadata["repeat"]
    assert np.allclose(told["shift"], np.array([2.3, -1.6]) * 4.0, atol=0.5)
    assert table.flags == {"idle": "no signal above its noise"}
    assert any("fixed pattern" in note for note in table.warnings)


def test_each_patch_keeps_the_shape_of_its_own_error(oracle):
    """One scan says which patches are noisier; the repeat says how noisy they are."""
    rng = np.random.default_rng(6)
    sd = np.where(PLACES.centers[:, 1] < 360, 1.0, 3.0)[:, None]
    truth = 5 * np.stack([smooth(rng), smooth(rng)], axis=1)

    def scan():
        values = truth + sd * rng.normal(size=truth.shape)
        own = 0.25 * sd[:, :, None] ** 2 * np.eye(2)  # half of the true error
        return ColumnBlock(("a", "b"), values, (2, 2), ("1", "1"), own)

    (merged,), found = merge_repeat([scan()], [scan()], PLACES, each=True)
    z = (merged.values - truth) / np.sqrt(np.diagonal(merged.covariance, axis1=1, axis2=2))
    for half in (sd[:, 0] == 1, sd[:, 0] == 3):
        oracle("z sd of a half", error=abs(z[half].std() - 1), bound=0.05)
    assert any("the error of a 2" in note for note in merged.notes)
    (pooled,), _ = merge_repeat([scan()], [scan()], PLACES)
    assert pooled.covariance.shape == (1, 2, 2)
    assert found["sd_of_one_scan"]["a"] == pytest.approx(np.sqrt(5.0), rel=0.05)


def test_two_scans_tell_noise_from_signal_also_where_one_cannot(tmp_path):
    settings = ChannelSceneSettings(shape=(200, 200), noise=0.5, noise_correlation_px=1.5)
    scene = make_channel_scene(settings, rng=9)
    first, second = (scan[["height", "idle"]] for scan in scene.scans)
    assert describe_patches(first, patch_size=32.0).flags == {}  # smooth noise looks like a scene
    table = describe_patches(first, repeat=second, patch_size=32.0)
    assert table.flags == {"idle": "no signal above its noise"}
    table.save(tmp_path / "table.nc")
    again = PatchTable.load(tmp_path / "table.nc")
    assert again.metadata == table.metadata
    assert again.flags == table.flags


def crystal(seed, moved=(0.0, 0.0), angle=0.0, noise=0.15):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:45, :45].reshape(2, -1) * 10.0
    planted = np.random.default_rng(99)
    places = np.stack([x, y], 1) + planted.normal(0, 0.3, (2025, 2))
    center = places.mean(axis=0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = (places - center) @ turn + center + moved + rng.normal(0, noise, (2025, 2))
    return AtomicConfiguration(
        places, field_of_view=(-5, -5, 445, 445), species=np.zeros(2025, dtype=int),
        species_names=("only",),
        position_covariance=np.tile(noise**2 * np.eye(2), (2025, 1, 1)),
    )  # fmt: skip


def test_atoms_measured_twice():
    first, second = crystal(1), crystal(2, moved=(2.0, -1.5), angle=0.004)
    table = describe_patches(first, assign_sites(first), repeat=second, patch_size=30.0)
    alone = describe_patches(first, assign_sites(first), patch_size=30.0)
    told = table.metadata["repeat"]
    assert np.allclose(told["shift"], [2.0, -1.5], atol=0.05)
    assert told["angle"] == pytest.approx(0.004, abs=2e-4)
    for name in ("dilation", "shear_strain"):
        k, j = table.columns.index(name), alone.columns.index(name)
        one_scan = 2 * table.measurement_covariance[0, k, k]
        fitted = alone.measurement_covariance[:, j, j].mean()
        # 225 patches: the variance of a variance is 2/n
        assert one_scan / fitted == pytest.approx(1.0, abs=4 * np.sqrt(2 / table.n_patches))


def test_repeats_that_tell_nothing_are_refused():
    scene = make_channel_scene(ChannelSceneSettings(shape=(96, 96)), rng=7)
    other = make_channel_scene(ChannelSceneSettings(shape=(96, 96)), rng=8)
    first, second = scene.scans
    film = xr.concat([first["height"], second["height"]], "time")
    with pytest.raises(NotIdentified, match="may not overlap"):
        describe_patches(first[["height"]], repeat=other.scans[0][["height"]])
    with pytest.raises(InputError, match="must hold a channel of the first scan"):
        describe_patches(first[["height"]], repeat=second[["amplitude"]])
    with pytest.raises(InputError, match="one frame of each"):
        describe_patches({"height": film}, repeat={"height": film})
    with pytest.raises(InputError, match="of neither"):
        describe_patches(first[["height"]], repeat=crystal(1))
    with pytest.raises(NotIdentified, match="another place"):
        atoms = crystal(1)
        describe_patches(atoms, repeat=atoms.with_changes(positions=atoms.positions * 1.4))
    with pytest.raises(InputError, match="at least 12"):
        describe_patches(first[["height"]], repeat=second[["height"]], patch_size=180.0)
