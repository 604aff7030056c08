"""A planner asks and a twin answers until there is a verdict; stopped campaigns go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from physlearn.causal.actions import Action
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.twins.campaigns import Campaign, CampaignStep
from physlearn.causal.twins.digital_twin import DigitalTwin
from physlearn.causal.twins.twin_world import TwinOpened
from physlearn.checks import InputError, check_count
from physlearn.file_lock import alone_with, lock_beside

__all__ = ["AskTell", "run_campaign"]

MOST_STEPS = 10_000


class AskedQuestion(Protocol):
    """What is asked."""

    @property
    def id(self) -> str:
        """Name of the question."""

    @property
    def action(self) -> Action:
        """What to do."""

    @property
    def reason(self) -> str:
        """Why."""


class Judged(Protocol):
    """What may be said so far."""

    @property
    def kind(self) -> Any:
        """Kind of verdict: "continue" while more must be done."""

    @property
    def sentence(self) -> str:
        """In words."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Belief in each hypothesis."""

    @property
    def e_values(self) -> Mapping[str, float]:
        """Evidence against each class of deviations."""


class AskTell(Protocol):
    """What a planner must be able to do; `Planner` can."""

    def ask(self, n: int = 1) -> Sequence[AskedQuestion]:
        """Return what to do next; nothing once it is decided."""

    def tell(self, question_id: str, outcome: Outcome) -> None:
        """Learn what came of it."""

    def verdict(self) -> Judged:
        """Return what may be said so far."""

    def summary(self) -> Any:
        """Return one row a question, with its id and status."""


def run_campaign(
    planner: AskTell,
    twin: DigitalTwin,
    *,
    max_steps: int | None = None,
    progress: Callable[[CampaignStep], Any] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Campaign:
    """Let a planner ask and a twin answer until the planner has nothing more to ask.

    The planner gets outcomes, never the twin. After every act the campaign is written whole to
    `path`, before the planner is told; where that file exists the campaign goes on: a fresh twin
    of the same seed repeats the acts (and must answer the same), the planner is told what it does
    not know yet, and no act is done twice.

    Parameters
    ----------
    planner
        A `Planner`, fresh or from its own state file.
    twin
        Fresh, or the one that the campaign stopped with; without `path` also one that has done
        something before (taken a picture, say), and then dose and time go on from there.
    max_steps
        Most acts in all, those before a stop included; no limit when None.
    progress
        Called with each step after it was told.
    path
        JSON file of the campaign.

    Returns
    -------
    Campaign
        Steps, beliefs, evidence, doses and times; see `plot_campaign`.

    Raises
    ------
    InputError
        For a twin that answers otherwise than the file says, that has done other acts, a planner
        that asked for other acts, or a `path` that another process works with.

    Notes
    -----
    An act that the twin refuses (a site out of reach, a dose above the limit) is told as failed,
    with the refusal as its note.

    Examples
    --------
    >>> from physlearn.causal import Hypothesis, Planner, ResponseSample, SafetyEnvelope
    >>> laws = [Hypothesis(name, 1, lambda a, rng, n, s=s: (s * a.number("bias_V"), 0.2))
    ...         for name, s in (("flat", 0.0), ("steep", 1.0))]
    >>> acts = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in (0.1, 1.0, 2.0)]
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    >>> twin = DigitalTwin(ResponseSample(lambda act: act.number("bias_V")), rng=1)
    >>> campaign = run_campaign(Planner(laws, acts, envelope, 10.0, rng=0), twin)
    >>> campaign.verdict, len(campaign.steps)
    ('claim', 1)
    """
    if not isinstance(twin, DigitalTwin):
        raise InputError(f"twin must be a DigitalTwin; got {type(twin).__name__}.")
    most = MOST_STEPS if max_steps is None else check_count("max_steps", max_steps, 1)
    with _alone(path):
        return _run(planner, twin, most, progress, path)


def _alone(path: str | os.PathLike[str] | None) -> AbstractContextManager[None]:
    """Keep a second process out of a campaign: both would act on what the other does not know."""
    if path is None:
        return nullcontext()
    busy = f"path {os.fspath(path)!r} is a campaign of {{holder}}; end it, or give another path."
    return alone_with(lock_beside(path), busy)


def _run(
    planner: AskTell,
    twin: DigitalTwin,
    most: int,
    progress: Callable[[CampaignStep], Any] | None,
    path: str | os.PathLike[str] | None,
) -> Campaign:
    kept = Campaign.from_json(path) if path is not None and Path(path).exists() else None
    steps = [] if kept is None else list(kept.steps)
    # without a file there is nothing to go on with: acts before this campaign are not its own
    pending = [] if path is None else _catch_up_twin(twin, steps)
    steps = _catch_up_planner(planner, steps)
    if kept is not None and tuple(steps) != kept.steps:  # the last act was done and never judged
        _save(Campaign(tuple(steps), twin.dose_unit), path)
    while len(steps) < most:
        questions = planner.ask(1)
        if not questions:
            break
        question = questions[0]
        outcome = _answer(twin, question.action, pending)
        pending = []
        # what was done is on the disk before the planner knows: no act is ever done twice
        unjudged = CampaignStep(
            question.id, question.action, question.reason, outcome, {}, {}, "continue", "",
            twin.dose, twin.time_s,
        )  # fmt: skip
        _save(Campaign((*steps, unjudged), twin.dose_unit), path)
        planner.tell(question.id, outcome)
        steps.append(_judged(planner, unjudged))
        _save(Campaign(tuple(steps), twin.dose_unit), path)
        if progress is not None:
            progress(steps[-1])
    return Campaign(tuple(steps), twin.dose_unit)


def _answer(twin: DigitalTwin, action: Action, pending: list[tuple[Action, Outcome]]) -> Outcome:
    """Return what came of an act: of one that was done and never recorded, or done now."""
    if pending:
        done, outcome = pending[0]
        if (done.verb, dict(done.args)) != (action.verb, dict(action.args)):
            raise InputError(
                f"twin has done {done.verb} {dict(done.args)} beside this campaign, and the "
                f"planner asks for {action.verb} {dict(action.args)}: take a fresh twin."
            )
        return outcome
    try:
        return twin.do(action)
    except TwinOpened:
        raise
    except InputError as refusal:
        return Outcome(None, succeeded=False, dose=0.0, note=str(refusal))


def _catch_up_twin(
    twin: DigitalTwin, steps: Sequence[CampaignStep]
) -> list[tuple[Action, Outcome]]:
    """Bring the twin to where the campaign stopped; return an act done and never recorded."""
    recorded = [step for step in steps if not _was_refused(step)]
    if not twin.actions:
        for step in recorded:
            twin.do(step.action)
    done = list(zip(twin.actions, twin.outcomes, strict=True))
    if not len(recorded) <= len(done) <= len(recorded) + 1:
        raise InputError(
            f"twin has done {len(done)} acts, the campaign {len(recorded)}: take a fresh twin of "
            "the same seed, or the one that the campaign stopped with."
        )
    for number, step in enumerate(recorded):
        if done[number][1] != step.outcome:
            raise InputError(
                f"twin must be the one that the campaign began with: its act {number + 1}, "
                f"{step.action.verb}, had another outcome. Take the same sample, instrument and "
                "seed, or another path."
            )
    return done[len(recorded) :]


def _was_refused(step: CampaignStep) -> bool:
    """Return whether nothing was done: an act that is done has a beginning."""
    return step.outcome.started_s is None


def _catch_up_planner(planner: AskTell, steps: Sequence[CampaignStep]) -> list[CampaignStep]:
    """Tell the planner what it does not know yet; return the steps as they stand then."""
    if not steps:
        return []
    rows = planner.summary()
    known = dict(zip(rows["id"], rows["status"], strict=True)) if len(rows) else {}
    caught_up: list[CampaignStep] = []
    for step in steps:
        name = step.question
        if not known:  # a planner that begins anew asks again, and must ask for the same
            name = _asked_again(planner, step)
        elif name not in known:
            raise InputError(
                f"planner does not know question {name!r} of this campaign: take the state_file "
                "that belongs to it, or a fresh planner made from the same arguments."
            )
        if known.get(name) == "told":
            # killed after it was told and before it was judged: the last one has no weights yet
            caught_up.append(step if step.weights else _judged(planner, step))
            continue
        planner.tell(name, step.outcome)
        renamed = CampaignStep.from_dict({**step.to_dict(), "question": name})
        caught_up.append(_judged(planner, renamed))
    return caught_up


def _asked_again(planner: AskTell, step: CampaignStep) -> str:
    questions = planner.ask(1)
    if not questions or questions[0].action != step.action:
        found = questions[0].action if questions else "nothing"
        raise InputError(
            f"planner must ask what it asked before, {step.action.verb} {dict(step.action.args)}; "
            f"it asks for {found}. Make it from the same arguments and seed."
        )
    return questions[0].id


def _judged(planner: AskTell, step: CampaignStep) -> CampaignStep:
    """Return the step with what is known after it."""
    verdict = planner.verdict()
    return CampaignStep(
        step.question, step.action, step.reason, step.outcome,
        {name: float(w) for name, w in verdict.weights.items()},
        {name: float(e) for name, e in verdict.e_values.items()},
        str(verdict.kind), verdict.sentence, step.dose, step.time_s,
    )  # fmt: skip


def _save(campaign: Campaign, path: str | os.PathLike[str] | None) -> None:
    if path is not None:
        campaign.to_json(path)
