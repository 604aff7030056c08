"""One set of parameters for all conditions, and what every condition says against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.force_fields.energy_terms import EnergyModel
from physlearn.inference.force_fields.structure_table import Condition

__all__ = ["PooledFit", "Rows", "fit_pooled", "given_values", "leave_each_out"]

Float = NDArray[np.float64]
MOST_STEPS = 40
LARGEST_STEP = 0.5
"""In the logarithm of a parameter: one Gauss-Newton step does not run away."""
SMALL_STEP = 0.05
"""In logarithms: below it one linear step is enough."""
SMALLEST_FREEDOM = 0.05
"""A share; below it one structure says all, and no scatter of structures is seen."""
SMALLEST = 1e-5
"""Of the unit of energy or force: nothing computed is taken as more exact."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Residuals of one condition: energies per atom (s,), centred and not, forces (n d,)."""

    energies: Float | None
    forces: Float | None

    @property
    def centred(self) -> Float | None:
        """Energies without their mean: a constant of the condition is no error of the force."""
        return None if self.energies is None else self.energies - self.energies.mean()


@dataclass(frozen=True, eq=False)
class PooledFit:
    """The best single theta and the linear answer of every condition to it.

    Attributes
    ----------
    theta
        float64, shape (p,), energies per atom at its end.
    sizes
        Standard deviations of energies per atom and forces, all conditions together.
    rows
        Residuals by condition.
    information
        float64, shape (c, k, k): J^T J over the errors, of the k parameters of the terms.
    score
        float64, shape (c, k): J^T residual over the errors.
    design_effect
        float64, shape (c,): variance of the scores of structures over that of independent errors.
    effect_degrees
        Degrees of freedom that all of these together rest on: few where one structure (its nearest
        pair) holds most of what is known.
    prior_precision
        float64, shape (k, k).
    """

    theta: Float
    sizes: Float
    rows: list[Rows]
    information: Float
    score: Float
    design_effect: Float
    effect_degrees: float
    prior_precision: Float

    @property
    def total(self) -> Float:
        """Information of all conditions and the prior, shape (k, k)."""
        return np.asarray(self.information.sum(axis=0) + self.prior_precision)

    @property
    def told_precision(self) -> Float:
        """Precision of what each condition says of its own terms' theta, shape (c, k, k)."""
        return self.information / self.design_effect[:, None, None]

    @property
    def told_pull(self) -> Float:
        """That precision times the theta it says, shape (c, k)."""
        theta = self.theta[: self.score.shape[1]]
        return self.told_precision @ theta + self.score / self.design_effect[:, None]


def given_values(condition: Condition) -> Float:
    """Return energies per atom and forces as one vector; 0 where one was not computed."""
    energies = np.zeros(condition.n_structures)
    forces = np.zeros(condition.n_total * condition.dimension)
    if condition.energies is not None:
        energies = condition.energies
    if condition.forces is not None:
        forces = condition.forces.ravel()
    return np.concatenate([energies, forces])


def rows_of(condition: Condition, left: Float) -> Rows:
    """Split the residual vector of a condition."""
    s = condition.n_structures
    return Rows(
        left[:s] if condition.energies is not None else None,
        left[s:] if condition.forces is not None else None,
    )


def common_sizes(rows: Sequence[Rows], centred: bool) -> Float:
    """Return one standard deviation of energies and one of forces.

    One size for all conditions: a few surfaces at rest, whose forces are small, do not outvote
    the moving structures.
    """
    energies = [one.centred if centred else one.energies for one in rows]
    out = np.ones(2)
    for column, parts in enumerate((energies, [one.forces for one in rows])):
        found = [part for part in parts if part is not None]
        if found:
            every = np.concatenate(found)
            count = max(len(every) - (len(found) if column == 0 and centred else 0), 1)
            out[column] = max(float(np.sqrt(every @ every / count)), SMALLEST)
    return out


def _weighted(
    condition: Condition, left: Float, slopes: Float, sizes: Float, centred: bool
) -> tuple[Float, Float]:
    """Return residuals and slopes over their errors; rows that were not computed are dropped."""
    s = condition.n_structures
    rows_r, rows_j = [], []
    if condition.energies is not None:
        r, j = left[:s], slopes[:s]
        if centred:
            r, j = r - r.mean(), j - j.mean(axis=0)
        rows_r.append(r / sizes[0])
        rows_j.append(j / sizes[0])
    if condition.forces is not None:
        rows_r.append(left[s:] / sizes[1])
        rows_j.append(slopes[s:] / sizes[1])
    return np.concatenate(rows_r), np.concatenate(rows_j)


def fit_pooled(
    model: EnergyModel,
    conditions: Sequence[Condition],
    start: Float,
    tolerance: float = 1e-6,
) -> PooledFit:
    """Fit one theta to all conditions by damped Gauss-Newton steps, errors found on the way.

    With several conditions each has a constant of the energies of its own, so that differences
    within a condition count; the energies per atom are fitted to what is left. ``tolerance``: the
    relative gain of a step at which the search ends.
    """
    centred = len(conditions) > 1
    free = slice(0, model.n_shape if centred else len(start))
    prior = np.linalg.inv(model.prior_covariance[free, free])
    data = [given_values(one) for one in conditions]

    def left_at(theta: Float) -> list[Float]:
        with np.errstate(all="ignore"):
            return [y - model.values(one, theta) for y, one in zip(data, conditions, strict=True)]

    def cost(lefts: list[Float], theta: Float, sizes: Float) -> float:
        away = theta[free] - model.prior_mean[free]
        total = float(away @ prior @ away)
        for one, left in zip(conditions, lefts, strict=True):
            r, _ = _weighted(one, left, np.zeros((len(left), 0)), sizes, centred)
            total += float(r @ r)
        return total

    theta = start.copy()
    lefts = left_at(theta)
    damping, positive = 1e-3, model.is_positive[free]
    for _ in range(MOST_STEPS):
        sizes = common_sizes([rows_of(c, r) for c, r in zip(conditions, lefts, strict=True)],
                             centred)  # fmt: skip
        hessian, gradient = prior.copy(), prior @ (model.prior_mean - theta)[free]
        for one, left in zip(conditions, lefts, strict=True):
            r, j = _weighted(one, left, model.slopes(one, theta)[:, free], sizes, centred)
            hessian += j.T @ j
            gradient += j.T @ r
        before = cost(lefts, theta, sizes)
        after = before
        for _ in range(12):
            change = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
            trial = theta.copy()
            trial[free] += np.where(positive, np.clip(change, -LARGEST_STEP, LARGEST_STEP), change)
            new = left_at(trial)
            value = cost(new, trial, sizes)
            if np.isfinite(value) and value <= before:
                theta, lefts, after = trial, new, value
                damping = max(damping / 10.0, 1e-9)
                break
            damping *= 10.0
        if before - after < 1e-2 + tolerance * before:
            break
    if centred:
        theta = _with_offsets(model, conditions, lefts, theta)
        lefts = left_at(theta)
    return _summed(model, conditions, theta, lefts, centred)


def _with_offsets(
    model: EnergyModel, conditions: Sequence[Condition], lefts: Sequence[Float], theta: Float
) -> Float:
    """Return theta with energies per atom that fit the conditions' means."""
    if conditions[0].energies is None:
        return theta
    shares = np.array([one.composition.mean(axis=0) for one in conditions])
    means = np.array(
        [left[: one.n_structures].mean() for one, left in zip(conditions, lefts, strict=True)]
    )
    out = theta.copy()
    out[model.n_shape :] += np.linalg.lstsq(shares, means, rcond=None)[0]
    return out


def _summed(
    model: EnergyModel,
    conditions: Sequence[Condition],
    theta: Float,
    lefts: Sequence[Float],
    centred: bool,
) -> PooledFit:
    """Return information and score of every condition at the optimum."""
    k = model.n_shape
    rows = [rows_of(one, left) for one, left in zip(conditions, lefts, strict=True)]
    sizes = common_sizes(rows, centred)
    information, score, effects = [], [], []
    for one, left in zip(conditions, lefts, strict=True):
        # a constant of the energies is taken out here also of a single condition
        r, j = _weighted(one, left, model.slopes(one, theta)[:, :k], sizes, True)
        information.append(j.T @ j)
        score.append(j.T @ r)
        effects.append(_score_ratio(one, r, j))
    ratios, weights, fourth = np.array(effects).T
    degrees = float(weights.sum() ** 2 / fourth.sum()) if weights.sum() > 0 else np.inf
    common = float(ratios.sum() / weights.sum()) if weights.sum() > 0 else 1.0
    own = np.where(weights > 0, ratios / np.where(weights > 0, weights, 1.0), common)
    prior = np.asarray(np.linalg.inv(model.prior_covariance[:k, :k]), dtype=np.float64)
    return PooledFit(
        theta, sizes, rows, np.array(information), np.array(score), np.maximum(own, 1e-3), degrees,
        prior,
    )  # fmt: skip


def leave_each_out(model: EnergyModel, conditions: Sequence[Condition], pooled: PooledFit) -> Float:
    """Return the terms' theta without each condition in turn, shape (c, k).

    One Gauss-Newton step from the common fit is exact for linear terms; where the logarithm of a
    parameter moves by more than a little, more steps follow, each checked to lower the cost.
    """
    c, k = pooled.score.shape
    out = np.repeat(pooled.theta[None, :k], c, axis=0)
    if c < 2:
        return out
    positive = model.is_positive[:k]
    for index in range(c):
        change = np.linalg.solve(pooled.total - pooled.information[index], -pooled.score[index])
        if not positive.any() or np.abs(change[positive]).max() < SMALL_STEP:
            out[index] += change
            continue
        rest = [one for place, one in enumerate(conditions) if place != index]
        out[index] = _descend(model, rest, pooled, change)
    return out


def _descend(
    model: EnergyModel, rest: Sequence[Condition], pooled: PooledFit, change: Float
) -> Float:
    """Return the terms' theta that fits the other conditions better, by a few checked steps."""
    k = len(change)
    theta = pooled.theta.copy()
    data = [given_values(one) for one in rest]
    prior, mean = pooled.prior_precision, model.prior_mean[:k]
    empty = [np.zeros((len(y), 0)) for y in data]

    def cost_of(trial: Float) -> float:
        with np.errstate(all="ignore"):
            total = float((trial[:k] - mean) @ prior @ (trial[:k] - mean))
            for one, y, none in zip(rest, data, empty, strict=True):
                left = y - model.values(one, trial)
                r, _ = _weighted(one, left, none, pooled.sizes, True)
                total += float(r @ r)
        return total if np.isfinite(total) else float("inf")

    best = cost_of(theta)
    for step in range(3):
        if step:
            hessian, gradient = prior.copy(), prior @ (mean - theta[:k])
            for one, y in zip(rest, data, strict=True):
                left = y - model.values(one, theta)
                r, j = _weighted(one, left, model.slopes(one, theta)[:, :k], pooled.sizes, True)
                hessian += j.T @ j
                gradient += j.T @ r
            change = np.asarray(np.linalg.solve(hessian, gradient), dtype=np.float64)
            if np.abs(change).max() < SMALL_STEP:
                theta[:k] += change
                break
        for share in (1.0, 0.5, 0.25, 0.1):
            trial = theta.copy()
            trial[:k] += share * np.where(model.is_positive[:k],
                                          np.clip(change, -1.0, 1.0), change)  # fmt: skip
            value = cost_of(trial)
            if value < best:
                theta, best = trial, value
                break
        else:
            break
    return theta[:k]


def _score_ratio(one: Condition, r: Float, j: Float) -> tuple[float, float, float]:
    """Return the structures' squared scores, what unit errors let expect of them, and its spread.

    A structure that holds much of the information draws the fit to itself: its score is smaller
    than its errors by its leverage (Bell and McCaffrey 2002; CR2), which the expectation counts.
    The third number over two is the variance of the first under unit errors.
    """
    nothing = 0.0, 0.0, 0.0
    if one.n_structures < 3:
        return nothing
    owner = np.concatenate(
        ([np.arange(one.n_structures)] if one.energies is not None else [])
        + ([np.repeat(one.owner, one.dimension)] if one.forces is not None else [])
    )
    values, vectors = np.linalg.eigh(j.T @ j)
    kept = values > 1e-8 * max(float(values[-1]), 1e-300)
    turned = j @ (vectors[:, kept] / np.sqrt(values[kept]))
    # what pulls away from the fit to all conditions is no error of this one
    left = r - turned @ (turned.T @ r)
    rank = int(kept.sum())
    scores = np.stack(
        [np.bincount(owner, turned[:, q] * left, one.n_structures) for q in range(rank)], axis=1
    )
    shares = np.empty((one.n_structures, rank, rank))
    for p in range(rank):
        for q in range(p + 1):
            shares[:, p, q] = shares[:, q, p] = np.bincount(
                owner, turned[:, p] * turned[:, q], one.n_structures
            )
    free = shares - shares @ shares
    expected = float(np.trace(free, axis1=1, axis2=2).sum())
    if expected < SMALLEST_FREEDOM * rank:
        return nothing
    return float((scores**2).sum()), expected, float((free**2).sum())
