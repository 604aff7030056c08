"""Campaigns: a planner asks, a twin answers, until there is a verdict; they may stop and go on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from physlearn.causal.actions import Action
from physlearn.causal.json_files import read_json, write_json
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["Campaign", "CampaignStep"]

FORMAT = "physlearn-campaign-1"


@dataclass(frozen=True, slots=True)
class CampaignStep:
    """One question, what was done and what was known afterwards.

    Attributes
    ----------
    question
        Identifier that the planner gave it.
    action, reason
        What was asked, and why.
    outcome
        What came of it.
    weights
        Name -> belief in each hypothesis afterwards.
    e_values
        Class of deviations -> evidence of the leading hypothesis against it; empty without a
        severity test.
    verdict
        Kind of verdict afterwards: "continue" while more must be done.
    sentence
        The verdict in words.
    dose, time_s
        Sums up to here.

    Examples
    --------
    >>> step = CampaignStep("1", Action("tune", {}, 0.0, 1.0, 1.0), "to be sharp", Outcome(None),
    ...     {"a": 0.5, "b": 0.5}, {}, "continue", "more is needed", 0.0, 1.0)
    >>> CampaignStep.from_dict(step.to_dict()) == step
    True
    """

    question: str
    action: Action
    reason: str
    outcome: Outcome
    weights: Mapping[str, float]
    e_values: Mapping[str, float]
    verdict: str
    sentence: str
    dose: float
    time_s: float

    __repr__ = short_repr
    _repr_html_ = html_table

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain numbers, texts and lists."""
        action = self.action
        return {
            "question": self.question,
            "action": {
                "verb": action.verb, "args": dict(action.args), "dose": action.dose,
                "duration_s": action.duration_s, "cost": action.cost,
                "irreversible": action.irreversible,
            },
            "reason": self.reason,
            "outcome": self.outcome.to_dict(),
            "weights": dict(self.weights),
            "e_values": dict(self.e_values),
            "verdict": self.verdict,
            "sentence": self.sentence,
            "dose": self.dose,
            "time_s": self.time_s,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> CampaignStep:
        """Return the step that `to_dict` wrote."""
        try:
            return cls(**_parts(plain))
        except (KeyError, TypeError) as error:
            raise InputError(f"plain must be a step as to_dict writes it; {error}.") from error


def _parts(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a step from plain values."""
    action, outcome = Action(**plain["action"]), Outcome.from_dict(plain["outcome"])
    return {**plain, "action": action, "outcome": outcome}


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was done and learned, step by step.

    Attributes
    ----------
    steps
        In the order in which they were done.
    dose_unit
        Of all doses.

    Examples
    --------
    >>> step = CampaignStep("1", Action("tune", {}, 0.0, 1.0, 1.0), "to be sharp", Outcome(None),
    ...     {"a": 0.5, "b": 0.5}, {}, "continue", "more is needed", 0.0, 1.0)
    >>> campaign = Campaign((step,), "e/A^2")
    >>> campaign.verdict, campaign.hypothesis, list(campaign.table()["weight of a"])
    ('continue', None, [0.5])
    >>> Campaign.from_json(campaign.to_json()) == campaign
    True
    """

    steps: tuple[CampaignStep, ...]
    dose_unit: str = "e/A^2"

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def verdict(self) -> str:
        """Kind of the last verdict; "continue" before the first step."""
        return self.steps[-1].verdict if self.steps else "continue"

    @property
    def sentence(self) -> str:
        """The last verdict in words."""
        return self.steps[-1].sentence if self.steps else "nothing was done yet"

    @property
    def hypothesis(self) -> str | None:
        """Name of what is claimed, or None."""
        if self.verdict != "claim":
            return None
        weights = self.steps[-1].weights
        return max(weights, key=lambda name: weights[name])

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """Names of what was to be told apart."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.weights))

    def table(self) -> pd.DataFrame:
        """Return one row a step: time, dose, act, readout, and the weight of each hypothesis."""
        rows = [
            {
                "step": number,
                "time_s": step.time_s,
                "dose": step.dose,
                "verb": step.action.verb,
                "args": ", ".join(
                    f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}"
                    for k, v in step.action.args.items()
                ),
                "irreversible": step.action.irreversible,
                "succeeded": step.outcome.succeeded,
                "readout": step.outcome.readout,
                "verdict": step.verdict,
                "reason": step.reason,
                **{f"weight of {name}": step.weights.get(name) for name in self.hypotheses},
            }
            for number, step in enumerate(self.steps, start=1)
        ]
        return pd.DataFrame(rows)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the campaign as JSON text, and write it to `path` (whole, by rename) if given."""
        content = {
            "format": FORMAT,
            "dose_unit": self.dose_unit,
            "steps": [step.to_dict() for step in self.steps],
        }
        return write_json(content, path)

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> Campaign:
        """Read JSON text, or the file at a path.

        Raises
        ------
        InputError
            For text that is no campaign.
        """
        if not str(source).lstrip().startswith("{") and not Path(source).exists():
            raise InputError(f"source must be JSON text or a file; {str(source)!r} is neither.")
        content = read_json(source, "a campaign")
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"source is no campaign: its format must be {FORMAT!r}.")
        try:
            steps = tuple(CampaignStep(**_parts(plain)) for plain in content["steps"])
            return cls(steps, str(content["dose_unit"]))
        except (KeyError, TypeError) as error:
            raise InputError(f"source is no whole campaign: {error}.") from None
