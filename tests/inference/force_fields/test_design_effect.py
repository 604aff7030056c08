"""The scatter of structures stands for their errors without bias, where one of them says most."""

import numpy as np
import pytest

from physlearn.inference import fit_forces
from physlearn.lattice_models import LennardJones, particle_energy, particle_forces
from physlearn.records import AtomicConfiguration

TRUTH = LennardJones(0.4, 1.5, cutoff=3.3, truncation="switch")
GRID = np.stack(np.meshgrid(*[np.arange(4) * 1.7] * 3), axis=-1).reshape(-1, 3)


@pytest.fixture(scope="module")
def fits():
    """Eighty sets of ten structures with independent errors; the nearest pair says most."""
    out = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        boxes = [
            AtomicConfiguration(
                GRID + rng.normal(0, 0.1, GRID.shape), unit="reduced", cell=6.8 * np.eye(3)
            )
            for _ in range(10)
        ]
        out.append(
            fit_forces(
                boxes, "lennard_jones", cutoff=3.3, compare=False, n_draws=400, rng=rng,
                energies=[particle_energy(TRUTH, one) + rng.normal(0, 0.05) for one in boxes],
                forces=[particle_forces(TRUTH, one) + rng.normal(0, 0.1, GRID.shape)
                        for one in boxes],
            )
        )  # fmt: skip
    return out


def test_independent_errors_have_a_design_effect_of_one_on_average(fits):
    effects = np.array([fit.diagnostics["design_effect"][0] for fit in fits])
    # without the leverage of structures it was .79
    assert abs(effects.mean() - 1.0) < 4 * effects.std() / np.sqrt(len(fits))
    assert effects.mean() > 0.85


@pytest.mark.parametrize(("name", "truth"), [("depth", 0.4), ("diameter", 1.5)])
def test_intervals_of_one_condition_hold_the_truth(fits, oracle, name, truth):
    held = sum(np.quantile(f[name], 0.05) < truth < np.quantile(f[name], 0.95) for f in fits)
    oracle(f"one condition {name} cov90", z=(held / 80 - 0.9) / np.sqrt(0.09 / 80))
