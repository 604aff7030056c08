"""The hierarchy in PyMC: its density, and NUTS, against the Gibbs sampler."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import fit_forces, force_model
from physlearn.inference.force_fields.condition_spread import sample_spread
from physlearn.inference.force_fields.force_worlds import CUTOFF, make_force_world


def fit_of(n_conditions):
    world = make_force_world(n_conditions, 3, spread=(0.1, 0.05, 0.01), rng=1)
    return fit_forces(
        world.structures, "morse", energies=world.energies, forces=world.forces,
        conditions=world.conditions, cutoff=CUTOFF, compare=False, rng=1,
    )  # fmt: skip


def test_a_single_condition_has_no_hierarchy():
    with pytest.raises(InputError, match="two conditions"):
        force_model(fit_of(1))


@pytest.mark.slow
def test_nuts_agrees_with_gibbs(oracle):
    import arviz
    import pymc

    fit = fit_of(8)
    kept = fit.idata["constant_data"]
    means, spreads = sample_spread(
        np.asarray(kept["told_precision"]), np.asarray(kept["told_pull"]), 8000,
        np.random.default_rng(2),
    )  # fmt: skip
    gibbs = np.concatenate([means, 0.5 * np.log(np.diagonal(spreads, axis1=1, axis2=2))], axis=1)
    with force_model(fit):
        trace = pymc.sample(
            700, tune=800, chains=2, cores=1, random_seed=3, target_accept=0.95,
            progressbar=False,
        )  # fmt: skip
    for name, columns in (("mean", slice(0, 3)), ("log_spread", slice(3, 6))):
        drawn = trace.posterior[name]
        errors = arviz.mcse(drawn)[name].to_numpy()
        block = gibbs[:, columns].reshape(40, -1, 3).mean(axis=1)
        own = block.std(axis=0, ddof=1) / np.sqrt(40)
        apart = drawn.mean(("chain", "draw")).to_numpy() - gibbs[:, columns].mean(axis=0)
        for k in range(3):
            oracle(f"{name} {k}", z=apart[k] / np.hypot(errors[k], own[k]))
