"""Sums site after site against sums over all states and Kaufman; exact pictures by chi-square."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, LatticeGas, square_lattice, triangular_lattice
from physlearn.lattice_models.exact_answers import elimination as module
from physlearn.lattice_models.exact_answers.elimination import (
    draw_exact_snapshots,
    exact_thermodynamics,
)
from physlearn.lattice_models.exact_answers.enumeration import exact_enumeration
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.exact_answers.transfer_matrix import strip_free_energy
from physlearn.lattice_models.graphs.regular_lattices import cubic_lattice, honeycomb_lattice
from physlearn.lattice_models.graphs.site_graphs import remove_sites, site_graph_from_networkx
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import spin_glass
from physlearn.records import SiteGraph

RNG = np.random.default_rng(21)
TORUS = triangular_lattice((3, 4))
THREE = np.add.outer(np.add.outer([0.0, 0.3], [0.0, 0.3]), [0.0, 0.3]) ** 2
OPEN = square_lattice((3, 4), 2, periodic=False)
CASES = {
    "random Ising": (
        Ising([0.4], RNG.normal(size=12), bonds=RNG.normal(size=len(TORUS.edges))),
        TORUS,
    ),
    "triplets": (Ising([0.2, 0.1], 0.1, triplets={(0, 0, 1): 0.3}), OPEN),
    "gas": (LatticeGas([0.7], RNG.normal(size=12), triplets={(0, 0, 0): -0.4}), TORUS),
    "Blume-Capel": (BlumeCapel([0.6], RNG.normal(size=8), 0.2), triangular_lattice((2, 4))),
    "Potts": (Potts(4, [0.8], RNG.normal(size=(6, 4))), square_lattice((2, 3))),
    "clock": (Clock(5, [0.8], 0.1), square_lattice((2, 4), periodic=False)),
    "pairs": (
        PairHamiltonian(
            [[[0, 0.5], [0.5, -0.2]]], state_values=(-2, 7), triplets={(0, 0, 0): THREE}
        ),
        TORUS,
    ),
    "vacancies": (Ising([0.5], 0.2), remove_sites(square_lattice((4, 4)), [0, 5, 6])),
    "cube": (spin_glass(cubic_lattice((2, 2, 3)), 0.4, rng=2), cubic_lattice((2, 2, 3))),
    "honeycomb": (Ising([-0.6], 0.3), honeycomb_lattice((2, 3))),
    "Petersen": (Ising([0.5], 0.1), site_graph_from_networkx(nx.petersen_graph())),
    "two parts": (Ising([0.5], 0.3), SiteGraph(5, [[0, 1], [2, 3]], [0, 0], [1, 2])),
}


def sums(ensemble, states_total):
    mean = ensemble.average(ensemble.energies)
    middle = ensemble.average(states_total)
    return [
        ensemble.log_partition,
        mean,
        ensemble.average((ensemble.energies - mean) ** 2),
        middle,
        ensemble.average((states_total - middle) ** 2),
    ]


def all_fields(exact):
    return [
        exact.log_partition,
        exact.energy,
        exact.energy_variance,
        exact.magnetization,
        exact.magnetization_variance,
    ]


@pytest.mark.parametrize("name", CASES)
def test_everything_equals_the_sum_over_all_states(name, oracle):
    model, graph = CASES[name]
    ensemble = exact_enumeration(model, graph)
    wanted = sums(ensemble, ensemble.states.sum(axis=1, dtype=float))
    given = all_fields(exact_thermodynamics(model, graph))
    error = np.max(np.abs(np.subtract(given, wanted)) / np.maximum(np.abs(wanted), 1))
    oracle(f"elimination, {name}: log Z, energy, M and variances", error=error, bound=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_pictures_follow_the_exact_distribution(name, oracle):
    """All states' histogram; the pictures are independent, so the chi-square is exact."""
    model, graph = CASES[name]
    ensemble = exact_enumeration(model, graph)
    n = 40000
    pictures = draw_exact_snapshots(model, graph, n, rng=5)
    assert pictures.state_values == model.state_values
    counts = np.bincount(ensemble.numbers(pictures.states), minlength=len(ensemble.states))
    expected = n * ensemble.probabilities
    order = np.argsort(expected)
    group = np.minimum(np.cumsum(expected[order]) // 10, n // 10 - 1).astype(int)
    seen, wanted = np.bincount(group, counts[order]), np.bincount(group, expected[order])
    held = wanted > 0
    oracle(f"exact pictures, {name}", p=stats.chisquare(seen[held], wanted[held]).pvalue)


@pytest.mark.parametrize("coupling", [0.3, 0.44, -0.9, 5.0])
def test_tori_have_kaufmans_numbers(coupling, oracle):
    for shape in ((8, 8), (7, 20)):
        kaufman = kaufman_torus(shape, coupling)
        exact = exact_thermodynamics(Ising([coupling]), square_lattice(shape))
        errors = [
            exact.log_partition / kaufman.log_partition - 1,
            exact.energy / kaufman.energy - 1,
            (exact.energy_variance - kaufman.energy_variance) / kaufman.n_sites,
        ]
        error = np.max(np.abs(errors))
        oracle(f"elimination, torus {shape}, K = {coupling}", error=error, bound=1e-12)


def test_long_open_strips_have_the_transfer_matrix_slope(oracle):
    """log Z of 60 rows minus that of 40: twenty rows of the endless strip with edges."""
    for model in (Ising([0.4], 0.1), Potts(3, [0.7])):
        width = 5
        pair = [
            exact_thermodynamics(model, square_lattice((n, width), periodic=False))
            for n in (40, 60)
        ]
        slope = (pair[1].log_partition - pair[0].log_partition) / (20 * width)
        strip = strip_free_energy(model, width, periodic=False)
        oracle("elimination and open strip", error=slope + strip.free_energy, bound=1e-7)


def test_gauge_of_a_spin_glass_changes_nothing(oracle):
    """Turning spins and their bonds around leaves Z and the energy alone (Toulouse)."""
    graph = square_lattice((12, 9), periodic=False)
    glass = spin_glass(graph, 0.9, rng=3)
    turned = np.random.default_rng(4).choice([-1.0, 1.0], graph.n_sites)
    bonds = glass.bonds * turned[graph.edges[:, 0]] * turned[graph.edges[:, 1]]
    one = exact_thermodynamics(glass, graph)
    two = exact_thermodynamics(Ising(glass.couplings, bonds=bonds), graph)
    for field in ("log_partition", "energy", "energy_variance"):
        error = getattr(one, field) / getattr(two, field) - 1
        oracle(f"gauge of a 12 x 9 glass: {field}", error=error, bound=1e-12)


def test_large_pictures_have_the_exact_energy(oracle):
    graph = square_lattice((14, 14), periodic=False)
    model = spin_glass(graph, 0.6, field=0.1, rng=1)
    exact = exact_thermodynamics(model, graph)
    n = 4000
    states = draw_exact_snapshots(model, graph, n, rng=2).states
    energy = model.energy(states, graph)
    z = (energy.mean() - exact.energy) / np.sqrt(exact.energy_variance / n)
    oracle("exact pictures of a 14 x 14 glass: energy", z=z)
    total = states.sum(axis=1, dtype=int)
    z = (total.mean() - exact.magnetization) / np.sqrt(exact.magnetization_variance / n)
    oracle("exact pictures of a 14 x 14 glass: M", z=z)
    spread = np.sqrt(2 / n)  # of a variance, nearly Gaussian energies
    z = (energy.var(ddof=1) / exact.energy_variance - 1) / spread
    oracle("exact pictures of a 14 x 14 glass: variance", z=z)


def test_same_seed_gives_the_same_pictures():
    graph = triangular_lattice((5, 5))
    one, two = (draw_exact_snapshots(Ising([0.2]), graph, 4, rng=7) for _ in range(2))
    assert np.array_equal(one.states, two.states)
    assert one.metadata["seed"] == 7


def test_strong_couplings_do_not_overflow():
    exact = exact_thermodynamics(Ising([500.0]), square_lattice((6, 6)))
    assert exact.log_partition == pytest.approx(500 * 72 + np.log(2), rel=1e-15)
    pictures = draw_exact_snapshots(Ising([500.0]), square_lattice((6, 6)), 200, rng=1).states
    assert np.all(np.abs(pictures.sum(axis=1, dtype=int)) == 36)


def test_order_by_degree_follows_a_ring():
    """A ring in a scrambled order: only the order by degree keeps the tables small."""
    scrambled = nx.relabel_nodes(
        nx.cycle_graph(60), dict(enumerate(np.random.default_rng(1).permutation(60).tolist()))
    )
    ordered = nx.Graph()
    ordered.add_nodes_from(range(60))
    ordered.add_edges_from(scrambled.edges)
    exact = exact_thermodynamics(Ising([0.7]), site_graph_from_networkx(ordered))
    wanted = np.log((2 * np.cosh(0.7)) ** 60 + (2 * np.sinh(0.7)) ** 60)
    assert exact.log_partition == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact_thermodynamics(Ising([0.1]), square_lattice((12, 12))), "must be narrower"),
        (lambda: exact_thermodynamics(Ising([0.1]), square_lattice((200, 200))), "span 22 sites"),
        (lambda: exact_thermodynamics(Clock(100, [0.1]), square_lattice((3, 3))), "span 3 sites"),
        (lambda: exact_thermodynamics(Ising([0.1]), (3, 3)), "graph must be a SiteGraph"),
        (lambda: exact_thermodynamics(0.1, TORUS), "hamiltonian must be a Hamiltonian such as"),
        (lambda: draw_exact_snapshots(Ising([0.1]), TORUS, 0), "n_snapshots must be"),
        (lambda: draw_exact_snapshots(Ising([0.1]), TORUS, 1.0), "n_snapshots must be"),
        (lambda: draw_exact_snapshots(Ising([0.1]), TORUS, rng=-1), "rng must be"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_drawing_says_when_its_tables_would_not_fit(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_MEMORY", 100)
    with pytest.raises(InputError, match="all hold 100 entries"):
        draw_exact_snapshots(Ising([0.1]), TORUS)
