import math

import numpy as np
import pytest
from scipy import integrate, stats

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test, drift_covariance, follow
from physlearn.causal.severity.history import History
from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError

X = np.linspace(0, 1, 12)
NOISE = np.linspace(0.1, 0.3, 12)


def small_table(noise=NOISE):
    rng = np.random.default_rng(5)
    return DesignTable(
        ("linear", "square"),
        (rng.normal(size=(40, 1)) * X, rng.normal(size=(30, 1)) * X**2),
        noise,
        X,
        np.array([0.3, 0.7]),
    )


def functions(test, k, c):
    declared = test.classes[k][c]
    shape = declared.shape.T.astype(float) * test.table.noise_sd[k]
    return test.table.members[k][declared.member] + declared.size * shape


def log_mean(values):
    return np.logaddexp.reduce(values) - math.log(len(values))


HISTORY = History([3, 7, 7, 11, 0], [0.4, 0.9, 0.7, 1.2, -0.1], time_s=[10, 20, 40, 50, 90])


def test_marginal_likelihoods_are_those_of_scipy():
    test = declare_test(small_table(), rng=0)
    evidence = follow(test, HISTORY)
    shots, sds = HISTORY.action_index, NOISE[HISTORY.action_index]

    def oracle(expected):
        return log_mean(stats.norm.logpdf(HISTORY.readout, expected[:, shots], sds).sum(axis=1))

    constant = 2.5 * math.log(2 * math.pi)
    own = [oracle(m) + constant for m in test.table.members]
    assert evidence.log_marginal() == pytest.approx(own, abs=1e-9)
    for k in range(2):
        against = [oracle(functions(test, k, c)) + constant for c in range(2)]
        assert evidence.log_class_marginal(k)[:, 0] == pytest.approx(against, abs=2e-3)
        assert evidence.log_e_values(k) == pytest.approx(own[k] - np.array(against), abs=2e-3)
    odds = np.array([0.3, 0.7]) * np.exp(own)
    assert evidence.weights() == pytest.approx(odds / odds.sum())


def test_drift_and_reference_level_are_integrated_out():
    options = SeverityOptions(drift_sd=0.5, drift_time_s=60.0)
    test = declare_test(small_table(), options, rng=0)
    marks = np.array([True, False, False, True, False])
    history = History([6, 7, 7, 6, 0], [5.0, 0.9, 0.7, 5.3, -0.1], [10, 20, 40, 50, 90], marks)
    evidence = follow(test, history)
    times, sds = history.time_s - 10, NOISE[history.action_index]
    covariance = 0.25 * np.minimum.outer(times, times) / 60 + np.diag(sds**2)
    covariance += np.outer(marks, marks) * (100 * NOISE[6]) ** 2
    readout = history.readout - 5.0 * marks

    def oracle(expected):
        means = np.where(marks, 0.0, expected[:, history.action_index])
        zero = np.zeros(5)
        return log_mean(stats.multivariate_normal.logpdf(readout - means, zero, covariance))

    constant = 2.5 * math.log(2 * math.pi)
    own = [oracle(m) + constant for m in test.table.members]
    assert evidence.log_marginal() == pytest.approx(own, abs=1e-6)
    for k, c in ((0, 1), (1, 0)):
        against = oracle(functions(test, k, c)) + constant
        assert evidence.log_class_marginal(k)[c, 0] == pytest.approx(against, abs=2e-3)
    assert drift_covariance(options, np.array([60.0]), np.array([120.0]))[0, 0] == 0.25


def test_unknown_noise_is_integrated_out():
    dof = 6.0
    test = declare_test(small_table(), SeverityOptions(noise_dof=dof), rng=0)
    evidence = follow(test, HISTORY)
    shots, sds = HISTORY.action_index, NOISE[HISTORY.action_index]

    def oracle(mean):
        def density(scale):
            prior = stats.chi2.pdf(dof / scale**2, dof) * 2 * dof / scale**3
            return prior * stats.norm.pdf(HISTORY.readout, mean, scale * sds).prod()

        return math.log(integrate.quad(density, 0.05, 40, limit=200)[0])

    members = test.table.members[0][:2]
    exact = [oracle(m[shots]) for m in members]
    found = evidence.log_likelihood(0)[:2]
    assert found[0] - found[1] == pytest.approx(exact[0] - exact[1], abs=1e-6)


def test_history_may_be_replayed():
    test = declare_test(small_table(), rng=0)
    one = follow(test)
    for j, y, t in zip(HISTORY.action_index, HISTORY.readout, HISTORY.time_s, strict=True):
        before = one.weights()
        after = one.after(int(j), float(y), time_s=float(t))
        assert np.array_equal(one.weights(), before)
        one = after
    other = follow(declare_test(small_table(), rng=0), HISTORY)
    assert np.array_equal(one.weights(), other.weights())
    assert one.log_none() == other.log_none()


def test_what_was_read_back_counts_not_what_was_commanded():
    """A shot that landed on the next act's place, with its noise, is a shot at that act."""
    test = declare_test(small_table(), rng=0)
    there = [members[:, 8] for members in test.table.members]
    commanded = follow(test).after(7, 0.8, expected=there, noise_sd=float(NOISE[8]))
    done = follow(test).after(8, 0.8)
    gap = commanded.log_marginal() - done.log_marginal()
    assert gap == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InputError, match=r"shapes \[\(40,\), \(30,\)\]"):
        follow(test).after(7, 0.8, expected=there[:1])
    with pytest.raises(InputError, match="noise_sd must be above 0"):
        follow(test).after(7, 0.8, noise_sd=0.0)


def test_digest_names_what_was_declared():
    digests = {
        declare_test(small_table(), rng=0).digest,
        declare_test(small_table(), rng=1).digest,
        declare_test(small_table(), SeverityOptions(evidence=11), rng=0).digest,
        declare_test(small_table(2 * NOISE), rng=0).digest,
    }
    assert len(digests) == 4
    assert declare_test(small_table(), rng=0).digest in digests


def test_truths_of_a_declared_class_are_rarely_claimed():
    """Ville: against its own truths the evidence ever reaches B in at most 1 / B of the runs."""
    rng = np.random.default_rng(11)
    members = rng.normal(size=(300, 1)) * X
    table = DesignTable(("linear",), (members,), 0.3, X)
    test = declare_test(table, SeverityOptions(local_deviation=3.0), rng=2)
    n_runs, reached = 150, {0: 0, 1: 0}
    for run in range(n_runs):
        c = run % 2
        declared = test.classes[0][c]
        i = int(rng.integers(declared.member.size))
        mean = table.members[0][declared.member[i]] + declared.size * 0.3 * declared.shape[:, i]
        evidence, best = follow(test), -np.inf
        for _ in range(12):
            # an adversary: shoots where the hypothesis has fitted best so far
            misfit = np.full(12, 0.5)
            for j, y in zip(evidence.history.action_index, evidence.history.readout, strict=True):
                misfit[j] = abs(y - evidence.member_weights(0) @ table.members[0][:, j])
            j = int(np.argmin(misfit + 0.3 * rng.random(12)))
            evidence = evidence.after(j, float(mean[j] + 0.3 * rng.standard_normal()))
            best = max(best, float(evidence.log_e_values(0)[c]))
        reached[c] += best >= math.log(10)
    n = n_runs // 2
    for count in reached.values():
        assert count / n <= 0.1 + 4 * math.sqrt(0.1 * 0.9 / n)


def test_bad_declarations():
    with pytest.raises(InputError, match="table must be a DesignTable"):
        declare_test(3)
    with pytest.raises(InputError, match="options must be SeverityOptions"):
        declare_test(small_table(), {"evidence": 10})
    with pytest.raises(InputError, match="from 0 to 11; got 12"):
        follow(declare_test(small_table(), rng=0)).after(12, 0.0)
    with pytest.raises(InputError, match="finite"):
        follow(declare_test(small_table(), rng=0)).after(1, math.nan)
