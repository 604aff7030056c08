"""Plans as short strings, every one of which is a valid plan: for generators and fuzzers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.dose_sums import Area, area_of, middle_of
from physlearn.causal.experiment_plans.abort_words import ABORT_DOSE
from physlearn.causal.experiment_plans.dose_left import DoseLeft
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_flow import out_of_order
from physlearn.causal.experiment_plans.plan_records import Abort, Branch, PlanStep
from physlearn.causal.experiment_plans.string_grid import (
    DOSED,
    SYMBOLS,
    PlanVocabulary,
    StringGrid,
    level_of,
)
from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.causal.verbs import MEASURING_VERBS, strict_number
from physlearn.checks import InputError

__all__ = ["BRANCH_LETTERS", "VERB_LETTERS", "plan_from_string", "plan_to_string"]

VERB_LETTERS = {
    "image": "i", "scan_again": "r", "move": "m", "expose_site": "e", "expose_patch": "E",
    "tip_pulse": "p", "change_bias": "b", "change_temperature": "k", "change_field": "f",
    "change_focus": "o", "wait": "w", "tune": "t", "approach": "a", "withdraw": "u",
    "analyse": "q",
}  # fmt: skip
BRANCH_LETTERS = {
    ("stop", "below"): "s", ("stop", "above"): "S", ("ask", "below"): "h", ("ask", "above"): "H",
}  # fmt: skip
VERB_OF = {letter: verb for verb, letter in VERB_LETTERS.items()}
BRANCH_OF = {letter: branch for branch, letter in BRANCH_LETTERS.items()}
LETTERS = (*VERB_OF, *BRANCH_OF)

REASON = "read from a compact string"
DEFAULT = PlanVocabulary()


def plan_from_string(
    text: str, envelope: SafetyEnvelope, budget: float, *, vocabulary: PlanVocabulary = DEFAULT
) -> ExperimentPlan:
    """Return the plan that a string says; every string says a valid one.

    Parameters
    ----------
    text
        Any. Spaces are left out.
    envelope, budget
        Hard limits of the plan.
    vocabulary
        What else can be said.

    Returns
    -------
    ExperimentPlan
        Valid, without hypotheses; possibly without steps.

    Raises
    ------
    InputError
        For a text that is none, or a budget that is not above 0.

    Notes
    -----
    As in SELFIES (Krenn, Haese, Nigam, Friederich and Aspuru-Guzik 2020,
    doi:10.1088/2632-2153/aba947) the string is read from left to right with the state so far, and
    a symbol is read as what the state allows. A letter of `VERB_LETTERS` begins a step and one of
    `BRANCH_LETTERS` hangs a branch on the last step; another character stands for one of these
    letters by its level. The numbers of the step or branch follow, a symbol each, as levels
    between the envelope's limits; those that lack at the end are 0. A dose too large for what is
    left becomes the largest level that is not; a step that state, envelope or budget do not
    allow, and a branch on a readout that there is none of, are left out.

    Examples
    --------
    >>> envelope = SafetyEnvelope(63.0, (0, 0, 63, 63))
    >>> plan = plan_from_string("t i00zz9 u", envelope, 60.0)
    >>> [step.action.verb for step in plan.steps], plan.steps[1].action.dose
    (['tune', 'image'], 9.0)
    """
    if not isinstance(text, str):
        raise InputError(f"text must be a text; got {type(text).__name__}.")
    budget = strict_number("budget", budget, above=0)
    state = _State(StringGrid(envelope, vocabulary), DoseLeft(envelope, budget))
    symbols = iter([character for character in text if not character.isspace()])
    for character in symbols:
        letter = character if character in LETTERS else LETTERS[level_of(character) % len(LETTERS)]
        if letter in VERB_OF:
            verb = VERB_OF[letter]
            state.do(verb, [level_of(next(symbols, "0")) for _ in state.grid.names(verb)])
        else:
            state.hang(*BRANCH_OF[letter], level_of(next(symbols, "0")))
    return ExperimentPlan(tuple(state.steps), (), envelope, budget, starts=vocabulary.starts)


def plan_to_string(plan: ExperimentPlan, *, vocabulary: PlanVocabulary = DEFAULT) -> str:
    """Return the string that says the acts of a plan and where they stop or ask.

    Reasons, expectations and hypotheses are not in it.

    Parameters
    ----------
    plan
        With numbers on the grid of the vocabulary.
    vocabulary
        As for `plan_from_string`; its ``starts`` must be the plan's.

    Raises
    ------
    InputError
        For a number, a duration or a branch that no string can say, or a plan that is not valid.

    Examples
    --------
    >>> envelope = SafetyEnvelope(63.0, (0, 0, 63, 63))
    >>> plan_to_string(plan_from_string("ti00zz9u", envelope, 60.0))
    't i00zz9'
    """
    if not isinstance(plan, ExperimentPlan):
        raise InputError(f"plan must be an ExperimentPlan; got {type(plan).__name__}.")
    if plan.starts != vocabulary.starts:
        raise InputError(f"starts must be that of the vocabulary; got {plan.starts}.")
    grid = StringGrid(plan.envelope, vocabulary)
    words = []
    for step in plan.steps:
        said = "".join(grid.symbols(step.action)) + "".join(_branches(step, grid))
        words.append(VERB_LETTERS[step.action.verb] + said)
    text = " ".join(words)
    again = plan_from_string(text, plan.envelope, plan.budget, vocabulary=vocabulary)
    for number, step in enumerate(plan.steps, start=1):
        read = again.steps[number - 1] if number <= len(again.steps) else None
        if read is None or (read.action, _ways(read)) != (step.action, _ways(step)):
            raise InputError(
                f"no string says step {number} as it is: its times, costs and irreversibility "
                f"must be those of the vocabulary, and the plan valid; got {step.action}."
            )
    return text


@dataclass(slots=True)
class _State:
    """What was read so far, and what it leaves."""

    grid: StringGrid
    left: DoseLeft
    steps: list[PlanStep] = field(default_factory=list)
    tip: str = ""
    has_scan: bool = False
    scanned: Area | None = None
    place: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.tip = self.grid.vocabulary.starts.tip
        self.has_scan = self.grid.vocabulary.starts.scanned

    def do(self, verb: str, levels: list[int]) -> None:
        """Add a step at these levels, as far as it is allowed."""
        if any(out_of_order(verb, self.tip, self.has_scan)):
            return
        values = self.grid.arguments(verb, levels)
        if values is None:
            return
        action = self.grid.action(verb, values)
        if verb in DOSED:
            dose = self._dose(action, values["dose"])
            if dose is None:
                return
            action = replace(action, dose=dose)
        if not self._allows(action):
            return
        self.left.add(action, self._area(action))
        self.place = middle_of(action) or self.place
        if verb == "image":
            self.has_scan, self.scanned = True, area_of(action)
        if verb in ("approach", "withdraw"):
            self.tip = "approached" if verb == "approach" else "withdrawn"
        self.steps.append(
            PlanStep(action, reason=REASON, abort=self._abort(action.dose),
                     human_gate=action.irreversible)
        )  # fmt: skip

    def hang(self, go_to: str, side: str, level: int) -> None:
        """Hang a branch on the last step, if something is read out there."""
        if not self.steps or self.steps[-1].action.verb not in MEASURING_VERBS:
            return
        limit, last = self.grid.readouts[level], self.steps[-1]
        below, above = (limit, None) if side == "below" else (None, limit)
        branch = Branch(f"the readout is {side} {limit:.3g}", go_to, below, above)
        self.steps[-1] = replace(last, branches=(*last.branches, branch))

    def _abort(self, dose: float) -> Abort:
        limit = ABORT_DOSE * dose
        when = f"the dose passes {limit:.3g} {self.left.envelope.dose_unit}"
        return Abort(when if dose > 0 else "the instrument reports a fault", dose_above=limit)

    def _area(self, action: Action) -> Area | None:
        if action.verb == "scan_again":
            return self.scanned or self.left.envelope.field_of_view
        return area_of(action)

    def _dose(self, action: Action, wanted: float) -> float | None:
        """Return the largest level up to the dose that is wanted, of what is left."""
        area = self._area(action)
        site = (action.number("x"), action.number("y")) if area is None else (0.0, 0.0)
        left = self.left.for_site(site) if area is None else self.left.for_area(area)
        choices = self.grid.choices[action.verb, "dose"]
        number = int(np.searchsorted(choices, min(wanted, left), side="right"))
        return choices[number - 1] if number else None

    def _allows(self, action: Action) -> bool:
        envelope = self.left.envelope
        broken = envelope.broken_by(action) or envelope.too_far(self.place, action)
        return not broken and self.left.allows(action)


def _branches(step: PlanStep, grid: StringGrid) -> Iterator[str]:
    for branch in step.branches:
        side = "below" if branch.readout_below is not None else "above"
        limit = branch.readout_below if side == "below" else branch.readout_above
        letter = BRANCH_LETTERS.get((branch.go_to, side))
        if letter is None or limit not in grid.readouts or branch.at_most is not None:
            raise InputError(
                "a string can only stop or ask where the readout passes a level of its grid; "
                f"got {branch}."
            )
        yield letter + SYMBOLS[grid.readouts.index(limit)]


def _ways(step: PlanStep) -> list[tuple[str, float | None, float | None]]:
    return [(b.go_to, b.readout_below, b.readout_above) for b in step.branches]
