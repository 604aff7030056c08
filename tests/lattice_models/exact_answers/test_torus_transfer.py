"""Tori by transfer matrices against sums over all states and Kaufman's formula."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, LatticeGas, square_lattice, triangular_lattice
from physlearn.lattice_models.exact_answers import torus_transfer as module
from physlearn.lattice_models.exact_answers.enumeration import exact_enumeration
from physlearn.lattice_models.exact_answers.ising_square import critical_coupling
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.exact_answers.torus_transfer import (
    torus_ensemble,
    torus_magnetization_distribution,
)
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
)

KC = critical_coupling()
CASES = [
    (Ising([0.3], 0.1), (2, 3), "square"),
    (Ising([0.3, 0.1], 0.3), (2, 2), "square"),
    (Ising([0.3, -0.2], 0.1), (3, 4), "square"),
    (Ising([KC, 0.2]), (4, 4), "square"),
    (BlumeCapel([0.4, 0.1], 0.3, 0.2), (4, 3), "square"),
    (Potts(3, [0.4, 0.1], [0.1, 0.2, 0.3]), (3, 3), "square"),
    (Clock(4, [0.4], 0.1), (3, 3), "square"),
    (LatticeGas([-0.4], 0.1), (4, 3), "square"),
    (PairHamiltonian([[[0, 0.3], [0.3, -1]]], state_values=(-3, 5)), (3, 3), "square"),
    (Ising([-0.3], 0.2), (2, 2), "triangular"),
    (Ising([-0.3], 0.2), (2, 3), "triangular"),
    (Ising([0.3], 0.2), (4, 3), "triangular"),
    (Potts(3, [0.4]), (3, 4), "triangular"),
]


@pytest.mark.parametrize(("model", "shape", "lattice"), CASES)
def test_small_tori_equal_the_sum_over_all_states(model, shape, lattice, oracle):
    graph = square_lattice(shape, 2) if lattice == "square" else triangular_lattice(shape)
    exact = exact_enumeration(model, graph)
    total = exact.states.sum(axis=1, dtype=int)
    mean = exact.average(exact.energies)
    wanted = [exact.log_partition, mean, exact.average((exact.energies - mean) ** 2)]
    torus = torus_ensemble(model, shape, lattice)
    given = [torus.log_partition, torus.energy, torus.energy_variance]
    name = f"{type(model).__name__} {shape} {lattice}"
    error = np.max(np.abs(np.subtract(given, wanted)) / np.maximum(np.abs(wanted), 1))
    oracle(f"{name}: log Z, energy, variance", error=error, bound=1e-12)
    sizes = exact.moments(np.abs(total))
    error = np.max(np.abs(exact.moments(total) - torus.magnetization_moments) / sizes)
    oracle(f"{name}: moments of M", error=error, bound=1e-12)
    values, chances = torus_magnetization_distribution(model, shape, lattice)
    again, shares = exact.distribution(total)
    assert np.array_equal(values, again)
    oracle(f"{name}: P(M), relative", error=np.abs(chances / shares - 1).max(), bound=1e-12)


@pytest.mark.parametrize(
    "shape",
    [(8, 8), (6, 31), (64, 7), (9, 10), pytest.param((12, 12), marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("coupling", [0.3, KC, 0.8, -0.6])
def test_ising_tori_have_kaufmans_numbers(shape, coupling, oracle):
    torus, kaufman = torus_ensemble(Ising([coupling]), shape), kaufman_torus(shape, coupling)
    name = f"torus {shape}, K = {coupling:.2f}"
    error = torus.log_partition / kaufman.log_partition - 1
    oracle(f"{name}: log Z", error=error, bound=1e-13)
    oracle(f"{name}: energy", error=torus.energy / kaufman.energy - 1, bound=1e-12)
    error = torus.energy_variance / kaufman.energy_variance - 1
    oracle(f"{name}: variance", error=error, bound=1e-10)
    assert torus.heat_capacity == pytest.approx(kaufman.heat_capacity, rel=1e-10)


@pytest.mark.parametrize("shape", [(8, 8), (9, 5)])
def test_distribution_of_m_has_the_moments(shape, oracle):
    """Positive sums on one side, derivatives along a field on the other."""
    for model in (Ising([KC]), Ising([0.35], 0.02)):
        torus = torus_ensemble(model, shape)
        values, chances = torus_magnetization_distribution(model, shape)
        for power, moment in enumerate(torus.magnetization_moments, 1):
            size = chances @ np.abs(values.astype(float)) ** power
            error = (chances @ values.astype(float) ** power - moment) / size
            oracle(f"moment {power} of M, {shape}, field {model.field}", error=error, bound=1e-12)


def test_binder_ratio_goes_from_zero_to_two_thirds():
    assert torus_ensemble(Ising([0.0]), (8, 8)).binder_ratio == pytest.approx(2 / (3 * 64))
    assert torus_ensemble(Ising([2.0]), (8, 8)).binder_ratio == pytest.approx(2 / 3, rel=1e-6)
    # Kamieniarz, Bloete 1993 (doi:10.1088/0305-4470/26/2/009): 0.610690 as L grows at Kc
    ratios = [torus_ensemble(Ising([KC]), (size, size)).binder_ratio for size in (4, 6, 8)]
    assert np.all(np.diff(ratios) < 0)
    assert ratios[-1] == pytest.approx(0.61069, abs=4e-3)


def test_tails_of_the_distribution_have_full_precision(oracle):
    """All spins up at a strong opposing field: one state, its weight known in closed form."""
    model, shape = Ising([0.3], -2.0), (6, 6)
    values, chances = torus_magnetization_distribution(model, shape)
    log_chance = 0.3 * 72 - 2.0 * 36 - torus_ensemble(model, shape).log_partition
    assert chances[-1] < 1e-50
    oracle(
        "log P(all up) in an opposing field", error=np.log(chances[-1]) - log_chance, bound=1e-12
    )
    assert values[-1] == 36


def test_paths_are_summed_in_blocks(monkeypatch):
    model, shape = Potts(3, [0.5], [0.0, 0.3, 0.1]), (4, 4)
    values, chances = torus_magnetization_distribution(model, shape)
    monkeypatch.setattr(module, "LARGEST_TABLE", 81 * 33 * 2)
    again, shares = torus_magnetization_distribution(model, shape)
    assert np.array_equal(values, again)
    assert np.allclose(shares, chances, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: torus_ensemble(Ising([0.1]), (1, 5)), "at least 2"),
        (lambda: torus_ensemble(Ising([0.1]), (14, 15)), "a side of at most 13 sites of 2 states"),
        (lambda: torus_ensemble(Potts(3, [0.1]), (9, 9)), "a side of at most 8 sites of 3 states"),
        (lambda: torus_ensemble(Ising([0.1]), (4, 4, 4)), "shape must have shape"),
        (lambda: torus_ensemble(Ising([0.1], [0.1, 0.2]), (4, 4)), "same on all sites"),
        (lambda: torus_magnetization_distribution(Ising([0.1]), (12, 12)), "shape must be smaller"),
        (lambda: torus_magnetization_distribution(Ising([0.1]), (9, 9999)), "shape must be"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
