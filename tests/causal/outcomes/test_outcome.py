import json
import math

import numpy as np
import pytest

from physlearn.causal import Outcome
from physlearn.checks import InputError


def test_plain_dict_and_back():
    seen = Outcome(
        0.3, readout_sd=0.1, commanded={"x": 1, "y": 2.0}, reported={"x": 1.1, "y": 2.0}, dose=3,
        started_s=5.0, duration_s=0.5, neighbours_hit=2, note="near the edge",
    )  # fmt: skip
    text = json.dumps(seen.to_dict(), allow_nan=False)
    assert Outcome.from_dict(json.loads(text)) == seen
    nothing = Outcome(None, succeeded=False)
    assert Outcome.from_dict(nothing.to_dict()) == nothing
    assert nothing.dose is None


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"readout": math.nan}, "readout"),
        ({"readout": True}, "readout"),
        ({"readout": "99"}, "readout"),
        ({"readout": 1.0, "readout_sd": 0.0}, "readout_sd"),
        ({"readout": None, "readout_sd": 1.0}, "readout_sd"),
        ({"readout": 1.0, "dose": -1.0}, "dose"),
        ({"readout": 1.0, "duration_s": math.inf}, "duration_s"),
        ({"readout": 1.0, "succeeded": 1}, "succeeded"),
        ({"readout": 1.0, "neighbours_hit": -1}, "neighbours_hit"),
        ({"readout": 1.0, "neighbours_hit": True}, "neighbours_hit"),
        ({"readout": 1.0, "reported": {"x": math.nan}}, "reported"),
        ({"readout": 1.0, "commanded": [1.0]}, "commanded"),
        ({"readout": 1.0, "note": 3}, "note"),
        ({"readout": -1e300}, r"readout must lie within -1e\+100 to 1e\+100"),
        ({"readout": 1.0, "reading": 3}, "reading"),
        ({}, "readout"),
    ],
)
def test_bad_outcomes_are_refused_by_name(bad, named):
    with pytest.raises(InputError, match=named):
        Outcome.from_dict(bad)


def test_what_was_reported_cannot_be_changed():
    sent = {"x": 1.0}
    seen = Outcome(1.0, reported=sent)
    sent["x"] = 9.0
    assert seen.reported["x"] == 1.0
    with pytest.raises(TypeError):
        seen.reported["x"] = 2.0


def test_a_comparison_of_numpy_numbers_says_whether_it_succeeded():
    seen = Outcome(1.0, succeeded=np.float64(1.0) > 3)
    assert seen.succeeded is False
    assert Outcome.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen
    with pytest.raises(InputError, match="succeeded must be True or False; got 1"):
        Outcome(1.0, succeeded=1)
