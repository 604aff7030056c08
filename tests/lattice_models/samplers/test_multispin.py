"""64 sites a word: chances bit by bit, exact distributions of strips, Kaufman's torus."""

import inspect
import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, square_lattice
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.samplers import multispin
from physlearn.lattice_models.samplers import multispin_kernels as kernels
from physlearn.lattice_models.samplers.checkerboard import CheckerboardIsing
from physlearn.lattice_models.samplers.multispin import (
    MultispinIsing,
    binary_places,
    make_multispin_engine,
)

ALL = 2**64 - 1


def bond_sum(grids):
    """Sum s s' over all bonds, by rolling the grid: two a site."""
    wide = grids.astype(int)
    return (wide * (np.roll(wide, 1, -1) + np.roll(wide, 1, -2))).sum(axis=(-1, -2))


def magnetization_distribution(length, width, coupling, field):
    """Return P(sum s) of a torus by its transfer matrix: Fourier components of exp(i t sum s)."""
    rows = np.array(list(itertools.product([-1, 1], repeat=width)))
    total = rows.sum(axis=1)
    own = coupling * (rows * np.roll(rows, 1, axis=1)).sum(axis=1) + field * total
    transfer = np.exp(coupling * rows @ rows.T + (own[:, None] + own[None, :]) / 2)
    transfer /= np.linalg.eigvalsh(transfer).max()
    n = length * width
    turns = 2 * np.pi * np.arange(n + 1) / (n + 1)
    waves = [
        np.trace(np.linalg.matrix_power(transfer * np.exp(1j * turn * (total + width) / 2), length))
        for turn in turns
    ]
    ups = np.real(np.fft.fft(waves)) / (n + 1)  # by the number of up sites
    ups = np.maximum(ups, 0.0)  # round-off, 1e-17
    return 2 * np.arange(n + 1) - n, ups / ups.sum()


@pytest.mark.parametrize("p", [0.5, 0.3, 0.0007, 0.999])
def test_bits_of_a_word_have_their_probability_and_no_correlation(p, oracle):
    """At J = 0 by heat bath a sweep writes the words of chances themselves."""
    field = 0.5 * np.log(p / (1 - p))
    lattice = MultispinIsing((128, 4096), 0.0, field, rng=3)
    ups, counts, squares, beside, again = 0, [], [], 0.0, 0.0
    before = None
    for _ in range(40):
        lattice.sweep(1)
        # sites of one word: equal column, equal row modulo 2
        here = (lattice.states().reshape(64, 2, 4096) > 0) - p
        ups += here.sum() + p * here.size
        words = here.sum(axis=0)
        counts.append(words.size)
        squares.append((words**2).sum())
        beside += (here[:, :, 2:] * here[:, :, :-2]).sum()
        if before is not None:
            again += (here * before).sum()
        before = here
    n, variance = 64 * sum(counts), p * (1 - p)
    oracle(f"multispin, mean of bits, p = {p}", z=(ups - n * p) / np.sqrt(n * variance))
    kurtosis = 64 * variance * (1 - 6 * variance) + 3 * (64 * variance) ** 2
    pairs = (sum(squares) - n * variance) / np.sqrt(sum(counts) * (kurtosis - (64 * variance) ** 2))
    oracle(f"multispin, pairs of bits of a word, p = {p}", z=pairs)
    beside /= variance * np.sqrt(40 * 64 * 2 * 4094)
    oracle(f"multispin, bits of neighbouring lanes, p = {p}", z=beside)
    oracle(
        f"multispin, bits of successive sweeps, p = {p}", z=again / variance / np.sqrt(39 * 2**19)
    )


def test_each_pair_of_bits_of_a_word_is_independent(oracle):
    """All 2016 pairs, the largest |z| among them, with p of many binary places."""
    p = 0.37
    lattice = MultispinIsing((128, 8192), 0.0, 0.5 * np.log(p / (1 - p)), rng=11)
    product, n = np.zeros((64, 64)), 0
    for _ in range(12):
        lattice.sweep(1)
        here = ((lattice.states().reshape(64, -1) > 0) - p).astype(np.float32)
        product += here @ here.T
        n += here.shape[1]
    z = (product / (p * (1 - p) * np.sqrt(n)))[np.triu_indices(64, 1)]
    largest = np.abs(z).max()
    oracle("multispin, 2016 pairs of bits", p=1 - (1 - 2 * stats.norm.sf(largest)) ** len(z))
    oracle("multispin, spread over 2016 pairs of bits", p=stats.chi2.sf((z**2).sum(), len(z)))


def test_places_give_the_stated_mean_and_covariance_exactly():
    """Every random word of two bits and three places, summed: p and 4 ** -3 p' (1 - p')."""
    for eighths, tenths in ((0, 3), (3, 7), (5, 0), (7, 9)):
        rest = Fraction(tenths, 10)
        p = (eighths + rest) / 8
        mean, both = Fraction(0), Fraction(0)
        for carry, weight in ((0, 1 - rest), (3, rest)):
            for words in itertools.product(range(4), repeat=3):
                chances = (np.uint64(carry),) * 5
                for place, word in enumerate(words):
                    ones = np.uint64(3 if eighths >> place & 1 else 0)
                    chances = kernels.add_place.py_func(chances, np.uint64(word), (ones,) * 5)
                assert len({int(chance) for chance in chances}) == 1
                mean += weight / 64 * (int(chances[0]) & 1)
                both += weight / 64 * (int(chances[0]) == 3)
        assert mean == p
        assert both - p**2 == rest * (1 - rest) / 4**3


def test_table_of_places_is_the_nearest_multiple():
    chances = np.array([0.0, 1.0, 0.5, 1e-9, 0.123456789, np.exp(-4 * 0.44)])
    table = binary_places(chances)
    assert set(np.unique(table[:16])) <= {0, ALL}
    value = sum((table[b] > 0).astype(float) * 2.0 ** (b - 16) for b in range(16))
    value = value + table[16] / 2.0**48
    assert np.all(np.abs(value - chances)[[0, 2, 3, 4, 5]] <= 2.0**-49)
    assert value[1] == 1 - 2.0**-48


def test_metropolis_accepts_as_often_as_it_should(oracle):
    """From ordered states, where every site of a colour has the same unlike neighbours."""
    shape, coupling = (128, 512), 0.25
    row, column = np.indices(shape)
    even = (row + column) % 2 == 0
    all_up = np.ones(shape, int)
    one_unlike = np.where(~even & (column % 4 == 0), -1, 1)
    for sign in (1, -1):
        flip = np.where(even, 1, sign)  # the antiferromagnet's states, odd sites turned over
        for name, start, chosen, p in (
            ("no unlike neighbour", all_up, even, np.exp(-8 * coupling)),
            ("one unlike neighbour", one_unlike, even & (column % 2 == 1), np.exp(-4 * coupling)),
        ):
            flipped, n = 0, 0
            for seed in range(10):
                lattice = MultispinIsing(
                    shape, sign * coupling, start=start * flip, method="metropolis", rng=seed
                )
                lattice.sweep(1)
                after = lattice.states().reshape(shape) * flip
                flipped += (after != start)[chosen].sum()
                n += chosen.sum()
                if name == "one unlike neighbour":  # two unlike neighbours: always
                    assert np.all((after != start)[even & (column % 4 == 0)])
            z = (flipped - n * p) / np.sqrt(n * p * (1 - p))
            oracle(f"multispin Metropolis, {name}, sign {sign}", z=z)


@pytest.mark.parametrize(
    ("shape", "coupling", "field", "method"),
    [
        ((128, 4), 0.3, 0.0, "metropolis"),
        ((128, 4), 0.3, 0.02, "heat_bath"),
        ((128, 2), -0.2, 0.3, "heat_bath"),
        ((4, 128), 0.1, -0.1, "auto"),
    ],
)
def test_magnetization_of_the_smallest_tori(shape, coupling, field, method, oracle, blocked_z):
    """All of P(sum s), its moments and the Binder ratio against the transfer matrix."""
    totals, exact = magnetization_distribution(128, min(shape), coupling, field)
    lattice = MultispinIsing(shape, coupling, field, method=method, rng=17)
    lattice.sweep(500)
    n_records = 16000
    total, energy = np.empty(n_records, int), np.empty(n_records)
    for k in range(n_records):
        lattice.sweep(40)  # many correlation times: records are independent
        states = lattice.states()
        total[k] = states.sum(dtype=int)
        energy[k] = bond_sum(states.reshape(shape))
    assert abs(np.corrcoef(total[1:], total[:-1])[0, 1]) < 0.04
    name = f"multispin {lattice.method}, {shape} torus, J = {coupling}, h = {field}"
    expected = exact * n_records
    group = np.minimum(np.cumsum(expected) // 10, np.floor(n_records / 10) - 1).astype(int)
    counts = np.bincount((total + 128 * min(shape)) // 2, minlength=len(exact))
    p = stats.chisquare(
        np.bincount(group, counts)[np.unique(group)],
        np.bincount(group, expected)[np.unique(group)],
    ).pvalue
    oracle(f"{name}, P(sum s)", p=p)
    second, fourth = ((exact @ totals**k) for k in (2.0, 4.0))
    scaled = total / np.sqrt(second)
    oracle(f"{name}, second moment", z=blocked_z(scaled**2, 1.0))
    oracle(f"{name}, fourth moment", z=blocked_z(scaled**4, fourth / second**2))
    blocks = (scaled.reshape(32, -1)[..., None] ** [2, 4]).mean(axis=1)
    everything = blocks.mean(axis=0)
    binder = everything[1] / everything[0] ** 2
    left_out = (32 * everything - blocks) / 31
    jackknife = left_out[:, 1] / left_out[:, 0] ** 2
    error = np.sqrt(31 * np.mean((jackknife - jackknife.mean()) ** 2))
    oracle(f"{name}, Binder ratio", z=(binder - fourth / second**2) / error)
    if field == 0.0:
        torus = kaufman_torus(shape, coupling)
        oracle(f"{name}, energy", z=blocked_z(-coupling * energy, torus.energy))


@pytest.mark.parametrize(
    ("shape", "coupling", "method"),
    [
        ((128, 128), 0.4406868, "metropolis"),
        ((128, 128), 0.42, "heat_bath"),
        ((64, 256), -0.41, "metropolis"),
        ((128, 128), 0.1, "auto"),
    ],
)
def test_energy_of_kaufmans_torus(shape, coupling, method, oracle, blocked_z):
    exact = kaufman_torus(shape, coupling)
    lattice = MultispinIsing(shape, coupling, method=method, rng=8)
    lattice.sweep(30000)
    energy = np.empty(3200)
    for k in range(len(energy)):
        lattice.sweep(100)
        energy[k] = -coupling * bond_sum(lattice.states().reshape(shape))
    name = f"multispin {lattice.method}, {shape} torus at J = {coupling}"
    oracle(f"{name}, energy", z=blocked_z(energy, exact.energy))
    spread = (energy - exact.energy) ** 2
    oracle(f"{name}, variance of the energy", z=blocked_z(spread, exact.energy_variance))


def test_field_and_coupling_agree_with_the_other_sampler(oracle):
    """In a field nothing is known exactly: two samplers that share no kernel."""
    results = []
    for sampler in (MultispinIsing, CheckerboardIsing):
        lattice = sampler((128, 128), 0.4, 0.03, rng=5)
        lattice.sweep(1000)
        means = []
        for _ in range(1600):
            lattice.sweep(20)
            means.append(lattice.states().mean(dtype=float))
        blocks = np.reshape(means, (32, -1)).mean(axis=1)
        results.append((blocks.mean(), blocks.var(ddof=1) / 32))
    (one, one_error), (two, two_error) = results
    z = (one - two) / np.sqrt(one_error + two_error)
    oracle("multispin against checkerboard in a field, magnetization", z=z)


def test_no_site_blinks_without_a_coupling(oracle):
    """Metropolis would turn every site over in every sweep; heat bath forgets at once."""
    lattice = MultispinIsing((128, 512), 0.0, rng=5)
    assert lattice.method == "heat_bath"
    before = lattice.states().astype(int)
    lattice.sweep(1)
    z = (before * lattice.states()).mean() * np.sqrt(before.size)
    oracle("multispin at J = h = 0, one sweep's correlation", z=z)
    for coupling, field in ((0.0, 0.0), (0.19, 0.0), (0.5, 0.1)):
        with pytest.raises(InputError, match="needs field 0 and abs"):
            MultispinIsing((128, 4), coupling, field, method="metropolis")


@pytest.mark.parametrize("shape", [(128, 6), (6, 128), (256, 4), (128, 2), (2, 128)])
@pytest.mark.parametrize("coupling", [0.3, -0.3])
def test_start_and_states_use_the_order_of_the_graph(shape, coupling):
    start = np.random.default_rng(3).choice(np.array([-1, 1], np.int8), shape)
    engine = make_multispin_engine(
        Ising([coupling]), square_lattice(shape), start.ravel(), np.random.default_rng(1)
    )
    assert np.array_equal(engine.states(), start.ravel())
    row, column = np.indices(shape)
    ordered = np.where(row % 2 == 0, 1, -1) if coupling > 0 else (-1) ** (row + column)
    ordered = np.ones(shape, int) if coupling > 0 else ordered
    frozen = MultispinIsing(shape, 100 * coupling, start=ordered, rng=1)
    frozen.sweep(5)
    assert np.array_equal(frozen.states(), ordered.ravel())


def test_pieces_and_saved_states_go_on_to_the_bit():
    for field in (0.0, 0.1):
        whole = MultispinIsing((128, 6), 0.4, field, rng=2)
        whole.sweep(3)
        saved = whole.arrays()
        whole.sweep(4)
        other = MultispinIsing((128, 6), 0.4, field, rng=99)
        other.restore(saved)
        other.sweep(1)
        other.sweep(3)
        assert all(np.array_equal(other.arrays()[k], v) for k, v in whole.arrays().items())
        assert np.array_equal(other.states(), whole.states())


@pytest.mark.parametrize("field", [0.0, 0.1])
def test_compiled_sweeps_equal_their_python_form(field, monkeypatch):
    compiled, plain = (MultispinIsing((128, 4), 0.3, field, rng=4) for _ in range(2))
    compiled.sweep(2)
    for name, member in inspect.getmembers(kernels, lambda item: hasattr(item, "py_func")):
        monkeypatch.setattr(kernels, name, member.py_func)
        if hasattr(multispin, name):
            monkeypatch.setattr(multispin, name, member.py_func)
    with np.errstate(over="ignore"):
        plain.sweep(2)
    for ours, theirs in zip(compiled.arrays().values(), plain.arrays().values(), strict=True):
        assert np.array_equal(ours, theirs)


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match=r"multiple of 128.*checkerboard"):
        MultispinIsing((64, 64), 0.3)
    with pytest.raises(InputError, match="even sides"):
        MultispinIsing((128, 5), 0.3)
    with pytest.raises(InputError, match="coupling"):
        MultispinIsing((128, 4), np.nan)
    with pytest.raises(InputError, match="start may hold"):
        MultispinIsing((128, 4), 0.3, start=np.zeros(512))
    with pytest.raises(InputError, match="needs one coupling"):
        make_multispin_engine(
            Ising([0.3], np.arange(512.0)), square_lattice((128, 4)), np.ones(512, np.int8),
            np.random.default_rng(1),
        )  # fmt: skip


@pytest.mark.parametrize("coupling", [0.1, 0.4, -0.4, 4.0, 4.3, 6.0, 50.0])
@pytest.mark.parametrize("field", [0.0, 0.3, -30.0])
def test_heat_bath_draws_up_and_down_alike_to_the_last_place(coupling, field):
    """Probabilities read back from the table: with k neighbours up, and 4 - k at the field -h."""
    units = []
    for sign in (1, -1):
        table = MultispinIsing((128, 2), coupling, sign * field, method="heat_bath")._table
        high = sum(int(2**place) * (table[place] != 0).astype(np.int64) for place in range(16))
        units.append((high << 32) + table[16].astype(np.int64))
    assert np.array_equal(units[0] + units[1][::-1], np.full(5, 2**48))
    assert units[0].min() >= 1
