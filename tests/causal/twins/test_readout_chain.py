"""Noise, drift, tails and tip changes of a readout."""

import numpy as np
import pytest

from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.readout_chain import ReadoutChain

N = 4000


def made(rng=1, **errors):
    return ReadoutChain(Instrument(**errors), np.random.default_rng(rng))


def test_noise_adds_the_shot_noise_of_the_dose_and_shrinks_with_repeats():
    chain = made(readout_noise_sd=0.3, shot_noise=4.0)
    expected = np.hypot(0.3, 4.0 / 10.0)
    once = np.array([chain.read(2.0, 100.0) for _ in range(N)])
    assert once.std() == pytest.approx(expected, abs=4 * expected / np.sqrt(2 * N))
    assert once.mean() == pytest.approx(2.0, abs=4 * expected / np.sqrt(N))
    four = np.array([chain.read(2.0, 100.0, 4) for _ in range(N)])
    assert four.std() == pytest.approx(expected / 2, abs=4 * expected / 2 / np.sqrt(2 * N))


def test_heavy_tails_keep_the_standard_deviation():
    chain = made(readout_noise_sd=1.0, tail_freedom=6)
    found = np.array([chain.read(0.0, 0.0) for _ in range(4 * N)])
    # the variance of t with 6 degrees of freedom has kurtosis 6: its error is sqrt(5 / n)
    assert found.var() == pytest.approx(1.0, abs=4 * np.sqrt(5.0 / (4 * N)))
    assert np.mean(np.abs(found) > 3.5) > 3 * 4.65e-4  # of a normal number


def test_zero_drifts_and_walks():
    chain = made(readout_drift_per_s=-0.5)
    chain.wait(4.0)
    assert chain.read(1.0, 0.0) == pytest.approx(-1.0)
    ends = []
    for seed in range(1000):
        walker = made(seed, readout_walk=0.3)
        for _ in range(4):
            walker.wait(1.0)
        ends.append(walker.zero)
    assert np.std(ends) == pytest.approx(0.6, abs=4 * 0.6 / np.sqrt(2000))


def test_tips_change_as_often_as_told_and_can_be_mended():
    chain = made(tip_change_probability=0.2, largest_gain_change=2.0)
    changed = np.array([chain.maybe_change_tip() for _ in range(N)])
    assert changed.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / N))
    assert 0.5 <= chain.gain <= 2.0
    assert chain.gain != 1.0
    chain.mend()
    assert chain.read(3.0, 0.0) == 3.0
