import math

import pytest

from physlearn.causal import Action, ActionLibrary, SafetyEnvelope
from physlearn.checks import InputError

VIEW = (0.0, 0.0, 100.0, 100.0)


def act(verb="change_bias", dose=0.0, duration_s=1.0, cost=1.0, irreversible=False, **args):
    args = args or {"bias_V": 1.0}
    return Action(verb, args, dose, duration_s, cost, irreversible)


def expose(x, y, dose=10.0):
    return act("expose_site", dose, irreversible=True, x=x, y=y)


@pytest.mark.parametrize("bad", [math.nan, math.inf, True, "99", None])
def test_numbers_that_other_checks_let_pass_are_refused(bad):
    with pytest.raises(InputError, match="bias_V"):
        act(bias_V=bad)
    with pytest.raises(InputError, match="dose"):
        act(dose=bad)
    with pytest.raises(InputError, match="duration_s"):
        act(duration_s=bad)
    with pytest.raises(InputError, match="cost"):
        act(cost=bad)
    with pytest.raises(InputError, match="max_total_dose"):
        SafetyEnvelope(bad, VIEW)
    with pytest.raises(InputError, match="field_of_view"):
        SafetyEnvelope(1.0, (0, 0, bad, 1))
    with pytest.raises(InputError, match="bias_limits_volt"):
        SafetyEnvelope(1.0, VIEW, bias_limits_volt=(bad, 1))
    if bad is not None:
        with pytest.raises(InputError, match="max_step_dose"):
            SafetyEnvelope(1.0, VIEW, max_step_dose=bad)


def test_malformed_actions():
    with pytest.raises(InputError, match="verb"):
        act("teleport")
    with pytest.raises(InputError, match="needs the argument 'y'"):
        act("expose_site", x=1.0)
    with pytest.raises(InputError, match="x_min < x_max"):
        act("image", x_min=5, x_max=1, y_min=0, y_max=1)
    with pytest.raises(InputError, match="n_repeats"):
        act("scan_again", n_repeats=1.5)
    with pytest.raises(InputError, match="dose"):
        act(dose=-1.0)
    with pytest.raises(InputError, match="irreversible"):
        act(irreversible=1)
    with pytest.raises(TypeError):
        act().args["bias_V"] = 5.0


def test_every_limit_is_held():
    envelope = SafetyEnvelope(
        25.0, VIEW, max_step_dose=12.0, bias_limits_volt=(-2, 2), max_irreversible=1,
        max_duration_s=5.0, forbidden_sites=((50.0, 50.0, 5.0),),
    )  # fmt: skip
    assert envelope.violations([act(bias_V=-2.0), expose(10, 10)]) == []
    for actions, words in (
        ([act(bias_V=2.5)], "bias 2.5 V lies outside"),
        ([expose(101, 10)], "outside the field of view"),
        ([expose(10, -1)], "outside the field of view"),
        ([act("image", x_min=0, y_min=0, x_max=101, y_max=5)], "outside the field of view"),
        ([expose(52, 52)], "forbidden site"),
        ([expose(10, 10, dose=13.0)], "is above 12 a step"),
        ([act(dose=9.0)] * 3, "dose so far is 27"),
        ([expose(10, 10), expose(20, 20)], "more than 1 irreversible"),
        ([expose(10, 10), expose(10, 10)], "exposed before"),
        ([act(duration_s=3.0)] * 2, "6 s so far"),
    ):
        assert any(words in reason for reason in envelope.violations(actions)), words
    closed = SafetyEnvelope(1.0, VIEW)
    assert any("no change of bias" in reason for reason in closed.violations([act()]))


def test_bad_envelopes():
    for options, words in (
        ({"bias_limits_volt": (2, -2)}, "bias_limits_volt"),
        ({"bias_limits_volt": (-2, 2e4)}, "bias_limits_volt"),
        ({"max_irreversible": -1}, "max_irreversible"),
        ({"max_irreversible": 1.5}, "max_irreversible"),
        ({"max_irreversible": True}, "max_irreversible"),
        ({"forbidden_sites": ((1, 2),)}, "forbidden_sites"),
        ({"max_duration_s": -1.0}, "max_duration_s"),
    ):
        with pytest.raises(InputError, match=words):
            SafetyEnvelope(1.0, VIEW, **options)
    with pytest.raises(InputError, match="field_of_view"):
        SafetyEnvelope(1.0, (0, 0, 0, 1))
    with pytest.raises(InputError, match="max_total_dose"):
        SafetyEnvelope(-1.0, VIEW)


def test_library_learns_from_attempts():
    library = ActionLibrary([act()]) + ActionLibrary([expose(1, 1)])
    assert library.verbs == ("change_bias", "expose_site")
    assert library.success_probability("expose_site") == 1.0
    for succeeded in (True, True, False):
        library = library.observe("expose_site", succeeded=succeeded)
    assert library.success_probability("expose_site") == pytest.approx(3 / 5)
    with pytest.raises(InputError, match="verb"):
        library.observe("teleport", succeeded=True)
    with pytest.raises(InputError, match="Action records"):
        ActionLibrary(["image"])
