"""Colour by colour on the square lattice: all states, the trap at J = 0, Kaufman's torus."""

import inspect
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    LatticeGas,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.samplers import checkerboard
from physlearn.lattice_models.samplers import checkerboard_kernels as kernels
from physlearn.lattice_models.samplers.checkerboard import (
    CheckerboardIsing,
    make_checkerboard_engine,
    uniform_square_model,
    up_probabilities,
    up_thresholds,
)
from physlearn.lattice_models.samplers.multispin import MultispinIsing
from physlearn.records import SiteGraph


def all_states(shape):
    """Return all states of a torus as grids, from the fastest last site on."""
    states = itertools.product([-1, 1], repeat=shape[0] * shape[1])
    return np.array(list(states), np.int8).reshape(-1, *shape)


def bond_sum(grids):
    """Sum s s' over all bonds, by rolling the grid: two a site."""
    wide = grids.astype(int)
    return (wide * (np.roll(wide, 1, -1) + np.roll(wide, 1, -2))).sum(axis=(-1, -2))


def distribution(shape, coupling, field):
    grids = all_states(shape)
    weight = np.exp(coupling * bond_sum(grids) + field * grids.sum(axis=(1, 2), dtype=int))
    return weight / weight.sum()


@pytest.mark.parametrize("method", ["metropolis", "heat_bath"])
@pytest.mark.parametrize(
    ("shape", "coupling", "field"),
    [((4, 4), 0.25, 0.1), ((4, 4), -0.3, 0.0), ((2, 4), 0.0, 0.0), ((4, 2), 0.01, -0.4)],
)
def test_independent_chains_reach_every_state_as_often_as_they_should(
    method, shape, coupling, field, oracle, chi_square_p
):
    rng = np.random.default_rng(21)
    n = 10000
    powers = 1 << np.arange(shape[0] * shape[1])[::-1]
    reached = np.empty(n, int)
    for chain in range(n):
        lattice = CheckerboardIsing(shape, coupling, field, method=method, rng=rng)
        lattice.sweep(50)
        reached[chain] = (lattice.states() > 0) @ powers
    p = chi_square_p(reached, distribution(shape, coupling, field))
    oracle(f"checkerboard {method}, histogram of {shape}, J = {coupling}, h = {field}", p=p)


def half_sweep_matrix(grids, chances, colour):
    """Return the matrix of one half sweep, from the probabilities of single sites."""
    n, rows, columns = grids.shape
    up = (grids > 0).astype(int)
    count = sum(np.roll(up, shift, axis) for shift in (1, -1) for axis in (1, 2))
    rise = chances[up, count]
    sites = [
        (i, j) for i, j in itertools.product(range(rows), range(columns)) if (i + j) % 2 == colour
    ]
    flat = up.reshape(n, -1)
    others = [i * columns + j for i, j in itertools.product(range(rows), range(columns))
              if (i + j) % 2 != colour]  # fmt: skip
    matrix = np.all(flat[:, None, others] == flat[None, :, others], axis=2).astype(float)
    for i, j in sites:
        to_up = up[None, :, i, j] == 1
        matrix *= np.where(to_up, rise[:, i, j, None], 1.0 - rise[:, i, j, None])
    return matrix


@pytest.mark.parametrize("method", ["metropolis", "heat_bath"])
@pytest.mark.parametrize(("coupling", "field"), [(0.4, 0.2), (-0.7, -0.1), (0.0, 0.0)])
def test_sweeps_keep_the_distribution(method, coupling, field, oracle):
    """Each half sweep is reversible, and pi P = pi for the sweep, on a 2 x 4 torus.

    The matrices are those of the probabilities before they are rounded to words.
    """
    grids = all_states((2, 4))
    exact = distribution((2, 4), coupling, field)
    chances = up_probabilities(coupling, field, method)
    even, odd = (half_sweep_matrix(grids, chances, colour) for colour in (0, 1))
    flow = exact[:, None] * even
    oracle(
        f"checkerboard {method}, detailed balance of a half sweep, J = {coupling}",
        error=np.abs(flow - flow.T).max(), bound=1e-14,
    )  # fmt: skip
    oracle(
        f"checkerboard {method}, pi P = pi, J = {coupling}",
        error=np.abs(exact @ even @ odd - exact).max(), bound=1e-12,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["metropolis", "heat_bath"])
@pytest.mark.parametrize(("coupling", "field"), [(0.4, 0.2), (-0.7, -0.1), (3.0, 0.0)])
def test_rounded_thresholds_keep_the_distribution(method, coupling, field, oracle):
    """pi P = pi for the probabilities that the kernel draws with: whole numbers of words.

    Each of the eight sites is off by 2 ** -32 at most.
    """
    grids = all_states((2, 4))
    exact = distribution((2, 4), coupling, field)
    thresholds = CheckerboardIsing((2, 4), coupling, field, method=method)._thresholds
    even, odd = (half_sweep_matrix(grids, thresholds / 2**32, colour) for colour in (0, 1))
    oracle(
        f"checkerboard {method}, pi P = pi of the thresholds, J = {coupling}",
        error=np.abs(exact @ even @ odd - exact).max(), bound=2.0**-29,
    )  # fmt: skip


def test_thresholds_are_the_nearest_multiples():
    for coupling, field, method in itertools.product(
        (0.3, -2.0, 50.0), (0.0, 0.7), ("metropolis", "heat_bath")
    ):
        chances = up_probabilities(coupling, field, method)
        thresholds = CheckerboardIsing((4, 4), coupling, field, method=method)._thresholds
        error = np.abs(thresholds / 2**32 - chances)
        inside = (chances > 2**-32) & (chances < 1 - 2**-32)
        assert np.all(error[inside] <= 2**-33)
        assert np.all(error <= 2**-32)


def test_up_and_down_are_drawn_alike_to_the_last_word():
    """Turning states, neighbours and field over turns a threshold t into 2 ** 32 - t."""
    couplings = (0.0, 0.3, -0.3, 2.6, 2.7, 2.8, 3.0, -3.0, 6.0, 50.0)
    for coupling, field, method in itertools.product(
        couplings, (0.0, 0.1, 0.7, 12.0, -25.0), ("metropolis", "heat_bath")
    ):
        for words in (2**32, 2**48):
            here = up_thresholds(coupling, field, method, float(words)).astype(np.int64)
            there = up_thresholds(coupling, -field, method, float(words)).astype(np.int64)
            assert np.array_equal(here + there[::-1, ::-1], np.full((2, 5), words))
            assert here.min() >= 1
        lattice = CheckerboardIsing((4, 4), coupling, field, method=method)
        first = up_thresholds(coupling, field, method, 2.0**32)
        assert np.array_equal(lattice._thresholds, first)


@pytest.mark.parametrize("method", ["metropolis", "heat_bath"])
@pytest.mark.parametrize("coupling", [0.4, 3.0, 50.0])
def test_the_rarest_words_leave_both_ordered_states(method, coupling):
    """The smallest word makes a site +1, the largest -1, whatever stood there and however strong J.

    With the first word of a lane 0 every site draws the word 0; with the one whose product with the
    generator's factor is 2 ** 32 - 1, it draws the largest.
    """
    factor_inverse = pow(0x9E3779BB, -1, 2**32)
    for start, first, end in ((-1, 0, 1), (1, factor_inverse * (2**32 - 1) % 2**32, -1)):
        lattice = CheckerboardIsing((2, 4), coupling, start=np.full(8, start), method=method)
        lattice._lanes[:, 0], lattice._lanes[:, 1] = first, 1
        lattice.sweep(1)
        # the first row of even sites came first, and all its neighbours were like itself
        assert lattice.states().reshape(2, 4)[0, ::2].tolist() == [end, end]


def test_no_site_blinks_without_a_coupling(oracle):
    """Uncapped Metropolis would turn every site over in every sweep: correlation -1, for ever."""
    for coupling in (0.0, 0.003):
        lattice = CheckerboardIsing((256, 256), coupling, method="metropolis", rng=5)
        before = lattice.states().astype(int)
        lattice.sweep(1)
        after = lattice.states().astype(int)
        lattice.sweep(20)
        late = lattice.states().astype(int)
        n = before.size
        if coupling == 0.0:  # a flip has probability 3/4: mean of s s' is -1/2, variance 3/4
            z = ((before * after).mean() + 0.5) * np.sqrt(n / 0.75)
            oracle("checkerboard Metropolis at J = h = 0, one sweep's correlation", z=z)
            z = (before * late).mean() * np.sqrt(n)
            oracle("checkerboard Metropolis at J = h = 0, 21 sweeps' correlation", z=z)
        else:
            assert -0.6 < (before * after).mean() < -0.4
            assert abs((before * late).mean()) < 0.02


@pytest.mark.parametrize(
    ("shape", "coupling", "method"),
    [
        ((64, 64), 0.4406868, "metropolis"),
        ((64, 64), 0.43, "heat_bath"),
        ((32, 128), -0.4, "metropolis"),
    ],
)
def test_energy_of_kaufmans_torus(shape, coupling, method, oracle, blocked_z):
    exact = kaufman_torus(shape, coupling)
    lattice = CheckerboardIsing(shape, coupling, method=method, rng=8)
    lattice.sweep(4000)
    energy = np.empty(8000)
    for k in range(len(energy)):
        lattice.sweep(10)
        energy[k] = -coupling * bond_sum(lattice.states().reshape(shape))
    name = f"checkerboard {method}, {shape} torus at J = {coupling}"
    oracle(f"{name}, energy", z=blocked_z(energy, exact.energy))
    spread = (energy - exact.energy) ** 2
    oracle(f"{name}, variance of the energy", z=blocked_z(spread, exact.energy_variance))


def test_start_and_states_use_the_order_of_the_graph():
    graph = square_lattice((6, 4))
    rng = np.random.default_rng(3)
    start = rng.choice(np.array([-1, 1], np.int8), 24)
    engine = make_checkerboard_engine(Ising([0.3]), graph, start, rng)
    assert np.array_equal(engine.states(), start)
    strong = CheckerboardIsing((6, 4), 0.0, 30.0, start=start.reshape(6, 4), rng=1)
    strong.sweep(1)
    assert np.all(strong.states() == 1)
    # at J = 30 a sweep makes each site follow its neighbours: only a graph in order stays put
    stripes = np.repeat([1, 1, -1, -1, 1, 1], 4)
    ordered = CheckerboardIsing((6, 4), 30.0, start=stripes, method="heat_bath", rng=1)
    ordered.sweep(5)
    assert np.array_equal(ordered.states(), stripes)


def test_threads_and_pieces_change_nothing():
    results = []
    for threads, pieces in ((1, 6), (2, 6), (3, 1)):
        lattice = CheckerboardIsing((256, 64), 0.4, 0.01, rng=2)
        for _ in range(pieces):
            lattice.sweep(6 // pieces, n_threads=threads)
        results.append(lattice.states())
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@pytest.mark.parametrize("sampler", [CheckerboardIsing, MultispinIsing])
def test_chains_on_threads_are_the_chains_one_after_the_other(sampler):
    def run(seed):
        lattice = sampler((128, 64), 0.4, rng=seed)
        for _ in range(20):
            lattice.sweep(5)
        return lattice.states()

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, range(4)))
    for seed, states in enumerate(together):
        assert np.array_equal(states, run(seed))


def test_a_saved_state_goes_on_to_the_bit():
    lattice = CheckerboardIsing((64, 32), 0.4, rng=2)
    lattice.sweep(3)
    saved = lattice.arrays()
    lattice.sweep(4)
    other = CheckerboardIsing((64, 32), 0.4, rng=99)
    other.restore(saved)
    other.sweep(4)
    assert np.array_equal(other.states(), lattice.states())
    assert all(np.array_equal(other.arrays()[k], v) for k, v in lattice.arrays().items())


@pytest.mark.parametrize("method", ["metropolis", "heat_bath"])
def test_compiled_sweeps_equal_their_python_form(method, monkeypatch):
    compiled = CheckerboardIsing((4, 6), 0.3, 0.1, method=method, rng=4)
    plain = CheckerboardIsing((4, 6), 0.3, 0.1, method=method, rng=4)
    compiled.sweep(3)
    for name, member in inspect.getmembers(kernels, lambda item: hasattr(item, "py_func")):
        monkeypatch.setattr(kernels, name, member.py_func)
    monkeypatch.setattr(checkerboard, "checkerboard_sweeps", kernels.checkerboard_sweeps)
    with np.errstate(over="ignore"):
        plain.sweep(3)
    for ours, theirs in zip(compiled.arrays().values(), plain.arrays().values(), strict=True):
        assert np.array_equal(ours, theirs)


def test_lanes_are_the_published_generator():
    """xoroshiro64* in whole-number arithmetic, after a sweep at J = h = 0 by heat bath."""
    mask = 2**32 - 1
    lattice = CheckerboardIsing((2, 4), 0.0, method="heat_bath", rng=1)
    first, second = (int(word) for word in lattice._lanes[0, :, 0])
    lattice.sweep(1)
    ups = []
    for _ in range(4):
        ups.append(((first * 0x9E3779BB) & mask) < 2**31)
        second ^= first
        first = (((first << 26) | (first >> 6)) & mask) ^ second ^ ((second << 9) & mask)
        second = ((second << 13) | (second >> 19)) & mask
    grid = lattice.states().reshape(2, 4)
    assert [grid[0, 0] > 0, grid[1, 1] > 0, grid[0, 1] > 0, grid[1, 0] > 0] == ups
    assert lattice._lanes[0, :, 0].tolist() == [first, second]


def test_a_square_lattice_is_recognised_and_others_are_refused():
    for shape in ((2, 2), (2, 4), (4, 2), (4, 6), (6, 4), (3, 5), (8, 2)):
        assert uniform_square_model("m", Ising([0.2]), square_lattice(shape)).shape == shape
    gas = LatticeGas([0.8], 0.3)
    graph = square_lattice((4, 4))
    model = uniform_square_model("m", gas, graph)
    same = gas.to_ising(graph)
    assert (model.coupling, model.field) == (same.couplings[0], same.site_field(graph)[0])
    swapped = np.random.default_rng(1).permutation(16)
    mixed = SiteGraph(16, np.sort(swapped[graph.edges], axis=1), graph.shell, graph.multiplicity)
    twice = SiteGraph(16, graph.edges, graph.shell, 2 * graph.multiplicity)
    for other in (
        square_lattice((4, 4), periodic=False),
        triangular_lattice((4, 4)),
        mixed,
        twice,
        SiteGraph(16, graph.edges[:-1], graph.shell[:-1], graph.multiplicity[:-1]),
    ):
        with pytest.raises(InputError, match="needs the periodic graph of square_lattice"):
            uniform_square_model("checkerboard", Ising([0.2]), other)
    further = square_lattice((6, 6), n_shells=2)
    assert uniform_square_model("m", Ising([0.2]), further).shape == (6, 6)
    for hamiltonian in (
        Ising([0.2, 0.1]), Ising([0.2], np.arange(36.0)),
        Ising([0.2], bonds=np.linspace(0, 1, len(further.edges))),
    ):  # fmt: skip
        with pytest.raises(InputError, match="one coupling, of nearest neighbours, and one field"):
            uniform_square_model("checkerboard", hamiltonian, further)
    with pytest.raises(InputError, match="knows no triplets"):
        uniform_square_model("m", Ising([0.2], triplets={(0, 0, 1): 0.1}), further)
    with pytest.raises(InputError, match="two states with pair couplings"):
        uniform_square_model("m", BlumeCapel([0.2], 0.1), graph)


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="even sides"):
        CheckerboardIsing((4, 5), 0.1)
    with pytest.raises(InputError, match="shape"):
        CheckerboardIsing((0, 4), 0.1)
    with pytest.raises(InputError, match="coupling"):
        CheckerboardIsing((4, 4), np.nan)
    with pytest.raises(InputError, match="field"):
        CheckerboardIsing((4, 4), 0.1, np.inf)
    with pytest.raises(InputError, match="method"):
        CheckerboardIsing((4, 4), 0.1, method="gibbs")
    with pytest.raises(InputError, match="start must have shape"):
        CheckerboardIsing((4, 4), 0.1, start=np.ones(15))
    with pytest.raises(InputError, match=r"-1 and \+1; site 3 holds 0"):
        CheckerboardIsing((4, 4), 0.1, start=[1, 1, 1, 0] * 4)
    for sampler in (CheckerboardIsing((4, 4), 0.1), MultispinIsing((128, 2), 0.1)):
        before = sampler.arrays()
        for n in (-5, 1.5, True, "2"):
            with pytest.raises(InputError, match="n must be a whole number of at least 0"):
                sampler.sweep(n)
        sampler.sweep(0)
        assert all(np.array_equal(a, before[name]) for name, a in sampler.arrays().items())
    with pytest.raises(InputError, match="n_threads must be a whole number of at least 1"):
        CheckerboardIsing((4, 4), 0.1).sweep(1, 0)
