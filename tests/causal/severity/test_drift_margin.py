"""More drift than was declared: the same as if it had been declared so."""

from dataclasses import replace

import numpy as np
import pytest

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.drift_margin import with_drift_times
from physlearn.causal.severity.evidence import declare_test, follow
from physlearn.causal.severity.history import History
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.severity.verdicts import assess

PLACES = np.linspace(-1, 1, 21)
NOISE = 0.15


def table():
    slopes = np.random.default_rng(0).uniform(0.3, 1.3, (200, 1))
    return DesignTable(
        ("linear", "saturating"), (0.7 * slopes * PLACES, np.tanh(slopes * PLACES)), NOISE, PLACES
    )


def drifting_shots(drift_per_s, n_shots, seed, *, deviation=0.0):
    """Return shots at drawn acts, every fifth at a reference, with an even drift."""
    rng = np.random.default_rng(seed)
    marks = np.arange(n_shots) % 5 == 0
    index = np.where(marks, 10, rng.integers(0, 21, n_shots))
    times = 10.0 * np.arange(n_shots)
    mean = np.tanh(0.9 * PLACES) + deviation * NOISE * np.cos(6 * PLACES)
    readout = mean[index] + drift_per_s * times + NOISE * rng.standard_normal(n_shots)
    return History(index, readout, times, marks)


@pytest.mark.parametrize("kind", ["random walk", "steady"])
@pytest.mark.parametrize("dof", [None, 12.0])
def test_it_is_what_a_test_with_more_drift_would_have_found(kind, dof):
    options = SeverityOptions(
        drift_sd=0.2, drift_time_s=100.0, reference_every=4, drift_kind=kind, noise_dof=dof
    )
    shots = drifting_shots(0.002, 14, 5)
    found = with_drift_times(follow(declare_test(table(), options, rng=2), shots), 3.0)
    other = declare_test(table(), replace(options, drift_sd=0.6), rng=2)
    expected = follow(other, shots)
    assert found.log_marginal() == pytest.approx(expected.log_marginal(), abs=1e-6)
    for k in range(2):
        assert found.log_e_values(k) == pytest.approx(expected.log_e_values(k), abs=2e-3)
    assert found.log_none() == pytest.approx(expected.log_none(), abs=2e-3)


def test_without_drift_nothing_changes():
    evidence = follow(declare_test(table(), rng=2), drifting_shots(0.0, 8, 1))
    assert with_drift_times(evidence, 3.0) is evidence


def test_none_is_not_said_of_a_drift_and_still_of_a_deviation():
    options = SeverityOptions(drift_sd=0.2, drift_time_s=100.0, reference_every=4, max_shots=60)
    test = declare_test(table(), options, rng=2)
    drifts = [assess(follow(test, drifting_shots(0.004, 12, s))).kind for s in range(10)]
    assert drifts.count("none") <= 1
    deviates = [
        assess(follow(test, drifting_shots(0.004, 30, s, deviation=6.0))).kind for s in range(5)
    ]
    assert deviates == ["none"] * 5
