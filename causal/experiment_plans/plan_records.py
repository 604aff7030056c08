"""What a plan is made of: steps, what is expected of them, when to stop, where to go next."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.record_checks import WrittenAs, checked_record
from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.causal.verbs import VERBS
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "ENDS", "Abort", "Branch", "Declared", "Expectation", "PlanHypothesis", "PlanStep",
    "Precondition", "StartState", "WrittenAction", "WrittenEnvelope",
]  # fmt: skip

ENDS = ("stop", "ask")
"""Where a branch may lead besides a step: the plan ends, or a person decides."""

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
StepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,40}$")]
LIST = Field(strict=False)  # JSON has no tuples; the numbers in it stay strict
Range = Annotated[tuple[float, float], LIST]
Box = Annotated[tuple[float, float, float, float], LIST]
Circles = Annotated[tuple[Annotated[tuple[float, float, float], LIST], ...], LIST]


@checked_record
class Expectation:
    """What one hypothesis expects to be read out after a step.

    Attributes
    ----------
    question, hypothesis
        Of one of the plan's hypotheses.
    mean, sd
        Of the readout, noise included, in the hypothesis' unit.

    Examples
    --------
    >>> Expectation("which law", "linear", mean=1.0, sd=0.1).mean
    1.0
    """

    question: str
    hypothesis: str
    mean: float
    sd: Positive

    __repr__ = short_repr
    _repr_html_ = html_table


@checked_record
class Abort:
    """When to stop after a step: in words, and as limits for machines.

    Attributes
    ----------
    when
        In words.
    readout_below, readout_above
        Stop when the readout leaves these; None for no limit.
    dose_above
        Stop when the step has given more, in the envelope's unit; None for no limit.

    Examples
    --------
    >>> Abort("the tip drags", readout_above=5.0).readout_below is None
    True
    """

    when: Name
    readout_below: float | None = None
    readout_above: float | None = None
    dose_above: NotNegative | None = None

    __repr__ = short_repr
    _repr_html_ = html_table


@checked_record
class Branch:
    """Where to go after a step, by what was read out.

    Attributes
    ----------
    when
        In words.
    go_to
        Identifier of a step, "stop" (the plan ends) or "ask" (a person decides).
    readout_below, readout_above
        The branch is taken when the readout is below, or above; give one, or none for "always".
    at_most
        How often it may be taken; needed where it leads back.

    Examples
    --------
    >>> Branch("the tip is blunt", "ask", readout_below=0.2).go_to
    'ask'
    """

    when: Name
    go_to: Name
    readout_below: float | None = None
    readout_above: float | None = None
    at_most: Annotated[int, Field(ge=1)] | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def holds(self, readout: float) -> bool:
        """Return whether the branch is taken at this readout."""
        if self.readout_below is not None:
            return readout < self.readout_below
        return self.readout_above is None or readout > self.readout_above

    @property
    def always(self) -> bool:
        """Whether no readout is needed."""
        return self.readout_below is None and self.readout_above is None


@checked_record
class Precondition:
    """What must hold before a step.

    Attributes
    ----------
    needs
        "step done", "tip approached", "tip withdrawn", "tuned", "field scanned" or "dose below".
    step
        Which step, for "step done".
    dose
        Largest dose that the steps before may have given, for "dose below".

    Examples
    --------
    >>> Precondition("dose below", dose=50.0).needs
    'dose below'
    """

    needs: Literal[
        "step done", "tip approached", "tip withdrawn", "tuned", "field scanned", "dose below"
    ]
    step: StepId = ""
    dose: NotNegative | None = None

    __repr__ = short_repr
    _repr_html_ = html_table


@checked_record
class StartState:
    """How the instrument is found.

    Attributes
    ----------
    tip
        "none" for an instrument without one (a beam), "approached" or "withdrawn".
    scanned
        Whether there is a picture to scan again or to analyse; it is taken to cover everything in
        view.
    tuned
        Whether it is tuned.

    Examples
    --------
    >>> StartState(tip="withdrawn").scanned
    True
    """

    tip: Literal["none", "approached", "withdrawn"] = "none"
    scanned: bool = True
    tuned: bool = True

    __repr__ = short_repr
    _repr_html_ = html_table


@checked_record
class PlanHypothesis:
    """A hypothesis as the plan records it.

    Attributes
    ----------
    question, name
        Hypotheses of one question exclude each other.
    weight
        Belief in it; those of one question sum to 1.
    description
        In words.
    readout, unit
        What is read out, and in which unit.

    Examples
    --------
    >>> PlanHypothesis("which law", "linear", 0.5, readout="wall speed", unit="nm/s").unit
    'nm/s'
    """

    question: Name
    name: Name
    weight: Annotated[float, Field(ge=0, le=1)]
    description: str = ""
    readout: str = "readout"
    unit: str = "1"

    __repr__ = short_repr
    _repr_html_ = html_table


@checked_record
class Declared:
    """A choice that was made before the first step, and stands in the plan's checksum.

    Attributes
    ----------
    name, value, unit
        Such as "smooth deviation", 2.0, "noise sd".

    Examples
    --------
    >>> Declared("smooth deviation", 2.0, "noise sd").value
    2.0
    """

    name: Name
    value: float | int | str
    unit: str = "1"

    __repr__ = short_repr
    _repr_html_ = html_table


@checked_record
class WrittenAction:
    """An act as a file holds it; arguments carry their unit in their name.

    Attributes
    ----------
    verb
        What to do.
    args
        Numbers and texts that the verb needs.
    dose
        In the envelope's unit.
    duration_s
        In seconds.
    cost
        In the unit of the budget.
    irreversible
        Whether the sample is not the same afterwards.
    """

    verb: Literal[tuple(VERBS)]  # type: ignore[valid-type]
    args: dict[str, float | int | str]
    dose: NotNegative
    duration_s: NotNegative
    cost: Positive
    irreversible: bool = False


@checked_record
class WrittenEnvelope:
    """Hard limits as a file holds them; None is no limit, or none allowed for a range.

    Attributes
    ----------
    max_total_dose, max_step_dose, max_site_dose, max_field_dose
        In `dose_unit`.
    field_of_view
        x_min, y_min, x_max, y_max in the data's unit.
    max_irreversible
        How many steps may change the sample for good.
    forbidden_sites
        x, y, radius in the data's unit.
    site_radius, max_travel
        In the data's unit.
    """

    max_total_dose: NotNegative
    field_of_view: Box
    max_step_dose: NotNegative | None = None
    bias_limits_volt: Range | None = None
    max_irreversible: Annotated[int, Field(ge=0)] = 1
    max_duration_s: NotNegative | None = None
    forbidden_sites: Circles = ()
    dose_unit: str = "e/A^2"
    max_site_dose: NotNegative | None = None
    max_field_dose: NotNegative | None = None
    site_radius: NotNegative = 0.0
    pulse_limits_volt: Range | None = None
    max_pulse_s: NotNegative | None = None
    temperature_limits_kelvin: Range | None = None
    field_limits_tesla: Range | None = None
    focus_limits_nanometre: Range | None = None
    max_travel: NotNegative | None = None


def _fields_of(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _write_action(action: Action) -> dict[str, Any]:
    return {**_fields_of(action), "args": dict(action.args)}


def _write_envelope(envelope: SafetyEnvelope) -> dict[str, Any]:
    return {
        name: _listed(value) if isinstance(value, tuple) else value
        for name, value in _fields_of(envelope).items()
    }


def _listed(values: tuple[Any, ...]) -> list[Any]:
    return [_listed(value) if isinstance(value, tuple) else value for value in values]


PlannedAction = Annotated[
    Action, WrittenAs(WrittenAction, lambda read: Action(**_fields_of(read)), _write_action)
]
PlannedEnvelope = Annotated[
    SafetyEnvelope,
    WrittenAs(WrittenEnvelope, lambda read: SafetyEnvelope(**_fields_of(read)), _write_envelope),
]


@checked_record
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
    id
        Name that branches and preconditions use; its number with an s before it when empty.
    preconditions
        What must hold before it.
    branches
        Where to go after it: the first one that holds; the next step when none does.
    human_gate
        Whether a person must agree before it is done; needed where it cannot be undone.

    Examples
    --------
    >>> action = Action("change_bias", {"bias_V": 1.0}, 0.0, 5.0, 1.0)
    >>> step = PlanStep(action, (), (), "to see", Abort("never", -1.0, 1.0, 0.0), True, 0.3)
    >>> step.action.verb, step.in_support
    ('change_bias', True)
    """

    action: PlannedAction
    expect: tuple[Expectation, ...] = ()
    tells_apart: tuple[tuple[str, str], ...] = ()
    reason: Name = "no reason was given"
    abort: Abort = Abort("the instrument reports a fault")
    in_support: bool = True
    expected_information_nats: NotNegative = 0.0
    id: StepId = ""
    preconditions: tuple[Precondition, ...] = ()
    branches: tuple[Branch, ...] = ()
    human_gate: bool = False

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def needs_person(self) -> bool:
        """Whether a person must agree first: a gate, or an act that cannot be undone."""
        return self.human_gate or self.action.irreversible
