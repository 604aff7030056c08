"""What a campaign starts from: all that stays the same while questions are asked and told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from physlearn.causal.actions import Action, ActionLibrary, SafetyEnvelope, strict_number
from physlearn.causal.hypotheses import NONE_OF_THESE, Hypothesis
from physlearn.causal.outcomes.outcome_model import OutcomeModel
from physlearn.causal.policies.belief import Belief, Ints, prior_belief
from physlearn.causal.policies.situation import Bools, Policy, Reward
from physlearn.causal.severity.design_table import DesignTable, action_coordinates
from physlearn.causal.severity.evidence import SeverityTest, declare_test
from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError, check_count
from physlearn.option_fields import check_fields

__all__ = ["CampaignSetup", "PlannerOptions", "campaign_setup"]

GAUSSIAN_PROCESS = ("exploration", "improvement", "upper bound", "property target")


@dataclass(frozen=True, slots=True)
class PlannerOptions:
    """What a planner is told besides its policy.

    Attributes
    ----------
    n_members
        Members drawn of each hypothesis; fewer ask faster.
    threshold
        Weight at which a hypothesis is claimed when there is no severity test.
    min_information_nats, min_shots
        Without a severity test: hypotheses are not separable when no allowed act is expected to
        tell more, after so many readouts.
    n_simulated
        How many outcomes of open questions are simulated to choose further ones.
    reference_act
        Index of the act of reference shots; the cheapest that changes nothing when None.
    stops
        Whether a verdict ends the asking; when None, only for policies about hypotheses.
    outcomes
        What attempts before the campaign teach about success, neighbours and support; told
        outcomes are added. When None, the library's attempts count, by verb or label.

    Examples
    --------
    >>> PlannerOptions(n_members=300).threshold
    0.95
    """

    n_members: int = 2000
    threshold: float = 0.95
    min_information_nats: float = 2e-3
    min_shots: int = 6
    n_simulated: int = 6
    reference_act: int | None = None
    stops: bool | None = None
    outcomes: OutcomeModel | None = None

    def __post_init__(self) -> None:
        check_count("n_members", self.n_members, 2)
        check_count("min_shots", self.min_shots, 0)
        check_count("n_simulated", self.n_simulated, 1)
        strict_number("min_information_nats", self.min_information_nats, minimum=0)
        if not 0.5 < strict_number("threshold", self.threshold) < 1:
            raise InputError(f"threshold must lie between .5 and 1; got {self.threshold!r}.")
        if self.reference_act is not None:
            check_count("reference_act", self.reference_act, 0)
        if not isinstance(self.stops, bool | None):
            raise InputError(f"stops must be True, False or None; got {self.stops!r}.")
        if not isinstance(self.outcomes, OutcomeModel | None):
            raise InputError(f"outcomes must be an OutcomeModel or None; got {self.outcomes!r}.")
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class CampaignSetup:
    """Everything that stays the same during a campaign.

    Attributes
    ----------
    hypotheses
        Without "none of these", which the severity test brings.
    actions
        Candidates, n_actions of them; the columns of `prior` begin with them and go on with the
        acts of the policy's target.
    library
        Actions with the attempts before the campaign.
    test
        The declared severity test, or None.
    test_columns
        Shape (n_actions,): an act's column in the test's table, -1 for acts that are not read out.
    permitted
        Shape (n_actions,): whether envelope and budget allow the act by itself.
    reference
        Act of reference shots, or None.
    fingerprint
        sha256 of all that a resumed campaign must have in common with the one that stopped.
    """

    hypotheses: tuple[Hypothesis, ...]
    actions: tuple[Action, ...]
    library: ActionLibrary
    envelope: SafetyEnvelope
    budget: float
    policy: Policy
    reward: Reward | None
    options: PlannerOptions
    seed: int
    prior: Belief
    test: SeverityTest | None
    test_columns: Ints
    permitted: Bools
    in_support: Bools
    reference: int | None
    fingerprint: str

    @property
    def target_acts(self) -> tuple[Action, ...]:
        """Acts whose expected readouts the policy's target needs."""
        target = self.policy.target
        return () if target is None else target.acts

    @property
    def stops(self) -> bool:
        """Whether a verdict ends the asking."""
        if self.options.stops is not None:
            return self.options.stops
        return self.reward is None and self.policy.name not in GAUSSIAN_PROCESS


def campaign_setup(
    hypotheses: Sequence[Hypothesis],
    actions: ActionLibrary | Iterable[Action],
    envelope: SafetyEnvelope,
    budget: float,
    *,
    policy: str | Policy | Reward,
    severity: SeverityOptions | None,
    options: PlannerOptions,
    seed: int,
) -> CampaignSetup:
    """Check what a campaign starts from and draw the members of its hypotheses."""
    if not isinstance(actions, Iterable):
        raise InputError(
            f"actions must be a library or a row of Actions; got one {type(actions).__name__}."
        )
    if not isinstance(hypotheses, Iterable):
        raise InputError(
            f"hypotheses must be a row of Hypothesis records; got one {type(hypotheses).__name__}."
        )
    library = actions if isinstance(actions, ActionLibrary) else ActionLibrary(tuple(actions))
    if not len(library):
        raise InputError("actions must hold at least one Action; got none.")
    if not isinstance(envelope, SafetyEnvelope):
        raise InputError(f"envelope must be a SafetyEnvelope; got {type(envelope).__name__}.")
    budget = strict_number("budget", budget, above=0)
    named = tuple(h for h in hypotheses if not isinstance(h, Hypothesis) or h.name != NONE_OF_THESE)
    chosen, reward = _policy(policy)
    acts = tuple(library)
    targets = () if chosen.target is None else chosen.target.acts
    prior = prior_belief(named, [*acts, *targets], seed=seed, n_members=options.n_members)
    if severity is None and sum(h.weight > 0 for h in named) < 2:
        raise InputError(
            "hypotheses must hold at least two of a weight above 0, or nothing can be learned of "
            f"them; got {[(h.name, h.weight) for h in named]}."
        )
    spoken = np.isfinite(prior.expected[0, : len(acts)])
    if not spoken.any() and reward is None:
        raise InputError("no hypothesis says anything about any action: nothing can be learned.")
    test, columns = _declared(prior, acts, spoken, severity, seed)
    permitted = np.array(
        [not envelope.violations([action]) and action.cost <= budget for action in acts]
    )
    reference = _reference(acts, spoken & permitted, severity, options)
    return CampaignSetup(
        named, acts, library, envelope, budget, chosen, reward, options, seed, prior, test, columns,
        permitted,
        np.array([all(h.supports is None or h.supports(a) for h in named) for a in acts]),
        reference,
        _fingerprint(named, library, envelope, budget, chosen, reward, severity, options),
    )  # fmt: skip


def _policy(policy: str | Policy | Reward) -> tuple[Policy, Reward | None]:
    if isinstance(policy, str):
        return Policy(policy), None
    if isinstance(policy, Policy):
        return policy, None
    if callable(policy):
        return Policy(), policy
    raise InputError(
        f"policy must be a name, a Policy or a function of a Situation; got {policy!r}."
    )


def _declared(
    prior: Belief,
    acts: tuple[Action, ...],
    spoken: Bools,
    severity: SeverityOptions | None,
    seed: int,
) -> tuple[SeverityTest | None, Ints]:
    columns = np.where(spoken, np.cumsum(spoken) - 1, -1)
    if severity is None or not spoken.any():
        return None, columns
    if not isinstance(severity, SeverityOptions):
        raise InputError(
            f"severity must be SeverityOptions or None; got {type(severity).__name__}."
        )
    if severity.region is not None:
        outside = [j for j in severity.region if j >= len(acts) or columns[j] < 0]
        if outside:
            raise InputError(
                f"the region must hold actions that are read out; action {outside[0]} is not one "
                f"of {int(spoken.sum())}."
            )
        severity = replace(severity, region=tuple(int(columns[j]) for j in severity.region))
    shown = np.flatnonzero(spoken)
    table = DesignTable(
        prior.names,
        tuple(prior.expected[prior.hypothesis == k][:, shown] for k in range(len(prior.names))),
        prior.noise_sd[:, shown],
        action_coordinates([acts[j] for j in shown]),
        prior.weights / prior.weights.sum(),
    )
    return declare_test(table, severity, rng=seed), columns


def _reference(
    acts: tuple[Action, ...],
    usable: Bools,
    severity: SeverityOptions | None,
    options: PlannerOptions,
) -> int | None:
    if severity is None or severity.reference_every is None:
        return None
    if options.reference_act is not None:
        if options.reference_act >= len(acts) or not usable[options.reference_act]:
            raise InputError(
                f"reference_act must be an allowed act that is read out; got "
                f"{options.reference_act}."
            )
        return int(options.reference_act)
    harmless = [j for j in np.flatnonzero(usable).tolist() if not acts[j].irreversible]
    if not harmless:
        raise InputError(
            "severity asks for reference shots, but no allowed act leaves the sample as it is: "
            "set reference_every=None, and drift stays untested."
        )
    return min(harmless, key=lambda j: (acts[j].dose, acts[j].cost, j))


def _fingerprint(
    hypotheses: tuple[Hypothesis, ...],
    library: ActionLibrary,
    envelope: SafetyEnvelope,
    budget: float,
    policy: Policy,
    reward: Reward | None,
    severity: SeverityOptions | None,
    options: PlannerOptions,
) -> str:
    content = {
        "hypotheses": [(h.question, h.name, h.weight) for h in hypotheses],
        "actions": [
            (a.verb, sorted(a.args.items()), a.dose, a.duration_s, a.cost, a.irreversible)
            for a in library
        ],
        "attempts": sorted(library.attempts.items()),
        "envelope": {part.name: getattr(envelope, part.name) for part in fields(envelope)},
        "budget": budget,
        "policy": {part.name: _plain(getattr(policy, part.name)) for part in fields(policy)},
        "reward": reward is not None,
        "severity": None if severity is None else asdict(severity),
        "options": {
            part.name: getattr(options, part.name)
            for part in fields(options)
            if part.name != "outcomes"
        },
        "tried before": None
        if options.outcomes is None
        else [(str(action), outcome.to_dict()) for action, outcome in options.outcomes.attempts],
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
