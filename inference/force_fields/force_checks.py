"""What a potential leaves of computed forces and energies, by condition, and who explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.force_fields.energy_terms import EnergyModel
from physlearn.inference.force_fields.force_regression import (
    PooledFit,
    fit_pooled,
    given_values,
    leave_each_out,
)
from physlearn.inference.force_fields.structure_table import Condition

__all__ = ["ForceChecks", "check_forces", "check_sentences"]

Float = NDArray[np.float64]
AT_REST = 1e-3
"""Forces below this share of the typical are those of structures at rest."""
DECISIVE = 2.0
"""log10 of odds at which pairs alone are rejected."""
MOST_ALIKE = 5
"""Structures of a condition to which the models that are compared are fitted."""
ROUGH = 1e-3
AGREES, CONTRADICTS = 0.5, 0.7
"""Share of forces unexplained and of the energies' scatter left that make them doubt each other."""
UNEXPLAINED = 0.05
"""Share of the force variance from which on the inadequacy is said as a warning."""


@dataclass(frozen=True, eq=False)
class ForceChecks:
    """Plain numbers for the diagnostics of a fit."""

    numbers: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Left:
    """Residuals of a condition that was left out, and the forces given and predicted.

    Forces on atoms with a neighbour nearer than any in the other conditions are not among them:
    what the others can't know is no error of the potential. ``n_beyond`` counts those atoms.
    """

    energies: Float | None
    forces: Float | None
    predicted: Float
    given: Float
    n_beyond: int


def check_forces(
    model: EnergyModel,
    conditions: Sequence[Condition],
    pooled: PooledFit,
    groups: Sequence[str],
    others: Mapping[str, EnergyModel],
    beyond: str,
    scale: float,
    thetas: Float,
) -> ForceChecks:
    """Return shares of force variance left, errors and coverage out of sample, and odds."""
    left_out = _left_out(model, conditions, pooled, thetas)
    table = [
        _row(one, rows.centred, rows.forces, left, scale)
        for one, rows, left in zip(conditions, pooled.rows, left_out, strict=True)
    ]
    numbers: dict[str, Any] = {
        "n_structures": int(sum(one.n_structures for one in conditions)),
        "n_conditions": len(conditions),
        "design_effect": pooled.design_effect.tolist(),
        "by_condition": table,
        "by_group": _by_group(conditions, pooled, groups, scale),
        **_totals(conditions, pooled, left_out, scale),
        **_coverage(conditions, left_out),
    }
    if len(others) > 1:
        numbers["comparisons"] = _compare(others, conditions, beyond)
    return ForceChecks(numbers)


def _left_out(
    model: EnergyModel, conditions: Sequence[Condition], pooled: PooledFit, thetas: Float
) -> list[_Left]:
    """Predict every condition from the others, whose theta is given, shape (c, k)."""
    k = model.n_shape
    out = []
    means = [None if one.energies is None else one.energies.mean() for one in pooled.rows]
    for index, one in enumerate(conditions):
        theta = pooled.theta.copy()
        theta[:k] = thetas[index]
        values = model.values(one, theta)
        left = given_values(one) - values
        s = one.n_structures
        rest = [m for n, m in enumerate(means) if n != index and m is not None]
        energies = None
        if one.energies is not None:
            energies = left[:s] - (float(np.mean(rest)) if rest else left[:s].mean())
        known = _known_atoms(one, [c for n, c in enumerate(conditions) if n != index])
        rows = np.repeat(known, one.dimension)
        given = given_values(one)[s:][rows]
        out.append(
            _Left(
                energies, left[s:][rows] if one.forces is not None else None, values[s:][rows],
                given, int((~known).sum()),
            )
        )  # fmt: skip
    return out


def _known_atoms(one: Condition, others: Sequence[Condition]) -> NDArray[np.bool_]:
    """Return which atoms have no neighbour nearer than the nearest in the other conditions."""
    known = np.ones(one.n_total, dtype=bool)
    least = [float(other.distance.min()) for other in others if len(other.distance)]
    if least:
        known[one.pairs[one.distance < min(least)].ravel()] = False
    return known


def _rms(values: Float | None) -> float:
    return float("nan") if values is None or not len(values) else float(np.sqrt(np.mean(values**2)))


def _row(
    one: Condition, centred: Float | None, forces: Float | None, left: _Left, scale: float
) -> dict[str, Any]:
    given = None if one.forces is None else one.forces.ravel()
    inner = None if left.energies is None else left.energies - left.energies.mean()
    return {
        "condition": one.label, "n_structures": one.n_structures,
        "rms_force": scale * _rms(given), "force_error": scale * _rms(forces),
        "force_error_left_out": scale * _rms(left.forces),
        "energy_error": scale * _rms(centred), "energy_error_left_out": scale * _rms(inner),
        "energy_offset_left_out": float("nan") if left.energies is None
        else scale * float(left.energies.mean()),
    }  # fmt: skip


def _totals(
    conditions: Sequence[Condition], pooled: PooledFit, left_out: Sequence[_Left], scale: float
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if conditions[0].forces is not None:
        given = np.concatenate([one.forces.ravel() for one in conditions if one.forces is not None])
        inside = np.concatenate([one.forces for one in pooled.rows if one.forces is not None])
        outside = np.concatenate([one.forces for one in left_out if one.forces is not None])
        seen = np.concatenate([one.given for one in left_out])
        total = max(float(given @ given), 1e-300)
        out |= {
            "force_error": scale * _rms(inside),
            "force_error_left_out": scale * _rms(outside),
            "share_unexplained": float(inside @ inside) / total,
            "share_unexplained_left_out": float(outside @ outside)
            / max(float(seen @ seen), 1e-300),
            "n_atoms_out_of_support": sum(one.n_beyond for one in left_out),
        }
    if conditions[0].energies is not None:
        inner = [one.centred for one in pooled.rows if one.centred is not None]
        outer = [one.energies for one in left_out if one.energies is not None]
        scatter = [one.energies - one.energies.mean() for one in conditions
                   if one.energies is not None]  # fmt: skip
        out |= {
            "energy_scatter_within": scale * _rms(np.concatenate(scatter)),
            "energy_error_within": scale * _rms(np.concatenate(inner)),
            "energy_error_left_out": scale * _rms(np.concatenate(outer)),
        }
    return out


def _by_group(
    conditions: Sequence[Condition], pooled: PooledFit, groups: Sequence[str], scale: float
) -> dict[str, dict[str, float]]:
    """Return the share of the force variance left and the errors, by the structures' group."""
    sums: dict[str, list[float]] = {}
    for one, rows in zip(conditions, pooled.rows, strict=True):
        if one.forces is None or rows.forces is None:
            continue
        left = (rows.forces.reshape(one.forces.shape) ** 2).sum(axis=1)
        whole = (one.forces**2).sum(axis=1)
        for s in range(one.n_structures):
            inside = one.owner == s
            row = sums.setdefault(groups[int(one.index[s])], [0.0, 0.0, 0.0, 0.0])
            row[0] += float(left[inside].sum())
            row[1] += float(whole[inside].sum())
            row[2] += float(inside.sum()) * one.dimension
            row[3] += 1.0
    return {
        name: {
            "n_structures": row[3], "rms_force": scale * float(np.sqrt(row[1] / row[2])),
            "force_error": scale * float(np.sqrt(row[0] / row[2])),
            "share_unexplained": row[0] / row[1] if row[1] > 0 else float("nan"),
        }
        for name, row in sums.items()
    }  # fmt: skip


def error_law(predicted: Float, error: Float) -> tuple[float, float, float, int]:
    """Return log error = a + b log(rms predicted force), its scatter and degrees of freedom.

    b has a prior of .5 +- .5: conditions with larger forces leave larger errors.
    """
    x, y = np.log(predicted), np.log(error)
    n = len(x)
    if n < 3:
        return float(np.mean(y - 0.5 * x)), 0.5, 0.5, 2
    centred = x - x.mean()
    spread = max(float(np.var(y - y.mean(), ddof=1)), 1e-4)
    b = (centred @ (y - y.mean()) + 0.5 * spread / 0.25) / (centred @ centred + spread / 0.25)
    left = y - y.mean() - b * centred
    return (
        float(y.mean() - b * x.mean()), float(b),
        float(np.sqrt(left @ left / max(n - 2, 1))), max(n - 2, 2),
    )  # fmt: skip


def _coverage(conditions: Sequence[Condition], left_out: Sequence[_Left]) -> dict[str, Any]:
    """Return how often 90 % intervals from the other conditions hold what was left out."""
    out: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    wide, far = rng.standard_normal(20000), rng.standard_normal(20000)
    moving = [
        k for k, one in enumerate(left_out)
        if one.forces is not None and _rms(one.forces) > 0 and _rms(one.predicted) > 0
        and _rms(conditions[k].forces) > AT_REST
    ]  # fmt: skip
    if len(moving) >= 4:
        size = np.array([_rms(left_out[k].predicted) for k in moving])
        error = np.array([_rms(left_out[k].forces) for k in moving])
        held = []
        for n, k in enumerate(moving):
            rest = np.delete(np.arange(len(moving)), n)
            a, b, scatter, degrees = error_law(size[rest], error[rest])
            chi = np.sqrt(np.random.default_rng(1).chisquare(degrees, 20000) / degrees)
            factor = np.quantile(
                np.abs(wide) * np.exp(np.clip(scatter * far / chi, -50.0, 50.0)), 0.9
            )
            half = factor * np.exp(a + b * np.log(size[n]))
            forces = left_out[k].forces
            held.append(float(np.mean(np.abs(forces) < half)) if forces is not None else np.nan)
        out["coverage_90"] = float(np.mean(held))
        out["coverage_90_by_condition"] = dict(
            zip([conditions[k].label for k in moving], held, strict=True)
        )
        law = error_law(size, error)
        out["error_law"] = list(law)
    return out


def _thinned(one: Condition) -> Condition:
    """Return at most a few structures of a condition, evenly chosen."""
    s = one.n_structures
    if s <= MOST_ALIKE:
        return one
    kept = np.unique(np.linspace(0, s - 1, MOST_ALIKE).astype(np.int64))
    atoms = np.isin(one.owner, kept)
    renumber = np.cumsum(atoms) - 1
    pairs = atoms[one.pairs[:, 0]]
    return Condition(
        one.label, one.index[kept], one.dimension, one.n_atoms[kept],
        np.searchsorted(kept, one.owner[atoms]), one.species[atoms], one.composition[kept],
        None if one.energies is None else one.energies[kept],
        None if one.forces is None else one.forces[atoms],
        renumber[one.pairs[pairs]], one.distance[pairs], one.unit[pairs],
    )  # fmt: skip


def _compare(
    models: Mapping[str, EnergyModel], conditions: Sequence[Condition], beyond: str
) -> dict[str, dict[str, Any]]:
    """Return log10 odds of each addition against pairs alone, from conditions left out.

    Every structure counts as one number, which its forces are not: the odds are understated.
    """
    from physlearn.inference.force_fields.fit_forces import start_of

    few = [_thinned(one) for one in conditions]
    squares: dict[str, Float] = {}
    for name, model in models.items():
        pooled = fit_pooled(model, few, start_of(model), ROUGH)
        thetas = leave_each_out(model, few, pooled)
        squares[name] = _scores(conditions, _left_out(model, conditions, pooled, thetas))
    counts = np.array([one.n_structures for one in conditions], dtype=np.float64)
    out: dict[str, dict[str, Any]] = {}
    for name in models:
        if name == "none":
            continue
        gain = 0.5 * counts * np.log(squares["none"] / squares[name])
        gain = gain[np.isfinite(gain)]
        total, c = float(gain.sum()), len(gain)
        error = float(np.sqrt(c) * gain.std(ddof=1)) if c > 1 else float("inf")
        out[name] = {
            "log10_odds": float(total / np.log(10.0)),
            "log10_odds_error": float(error / np.log(10.0)),
            "conditions_won": int((gain > 0).sum()), "n_conditions": c,
            "needed": bool(total / np.log(10.0) > DECISIVE and total > 2.0 * error),
            "is_fitted": name == beyond,
        }  # fmt: skip
    return out


def _scores(conditions: Sequence[Condition], left_out: Sequence[_Left]) -> Float:
    """Return the mean square that each condition leaves; NaN for those at rest."""
    out = np.full(len(conditions), np.nan)
    for k, (one, left) in enumerate(zip(conditions, left_out, strict=True)):
        if left.forces is not None:
            if _rms(one.forces) > AT_REST and len(left.forces):
                out[k] = float(np.mean(left.forces**2))
        elif left.energies is not None and len(left.energies) > 1:
            out[k] = float(np.mean((left.energies - left.energies.mean()) ** 2))
    return out


NAMES = {"embedded": "an embedding energy", "three_body": "a three-body term"}


def check_sentences(
    checks: ForceChecks, beyond: str, energy: str, unit: str, n_conditions: int
) -> list[str]:
    """Return what the summary has to say."""
    numbers, said = checks.numbers, []
    share = numbers.get("share_unexplained_left_out", 0.0)
    if share > UNEXPLAINED:
        worst = max(
            (item for item in numbers["by_group"].items() if item[1]["rms_force"] > 0),
            key=lambda item: item[1]["force_error"],
        )
        said.append(
            f"{100 * share:.0f} % of the variance of forces in conditions left out is not "
            f"explained (error {numbers['force_error_left_out']:.2g} {energy}/{unit}; largest in "
            f"{worst[0]}, {worst[1]['force_error']:.2g})"
        )
    left, scatter = (numbers.get(f"energy_{name}_within", 0.0) for name in ("error", "scatter"))
    if share < AGREES and left > CONTRADICTS * scatter:
        said.append(
            f"the potential of the forces leaves {left:.2g} {energy} an atom of energies that "
            f"scatter by {scatter:.2g} within a condition: energies and forces may not belong "
            "together (order of structures, gradients given as forces)"
        )
    beyond_support = numbers.get("n_atoms_out_of_support", 0)
    if beyond_support:
        said.append(
            f"{beyond_support} atoms have a neighbour nearer than any in the other conditions: "
            "their forces can't be predicted from those and are not counted among the left out"
        )
    for name, row in numbers.get("comparisons", {}).items():
        if beyond == "none" and row["needed"]:
            said.append(
                f"a pair force is not enough: {NAMES[name]} predicts conditions left out better, "
                f"odds 10^{row['log10_odds']:.0f} to 1 ({row['conditions_won']} of "
                f"{row['n_conditions']} conditions; every structure counted once)"
            )
    if n_conditions < 2:
        said.append(
            "one condition only: how much the potential changes between conditions is not seen; "
            "the prior's third stands for it in target='prior', and nothing could be left out"
        )
    return said
