"""Movies of walls on raw frames: what is drawn where, and what is read back."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets import (
    WallSceneOptions,
    draw_walls,
    make_wall_scene,
    read_video,
    save_wall_movie,
)
from physlearn.datasets.walls.movie_caption import EVENT_COLOURS, RINGS, bar_length, captioned
from physlearn.datasets.walls.wall_movie import WALL_COLOURS
from physlearn.records import WallTrack


@pytest.fixture(scope="module")
def scene():
    options = WallSceneOptions(noise_sd=0.0, radius_pixel=10.0, n_domains=1)
    return make_wall_scene("domains", (48, 48), 3, options=options, rng=1)


def test_the_wall_is_drawn_where_it_is(scene):
    picture = draw_walls(scene.track, scene.video, 1, magnification=4).astype(float)
    colour = WALL_COLOURS[scene.track.walls[0] % len(WALL_COLOURS)]
    rows, columns = np.nonzero(np.abs(picture - colour).max(axis=2) < 12)
    assert len(rows) > 100
    place = np.stack([(columns + 0.5) / 4 - 0.5, (rows + 0.5) / 4 - 0.5], axis=1)
    wall = scene.track.contour(1, scene.track.walls[0])[["x", "y"]].to_numpy()
    wall = np.concatenate([wall, wall[:1]])
    steps = np.linspace(0, len(wall) - 1, 10 * len(wall))
    wall = np.stack([np.interp(steps, np.arange(len(wall)), part) for part in wall.T], axis=1)
    gaps = np.hypot(*(place[:, None] - wall[None]).transpose(2, 0, 1)).min(axis=1)
    assert gaps.max() < 0.5


def test_an_event_has_a_ring_of_its_colour(scene):
    events = pd.DataFrame({"frame": [1], "wall": [0], "kind": ["merge"], "x": [24.0], "y": [20.0]})
    track = WallTrack(scene.track.table, scene.track.frame_times, events=events)
    marked = np.array(EVENT_COLOURS["merge"])
    for frame, there in ((0, False), (1, True), (2, True)):
        picture = draw_walls(track, scene.video, frame, magnification=2).astype(int)
        assert bool((np.abs(picture - marked).max(axis=2) < 12).any()) == there


def test_a_gif_is_read_back_as_a_film_of_the_frames(scene, tmp_path):
    file = save_wall_movie(scene.track, scene.video, tmp_path / "walls.gif", magnification=2)
    film = read_video(file)
    assert film.shape[0] == 3
    assert film.shape[2] == 96
    assert film.shape[1] > 96  # the caption
    assert any("coloured" in note for note in film.attrs["warnings"])


def test_frames_keep_one_size_though_the_words_of_a_later_time_need_a_line_more(tmp_path):
    options = WallSceneOptions(noise_sd=0.0, radius_pixel=10.0, n_domains=1)
    scene = make_wall_scene("domains", (48, 48), 3, options=options, rng=1)
    late = WallTrack(scene.track.table, scene.track.frame_times * 1.23456e7, time_unit="s")
    uneven = 0
    for magnification in range(1, 9):
        width = 48 * magnification
        frame = np.zeros((width, width, 3), np.uint8)
        uneven += len({len(captioned(frame, late, number, 1.0)) for number in range(3)}) > 1
        save_wall_movie(late, scene.video, tmp_path / "walls.gif", magnification=magnification)
    assert uneven, "no frame of these widths needs another line: the case tests nothing"


def test_the_caption_names_the_rings_and_the_bar_is_as_long_as_it_says(scene):
    black = np.zeros((300, 600, 3), np.uint8)
    first, later = (captioned(black, scene.track, frame, 0.05) for frame in (0, 2))
    below = first[300:].astype(int)
    for kind, _ in RINGS:
        assert (np.abs(below - EVENT_COLOURS[kind]).max(axis=2) == 0).any()
    white = np.nonzero((first[:300] == 255).all(axis=2).any(axis=0))[0]
    assert bar_length(0.25 * 600 * 0.05) == 5.0
    assert np.ptp(white) == 5.0 / 0.05
    assert np.array_equal(first[:300], later[:300])
    assert not np.array_equal(first[300:], later[300:])  # the number of the frame


def test_walls_stand_out_on_any_grey(scene):
    for level in (-1.0, 0.0, 1.0):
        flat = scene.video * 0 + level
        flat[0, 0, 0], flat[0, 0, 1] = -1.0, 1.0
        picture = draw_walls(scene.track, flat, 1, magnification=2).astype(float)
        colour = WALL_COLOURS[scene.track.walls[0] % len(WALL_COLOURS)]
        line = np.abs(picture - colour).max(axis=2) < 1
        rim = (picture == 0).all(axis=2)
        assert line.sum() > 150
        assert rim.sum() > 150
        assert np.abs(colour - 255 * (level + 1) / 2).max() > 60


def test_mp4_is_written_where_there_is_an_encoder_and_refused_otherwise(scene, tmp_path):
    try:
        file = save_wall_movie(scene.track, scene.video, tmp_path / "walls.mp4")
    except BackendUnavailable as refusal:
        assert "pip install av" in str(refusal)
    else:
        assert read_video(file).sizes["time"] == 3


def test_a_complex_film_is_shown_along_its_main_axis():
    options = WallSceneOptions(complex_signal=True, noise_sd=0.02, radius_pixel=10.0, n_domains=1)
    scene = make_wall_scene("domains", (48, 48), 3, options=options, rng=1)
    picture = draw_walls(scene.track, scene.video, 0, magnification=1)[..., 0].astype(float)
    inside = scene.levels[0] < -4
    outside = scene.levels[0] > 4
    assert abs(picture[inside].mean() - picture[outside].mean()) > 150


def test_other_files_and_frames_are_refused(scene, tmp_path):
    with pytest.raises(InputError, match="must end in"):
        save_wall_movie(scene.track, scene.video, tmp_path / "walls.png")
    with pytest.raises(InputError, match="from 0 to 2"):
        draw_walls(scene.track, scene.video, 3)


def test_a_movie_that_would_mislead_is_refused(scene, tmp_path):
    track, video = scene.track, scene.video
    with pytest.raises(InputError, match="track must be a WallTrack"):
        save_wall_movie("a", video, tmp_path / "a.gif")
    with pytest.raises(InputError, match="3 frames; got 2"):
        save_wall_movie(track, video[:2], tmp_path / "a.gif")
    with pytest.raises(InputError, match="all are NaN"):
        draw_walls(track, video * np.nan, 0)
    with pytest.raises(InputError, match="unit"):
        draw_walls(track, video.assign_coords(x=video["x"].assign_attrs(units="nm")), 0)
    for wrong in (0.5, 1.5, 0):
        with pytest.raises(InputError, match="magnification must be a whole number"):
            save_wall_movie(track, video, tmp_path / "a.gif", magnification=wrong)
    with pytest.raises(InputError, match="folder that exists"):
        save_wall_movie(track, video, tmp_path / "absent" / "a.gif")
    with pytest.raises(InputError, match="whole number from 0"):
        draw_walls(track, video, 0.5)
