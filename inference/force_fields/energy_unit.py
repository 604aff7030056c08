"""Data in a unit of energy of their own, so that priors of families fit any material."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.force_fields.structure_table import Computed
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily

__all__ = ["energies_scale", "in_unit", "theta_in", "with_scaled_prior"]

Float = NDArray[np.float64]


def energies_scale(data: Computed, length: float) -> float:
    """Return the rms force times a length, or the scatter of energies per atom without forces.

    Raises
    ------
    InputError
        Where all forces are 0 and all energies per atom are alike.
    """
    if data.forces is not None:
        scale = float(np.sqrt(np.mean(np.concatenate(data.forces) ** 2))) * length
        if scale > 0.0:
            return scale
    if data.energies is not None:
        counts = np.array([one.n for one in data.structures])
        scale = float(np.std(data.energies / counts))
        if scale > 1e-12 * float(np.abs(data.energies).max()):
            return scale
    raise InputError(
        "structures are all at rest with the same energy: nothing in them says how atoms pull at "
        "each other; give structures that are displaced or strained."
    )


def in_unit(data: Computed, scale: float) -> Computed:
    """Return the data with energies and forces divided by a unit of energy."""
    return replace(
        data,
        energies=None if data.energies is None else data.energies / scale,
        forces=None if data.forces is None else [one / scale for one in data.forces],
    )


def theta_in(
    theta: Float, units: tuple[str, ...], is_positive: NDArray[np.bool_], scale: float
) -> Float:
    """Return theta (..., p) with its energies multiplied by a scale."""
    energetic = np.array(["kT" in unit for unit in units])
    moved = theta + np.where(energetic & is_positive, np.log(scale), 0.0)
    return np.where(energetic & ~is_positive, scale * moved, moved)


def with_scaled_prior(family: InteractionFamily, scale: float) -> InteractionFamily:
    """Return families whose prior of energies is multiplied by a scale."""
    return InteractionFamily(tuple(_scaled(part, scale) for part in family.parts), family.n_species)


def _scaled(part: PairFamily, scale: float) -> PairFamily:
    energetic = np.array(["kT" in unit for unit in part.units])
    factor = np.where(energetic & ~part.is_positive, scale, 1.0)
    return replace(
        part,
        prior_mean=theta_in(part.prior_mean, part.units, part.is_positive, scale),
        prior_covariance=part.prior_covariance * np.outer(factor, factor),
    )
