"""Two-state kernels: reversibility to round-off, plain Python form, exact sums, equal copies."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.lattice_models import Ising, square_lattice, triangular_lattice
from physlearn.lattice_models.random_numbers import next_word
from physlearn.lattice_models.samplers import kawasaki_kernels, state_kernels
from physlearn.lattice_models.samplers import two_state_kernels as ising_kernels
from physlearn.lattice_models.samplers.two_state_engines import (
    CHANCES,
    TwoStateEngine,
    twice_local_fields,
    two_state_tables,
)

METHODS = ("heat_bath", "metropolis", "kawasaki", "kawasaki_local")
PATCH = triangular_lattice((3, 4), n_shells=2, periodic=False)
MODEL = Ising([0.23, -0.11], np.linspace(-0.4, 0.3, 12), triplets={(0, 0, 0): 0.17})
# on a ring of three, two steps are one step the other way: pairs joined by two bonds
JOINED = square_lattice((3, 3), n_shells=3)
JOINED_MODEL = Ising([0.3, -0.1, 0.2], np.linspace(-0.3, 0.3, 9))


def engine(method, graph=PATCH, model=MODEL, seed=3, counting=True):
    rng = np.random.default_rng(seed)
    start = rng.permutation(np.resize([-1, 1], graph.n_sites))
    return TwoStateEngine(model, graph, start, rng, method, counting)


def kernel_chance(cost, base, top):
    """Return how many of the 2^53 draws the kernel takes, over 2^53, by bisection."""
    chances = ising_kernels.chance_table(base, top)
    low, high = 0, 2**53  # the answer lies in low ... high
    while low < high:
        middle = (low + high) // 2
        if ising_kernels.takes(np.uint64(middle), cost, chances, base, top):
            low = middle + 1
        else:
            high = middle
    return low / 2**53


@pytest.mark.parametrize("method", ["heat_bath", "metropolis"])
def test_chances_are_exact_to_the_last_bit_of_a_draw(method, oracle):
    base, top = CHANCES[method]
    costs = np.concatenate([
        np.random.default_rng(1).uniform(-45, 45, 400), np.arange(-41, 42) / 1.0,
        np.arange(-12, 12) / 8, [0.0, 1e-300, -1e-300, 800.0, -800.0],
    ])  # fmt: skip
    with np.errstate(over="ignore"):
        exact = (
            1 / (1 + np.exp(costs)) if method == "heat_bath"
            else 0.875 * np.minimum(1.0, np.exp(-costs))
        )  # fmt: skip
    found = np.array([kernel_chance(cost, base, top) for cost in costs])
    oracle(f"{method}: chance of a flip", error=np.abs(found - exact).max(), bound=2.5e-16)


@pytest.mark.parametrize("method", ["heat_bath", "metropolis"])
def test_single_sites_are_reversible_and_a_sweep_keeps_the_distribution(method, oracle):
    """With chances and local fields of the kernel, weights of a sum over bonds by hand."""
    graph = square_lattice((2, 3), n_shells=1)
    field = np.array([0.2, -0.1, 0.4, 0.0, -0.3, 0.1])
    model = Ising([0.37], field)
    states = np.array(list(itertools.product([-1, 1], repeat=6)), np.int8)
    weight = np.exp(
        states @ field
        + 0.37 * sum(
            m * states[:, a] * states[:, b].astype(float)
            for (a, b), m in zip(graph.edges, graph.multiplicity, strict=True)
        )
    )  # fmt: skip
    weight /= weight.sum()
    tables, twice_field = two_state_tables(model, graph)
    base, top = CHANCES[method]
    sweep, worst = np.eye(64), 0.0
    for site in range(6):
        move = np.zeros((64, 64))
        for number, state in enumerate(states):
            cost = state[site] * twice_local_fields(tables, twice_field, state)[site]
            chance = kernel_chance(float(cost), base, top)
            move[number, number ^ (1 << (5 - site))] = chance
            move[number, number] = 1 - chance
        flow = weight[:, None] * move
        worst = max(worst, np.abs(flow - flow.T).max())
        sweep = sweep @ move
    oracle(f"{method}: detailed balance of single sites", error=worst, bound=1e-15)
    error = np.abs(weight @ sweep - weight).max()
    oracle(f"{method}: pi P = pi for a sweep", error=error, bound=1e-12)
    assert np.all(np.linalg.matrix_power(sweep, 40) > 0)  # ergodic
    assert np.abs(np.sort(np.abs(np.linalg.eigvals(sweep)))[-2]) < 0.99


def test_metropolis_at_no_energy_is_ergodic(oracle):
    """From one start, all states are alike after 30 sweeps, as flips are never certain."""
    graph, n = square_lattice((3, 3)), 4000
    rng = np.random.default_rng(4)
    drawn = np.empty((n, 9), np.int8)
    for chain in range(n):
        copy = TwoStateEngine(Ising([0.0]), graph, np.ones(9), rng, "metropolis")
        copy.sweep(30)
        drawn[chain] = copy.states()
    counts = np.bincount(((drawn + 1) // 2) @ (1 << np.arange(9)), minlength=512)
    oracle("metropolis at J = h = 0, one start", p=stats.chisquare(counts).pvalue)


@pytest.mark.parametrize(("model", "graph"), [(MODEL, PATCH), (JOINED_MODEL, JOINED)])
@pytest.mark.parametrize("method", METHODS)
def test_every_accepted_move_is_charged_its_energy_difference(method, model, graph, oracle):
    """One sweep at a time: totals against sums over bonds, fields exactly as from the states."""
    chain, worst = engine(method, graph, model), 0.0
    for _ in range(200):
        chain.sweep(1)
        states = chain.states()
        energy, magnetization, *shells = chain.totals()
        worst = max(worst, abs(energy - model.energy(states, graph)))
        left, right = states[graph.edges].T.astype(int)
        assert magnetization == states.sum()
        assert np.array_equal(shells, np.bincount(graph.shell, graph.multiplicity * left * right))
        fresh = twice_local_fields(chain._tables, chain._field, states)
        assert np.array_equal(chain._around, fresh)  # rounded couplings: no drift at all
    oracle(f"{method}: energy kept over 200 sweeps", error=worst, bound=1e-11)


def test_couplings_are_rounded_by_no_more_than_round_off():
    tables, field = two_state_tables(MODEL, PATCH)
    site = np.repeat(np.arange(12), np.diff(tables.start))
    states = np.ones(12, np.int8)
    expected = 2 * np.linspace(-0.4, 0.3, 12)
    assert np.abs(field - expected).max() < 1e-14
    shells = np.zeros((12, 2))
    for (a, b), k in zip(PATCH.edges, PATCH.shell, strict=True):
        shells[[a, b], k] += 1
    around = twice_local_fields(tables, field, states) - field
    near = PATCH.edges[PATCH.shell == 0]
    bonded = {frozenset(edge) for edge in near.tolist()}
    corners = np.zeros(12)
    for trio in itertools.combinations(range(12), 3):
        if all(frozenset(pair) in bonded for pair in itertools.combinations(trio, 2)):
            corners[list(trio)] += 1
    assert np.allclose(around, 2 * (shells @ [0.23, -0.11] + 0.17 * corners), atol=1e-13)
    assert len(site) == 2 * len(PATCH.edges)


@pytest.mark.parametrize("method", METHODS)
def test_energies_in_strong_fields_are_those_of_the_model(method, oracle):
    """Moves are charged in fields within reach; from a start against the field, too."""
    field = np.linspace(-0.4, 0.3, 12)
    field[[3, 7]] = 1e6, -3e7
    model, worst = Ising([0.23, -0.11], field), 0.0
    chain = engine(method, model=model)
    for _ in range(50):
        chain.sweep(1)
        exact = model.energy(chain.states(), PATCH).item()
        worst = max(worst, abs(chain.totals()[0] - exact) / 3e7)
    oracle(f"{method}: energy in fields of 3e7 kT, relative", error=worst, bound=1e-14)


def plain(module, monkeypatch):
    """Let the kernels of a module call the plain forms of their helpers."""
    for name in ("advance", "bin_of", "takes", "flip", "shared_step"):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, getattr(module, name).py_func)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("counting", [False, True])
def test_compiled_kernels_equal_their_python_form(method, counting, monkeypatch):
    compiled = engine(method, counting=counting)
    twin = engine(method, counting=counting)
    compiled.sweep(6)
    module = kawasaki_kernels if method.startswith("kawasaki") else ising_kernels
    name = "exchange_sweeps" if method.startswith("kawasaki") else "single_site_sweeps"
    plain(module, monkeypatch)
    monkeypatch.setattr(
        "physlearn.lattice_models.samplers.two_state_engines." + name, getattr(module, name).py_func
    )
    with np.errstate(over="ignore"):
        twin.sweep(6)
    for key, array in compiled.arrays().items():
        assert np.array_equal(array, twin.arrays()[key]), key
    assert np.array_equal(compiled._around, twin._around)


@pytest.mark.parametrize("method", METHODS)
def test_pieces_do_not_matter_and_a_restored_engine_goes_on_to_the_bit(method):
    whole, pieces, later = engine(method), engine(method), engine(method, seed=9)
    whole.sweep(12)
    for n in (5, 1):
        pieces.sweep(n)
    later.restore(pieces.arrays())
    for chain in (pieces, later):
        chain.sweep(6)
        for key, array in whole.arrays().items():
            assert np.array_equal(array, chain.arrays()[key]), key
        assert np.array_equal(whole._around, chain._around)


def test_exchanges_keep_the_composition_that_was_restored():
    """An engine that started with other numbers goes on exactly as the one it was restored from."""
    rng, graph = np.random.default_rng(1), square_lattice((4, 4))
    whole, later = (
        TwoStateEngine(Ising([0.2]), graph, np.repeat([1, -1], [n, 16 - n]), rng, "kawasaki")
        for n in (8, 2)
    )
    whole.sweep(5)
    later.restore(whole.arrays())
    for chain in (whole, later):
        chain.sweep(100)
    assert later.states().sum() == 0 and np.array_equal(whole.states(), later.states())
    assert np.array_equal(whole.totals(), later.totals())


@pytest.mark.parametrize("method", METHODS)
def test_a_long_run_does_not_drift(method, oracle):
    graph = square_lattice((8, 8), 2)
    model = Ising([np.pi / 9, -1 / 7], np.sqrt(2) / 30)
    chain = engine(method, graph, model)
    chain.sweep(100_000)
    assert np.array_equal(
        chain._around, twice_local_fields(chain._tables, chain._field, chain.states())
    )
    error = chain.totals()[0] - model.energy(chain.states(), graph).item()
    oracle(f"{method}: energy after 6.4 million trials", error=error, bound=1e-9)


def test_words_of_the_inline_generator_are_the_canonical_ones():
    state = np.array([12345, 678910], np.uint64)
    for module in (ising_kernels, kawasaki_kernels, state_kernels):
        first, second, twin = state[0], state[1], state.copy()
        for _ in range(50):
            word, first, second = map(np.uint64, module.advance(first, second))
            assert word == next_word(twin)
        assert [first, second] == twin.tolist()


def test_copies_of_helpers_are_identical():
    for name in ("advance", "bin_of", "takes", "flip"):
        sources = {
            inspect.getsource(getattr(module, name).py_func)
            for module in (ising_kernels, kawasaki_kernels, state_kernels)
            if hasattr(module, name)
        }
        assert len(sources) == 1, name
    shared = set(vars(ising_kernels)) & set(vars(kawasaki_kernels))
    for name in shared:
        if isinstance(getattr(ising_kernels, name), float | np.generic):
            assert getattr(ising_kernels, name) == getattr(kawasaki_kernels, name), name
