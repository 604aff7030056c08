"""Weights of importance draws and the tail that judges them."""

import warnings

import numpy as np

from physlearn.inference.pareto_smoothing import smoothed_weights


def test_a_tail_without_a_mean_is_a_number_and_no_warning():
    rng = np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights, shape = smoothed_weights(np.append(rng.normal(0.0, 3000.0, 4000), 1e6))
    assert shape > 0.7
    assert abs(weights.sum() - 1) < 1e-9


def test_the_tail_of_pareto_draws_is_found(oracle):
    # weights with P(w > x) = x^(-1 / k) have the shape k
    rng = np.random.default_rng(2)
    found = [smoothed_weights(0.5 * rng.exponential(size=4000))[1] for _ in range(40)]
    assert abs(np.mean(found) - 0.5) < 0.05
    even, _ = smoothed_weights(np.zeros(500))
    np.testing.assert_allclose(even, 1 / 500)
