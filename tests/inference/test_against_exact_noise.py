"""Posteriors of fits to imperfect pictures against exact ones: wrong, missing, unknown labels."""

import numpy as np
import pytest
from exact_cases import CASES

from physlearn.inference.lattice_hamiltonian import fit_lattice_hamiltonian

N_DRAWS = 20000


@pytest.mark.parametrize("name", ["label noise", "noise and vacancies", "noisy potts", "unknown"])
def test_posterior_is_the_exact_one(name, oracle):
    shifts, ratios = [], []
    for seed in range(10):
        world = CASES[name](seed)
        fit = fit_lattice_hamiltonian(
            world.snapshots, world.n_shells, rng=seed, n_draws=N_DRAWS, **world.options
        )
        shift, ratio = world.figures(fit)
        shifts.append(shift)
        ratios.append(ratio)
    oracle(f"{name}: largest shift / sd", error=np.abs(shifts).max(), bound=0.1)
    oracle(f"{name}: largest sd ratio - 1", error=np.abs(np.array(ratios) - 1).max(), bound=0.05)
