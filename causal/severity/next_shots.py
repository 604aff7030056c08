"""What each action is worth as the next shot: to tell hypotheses apart, or to test the leader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.severity.evidence import Evidence, drift_covariance
from physlearn.causal.severity.evidence_kernels import (
    mixture_information_kernel,
    survival_values,
)
from physlearn.causal.severity.leading import leads_for_sure
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.verbs import strict_number
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "NextShots", "Predictions", "mixture_information", "most_told", "next_shots", "predictions",
]  # fmt: skip

TOP_FUNCTIONS = 1000
LEAST_DEFICIT = 0.1
NEGLIGIBLE_WEIGHT = 1e-5
"""Members below this share of the heaviest are left out of the information."""
FEIGNED_FACTOR = 2.0
"""Information counts where it exceeds so many times what the draw of the members feigns."""
LEAST_SHARE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class NextShots:
    """Values of the actions as the next shot.

    Attributes
    ----------
    values
        (n_actions,), in nats; -inf where the action is not allowed.
    phase
        "tell apart": expected information about which hypothesis holds; "test the leader": share
        of the surviving deviations that one shot is expected to remove.
    leader
        Index of the hypothesis that leads, or None.
    reference_due
        Whether a reference shot is due before any of these.
    reason
        Why, in words.
    """

    values: Floats
    phase: Literal["tell apart", "test the leader"]
    leader: int | None
    reference_due: bool
    reason: str

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Readouts that one hypothesis expects of the next shot, drift so far included.

    Attributes
    ----------
    members
        (n_kept, n_actions): expected readouts of the members that still count.
    weights
        (n_kept,), summing to 1.
    mean
        (n_actions,) of the readout.
    noise_sd
        (n_actions,): of one readout around a member's expectation, drift since then included.
    sd
        (n_actions,): of one readout, the members' spread included.
    shift
        (n_members,): drift that each member has seen so far.
    """

    members: Floats
    weights: Floats
    mean: Floats
    noise_sd: Floats
    sd: Floats
    shift: Floats


def next_shots(
    evidence: Evidence, *, allowed: ArrayLike | None = None, time_s: float | None = None
) -> NextShots:
    """Return the value of every action as the next shot.

    While no hypothesis leads, the expected information about which one holds (the mixture
    integral over all members that count); then, on the declared region, how much of the
    surviving deviations a shot is expected to remove, each class weighted by the evidence that it
    still lacks.

    Parameters
    ----------
    evidence
        What the shots say so far.
    allowed
        bool (n_actions,): actions that may be done; all when None.
    time_s
        Time of the next shot, in seconds; one second after the last when None.

    Raises
    ------
    InputError
        When no action is allowed, or `allowed` has another shape.

    Notes
    -----
    Lindley, doi:10.1214/aoms/1177728069, for the first phase.

    Examples
    --------
    >>> from physlearn.causal.severity.design_table import DesignTable
    >>> from physlearn.causal.severity.evidence import declare_test, follow
    >>> x = np.linspace(0, 1, 12)
    >>> slopes = np.random.default_rng(0).normal(size=(500, 1))
    >>> table = DesignTable(("flat", "linear"), (0 * slopes + 0 * x, slopes * x), 0.1, x)
    >>> shots = next_shots(follow(declare_test(table, rng=0)))
    >>> shots.phase, int(shots.values.argmax())
    ('tell apart', 11)
    """
    if time_s is not None:
        strict_number("time_s", time_s)
    test = evidence.test
    mask = _allowed(allowed, test.table.n_actions)
    weights = evidence.weights()
    best = int(weights.argmax())
    leader = best if leads_for_sure(evidence) else None
    phase: Literal["tell apart", "test the leader"]
    if leader is None:
        phase, values = "tell apart", mixture_information(evidence, time_s=time_s)
        reason = "no hypothesis leads: the shot that is expected to tell most about which holds"
    else:
        phase, values = "test the leader", _test_values(evidence, leader, time_s)
        mask = mask & test.region if (mask & test.region).any() else mask
        reason = (
            f"{test.table.hypotheses[leader]!r} leads: the shot that removes most of the declared "
            "deviations that the shots so far could not have seen"
        )
    return NextShots(
        np.where(mask, values, -np.inf), phase, leader, reference_due(evidence), reason
    )


def reference_due(evidence: Evidence) -> bool:
    """Return whether the next shot is to be a reference shot; the first one always is."""
    every = evidence.test.options.reference_every
    if every is None:
        return False
    marks = evidence.history.reference
    if not marks.any():
        return True
    return bool(len(marks) - 1 - int(np.flatnonzero(marks)[-1]) >= every)


def predictions(evidence: Evidence, hypothesis: int, time_s: float | None = None) -> Predictions:
    """Return what one hypothesis expects of the next shot."""
    table, part = evidence.test.table, evidence.parts[hypothesis]
    weights = evidence.member_weights(hypothesis)
    kept = weights > NEGLIGIBLE_WEIGHT * weights.max()
    row, extra = _drift_row(evidence, hypothesis, time_s)
    shift = row @ part.residuals if len(row) else np.zeros(len(weights))
    members = table.members[hypothesis][kept] + shift[kept, None]
    weights = weights[kept] / weights[kept].sum()
    mean = weights @ members
    spread = np.maximum(weights @ (members - mean) ** 2, 0.0)
    noise = np.sqrt((table.noise_sd[hypothesis] * evidence.noise_scale(hypothesis)) ** 2 + extra)
    return Predictions(members, weights, mean, noise, np.sqrt(noise**2 + spread), shift)


def mixture_information(evidence: Evidence, *, time_s: float | None = None) -> Floats:
    """Return what one readout of each action is expected to tell about the hypotheses, in nats.

    The readout's distribution under a hypothesis is the whole mixture over its members, each
    with the noise of one readout; integrals are sums on a grid of a quarter of the noise.

    Examples
    --------
    >>> from physlearn.causal.severity.design_table import DesignTable
    >>> from physlearn.causal.severity.evidence import declare_test, follow
    >>> table = DesignTable(("a", "b"), (np.zeros((1, 9)), np.full((1, 9), 50.0)), 1.0,
    ...                     np.linspace(0, 1, 9))
    >>> bool(abs(mixture_information(follow(declare_test(table, rng=0)))[0] - np.log(2)) < 1e-6)
    True
    """
    expected = [predictions(evidence, k, time_s) for k in range(len(evidence.parts))]
    starts = np.cumsum([0, *(len(e.weights) for e in expected)])
    values = np.empty(evidence.test.table.n_actions)
    mixture_information_kernel(
        np.concatenate([e.members for e in expected]),
        np.concatenate([e.weights for e in expected]),
        starts.astype(np.int64),
        evidence.weights(),
        np.array([e.noise_sd for e in expected]),
        values,
    )
    return values


def most_told(evidence: Evidence, allowed: NDArray[np.bool_]) -> float:
    """Return the most that an allowed act is expected to tell about the hypotheses, in nats.

    Less twice what the draw of the members feigns, so that a law listed twice tells nothing.
    """
    told = mixture_information(evidence)
    if told[allowed].max() >= evidence.test.options.min_information_nats:
        told = told - FEIGNED_FACTOR * _feigned(evidence)
    return float(told[allowed].max())


def _feigned(evidence: Evidence) -> Floats:
    """Return the information that equal hypotheses would seem to hold, (n_actions,).

    Information about which half of its members a readout of one hypothesis comes from is due to
    their draw alone; to first order in 1 / n_members, a hypothesis of weight w adds w (1 - w)
    times that of its own halves.
    """
    total = np.zeros(evidence.test.table.n_actions)
    for k, weight in enumerate(evidence.weights()):
        expected = predictions(evidence, k)
        share, n_kept = float(weight * (1.0 - weight)), len(expected.weights)
        if share < LEAST_SHARE or n_kept < 2:
            continue
        order = np.concatenate([np.arange(0, n_kept, 2), np.arange(1, n_kept, 2)])
        middle = (n_kept + 1) // 2
        weights = expected.weights[order]
        weights[:middle] /= weights[:middle].sum()
        weights[middle:] /= weights[middle:].sum()
        values = np.empty(len(total))
        mixture_information_kernel(
            expected.members[order], weights, np.array([0, middle, n_kept]), np.full(2, 0.5),
            np.stack([expected.noise_sd, expected.noise_sd]), values,
        )  # fmt: skip
        total += share * values
    return total


def _test_values(evidence: Evidence, k: int, time_s: float | None) -> Floats:
    """Return how much of the surviving deviations one shot is expected to remove."""
    test, part = evidence.test, evidence.parts[k]
    expected = predictions(evidence, k, time_s)
    row, _ = _drift_row(evidence, k, time_s)
    goal = float(np.log(test.options.evidence))
    total = np.zeros(test.table.n_actions)
    for c, (declared, log_e) in enumerate(
        zip(test.classes[k], evidence.log_e_values(k), strict=True)
    ):
        squares = (
            part.squares[declared.member]
            - 2 * declared.size * part.products[c]
            + declared.size**2 * part.deviation_squares[c]
        )
        n_top = min(TOP_FUNCTIONS, squares.size)
        top = np.sort(np.argpartition(squares, n_top - 1)[:n_top])
        scale = evidence.noise_scale(k) ** 2
        weights = np.exp(-0.5 * (squares[top] - squares[top].min()) / scale)
        shift = expected.shift[declared.member[top]]
        if len(row):
            shift = shift - declared.size * (row @ part.deviations[c][:, top])
        values = np.empty(test.table.n_actions)
        survival_values(
            test.columns[k], shift, declared.member, declared.shape, top, weights / weights.sum(),
            declared.size * test.table.noise_sd[k], expected.mean, expected.sd**2, values,
        )  # fmt: skip
        total += max(goal - float(log_e), LEAST_DEFICIT) * values
    return total


def _drift_row(evidence: Evidence, k: int, time_s: float | None) -> tuple[Floats, float]:
    """Return how the residuals so far predict the drift of the next shot, and what is left."""
    options, history = evidence.test.options, evidence.history
    if options.drift_sd == 0 or not len(history):
        return np.zeros(0), 0.0
    times = history.time_s - history.time_s[0]
    now = times[-1] + 1.0 if time_s is None else time_s - history.time_s[0]
    moment = np.array([now])
    row = np.linalg.solve(evidence.parts[k].factor, drift_covariance(options, moment, times)[0])
    own = float(drift_covariance(options, moment, moment)[0, 0])
    return row, max(own - float(row @ row), 0.0)


def _allowed(allowed: ArrayLike | None, n: int) -> NDArray[np.bool_]:
    if allowed is None:
        return np.ones(n, dtype=bool)
    mask = np.asarray(allowed)
    if mask.shape != (n,) or mask.dtype != bool:
        raise InputError(f"allowed must be bool ({n},); got {mask.dtype} {mask.shape}.")
    if not mask.any():
        raise InputError("allowed must leave at least one action; got none: the budget is spent.")
    return mask
