"""A plan as data that a person can read, a file can hold and a machine can check and run."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, TypeAdapter, ValidationError

from physlearn.causal.experiment_plans.plan_records import (
    Declared,
    PlanHypothesis,
    PlannedEnvelope,
    PlanStep,
    StartState,
)
from physlearn.causal.experiment_plans.record_checks import checked_record, sentence_of
from physlearn.causal.json_files import read_json, write_json
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["FORMAT", "ExperimentPlan", "plan_adapter"]

FORMAT = "physlearn-experiment-plan-2"


@checked_record
class ExperimentPlan:
    """Ordered steps inside a safety envelope.

    Attributes
    ----------
    steps
        In the order to do them.
    hypotheses
        What they are to tell apart; none for a plain workflow.
    envelope
        Hard limits.
    budget
        Largest sum of the costs.
    seed
        Of the Monte Carlo sums behind the ranking.
    warnings
        What the reader must know.
    starts
        How the instrument is found.
    declared
        Choices made before the first step.

    Raises
    ------
    InputError
        For NaN, bool or text where a number belongs. By `from_json`: for text that is no plan,
        was edited after its checksum was made, or would break order, limits or the envelope.

    Examples
    --------
    >>> from physlearn.causal import SafetyEnvelope
    >>> plan = ExperimentPlan(
    ...     (), (PlanHypothesis("q", "a", 1.0, "", "", "1"),),
    ...     SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=1.0, seed=0)
    >>> ExperimentPlan.from_json(plan.to_json()).checksum == plan.checksum
    True
    """

    steps: tuple[PlanStep, ...]
    hypotheses: tuple[PlanHypothesis, ...]
    envelope: PlannedEnvelope
    budget: Annotated[float, Field(gt=0)]
    seed: Annotated[int, Field(ge=0)] = 0
    warnings: tuple[str, ...] = ()
    starts: StartState = StartState()
    declared: tuple[Declared, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def checksum(self) -> str:
        """SHA-256 of the plan as JSON with sorted keys and no spaces, without the checksum."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def step_names(self) -> tuple[str, ...]:
        """Return what branches and preconditions call each step: its ``id``, or s1, s2 ..."""
        return tuple(step.id or f"s{k}" for k, step in enumerate(self.steps, start=1))

    def problems(self) -> list[str]:
        """Return everything that is wrong with the plan; an empty list for a sound one.

        Order and preconditions, sums of dose (step, site, point, total), limits and reach, the
        gate before what cannot be undone, branches that lead nowhere or back for ever; sums are
        those of the worst way through the branches.
        """
        from physlearn.causal.experiment_plans.plan_problems import plan_problems

        return plan_problems(self)

    def validate(self) -> None:
        """Say by an InputError what is wrong, if anything is (see `problems`)."""
        found = self.problems()
        if found:
            raise InputError(f"the plan must not be run: {found[0]} ({len(found)} problem(s)).")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain numbers, texts and lists, without the checksum."""
        return {"format": FORMAT, **plan_adapter().dump_python(self, mode="json")}

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the plan with its checksum as JSON text, and write it to `path` if given."""
        return write_json({**self.to_dict(), "checksum": self.checksum}, path)

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> ExperimentPlan:
        """Read JSON text, or the file at a path, and check form, checksum and `problems`."""
        content = read_json(source, "an experiment plan")
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise InputError(f"source is no valid experiment plan: its format must be {FORMAT!r}.")
        claimed = content.pop("checksum", None)
        try:
            plan = plan_adapter().validate_json(json.dumps(content))
        except ValidationError as error:
            raise InputError(
                f"source is no valid experiment plan: {sentence_of(error, 'plan')}"
            ) from None
        if claimed != plan.checksum:
            raise InputError(
                "the plan was changed after its checksum was made; make the plan anew instead."
            )
        plan.validate()
        return plan

    def summary(self) -> pd.DataFrame:
        """Return one row a step."""
        rows = [
            {
                "step": number,
                "verb": step.action.verb,
                "args": ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}"
                                  for k, v in step.action.args.items()),
                "dose": step.action.dose,
                "duration_s": step.action.duration_s,
                "cost": step.action.cost,
                "irreversible": step.action.irreversible,
                "expected_information_nats": step.expected_information_nats,
                "in_support": step.in_support,
                "reason": step.reason,
            }
            for number, step in enumerate(self.steps, start=1)
        ]  # fmt: skip
        names = ["step", "verb", "args", "dose", "duration_s", "cost", "irreversible",
                 "expected_information_nats", "in_support", "reason"]  # fmt: skip
        return pd.DataFrame(rows, columns=names)


@cache
def plan_adapter() -> TypeAdapter[ExperimentPlan]:
    """Return what reads and writes plans."""
    return TypeAdapter(ExperimentPlan)
