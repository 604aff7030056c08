import math

import numpy as np
import pytest

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test, follow
from physlearn.causal.severity.next_shots import mixture_information, next_shots, predictions
from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError

X = np.linspace(0, 1, 12)


def test_information_is_that_between_two_known_curves():
    """Mutual information of a readout and which of two normal distributions it came from."""
    distance = np.linspace(0, 5, 12)
    table = DesignTable(("a", "b"), (np.zeros((1, 12)), distance[None]), 1.0, X)
    y = np.linspace(-12, 17, 40001)
    exact = []
    for d in distance:
        both = np.exp(-0.5 * (y - np.array([[0.0], [d]])) ** 2) / math.sqrt(2 * math.pi)
        mixed = both.mean(axis=0)
        parts = both * np.log(np.maximum(both, 1e-300) / np.maximum(mixed, 1e-300))
        exact.append(0.5 * parts.sum() * (y[1] - y[0]))
    found = mixture_information(follow(declare_test(table, rng=0)))
    assert found == pytest.approx(exact, abs=5e-3)


def test_a_hypothesis_of_no_weight_is_no_nan():
    table = DesignTable(("a", "b", "c"), (0 * X[None], X[None], 2 * X[None]), 0.001, X,
                        np.array([0.5, 0.5, 0.0]))  # fmt: skip
    evidence = follow(declare_test(table, SeverityOptions(threshold=0.9999), rng=0))
    for readout in (0.5, 0.7):
        assert np.isfinite(mixture_information(evidence)).all()
        evidence = evidence.after(11, readout)
    assert evidence.weights()[0] == 0.0
    assert np.isfinite(mixture_information(evidence)).all()
    assert np.isfinite(next_shots(evidence).values).all()


def test_first_tell_apart_then_test_the_leader():
    rng = np.random.default_rng(0)
    table = DesignTable(("flat", "line"), (np.zeros((1, 12)), rng.uniform(1, 2, (300, 1)) * X),
                        0.1, X)  # fmt: skip
    region = tuple(range(8))
    test = declare_test(table, SeverityOptions(region=region), rng=0)
    first = next_shots(follow(test))
    assert (first.phase, first.leader) == ("tell apart", None)
    evidence = follow(test).after(11, 1.5)
    second = next_shots(evidence)
    assert (second.phase, second.leader) == ("test the leader", 1)
    assert "'line' leads" in second.reason
    assert np.isfinite(second.values[:8]).all()
    assert np.isinf(second.values[8:]).all()
    # a place that was just looked at has less to show than one that was not
    again = next_shots(evidence.after(3, 1.5 * X[3]).after(3, 1.5 * X[3]))
    assert again.values[3] < again.values[:8].max()
    only = next_shots(evidence, allowed=np.arange(12) == 10)
    assert int(only.values.argmax()) == 10


def test_reference_shots_are_due_at_their_interval():
    table = DesignTable(("flat",), (np.zeros((1, 12)),), 0.1, X)
    evidence = follow(declare_test(table, SeverityOptions(reference_every=2), rng=0))
    due = []
    for t in range(7):
        due.append(next_shots(evidence).reference_due)
        evidence = evidence.after(0, 0.0, time_s=t, reference=due[-1])
    assert due == [True, False, False, True, False, False, True]
    assert not next_shots(follow(declare_test(table, rng=0))).reference_due


def test_predictions_carry_the_drift_seen_so_far():
    table = DesignTable(("flat",), (np.zeros((1, 12)),), 0.1, X)
    options = SeverityOptions(drift_sd=1.0, drift_time_s=10.0)
    evidence = follow(declare_test(table, options, rng=0))
    for t in range(6):
        evidence = evidence.after(4, 0.0, time_s=t, reference=True)
    evidence = evidence.after(4, 2.0, time_s=10, reference=True)
    soon, late = (predictions(evidence, 0, time_s=t) for t in (10.0, 1000.0))
    assert soon.mean == pytest.approx(2.0, abs=0.1)
    assert late.noise_sd[0] == pytest.approx(math.sqrt(0.01 + 99.0 + 0.01), rel=0.01)


def test_bad_masks():
    evidence = follow(declare_test(DesignTable(("flat",), (np.zeros((1, 12)),), 0.1, X), rng=0))
    with pytest.raises(InputError, match=r"bool \(12,\)"):
        next_shots(evidence, allowed=[1] * 12)
    with pytest.raises(InputError, match="budget is spent"):
        next_shots(evidence, allowed=np.zeros(12, bool))
