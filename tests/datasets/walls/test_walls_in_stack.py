"""The walls of a stack are those of the film in memory, to the last digit."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    TrackWallsOptions,
    WallVideoOptions,
    make_wall_video,
    open_stack,
    track_walls,
    track_walls_in_stack,
)
from physlearn.datasets.frames import frame_levels
from physlearn.datasets.frames.stored_frames import StoredFrames
from physlearn.datasets.walls import walls_in_stack
from physlearn.records import WallTrack


@pytest.fixture(scope="module")
def film():
    """Six frames with a jump of the light, a row that jumps, and a frame that is missing."""
    jumps = WallVideoOptions(illumination_jump=0.2, jump_frames=(2,))
    video = make_wall_video(n_frames=6, options=jumps, rng=1).video.copy(deep=True)
    video[1, 30] += 0.8
    video[4] = np.nan
    return video


@pytest.fixture(scope="module")
def whole(film):
    return track_walls(film)


def one_text(track):
    return json.dumps(track.metadata, sort_keys=True)


def assert_same(one, other):
    for name in ("table", "events"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    np.testing.assert_array_equal(one.frame_times, other.frame_times)
    assert one_text(one) == one_text(other)
    for name in ("unit", "time_unit", "closed", "warnings", "drive_unit"):
        assert getattr(one, name) == getattr(other, name), name


def test_walls_of_a_lazy_film(tmp_path, film, whole, monkeypatch):
    dask = pytest.importorskip("dask.array")
    lazy = film.copy(data=dask.from_array(film.to_numpy(), chunks=(2, 160, 160)))
    monkeypatch.setattr(frame_levels, "VALUES_AT_ONCE", 1)
    heard = []
    found = track_walls_in_stack(lazy, tmp_path / "a.nc", progress=heard.append)
    assert_same(found, whole)
    assert_same(WallTrack.load(tmp_path / "a.nc"), whole)
    assert [one.name for one in tmp_path.iterdir()] == ["a.nc"]
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_film_on_one_scale_already(tmp_path):
    video = make_wall_video(n_frames=3, rng=2).video
    options = TrackWallsOptions(normalize=False, wall_width_pixel=2.0)
    found = track_walls_in_stack(open_stack(video), tmp_path / "a.nc", options)
    assert_same(found, track_walls(video, options))


def test_what_stopped_goes_on(tmp_path, film, whole, monkeypatch):
    def stop(share):
        if share > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_walls_in_stack(film, tmp_path / "a.nc", progress=stop)
    assert not list(tmp_path.glob("a.nc.parts/*.scratch"))
    kept = sorted(tmp_path.glob("a.nc.parts/*/*.npz"))
    assert len(kept) == 4
    kept[2].write_bytes(kept[2].read_bytes()[:-300])
    fitted = []
    real = walls_in_stack.fit_frame
    monkeypatch.setattr(walls_in_stack, "fit_frame", lambda *a: fitted.append(a[1]) or real(*a))
    assert_same(track_walls_in_stack(film, tmp_path / "a.nc"), whole)
    assert fitted == [2, 4, 5]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((3, 20, 20), np.nan), "all are NaN"),
        (np.ones((3, 20, 20)), "constant"),
        (np.where(np.arange(1200).reshape(3, 20, 20) == 700, np.inf, 1.0), "infinite"),
        (np.where(np.arange(1200).reshape(3, 20, 20) == 3, -np.inf, np.nan), "infinite"),
        (np.zeros((1, 20, 20)), "2 frames"),
        (np.zeros((3, 8, 20)), "16 x 16"),
    ],
)
def test_films_with_nothing_in_them_are_refused(tmp_path, values, said):
    with pytest.raises(InputError, match=said):
        track_walls_in_stack(values, tmp_path / "a.nc")


def test_noise_and_times_that_go_back_are_refused(tmp_path, film):
    noise = np.random.default_rng(0).normal(size=(4, 64, 64))
    with pytest.raises(NotIdentified):
        track_walls_in_stack(noise, tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="is a folder"):
        track_walls_in_stack(film, tmp_path)
    back = film.assign_coords(time=("time", [0.0, 2.0, 1.0, 3.0, 4.0, 5.0], {"units": "s"}))
    with pytest.raises(InputError, match="time coordinate must increase"):
        track_walls_in_stack(back, tmp_path / "b.nc")


def test_frames_in_a_file(tmp_path):
    frames = np.random.default_rng(2).normal(size=(5, 3, 4))
    with StoredFrames(tmp_path / "a", frames.shape) as store:
        assert not store[3].any()
        for k in (4, 0, 2):
            store[k] = frames[k]
        np.testing.assert_array_equal(store[np.array([0, 2])], frames[[0, 2]])
        np.testing.assert_array_equal(store[2:5], np.stack([frames[2], np.zeros((3, 4)),
                                                            frames[4]]))  # fmt: skip
        assert store[5:5].shape == (0, 3, 4)
        with pytest.raises(ValueError, match="frame 5"):
            store[5] = frames[0]
    assert not (tmp_path / "a").exists()


def test_xarray_template_takes_no_memory():
    stack = open_stack(lambda k: np.zeros((1 << 14, 1 << 14)), shape=(10**6, 1 << 14, 1 << 14))
    assert isinstance(stack.template, xr.DataArray)
    assert stack.template.variable.data.strides == (0, 0, 0)
