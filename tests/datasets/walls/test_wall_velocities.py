"""Velocities between neighbouring frames: exact on known motion, calibrated under noise."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.datasets import measure_velocities
from physlearn.datasets.walls.velocity_kernels import crossings
from physlearn.records import WallTrack


def straight(positions, sd, rng, *, times=None, late=0.0, n_points=200, frames=None, shift=None):
    """Return a track of a straight wall at heights (n_frames,), noise along its normal."""
    n_frames = len(positions)
    times = np.arange(n_frames, dtype=float) if times is None else np.asarray(times, float)
    frame, point = (grid.ravel() for grid in np.mgrid[:n_frames, :n_points])
    # points lie elsewhere along the wall in every frame
    x = point + rng.uniform(0, 1, n_frames)[frame]
    table = pd.DataFrame({
        "frame": frame, "wall": 2, "time": times[frame] + late * x, "x": x,
        "y": np.asarray(positions)[frame] + sd * rng.normal(size=frame.size), "normal_x": 0.0,
        "normal_y": 1.0, "normal_error": sd, "error_correlation_length": 1.0, "arc_length": x,
        "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip
    metadata = {"point_spacing": 1.0}
    if shift is not None:
        metadata["frame_shift_error"] = list(shift)
    if frames is not None:
        table = table[table["frame"].isin(frames)]
    return WallTrack(table, times, closed={2: False}, metadata=metadata)


def test_a_straight_wall_has_its_speed_at_its_own_scan_times():
    positions = np.array([0.0, 1.0, 3.0, 3.5])
    times = np.array([0.0, 1.0, 2.0, 4.0])
    for late in (0.0, 0.002):
        # a place that is scanned later is found where the wall is by then
        track = straight(positions, 0.0, np.random.default_rng(0), times=times, late=late)
        table = measure_velocities(track).table
        inner = (table["x"] > 1) & (table["x"] < 199)
        speed = table[inner].groupby("frame")["normal_velocity"].median()
        np.testing.assert_allclose(speed, [1.0, 1.5, 2.5 / 3, 0.25], rtol=1e-9)
    moving = straight(positions * 0, 0.0, np.random.default_rng(0), late=0.002)
    moving.table["y"] += 0.5 * moving.table["time"]
    table = measure_velocities(moving).table
    found = table["normal_velocity"].dropna() * np.hypot(1, 0.001)
    np.testing.assert_allclose(found, 0.5, atol=1e-3)


def test_errors_are_calibrated_in_the_middle_and_at_the_ends(oracle):
    rng = np.random.default_rng(0)
    track = straight(np.arange(40) * 0.3, 0.2, rng, n_points=300, shift=np.full(40, 0.0))
    table = measure_velocities(track).table
    score = (table["normal_velocity"] - 0.3) / table["normal_velocity_error"]
    ends = table["frame"].isin((0, 39))
    for name, rows, count in (("between", ~ends, 12000), ("at the ends", ends, 600)):
        spread = float(score[rows].dropna().std())
        # neighbours share a point's error: half the velocities are independent
        oracle(f"z sd of velocities {name}", z=(spread - 1) * np.sqrt(count))
    assert score.isna().mean() < 0.01


def test_the_shift_of_a_whole_frame_is_in_the_error(oracle):
    rng = np.random.default_rng(1)
    shift = rng.normal(0, 0.3, 400)
    track = straight(shift, 0.05, rng, n_points=20, shift=np.full(400, 0.3))
    table = measure_velocities(track).table
    score = (table["normal_velocity"] / table["normal_velocity_error"]).dropna()
    per_frame = score.groupby(table["frame"]).mean()
    oracle("z sd under frame shifts", z=(per_frame.std() - 1) * np.sqrt(400))


def test_the_first_and_last_frame_carry_their_own_shift_too(oracle):
    rng = np.random.default_rng(2)
    means = []
    for _ in range(200):
        track = straight(rng.normal(0, 0.3, 2), 0.02, rng, n_points=12, shift=np.full(2, 0.3))
        table = measure_velocities(track).table
        score = table["normal_velocity"] / table["normal_velocity_error"]
        means += score.groupby(table["frame"]).mean().tolist()
    # both frames of a film see the same two shifts: 200 independent numbers
    oracle("z sd under shifts of two frames", z=(np.std(means) - 1) * np.sqrt(2 * 200))
    still = straight([0.0, 0.0], 0.0, rng, n_points=12, shift=[0.3, 0.4])
    found = measure_velocities(still).table["normal_velocity_error"].dropna()
    np.testing.assert_allclose(found, 0.5)


def two_strands(gap, motion, frames=4, gone=None):
    """Return one wall of two strands ``gap`` apart that face alike; ``gone`` lacks the first."""
    rows = []
    for frame in range(frames):
        for strand in (0, 1):
            if frame == gone and strand == 0:
                continue
            x = np.arange(40.0)
            rows.append(pd.DataFrame({
                "frame": frame, "wall": 0, "time": float(frame), "x": x,
                "y": strand * gap + motion * frame, "normal_x": 0.0, "normal_y": 1.0,
                "normal_error": 0.1, "error_correlation_length": 1.0,
                "arc_length": x + 1000.0 * strand, "curvature": 0.0, "normal_velocity": np.nan,
            }))  # fmt: skip
    metadata = {"point_spacing": 1.0}
    return WallTrack(
        pd.concat(rows), np.arange(float(frames)), closed={0: False}, metadata=metadata
    )


@pytest.mark.parametrize("gap", [12.0, 58.0])
def test_a_wall_whose_strand_splits_off_has_not_jumped_to_the_other(gap):
    # in the last frame the first strand is another wall's
    track = two_strands(gap, 0.4, gone=3)
    found = measure_velocities(track)
    np.testing.assert_allclose(found.table["normal_velocity"].dropna(), 0.4)
    lost = f"{40} of {len(track.table)} points have no velocity from one or both neighbouring"
    assert [text[: len(lost)] for text in found.warnings] == [lost]
    # frame 2 still knows where its first strand was before
    assert found.table["normal_velocity"].notna().all()
    assert measure_velocities(found).warnings == found.warnings


@pytest.mark.parametrize("motion", [2.0, 9.0, -25.0])
def test_a_wall_that_moves_far_keeps_its_velocity(motion):
    found = measure_velocities(two_strands(200.0, motion))
    np.testing.assert_allclose(found.table["normal_velocity"], motion)
    assert found.warnings == ()


def test_frames_without_the_wall_are_bridged():
    track = straight(np.arange(6.0), 0.0, np.random.default_rng(0), frames=(0, 1, 4, 5))
    table = measure_velocities(track).table
    speed = table.groupby("frame")["normal_velocity"].median()
    np.testing.assert_allclose(speed, 1.0)
    assert list(speed.index) == [0, 1, 4, 5]
    alone = measure_velocities(straight([0.0, 1.0], 0.1, np.random.default_rng(0), frames=(0,)))
    assert alone.table["normal_velocity"].isna().all()


def test_a_growing_disc_and_a_gap():
    angle = 2 * np.pi * np.arange(150) / 150
    tables = []
    for frame in range(4):
        turned = angle + 0.3 * frame
        ray = np.stack([np.cos(turned), np.sin(turned)], axis=1)
        points = (20 + 0.5 * frame) * ray
        tables.append(pd.DataFrame({
            "frame": frame, "wall": 0, "time": float(frame), "x": points[:, 0], "y": points[:, 1],
            "normal_x": ray[:, 0], "normal_y": ray[:, 1], "normal_error": 0.1,
            "error_correlation_length": 1.0, "arc_length": 20 * angle, "curvature": 0.05,
            "normal_velocity": np.nan,
        }))  # fmt: skip
    table = pd.concat(tables)
    closed = measure_velocities(WallTrack(table, np.arange(4.0), closed={0: True})).table
    np.testing.assert_allclose(closed["normal_velocity"], 0.5, atol=0.02)
    # cut a piece out of frame 2: points of frames 1 and 3 that face it have one neighbour less
    gap = table[(table["frame"] != 2) | (table["arc_length"] < 80)]
    spacing = {"point_spacing": 0.85}
    cut = measure_velocities(
        WallTrack(gap, np.arange(4.0), closed={0: False}, metadata=spacing)
    ).table
    last = cut[cut["frame"] == 3]
    assert 0.2 < last["normal_velocity"].isna().mean() < 0.5
    np.testing.assert_allclose(cut["normal_velocity"].dropna(), 0.5, atol=0.02)


def test_the_compiled_kernel_is_its_python_form():
    track = straight([0.0, 0.4], 0.2, np.random.default_rng(0), n_points=30)
    table = track.table
    starts = np.array([0, 30, 60])
    places = table[["x", "y", "normal_x", "normal_y"]].to_numpy()
    scatter = np.column_stack([table["normal_error"], np.zeros(60), table["time"]])
    found = []
    for function in (crossings, crossings.py_func):
        result = np.zeros((60, 3))
        function(
            starts, np.array([1, 0]), np.zeros(2, bool), np.ascontiguousarray(places), scatter,
            3.0, result,
        )  # fmt: skip
        found.append(result)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_other_things_are_refused():
    with pytest.raises(InputError, match="must be a WallTrack"):
        measure_velocities(np.zeros(3))
