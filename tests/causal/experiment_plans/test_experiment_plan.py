import dataclasses
import json

import jsonschema
import pytest

from physlearn.causal import (
    Action,
    ExperimentPlan,
    Hypothesis,
    SafetyEnvelope,
    plan_interventions,
    plan_schema,
)
from physlearn.checks import InputError


@pytest.fixture(scope="module")
def plan():
    def grows(slope):
        return lambda action, rng, n: (slope * action.number("bias_V"), 1.0)

    acts = [Action("change_bias", {"bias_V": v, "note": "up"}, 1.0, 1.0, 1.0) for v in (1.0, 2.0)]
    envelope = SafetyEnvelope(
        10.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3), forbidden_sites=((1, 2, 3),)
    )
    rivals = [Hypothesis("flat", 1, grows(0.0)), Hypothesis("steep", 1, grows(1.0))]
    return plan_interventions(rivals, acts, envelope, 5.0, rng=0)


def test_json_round_trip_is_exact(plan, tmp_path):
    text = plan.to_json(tmp_path / "plan.json")
    for source in (text, tmp_path / "plan.json"):
        again = ExperimentPlan.from_json(source)
        assert again == plan
        assert again.to_json() == text
        assert again.checksum == plan.checksum
    assert len(plan.summary()) == len(plan.steps) == 2


def test_schema_is_sound_and_fits(plan):
    jsonschema.Draft202012Validator.check_schema(plan_schema())
    content = json.loads(plan.to_json())
    jsonschema.validate(content, plan_schema())
    for path, value in (
        (("steps", 0, "action", "dose"), -1),
        (("steps", 0, "action", "dose"), "9"),
        (("steps", 0, "action", "verb"), "teleport"),
        (("steps", 0, "action", "irreversible"), 1),
        (("steps", 0, "action", "args", "bias_V"), True),
        (("steps", 0, "expect", 0, "sd"), 0),
        (("steps", 0, "id"), "a b"),
        (("envelope", "field_of_view", 0), "0"),
        (("envelope", "forbidden_sites", 0, 2), True),
        (("envelope", "max_irreversible"), 1.5),
        (("budget",), 0),
        (("extra",), 1),
        (("hypotheses", 0, "weight"), 1.5),
    ):
        bad = json.loads(plan.to_json())
        place = bad
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, plan_schema())
        with pytest.raises(InputError):
            ExperimentPlan.from_json(json.dumps(bad))


def test_a_plan_edited_after_its_checksum_is_refused(plan):
    content = json.loads(plan.to_json())
    content["steps"][0]["action"]["args"]["bias_V"] = 2.5
    with pytest.raises(InputError, match="changed after its checksum"):
        ExperimentPlan.from_json(json.dumps(content))


def test_a_plan_outside_its_envelope_is_refused_even_with_a_right_checksum(plan):
    hot = dataclasses.replace(
        plan.steps[0], action=Action("change_bias", {"bias_V": 99.0}, 1.0, 1.0, 1.0)
    )
    for bad in (
        dataclasses.replace(plan, steps=(hot,)),
        dataclasses.replace(plan, steps=plan.steps * 10),
        dataclasses.replace(plan, budget=1.0),
    ):
        assert bad.problems()
        with pytest.raises(InputError, match="must not be run"):
            bad.validate()
        with pytest.raises(InputError, match="must not be run"):
            ExperimentPlan.from_json(bad.to_json())


def test_text_that_is_no_plan(plan, tmp_path):
    for text in ("{", "{}", '{"format": "other"}'):
        with pytest.raises(InputError, match="source"):
            ExperimentPlan.from_json(text)
    with pytest.raises(InputError, match="finite"):
        ExperimentPlan.from_json(plan.to_json().replace('"budget": 5.0', '"budget": NaN'))
