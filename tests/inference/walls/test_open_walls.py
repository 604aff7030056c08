"""Open walls, levels, laws and scales: planted contour points with known noise."""

from dataclasses import replace

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.fronts.line_kernels import line_rate, propagate_lines
from physlearn.inference.walls.planted_lines import creep_drive, open_wall
from physlearn.inference.walls.wall_dynamics import fit_wall_dynamics
from physlearn.inference.walls.wall_prediction import hold_out_frames, predict_walls
from physlearn.records import WallTrack


@pytest.fixture(scope="module")
def fits():
    return [fit_wall_dynamics(open_wall(np.random.default_rng(k)), rng=k) for k in range(8)]


def changed(track, **new):
    kept = {
        "events": track.events, "drive": track.drive, "closed": track.closed,
        "metadata": track.metadata,
    }  # fmt: skip
    table, times = new.pop("table", track.table), new.pop("frame_times", track.frame_times)
    return WallTrack(table, times, **{**kept, **new})


def test_open_walls_give_mobility_and_tension_without_bias(fits, oracle):
    for name, truth in (("drive_mobility", 0.5), ("curvature_mobility", 0.6)):
        z = np.array([(fit[name].mean() - truth) / fit[name].std() for fit in fits])
        oracle(f"open walls, {name}: mean z", z=z.mean() * np.sqrt(z.size))
        oracle(f"open walls, {name}: sd of z", z=(z.std() - 1) * np.sqrt(2 * z.size))
    assert not any("does not fit" in text for fit in fits for text in fit.warnings)


def test_a_wall_turned_by_any_angle_gives_the_same_numbers(fits):
    track = open_wall(np.random.default_rng(0))
    turn = np.array([[np.cos(2.1), -np.sin(2.1)], [np.sin(2.1), np.cos(2.1)]])
    table = track.table.copy()
    table[["x", "y"]] = table[["x", "y"]].to_numpy() @ turn.T
    table[["normal_x", "normal_y"]] = table[["normal_x", "normal_y"]].to_numpy() @ turn.T
    other = fit_wall_dynamics(changed(track, table=table), rng=0)
    for name in ("drive_mobility", "curvature_mobility"):
        assert other[name].mean() == pytest.approx(
            fits[0][name].mean(), abs=0.3 * fits[0][name].std()
        )


def test_missing_frames_are_bridged_and_row_times_used():
    track = open_wall(np.random.default_rng(1))
    table = track.table[~track.table["frame"].isin([3, 4, 11])].copy()
    fit = fit_wall_dynamics(changed(track, table=table), rng=1)
    assert fit.diagnostics["n_walls"] == 1
    assert abs(fit["drive_mobility"].mean() - 0.5) < 4 * fit["drive_mobility"].std()
    # A frame scanned late by half an interval: points of both frames' middle, told by their times
    late = track.table.copy()
    late["time"] = late["time"] + 0.5
    shifted = fit_wall_dynamics(
        changed(track, table=late, frame_times=track.frame_times + 0.5), rng=1
    )
    plain = fit_wall_dynamics(track, rng=1)
    assert shifted["drive_mobility"].mean() == pytest.approx(
        plain["drive_mobility"].mean(), rel=1e-3
    )


def test_levels_and_creep_through_them():
    rng = np.random.default_rng(2)
    drive, speed = creep_drive(30, 0.5, rng)
    track = open_wall(rng, n_frames=30, velocities=speed, drive=drive)
    fit = fit_wall_dynamics(track, law="creep", rng=1)
    levels = fit.idata["posterior"]["drive_level"].to_numpy()
    truth = 3.0 * np.exp(-((2.0 / levels) ** 0.5))
    z = (fit["level_velocity"].mean(axis=0) - truth) / fit["level_velocity"].std(axis=0)
    assert (np.abs(z) < 4).all()
    low, high = np.quantile(fit["creep_exponent"], [1e-3, 1 - 1e-3])
    assert low < 0.5 < high
    two = np.where(drive > 1.0, 1.0, 0.5)
    with pytest.raises(NotIdentified, match="cannot test a creep exponent"):
        fit_wall_dynamics(track, drive=two, law="creep", rng=1)


def test_mobility_and_tension_only_with_a_scale(fits):
    track = open_wall(np.random.default_rng(0))
    assert "mobility" not in fits[0].variables
    by_tension = fit_wall_dynamics(track, tension=(2.0, 0.02), rng=0)
    by_pressure = fit_wall_dynamics(track, drive_pressure=(1.0 / 0.6, 0.02), rng=0)
    for fit in (by_tension, by_pressure):
        assert abs(fit["mobility"].mean() - 0.3) < 4 * fit["mobility"].std() < 0.1
        assert abs(fit["tension"].mean() - 2.0) < 4 * fit["tension"].std() + 1e-3
    with pytest.raises(NotIdentified, match="contradict"):
        fit_wall_dynamics(track, tension=(2.0, 0.02), drive_pressure=(30.0, 0.1), rng=0)
    with pytest.raises(InputError, match="fixes no scale"):
        fit_wall_dynamics(track, tension=(1.0, 1.0))


def test_smoothed_tracks_and_wrong_data_are_refused():
    track = open_wall(np.random.default_rng(0))
    with pytest.raises(InputError, match="smoothed"):
        fit_wall_dynamics(changed(track, metadata={"smoothed": True}))
    with pytest.raises(InputError, match="values 0 and 1"):
        fit_wall_dynamics(np.full((3, 4, 4), 0.5))
    with pytest.raises(InputError, match="flip_rate"):
        fit_wall_dynamics(track, flip_rate=0.01)


@pytest.mark.parametrize("n_held", [4])
def test_held_out_frames_lie_in_the_fan(n_held, oracle):
    inside, points, better = 0.0, 0, []
    for seed in range(2):
        seen, held = hold_out_frames(open_wall(np.random.default_rng(seed)), n_held)
        fit = fit_wall_dynamics(seen, rng=seed)
        forecast = predict_walls(fit, seen, n_held, drive=held.drive, n_futures=200, rng=seed)
        table = forecast.score(held)
        inside += (table["covered"] * table["n_points"]).sum()
        points += int(table["n_points"].sum())
        better.append(table["rmse"] < table[["persistence_rmse", "steady_rmse"]].min(axis=1))
    # The points' errors are independent, and most of the spread
    oracle("open walls ahead: cov90", z=(inside / points - 0.9) / np.sqrt(0.09 / points) / 2)
    assert np.mean(better) > 0.9


def test_forecasts_keep_the_drive_and_the_units_of_their_fit():
    seen, held = hold_out_frames(open_wall(np.random.default_rng(0), n_frames=10), 2)
    plain = predict_walls(fit_wall_dynamics(seen, rng=1), seen, 2, drive=held.drive, rng=1)
    scaled = fit_wall_dynamics(seen, drive=1000 * seen.drive, rng=1)
    other = predict_walls(scaled, seen, 2, drive=1000 * held.drive, rng=1)
    for one, two in zip(plain.score(held)["rmse"], other.score(held)["rmse"], strict=True):
        assert one == pytest.approx(two, rel=0.05)
    renamed = replace(seen, unit="nm")
    with pytest.raises(InputError, match="the unit 'pixel' and the track 'nm'"):
        predict_walls(scaled, renamed, 2)
    with pytest.raises(InputError, match="put the drive into the track"):
        predict_walls(scaled, hold_out_frames(seen, 1)[0], 2)
    with pytest.raises(InputError, match="whole number"):
        predict_walls(scaled, seen, 2.5)
    with pytest.raises(InputError, match="WallTrack"):
        predict_walls(scaled, None, 2)


def test_compiled_lines_equal_python():
    rng = np.random.default_rng(0)
    start = np.cumsum(0.3 * rng.standard_normal(24))
    args = (np.array([[0.3, -0.2]]), np.array([0.4]), np.ones(2), np.array([3, 4]), 1.0)
    one, two = np.empty((3, 1, 24)), np.empty((3, 1, 24))
    propagate_lines(start[None].copy(), *args, one)
    propagate_lines.py_func(start[None].copy(), *args, two)
    np.testing.assert_allclose(one, two, rtol=1e-12)
    rates = np.empty(24), np.empty(24)
    line_rate(start, 0.2, 0.3, 0.5, rates[0])
    line_rate.py_func(start, 0.2, 0.3, 0.5, rates[1])
    np.testing.assert_allclose(*rates, rtol=1e-12)


def test_a_parabola_grows_as_the_law_says():
    # u = -a x^2 with small slopes: du/dt = F + C u'' = F - 2 a C
    x = np.arange(-20.0, 20.5, 0.5)
    frames = np.empty((2, 1, x.size))
    a = 1e-4
    propagate_lines((-a * x**2)[None], np.array([[0.3]]), np.array([0.5]), np.ones(1),
                    np.array([8]), 0.5, frames)  # fmt: skip
    middle = slice(30, -30)
    moved = (frames[1, 0] - frames[0, 0])[middle]
    np.testing.assert_allclose(moved, 0.3 * (1 + 2 * (a * x[middle]) ** 2) - 2 * a * 0.5, atol=1e-6)
