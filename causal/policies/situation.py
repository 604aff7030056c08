"""What a policy looks at before it says what each act is worth, and its options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.policies.belief import Belief, Floats, Ints
from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.records.storage import html_table, short_repr

__all__ = ["POLICIES", "Bools", "EffectTarget", "Policy", "Reward", "Situation"]

Bools = NDArray[np.bool_]

POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "information": "expected information about which hypothesis holds",
        "discrimination": "how far apart the hypotheses' predictions lie (Box and Hill)",
        "fisher": "expected information about the parameters within each hypothesis",
        "effect": "expected information about how large an effect is",
        "counterfactual": "expected information about whether an effect passes a threshold",
        "edge entropy": "how undecided the edges at the column are that an act sets",
        "variance": "spread of the expected readout over all hypotheses",
        "exploration": "uncertainty of the readout learned so far (Gaussian process)",
        "improvement": "expected improvement on the best readout so far (Gaussian process)",
        "upper bound": "mean and uncertainty of the readout together (Gaussian process)",
        "property target": "expected approach to a wanted readout (Gaussian process)",
        "look ahead": "information of an act and of the best one that it leaves possible",
        "random": "drawn at random",
        "round robin": "next in turn",
    }
)
"""Names of the built-in policies -> what they look for."""

PER: tuple[str, ...] = ("act", "cost", "dose")


@dataclass(frozen=True, slots=True)
class EffectTarget:
    """An effect that is asked about: the expected readout of an act, which need not be allowed.

    Attributes
    ----------
    action
        The act whose expected readout is the effect.
    reference
        An act whose expected readout is subtracted; nothing when None.
    threshold
        The effect that is asked to be passed, in the readout's unit.

    Examples
    --------
    >>> pulse = Action("change_bias", {"bias_V": 9.0}, 0.0, 1.0, 1.0)
    >>> EffectTarget(pulse, threshold=0.5).acts == (pulse,)
    True
    """

    action: Action
    reference: Action | None = None
    threshold: float = 0.0

    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not isinstance(self.action, Action) or not isinstance(self.reference, Action | None):
            raise InputError(
                f"an effect's acts must be Action records; got {self.action!r}, {self.reference!r}."
            )
        object.__setattr__(self, "threshold", strict_number("threshold", self.threshold))

    @property
    def acts(self) -> tuple[Action, ...]:
        """The acts that must be predicted to know the effect."""
        return (self.action,) if self.reference is None else (self.action, self.reference)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What makes an act worth doing.

    Attributes
    ----------
    name
        One of `POLICIES`.
    per
        Worth for each act, for each share of the budget and dose that it takes ("cost"), or for
        each share of the allowed dose ("dose").
    random_share
        Share of the asks that are drawn at random instead; a policy alone may get stuck.
    extrapolation_factor
        What an act outside the data's support is worth, as its predictions are extrapolations.
    target
        For "effect" and "counterfactual".
    edges
        For "edge entropy": name of a hypothesis -> its directed edges (source, target). Acts say
        which column they set by their argument ``column``.
    descriptors
        For the Gaussian process: shape (n_actions, n_descriptors); when None, the numbers among
        the acts' arguments.
    confidence_width
        For "upper bound": standard deviations added to the mean.
    wanted_readout
        For "property target".
    smallest
        For "improvement" and "upper bound": the smallest readout is the best.

    Raises
    ------
    InputError
        For unknown names, shares outside 0 to 1, or a policy without what it needs.

    Examples
    --------
    >>> Policy("information", per="dose").per
    'dose'
    """

    name: str = "information"
    per: Literal["act", "cost", "dose"] = "act"
    random_share: float = 0.0
    extrapolation_factor: float = 0.5
    target: EffectTarget | None = None
    edges: Mapping[str, Sequence[tuple[str, str]]] | None = None
    descriptors: ArrayLike | None = None
    confidence_width: float = 2.0
    wanted_readout: float | None = None
    smallest: bool = False

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_choice("policy", self.name, tuple(POLICIES))
        check_choice("per", self.per, PER)
        for name in ("random_share", "extrapolation_factor"):
            value = strict_number(name, getattr(self, name), minimum=0)
            if value > 1:
                raise InputError(f"{name} must lie in 0 to 1; got {value!r}.")
        strict_number("confidence_width", self.confidence_width, minimum=0)
        given_target: object = self.target
        if given_target is not None and not isinstance(given_target, EffectTarget):
            raise InputError(f"target must be an EffectTarget; got {type(given_target).__name__}.")
        if self.name in ("effect", "counterfactual") and self.target is None:
            raise InputError(f"policy {self.name!r} needs a target: Policy(..., target=...).")
        if self.name == "edge entropy" and self.edges is None:
            raise InputError("policy 'edge entropy' needs the edges of every hypothesis.")
        if self.name == "property target":
            if self.wanted_readout is None:
                raise InputError("policy 'property target' needs wanted_readout.")
            strict_number("wanted_readout", self.wanted_readout)
        if self.descriptors is not None:
            given = check_array("descriptors", self.descriptors, ndim=2)
            object.__setattr__(self, "descriptors", given)


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """Everything that a policy, or a user's reward function, may look at.

    Attributes
    ----------
    belief
        Members, weights and noise; its first n_actions columns are those of `actions`.
    actions
        The candidates, n_actions of them.
    allowed
        Shape (n_actions,): whether envelope and budget permit the act now.
    success
        Shape (n_actions,): probability that the act works.
    in_support
        Shape (n_actions,): whether the data reach there.
    cost_share, dose_share
        Shape (n_actions,): share of the budget, and of the allowed dose, that an act takes.
    tried, readouts
        Shape (n_readouts,): indices of the acts that were read out so far, and what was read.
    asked
        Shape (n_actions,): how often each act was asked.
    policy
        Options.
    rng
        Of this question; a resumed planner has the same one.
    target_columns
        Columns of `belief` that hold the acts of the policy's target.
    still_allowed
        Function of an act's index: the allowed acts, (n_actions,), that remain when it is done.

    Examples
    --------
    A reward of one's own: the expected readout, as believed now, less what the act costs.

    >>> def reward(situation):
    ...     belief = situation.belief
    ...     expected = belief.weights @ belief.means()
    ...     return expected[situation.columns] - situation.cost_share
    >>> from physlearn.causal import Hypothesis, Planner, SafetyEnvelope
    >>> laws = [Hypothesis(name, 1, lambda a, rng, n, s=s: (s * a.number("bias_V"), 0.2))
    ...         for name, s in (("weak", 1.0), ("strong", 2.0))]
    >>> acts = [Action("change_bias", {"bias_V": b}, 0.0, 1.0, 1.0) for b in (-1.0, 2.0)]
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    >>> Planner(laws, acts, envelope, 9.0, policy=reward, rng=0).ask()[0].action.args["bias_V"]
    2.0
    """

    belief: Belief
    actions: tuple[Action, ...]
    allowed: Bools
    success: Floats
    in_support: Bools
    cost_share: Floats
    dose_share: Floats
    tried: Ints
    readouts: Floats
    asked: Ints
    policy: Policy
    rng: np.random.Generator
    target_columns: tuple[int, ...] = ()
    still_allowed: Callable[[int], Bools] | None = field(default=None)

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def columns(self) -> Ints:
        """Indices of the candidates."""
        return np.arange(len(self.actions))

    def remaining(self, act: int) -> Bools:
        """Return which of the allowed acts remain allowed once `act` is done."""
        if self.still_allowed is None:
            return self.allowed
        return self.allowed & self.still_allowed(act)


Reward = Callable[[Situation], Floats]
"""A user's own policy: what each act is worth, shape (n_actions,); the largest is done."""


def own_reward(reward: Reward, situation: Situation) -> Floats:
    """Return what a user's function gives, checked."""
    given = np.asarray(reward(situation))
    n_actions = check_count("n_actions", len(situation.actions), 1)
    wanted = (
        f"the reward function must return {n_actions} numbers, one for each act (use {-math.inf} "
        "for acts not to be done); got"
    )
    if given.shape != (n_actions,):
        raise InputError(f"{wanted} shape {given.shape}.")
    if given.dtype.kind not in "biuf":
        raise InputError(f"{wanted} {given.dtype}, such as {given[0]!r}.")
    values = given.astype(np.float64)
    if np.isnan(values).any():
        raise InputError(f"{wanted} NaN for act {int(np.isnan(values).argmax())}.")
    return values
