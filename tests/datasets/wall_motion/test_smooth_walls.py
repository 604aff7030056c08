"""Walls under the space-time prior: against exact posteriors, planted priors and planted walls."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import fft

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    WallPrior,
    make_wall_video,
    measure_velocities,
    smooth_walls,
    track_walls,
)
from physlearn.datasets.wall_motion.space_time_grid import make_grid, solve_grid
from physlearn.datasets.wall_motion.space_time_prior import draw_heights, mode_strengths
from physlearn.lattice_models import simulate_wall
from physlearn.records import WallTrack

PRIOR = WallPrior(power=60.0, correlation_length=8.0, falloff=5.0, rate=0.15)
NOISE = 0.3


def measured(heights, sd, rng, times=None, missing=(), late=0.0):
    """Return a track of the heights with noise along y; ``late``: scan time per column."""
    n_frames, n_points = heights.shape
    times = np.arange(n_frames, dtype=float) if times is None else times
    frame, point = np.mgrid[:n_frames, :n_points]
    noisy = heights + sd * rng.normal(size=heights.shape)
    table = pd.DataFrame({
        "frame": frame.ravel(), "wall": 0, "time": times[frame.ravel()] + late * point.ravel(),
        "x": point.ravel().astype(float), "y": noisy.ravel(), "normal_x": 0.0, "normal_y": 1.0,
        "normal_error": sd, "error_correlation_length": 1.0, "arc_length": point.ravel() * 1.0,
        "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip
    return WallTrack(
        table[~table["frame"].isin(missing)], times, closed={0: False},
        metadata={"point_spacing": 1.0, "smoothing_length": 3.0},
    )  # fmt: skip


def closed_track(radius, sd, rng, center=(50.0, 50.0), n_points=120):
    """Return a track of one closed wall, radius (n_frames, n_points), noise along its radius."""
    n_frames = len(radius)
    angle = 2 * np.pi * np.arange(n_points) / n_points
    frame = np.repeat(np.arange(n_frames), n_points)
    ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    noisy = radius + sd * rng.normal(size=radius.shape)
    points = (np.array(center) + noisy[..., None] * ray).reshape(-1, 2)
    normals = np.tile(ray, (n_frames, 1))
    table = pd.DataFrame({
        "frame": frame, "wall": 4, "time": frame * 1.0, "x": points[:, 0], "y": points[:, 1],
        "normal_x": normals[:, 0], "normal_y": normals[:, 1], "normal_error": sd,
        "error_correlation_length": 0.5, "arc_length": np.tile(angle * radius.mean(), n_frames),
        "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip
    return WallTrack(table, np.arange(n_frames, dtype=float), closed={4: True})


def test_uneven_points_end_at_the_dense_posterior(oracle):
    rng = np.random.default_rng(0)
    n_frames, n_points = 4, 30
    frame = np.repeat(np.arange(n_frames), n_points)
    along = np.sort(rng.uniform(0, 25, (n_frames, n_points)), axis=1).ravel()
    height = np.sin(along / 4) + 0.3 * frame + rng.normal(0, 0.2, along.size)
    variance = rng.uniform(0.02, 0.08, along.size)
    grid = make_grid(
        along, height, variance, frame, np.r_[0.0, np.ones(n_frames - 1)], spacing=1.0,
        period=None, ends=(0.0, 25.0), shift=np.zeros(n_frames),
    )  # fmt: skip
    frames, count = grid.shape
    uniform = (50.0, 0.1)
    posterior = solve_grid(grid, PRIOR, uniform, np.ones(n_frames))
    power, rates = mode_strengths(PRIOR, posterior.waves, grid.spacing, uniform)
    lag = np.abs(np.subtract.outer(np.arange(n_frames), np.arange(n_frames)))
    shapes = fft.idct(np.eye(count), norm="ortho", axis=1)
    full = sum(
        np.kron(size * np.exp(-rate * lag) * (1 + rate * lag), np.outer(shape, shape))
        for size, rate, shape in zip(power, rates, shapes, strict=True)
    )
    gather = np.zeros((along.size, frames * count))
    rows = np.arange(along.size)
    gather[rows, grid.left] += 1 - grid.share
    gather[rows, grid.right] += grid.share
    own = gather @ full @ gather.T + np.diag(1 / grid.weight)
    mean = full @ gather.T @ np.linalg.solve(own, grid.height)
    inner = (slice(None), slice(grid.pad + 2, count - grid.pad - 2))
    off = (posterior.height - mean.reshape(grid.shape))[inner]
    oracle("mean of uneven points", error=np.sqrt(np.mean(off**2)), bound=0.03 * 0.2)


def test_errors_of_contour_velocity_and_curvature_are_calibrated(oracle):
    scores, speeds, bends, better = [], [], [], []
    times = np.arange(20.0)
    waves = np.pi * np.arange(140) / 140
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth = 0.3 * draw_heights(PRIOR, 140, times, rng)
        table = smooth_walls(measured(truth, NOISE, rng)).table
        frame, x = table["frame"].to_numpy(), table["x"].to_numpy()
        line = np.array(
            [np.interp(at, np.arange(140), truth[f]) for f, at in zip(frame, x, strict=True)]
        )
        error = (table["y"].to_numpy() - line) * table["normal_y"].to_numpy()
        scores.append(error / table["normal_error"])
        better.append(np.sqrt(np.mean(error**2)) / NOISE)
        inside = (x > 15) & (x < 124)
        before, after = np.maximum(frame - 1, 0), np.minimum(frame + 1, 19)
        moved = truth[after, np.rint(x).astype(int)] - truth[before, np.rint(x).astype(int)]
        speed = moved / (times[after] - times[before]) * table["normal_y"].to_numpy()
        speeds.append(((table["normal_velocity"] - speed) / table["normal_velocity_error"])[inside])
        smooth = fft.dct(truth, norm="ortho", axis=1) * np.exp(-0.5 * (3 * waves) ** 2)
        second = fft.idct(-(waves**2) * smooth, norm="ortho", axis=1)
        bend = -np.array(
            [np.interp(at, np.arange(140), second[f]) for f, at in zip(frame, x, strict=True)]
        )
        bends.append(((table["curvature"] - bend) / table["curvature_error"])[inside])
    for name, values in (("contour", scores), ("velocity", speeds), ("curvature", bends)):
        spread = [float(np.std(value)) for value in values]
        # the films are independent: their own scatter is the error of the mean
        wide = max(np.std(spread, ddof=1) / 2, 0.02)
        oracle(f"z sd of smoothed {name}", error=np.mean(spread) - 1, bound=0.05 + 4 * wide)
    assert np.mean(better) < 0.6


@pytest.mark.parametrize("gliding", [True, False])
def test_the_strength_is_inferred_with_its_interval(gliding):
    prior = WallPrior(60.0, 8.0, 4.0, 0.15, 1.2, 0.0, gliding)
    rng = np.random.default_rng(3)
    track = measured(draw_heights(prior, 120, np.arange(20.0), rng), 0.2, rng)
    found = smooth_walls(track).metadata["strengths"]["0"]
    assert found["motion"] == ("gliding" if gliding else "diffusing")
    for name in ("power", "correlation_length", "falloff", "rate", "rate_growth"):
        value, low, high = found[name]
        assert low < value < high
    assert found["falloff"][1] - 1 < 4.0 < found["falloff"][2] + 1
    given = smooth_walls(track, strength=prior)
    assert given.metadata["strength_given"] is True
    assert given.metadata["strengths"] == {}


def test_missing_frames_are_filled_and_told():
    rng = np.random.default_rng(1)
    times = np.arange(14.0)
    truth = draw_heights(PRIOR, 100, times, rng)
    smooth = smooth_walls(measured(truth, NOISE, rng, missing=(5, 6)))
    assert smooth.metadata["filled_frames"] == {"0": [5, 6]}
    filled = smooth.table[smooth.table["frame"] == 5]
    seen = smooth.table[smooth.table["frame"] == 3]
    assert filled["normal_error"].median() > 1.3 * seen["normal_error"].median()
    line = np.interp(filled["x"], np.arange(100), truth[5])
    error = (filled["y"] - line) * filled["normal_y"] / filled["normal_error"]
    assert np.abs(error).max() < 6


def test_closed_walls_keep_size_speed_and_curvature(oracle):
    rng = np.random.default_rng(2)
    angle = 2 * np.pi * np.arange(120) / 120
    frames = np.arange(12)
    radius = 20 + 0.4 * frames[:, None] + np.cos(3 * angle)
    smooth = smooth_walls(closed_track(radius, 0.3, rng))
    table = smooth.table
    offset = table[["x", "y"]].to_numpy() - 50.0
    at = np.arctan2(offset[:, 1], offset[:, 0])
    off = np.hypot(*offset.T) - (20 + 0.4 * table["frame"] + np.cos(3 * at))
    assert np.sqrt(np.mean(off**2)) < 0.12
    assert (off / table["normal_error"]).std() == pytest.approx(1.0, abs=0.25)
    speed = table["normal_velocity"].mean()
    oracle("speed of a growing wall", error=speed - 0.4, bound=0.01)
    # the mean curvature of a closed wall is a full turn over its length
    first = table[table["frame"] == 6]
    step = np.hypot(*np.diff(first[["x", "y"]].to_numpy(), axis=0, append=[
        first[["x", "y"]].to_numpy()[0]]).T)  # fmt: skip
    oracle("a full turn", error=(first["curvature"] * step).sum() - 2 * np.pi, bound=0.15)
    assert smooth.closed == {4: True}


def test_a_smoothed_track_says_so_and_round_trips(tmp_path):
    rng = np.random.default_rng(0)
    smooth = smooth_walls(measured(draw_heights(PRIOR, 60, np.arange(5.0), rng), NOISE, rng))
    assert smooth.metadata["smoothed"] is True
    assert any("correlated" in text for text in smooth.warnings)
    smooth.save(tmp_path / "smooth.nc")
    again = WallTrack.load(tmp_path / "smooth.nc")
    assert again.metadata["strengths"] == smooth.metadata["strengths"]
    for refused in (smooth_walls, measure_velocities):
        with pytest.raises(InputError, match="smoothed"):
            refused(again)


def test_places_keep_the_time_at_which_they_were_scanned():
    rng = np.random.default_rng(0)
    truth = np.zeros((6, 80)) + 0.5 * (np.arange(6)[:, None] + 0.004 * np.arange(80))
    table = smooth_walls(measured(truth, 0.05, rng, late=0.004)).table
    late = table["time"] - table["frame"]
    np.testing.assert_allclose(late, 0.004 * table["x"], atol=1e-3)
    assert table["normal_velocity"].mean() == pytest.approx(0.5, abs=0.01)


def test_walls_that_no_chart_holds_stay_as_measured():
    rng = np.random.default_rng(0)
    track = measured(draw_heights(PRIOR, 60, np.arange(4.0), rng), NOISE, rng)
    short = track.table[track.table["x"] < 2].assign(wall=9)
    both = WallTrack(
        pd.concat([track.table, short]), track.frame_times, closed={0: False, 9: False}
    )
    smooth = smooth_walls(both)
    assert smooth.metadata["unsmoothed_walls"] == [9]
    assert any("walls 9 " in text for text in smooth.warnings)
    kept = smooth.table[smooth.table["wall"] == 9]["y"].to_numpy()
    np.testing.assert_array_equal(np.sort(kept), np.sort(short["y"]))
    with pytest.raises(NotIdentified, match="no wall that can be smoothed"):
        smooth_walls(WallTrack(short, track.frame_times, closed={9: False}))


def test_one_frame_is_smoothed_along_the_wall_only():
    rng = np.random.default_rng(0)
    truth = 3 * np.sin(np.arange(90) / 12)[None]
    table = smooth_walls(measured(truth, 0.4, rng)).table
    off = table["y"] - np.interp(table["x"], np.arange(90), truth[0])
    assert np.sqrt(np.mean(off**2)) < 0.25
    assert table["normal_velocity"].isna().all()


def test_what_cannot_be_smoothed_is_said():
    still = simulate_wall(1.0, 1.0, 0.0, start=np.zeros(20), frame_times=[0.0, 1.0], rng=0)
    with pytest.raises(InputError, match="normal errors are 0"):
        smooth_walls(still)
    with pytest.raises(InputError, match="must be a WallTrack"):
        smooth_walls(make_wall_video(n_frames=3, rng=0).video)
    with pytest.raises(InputError, match="WallPrior"):
        smooth_walls(still, strength=3.0)
    back = WallTrack(still.table, still.frame_times[::-1], closed={0: False})
    with pytest.raises(InputError, match="must ascend; frame 1"):
        smooth_walls(back)
    with pytest.raises(InputError, match="rate"):
        WallPrior(1.0, 1.0, 2.0, 0.0)


def test_neither_the_order_of_rows_nor_the_unit_of_length_matters():
    track = track_walls(make_wall_video(n_frames=4, rng=5).video)
    smooth = smooth_walls(track).table
    mixed = replace(track, table=track.table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(smooth_walls(mixed).table, smooth)
    scale = 1e-5
    lengths = ["x", "y", "normal_error", "error_correlation_length", "arc_length"]
    small = track.table.copy()
    small[lengths] *= scale
    names = ("point_spacing", "smoothing_length", "wall_width")
    metadata = {**track.metadata, **{name: scale * track.metadata[name] for name in names}}
    metadata["frame_shift_error"] = [scale * one for one in track.metadata["frame_shift_error"]]
    tiny = smooth_walls(replace(track, table=small, metadata=metadata)).table
    np.testing.assert_allclose(tiny["x"] / scale, smooth["x"], atol=0.01)
    np.testing.assert_allclose(tiny["normal_error"] / scale, smooth["normal_error"], rtol=0.01)
