"""Kinds of walls from a second channel, and distances to features in closed form."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import classify_walls, measure_feature_distance
from physlearn.records import WallTrack


def straight(x, wall, n=60, error=0.1):
    """Points of a wall along y at one x, normal along x."""
    y = np.linspace(2.0, 61.0, n)
    return pd.DataFrame({
        "frame": 0, "wall": wall, "time": 0.0, "x": float(x), "y": y, "normal_x": 1.0,
        "normal_y": 0.0, "normal_error": error, "error_correlation_length": 1.0,
        "arc_length": y - y[0], "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip


@pytest.fixture
def track():
    table = pd.concat([straight(16, 0), straight(40, 1)], ignore_index=True)
    return WallTrack(table, [0.0], metadata={"wall_width": 2.0})


def channel(noise, seed, edge=40.0, partial=None):
    """Return a channel that steps at one x, in some rows only."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    steps = np.tanh((x - edge) / 2.0)
    if partial is not None:
        steps = np.where(y < partial, steps, -1.0)
    return xr.DataArray(5.0 + 0.5 * steps + noise * rng.standard_normal((64, 64)), dims=("y", "x"))


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_wall_where_the_channel_steps_is_ferroelastic(track, noise):
    kinds = [classify_walls(track, channel(noise, seed)).kinds for seed in range(10)]
    assert kinds == [{0: "ferroelectric", 1: "ferroelastic"}] * 10


def test_a_wall_that_is_half_of_each_kind_is_unknown(track):
    found = classify_walls(track, channel(0.1, 1, partial=32))
    assert found.kinds == {0: "ferroelectric", 1: "unknown"}
    assert found.metadata["ferroelastic_share"][1] == pytest.approx(0.5, abs=0.06)


def test_a_channel_without_two_levels_is_refused(track):
    noise = np.random.default_rng(1).standard_normal((64, 64))
    with pytest.raises(NotIdentified, match="no two levels"):
        classify_walls(track, xr.DataArray(noise, dims=("y", "x")))
    with pytest.raises(InputError, match="one frame or the track's 1"):
        classify_walls(track, xr.DataArray(np.zeros((3, 64, 64)), dims=("time", "y", "x")))
    with pytest.raises(InputError, match="dims"):
        classify_walls(track, noise)


def test_distance_to_another_wall_with_both_errors(track):
    other = WallTrack(straight(28, 0, n=600, error=0.3), [0.0])
    found = measure_feature_distance(track, other).table
    assert found["feature_distance"].to_numpy() == pytest.approx(12.0, abs=1e-3)
    assert found["feature_distance_error"].to_numpy() == pytest.approx(np.hypot(0.1, 0.3), rel=1e-3)


def test_distance_to_a_mask_is_zero_inside(track):
    mask = xr.DataArray(np.zeros((64, 64), bool), dims=("y", "x"))
    mask[:, 30:45] = True
    found = measure_feature_distance(track, mask).table
    near = found["wall"] == 1
    assert (found["feature_distance"][near] == 0).all()
    assert found["feature_distance"][~near].to_numpy() == pytest.approx(29.5 - 16.0, abs=0.01)


def test_distance_to_the_border_of_a_channel(track):
    errors = []
    for seed in range(20):
        found = measure_feature_distance(track, channel(0.1, seed, edge=29.3)).table
        rows = (found["wall"] == 0) & found["y"].between(8, 56)
        errors.append((found["feature_distance"] - 13.3)[rows].mean())
        scatter = (found["feature_distance"] - 13.3)[rows].std()
        assert scatter < 1.5 * found["feature_distance_error"][rows].mean()
    # the nearest point of a rough border is a little nearer than the border
    assert abs(np.mean(errors)) < 0.12


def test_features_that_do_not_fit_are_refused(track):
    with pytest.raises(NotIdentified, match="nowhere"):
        empty = xr.DataArray(np.zeros((64, 64), bool), dims=("y", "x"))
        measure_feature_distance(track, empty)
    with pytest.raises(InputError, match="unit"):
        measure_feature_distance(track, WallTrack(straight(3, 0), [0.0], unit="nm"))
    with pytest.raises(InputError, match="must be a WallTrack"):
        measure_feature_distance(track, 3.0)
    with pytest.raises(NotIdentified, match="one level"):
        noise = np.random.default_rng(1).standard_normal((64, 64))
        measure_feature_distance(track, xr.DataArray(noise, dims=("y", "x")))


def _placed(step_x, step_y, unit):
    y, x = (np.arange(64) * step for step in (step_y, step_x))
    coords = {
        "x": xr.Variable("x", x, attrs={"units": unit}),
        "y": xr.Variable("y", y, attrs={"units": unit}),
    }
    return xr.DataArray(np.tile(np.where(np.arange(64) < 30, 0.0, 1.0), (64, 1)), dims=("y", "x"),
                        coords=coords)  # fmt: skip


@pytest.mark.parametrize("measure", [classify_walls, measure_feature_distance])
def test_channels_in_other_units_or_on_other_grids_are_refused(track, measure):
    with pytest.raises(InputError, match="square pixels"):
        measure(track, _placed(1.0, 0.5, "pixel"))
    with pytest.raises(InputError, match="unit pixel; its x is in nm"):
        measure(track, _placed(1.0, 1.0, "nm"))
    uneven = _placed(1.0, 1.0, "pixel")
    uneven = uneven.assign_coords(x=np.where(np.arange(64) < 9, 0.0, 30.0) + np.arange(64))
    with pytest.raises(InputError, match="evenly spaced"):
        measure(track, uneven)
    with pytest.raises(InputError, match="track must be a WallTrack; got str"):
        measure("a", _placed(1.0, 1.0, "pixel"))
    with pytest.raises((InputError, NotIdentified), match="seen"):
        measure(track, _placed(1.0, 1.0, "pixel") * np.nan)
    with pytest.raises(InputError, match="evenly spaced"):
        measure(track, xr.DataArray(np.ones((1, 1)), dims=("y", "x")))
    with pytest.raises(InputError, match="dims"):
        measure(track, xr.DataArray(np.ones(64), dims="x"))
