import math

import numpy as np
import pytest

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test, follow
from physlearn.causal.severity.history import History
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.severity.order_checks import drift_check, memory_check, replicate_noise
from physlearn.checks import InputError

X = np.linspace(0, 1, 12)
TABLE = DesignTable(("linear",), (np.random.default_rng(0).normal(size=(50, 1)) * X,), 0.1, X)
TEST = declare_test(TABLE, rng=0)
UNKNOWN = declare_test(TABLE, SeverityOptions(noise_dof=8), rng=0)


def shots(seed, *, drift=0.0, memory=0.0, n=24, every=4):
    """Readouts of a line with a drift over the run and a memory of the last one, in noise sd."""
    rng = np.random.default_rng(seed)
    marks = np.arange(n) % every == 0
    index = np.where(marks, 5, rng.integers(0, 12, n))
    readout, last = np.empty(n), 0.0
    for t in range(n):
        readout[t] = X[index[t]] + 0.1 * (
            rng.standard_normal() + drift * t / (n - 1) + memory * last
        )
        last = (readout[t] - 0.5) / 0.3
    return History(index, readout, None, marks)


@pytest.mark.parametrize("test", [TEST, UNKNOWN])
def test_drift_is_estimated_from_reference_shots(test):
    found = [drift_check(follow(test, shots(seed, drift=8.0))) for seed in range(40)]
    z = np.array([(check.estimate - 8.0) / check.sd for check in found])
    assert abs(z.mean()) < 4 / math.sqrt(40)
    assert z.std() == pytest.approx(1.0, abs=4 / math.sqrt(80))
    assert np.median([check.log_evidence for check in found]) > math.log(10)
    assert all(check.n_contrasts == 5 and check.tested for check in found)


@pytest.mark.parametrize("test", [TEST, UNKNOWN])
def test_without_drift_or_memory_there_is_no_evidence_for_one(test):
    for check in (drift_check, memory_check):
        found = [check(follow(test, shots(100 + seed))) for seed in range(60)]
        share = np.mean([c.log_evidence >= math.log(10) for c in found])
        assert share <= 0.1 + 4 * math.sqrt(0.1 * 0.9 / 60)
        covered = np.mean([abs(c.estimate) <= c.bound for c in found])
        assert covered == 1.0


def test_memory_is_seen_in_repeats():
    found = [memory_check(follow(TEST, shots(seed, memory=1.5, n=40))) for seed in range(30)]
    assert np.mean([c.log_evidence >= math.log(10) for c in found]) > 0.8
    assert np.mean([c.estimate for c in found]) > 1.0


def test_what_was_not_repeated_is_not_tested():
    evidence = follow(TEST, History([0, 1, 2], [0.0, 0.1, 0.2]))
    assert not drift_check(evidence).tested
    assert not memory_check(evidence).tested
    assert math.isnan(drift_check(evidence).estimate)


def test_noise_from_replicates():
    rng = np.random.default_rng(3)
    index = np.repeat(np.arange(200), 3)
    relative = np.where(index % 2, 1.0, 2.0)
    readout = index + 0.3 * relative * rng.standard_normal(600)
    found = replicate_noise(index, readout, relative)
    assert found.dof == 400
    assert found.sd == pytest.approx(0.3, rel=4 / math.sqrt(800))
    with pytest.raises(InputError, match="0 repeats"):
        replicate_noise([0, 1], [0.0, 1.0])
    with pytest.raises(InputError, match="relative_sd"):
        replicate_noise([0, 0], [0.0, 1.0], [1.0, 0.0])


@pytest.mark.parametrize(("n_actions", "n_each"), [(6, 5), (3, 4), (10, 2)])
def test_normal_noise_is_rarely_said_to_have_long_tails(n_actions, n_each):
    rng, index = np.random.default_rng(5), np.repeat(np.arange(n_actions), n_each)
    relative = np.where(np.arange(len(index)) % 2, 1.0, 3.0)
    said = [
        bool(replicate_noise(index, relative * rng.normal(size=len(index)), relative).warnings)
        for _ in range(1500)
    ]
    # one in a hundred, 4 sd of the count above it
    assert np.mean(said) < 0.01 + 4 * math.sqrt(0.01 / 1500)


@pytest.mark.parametrize(("n_actions", "n_each"), [(6, 5), (3, 4)])
def test_a_readout_far_off_is_said(n_actions, n_each):
    rng, index = np.random.default_rng(6), np.repeat(np.arange(n_actions), n_each)
    said = 0
    for _ in range(40):
        readout = index + rng.normal(size=len(index))
        readout[4] += 15.0
        texts = replicate_noise(index, readout).warnings
        said += bool(texts) and "longer tails" in texts[0]
    assert said >= 38


def test_noise_with_long_tails_is_said_where_there_are_many_repeats():
    rng, index = np.random.default_rng(7), np.repeat(np.arange(20), 5)
    said = [bool(replicate_noise(index, rng.standard_t(2, 100)).warnings) for _ in range(60)]
    assert np.mean(said) > 0.75
