"""Ask what to do next, tell what came of it: a person or a machine in the loop."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from physlearn.causal.actions import Action, ActionLibrary, SafetyEnvelope
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_records import Expectation
from physlearn.causal.hypotheses import Hypothesis
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.planners.campaign_log import (
    CampaignLog,
    Entry,
    read_log,
    state_path,
    write_log,
)
from physlearn.causal.planners.campaign_setup import (
    CampaignSetup,
    PlannerOptions,
    campaign_setup,
)
from physlearn.causal.planners.cautions import answers_changed, cautions
from physlearn.causal.planners.choose_act import choose_act
from physlearn.causal.planners.explain import reason_for
from physlearn.causal.planners.question import Question
from physlearn.causal.planners.rest_of_plan import rest_of_plan
from physlearn.causal.planners.standing import (
    Spent,
    Standing,
    check_read_back,
    standing,
    weights_by_name,
)
from physlearn.causal.planners.stopping import verdict_of
from physlearn.causal.policies.situation import Policy, Reward
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.severity.verdicts import Verdict
from physlearn.checks import InputError, as_generator, check_count
from physlearn.records.shown import object_repr

__all__ = ["Planner"]

SUMMARY = ("id", "verb", "args", "purpose", "status", "readout", "succeeded", "dose", "reason")


class Planner:
    """Asks for the act worth most next, and learns from what it is told.

    Questions may be asked several at once; results may come late, in any order, or never.
    After every step the state stands in `state_file`, written whole; a planner that is made from
    the same arguments and that file goes on where the other one stopped, and hands out again, with
    ``asked_before``, what was open. What was read back of an act counts, not what was sent.

    Parameters
    ----------
    hypotheses
        At least two, of one question. "None of these" need not be listed: the severity test
        brings its own.
    actions
        Candidates, as a library with earlier attempts or any row of actions.
    envelope
        Hard limits; acts outside are never asked. Dose and changes of open questions count.
    budget
        Largest sum of the costs.
    policy
        What makes an act worth doing: a name of `POLICIES`, a `Policy`, or a function of a
        `Situation` that returns one number for each act.
    severity
        What a claim must have evidence against, declared before the first shot, with "none of
        these" among the verdicts (`SeverityOptions()`; it stops after its ``max_shots``, too).
        When None, a claim rests on weights alone, takes for granted that one hypothesis holds,
        and says so.
    state_file
        JSON file of the campaign; begun when it is not there.
    rng
        Seed of all draws.
    options
        Number of members, thresholds without a severity test, reference act.

    Raises
    ------
    InputError
        For hypotheses, actions or limits that are none, or a state file of another campaign.

    Examples
    --------
    >>> laws = [Hypothesis(name, 1, lambda a, rng, n, s=s: (s * a.number("bias_V"), 0.2))
    ...         for name, s in (("flat", 0.0), ("steep", 1.0))]
    >>> acts = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in (0.1, 1.0, 2.0)]
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    >>> planner = Planner(laws, acts, envelope, 10.0, severity=None, rng=0)
    >>> question, = planner.ask()
    >>> question.reason
    "change_bias (bias_V 2), because 'flat' predicts readout +0 and 'steep' +2."
    >>> planner.tell(question.id, Outcome(1.9))
    >>> planner.verdict().hypothesis
    'steep'
    """

    def __init__(
        self,
        hypotheses: Sequence[Hypothesis],
        actions: ActionLibrary | Iterable[Action],
        envelope: SafetyEnvelope,
        budget: float,
        *,
        policy: str | Policy | Reward = "information",
        severity: SeverityOptions | None = None,
        state_file: str | os.PathLike[str] | None = None,
        rng: int | np.random.Generator | None = None,
        options: PlannerOptions | None = None,
    ) -> None:
        options = PlannerOptions() if options is None else options
        if not isinstance(options, PlannerOptions):
            raise InputError(f"options must be PlannerOptions; got {type(options).__name__}.")
        self._path = None if state_file is None else state_path(state_file)
        kept = read_log(self._path) if self._path is not None and self._path.exists() else None
        seed = as_generator(rng)[1] if kept is None or isinstance(rng, int) else kept.seed
        if kept is not None and seed != kept.seed:
            raise InputError(
                f"state_file {str(self._path)!r} was begun with rng={kept.seed}; got {seed}."
            )
        self._setup: CampaignSetup = campaign_setup(
            hypotheses, actions, envelope, budget, policy=policy, severity=severity,
            options=options, seed=seed,
        )  # fmt: skip
        if kept is not None and kept.fingerprint != self._setup.fingerprint:
            raise InputError(
                f"state_file {str(self._path)!r} belongs to another campaign: its hypotheses, "
                "actions, envelope, budget or options are not these. Take another file."
            )
        self._log = kept or CampaignLog(uuid.uuid4().hex[:8], seed, self._setup.fingerprint)
        self._resumed = frozenset(entry.number for entry in self._log.open)
        self._to_repeat = sorted(self._resumed)
        self._standing: Standing = standing(self._setup, self._log)
        self._verdict: Verdict | None = None
        self._changed = answers_changed(self._setup, self._log, self._standing)

    def __repr__(self) -> str:
        return object_repr(
            self, hypotheses=tuple(self._setup.prior.names), n_actions=len(self._setup.actions),
            told=len(self.told_ids), open_questions=self.open_questions, spent=self.spent,
            state_file=self._path,
        )  # fmt: skip

    def ask(self, n: int = 1) -> tuple[Question, ...]:
        """Return up to n questions: fewer, or none, once there is a verdict or nothing is left."""
        check_count("n", n, 1)
        waiting = {entry.number: entry for entry in self._log.open}
        again = [number for number in self._to_repeat if number in waiting]
        questions = [self._question(waiting[number]) for number in again[:n]]
        self._to_repeat = again[n:]
        while len(questions) < n and not (self._setup.stops and self.verdict().kind != "continue"):
            pending = [(entry.act, entry.purpose) for entry in self._log.open]
            number = len(self._log.entries) + 1
            choice = choose_act(self._setup, self._standing, pending, number)
            if choice is None:
                break
            reason = reason_for(
                self._setup, self._standing, choice.act, choice.purpose, choice.value
            )
            entry = Entry(number, choice.act, choice.purpose, reason, choice.value)
            self._keep(self._log.asked(entry))
            questions.append(self._question(entry))
        return tuple(questions)

    def tell(self, question_id: str, outcome: Outcome) -> None:
        """Learn what came of a question; in any order, once each.

        Raises
        ------
        InputError
            For an id that this planner did not give, a second outcome of one question, or
            anything but an `Outcome`.
        """
        entry = self._entry(question_id)
        if entry.outcome is not None:
            raise InputError(
                f"question {question_id!r} was told already (readout {entry.outcome.readout}); "
                "a second outcome is not taken."
            )
        if not isinstance(outcome, Outcome):
            raise InputError(
                f"outcome must be an Outcome, such as Outcome({outcome!r}); got "
                f"{type(outcome).__name__}."
            )
        told = replace(entry, status="told", outcome=outcome, told_as=len(self._log.told) + 1)
        check_read_back(self._setup, told)
        log = self._log.changed(told)
        now = standing(self._setup, log, self._standing)
        weights = tuple(weights_by_name(self._setup, now).values())
        self._keep(replace(log, entries=log.changed(replace(told, weights=weights)).entries), now)

    def forget(self, question_id: str, *, done: bool = True) -> None:
        """Stop waiting for an outcome.

        With ``done`` (nobody knows, or it was done and the result is lost) dose, cost and change
        of the sample stay counted; otherwise they are given back. A result that comes after all
        is still taken.
        """
        if not isinstance(done, bool):
            raise InputError(f"done must be True or False; got {done!r}.")
        entry = self._entry(question_id)
        if entry.status != "open":
            raise InputError(f"question {question_id!r} is not open: it is {entry.status}.")
        self._keep(self._log.changed(replace(entry, status="forgotten" if done else "not done")))

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """Questions that wait for an outcome."""
        return tuple(self._question(entry) for entry in self._log.open)

    @property
    def told_ids(self) -> tuple[str, ...]:
        """Identifiers of the questions that were told, in the order of telling."""
        return tuple(self._id(entry) for entry, _ in self._log.told)

    @property
    def spent(self) -> Spent:
        """Cost, dose, time and changes of the sample so far, open questions included."""
        return self._standing.spent

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that a reader must know: acts left out, strays, lost results, thin members."""
        return (*self._changed, *cautions(self._setup, self._log, self._standing))

    def verdict(self) -> Verdict:
        """Return what the readouts so far allow to say; its kind is "continue" until it stops."""
        if self._verdict is None:
            self._verdict = verdict_of(self._setup, self._standing)
        return self._verdict

    def plan(self, n_steps: int = 5) -> ExperimentPlan:
        """Return the next steps as a plan within what dose and budget are left.

        A step that cannot be undone must tell two hypotheses apart by itself; `ask` does not
        insist on that. Without steps, the plan's warnings say why and what `ask` would ask.
        """
        check_count("n_steps", n_steps, 1)
        return rest_of_plan(self._setup, self._standing, self._log, n_steps)

    def summary(self) -> pd.DataFrame:
        """Return one row for each question: what was asked, why, and what it changed."""
        rows = []
        names = self._setup.prior.names
        for entry in self._log.entries:
            action, outcome = self._setup.actions[entry.act], entry.outcome
            row = {
                "id": self._id(entry),
                "verb": action.verb,
                "args": dict(action.args),
                "purpose": entry.purpose,
                "status": entry.status,
                "readout": np.nan if outcome is None or outcome.readout is None
                else outcome.readout,
                "succeeded": None if outcome is None else outcome.succeeded,
                "dose": action.dose if outcome is None or outcome.dose is None else outcome.dose,
                "reason": entry.reason,
            }  # fmt: skip
            weights = entry.weights or (np.nan,) * len(names)
            rows.append(
                {**row, **{f"weight of {n}": w for n, w in zip(names, weights, strict=True)}}
            )
        return pd.DataFrame(
            rows, columns=None if rows else [*SUMMARY, *(f"weight of {n}" for n in names)]
        )

    def _keep(self, log: CampaignLog, now: Standing | None = None) -> None:
        """Write the log, then take it: what is not on the disk was not asked."""
        if self._path is not None:
            write_log(log, self._path)
        self._log = log
        self._standing = standing(self._setup, log, self._standing) if now is None else now
        self._verdict = None

    def _id(self, entry: Entry) -> str:
        return f"{self._log.key}-{entry.number}"

    def _entry(self, question_id: str) -> Entry:
        found = [entry for entry in self._log.entries if self._id(entry) == question_id]
        if found:
            return found[0]
        if isinstance(question_id, str) and not question_id.startswith(self._log.key + "-"):
            raise InputError(
                f"question {question_id!r} belongs to another planner; this one's begin with "
                f"{self._log.key!r}."
            )
        given: object = question_id
        if isinstance(given, Question):
            raise InputError("question_id must be a question's id; got a Question: give its .id.")
        raise InputError(
            f"question_id must be one that was asked ({len(self._log.entries)} so far); got "
            f"{question_id!r}."
        )

    def _question(self, entry: Entry) -> Question:
        setup, now = self._setup, self._standing
        means = now.belief.means()[:, entry.act]
        sds = np.hypot(now.belief.spreads()[:, entry.act], now.belief.noise_sd[:, entry.act])
        expected = tuple(
            Expectation(h.question, h.name, float(mean), float(sd))
            for h, mean, sd in zip(setup.hypotheses, means, sds, strict=True)
            if np.isfinite(mean)
        )
        action = setup.actions[entry.act]
        return Question(
            self._id(entry), action, entry.reason, entry.purpose, expected,
            float(now.chances.success[entry.act]), bool(now.chances.in_support[entry.act]),
            entry.number in self._resumed,
        )  # fmt: skip
