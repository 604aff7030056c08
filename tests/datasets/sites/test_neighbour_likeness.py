"""How alike neighbours are, and how alike their shared errors make them."""

import numpy as np
import pytest
from scipy import sparse

from physlearn.datasets.sites.neighbour_likeness import expected_likeness, neighbour_likeness
from physlearn.records import AtomicConfiguration

PLACES = 3.0 * np.argwhere(np.ones((20, 20))).astype(float)


def test_white_values_have_unit_scores(oracle):
    rng = np.random.default_rng(1)
    places = PLACES + rng.normal(0, 0.1, PLACES.shape)
    scores = np.array([neighbour_likeness(places, rng.normal(size=400))[0] for _ in range(300)])
    oracle("mean of the score", z=scores.mean() * np.sqrt(300))
    oracle("spread of the score", z=(scores.std() - 1) * np.sqrt(2 * 300))


def test_values_of_a_gradient_are_alike_and_stripes_are_not():
    assert neighbour_likeness(PLACES, PLACES[:, 0])[1] > 0.8
    checkers = (-1.0) ** (PLACES.sum(axis=1) / 3)
    # corners and edges have their third neighbour on the same colour
    assert neighbour_likeness(PLACES, checkers)[1] < -0.9


def test_expected_likeness_is_that_of_log_amplitude_and_twice_log_width():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(8, 8))
    covariance = root @ root.T
    atoms = AtomicConfiguration([[0.0, 0.0], [3.0, 0.0]], covariance=sparse.csc_array(covariance))
    one, two = np.zeros(8), np.zeros(8)
    one[[2, 3]] = two[[6, 7]] = 1.0, 2.0
    shared = one @ covariance @ two
    by_hand = shared / np.sqrt((one @ covariance @ one) * (two @ covariance @ two))
    assert expected_likeness(atoms) == pytest.approx(by_hand, rel=1e-5)
    assert expected_likeness(AtomicConfiguration(PLACES)) is None
