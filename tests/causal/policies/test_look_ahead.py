"""Acts that take something away: two steps ahead is another order than one step ahead."""

import math

import numpy as np
import pytest

from physlearn.causal import Action
from physlearn.causal.policies.act_values import act_values
from physlearn.causal.policies.belief import Belief
from physlearn.causal.policies.look_ahead import thinned
from physlearn.causal.policies.mixture_information import information_about_hypotheses
from physlearn.causal.policies.situation import Policy, Situation

IMAGE = Action("image", {"x_min": 0.0, "y_min": 0.0, "x_max": 1.0, "y_max": 1.0}, 1.0, 1.0, 1.0)
PULSE = Action("expose_site", {"x": 0.5, "y": 0.5}, 5.0, 1.0, 1.0, irreversible=True)


def reference_world(n=3000):
    """The pulse adds 1 (or not) to an unknown level; the image shows the level, till the pulse."""
    rng = np.random.default_rng(0)
    level = np.tile(rng.normal(0.0, 2.0, n), 2)
    hypothesis = np.repeat([0, 1], n)
    expected = np.stack([level, level + np.where(hypothesis == 0, 1.0, 0.0)], axis=1)
    return Belief(
        ("adds", "does nothing"), expected, hypothesis, np.full(2 * n, -math.log(2 * n)),
        np.full((2, 2), 0.3),
    )  # fmt: skip


def look(name, belief, actions, **changes):
    n = len(actions)
    given = {"success": np.ones(n), "allowed": np.ones(n, bool), "still_allowed": None}
    given |= changes
    return Situation(
        belief, actions, given["allowed"], given["success"], np.ones(n, bool), np.full(n, 0.1),
        np.full(n, 0.1), np.zeros(0, np.int64), np.zeros(0), np.zeros(n, np.int64), Policy(name),
        np.random.default_rng(0), still_allowed=given["still_allowed"],
    )  # fmt: skip


def site_is_gone(act):
    return np.zeros(2, bool) if act == 1 else np.ones(2, bool)


def test_image_comes_before_the_pulse_that_burns_the_site():
    belief = reference_world()
    actions = (IMAGE, PULSE)
    near = act_values(look("information", belief, actions))
    assert np.argmax(near) == 1
    assert near[0] < 1e-3
    far = act_values(look("look ahead", belief, actions, still_allowed=site_is_gone))
    assert np.argmax(far) == 0
    # after the image the pulse tells nearly all that two levels .3 apart by 1 can tell
    after = belief.after(belief.expected[:, 0], belief.noise_sd[:, 0], 0.0)
    assert far[0] == pytest.approx(information_about_hypotheses(after)[1], rel=0.1)
    assert far[1] == pytest.approx(near[1], rel=0.1)


def test_without_anything_lost_the_telling_act_comes_first():
    rng = np.random.default_rng(1)
    hypothesis = np.repeat([0, 1], 500)
    expected = np.where(hypothesis[:, None] == 0, 0.0, [0.2, 1.0, 0.6]) + 0.1 * rng.normal(
        size=(1000, 3)
    )
    belief = Belief(
        ("a", "b"), expected, hypothesis, np.full(1000, -math.log(1000)), np.full((2, 3), 0.5)
    )
    acts = tuple(Action("change_bias", {"bias_V": float(b)}, 0, 1, 1) for b in range(3))
    found = act_values(look("look ahead", belief, acts))
    alone = act_values(look("information", belief, acts))
    assert np.argmax(found) == 1
    # two readouts cannot tell more than twice one, nor less than one
    assert (found >= alone - 1e-3).all()
    assert found[1] <= 2 * alone[1] + 1e-2


def test_an_act_that_hardly_works_loses_little_of_what_follows():
    belief = reference_world()
    sure = act_values(look("look ahead", belief, (IMAGE, PULSE), still_allowed=site_is_gone))
    rare = act_values(
        look(
            "look ahead", belief, (IMAGE, PULSE), still_allowed=site_is_gone,
            success=np.array([0.2, 1.0]),
        )
    )  # fmt: skip
    assert rare[0] < sure[0]
    assert rare[1] == pytest.approx(sure[1])


def test_thinning_keeps_weights_and_means():
    belief = reference_world()
    after = belief.after(belief.expected[:, 1], belief.noise_sd[:, 1], 1.3)
    few = thinned(after, 200)
    assert len(few.log_weights) == 400
    assert few.weights == pytest.approx(after.weights, rel=1e-9)
    assert few.means() == pytest.approx(after.means(), abs=4 * 2.0 / math.sqrt(200))
