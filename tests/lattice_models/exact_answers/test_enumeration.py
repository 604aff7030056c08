"""Sums over all states against itertools, closed forms, and the exact level counts of a torus."""

import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, LatticeGas, square_lattice, triangular_lattice
from physlearn.lattice_models.exact_answers.enumeration import exact_enumeration
from physlearn.lattice_models.exact_answers.ising_torus import ising_energy_levels, kaufman_torus
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
)
from physlearn.records import SiteGraph

GRAPH = triangular_lattice((2, 3), 1)
RNG = np.random.default_rng(4)
MODELS = [
    Ising([0.3], RNG.normal(size=6), triplets={(0, 0, 0): 0.2}),
    LatticeGas([0.4], -0.3, triplets={(0, 0, 0): 0.2}),
    BlumeCapel([0.4], 0.3, 0.1),
    Potts(4, [0.5], [0.0, 0.1, 0.2, 0.3]),
    Clock(5, [0.4], 0.3),
    PairHamiltonian([[[0.0, 0.5], [0.5, -0.2]]], RNG.normal(size=(6, 2)), state_values=(3, 7)),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_all_states_are_summed(model, oracle):
    states = np.array(list(itertools.product(model.state_values, repeat=6)))[:, ::-1]
    energy = model.energy(states, GRAPH)
    weight = np.exp(-energy)
    exact = exact_enumeration(model, GRAPH)
    assert np.array_equal(exact.states, states)
    name = f"enumeration, {type(model).__name__}"
    oracle(f"{name}: log Z", error=exact.log_partition - np.log(weight.sum()), bound=1e-12)
    share = weight / weight.sum()
    oracle(f"{name}: p", error=np.abs(exact.probabilities - share).max(), bound=1e-14)
    assert np.allclose(exact.energies, energy, atol=1e-12)
    assert np.allclose(exact.means, share @ states, atol=1e-13)
    assert np.allclose(exact.pair_means, (states.T * share) @ states, atol=1e-12)
    for code, value in enumerate(model.state_values):
        assert np.allclose(exact.site_probabilities[:, code], share @ (states == value))
    total = states.sum(axis=1)
    assert np.allclose(exact.moments(total, 3), [share @ total**k for k in (1, 2, 3)], rtol=1e-12)
    assert exact.average(energy) == pytest.approx(share @ energy)


def test_closed_forms_of_potts_and_clock_chains():
    ring = SiteGraph(6, [[k, (k + 1) % 6] for k in range(6)], np.zeros(6), np.ones(6))
    k, q = 0.7, 4
    potts = (np.exp(k) + q - 1) ** 6 + (q - 1) * (np.exp(k) - 1) ** 6
    assert exact_enumeration(Potts(q, [k]), ring).log_partition == pytest.approx(np.log(potts))
    angle = 2 * np.pi * np.arange(5) / 5
    eigenvalues = [np.sum(np.exp(k * np.cos(angle)) * np.cos(m * angle)) for m in range(5)]
    clock = exact_enumeration(Clock(5, [k]), ring)
    assert clock.log_partition == pytest.approx(np.log(np.sum(np.array(eigenvalues) ** 6)))


def test_energy_distribution_is_that_of_the_level_counts(oracle):
    energies, counts = ising_energy_levels((4, 4))
    exact = exact_enumeration(Ising([0.37]), square_lattice((4, 4)))
    values, shares = exact.energy_distribution()
    assert np.allclose(values, 0.37 * energies)
    torus = kaufman_torus((4, 4), 0.37)
    wanted = np.array(counts) * np.exp(-0.37 * energies - torus.log_partition)
    oracle("4 x 4 levels", error=np.abs(shares - wanted).max(), bound=1e-13)
    sums, chances = exact.distribution(exact.states.sum(axis=1))
    assert np.array_equal(sums, np.arange(-16, 17, 2))
    assert np.allclose(chances, chances[::-1])


def test_numbers_find_states():
    exact = exact_enumeration(BlumeCapel([0.4], 0.3), square_lattice((2, 2)))
    assert np.array_equal(exact.numbers(exact.states), np.arange(81))
    assert exact.numbers([-1, 1, 0, -1]) == 0 + 2 * 3 + 9
    with pytest.raises(InputError, match="only -1, 0, 1"):
        exact.numbers([2, 0, 0, 0])
    with pytest.raises(InputError, match="shape"):
        exact.numbers([0, 0, 0])


def test_strong_couplings_do_not_overflow():
    exact = exact_enumeration(Ising([800.0]), square_lattice((3, 3)))
    assert exact.log_partition == pytest.approx(800 * 18 + np.log(2), rel=1e-15)
    assert exact.probabilities[[0, -1]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("model", "shape", "most"),
    [(Ising([0.1]), (3, 7), 20), (Potts(3, [0.1]), (2, 7), 12), (Clock(100, [0.1]), (2, 2), 3)],
)
def test_too_many_states_are_refused(model, shape, most):
    with pytest.raises(InputError, match=f"at most {most} sites of"):
        exact_enumeration(model, square_lattice(shape))


def test_other_arguments_are_refused():
    with pytest.raises(InputError, match="hamiltonian must be a Hamiltonian such as"):
        exact_enumeration([0.1], square_lattice((2, 2)))
    with pytest.raises(InputError, match="graph must be a SiteGraph"):
        exact_enumeration(Ising([0.1]), (2, 2))


def test_quantities_of_a_wrong_length_are_refused():
    exact = exact_enumeration(Ising([0.1]), square_lattice((2, 2)))
    with pytest.raises(InputError, match=r"values must have shape \(16,\)"):
        exact.average(np.ones(15))
