"""The Fit of overdamped motion: natural parameters, diffusion, energies at a temperature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.motion_data import MotionData
from physlearn.inference.langevin.motion_posterior import MotionPosterior
from physlearn.inference.potential_families.fit_contents import (
    add_energies,
    name_draws,
    write_interaction,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.results import Fit, fit_from_draws

__all__ = ["MotionResult", "fit_of_motion", "resting_motion"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MotionResult:
    """Draws of theta and ln(diffusion), how they came about, and the expansion behind them.

    ``draws``: shape (n, p + 1), or (n, p) where the diffusion was not read.
    """

    draws: Float
    likelihood: str
    approximation: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    posterior: MotionPosterior | None = None


def fit_of_motion(
    result: MotionResult,
    family: InteractionFamily,
    data: MotionData,
    seed: int,
    temperature: tuple[float, float] | None,
) -> Fit:
    """Return the Fit of natural parameters, ``diffusion``, and energies in meV if asked for."""
    n = family.n_parameters
    named = name_draws(family, result.draws[:, :n], data.unit)
    if temperature is not None:
        add_energies(named, temperature, seed)
    if result.draws.shape[1] > n:
        named.draws["diffusion"] = np.exp(result.draws[:, n])
        time = {"s": "s", "reduced": "time"}[data.time_unit]
        named.units["diffusion"] = f"{data.unit}^2/{time}"
    names = " + ".join(dict.fromkeys(part.name for part in family.parts))
    kept = {}
    if result.posterior is not None:
        kept = {f"motion_{key}": value for key, value in result.posterior.__dict__.items()}
    return fit_from_draws(
        named.draws,
        model=(
            f"overdamped motion with a {names} pair potential, cutoff {family.cutoff:.4g} "
            f"{data.unit}, {data.n_frames} frames of {len(data.particle)} particles"
        ),
        likelihood=result.likelihood, approximation=result.approximation, seed=seed,
        data=[np.nan_to_num(data.positions)], prior_sd=named.prior_sd, units=named.units,
        dims=named.dims, coords=named.coords, diagnostics=dict(result.diagnostics),
        warnings=result.warnings, attrs=write_interaction(family), constants=kept or None,
    )  # fmt: skip


def resting_motion(
    data: MotionData, family: InteractionFamily, rng: np.random.Generator
) -> MotionResult:
    """Return what stillness says: the prior for the forces, and a wide bound for the diffusion."""
    theta = rng.multivariate_normal(family.prior_mean, family.prior_covariance, 4000)
    values = np.unique(data.positions[np.isfinite(data.positions)])
    gaps = np.diff(values)
    grain = float(gaps[gaps > 0].min()) if (gaps > 0).any() else float(np.ptp(values) or 1.0)
    # a step below half the grain leaves no trace: variance 2 D dt below grain^2 / 4
    top = np.log(grain**2 / (8.0 * data.interval))
    low = top - 20.0 * rng.random(4000)
    return MotionResult(
        np.column_stack([theta, low]), "no displacement was seen", "prior and a bound",
        {"method": "none"},
        ("Nothing moves in this trajectory: the forces are the prior's, the diffusion only has an "
         "upper bound from the grain of the positions.",),
    )  # fmt: skip
