import math

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.policies.act_values import act_values
from physlearn.causal.policies.belief import Belief
from physlearn.causal.policies.gaussian_process import (
    descriptors_of,
    expected_approach,
    expected_improvement,
)
from physlearn.causal.policies.situation import Policy, Situation
from physlearn.checks import InputError

GRID = np.linspace(0.0, 4.0, 41)
NO_BELIEF = Belief(
    ("a", "b"), np.zeros((2, 41)), np.array([0, 1]), np.log([0.5, 0.5]), np.ones((2, 41))
)


def hill(x):
    return np.exp(-((x - 2.7) ** 2)) + 0.3 * x / 4


def search(policy, n_shots, noise=0.03, seed=0):
    """Acts chosen one by one on the hill, as indices."""
    rng = np.random.default_rng(seed)
    tried, readouts = [], []
    for _ in range(n_shots):
        asked = np.bincount(np.array(tried, dtype=int), minlength=41)
        view = situation(policy, tried, readouts, asked)
        act = int(np.argmax(act_values(view)))
        tried.append(act)
        readouts.append(hill(GRID[act]) + noise * rng.normal())
    return np.array(tried)


def situation(policy, tried, readouts, asked=None, actions=None):
    actions = actions or tuple(
        Action("change_bias", {"bias_V": float(x)}, 0.0, 1.0, 1.0) for x in GRID
    )
    n = len(actions)
    return Situation(
        NO_BELIEF, actions, np.ones(n, bool), np.ones(n), np.ones(n, bool), np.full(n, 0.1),
        np.full(n, 0.1), np.array(tried, np.int64), np.array(readouts, float),
        np.zeros(n, np.int64) if asked is None else asked, policy, np.random.default_rng(0),
    )  # fmt: skip


def test_improvement_finds_the_top_and_the_bottom():
    top = search(Policy("improvement"), 12)
    assert np.abs(GRID[top] - 2.73).min() < 0.15
    assert np.abs(GRID[top[6:]] - 2.73).mean() < 0.6
    low = search(Policy("improvement", smallest=True), 12)
    assert hill(GRID[low]).min() < np.quantile(hill(GRID), 0.1)


def test_upper_bound_finds_the_top():
    top = search(Policy("upper bound", confidence_width=2.0), 12)
    assert np.abs(GRID[top] - 2.73).min() < 0.15


def test_target_is_reached():
    wanted = 0.8
    tried = search(Policy("property target", wanted_readout=wanted), 12)
    assert np.abs(hill(GRID[tried]) - wanted).min() < 0.08


def test_exploration_spreads_over_the_acts():
    tried = search(Policy("exploration"), 9)
    assert len(set(tried.tolist())) == 9
    gaps = np.diff(np.sort(np.r_[-0.05, GRID[tried], 4.05]))
    assert gaps.max() < 1.2


def test_improvement_and_approach_are_those_of_the_integral(monkeypatch):
    from physlearn.causal.policies import gaussian_process

    mean, sd = np.array([0.2, 1.0, -0.5]), np.array([0.5, 0.1, 1.0])
    monkeypatch.setattr(
        gaussian_process, "_learned", lambda situation: (mean, sd, np.array([0.4, 0.1]))
    )
    draws = mean[:, None] + sd[:, None] * np.random.default_rng(0).normal(size=400_000)
    view = situation(Policy("improvement"), [0, 1, 2], [0.0, 0.0, 0.0])
    exact = np.maximum(draws - 0.4, 0).mean(axis=1)
    assert expected_improvement(view) == pytest.approx(exact, abs=4 * 1.0 / math.sqrt(400_000))
    view = situation(Policy("property target", wanted_readout=1.0), [0, 1, 2], [0.0, 0.0, 0.0])
    exact = np.maximum(0.6 - np.abs(draws - 1.0), 0).mean(axis=1)
    # 31 nodes round off the kinks of the distance
    assert expected_approach(view) == pytest.approx(exact, abs=0.01)


def test_descriptors():
    sites = tuple(
        Action("expose_site", {"x": float(x), "y": 2.0, "label": "a"}, 1.0, 1.0, 1.0)
        for x in (0, 1, 5)
    )
    assert descriptors_of(situation(Policy("exploration"), [], [], None, sites)).shape == (3, 1)
    own = Policy("exploration", descriptors=np.arange(6.0).reshape(3, 2))
    assert descriptors_of(situation(own, [], [], None, sites)).std(axis=0) == pytest.approx(1.0)
    with pytest.raises(InputError, match="one row for each of 41 acts"):
        descriptors_of(situation(own, [], []))
    with pytest.raises(InputError, match="differ between acts"):
        descriptors_of(situation(Policy("exploration", descriptors=np.ones((41, 2))), [], []))
