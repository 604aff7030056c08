"""A law that is listed twice does not lead itself, however few members were drawn."""

import numpy as np
import pytest

from physlearn.causal.severity.design_table import DesignTable
from physlearn.causal.severity.evidence import declare_test, follow
from physlearn.causal.severity.history import History
from physlearn.causal.severity.leading import SURE_SD, leads_for_sure
from physlearn.causal.severity.next_shots import mixture_information, most_told
from physlearn.causal.severity.verdicts import assess

from .conftest import NOISE, law, parameters, toy_table

N_RUNS = 20


@pytest.fixture(scope="module")
def twice():
    """One law of four parameters, 100 members drawn each time."""
    return declare_test(toy_table((2, 2), n=100), rng=1)


def shots_of(seed, n_shots):
    rng = np.random.default_rng([31, seed])
    mean = law(2, parameters(1, rng))[0]
    index = rng.integers(0, len(mean), n_shots)
    return History(index, mean[index] + NOISE * rng.standard_normal(n_shots))


def test_a_law_does_not_lead_itself_by_the_draw_of_its_members(twice):
    found = [follow(twice, shots_of(seed, 30)) for seed in range(N_RUNS)]
    seem = sum(e.weights().max() > twice.options.threshold for e in found)
    sure = sum(map(leads_for_sure, found))
    assert seem >= 3  # what the weights alone would have claimed
    assert sure <= seem / 2


def test_a_lead_that_may_be_chance_is_not_called_inseparable(twice):
    found = [follow(twice, shots_of(seed, 30)) for seed in range(N_RUNS)]
    seeming = [e for e in found if e.weights().max() > twice.options.threshold]
    verdicts = [assess(e) for e in seeming if not leads_for_sure(e)]
    assert verdicts
    assert all(verdict.kind != "not separable" for verdict in verdicts)
    told = [verdict.sentence for verdict in verdicts if verdict.kind == "abstain"]
    assert all("Draw more members" in sentence for sentence in told)


def test_what_the_draw_of_members_feigns_is_not_told():
    twice, all_acts = declare_test(toy_table((2, 2), n=300), rng=1), np.ones(72, bool)
    found = [follow(twice, shots_of(seed, 8)) for seed in range(N_RUNS)]
    told = [mixture_information(e).max() for e in found]
    assert np.median([most_told(e, all_acts) for e in found]) < np.median(told) / 3
    kinds = [assess(e).kind for e in found]
    assert kinds.count("claim") == 0
    assert kinds.count("not separable") >= 0.3 * N_RUNS


def test_hypotheses_without_parameters_lead_by_their_weight_alone():
    x = np.linspace(0, 1, 9)
    test = declare_test(DesignTable(("flat", "line"), (0 * x[None], x[None]), 0.2, x), rng=0)
    near = follow(test, History([8], [0.62]))  # log odds of (0.62 ** 2 - 0.38 ** 2) / 0.08 = 3.0
    assert near.weights()[1] > 0.95
    assert leads_for_sure(near)
    assert not leads_for_sure(follow(test, History([8], [0.6])))
    # told apart by one more shot at 8, and nothing was drawn that could feign it
    assert most_told(near, np.ones(9, bool)) == mixture_information(near).max()


def test_few_members_ask_for_more_than_the_threshold():
    rng = np.random.default_rng(4)
    x = np.linspace(0, 1, 9)
    table = DesignTable(
        ("low", "high"), (rng.uniform(0, 1, (400, 1)) * x, rng.uniform(1, 2, (400, 1)) * x), 0.1, x
    )
    test = declare_test(table, rng=0)
    found = [follow(test, History([8] * n, [1.1] * n)) for n in range(1, 30)]
    gap = [e.weights()[1] > 0.95 and not leads_for_sure(e) for e in found]
    assert any(gap)
    assert leads_for_sure(found[-1])
    assert SURE_SD > 1
