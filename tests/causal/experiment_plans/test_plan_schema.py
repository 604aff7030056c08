import json

import jsonschema
import pytest

from physlearn.causal import ExperimentPlan, SafetyEnvelope, plan_schema
from physlearn.causal.experiment_plans.plan_schema import build_plan_schema
from physlearn.causal.verbs import VERBS


def test_the_published_schema_is_that_of_the_records():
    """After a change of a record: python -m physlearn.causal.experiment_plans.plan_schema."""
    assert plan_schema() == json.loads(json.dumps(build_plan_schema()))


def test_it_names_every_verb_and_says_what_each_field_is():
    schema = plan_schema()
    assert schema["$defs"]["WrittenAction"]["properties"]["verb"]["enum"] == list(VERBS)
    silent = [
        (record, name)
        for record, part in {**schema["$defs"], "plan": schema}.items()
        for name, field in part["properties"].items()
        if "description" not in field
    ]
    assert {record for record, _ in silent} <= {"WrittenEnvelope", "plan"}
    assert all(name.endswith(("_volt", "_s", "_kelvin", "_tesla", "_nanometre", "_unit"))
               or name in ("format", "checksum") for _, name in silent)  # fmt: skip


def test_a_plan_without_steps_fits_and_one_without_a_checksum_does_not():
    plan = ExperimentPlan((), (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=1.0)
    content = json.loads(plan.to_json())
    jsonschema.validate(content, plan_schema())
    del content["checksum"]
    with pytest.raises(jsonschema.ValidationError, match="checksum"):
        jsonschema.validate(content, plan_schema())
