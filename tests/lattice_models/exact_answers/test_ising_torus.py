"""Kaufman's torus against sums over all states, published level counts, and the infinite limit."""

import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, square_lattice
from physlearn.lattice_models.exact_answers.ising_square import (
    critical_coupling,
    onsager_energy,
    onsager_free_energy,
    onsager_heat_capacity,
)
from physlearn.lattice_models.exact_answers.ising_torus import ising_energy_levels, kaufman_torus

KC = critical_coupling()
SHAPES = [(2, 2), (2, 3), (3, 2), (3, 3), (3, 4), (4, 3), (2, 5), (5, 2), (4, 4), (5, 3)]
PAIRS = [
    (0.3, 0.3), (KC, KC), (0.6, 0.6), (2.0, 2.0), (-0.3, -0.3), (-2.0, -2.0), (0.5, -0.7),
    (-0.2, 0.9), (0.0, 0.0), (0.0, 0.4), (0.4, 0.0), (1.0, 0.01), (-8.0, -8.0), (-40.0, 30.0),
]  # fmt: skip
# Beale 1996 (doi:10.1103/PhysRevLett.76.78) and every textbook since
LEVELS_4 = dict(
    zip(
        (-32, -24, -20, -16, -12, -8, -4, 0),
        (2, 32, 64, 424, 1728, 6688, 13568, 20524),
        strict=True,
    )
)


def all_states(rows, columns, k_x, k_y):
    states = np.array(list(itertools.product([-1, 1], repeat=rows * columns)))
    states = states.reshape(-1, rows, columns)
    energy = -k_x * (states * np.roll(states, -1, 2)).sum((1, 2))
    energy = energy - k_y * (states * np.roll(states, -1, 1)).sum((1, 2))
    weight = np.exp(energy.min() - energy)
    mean = weight @ energy / weight.sum()
    variance = weight @ (energy - mean) ** 2 / weight.sum()
    return np.log(weight.sum()) - energy.min(), mean, variance


@pytest.mark.parametrize("shape", SHAPES)
def test_small_tori_equal_the_sum_over_all_states(shape, oracle):
    worst = 0.0
    for pair in PAIRS:
        torus = kaufman_torus(shape, *pair)
        given = np.array([torus.log_partition, torus.energy, torus.energy_variance])
        wanted = np.array(all_states(*shape, *pair))
        worst = max(worst, np.max(np.abs(given - wanted) / np.maximum(np.abs(wanted), 1.0)))
    oracle(f"Kaufman torus {shape} against all states, 14 couplings", error=worst, bound=1e-12)


def test_bonds_are_those_of_the_graph():
    """On 2 x 2 and 2 x 3 tori the graph's multiplicities are what makes the two agree."""
    for shape in ((2, 2), (2, 3), (3, 3)):
        graph = square_lattice(shape)
        states = np.array(list(itertools.product([-1, 1], repeat=graph.n_sites)))
        log_z = np.log(np.exp(-Ising([0.35]).energy(states, graph)).sum())
        assert kaufman_torus(shape, 0.35).log_partition == pytest.approx(log_z, rel=1e-14)


@pytest.mark.parametrize("coupling", [0.3, 0.6, 3.0, -0.6, 200.0])
def test_large_tori_reach_onsagers_limit(coupling, oracle):
    torus = kaufman_torus((1024, 1024), coupling)
    n = torus.n_sites
    split = np.log(2) * (abs(coupling) > KC) / n  # two ordered phases
    error = float(torus.log_partition / n - split + onsager_free_energy(coupling))
    oracle(f"Kaufman L = 1024, f, K = {coupling}", error=error / abs(coupling), bound=1e-14)
    error = float(torus.energy / n - onsager_energy(coupling))
    oracle(f"Kaufman L = 1024, u, K = {coupling}", error=error / abs(coupling), bound=1e-14)
    error = float(torus.heat_capacity - onsager_heat_capacity(coupling))
    oracle(f"Kaufman L = 1024, c, K = {coupling}", error=error, bound=1e-12)


def test_critical_torus_has_the_universal_finite_size_amplitude(oracle):
    """log Z - N f = log(theta functions): 0.639912 on the square torus (Ferdinand, Fisher 1969).

    doi:10.1103/PhysRev.185.832; corrections fall as 1 / N.
    """
    q = np.exp(-np.pi)
    k = np.arange(1, 12)
    eta = q ** (1 / 12) * np.prod(1 - q ** (2 * k))
    theta = (
        2 * np.sum(q ** ((np.arange(12) + 0.5) ** 2)),
        1 + 2 * np.sum(q ** (k**2.0)),
        1 + 2 * np.sum((-1.0) ** k * q ** (k**2.0)),
    )
    universal = np.log(sum(np.abs(t) for t in theta) / (2 * eta))
    for size in (32, 64):
        torus = kaufman_torus((size, size), KC)
        excess = torus.log_partition + torus.n_sites * float(onsager_free_energy(KC))
        oracle(f"Ferdinand-Fisher L = {size}", error=excess - universal, bound=1.0 / size**2)


def test_frustrated_and_smooth_paths_agree(oracle):
    """Flipping every second column turns K_x around when the number of columns is even."""
    for shape in ((6, 8), (7, 4), (30, 32)):
        one, two = kaufman_torus(shape, -0.5, 0.4), kaufman_torus(shape, 0.5, 0.4)
        assert one.log_partition == pytest.approx(two.log_partition, rel=1e-14)
        assert one.energy_variance == pytest.approx(two.energy_variance, rel=1e-12)
    # a frustrated row (odd and antiferromagnetic) costs a wall: Onsager's tension, L long
    rows, columns = 200, 21
    odd, even = kaufman_torus((rows, columns), -0.8), kaufman_torus((rows, columns), 0.8)
    assert odd.log_partition < even.log_partition
    energies, counts = ising_energy_levels((5, 7))
    for coupling in (-0.4, -3.0, -30.0):
        exponent = -coupling * energies + np.array([float(np.log(count)) for count in counts])
        log_z = np.logaddexp.reduce(exponent)
        error = kaufman_torus((5, 7), coupling).log_partition / log_z - 1
        oracle(f"frustrated 5 x 7, K = {coupling}", error=error, bound=1e-13)


def test_levels_of_small_tori_are_counted_exactly():
    energies, counts = ising_energy_levels((4, 4))
    found = dict(zip(energies.tolist(), counts, strict=True))
    assert found == LEVELS_4 | {-energy: count for energy, count in LEVELS_4.items()}
    for shape in ((2, 3), (3, 4), (3, 3)):
        energies, counts = ising_energy_levels(shape)
        states = np.array(list(itertools.product([-1, 1], repeat=shape[0] * shape[1])))
        graph = square_lattice(shape)
        levels = np.round(Ising([1.0]).energy(states, graph)).astype(int)
        values, times = np.unique(levels, return_counts=True)
        assert energies.tolist() == values.tolist()
        assert list(counts) == times.tolist()


def test_levels_of_an_8_by_8_torus_add_up_and_give_kaufmans_numbers(oracle):
    energies, counts = ising_energy_levels((8, 8))
    assert sum(counts) == 2**64
    assert counts[:4] == (2, 128, 256, 4672)
    for coupling in (0.3, KC, 0.7):
        exponent = -coupling * energies + np.array([float(np.log(count)) for count in counts])
        log_z = np.logaddexp.reduce(exponent)
        share = np.exp(exponent - log_z)
        mean = share @ energies * coupling
        variance = share @ (energies * coupling - mean) ** 2
        torus = kaufman_torus((8, 8), coupling)
        errors = [
            log_z / torus.log_partition - 1,
            mean / torus.energy - 1,
            variance / torus.energy_variance - 1,
        ]
        name = f"8 x 8 levels and Kaufman, K = {coupling:.3f}"
        oracle(name, error=np.max(np.abs(errors)), bound=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaufman_torus((1, 4), 0.1), "shape must be at least 2"),
        (lambda: kaufman_torus((4,), 0.1), "shape must have shape"),
        (lambda: kaufman_torus((4, 4), np.nan), "coupling must hold finite"),
        (lambda: kaufman_torus((4, 4), [0.1]), "coupling must have 0 dimension"),
        (lambda: kaufman_torus((4, 4), 0.1, np.inf), "coupling_y must hold finite"),
        (lambda: ising_energy_levels((11, 12)), "at most 10"),
        (lambda: ising_energy_levels((10, 15)), "144"),
        (lambda: ising_energy_levels((1, 4)), "at least 2"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
