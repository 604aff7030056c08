"""Choose the acts that tell the hypotheses apart, per cost and dose, inside a hard envelope."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter

import numpy as np

from physlearn.causal.actions import Action, ActionLibrary, SafetyEnvelope, strict_number
from physlearn.causal.experiment_plans.abort_words import abort_outside
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_records import (
    Expectation,
    PlanHypothesis,
    PlanStep,
    StartState,
)
from physlearn.causal.hypotheses import NONE_OF_THESE, Hypothesis, with_none_of_these
from physlearn.causal.simulated_belief import SimulatedBelief
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.verbs import TIP_VERBS
from physlearn.checks import InputError, as_generator

N_DRAWS = 512
CLEARLY_MORE = 3.0
"""Standard errors, by simulation, by which a lasting change must tell more than a harmless act."""
APART = 2.0
"""Standard deviations between predictions from which an act tells two hypotheses apart."""
MIN_INFORMATION_NATS = 1e-3
MIN_SHARE = 1e-3
EXTRAPOLATION_FACTOR = 0.5
"""What an act outside the data's support is worth, as its predictions are extrapolations."""
ABORT_SD = 5.0


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An act with predicted means, sds and draws, one entry per question that it speaks about."""

    action: Action
    means: dict[str, Floats]
    sds: dict[str, Floats]
    draws: dict[str, Floats]
    in_support: bool
    success: float


def plan_interventions(
    hypotheses: Sequence[Hypothesis],
    actions: ActionLibrary | Iterable[Action],
    envelope: SafetyEnvelope,
    budget: float,
    *,
    n_steps: int = 5,
    rng: int | np.random.Generator | None = None,
) -> ExperimentPlan:
    """Rank the acts that tell the hypotheses apart and return those worth doing.

    Steps are chosen one after the other. The value of an act is the information that its
    readout is expected to add about the hypotheses, on top of the steps chosen before, times the
    probability that the act works, divided by the share of the budget and of the allowed dose
    that it takes; half as much where the predictions are extrapolations. Acts that the envelope
    or the budget forbid are never considered.

    Parameters
    ----------
    hypotheses
        At least two that exclude each other; "none of these" with a weight of 0.1 is added to
        every question. Weights are normalised.
    actions
        Candidates.
    envelope
        Hard limits.
    budget
        Largest sum of the costs, in the unit of the actions' costs.
    n_steps
        Most steps.
    rng
        Seed of the Monte Carlo sums (512 draws a hypothesis).

    Returns
    -------
    ExperimentPlan
        Valid, possibly without steps when no allowed act tells the hypotheses apart (it says so).

    Raises
    ------
    InputError
        For fewer than two hypotheses in a question, no actions, or a budget that is not above 0.

    Notes
    -----
    Expected information: Lindley, doi:10.1214/aoms/1177728069. Densities are Gaussians with the
    mean and sd of the predicted draws. The gain of a set of steps is that of their joint
    readouts, independent given the hypothesis.

    Examples
    --------
    >>> from physlearn.causal import SafetyEnvelope
    >>> laws = [Hypothesis("linear", 1, lambda a, rng, n: (a.number("bias_V"), 0.1)),
    ...         Hypothesis("none", 1, lambda a, rng, n: (0.0, 0.1))]
    >>> acts = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in (0.05, 1.0)]
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-2, 2))
    >>> plan = plan_interventions(laws, acts, envelope, 5.0, n_steps=1, rng=0)
    >>> plan.steps[0].action.args["bias_V"]
    1.0
    """
    library = actions if isinstance(actions, ActionLibrary) else ActionLibrary(tuple(actions))
    if not len(library):
        raise InputError("actions must hold at least one Action.")
    strict_number("budget", budget, above=0)
    if isinstance(n_steps, bool) or not isinstance(n_steps, int | np.integer) or n_steps < 1:
        raise InputError(f"n_steps must be a whole number of at least 1; got {n_steps!r}.")
    if not isinstance(envelope, SafetyEnvelope):
        raise InputError(f"envelope must be a SafetyEnvelope; got {type(envelope).__name__}.")
    questions = _by_question(hypotheses)
    generator, seed = as_generator(rng)
    warnings: list[str] = []
    allowed = [a for a in library if not envelope.violations([a]) and a.cost <= budget]
    if len(allowed) < len(library):
        warnings.append(
            f"{len(library) - len(allowed)} of {len(library)} acts lie outside the envelope or "
            "the budget and were not considered."
        )
    candidates = [_candidate(action, questions, generator, library) for action in allowed]
    # an act that cannot be undone must at least tell two hypotheses apart by itself
    worthwhile = [
        c for c in candidates if not c.action.irreversible or _widest(c, questions) >= APART
    ]
    chosen, gains = _choose(worthwhile, questions, envelope, budget, int(n_steps))
    if not chosen and len(worthwhile) < len(candidates):
        warnings.append(
            f"{len(candidates) - len(worthwhile)} acts that cannot be undone are no steps: by "
            f"itself none sets the means of two hypotheses {APART:g} standard deviations apart."
        )
    warnings += _plan_notes(chosen, questions)
    plan = ExperimentPlan(
        steps=tuple(_step(c, g, questions, envelope) for c, g in zip(chosen, gains, strict=True)),
        hypotheses=tuple(
            PlanHypothesis(h.question, h.name, h.weight, h.description, h.readout, h.unit)
            for group in questions.values()
            for h in group
        ),
        envelope=envelope,
        budget=float(budget),
        seed=seed,
        warnings=tuple(warnings),
        starts=_starts(chosen),
    )
    plan.validate()
    return plan


def _starts(chosen: list[_Candidate]) -> StartState:
    """Return how the instrument must be found: acts that are chosen one by one approach no tip."""
    has_tip = any(c.action.verb in TIP_VERBS for c in chosen)
    return StartState(tip="approached" if has_tip else "none")


def _by_question(hypotheses: Sequence[Hypothesis]) -> dict[str, list[Hypothesis]]:
    for hypothesis in hypotheses:
        if not isinstance(hypothesis, Hypothesis):
            raise InputError(f"hypotheses must hold Hypothesis records; got {hypothesis!r}.")
    questions: dict[str, list[Hypothesis]] = {}
    for hypothesis in with_none_of_these(hypotheses):
        questions.setdefault(hypothesis.question, []).append(hypothesis)
    if not questions:
        raise InputError("hypotheses must hold at least two that exclude each other; got none.")
    for question, group in questions.items():
        named = [h for h in group if h.name != NONE_OF_THESE]
        if len(named) < 2:
            raise InputError(
                f"question {question!r} must have at least two hypotheses; got {len(named)}."
            )
    return questions


def _candidate(
    action: Action,
    questions: dict[str, list[Hypothesis]],
    generator: np.random.Generator,
    library: ActionLibrary,
) -> _Candidate:
    candidate = _Candidate(action, {}, {}, {}, True, library.success_probability(action))
    supported = True
    for question, group in questions.items():
        drawn = [h.draws(action, generator, N_DRAWS) for h in group]
        silent = [h.name for h, d in zip(group, drawn, strict=True) if d is None]
        if len(silent) == len(group):
            continue
        if silent:
            raise InputError(
                f"all hypotheses of {question!r} must predict {action.verb}; "
                f"{silent[0]!r} does not."
            )
        stated = [h.mean_sd(action, 0) for h in group]
        candidate.means[question] = np.array([pair[0] for pair in stated if pair is not None])
        candidate.sds[question] = np.array([pair[1] for pair in stated if pair is not None])
        candidate.draws[question] = np.stack([d for d in drawn if d is not None])
        supported &= all(h.supports is None or h.supports(action) for h in group)
    return _Candidate(
        action, candidate.means, candidate.sds, candidate.draws, supported, candidate.success
    )


def _log_density(candidate: _Candidate, question: str) -> Floats:
    """Return log p(readout | hypothesis), shape (n_truths, n_draws, n_hypotheses)."""
    draws = candidate.draws[question][:, :, None]
    means, sds = candidate.means[question], candidate.sds[question]
    return np.asarray(-0.5 * ((draws - means) / sds) ** 2 - np.log(sds))


def _choose(
    candidates: list[_Candidate],
    questions: dict[str, list[Hypothesis]],
    envelope: SafetyEnvelope,
    budget: float,
    n_steps: int,
) -> tuple[list[_Candidate], list[float]]:
    """Return acts, the best next one first, and what each is expected to tell in nats.

    Greedy: each time the act with the most information for its share of dose and budget, given
    what the ones before are expected to tell; none that the envelope forbids.
    """
    beliefs = {}
    for question, group in questions.items():
        weights = np.maximum([h.weight for h in group], 1e-12)
        beliefs[question] = SimulatedBelief(
            np.log(weights / weights.sum()), np.zeros((len(group), N_DRAWS, len(group)))
        )
    chosen: list[_Candidate] = []
    gains: list[float] = []
    left = list(candidates)
    while left and len(chosen) < n_steps:
        before = {question: belief.information() for question, belief in beliefs.items()}
        spent = sum(c.action.cost for c in chosen)
        offers: list[tuple[float, float, _Candidate]] = []
        for candidate in left:
            actions = [c.action for c in (*chosen, candidate)]
            if spent + candidate.action.cost > budget or envelope.violations(actions):
                continue
            gain = candidate.success * math.fsum(
                max(beliefs[q].information(_log_density(candidate, q)) - before[q], 0.0)
                for q in candidate.draws
            )
            value = gain / _share(candidate.action, envelope, budget)
            value *= 1.0 if candidate.in_support else EXTRAPOLATION_FACTOR
            if gain >= MIN_INFORMATION_NATS:
                offers.append((value, gain, candidate))
        # nothing is changed for good while an act that changes nothing tells as much
        mild = [offer for offer in offers if not offer[2].action.irreversible]
        harmless = max(mild, key=itemgetter(1), default=None)
        if harmless is not None:
            offers = [
                o for o in offers
                if not o[2].action.irreversible
                or o[1] - harmless[1] > CLEARLY_MORE * _doubt(beliefs, o[2], harmless[2])
            ]  # fmt: skip
        if not offers:
            break
        _, best_gain, best = max(offers, key=lambda offer: offer[0])
        for question in best.draws:
            beliefs[question].log_likelihood += _log_density(best, question)
        chosen.append(best)
        gains.append(best_gain)
        left = [c for c in left if c is not best]
    return chosen, gains


def _doubt(beliefs: dict[str, SimulatedBelief], *candidates: _Candidate) -> float:
    """Return the standard error, by simulation, of how the candidates' information differs."""
    return math.sqrt(
        math.fsum(
            c.success**2 * beliefs[q].variance(_log_density(c, q))
            for c in candidates
            for q in c.draws
        )
    )


def _widest(candidate: _Candidate, questions: dict[str, list[Hypothesis]]) -> float:
    """Return by how many standard deviations the farthest two named hypotheses differ."""
    widest = 0.0
    for question, means in candidate.means.items():
        named = [k for k, h in enumerate(questions[question]) if h.name != NONE_OF_THESE]
        sds = candidate.sds[question]
        for i, j in combinations(named, 2):
            widest = max(widest, abs(means[i] - means[j]) / math.hypot(sds[i], sds[j]))
    return float(widest)


def _share(action: Action, envelope: SafetyEnvelope, budget: float) -> float:
    """Return the share of what may be spent that an act takes: cost plus dose."""
    dose = action.dose / envelope.max_total_dose if envelope.max_total_dose > 0 else 0.0
    return max(action.cost / budget + dose, MIN_SHARE)


def _step(
    candidate: _Candidate,
    gain: float,
    questions: dict[str, list[Hypothesis]],
    envelope: SafetyEnvelope,
) -> PlanStep:
    expect: list[Expectation] = []
    apart: list[tuple[float, str, str, str]] = []
    for question, means in candidate.means.items():
        group, sds = questions[question], candidate.sds[question]
        expect += [
            Expectation(question, h.name, float(m), float(s))
            for h, m, s in zip(group, means, sds, strict=True)
        ]
        named = [k for k, h in enumerate(group) if h.name != NONE_OF_THESE]
        for position, i in enumerate(named):
            for j in named[position + 1 :]:
                distance = abs(means[i] - means[j]) / math.hypot(sds[i], sds[j])
                apart.append((float(distance), group[i].name, group[j].name, question))
    # the reason names the pair that matters: far apart, and both still believed
    weight = {(q, h.name): h.weight for q, group in questions.items() for h in group}
    apart.sort(key=lambda a: -a[0] * math.sqrt(weight[a[3], a[1]] * weight[a[3], a[2]]))
    # different questions may read different things; the limits are those of the widest apart
    main = apart[0][3]
    limits = [e for e in expect if e.hypothesis != NONE_OF_THESE and e.question == main]
    low = min(e.mean - ABORT_SD * e.sd for e in limits)
    high = max(e.mean + ABORT_SD * e.sd for e in limits)
    action = candidate.action
    abort = abort_outside(questions[main][0].readout, low, high, action.dose, envelope.dose_unit)
    return PlanStep(
        action,
        tuple(expect),
        tuple((first, second) for distance, first, second, _ in apart if distance >= APART),
        _reason(candidate, apart[0], questions, envelope),
        abort,
        candidate.in_support,
        float(gain),
        human_gate=action.irreversible,
    )


def _reason(
    candidate: _Candidate,
    widest: tuple[float, str, str, str],
    questions: dict[str, list[Hypothesis]],
    envelope: SafetyEnvelope,
) -> str:
    distance, first, second, question = widest
    group = questions[question]
    means = dict(zip([h.name for h in group], candidate.means[question], strict=True))
    readout, unit = group[0].readout, group[0].unit
    shown = "" if unit == "1" else f" {unit}"
    text = (
        f"'{first}' expects {readout} {means[first]:.3g}{shown}, '{second}' {means[second]:.3g}"
        f"{shown}: {distance:.1f} standard deviations apart"
    )
    action = candidate.action
    if action.dose > 0 and envelope.max_total_dose > 0:
        text += f"; {action.dose / envelope.max_total_dose:.0%} of the allowed dose"
    if action.irreversible:
        text += "; the sample is changed for good"
    if not candidate.in_support:
        text += "; outside what the data have shown, so the predictions are extrapolations"
    return text + "."


def _plan_notes(chosen: list[_Candidate], questions: dict[str, list[Hypothesis]]) -> list[str]:
    notes = []
    if not chosen:
        notes.append("no allowed act tells the hypotheses apart: the plan has no steps.")
    for question, group in questions.items():
        if chosen and not any(question in candidate.means for candidate in chosen):
            notes.append(f"no step of the plan speaks about the question {question!r}.")
            continue
        close = _hardly_told(chosen, question, group)
        if chosen and close:
            more = f" (nor {len(close) - 1} other pair(s))" if len(close) > 1 else ""
            notes.append(
                f"{question}: the plan hardly tells '{close[0][0]}' from '{close[0][1]}'{more}."
            )
    return notes


def _hardly_told(
    chosen: list[_Candidate], question: str, group: list[Hypothesis]
) -> list[tuple[str, str]]:
    """Return the pairs that all steps together leave within one standard deviation."""
    close = []
    named = [(k, h.name) for k, h in enumerate(group) if h.name != NONE_OF_THESE]
    for (k, first), (m, second) in combinations(named, 2):
        told = math.fsum(
            float((c.means[question][k] - c.means[question][m]) ** 2)
            / float(c.sds[question][k] ** 2 + c.sds[question][m] ** 2)
            for c in chosen
            if question in c.means
        )
        if told < 1.0:
            close.append((first, second))
    return close
