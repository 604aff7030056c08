"""Members of a hypothesis are draws of its parameters, and stay the same whatever is asked."""

import numpy as np
import pytest

from physlearn.causal import Action, Planner, SafetyEnvelope
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    Asked,
    hypothesis_from_draws,
    hypothesis_from_fit,
    hypothesis_from_simulator,
)
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.severity.design_table import design_table
from physlearn.checks import InputError
from physlearn.results import fit_from_draws

ACTS = [Action("change_bias", {"bias_V": float(b)}, 0, 1, 1) for b in range(1, 5)]


def _line(action, p):
    return None if action.verb == "wait" else p["level"] + p["slope"] * action.number("bias_V")


def _draws(n=4000):
    rng = np.random.default_rng(1)
    slope = rng.normal(2.0, 0.3, n)
    return {"slope": slope, "level": 1.0 - 0.9 * slope + rng.normal(0, 0.05, n)}


def test_members_keep_what_the_posterior_knows_together():
    draws = _draws()
    law = hypothesis_from_draws("line", draws, _line, noise_sd=0.1)
    members = law.joint(ACTS, np.random.default_rng(0), 4000)
    wanted = np.stack([_line(a, draws) for a in ACTS], axis=1)
    # a permutation of all draws: moments agree to rounding, the first readout's spread is small
    np.testing.assert_allclose(np.cov(members.T), np.cov(wanted.T), rtol=1e-9)
    assert members[:, 0].std() < 0.08 < 0.8 < members[:, 3].std()


def test_the_same_seed_gives_the_same_members_for_any_acts():
    law = hypothesis_from_draws("line", _draws(), _line, noise_sd=0.1)
    whole = law.joint(ACTS, np.random.default_rng(3), 50)
    alone = law.joint(ACTS[2:3], np.random.default_rng(3), 50)
    np.testing.assert_array_equal(whole[:, 2:3], alone)
    more = law.joint(ACTS, np.random.default_rng(3), 5000)
    assert more.shape == (5000, 4)


def test_acts_that_show_nothing_are_columns_of_nan():
    law = hypothesis_from_draws("line", _draws(), _line, noise_sd=0.1)
    wait = Action("wait", {"wait_s": 1.0}, 0, 1, 1)
    members = law.joint([ACTS[0], wait], np.random.default_rng(0), 10)
    assert np.isfinite(members[:, 0]).all()
    assert np.isnan(members[:, 1]).all()
    assert law.mean_sd(wait, 0) is None


def test_noise_may_depend_on_the_act_and_adds_to_the_spread():
    law = hypothesis_from_draws(
        "line", {"slope": np.full(10, 2.0), "level": np.zeros(10)}, _line,
        noise_sd=lambda act: 0.1 * act.number("bias_V"),
        asked=Asked("how it goes", "current", "nA"),
    )  # fmt: skip
    assert law.mean_sd(ACTS[3], 0) == pytest.approx((8.0, 0.4))
    assert (law.question, law.readout, law.unit) == ("how it goes", "current", "nA")
    np.testing.assert_allclose(design_table([law], ACTS, rng=0).noise_sd[0], [0.1, 0.2, 0.3, 0.4])


def test_any_fit_serves_with_its_variables():
    draws = _draws(500)
    fit = fit_from_draws(
        draws, model="line", likelihood="Gauss", approximation="none", seed=1, data=b"x"
    )
    law = hypothesis_from_fit("line", fit, _line, noise_sd=0.1)
    np.testing.assert_allclose(
        np.sort(law.joint(ACTS[:1], np.random.default_rng(0), 500)[:, 0]),
        np.sort(_line(ACTS[0], draws)),
    )
    assert law.description == "line"
    with pytest.raises(InputError, match="fit must be a Fit; got dict"):
        hypothesis_from_fit("line", {"slope": [1.0]}, _line, noise_sd=0.1)


def test_a_simulator_runs_once_an_act_and_sees_its_own_scatter():
    calls = []

    def simulate(action, parameters, rng):
        calls.append(action)
        return parameters["slope"] * action.number("bias_V") + rng.normal(0, 0.5)

    draws = {"slope": np.random.default_rng(1).normal(2, 0.2, 200)}
    law = hypothesis_from_simulator(
        "noisy", simulate, draws, noise_sd=0.3, n_members=200, n_repeats=10, rng=1
    )
    members = law.joint(ACTS, np.random.default_rng(0), 200)
    law.joint(ACTS, np.random.default_rng(1), 300)
    assert len(calls) == 4 * 200 * 10
    # scatter .5 (2000 runs: relative error of the sd 1 / sqrt(2 * 1800)), with the noise .3
    assert law.noise_sd(ACTS[0]) == pytest.approx(np.hypot(0.5, 0.3), abs=4 * 0.5 / 60)
    # a member keeps its generator: the difference of two acts is its slope
    np.testing.assert_allclose(np.sort(members[:, 1] - members[:, 0]), np.sort(draws["slope"]))


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        ({}, "at least one parameter; got none"),
        ({"a": [1.0, 2.0], "b": [1.0]}, "must have one length"),
        ({"a": [1.0, np.nan]}, "'a' is not in draw 1"),
        ({"a": ["x", "y"]}, "must be numbers; 'a' is not"),
        ([1.0, 2.0], "must map parameters to rows of numbers; got list"),
    ],
)
def test_draws_that_cannot_be_are_refused(draws, said):
    with pytest.raises(InputError, match=said):
        hypothesis_from_draws("h", draws, lambda a, p: p["a"], noise_sd=1.0)


def test_answers_that_cannot_be_are_refused():
    short = hypothesis_from_draws("h", {"a": np.ones(5)}, lambda a, p: 1.0, noise_sd=1.0)
    with pytest.raises(InputError, match="'h' must expect 5 finite numbers of change_bias"):
        short.mean_sd(ACTS[0], 0)
    unreal = hypothesis_from_draws("h", {"a": np.ones(5)}, lambda a, p: 1j * p["a"], noise_sd=1.0)
    with pytest.raises(InputError, match="5 finite numbers of change_bias; got complex128"):
        unreal.mean_sd(ACTS[0], 0)
    with pytest.raises(InputError, match="noise_sd must be above 0"):
        hypothesis_from_draws("h", {"a": np.ones(5)}, lambda a, p: p["a"], noise_sd=0.0)
    broken = hypothesis_from_simulator(
        "s", lambda a, p, rng: float("nan"), {"a": np.ones(3)}, noise_sd=1.0, rng=0
    )
    with pytest.raises(InputError, match="simulated by 's' must be a finite number"):
        broken.mean_sd(ACTS[0], 0)


def test_a_planner_learns_the_parameters_and_finds_the_law():
    rng = np.random.default_rng(5)
    line = hypothesis_from_draws("line", _draws(), _line, noise_sd=0.1)
    square = hypothesis_from_draws(
        "square", {"size": rng.normal(0.5, 0.2, 4000)},
        lambda a, p: p["size"] * a.number("bias_V") ** 2, noise_sd=0.1,
    )  # fmt: skip
    envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-9, 9))
    planner = Planner([line, square], ACTS, envelope, 20.0, severity=None, rng=1)
    for _ in range(12):
        asked = planner.ask()
        if not asked:
            break
        truth = 0.55 * asked[0].action.number("bias_V") ** 2
        planner.tell(asked[0].id, Outcome(truth + rng.normal(0, 0.1)))
    assert planner.verdict().hypothesis == "square"
