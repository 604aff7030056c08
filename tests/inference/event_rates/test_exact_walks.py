"""Walks on networks, steps and their sites, against matrices and small films by hand."""

import numpy as np
import pytest
from scipy.linalg import expm

from physlearn.checks import InputError
from physlearn.inference import fit_hop_rates, is_hopping
from physlearn.inference.event_rates.hop_model import LawOptions, make_model, scale_of, start_of
from physlearn.inference.event_rates.hop_networks import (
    find_hop_vectors,
    lattice_basis,
    network_of_graph,
    network_of_vectors,
)
from physlearn.inference.event_rates.hop_steps import pairs_of, steps_on_graph, steps_on_lattice
from physlearn.inference.event_rates.walk_problems import StepSet, make_problems
from physlearn.lattice_models import square_lattice
from physlearn.records import SiteGraph, Trajectory

BOLTZMANN = 8.617333262e-5
VECTORS = np.array([[1.0, 0.0], [0.0, 1.0]])


# ------------------------------------------------------------------------------- walks on networks


def test_a_blocked_walk_is_the_matrix_exponential(oracle):
    """Four sites in a row, a second particle on site 2 before and on site 3 after, by halves."""
    graph = SiteGraph(5, [[0, 1], [1, 2], [2, 3], [3, 4]], [0] * 4, [1] * 4,
                      positions=[[k, 0.0] for k in range(5)])  # fmt: skip
    network = network_of_graph(graph, "shell")
    assert network.labels == ("shell 1",)
    assert network.n_bonds.tolist() == [8 / 5]
    assert network.n_dimensions == 1
    rate, effect, time = 0.7, -0.4, 0.9
    for start, end in ((1, 0), (1, 1), (0, 1)):
        steps = StepSet(
            np.array([start]), np.array([end]), np.array([time]), np.array([0]), np.array([1.0]),
            [np.array([2])], [np.array([3])],
        )  # fmt: skip
        problems = make_problems(network, steps, 6, count_from=True, count_to=False)
        rates = rate * np.exp(effect * problems.rows[:, 2])
        chance, _, leak = problems.chances(rates, np.zeros((len(rates), 0)))
        generator = np.zeros((5, 5))
        for held in (2, 3):
            for a in range(5):
                for b in (a - 1, a + 1):
                    if 0 <= b < 5 and b != held:
                        near = sum(c == held for c in (a - 1, a + 1))
                        generator[a, b] += 0.5 * rate * np.exp(effect * near)
        generator -= np.diag(generator.sum(axis=1))
        oracle(
            f"{start} to {end}", bound=1e-9, error=chance[0] - expm(generator * time)[start, end]
        )
        assert abs(leak) < 1e-8


def test_equal_steps_are_counted_together_and_far_ones_left_out():
    graph = square_lattice((6, 6))
    network = network_of_graph(graph, "direction")
    assert sorted(network.labels) == ["+1 0", "-1 0", "0 +1", "0 -1"]
    np.testing.assert_allclose(network.n_bonds, 1.0)
    np.testing.assert_allclose(np.sort(np.linalg.norm(network.vectors, axis=1)), 1.0)
    start, end = np.zeros(6, int), np.array([0, 1, 1, 6, 0, 21])
    time = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 1.0])
    steps = StepSet(start, end, time, np.zeros(6, int), np.array([1.0, 2.0, 1.0, 1.0, 5.0, 4.0]))
    problems = make_problems(network, steps, 2, count_from=False, count_to=False)
    assert problems.n_unreached == 4.0
    assert sorted(problems.query_count.tolist()) == [1.0, 1.0, 3.0, 5.0]
    assert problems.node_offset.tolist() == [0, 13]  # a diamond of radius 2
    whole = problems.every_end()
    assert len(whole.query_node) == 2 * 13
    assert whole.query_count.sum() == 13 * (5.0 + 5.0)
    rates = np.full(len(problems.rows), 0.05)
    chance, _, leak = whole.chances(rates, np.zeros((len(rates), 0)))
    # the chances of all ends are one less what leaked
    for t, of in ((1.0, whole.query_time == 1.0), (2.0, whole.query_time == 2.0)):
        assert chance[of].sum() <= 1.0
        assert chance[of].sum() == pytest.approx(1.0, abs=2 * leak + 1e-12 if t == 2 else leak)
    value = problems.log_likelihood(rates)
    some, _, _ = problems.chances(rates, np.zeros((len(rates), 0)))
    assert value == pytest.approx(problems.query_count @ np.log(some))


def test_networks_of_vectors_reach_as_far_as_asked():
    network, basis, coords = network_of_vectors(VECTORS, "direction", 3)
    assert len(coords) == 25  # a diamond of radius 3
    assert network.labels == ("+1 0", "0 +1", "-1 0", "0 -1")
    places = coords @ basis
    inner = np.abs(places).sum(axis=1) < 3
    assert (network.target[inner] >= 0).all()
    assert (network.target[~inner] == -2).any(axis=1).all()
    for k, site in enumerate(network.target[0]):
        np.testing.assert_allclose(places[site], network.vectors[network.kind[0, k]], atol=1e-12)
    both, _, _ = network_of_vectors([[1.0, 0], [0, 1], [1, 1], [1, -1]], "shell", 1)
    assert both.labels == ("shell 1", "shell 2")
    assert both.n_bonds.tolist() == [4.0, 4.0]
    np.testing.assert_allclose(np.linalg.norm(both.vectors, axis=1), [1.0, np.sqrt(2)])
    assert both.n_dimensions == 2
    with pytest.raises(InputError, match="length zero"):
        network_of_vectors([[0.0, 0.0]], "shell", 1)
    with pytest.raises(InputError, match="single hops"):
        network_of_vectors([[1.0, 0.0], [2e3, 0.0]], "shell", 1)
    with pytest.raises(InputError, match="whole combinations"):
        lattice_basis(np.array([[1.0, 0.0], [1.4, 0.0]]))
    frame, whole = lattice_basis(np.array([[1.01, 0.0], [0.0, 1.0], [0.99, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(whole @ frame, [[1, 0], [0, 1], [1, 0], [1, 1]], atol=0.02)


def test_single_hops_are_found_among_rests_of_any_noise():
    rng = np.random.default_rng(7)
    for turned in (0.0, 0.4):
        turn = np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
        hops = np.array([[3.0, 0.0], [0.0, 4.0], [3.0, 4.0], [6.0, 0.0]]) @ turn
        moves = 0.05 * rng.normal(size=(2000, 2))
        moves[:400] += np.repeat(hops, 100, axis=0)
        found = find_hop_vectors(moves)
        # 1.2 times the longest of the basis, 4: neither 5 nor 6
        assert sorted(np.round(np.linalg.norm(found, axis=1), 1)) == [3.0, 3.0, 4.0, 4.0]
        for hop in hops[:2]:
            assert np.linalg.norm(found - hop, axis=1).min() < 0.05


# ---------------------------------------------------------------------------- steps and their sites


def test_pairs_are_successive_sightings():
    track = Trajectory([0, 1, 3, 0, 2], [7, 7, 7, 2, 2], [[0, 0], [1, 0], [1, 2], [5, 5], [4, 5.0]],
                       [0.0, 0.5, 1.0, 2.0])  # fmt: skip
    found = pairs_of(track, "data")
    moves = {(*move, time, bool(near)) for move, time, near in
             zip(found.move.tolist(), found.time.tolist(), found.direct, strict=True)
             for move in [tuple(move)]}  # fmt: skip
    assert moves == {(1.0, 0.0, 0.5, True), (0.0, 2.0, 1.5, False), (-1.0, 0.0, 1.0, False)}
    assert (found.count == 1).all()
    # the two coordinates span 0 to 5: one start lies a whole unit within both
    wide = Trajectory([0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2, 3, 3],
                      [[0, 0], [1, 0], [5, 5], [4, 5], [1, 4], [0, 4], [2, 0.9], [2, 1.9]],
                      [0.0, 1.0])  # fmt: skip
    assert pairs_of(wide, "data", 1.0).move.tolist() == [[-1.0, 0.0]]


def test_sites_are_the_nearest_across_the_cell():
    graph = square_lattice((4, 4))
    network = network_of_graph(graph, "shell")
    where = np.array([[0.1, 0.0], [3.9, 0.1], [3.6, 3.6], [-0.2, 1.1], [7.05, 2.0]])
    track = Trajectory(np.arange(5), np.zeros(5, int), where, np.arange(5.0), unit=graph.unit)
    pairs = pairs_of(track, "data")
    steps, off = steps_on_graph([pairs], graph, network, blocking=False)
    places = graph.positions[np.append(steps.start, steps.end[-1])]
    expected = np.array([[0, 0], [0, 0], [0, 0], [0, 1], [3, 2.0]])
    np.testing.assert_allclose(places, expected)
    apart = [0.1, np.hypot(0.1, 0.1), np.hypot(0.4, 0.4), np.hypot(0.2, 0.1), 0.05]
    np.testing.assert_allclose(np.sort(off), np.sort(apart), atol=1e-9)


def test_others_block_from_where_they_were_last_and_next_seen():
    """Of three particles one is missed in frame 1, another is gone from frame 1 on."""
    graph = SiteGraph(9, [[k, k + 1] for k in range(8)], [0] * 8, [1] * 8,
                      positions=[[k, 0.0] for k in range(9)])  # fmt: skip
    network = network_of_graph(graph, "shell")
    seen = {0: dict.fromkeys(range(8), 0), 1: {0: 3, 2: 5, 3: 5, 4: 5, 5: 5, 6: 5, 7: 5}, 2: {0: 8}}
    rows = [(f, p, float(x), 0.0) for p, at in seen.items() for f, x in at.items()]
    frame, particle, x, y = np.array(rows).T
    track = Trajectory(frame.astype(int), particle.astype(int), np.stack([x, y], axis=1),
                       np.arange(8.0), unit=graph.unit)  # fmt: skip
    pairs = pairs_of(track, "data")
    steps, _ = steps_on_graph([pairs], graph, network, blocking=True)
    mine = np.flatnonzero((steps.start == 0) & (steps.end == 0))
    before = [sorted(steps.before[k].tolist()) for k in mine]
    after = [sorted(steps.after[k].tolist()) for k in mine]
    # the one that is gone stands for three frames more
    assert before == [[3, 8], [3, 8], [5, 8], [5, 8], [5], [5], [5]]
    assert after == [[5, 8], [5, 8], [5, 8], [5], [5], [5], [5]]


def test_displacements_are_off_by_their_distance_over_the_shortest_hop():
    vectors = np.array([[1.0, 0.0], [0.0, 2.5]])
    _, basis, coords = network_of_vectors(vectors, "shell", 3)
    track = Trajectory(np.arange(4), np.zeros(4, int),
                       [[0, 0], [1.1, 0], [1.1, 2.4], [1.6, 2.4]], np.arange(4.0))  # fmt: skip
    steps, off = steps_on_lattice([pairs_of(track, "data")], basis, coords)
    np.testing.assert_allclose(off, [0.1, 0.1, 0.5], atol=1e-9)
    places = coords @ basis
    np.testing.assert_allclose(places[steps.end[:2]], vectors, atol=1e-9)
    assert steps.end[2] == -2  # between two sites


def test_rests_are_told_whatever_the_drift():
    rng = np.random.default_rng(3)
    frame, particle = (x.ravel() for x in np.mgrid[:60, :12])
    jumps = 3.0 * np.cumsum(rng.random((60, 12)) < 0.03, axis=0).ravel()
    places = np.stack([jumps, 0 * jumps], axis=1) + rng.normal(0, 0.1, (720, 2))
    drift = np.cumsum(rng.normal(0, 2.0, (60, 2)), axis=0)[frame]
    wander = np.cumsum(rng.normal(0, 0.1, (60, 12, 2)), axis=0).reshape(-1, 2)
    for moved in (0.0, 1.0):
        assert is_hopping(Trajectory(frame, particle, places + moved * drift, np.arange(60.0)))
        assert not is_hopping(Trajectory(frame, particle, wander + moved * drift, np.arange(60.0)))


def film_of(rates, far=0.0, n_frames=80, n_particles=20, seed=5):
    """Walkers of Poisson hops, some jumping four sites at once."""
    rng = np.random.default_rng(seed)
    ways = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    hops = rng.poisson(rates, (n_frames - 1, n_particles, 4))
    steps = hops @ ways
    jumping = rng.random((n_frames - 1, n_particles)) < far
    steps[jumping] += 4 * ways[rng.integers(0, 4, jumping.sum())]
    places = np.concatenate([np.zeros((1, n_particles, 2)), np.cumsum(steps, axis=0)])
    frame, particle = (x.ravel() for x in np.mgrid[:n_frames, :n_particles])
    return Trajectory(frame, particle, places.reshape(-1, 2), np.arange(n_frames) * 1.0,
                      time_unit="frame")  # fmt: skip


def test_jumps_longer_than_a_bond_are_told():
    plain = fit_hop_rates(film_of(0.05), hop_vectors=VECTORS, rng=1)
    assert plain.diagnostics["distance_p"] > 1e-3
    assert "far_steps" not in plain.diagnostics
    odd = fit_hop_rates(film_of(0.05, far=0.01), hop_vectors=VECTORS, rng=1)
    assert odd.diagnostics["distance_p"] < 1e-3
    assert any("jumps longer than a bond" in text for text in odd.warnings)
    assert odd.diagnostics["far_steps"] > odd.diagnostics["far_steps_expected"] > 3


def test_particles_of_two_kinds_are_told():
    slow, fast = film_of(0.01, seed=6), film_of(0.1, seed=7)
    mixed = Trajectory(
        np.append(slow.frame, fast.frame), np.append(slow.particle, 100 + fast.particle),
        np.concatenate([slow.positions, fast.positions]), slow.times, time_unit="frame",
    )  # fmt: skip
    fit = fit_hop_rates(mixed, hop_vectors=VECTORS, rng=1)
    assert fit.diagnostics["particles_alike_p"] < 1e-6
    assert any("particles hop at different rates" in text for text in fit.warnings)
    same = fit_hop_rates(film_of(0.05, seed=8), hop_vectors=VECTORS, rng=1)
    assert same.diagnostics["particles_alike_p"] > 1e-3
    steps = same.diagnostics["steps"]
    assert steps == 79 * 20
    # hops in four ways: with a chance of 1 - exp(-0.2) not resting, but for returns
    assert same.diagnostics["moved_steps"] / steps == pytest.approx(1 - np.exp(-0.2), abs=0.04)
    np.testing.assert_allclose(same["total_rate"], 4 * same["hop_rate"][:, 0])
    np.testing.assert_allclose(same["diffusion"], same["hop_rate"][:, 0])


def test_first_guesses_are_above_nil_for_every_rate():
    dose = np.array([0.0, 20.0, 40.0])
    films = [film_of(rate, seed=k) for k, rate in enumerate((0.01, 0.03, 0.05))]
    groups = [pairs_of(film, "data") for film in films]
    options = LawOptions(None, dose, None, None, "none")
    model, _ = make_model(groups, None, VECTORS, "direction", options, 3)
    start = start_of(model, groups)
    assert (start > 0).all()
    # of the right size: rates within a factor of ten
    thermal, beam = start[: model.law.n_thermal] ** 2, start[model.law.n_thermal :] ** 2
    assert np.all((thermal > 1e-3) & (thermal < 0.1))
    assert np.all((beam > 1e-4) & (beam < 1e-2))
    size = scale_of(model, groups) / start
    assert np.all((size > 0.1) & (size < 10))


def test_steps_that_no_chain_of_hops_explains_are_counted():
    film = film_of(0.05)
    places = film.positions.copy()
    places[(film.particle == 3) & (film.frame >= 40)] += 0.5  # off the lattice once
    moved = Trajectory(film.frame, film.particle, places, film.times, time_unit="frame")
    fit = fit_hop_rates(moved, hop_vectors=VECTORS, rng=1)
    assert fit.diagnostics["unexplained_steps"] == 1
    steps = 79 * 20
    assert any(f"1 of {steps} steps ({1 / steps:.2%}) are explained" in t for t in fit.warnings)
