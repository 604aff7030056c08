"""Front propagation against closed forms: shrinking circles, the area law, order of convergence."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physlearn.checks import InputError
from physlearn.lattice_models.walls.wall_front import (
    front_substeps,
    polar_geometry,
    propagate_polar_front,
)

ANGLES = 2 * np.pi * np.arange(64) / 64
SHAPE = 20 + 2 * np.cos(2 * ANGLES) + np.sin(3 * ANGLES)


def area(radii):
    return np.pi * np.mean(radii**2, axis=-1)


def test_circle_shrinks_as_the_closed_form_says():
    times = np.linspace(0, 60, 13)
    radii = propagate_polar_front(np.full((1, 64), 10.0), np.zeros(12), 0.6, times)
    np.testing.assert_allclose(radii[:, 0, 5], np.sqrt(100 - 2 * 0.6 * times), rtol=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_driven_circle_follows_its_ordinary_differential_equation(sign):
    times = np.arange(11.0)
    drive = sign * np.sin(times[:-1])
    radii = propagate_polar_front(np.full((1, 32), 9.0), 0.5 * drive, 0.4, times)
    radius = 9.0
    for index, push in enumerate(drive):
        step = solve_ivp(lambda _, r, p=push: 0.5 * p - 0.4 / r, (0, 1), [radius], rtol=1e-11)
        radius = step.y[0, -1]
        assert radii[index + 1, 0, 0] == pytest.approx(radius, rel=1e-7)


def test_any_closed_wall_loses_area_at_the_rate_two_pi_mobility():
    times = np.arange(0.0, 40.0, 4.0)
    radii = propagate_polar_front(SHAPE[None], np.zeros(9), 0.7, times)
    lost = area(radii[0, 0]) - area(radii[:, 0])
    np.testing.assert_allclose(lost, 2 * np.pi * 0.7 * times, atol=1e-5)


def test_drive_adds_perimeter_times_speed_to_the_area():
    times = np.array([0.0, 1e-3])
    radii = propagate_polar_front(SHAPE[None], [0.8], 0.0, times)
    stretch, _, _ = polar_geometry(SHAPE)
    rate = (area(radii[1, 0]) - area(radii[0, 0])) / 1e-3
    assert rate == pytest.approx(0.8 * 2 * np.pi * stretch.mean(), rel=1e-4)


def test_time_steps_converge_in_fourth_order():
    start = 8 + 1.0 * np.cos(2 * ANGLES) + 0.4 * np.sin(3 * ANGLES)
    ends = [
        propagate_polar_front(start[None], [0.5], 0.4, [0.0, 4.0], substeps=count)[-1, 0]
        for count in (8, 16, 64)
    ]
    coarse, fine = (np.abs(end - ends[2]).max() for end in ends[:2])
    assert 12 < coarse / fine < 24


def test_curvature_of_an_ellipse():
    a, b = 6.0, 4.0
    angles = 2 * np.pi * np.arange(128) / 128
    radii = a * b / np.sqrt((b * np.cos(angles)) ** 2 + (a * np.sin(angles)) ** 2)
    _, curvature, _ = polar_geometry(radii)
    assert curvature[0] == pytest.approx(a / b**2, rel=1e-6)
    assert curvature[32] == pytest.approx(b / a**2, rel=1e-6)


def test_a_front_that_closes_is_marked():
    radii = propagate_polar_front(
        np.array([np.full(32, 2.0), np.full(32, 9.0)]), np.zeros(9), 0.5, np.arange(10.0)
    )
    assert np.isnan(radii[-1, 0]).all()
    assert np.isfinite(radii[:, 1]).all()


@pytest.mark.parametrize(
    ("radii", "speed", "times", "message"),
    [
        (np.full((1, 10), 5.0), [0.0], [0, 1], "multiple of 4"),
        (-np.full((1, 32), 5.0), [0.0], [0, 1], "must be positive"),
        (np.full((1, 32), 5.0), [0.0, 0.0], [0, 1], "drive_velocity must have shape"),
        (np.full((1, 32), 5.0), [0.0], [1, 0], "times must increase"),
    ],
)
def test_bad_fronts_get_one_sentence(radii, speed, times, message):
    with pytest.raises(InputError, match=message):
        propagate_polar_front(radii, speed, 0.1, times)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1e3])
def test_fronts_do_not_depend_on_the_unit_of_length(size):
    start = np.array([SHAPE, np.full(64, 2.0)])  # the drive closes the second
    speed, mobility = np.full(8, -0.5), np.array([0.6, 0.0])
    times = np.arange(9.0)
    plain = propagate_polar_front(start, speed, mobility, times)
    moved = propagate_polar_front(size * start, size * speed, size**2 * mobility, times)
    np.testing.assert_allclose(moved / size, plain, rtol=1e-9)
    np.testing.assert_allclose(plain[:4, 1, 0], 2.0 - 0.5 * times[:4])
    assert np.isnan(plain[4:, 1]).all()
    assert np.isfinite(plain[:, 0]).all()


def test_a_front_without_a_radius_gets_the_most_steps():
    assert front_substeps(0.0, 1.0, 1.0, 1.0, 64) == 400
    assert front_substeps(1e-200, 1.0, 1.0, 1.0, 64) == 400
    assert front_substeps(10.0, 0.5, 0.0, 1.0, 64) == 2
