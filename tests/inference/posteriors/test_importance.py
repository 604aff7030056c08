"""Proposals: their density, how evenly they lie, and what resampling keeps."""

import numpy as np

from physlearn.inference.posteriors.importance import (
    FAILED_SHARE,
    Proposal,
    even_points,
    resample,
    weigh_points,
)
from physlearn.inference.posteriors.priors import Prior

MEAN, COVARIANCE = np.array([0.3, -0.2]), np.array([[0.04, 0.03], [0.03, 0.09]])


def weights(points, log_proposal, log_target):
    weight = np.exp(log_target - log_proposal)
    return weight / weight.sum(), weight.mean()


def log_gaussian(points, mean, covariance):
    away = points - mean
    squared = np.sum(away * np.linalg.solve(covariance, away.T).T, axis=1)
    return -0.5 * squared - 0.5 * np.log(np.linalg.det(2 * np.pi * covariance))


def test_weights_of_a_known_gaussian_return_its_norm_and_moments():
    prior = Prior.gaussian(("a", "b"), [0.5, 0.8])
    for wide in (None, prior):
        proposal = Proposal(MEAN + 0.1, 1.3 * COVARIANCE, wide)
        points, density = proposal.draw(8192, np.random.default_rng(1))
        weight, norm = weights(points, density, log_gaussian(points, MEAN, COVARIANCE))
        assert abs(norm - 1) < 0.02
        np.testing.assert_allclose(weight @ points, MEAN, atol=0.02 * 0.2)
        away = points - MEAN
        np.testing.assert_allclose((away * weight[:, None]).T @ away, COVARIANCE, rtol=0.04)


def test_even_points_are_uniform_and_better_than_random_ones():
    for d, share in ((1, 0.1), (3, 0.4), (6, 0.7)):
        means = [
            np.mean(np.prod(np.cos(even_points(2000, d, np.random.default_rng(s))), axis=1))
            for s in range(20)
        ]
        exact = np.sin(1.0) ** d
        random = np.sqrt((0.5 + np.sin(2.0) / 4) ** d - exact**2) / np.sqrt(2000)
        assert np.sqrt(np.mean((np.array(means) - exact) ** 2)) < share * random
    assert even_points(10, 9, np.random.default_rng(1)).shape == (10, 9)


def test_resampling_repeats_each_point_as_its_weight_says():
    rng = np.random.default_rng(1)
    weight = rng.dirichlet(np.ones(50))
    points = np.arange(50.0)[:, None]
    drawn = resample(points, weight, 4000, rng)
    counts = np.bincount(drawn[:, 0].astype(int), minlength=50)
    assert np.all(np.abs(counts - 4000 * weight) < 1 + 1e-9)


def test_weighted_points_by_hand():
    points = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0]])
    share = np.array([0.5, 0.25, 0.25])
    found = weigh_points(points, np.log(share) + 7.0, np.zeros(3, bool))
    np.testing.assert_allclose(found.weight, share)
    assert abs(found.effective - 1 / np.sum(share**2)) < 1e-12
    assert abs(found.log_mean - (7.0 + np.log(1 / 3))) < 1e-12
    assert not found.tempered
    assert found.lost == 0
    mean, covariance = found.moments()
    np.testing.assert_allclose(mean, [1.5, 2.5])
    np.testing.assert_allclose(covariance, np.cov(points.T, aweights=share, ddof=0))


def test_points_beyond_what_is_known_get_no_weight_and_are_told():
    share = np.array([0.5, 0.2, 0.2, 0.1])
    beyond = np.array([False, True, False, True])
    found = weigh_points(np.arange(4.0)[:, None], np.log(share), beyond)
    np.testing.assert_allclose(found.weight, [5 / 7, 0, 2 / 7, 0])
    assert abs(found.lost - 0.3) < 1e-12
    everywhere = weigh_points(np.arange(4.0)[:, None], np.log(share), np.ones(4, bool))
    np.testing.assert_allclose(everywhere.weight, share)
    assert abs(everywhere.lost - 1) < 1e-12


def test_weights_of_which_few_count_are_flattened_until_a_tenth_do():
    n = 1000
    log_weight = -0.5 * np.linspace(0, 400, n) ** 2 / 10
    found = weigh_points(np.zeros((n, 1)), log_weight, np.zeros(n, bool))
    assert found.effective < FAILED_SHARE * n  # as the weights were
    assert found.tempered
    counted = 1 / np.sum(found.weight**2)
    assert 0.1 * n <= counted < 0.1 * n / 0.7  # one step of 0.7 leads past a tenth, at the most
    slope = np.diff(np.log(found.weight[:50])) / np.diff(log_weight[:50])
    np.testing.assert_allclose(slope, slope[0], rtol=1e-6)  # a power of what they were
    power = np.log(slope[0]) / np.log(0.7)
    assert abs(power - round(power)) < 1e-6
    just = np.zeros(n)
    just[: n - 60] = -np.inf  # 60 of 1000 count: above the share that fails
    assert not weigh_points(np.zeros((n, 1)), just, np.zeros(n, bool)).tempered


def test_even_points_are_a_kronecker_sequence_on_the_powers_of_a_root():
    for d in (1, 2, 5):
        points = even_points(50, d, np.random.default_rng(3))
        assert points.shape == (50, d)
        step = np.mod(np.diff(points, axis=0), 1.0)
        np.testing.assert_allclose(step, np.broadcast_to(step[0], step.shape), atol=1e-9)
        root = np.max(np.roots([1.0, *np.zeros(d - 1), -1.0, -1.0]).real)  # x^(d+1) = x + 1
        np.testing.assert_allclose(step[0], root ** -np.arange(1.0, d + 1), atol=1e-9)
        shift = np.random.default_rng(3).random(d)  # of its own, uniform
        np.testing.assert_allclose(np.mod(points[0] - step[0], 1.0), shift, atol=1e-9)


def test_weights_know_no_unit():
    log_weight = np.log([0.5, 0.2, 0.2, 0.1])
    beyond = np.array([False, True, False, True])
    for unit in (-900.0, 900.0):
        found = weigh_points(np.arange(4.0)[:, None], log_weight + unit, beyond)
        assert abs(found.lost - 0.3) < 1e-12
        np.testing.assert_allclose(found.weight, [5 / 7, 0, 2 / 7, 0])
        assert abs(found.log_mean - unit - np.log(0.7 / 4)) < 1e-9
    points = np.arange(4.0)[:, None]
    for unit in (0.1, 1.0, 30.0):
        drawn = resample(points, unit * np.exp(log_weight), 1000, np.random.default_rng(1))
        counts = np.bincount(drawn[:, 0].astype(int), minlength=4)
        assert np.abs(counts - [500, 200, 200, 100]).max() <= 1


def test_just_as_many_points_as_are_needed_are_left_alone():
    even = np.where(np.arange(100) < 100 * FAILED_SHARE, 0.0, -np.inf)
    assert not weigh_points(np.zeros((100, 1)), even, np.zeros(100, bool)).tempered
    fewer = np.where(np.arange(100) < 100 * FAILED_SHARE - 1, 0.0, -np.inf)
    assert weigh_points(np.zeros((100, 1)), fewer, np.zeros(100, bool)).tempered
