"""Illumination must not pass for switching, nor switching for illumination."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.reading.read_video import read_video
from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions, make_wall_video
from physlearn.datasets.walls.normalize_frames import domain_fraction, normalize_frames
from physlearn.datasets.walls.track_walls import track_walls

XPEEM = "xpeem_domain_wall_fluctuations/i161204_084_Original.gif"
CUT_OUT = "xpeem_domain_wall_fluctuations/i161204_084_DIV_Clear_out.gif"
OUTLINES = "xpeem_domain_wall_fluctuations/edges_02112018.gif"


def jumps_of(fraction, frames):
    """How far a frame stands off the line between its neighbours, against the ordinary step."""
    middle = fraction[1:-1] - 0.5 * (fraction[2:] + fraction[:-2])
    ordinary = np.median(np.abs(np.diff(fraction)))
    return [abs(middle[frame - 1]) / ordinary for frame in frames]


def test_planted_illumination_jumps_are_taken_out():
    steady = make_wall_video(n_frames=17, rng=2).video
    options = WallVideoOptions(illumination_jump=0.3)
    jumping = make_wall_video(n_frames=17, options=options, rng=2).video
    assert abs(float(jumping[11].mean() - steady[11].mean())) > 0.05
    clean, repaired = normalize_frames(steady), normalize_frames(jumping)
    assert repaired.attrs["frame_gain"][11] == pytest.approx(0.7, abs=0.01)
    np.testing.assert_allclose(domain_fraction(repaired), domain_fraction(clean), atol=2e-3)
    # What is left of the jump: the frame's noise is scaled with it, its levels are not
    inside = clean.to_numpy() > 0.5
    assert repaired.to_numpy()[inside].mean() == pytest.approx(
        clean.to_numpy()[inside].mean(), abs=0.01
    )


def test_steady_frames_are_left_alone():
    film = normalize_frames(make_wall_video(n_frames=12, rng=4).video)
    assert np.ptp(film.attrs["frame_gain"]) < 0.01
    assert film.attrs["flattened"] == 0
    assert film.attrs["in_view"] == 1.0


def test_switching_is_not_taken_for_illumination():
    shape = (12, 64, 64)
    columns = np.arange(64)
    walls = [np.tanh((columns - 16.4 - 3 * k) / 2.0) for k in range(12)]
    frames = np.stack([np.tile(wall, (64, 1)) for wall in walls])
    frames = frames + 0.1 * np.random.default_rng(3).standard_normal(shape)
    fraction = domain_fraction(normalize_frames(xr.DataArray(frames, dims=("time", "y", "x"))))
    np.testing.assert_allclose(np.diff(fraction), -3 / 64, atol=0.004)


def test_an_uneven_picture_is_flattened():
    scene = make_wall_video(n_frames=6, rng=5)
    slope = np.linspace(1.0, 1.5, 160)
    film = normalize_frames(scene.video * slope + 0.6 * (slope - 1.25))
    assert film.attrs["flattened"] == 1
    truth = normalize_frames(scene.video)
    np.testing.assert_allclose(domain_fraction(film), domain_fraction(truth), atol=0.004)


def test_rows_that_jump_or_break_are_repaired():
    video = make_wall_video(n_frames=6, rng=6).video.copy()
    whole = normalize_frames(video).to_numpy()
    video[2, 40] += 0.7
    video[3, 90] = np.random.default_rng(0).normal(size=160) * 3
    film = normalize_frames(video)
    assert film.attrs["repaired_rows"] == 2
    assert np.abs(film.to_numpy()[2, 40] - whole[2, 40]).mean() < 0.05
    assert np.abs(film.to_numpy()[3, 90] - whole[3, 90]).mean() < 0.2


def test_one_level_is_refused():
    frames = np.random.default_rng(2).normal(size=(4, 64, 64))
    frames[:, 10, 10] = 50.0
    with pytest.raises(NotIdentified, match=r"one level only|no domains that last"):
        track_walls(xr.DataArray(frames, dims=("time", "y", "x")))


def test_a_noisy_rim_around_a_round_aperture_is_left_out():
    scene = make_wall_video(n_frames=8, rng=5)
    rows, columns = np.mgrid[:160, :160]
    inside = np.hypot(rows - 79.5, columns - 79.5) < 74
    rim = 0.4 * np.random.default_rng(6).standard_normal(scene.video.shape)
    film = normalize_frames(scene.video.where(inside, 0.0) + xr.zeros_like(scene.video).where(
        inside, rim))  # fmt: skip
    view = np.isfinite(film.to_numpy()).all(axis=0)
    assert not (view & ~inside).any()
    assert (view & inside).sum() > 0.75 * inside.sum()
    whole = normalize_frames(scene.video).where(view)
    np.testing.assert_allclose(domain_fraction(film), domain_fraction(whole), atol=0.004)


@pytest.mark.parametrize("name", [XPEEM, CUT_OUT])
def test_illumination_jumps_of_the_xpeem_film_are_not_switching(public_file, name):
    video = read_video(public_file(name))
    raw = video.to_numpy()
    view = read_video(public_file(CUT_OUT)).to_numpy().max(axis=0) > 0
    naive = np.array([(frame[view] < 130).mean() for frame in raw])
    dark = domain_fraction(normalize_frames(video), positive=False)
    assert min(jumps_of(naive, (11,))) > 4  # without normalization the jump is there
    assert max(jumps_of(dark, (11, 14))) < 1.5
    assert dark[15] - dark[14] < 0.01 < naive[15] - naive[14]
    assert 0.08 < dark[-1] - dark[0] < 0.13
    assert (np.diff(dark) > -0.002).all()  # the false jumps of the raw film are .03


def test_a_missing_frame_has_no_domain_share():
    video = make_wall_video(n_frames=5, rng=1).video
    share = domain_fraction(normalize_frames(video.where(video.time != 3)), positive=False)
    assert np.isnan(share).tolist() == [False, False, False, True, False]


def test_a_film_of_outlines_is_refused(public_file):
    with pytest.raises(NotIdentified, match=r"outlines are no domains|one level only"):
        track_walls(read_video(public_file(OUTLINES)))


def test_walls_of_the_xpeem_film_in_pixels_per_frame(public_file):
    track = track_walls(read_video(public_file(XPEEM)))
    assert (track.unit, track.time_unit) == ("pixel", "frame")
    assert any("no length scale" in text for text in track.warnings)
    assert any("no time scale" in text for text in track.warnings)
    longest = track.table.groupby("wall").size().idxmax()
    wall = track.table[track.table["wall"] == longest]
    assert wall["frame"].nunique() == 16
    speed = wall.groupby("frame")["normal_velocity"].median()
    # The dark domain grows (the positive, bright one recedes); no frame leaps with the illumination
    assert speed.mean() < -0.05
    assert speed.abs().max() < 1.5


def test_the_share_of_raw_grey_levels_is_refused():
    film = make_wall_video(n_frames=3, rng=1).video
    for raw in (120 + 60 * film, 1e-4 * film, film - 5.0):
        with pytest.raises(InputError, match=r"give normalize_frames\(video\)"):
            domain_fraction(raw)
        share = domain_fraction(normalize_frames(raw))
        np.testing.assert_allclose(share, domain_fraction(film), atol=0.004)


def test_normalized_frames_may_show_one_domain():
    rows, columns = np.mgrid[:48, :48]
    radius = np.hypot(rows - 24, columns - 24)
    disc = np.array([-np.tanh((radius - size) / 2) for size in (16, 14, 12, 10, 8, -9, -9)])
    noise = 0.05 * np.random.default_rng(1).standard_normal(disc.shape)
    for sign, share in ((1, 0.0), (-1, 1.0)):
        raw = xr.DataArray(100 + 20 * sign * (disc + noise), dims=("time", "y", "x"))
        film = normalize_frames(raw)
        np.testing.assert_allclose(domain_fraction(film)[-2:], share, atol=1e-3)
        alone = film.isel(time=slice(5, None))
        np.testing.assert_allclose(domain_fraction(alone), share, atol=1e-3)
        with pytest.raises(InputError, match=r"give normalize_frames\(video\)"):
            domain_fraction(raw.isel(time=slice(5, None)))
        grey = alone.copy(data=120 + 60 * alone.to_numpy())  # the attributes stay
        with pytest.raises(InputError, match=r"give normalize_frames\(video\)"):
            domain_fraction(grey)
