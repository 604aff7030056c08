"""The worlds of the planning benchmark are what they say, and every kind of cell runs."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def test_planted_deviations_have_the_size_and_distance_that_is_said():
    from benchmarks.planning.worlds import inside, planted, world_of_laws

    world = world_of_laws()
    assert world.distance(inside(world, 3).mean) < 0.05
    for seed in range(3):
        found = planted(world, "smooth", 2.0, seed)
        assert 1.5 < found.distance <= 2.0 + 1e-6  # another law may lie nearer than its own
        assert found.law is None


def test_a_law_made_of_samples_predicts_what_twins_answer():
    from benchmarks.planning.worlds import asked, emulated
    from physlearn.causal import Action, WallSample

    acts = tuple(Action("change_bias", {"bias_V": bias}, 0.0, 1.0, 1.0) for bias in (1.0, 2.0, 4.0))
    law, noise = emulated(
        lambda p: WallSample(n_points=8, family="clean", force_per_volt=p[0]), [(0.1, 0.4)], acts,
        0.05, 1, n_samples=12,
    )  # fmt: skip
    assert noise == pytest.approx(0.05)
    sample, rng = law.make_sample(np.array([0.3])), np.random.default_rng(0)
    answers = [asked(sample, act, rng) for act in acts]
    assert law.expected(np.array([[0.3]]))[0] == pytest.approx(answers, abs=1e-9)


def test_cells_stop_when_the_interval_decides():
    from benchmarks.planning.cells import Goal, runs_until_decided, wilson

    never = runs_until_decided(lambda seed: False, [Goal(bool, 0.5, False)], 1000)
    assert len(never) == 100
    unsure = runs_until_decided(lambda seed: seed % 2 == 0, [Goal(bool, 0.5, False)], 300)
    assert len(unsure) == 300
    assert wilson(0, 500)[1] == pytest.approx(3.8416 / (500 + 3.8416), rel=1e-3)


def test_campaigns_with_and_without_the_guard_and_the_oracle():
    from benchmarks.planning.campaigns import guarded_run, policies_of, unguarded_run
    from benchmarks.planning.worlds import inside, planted, world_of_laws
    from physlearn.causal import SeverityOptions, declare_test

    world = world_of_laws()
    prior = world.belief()
    shots = {
        name: np.mean([unguarded_run(world, prior, inside(world, s), policy, s).shots
                       for s in range(4)])
        for name, policy in policies_of(world).items()
        if name in ("random", "information", "greedy oracle")
    }  # fmt: skip
    assert shots["greedy oracle"] <= shots["information"] < shots["random"]
    test = declare_test(world.table(), SeverityOptions(), rng=1)
    assert guarded_run(world, test, inside(world, 0), 0).claimed
    assert guarded_run(world, test, planted(world, "smooth", 3.0, 0), 0).kind == "none"


def test_counterfactuals_are_refused_on_confounded_observation_and_answered_when_randomised():
    from benchmarks.planning.counterfactual import ARMS

    assert not ARMS["observation alone, graph as it comes"][0](0)
    assert ARMS["driver randomised by the twin's exposures"][0](0)


def test_fuzzed_plans_and_the_kept_out_world_run():
    from benchmarks.planning.kept_out_world import kept_out_world
    from benchmarks.planning.safety import events_of, fuzzed
    from benchmarks.planning.worlds import inside
    from physlearn.causal import check_ledger

    for number in range(20):
        plan, tip = fuzzed(number)
        assert check_ledger(events_of(plan), plan.envelope, tip=tip).violations == ()
    world = kept_out_world(3)
    assert np.isfinite(world.read(inside(world, 0), 0, np.random.default_rng(0)))


def test_every_case_of_the_benchmark_has_a_name_of_its_own():
    from benchmarks.planning.__main__ import PLANNING

    names = [name for cases in PLANNING.checks().values() for name in cases]
    assert len(set(names)) == len(names) >= 25
