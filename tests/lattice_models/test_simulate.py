"""Every method of simulate_lattice against sums over all states; streams, pieces, checkpoints."""

import functools
import itertools
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import (
    BlumeCapel,
    Clock,
    Ising,
    LatticeGas,
    PairHamiltonian,
    Potts,
    autocorrelation_time,
    simulate_lattice,
    site_graph_from_networkx,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.records import SiteGraph

TORUS, SMALL_TORUS = square_lattice((3, 3)), square_lattice((2, 2), 2)
TRIANGLES, PATCH = triangular_lattice((3, 3)), triangular_lattice((2, 3), periodic=False)
EVEN_TORUS, WIDE_PATCH = square_lattice((2, 4)), triangular_lattice((2, 4), periodic=False)
RING = SiteGraph(5, [[0, 1], [1, 2], [2, 3], [3, 4], [0, 4]], [0] * 5, [1, 1, 2, 1, 1])
# a distance of two steps on a ring of three is one step the other way: pairs joined by two bonds
JOINED = square_lattice((3, 3), n_shells=3)
TWICE = SiteGraph(
    6, [*RING.edges.tolist(), [4, 5], [0, 5], [0, 1], [2, 3], [0, 5]], [0] * 7 + [1] * 3,
    [1, 1, 2, 1, 1, 1, 1, 1, 3, 1],
)  # fmt: skip
RANDOM = site_graph_from_networkx(nx.random_regular_graph(3, 10, seed=2))
FIELD = np.array([0.5, -0.4, 0.1, -0.9, 0.3, 0.0, 0.7, -0.2, -0.3, 0.25])
GLASS = np.random.default_rng(3).normal(0.0, 0.6, len(RANDOM.edges))
TABLE = np.array([[0.0, 0.5, -0.2], [0.5, 0.3, 0.1], [-0.2, 0.1, -0.4]])
CORNERS = np.fromfunction(lambda a, b, c: 0.2 * (a + b + c == 3) - 0.1 * (a * b * c), (3, 3, 3))


def bond_energy(graph, function):
    """Return the energy of one picture as a plain sum over bonds."""

    def energy(s):
        return sum(
            times * function(s[a], s[b], shell, edge)
            for edge, ((a, b), shell, times) in enumerate(
                zip(graph.edges, graph.shell, graph.multiplicity, strict=True)
            )
        )

    return energy


def triangle_energy(graph, function):
    """Return the energy of one picture as a plain sum over all triangles of near neighbours."""
    places = np.asarray(graph.positions)
    near = np.linalg.norm(places[:, None] - places[None], axis=-1) < 1.1
    triangles = [
        (i, j, k)
        for i, j, k in itertools.combinations(range(len(places)), 3)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    assert triangles
    return lambda s: sum(function(s[i], s[j], s[k]) for i, j, k in triangles)


def total(*parts):
    return lambda s: sum(part(s) for part in parts)


def like(coupling):
    return lambda a, b, shell, edge: -np.atleast_1d(coupling)[shell] * float(a) * b


MODELS = {
    "Ising, bonds counted twice": (
        Ising([0.15, -0.1], 0.1), SMALL_TORUS,
        total(bond_energy(SMALL_TORUS, like([0.15, -0.1])), lambda s: -0.1 * sum(s)),
    ),
    "Ising, pairs joined by two bonds": (
        Ising([0.3, -0.1, 0.2], FIELD[:9]), JOINED,
        total(bond_energy(JOINED, like([0.3, -0.1, 0.2])), lambda s: -FIELD[:9] @ s),
    ),
    "Potts, pairs joined by two bonds": (
        Potts(3, [0.7, 0.5], [0.2, 0.0, -0.1]), TWICE,
        total(
            bond_energy(TWICE, lambda a, b, shell, _: -(0.7, 0.5)[shell] * (a == b)),
            lambda s: -np.array([0.2, 0.0, -0.1])[s].sum(),
        ),
    ),
    "no energy at all": (Ising([0.0]), TORUS, lambda s: 0.0),
    "frustrated, field by site": (
        Ising([-0.3], FIELD[:9]), TRIANGLES,
        total(bond_energy(TRIANGLES, like(-0.3)), lambda s: -FIELD[:9] @ s),
    ),
    "random bonds, random graph": (
        Ising([0.5], FIELD, bonds=GLASS), RANDOM,
        total(
            bond_energy(RANDOM, lambda a, b, shell, edge: -0.5 * GLASS[edge] * float(a) * b),
            lambda s: -FIELD @ s,
        ),
    ),
    "Ising with triplets": (
        Ising([0.2], 0.1, triplets={(0, 0, 0): 0.3}), WIDE_PATCH,
        total(
            bond_energy(WIDE_PATCH, like(0.2)),
            triangle_energy(WIDE_PATCH, lambda a, b, c: -0.3 * float(a) * b * c),
            lambda s: -0.1 * sum(s),
        ),
    ),
    "lattice gas": (
        LatticeGas([0.8], 0.4), EVEN_TORUS,
        total(
            bond_energy(EVEN_TORUS, lambda a, b, *_: 0.8 * (a == 1) * (b == 1)),
            lambda s: -0.4 * np.sum(s == 1),
        ),
    ),
    "square, plain": (
        Ising([0.25], 0.05), EVEN_TORUS,
        total(bond_energy(EVEN_TORUS, like(0.25)), lambda s: -0.05 * sum(s)),
    ),
    "Potts": (
        Potts(3, [0.4], [0.2, 0.0, -0.1]), PATCH,
        total(
            bond_energy(PATCH, lambda a, b, *_: -0.4 * (a == b)),
            lambda s: -np.array([0.2, 0.0, -0.1])[s].sum(),
        ),
    ),
    "Potts of two colours, no energy": (Potts(2, [0.0]), TORUS, lambda s: 0.0),
    "Blume-Capel": (
        BlumeCapel([0.4], 0.3, 0.1), PATCH,
        total(
            bond_energy(PATCH, like(0.4)), lambda s: 0.3 * np.sum(s**2) - 0.1 * np.sum(s)
        ),
    ),
    "clock": (
        Clock(4, [0.5]), RING,
        bond_energy(RING, lambda a, b, *_: -0.5 * np.cos(np.pi / 2 * (int(a) - int(b)))),
    ),
    "three states with triplets": (
        PairHamiltonian([TABLE], [0.1, 0.0, -0.2], triplets={(0, 0, 0): CORNERS}), PATCH,
        total(
            bond_energy(PATCH, lambda a, b, *_: TABLE[a, b]),
            triangle_energy(PATCH, lambda a, b, c: CORNERS[a, b, c]),
            lambda s: np.array([0.1, 0.0, -0.2])[s].sum(),
        ),
    ),
}  # fmt: skip
TRIPLETS = {"Ising with triplets", "three states with triplets"}
CASES = [(method, name) for method in ("heat_bath", "metropolis") for name in MODELS]
CASES += [
    (method, name)
    for method in ("wolff", "swendsen_wang")
    for name in set(MODELS) - TRIPLETS - {"Blume-Capel"}
]
CASES += [("tempering", name) for name in ("random bonds, random graph", "Blume-Capel")]
CASES += [("checkerboard", "square, plain"), ("auto", "frustrated, field by site")]
EXCHANGES = [
    (method, name)
    for method in ("kawasaki", "kawasaki_local")
    for name in set(MODELS) - {"Potts of two colours, no energy"}
]


@functools.cache
def exact(name):
    """Return all states of a model and their probabilities."""
    hamiltonian, graph, energy = MODELS[name]
    values = (-1, 1) if isinstance(hamiltonian, LatticeGas) else hamiltonian.state_values
    states = np.array(list(itertools.product(values, repeat=graph.n_sites)))
    weight = np.exp(-np.array([energy(state) for state in states], float))
    return values, states, weight / weight.sum()


def numbers(states, values):
    """Return the place of every picture among the states of ``itertools.product``."""
    digits = np.searchsorted(values, states)
    return digits @ (len(values) ** np.arange(states.shape[1])[::-1])


def chi_square_p(places, probabilities):
    """Return p of a histogram; rare states are pooled to 8 expected each."""
    counts = np.bincount(places, minlength=len(probabilities))
    order = np.argsort(probabilities)
    expected = probabilities[order] * counts.sum()
    group = np.minimum(np.cumsum(expected) // 8, np.floor(expected.sum() / 8) - 1).astype(int)
    used = np.unique(group)
    return stats.chisquare(
        np.bincount(group, counts[order])[used], np.bincount(group, expected)[used]
    ).pvalue


def check_independent(series, n_chains):
    """Independent pictures have a time of 1; its error over windows of 10 is that of Sokal."""
    tau = autocorrelation_time(series.reshape(n_chains, -1))
    assert tau < 1 + 4 * np.sqrt(2 * 21 / series.size)


@pytest.mark.parametrize(("method", "name"), sorted(CASES))
def test_pictures_follow_the_exact_distribution(method, name, oracle):
    """All chains start alike, so that one that alternates between two sets of states fails.

    100 independent chains of 60 pictures, 40 sweeps (tempering and clusters: 12; clusters in a
    strong field 200) apart: chi-square asks for independent pictures, which the correlation time
    of energy and sum says they are.
    """
    hamiltonian, graph, _ = MODELS[name]
    values, _, probabilities = exact(name)
    few = method == "tempering"
    between = 40 if method in ("heat_bath", "metropolis") else 12
    if "joined" in name and method in ("wolff", "swendsen_wang"):
        between = 200
    drawn = simulate_lattice(
        hamiltonian, graph, 600 if few else 60, between, method=method, burn_in=60,
        n_chains=10 if few else 100, rng=17, start=np.full(graph.n_sites, values[0]),
    )  # fmt: skip
    assert drawn.n_snapshots == 6000
    p = chi_square_p(numbers(drawn.states, values), probabilities)
    oracle(f"{drawn.metadata['method']}: {name}, histogram of all states", p=p)
    places = numbers(drawn.states, values)
    check_independent(-np.log(probabilities[places]), 10 if few else 100)
    check_independent(drawn.states.sum(axis=1, dtype=float), 10 if few else 100)


@pytest.mark.parametrize(("method", "name"), sorted(EXCHANGES))
def test_exchanges_follow_the_exact_distribution_at_fixed_composition(method, name, oracle):
    hamiltonian, graph, _ = MODELS[name]
    values, states, probabilities = exact(name)
    start = np.resize(values, graph.n_sites)
    drawn = simulate_lattice(
        hamiltonian, graph, 60, 60, method=method, burn_in=100, n_chains=100, start=start, rng=23
    )
    assert np.array_equal(
        np.sort(drawn.states, axis=1), np.broadcast_to(np.sort(start), drawn.states.shape)
    )
    allowed = np.all(np.sort(states, axis=1) == np.sort(start), axis=1)
    place = np.full(len(states), -1)
    place[allowed] = np.arange(allowed.sum())
    shares = probabilities[allowed] / probabilities[allowed].sum()
    p = chi_square_p(place[numbers(drawn.states, values)], shares)
    oracle(f"{method}: {name}, histogram at fixed composition", p=p)
    check_independent(-np.log(probabilities[numbers(drawn.states, values)]), 100)


@pytest.mark.parametrize("strength", [1e6, 1e12, 1e300])
@pytest.mark.parametrize("method", ["heat_bath", "metropolis", "kawasaki"])
@pytest.mark.parametrize("gas", [False, True])
def test_strong_fields_leave_the_other_sites_their_couplings(strength, method, gas, oracle):
    """Fields of +1, +1/2 and -1 times the strength hold sites 4, 2 and 0; the others are free."""
    field = FIELD[:9].copy()
    field[[4, 2, 0]] = strength * np.array([1.0, 0.5, -1.0])
    model = LatticeGas([-0.8], field) if gas else Ising([0.25], field)
    start = np.resize([1, -1, -1, 1, -1], 9)
    drawn = simulate_lattice(
        model, TORUS, 60, 40, method=method, burn_in=60, n_chains=100, start=start, rng=29
    )
    states = np.array(list(itertools.product([-1, 1], repeat=9)))
    held = (states[:, 4] == 1) & (states[:, 2] == 1) & (states[:, 0] == -1)
    if method == "kawasaki":
        held &= states.sum(axis=1) == start.sum()
    free = np.where(np.abs(field) < 2, field, 0.0)
    if gas:
        pairs = bond_energy(TORUS, lambda a, b, *_: -0.8 * (a == 1) * (b == 1))
        energy = total(pairs, lambda s: -free @ (s == 1))
    else:
        energy = total(bond_energy(TORUS, like(0.25)), lambda s: -free @ s)
    weight = held * np.exp(-np.array([energy(state) for state in states]))
    places = np.cumsum(held)[numbers(drawn.states, (-1, 1))] - 1
    assert np.all(held[numbers(drawn.states, (-1, 1))])
    p = chi_square_p(places, weight[held] / weight.sum())
    name = "gas" if gas else "Ising"
    oracle(f"{method}: {name}, three sites held by {strength:.0e} kT", p=p)


def test_strengths_too_far_apart_for_double_precision_are_refused():
    bonds = np.r_[1e12, np.ones(len(TORUS.edges) - 1)]
    with pytest.raises(InputError, match="would drown terms of") as caught:
        simulate_lattice(Ising([0.3], bonds=bonds), TORUS, method="heat_bath", rng=1)
    assert "\n" not in str(caught.value)
    strong = Ising([1e12], bonds=np.r_[-1.0, np.ones(len(TORUS.edges) - 1)])
    assert simulate_lattice(strong, TORUS, method="metropolis", rng=1).n_snapshots == 1


def test_a_lone_pair_of_sites_does_not_alternate(oracle):
    """Exchanges of the only pair would be accepted for ever at no cost."""
    pair = SiteGraph(2, [[0, 1]], [0], [1])
    for method in ("kawasaki", "kawasaki_local"):
        for model, start in ((Ising([0.3]), [-1, 1]), (Potts(3, [0.3]), [0, 2])):
            drawn = simulate_lattice(
                model, pair, 1, 1, method=method, burn_in=101, n_chains=600, start=start, rng=3
            )
            share = np.mean(drawn.states[:, 0] == start[0])
            oracle(
                f"{method}: two sites, {type(model).__name__}",
                z=(share - 0.5) / np.sqrt(0.25 / 600),
            )


def test_multispin_has_the_energy_of_kaufmans_torus(oracle):
    """Words of 64 sites need a side of 128: too many states to count, but not for Kaufman."""
    graph, coupling = square_lattice((4, 128)), 0.3
    drawn = simulate_lattice(
        Ising([coupling]), graph, 40, 50, method="multispin", burn_in=200, n_chains=40, rng=5
    )
    energy = Ising([coupling]).energy(drawn.states, graph).reshape(40, 40).mean(axis=1)
    torus = kaufman_torus((4, 128), coupling)
    z = (energy.mean() - torus.energy) / (energy.std(ddof=1) / np.sqrt(40))
    oracle("multispin: energy of the 4 x 128 torus", z=z)


def pictures(model=MODELS["Blume-Capel"], **options):
    given = {"method": "heat_bath", "burn_in": 10, "n_chains": 3, "rng": 5, **options}
    return simulate_lattice(model[0], model[1], 4, 5, **given).states


@pytest.mark.parametrize(
    "method", ["heat_bath", "metropolis", "wolff", "tempering", "kawasaki", "kawasaki_local"]
)
@pytest.mark.parametrize("name", ["clock", "lattice gas"])
def test_same_seed_same_pictures_whoever_does_the_work(method, name):
    model = MODELS[name]
    values = exact(name)[0]
    options = {"method": method, "start": np.resize(values, model[1].n_sites)}
    alone = pictures(model, **options)
    assert np.array_equal(alone, pictures(model, **options))
    for n in (1, 2):
        with ThreadPoolExecutor(n) as executor:
            assert np.array_equal(alone, pictures(model, **options, executor=executor))
    assert not np.array_equal(alone, pictures(model, **options, rng=6))
    first = pictures(model, **options, n_chains=1)
    assert np.array_equal(first, alone[:4])  # one chain more changes no other


@pytest.mark.parametrize("method", ["heat_bath", "kawasaki"])
def test_processes_give_the_same_pictures(method):
    start = np.resize([-1, 0, 1], 6)
    with ProcessPoolExecutor(1) as executor:
        apart = pictures(method=method, start=start, executor=executor)
    assert np.array_equal(apart, pictures(method=method, start=start))


class Stop:
    """Progress that asks to stop, as Ctrl-C does, once enough is done."""

    def __init__(self, after):
        self.after, self.seen = after, []

    def __call__(self, done, of):
        self.seen.append((done, of))
        if done >= self.after and threading.current_thread() is threading.main_thread():
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("method", "name"),
    [("heat_bath", "frustrated, field by site"), ("metropolis", "Ising with triplets"),
     ("kawasaki", "lattice gas"), ("kawasaki_local", "three states with triplets"),
     ("heat_bath", "three states with triplets"), ("wolff", "clock"),
     ("swendsen_wang", "Potts"), ("tempering", "Blume-Capel"), ("checkerboard", "square, plain")],
)  # fmt: skip
def test_a_stopped_run_goes_on_to_the_bit(method, name, tmp_path):
    hamiltonian, graph, _ = MODELS[name]
    values = exact(name)[0]

    def run(**options):
        return simulate_lattice(
            hamiltonian, graph, 6, 40, method=method, burn_in=30, n_chains=2, rng=8,
            start=np.resize(values, graph.n_sites), **options,
        )  # fmt: skip

    whole, file = run(), tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        run(checkpoint=file, progress=Stop(95))
    assert file.exists()
    assert np.array_equal(run(checkpoint=file).states, whole.states)
    assert not file.exists()
