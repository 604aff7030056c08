"""Rates of hops: exact chains, recovery, refusals on both sides."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm
from scipy.stats import binomtest, poisson

from physlearn.causal import actions_from_event_rates
from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import HopEvents
from physlearn.inference import event_probability, fit_hop_rates
from physlearn.inference.event_rates.hop_networks import find_hop_vectors, network_of_graph
from physlearn.inference.event_rates.walk_kernels import grow_patch, walk_chances
from physlearn.inference.event_rates.walk_problems import StepSet, make_problems
from physlearn.lattice_models import HopRates, LatticeGas, simulate_hops, square_lattice
from physlearn.records import SiteGraph, Trajectory

VECTORS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
LABELS = ["+1 0", "0 +1", "-1 0", "0 -1"]
TEMPERATURES = (280.0, 300.0, 320.0)


def walk(rates, n_frames, n_particles, rng, missed=0.0, noise=0.0):
    """Independent walkers by plain Poisson counts of hops: no code of ours."""
    counts = rng.poisson(np.asarray(rates)[:, None, None], (4, n_frames - 1, n_particles))
    steps = np.einsum("ktn,kd->tnd", counts, VECTORS)
    places = np.concatenate([np.zeros((1, n_particles, 2)), np.cumsum(steps, axis=0)])
    frame, particle = np.nonzero(rng.random((n_frames, n_particles)) >= missed)
    seen = places[frame, particle] + noise * rng.standard_normal((len(frame), 2))
    return Trajectory(frame, particle, seen, np.arange(n_frames) * 1.0, time_unit="frame")


@pytest.fixture(scope="module")
def films():
    graph = square_lattice((12, 12))
    start = np.r_[np.ones(4, int), np.zeros(140, int)]
    return [
        simulate_hops(
            HopRates([0.5], temperature_kelvin=t), graph, start, np.arange(60) * 5e-6, rng=k
        )
        for k, t in enumerate(TEMPERATURES)
    ]


def ring_problems(rates, time):
    graph = SiteGraph(4, [[0, 1], [1, 2], [2, 3]], [0, 0, 0], [1, 1, 1],
                      positions=[[0.0, 0], [1, 0], [2, 0], [3, 0]])  # fmt: skip
    network = network_of_graph(graph, "direction")
    start, end = (x.ravel() for x in np.mgrid[:4, :4])
    steps = StepSet(start, end, np.full(16, time), np.zeros(16, np.int64), np.ones(16))
    problems = make_problems(network, steps, 4, count_from=False, count_to=False)
    assert network.labels == ("+1 0", "-1 0")
    generator = np.diag([rates[0]] * 3, 1) + np.diag([rates[1]] * 3, -1)
    generator -= np.diag(generator.sum(axis=1))
    return problems, expm(generator * time)


@pytest.mark.parametrize("time", [1e-3, 0.7, 30.0])
def test_chances_are_the_matrix_exponential(time, oracle):
    rates = np.array([0.8, 0.3])
    problems, exact = ring_problems(rates, time)
    row_rate = rates[problems.rows[:, 1]]
    chance, slope, leak = problems.chances(row_rate, np.eye(2)[problems.rows[:, 1]])
    found = np.sort(chance)
    oracle(f"matrix exponential, t = {time:g}", bound=1e-9, error=float(
        np.max(np.abs(found / np.sort(exact.ravel()) - 1))))  # fmt: skip
    assert abs(leak) < 1e-7
    step = 1e-6
    up = problems.chances(row_rate * [1 + step if r else 1 for r in problems.rows[:, 1]],
                          np.zeros((len(row_rate), 0)))[0]  # fmt: skip
    assert np.allclose((up - chance) / (rates[1] * step), slope[:, 1], atol=2e-6 * max(1, time))


def test_plain_kernels_equal_the_compiled_ones():
    problems, _ = ring_problems(np.array([0.8, 0.3]), 0.7)
    rate = np.array([0.8, 0.3])[problems.rows[:, 1]]
    slopes = np.eye(2)[problems.rows[:, 1]]
    compiled = problems.chances(rate, slopes)
    chance, slope = np.empty_like(compiled[0]), np.empty_like(compiled[1])
    leak = walk_chances.py_func(
        problems.node_offset, problems.edge_offset, problems.origin, problems.edge_from,
        problems.edge_to, problems.edge_row, problems.edge_weight, rate, slopes,
        problems.query_offset, problems.query_node, problems.query_time, chance, slope,
    )  # fmt: skip
    assert np.allclose(chance, compiled[0], rtol=1e-13)
    assert np.allclose(slope, compiled[1], rtol=1e-12, atol=1e-15)
    assert abs(leak - compiled[2]) < 1e-13
    target = np.array([[1, -1], [2, 0], [-1, 1]])
    kind = np.array([[0, -1], [0, 1], [-1, 1]])
    for before, after in (([], []), ([2], []), ([2], [2])):
        held = np.zeros((2, 3), bool)
        held[0, before], held[1, after] = True, True
        outs = []
        for function in (grow_patch, grow_patch.py_func):
            where = np.full(3, -1)
            nodes, ends, weights = np.zeros(3, int), np.zeros((12, 3), int), np.zeros(12)
            n = function(1, 2, target, kind, held[0], held[1], 3, 1, 1, where, nodes, ends, weights)
            outs.append((n, nodes[: n[0]].tolist(), ends[: n[1]].tolist(), weights.tolist()))
            assert (where == -1).all()
        assert outs[0] == outs[1]


def test_free_walk_is_the_product_of_poisson_differences(oracle):
    rates = np.array([0.4, 0.2, 0.1, 0.3])
    rng = np.random.default_rng(4)
    fit = fit_hop_rates(walk(rates, 30, 5, rng, missed=0.2), by="direction",
                        hop_vectors=VECTORS[:2], rng=1)  # fmt: skip
    assert fit.idata["posterior"]["hop"].to_numpy().tolist() == LABELS
    # one walker, one interval, two hops to the right and one up: sum over returns by hand
    times = np.array([0.0, 1.5])
    track = Trajectory([0, 1], [0, 0], [[0.0, 0], [2.0, 1]], times, time_unit="frame")
    from physlearn.inference.event_rates import hop_model as module
    from physlearn.inference.event_rates.hop_steps import pairs_of

    options = module.LawOptions(None, None, None, None, "none")
    model, _ = module.make_model([pairs_of(track, "data")], None, VECTORS, "direction", options, 14)
    value = model.problems.log_likelihood(rates[model.problems.rows[:, 1]])
    n = np.arange(40)
    across = np.sum(poisson.pmf(n + 2, 0.6) * poisson.pmf(n, 0.15))
    along = np.sum(poisson.pmf(n + 1, 0.3) * poisson.pmf(n, 0.45))
    oracle("chance of a displacement, Skellam", bound=1e-8,
           error=abs(value - np.log(across * along)))  # fmt: skip


def test_rates_by_direction_with_missed_frames_are_calibrated(oracle):
    rates, inside, errors, n = np.array([0.12, 0.06, 0.03, 0.09]), [], [], 12
    for index in range(n):
        track = walk(rates, 40, 8, np.random.default_rng((index, 11)), 0.2, 0.05)
        fit = fit_hop_rates(track, by="direction", hop_vectors=VECTORS[:2], rng=index)
        low, high = fit.interval("hop_rate").T
        inside.append((low < rates) & (rates < high))
        errors.append((fit["hop_rate"].mean(axis=0) - rates) / fit["hop_rate"].std(axis=0))
    for label, column in zip(LABELS, np.array(inside).T, strict=True):
        oracle(f"cov90 of {label}", p=binomtest(int(column.sum()), n, 0.9).pvalue)
    assert fit.diagnostics["pareto_k"] < 0.7


def test_graph_and_vectors_agree_for_one_particle(films):
    graph = square_lattice((12, 12))
    start = np.r_[1, np.zeros(143, int)]
    track = simulate_hops(HopRates([0.5]), graph, start, np.arange(80) * 4e-6, rng=9)
    on_graph = fit_hop_rates(track, graph, rng=1)
    on_lattice = fit_hop_rates(track, rng=1)
    assert np.allclose(on_graph["hop_rate"].mean(), on_lattice["hop_rate"].mean(), rtol=1e-3)
    assert on_graph["diffusion"].mean() == pytest.approx(on_graph["hop_rate"].mean())


def test_hop_vectors_are_found_among_noisy_displacements():
    rng = np.random.default_rng(2)
    triangle = 2.5 * np.array([[1, 0], [0.5, 0.75**0.5], [-0.5, 0.75**0.5]])
    moves = 0.1 * rng.standard_normal((800, 2))
    moves[:90] += np.repeat(triangle, 30, axis=0)
    moves[90:93] += 2 * triangle[0]  # two hops within a frame are no hop of their own
    found = find_hop_vectors(moves)
    assert len(found) == 6
    assert np.allclose(np.linalg.norm(found, axis=1), 2.5, atol=0.1)
    with pytest.raises(NotIdentified, match="no displacement stands out"):
        find_hop_vectors(0.1 * rng.standard_normal((800, 2)))
    busy = 0.1 * rng.standard_normal((300, 2))
    busy[:210] += np.repeat(triangle, 70, axis=0)
    with pytest.raises(NotIdentified, match="most particles move"):
        find_hop_vectors(busy)


def test_barrier_needs_three_temperatures_or_a_prior(films):
    vectors = VECTORS[:2]
    fit = fit_hop_rates(films, hop_vectors=vectors, temperature_kelvin=TEMPERATURES, rng=1)
    low, high = fit.interval("barrier_ev")[0]
    assert low < 0.5 < high
    low, high = fit.interval("log10_attempt_frequency")[0]
    assert low < 13.0 < high
    two = fit_hop_rates(films[:2], hop_vectors=vectors, temperature_kelvin=TEMPERATURES[:2], rng=1)
    assert "barrier_ev" not in two.variables
    assert any("two temperatures" in text for text in two.warnings)
    with pytest.raises(NotIdentified, match="at least 3 temperatures"):
        fit_hop_rates(
            films[:2], hop_vectors=vectors, temperature_kelvin=TEMPERATURES[:2], barrier=True
        )
    in_frames = walk([0.05] * 4, 60, 4, np.random.default_rng(2))
    with pytest.raises(InputError, match="times in seconds"):
        fit_hop_rates(in_frames, hop_vectors=vectors, temperature_kelvin=300.0,
                      attempt_frequency_hz=(1e13, 0.5))  # fmt: skip
    with pytest.raises(InputError, match="per second"):
        actions_from_event_rates(fit_hop_rates(in_frames, hop_vectors=vectors, rng=1),
                                 [[1.0, 2.0]], doses=[100], dose_rate=50.0)  # fmt: skip
    stated = fit_hop_rates(
        films[0], hop_vectors=vectors, temperature_kelvin=280.0, attempt_frequency_hz=(1e13, 0.5),
        rng=1,
    )  # fmt: skip
    low, high = stated.interval("barrier_ev")[0]
    assert low < 0.5 < high
    assert stated["log10_attempt_frequency"].std() == pytest.approx(0.5, abs=0.06)


def test_beam_part_separates_with_two_dose_rates_only():
    rng = np.random.default_rng(3)
    dark, lit, bright = (walk([r] * 4, 60, 6, rng) for r in (0.01, 0.03, 0.05))
    both = fit_hop_rates([dark, lit, bright], hop_vectors=VECTORS[:2], dose_rate=[0, 20, 40], rng=1)
    low, high = both.interval("beam_cross_section")[0]
    assert low < 1e-3 < high
    low, high = both.interval("hop_rate")[0]
    assert low < 0.01 < high
    one = fit_hop_rates(lit, hop_vectors=VECTORS[:2], dose_rate=20, rng=1)
    assert "beam_cross_section" not in one.variables
    assert any("SUM" in text for text in one.warnings)


def test_sums_of_thermal_and_beam_driven_hops_tell_no_barrier():
    temperature = np.repeat([300.0, 400.0, 500.0], 2)
    dose = np.tile([0.0, 100.0], 3)
    rate = 1e13 * np.exp(-1.0 / 8.617333e-5 / temperature) + 1e-3 * dose
    hops = np.random.default_rng(4).poisson(1e4 * rate)
    table = pd.DataFrame({"hops": hops, "exposure": 1e4, "temperature_kelvin": temperature,
                          "dose_rate": dose})  # fmt: skip
    low, high = fit_hop_rates(table, rng=1).interval("barrier_ev")[0]
    assert low < 1.0 < high
    lit = table[dose > 0]
    one = fit_hop_rates(lit, rng=1)
    assert "barrier_ev" not in one.variables and not one.diagnostics["separated"]
    assert any("SUM" in text for text in one.warnings)
    with pytest.raises(NotIdentified, match="needs thermal rates"):
        fit_hop_rates(lit, barrier=True)
    film = walk([0.05] * 4, 60, 6, np.random.default_rng(1))
    mixed = fit_hop_rates(film, hop_vectors=VECTORS[:2], dose_rate=20, rng=1)
    with pytest.raises(InputError, match="apart"):
        event_probability(mixed, duration_s=1.0)
    dark = fit_hop_rates(film, hop_vectors=VECTORS[:2], dose_rate=0, rng=1)
    chance = event_probability(dark, duration_s=1.0)
    assert np.allclose(chance, -np.expm1(-dark["total_rate"]))


def test_resolved_and_unresolved_hops_of_two_sites():
    two = SiteGraph(2, [[0, 1]], [0], [1], positions=[[0.0, 0.0], [1.0, 0.0]])
    slow = simulate_hops(HopRates([0.5]), two, [1, 0], np.arange(200) * 1e-6, rng=1)
    fit = fit_hop_rates(slow, two, rng=1)
    low, high = fit.interval("hop_rate")[0]
    assert low < 39_800 < high
    assert not any("lower bound" in text for text in fit.warnings)
    rng = np.random.default_rng(5)
    side = rng.integers(0, 2, 200)
    fast = Trajectory(np.arange(200), np.zeros(200, int), np.stack([side, 0 * side], axis=1) * 1.0,
                      np.arange(200) * 1e-6, unit="reduced")  # fmt: skip
    fit = fit_hop_rates(fast, two, rng=1)
    assert any("lower bound" in text for text in fit.warnings)
    assert fit.interval("hop_rate")[0][0] > 3e5
    assert set(fit.summary()["verdict"][:2]) == {"lower bound only"}


def test_still_particles_give_an_upper_bound():
    still = walk([0.0] * 4, 40, 10, np.random.default_rng(1), noise=0.02)
    fit = fit_hop_rates(still, hop_vectors=VECTORS[:2], rng=1)
    low, high = fit.interval("total_rate")
    assert low >= 0 and 0.9 < high * 390 < 9  # 3 hops in all that was watched, about
    assert any("upper bounds" in text for text in fit.warnings)


def test_neighbours_slow_particles_as_planted():
    graph = square_lattice((10, 10))
    rng = np.random.default_rng(8)
    start = np.zeros(100, int)
    start[rng.permutation(100)[:15]] = 1
    rates = HopRates([0.5], hamiltonian=LatticeGas([-0.6]))
    track = simulate_hops(rates, graph, start, np.arange(40) * 1e-6, rng=2)
    fit = fit_hop_rates(track, graph, neighbours="from_and_to", rng=1)
    low, high = fit.interval("neighbour_effect").T
    assert low[0] < -0.3 < high[0] and low[1] < 0.3 < high[1]
    low, high = fit.interval("hop_rate")[0]
    assert low < rates.thermal_rates_hz()[0] < high


def window(n_sites, rng):
    """Walkers on a torus of 20 x 20 sites, of which a corner is seen: new names on return."""
    places, tracks, fresh = rng.integers(0, 20, (80, 2)), [], 80
    names, inside = np.arange(80), np.ones(80, bool)
    for frame in range(60):
        seen = np.all(places < n_sites, axis=1)
        new = seen & ~inside
        names[new] = fresh + np.arange(new.sum())
        fresh, inside = fresh + new.sum(), seen
        tracks += [(frame, names[k], *places[k]) for k in np.flatnonzero(seen)]
        places = (places + rng.poisson(0.05, (80, 4)) @ VECTORS.astype(int)) % 20
    frame, particle, x, y = np.array(tracks).T
    seen = np.stack([x, y], axis=1) + 0.05 * rng.standard_normal((len(x), 2))
    return Trajectory(frame, particle, seen, np.arange(60.0), time_unit="frame")


def test_hops_out_of_the_field_of_view_are_missed_and_a_margin_takes_that_away(oracle):
    film = window(8, np.random.default_rng(3))
    fit = fit_hop_rates(film, hop_vectors=VECTORS[:2], rng=1)
    assert any("end at the edge" in text for text in fit.warnings)
    # a site in 8 x 8 has an eighth of its bonds across the edge, on average
    share = fit.diagnostics["lost_at_edge"] / (fit.diagnostics["moved_steps"] * 8 / 7)
    assert share == pytest.approx(1 / 8, abs=0.04)
    assert fit.interval("hop_rate")[0][1] < 0.05
    inner = fit_hop_rates(film, hop_vectors=VECTORS[:2], edge_margin=1.0, rng=1)
    rate = inner["hop_rate"][:, 0]
    oracle("rate with a margin", z=(rate.mean() - 0.05) / rate.std())
    assert not any("end at the edge" in text for text in inner.warnings)
    with pytest.raises(InputError, match="leaves no step"):
        fit_hop_rates(film, hop_vectors=VECTORS[:2], edge_margin=5.0)


def test_sites_misread_for_large_errors_are_counted_and_told():
    told = []
    for noise in (0.1, 0.2):
        rng = np.random.default_rng(5)
        film = walk([0.02] * 4, 60, 10, rng, missed=0.2, noise=noise)
        fit = fit_hop_rates(film, hop_vectors=VECTORS, rng=1)
        told.append(any("errors of position" in text for text in fit.warnings))
        expected = fit.diagnostics["misread_steps_expected"]
        assert expected < 1 if noise < 0.15 else 5 < expected < 25
    assert told == [False, True]


def test_directions_that_differ_are_told():
    rng = np.random.default_rng(6)
    same = fit_hop_rates(walk([0.05] * 4, 60, 8, rng), hop_vectors=VECTORS[:2], rng=1)
    assert same.diagnostics["direction_p"] > 1e-3
    drift = fit_hop_rates(
        walk([0.09, 0.05, 0.02, 0.04], 60, 8, rng), hop_vectors=VECTORS[:2], rng=1
    )
    assert drift.diagnostics["direction_p"] < 1e-3
    assert any("differ by direction" in text for text in drift.warnings)


def test_table_and_hop_events_are_taken():
    table = pd.DataFrame({"hops": [20, 60, 170], "exposure": [1e3, 1e3, 1e3],
                          "temperature_kelvin": [280, 300, 320]})  # fmt: skip
    fit = fit_hop_rates(table, rng=1)
    slope = np.log(170 / 20) / (1 / 280 - 1 / 320) * 8.617333e-5
    low, high = fit.interval("barrier_ev")[0]
    assert low < slope < high
    events = HopEvents(
        pd.DataFrame({"frame_before": [3, 9], "frame_after": [4, 10], "dx": [1.0, 0.0],
                      "dy": [0.0, -1.0]}), 500, 500.0, "frame", "pixel", 1.0, 0.5,
    )  # fmt: skip
    fit = fit_hop_rates(events, hop_vectors=VECTORS[:2], rng=1)
    assert fit["total_rate"].mean() == pytest.approx(2.5 / 500, rel=0.05)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": Trajectory([0], [0], [[0.0, 0.0]], [0.0])}, "single frame"),
        ({"data": []}, "at least one"),
        ({"data": 3.0}, "Trajectory"),
        ({"neighbours": "from"}, "needs graph"),
        ({"hop_vectors": [[0.0, 0.0]]}, "length zero"),
        ({"hop_vectors": [[1.0, 0.0, 0.0]]}, "2 columns"),
        ({"temperature_kelvin": [300.0, 320.0]}, "one for each of 1"),
        ({"temperature_kelvin": 0.0}, "above 0 K"),
        ({"by": "colour"}, "shell, direction"),
        ({"data": pd.DataFrame({"hops": [1.5], "exposure": [1.0]})}, "whole numbers"),
        ({"data": pd.DataFrame({"hops": [1]})}, "'exposure'"),
        ({"data": pd.DataFrame({"hops": [1], "exposure": [0.0]})}, "above 0"),
        ({"data": pd.DataFrame({"hops": [1], "exposure": [1.0], "n_bonds": [0]})}, "cannot hop"),
        (
            {
                "data": pd.DataFrame(
                    {"hops": [1, 2], "exposure": [1.0, 1.0], "temperature_kelvin": [0, 100]}
                )
            },
            "above 0 K",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(change, said):
    good = {"data": walk([0.1] * 4, 10, 2, np.random.default_rng(1)), "hop_vectors": VECTORS[:2]}
    given = good | change
    if not isinstance(given["data"], Trajectory):
        given.pop("hop_vectors")
    data = given.pop("data")
    data = [data] if isinstance(data, float) else data
    with pytest.raises((InputError, NotIdentified), match=said):
        fit_hop_rates(data, **given)
