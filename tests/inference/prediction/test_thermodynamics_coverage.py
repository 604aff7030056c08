"""Intervals of predicted quantities hold the truth as often as they say, over a prior."""

import numpy as np
import pytest
from scipy import stats

from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.prediction.thermodynamics import LadderOptions, predict_thermodynamics
from physlearn.lattice_models import Ising, exact_enumeration, simulate_lattice, square_lattice

MEAN, SD = np.array([0.0, 0.3]), np.array([0.05, 0.06])
PRIOR = {"field": (0.0, 0.05), "couplings": (0.3, 0.06)}
RATIOS = (0.75, 1.4)
QUICK = LadderOptions(n_draws=100, burn_in_sweeps=80, n_sweeps=240, most_rounds=1)


def exact_answers(field, coupling, ratio):
    """Return energy in kT of the picture, |m| and heat capacity of a 4 x 4 torus, per site."""
    exact = exact_enumeration(Ising([coupling / ratio], field / ratio), square_lattice((4, 4)))
    energy = exact.average(exact.energies)
    return {
        "energy": energy * ratio / 16,
        "magnetization": exact.average(np.abs(exact.states.mean(axis=1, dtype=float))),
        "heat_capacity": (exact.average(exact.energies**2) - energy**2) / 16,
    }


def hits(n_pictures, seed):
    """Return whether 90 % intervals held the truth, shape (pictures, ratios, quantities)."""
    rng = np.random.default_rng(seed)
    out = []
    for index in range(n_pictures):
        field, coupling = MEAN + SD * rng.standard_normal(2)
        picture = simulate_lattice(
            Ising([coupling], field), square_lattice((24, 24)), burn_in=400,
            rng=int(rng.integers(2**31)),
        )  # fmt: skip
        fit = fit_lattice_hamiltonian(
            picture, 1, prior=PRIOR, method="likelihood", n_draws=1000, rng=index
        )
        table = predict_thermodynamics(
            fit, RATIOS, shape=(4, 4), transition=False, options=QUICK, rng=index
        ).table
        row = []
        for ratio in RATIOS:
            for name, value in exact_answers(field, coupling, ratio).items():
                found = table[
                    (table.quantity == name) & np.isclose(table.temperature_ratio, ratio)
                ].iloc[0]
                row.append(found.q05 < value < found.q95)
        out.append(row)
    return np.array(out).reshape(n_pictures, len(RATIOS), 3)


def check(oracle, found):
    n = len(found)
    for index, ratio in enumerate(RATIOS):
        for column, name in enumerate(("energy", "magnetization", "heat_capacity")):
            count = int(found[:, index, column].sum())
            p = stats.binomtest(count, n, 0.9).pvalue
            oracle(f"90 % intervals of {name} at ratio {ratio}: {n} pictures", p=p)


def test_intervals_hold_the_truth_over_forty_pictures(oracle):
    check(oracle, hits(40, 1))


@pytest.mark.slow
def test_intervals_hold_the_truth_over_many_pictures(oracle):
    found = hits(200, 2)
    check(oracle, found)
    share = found.mean(axis=0)
    # 200 pictures: a binomial standard error of .021
    assert share.min() > 0.83
    assert share.max() < 0.96
