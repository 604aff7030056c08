"""A Hamiltonian from outside the package: sampled and enumerated as the ready-made ones are."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import (
    Ising,
    LatticeGas,
    PairHamiltonian,
    draw_exact_snapshots,
    energy_of_codes,
    exact_enumeration,
    exact_thermodynamics,
    make_terms,
    sample_statistics,
    simulate_lattice,
    square_lattice,
    state_codes,
    strip_free_energy,
    temper_lattice,
)

GRAPH = square_lattice((3, 3), periodic=False)
CHARGE = np.array([-1.0, 0.0, 1.0])
PAIRS = 0.4 * np.multiply.outer(CHARGE, CHARGE)


class Charges:
    """Charges -1, 0, 1 of which like neighbours repel."""

    state_values = (-1, 0, 1)

    def terms(self, graph):
        return make_terms(graph, self.state_values, 0.3 * CHARGE**2, [PAIRS])

    def energy(self, states, graph):
        codes = state_codes(states, self.state_values, graph.n_sites)
        return energy_of_codes(self.terms(graph), codes)


READY = PairHamiltonian([PAIRS], 0.3 * CHARGE**2, state_values=(-1, 0, 1))


def test_exact_answers_are_a_sum_over_all_states():
    states = np.array(np.meshgrid(*[CHARGE] * 9, indexing="ij")).reshape(9, -1).T
    energy = 0.3 * (states**2).sum(axis=1)
    energy += 0.4 * (states[:, GRAPH.edges[:, 0]] * states[:, GRAPH.edges[:, 1]]).sum(axis=1)
    expected = np.log(np.exp(-energy).sum())
    assert exact_enumeration(Charges(), GRAPH).log_partition == pytest.approx(expected, rel=1e-13)
    found = exact_thermodynamics(Charges(), GRAPH)
    assert found.log_partition == pytest.approx(expected, rel=1e-13)
    weight = np.exp(-energy - expected)
    assert found.energy == pytest.approx(weight @ energy, rel=1e-10)


@pytest.mark.parametrize("method", ["heat_bath", "metropolis", "tempering"])
def test_samples_are_those_of_the_same_tables_ready_made(method):
    pictures = [
        simulate_lattice(model, GRAPH, 20, 5, method=method, rng=3) for model in (Charges(), READY)
    ]
    assert np.array_equal(pictures[0].states, pictures[1].states)
    assert pictures[0].state_values == (-1, 0, 1) and pictures[0].states.std() > 0


def test_sums_over_chains_are_the_exact_means(oracle):
    drawn = sample_statistics(Charges(), GRAPH, 4000, 2, rng=2)
    exact = exact_thermodynamics(Charges(), GRAPH)
    row = drawn.estimates.loc["energy"]
    oracle("own Hamiltonian, energy", z=(row["mean"] - exact.energy) / row["standard_error"])


CALLS = [
    simulate_lattice, sample_statistics, exact_enumeration, exact_thermodynamics,
    draw_exact_snapshots,
    lambda model, graph: temper_lattice(model, graph, [0.5, 1.0]),
    lambda model, graph: strip_free_energy(model, 4),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_what_is_none_is_refused_by_one_sentence_everywhere(call):
    with pytest.raises(InputError, match=r"such as Ising\(\[0\.2\]\) or Potts.*own.*; got float"):
        call(0.2, GRAPH)
    with pytest.raises(InputError, match=r"with its numbers.*got the class Ising itself"):
        call(Ising, GRAPH)


@pytest.mark.parametrize("record", [Ising, LatticeGas])
def test_class_without_its_numbers_is_told_from_a_hamiltonian(record):
    with pytest.raises(InputError, match=f"got the class {record.__name__} itself"):
        simulate_lattice(record, GRAPH)
