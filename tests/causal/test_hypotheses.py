import math

import numpy as np
import pytest

from physlearn.causal import Action, Hypothesis, hypotheses_from_functions
from physlearn.causal.hypotheses import NONE_OF_THESE, with_none_of_these
from physlearn.checks import InputError

BIAS = Action("change_bias", {"bias_V": 2.0}, 0.0, 1.0, 1.0)
IMAGE = Action("image", {"x_min": 0, "y_min": 0, "x_max": 1, "y_max": 1}, 1.0, 1.0, 1.0)


def constant(mean, sd=1.0):
    return lambda action, rng, n: (mean, sd)


def test_draws_follow_the_stated_mean_and_sd():
    drawn = Hypothesis("a", 1, constant(3.0, 0.5)).draws(BIAS, np.random.default_rng(0), 4000)
    assert drawn.mean() == pytest.approx(3.0, abs=4 * 0.5 / math.sqrt(4000))
    assert drawn.std() == pytest.approx(0.5, rel=4 / math.sqrt(2 * 4000))


def test_none_of_these_is_added_broad_and_weighted():
    group = with_none_of_these([Hypothesis("a", 3, constant(0)), Hypothesis("b", 1, constant(4))])
    assert [h.name for h in group] == ["a", "b", NONE_OF_THESE]
    assert [h.weight for h in group] == pytest.approx([0.675, 0.225, 0.1])
    assert group[2].mean_sd(BIAS, 0) == pytest.approx((2.0, math.hypot(1, 8)))
    assert len(with_none_of_these(group)) == 3


def test_functions_speak_only_about_their_argument():
    laws = hypotheses_from_functions(
        {"linear": lambda v: 2 * v, "zero": lambda v: 0.0},
        argument="bias_V", noise_sd=0.1, measured_range=(0, 1),
    )  # fmt: skip
    assert laws[0].mean_sd(BIAS, 0) == (4.0, 0.1)
    assert laws[0].mean_sd(IMAGE, 0) is None
    assert not laws[0].supports(BIAS)
    assert laws[0].supports(IMAGE)


def test_bad_hypotheses():
    for weight in (-1.0, math.nan, True, "1"):
        with pytest.raises(InputError, match="weight"):
            Hypothesis("a", weight, constant(0))
    with pytest.raises(InputError, match="name"):
        Hypothesis("", 1, constant(0))
    with pytest.raises(InputError, match="predict"):
        Hypothesis("a", 1, 3.0)
    rng = np.random.default_rng(0)
    for answer, words in (
        (np.zeros(3), "finite draws"),
        ("x", r"must predict 8 finite draws or \(mean, sd\); got 'x'"),
        ((0.0, 0.0), "sd of"),
        ((math.nan, 1.0), "mean of"),
        ((1.0, 2.0, 3.0), "mean, sd"),
    ):
        with pytest.raises(InputError, match=words):
            Hypothesis("a", 1, lambda action, rng, n, answer=answer: answer).draws(BIAS, rng, 8)
    with pytest.raises(InputError, match="weights"):
        with_none_of_these([Hypothesis("a", 0, constant(0)), Hypothesis("b", 0, constant(0))])
    with pytest.raises(InputError, match="different names"):
        with_none_of_these([Hypothesis("a", 1, constant(0))] * 2)
    with pytest.raises(InputError, match="functions"):
        hypotheses_from_functions({}, argument="bias_V", noise_sd=1.0)
    with pytest.raises(InputError, match="functions must map"):
        hypotheses_from_functions([abs], argument="bias_V", noise_sd=1.0)
    for answer in ("x", None, 1j):
        laws = {"odd": lambda bias, answer=answer: answer}
        odd = hypotheses_from_functions(laws, argument="bias_V", noise_sd=1.0)[0]
        with pytest.raises(InputError, match="the law of 'bias_V' must return one number; got"):
            odd.mean_sd(BIAS, 0)
