"""A potential from computed structures as the prior of a fit to pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_temperature
from physlearn.inference.force_fields.energy_unit import theta_in
from physlearn.inference.potential_families.fit_contents import interaction_of
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.kinetics.event_rates import BOLTZMANN_EV_PER_KELVIN
from physlearn.results import Fit

__all__ = ["prior_from_forces"]

Float = NDArray[np.float64]


def prior_from_forces(
    fit: Fit, temperature: tuple[float, float], *, widen: bool = True
) -> InteractionFamily:
    """Return the potential's family with what computed forces say of it as prior, in kT.

    The prior is what a condition that was not computed may have: the spread between conditions
    is in it, and with ``widen`` all deviations grow until the forces they change differ by as
    much as the potential leaves of the computed forces. So a poor potential is a weak prior.

    Parameters
    ----------
    fit
        From ``fit_forces`` with pairs alone.
    temperature
        Mean and standard deviation, in kelvin (kT itself for structures in reduced units); its
        deviation moves all energies together.
    widen
        Whether the inadequacy widens the prior.

    Returns
    -------
    InteractionFamily
        Give ``.parts[0]`` (one element) as ``potential`` of ``fit_pair_potential``; lengths are in
        the unit of the structures.

    Raises
    ------
    InputError
        For another kind of fit, one with a term beyond pairs, or a temperature that is not a
        positive (mean, sd) with an sd of at most a third.

    Examples
    --------
    >>> from physlearn.inference.force_fields.force_worlds import make_force_world
    >>> from physlearn.inference.force_fields.fit_forces import fit_forces
    >>> world = make_force_world(n_conditions=4, n_each=3, rng=1)
    >>> fit = fit_forces(world.structures, "morse", energies=world.energies, forces=world.forces,
    ...     conditions=world.conditions, cutoff=6.5, compare=False, rng=1)
    >>> family = prior_from_forces(fit, (400.0, 20.0)).parts[0]
    >>> family.name, bool(2.5 < np.exp(family.prior_mean[0]) < 4.5)  # .12 eV at 400 K: 3.5 kT
    ('morse', True)
    """
    if fit.attrs.get("beyond_pairs") != "none":
        raise InputError(
            "fit must be of fit_forces with beyond_pairs='none'; a prior of pairs alone can't "
            "hold its other term."
        )
    mean, sd = check_temperature(temperature)
    factor = BOLTZMANN_EV_PER_KELVIN if fit.attrs["energy_unit"] == "eV" else 1.0
    family = interaction_of(fit)
    draws = np.asarray(fit.idata["constant_data"]["new_condition"], dtype=np.float64)
    center = np.median(draws, axis=0)
    low, high = np.quantile(draws, [0.16, 0.84], axis=0)
    # the correlations of the draws, with widths that a few far draws don't rule
    covariance = np.corrcoef(draws.T).reshape(len(center), -1) * np.outer(high - low, high - low)
    covariance *= 0.25
    if widen:
        covariance *= max(1.0, float(fit.diagnostics["inadequacy_factor"]))
    units, positive = family.units, family.is_positive
    center = theta_in(center, units, positive, 1.0 / (factor * mean))
    energetic = np.array(["kT" in unit for unit in units])
    turn = np.where(energetic & ~positive, 1.0 / (factor * mean), 1.0)
    covariance = covariance * np.outer(turn, turn)
    # one unknown temperature moves every energy by the same share
    moved = np.where(energetic, np.where(positive, 1.0, center), 0.0) * (sd / mean)
    covariance = covariance + np.outer(moved, moved)
    parts = [
        replace(part, prior_mean=center[at], prior_covariance=covariance[at, at])
        for part, at in zip(family.parts, family.slices(), strict=True)
    ]
    return InteractionFamily(tuple(parts), family.n_species)
