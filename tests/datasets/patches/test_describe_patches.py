"""Patch descriptors against planted fields, with their errors."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import PatchOptions, assign_sites, describe_patches
from physlearn.records import AtomicConfiguration

N = 24
SPACING = 10.0


def crystal(strain=(0.0, 0.0, 0.0), *, noise=0.1, seed=0):
    """Return atoms and sites: the left half perfect, the right half with strain xx, yy, xy."""
    rng = np.random.default_rng(seed)
    x, y = (v.ravel() * SPACING for v in np.meshgrid(np.arange(N), np.arange(N)))
    right = np.maximum(x - 0.5 * N * SPACING, 0.0)
    here = x > 0.5 * N * SPACING
    positions = np.stack([x + strain[0] * right, y + strain[2] * right], axis=1)
    positions[:, 1] += np.where(here, strain[1] * (y - y.mean()), 0.0)
    positions += rng.normal(0, noise, positions.shape)
    states = rng.integers(0, 2, N * N)
    atoms = AtomicConfiguration(
        positions, species=states, species_names=("dim", "bright"), intensity=1.0 + states,
        intensity_sd=np.full(N * N, 0.05), pixel_size=(1.0, 1.0),
        position_covariance=np.tile(noise**2 * np.eye(2), (N * N, 1, 1)),
        field_of_view=(-5.0, -5.0, *(positions.max(axis=0) + 5.0)),
    )  # fmt: skip
    return atoms, assign_sites(atoms)


def test_strain_of_each_half_comes_back_with_its_error():
    atoms, sites = crystal((0.02, 0.0, 0.01))
    table = describe_patches(atoms, sites, patch_size=40.0)
    left = table.centers[:, 0] < 0.5 * N * SPACING - 20
    right = table.centers[:, 0] > 0.5 * N * SPACING + 20
    frame = table.frame
    for name, jump in (("dilation", 0.02), ("deviatoric_strain", 0.02), ("shear_strain", 0.01)):
        k = list(frame.columns).index(name)
        sd = np.sqrt(table.measurement_covariance[:, k, k])
        difference = frame[name][right].mean() - frame[name][left].mean()
        error = np.sqrt((sd[right] ** 2).mean() / right.sum() + (sd[left] ** 2).mean() / left.sum())
        assert abs(difference - jump) < 4 * error + 0.001
        z = (frame[name][left] - frame[name][left].mean()) / sd[left]
        assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * left.sum()))
        assert table.tiers[name] == 1


def test_composition_counts_the_bright_sites():
    atoms, sites = crystal()
    table = describe_patches(atoms, sites, patch_size=40.0)
    corner = table.centers - 20.0
    for k in (0, 7, 20):
        inside = np.all(
            (sites.graph.positions >= corner[k]) & (sites.graph.positions < corner[k] + 40), axis=1
        )
        assert table.frame["composition"][k] == pytest.approx((sites.states[0][inside] > 0).mean())
    assert table.tiers["composition"] == 0
    assert table.overlap == 0
    assert table.selection == "all"


def test_order_falls_where_the_crystal_is_disturbed():
    atoms, _ = crystal(noise=0.05)
    rng = np.random.default_rng(3)
    positions = atoms.positions.copy()
    right = positions[:, 0] > 120
    positions[right] += rng.normal(0, 1.2, (right.sum(), 2))
    disturbed = atoms.with_changes(positions=positions)
    table = describe_patches(disturbed, assign_sites(disturbed), patch_size=40.0)
    order = table.frame["bond_order"].to_numpy()
    side = table.centers[:, 0] > 120
    assert order[~side].min() > order[side].max()
    assert order[~side].mean() > 0.97


def test_channels_are_averaged_with_unit_and_noise():
    atoms, sites = crystal()
    rng = np.random.default_rng(4)
    truth = np.fromfunction(lambda j, i: 0.1 * i + 0.3 * j, (120, 120))
    coords = {"x": ("x", 2.0 * np.arange(120), {"units": "pixel"}),
              "y": ("y", 2.0 * np.arange(120), {"units": "pixel"})}  # fmt: skip
    channel = xr.DataArray(
        truth + rng.normal(0, 2.0, truth.shape), dims=("y", "x"), coords=coords,
        attrs={"units": "mV", "noise_sd": 2.0},
    )  # fmt: skip
    table = describe_patches(atoms, sites, {"PFM Amplitude": channel}, patch_size=40.0)
    k = list(table.frame.columns).index("pfm_amplitude")
    sd = np.sqrt(table.measurement_covariance[:, k, k])
    assert np.allclose(sd, 2.0 / 20, rtol=0.13)  # 18 to 20 pixels along an edge
    wanted = 0.05 * table.centers[:, 0] + 0.15 * table.centers[:, 1]
    assert (
        np.abs(table.frame["pfm_amplitude"] - wanted).max() < 0.7
    )  # noise, and half a pixel of slope
    assert table.units["pfm_amplitude"] == "mV"
    assert table.tiers["pfm_amplitude"] == 2
    same = describe_patches(atoms, sites, xr.Dataset({"pfm_amplitude": channel}), patch_size=40.0)
    assert np.allclose(same.frame["pfm_amplitude"], table.frame["pfm_amplitude"])
    bare = describe_patches(atoms, sites, channel.drop_attrs().rename("a"), patch_size=40.0)
    assert any("noise of channel a was measured on its own" in text for text in bare.warnings)
    j = list(bare.frame.columns).index("a")
    assert np.allclose(np.sqrt(bare.measurement_covariance[:, j, j]), sd, rtol=0.15)


def test_a_coarse_channel_sets_the_patches():
    atoms, sites = crystal()
    coords = {"x": ("x", 15.0 + 30 * np.arange(8), {"units": "pixel"}),
              "y": ("y", 15.0 + 30 * np.arange(7), {"units": "pixel"})}  # fmt: skip
    values = np.arange(56.0).reshape(7, 8)
    channel = xr.DataArray(values, dims=("y", "x"), coords=coords, name="response")
    table = describe_patches(atoms, sites, channel)
    assert table.patch_size == pytest.approx(30.0)
    assert np.allclose(table.frame["response"], values.ravel())
    assert np.allclose(table.centers[9], [45.0, 45.0])


def test_a_small_scan_alone_is_described_in_patches_of_several_pixels():
    rng = np.random.default_rng(0)
    scan = xr.DataArray(rng.normal(size=(64, 64)), dims=("y", "x"), name="height")
    assert describe_patches({"height": scan}).patch_size == 8.0
    cells = xr.DataArray(rng.normal(size=(16, 16)), dims=("y", "x"), name="height")
    assert describe_patches({"height": cells}).patch_size == 1.0
    coords = {dim: (dim, 0.25 * np.arange(256) - 0.375) for dim in ("y", "x")}
    fine = xr.DataArray(rng.normal(size=(256, 256)), dims=("y", "x"), coords=coords)
    assert describe_patches({"height": scan, "fine": fine}).patch_size == 1.0


def test_picture_without_atoms_gets_picture_descriptors():
    y, x = np.mgrid[:128, :128]
    rng = np.random.default_rng(5)
    stripes = np.where(x < 64, np.sin(2 * np.pi * y / 5), 0.0) + rng.normal(0, 0.5, x.shape)
    picture = xr.DataArray(100 + 0.2 * x + stripes, dims=("y", "x"))
    table = describe_patches(None, None, picture, patch_size=32.0)
    left = table.centers[:, 0] < 64
    assert set(table.frame) == {"mean_intensity", "local_variance", "crystallinity", "gradient"}
    frame = table.frame
    assert frame["crystallinity"][left].min() > 2 * frame["crystallinity"][~left].max()
    assert np.allclose(frame["mean_intensity"], 100 + 0.2 * table.centers[:, 0], atol=0.3)
    assert frame["gradient"].mean() == pytest.approx(0.2, abs=0.03)


def test_atoms_without_a_lattice_are_described_and_it_is_said():
    atoms, _ = crystal()
    table = describe_patches(atoms, None, patch_size=60.0)
    assert {"composition", "bond_order"} <= set(table.frame)
    assert any("no lattice" in text for text in table.warnings)


def test_a_perfect_picture_is_told_that_its_patches_are_alike():
    y, x = np.mgrid[:64, :64]
    wave = xr.DataArray(3.0 + np.cos(2 * np.pi * x / 8) + 0.0 * y, dims=("y", "x"))
    with pytest.raises(NotIdentified, match=r"none of the 2 descriptors \(h, h_local_variance\)"):
        describe_patches(
            {"h": wave}, patch_size=16.0, options=PatchOptions(descriptors=("mean", "variance"))
        )


def test_bad_arguments():
    atoms, sites = crystal()
    with pytest.raises(InputError, match="nothing to describe"):
        describe_patches(None)
    with pytest.raises(InputError, match="too large"):
        describe_patches(atoms, sites, patch_size=500.0)
    with pytest.raises(InputError, match="patch_size"):
        describe_patches(atoms, sites, patch_size=-1.0)
    nano = {"x": ("x", np.arange(9.0), {"units": "nm"}), "y": ("y", np.arange(9.0),
            {"units": "nm"})}  # fmt: skip
    channel = xr.DataArray(np.random.default_rng(0).random((9, 9)), dims=("y", "x"), coords=nano)
    with pytest.raises(InputError, match="unit"):
        describe_patches(atoms, sites, channel.rename("a"))
    with pytest.raises(InputError, match="taken"):
        describe_patches(atoms, sites, {"composition": channel})
    with pytest.raises(InputError, match=r"dims \(y, x\)"):
        describe_patches(atoms, sites, {"a": channel.rename(x="z")})
    with pytest.raises(InputError, match="these atoms"):
        describe_patches(atoms.with_changes(positions=atoms.positions + 3.0), sites)
