import math

import numpy as np
import pytest

from physlearn.causal import practical_equivalence
from physlearn.checks import InputError

REGION = (-0.5, 0.5)
LOOKS = [*range(2, 40, 2), *range(40, 401, 12)]


def decide(effect, sd, seed, unequal=False):
    """Look again and again; return the decision, when, and whether an interval missed."""
    rng = np.random.default_rng(seed)
    sds = rng.uniform(0.5, 1.5, 400) if unequal else np.ones(400)
    readings, missed = effect + sds * rng.standard_normal(400), False
    for n in LOOKS:
        given = None if sd is None else sds[:n]
        found = practical_equivalence(readings[:n], given, region=REGION)
        missed |= not found.interval[0] <= effect <= found.interval[1]
        if found.decision != "continue":
            return found.decision, n, missed
    return "continue", 400, missed


@pytest.mark.parametrize(
    ("effect", "sd", "unequal", "decision"),
    [
        (0.0, 1.0, False, "equivalent"),
        (0.2, 1.0, True, "equivalent"),
        (0.0, None, False, "equivalent"),
        (1.0, 1.0, False, "different"),
        (-1.0, None, False, "different"),
    ],
)
def test_decided_within_400_looks(effect, sd, unequal, decision):
    found = [decide(effect, sd, seed, unequal) for seed in range(12)]
    assert {d for d, _, _ in found} == {decision}
    assert np.median([n for _, n, _ in found]) <= 150


@pytest.mark.parametrize("sd", [1.0, None])
def test_wrong_at_any_look_in_one_of_twenty_runs_at_most(sd):
    """At the edge of the region nothing may be decided; intervals hold the truth at all looks."""
    n_runs = 120
    found = [decide(0.5, sd, 100 + seed) for seed in range(n_runs)]
    limit = n_runs * (0.05 + 4 * math.sqrt(0.05 * 0.95 / n_runs))
    assert sum(d != "continue" for d, _, _ in found) <= limit
    assert sum(missed for _, _, missed in found) <= limit


def test_ends_of_the_interval_are_where_the_evidence_is_reached():
    """Known noise: Robbins' closed form; the mixture has a tenth of the expected information."""
    readings = np.array([0.3, -0.1, 0.4, 0.2, 0.1])
    found = practical_equivalence(readings, 0.5, region=REGION, expected_readings=20)
    information, mixture = 5 / 0.25, 0.1 * 20 / 0.25
    goal = math.log(20) + 0.5 * math.log((mixture + information) / mixture)
    reach = math.sqrt(2 * (mixture + information) * goal) / information
    assert found.estimate == pytest.approx(0.18)
    assert found.interval == pytest.approx((0.18 - reach, 0.18 + reach))
    assert found.decision == "continue"
    assert found.evidence_different == 0
    assert "Not decided" in found.sentence


def test_evidence_and_decision_agree():
    rng = np.random.default_rng(0)
    for effect in (0.0, 1.5):
        found = practical_equivalence(effect + rng.normal(size=300), 1.0, region=REGION)
        reached = max(found.evidence_equivalent, found.evidence_different)
        assert reached >= 20
        assert found.decision != "continue"
    assert practical_equivalence([], 1.0, region=REGION).interval == (-math.inf, math.inf)
    assert practical_equivalence([0.1], None, region=REGION).decision == "continue"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"readings": [0.1, math.nan]}, "finite row"),
        ({"sd": 0.0}, "sd must be above 0"),
        ({"sd": [1.0]}, "sd must be above 0"),
        ({"region": (0.5, -0.5)}, "low < high"),
        ({"region": (True, 1.0)}, "region"),
        ({"evidence": 1.0}, "evidence"),
        ({"expected_readings": 0}, "expected_readings"),
    ],
)
def test_bad_readings(change, words):
    given = {"readings": [0.1, 0.2], "sd": 1.0, "region": REGION} | change
    readings, sd = given.pop("readings"), given.pop("sd")
    with pytest.raises(InputError, match=words):
        practical_equivalence(readings, sd, **given)
