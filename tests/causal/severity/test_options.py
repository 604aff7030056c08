import math

import pytest

from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError


def test_what_a_claim_excludes_is_in_the_wording():
    assert SeverityOptions(smooth_deviation=2, local_deviation=0).wording() == (
        "smooth deviations of rms 2 noise sd"
    )
    assert "features of 4 noise sd at least 18% of the range wide" in SeverityOptions().wording()
    assert SeverityOptions().dof == math.inf
    assert SeverityOptions(noise_dof=9).dof == 9


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"evidence": 1.0}, "evidence"),
        ({"evidence": "10"}, "evidence"),
        ({"none_evidence": True}, "none_evidence"),
        ({"smooth_deviation": math.nan}, "smooth_deviation"),
        ({"smooth_deviation": 0, "local_deviation": 0}, "nothing can be claimed"),
        ({"smooth_lengths": ()}, "smooth_lengths"),
        ({"threshold": 1.0}, "threshold"),
        ({"threshold": 0.4}, "threshold"),
        ({"max_shots": 0}, "max_shots"),
        ({"reference_every": 2.5}, "reference_every"),
        ({"region": (1, 1)}, "different action indices"),
        ({"region": (-1,)}, "region"),
        ({"noise_dof": 0}, "noise_dof"),
    ],
)
def test_bad_options(given, words):
    with pytest.raises(InputError, match=words):
        SeverityOptions(**given)
