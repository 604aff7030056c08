"""One question of a planner: what to do, why, and what each hypothesis expects."""

from __future__ import annotations

from dataclasses import dataclass

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.plan_records import Expectation
from physlearn.records.storage import html_table, short_repr

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What to do next, and why.

    Attributes
    ----------
    id
        Name of the question, for `Planner.tell`.
    action
        What to do.
    reason
        Why, in words.
    purpose
        "policy", "test the leader" or "reference".
    expected
        Mean and standard deviation of the readout by each hypothesis, as believed now.
    success_probability
        Chance that the act works, by the attempts so far.
    in_support
        Whether the act stays within what the data have shown.
    asked_before
        Whether it was handed out before the planner was stopped: then nobody here knows whether
        the act was done, so look before doing again what cannot be undone.

    Examples
    --------
    >>> act = Action("change_bias", {"bias_V": 1.0}, 0.0, 5.0, 1.0)
    >>> question = Question("3f2a-1", act, "to see", "policy", (), 1.0, in_support=True)
    >>> question.asked_before
    False
    """

    id: str
    action: Action
    reason: str
    purpose: str
    expected: tuple[Expectation, ...]
    success_probability: float
    in_support: bool
    asked_before: bool = False

    __repr__ = short_repr
    _repr_html_ = html_table
