"""Parallel tempering against sums over all states and Kaufman's torus, on every rung."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import erfc, erfcinv, logsumexp

from physlearn.checks import InputError
from physlearn.lattice_models import autocorrelation_time
from physlearn.lattice_models.exact_answers.elimination import exact_thermodynamics
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.graphs.regular_lattices import square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import BlumeCapel, Clock, Potts
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising, LatticeGas
from physlearn.lattice_models.tempering import tempering_kernels as kernels
from physlearn.lattice_models.tempering.temper_lattice import temper_lattice
from physlearn.lattice_models.tempering.tempering_engine import (
    TemperingEngine,
    choose_ladder,
    make_tempering_engine,
)

TORUS, TRIANGLES = square_lattice((3, 3)), triangular_lattice((3, 3))
PATCH = square_lattice((2, 3), periodic=False)
RNG = np.random.default_rng(3)
GLASS = np.sign(RNG.normal(size=len(TRIANGLES.edges)))
RANDOM_FIELD = RNG.normal(0.0, 0.5, 9)
FACTORS = np.array([0.0, 0.4, 0.7, 1.0])

# Hamiltonians (one for all rungs, or one a rung), graph, factors
MODELS = {
    "spin glass": ([Ising([0.8], RANDOM_FIELD, bonds=GLASS)], TRIANGLES, FACTORS),
    "lattice gas": ([LatticeGas([0.9], 1.0)], TORUS, FACTORS),
    "Ising with triplets": (
        [Ising([0.3], 0.1, triplets={(0, 0, 0): 0.25})], TRIANGLES, FACTORS,
    ),
    "Potts in a field": ([Potts(3, [1.2], [0.2, 0.0, -0.3])], PATCH, FACTORS),
    "Blume-Capel": ([BlumeCapel([0.9], 0.8, 0.1)], PATCH, FACTORS),
    "Ising, a field that grows": (
        [Ising([0.4], h) for h in (0.5, 0.25, 0.0)], TORUS, np.ones(3),
    ),
    "clock, couplings and factors": (
        [Clock(4, [j], 0.2) for j in (0.2, 0.9, 1.2)], PATCH, np.array([0.5, 0.6, 1.0]),
    ),
}  # fmt: skip


def all_states(hamiltonian, graph):
    return np.array(list(itertools.product(hamiltonian.state_values, repeat=graph.n_sites)))


def chi_square_p(observed, probabilities):
    counts = np.bincount(observed, minlength=len(probabilities))
    order = np.argsort(probabilities)
    expected = probabilities[order] * counts.sum()
    group = np.minimum(np.cumsum(expected) // 8, expected.sum() // 8 - 1).astype(int)
    kept = np.unique(group)
    return stats.chisquare(
        np.bincount(group, counts[order])[kept], np.bincount(group, expected)[kept]
    ).pvalue


@pytest.mark.parametrize("name", MODELS)
def test_every_rung_of_independent_runs_follows_its_exact_distribution(name, oracle):
    hamiltonians, graph, factors = MODELS[name]
    values = np.array(hamiltonians[0].state_values)
    states = all_states(hamiltonians[0], graph)
    place = len(values) ** np.arange(graph.n_sites)[::-1]
    rng = np.random.default_rng(5)
    found = np.empty((4000, len(factors)), np.int64)
    for run in range(len(found)):
        start = rng.choice(values, (len(factors), graph.n_sites))
        engine = TemperingEngine(hamiltonians, graph, factors, start, rng)
        engine.sweep(40)
        found[run] = np.searchsorted(values, engine.all_states()) @ place
    for rung, factor in enumerate(factors):
        own = hamiltonians[rung if len(hamiltonians) > 1 else 0]
        log_weight = -factor * own.energy(states, graph)
        exact = np.exp(log_weight - logsumexp(log_weight))
        oracle(f"tempering, {name}, all states of rung {rung}",
               p=chi_square_p(found[:, rung], exact))  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_energies_follow_every_change(name, oracle):
    hamiltonians, graph, factors = MODELS[name]
    start = np.full(graph.n_sites, hamiltonians[0].state_values[-1])
    engine = TemperingEngine(hamiltonians, graph, factors, start, np.random.default_rng(1))
    engine.sweep(2000)
    rungs = hamiltonians if len(hamiltonians) > 1 else hamiltonians * len(factors)
    exact = [h.energy(s, graph) for h, s in zip(rungs, engine.all_states(), strict=True)]
    oracle(f"tempering, {name}, energy after 2000 sweeps", bound=1e-10,
           error=np.max(np.abs(engine.energies() - exact)))  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_kernels_equal_their_python_form_and_pieces_do_not_matter(name, monkeypatch):
    hamiltonians, graph, factors = MODELS[name]

    def run(*pieces):
        start = np.full(graph.n_sites, hamiltonians[0].state_values[0])
        engine = TemperingEngine(hamiltonians, graph, factors, start, np.random.default_rng(2))
        for n in pieces:
            engine.sweep(n)
        return engine.arrays()

    compiled = run(9)
    other = run(1, 3, 5)
    assert all(np.array_equal(compiled[key], other[key]) for key in compiled)
    for helper in (
        "next_word",
        "uniform",
        "swap_rungs",
        "mark_ends",
        "sweep_replica",
        "replica_energy",
    ):
        monkeypatch.setattr(kernels, helper, getattr(kernels, helper).py_func)
    for kernel in ("temper_two_states", "temper_any_states"):
        monkeypatch.setattr(f"physlearn.lattice_models.tempering.tempering_engine.{kernel}",
                            getattr(kernels, kernel).py_func)  # fmt: skip
    with np.errstate(over="ignore"):
        plain = run(9)
    assert all(np.array_equal(compiled[key], plain[key]) for key in compiled)


def test_the_exponential_of_the_kernel_is_that_of_numpy(oracle):
    x = np.concatenate([np.linspace(-40, 40, 100_001), np.linspace(-700, 700, 10_001), [0.0]])
    found = np.array([kernels.exponential(value) for value in x])
    exact = np.exp(x.astype(np.longdouble))
    oracle("exponential of the tempering kernel", bound=4e-16,
           error=float(np.max(np.abs(found / exact - 1))))  # fmt: skip
    assert kernels.exponential(-1e6) == kernels.exponential(-700.0) > 0.0
    assert kernels.exponential(1e6) == kernels.exponential(700.0) < np.inf


@pytest.mark.parametrize("name", ["spin glass", "Ising with triplets", "Potts in a field"])
def test_absolute_free_energies_against_the_sum_over_all_states(name, oracle):
    (hamiltonian,), graph, factors = MODELS[name]
    energy = hamiltonian.energy(all_states(hamiltonian, graph), graph)
    found = temper_lattice(hamiltonian, graph, factors, 2000, 10, rng=7)
    assert found.absolute and not found.warnings
    for rung in range(1, len(factors)):
        z = found.free_energies.log_partitions[rung] - logsumexp(-factors[rung] * energy)
        oracle(f"log Z by tempering, {name}, rung {rung}", z=z / found.free_energies.errors[rung])
    log_z, error = found.log_partition(0.85)
    oracle(
        f"log Z by tempering, {name}, between rungs", z=(log_z - logsumexp(-0.85 * energy)) / error
    )
    mean, error = found.mean(found.energies, 0.85)
    weight = np.exp(-0.85 * (energy - energy.min()))
    oracle(f"energy by tempering, {name}, between rungs",
           z=(mean - weight @ energy / weight.sum()) / error)  # fmt: skip


@pytest.mark.parametrize("hamiltonians", [False, True])
def test_a_lattice_gas_looks_as_in_simulate_lattice_and_keeps_its_energy(hamiltonians, oracle):
    (gas,), graph, factors = MODELS["lattice gas"]
    ladder = [LatticeGas([v], 1.0) for v in (0.0, 0.5)] if hamiltonians else factors
    found = temper_lattice(gas, graph, ladder, 1000, 5, start=np.resize([-1, 1], 9), rng=3)
    energy = gas.energy(all_states(gas, graph), graph)
    cold = found.snapshots[-1]
    assert cold.state_values == (-1, 1) and cold.state_names == ("empty", "occupied")
    assert set(np.unique(cold.states)) == {-1, 1}
    assert np.allclose(found.energies[-1], gas.energy((cold.states + 1) // 2, graph), atol=1e-10)
    exact = logsumexp(-energy)
    if hamiltonians:  # independent sites on the first rung
        exact -= 9 * np.log1p(np.exp(1.0))
    for at in (gas,) if hamiltonians else (1.0, gas):
        log_z, error = found.log_partition(at)
        oracle(f"log Z of a lattice gas, {'Hamiltonians' if hamiltonians else 'factors'}",
               z=(log_z - exact) / error)  # fmt: skip


def test_free_energy_between_hamiltonians(oracle):
    hamiltonians, graph, _ = MODELS["Ising, a field that grows"]
    found = temper_lattice(hamiltonians[-1], graph, hamiltonians[:-1], 2000, 5, rng=3)
    assert not found.absolute and found.hamiltonians == tuple(hamiltonians)
    states = all_states(hamiltonians[0], graph)
    exact = [logsumexp(-h.energy(states, graph)) for h in hamiltonians]
    for rung in (1, 2):
        z = found.free_energies.log_partitions[rung] - (exact[rung] - exact[0])
        oracle(f"log Z ratio of fields, rung {rung}", z=z / found.free_energies.errors[rung])
    between = Ising([0.4], 0.4)
    log_z, error = found.log_partition(between)
    z = (log_z - logsumexp(-between.energy(states, graph)) + exact[0]) / error
    oracle("log Z ratio of fields, between", z=z)
    with pytest.raises(InputError, match="at must be a Hamiltonian"):
        found.log_partition(0.5)


def test_log_partition_and_energy_of_kaufmans_torus_through_its_transition(oracle):
    graph, coupling = square_lattice((16, 16)), 0.55
    # 800 samples make about 47 round trips (45 to 50 at five of six seeds): 1600 about 95 +- 10
    found = temper_lattice(Ising([coupling]), graph, None, 1600, 10, rng=11)
    assert found.absolute and not found.warnings
    assert "chosen" in found.metadata["ladder"]
    assert found.round_trips > 50
    for rung, factor in enumerate(found.factors):
        torus = kaufman_torus((16, 16), factor * coupling)
        if rung:
            z = found.free_energies.log_partitions[rung] - torus.log_partition
            oracle(f"log Z of Kaufman's torus, K = {factor * coupling:.3f}",
                   z=z / found.free_energies.errors[rung])  # fmt: skip
    for factor in (0.5, 0.8, 0.97):
        torus = kaufman_torus((16, 16), factor * coupling)
        log_z, error = found.log_partition(factor)
        oracle(f"log Z of Kaufman's torus, between rungs, {factor}",
               z=(log_z - torus.log_partition) / error)  # fmt: skip
        mean, error = found.mean(found.energies, factor)
        oracle(f"energy of Kaufman's torus, between rungs, {factor}",
               z=(mean - torus.energy / factor) / error)  # fmt: skip


def test_spin_glass_at_low_temperature_against_its_exact_sum(oracle):
    """Heat bath alone never leaves a valley at J / kT of 3; its free energy needs the ladder."""
    graph = square_lattice((8, 8), periodic=False)
    rng = np.random.default_rng(21)
    glass = Ising([3.0], rng.normal(0, 0.3, 64), bonds=rng.normal(size=len(graph.edges)))
    found = temper_lattice(glass, graph, None, 600, 40, rng=5)
    assert found.absolute and not found.warnings
    for rung, factor in enumerate(found.factors[1:], start=1):
        scaled = Ising(3.0 * factor * np.ones(1), factor * glass.field, bonds=glass.bonds)
        exact = exact_thermodynamics(scaled, graph)
        z = found.free_energies.log_partitions[rung] - exact.log_partition
        oracle(f"log Z of a spin glass, factor {factor:.2f}",
               z=z / found.free_energies.errors[rung])  # fmt: skip
        mean, error = found.mean(found.energies, factor)
        oracle(f"energy of a spin glass, factor {factor:.2f}",
               z=(mean - exact.energy / factor) / error)  # fmt: skip


@pytest.mark.parametrize("wanted", [0.2, 0.5])
def test_a_chosen_ladder_exchanges_about_as_often_as_asked(wanted):
    """Exchanges are as rare as the spread of the energy says, within the noise of the pilot run.

    A pilot of 150 samples knows sigma to 1 / sqrt(2 x 150 / tau), the mean of two neighbours to
    that over sqrt 2; acceptance erfc(x) changes by 2 x exp(-x^2) / sqrt(pi) times that.
    """
    rng, graph = np.random.default_rng(1), square_lattice((12, 12))
    glass = Ising([1.5], bonds=rng.normal(size=len(graph.edges)))
    ladder = choose_ladder(glass, graph, acceptance=wanted, rng=2)
    assert ladder[0] == 0.0 and ladder[-1] == 1.0 and np.all(np.diff(ladder) > 0)
    engine = TemperingEngine([glass], graph, ladder, np.ones(144), rng)
    engine.sweep(500)
    engine.forget()
    trace, n_steps = np.empty((2000, len(ladder))), len(ladder) - 1
    for sample in range(2000):
        engine.sweep(2)
        trace[sample] = engine.energies()
    assert engine.round_trips > 0
    x, tau = erfcinv(wanted), np.mean([autocorrelation_time(rung) for rung in trace.T])
    slope = 2 * x * np.exp(-(x**2)) / np.sqrt(np.pi)
    pilot = slope / np.sqrt(2 * 150 / tau) / np.sqrt(2)
    trials = np.sqrt(wanted * (1 - wanted) * tau / 2000)
    # as many rungs as the integral of sigma asks for, and no more
    sigma = trace.std(axis=0)
    length = np.sum(np.diff(ladder) * (sigma[1:] + sigma[:-1]) / 2)
    noise = 4 * pilot / np.sqrt(n_steps)
    expected = erfc(length / n_steps / 2)
    assert expected > wanted - noise
    assert erfc(length / (n_steps - 1) / 2) < wanted + noise
    # and all steps alike: the mean square of n_steps normal errors, at 4 sigma
    spread = np.sqrt(np.mean((engine.swap_acceptance - expected) ** 2))
    assert spread < np.hypot(pilot, trials) * (1 + 4 / np.sqrt(2 * n_steps))


def test_no_energy_differences_need_two_rungs_only():
    assert choose_ladder(Ising([0.0]), TORUS, rng=1).tolist() == [0.0, 1.0]


def test_engine_of_the_front_end_samples_the_hamiltonian_itself(oracle):
    hamiltonian = MODELS["spin glass"][0][0]
    engine = make_tempering_engine(
        hamiltonian, TRIANGLES, np.ones(9, np.int8), np.random.default_rng(4)
    )
    engine.sweep(100)
    found = np.empty(6000, np.int64)
    for sample in range(6000):
        engine.sweep(15)
        found[sample] = (engine.states() > 0) @ (1 << np.arange(9)[::-1])
    weight = np.exp(-hamiltonian.energy(all_states(hamiltonian, TRIANGLES), TRIANGLES))
    oracle("tempering engine, all states", p=chi_square_p(found, weight / weight.sum()))
