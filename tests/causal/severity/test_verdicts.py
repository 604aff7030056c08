import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from physlearn.causal import assess, follow, next_shots
from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.severity.verdicts import smallest_deviation
from physlearn.checks import InputError

from .conftest import HIGH, LOW, NOISE, law, parameters, toy_table


def campaign(test, mean, seed, *, noise=NOISE, reference=5, drift=0.0, memory=0.0):
    """Shoot what the severity test asks for until there is a verdict."""
    rng = np.random.default_rng([7, seed])
    evidence, last = follow(test), 0.0
    while True:
        verdict = assess(evidence)
        if verdict.kind != "continue":
            return verdict
        shots = next_shots(evidence)
        j = reference if shots.reference_due else int(shots.values.argmax())
        shifts = noise * rng.standard_normal() + drift * verdict.n_shots + memory * last
        readout = float(mean[j] + shifts)
        last = readout - float(mean.mean())
        evidence = evidence.after(j, readout, reference=shots.reference_due)


def test_truths_of_the_set_are_claimed(toy_test):
    n_runs, claimed, wrong, shots = 25, 0, 0, []
    for seed in range(n_runs):
        rng = np.random.default_rng([5, seed])
        number = int(rng.integers(3))
        verdict = campaign(toy_test, law(number, parameters(1, rng))[0], seed)
        claimed += verdict.kind == "claim"
        wrong += verdict.kind == "claim" and verdict.hypothesis != f"law {number}"
        shots.append(verdict.n_shots)
    assert claimed / n_runs >= 0.93 - 4 * math.sqrt(0.93 * 0.07 / n_runs)
    assert wrong / n_runs <= 0.02 + 4 * math.sqrt(0.02 * 0.98 / n_runs)
    assert np.mean(shots) < 20


def distance(mean):
    """Root mean square distance, in noise sd, of a truth to the nearest law of the set."""
    used, best = ([0, 1, 2], [0, 3], [0, 1, 2, 4]), math.inf
    for number, free in enumerate(used):
        many = parameters(400, np.random.default_rng(0))
        start = many[((law(number, many) - mean) ** 2).sum(axis=1).argmin()]

        def misfit(values, number=number, free=free, start=start):
            full = start.copy()
            full[free] = values
            return (law(number, full) - mean) / NOISE

        fit = least_squares(misfit, start[free], bounds=(LOW[free], HIGH[free]), max_nfev=20)
        best = min(best, math.sqrt((fit.fun**2).mean()))
    return best


def test_truths_outside_the_set_are_not(toy_test):
    """Farther than 1.2 noise sd from every law: false claims in one of ten runs at most."""
    claims, none, n_far = 0, 0, 0
    for seed in range(30):
        mean = law(3, parameters(1, np.random.default_rng([6, seed])))[0]
        if distance(mean) < 1.2:
            continue
        n_far += 1
        verdict = campaign(toy_test, mean, seed)
        claims += verdict.kind == "claim"
        none += verdict.kind == "none"
    assert n_far >= 10
    assert claims / n_far <= 0.1 + 4 * math.sqrt(0.1 * 0.9 / n_far)
    assert none / n_far > 0.7


def test_a_claim_says_what_it_holds_for(toy_test):
    verdict = campaign(toy_test, law(0, parameters(1, np.random.default_rng(1)))[0], 0)
    assert (verdict.kind, verdict.hypothesis) == ("claim", "law 0")
    assert "to within smooth deviations of rms 1 noise sd and features of 4" in verdict.sentence
    assert "Not tested: drift over the shots" in verdict.sentence
    assert any("drift" in words for words in verdict.untested)
    assert any("narrower" in words for words in verdict.untested)
    assert verdict.tested_region.all()
    assert verdict.supported.mean() > 0.5
    assert min(verdict.e_values[kind] for kind in ("smooth", "local")) >= 10
    assert sum(verdict.weights.values()) == pytest.approx(1.0)


def test_the_same_law_twice_is_not_separable():
    test = declare_test(toy_table((0, 0)), rng=1)
    for seed in range(6):
        mean = law(0, parameters(1, np.random.default_rng([9, seed])))[0]
        verdict = campaign(test, mean, seed)
        assert verdict.kind == "not separable"
        assert "'law 0a', 'law 0b' are not separable" in verdict.sentence


def test_reference_shots_see_drift_and_take_it_out():
    table, every = toy_table((0, 1)), 3
    blind = declare_test(table, SeverityOptions(reference_every=every), rng=1)
    aware = declare_test(
        table,
        SeverityOptions(
            reference_every=every, drift_sd=5 * NOISE, drift_time_s=20.0, drift_kind="steady"
        ),
        rng=1,
    )
    kinds = {"blind": [], "aware": []}
    for seed in range(6):
        mean = law(seed % 2, parameters(1, np.random.default_rng([10, seed])))[0]
        for name, test in (("blind", blind), ("aware", aware)):
            verdict = campaign(test, mean, seed, drift=0.25 * NOISE)
            kinds[name].append(verdict.kind)
            assert not any("drift" in words for words in verdict.untested)
    assert kinds["aware"].count("claim") >= 4
    assert kinds["blind"].count("claim") < kinds["aware"].count("claim")


def test_drift_that_is_not_allowed_for_withholds_the_claim():
    x = np.linspace(0, 1, 12)
    table = DesignTable(("flat",), (np.zeros((1, 12)),), 1.0, x)
    evidence = follow(declare_test(table, rng=0))
    rng = np.random.default_rng(1)
    for t in range(30):
        mark = t % 3 == 0
        readout = float(0.3 * rng.standard_normal() + 0.2 * t * mark)
        evidence = evidence.after(0 if mark else t % 12, readout, reference=mark)
    verdict = assess(evidence)
    assert verdict.kind == "abstain"
    assert "the reference shots drift by +5" in verdict.sentence
    assert "State drift_sd" in verdict.sentence


def test_memory_withholds_the_claim():
    x = np.linspace(0, 1, 4)
    table = DesignTable(("line",), (3 * x[None],), 0.1, x)
    options = SeverityOptions(local_deviation=8.0, smooth_deviation=6.0, max_shots=80)
    evidence = follow(declare_test(table, options, rng=0))
    rng = np.random.default_rng(2)
    last = 0.0
    for _ in range(60):
        j = int(rng.integers(4))
        last = float(3 * x[j] + 0.2 * (last - 1.5) + 0.1 * rng.standard_normal())
        evidence = evidence.after(j, last)
    verdict = assess(evidence)
    assert verdict.memory.tested
    assert (verdict.kind, "depend on the shot before" in verdict.sentence) == ("abstain", True)


def test_a_spent_budget_names_what_could_be_excluded(toy_test):
    options = replace(toy_test.options, max_shots=8)
    test = declare_test(toy_table((0,)), options, rng=1)
    mean = law(0, parameters(1, np.random.default_rng(3)))[0]
    verdict = campaign(test, mean, 0)
    assert verdict.kind == "abstain"
    assert "times as large as declared could be excluded" in verdict.sentence
    assert smallest_deviation(follow(test), 0) is None
    stopped = assess(follow(test).after(0, float(mean[0])), allowed=np.zeros(72, bool))
    assert stopped.kind == "abstain"


def test_unequal_noise_is_used():
    """Where the noise is large a shot says little: the leader is tested elsewhere."""
    noise = np.where(np.arange(72) % 2, NOISE, 20 * NOISE)
    test = declare_test(toy_table((0, 1), noise=noise), rng=1)
    evidence = follow(test)
    mean = law(0, parameters(1, np.random.default_rng(4)))[0]
    rng = np.random.default_rng(5)
    for _ in range(8):
        j = int(next_shots(evidence).values.argmax())
        evidence = evidence.after(j, float(mean[j] + noise[j] * rng.standard_normal()))
    assert (evidence.history.action_index % 2).mean() > 0.7


def test_only_evidence_is_assessed():
    with pytest.raises(InputError, match="must be an Evidence"):
        assess("shots")
