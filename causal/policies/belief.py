"""What is believed about the hypotheses: their members, each with a weight, after some readouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.hypotheses import Hypothesis
from physlearn.checks import InputError, check_count

__all__ = ["Belief", "Floats", "Ints", "prior_belief"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALLEST_LOG_WEIGHT = -700.0
FARTHEST_SDS = 1e150
"""Relative to the best member: a weight that a float still holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Members of the hypotheses with their weights; a member expects one readout of every act.

    Attributes
    ----------
    names
        Of the hypotheses, n_hypotheses of them.
    expected
        Shape (n_members, n_actions): expected readout; NaN where the hypothesis says nothing.
    hypothesis
        Shape (n_members,): to which hypothesis a member belongs.
    log_weights
        Shape (n_members,): logarithms of weights that add up to 1.
    noise_sd
        Shape (n_hypotheses, n_actions): standard deviation of one readout around what a member
        expects.

    Examples
    --------
    >>> flat, steep = (
    ...     Hypothesis(name, 1, lambda a, rng, n, s=slope: (s * a.number("bias_V"), 1.0))
    ...     for name, slope in (("flat", 0.0), ("steep", 2.0)))
    >>> acts = [Action("change_bias", {"bias_V": 1.0}, 0.0, 1.0, 1.0)]
    >>> belief = prior_belief([flat, steep], acts, seed=0)
    >>> belief.weights
    array([0.5, 0.5])
    >>> belief.after(belief.expected[:, 0], belief.noise_sd[:, 0], readout=1.0).weights
    array([0.5, 0.5])
    """

    names: tuple[str, ...]
    expected: Floats
    hypothesis: Ints
    log_weights: Floats
    noise_sd: Floats

    @property
    def weights(self) -> Floats:
        """Return the weights of the hypotheses, shape (n_hypotheses,)."""
        shares = np.exp(self.log_weights)
        summed = np.bincount(self.hypothesis, weights=shares, minlength=len(self.names))
        return np.asarray(summed, dtype=np.float64)

    @property
    def members_left(self) -> Floats:
        """Return, per hypothesis, how many members effectively share its weight (Kish)."""
        shares = np.exp(self.log_weights)
        squares = np.bincount(self.hypothesis, weights=shares**2, minlength=len(self.names))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(squares > 0, self.weights**2 / squares, 0.0))

    def means(self) -> Floats:
        """Return the expected readout of every act by every hypothesis, (n_hypotheses, n_acts)."""
        return self._moments()[0]

    def spreads(self) -> Floats:
        """Return the sd of the expected readout among a hypothesis' members, noise excluded."""
        return self._moments()[1]

    def _moments(self) -> tuple[Floats, Floats]:
        shares = np.exp(self._within())
        member = np.zeros((len(self.names), len(shares)))
        member[self.hypothesis, np.arange(len(shares))] = shares
        means = member @ self.expected
        squares = member @ (self.expected - means[self.hypothesis]) ** 2
        return means, np.sqrt(np.maximum(squares, 0.0))

    def _within(self) -> Floats:
        """Return log weights that add up to 1 within each hypothesis, however unlikely it is."""
        best = np.full(len(self.names), -np.inf)
        np.maximum.at(best, self.hypothesis, self.log_weights)
        relative = self.log_weights - best[self.hypothesis]
        total = np.bincount(self.hypothesis, weights=np.exp(relative), minlength=len(self.names))
        return np.asarray(relative - np.log(total)[self.hypothesis])

    def after(self, expected: Floats, noise_sd: Floats, readout: float) -> Belief:
        """Return the belief after one readout.

        Parameters
        ----------
        expected
            Shape (n_members,): what the members expect of the act as it was done; a readout that
            they say nothing about (NaN) changes nothing.
        noise_sd
            Shape (n_hypotheses,).
        readout
            What was read out.
        """
        if np.isnan(expected).all():
            return self
        sd = noise_sd[self.hypothesis]
        # a readout of 1e300, a wrong unit perhaps, is far from all: its square must stay finite
        with np.errstate(over="ignore"):
            away = np.clip((readout - expected) / sd, -FARTHEST_SDS, FARTHEST_SDS)
        gained = self.log_weights - 0.5 * away**2 - np.log(sd)
        gained -= gained.max()
        gained = np.maximum(gained, SMALLEST_LOG_WEIGHT)
        return replace(self, log_weights=gained - np.log(np.exp(gained).sum()))


def prior_belief(
    hypotheses: Sequence[Hypothesis],
    actions: Sequence[Action],
    *,
    seed: int | Sequence[int],
    n_members: int = 1000,
) -> Belief:
    """Return the belief before the first readout.

    Parameters
    ----------
    hypotheses
        At least two of one question, with different names; weights need not add up to 1.
    actions
        Acts whose readouts are asked for, n_actions of them.
    seed
        Of the members' draws: the same seed and acts give the same members.
    n_members
        Members drawn of every hypothesis that has `Hypothesis.joint`; of another, the mean of
        its prediction is the only member.

    Raises
    ------
    InputError
        For fewer than two hypotheses, several questions, names used twice, weights that are all
        0, draws of another shape, or an act of which some hypotheses say nothing.
    """
    _check_hypotheses(hypotheses)
    check_count("n_members", n_members, 2)
    total = sum(h.weight for h in hypotheses)
    columns: list[Floats] = []
    noise = np.ones((len(hypotheses), len(actions)))
    for k, hypothesis in enumerate(hypotheses):
        columns.append(_members(hypothesis, actions, seed, n_members))
        for j, action in enumerate(actions):
            if np.isfinite(columns[-1][0, j]):
                noise[k, j] = _noise(hypothesis, action)
    _check_silence(hypotheses, actions, columns)
    counts = np.array([len(c) for c in columns])
    weights = np.array([h.weight for h in hypotheses]) / total / counts
    # a hypothesis of weight 0 keeps one that logarithms can hold
    logs = np.log(np.maximum(np.repeat(weights, counts), np.exp(SMALLEST_LOG_WEIGHT)))
    return Belief(
        tuple(h.name for h in hypotheses),
        np.concatenate(columns),
        np.repeat(np.arange(len(hypotheses)), counts),
        logs,
        noise,
    )


def _check_hypotheses(hypotheses: Sequence[Hypothesis]) -> None:
    for hypothesis in hypotheses:
        if not isinstance(hypothesis, Hypothesis):
            raise InputError(f"hypotheses must hold Hypothesis records; got {hypothesis!r}.")
    if len(hypotheses) < 2:
        raise InputError(f"hypotheses must hold at least two; got {len(hypotheses)}.")
    questions = list(dict.fromkeys(h.question for h in hypotheses))
    if len(questions) > 1:
        raise InputError(
            f"hypotheses must belong to one question; got {', '.join(map(repr, questions))}: "
            "make one planner for each."
        )
    names = [h.name for h in hypotheses]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"hypotheses must have different names; got {twice[0]!r} twice.")
    if not sum(h.weight for h in hypotheses) > 0:
        raise InputError("the weights of the hypotheses must add to more than 0; all are 0.")


def _members(
    hypothesis: Hypothesis, actions: Sequence[Action], seed: int | Sequence[int], n_members: int
) -> Floats:
    if hypothesis.joint is None:
        pairs = [hypothesis.mean_sd(action, 0) for action in actions]
        return np.array([[np.nan if pair is None else pair[0] for pair in pairs]])
    drawn = np.asarray(
        hypothesis.joint(tuple(actions), np.random.default_rng(seed), n_members), dtype=np.float64
    )
    if drawn.shape != (n_members, len(actions)):
        raise InputError(
            f"joint of hypothesis {hypothesis.name!r} must return shape "
            f"({n_members}, {len(actions)}); got {drawn.shape}."
        )
    silent = np.isnan(drawn).any(axis=0)
    wrong = np.isinf(drawn).any(axis=0) | (silent & ~np.isnan(drawn).all(axis=0))
    if wrong.any():
        column = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"joint of hypothesis {hypothesis.name!r} must return finite draws, or NaN in a whole "
            f"column; got neither in column {column} ({actions[column].verb})."
        )
    return drawn


def _noise(hypothesis: Hypothesis, action: Action) -> float:
    stated = hypothesis.noise_sd
    if stated is None:
        pair = hypothesis.mean_sd(action, 0)
        if pair is None:
            raise InputError(
                f"hypothesis {hypothesis.name!r} must state noise_sd where predict is silent "
                f"({action.verb})."
            )
        return pair[1]
    value = stated(action) if callable(stated) else stated
    return strict_number(f"noise_sd of {hypothesis.name!r}", value, above=0)


def _check_silence(
    hypotheses: Sequence[Hypothesis], actions: Sequence[Action], columns: Sequence[Floats]
) -> None:
    says = np.array([np.isfinite(column[0]) for column in columns])
    mixed = says.any(axis=0) & ~says.all(axis=0)
    if mixed.any():
        j = int(np.flatnonzero(mixed)[0])
        silent = hypotheses[int(np.flatnonzero(~says[:, j])[0])].name
        raise InputError(
            f"all hypotheses must predict {actions[j].verb} (act {j}), or none; "
            f"{silent!r} does not."
        )
