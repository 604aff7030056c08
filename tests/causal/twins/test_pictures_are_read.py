"""Pictures of twins are pictures: atoms and walls are found in them where they are."""

import numpy as np
from scipy.spatial import cKDTree

from physlearn.causal import Action, AtomSample, DigitalTwin, Instrument, WallSample
from physlearn.datasets import find_atoms, find_walls


def whole(twin):
    return dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view, strict=True))


def test_atoms_that_a_beam_left_are_found_where_they_stand():
    made = Instrument(picture_rows=160, picture_columns=200, pixel_noise_sd=0.05)
    twin = DigitalTwin(AtomSample(atom_radius=0.35), made, rng=1)
    twin.do(Action("expose_patch", whole(twin), 800.0, 1.0, 1.0, irreversible=True))
    twin.do(Action("image", whole(twin), 1.0, 1.0, 1.0))
    found = find_atoms(twin.pictures[0])
    truth = twin.reveal()
    left = truth["sites"][truth["states"] != 0]
    assert found.unit == "angstrom"
    assert found.n == len(left) < len(truth["sites"])
    apart, _ = cKDTree(left).query(found.positions)
    assert np.median(apart) < 0.02
    assert apart.max() < 0.3


def test_wall_is_found_where_it_came_to_rest():
    made = Instrument(picture_rows=120, picture_columns=126, pixel_noise_sd=0.1)
    twin = DigitalTwin(WallSample(pinning_strength=0.6), made, rng=1)
    for volt, lasts in ((2.0, 10.0), (0.0, 50.0)):
        twin.do(Action("change_bias", {"bias_V": volt}, 0.0, lasts, 1.0))
    twin.do(Action("image", whole(twin), 1.0, 1.0, 1.0))
    points = find_walls(twin.pictures[0]).table
    heights = twin.reveal()["heights"]
    there = np.interp(points["x"], np.arange(64.0), heights)
    assert np.ptp(heights) > 4.0
    # a tenth of the 0.5 nm pixel, and nowhere off by more than one
    assert np.abs(points["y"] - there).mean() < 0.1
    assert np.abs(points["y"] - there).max() < 0.5
