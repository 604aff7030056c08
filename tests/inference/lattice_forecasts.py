"""Fits with known draws, and what is read off their predictions."""

import numpy as np

from physlearn.inference.lattices.fit_contents import constants_of, model_attrs
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.posteriors.priors import make_prior
from physlearn.inference.prediction.thermodynamics import LadderOptions
from physlearn.lattice_models import (
    critical_coupling,
)
from physlearn.records import LatticeSnapshots
from physlearn.results import fit_from_draws

SQUARE = critical_coupling("square")
FEW = LadderOptions(n_draws=16, burn_in_sweeps=200, n_sweeps=400, most_rounds=1)


def fit_of(theta, family, graph, warnings=(), states=None):
    """Return a fit with given draws, of a random picture that only names the crystal."""
    if states is None:
        states = np.random.default_rng(0).choice(family.state_values, size=(1, graph.n_sites))
    picture = LatticeSnapshots(states, graph, state_values=family.state_values)
    data = gather_snapshots(picture, family)
    prior = make_prior(None, data)
    named = {v.name: v for v in family.variables}
    return fit_from_draws(
        family.values(np.asarray(theta)), model="given", likelihood="given", approximation="none",
        seed=1, data=b"", warnings=warnings,
        dims={name: list(v.dims) for name, v in named.items() if v.dims},
        coords={
            dim: list(labels)
            for variable in named.values()
            for dim, labels in zip(variable.dims, variable.coords, strict=True)
        },
        constants=constants_of(data, prior, None, None),
        attrs=model_attrs(
            family, prior, {"label_noise": None, "covariates": None, "margin": None}
        ),
    )  # fmt: skip


def at(prediction, quantity, ratio):
    table = prediction.table
    row = table[(table.quantity == quantity) & np.isclose(table.temperature_ratio, ratio)]
    assert len(row) == 1
    return row.iloc[0]
