"""A plan as items of bluesky's queue server, which stops its queue where a person must agree."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.instruments.plan_devices import PlanDevices
from physlearn.causal.instruments.run_engine_plan import to_bluesky
from physlearn.checks import InputError

__all__ = ["PLAN_NAME", "queue_plan", "to_queue_items"]

PLAN_NAME = "experiment_plan"
"""What the function of `queue_plan` is to be called in the server's start-up script."""


def to_queue_items(plan: ExperimentPlan, *, run_name: str | None = None) -> list[dict[str, Any]]:
    """Return a plan as items for ``queue_item_add_batch`` of bluesky-queueserver.

    Parameters
    ----------
    plan
        Checked here.
    run_name
        Name of the record of acts that the items share; the start of the checksum when None. A
        new name does the plan again.

    Returns
    -------
    list of dict
        One plan item to the first gate; for each step with a gate (or that is irreversible) the
        instruction ``queue_stop`` and an item that goes on from the record and may do that step:
        who starts the queue again agrees to it. Items whose step the branches left out do nothing.
        Each item starts from where the record ends, with the beam blanked and the tip withdrawn
        in between.

    Raises
    ------
    InputError
        For a plan with problems, or a run_name that is no plain file name.

    Examples
    --------
    >>> from physlearn.causal import Action, PlanStep, SafetyEnvelope
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
    >>> act = Action("change_bias", {"bias_V": 2.0}, 0.0, 5.0, 1.0)
    >>> plan = ExperimentPlan(
    ...     (PlanStep(act), PlanStep(act, human_gate=True)), (), envelope, budget=5.0)
    >>> [item["item_type"] for item in to_queue_items(plan)]
    ['plan', 'instruction', 'plan']
    """
    if not isinstance(plan, ExperimentPlan):
        raise InputError(f"plan must be an ExperimentPlan; got {type(plan).__name__}.")
    plan.validate()
    name = plan.checksum[:12] if run_name is None else run_name
    _record_path(Path(), name)
    gated = [
        step_name
        for step_name, step in zip(plan.step_names(), plan.steps, strict=True)
        if step.needs_person
    ]
    text = plan.to_json()
    items: list[dict[str, Any]] = []
    for count in range(len(gated) + 1):
        if count:
            items.append({"item_type": "instruction", "name": "queue_stop"})
        items.append(
            {
                "item_type": "plan",
                "name": PLAN_NAME,
                "args": [],
                "kwargs": {"plan_json": text, "run_name": name, "agreed": gated[:count]},
                "meta": {"plan_checksum": plan.checksum, "agreed": gated[:count]},
            }
        )
    return items


def queue_plan(
    devices: PlanDevices, folder: str | os.PathLike[str]
) -> Callable[[str, str, list[str]], Generator[Any, Any, Any]]:
    """Return the plan function that the items of `to_queue_items` call.

    Put ``experiment_plan = queue_plan(devices, folder)`` into the server's start-up script.

    Parameters
    ----------
    devices
        Which device does what.
    folder
        Where the records of acts are kept; it must exist.

    Raises
    ------
    InputError
        For a folder that does not exist, or by the function for a plan that was edited.

    Examples
    --------
    >>> import inspect, tempfile
    >>> from physlearn.causal import SafetyEnvelope, simulated_devices
    >>> devices = simulated_devices(SafetyEnvelope(1.0, (0, 0, 9, 9)))
    >>> inspect.isgeneratorfunction(queue_plan(devices, tempfile.mkdtemp()))
    True
    """
    home = Path(folder)
    if not home.is_dir():
        raise InputError(f"folder must exist; {home} does not.")

    def experiment_plan(
        plan_json: str, run_name: str, agreed: list[str]
    ) -> Generator[Any, Any, Any]:
        """Carry out a plan of physlearn up to the first gate that nobody agreed to."""
        plan = ExperimentPlan.from_json(plan_json)
        names = {id(step): name for name, step in zip(plan.step_names(), plan.steps, strict=True)}
        return (
            yield from to_bluesky(
                plan, devices, record=_record_path(home, run_name),
                approve=lambda step: names[id(step)] in agreed,
            )
        )  # fmt: skip

    return experiment_plan


def _record_path(folder: Path, name: str) -> Path:
    if (
        not isinstance(name, str)
        or not name
        or not name.replace("-", "").replace("_", "").isalnum()
    ):
        raise InputError(f"run_name must be letters, digits, - and _; got {name!r}.")
    return folder / f"{name}.jsonl"
