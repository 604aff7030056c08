"""Does the order of the shots matter: drift from reference shots, memory from repeated actions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physlearn.causal.severity.evidence import Evidence
from physlearn.causal.severity.history import History
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["NoiseEstimate", "OrderCheck", "drift_check", "memory_check", "replicate_noise"]

RARE = 0.01
"""Normal noise is said to have long tails so often."""
LEAST_FOR_KURTOSIS = 20
"""Readouts, below which the largest deviation alone is tested: the law of a kurtosis is rough."""
MEMORY_SIZE = 1.0
"""Prior sd of the memory: a previous readout one sd (of all) off moves the next by one noise sd."""


@dataclass(frozen=True, slots=True)
class OrderCheck:
    """What shots at the same action, taken at different moments, say about their order.

    Attributes
    ----------
    kind
        "drift" or "memory".
    n_contrasts
        Readouts beyond the first at their action: what the check rests on. 0: not tested.
    estimate, sd
        Drift over the whole run, or shift by a previous readout one standard deviation of all
        readouts higher, in noise sd; NaN when not tested.
    log_evidence
        Log evidence for an effect of the order against none.
    bound
        Largest size, in noise sd, that the 90 % interval holds; NaN when not tested.
    """

    kind: str
    n_contrasts: int
    estimate: float
    sd: float
    log_evidence: float
    bound: float

    @property
    def tested(self) -> bool:
        """Whether there was anything to test it with."""
        return self.n_contrasts > 0


@dataclass(frozen=True, slots=True)
class NoiseEstimate:
    """Noise of one readout from replicates: `sd`, and the degrees of freedom it rests on.

    `warnings` says where the readouts scatter as no normal noise does.
    """

    sd: float
    dof: float
    warnings: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table


def replicate_noise(
    action_index: ArrayLike, readout: ArrayLike, relative_sd: ArrayLike | None = None
) -> NoiseEstimate:
    """Return the noise of one readout from readouts repeated at the same actions.

    Parameters
    ----------
    action_index
        int, (n_shots,): which action each readout belongs to.
    readout
        (n_shots,).
    relative_sd
        (n_shots,): noise of each readout relative to the others; 1 when None. The estimate
        multiplies it.

    Returns
    -------
    NoiseEstimate
        `sd`, `dof`, and a warning where deviations have longer tails than normal noise
        (kurtosis, or the largest of them where there are fewer than 20).

    Raises
    ------
    InputError
        When no action was repeated, or the readouts of all repeats are equal.

    Examples
    --------
    >>> estimate = replicate_noise([0, 0, 1, 1, 1], [1.0, 1.2, 3.0, 3.1, 2.9])
    >>> round(estimate.sd, 3), estimate.dof
    (0.115, 3.0)
    """
    history = History(action_index, readout)
    if relative_sd is None:
        relative = np.ones(len(history))
    else:
        relative = np.asarray(relative_sd, dtype=np.float64)
    if relative.shape != history.readout.shape or not (relative > 0).all():
        raise InputError(f"relative_sd must be above 0, one a readout; got {relative.tolist()}.")
    squares, dof, scaled = 0.0, 0, []
    for action in np.unique(history.action_index):
        own = history.action_index == action
        values, weights = history.readout[own], relative[own] ** -2
        away = values - np.average(values, weights=weights)
        squares += float(weights @ away**2)
        dof += int(own.sum()) - 1
        # the mean of few readouts follows each of them: their deviations are narrower by this
        free = 1.0 - weights / weights.sum()
        scaled.append((away * np.sqrt(weights / np.where(free > 0, free, np.inf)))[free > 0])
    if dof == 0 or squares == 0:
        raise InputError(
            "readout must hold at least two different readouts of one action; got "
            f"{dof} repeats. Repeat an action, ten times say."
        )
    sd = math.sqrt(squares / dof)
    tail = _tail(np.concatenate(scaled) / sd, dof)
    texts: tuple[str, ...] = ()
    if tail < RARE:
        texts = (
            f"repeated readouts scatter with longer tails than normal noise (p = {tail:.2g}): "
            "single readouts are off, or their noise changes from shot to shot; sd leans on the "
            "few largest deviations, and a normal law with it misjudges both common and rare ones.",
        )
    return NoiseEstimate(sd, float(dof), texts)


def _tail(deviations: Floats, dof: int) -> float:
    """Return p of deviations in units of their common sd under normal noise, against long tails."""
    if dof < 3:
        return 1.0
    if len(deviations) >= LEAST_FOR_KURTOSIS:
        return float(stats.kurtosistest(deviations, alternative="greater").pvalue)
    # a deviation over the scatter of all others has Student's law; Bonferroni over all
    largest = min(float((deviations**2).max()), dof * (1 - 1e-12))
    student = math.sqrt(largest * (dof - 1) / (dof - largest))
    return min(1.0, 2.0 * len(deviations) * float(stats.t.sf(student, dof - 1)))


def drift_check(evidence: Evidence) -> OrderCheck:
    """Return what the reference shots say about a steady drift over the run.

    The reference readouts are a level and a slope in time; the evidence compares a slope whose
    prior is normal, `drift_deviation` noise sd over the run wide, with none.
    """
    history, options = evidence.history, evidence.test.options
    marks = history.reference
    if marks.sum() < 2 or np.ptp(history.time_s[marks]) == 0:
        return OrderCheck("drift", 0, math.nan, math.nan, 0.0, math.nan)
    action = int(history.action_index[marks][0])
    noise = float(evidence.test.table.noise_sd[:, action].mean())
    span = max(float(np.ptp(history.time_s)), 1e-300)
    return _contrast(
        "drift", np.zeros(int(marks.sum()), dtype=np.int64), history.readout[marks] / noise,
        history.time_s[marks] / span, options.drift_deviation, options.dof,
    )  # fmt: skip


def memory_check(evidence: Evidence) -> OrderCheck:
    """Return what repeated actions say about a memory of the shot before.

    Readouts of the same action after different predecessors: a level for each action, a steady
    drift, and a shift in proportion to the previous readout. Reference shots count as an action
    of their own.
    """
    history = evidence.history
    if len(history) < 3:
        return OrderCheck("memory", 0, math.nan, math.nan, 0.0, math.nan)
    index = history.action_index
    group = np.where(history.reference, -1, index)[1:]
    noise = evidence.test.table.noise_sd[:, index].mean(axis=0)
    before = history.readout[:-1] - history.readout.mean()
    before = before / max(float(history.readout.std()), 1e-300)
    return _contrast(
        "memory", group, history.readout[1:] / noise[1:], before, MEMORY_SIZE,
        evidence.test.options.dof, history.time_s[1:],
    )  # fmt: skip


def _contrast(
    kind: str,
    group: NDArray[np.int64],
    values: Floats,
    covariate: Floats,
    prior: float,
    dof: float,
    taken_out: Floats | None = None,
) -> OrderCheck:
    """Return the slope within groups, each with a level of its own, and its evidence."""
    y, contrasts = _centred(values, group)
    x, _ = _centred(covariate, group)
    if taken_out is not None and contrasts > 0:
        line, _ = _centred(taken_out, group)
        length = float(line @ line)
        if length > 0:
            y, x = y - line * (line @ y) / length, x - line * (line @ x) / length
            contrasts -= 1
    information = float(x @ x)
    if contrasts == 0 or information < 1e-12:
        return OrderCheck(kind, 0, math.nan, math.nan, 0.0, math.nan)
    slope, rest = float(x @ y) / information, float(y @ y)
    gain = float(x @ y) ** 2 * prior**2 / (1 + prior**2 * information)
    shrink = -0.5 * math.log1p(prior**2 * information)
    if math.isinf(dof):
        log_evidence, scale = shrink + 0.5 * gain, 1.0
        reach = float(stats.norm.ppf(0.5 + CREDIBLE_MASS / 2))
    else:
        total = dof + contrasts
        log_evidence = shrink - 0.5 * total * math.log((dof + rest - gain) / (dof + rest))
        scale = math.sqrt((dof + rest - slope**2 * information) / (total - 1))
        reach = float(stats.t.ppf(0.5 + CREDIBLE_MASS / 2, total - 1))
    sd = scale / math.sqrt(information)
    return OrderCheck(kind, contrasts, slope, sd, log_evidence, abs(slope) + reach * sd)


def _centred(values: Floats, group: NDArray[np.int64]) -> tuple[Floats, int]:
    """Return values less their group's mean, and how many readouts that leaves."""
    result = values.astype(np.float64)
    labels = np.unique(group)
    for label in labels:
        own = group == label
        result[own] -= result[own].mean()
    return result, len(group) - len(labels)
