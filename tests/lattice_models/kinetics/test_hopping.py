"""Kinetic Monte Carlo against master equations, first passages, Boltzmann weights and survival."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from physlearn.lattice_models import (
    Ising,
    LatticeGas,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.hamiltonians.state_hamiltonians import PairHamiltonian
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule, HopRates, Transformation
from physlearn.lattice_models.kinetics.hopping import simulate_hop_history, simulate_hops
from physlearn.lattice_models.kinetics.transformations import (
    simulate_transformation_history,
    simulate_transformations,
)
from physlearn.records import SiteGraph

KT = 8.617333262e-5 * 300.0


def copies_of(graph, n):
    """n systems without bonds between them: as many independent runs in one."""
    shift = graph.n_sites * np.arange(n)
    positions = graph.positions
    return SiteGraph(
        n * graph.n_sites,
        (graph.edges[None] + shift[:, None, None]).reshape(-1, 2),
        np.tile(graph.shell, n), np.tile(graph.multiplicity, n),
        positions=None if positions is None else np.tile(positions, (n, 1)),
        cell=graph.cell, shell_radii=graph.shell_radii,
    )  # fmt: skip


def chain(n, extra=()):
    edges = [[i, i + 1] for i in range(n - 1)] + [list(edge) for edge in extra]
    positions = np.column_stack([np.arange(n), np.zeros(n)])
    return SiteGraph(n, edges, [0] * len(edges), [1] * len(edges), positions=positions)


def barrier_of(change, base, rule):
    if rule == "metropolis":
        return base + np.maximum(change, 0.0)
    return np.maximum(np.maximum(base + change / 2, change), 0.0)


def chi_square_p(counts, probabilities):
    possible = probabilities > 1e-13  # what no path reaches must never be seen
    assert counts[~possible].sum() == 0
    counts, expected = counts[possible], probabilities[possible] * counts.sum()
    order = np.argsort(expected)
    group = np.minimum(np.cumsum(expected[order]) // 10, np.floor(expected.sum() / 10) - 1)
    label = np.unique(group, return_inverse=True)[1]
    return stats.chisquare(
        np.bincount(label, counts[order]), np.bincount(label, expected[order])
    ).pvalue


def hop_generator(graph, energy_kt, configurations, rate_of):
    """Generator of all hops between occupations; ``rate_of(edge, code, change)``."""
    index = {tuple(c): k for k, c in enumerate(configurations)}
    out = np.zeros((len(configurations), len(configurations)))
    energies = energy_kt(np.array(configurations))
    for k, configuration in enumerate(configurations):
        for edge, (a, b) in enumerate(graph.edges):
            for i, j in ((a, b), (b, a)):
                if configuration[i] != 0 and configuration[j] == 0:
                    after = list(configuration)
                    after[i], after[j] = 0, configuration[i]
                    m = index[tuple(after)]
                    rate = graph.multiplicity[edge] * rate_of(
                        edge, configuration[i], energies[m] - energies[k]
                    )
                    out[k, m] += rate
                    out[k, k] -= rate
    return out


def histogram(states, configurations):
    """How often each configuration stands among copies, (n_copies, n_sites)."""
    index = {tuple(c): k for k, c in enumerate(configurations)}
    found = [index[tuple(row)] for row in states]
    return np.bincount(found, minlength=len(configurations))


def test_free_walk_spreads_as_two_d_t(oracle):
    graph = square_lattice((4, 5))
    n, rate, time = 6000, 3.0, 0.9
    start = np.tile(np.arange(20) == 7, n)
    walk = simulate_hops(
        HopRates([0.0], attempt_frequency_hz=rate), copies_of(graph, n), start, [0.0, time], rng=3
    )
    assert walk.metadata["positions"] == "unwrapped"
    moved = walk.positions[walk.frame == 1] - walk.positions[walk.frame == 0]
    for axis, name in enumerate("xy"):
        squared, expected = moved[:, axis] ** 2, 2 * rate * time
        error = np.sqrt((2 * expected**2 + expected) / n)
        oracle(f"hops, <{name}^2> = 2 D t", z=(squared.mean() - expected) / error)
        oracle(f"hops, <{name}> = 0", z=moved[:, axis].mean() / np.sqrt(expected / n))
    steps = np.round(moved).astype(int)
    assert np.abs(moved - steps).max() < 1e-12
    assert np.abs(steps).max() > 4  # beyond the cell: followed through its faces
    skellam = stats.skellam(rate * time, rate * time)
    values = np.arange(-30, 31)
    counts = np.bincount(steps[:, 0] + 30, minlength=61)
    oracle("hops, all of p(x, t)", p=chi_square_p(counts, skellam.pmf(values)))


def test_waiting_times_are_exponential(oracle):
    graph = triangular_lattice((5, 5), n_shells=2)
    rates = HopRates([0.0, 2 * KT], attempt_frequency_hz=10.0)
    start = np.arange(25) == 3
    history = simulate_hop_history(rates, graph, start, [0.0, 300.0], rng=8)
    waits = np.diff(history.events["time_s"])
    total = 10.0 * (6 + 6 * np.exp(-2))
    assert len(waits) > 10_000
    oracle("hops, waiting times", p=stats.kstest(waits * total, "expon").pvalue)
    moved = np.diff(history.events[["site_from", "site_to"]].to_numpy(), axis=1)
    near = np.isin(
        history.events["site_from"] * 25 + history.events["site_to"],
        [a * 25 + b for i, j in graph.edges[graph.shell == 0] for a, b in ((i, j), (j, i))],
    )
    expected = 1 / (1 + np.exp(-2))
    error = np.sqrt(expected * (1 - expected) / len(moved))
    oracle("hops, share of the first shell", z=(near.mean() - expected) / error)


@pytest.mark.parametrize("rule", ["symmetric", "metropolis"])
@pytest.mark.parametrize("n_sites", [2, 3])
def test_site_energies_and_barriers_follow_the_master_equation(rule, n_sites, oracle):
    graph = chain(n_sites) if n_sites == 2 else chain(3, [(0, 2)])
    n = 4000
    site_kt = np.array([0.4, -1.3, 2.2])[:n_sites]
    extra_kt = np.array([0.0, 0.7, -0.4])[: len(graph.edges)]
    rates = HopRates(
        [0.8 * KT], 5.0, 300.0, rule, edge_barriers_ev=np.tile(extra_kt, n) * KT,
        site_energies_ev=np.tile(site_kt, n) * KT,
    )  # fmt: skip
    configurations = [tuple(row) for row in np.eye(n_sites, dtype=int)]
    generator = hop_generator(
        graph, lambda c: c @ site_kt, configurations,
        lambda edge, _, change: 5.0 * np.exp(-barrier_of(change, 0.8 + extra_kt[edge], rule)),
    )  # fmt: skip
    times = [0.05, 0.3, 5.0]
    history = simulate_hop_history(
        rates, copies_of(graph, n), np.tile(np.arange(n_sites) == 0, n), times, rng=n_sites
    )
    for time, states in zip(times, history.snapshots.states, strict=True):
        exact = expm(generator * time)[0]
        counts = histogram(states.reshape(n, n_sites), configurations)
        oracle(f"{n_sites}-site master equation, {rule}, t = {time}", p=chi_square_p(counts, exact))


@pytest.mark.parametrize("rule", ["symmetric", "metropolis"])
def test_interacting_gas_follows_its_master_equation(rule, oracle):
    """On the way and, at the end, Boltzmann's weights of all occupations of 3 particles."""
    graph = triangular_lattice((2, 3), n_shells=2, periodic=False)
    n = 10_000
    gas = LatticeGas([-1.5, 0.8])
    configurations = [c for c in itertools.product([0, 1], repeat=6) if sum(c) == 3]
    extra = {0: 0.3, 1: 1.1}
    generator = hop_generator(
        graph, lambda c: gas.energy(c, graph), configurations,
        lambda edge, _, change: np.exp(-barrier_of(change, extra[graph.shell[edge]], rule)),
    )  # fmt: skip
    rates = HopRates([0.3 * KT, 1.1 * KT], 1.0, 300.0, rule, hamiltonian=gas)
    start = np.array([1, 1, 0, 1, 0, 0])
    times = [0.4, 60.0]
    history = simulate_hop_history(rates, copies_of(graph, n), np.tile(start, n), times, rng=1)
    counts = [histogram(s.reshape(n, 6), configurations) for s in history.snapshots.states]
    place = configurations.index(tuple(start))
    oracle(
        f"lattice gas, master equation, {rule}",
        p=chi_square_p(counts[0], expm(generator * times[0])[place]),
    )
    weight = np.exp(-gas.energy(np.array(configurations), graph))
    oracle(
        f"lattice gas, Boltzmann weights, {rule}", p=chi_square_p(counts[1], weight / weight.sum())
    )


def test_two_species_and_a_vacancy_follow_their_master_equation(oracle):
    """Three states with different barriers and unlike pair energies, one vacant site and more."""
    graph = chain(4, [(0, 2)])
    n = 10_000
    table = np.array([[[0.2, 0.1, -0.3], [0.1, -0.9, 1.0], [-0.3, 1.0, 0.4]]])
    alloy = PairHamiltonian(table, site_energies=[0.0, 0.3, -0.2])
    start = (1, 0, 2, 1)
    configurations = sorted(set(itertools.permutations(start)))
    base, speed = {1: 0.2, 2: 0.9}, {1: 2.0, 2: 5.0}
    generator = hop_generator(
        graph, lambda c: alloy.energy(c, graph), configurations,
        lambda _, code, change: speed[code] * np.exp(-barrier_of(change, base[code], "symmetric")),
    )  # fmt: skip
    rates = HopRates(
        {state: [barrier * KT] for state, barrier in base.items()}, speed, hamiltonian=alloy
    )
    history = simulate_hop_history(rates, copies_of(graph, n), np.tile(start, n), [0.3], rng=4)
    counts = histogram(history.snapshots.states[0].reshape(n, 4), configurations)
    exact = expm(generator * 0.3)[configurations.index(start)]
    oracle("alloy with a vacancy, master equation", p=chi_square_p(counts, exact))


def test_residence_times_of_one_long_run_are_boltzmanns(oracle):
    """Ising at fixed magnetization, -1 vacant; blocks of a run of 4 x 10^5 events."""
    graph = square_lattice((2, 3), periodic=False)
    model = Ising([0.6])
    start = np.array([1, 1, -1, -1, 1, -1])
    rates = HopRates([0.0], 1.0, hamiltonian=model, vacant_state=-1)
    history = simulate_hop_history(rates, graph, start, [2e5], rng=5)
    events = history.events
    configurations = [c for c in itertools.product([-1, 1], repeat=6) if sum(c) == 0]
    index = {c: k for k, c in enumerate(configurations)}
    now, visited = list(start), []
    for a, b in zip(events["site_from"], events["site_to"], strict=True):
        visited.append(index[tuple(now)])
        now[a], now[b] = now[b], now[a]
    stay = np.diff(events["time_s"], prepend=0.0)
    blocks = np.minimum((events["time_s"] // (2e5 / 40)).astype(int), 39)
    share = np.zeros((40, len(configurations)))
    np.add.at(share, (blocks, visited), stay)
    share /= share.sum(axis=1, keepdims=True)
    weight = np.exp(-model.energy(np.array(configurations), graph))
    exact = weight / weight.sum()
    error = share.std(axis=0, ddof=1) / np.sqrt(40)
    worst = np.abs((share.mean(axis=0) - exact) / error).max()
    # the worst of 20 Student values with 39 degrees of freedom
    oracle("Ising, residence times", p=1 - (1 - 2 * stats.t(39).sf(worst)) ** 20)


def test_first_passage_times_solve_their_linear_system(oracle):
    graph = chain(5, [(0, 3), (1, 3)])
    n, goal = 4000, 4
    extra = np.array([0.0, 1.0, 0.3, 0.8, 1.5, 0.2])
    rate = 2.0 * np.exp(-0.5 - extra)
    generator = np.zeros((5, 5))
    for (a, b), value in zip(graph.edges, rate, strict=True):
        generator[a, b] += value
        generator[b, a] += value
    np.fill_diagonal(generator, -generator.sum(axis=1))
    inside = np.linalg.inv(-generator[:4, :4])
    mean = inside.sum(axis=1)[0]
    spread = np.sqrt(2 * (inside @ inside).sum(axis=1)[0] - mean**2)
    rates = HopRates([0.5 * KT], 2.0, edge_barriers_ev=np.tile(extra, n) * KT)
    history = simulate_hop_history(
        rates, copies_of(graph, n), np.tile(np.arange(5) == 0, n), [60 * mean], rng=9
    )
    events = history.events[history.events["site_to"] % 5 == goal]
    first = events.groupby("particle")["time_s"].min()
    assert len(first) == n
    oracle("mean first passage", z=(first.mean() - mean) / (spread / np.sqrt(n)))
    survival = expm(generator[:4, :4] * mean)[0].sum()
    error = np.sqrt(survival * (1 - survival) / n)
    oracle("first passage, survival", z=((first > mean).mean() - survival) / error)


def test_knock_out_under_a_blanked_and_scanned_beam_survives_exactly(oracle):
    graph = square_lattice((60, 60))
    dose = np.zeros((3, 3600))
    dose[0, :1800], dose[1, 1800:] = 200.0, 500.0
    beam = BeamSchedule(dose, [0.0, 0.25, 0.6], period_s=1.0)
    section, thermal = 4e-3, 0.2
    loss = Transformation(1, 0, thermal, section, name="knock-out")
    times = np.array([0.1, 0.25, 0.5, 1.7, 2.1])
    history = simulate_transformation_history([loss], graph, np.ones(3600), times, beam=beam, rng=6)
    phase, cycle = np.modf(times)
    on = {
        "left": cycle * 0.25 + np.minimum(phase, 0.25),
        "right": cycle * 0.35 + np.clip(phase - 0.25, 0, 0.35),
    }
    for half, rate in (("left", 200.0), ("right", 500.0)):
        part = slice(0, 1800) if half == "left" else slice(1800, None)
        exact = np.exp(-thermal * times - section * rate * on[half])
        alive = history.snapshots.states[:, part].mean(axis=1)
        for time, seen, want in zip(times, alive, exact, strict=True):
            error = np.sqrt(want * (1 - want) / 1800)
            oracle(f"beam on and off, {half}, t = {time}", z=(seen - want) / error)
    events = history.events
    assert set(events["kind"]) == {"knock-out"}
    by_beam = (events["cause"] == "beam").to_numpy()
    lit = ((events["time_s"] % 1 < 0.25) & (events["site"] < 1800)) | (
        (events["time_s"] % 1 >= 0.25) & (events["time_s"] % 1 < 0.6) & (events["site"] >= 1800)
    )
    assert not np.any(by_beam & ~lit)
    for rate, place in ((200.0, events["site"] < 1800), (500.0, events["site"] >= 1800)):
        here = (lit & place).to_numpy()
        share = section * rate / (section * rate + thermal)
        error = np.sqrt(share * (1 - share) / here.sum())
        oracle(f"share of the beam at {rate}", z=(by_beam[here].mean() - share) / error)


def test_hops_stimulated_by_a_pulsed_beam_follow_the_master_equation(oracle):
    graph = chain(3)
    n = 4000
    site_kt = np.array([0.0, 1.0, -0.5])
    rates = HopRates(
        [0.4 * KT], 1.0, site_energies_ev=np.tile(site_kt, n) * KT,
        beam_cross_section_angstrom2=2e-3,
    )  # fmt: skip
    beam = BeamSchedule([0.0, 1500.0], [0.0, 0.3], period_s=0.5)
    configurations = [tuple(row) for row in np.eye(3, dtype=int)]

    def generator(dose):
        return hop_generator(
            graph, lambda c: c @ site_kt, configurations,
            lambda _, __, change: np.exp(-barrier_of(change, 0.4, "symmetric")) + 2e-3 * dose,
        )  # fmt: skip

    dark, lit = generator(0.0), generator(1500.0)
    exact = expm(dark * 0.3) @ expm(lit * 0.2) @ expm(dark * 0.3) @ expm(lit * 0.1)
    history = simulate_hop_history(
        rates, copies_of(graph, n), np.tile([1, 0, 0], n), [0.9], beam=beam, rng=2
    )
    counts = histogram(history.snapshots.states[0].reshape(n, 3), configurations)
    oracle("pulsed beam, master equation", p=chi_square_p(counts, exact[0]))
    times = history.events.loc[history.events["cause"] == "beam", "time_s"] % 0.5
    assert len(times) > 1000
    assert times.min() >= 0.3


@pytest.mark.parametrize("energies", [None, LatticeGas([-0.8], chemical_potential=0.4)])
def test_transformations_that_look_at_neighbours_follow_their_master_equation(energies, oracle):
    """Spreading from neighbours, spontaneous decay and a third state, on a triangle with a tail."""
    graph = chain(4, [(0, 2)])
    n, dose = 3000, 300.0
    factors = (0.1, 1.0, 2.5, 3.0)
    spread = Transformation(0, 1, 1.2, 3e-3, neighbour_state=1, neighbour_factors=factors)
    decay = Transformation(1, 0, 0.7)
    q = 2
    changes = [spread, decay]
    if energies is None:
        changes.append(Transformation(1, 2, cross_section_angstrom2=1e-3))
        q = 3
    configurations = list(itertools.product(range(q), repeat=4))
    index = {c: k for k, c in enumerate(configurations)}
    around = [[b if a == i else a for a, b in graph.edges if i in (a, b)] for i in range(4)]
    generator = np.zeros((len(configurations),) * 2)
    for k, before in enumerate(configurations):
        for site, change in itertools.product(range(4), changes):
            if before[site] != change.from_state:
                continue
            after = (*before[:site], change.to_state, *before[site + 1 :])
            factor = 1.0
            if change.neighbour_state is not None:
                factor = factors[sum(before[j] == 1 for j in around[site])]
            thermal = change.thermal_rate_hz
            if energies is not None:
                both = energies.energy(np.array([before, after]), graph)
                thermal *= np.exp(-(both[1] - both[0]) / 2)
            rate = factor * (thermal + change.cross_section_angstrom2 * dose)
            generator[k, index[after]] += rate
            generator[k, k] -= rate
    start = (1, 0, 0, 0)
    times = [0.4, 2.0]
    pictures = simulate_transformations(
        changes, copies_of(graph, n), np.tile(start, n), times, beam=BeamSchedule([dose]),
        hamiltonian=energies, rng=12,
    )  # fmt: skip
    assert pictures.times.tolist() == times
    for time, states in zip(times, pictures.states, strict=True):
        exact = expm(generator * time)[index[start]]
        counts = histogram(states.reshape(n, 4), configurations)
        name = "with energies" if energies else "three states"
        oracle(f"transformations, {name}, t = {time}", p=chi_square_p(counts, exact))


def test_walk_on_a_ring_along_one_axis_is_unwrapped(oracle):
    n, ring, time = 4000, 5, 2.0
    graph = copies_of(
        SiteGraph(
            ring, [[i, (i + 1) % ring] for i in range(ring)], [0] * ring, [1] * ring,
            positions=np.arange(ring)[:, None] * 0.3, cell=[[0.3 * ring]],
        ), n,
    )  # fmt: skip
    walk = simulate_hops(
        HopRates([0.0], 1.5), graph, np.tile(np.arange(ring) == 4, n), [time], rng=1
    )
    assert walk.positions.shape == (n, 2)
    assert not walk.positions[:, 1].any()
    steps = np.round((walk.positions[:, 0] - 1.2) / 0.3).astype(int)
    counts = np.bincount(steps + 40, minlength=81)
    exact = stats.skellam(3.0, 3.0).pmf(np.arange(-40, 41))
    oracle("walk on a ring", p=chi_square_p(counts, exact))
