"""Plans as items of a queue that stops where a person must agree."""

import json

import pytest

from physlearn.causal import queue_plan, to_queue_items
from physlearn.checks import InputError


def test_items_are_what_the_queue_server_takes(pulse_plan):
    items = to_queue_items(pulse_plan, run_name="today")
    assert json.loads(json.dumps(items, allow_nan=False)) == items
    assert [(item["item_type"], item["name"]) for item in items] == [
        ("plan", "experiment_plan"), ("instruction", "queue_stop"), ("plan", "experiment_plan"),
    ]  # fmt: skip
    assert [item["kwargs"]["agreed"] for item in items if "kwargs" in item] == [[], ["pulse"]]
    assert all(item["args"] == [] for item in items if item["item_type"] == "plan")


def test_the_queue_stops_before_the_pulse_and_gives_one(pulse_plan, devices, engine, tmp_path):
    function = queue_plan(devices, tmp_path)
    first, stop, second = to_queue_items(pulse_plan)
    assert stop == {"item_type": "instruction", "name": "queue_stop"}
    done = engine(function(**first["kwargs"])).plan_result
    assert done.ended == "pulse was not approved"
    assert (devices.pulser.acts, len(devices.exposer.acts)) == ([], 1)
    for _ in range(2):  # an item that is queued twice does nothing the second time
        done = engine(function(**second["kwargs"])).plan_result
        assert done.ended == "the plan is done"
        assert (len(devices.pulser.acts), len(devices.exposer.acts)) == (1, 2)


def test_a_new_name_does_the_plan_again(pulse_plan, devices, engine, tmp_path):
    function = queue_plan(devices, tmp_path)
    for count, name in enumerate(("one", "two"), start=1):
        item = to_queue_items(pulse_plan, run_name=name)[-1]
        assert engine(function(**item["kwargs"])).plan_result.ended == "the plan is done"
        assert len(devices.pulser.acts) == count


def test_an_edited_plan_is_refused(pulse_plan, devices, engine, tmp_path):
    kwargs = to_queue_items(pulse_plan)[-1]["kwargs"]
    edited = kwargs["plan_json"].replace('"bias_V": 2.0', '"bias_V": 4.0')
    assert edited != kwargs["plan_json"]
    with pytest.raises(InputError, match="changed after its checksum"):
        engine(queue_plan(devices, tmp_path)(**{**kwargs, "plan_json": edited}))
    assert devices.x.position == 25


@pytest.mark.parametrize("name", ["../up", "", "a b", 3])
def test_names_of_runs_are_plain(name, pulse_plan):
    with pytest.raises(InputError, match="run_name must be letters"):
        to_queue_items(pulse_plan, run_name=name)
