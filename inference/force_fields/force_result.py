"""A fit to computed forces as a record: draws in the data's unit, what was found, what is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.force_fields.condition_spread import ShapeDraws
from physlearn.inference.force_fields.energy_terms import EnergyModel
from physlearn.inference.force_fields.energy_unit import theta_in, with_scaled_prior
from physlearn.inference.force_fields.force_checks import ForceChecks, check_sentences
from physlearn.inference.force_fields.force_regression import PooledFit
from physlearn.inference.force_fields.structure_table import Computed, Condition
from physlearn.inference.potential_families.fit_contents import name_draws, write_interaction
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.results import Fit, fit_from_draws

__all__ = ["Fitted", "fit_of_forces"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model, its conditions, and the pooled fit in the data's own unit of energy."""

    model: EnergyModel
    conditions: list[Condition]
    pooled: PooledFit


def fit_of_forces(
    fitted: Fitted,
    family: InteractionFamily,
    data: Computed,
    draws: ShapeDraws,
    checks: ForceChecks,
    target: str,
    beyond: str,
    scale: float,
    seed: int,
    rng: np.random.Generator,
) -> Fit:
    """Wrap draws, in the data's unit, with what the checks found."""
    model = fitted.model
    unit = data.structures[0].unit
    energy = "energy" if unit == "reduced" else "eV"
    shape = draws.average if target == "potential" else draws.new_condition
    offsets = _offset_draws(fitted, len(shape), target, rng)
    theta = theta_in(np.column_stack([shape, offsets]), model.units, model.is_positive, scale)
    with np.errstate(over="ignore"):
        natural = model.natural(theta)
    if not np.isfinite(natural).all():
        raise NotIdentified(
            "conditions differ by more than the family can follow: parameters have no finite "
            "spread; take potential='spline', or target='potential'."
        )
    k = family.n_parameters
    own = with_scaled_prior(family, scale)
    named = name_draws(own, theta[:, :k], unit)
    values, units = dict(named.draws), {n: u.replace("kT", energy) for n, u in named.units.items()}
    for place in range(k, model.n_shape):
        values[model.names[place]] = natural[:, place]
        units[model.names[place]] = model.units[place].replace("kT", energy).replace("length", unit)
    dims, coords = dict(named.dims), dict(named.coords)
    if data.energies is not None:
        values["energy_per_atom"] = natural[:, model.n_shape :]
        units["energy_per_atom"] = energy
        dims["energy_per_atom"], coords["element"] = ["element"], list(data.elements)
    numbers = {**checks.numbers, "target": target, "energy_unit_used": scale,
               "inadequacy_factor": _inadequacy_factor(fitted, draws),
               "conditions": [c.label for c in
                                                                  fitted.conditions]}  # fmt: skip
    flags = check_sentences(checks, beyond, energy, unit, len(fitted.conditions))
    return fit_from_draws(
        values,
        model=f"{' and '.join(part.name for part in family.parts)} pair potential of "
        f"{', '.join(data.elements)} from {len(data.structures)} computed structures"
        + ("" if beyond == "none" else f", with {beyond.replace('_', ' ')} term"),
        likelihood="Gaussian residuals of energies per atom and forces, one size for each",
        approximation="Gauss-Newton mode, jackknife over conditions, exact Gibbs draws of the "
        "spread between conditions",
        seed=seed,
        data=[np.concatenate([one.positions.ravel() for one in data.structures]),
              *([] if data.energies is None else [data.energies]),
              *([] if data.forces is None else [np.concatenate(data.forces)])],
        units=units, dims=dims, coords=coords, prior_sd=named.prior_sd,
        diagnostics=numbers, warnings=flags,
        constants=_kept(fitted, family, draws, scale),
        attrs={**write_interaction(own), "energy_unit": energy, "length_unit": unit,
               "beyond_pairs": beyond, "target": target,
               "elements": json.dumps(list(data.elements))},
    )  # fmt: skip


def _inadequacy_factor(fitted: Fitted, draws: ShapeDraws) -> float:
    """Return by what the variance between conditions must grow to make errors as large as seen."""
    pooled = fitted.pooled
    spread = np.median((draws.new_condition - pooled.theta[: fitted.model.n_shape]) ** 2, axis=0)
    scale = np.sqrt(spread / 0.4549)  # the median of a chi-square of one degree
    correlation = np.corrcoef(draws.new_condition.T).reshape(len(scale), -1)
    covariance = correlation * np.outer(scale, scale)
    rows = sum(
        one.n_structures * (one.energies is not None)
        + (0 if one.forces is None else one.forces.size)
        for one in fitted.conditions
    )
    changed = float(np.trace(pooled.information.sum(axis=0) @ covariance))
    return max(1.0, rows / max(changed, 1e-300))


def _kept(
    fitted: Fitted, family: InteractionFamily, draws: ShapeDraws, scale: float
) -> dict[str, NDArray[Any]]:
    """Return what priors and PyMC models need: theta of new conditions, and each one's word."""
    model, pooled = fitted.model, fitted.pooled
    k = family.n_parameters
    places = slice(0, model.n_shape)
    units, positive = model.units[places], model.is_positive[places]
    return {
        "new_condition": theta_in(draws.new_condition, units, positive, scale)[:, :k],
        "told_precision": pooled.told_precision,
        "told_pull": pooled.told_pull,
    }


def _offset_draws(fitted: Fitted, n_draws: int, target: str, rng: np.random.Generator) -> Float:
    """Draw energies per atom: the best ones, moved by what the conditions' means scatter."""
    model, pooled = fitted.model, fitted.pooled
    center = pooled.theta[model.n_shape :]
    means = np.array([one.energies.mean() for one in pooled.rows if one.energies is not None])
    c = len(means)
    if c < 2:
        size = pooled.sizes[0] / np.sqrt(max(fitted.conditions[0].n_structures, 1))
        return np.asarray(center + size * rng.standard_normal((n_draws, len(center))))
    scatter = float(np.sqrt((means**2).sum() / (c - 1)))
    factor = (1.0 / c if target == "potential" else 1.0 + 1.0 / c) ** 0.5
    moved = rng.standard_t(max(c - 1, 2), (n_draws, 1)) * scatter * factor
    return np.asarray(center + moved)
