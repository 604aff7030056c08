import math

import numpy as np
import pytest

from physlearn.causal import DesignTable, declare_test, follow, nested_effect
from physlearn.checks import InputError

X = np.linspace(0, 1, 12)
N = 3000
RNG = np.random.default_rng(0)
SLOPE, CURVE = RNG.uniform(-1, 1, N), RNG.uniform(-2, 2, N)
TABLE = DesignTable(("curved",), (SLOPE[:, None] * X + CURVE[:, None] * X**2,), 0.1, X)
TEST = declare_test(TABLE, rng=0)
REGION = (-0.5, 0.5)


def decide(slope, curve, seed, n_shots=40):
    rng = np.random.default_rng([3, seed])
    evidence, missed = follow(TEST), False
    for _ in range(n_shots):
        j = int(rng.choice([5, 6, 11]))
        readout = slope * X[j] + curve * X[j] ** 2 + 0.1 * rng.standard_normal()
        evidence = evidence.after(j, float(readout))
        found = nested_effect(evidence, "curved", CURVE, region=REGION)
        missed |= not found.interval[0] <= curve <= found.interval[1]
        if found.decision != "continue":
            return found, missed
    return found, missed


@pytest.mark.parametrize(("curve", "decision"), [(0.0, "equivalent"), (1.2, "different")])
def test_decided_within_forty_shots(curve, decision):
    found = [decide(0.4, curve, seed)[0] for seed in range(6)]
    assert {f.decision for f in found} == {decision}
    assert np.median([f.n_readings for f in found]) < 30
    words = "makes no difference" if decision == "equivalent" else "makes a difference"
    assert words in found[0].sentence


def test_wrong_at_any_look_in_one_of_twenty_runs_at_most():
    """Truths drawn from the members: what is decided, and the interval, hold on average."""
    n_runs, wrong, missed = 60, 0, 0
    rng = np.random.default_rng(8)
    for seed in range(n_runs):
        slope, curve = rng.uniform(-1, 1), rng.uniform(-2, 2)
        found, out = decide(slope, curve, 100 + seed, n_shots=15)
        truth = "equivalent" if REGION[0] <= curve <= REGION[1] else "different"
        wrong += found.decision not in ("continue", truth)
        missed += out
    limit = n_runs * (0.05 + 4 * math.sqrt(0.05 * 0.95 / n_runs))
    assert wrong <= limit
    assert missed <= limit


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hypothesis": "flat"}, "one of"),
        ({"effect": CURVE[:5]}, "effect must be finite"),
        ({"effect": np.full(N, np.nan)}, "effect must be finite"),
        ({"region": (0.5, -0.5)}, "low < high"),
        ({"region": (1e-5, 2e-5)}, "at least 20 members"),
        ({"needed": 1.0}, "needed"),
    ],
)
def test_bad_effects(change, words):
    given = {"hypothesis": "curved", "effect": CURVE, "region": REGION, "needed": 20.0} | change
    hypothesis, effect = given.pop("hypothesis"), given.pop("effect")
    with pytest.raises(InputError, match=words):
        nested_effect(follow(TEST), hypothesis, effect, **given)
