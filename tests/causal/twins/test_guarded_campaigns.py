"""A guarded planner on twins: right inside its set, silent outside it, and it measures drift."""

import numpy as np
import pytest

from physlearn.causal import (
    Action,
    DigitalTwin,
    Hypothesis,
    Instrument,
    Planner,
    ResponseSample,
    SafetyEnvelope,
    run_campaign,
)
from physlearn.causal.severity.options import SeverityOptions

NOISE = 0.15
ENVELOPE = SafetyEnvelope(1.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
ACTS = [Action("change_bias", {"bias_V": float(b)}, 0.0, 10.0, 1.0) for b in np.linspace(-3, 3, 31)]
LAWS = {
    "linear": lambda v, k: 0.7 * k * v,
    "saturating": lambda v, k: np.tanh(k * v),
    "cubic": lambda v, k: k * v**3 / 9.0,
}


def hypothesis(name):
    law = LAWS[name]

    def joint(actions, rng, n):
        slopes = rng.uniform(0.3, 1.3, n)
        return np.stack([law(act.number("bias_V"), slopes) for act in actions], axis=1)

    def predict(act, rng, n):
        return joint([act], rng, n)[:, 0] + NOISE * rng.standard_normal(n)

    return Hypothesis(name, 1.0, predict, joint=joint, noise_sd=NOISE)


def campaign_on(law, severity, seed, **errors):
    planner = Planner([hypothesis(n) for n in LAWS], ACTS, ENVELOPE, 45.0, severity=severity, rng=1)
    made = Instrument(readout_noise_sd=NOISE, **errors)
    twin = DigitalTwin(ResponseSample(lambda act: law(act.number("bias_V"))), made, rng=seed)
    return planner, run_campaign(planner, twin), twin


def test_inside_the_set_the_truth_is_claimed_within_the_declared_deviation():
    planner, campaign, _ = campaign_on(lambda v: np.tanh(0.9 * v), SeverityOptions(), 3)
    assert campaign.verdict == "claim"
    assert planner.verdict().hypothesis == "saturating"
    assert "deviations" in campaign.sentence
    assert "drift over the shots" in campaign.sentence  # without reference shots it is untested
    assert min(campaign.steps[-1].e_values["smooth"], campaign.steps[-1].e_values["local"]) >= 10


def test_a_law_that_nobody_listed_is_not_claimed():
    _, campaign, _ = campaign_on(lambda v: np.sin(2.5 * v), SeverityOptions(), 3)
    assert campaign.verdict == "none"


def test_reference_shots_measure_the_drift_of_the_instrument():
    guarded = SeverityOptions(reference_every=4, drift_sd=0.2, drift_time_s=100.0)
    planner, campaign, twin = campaign_on(
        lambda v: np.tanh(0.9 * v), guarded, 3, readout_drift_per_s=0.004
    )
    assert campaign.verdict in ("claim", "abstain")
    assert planner.verdict().hypothesis in ("saturating", None)
    found = planner.verdict().drift
    true = 0.004 * (twin.time_s - 10.0) / NOISE  # in noise sds, from the first readout to the last
    assert found.estimate == pytest.approx(true, abs=4 * found.sd)
    assert abs(found.estimate) > 4 * found.sd
    assert len(campaign.steps) == planner.verdict().n_shots
