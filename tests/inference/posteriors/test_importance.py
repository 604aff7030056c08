"""Proposals: their density, how evenly they lie, and what resampling keeps."""

import numpy as np

from physlearn.inference.posteriors.importance import Proposal, even_points, resample
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
