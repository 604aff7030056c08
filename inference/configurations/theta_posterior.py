"""What every estimator of a pair potential hands to the front door, and the Fit made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.snapshots import Snapshot
from physlearn.inference.potential_families.fit_contents import (
    add_energies,
    name_draws,
    write_interaction,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.results import Fit, fit_from_draws

__all__ = ["ThetaPosterior", "fit_of_theta"]

Float = NDArray[np.float64]
"""Boltzmann's constant in meV / K (from the exact constants of the SI)."""


@dataclass(frozen=True, eq=False)
class ThetaPosterior:
    """Draws of a family's unconstrained parameters, and how they came about.

    Attributes
    ----------
    draws
        float64, shape (n_draws, p), equally weighted.
    likelihood, approximation
        What was conditioned on, and what stands between the draws and the exact posterior.
    diagnostics, warnings
        As of a ``Fit``.
    log_evidence
        Natural logarithm of the probability of the data, None where it is not known.
    """

    draws: Float
    likelihood: str
    approximation: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    log_evidence: float | None = None


def fit_of_theta(
    posterior: ThetaPosterior,
    family: InteractionFamily,
    snapshots: Sequence[Snapshot],
    *,
    seed: int,
    temperature: tuple[float, float] | None = None,
    three_body_sd: float | None = None,
    diagnostics: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
) -> Fit:
    """Return the Fit of natural parameters, one variable a name, and of what follows from them.

    ``temperature``: mean and standard deviation in kelvin: every energy is then also told in meV.
    ``three_body_sd``: prior of a three-body strength, the last column of the draws.
    """
    pairs = posterior.draws[:, : family.n_parameters]
    named = name_draws(family, pairs, snapshots[0].unit)
    if three_body_sd is not None:
        named.draws["three_body_strength"] = posterior.draws[:, family.n_parameters]
        named.units["three_body_strength"] = "kT"
        named.prior_sd["three_body_strength"] = three_body_sd
    if temperature is not None:
        add_energies(named, temperature, seed)
    if posterior.log_evidence is not None:
        diagnostics = {**(diagnostics or {}), "log_evidence": posterior.log_evidence}
    return fit_from_draws(
        named.draws, model=_said(family, snapshots), likelihood=posterior.likelihood,
        approximation=posterior.approximation, seed=seed,
        data=[snapshot.positions for snapshot in snapshots], prior_sd=named.prior_sd,
        units=named.units, dims=named.dims, coords=named.coords,
        diagnostics={**posterior.diagnostics, **(diagnostics or {})},
        warnings=[*posterior.warnings, *warnings], attrs=write_interaction(family),
    )  # fmt: skip


def _said(family: InteractionFamily, snapshots: Sequence[Snapshot]) -> str:
    names = " + ".join(dict.fromkeys(part.name for part in family.parts))
    n = snapshots[0].n
    return (
        f"{names} pair potential, cutoff {family.cutoff:.4g} {snapshots[0].unit}, "
        f"{len(snapshots)} snapshot(s) of {n} particles in {snapshots[0].dimension} dimensions"
    )
