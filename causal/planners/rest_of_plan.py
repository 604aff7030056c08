"""The next steps of a campaign as a plan that can be checked, kept and run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from physlearn.causal.actions import Action, ActionLibrary, SafetyEnvelope
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_records import Declared, PlanHypothesis
from physlearn.causal.hypotheses import Hypothesis, Prediction
from physlearn.causal.planners.campaign_log import CampaignLog
from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.planners.choose_act import choose_act
from physlearn.causal.planners.explain import reason_for
from physlearn.causal.planners.standing import Standing, envelope_refuses, weights_by_name
from physlearn.causal.planners.stopping import verdict_of
from physlearn.causal.planning import plan_interventions

__all__ = ["rest_of_plan"]

LEAST_WEIGHT = 1e-9


def rest_of_plan(
    setup: CampaignSetup, now: Standing, log: CampaignLog, n_steps: int
) -> ExperimentPlan:
    """Return up to n steps within what is left, from the hypotheses as believed now.

    A step has to meet more than a question: a plan without steps says what `ask` would ask next.
    """
    left = setup.budget - now.spent.cost
    acts = [
        setup.actions[j]
        for j in np.flatnonzero(now.allowed).tolist()
        if not envelope_refuses(setup, now, j)
    ]
    believed = _believed(setup, now)
    if not acts or left <= 0:
        plan = ExperimentPlan(
            steps=(),
            hypotheses=tuple(
                PlanHypothesis(h.question, h.name, h.weight, h.description, h.readout, h.unit)
                for h in believed
            ),
            envelope=setup.envelope,
            budget=setup.budget,
            seed=setup.seed,
            warnings=("dose, budget or acts are spent: the plan has no steps.",),
        )
    else:
        plan = plan_interventions(
            believed, ActionLibrary(acts, now.library.attempts), _envelope_left(setup, now), left,
            n_steps=n_steps, rng=setup.seed,
        )  # fmt: skip
    if not plan.steps:
        plan = replace(plan, warnings=(*plan.warnings, *_asked_next(setup, now, log)))
    if setup.test is None:
        return plan
    declared = Declared("severity test", setup.test.digest, "sha256")
    return replace(plan, declared=(*plan.declared, declared))


def _asked_next(setup: CampaignSetup, now: Standing, log: CampaignLog) -> tuple[str, ...]:
    """Return what `ask` would ask next, in a sentence; nothing when it would ask nothing."""
    if setup.stops and verdict_of(setup, now).kind != "continue":
        return ("the campaign has its verdict: ask() asks nothing more.",)
    pending = [(entry.act, entry.purpose) for entry in log.open]
    choice = choose_act(setup, now, pending, len(log.entries) + 1)
    if choice is None:
        return ()
    reason = reason_for(setup, now, choice.act, choice.purpose, choice.value)
    return (f"ask() weighs spreads and single readouts, too, and asks next: {reason}",)


def _believed(setup: CampaignSetup, now: Standing) -> list[Hypothesis]:
    means = now.belief.means()
    sds = np.hypot(now.belief.spreads(), now.belief.noise_sd)
    places = {id(action): j for j, action in enumerate(setup.actions)}
    weights = weights_by_name(setup, now)

    def told(k: int) -> Hypothesis:
        def predict(action: Action, _rng: np.random.Generator, _n: int) -> Prediction:
            j = places[id(action)]
            return None if np.isnan(means[k, j]) else (float(means[k, j]), float(sds[k, j]))

        hypothesis = setup.hypotheses[k]
        weight = max(weights[hypothesis.name], LEAST_WEIGHT)
        return replace(hypothesis, predict=predict, joint=None, weight=weight)

    total = sum(max(w, LEAST_WEIGHT) for w in weights.values())
    return [replace(told(k), weight=told(k).weight / total) for k in range(len(setup.hypotheses))]


def _envelope_left(setup: CampaignSetup, now: Standing) -> SafetyEnvelope:
    envelope, spent = setup.envelope, now.spent
    time_left = None
    if envelope.max_duration_s is not None:
        time_left = max(envelope.max_duration_s - spent.duration_s, 0.0)
    return replace(
        envelope,
        max_total_dose=max(envelope.max_total_dose - spent.dose, 0.0),
        max_irreversible=max(envelope.max_irreversible - spent.irreversible, 0),
        max_duration_s=time_left,
    )
