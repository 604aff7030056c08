"""A scale given by hand: on pictures, films and channels, and said where it replaces another."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import make_wall_scene, read_image, read_video, set_scale, track_walls
from physlearn.records import Trajectory


def test_a_picture_without_scale_gets_one_and_no_longer_says_it_lacks_it(tmp_path):
    np.save(tmp_path / "picture.npy", np.random.default_rng(1).normal(size=(20, 30)))
    image = read_image(tmp_path / "picture.npy")
    scaled = set_scale(image, pixel_size=(0.1, 0.2), unit="angstrom")
    np.testing.assert_allclose(np.diff(scaled.x), 0.1)
    np.testing.assert_allclose(np.diff(scaled.y), 0.2)
    assert scaled.x.attrs["units"] == "angstrom"
    assert any("no scale" in text for text in image.attrs["warnings"])
    assert not any("no scale" in text for text in scaled.attrs["warnings"])
    assert "scale" in image.attrs["absent"]
    assert "scale" not in scaled.attrs["absent"]


def test_a_part_of_a_picture_keeps_its_place():
    image = xr.DataArray(
        np.zeros((20, 30)), dims=("y", "x"), coords={"y": np.arange(20), "x": np.arange(30)}
    )
    cut = set_scale(image.isel(x=slice(10, 20)), pixel_size=0.5)
    assert cut.x.to_numpy()[0] == 5.0


def test_frames_left_out_keep_their_times():
    film = xr.DataArray(
        np.zeros((5, 20, 30)), dims=("time", "y", "x"),
        coords={"time": ("time", [0.0, 1, 2, 6, 7], {"units": "frame"})},
    )  # fmt: skip
    scaled = set_scale(film, frame_interval_s=2.0)
    np.testing.assert_array_equal(scaled.time, [0, 2, 4, 12, 14])
    again = set_scale(scaled, frame_interval_s=3.0)
    np.testing.assert_array_equal(again.time, [0, 3, 6, 18, 21])


@pytest.mark.parametrize(
    ("places", "sentence"),
    [(np.arange(20.0)[::-1], "y must increase"), (np.arange(20.0) ** 2, "y must be evenly")],
)
def test_axes_that_no_scan_has_are_refused(places, sentence):
    image = xr.DataArray(np.zeros((20, 30)), dims=("y", "x"), coords={"y": places})
    with pytest.raises(InputError, match=sentence):
        set_scale(image, pixel_size=1.0)


def test_another_scale_is_said():
    image = set_scale(xr.DataArray(np.zeros((20, 30)), dims=("y", "x")), pixel_size=2.0)
    again = set_scale(image, pixel_size=3.0)
    assert "the file says 2 nm" in again.attrs["warnings"][0]


def test_every_channel_is_scaled():
    channels = xr.Dataset({name: (("y", "x"), np.zeros((20, 30))) for name in ("a", "b")})
    scaled = set_scale(channels, pixel_size=2.0, unit="um")
    assert scaled["b"].x.attrs["units"] == "um"
    assert scaled.x.to_numpy()[-1] == 58.0


def test_speeds_of_walls_come_in_the_units_given(tmp_path):
    video = make_wall_scene("line", (64, 64), 6, rng=1).video
    np.save(tmp_path / "film.npy", video.to_numpy())
    plain = read_video(tmp_path / "film.npy")
    bare = track_walls(plain)
    scaled = track_walls(set_scale(plain, pixel_size=20.0, frame_interval_s=4.0))
    assert (scaled.unit, scaled.time_unit) == ("nm", "s")
    np.testing.assert_allclose(
        scaled.to_pandas()["normal_velocity"],
        bare.to_pandas()["normal_velocity"] * 20 / 4,
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pixel_size": 0.0}, "pixel_size must be"),
        ({"pixel_size": 1.0, "unit": "mm"}, "unit must be one of angstrom, nm, um"),
        ({"frame_interval_s": 1.0}, "goes with a film"),
    ],
)
def test_wrong_scales_get_one_sentence(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        set_scale(xr.DataArray(np.zeros((20, 30)), dims=("y", "x")), **changes)


def test_tracks_in_pixels_and_frames_get_both_scales():
    tracks = Trajectory(
        [0, 1], [3, 3], [[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0], unit="pixel", time_unit="frame",
        localization_sd=[0.1, 0.1], cell=np.diag([10.0, 20.0]),
        warnings=("a.csv has no time scale: times stay in frames.",),
    )  # fmt: skip
    scaled = set_scale(tracks, pixel_size=0.5, unit="um", frame_interval_s=0.04)
    assert (scaled.unit, scaled.time_unit, scaled.warnings) == ("um", "s", ())
    np.testing.assert_allclose(scaled.positions, [[0.5, 1.0], [1.5, 2.0]])
    np.testing.assert_allclose(scaled.times, [0.0, 0.04])
    np.testing.assert_allclose(scaled.localization_sd, 0.05)
    np.testing.assert_allclose(scaled.cell, np.diag([5.0, 10.0]))
    with pytest.raises(InputError, match="these are in um already"):
        set_scale(scaled, pixel_size=2.0)
    with pytest.raises(InputError, match="these are in s already"):
        set_scale(scaled, frame_interval_s=2.0)
    with pytest.raises(InputError, match="the same along every axis"):
        set_scale(tracks, pixel_size=(0.5, 0.6))
