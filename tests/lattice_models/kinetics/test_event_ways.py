"""Every way of events after many of them, and the steps of a tracer beside one vacancy."""

import numpy as np
import pytest

from physlearn.lattice_models import arrhenius_rate_hz, square_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import PairHamiltonian
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule, HopRates, Transformation
from physlearn.lattice_models.kinetics.event_run import empty_log
from physlearn.lattice_models.kinetics.hopping import _hop_run, simulate_hop_history

KT = 8.617333262e-5 * 300.0


def barrier_of(change, base, rule):
    if rule == "metropolis":
        return base + np.maximum(change, 0.0)
    return np.maximum(np.maximum(base + change / 2, change), 0.0)


@pytest.mark.parametrize("rule", ["symmetric", "metropolis"])
def test_rates_after_many_events_are_those_of_the_formula(rule, oracle):
    """Every way, on a torus so small that neighbours meet twice, with two shells and species."""
    graph = square_lattice((3, 4), n_shells=2)
    rng = np.random.default_rng(3)
    table = rng.normal(size=(2, 3, 3))
    alloy = PairHamiltonian(
        table + table.transpose(0, 2, 1), site_energies=rng.normal(size=(12, 3))
    )
    barrier = {1: np.array([0.2, 1.0]), 2: np.array([0.7])}
    site_kt, extra = rng.normal(size=12), rng.uniform(0, 1, len(graph.edges))
    rates = HopRates(
        {code: value * KT for code, value in barrier.items()}, {1: 1.0, 2: 3.0}, 300.0, rule,
        edge_barriers_ev=extra * KT, site_energies_ev=site_kt * KT, hamiltonian=alloy,
        beam_cross_section_angstrom2={1: 2e-3},
    )  # fmt: skip
    dose = rng.uniform(0, 100, (3, 12))
    beam = BeamSchedule(dose, [0.0, 0.4, 0.9], period_s=1.1)
    swap = [Transformation(1, 2, 0.3), Transformation(2, 1, 0.3, 1e-3)]
    run = _hop_run(rates, graph, rng.integers(0, 3, 12), [9.0], beam, swap, False, 1)
    for until in (0.0, 1.9, 8.6):
        run._advance(until, None, empty_log(0))
        now = run.state.sites[:-1, 0].copy()
        here = dose[np.searchsorted([0.4, 0.9], until % 1.1, "right")]
        start = run.state.sites[:, 3]
        count = {}
        for site in range(12):
            for way in range(start[site], start[site + 1]):
                goal, code = int(run.hops.ways[way, 0]), int(now[site])
                if code == 0 or now[goal] != 0:
                    assert run.state.rate[way] == 0.0
                    continue
                both = [e for e, pair in enumerate(graph.edges) if {site, goal} == set(pair)]
                number = count[site, goal] = count.get((site, goal), -1) + 1
                after = now.copy()
                after[site], after[goal] = 0, code
                change = alloy.energy(after, graph) - alloy.energy(now, graph)
                change += site_kt[goal] - site_kt[site]
                exact = 0.0
                edge = both[number]
                if graph.shell[edge] < len(barrier[code]):
                    height = barrier[code][graph.shell[edge]] + extra[edge]
                    exact = {1: 1.0, 2: 3.0}[code] * np.exp(-barrier_of(change, height, rule))
                    exact += 2e-3 * here[site] if code == 1 else 0.0
                    exact *= graph.multiplicity[edge]
                error = abs(run.state.rate[way] - exact) / max(exact, 1e-300)
                oracle(f"rates of hops, {rule}", error=error if exact else 0.0, bound=1e-10)
                assert (exact == 0.0) == (run.state.rate[way] == 0.0)
        total = run.state.rate.sum() + run.state.share.sum()
        assert run.state.tree[-1] == pytest.approx(total, rel=1e-13)
    assert run.state.counts[2] > 30


def test_steps_of_a_tracer_are_correlated_by_the_vacancy_as_its_random_walk_says(oracle):
    """<cos> of successive steps of one atom, from the walk of the only vacancy around it."""
    size = 12
    graph = square_lattice((size, size))
    n, tracer = size**2, 0
    near = [1, size - 1, size, n - size]  # right, left, up, down of the tracer
    walk = np.zeros((n, n))
    for a, b in graph.edges:
        walk[a, b] = walk[b, a] = 0.25
    keep = np.delete(np.arange(n), tracer)
    # the vacancy starts where the atom came from, on its right, and leaves by a neighbour
    visits = np.linalg.solve((np.eye(n) - walk)[np.ix_(keep, keep)].T, (keep == near[0]) * 1.0)
    leave = 0.25 * np.array([visits[keep.tolist().index(site)] for site in near])
    assert leave.sum() == pytest.approx(1.0)
    # the atom had moved to the left; it follows the vacancy back to the right, or on to the left
    cosine = leave[1] - leave[0]
    assert (1 + cosine) / (1 - cosine) == pytest.approx(1 / (np.pi - 1), rel=0.05)
    found = []
    for seed in range(16):
        start = np.ones(n)
        start[seed] = 0
        history = simulate_hop_history(
            HopRates([0.0], 1.0), graph, start, [14000.0], rng=100 + seed
        )
        events = history.events
        step = graph.positions[events["site_to"]] - graph.positions[events["site_from"]]
        events[["dx", "dy"]] = (step + size / 2) % size - size / 2
        # as many steps of each: the ones still to come at the end are not like the others
        assert events["particle"].value_counts().min() >= 30
        steps = events.groupby("particle").head(30).sort_values(["particle", "time_s"])
        same = steps["particle"].to_numpy()[1:] == steps["particle"].to_numpy()[:-1]
        moves = steps[["dx", "dy"]].to_numpy()
        found.append((moves[1:] * moves[:-1]).sum(axis=1)[same].mean())
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    oracle("vacancy diffusion, <cos> of steps", z=(np.mean(found) - cosine) / error)


def test_thermal_rates_of_a_state_are_arrhenius_rates_by_shell():
    rates = HopRates({1: [0.3, 0.5], 2: [0.4]}, {1: 1e12, 2: 5e12}, 450.0)
    assert rates.thermal_rates_hz(1) == pytest.approx(
        [arrhenius_rate_hz(barrier, 450.0, 1e12) for barrier in (0.3, 0.5)], rel=1e-12
    )
    assert rates.thermal_rates_hz(2) == pytest.approx([arrhenius_rate_hz(0.4, 450.0, 5e12)])
    assert rates.thermal_rates_hz(0).size == 0  # the vacancy itself does not hop
