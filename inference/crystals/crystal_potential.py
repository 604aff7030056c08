"""A pair potential from a crystal: the exact likelihood, told beside the crystal's springs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.configurations.simulated_likelihood import fit_by_simulation
from physlearn.inference.configurations.snapshots import Snapshot
from physlearn.inference.configurations.theta_posterior import ThetaPosterior
from physlearn.inference.crystals.crystal_sites import CrystalSites, find_sites
from physlearn.inference.crystals.spring_geometry import spring_geometry
from physlearn.inference.crystals.thermal_crystals import thermal_springs
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["fit_crystal_potential"]

Float = NDArray[np.float64]
N_SHELLS = 2
N_SHOWN = 100
"""Draws whose springs are computed."""


def fit_crystal_potential(
    snapshots: Sequence[Snapshot],
    family: InteractionFamily,
    *,
    inflation: float = 1.0,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None = None,
) -> ThetaPosterior:
    """Return the posterior of a family's theta from a crystal's fluctuations about its sites.

    A harmonic crystal would give its springs only, and a hot one's springs are not those of its
    potential (Lennard-Jones at Lindemann ratio .05: 6 % stiffer than V''). Therefore the
    likelihood is that of ``fit_by_simulation``, without any harmonic step; the springs of the
    potential at the lattice's distances, V'' and V'/r, stand in the diagnostics.

    Raises
    ------
    InputError
        For several species.
    NotIdentified
        Where the atoms are not on one crystal.
    """
    if family.n_species > 1:
        raise InputError(
            "method='fluctuations' takes crystals of one species; take method='likelihood'."
        )
    first = snapshots[0]
    try:
        sites = find_sites(first.positions, None if first.box is None else np.diag(first.box))
    except NotIdentified as error:
        raise NotIdentified(f"method='fluctuations' needs a crystal: {error}") from None
    posterior = fit_by_simulation(
        snapshots, family, inflation=inflation, rng=rng, progress=progress
    )
    return replace(posterior, diagnostics={**posterior.diagnostics, **_springs(posterior, family,
                                                                               sites)})  # fmt: skip


def _springs(
    posterior: ThetaPosterior, family: InteractionFamily, sites: CrystalSites
) -> dict[str, Any]:
    """Springs of the potential at the lattice's distances: mean and standard deviation."""
    geometry = spring_geometry(sites.kind, sites.primitive, N_SHELLS)
    still = np.full((N_SHELLS, 2), 1e-12 * sites.spacing**2)
    step = max(len(posterior.draws) // N_SHOWN, 1)
    values = []
    for theta in posterior.draws[::step]:
        potential: Any = family.potential(theta[: family.n_parameters])
        values.append(thermal_springs(potential, geometry, still))
    springs = np.array(values)
    return {
        "lattice": sites.kind.name, "spacing": sites.spacing,
        "springs_mean": springs.mean(axis=0).tolist(), "springs_sd": springs.std(axis=0).tolist(),
    }  # fmt: skip
