import math

import numpy as np
import pytest
from scipy import stats

from physlearn.causal.policies.belief import Belief
from physlearn.causal.policies.mixture_information import (
    information_about,
    information_about_hypotheses,
)


def belief_of(expected, hypothesis, noise, weights=None):
    hypothesis = np.asarray(hypothesis)
    shares = np.ones(len(hypothesis)) if weights is None else np.asarray(weights, float)
    return Belief(
        tuple("abcdef"[: hypothesis.max() + 1]), np.asarray(expected, float), hypothesis,
        np.log(shares / shares.sum()), np.asarray(noise, float),
    )  # fmt: skip


def by_quadrature(belief, groups, act):
    """Mutual information on a fine grid, from the definition."""
    sd = belief.noise_sd[belief.hypothesis, act]
    shares = np.exp(belief.log_weights)
    y = np.linspace(
        (belief.expected[:, act] - 9 * sd).min(), (belief.expected[:, act] + 9 * sd).max(), 40001
    )
    total = 0.0
    each = [np.zeros_like(y) for _ in range(groups.max() + 1)]
    for member, group in enumerate(groups):
        each[group] += shares[member] * stats.norm.pdf(y, belief.expected[member, act], sd[member])
    mixture = np.sum(each, axis=0)
    for density in each:
        weight = density.sum() * (y[1] - y[0])
        positive = density > 0
        ratio = density[positive] / (weight * mixture[positive])
        total += float((density[positive] * np.log(ratio)).sum() * (y[1] - y[0]))
    return total


@pytest.mark.parametrize("seed", range(6))
def test_information_is_that_of_the_integral(seed):
    rng = np.random.default_rng(seed)
    hypothesis = np.repeat([0, 1, 2], [30, 1, 12])
    expected = rng.normal(size=(3, 4))[hypothesis] * 10 ** rng.uniform(-1, 1.2, 4)
    expected += rng.normal(size=(43, 4)) * 10 ** rng.uniform(-2, 1, 4)
    noise = 10 ** rng.uniform(-1, 0.5, (3, 4))
    belief = belief_of(expected, hypothesis, noise, rng.dirichlet(np.ones(43)))
    found = information_about_hypotheses(belief)
    exact = [by_quadrature(belief, hypothesis, act) for act in range(4)]
    assert found == pytest.approx(exact, abs=2e-5)
    halves = rng.integers(0, 2, 43)
    exact = [by_quadrature(belief, halves, act) for act in range(4)]
    assert information_about(halves, belief) == pytest.approx(exact, abs=2e-5)


def test_limits():
    same = belief_of([[1.0], [1.0]], [0, 1], np.ones((2, 1)))
    assert information_about_hypotheses(same)[0] == pytest.approx(0.0, abs=1e-12)
    for distance in (100.0, 1e5):
        far = belief_of([[0.0], [distance], [2 * distance]], [0, 1, 2], np.ones((3, 1)))
        assert information_about_hypotheses(far)[0] == pytest.approx(math.log(3), abs=1e-6)
    silent = belief_of([[np.nan, 0.0], [np.nan, 1.0]], [0, 1], np.ones((2, 2)))
    assert information_about_hypotheses(silent)[0] == 0.0
    assert information_about_hypotheses(silent)[1] > 0.05


def test_noise_alone_tells_hypotheses_apart():
    """Equal means, sds 1 and 3: what the readout's size tells."""
    belief = belief_of([[0.0], [0.0]], [0, 1], [[1.0], [3.0]])
    assert information_about_hypotheses(belief)[0] == pytest.approx(
        by_quadrature(belief, np.array([0, 1]), 0), abs=2e-5
    )


def test_chosen_columns():
    rng = np.random.default_rng(1)
    belief = belief_of(rng.normal(size=(20, 7)), np.repeat([0, 1], 10), np.ones((2, 7)))
    everything = information_about_hypotheses(belief)
    np.testing.assert_allclose(
        information_about_hypotheses(belief, np.array([5, 2])), everything[[5, 2]], atol=1e-12
    )


def test_more_noise_tells_less_and_never_more_than_the_hypotheses_hold():
    rng = np.random.default_rng(2)
    expected = rng.normal(size=(50, 1))
    hypothesis = np.repeat([0, 1], 25)
    told = [
        information_about_hypotheses(belief_of(expected, hypothesis, np.full((2, 1), sd)))[0]
        for sd in (0.02, 0.1, 0.5, 2.0)
    ]
    assert told == sorted(told, reverse=True)
    assert 0.0 < told[-1] < told[0] <= math.log(2) + 1e-9
