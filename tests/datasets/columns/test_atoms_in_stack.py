"""The atoms of a stack are those of its frames, whoever finds them and however often it stops."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import (
    StackAtomsOptions,
    find_atoms,
    find_atoms_in_stack,
    link_atoms,
    load_atom_frames,
    open_stack,
)
from physlearn.datasets.columns import atoms_in_stack


@pytest.fixture(scope="module")
def film():
    """Four frames of nine columns that drift, in counts; a scale in nm and s."""
    y, x = np.mgrid[:64, :64]
    rng = np.random.default_rng(5)
    frames = []
    for shift in (0.0, 0.3, 0.7, 1.1):
        mean = np.full((64, 64), 5.0)
        for a in (12, 32, 52):
            for b in (12, 32, 52):
                mean += 150 * np.exp(-((x - a - shift) ** 2 + (y - b) ** 2) / (2 * 2.4**2))
        frames.append(rng.poisson(mean))
    coords = {"time": ("time", np.arange(4) * 0.5, {"units": "s"})}
    coords |= {dim: (dim, np.arange(64) * 0.02, {"units": "nm"}) for dim in ("y", "x")}
    return xr.DataArray(np.array(frames, np.uint16), dims=("time", "y", "x"), coords=coords,
                        attrs={"counts": "known"})  # fmt: skip


def assert_same(found, film, covariance=False):
    for k in range(len(film)):
        alone = find_atoms(film[k].drop_vars("time"))
        for name in ("positions", "position_covariance", "width", "intensity", "intensity_sd"):
            np.testing.assert_array_equal(getattr(found[k], name), getattr(alone, name))
        assert found[k].warnings == alone.warnings
        assert found[k].unit == "nm"
        assert (found[k].covariance is not None) == covariance
        assert not covariance or (found[k].covariance != alone.covariance).nnz == 0


def test_every_frame_is_that_of_find_atoms(tmp_path, film):
    stack = open_stack(film)
    found = find_atoms_in_stack(stack, tmp_path / "a", StackAtomsOptions(keep_covariance=True))
    assert_same(found, film, covariance=True)
    assert found.times.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert found.time_unit == "s"
    assert found.n_atoms.tolist() == [9] * 4
    table = found.table()
    assert list(table.columns[:2]) == ["frame", "time"]
    np.testing.assert_array_equal(table["x"][table["frame"] == 2], found[2].positions[:, 0])
    linked = link_atoms(found, frame_shift=np.zeros((4, 2)))
    assert linked.trajectory.n_particles == 9
    again = load_atom_frames(tmp_path / "a")
    np.testing.assert_array_equal(again[-1].positions, found[3].positions)


@pytest.mark.parametrize("executor", ["threads:2", "processes:2"])
def test_workers_change_nothing(tmp_path, film, executor):
    dask = pytest.importorskip("dask.array")
    lazy = film.copy(data=dask.from_array(film.to_numpy(), chunks=(2, 64, 64)))
    assert_same(find_atoms_in_stack(lazy, tmp_path / "a", executor=executor), film)


def test_what_stopped_goes_on_and_what_is_damaged_is_done_again(tmp_path, film, monkeypatch):
    def stop(done):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_atoms_in_stack(film, tmp_path / "a", progress=stop)
    with pytest.raises(InputError, match="no finished frames"):
        load_atom_frames(tmp_path / "a")
    first = sorted(tmp_path.glob("a/*/*.nc"))[0]
    first.write_bytes(first.read_bytes()[:500])
    fitted = []
    real = find_atoms
    monkeypatch.setattr(
        atoms_in_stack, "find_atoms", lambda *a, **k: fitted.append(1) or real(*a, **k)
    )
    assert_same(find_atoms_in_stack(film, tmp_path / "a"), film)
    assert len(fitted) == 3  # the damaged one and the two that were left
    find_atoms_in_stack(film, tmp_path / "a")
    assert len(fitted) == 3
    with pytest.raises(InputError, match="these settings"):
        find_atoms_in_stack(film, tmp_path / "a", StackAtomsOptions(width=2.4))


def test_iterators_give_their_frames_once(tmp_path, film):
    taken = []

    def frames():
        for k in range(4):
            taken.append(k)
            yield film[k].drop_vars("time")

    assert_same(find_atoms_in_stack(frames(), tmp_path / "a"), film)
    assert taken == [0, 1, 2, 3]
    assert len(find_atoms_in_stack(frames(), tmp_path / "b", StackAtomsOptions(every=3))) == 2


def test_frames_without_atoms_are_said_and_nothing_is_refused_whole(tmp_path, film):
    frames = film.copy(data=film.to_numpy().astype(float))
    frames[1] = 7.0
    found = find_atoms_in_stack(frames, tmp_path / "a")
    assert found.n_atoms.tolist() == [9, 0, 9, 9]
    assert "frame 1 was not fitted: image is constant" in found[1].warnings[0]
    with pytest.raises(InputError, match="no frame can be fitted"):
        find_atoms_in_stack(np.zeros((2, 32, 32)), tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="holds other files"):
        find_atoms_in_stack(film, tmp_path / "c")
    assert (tmp_path / "c" / "mine.txt").read_text() == "kept"


def test_a_zarr_of_all_columns(tmp_path, film, monkeypatch):
    zarr = pytest.importorskip("zarr")
    from physlearn.datasets.reading import zarr_tables

    monkeypatch.setattr(zarr_tables, "ROWS_A_CHUNK", 11)
    found = find_atoms_in_stack(film, tmp_path / "a")
    found.to_zarr(tmp_path / "atoms.zarr")
    group, table = zarr.open_group(tmp_path / "atoms.zarr", mode="r"), found.table()
    assert sorted(group.array_keys()) == sorted(table.columns)
    for name in table:
        np.testing.assert_array_equal(group[name][:], table[name].to_numpy())
    assert group.attrs["time_unit"] == "s"
    with pytest.raises(InputError, match="path must be new"):
        found.to_zarr(tmp_path / "atoms.zarr")
