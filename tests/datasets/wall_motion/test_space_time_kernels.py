"""The filter and smoother of one mode against the dense Gaussian process."""

import numpy as np
import pytest

from physlearn.datasets.wall_motion.space_time_grid import from_modes, to_modes
from physlearn.datasets.wall_motion.space_time_kernels import (
    log_likelihood,
    mode_means,
    mode_variances,
)

N_FRAMES, POWER, RATE = 7, 3.0, 0.4


def dense(gliding, seed=0):
    """Covariance of the process, noise with a missing frame, and data."""
    rng = np.random.default_rng(seed)
    spans = np.r_[0.0, rng.uniform(0.5, 2.0, N_FRAMES - 1)]
    lag = RATE * np.abs(np.subtract.outer(np.cumsum(spans), np.cumsum(spans)))
    covariance = POWER * np.exp(-lag) * ((1 + lag) if gliding else 1.0)
    noise = rng.uniform(0.1, 1.0, (1, N_FRAMES))
    noise[0, 3] = np.inf
    return spans, covariance, noise, rng.normal(size=(1, N_FRAMES))


@pytest.mark.parametrize("gliding", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_mode_is_the_gaussian_process(gliding, compiled, oracle):
    spans, covariance, noise, data = dense(gliding)
    seen = np.isfinite(noise[0])
    own = covariance[np.ix_(seen, seen)] + np.diag(noise[0, seen])
    power, rate = np.array([POWER]), np.array([RATE])
    functions = [log_likelihood, mode_means, mode_variances]
    chance, means, variances = (f if compiled else f.py_func for f in functions)
    expected = -0.5 * np.linalg.slogdet(own)[1]
    expected -= 0.5 * data[0, seen] @ np.linalg.solve(own, data[0, seen])
    found = chance(data, noise, spans, power, rate, gliding)
    oracle("log likelihood of a mode", error=found - expected, bound=1e-10)
    mean = np.empty((1, N_FRAMES))
    means(data, noise, spans, power, rate, gliding, mean)
    exact = covariance[:, seen] @ np.linalg.solve(own, data[0, seen])
    oracle("posterior mean of a mode", error=np.abs(mean[0] - exact).max(), bound=1e-10)
    post = covariance - covariance[:, seen] @ np.linalg.solve(own, covariance[seen])
    spread, step = np.empty((1, N_FRAMES)), np.empty((1, N_FRAMES))
    variances(noise, spans, power, rate, gliding, spread, step)
    before = np.maximum(np.arange(N_FRAMES) - 1, 0)
    after = np.minimum(np.arange(N_FRAMES) + 1, N_FRAMES - 1)
    ends = post[before, before] + post[after, after] - 2 * post[before, after]
    oracle("variance of a mode", error=np.abs(spread[0] - np.diag(post)).max(), bound=1e-10)
    oracle("variance of a step", error=np.abs(step[0] - ends).max(), bound=1e-10)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("count", [16, 17])
def test_modes_are_orthonormal(closed, count):
    field = np.random.default_rng(1).normal(size=(3, count))
    modes = to_modes(field, closed)
    np.testing.assert_allclose((modes**2).sum(axis=0), (field**2).sum(axis=1))
    np.testing.assert_allclose(from_modes(modes, closed), field, atol=1e-12)
