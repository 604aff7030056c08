"""The Cramer-Rao bound against sums over all states and closed forms."""

import itertools

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices.lattice_bounds import cramer_rao_bound, family_and_theta
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.lattice_models import (
    BlumeCapel,
    Clock,
    Ising,
    LatticeGas,
    PairHamiltonian,
    Potts,
    square_lattice,
)
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.records import SiteGraph

GRAPH = square_lattice((3, 4), periodic=False)
SMALL = square_lattice((2, 4), n_shells=1, periodic=False)
UNLIKE = np.array([[-0.4, 0.1, 0.3], [0.1, -0.5, 0.4], [0.3, 0.4, -0.7]])


def test_ising_bound_equals_the_sum_over_all_states():
    states = np.array(list(itertools.product([-1, 1], repeat=12)))
    pairs = (states[:, GRAPH.edges[:, 0]] * states[:, GRAPH.edges[:, 1]]).sum(axis=1)
    sums = np.column_stack([states.sum(axis=1), pairs])
    weight = np.exp(sums @ [0.2, 0.3])
    fisher = np.cov(sums.T, aweights=weight, ddof=0)
    exact = np.sqrt(np.diag(np.linalg.inv(fisher)) / 5)
    bound = cramer_rao_bound(Ising([0.3], 0.2), GRAPH, n_snapshots=5, rng=1)
    assert np.allclose([bound.field_sd, *bound.coupling_sds], exact)


@pytest.mark.parametrize(
    "hamiltonian",
    [
        Ising([0.2], 0.1), LatticeGas([0.5], 0.3), BlumeCapel([0.4], 0.2, 0.1),
        Clock(4, [0.5], 0.2),
        Potts(3, [0.5], [0.1, 0.2, -0.3]), PairHamiltonian([UNLIKE], [0.1, 0.0, -0.1]),
    ],
)  # fmt: skip
def test_parameters_give_the_energy_of_the_record(hamiltonian):
    family, theta = family_and_theta(hamiltonian, SMALL)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, family.n_states, (50, SMALL.n_sites))
    energy = hamiltonian.energy(np.array(family.state_values)[codes], SMALL)
    difference = energy + family.statistics(codes, SMALL) @ theta
    assert np.allclose(difference, difference[0])


@pytest.mark.parametrize(
    ("hamiltonian", "shape"), [(Potts(3, [0.4]), (2, 5)), (Ising([0.2], 0.1), (4, 4))]
)
def test_simulated_information_equals_the_summed_one(hamiltonian, shape, monkeypatch, oracle):
    from physlearn.inference.lattices import lattice_bounds

    graph = square_lattice(shape, periodic=False)
    exact = cramer_rao_bound(hamiltonian, graph, rng=1)
    monkeypatch.setattr(lattice_bounds, "MOST_STATES", 0)
    simulated = cramer_rao_bound(hamiltonian, graph, rng=1)
    # 64 x 60 nearly independent records: 1.6 % in a standard deviation, four of them
    oracle("sds", error=np.max(np.abs(simulated.sds / exact.sds - 1)), bound=0.065)


def test_fixed_composition_counts_pictures_of_that_composition():
    family = lattice_family("ising", (-1, 1), 1, fixed_composition=True)
    codes = (np.arange(12) < 5).astype(np.uint8)
    bound = cramer_rao_bound(family, GRAPH, theta=[0.2], codes=codes)
    states = np.array(list(itertools.product([-1, 1], repeat=12)))
    states = states[(states == 1).sum(axis=1) == 5]
    pairs = (states[:, GRAPH.edges[:, 0]] * states[:, GRAPH.edges[:, 1]]).sum(axis=1)
    variance = np.cov(pairs, aweights=np.exp(0.2 * pairs), ddof=0)
    assert bound.sds[0] == pytest.approx(variance**-0.5)
    assert np.isnan(bound.field_sd)


def test_bound_at_the_transition_equals_kaufmans(oracle):
    """At h = 0 field and energy do not correlate, and the energy's variance is exact."""
    size, coupling = 24, 0.4406868
    torus = kaufman_torus((size, size), coupling)
    exact = coupling / torus.energy_variance**0.5
    bound = cramer_rao_bound(Ising([coupling]), square_lattice((size, size)), rng=2)
    oracle("coupling", error=abs(bound.coupling_sds[0] / exact - 1), bound=0.08)


def test_what_has_no_bound_is_refused():
    with pytest.raises(InputError, match="one field"):
        cramer_rao_bound(Ising([0.2], np.linspace(0, 1, 12)), GRAPH)
    with pytest.raises(InputError, match="theta"):
        cramer_rao_bound(lattice_family("ising", (-1, 1), 1), GRAPH)
    with pytest.raises(InputError, match="codes"):
        cramer_rao_bound(
            lattice_family("ising", (-1, 1), 1, fixed_composition=True), GRAPH, theta=[0.1]
        )
    with pytest.raises(InputError, match="zero-sum"):
        cramer_rao_bound(PairHamiltonian([np.diag([1.0, 0.0, 0.0])]), SMALL)
    n = len(GRAPH.edges)
    twice = SiteGraph(12, np.vstack([GRAPH.edges] * 2), np.repeat([0, 1], n), np.ones(2 * n))
    with pytest.raises(NotIdentified, match="told apart"):
        cramer_rao_bound(lattice_family("ising", (-1, 1), 2), twice, theta=[0.0, 0.1, 0.1])
