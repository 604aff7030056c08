"""What attempts teach about an act: its chance to work, neighbours hit, and its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.causal.actions import Action
from physlearn.causal.outcomes.logistic_chance import fit_logistic_chance
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["OutcomeModel", "OutcomePrediction", "ReadBack"]

Floats = NDArray[np.float64]

PLACES = frozenset({"x", "y", "x_min", "y_min", "x_max", "y_max", "site", "patch"})
"""Arguments that name a place: they are no cause of success."""
FEWEST_FOR_LAW = 6
NEARBY = 0.5
"""An attempt is like another when no covariate differs by more standard deviations."""
DECADES_FOR_LOG = 1.5
"""A positive setting whose middle 90 % span more counts by its logarithm."""
EDGES = np.linspace(0.0, 1.0, 2001)
"""Edges of the cells of chances in which posterior laws are added up."""


class ReadBack(NamedTuple):
    """How far what was reported lies from what was commanded: mean offset, sd, and of how many."""

    offset: float
    sd: float
    n: int


@dataclass(frozen=True, slots=True)
class OutcomePrediction:
    """What the attempts say about one act.

    Attributes
    ----------
    success, success_low, success_high
        Mean and equal-tailed 90 % interval of the chance that the act works.
    neighbours_hit
        Expected number of neighbours that it changes as well.
    in_support
        Whether attempts like it were seen.
    why
        What was seen, or what was not, in words.
    """

    success: float
    success_low: float
    success_high: float
    neighbours_hit: float
    in_support: bool
    why: str

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeModel:
    """Attempts so far, and what they teach about acts to come.

    Attributes
    ----------
    attempts
        Actions with what came of them.

    Raises
    ------
    InputError
        For attempts that are no pairs of an `Action` and an `Outcome`.

    Notes
    -----
    Attempts of the same verb count; where an argument ``label`` names kinds of sites ("hole",
    "particle"), only those of the same label. Two laws share the belief by their evidence: one
    chance for all (flat Beta law), and a logistic law of what was set (dose, duration, bias and
    every other number that names no place; in logarithms where it spans decades). Neighbours
    hit are a Poisson count with Jeffreys' prior.

    Examples
    --------
    >>> def pulse(bias):
    ...     return Action("tip_pulse", {"x": 0.0, "y": 0.0, "bias_V": bias, "pulse_s": 0.1}, 0.0,
    ...                   1.0, 1.0, irreversible=True)
    >>> seen = [(pulse(b), Outcome(None, succeeded=b > 3)) for b in (1., 2., 2.5, 3.5, 4., 5.) * 3]
    >>> model = OutcomeModel(seen)
    >>> bool(model.predict(pulse(1.5)).success < 0.2 < 0.8 < model.predict(pulse(4.5)).success)
    True
    >>> model.predict(pulse(9.0)).in_support
    False
    """

    attempts: Sequence[tuple[Action, Outcome]] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        pairs = tuple(self.attempts)
        for pair in pairs:
            if (
                not isinstance(pair, tuple)
                or len(pair) != 2
                or not isinstance(pair[0], Action)
                or not isinstance(pair[1], Outcome)
            ):
                raise InputError(f"attempts must hold pairs (Action, Outcome); got {pair!r}.")
        object.__setattr__(self, "attempts", pairs)

    def observe(self, action: Action, outcome: Outcome) -> OutcomeModel:
        """Return the model with one attempt more."""
        return OutcomeModel((*self.attempts, (action, outcome)))

    def predict(self, action: Action) -> OutcomePrediction:
        """Return what the attempts say about an act."""
        return self.predict_all([action])[0]

    def predict_all(self, actions: Iterable[Action]) -> tuple[OutcomePrediction, ...]:
        """Return what the attempts say about each act, in order."""
        acts = tuple(actions)
        found: dict[int, OutcomePrediction] = {}
        kinds = [(action.verb, action.args.get("label")) for action in acts]
        for kind in dict.fromkeys(kinds):
            places = [k for k, other in enumerate(kinds) if other == kind]
            for k, prediction in zip(
                places, self._of_one_kind([acts[k] for k in places]), strict=True
            ):
                found[k] = prediction
        return tuple(found[k] for k in range(len(acts)))

    def read_back(self, verb: str) -> dict[str, ReadBack]:
        """Return, per argument of a verb, how far reports lie from commands."""
        apart: dict[str, list[float]] = {}
        for action, outcome in self.attempts:
            if action.verb != verb:
                continue
            for name, there in outcome.reported.items():
                sent = outcome.commanded.get(name, action.args.get(name))
                if isinstance(sent, int | float):
                    apart.setdefault(name, []).append(there - float(sent))
        return {
            name: ReadBack(
                float(np.mean(values)),
                float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
                len(values),
            )
            for name, values in apart.items()
        }

    def _of_one_kind(self, acts: Sequence[Action]) -> list[OutcomePrediction]:
        """Return predictions for acts of one verb and label."""
        verb, label = acts[0].verb, acts[0].args.get("label")
        of_verb = [pair for pair in self.attempts if pair[0].verb == verb]
        alike = [pair for pair in of_verb if pair[0].args.get("label") == label]
        named = verb if label is None else f"{verb} with label {label!r}"
        if not alike:
            # nothing like it was tried: the flat law says so by its width
            flat = _summarised(np.full((len(acts), len(EDGES) - 1), 1.0 / (len(EDGES) - 1)))
            why = f"no attempt of {named} so far"
            return [OutcomePrediction(*row, math.nan, False, why) for row in flat]
        worked = np.array([outcome.succeeded for _, outcome in alike])
        hits = sum(outcome.neighbours_hit for _, outcome in alike)
        covariates, asked = _covariates([action for action, _ in alike], acts)
        rows = _summarised(_chances(covariates, worked, asked))
        near = np.abs(asked[:, None] - covariates[None]).max(axis=2, initial=0.0) <= NEARBY
        predictions = []
        for row, close in zip(rows, near.any(axis=1).tolist(), strict=True):
            why = f"{int(worked.sum())} of {len(worked)} attempts of {named} worked"
            if not close:
                why += ", none of them set like this one"
            predictions.append(OutcomePrediction(*row, (hits + 0.5) / len(alike), bool(close), why))
        return predictions


def _covariates(tried: Sequence[Action], asked: Sequence[Action]) -> tuple[Floats, Floats]:
    """Return what was set, scaled by the spread of the attempts: (n_tried, n), (n_asked, n)."""
    names = sorted(
        {
            name
            for action in (*tried, *asked)
            for name, value in action.args.items()
            if name not in PLACES and not isinstance(value, str)
        }
    )
    columns: list[tuple[Floats, Floats]] = []
    for name in [*names, "dose", "duration_s"]:
        before, now = (np.array([_number(a, name) for a in acts]) for acts in (tried, asked))
        both = np.concatenate([before, now])
        if np.ptp(both) == 0:
            continue
        low, high = np.quantile(both, (0.05, 0.95))
        if both.min() > 0 and math.log10(high / low) > DECADES_FOR_LOG:
            before, now = np.log(before), np.log(now)
        # settings that never varied cannot be learned from, but a change of them is new
        spread = float(before.std()) or float(np.ptp(np.concatenate([before, now])))
        columns.append(((before - before.mean()) / spread, (now - before.mean()) / spread))
    if not columns:
        return np.zeros((len(tried), 0)), np.zeros((len(asked), 0))
    return np.column_stack([c[0] for c in columns]), np.column_stack([c[1] for c in columns])


def _number(action: Action, name: str) -> float:
    if name == "dose":
        return action.dose
    if name == "duration_s":
        return action.duration_s
    value = action.args.get(name, 0.0)
    return 0.0 if isinstance(value, str) else float(value)


def _chances(covariates: Floats, worked: NDArray[np.bool_], asked: Floats) -> Floats:
    """Return the posterior of each asked act's chance as shares of cells, (n_asked, n_cells)."""
    good, n = int(worked.sum()), len(worked)
    flat = np.diff(stats.beta.cdf(EDGES, good + 1, n - good + 1))
    one_for_all = np.tile(flat, (len(asked), 1))
    varied = covariates.std(axis=0) > 0
    if n < FEWEST_FOR_LAW or not varied.any():
        return one_for_all
    law = fit_logistic_chance(covariates[:, varied], worked)
    log_flat = -math.log(n + 1) - math.log(math.comb(n, good))
    share = 1.0 / (1.0 + math.exp(min(max(log_flat - law.log_evidence, -700.0), 700.0)))
    mean, sd = law.logits(asked[:, varied])
    with np.errstate(divide="ignore"):
        logit = np.log(EDGES / (1.0 - EDGES))
    by_law = np.diff(stats.norm.cdf(logit, mean[:, None], sd[:, None]), axis=1)
    return np.asarray(share * by_law + (1.0 - share) * one_for_all)


def _summarised(shares: Floats) -> list[tuple[float, float, float]]:
    """Return mean and equal-tailed interval of laws given by the shares of the cells."""
    below = np.concatenate([np.zeros((len(shares), 1)), np.cumsum(shares, axis=1)], axis=1)
    tail = 0.5 * (1.0 - CREDIBLE_MASS)
    middle = 0.5 * (EDGES[1:] + EDGES[:-1])
    return [
        (
            float(row @ middle),
            float(np.interp(tail, under, EDGES)),
            float(np.interp(1.0 - tail, under, EDGES)),
        )
        for row, under in zip(shares, below, strict=True)
    ]
