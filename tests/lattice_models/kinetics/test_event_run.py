"""Runs of events: ways, frames, stops, the compiled loop, and what bad input gets."""

import os
import signal
import threading

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import (
    Ising,
    LatticeGas,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.kinetics import event_kernels as kernels
from physlearn.lattice_models.kinetics.event_rates import BeamSchedule, HopRates, Transformation
from physlearn.lattice_models.kinetics.event_run import empty_log
from physlearn.lattice_models.kinetics.event_setup import sum_levels
from physlearn.lattice_models.kinetics.hopping import _hop_run, simulate_hop_history, simulate_hops
from physlearn.lattice_models.kinetics.transformations import (
    simulate_transformations,
)
from physlearn.records import SiteGraph

KT = 8.617333262e-5 * 300.0


@pytest.mark.parametrize("make", [square_lattice, triangular_lattice])
def test_ways_across_the_cell_have_the_length_of_their_shell(make):
    graph = make((5, 6), n_shells=3)
    run = _hop_run(HopRates([0.1] * 3), graph, np.ones(30), [1.0], None, (), True, 0)
    site = np.repeat(np.arange(30), np.diff(run.state.sites[:, 3]))
    ways = run.hops.ways
    apart = graph.positions[ways[:, 0]] - graph.positions[site] + run.hops.shift @ graph.cell
    length = np.linalg.norm(apart, axis=1)
    radii = np.array(graph.shell_radii)
    assert np.abs(length[:, None] - radii).min(axis=1).max() < 1e-9
    assert np.bincount(np.abs(length[:, None] - radii).argmin(axis=1)).min() > 0
    back = run.hops.shift[ways[:, 1]]
    assert np.array_equal(back, -run.hops.shift)
    assert np.array_equal(ways[ways[:, 1], 0], site)


def test_events_replay_to_the_frames_and_no_site_is_entered_twice():
    graph = square_lattice((6, 6), n_shells=2)
    rng = np.random.default_rng(0)
    start = rng.integers(0, 2, 36)
    rates = HopRates([0.0, KT], 1.0, hamiltonian=LatticeGas([-0.5]))
    changes = [
        Transformation(1, 0, 0.05, name="loss"), Transformation(0, 1, 0.05, name="birth"),
    ]  # fmt: skip
    # 0.05 x about 18 empty sites x 80 s: 72 births beside 18 at the start, 90 +- 9 (Poisson)
    times = [1.0, 4.0, 80.0]
    history = simulate_hop_history(rates, graph, start, times, transformations=changes, rng=3)
    events, trajectory = history.events, history.trajectory
    holder = {int(site): k for k, site in enumerate(np.flatnonzero(start))}
    born = len(holder)
    assert {"hop", "loss", "birth"} == set(events["kind"])
    bonds = {frozenset(edge) for edge in graph.edges.tolist()}
    frame = 0
    for event in [*events.itertuples(), None]:
        while frame < 3 and (event is None or event.time_s > times[frame]):
            rows = trajectory.frame == frame
            sites = {particle: site for site, particle in holder.items()}
            assert sorted(sites) == trajectory.particle[rows].tolist()
            wrapped = (
                trajectory.positions[rows] - graph.positions[[sites[p] for p in sorted(sites)]]
            )
            assert np.allclose(wrapped / 6, np.round(wrapped / 6))
            occupied = np.flatnonzero(history.snapshots.states[frame])
            assert occupied.tolist() == sorted(holder)
            frame += 1
        if event is None:
            break
        if event.kind == "hop":
            assert event.site_to not in holder
            assert frozenset((event.site_from, event.site_to)) in bonds
            assert holder.pop(event.site_from) == event.particle
            holder[event.site_to] = event.particle
        elif event.kind == "loss":
            assert (holder.pop(event.site_from), event.site_to) == (event.particle, -1)
        else:
            assert (event.site_from, event.particle) == (-1, born)
            assert event.site_to not in holder
            holder[event.site_to] = born
            born += 1
    assert frame == 3
    assert born > 40


def test_number_is_conserved_and_wrapped_positions_are_sites():
    graph = triangular_lattice((4, 4))
    start = np.arange(16) % 3 == 0
    history = simulate_hop_history(
        HopRates([0.0], 1.0), graph, start, np.arange(5.0), unwrap=False, rng=1
    )
    assert np.all(history.snapshots.states.sum(axis=1) == start.sum())
    sites = {tuple(p) for p in graph.positions}
    assert all(tuple(p) in sites for p in history.trajectory.positions)
    assert np.array_equal(history.trajectory.positions[:6], graph.positions[start])


def test_result_depends_on_seed_alone_not_on_frames_or_stops(tmp_path):
    graph, gas = square_lattice((8, 8)), LatticeGas([-0.7])
    start = np.random.default_rng(1).integers(0, 2, 64)
    beam = BeamSchedule([0.0, 500.0], [0.0, 0.07], period_s=0.2)
    rates = HopRates([0.0], 300.0, hamiltonian=gas, beam_cross_section_angstrom2=0.1)
    knock = [Transformation(1, 0, cross_section_angstrom2=1e-4)]

    def run(times, **options):
        return simulate_hop_history(
            rates, graph, start, times, beam=beam, transformations=knock, rng=7, **options
        )

    whole, cut = run([4.0]), run(np.linspace(0.01, 4.0, 37))
    assert whole.events.equals(cut.events)
    assert np.array_equal(whole.snapshots.states[-1], cut.snapshots.states[-1])
    path = tmp_path / "hops.npz"
    times = np.linspace(0.5, 4.0, 4)

    def interrupt(done, total):
        if done > 0.6 * total:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        run(times, checkpoint=path, progress=interrupt)
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        run(times, checkpoint=path, progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    again, straight = run(times, checkpoint=path), run(times)
    assert again.events.equals(straight.events)
    assert np.array_equal(again.trajectory.positions, straight.trajectory.positions)
    assert not path.exists()
    stopped = run(times, progress=interrupt)
    assert "by Ctrl-C" in stopped.trajectory.warnings[0]
    n = stopped.trajectory.n_frames
    assert 0 < n < 4
    assert np.array_equal(stopped.snapshots.states, straight.snapshots.states[:n])


def python_form(monkeypatch):
    for name, value in vars(kernels).items():
        if hasattr(value, "py_func"):
            monkeypatch.setattr(kernels, name, value.py_func)
    return kernels.run_events


def test_compiled_loop_equals_its_python_form(monkeypatch):
    compiled = kernels.run_events
    graph = triangular_lattice((4, 4), n_shells=2)
    start = np.arange(16) % 2
    beam = BeamSchedule(np.arange(32.0).reshape(2, 16), [0.0, 0.1], period_s=0.3)
    changes = [
        Transformation(1, 0, 0.5, 0.1), Transformation(0, 1, 0.5, 0.1, 1, tuple(range(7))),
    ]  # fmt: skip
    rates = HopRates(
        [0.0, KT], 2.0, hamiltonian=LatticeGas([-0.4, 0.2]),
        beam_cross_section_angstrom2=0.05,
    )  # fmt: skip
    runs = []
    for which in ("compiled", "python"):
        run = _hop_run(rates, graph, start, [1.0], beam, changes, False, 5)
        log = empty_log(400)
        run.state = run.state._replace(  # room for births
            winding=np.zeros((109, 0), np.int32),
        )
        run.state.counts[7] = 10_000
        loop = compiled if which == "compiled" else python_form(monkeypatch)
        with np.errstate(over="ignore"):
            done = loop(run.hops, run.changes, run.energies, run.state, run.schedule, 0.7, log)
        n = run.state.counts[4]
        runs.append([done, log.time[:n], log.row[:n], *run.state])
    assert runs[0][-2][2] > 50
    for ours, plain in zip(*runs, strict=True):
        assert np.array_equal(ours, plain)


@pytest.mark.parametrize("word", [0, 2**64 - 1])
def test_the_extremes_of_the_generator_give_finite_waiting_times(word):
    clock = np.array([3.0, 0.0, np.inf])
    kernels.draw_next(clock, 2.0, np.array([word, 0], np.uint64))
    longest = 53 * np.log(2) / 2.0
    assert clock[1] == pytest.approx(3.0 if word == 0 else 3.0 + longest)


@pytest.mark.parametrize("n", [1, 5, 8, 9, 64, 70, 600])
def test_tree_picks_as_the_running_sum_does(n):
    """Against a running sum of whole numbers, which is exact, ends of the draw included."""
    rng = np.random.default_rng(n)
    weight = rng.integers(0, 4, n) * (rng.random(n) < 0.6)
    weight[rng.integers(n)] = 2
    level = sum_levels(n)
    tree = np.zeros(level[-1] + 1)
    rate, start = weight.astype(float), np.arange(n + 1)
    sites = np.zeros((n + 1, 8), np.int64)
    sites[:, 3] = start
    kernels.sum_up(sites.ravel(), rate, np.zeros((n, 0, 2)), tree, level, np.arange(n), n)
    total = int(weight.sum())
    assert tree[-1] == total
    edges = np.cumsum(weight)
    for ticket in [*(np.arange(total) + 0.25), total - 1e-9]:
        leaf, rest = kernels.pick(tree, level, ticket / total)
        assert leaf == np.searchsorted(edges, ticket, side="right")
        assert rest == pytest.approx(ticket - (edges[leaf] - weight[leaf]), abs=1e-9)
    leaf, rest = kernels.pick(tree, level, np.nextafter(1.0, 0.0))
    assert weight[leaf] > 0
    assert 0 <= rest < weight[leaf]


def test_a_second_ctrl_c_ends_a_run_of_too_many_events():
    timers = [threading.Timer(wait, os.kill, (os.getpid(), signal.SIGINT)) for wait in (0.5, 1.0)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt):
        try:
            simulate_hops(HopRates([0.0], 1e9), square_lattice((4, 4)), np.eye(16)[0], [1e5], rng=1)
        finally:  # both must be heard in here, even where the machine is slow
            for timer in timers:
                timer.join()


def test_nothing_happens_where_nothing_can():
    graph = square_lattice((3, 3))
    full = simulate_hops(HopRates([0.1]), graph, np.ones(9), [0.0, 1e9], rng=1)
    assert full.metadata["n_events"] == 0
    cold = simulate_hops(HopRates([5.0], temperature_kelvin=1.0), graph, np.eye(9)[0], [1e9], rng=1)
    assert cold.metadata["n_events"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": np.zeros(16)}, "at least one particle"),
        ({"start": np.ones(15)}, "start must have shape"),
        ({"start": np.full(16, 0.5)}, "whole numbers"),
        ({"frame_times_s": [1.0, 0.5]}, "must ascend"),
        ({"frame_times_s": [-1.0]}, "at least 0"),
        ({"frame_times_s": [np.inf]}, "finite"),
        ({"rates": HopRates([0.5, 0.5])}, "2 shells"),
        ({"rates": HopRates([0.5], hamiltonian=Ising([0.1]))}, "not among its states"),
        ({"rates": HopRates([0.5], site_energies_ev=np.zeros(3))}, "site_energies_ev must"),
        ({"rates": HopRates([0.5], edge_barriers_ev=np.zeros(3))}, "edge_barriers_ev must"),
        ({"rates": HopRates([0.5], edge_barriers_ev=np.full(32, -0.6))}, "every barrier"),
        ({"beam": BeamSchedule(np.ones((1, 5)))}, "16 sites"),
        ({"graph": square_lattice((2, 8))}, "wraps its cell twice"),
        ({"graph": SiteGraph(16, [[0, 1]], [0], [1])}, "must have positions"),
        ({"transformations": [Transformation(1, 0, 1.0, 0.0, 1, (1.0,))]}, "5 numbers"),
        ({"rng": -1}, "rng must be"),
        ({"rates": HopRates([0.0]), "frame_times_s": [1e9]}, "tell events apart"),
        ({"rates": HopRates({1: [0.1], 2: [0.1]}, {2: 1.0})}, "every state that hops; 1 is miss"),
        (
            {"rates": HopRates([0.1], beam_cross_section_angstrom2={7: 1.0})},
            r"beam_cross_section_angstrom2 must name states that exist here, \[0, 1\]; got 7",
        ),
        ({"rates": HopRates([0.1], {1: 1.0, 5: 1.0})}, "attempt_frequency_hz must name states"),
        ({"rates": None}, "rates must be HopRates; got NoneType"),
        ({"graph": None}, "graph must be a SiteGraph.*got NoneType"),
        ({"beam": 5.0}, "beam must be a BeamSchedule or None; got float"),
        ({"transformations": [3]}, "must hold Transformation records; got int at index 0"),
        ({"transformations": 3}, "transformations must be a list"),
        ({"transformations": Transformation(1, 0, 1.0)}, "transformations must be a list"),
        ({"start": None}, "start must"),
        ({"frame_times_s": None}, "frame_times_s must"),
    ],
)
def test_bad_input_gets_one_sentence(change, message):
    call = {
        "rates": HopRates([0.5]), "graph": square_lattice((4, 4)), "start": np.eye(16)[0],
        "frame_times_s": [1.0], "rng": 1,
    } | change  # fmt: skip
    with pytest.raises(InputError, match=message):
        simulate_hops(**call)


def test_hops_take_energies_of_a_hamiltonian_only():
    with pytest.raises(InputError, match="hamiltonian must be a"):
        simulate_hops(
            HopRates([0.5], hamiltonian=3.0), square_lattice((4, 4)), np.eye(16)[0], [1.0], rng=1
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HopRates([-0.5]), "barriers_ev must be at least 0"),
        (lambda: HopRates([np.nan]), "finite"),
        (lambda: HopRates([0.5], temperature_kelvin=0.0), "temperature_kelvin"),
        (lambda: HopRates([0.5], -1.0), "attempt_frequency_hz"),
        (lambda: HopRates({0: [0.5]}), "vacant state"),
        (lambda: HopRates({}), "at least one state"),
        (lambda: HopRates([0.5], barrier_rule="glauber"), "barrier_rule"),
        (lambda: BeamSchedule([-1.0]), "at least 0"),
        (lambda: BeamSchedule([1.0, 2.0], [0.0, 0.0]), "ascend from 0"),
        (lambda: BeamSchedule([1.0, 2.0], [0.0, 2.0], 2.0), "period_s must be longer"),
        (lambda: HopRates([0.5], {"a": 1.0}), "a state of attempt_frequency_hz must be a whole"),
        (lambda: HopRates(None), "barriers_ev must"),
        (lambda: HopRates([0.5], None), "attempt_frequency_hz must"),
        (
            lambda: Transformation(1, 0, neighbour_state=1, neighbour_factors=2.0),
            "neighbour_factors must be a list",
        ),
        (lambda: Transformation(1, 1), "must differ"),
        (lambda: Transformation(1, 0, -1.0), "thermal_rate_hz"),
        (lambda: Transformation(1, 0, neighbour_state=1), "given together"),
        (lambda: Transformation(1, 300), "to_state must be a whole number"),
        (
            lambda: simulate_transformations([Transformation(1, 0, 1.0)], None, np.ones(9), [1.0]),
            "graph must be a SiteGraph",
        ),
        (
            lambda: simulate_transformations(
                [Transformation(1, 0, 1.0)], square_lattice((3, 3)), np.ones(9), [1.0], beam=5.0
            ),
            "beam must be a BeamSchedule",
        ),
        (
            lambda: simulate_transformations([], square_lattice((3, 3)), np.ones(9), [1.0]),
            "at least one Transformation",
        ),
    ],
)
def test_bad_rates_get_one_sentence(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_triplet_energies_are_refused():
    gas = LatticeGas([0.1], triplets={(0, 0, 0): 0.2})
    with pytest.raises(InputError, match="pairs only"):
        simulate_hops(
            HopRates([0.1], hamiltonian=gas), triangular_lattice((4, 4)), np.eye(16)[0], [1.0]
        )
