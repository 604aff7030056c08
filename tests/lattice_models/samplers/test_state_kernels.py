"""Kernels of sites with q states: energies kept, plain Python form, pieces, reversibility."""

import itertools

import numpy as np
import pytest

from physlearn.lattice_models import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.samplers import state_kernels as kernels
from physlearn.lattice_models.samplers.state_engines import (
    StateEngine,
    bond_overlap,
    state_energies,
    state_tables,
)

METHODS = ("heat_bath", "metropolis", "kawasaki", "kawasaki_local")
PATCH = triangular_lattice((3, 3), n_shells=2, periodic=False)
TORUS = square_lattice((2, 3), 1)
CORNERS = np.fromfunction(lambda a, b, c: 0.2 * (a + b + c == 3) - 0.1 * (a * b * c), (3, 3, 3))
TABLES = np.array([[[0.0, 0.5, -0.2], [0.5, 0.3, 0.1], [-0.2, 0.1, -0.4]], 0.1 * np.eye(3)])
MODELS = {
    "triplets": PairHamiltonian(TABLES, [0.1, 0.0, -0.2], triplets={(0, 0, 0): CORNERS}),
    "random bonds": Potts(
        3, [0.5, -0.2], bonds=np.random.default_rng(2).normal(size=len(PATCH.edges))
    ),
    "Blume-Capel": BlumeCapel([0.4, 0.1], 0.3, np.linspace(-0.2, 0.2, 9)),
    "clock": Clock(5, [0.6, 0.1], 0.2),
    "pairs joined by two bonds": Potts(3, [0.5, -0.2, 0.3], [0.2, 0.0, -0.1]),
}
# on a ring of three, two steps are one step the other way
GRAPHS = dict.fromkeys(MODELS, PATCH) | {
    "pairs joined by two bonds": square_lattice((3, 3), n_shells=3)
}


def engine(method, model, graph=PATCH, seed=3, counting=True):
    rng = np.random.default_rng(seed)
    start = rng.permutation(np.resize(model.state_values, graph.n_sites))
    return StateEngine(model, graph, start, rng, method, counting)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_every_accepted_move_is_charged_its_energy_difference(method, name, oracle):
    model, graph, worst = MODELS[name], GRAPHS[name], 0.0
    chain = engine(method, model, graph)
    values, overlap = np.array(model.state_values), bond_overlap(model)
    site_energy = model.terms(graph).site_energy
    for _ in range(100):
        chain.sweep(1)
        states = chain.states()
        totals = dict(zip(chain.total_names, chain.totals(), strict=True))
        worst = max(worst, abs(totals["energy"] - model.energy(states, graph)))
        around = state_energies(chain._tables, site_energy, chain._codes)
        worst = max(worst, np.abs(around - chain._around).max())
        codes = np.searchsorted(values, states)
        left, right = codes[graph.edges].T
        for shell in range(graph.n_shells):
            like = (graph.multiplicity * overlap[left, right])[graph.shell == shell].sum()
            assert totals[f"shell_{shell}"] == pytest.approx(like, abs=1e-10)
        assert totals["magnetization"] == states.sum()
        assert [totals[f"count_{v}"] for v in values] == [np.sum(states == v) for v in values]
    oracle(f"{method}, {name}: energies kept over 100 sweeps", error=worst, bound=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_energies_around_a_site_are_differences_of_the_whole_energy(name, oracle):
    model, graph = MODELS[name], GRAPHS[name]
    values = np.array(model.state_values)
    terms = model.terms(graph)
    tables = state_tables(terms, graph, bond_overlap(model))
    codes = np.random.default_rng(5).integers(len(values), size=9).astype(np.int8)
    around, worst = state_energies(tables, terms.site_energy, codes), 0.0
    for site in range(9):
        energies = []
        for value in values:
            states = values[codes]
            states[site] = value
            energies.append(model.energy(states, graph).item())
        differences = np.subtract.outer(energies, energies)
        kept = np.subtract.outer(around[site], around[site])
        worst = max(worst, np.abs(differences - kept).max())
    oracle(f"{name}: energies around a site", error=worst, bound=1e-13)


@pytest.mark.parametrize("rule", ["heat_bath", "metropolis"])
def test_single_sites_are_reversible_and_a_sweep_keeps_the_distribution(rule, oracle):
    """Chances from the energies that the kernel keeps; weights from the whole energy."""
    model = BlumeCapel([0.37], 0.3, 0.1)
    values, terms = np.array(model.state_values), model.terms(TORUS)
    tables = state_tables(terms, TORUS, bond_overlap(model))
    codes = np.array(list(itertools.product(range(3), repeat=6)), np.int8)
    weight = np.exp(-model.energy(values[codes], TORUS))
    weight /= weight.sum()
    around = np.array([state_energies(tables, terms.site_energy, row) for row in codes])
    left, worst = weight.copy(), 0.0
    for site in range(6):
        move = np.zeros((729, 729))
        for number in range(729):
            here = around[number, site]
            power = 3 ** (5 - site)
            bare = number - int(codes[number, site]) * power
            for new in range(3):
                if rule == "heat_bath":
                    chance = 1 / np.exp(here[new] - here).sum()
                elif new != codes[number, site]:
                    cost = here[new] - here[codes[number, site]]
                    chance = kernels.TOP * min(1.0, np.exp(-cost)) / 2
                else:
                    chance = 0.0
                move[number, bare + new * power] = chance
            move[number, number] += 1 - move[number].sum()
        flow = weight[:, None] * move
        worst, left = max(worst, np.abs(flow - flow.T).max()), left @ move
    oracle(f"three states, {rule}: detailed balance", error=worst, bound=1e-15)
    oracle(f"three states, {rule}: pi P = pi", error=np.abs(left - weight).max(), bound=1e-12)


@pytest.mark.parametrize("method", ["heat_bath", "metropolis"])
def test_one_free_site_is_drawn_as_its_energies_say(method, oracle):
    """The kernel's own chances: frequencies of one site in the field of fixed neighbours."""
    from scipy import stats

    from physlearn.records import SiteGraph

    energies = np.array([0.0, 0.7, -0.4, 1.5])
    site = SiteGraph(1, np.empty((0, 2)), [], [], shell_radii=(1.0,))
    model = PairHamiltonian(np.zeros((1, 4, 4)), energies)
    chain = engine(method, model, site)
    counts, n = np.zeros(4), 6000
    for _ in range(n):
        chain.sweep(1 if method == "heat_bath" else 12)
        counts[chain.states()[0]] += 1
    expected = n * np.exp(-energies) / np.exp(-energies).sum()
    oracle(f"one site, {method}", p=stats.chisquare(counts, expected).pvalue)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("counting", [False, True])
def test_compiled_kernels_equal_their_python_form(method, counting, monkeypatch):
    model = MODELS["triplets"]
    compiled, twin = (engine(method, model, counting=counting) for _ in range(2))
    compiled.sweep(6)
    for name in ("advance", "change", "change_triplets", "counted_twice"):
        monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)
    for name in ("state_heat_bath_sweeps", "state_metropolis_sweeps", "state_exchange_sweeps"):
        monkeypatch.setattr(
            "physlearn.lattice_models.samplers.state_engines." + name,
            getattr(kernels, name).py_func,
        )
    with np.errstate(over="ignore"):
        twin.sweep(6)
    for key, array in compiled.arrays().items():
        assert np.array_equal(array, twin.arrays()[key]), key


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["triplets", "clock"])
def test_pieces_do_not_matter_and_a_restored_engine_goes_on_to_the_bit(method, name):
    model = MODELS[name]
    whole, pieces, later = (engine(method, model, seed=seed) for seed in (3, 3, 9))
    whole.sweep(12)
    for n in (5, 1):
        pieces.sweep(n)
    later.restore(pieces.arrays())
    for chain in (pieces, later):
        chain.sweep(6)
        for key, array in whole.arrays().items():
            assert np.array_equal(array, chain.arrays()[key]), key


def test_127_states_are_swept():
    graph = square_lattice((4, 4))
    for method in METHODS:
        chain = engine(method, Clock(127, [2.0]), graph)
        chain.sweep(20)
        assert 0 <= chain.states().min() <= chain.states().max() <= 126
        energy = Clock(127, [2.0]).energy(chain.states(), graph).item()
        assert chain.totals()[0] == pytest.approx(energy, abs=1e-10)
