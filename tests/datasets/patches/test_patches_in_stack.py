"""The patches of a stack are those of the film in memory, to the last digit."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import PatchOptions, describe_patches, describe_patches_in_stack
from physlearn.datasets.patches import patches_in_stack
from physlearn.records import PatchTable


def film_of(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :80]
    base = np.sin(x / 6.0 + seed) * np.cos(y / 9.0)
    values = np.array([scale * (base + 0.1 * k * np.cos(x / 11.0)) for k in range(5)])
    values += rng.normal(0, 0.2, values.shape)
    coords = {"time": ("time", np.arange(5) * 2.0, {"units": "s"})}
    coords |= {"y": ("y", np.arange(64) * 0.5, {"units": "nm"}),
               "x": ("x", np.arange(80) * 0.5, {"units": "nm"})}  # fmt: skip
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords,
                        attrs={"units": "V", "warnings": ("of the file",)})  # fmt: skip


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)
    pd.testing.assert_frame_equal(one.covariates, other.covariates, check_exact=True)
    np.testing.assert_array_equal(one.centers, other.centers)
    if one.measurement_covariance is None:
        assert other.measurement_covariance is None
    else:
        np.testing.assert_array_equal(one.measurement_covariance, other.measurement_covariance)
    for name in ("patch_size", "unit", "units", "tiers", "derived", "flags", "errors_unknown",
                 "overlap", "selection", "error_correlation_length", "metadata",
                 "warnings"):  # fmt: skip
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("covariance", ["auto", "pooled"])
def test_a_film_alone(tmp_path, covariance):
    dask = pytest.importorskip("dask.array")
    film = film_of(1)
    options = PatchOptions(covariance=covariance, drift=np.zeros((5, 2)), overlap=0.25)
    whole = describe_patches(film, patch_size=8.0, options=options)
    lazy = film.copy(data=dask.from_array(film.to_numpy(), chunks=(2, 64, 80)))
    found = describe_patches_in_stack(lazy, tmp_path / "a.nc", patch_size=8.0, options=options)
    assert_same(found, whole)
    assert_same(PatchTable.load(tmp_path / "a.nc"), whole)
    assert [one.name for one in tmp_path.iterdir()] == ["a.nc"]


def test_channels_with_gaps_and_workers(tmp_path):
    films = {"height": film_of(1), "phase": film_of(2, 40.0).assign_attrs(units="deg")}
    films["height"][3, 10:40, 20:50] = np.nan
    whole = describe_patches(films, patch_size=8.0)
    found = describe_patches_in_stack(films, tmp_path / "a.nc", patch_size=8.0,
                                      executor="threads:2")  # fmt: skip
    assert_same(found, whole)
    assert found.n_patches < 5 * 20


def test_what_stopped_goes_on(tmp_path, monkeypatch):
    film = film_of(4)

    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe_patches_in_stack(film, tmp_path / "a.nc", patch_size=8.0, progress=stop)
    assert not (tmp_path / "a.nc").exists()
    with pytest.raises(InputError, match="these settings"):
        describe_patches_in_stack(film, tmp_path / "a.nc", patch_size=4.0)
    done = []
    real = patches_in_stack.collect_blocks
    monkeypatch.setattr(
        patches_in_stack, "collect_blocks", lambda *a, **k: done.append(k["frame"]) or real(*a, **k)
    )
    found = describe_patches_in_stack(film, tmp_path / "a.nc", patch_size=8.0)
    assert done == [3, 4]
    assert_same(found, describe_patches(film, patch_size=8.0))


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="mapping is empty"):
        describe_patches_in_stack({}, tmp_path / "a.nc")
    with pytest.raises(InputError, match="same frames"):
        describe_patches_in_stack({"a": film_of(1), "b": film_of(1)[:4]}, tmp_path / "a.nc")
    monkeypatch.setattr(patches_in_stack, "free_memory_bytes", lambda: 1000)
    with pytest.raises(InputError, match="larger patches"):
        describe_patches_in_stack(film_of(1), tmp_path / "a.nc", patch_size=8.0)
