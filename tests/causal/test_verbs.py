import copy
import math
import pickle

import numpy as np
import pytest

from physlearn.causal import Action, ActionLibrary
from physlearn.causal.verbs import (
    FIELD_VERBS,
    MEASURING_VERBS,
    POINT_VERBS,
    TEXTS,
    TIP_VERBS,
    VERBS,
    check_arguments,
)
from physlearn.checks import InputError

EDGES = {"x_min": 0.0, "y_min": 0.0, "x_max": 2.0, "y_max": 1.0}
SOUND = {
    "image": EDGES, "expose_patch": EDGES, "scan_again": {"n_repeats": 2}, "move": {"x": 1, "y": 2},
    "expose_site": {"x": 1.0, "y": 2.0}, "change_bias": {"bias_V": -1.0},
    "tip_pulse": {"x": 1.0, "y": 2.0, "bias_V": 5.0, "pulse_s": 0.01},
    "change_temperature": {"temperature_K": 0.0}, "change_field": {"field_T": -1.0},
    "change_focus": {"focus_nm": 3.0}, "wait": {"wait_s": 1.0}, "tune": {}, "approach": {},
    "withdraw": {}, "analyse": {"quantity": "roughness"},
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_its_arguments_and_misses_each(verb):
    args = SOUND[verb]
    assert check_arguments(verb, {**args, "label": "first"}) == {**args, "label": "first"}
    for name in args:
        with pytest.raises(InputError, match=f"{verb} needs the argument '{name}'"):
            check_arguments(verb, {k: v for k, v in args.items() if k != name})
    for name in VERBS[verb]:
        for wrong in (math.nan, True, "99", None):
            with pytest.raises(InputError, match=name):
                check_arguments(verb, {**args, name: wrong})


@pytest.mark.parametrize(
    ("verb", "change", "words"),
    [
        ("expose_patch", {"x_max": 0.0}, "x_min < x_max"),
        ("image", {"y_max": -1.0}, "y_min < y_max"),
        ("image", {"dwell_s": 0.0}, "image.dwell_s must be above 0"),
        ("scan_again", {"n_repeats": 0}, "n_repeats"),
        ("wait", {"wait_s": 0.0}, "wait.wait_s must be above 0"),
        ("tip_pulse", {"pulse_s": -0.1}, "tip_pulse.pulse_s must be above 0"),
        ("change_temperature", {"temperature_K": -1.0}, "temperature_K must be at least 0"),
        ("analyse", {"quantity": " "}, "analyse.quantity must be a text"),
        ("analyse", {"quantity": 3}, "analyse.quantity must be a text"),
    ],
)
def test_values_that_cannot_be(verb, change, words):
    with pytest.raises(InputError, match=words):
        check_arguments(verb, {**SOUND[verb], **change})


def test_groups_hold_known_verbs_only():
    assert set(SOUND) == set(VERBS)
    for group in (TEXTS, POINT_VERBS, FIELD_VERBS, TIP_VERBS, MEASURING_VERBS):
        assert set(group) < set(VERBS)


def test_numbers_of_numpy_become_plain_ones():
    checked = check_arguments("scan_again", {"n_repeats": np.int64(2), "dwell_s": np.float32(0.5)})
    assert [type(value) for value in checked.values()] == [int, float]


def test_acts_and_libraries_can_be_copied_and_sent():
    act = Action(
        "expose_site", {"x": 1.0, "y": 2.0, "label": "a"}, 3.0, 4.0, 5.0, irreversible=True
    )
    library = ActionLibrary([act]).observe(act, succeeded=False)
    for again in (pickle.loads(pickle.dumps(library)), copy.deepcopy(library)):  # noqa: S301
        assert again == library
        with pytest.raises(TypeError):
            again.actions[0].args["x"] = 9.0


@pytest.mark.parametrize("args", [None, 3.0, ["bias_V", 1.0]])
def test_arguments_that_are_no_mapping_are_refused(args):
    with pytest.raises(InputError, match="args must map names of arguments to values"):
        Action("change_bias", args, 0.0, 1.0, 1.0)
