import numpy as np
import pytest

from physlearn.causal.severity.history import History
from physlearn.checks import InputError


def test_shots_follow_each_other():
    history = History().after(3, 0.5, None, False).after(2, 0.1, None, True)
    assert history.action_index.tolist() == [3, 2]
    assert history.time_s.tolist() == [1.0, 2.0]
    assert history.reference.tolist() == [False, True]
    assert len(history) == 2
    with pytest.raises(ValueError, match="read-only"):
        history.readout[0] = 1.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"action_index": [1, 2], "readout": [0.1]}, "one length"),
        ({"action_index": [1.5], "readout": [0.1]}, "whole numbers"),
        ({"action_index": [-1], "readout": [0.1]}, "index from 0"),
        ({"action_index": [1], "readout": [np.nan]}, "finite readout"),
        (
            {"action_index": [1, 1], "readout": [0, 0], "time_s": [2.0, 1.0]},
            "must not fall; shot 1",
        ),
        ({"action_index": [1, 1], "readout": [0, 0], "time_s": [2.0]}, "2 entries"),
        ({"action_index": [1, 2], "readout": [0, 0], "reference": [True, True]}, "one action"),
    ],
)
def test_bad_shots(given, words):
    with pytest.raises(InputError, match=words):
        History(**given)
