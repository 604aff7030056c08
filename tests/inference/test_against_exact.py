"""Posteriors of lattice fits against exact ones: ten pictures of every family.

The bounds are of the method, not of chance: a posterior mean within .1 of its standard deviation,
and the standard deviation itself within 5 %, for every parameter of every picture.
"""

import numpy as np
import pytest
from exact_cases import CASES

from physlearn.inference.lattice_hamiltonian import fit_lattice_hamiltonian

N_PICTURES = 10
N_DRAWS = 20000
"""Draws add 1 / sqrt(20000) of a standard deviation to the distance."""
CERTAIN = [
    "kaufman", "kaufman at the transition", "ising", "one picture", "two shells", "potts",
    "blume_capel", "vacancies", "triplets", "fixed composition", "lattice gas", "pair table",
]  # fmt: skip


def distances(name, seeds):
    """Return shifts in standard deviations and ratios of them, (n_pictures, n_numbers) each."""
    found = []
    for seed in seeds:
        world = CASES[name](seed)
        fit = fit_lattice_hamiltonian(
            world.snapshots, world.n_shells, rng=seed, n_draws=N_DRAWS, **world.options
        )
        assert fit.attrs["likelihood"].startswith("likelihood"), fit.diagnostics["method_choice"]
        found.append(world.figures(fit))
    return np.array([shift for shift, _ in found]), np.array([ratio for _, ratio in found])


@pytest.mark.parametrize("name", CERTAIN)
def test_posterior_is_the_exact_one(name, oracle):
    shifts, ratios = distances(name, range(N_PICTURES))
    oracle(f"{name}: largest shift / sd", error=np.abs(shifts).max(), bound=0.1)
    oracle(f"{name}: largest sd ratio - 1", error=np.abs(ratios - 1).max(), bound=0.05)
