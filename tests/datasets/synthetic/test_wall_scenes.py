"""Wall scenes against closed forms: the radius of a circle, the signal of every channel."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import WallSceneOptions, make_wall_scene, make_wall_video
from physlearn.datasets.synthetic import wall_level_kernels
from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions
from physlearn.datasets.synthetic.wall_levels import move_level, redistance, wall_points
from physlearn.datasets.synthetic.wall_scenes import _shapes


def test_a_circle_under_drive_and_tension_keeps_its_exact_radius():
    spacing, drive, bend, radius = 0.5, 0.5, 0.8, 9.0
    y, x = np.mgrid[:96, :96] * spacing
    level = np.hypot(x - 23.7, y - 24.2) - radius
    for _ in range(12):
        level = move_level(level, np.full(level.shape, drive), bend, 1.0, spacing)
        for _ in range(2000):  # the exact law, dR/dt = drive - bend / R
            radius += (drive - bend / radius) / 2000
    points, normals, curvature = wall_points(level)
    found = np.hypot(*(points * spacing - [23.7, 24.2]).T)
    assert np.abs(found - radius).max() < 2e-3
    outward = (points * spacing - [23.7, 24.2]) / found[:, None]
    assert np.abs((normals * outward).sum(axis=1) - 1.0).max() < 1e-4
    assert np.median(curvature) / spacing == pytest.approx(1.0 / radius, rel=5e-3)


def test_distances_are_distances():
    y, x = np.mgrid[:80, :80] * 0.5
    exact = np.hypot(x - 19.3, y - 20.1) - 11.0
    warped = exact * (1.0 + 0.02 * x)
    found = redistance(warped, 0.5, 5.0)
    near = np.abs(exact) < 4.5
    assert np.abs(found - exact)[near].max() < 5e-3
    assert np.abs(found).max() == 5.0


def test_steps_equal_their_plain_form():
    y, x = np.mgrid[:30, :30] * 0.5
    levels = [np.hypot(x - 7.0, y - 7.5) - 4.0 for _ in range(2)]
    rows, columns = np.nonzero(np.abs(levels[0][4:-4, 4:-4]) < 1.5)
    speed = np.where(x > 7.0, 0.4, -0.3)
    wall_level_kernels.level_steps(levels[0], rows + 4, columns + 4, speed, 0.3, 0.5, 0.05, 2)
    wall_level_kernels.level_steps.py_func(
        levels[1], rows + 4, columns + 4, speed, 0.3, 0.5, 0.05, 2
    )
    np.testing.assert_allclose(*levels, atol=1e-12)


def test_contours_lie_on_the_zero_of_the_level():
    y, x = np.mgrid[:60, :60].astype(float)
    (wall,) = _shapes(np.hypot(x - 29.3, y - 30.4) - 17.0, 1.0)
    assert wall.closed
    assert np.abs(np.hypot(*(wall.points - [29.3, 30.4]).T) - 17.0).max() < 1e-3
    assert np.abs(wall.curvature * 17.0 - 1.0).max() < 0.02


@pytest.fixture(scope="module")
def scene():
    planted = WallSceneOptions(
        complex_signal=True, noise_sd=0.05, missing_frames=(2,), illumination_jump=0.2,
        jump_frames=(1,), flip_rate=0.1, ferroelastic_period=20.0, radius_pixel=9.0, n_domains=2,
    )  # fmt: skip
    return make_wall_scene("domains", (64, 64), 4, options=planted, rng=3)


def test_the_film_is_the_planted_profile_with_what_disturbs_it(scene):
    planted = scene.options
    profile = -np.tanh(scene.levels / planted.wall_width_pixel)
    clean = profile * np.exp(1j * planted.phase) + planted.complex_offset
    values = scene.video.to_numpy()
    assert np.isnan(values[2]).all()
    for frame in (0, 3):
        rest = values[frame] - clean[frame]
        assert np.std(rest.real) == pytest.approx(0.05, rel=0.06)
        assert abs(rest.mean()) < 4 * 0.05 / 64
    rest = values[1] - (0.8 * clean[1] - 0.1)
    assert np.std(rest.real) == pytest.approx(0.04, rel=0.06)
    channels = scene.channels()
    np.testing.assert_allclose(
        (channels.amplitude * np.exp(1j * channels.phase)).to_numpy()[0], values[0]
    )


def test_flipped_pixels_and_stripes_are_as_planted(scene):
    wrong = scene.binary.to_numpy() != (scene.levels < 0)
    assert wrong.mean() == pytest.approx(0.1, abs=4 * 0.3 / np.sqrt(wrong.size))
    stripes = scene.ferroelastic.to_numpy()
    assert np.quantile(np.abs(stripes), 0.9) == pytest.approx(1.0, abs=0.1)
    assert abs(np.mean(stripes > 0) - 0.5) < 0.05


def test_rows_scanned_in_turn_see_the_wall_at_their_own_time():
    planted = WallSceneOptions(line_time=1.0 / 64, radius_pixel=12.0, n_domains=1, noise_sd=0.0,
                               curvature_mobility=0.0)  # fmt: skip
    scene = make_wall_scene("domains", (64, 64), 3, options=planted, drive=np.ones(3), rng=2)
    still = make_wall_scene(
        "domains", (64, 64), 3, drive=np.ones(3), rng=2,
        options=WallSceneOptions(radius_pixel=12.0, n_domains=1, noise_sd=0.0,
                                 curvature_mobility=0.0),
    )  # fmt: skip
    rows = np.arange(64)[:, None]
    grown = scene.levels[1] - still.levels[1]
    near = np.abs(still.levels[1]) < 3
    expected = np.broadcast_to(-0.5 * rows / 64, grown.shape)
    assert np.abs(grown - expected)[near].max() < 0.02
    assert np.allclose(scene.track.table["time"], scene.track.table["frame"]
                       + scene.track.table["y"] / 64)  # fmt: skip


def test_a_scene_repeats_with_its_seed():
    one = make_wall_scene("line", (48, 48), 3, rng=5)
    two = make_wall_scene("line", (48, 48), 3, rng=one.seed)
    np.testing.assert_array_equal(one.video, two.video)
    assert one.truth == {"drive_mobility": 0.5, "curvature_mobility": 0.4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "spiral"}, "kind must be"),
        ({"n_frames": 2}, "at least 3"),
        ({"options": WallSceneOptions(line_time=0.1)}, "rows fit into a frame"),
        ({"kind": "driven_topology", "shape": (64, 64)}, "6 radius_pixel"),
        ({"kind": "domains", "shape": (48, 48)}, "room for"),
        ({"drive": [1.0]}, "drive must have shape"),
    ],
)
def test_scenes_that_cannot_be_made_say_why(arguments, message):
    with pytest.raises(InputError, match=message):
        make_wall_scene(**{"rng": 1, **arguments})


def test_a_flip_rate_of_a_half_is_refused():
    with pytest.raises(InputError, match=r"flip_rate must be below 0\.5"):
        WallSceneOptions(flip_rate=0.5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make_wall_scene("domains", 96, 8), r"shape must be \(rows, columns\).*got 96"),
        (lambda: make_wall_video((96, 8)), "two whole numbers from 32 on"),
        (lambda: make_wall_video((96.5, 96)), "two whole numbers"),
        (lambda: make_wall_video(n_frames=2), "n_frames must be"),
        (lambda: WallVideoOptions(noise_sd=-0.1), "noise_sd must"),
        (lambda: WallVideoOptions(wall_width_pixel=0.0), "wall_width_pixel must"),
        (lambda: WallVideoOptions(radii_pixel=(9.0, -1.0)), "radii_pixel must"),
    ],
)
def test_films_that_cannot_be_planted_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
