"""Campaigns in the fast mode: the product's policies and severity test on a table of members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.planning.worlds import Floats, Truth, World
from physlearn.causal import Policy, assess, follow, next_shots
from physlearn.causal.policies.act_values import act_values
from physlearn.causal.policies.belief import Belief
from physlearn.causal.policies.situation import Situation
from physlearn.causal.severity.evidence import SeverityTest
from physlearn.causal.severity.verdicts import Verdict

__all__ = ["ORACLE", "POLICIES", "Chooser", "Run", "guarded_run", "policies_of", "unguarded_run"]

CAP = 40
THRESHOLD = 0.95
POLICIES = {
    "random": Policy("random"),
    "round robin": Policy("round robin"),
    "maximum variance": Policy("variance"),
    "information": Policy("information"),
    "information per dose": Policy("information", per="dose"),
}
ORACLE = "greedy oracle"
Chooser = Callable[[Belief, Truth], Floats]
"""What every act is worth, by a rule that is no policy of the product."""


@dataclass(frozen=True, eq=False)
class Run:
    """How a campaign ended; ``trail``: (weight of the leader, whether it is the truth)."""

    kind: str
    right: bool
    shots: int
    dose: float
    distance: float = 0.0
    sentence: str = ""
    trail: tuple[tuple[float, bool], ...] = ()
    verdict: Verdict | None = field(default=None, repr=False)

    @property
    def claimed(self) -> bool:
        """Whether anything was claimed."""
        return self.kind == "claim"

    @property
    def wrong(self) -> bool:
        """Whether a hypothesis was claimed that is not the truth."""
        return self.claimed and not self.right


def policies_of(world: World) -> dict[str, Policy | Chooser]:
    """Return the policies that a world's acts allow, and the greedy oracle."""
    found: dict[str, Policy | Chooser] = dict(POLICIES)
    if world.edges is not None:
        found["edge entropy"] = Policy("edge entropy", edges=world.edges)
    if np.ptp(world.doses) == 0:
        del found["information per dose"]
    return {**found, ORACLE: oracle_values}


def unguarded_run(
    world: World, prior: Belief, truth: Truth, policy: Policy | Chooser, seed: int
) -> Run:
    """Shoot by a policy until one weight passes .95, at most 40 times."""
    rng, view_rng = np.random.default_rng([201, seed]), np.random.default_rng([202, seed])
    belief, shots, trail = prior, [], []
    readouts: list[float] = []
    while len(shots) < CAP:
        if isinstance(policy, Policy):
            values = act_values(_view(world, belief, shots, readouts, policy, view_rng))
        else:
            values = policy(belief, truth)
        act = int(np.argmax(values))
        readouts.append(world.read(truth, act, rng))
        shots.append(act)
        belief = belief.after(belief.expected[:, act], belief.noise_sd[:, act], readouts[-1])
        leader = int(belief.weights.argmax())
        trail.append((float(belief.weights[leader]), leader == truth.law))
        if trail[-1][0] > THRESHOLD:
            break
    kind = "claim" if trail[-1][0] > THRESHOLD else "abstain"
    dose = float(world.doses[shots].sum())
    return Run(kind, trail[-1][1], len(shots), dose, truth.distance, trail=tuple(trail))


def _view(
    world: World, belief: Belief, shots: list[int], readouts: list[float], policy: Policy,
    rng: np.random.Generator,
) -> Situation:  # fmt: skip
    n = len(world.actions)
    return Situation(
        belief, world.actions, np.ones(n, bool), np.ones(n), np.ones(n, bool),
        np.full(n, 1.0 / CAP), world.doses / world.max_total_dose, np.array(shots, dtype=np.int64),
        np.array(readouts), np.bincount(np.array(shots, dtype=np.int64), minlength=n), policy, rng,
    )  # fmt: skip


def oracle_values(belief: Belief, truth: Truth) -> Floats:
    """Return what a shot is expected to add to the truth's log weight, by one who knows it."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(7)
    shares = shares / shares.sum()
    kept = np.flatnonzero(belief.log_weights > belief.log_weights.max() - 14.0)
    of, logs = belief.hypothesis[kept], belief.log_weights[kept]
    expected, noise = belief.expected[kept], belief.noise_sd[of]
    true = of == truth.law
    if not true.any():
        return np.zeros(expected.shape[1])
    weights = np.exp(logs - logs.max())[:, None] / noise
    own = np.exp(logs[true] - logs.max()).sum()
    total = np.exp(logs - logs.max()).sum()
    values = np.zeros(expected.shape[1])
    for node, share in zip(nodes, shares, strict=True):
        readout = truth.mean + truth.noise_sd * node
        density = weights * np.exp(-0.5 * ((readout - expected) / noise) ** 2)
        mixed = density.sum(axis=0) / total
        values += share * (
            np.log(density[true].sum(axis=0) / own + 1e-300) - np.log(mixed + 1e-300)
        )
    return values


def guarded_run(
    world: World, test: SeverityTest, truth: Truth, seed: int, *, at_random: bool = False,
    drift_per_s: float = 0.0, noise_factor: float = 1.0, reference: int | None = None,
) -> Run:  # fmt: skip
    """Shoot what the severity test asks for, or at random under the same rule of claiming."""
    rng, pick = np.random.default_rng([301, seed]), np.random.default_rng([302, seed])
    evidence, dose, n, seconds = follow(test), 0.0, len(world.actions), 0.0
    while True:
        verdict = assess(evidence)
        if verdict.kind != "continue":
            break
        asked = None if at_random else next_shots(evidence)
        due = asked is not None and asked.reference_due and reference is not None
        if due and reference is not None:
            act = reference
        else:
            act = int(pick.integers(n)) if asked is None else int(np.argmax(asked.values))
        readout = world.read(truth, act, rng) + drift_per_s * seconds
        if noise_factor > 1.0:  # more noise than is stated
            more = np.sqrt(noise_factor**2 - 1.0) * truth.noise_sd[act]
            readout += float(more * rng.standard_normal())
        seconds += world.actions[act].duration_s
        evidence = evidence.after(act, readout, time_s=seconds, reference=due)
        dose += world.actions[act].dose
    told = verdict.hypothesis
    truly = None if truth.law is None else world.names[truth.law]
    right = told is not None and truly is not None and told == truly
    return Run(
        verdict.kind, right, verdict.n_shots, dose, truth.distance, verdict.sentence,
        verdict=verdict,
    )  # fmt: skip
