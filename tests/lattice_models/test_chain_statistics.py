"""Means of chains and their errors, against closed forms and sums over all states."""

import signal

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from physlearn.checks import InputError
from physlearn.lattice_models import (
    Clock,
    Ising,
    LatticeGas,
    PairHamiltonian,
    Potts,
    autocorrelation_time,
    exact_enumeration,
    sample_statistics,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.chain_statistics import _record, _stuck
from physlearn.lattice_models.samplers.state_engines import bond_overlap

GRAPH = triangular_lattice((3, 3), n_shells=2, periodic=False)


def autoregressive(rho, shape, seed):
    noise = np.random.default_rng(seed).normal(size=shape)
    noise[..., 0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=-1)


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.5, 0.9])
def test_autocorrelation_time_of_an_autoregressive_chain(rho, oracle):
    """tau = (1 + rho) / (1 - rho); the window of 5 tau leaves a bias below 1 % (Sokal 1997)."""
    exact = (1 + rho) / (1 - rho)
    found = [autocorrelation_time(autoregressive(rho, (2, 20_000), seed)) for seed in range(30)]
    error = np.std(found, ddof=1) / np.sqrt(30)
    rest = np.mean(found) - exact
    oracle(f"autocorrelation time, rho = {rho}", z=rest / np.hypot(error, 0.01 * exact))


def test_errors_of_correlated_means_are_as_large_as_the_scatter(oracle):
    """Over 400 runs of an autoregressive chain, mean / standard error is normal, of variance 1."""
    z = []
    for seed in range(400):
        chain = autoregressive(0.8, (1, 4000), 1000 + seed)
        error = np.sqrt(chain.var() * autocorrelation_time(chain) / chain.size)
        z.append(chain.mean() / error)
    oracle("errors of correlated means", p=stats.kstest(z, "norm").pvalue)
    oracle("size of errors of correlated means", z=(np.var(z) - 1) / np.sqrt(2 / 400))


def test_chains_that_disagree_have_not_forgotten_their_starts():
    """Each chain alone is white noise; about their common mean they remember for ever."""
    noise = np.random.default_rng(5).normal(size=(2, 4000))
    assert autocorrelation_time(noise) < 1.2
    assert autocorrelation_time(noise + np.array([[0.0], [5.0]])) > 1000
    up, down = np.ones(64), -np.ones(64)
    drawn = sample_statistics(
        Ising([0.7]), square_lattice((8, 8)), 500, method="heat_bath", start=[up, down],
        n_chains=2, rng=1,
    )  # fmt: skip
    assert any("shorter than" in text and "magnetization" in text for text in drawn.warnings)
    row = drawn.estimates.loc["magnetization"]
    assert row["standard_error"] > 10 and abs(row["mean"]) < 3 * row["standard_error"]


MODELS = {
    "Ising": Ising([0.1, -0.05], 0.1),
    "Ising with triplets": Ising([0.1, -0.05], 0.1, triplets={(0, 0, 0): 0.05}),
    "lattice gas": LatticeGas([-0.4, 0.1], 0.2),
}


def exact_sums(model, graph, signed=False):
    """Return energy, magnetization and sums by shell of all states, and probabilities."""
    exact = exact_enumeration(model, graph)
    states = exact.states.astype(int)
    states = 2 * states - 1 if signed else states
    left, right = states[:, graph.edges[:, 0]], states[:, graph.edges[:, 1]]
    shells = [(graph.multiplicity * left * right)[:, graph.shell == k].sum(axis=1) for k in (0, 1)]
    return [exact.energies, states.sum(axis=1), *shells], exact.probabilities


@pytest.mark.parametrize(
    ("method", "name"),
    [("heat_bath", "Ising"), ("metropolis", "Ising with triplets"), ("heat_bath", "lattice gas"),
     ("wolff", "Ising"), ("tempering", "lattice gas")],
)  # fmt: skip
def test_means_equal_the_exact_ones_within_their_errors(method, name, oracle):
    model = MODELS[name]
    drawn = sample_statistics(model, GRAPH, 4000, 2, method=method, burn_in=50, n_chains=4, rng=3)
    sums, probabilities = exact_sums(model, GRAPH, signed=isinstance(model, LatticeGas))
    assert drawn.warnings == ()
    for values, row in zip(sums, drawn.summary().itertuples(), strict=True):
        z = (row.mean - probabilities @ values) / row.standard_error
        oracle(f"{method}, {name}: mean of {row.Index}", z=z)
        spread = probabilities @ values**2 - (probabilities @ values) ** 2
        error = np.sqrt(spread / row.effective_samples)
        assert row.standard_error == pytest.approx(error, rel=0.1)


def test_incremental_sums_equal_sums_over_the_pictures():
    """The same seed draws the same chain with and without counting."""
    from physlearn.lattice_models import simulate_lattice

    for model in (Ising([0.2, -0.1], 0.1), Potts(3, [0.4, 0.1]), Clock(4, [0.5, 0.1])):
        for method in ("heat_bath", "metropolis"):
            options = {"method": method, "burn_in": 7, "rng": 4, "n_chains": 2}
            drawn = sample_statistics(model, GRAPH, 12, 3, **options)
            pictures = simulate_lattice(model, GRAPH, 12, 3, **options).states
            assert np.allclose(drawn.table["energy"], model.energy(pictures, GRAPH), atol=1e-11)
            codes = np.searchsorted(model.state_values, pictures)
            overlap = bond_overlap(model)[codes[:, GRAPH.edges[:, 0]], codes[:, GRAPH.edges[:, 1]]]
            for shell in (0, 1):
                sums = (overlap * GRAPH.multiplicity)[:, GRAPH.shell == shell].sum(axis=1)
                assert np.allclose(drawn.table[f"shell_{shell}"], sums, atol=1e-11)


def test_columns_say_what_each_model_has():
    graph = square_lattice((4, 4))
    options = {"n_samples": 8, "burn_in": 5, "rng": 1, "method": "heat_bath"}
    potts = sample_statistics(Potts(3, [0.4]), graph, **options)
    assert list(potts.table)[2:] == ["energy", "count_0", "count_1", "count_2", "shell_0"]
    assert np.all(potts.table[["count_0", "count_1", "count_2"]].sum(axis=1) == 16)
    assert bond_overlap(Clock(4, [1.0]))[0] == pytest.approx([1, 0, -1, 0])
    assert bond_overlap(Ising([1.0])).tolist() == [[1, -1], [-1, 1]]
    for method in ("wolff", "heat_bath"):
        options["method"] = method
        again = sample_statistics(Potts(3, [0.4]), graph, **options)
        assert list(again.table) == list(potts.table)
        assert again.metadata["method"] == method


@pytest.mark.parametrize("method", ["heat_bath", "metropolis", "kawasaki", "kawasaki_local"])
@pytest.mark.parametrize("values", [(-1, 1), (0, 1), (-1, 0), (-2, 0, 1)])
def test_names_and_sums_agree_whatever_the_states(method, values):
    q, graph = len(values), square_lattice((4, 4))
    model = PairHamiltonian([0.5 * (1 - np.eye(q))], state_values=values)
    start = np.resize(values, 16)
    drawn = sample_statistics(model, graph, 20, method=method, burn_in=5, start=start, rng=1)
    counts = drawn.table[[f"count_{value}" for value in values]]
    assert np.all(counts.sum(axis=1) == 16)
    if min(values) < 0:
        assert np.array_equal(drawn.table["magnetization"], counts.to_numpy() @ values)


def test_short_chains_are_said_to_be_short():
    drawn = sample_statistics(
        Ising([0.44]), square_lattice((16, 16)), 60, 1, method="heat_bath", burn_in=50, rng=1
    )
    assert "shorter than 50 correlation times of energy" in drawn.warnings[0]


def test_a_chain_that_never_moved_is_said_to_be_stuck():
    graph = square_lattice((4, 4))
    options = {"method": "heat_bath", "rng": 1, "burn_in": 0}
    frozen = sample_statistics(Ising([5.0]), graph, 200, start=np.ones(16), **options)
    assert frozen.summary().loc["energy", "standard_error"] == 0.0
    assert "no change in 200 samples" in " ".join(frozen.warnings)
    starts = np.array([np.ones(16), np.resize([1, -1], 16)])
    one = sample_statistics(Ising([5.0]), graph, 200, start=starts, n_chains=2, **options)
    assert "no change in 200 samples" in " ".join(one.warnings)
    for model in (Ising([0.0]), Potts(3, [0.0])):  # a truly constant energy, and sites that move
        free = sample_statistics(model, graph, 200, **options)
        assert free.warnings == () and free.summary().loc["energy", "standard_error"] == 0.0


def test_errors_of_a_run_stopped_after_few_samples_are_not_numbers():
    def stop(done, total):
        if done >= 100:
            signal.raise_signal(signal.SIGINT)

    drawn = sample_statistics(
        Ising([0.2]), square_lattice((4, 4)), 400, 100, method="heat_bath", burn_in=0, rng=1,
        progress=stop,
    )  # fmt: skip
    assert 1 <= len(drawn.table) < 4
    assert drawn.summary()["standard_error"].isna().all()
    assert drawn.summary()["effective_samples"].isna().all()
    assert np.all(np.isfinite(drawn.summary()["mean"]))
    assert "at least 4 samples" in " ".join(drawn.warnings)


def test_a_constant_has_no_error_and_bad_input_is_refused():
    assert autocorrelation_time(np.ones(50)) == 1.0
    for wrong in (np.ones(3), [1.0, 2.0, np.nan, 3.0], np.ones((2, 2, 8))):
        with pytest.raises(InputError, match="samples"):
            autocorrelation_time(wrong)
    with pytest.raises(InputError, match="n_samples must be a whole number of at least 4"):
        sample_statistics(Ising([0.1]), square_lattice((4, 4)), 3)


def test_kept_composition_has_a_certain_magnetization():
    start = np.resize([-1, 1, 1], 16)
    drawn = sample_statistics(
        Ising([0.3]), square_lattice((4, 4)), 100, 2, method="kawasaki", start=start, rng=1
    )
    row = drawn.summary().loc["magnetization"]
    assert row["mean"] == start.sum() and row["standard_error"] == 0.0


def slow_time(chains):
    """The definition: rho over all chains about the common mean, the window grown step by step."""
    rest = chains - chains.mean()
    n = rest.shape[1]
    at = [np.sum(rest[:, : n - t] * rest[:, t:]) for t in range(n)]
    tau = 1.0
    for window in range(1, n):
        tau += 2.0 * at[window] / at[0]
        if window >= 5 * max(tau, 2.0):
            return max(tau, 0.0)
    return float(n)


@pytest.mark.parametrize("rho", [-0.95, 0.0, 0.3, 0.8])
def test_the_correlation_time_is_the_sum_over_its_window(rho):
    for shape in ((1, 40), (3, 101), (2, 256)):
        chains = autoregressive(rho, shape, 1)
        assert autocorrelation_time(chains) == pytest.approx(slow_time(chains), rel=1e-9)
        unit = (chains - chains.min()) / np.ptp(chains)  # of range one, shifted: the same
        assert autocorrelation_time(unit) == pytest.approx(slow_time(chains), rel=1e-9)


def test_a_chain_is_stuck_where_energy_and_bonds_never_change():
    names = ("energy", "magnetization", "shell_0")
    still = np.tile([3.0, 1.0, 2.0], (2, 5, 1))
    moving = still.copy()
    moving[1] += np.arange(5)[:, None]
    flips = still.copy()
    flips[:, ::2, 1] *= -1.0  # all spins turn at once: no bond has changed
    assert _stuck(names, still) and _stuck(names, moving) and _stuck(names, flips)
    for column in (0, 2):
        found = still.copy()
        found[:, ::2, column] += 1.0
        assert not _stuck(names, found)
    assert not _stuck(names[:2], flips) and _stuck(names[:2], still)


def test_errors_are_in_the_unit_of_the_series_and_need_four_samples():
    series = autoregressive(0.5, (2, 400), 3)[..., None]
    metadata = {"method": "heat_bath"}
    one, small = (_record(("energy",), u * series, 3, metadata, ()).estimates for u in (1.0, 0.01))
    assert small.loc["energy", "standard_error"] == pytest.approx(
        0.01 * one.loc["energy", "standard_error"]
    )
    tau = autocorrelation_time(series[..., 0])
    row = one.loc["energy"]
    assert row["autocorrelation_sweeps"] == pytest.approx(3 * tau)
    assert row["effective_samples"] == pytest.approx(800 / tau)
    error = np.sqrt(series.var() / (800 / tau - 1))
    assert row["standard_error"] == pytest.approx(error)
    few = _record(("energy",), series[:, :4], 1, metadata, ())
    assert np.isfinite(few.estimates.loc["energy", "effective_samples"])
    assert not any("at least 4" in text for text in few.warnings)
    # samples that undo one another tell more than independent ones, by the length at the most
    swing = np.resize([1.0, -1.0], (1, 60))[..., None]
    assert _record(("energy",), swing, 1, metadata, ()).estimates.loc[
        "energy", "effective_samples"
    ] == pytest.approx(60 / max(slow_time(swing[..., 0]), 1 / 60))
