"""The wall map of a still picture."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import TrackWallsOptions, draw_walls, find_walls

ROWS, COLUMNS = np.mgrid[:96, :96]
DISTANCE = np.hypot(COLUMNS - 48.2, ROWS - 47.4) - 27.3


def _noise(seed, sd, shape=(96, 96)):
    one, two = np.random.default_rng(seed).standard_normal((2, *shape))
    return sd * (one + 1j * two)


def _disc(seed, sd=0.3, phase=0.5):
    return -np.tanh(DISTANCE / 2) * np.exp(1j * phase) + _noise(seed, sd)


def _misses(track):
    table = track.table
    misses = np.hypot(table["x"] - 48.2, table["y"] - 47.4) - 27.3
    return (misses / table["normal_error"]).to_numpy()


def test_errors_of_complex_and_real_pictures_are_their_own_size():
    scores = []
    for seed in range(6):
        picture = _disc(seed, (0.1, 0.3)[seed % 2])
        scores.append(_misses(find_walls(picture)))
        scores.append(_misses(find_walls(200 + 30 * (picture * np.exp(-0.5j)).real)))
    z = np.concatenate(scores)
    # smoothing the normals makes no neighbours depend on each other: 12 x 171 points
    assert abs(z.std() - 1) < 4 / np.sqrt(len(z))
    assert abs(z.mean()) < 4 / np.sqrt(len(z))


def test_a_picture_has_no_motion_and_keeps_its_units():
    x = xr.Variable("x", 5.0 + 20.0 * np.arange(96), attrs={"units": "nm"})
    y = xr.Variable("y", 20.0 * np.arange(96), attrs={"units": "nm"})
    picture = xr.DataArray(_disc(1), dims=("y", "x"), coords={"x": x, "y": y})
    track = find_walls(picture)
    assert track.unit == "nm" and track.n_frames == 1
    assert len(track.walls) == 1 and track.closed[0]
    assert track.events.empty and track.table["normal_velocity"].isna().all()
    assert abs(track.table["x"].mean() - (5 + 20 * 48.2)) < 10
    assert abs(track.metadata["wall_width"] / 40 - 1) < 0.15
    assert abs(track.metadata["noise_sd"] - 0.3) < 0.03
    assert track.metadata["phase_step"] == pytest.approx(180, abs=3)


def test_amplitude_and_phase_give_the_map_of_the_complex_picture():
    picture = _disc(2)
    given = xr.Dataset({
        "amplitude": (("y", "x"), np.abs(picture)),
        "phase": (("y", "x"), np.degrees(np.angle(picture)), {"units": "deg"}),
    })  # fmt: skip
    one, two = find_walls(given).table, find_walls(picture).table
    np.testing.assert_allclose(one["x"], two["x"], atol=1e-6)


def test_domains_of_unlike_amplitude_are_divided_by_it_and_this_is_said():
    amplitude = np.where(COLUMNS < 48, 1.0, 4.0)
    track = find_walls(-np.tanh(DISTANCE / 2) * amplitude * np.exp(0.5j) + _noise(3, 0.05))
    assert any("local amplitude" in text for text in track.warnings)
    misses = np.hypot(track.table["x"] - 48.2, track.table["y"] - 47.4) - 27.3
    away = np.abs(track.table["x"] - 48) > 8
    assert np.abs(misses[away]).max() < 0.6


def test_where_the_response_is_dead_no_walls_are_looked_for():
    amplitude = np.where(ROWS < 30, 0.0, 1.0)
    track = find_walls(-np.tanh(DISTANCE / 2) * amplitude * np.exp(0.5j) + _noise(4, 0.2))
    assert track.metadata["n_pixels_dark"] > 1500
    # the amplitude is measured over 5 pixels: so far the living part reaches into the dead one
    assert track.table["y"].min() > 30 - 2 * 5


def test_walls_whose_phase_does_not_turn_by_half_are_left_out():
    other = np.hypot(COLUMNS - 20, ROWS - 20) < 11
    picture = np.where(other, np.exp(1j * (0.5 + np.radians(138))), -np.exp(0.5j) *
                       np.tanh((COLUMNS - 60.3) / 2))  # fmt: skip
    track = find_walls(picture + _noise(5, 0.1))
    assert len(track.walls) == 1 and track.table["x"].min() > 55
    assert any("left out" in text for text in track.warnings)


def _smooth_field(seed):
    from scipy import ndimage

    return ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((96, 96)), 6)


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.exp(0.4j) * (2 + np.sign(np.sin(COLUMNS / 5))) + _noise(0, 0.1), "one phase only"),
        (np.where(COLUMNS < 40, 1, 1j) + _noise(0, 0.1), "two phases|differ by"),
        (_noise(0, 1.0), "two phases|no response|one axis"),
        (np.random.default_rng(0).standard_normal((96, 96)), "no two levels|no domains"),
        (_smooth_field(0), "no two levels|gradual"),
        (COLUMNS + 0.3 * ROWS + _noise(1, 0.5).real, "no two levels|gradual"),
        (np.sign(COLUMNS - 3.3) * np.exp(0.2j) * 0 + np.exp(0.2j) + _noise(0, 0.1), "one phase"),
    ],
)
def test_pictures_without_two_domains_are_refused(picture, says):
    with pytest.raises(NotIdentified, match=says):
        find_walls(picture)


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.ones((96, 96)), "constant"),
        (np.zeros((3, 96, 96)), "2 dimensions"),
        (xr.DataArray(np.zeros((3, 96, 96)), dims=("time", "y", "x")), "use track_walls"),
        (np.zeros((5, 5)), "at least"),
        (
            xr.Dataset({"amplitude": (("y", "x"), np.ones((96, 96)))}),
            "one channel called phase; it holds amplitude",
        ),
        (np.where(ROWS == 3, np.inf, DISTANCE), "infinite"),
    ],
)
def test_what_is_no_picture_is_said(picture, says):
    with pytest.raises(InputError, match=says):
        find_walls(picture)


def test_a_picture_on_one_scale_is_taken_as_it_is():
    picture = -np.tanh(DISTANCE / 2) + _noise(6, 0.2).real
    track = find_walls(picture, TrackWallsOptions(normalize=False, wall_width_pixel=2.0))
    assert track.metadata["wall_width"] == 2.0
    assert np.abs(_misses(track)).max() < 5


def test_options_that_do_not_fit_are_said():
    with pytest.raises(InputError, match="TrackWallsOptions; got dict"):
        find_walls(_disc(0), {"normalize": False})
    with pytest.raises(InputError, match="-1 and \\+1"):
        find_walls(10 * _disc(0).real + 50, TrackWallsOptions(normalize=False))


def test_the_map_is_drawn_on_its_picture():
    picture = xr.DataArray(_disc(0), dims=("y", "x"))
    assert draw_walls(find_walls(picture), picture, 0).shape == (192, 192, 3)


@pytest.mark.parametrize(
    ("name", "says"),
    [("PMN28Pt0000", "no two phases"), ("PTO_Funakubo0001", "no two phases")],
)
def test_real_pictures_of_many_phases_are_refused(public_file, name, says):
    with pytest.raises(NotIdentified, match=says):
        find_walls(_piezoresponse(public_file(f"pfm_pto_pmnpt/{name}.h5")))


def test_the_real_picture_with_two_opposite_phases_has_a_map(public_file):
    picture = _piezoresponse(public_file("pfm_pto_pmnpt/PTO_Funakubo0007.h5"))
    track = find_walls(picture)
    assert 8 <= len(track.walls) <= 20
    assert track.metadata["phase_step"] > 175
    assert any("left out" in text for text in track.warnings)


def _piezoresponse(path):
    from physlearn.datasets import read_channels

    names = {"AmplitudeRetrace": "amplitude", "PhaseRetrace": "phase"}
    return read_channels(path).rename(names)[["amplitude", "phase"]]
