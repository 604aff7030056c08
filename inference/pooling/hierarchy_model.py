"""The hierarchy of ``pool_couplings`` as a PyMC model, non-centred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physlearn.arviz_import import import_arviz
from physlearn.inference.pooling.hierarchy_posterior import HierarchyData, HierarchyDraws

if TYPE_CHECKING:
    import pymc

__all__ = ["hierarchy_model", "sample_with_nuts"]


def hierarchy_model(data: HierarchyData) -> pymc.Model:
    """Return the PyMC model: base, spread, unit deviations, and the samples' information."""
    import pymc as pm

    n, b, k = data.sizes
    with pm.Model() as model:
        base = pm.Normal("base", data.base_mean, data.base_sd, shape=(b, k))
        spread = pm.HalfNormal("spread", data.spread_sd, shape=k)
        unit = pm.Normal("unit", 0.0, 1.0, shape=(n, k))
        samples = pm.Deterministic("samples", pm.math.dot(data.design, base) + unit * spread)
        pushed = (data.precision * samples[:, None, :]).sum(axis=2)
        pm.Potential("information", (samples * (data.linear - 0.5 * pushed)).sum())
    return model


def sample_with_nuts(data: HierarchyData, n_draws: int, rng: np.random.Generator) -> HierarchyDraws:
    """Return posterior draws by PyMC's NUTS, four chains one after the other."""
    import logging

    import pymc as pm

    arviz = import_arviz()
    chains = 4
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with hierarchy_model(data):
            trace = pm.sample(
                -(-n_draws // chains), tune=1000, chains=chains, cores=1,
                random_seed=int(rng.integers(2**31)),
                progressbar=False, target_accept=0.95, compute_convergence_checks=False,
            )  # fmt: skip
    finally:
        logger.setLevel(level)
    effective = float(arviz.ess(trace, var_names=["spread"])["spread"].min())
    values = [
        trace.posterior[name].to_numpy().reshape(-1, *trace.posterior[name].shape[2:])[:n_draws]
        for name in ("base", "spread", "samples")
    ]
    return HierarchyDraws(values[0], values[1], values[2], effective)
