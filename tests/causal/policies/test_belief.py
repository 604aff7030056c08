import math

import numpy as np
import pytest
from scipy import stats

from physlearn.causal import Action, Hypothesis
from physlearn.causal.policies.belief import Belief, prior_belief
from physlearn.checks import InputError

ACTS = [Action("change_bias", {"bias_V": float(b)}, 0.0, 1.0, 1.0) for b in (0, 1, 2)]


def slope(name, low, high, weight=1.0, sd=0.5):
    def joint(actions, rng, n):
        return rng.uniform(low, high, (n, 1)) * [a.number("bias_V") for a in actions]

    return Hypothesis(
        name, weight, lambda a, rng, n: (0.5 * (low + high) * a.number("bias_V"), 1.0),
        joint=joint, noise_sd=sd,
    )  # fmt: skip


def test_update_is_bayes_over_members():
    belief = prior_belief([slope("weak", 0, 1, 3.0), slope("strong", 1, 2)], ACTS, seed=1)
    assert belief.weights == pytest.approx([0.75, 0.25])
    updated = belief
    readouts = ((2, 2.1), (1, 0.8), (2, 1.7))
    for act, readout in readouts:
        updated = updated.after(belief.expected[:, act], belief.noise_sd[:, act], readout)
    evidence = []
    for k, weight in enumerate((0.75, 0.25)):
        own = belief.expected[belief.hypothesis == k]
        likelihood = np.prod([stats.norm.pdf(r, own[:, a], 0.5) for a, r in readouts], axis=0)
        evidence.append(weight * likelihood.mean())
    assert updated.weights == pytest.approx(np.array(evidence) / sum(evidence), rel=1e-9)
    assert updated.members_left[0] < belief.members_left[0] == pytest.approx(1000)


def test_marginal_likelihood_is_that_of_the_integral():
    """Uniform slopes, one readout: the evidence is a difference of normal distributions."""
    belief = prior_belief(
        [slope("weak", 0, 1), slope("strong", 1, 2)], ACTS, seed=3, n_members=20000
    )
    after = belief.after(belief.expected[:, 2], belief.noise_sd[:, 2], 1.9)
    exact = np.array(
        [stats.norm.cdf(2 * k + 2, 1.9, 0.5) - stats.norm.cdf(2 * k, 1.9, 0.5) for k in (0, 1)]
    )
    assert after.weights == pytest.approx(exact / exact.sum(), abs=0.015)


def test_moments_hold_for_hypotheses_that_are_all_but_excluded():
    belief = prior_belief([slope("weak", 0, 1), slope("strong", 1, 2)], ACTS, seed=1)
    after = belief
    for _ in range(40):
        after = after.after(belief.expected[:, 2], belief.noise_sd[:, 2], 0.0)
    assert after.weights[1] < 1e-60
    assert np.isfinite(after.means()).all()
    # the members of the strong one that are least wrong have a slope of 1
    assert after.means()[1, 1] == pytest.approx(1.0, abs=0.02)
    assert after.spreads()[1, 1] < 0.02


def test_one_member_without_joint_and_its_stated_noise():
    laws = [
        Hypothesis(name, 1.0, lambda a, rng, n, s=s: (s * a.number("bias_V"), 0.3))
        for name, s in (("flat", 0.0), ("steep", 1.0))
    ]
    belief = prior_belief(laws, ACTS, seed=0)
    assert belief.expected.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert belief.noise_sd == pytest.approx(0.3)


def test_silent_acts_change_nothing_and_mixed_ones_are_refused():
    def says(action, rng, n):
        return None if action.number("bias_V") == 0 else (1.0, 1.0)

    both = [Hypothesis("a", 1, says), Hypothesis("b", 1, says)]
    belief = prior_belief(both, ACTS, seed=0)
    same = belief.after(belief.expected[:, 0], belief.noise_sd[:, 0], 99.0)
    assert same.weights.tolist() == [0.5, 0.5]
    with pytest.raises(InputError, match="'a' does not"):
        prior_belief([both[0], Hypothesis("c", 1, lambda a, rng, n: (0.0, 1.0))], ACTS, seed=0)


@pytest.mark.parametrize(
    ("hypotheses", "message"),
    [
        ([slope("a", 0, 1)], "at least two"),
        ([slope("a", 0, 1), slope("a", 1, 2)], "different names"),
        ([slope("a", 0, 1, 0.0), slope("b", 1, 2, 0.0)], "more than 0"),
        ([slope("a", 0, 1), "b"], "Hypothesis records"),
        (
            [slope("a", 0, 1), Hypothesis("b", 1, lambda a, r, n: (0.0, 1.0), question="other")],
            "one question",
        ),
        (
            [
                slope("a", 0, 1),
                Hypothesis(
                    "b", 1, lambda a, r, n: (0.0, 1.0),
                    joint=lambda acts, rng, n: np.zeros((n, 2)), noise_sd=1.0,
                ),
            ],
            r"shape \(1000, 3\)",
        ),
        (
            [
                slope("a", 0, 1),
                Hypothesis(
                    "b", 1, lambda a, r, n: (0.0, 1.0),
                    joint=lambda acts, rng, n: np.full((n, 3), math.inf), noise_sd=1.0,
                ),
            ],
            "finite draws",
        ),
    ],
)  # fmt: skip
def test_bad_hypotheses_are_refused(hypotheses, message):
    with pytest.raises(InputError, match=message):
        prior_belief(hypotheses, ACTS, seed=0)


def test_same_seed_same_members():
    laws = [slope("weak", 0, 1), slope("strong", 1, 2)]
    first, second = (prior_belief(laws, ACTS, seed=5) for _ in range(2))
    assert isinstance(first, Belief)
    np.testing.assert_array_equal(first.expected, second.expected)


@pytest.mark.parametrize("readout", [1e300, -1e308])
def test_a_readout_beyond_all_expectation_leaves_finite_weights(readout):
    belief = prior_belief([slope("weak", 0, 1), slope("strong", 1, 2)], ACTS, seed=5)
    noise = belief.noise_sd[:, 0] * 1e-100
    after = belief.after(belief.expected[:, 0], noise, readout)
    assert np.isfinite(after.log_weights).all()
    assert after.weights.sum() == pytest.approx(1.0)
