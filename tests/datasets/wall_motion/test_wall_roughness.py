"""Roughness exponents of lines whose exponent is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.datasets import (
    WallSceneOptions,
    make_wall_scene,
    make_wall_video,
    measure_roughness,
    track_walls,
)
from physlearn.lattice_models import LineOptions, simulate_wall
from physlearn.records import WallTrack


def cut_line(zeta, n_points, n_frames, memory, rng):
    """Cut (n_frames, n_points) out of a self-affine line eight times as long; slopes about 0.1."""
    long = 8 * n_points
    waves = 2 * np.pi * np.arange(1, long // 2) / long
    heights = np.zeros((n_frames, n_points))
    state = np.zeros((2, waves.size))
    for frame in range(n_frames):
        fresh = rng.normal(size=state.shape)
        state = fresh if frame == 0 else memory * state + np.sqrt(1 - memory**2) * fresh
        spectrum = np.zeros(long // 2 + 1, dtype=complex)
        spectrum[1 : long // 2] = (state[0] - 1j * state[1]) * waves ** -(0.5 + zeta)
        heights[frame] = np.fft.irfft(spectrum, long)[:n_points]
    return heights * 0.1 / np.diff(heights, axis=1).std()


def track_of(heights, sd, rng):
    n_frames, n_points = heights.shape
    frame, point = (grid.ravel() for grid in np.mgrid[:n_frames, :n_points])
    table = pd.DataFrame({
        "frame": frame, "wall": 0, "time": frame * 1.0, "x": point * 1.0,
        "y": heights.ravel() + sd * rng.normal(size=frame.size), "normal_x": 0.0, "normal_y": 1.0,
        "normal_error": sd, "error_correlation_length": 1.0, "arc_length": point * 1.0,
        "curvature": 0.0, "normal_velocity": np.nan,
    })  # fmt: skip
    return WallTrack(table, np.arange(n_frames, dtype=float), closed={0: False})


@pytest.mark.parametrize("zeta", [0.5, 1.25])
def test_the_exponent_of_cut_lines_is_covered(zeta, oracle):
    found, held = [], 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        row = measure_roughness(track_of(cut_line(zeta, 160, 4, 0.7, rng), 0.05, rng)).table.iloc[0]
        if row["refused"]:
            continue
        found.append(row["exponent"])
        held += row["low"] <= zeta <= row["high"]
    assert len(found) >= 22
    oracle(f"roughness {zeta}", z=(np.mean(found) - zeta) / stats.sem(found))
    oracle(f"cover of roughness {zeta}", p=stats.binomtest(held, len(found), 0.9).pvalue)


def test_the_thermal_line_has_one_half():
    """Edwards and Wilkinson's line, frames long after the start: zeta = 1/2."""
    line = simulate_wall(
        1.0, 1.0, 0.0, start=np.zeros(256), frame_times=[0.0, 4000.0, 4400.0, 4800.0],
        options=LineOptions(thermal_energy=0.01), rng=2,
    )  # fmt: skip
    late = WallTrack(line.table[line.table["frame"] > 0], line.frame_times, closed={0: False})
    row = measure_roughness(late).table.iloc[0]
    assert row["low"] < 0.5 < row["high"]
    assert row["high"] - row["low"] < 0.5


def test_noise_alone_and_a_bent_spectrum_are_refused():
    rng = np.random.default_rng(0)
    noise = measure_roughness(track_of(np.zeros((6, 160)), 0.2, rng)).table.iloc[0]
    assert noise["refused"] or noise["high"] - noise["low"] > 0.5
    # a line that is rough at long waves only
    waves = np.pi * np.arange(400) / 400
    heights = np.stack([
        np.cos(np.outer(np.arange(400) + 0.5, waves)) @ (
            rng.normal(size=400) / (1 + (waves / 0.2) ** 8)
        ) for _ in range(8)
    ])  # fmt: skip
    bent = measure_roughness(track_of(0.2 * heights, 0.001, rng), ends="free").table.iloc[0]
    assert "bent" in bent["refused"]
    assert np.isnan(bent["exponent"])


def test_closed_walls_have_an_exponent():
    rng = np.random.default_rng(3)
    angle = 2 * np.pi * np.arange(300) / 300
    size = np.where(np.arange(151) > 1, np.maximum(np.arange(151), 1.0) ** -1.0, 0.0)
    tables = []
    for frame in range(6):
        spectrum = 60 * size * (rng.normal(size=151) + 1j * rng.normal(size=151))
        radius = 48 + np.fft.irfft(spectrum, 300)
        tables.append(pd.DataFrame({
            "frame": frame, "wall": 0, "time": float(frame), "x": radius * np.cos(angle),
            "y": radius * np.sin(angle), "normal_x": np.cos(angle), "normal_y": np.sin(angle),
            "normal_error": 0.01, "error_correlation_length": 1.0, "arc_length": 48 * angle,
            "curvature": 0.02, "normal_velocity": np.nan,
        }))  # fmt: skip
    track = WallTrack(pd.concat(tables), np.arange(6.0), closed={0: True})
    row = measure_roughness(track).table.iloc[0]
    assert row["low"] < 0.5 < row["high"]


def test_what_cannot_be_measured_is_said():
    rng = np.random.default_rng(0)
    track = track_of(cut_line(0.5, 60, 2, 0.0, rng), 0.05, rng)
    few = measure_roughness(track, shortest=20.0).table.iloc[0]
    assert "between the shortest and the longest wavelength" in few["refused"]
    assert np.isnan(few["exponent"])
    with pytest.raises(InputError, match="below longest"):
        measure_roughness(track, shortest=30.0, longest=20.0)
    with pytest.raises(InputError, match="ends"):
        measure_roughness(track, ends="loose")
    with pytest.raises(InputError, match="must be a WallTrack"):
        measure_roughness(track.table)


def test_smooth_blobs_have_no_roughness_exponent():
    table = measure_roughness(track_walls(make_wall_video(n_frames=4, rng=5).video)).table
    smooth = table["refused"].str.contains("smooth at these wavelengths")
    assert smooth.any()
    assert table.loc[~smooth & (table["refused"] == ""), "exponent"].between(-0.5, 2.45).all()


def test_exact_points_give_the_exponent_of_points_that_are_all_but_exact():
    scene = make_wall_scene("line", (64, 128), 4, options=WallSceneOptions(noise_sd=0.02), rng=1)
    found = []
    for error in (0.0, 1e-3):
        table = scene.track.table.assign(normal_error=error, error_correlation_length=1.0)
        track = replace(scene.track, table=table)
        found.append(measure_roughness(track, shortest=8.0).table.iloc[0]["exponent"])
    assert abs(found[0] - found[1]) < 0.02


def test_why_a_wall_has_no_chart_is_said():
    short = track_of(np.zeros((1, 40)), 0.1, np.random.default_rng(0))
    few = replace(short, table=short.table.iloc[:7])
    assert measure_roughness(few).table["refused"].item().startswith("7 points in all frames")
    turned = short.table.copy()
    angle = np.linspace(0, 4.5 * np.pi, len(turned))
    turned["x"], turned["y"] = (5 + angle) * np.cos(angle), (5 + angle) * np.sin(angle)
    turned["normal_x"], turned["normal_y"] = np.cos(angle), np.sin(angle)
    spiral = measure_roughness(replace(short, table=turned)).table["refused"].item()
    assert "turns back on itself" in spiral
