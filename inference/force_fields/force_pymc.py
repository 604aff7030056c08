"""The spread between conditions as a PyMC model: for other priors, or more around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError
from physlearn.inference.force_fields.condition_spread import DEGREES, SPREAD_SCALE
from physlearn.results import Fit

if TYPE_CHECKING:
    import pymc

__all__ = ["force_model"]


def force_model(fit: Fit) -> pymc.Model:
    """Return the hierarchy of a fit to computed forces as a PyMC model.

    theta_c = mean + root(spread) z_c, z_c ~ N(0, 1), and every condition's data say
    -1/2 theta_c P_c theta_c + h_c theta_c. The spread has the half-t prior of Huang and Wand
    (2013), doi:10.1214/13-BA815. Variables, in the data's own unit of energy (diagnostics
    ``energy_unit_used``) and logarithms of positive parameters: ``mean`` (k,), ``log_spread``
    (k,), ``correlation`` (k, k). In ``mean`` every condition counts alike; the fit's potential
    counts them by their forces, and differs where no one potential serves all.

    Parameters
    ----------
    fit
        From ``fit_forces`` with two conditions or more.

    Raises
    ------
    InputError
        For another kind of fit, or a single condition.

    Examples
    --------
    >>> from physlearn.inference.force_fields.force_worlds import make_force_world
    >>> from physlearn.inference.force_fields.fit_forces import fit_forces
    >>> world = make_force_world(n_conditions=3, n_each=3, rng=1)
    >>> fit = fit_forces(world.structures, "morse", energies=world.energies, forces=world.forces,
    ...     conditions=world.conditions, cutoff=6.5, compare=False, rng=1)
    >>> [variable.name for variable in force_model(fit).free_RVs]
    ['mean', 'log_spread', 'correlation', 'own']
    """
    import pymc as pm
    import pytensor.tensor

    pt: Any = pytensor.tensor  # untyped

    kept: Any = fit.idata["constant_data"] if "constant_data" in fit.idata.groups() else {}
    if "told_precision" not in kept or len(kept["told_pull"]) < 2:
        raise InputError("fit must be of fit_forces with two conditions or more.")
    precision = np.asarray(kept["told_precision"], dtype=np.float64)
    pull = np.asarray(kept["told_pull"], dtype=np.float64)
    c, k = pull.shape
    center = np.linalg.solve(precision.sum(axis=0), pull.sum(axis=0))
    offset = np.linalg.cholesky(np.linalg.inv(precision.sum(axis=0)) * c)
    with pm.Model() as model:
        # flat: wide against what the conditions say, scaled so that the sampler moves well
        mean = pm.Flat("mean", shape=k, initval=center)
        log_spread = pm.Flat(
            "log_spread", shape=k, initval=0.5 * np.log(np.diag(offset @ offset.T))
        )
        correlation = pm.LKJCorr("correlation", n=k, eta=1.0, return_matrix=True)
        root = pt.exp(log_spread)[:, None] * pt.linalg.cholesky(correlation)
        inverse = pt.linalg.inv(root @ root.T)
        log_determinant = 2.0 * pt.sum(pt.log(pt.diag(root)))
        tails = pt.sum(pt.log(DEGREES * pt.diag(inverse) + 1.0 / SPREAD_SCALE**2))
        # the density of the matrix, times its volume in logarithms of spreads and correlations
        pm.Potential(
            "spread_prior",
            -0.5 * (DEGREES + 2.0 * k) * log_determinant
            - 0.5 * (DEGREES + k) * tails
            + (k + 1.0) * pt.sum(log_spread),
        )
        own = pm.Normal("own", 0.0, 1.0, shape=(c, k))
        theta = mean + own @ root.T
        pressed = (precision * theta[:, :, None] * theta[:, None, :]).sum()
        pm.Potential("conditions", pt.sum(pull * theta) - 0.5 * pressed)
    return model
