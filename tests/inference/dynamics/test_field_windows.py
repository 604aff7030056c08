"""Test functions: derivatives by parts, irregular frames, wrapping, overlap."""

import numpy as np
import pytest
from scipy import special

from physlearn.inference.dynamics.field_windows import (
    bump_integral,
    space_windows,
    time_windows,
)


def test_bump_integral_is_that_of_the_polynomial():
    polynomial = (np.polynomial.Polynomial([1.0, 0.0, -1.0]) ** 5).integ()
    assert bump_integral(5) == pytest.approx(polynomial(1) - polynomial(-1), rel=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2, 4, 6])
def test_derivatives_move_onto_the_windows(order):
    """Windows of the n-th derivative weigh a wave as the plain windows weigh its derivative."""
    x = 0.25 * np.arange(96)
    windows = space_windows(96, 0.25, 12, (0, 1, 2, 3, 4, 6), 0, False)
    wave = np.exp(1j * 1.3 * x)
    by_parts = (-1.0) ** order * windows.weights[order] @ wave
    direct = windows.weights[0] @ ((1.3j) ** order * wave)
    # the bump's spectrum at the wave's aliases (its tail as a Bessel function of order 12.5)
    tail = 0.0
    for k in (2 * np.pi * 12 - 1.3 * 3.0, 2 * np.pi * 12 + 1.3 * 3.0):
        tail += 2**12.5 * special.gamma(13.5) * k**-12.5 * np.sqrt(2 / (np.pi * k)) * k**order
    limit = tail / 3.0**order + 1e-9 * np.abs(direct).max()
    assert np.abs(by_parts - direct).max() < limit


def test_windows_of_a_ring_wrap():
    windows = space_windows(60, 1.0, 9, (0, 1), 0, True)
    assert windows.weights[0].sum(axis=1) == pytest.approx(np.ones(len(windows.centres)), rel=1e-9)
    assert windows.distances().max() <= 30 / 9
    ring = np.sin(2 * np.pi * np.arange(60) / 60)
    assert np.abs((windows.weights[0] @ ring).sum()) < 1e-9


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_frames_at_irregular_times_integrate_polynomials(jitter):
    generator = np.random.default_rng(1)
    times = np.sort(np.arange(60) + jitter * generator.uniform(-1, 1, size=60))
    subsets = [np.arange(60)[::2], np.arange(60)[1::2]]
    windows = time_windows(times, np.zeros(1), 12.0, subsets)
    centre = windows.centres[:, None]
    for subset, weights in zip(subsets, windows.weights, strict=True):
        s = (times[subset] - centre) / 12.0
        plain, slope = weights[0][0], weights[1][0]
        # second moment of (1 - s^2)^6: 1 / (2 * 6 + 3)
        for values, mean, rate in (
            (np.ones_like(s), 1.0, 0.0), (s, 0.0, 1 / 12.0), (s**2, 1 / 15, 0.0),
            (s**3, 0.0, 3 / 15 / 12.0),
        ):  # fmt: skip
            tolerance = 1e-9 if jitter else 2e-4
            assert (plain * values).sum(axis=1) == pytest.approx(mean, abs=tolerance)
            assert (slope * values).sum(axis=1) == pytest.approx(rate, abs=tolerance)


def test_windows_across_a_long_gap_are_not_allowed():
    times = np.r_[np.arange(20.0), np.arange(32.0, 60.0)]
    order = np.arange(len(times))
    windows = time_windows(times, np.zeros(1), 8.0, [order[::2], order[1::2]])
    bridging = np.abs(windows.centres - 26) < 6
    assert bridging.any()
    assert not windows.allowed[bridging].any()
    assert windows.allowed.any()


def test_correlation_is_that_of_white_noise():
    windows = space_windows(400, 1.0, 30, (0,), 0, False)
    weights = windows.weights[0]
    exact = weights @ weights.T
    exact /= exact[0, 0]
    assert np.abs(exact - windows.correlation).max() < 0.02
