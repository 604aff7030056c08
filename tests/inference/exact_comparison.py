"""Fits of the pictures of ``exact_cases`` beside their exact posteriors."""

import numpy as np
from exact_cases import CASES

from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian

FEW, REST = range(4), range(4, 10)
"""Pictures of every run, and those that the slow studies add: three fifths of the time."""
N_DRAWS = 20000
"""Draws add 1 / sqrt(20000) of a standard deviation to the distance."""
LARGEST_SHIFT, LARGEST_RATIO = 0.1, 0.05


def compare(name, oracle, seeds=FEW):
    """Compare mean and standard deviation of every parameter of some pictures.

    The bounds are of the method, not of chance: a posterior mean within .1 of its standard
    deviation, and the standard deviation itself within 5 %.
    """
    shifts, ratios = [], []
    for seed in seeds:
        world = CASES[name](seed)
        fit = fit_lattice_hamiltonian(
            world.snapshots, world.n_shells, rng=seed, n_draws=N_DRAWS, **world.options
        )
        assert fit.attrs["likelihood"].startswith("likelihood"), fit.diagnostics["method_choice"]
        shift, ratio = world.figures(fit)
        shifts.append(shift)
        ratios.append(ratio)
    worst = [int(np.abs(values).max(axis=1).argmax()) for values in (shifts, np.array(ratios) - 1)]
    oracle(
        f"{name}: shift / sd (seed {seeds[worst[0]]})",
        error=np.abs(shifts).max(),
        bound=LARGEST_SHIFT,
    )
    oracle(
        f"{name}: sd ratio - 1 (seed {seeds[worst[1]]})", error=np.abs(np.array(ratios) - 1).max(),
        bound=LARGEST_RATIO,
    )  # fmt: skip
