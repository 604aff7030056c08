"""The experiment plan as data: steps, what each hypothesis expects, limits and a checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from physlearn.causal.actions import Action, SafetyEnvelope, strict_number
from physlearn.causal.json_files import read_json, write_json
from physlearn.checks import InputError

FORMAT = "physlearn-experiment-plan-1"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one hypothesis expects to be read out after a step."""

    question: str
    hypothesis: str
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Abort:
    """When to stop after a step: in words, and as limits for machines."""

    when: str
    readout_below: float
    readout_above: float
    dose_above: float


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One act with its reason.

    Attributes
    ----------
    action
        What to do.
    expect
        Mean and standard deviation of the readout under each hypothesis.
    tells_apart
        Pairs of hypotheses that it separates by two standard deviations or more.
    reason
        Why, in words.
    abort
        When to stop.
    in_support
        Whether the act stays within what the data have shown.
    expected_information_nats
        Expected gain of information about the hypotheses, on top of the steps before.

    Examples
    --------
    >>> action = Action("change_bias", {"bias_V": 1.0}, 0.0, 5.0, 1.0)
    >>> step = PlanStep(action, (), (), "to see", Abort("never", -1.0, 1.0, 0.0), True, 0.3)
    >>> step.action.verb, step.in_support
    ('change_bias', True)
    """

    action: Action
    expect: tuple[Expectation, ...]
    tells_apart: tuple[tuple[str, str], ...]
    reason: str
    abort: Abort
    in_support: bool
    expected_information_nats: float


@dataclass(frozen=True, slots=True)
class PlanHypothesis:
    """A hypothesis as the plan records it."""

    question: str
    name: str
    weight: float
    description: str
    readout: str
    unit: str


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """Ranked steps inside a safety envelope.

    Attributes
    ----------
    steps
        In the order to do them.
    hypotheses
        What they are to tell apart.
    envelope
        Hard limits.
    budget
        Largest sum of the costs.
    seed
        Of the Monte Carlo sums behind the ranking.
    warnings
        What the reader must know.

    Raises
    ------
    InputError
        By `from_json`: for text that is no plan, breaks the schema or the envelope, or was
        edited after its checksum was made.

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
    envelope: SafetyEnvelope
    budget: float
    seed: int
    warnings: tuple[str, ...] = ()

    @property
    def checksum(self) -> str:
        """SHA-256 of the plan as JSON with sorted keys and no spaces, without the checksum."""
        return _checksum(self.to_dict())

    def problems(self) -> list[str]:
        """Return everything that is wrong with the plan; an empty list for a sound one."""
        found = _schema_problems({**self.to_dict(), "checksum": "0" * 64})
        actions = [step.action for step in self.steps]
        found += self.envelope.violations(actions)
        cost = sum(action.cost for action in actions)
        if cost > self.budget * (1 + 1e-12):
            found.append(f"the steps cost {cost:g}, above the budget of {self.budget:g}")
        return found

    def validate(self) -> None:
        """Check schema, envelope and budget; say what is wrong by an InputError."""
        found = self.problems()
        if found:
            raise InputError(f"the plan must not be run: {found[0]} ({len(found)} problem(s)).")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain numbers, texts and lists, without the checksum."""
        return {
            "format": FORMAT,
            "hypotheses": [asdict(hypothesis) for hypothesis in self.hypotheses],
            "envelope": {
                f.name: _listed(getattr(self.envelope, f.name)) for f in fields(self.envelope)
            },
            "budget": float(self.budget),
            "steps": [_step_to_dict(step) for step in self.steps],
            "seed": int(self.seed),
            "warnings": list(self.warnings),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the plan with its checksum as JSON text, and write it to `path` if given."""
        content = self.to_dict()
        return write_json({**content, "checksum": _checksum(content)}, path)

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> ExperimentPlan:
        """Read JSON text, or the file at a path, and check checksum, schema and envelope."""
        content = read_json(source, "an experiment plan")
        problems = _schema_problems(content)
        if problems:
            raise InputError(f"source is no valid experiment plan: {problems[0]}.")
        claimed = content.pop("checksum")
        if claimed != _checksum(content):
            raise InputError(
                "the plan was changed after its checksum was made; make the plan anew instead."
            )
        plan = cls(
            tuple(_step_from_dict(step) for step in content["steps"]),
            tuple(PlanHypothesis(**hypothesis) for hypothesis in content["hypotheses"]),
            SafetyEnvelope(**{k: _tupled(v) for k, v in content["envelope"].items()}),
            strict_number("budget", content["budget"], above=0),
            content["seed"],
            tuple(content["warnings"]),
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
def plan_schema() -> dict[str, Any]:
    """Return the published JSON schema of a plan.

    Examples
    --------
    >>> plan_schema()["title"]
    'physlearn experiment plan'
    """
    place = resources.files("physlearn.causal").joinpath("schemas/experiment_plan.schema.json")
    schema: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return schema


def _schema_problems(content: Any) -> list[str]:
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(plan_schema()).iter_errors(content), key=str)
    places = ["/".join(map(str, error.absolute_path)) or "plan" for error in errors]
    return [f"{place}: {error.message}" for place, error in zip(places, errors, strict=True)]


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(item) for item in value]
    return value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def _step_to_dict(step: PlanStep) -> dict[str, Any]:
    action = step.action
    return {
        "verb": action.verb,
        "args": dict(action.args),
        "dose": action.dose,
        "duration_s": action.duration_s,
        "cost": action.cost,
        "irreversible": action.irreversible,
        "expect": [asdict(expectation) for expectation in step.expect],
        "tells_apart": [list(pair) for pair in step.tells_apart],
        "reason": step.reason,
        "abort": asdict(step.abort),
        "in_support": step.in_support,
        "expected_information_nats": step.expected_information_nats,
    }


def _step_from_dict(step: Mapping[str, Any]) -> PlanStep:
    names = ("verb", "args", "dose", "duration_s", "cost", "irreversible")
    return PlanStep(
        Action(**{name: step[name] for name in names}),
        tuple(Expectation(**expectation) for expectation in step["expect"]),
        tuple((pair[0], pair[1]) for pair in step["tells_apart"]),
        step["reason"],
        Abort(**step["abort"]),
        step["in_support"],
        step["expected_information_nats"],
    )
