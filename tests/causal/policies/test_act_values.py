import math

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.policies.act_values import act_values
from physlearn.causal.policies.belief import Belief
from physlearn.causal.policies.discrimination import (
    box_hill_divergence,
    effect_information,
    expected_information,
    member_information,
    readout_variance,
    threshold_information,
)
from physlearn.causal.policies.edge_entropy import edge_entropies, edge_entropy
from physlearn.causal.policies.situation import POLICIES, EffectTarget, Policy, Situation
from physlearn.checks import InputError


def bias(value, column=""):
    args = {"bias_V": float(value)}
    return Action("change_bias", {**args, "column": column} if column else args, 0.0, 1.0, 1.0)


def situation(belief, policy="information", *, n_actions=None, **changes):
    n = belief.expected.shape[1] if n_actions is None else n_actions
    policy = Policy(policy) if isinstance(policy, str) else policy
    given = {
        "actions": tuple(bias(j) for j in range(n)),
        "allowed": np.ones(n, bool),
        "success": np.ones(n),
        "in_support": np.ones(n, bool),
        "cost_share": np.full(n, 0.1),
        "dose_share": np.full(n, 0.1),
        "tried": np.zeros(0, np.int64),
        "readouts": np.zeros(0),
        "asked": np.zeros(n, np.int64),
        "rng": np.random.default_rng(0),
    }
    return Situation(belief=belief, policy=policy, **{**given, **changes})


def gaussian_members(seed=0, n_members=4000):
    """Two hypotheses whose members expect a line through 0, and one act per abscissa."""
    rng = np.random.default_rng(seed)
    slopes = np.concatenate([rng.normal(0, 1, n_members), rng.normal(1, 0.5, n_members)])
    hypothesis = np.repeat([0, 1], n_members)
    expected = slopes[:, None] * np.array([0.0, 0.5, 1.0, 2.0])
    logs = np.full(2 * n_members, -math.log(2 * n_members))
    return Belief(("wide", "narrow"), expected, hypothesis, logs, np.full((2, 4), 0.7))


def test_divergence_is_that_of_gaussians_and_bounds_the_information():
    belief = gaussian_members()
    found = box_hill_divergence(situation(belief))
    for act, x in enumerate((0.0, 0.5, 1.0, 2.0)):
        first = (0.0, x**2 + 0.49)
        second = (x, (0.5 * x) ** 2 + 0.49)

        def divergence(p, q):
            return 0.5 * (math.log(q[1] / p[1]) + (p[1] + (p[0] - q[0]) ** 2) / q[1] - 1)

        exact = 0.25 * (divergence(first, second) + divergence(second, first))
        assert found[act] == pytest.approx(exact, rel=0.1, abs=1e-3)
    assert (expected_information(situation(belief)) <= found + 1e-9).all()


def test_member_information_is_that_of_gaussian_parameters():
    """Half log(1 + x^2 v / s^2) for a slope of variance v."""
    found = member_information(situation(gaussian_members(n_members=40000)))
    x = np.array([0.0, 0.5, 1.0, 2.0])
    exact = 0.25 * (np.log1p(x**2 / 0.49) + np.log1p(0.25 * x**2 / 0.49))
    assert found == pytest.approx(exact, abs=0.01)


def test_variance_is_that_of_all_members():
    belief = gaussian_members()
    found = readout_variance(situation(belief))
    assert found == pytest.approx(belief.expected.std(axis=0) / 0.7, rel=1e-9)


def test_effect_information_is_that_of_jointly_gaussian_quantities():
    """One hypothesis' slope: I(y; effect) is half log(1 + x^2 v / s^2), less what levels lose."""
    rng = np.random.default_rng(1)
    slopes = rng.normal(0, 1, 20000)
    columns = np.array([0.0, 0.5, 1.0, 3.0])
    belief = Belief(
        ("line", "never"), np.concatenate([slopes, [0.0]])[:, None] * columns,
        np.r_[np.zeros(20000, int), 1], np.log(np.r_[np.full(20000, 1 / 20000), 1e-13]),
        np.ones((2, 4)),
    )  # fmt: skip
    target = Policy("effect", target=EffectTarget(bias(3)))
    found = effect_information(situation(belief, target, n_actions=3, target_columns=(3,)))
    exact = 0.5 * np.log1p(columns[:3] ** 2)
    assert found[0] == pytest.approx(0.0, abs=1e-9)
    assert (found <= exact + 1e-3).all()
    assert found[1:] == pytest.approx(exact[1:], rel=0.05)
    difference = effect_information(situation(belief, target, n_actions=3, target_columns=(3, 1)))
    assert difference == pytest.approx(found, abs=1e-6)


def test_threshold_information_asks_only_whether_it_is_passed():
    belief = gaussian_members()
    target = Policy("counterfactual", target=EffectTarget(bias(3), threshold=0.0))
    view = situation(belief, target, n_actions=3, target_columns=(3,))
    found = threshold_information(view)
    positive = (belief.expected[:, 3] > 0).mean()
    most = -positive * math.log(positive) - (1 - positive) * math.log(1 - positive)
    assert found[0] == pytest.approx(0.0, abs=1e-9)
    assert 0.0 < found[1] < found[2] < most
    size = effect_information(situation(belief, target, n_actions=3, target_columns=(3,)))
    assert (size[1:] > found[1:]).all()
    np.testing.assert_array_equal(act_values(view), found)


def test_effect_that_nobody_predicts_is_refused():
    belief = gaussian_members()
    target = Policy("effect", target=EffectTarget(bias(3)))
    with pytest.raises(InputError, match="target's acts"):
        act_values(situation(belief, target))


def test_edge_entropies_by_hand():
    graphs = {"forward": [("a", "b"), ("b", "c")], "back": [("b", "a"), ("b", "c")], "cut": []}
    found = edge_entropies(graphs, {"forward": 0.5, "back": 0.3, "cut": 0.2})

    def entropy(*shares):
        return -sum(p * math.log(p) for p in shares)

    ab, bc = entropy(0.5, 0.3, 0.2), entropy(0.8, 0.2)
    assert found == pytest.approx({"a": ab, "b": ab + bc, "c": bc})
    with pytest.raises(InputError, match="'cut' is missing"):
        edge_entropies({"forward": []}, {"forward": 0.5, "cut": 0.5})


def test_edge_entropy_goes_by_the_column_that_an_act_sets():
    belief = Belief(
        ("forward", "back"), np.zeros((2, 3)), np.array([0, 1]), np.log([0.5, 0.5]), np.ones((2, 3))
    )
    policy = Policy(
        "edge entropy",
        edges={"forward": [("a", "b"), ("c", "a")], "back": [("b", "a"), ("c", "a")]},
    )
    acts = (bias(0, "c"), bias(1, "b"), bias(2))
    found = edge_entropy(situation(belief, policy, actions=acts))
    assert found == pytest.approx([0.0, math.log(2), 0.0])
    with pytest.raises(InputError, match="argument 'column'"):
        edge_entropy(situation(belief, policy))


def test_success_support_cost_and_limits_weigh():
    belief = gaussian_members()
    plain = act_values(situation(belief))
    np.testing.assert_array_equal(plain, expected_information(situation(belief)))
    half = act_values(
        situation(belief, success=np.full(4, 0.5), in_support=np.array([1, 1, 1, 0], bool))
    )
    assert half == pytest.approx(plain * [0.5, 0.5, 0.5, 0.25])
    shares = {"dose_share": np.array([0, 0.1, 0.2, 0.4]), "cost_share": np.full(4, 0.1)}
    by_dose = act_values(situation(belief, Policy(per="dose"), **shares))
    assert by_dose[1:] == pytest.approx(plain[1:] / [0.1, 0.2, 0.4])
    assert np.isfinite(by_dose).all()
    by_cost = act_values(situation(belief, Policy(per="cost"), **shares))
    assert by_cost == pytest.approx(plain / [0.1, 0.2, 0.3, 0.5])
    held = act_values(situation(belief, allowed=np.array([1, 1, 1, 0], bool)))
    assert held[3] == -np.inf
    assert np.argmax(held) == 2


def test_turns_and_chance():
    belief = gaussian_members()
    asked = np.array([2, 1, 1, 2])
    turn = act_values(situation(belief, "round robin", asked=asked))
    assert np.argmax(turn) == 1
    rng = np.random.default_rng(3)
    drawn = [int(np.argmax(act_values(situation(belief, "random", rng=rng)))) for _ in range(400)]
    assert np.abs(np.bincount(drawn, minlength=4) - 100).max() < 4 * math.sqrt(400 * 3 / 16)
    mixed = [
        int(np.argmax(act_values(situation(belief, Policy(random_share=0.5), rng=rng))))
        for _ in range(400)
    ]
    # the best act for half of the asks and a quarter of the others
    assert abs(mixed.count(3) - 250) < 4 * math.sqrt(400 * 0.625 * 0.375)


def test_own_reward():
    belief = gaussian_members()
    values = act_values(situation(belief), lambda s: -np.abs(np.arange(4.0) - 1))
    assert np.argmax(values) == 1
    for bad in ([1.0], [1.0, 2.0, 3.0, math.nan]):
        with pytest.raises(InputError, match="reward function must return 4 numbers"):
            act_values(situation(belief), lambda s, bad=bad: np.array(bad))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([1.0, 2.0, math.nan, 3.0], "got NaN for act 2"),
        (["x", "y", "z", "w"], "got <U1, such as"),
        ([1j, 2j, 3j, 4j], "got complex128, such as"),
        ([None] * 4, "got object, such as None"),
        (None, r"got shape \(\)"),
    ],
)
def test_own_reward_that_gives_no_numbers_is_told_what_it_gave(bad, said):
    with pytest.raises(InputError, match=said):
        act_values(situation(gaussian_members()), lambda s: bad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"name": "clever"}, "policy must be one of"),
        ({"per": "hour"}, "per must be one of"),
        ({"random_share": 1.5}, "random_share must lie in 0 to 1"),
        ({"random_share": True}, "random_share"),
        ({"name": "effect"}, "needs a target"),
        ({"name": "effect", "target": {"a": 1}}, "target must be an EffectTarget; got dict"),
        ({"name": "edge entropy"}, "needs the edges"),
        ({"name": "property target"}, "needs wanted_readout"),
        ({"name": "property target", "wanted_readout": math.nan}, "wanted_readout"),
        ({"descriptors": [1.0, 2.0]}, "descriptors must have 2"),
    ],
)
def test_bad_policies_are_refused(bad, message):
    with pytest.raises(InputError, match=message):
        Policy(**bad)


def test_every_policy_says_what_it_looks_for():
    assert all(text for text in POLICIES.values())
