import math

import numpy as np
import pytest
from scipy import stats

from physlearn.causal import Action, Outcome, OutcomeModel
from physlearn.checks import InputError


def pulse(bias=2.0, label=None, x=0.0, pulse_s=0.1):
    args = {"x": x, "y": 0.0, "bias_V": float(bias), "pulse_s": pulse_s}
    return Action(
        "tip_pulse", args if label is None else {**args, "label": label}, 0.0, 1.0, 1.0, True
    )


def test_few_attempts_give_the_beta_law():
    seen = [(pulse(), Outcome(None, succeeded=s)) for s in (True, True, False)]
    found = OutcomeModel(seen).predict(pulse())
    law = stats.beta(3, 2)
    assert found.success == pytest.approx(0.6, abs=1e-3)
    assert (found.success_low, found.success_high) == pytest.approx(law.interval(0.9), abs=1e-3)
    assert found.in_support
    assert found.why == "2 of 3 attempts of tip_pulse worked"


def test_nothing_tried_is_known_to_be_nothing():
    found = OutcomeModel().predict(pulse())
    assert found.success == pytest.approx(0.5)
    assert (found.success_low, found.success_high) == pytest.approx((0.05, 0.95))
    assert not found.in_support
    assert math.isnan(found.neighbours_hit)
    assert found.why == "no attempt of tip_pulse so far"


def test_a_hole_like_those_seen_and_a_hole_in_a_particle():
    seen = [(pulse(label="hole"), Outcome(None, succeeded=True)) for _ in range(8)]
    model = OutcomeModel(seen)
    like, unlike = model.predict_all([pulse(label="hole"), pulse(label="particle")])
    assert like.in_support
    assert not unlike.in_support
    assert "label 'particle'" in unlike.why
    assert like.success > 0.85


def test_settings_far_from_all_attempts_are_out_of_support():
    rng = np.random.default_rng(0)
    seen = [
        (pulse(b, x=rng.normal()), Outcome(None, succeeded=True)) for b in rng.uniform(1, 3, 30)
    ]
    model = OutcomeModel(seen)
    inside, beyond, longer = model.predict_all(
        [pulse(2.0, x=99.0), pulse(5.0), pulse(2, pulse_s=3)]
    )
    assert inside.in_support
    assert not beyond.in_support
    assert "none of them set like this one" in beyond.why
    # a pulse of another length was never tried at all
    assert not longer.in_support


def test_chance_follows_the_bias_and_intervals_hold_their_share():
    """Intervals of 90 % over repeated attempts at a law that the model holds."""
    truth = np.array([0.2, 0.5, 0.8])
    bias = np.array([1.0, 2.0, 3.0])
    held, found = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        tried = rng.uniform(0, 4, 60)
        chance = 1 / (1 + np.exp(-(tried - 2) * math.log(4)))
        seen = [
            (pulse(b), Outcome(None, succeeded=bool(rng.random() < c)))
            for b, c in zip(tried, chance, strict=True)
        ]
        predicted = OutcomeModel(seen).predict_all([pulse(b) for b in bias])
        held += [
            p.success_low <= t <= p.success_high for p, t in zip(predicted, truth, strict=True)
        ]
        found.append([p.success for p in predicted])
    assert np.abs(np.mean(found, axis=0) - truth).max() < 0.05
    # the three intervals of a run share a law: as if there were half as many
    assert abs(np.mean(held) - 0.9) < 4 * math.sqrt(0.9 * 0.1 / 90)


def test_without_effect_the_flat_law_keeps_its_share():
    rng = np.random.default_rng(1)
    seen = [
        (pulse(b), Outcome(None, succeeded=bool(rng.random() < 0.3))) for b in rng.uniform(0, 4, 80)
    ]
    found = OutcomeModel(seen).predict_all([pulse(b) for b in (0.5, 2.0, 3.5)])
    assert [p.success for p in found] == pytest.approx([0.3] * 3, abs=4 * math.sqrt(0.21 / 80))


def test_neighbours_and_places_are_learned():
    rng = np.random.default_rng(2)
    seen = []
    for _ in range(200):
        x = float(rng.uniform(0, 9))
        there = x + 0.3 + 0.1 * rng.normal()
        hits = int(rng.poisson(0.25))
        seen.append(
            (pulse(x=x), Outcome(None, commanded={"x": x}, reported={"x": there},
                                 neighbours_hit=hits))
        )  # fmt: skip
    model = OutcomeModel(seen)
    assert model.predict(pulse()).neighbours_hit == pytest.approx(
        0.25, abs=4 * math.sqrt(0.25 / 200)
    )
    there = model.read_back("tip_pulse")["x"]
    assert there.n == 200
    assert there.offset == pytest.approx(0.3, abs=4 * 0.1 / math.sqrt(200))
    assert there.sd == pytest.approx(0.1, rel=4 / math.sqrt(400))
    assert model.read_back("image") == {}


def test_observing_adds_an_attempt():
    model = OutcomeModel().observe(pulse(), Outcome(None, succeeded=False))
    assert model.predict(pulse()).success == pytest.approx(1 / 3, abs=1e-3)
    assert len(model.attempts) == 1


@pytest.mark.parametrize("bad", [[1], [(pulse(), True)], [("pulse", Outcome(None))]])
def test_bad_attempts_are_refused(bad):
    with pytest.raises(InputError, match="attempts must hold pairs"):
        OutcomeModel(bad)
