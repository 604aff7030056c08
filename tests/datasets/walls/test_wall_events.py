"""Identities and events of walls whose history is known: discs that meet, part, appear and go."""

from dataclasses import dataclass

import numpy as np
import pytest
from skimage.measure import find_contours

from physlearn.datasets import WallSceneOptions, make_wall_scene, score_events
from physlearn.datasets.walls.wall_events import follow_walls


@dataclass
class Line:
    points: np.ndarray
    normals: np.ndarray


def followed(levels, block=1, times=None, **options):
    """Follow the zero lines of levels that are negative in the positive domain."""
    frames = []
    for level in levels:
        gy, gx = np.gradient(level)
        lines = []
        for line in find_contours(level, 0.0, fully_connected="high"):
            cells = np.rint(line).astype(int)
            normals = np.stack([gx[tuple(cells.T)], gy[tuple(cells.T)]], axis=1)
            normals /= np.maximum(np.hypot(*normals.T), 1e-9)[:, None]
            lines.append(Line(line[:, ::-1], normals))
        frames.append(lines)
    signs = levels < 0
    if block == 2:
        signs = signs[:, ::2, ::2]
    if times is None:
        times = np.arange(len(levels), dtype=float)
    return follow_walls(frames, signs, times, block=block, **options)


def discs(shape, *parts):
    """Level of discs (x, y, radii of the frames)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.min(
        [[np.hypot(x - cx, y - cy) - r for r in radii] for cx, cy, radii in parts], axis=0
    )


def story(found):
    return [tuple(event) for event in found.events[["frame", "kind"]].to_numpy().tolist()]


def test_discs_that_grow_merge_when_their_radii_reach_their_distance():
    radii = 8.0 + np.arange(10)
    found = followed(discs((60, 80), (25.2, 30, radii), (56.3, 30, radii)))
    assert story(found) == [(8, "merge")]
    event = found.events.iloc[0]
    assert (event.x, event.y) == (pytest.approx(40.75, abs=1), pytest.approx(30, abs=1))
    assert event.time == pytest.approx(7.55, abs=0.35)  # 31.1 = 2 (8 + t)
    assert [len(set(own)) for own in found.walls] == [2] * 8 + [1] * 2
    assert event.other in found.walls[-1]


def test_discs_that_shrink_split_and_the_larger_keeps_its_name():
    radii = 18.0 - np.arange(10)
    found = followed(discs((60, 80), (25, 30, radii), (53.6, 30, radii - 2.0)))
    assert story(found) == [(3, "split")]  # the contact is lost when 28.6 = 34 - 2 t
    assert found.walls[0] == [0]
    assert found.events.iloc[0].other == 0
    larger = found.walls[-1]
    assert sorted(larger) == [0, 1]


def test_births_vanishing_and_holes():
    y, x = np.mgrid[:60, :60]
    ring = np.abs(np.hypot(x - 30, y - 30) - 15) - 6.0
    filled = np.hypot(x - 30, y - 30) - 21
    levels = np.stack([ring + 50, *[ring] * 4, filled, ring + 50])
    found = followed(levels)
    assert sorted(story(found)) == [(1, "birth"), (1, "birth"), (5, "vanish"), (6, "vanish")]


def test_a_birth_and_a_vanishing_are_dated_halfway_between_the_frames():
    y, x = np.mgrid[:60, :60]
    disc, none = np.hypot(x - 30, y - 30) - 12.0, np.full((60, 60), 30.0)
    times = np.array([0.0, 10.0, 20.0, 40.0, 50.0, 60.0, 90.0])
    found = followed(np.stack([none, none, none, disc, disc, disc, none]), times=times)
    assert story(found) == [(3, "birth"), (6, "vanish")]
    assert found.events["time"].tolist() == [30.0, 75.0]


def test_a_strip_cut_in_two_reconnects_its_two_walls():
    y, x = np.mgrid[:60, :60]
    strip = np.abs(y - 30) - 6.0
    cut = np.maximum(strip, 8.0 - np.hypot(x - 30, y - 30))
    found = followed(np.stack([strip, strip, cut, cut]))
    assert sorted(story(found)) == [(2, "merge"), (2, "split")]


def test_walls_that_cross_the_edge_enter_and_leave():
    y, x = np.mgrid[:50, :60]
    levels = np.stack([x - 0.1 * y - place for place in np.linspace(-20, 80, 12)])
    found = followed(levels)
    assert [kind for _, kind in story(found)] == ["enter", "leave"]
    assert {wall for own in found.walls for wall in own} == {0}


def test_a_missing_frame_is_bridged():
    radii = np.linspace(8.0, 14.0, 7)
    levels = discs((50, 50), (25, 25, radii))
    usable = np.ones(7, dtype=bool)
    usable[3] = False
    levels[3] = 1.0
    found = followed(levels, usable=usable)
    assert story(found) == []
    assert found.walls == [[0], [0], [0], [], [0], [0], [0]]


def test_a_contact_of_one_frame_is_no_event_and_names_come_back():
    apart, together = np.full(6, 12.0), np.full(6, 12.0)
    together[3] = 17.5
    levels = discs((60, 80), (25, 30, apart), (53, 30, together))
    kept = followed(levels, flicker_frames=0)
    assert story(kept) == [(3, "merge"), (4, "split")]
    calm = followed(levels)
    assert story(calm) == []
    assert sorted(calm.walls[-1]) == sorted(calm.walls[0])


def test_a_narrow_domain_that_jumps_farther_than_its_width_is_the_same():
    x = np.mgrid[:50, :60][1]
    levels = np.stack([np.abs(x - 20 - 5 * t) - 2.0 for t in range(4)])
    found = followed(levels)
    assert story(found) == []


def test_blocks_of_two_pixels_tell_the_same_story():
    radii = 8.0 + np.arange(10)
    found = followed(discs((60, 80), (25, 30, radii), (55, 30, radii)), block=2)
    assert [kind for _, kind in story(found)] == ["merge"]


def test_pieces_of_an_interrupted_wall_have_names_of_their_own():
    y = np.mgrid[:50, :60][0]
    levels = np.stack([y - 20.0 - t for t in range(4)])
    whole = followed(levels)
    seen = np.ones((50, 60), dtype=bool)
    parts = np.arange(0.0, 25.0), np.arange(30.0, 60.0)
    across = [np.tile([0.0, 1.0], (len(part), 1)) for part in parts]
    frames = [
        [Line(np.stack([part, np.full(len(part), 20.0 + t)], axis=1), normals)
         for part, normals in zip(parts, across, strict=True)]
        for t in range(4)
    ]  # fmt: skip
    found = follow_walls(frames, levels < 0, np.arange(4.0), seen=seen)
    assert whole.walls == [[0]] * 4
    assert found.walls == [[found.walls[0][0], 0]] * 4
    assert found.walls[0][0] != 0


def test_planted_events_match_themselves_and_nothing_else():
    options = WallSceneOptions(radius_pixel=10.0)
    scene = make_wall_scene(
        "driven_topology", (60, 60), 8, options=options, drive=np.ones(8), rng=1
    )
    score = score_events(scene.track, scene.track)
    assert (score.recall, score.precision, score.n_true) == (1.0, 1.0, 1)
    empty = scene.track.events.iloc[:0]
    nothing = type(scene.track)(scene.track.table, scene.track.frame_times, events=empty)
    assert score_events(nothing, scene.track).recall == 0.0
    assert score_events(scene.track, nothing).n_invented == 1
