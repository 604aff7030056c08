"""What may be said after the shots so far: a claim with its limits, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.severity.drift_margin import DRIFT_MARGIN, with_drift_times
from physlearn.causal.severity.evidence import Evidence
from physlearn.causal.severity.leading import leads_for_sure
from physlearn.causal.severity.next_shots import most_told
from physlearn.causal.severity.order_checks import OrderCheck, drift_check, memory_check
from physlearn.causal.severity.verdict_words import Kind, abstention, sentence, untested_parts
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, check_array
from physlearn.records.storage import html_table, short_repr

__all__ = ["Kind", "Verdict", "assess", "smallest_deviation"]

SPARE_SHOTS = 2
"""Different actions shot beyond the hypothesis' own directions before it may be claimed."""
SIZES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the shots so far allow to say.

    Attributes
    ----------
    kind
        "claim": one hypothesis holds on the region to within the declared deviations; "none":
        none of the hypotheses does; "not separable": no allowed act tells those left apart;
        "abstain": the budget is spent, or the order of the shots matters; "continue".
    hypothesis
        Name of what is claimed, or None.
    weights
        Name -> posterior weight among the hypotheses.
    e_values
        Class of deviations -> evidence of the leading hypothesis against it; "none of these" ->
        evidence against all hypotheses together.
    sentence
        The verdict in words, with what was tested and what was not.
    tested_region
        bool, (n_actions,).
    supported
        bool, (n_actions,): where a local deviation of the declared size is excluded by itself.
    untested
        What the shots could not have seen, in words.
    n_shots
        Shots so far, reference shots included.
    drift, memory
        What reference shots and repeated actions say.
    """

    kind: Kind
    hypothesis: str | None
    weights: Mapping[str, float]
    e_values: Mapping[str, float]
    sentence: str
    tested_region: NDArray[np.bool_]
    supported: NDArray[np.bool_]
    untested: tuple[str, ...]
    n_shots: int
    drift: OrderCheck
    memory: OrderCheck

    __repr__ = short_repr
    _repr_html_ = html_table


def assess(evidence: Evidence, *, allowed: ArrayLike | None = None) -> Verdict:
    """Return what the shots so far allow to say.

    Parameters
    ----------
    evidence
        What the shots say (`follow`).
    allowed
        bool (n_actions,): actions that may still be done; all when None. When none is left, the
        verdict is never "continue".

    Notes
    -----
    A claim needs a weight above the threshold and evidence of at least `evidence` against every
    declared class of deviations. Averaged over a class, truths that lie in it are claimed with
    probability at most 1 / `evidence`, however the shots are chosen and whenever one looks
    (Ville's inequality; Ramdas et al., doi:10.1214/23-STS894). Truths nearer than the declared
    size are claimed, and must be: the claim says so.

    Examples
    --------
    >>> from physlearn.causal.severity.design_table import DesignTable
    >>> from physlearn.causal.severity.evidence import declare_test, follow
    >>> table = DesignTable(("a", "b"), (np.zeros((1, 9)), np.ones((1, 9))), 0.1,
    ...                     np.linspace(0, 1, 9))
    >>> assess(follow(declare_test(table, rng=0))).kind
    'continue'
    """
    if not isinstance(evidence, Evidence):
        raise InputError(f"evidence must be an Evidence; got {type(evidence).__name__}.")
    test = evidence.test
    names = test.table.hypotheses
    mask = np.ones(test.table.n_actions, bool)
    if allowed is not None:
        mask = check_array("allowed", allowed, shape=mask.shape, dtype=bool)
    weights = evidence.weights()
    leader = int(weights.argmax())
    log_e = evidence.log_e_values(leader)
    log_none = evidence.log_none()
    drift, memory = drift_check(evidence), memory_check(evidence)
    kind, why = _decide(evidence, weights, log_e, log_none, mask, (drift, memory))
    e_values: dict[str, float] = {
        c.kind: math.exp(min(float(e), 700.0))
        for c, e in zip(test.classes[leader], log_e, strict=True)
    }
    e_values["none of these"] = math.exp(min(log_none, 700.0))
    untested = untested_parts(evidence, leader, drift, memory)
    if kind == "abstain":
        passing = smallest_deviation(evidence, leader)
        words = abstention(evidence, why, leader, drift, untested, passing)
    else:
        words = sentence(evidence, kind, leader, drift, untested)
    return Verdict(
        kind,
        names[leader] if kind == "claim" else None,
        {name: float(w) for name, w in zip(names, weights, strict=True)},
        e_values,
        words,
        test.region.copy(),
        _supported(evidence, leader) if kind != "continue" else np.zeros(len(mask), bool),
        untested,
        len(evidence.history),
        drift,
        memory,
    )


def smallest_deviation(evidence: Evidence, hypothesis: int) -> float | None:
    """Return the smallest multiple of the declared deviations that a claim could exclude now."""
    goal = math.log(evidence.test.options.evidence)
    own = evidence.log_marginal()[hypothesis]
    against = own - evidence.log_class_marginal(hypothesis, SIZES)
    passing = np.flatnonzero((against >= goal).all(axis=0))
    return SIZES[int(passing[0])] if passing.size else None


def _decide(
    evidence: Evidence,
    weights: Floats,
    log_e: Floats,
    log_none: float,
    allowed: NDArray[np.bool_],
    checks: tuple[OrderCheck, OrderCheck],
) -> tuple[Kind, str]:
    test, history = evidence.test, evidence.history
    options = test.options
    leader = int(weights.argmax())
    own = history.action_index[~history.reference]
    enough = len(own) >= options.min_shots
    leads = leads_for_sure(evidence)
    spent = len(history) >= options.max_shots or not allowed.any()
    passed = leads and bool((log_e >= math.log(options.evidence)).all())
    passed &= len(np.unique(own)) >= test.n_directions[leader] + SPARE_SHOTS
    beaten = enough and log_none >= math.log(options.none_evidence)
    if beaten and options.drift_sd > 0:
        # a drift that is larger than was declared looks like a deviation
        drifting = with_drift_times(evidence, DRIFT_MARGIN)
        beaten = drifting.log_none() >= math.log(options.none_evidence)
    if passed or beaten:
        # where the order of the shots matters, neither follows; allowed drift is no harm
        for check in checks[1:] if options.drift_sd > 0 else checks:
            if check.log_evidence >= math.log(options.none_evidence):
                return "abstain", check.kind
        return ("claim" if passed else "none"), ""
    undecided = enough and not leads and bool(allowed.any())
    if undecided and most_told(evidence, allowed) < options.min_information_nats:
        if float(weights[leader]) > options.threshold:
            return "abstain", "members"
        return "not separable", ""
    return ("abstain", "budget") if spent else ("continue", "")


def _supported(evidence: Evidence, k: int) -> NDArray[np.bool_]:
    """Return where local deviations of the declared size are excluded one by one."""
    test, part = evidence.test, evidence.parts[k]
    goal = evidence.log_marginal()[k] - math.log(test.options.evidence) + part.log_scale
    result = np.zeros(test.table.n_actions, dtype=bool)
    for c, declared in enumerate(test.classes[k]):
        if declared.kind != "local":
            continue
        squares = (
            part.squares[declared.member]
            - 2 * declared.size * part.products[c]
            + declared.size**2 * part.deviation_squares[c]
        )
        logs = -0.5 * squares
        if not math.isinf(test.options.dof):
            total = test.options.dof + evidence.n_counted
            logs = -0.5 * total * np.log1p(np.maximum(squares, 0.0) / test.options.dof)
        likelihood = np.exp(logs - goal)
        there = np.abs(declared.shape) >= 0.5
        count = there.sum(axis=1)
        mean = (there @ likelihood) / np.maximum(count, 1)
        result |= (count > 0) & (mean <= 1.0)
    return result & test.region
