import math

import pytest

from physlearn.causal import SafetyEnvelope, check_ledger
from physlearn.checks import InputError

ENVELOPE = SafetyEnvelope(
    50.0, (0, 0, 100, 100), max_step_dose=20.0, bias_limits_volt=(-3, 3), max_irreversible=1,
    max_duration_s=100.0, forbidden_sites=((50, 50, 2),), max_site_dose=25.0, max_field_dose=30.0,
    site_radius=0.5, pulse_limits_volt=(-8, 8), max_pulse_s=0.1, max_travel=90.0,
)  # fmt: skip


def event(verb, dose=0.0, time_s=0.0, irreversible=False, status="done", **args):
    return {"time_s": time_s, "verb": verb, "args": args, "dose": dose,
            "irreversible": irreversible, "status": status}  # fmt: skip


def image(dose=10.0, x=0.0, **more):
    return event("image", dose, x_min=x, y_min=0.0, x_max=x + 20.0, y_max=20.0, **more)


def expose(dose=10.0, x=10.0, **more):
    return event("expose_site", dose, x=x, y=10.0, **more)


def pulse(**more):
    return event("tip_pulse", **{"x": 80.0, "y": 80.0, "bias_V": 5.0, "pulse_s": 0.01,
                                 "irreversible": True, **more})  # fmt: skip


def broken(*events, tip="approached"):
    return check_ledger(events, ENVELOPE, tip=tip).violations


def test_sums_of_what_was_done():
    acts = [
        image(), expose(5.0, time_s=3.0), expose(4.0, 10.3, time_s=4.0),
        pulse(x=60.0, y=60.0, time_s=7.0), event("scan_again", 6.0, 9.0, n_repeats=1),
    ]  # fmt: skip
    found = check_ledger(acts, ENVELOPE, tip="approached")
    assert found.violations == ()
    assert found.total_dose == 25.0
    assert found.duration_s == 9.0
    assert found.n_irreversible == 1
    assert found.largest_field_dose == 16.0
    assert found.site_doses == {(10.0, 10.0): 25.0, (10.3, 10.0): 25.0, (60.0, 60.0): 0.0}


def test_an_act_that_begins_and_ends_counts_once_with_the_dose_it_gave():
    begun = image(status="begun")
    assert check_ledger([begun], ENVELOPE).total_dose == 10.0
    for status in ("done", "failed", "aborted"):
        ended = image(7.0, status=status, time_s=5.0)
        found = check_ledger([begun, ended], ENVELOPE)
        assert found.total_dose == 7.0
        assert found.violations == ()
    twice = check_ledger([begun, image(time_s=1.0), image(time_s=2.0)], ENVELOPE)
    assert twice.total_dose == 20.0
    scan = {"verb": "scan_again", "n_repeats": 2}
    again = check_ledger(
        [event(**scan, dose=4.0, status="begun"), event(**scan, dose=3.0)], ENVELOPE
    )
    assert again.total_dose == 3.0


def test_a_pulse_that_fired_twice_after_a_resume_is_seen():
    assert broken(pulse(status="begun"), pulse(status="done")) == ()
    fired = broken(pulse(status="begun"), pulse(status="aborted"), pulse(status="begun"))
    assert "event 3: the site (80, 80) was changed before" in fired
    assert "event 3: 2 irreversible acts, above 1" in fired
    open_still = broken(pulse(status="begun"), pulse(status="begun"))
    assert "event 2: tip_pulse began again before it had ended" in open_still


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([image(21.0)], "one act gives 21, above 20"),
        ([image(20.0, x) for x in (0.0, 30.0, 60.0)], "event 3: the acts so far give 60, above 50"),
        ([expose(13.0), expose(13.0)], "the site (10, 10) has taken 26, above 25"),
        ([expose(13.0), image(13.0)], "the site (10, 10) has taken 26, above 25"),
        ([image(14.0), image(14.0), pulse(x=10.0, y=10.0)], "the site (10, 10) has taken 28"),
        ([image(16.0), image(16.0, 10.0)], "one point of the field has taken 32, above 30"),
        ([event("scan_again", 16.0, n_repeats=1), image(16.0, 70.0)], "one point of the field"),
        ([expose(x=150.0)], "(150, 10) is outside"),
        ([event("move", x=1.0, y=-1.0)], "(1, -1) is outside"),
        ([event("expose_site", 1.0, x=50.0, y=51.0)], "touches the forbidden site (50, 50)"),
        ([event("expose_patch", 1.0, x_min=40.0, y_min=40.0, x_max=49.0, y_max=60.0)], "forbidden"),
        ([event("change_bias", bias_V=4.0)], "bias_V is 4.0, outside -3 to 3 V"),
        ([event("change_bias", bias_V="4")], "bias_V is '4', no finite number"),
        ([event("expose_site", 1.0, x=50.0)], "y is None, no finite number"),
        ([event("teleport", 1.0)], "teleport is no known verb"),
        ([event("image", 1.0, x_min=9, y_min=0, x_max=1, y_max=1)], "edges of the field are in"),
        ([event("change_field", field_T=0.0)], "change_field is not allowed at all"),
        ([pulse(bias_V=9.0)], "bias_V is 9.0"),
        ([pulse(pulse_s=0.2)], "the pulse lasts 0.2 s"),
        ([pulse(irreversible=False)], "said to be reversible"),
        ([pulse(), pulse(x=10.0)], "2 irreversible acts"),
        ([event("withdraw"), pulse()], "event 2: tip_pulse while the tip is withdrawn"),
        ([event("withdraw"), image()], "event 2: image while the tip is withdrawn"),
        ([event("approach")], "approach while the tip is approached"),
        ([event("move", x=0.0, y=0.0), event("move", x=99.0, y=99.0)], "travels 140.007, above 90"),
        ([image(), image(time_s=101.0)], "101 s so far, above 100 s"),
        ([image(time_s=5.0), image(time_s=1.0)], "lies before the event before it"),
        ([image(math.nan)], "the dose nan is no number"),
        ([image(-1.0)], "the dose -1.0 is no number"),
        ([image(True)], "the dose True is no number"),
        ([expose(x=math.nan)], "x is nan, no finite number"),
        ([expose(x=True)], "x is True"),
        ([image(time_s="now")], "the time 'now' is no finite number"),
        ([image(status="maybe")], "the status 'maybe' is none of"),
        ([image(irreversible=1)], "irreversible is 1"),
    ],
)  # fmt: skip
def test_every_limit_is_held(events, words):
    assert any(words in said for said in broken(*events)), broken(*events)


def test_pulses_without_a_tip_and_envelopes_as_plain_dictionaries():
    plain = {"max_total_dose": 1.0, "field_of_view": [0, 0, 100, 100], "max_irreversible": 1}
    said = check_ledger([pulse()], plain).violations
    assert "event 1: tip_pulse on an instrument without a tip" in said
    assert "event 1: tip_pulse is not allowed at all" in said


def test_bad_input():
    with pytest.raises(InputError, match="event 1 must have the key 'dose'"):
        check_ledger([{"time_s": 0.0, "verb": "image", "args": {}}], ENVELOPE)
    with pytest.raises(InputError, match="tip must be"):
        check_ledger([], ENVELOPE, tip="lost")
