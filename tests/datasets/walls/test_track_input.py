"""What track_walls makes of complex films, missing frames and pixels, row times and bad input."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.frames.complex_frames import in_phase_video
from physlearn.datasets.frames.frame_rows import repair_rows
from physlearn.datasets.frames.scaled_film import prepare_film
from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions, make_wall_video
from physlearn.datasets.walls.track_walls import TrackWallsOptions, track_walls


def film(frames, **coords):
    return xr.DataArray(np.asarray(frames), dims=("time", "y", "x"), coords=coords)


def discs(n_frames=6, size=64, radius=18.0, growth=0.4, width=2.0):
    rows, columns = np.mgrid[:size, :size]
    away = np.hypot(columns - size / 2 + 0.3, rows - size / 2 - 0.2)
    return np.stack([-np.tanh((away - radius - growth * k) / width) for k in range(n_frames)])


def noisy(frames, noise=0.1, seed=0):
    draws = np.random.default_rng(seed).standard_normal((2, *np.shape(frames)))
    if np.iscomplexobj(frames):
        return frames + noise * (draws[0] + 1j * draws[1])
    return frames + noise * draws[0]


def radius_scores(track, radius=18.0, growth=0.4, size=64):
    table = track.table
    away = np.hypot(table["x"] - size / 2 + 0.3, table["y"] - size / 2 - 0.2)
    return ((away - radius - growth * table["frame"]) / table["normal_error"]).to_numpy()


def assert_honest(scores):
    n = scores.size
    assert abs(scores.std() - 1.0) < 4 / np.sqrt(2 * n)
    assert abs(scores.mean()) < 4 / np.sqrt(n) + 0.05


def test_a_complex_offset_does_not_move_the_walls():
    signal = 0.8 * discs() * np.exp(0.7j) + 0.5 - 0.3j
    complex_film = film(noisy(signal, 0.1))
    track = track_walls(complex_film)
    assert track.metadata["noise_sd"] == pytest.approx(0.125, rel=0.05)
    assert_honest(radius_scores(track))
    channels = xr.Dataset({"amplitude": np.abs(complex_film), "phase": complex_film.copy(
        data=np.rad2deg(np.angle(complex_film)))})  # fmt: skip
    channels["phase"].attrs["units"] = "deg"
    same = track_walls(channels).table
    np.testing.assert_allclose(same["x"], track.table["x"], atol=1e-4)


def test_the_axis_of_a_complex_film_follows_its_drift():
    turns = np.linspace(0.2, 1.1, 6)
    signal = discs() * np.exp(1j * turns)[:, None, None] + 0.4j
    found = in_phase_video(film(noisy(signal, 0.1)))
    np.testing.assert_allclose(found.attrs["phase_axis"], turns, atol=0.02)
    steady = in_phase_video(film(noisy(discs() * np.exp(0.3j), 0.1)))
    assert np.ptp(steady.attrs["phase_axis"]) == 0.0
    assert_honest(radius_scores(track_walls(found)))


def test_complex_noise_without_domains_is_refused():
    with pytest.raises(NotIdentified, match="one cluster"):
        in_phase_video(film(noisy(np.zeros((3, 64, 64), complex), 1.0)))
    with pytest.raises(InputError, match="one channel called amplitude; it holds phase: rename"):
        track_walls(xr.Dataset({"phase": film(discs())}))


def test_channels_are_found_as_microscopes_call_them():
    signal = film(noisy(discs() * np.exp(0.3j), 0.1))
    amplitude, phase = np.abs(signal), signal.copy(data=np.rad2deg(np.angle(signal)))
    phase.attrs["units"] = "deg"
    named = track_walls(xr.Dataset({"amplitude": amplitude, "phase": phase})).table
    for first, second in (("Amplitude", "Phase"), ("AmplitudeRetrace", "PhaseRetrace")):
        channels = xr.Dataset({first: amplitude, second: phase, "HeightRetrace": amplitude})
        np.testing.assert_array_equal(track_walls(channels).table["x"], named["x"])
    both = xr.Dataset({"AmplitudeTrace": amplitude, "AmplitudeRetrace": amplitude, "Phase": phase})
    with pytest.raises(InputError, match=r"called amplitude; it holds AmplitudeTrace, Amplitude"):
        track_walls(both)


def test_a_phase_in_degrees_that_does_not_say_so_is_no_phase_in_radians():
    signal = film(noisy(discs() * np.exp(0.3j), 0.1))
    phase = signal.copy(data=np.angle(signal))
    channels = xr.Dataset({"amplitude": np.abs(signal), "phase": phase})
    assert track_walls(channels).walls == [0]
    with pytest.raises(InputError, match=r"it reaches 1\d\d\.?\d*; set video\['phase'\].attrs"):
        track_walls(channels.assign(phase=phase * 180 / np.pi))
    turned = channels.assign(phase=(phase + 40 * np.pi).assign_attrs(units="rad"))
    assert track_walls(turned).walls == [0]


def test_coordinates_without_a_unit_are_said():
    scaled = film(noisy(discs()), x=0.05 * np.arange(64), y=0.05 * np.arange(64),
                  time=2.0 * np.arange(6))  # fmt: skip
    told = " ".join(track_walls(scaled).warnings)
    for words in ("x goes on by 0.05 a step but has no unit", "video.y.attrs['units'] = 'um'",
                  "time goes on by 2 a step", "pass for frames"):  # fmt: skip
        assert words in told
    for name, unit in (("x", "um"), ("y", "um"), ("time", "s")):
        scaled[name].attrs["units"] = unit
    track = track_walls(scaled)
    assert (track.unit, track.time_unit) == ("um", "s")
    assert not any("unit" in text for text in track.warnings)
    cut = film(noisy(discs()), x=np.arange(64.0) + 100, y=np.arange(64.0))
    assert not any("no unit" in text for text in track_walls(cut).warnings)


def test_frames_left_out_of_a_film_are_missed():
    frames, times = noisy(discs()), np.array([0.0, 1, 2, 4, 5, 6])
    told = [text for text in track_walls(film(frames, time=times)).warnings if "later" in text]
    assert [text[:13] for text in told] == ["after frame 2"]
    assert not any("later" in text for text in track_walls(film(frames)).warnings)


def test_missing_frames_and_frames_left_out_have_the_same_events():
    frames = [noisy(-np.tanh((np.hypot(*(np.mgrid[:64, :64] - c)) - 9) / 2.0), seed=k)
              for k, c in enumerate([20, 20, 20, 20, 44, 44, 44, 44, 20, 20])]  # fmt: skip
    kept = [0, 1, 2, 3, 4, 7, 8, 9]
    holes = np.array(frames)
    holes[5:7] = np.nan
    # at the second place for two frames that were seen, in the film too: too short to be told
    cut = film(np.array(frames)[kept], time=np.array(kept, float))
    for found in (track_walls(film(holes)), track_walls(cut)):
        assert sorted(found.events["kind"]) == []
    assert sorted(track_walls(film(frames)).events["kind"]) != []


def test_a_still_picture_is_sent_to_find_walls():
    with pytest.raises(InputError, match="find_walls maps its walls"):
        track_walls(film(discs())[0])


def test_missing_frames_and_pixels_are_flagged_and_the_rest_goes_on():
    frames = noisy(discs())
    frames[2] = np.nan
    frames[:, 10:12, 20:24] = np.nan
    frames[4][np.random.default_rng(1).random(frames[4].shape) < 0.05] = np.nan
    track = track_walls(film(frames))
    assert track.metadata["missing_frames"] == [2]
    assert "frame 2 held no pixels and counts as missing" in track.warnings
    assert sorted(track.table["frame"].unique()) == [0, 1, 3, 4, 5]
    assert track.walls == [0]
    assert_honest(radius_scores(track))


def test_a_frame_of_another_size_counts_as_missing():
    frames = [*noisy(discs())]
    frames[3] = frames[3][:60]
    track = track_walls(frames)
    assert track.metadata["missing_frames"] == [3]
    # one sentence for one frame
    assert [text[:25] for text in track.warnings if "missing" in text] == [
        "frame 3 is 60 x 64 pixels"
    ]
    assert_honest(radius_scores(track))


def test_times_that_go_back_are_set_aside():
    times = [0.0, 1.0, 2.0, 1.5, 4.0, 5.0]
    track = track_walls(film(noisy(discs()), time=times))
    assert track.metadata["missing_frames"] == [3]
    np.testing.assert_allclose(track.frame_times, np.arange(6))
    assert any("goes back at frame 3" in text for text in track.warnings)
    with pytest.raises(InputError, match="sort the frames"):
        track_walls(film(noisy(discs()), time=times[::-1]))


def test_a_frame_without_a_wall_is_said():
    frames = discs()
    frames[0] = -1.0
    track = track_walls(film(noisy(frames)))
    assert any("no wall was found in frame 0" in text for text in track.warnings)
    assert 0 not in track.table["frame"].to_numpy()
    assert_honest(radius_scores(track))


def test_every_row_has_its_own_time():
    rows = np.arange(64)
    video = film(noisy(discs()), time=np.arange(6.0), y=0.5 * rows, x=0.5 * rows)
    video["time"].attrs["units"] = "s"
    video["x"].attrs["units"] = video["y"].attrs["units"] = "um"
    track = track_walls(video, TrackWallsOptions(line_time=0.01))
    table = track.table
    np.testing.assert_allclose(table["time"], table["frame"] + 0.01 * table["y"] / 0.5)
    video.attrs["line_time_s"] = 0.01
    assert track_walls(video).table["time"].equals(table["time"])
    with pytest.raises(InputError, match="line_time must be"):
        track_walls(video, TrackWallsOptions(line_time=0.1))


def test_walls_thinner_than_a_pixel_are_tracked_and_flagged():
    frames = discs(width=0.05)
    track = track_walls(film(noisy(frames)))
    assert any("thinner than a pixel" in text for text in track.warnings)
    away = radius_scores(track) * track.table["normal_error"]
    assert abs(away.mean()) < 0.05
    assert away.std() < 0.4


@pytest.mark.parametrize("width", [1.0, 5.0])
def test_the_width_is_measured(width):
    track = track_walls(film(noisy(discs(size=96, radius=27.0, width=width), 0.3)[:, :96, :96]))
    assert track.metadata["wall_width"] == pytest.approx(width, rel=0.08)


def test_a_wall_that_moves_over_rows_is_no_row_that_jumps():
    rows = np.arange(64)[:, None]
    walls = [np.tanh((rows - 30.0 - 2 * k) / 1.0) * np.ones((1, 64)) for k in range(6)]
    frames = noisy(np.stack(walls), 0.1)
    assert prepare_film(frames).n_repaired == 0
    frames[2, 12] += 0.5
    frames[4, 50] -= 0.5
    assert prepare_film(frames).n_repaired == 2
    seen = np.ones((64, 64), bool)
    mended, count = repair_rows(frames[2], seen, np.median(frames, axis=0), np.array([12]))
    assert count == 1
    # the median of six frames, one of them 5 sd off, is .25 sd off; mean less median of 64 pixels
    # is known to sqrt((pi / 2 - 1) / 64) of it, the median of six frames to .06, one mean to .125
    assert abs(np.mean(mended[12] - frames[1, 12])) < 0.1 * (0.25 + 4 * np.hypot(0.112, 0.125))


def test_a_normalised_film_can_be_tracked_as_it_is():
    from physlearn.datasets.walls.normalize_frames import normalize_frames

    video = make_wall_video(n_frames=4, rng=3).video
    first = track_walls(video)
    again = track_walls(normalize_frames(video), TrackWallsOptions(normalize=False))
    np.testing.assert_allclose(again.table["x"], first.table["x"], atol=1e-6)
    assert again.metadata["frame_shift_error"] == pytest.approx(first.metadata["frame_shift_error"],
                                                                rel=1e-3)  # fmt: skip


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1])
def test_hard_steps_are_found_within_their_errors_whatever_the_noise(noise):
    y, x = np.mgrid[:96, :96]
    frames = [np.where(np.hypot(x - 47.3, y - 48.2) < 20.0 + k, 1.0, -1.0) for k in range(6)]
    track = track_walls(film(noisy(np.stack(frames), noise)))
    assert any("thinner than a pixel" in text for text in track.warnings)
    table = track.table
    off = np.hypot(table["x"] - 47.3, table["y"] - 48.2) - 20.0 - table["frame"]
    # a hard step may lie anywhere between two pixels: .29 pixels and what the fit adds
    assert 0.28 < off.std() < 0.4
    assert 0.8 < (off / table["normal_error"]).std() < 1.05
    assert len(table) > 0.75 * 6 * 2 * np.pi * 22.5


def test_uneven_pixels_are_refused():
    video = make_wall_video(n_frames=3, rng=1).video
    x = video["x"].to_numpy().copy()
    x[10:] += 7.0
    with pytest.raises(InputError, match="evenly spaced"):
        track_walls(video.assign_coords(x=("x", x, video["x"].attrs)))


def test_a_calculated_film_without_noise_is_tracked():
    scene = make_wall_video(n_frames=3, options=WallVideoOptions(noise_sd=0.0), rng=1)
    assert len(track_walls(scene.video).walls) == 4
