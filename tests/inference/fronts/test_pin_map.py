"""Distances to pins, and pins that cannot be meant."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.inference.fronts.pin_map import make_pin_map
from physlearn.records import WallTrack


def circle(**metadata):
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    table = pd.DataFrame({
        "frame": 0, "wall": 0, "time": 0.0, "x": 20 + 10 * np.cos(angle),
        "y": 15 + 10 * np.sin(angle), "normal_x": np.cos(angle), "normal_y": np.sin(angle),
        "normal_error": 0.1, "error_correlation_length": 1.0, "arc_length": 10 * angle,
        "curvature": 0.1, "normal_velocity": np.nan,
    })  # fmt: skip
    return WallTrack(table, [0.0], closed={0: True}, metadata=metadata)


VIEW = {"field_of_view": [-0.5, -0.5, 39.5, 29.5], "frame_rows": 30, "frame_columns": 40}


def test_distances_are_those_to_the_nearest_place():
    rng = np.random.default_rng(1)
    pins = rng.uniform((8, 4), (32, 26), (7, 2))
    found = make_pin_map(pins, circle(**VIEW), 1.0)
    x, y = rng.uniform(9, 31, 500), rng.uniform(5, 25, 500)
    truth = np.hypot(x[:, None] - pins[:, 0], y[:, None] - pins[:, 1]).min(axis=1)
    assert found.at(x, y) == pytest.approx(np.maximum(truth, 0.5), abs=0.13)
    assert np.abs(found.at(x, y) - np.maximum(truth, 0.5)).mean() < 0.01
    assert found.at(np.array([[-1e3]]), np.array([[1e3]])) == pytest.approx(
        found.table[0, -1], abs=1e-3
    )
    assert np.isnan(found.at(np.array([np.nan]), np.array([9.0]))).all()


def test_a_picture_says_the_same_as_its_pixels():
    picture = np.zeros((30, 40), dtype=bool)
    picture[12, 25] = picture[3, 7] = True
    here = make_pin_map(picture, circle(**VIEW), 1.0)
    there = make_pin_map([(25.0, 12.0), (7.0, 3.0)], circle(**VIEW), 1.0)
    assert here.table == pytest.approx(there.table)
    scaled = {**VIEW, "field_of_view": [-0.25, -0.25, 19.75, 14.75]}
    assert sorted(make_pin_map(picture, circle(**scaled), 1.0).places.tolist()) == [
        [3.5, 1.5], [12.5, 6.0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ([(10.0, 50.0)], r"pin 0 is at \(10, 50\)"),
        ([(10.0, np.nan)], "pins must hold finite numbers"),
        (np.zeros((0, 2)), "pins must"),
        ([3.0, 4.0], "pins must"),
        (np.zeros((30, 41), dtype=bool), "30 rows and 40 columns"),
        (np.zeros((30, 40), dtype=bool), "every pixel of the picture is False"),
        (np.full((30, 40), 0.3), "threshold it"),
    ],
)
def test_pins_that_cannot_be_meant_get_one_sentence(pins, said):
    with pytest.raises(InputError, match=said):
        make_pin_map(pins, circle(**VIEW), 1.0)


def test_a_picture_needs_a_track_that_knows_its_view():
    with pytest.raises(InputError, match=r"give places \(k, 2\)"):
        make_pin_map(np.ones((30, 40), dtype=bool), circle(), 1.0)
    assert make_pin_map([(500.0, 1.0)], circle(), 1.0).nearest == 0.5
