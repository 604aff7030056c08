"""Tiles give what the whole picture gives, resume, and keep their covariance on disk."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.datasets import (
    ImagingSettings,
    find_atoms,
    find_atoms_in_tiles,
    image_columns,
    read_tile_covariance,
)
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.recorded_settings import recorded_options
from physlearn.records import AtomicConfiguration


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(3)
    j, i = np.mgrid[:30, :36]
    places = 12.0 * (np.stack([i.ravel(), j.ravel()], 1) + 1.2) + rng.normal(0, 0.4, (1080, 2))
    settings = ImagingSettings(width_px=2.2)
    return image_columns(places, 100.0, (374, 446), settings, rng=rng).image.to_numpy()


@pytest.fixture(scope="module")
def whole(counts):
    return find_atoms(counts, noise="poisson")


def test_tiles_equal_the_whole_picture(counts, whole, tmp_path):
    path = tmp_path / "atoms.nc"
    heard = []
    atoms = find_atoms_in_tiles(
        counts, path, noise="poisson", tile=150, progress=lambda share, word: heard.append(share)
    )
    assert atoms.metadata["tiles"] == 6
    assert atoms.n == whole.n
    distance, near = cKDTree(atoms.positions).query(whole.positions)
    assert len(np.unique(near)) == atoms.n
    # noise, prior of the widths and where sweeps stop are each tile's own
    sd = np.sqrt(whole.position_covariance[:, 0, 0])
    assert np.sqrt(np.mean((distance / sd) ** 2)) < 0.2
    assert heard[-1] == 1.0
    assert heard == sorted(heard)
    assert AtomicConfiguration.load(path).n == atoms.n
    joint = read_tile_covariance(path)
    order = (4 * near[:, None] + np.arange(4)).ravel()
    mine = joint.tocsr()[order][:, order]
    root = np.sqrt(whole.covariance.diagonal())
    difference = (mine - whole.covariance).tocoo()
    relative = np.abs(difference.data) / (root[difference.row] * root[difference.col])
    places = (difference.row % 4 < 2) & (difference.col % 4 < 2)
    assert np.quantile(relative[places], 0.999) < 0.05
    widths = (difference.row % 4 == 3) | (difference.col % 4 == 3)
    assert np.quantile(relative[~widths], 0.999) < 0.25
    # the prior of the widths is each tile's own: a scatter of .010 to .013 about their mean, as
    # 300 to 440 columns of a tile have it; errors of widths follow it, those of places do not
    assert np.quantile(relative[widths], 0.999) < 0.72
    np.testing.assert_allclose(atoms.position_covariance[:, 0, 0], joint.diagonal()[::4], rtol=1e-4)
    some = read_tile_covariance(path, [5, 2]).toarray()
    dense = joint.toarray()
    pick = np.r_[20:24, 8:12]
    np.testing.assert_allclose(some, dense[np.ix_(pick, pick)])


def test_work_goes_on_after_an_interruption(counts, whole, tmp_path):
    np.save(tmp_path / "picture.npy", counts.astype(np.float32))
    path = tmp_path / "atoms.nc"

    def stop(share, word):
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_atoms_in_tiles(
            tmp_path / "picture.npy", path, noise="poisson", tile=150, progress=stop
        )
    tiles = sorted((tmp_path / "atoms.nc.tiles").glob("*.npz"))
    assert 0 < len(tiles) < 6
    before = [tile.stat().st_mtime_ns for tile in tiles]
    with pytest.raises(InputError, match="holds others"):
        find_atoms_in_tiles(counts + 1.0, path, noise="poisson", tile=150)
    seen = []

    def look(share, word):
        seen.append([tile.stat().st_mtime_ns for tile in tiles if tile.exists()])

    atoms = find_atoms_in_tiles(
        tmp_path / "picture.npy", path, noise="poisson", tile=150, progress=look
    )
    assert seen[0] == before
    assert abs(atoms.n - whole.n) <= 1
    assert not (tmp_path / "atoms.nc.tiles").exists()


def test_units_are_kept(counts, tmp_path):
    image = xr.DataArray(
        counts[:200, :260], dims=("y", "x"), attrs={"counts": "known"},
        coords={"y": ("y", 5.0 + 0.02 * np.arange(200), {"units": "nm"}),
                "x": ("x", 0.02 * np.arange(260) - 1.0, {"units": "nm"})},
    )  # fmt: skip
    pixel = find_atoms_in_tiles(counts[:200, :260], tmp_path / "a.nc", noise="poisson", tile=130)
    atoms = find_atoms_in_tiles(image, tmp_path / "b.nc", tile=130)
    assert atoms.unit == "nm"
    np.testing.assert_allclose(atoms.positions, pixel.positions * 0.02 + [-1.0, 5.0])
    one, two = read_tile_covariance(tmp_path / "a.nc"), read_tile_covariance(tmp_path / "b.nc")
    np.testing.assert_allclose(two.diagonal()[::4], one.diagonal()[::4] * 0.02**2, rtol=1e-5)
    np.testing.assert_allclose(two.diagonal()[2::4], one.diagonal()[2::4], rtol=1e-5)


def test_dimensions_in_any_order(counts, tmp_path):
    image = xr.DataArray(counts[:160, :260], dims=("y", "x"), attrs={"counts": "known"})
    one = find_atoms_in_tiles(image, tmp_path / "a.nc", tile=130)
    two = find_atoms_in_tiles(image.transpose("x", "y"), tmp_path / "b.nc", tile=130)
    assert two.field_of_view == (0.0, 0.0, 259.0, 159.0)
    np.testing.assert_array_equal(two.positions, one.positions)


@pytest.mark.parametrize("masked", [(0, 150), (0, 400), (60, 420)])
def test_masked_tiles_are_empty(counts, whole, masked, tmp_path):
    mask = np.ones(counts.shape, dtype=np.bool_)
    mask[:, slice(*masked)] = False
    atoms = find_atoms_in_tiles(
        counts, tmp_path / "a.nc", noise="poisson", tile=150, mask=mask, width=2.2
    )
    x = whole.positions[:, 0]
    clear = whole.positions[(x < masked[0] - 5) | (x > masked[1] + 5)]
    distance, _ = cKDTree(atoms.positions).query(clear)
    assert distance.max() < 0.5
    hidden = (atoms.positions[:, 0] > masked[0] + 4) & (atoms.positions[:, 0] < masked[1] - 4)
    assert not hidden.any()
    assert np.isfinite(atoms.metadata["noise_gain"])
    assert read_tile_covariance(tmp_path / "a.nc").shape == (4 * atoms.n, 4 * atoms.n)


def test_width_is_measured_where_pixels_count(counts, monkeypatch, tmp_path):
    from physlearn.datasets.columns import tiles

    monkeypatch.setattr(tiles, "SAMPLE_PX", 128)
    mask = np.ones(counts.shape, dtype=np.bool_)
    mask[100:280, 130:320] = False
    atoms = find_atoms_in_tiles(counts, tmp_path / "a.nc", noise="poisson", mask=mask)
    assert abs(atoms.metadata["column_width_px"] / 2.2 - 1) < 0.05


def test_settings_are_kept(counts, tmp_path):
    options = FindAtomsOptions(polarity="dark", row_levels=True)
    atoms = find_atoms_in_tiles(200.0 - counts[:150, :150], tmp_path / "a.nc", options=options)
    assert atoms.metadata["noise_model"] == "gaussian"
    assert atoms.metadata["polarity"] == "dark"
    assert recorded_options(AtomicConfiguration.load(tmp_path / "a.nc").metadata) == options


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": np.ones((128, 128), dtype=np.bool_)}, "mask must be a boolean array"),
        ({"mask": np.ones((64, 64))}, "mask must be a boolean array"),
        ({"mask": np.zeros((64, 64), dtype=np.bool_)}, "nothing of the picture"),
        ({"noise": "foo"}, "noise must be one of"),
        ({"tile": 50}, "at least 128"),
        ({"image": np.ones((4, 64, 64))}, "shape"),
        ({"image": "picture.tif"}, "NPY"),
        ({"path": "/nowhere/atoms.nc"}, "does not"),
    ],
)
def test_bad_arguments(change, words, tmp_path):
    rng = np.random.default_rng(0)
    arguments = {"image": rng.random((64, 64)), "path": tmp_path / "a.nc", "width": 2.0} | change
    with pytest.raises(InputError, match=words):
        find_atoms_in_tiles(**arguments)


def test_atoms_that_are_not_there_are_refused(tmp_path):
    counts = np.random.default_rng(0).poisson(10.0, (130, 130)).astype(float)
    atoms = find_atoms_in_tiles(counts, tmp_path / "a.nc", noise="poisson", width=2.0)
    assert atoms.n == 0
    with pytest.raises(InputError, match="which"):
        read_tile_covariance(tmp_path / "a.nc", [0])
    with pytest.raises(FileNotFoundError):
        read_tile_covariance(tmp_path / "none.nc")


@pytest.mark.parametrize("kind", ["dask", "zarr", "hdf5", "zarr file", "hdf5 file"])
def test_parts_of_a_lazy_picture_are_those_of_the_array(counts, tmp_path, kind):
    h5py, dask = pytest.importorskip("h5py"), pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr")
    small = counts[:140, :270]
    one = find_atoms_in_tiles(small, tmp_path / "whole.nc", noise="poisson", width=2.2, tile=140)
    if kind == "dask":
        image = dask.from_array(small, chunks=(64, 64))
    elif kind.startswith("zarr"):
        path = tmp_path / "picture.zarr"
        stored = zarr.create_array(str(path), shape=small.shape, chunks=(64, 64), dtype="f8")
        stored[:] = small
        image = path if kind == "zarr file" else stored
    else:
        path = tmp_path / "picture.h5"
        with h5py.File(path, "w") as file:
            file["picture"] = small
        image = path if kind == "hdf5 file" else h5py.File(path, "r")["picture"]
    found = find_atoms_in_tiles(image, tmp_path / "a.nc", noise="poisson", width=2.2, tile=140)
    np.testing.assert_array_equal(found.positions, one.positions)
    np.testing.assert_array_equal(found.intensity, one.intensity)
    assert found.unit == "pixel"
