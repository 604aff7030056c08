"""The transition density on a grid against closed forms."""

import numpy as np
import pytest
from scipy import special, stats

from physlearn.inference.dynamics.drift_grid import MOST_GAPS, grid_motion, transition_matrix

PLACES = np.linspace(-6.0, 6.0, 241)
POINTS = np.linspace(-6.0, 6.0, 481)
SPACING = PLACES[1] - PLACES[0]


@pytest.mark.parametrize("duration", [0.1, 0.7, 3.0])
def test_a_trap_has_the_density_of_ornstein_and_uhlenbeck(duration):
    rate, diffusion = 1.5, 0.8
    chain = transition_matrix(-rate * POINTS[1::2], np.full(481, diffusion), SPACING, duration)
    start = 160  # x = 2
    mean = np.exp(-rate * duration) * PLACES[start]
    sd = np.sqrt(diffusion / rate * (1 - np.exp(-2 * rate * duration)))
    exact = stats.norm.pdf(PLACES, mean, sd)
    assert np.abs(chain[start] / SPACING - exact).max() < 0.01 * exact.max()
    assert chain.sum(axis=1) == pytest.approx(1.0)


def test_a_long_time_gives_boltzmann_also_where_diffusion_varies():
    # Ito: p ~ exp(integral of b / D) / D
    diffusion = 1.0 + 0.2 * POINTS**2
    drift = -2.0 * POINTS
    chain = transition_matrix(drift[1::2], diffusion, SPACING, 20.0)
    expected = (1.0 + 0.2 * PLACES**2) ** (-5.0 - 1.0)
    assert chain[120] == pytest.approx(expected / expected.sum(), abs=2e-4)


def test_small_probabilities_keep_their_digits():
    # A walk on the integers with rate r each way: exp(-2 r t) I_n(2 r t)
    chain = transition_matrix(np.zeros(240), np.ones(481), SPACING, 0.05)
    jumps = np.array([0, 10, 60, 100])
    exact = special.ive(jumps, 2 * 0.05 / SPACING**2)
    assert exact[-1] < 1e-40
    assert chain[120, 120 + jumps] == pytest.approx(exact, rel=1e-6, abs=0.0)


def test_the_likelihood_of_steps_is_the_exact_one():
    rng = np.random.default_rng(1)
    decay, sd = np.exp(-0.5), np.sqrt(1 - np.exp(-1.0))
    x = [0.0]
    for _ in range(400):
        x.append(decay * x[-1] + sd * rng.normal())
    x = np.array(x)
    motion = grid_motion(x[:-1], x[1:], np.full(400, 0.5))
    at = motion.points
    found = motion.log_likelihood(motion.densities(-at, np.ones(at.shape[1]), 0.0))
    assert found == pytest.approx(stats.norm.logpdf(x[1:], decay * x[:-1], sd).sum(), abs=0.1)


def test_missing_frames_are_longer_steps_and_many_times_are_not_for_a_grid():
    rng = np.random.default_rng(2)
    x = np.cumsum(rng.normal(size=60))
    gaps = np.where(np.arange(59) % 7 == 0, 2.0, 1.0)
    motion = grid_motion(x[:-1], x[1:], gaps)
    assert motion.gaps == (1.0, 2.0)
    fields = np.zeros_like(motion.points), np.full(motion.points.shape[1], 0.5)
    exact = stats.norm.logpdf(np.diff(x), 0.0, np.sqrt(gaps)).sum()
    assert motion.log_likelihood(motion.densities(*fields, 0.0)) == pytest.approx(exact, abs=1.5)
    assert grid_motion(x[:-1], x[1:], 1.0 + 0.1 * (np.arange(59) % (MOST_GAPS + 1))) is None
