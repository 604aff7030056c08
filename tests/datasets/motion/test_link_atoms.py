"""Identities, hops and changes of kind in films whose truth is known."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    HoppingSettings,
    classify_species,
    count_transitions,
    find_atoms,
    find_hops,
    link_atoms,
    make_hopping_film,
)
from physlearn.records import AtomicConfiguration, Trajectory


def walkers(n, n_frames, rate, rng, *, sd=0.1, hop=1.0, spacing=10.0, seen=1.0, drift=(0.0, 0.0)):
    """Return frames of particles that hop along x, the order in each frame, and the hops."""
    side = int(np.ceil(np.sqrt(n)))
    home = spacing * np.argwhere(np.ones((side, side)))[:n].astype(float)
    frames, who, hops = [], [], []
    for t in range(n_frames):
        if t:
            jumps = np.flatnonzero(rng.random(n) < rate)
            home[jumps, 0] += hop
            hops += [(particle, t) for particle in jumps]
        rows = np.flatnonzero(rng.random(n) < seen)
        rng.shuffle(rows)
        places = home[rows] + rng.normal(0, sd, (len(rows), 2)) + t * np.array(drift)
        covariance = np.broadcast_to(sd**2 * np.eye(2), (len(rows), 2, 2))
        frames.append(AtomicConfiguration(places, position_covariance=covariance))
        who.append(rows)
    return frames, who, hops


def test_identities_survive_gaps_drift_and_shuffling(oracle):
    rng = np.random.default_rng(3)
    frames, who, _ = walkers(100, 12, 0.02, rng, seen=0.9, drift=(1.3, -0.7))
    linked = link_atoms(frames, memory=4)
    truth = np.concatenate([rows[np.argsort(_numbers(linked, t))] for t, rows in enumerate(who)])
    particles = linked.trajectory.particle
    pairs = set(zip(particles.tolist(), truth.tolist(), strict=True))
    assert len(pairs) == linked.trajectory.n_particles == 100
    # the mean over 90 particles in each of two frames, and a little for the trimming
    z = (linked.frame_shift[11] - [14.3, -7.7]) / (0.1 * np.sqrt(2 * 1.2 / 90))
    oracle("drift along x after 11 frames", z=z[0])
    oracle("drift along y after 11 frames", z=z[1])


def _numbers(linked, t):
    """Return the particle numbers of a frame in the order of its atoms."""
    rows = np.flatnonzero(linked.trajectory.frame == t)
    numbers = np.empty(len(rows), dtype=int)
    numbers[linked.atom[rows]] = linked.trajectory.particle[rows]
    return numbers


def test_memory_decides_whether_a_gap_ends_a_trajectory():
    here, gone = AtomicConfiguration([[0.0, 0.0], [9.0, 0.0]]), AtomicConfiguration([[9.0, 0.0]])
    assert link_atoms([here, gone, here], memory=0).trajectory.n_particles == 3
    assert link_atoms([here, gone, here], memory=1).trajectory.n_particles == 2
    empty = AtomicConfiguration(np.empty((0, 2)))
    assert link_atoms([here, empty, here], memory=1).trajectory.n_particles == 2


def test_hoppers_reach_further_than_their_host():
    film = make_hopping_film(
        10, HoppingSettings(sites=(8, 8), n_hoppers=3, hop_probability=0.1), rng=3
    )
    rng = np.random.default_rng(1)
    frames = []
    for t in range(10):
        rows = film.truth.frame == t
        hoppers = film.truth.positions[rows]
        gap = np.hypot(*(film.sites[:, None] - hoppers).transpose(2, 0, 1)).min(axis=1)
        places = np.concatenate([film.sites[gap > 1], hoppers])
        frames.append(
            AtomicConfiguration(
                places + rng.normal(0, 0.05, places.shape), species_names=("host", "dopant"),
                species=np.repeat([0, 1], [len(places) - 3, 3]),
            )
        )  # fmt: skip
    linked = link_atoms(frames, search_range={"dopant": 13.0}, memory=2)
    dopants = linked.trajectory.particle[linked.species == 1]
    assert len(np.unique(dopants)) == 3
    assert find_hops(linked, shortest=6.0).n_hops == len(film.hops) > 0
    with pytest.raises(InputError, match="names the species 'Re'"):
        link_atoms(frames, search_range={"Re": 13.0})


def test_hops_found_are_the_hops_made(oracle):
    rng = np.random.default_rng(5)
    frames, who, hops = walkers(400, 20, 0.02, rng, hop=1.0)
    linked = link_atoms(frames)
    found = find_hops(linked, false_share=0.01)
    first = dict(zip(_numbers(linked, 0).tolist(), who[0].tolist(), strict=True))
    rows = found.table[["particle", "frame_after"]].itertuples(index=False)
    pairs = [(first[p], t) for p, t in rows]
    seen = set(pairs)
    true = set(hops)
    wrong = len(seen - true)
    assert len(true & seen) / len(true) > 0.99
    # each of the wrong ones is a chance of .01 among the found
    oracle("false hops", p=stats.binomtest(wrong, len(seen), 0.01, "greater").pvalue)
    table = found.table[[pair in true for pair in pairs]]
    pull = (table["length"] - 1.0) / table["length_sd"]
    oracle("length of hops", z=pull.mean() * np.sqrt(len(pull)))
    spread = pull.std(ddof=1)
    oracle("spread of hop lengths", z=(spread - 1) * np.sqrt(2 * len(pull)))
    assert abs(found.error_scale - 1) < 0.05


def test_the_smallest_hop_is_found_with_its_power(oracle):
    rng = np.random.default_rng(8)
    frames, *_ = walkers(400, 20, 0.02, rng, hop=1.0)
    length = find_hops(link_atoms(frames)).smallest_hop
    frames, who, hops = walkers(400, 20, 0.02, rng, hop=length)
    linked = link_atoms(frames, frame_shift=np.zeros((20, 2)))
    table = find_hops(linked).table
    first = dict(zip(_numbers(linked, 0).tolist(), who[0].tolist(), strict=True))
    rows = table[["particle", "frame_after"]].itertuples(index=False)
    hit = len({(first[p], t) for p, t in rows} & set(hops))
    oracle("power at the smallest hop", z=(hit / len(hops) - 0.95) / np.sqrt(0.05 / len(hops)))


def test_rate_interval_covers(oracle):
    inside = 0
    for seed in range(60):
        frames, *_ = walkers(100, 8, 0.01, np.random.default_rng(seed))
        mean, low, high = find_hops(link_atoms(frames)).rate()
        assert low <= mean <= high
        inside += low <= 0.01 <= high
    # the exact interval covers at least .9
    oracle("rate interval", p=stats.binomtest(inside, 60, 0.9, "less").pvalue)


def lattice_gas(n, n_frames, rate, rng, *, side=8, sd=0.1, seen=1.0):
    """Return frames of atoms that hop to free neighbouring sites 10 apart, and hops a frame."""
    taken = [divmod(int(site), side) for site in rng.permutation(side**2)[:n]]
    frames, hops = [], np.zeros(n_frames, dtype=int)
    for t in range(n_frames):
        for k in np.flatnonzero(rng.random(n) < rate) if t else ():
            steps = ((1, 0), (-1, 0), (0, 1), (0, -1))
            around = [(taken[k][0] + a, taken[k][1] + b) for a, b in steps]
            free = [x for x in around if min(x) >= 0 and max(x) < side and x not in taken]
            if free:
                taken[k] = free[rng.integers(len(free))]
                hops[t] += 1
        places = 10.0 * np.array(taken)[rng.random(n) < seen]
        covariance = np.broadcast_to(sd**2 * np.eye(2), (len(places), 2, 2))
        places = places + rng.normal(0, sd, places.shape)
        frames.append(AtomicConfiguration(places, position_covariance=covariance))
    return frames, hops


@pytest.mark.parametrize(("n", "rate", "memory"), [(22, 0.05, 0), (61, 0.02, 0), (61, 0.02, 2)])
def test_hops_beyond_the_search_range_are_said_and_bound_the_rate(n, rate, memory):
    inside = 0
    for seed in range(8):
        frames, each = lattice_gas(n, 40, rate, np.random.default_rng(seed))
        hops = int(each.sum())
        found = find_hops(link_atoms(frames, memory=memory))
        assert found.n_hops == 0 < hops
        assert any("longer than the search range" in text for text in found.warnings)
        # a hop alone in its frame is seen; of several, one may fill the site that another left
        assert (each == 1).sum() <= found.n_broken <= hops
        low, high = found.rate()[1:]
        inside += low <= hops / (n * 39) <= high
    assert inside == 8


def test_a_search_range_beyond_the_hop_breaks_no_track():
    frames, hops = lattice_gas(22, 40, 0.05, np.random.default_rng(1))
    found = find_hops(link_atoms(frames, search_range=14.0), shortest=5.0)
    assert found.n_broken == 0
    assert found.n_hops >= 0.9 * hops.sum()
    assert not any("broke" in text for text in found.warnings)


def test_atoms_that_blink_are_not_taken_for_hops():
    warned = 0
    for seed in range(20):
        frames, _ = lattice_gas(30, 30, 0.0, np.random.default_rng(seed), seen=0.9)
        warned += any("longer than" in text for text in find_hops(link_atoms(frames)).warnings)
        joined = find_hops(link_atoms(frames, memory=3))
        assert joined.n_hops == 0
        assert joined.n_broken <= 1
    # three standard deviations of the chance matches
    assert warned <= 2


def test_vibration_is_not_hopping():
    rng = np.random.default_rng(2)
    frames, *_ = walkers(400, 12, 0.0, rng, sd=0.3)
    tight = [
        frame.with_changes(position_covariance=frame.position_covariance / 9) for frame in frames
    ]
    found = find_hops(link_atoms(tight))
    assert found.n_hops <= 1
    assert abs(found.error_scale - 3) < 0.1
    assert any("times what the positions' errors say" in text for text in found.warnings)


@pytest.mark.parametrize("freedom", [3, 5])
def test_heavy_tails_are_not_hopping(freedom):
    home = 10.0 * np.argwhere(np.ones((14, 14))).astype(float)
    covariance = np.broadcast_to(0.01 * np.eye(2), (len(home), 2, 2))
    hops, warned = 0, 0
    for seed in range(6):
        off = 0.1 * np.random.default_rng(seed).standard_t(freedom, (20, *home.shape))
        frames = [AtomicConfiguration(home + one, position_covariance=covariance) for one in off]
        linked = link_atoms(frames)
        found = find_hops(linked)
        hops += found.n_hops
        warned += any("heavier tails" in text for text in found.warnings)
        # nothing longer than the longest misplacements
        long = int((np.hypot(*np.diff(off, axis=0).T) >= 4.0).sum())
        assert find_hops(linked, shortest=4.0).n_hops <= long
    # a misplaced position in the first or last frame can't be told from a hop: 0.7 a film in 30
    # films of 3 degrees of freedom, and four standard errors
    assert hops <= 4.2 + 4 * np.sqrt(4.2)
    # 19 of 20 films of 5 degrees of freedom are named, 20 of 20 of 3
    assert warned >= 6 * 0.95 - 4 * np.sqrt(6 * 0.95 * 0.05)


def two_kinds(rng, matrix, n, n_frames, *, distance=2.5):
    """Return frames of particles whose kind is seen through a normal reading."""
    kind = np.empty((n_frames, n), dtype=int)
    kind[0] = rng.random(n) < 0.5
    for t in range(1, n_frames):
        kind[t] = rng.random(n) < matrix[kind[t - 1], 1]
    places = 10.0 * np.arange(n)[:, None] * [1.0, 0.0]
    frames = []
    for t in range(n_frames):
        reading = distance * kind[t] + rng.normal(size=n)
        log = stats.norm.logpdf(reading[:, None], [0.0, distance])
        frames.append(
            AtomicConfiguration(
                places, species=log.argmax(axis=1), species_names=("single", "pair"),
                species_log_likelihood=log,
            )
        )  # fmt: skip
    counts = np.zeros((2, 2), dtype=int)
    np.add.at(counts, (kind[:-1].ravel(), kind[1:].ravel()), 1)
    return frames, counts


def test_misread_labels_are_not_transitions(oracle):
    matrix = np.array([[0.98, 0.02], [0.05, 0.95]])
    frames, counts = two_kinds(np.random.default_rng(1), matrix, 200, 20)
    linked = link_atoms(frames, frame_shift=np.zeros((20, 2)))
    edge = count_transitions(linked, rng=1).edges["single", "pair"]
    # one in ten labels is misread, so the plain count is several times too high
    assert edge["count_labels"] > 3 * counts[0, 1]
    sd = (edge["count_q95"] - edge["count_q05"]) / 3.29
    oracle("count of transitions", z=(edge["count"] - counts[0, 1]) / sd)
    certain = [frame.with_changes(species_log_likelihood=None) for frame in frames]
    plain = count_transitions(link_atoms(certain, frame_shift=np.zeros((20, 2))), rng=1)
    assert plain.edges["single", "pair"]["probability_q05"] > 0.02  # excludes the truth
    assert any("taken as certain" in text for text in plain.graph["warnings"])


@pytest.mark.slow
def test_transition_probabilities_are_calibrated(oracle):
    rng = np.random.default_rng(7)
    inside = np.zeros(2, dtype=int)
    for seed in range(200):
        stay = rng.beta(0.5, 0.5, 2)
        matrix = np.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]])
        frames, _ = two_kinds(rng, matrix, 30, 8)
        linked = link_atoms(frames, frame_shift=np.zeros((8, 2)))
        graph = count_transitions(linked, n_draws=300, rng=seed)
        for k, (a, b) in enumerate((("single", "pair"), ("pair", "single"))):
            edge = graph.edges[a, b]
            inside[k] += edge["probability_q05"] <= matrix[k, 1 - k] <= edge["probability_q95"]
    for k, count in enumerate(inside):
        oracle(f"interval of transition {k}", p=stats.binomtest(count, 200, 0.9).pvalue)


def test_uneven_times_have_no_rate_per_unit_of_time():
    frames, _ = two_kinds(
        np.random.default_rng(4), np.array([[0.9, 0.1], [0.2, 0.8]]), 60, 10, distance=60.0
    )
    still = np.zeros((10, 2))
    even = link_atoms(frames, frame_shift=still, times=2.0 * np.arange(10))
    edge = count_transitions(even, rng=1).edges["single", "pair"]
    assert np.isclose(edge["rate"], edge["probability"] / 2)
    paused = link_atoms(frames, frame_shift=still, times=[*range(9), 900])
    graph = count_transitions(paused, rng=1)
    edge = graph.edges["single", "pair"]
    assert np.isnan([edge["rate"], edge["rate_q05"], edge["rate_q95"]]).all()
    assert edge["probability"] > 0
    assert any("not evenly spaced" in text for text in graph.graph["warnings"])


def test_certain_labels_give_the_closed_form(oracle):
    rng = np.random.default_rng(4)
    frames, counts = two_kinds(rng, np.array([[0.9, 0.1], [0.2, 0.8]]), 60, 10, distance=60.0)
    graph = count_transitions(
        link_atoms(frames, frame_shift=np.zeros((10, 2))), n_draws=4000, rng=1
    )
    edge = graph.edges["single", "pair"]
    assert edge["count"] == counts[0, 1] == edge["count_labels"]
    exact = stats.beta(counts[0, 1] + 0.5, counts[0, 0] + 0.5)
    oracle("mean", z=(edge["probability"] - exact.mean()) / (exact.std() / np.sqrt(4000)))
    for q in (0.05, 0.95):
        error = np.sqrt(q * (1 - q) / 4000) / exact.pdf(exact.ppf(q))
        z = (edge[f"probability_q{round(100 * q):02d}"] - exact.ppf(q)) / error
        oracle(f"quantile {q}", z=z)


def test_what_appears_and_vanishes_is_counted():
    a, b = [0.0, 0.0], [20.0, 0.0]
    frames = [
        AtomicConfiguration(rows, species=[0] * len(rows), species_names=("vacancy",))
        for rows in ([a], [a], [a, b], [a, b], [b], [b])
    ]
    graph = count_transitions(link_atoms(frames, search_range=5.0), rng=1)
    assert isinstance(graph, nx.DiGraph)
    assert graph.edges["appeared", "vacancy"]["count"] == 1
    assert graph.edges["vacancy", "vanished"]["count"] == 1


def test_film_end_to_end(oracle):
    settings = HoppingSettings(
        sites=(12, 12), n_hoppers=6, hop_probability=0.15, drift_px=(0.4, 0.2)
    )
    film = make_hopping_film(8, settings, rng=11)
    bright = []
    for picture in film.video:
        atoms = classify_species(find_atoms(picture, noise="poisson"), 2)
        rows = atoms.species == 1
        assert rows.sum() == 6
        bright.append(
            AtomicConfiguration(
                atoms.positions[rows], position_covariance=atoms.position_covariance[rows]
            )
        )
    linked = link_atoms(bright, search_range=14.0, frame_shift=film.frame_shift)
    hops = find_hops(linked, shortest=6.0)
    assert hops.n_hops == len(film.hops) > 3
    names = ["x_before", "y_before", "x_after", "y_after"]
    got, want = (
        sorted(table[names].to_numpy().tolist(), key=lambda row: [round(v / 12) for v in row])
        for table in (hops.table, film.hops)
    )
    oracle("ends of hops (px)", error=np.abs(np.subtract(got, want)).max(), bound=0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: link_atoms(f[:1]), "at least two"),
        (lambda f: link_atoms(f, memory=-1), "memory"),
        (lambda f: link_atoms(f, search_range=0.0), "search_range"),
        (lambda f: link_atoms(f, frame_shift="guess"), "measure"),
        (lambda f: link_atoms(f, within_species=True), "classify_species"),
        (lambda f: link_atoms([f[0], f[1].with_changes(unit="nm")]), "one unit"),
        (lambda f: link_atoms(f, times=[0.0, 0.0, 1.0]), "increase"),
        (lambda f: link_atoms([AtomicConfiguration(np.empty((0, 2)))] * 2), "no atoms"),
        (lambda f: count_transitions(link_atoms(f)), "no kinds"),
        (lambda f: find_hops(link_atoms(f), false_share=2.0), "false_share"),
    ],
)
def test_bad_input_gets_one_sentence(change, words):
    frames, *_ = walkers(9, 3, 0.0, np.random.default_rng(1))
    with pytest.raises(InputError, match=words):
        change(frames)


def test_too_little_to_judge():
    frames, *_ = walkers(4, 2, 0.0, np.random.default_rng(1))
    with pytest.raises(NotIdentified, match="at least 20"):
        find_hops(link_atoms(frames))


def test_a_search_range_beyond_reason_is_refused():
    rng = np.random.default_rng(0)
    frames = [AtomicConfiguration(rng.uniform(0, 20, (300, 2))) for _ in range(2)]
    with pytest.raises(InputError, match="search_range"):
        link_atoms(frames, search_range=8.0)


def test_tracks_that_another_program_linked_have_the_same_hops():
    frames, _, _ = walkers(36, 60, 0.02, np.random.default_rng(4))
    linked = link_atoms(frames, search_range=4.0)
    ours = find_hops(linked)
    track = replace(linked.trajectory, localization_sd=np.full(len(linked.trajectory.frame), 0.1))
    theirs = find_hops(track)
    assert ours.n_hops > 20
    places = ["particle", "frame_before", "frame_after"]
    assert theirs.table[places].equals(ours.table[places])
    with pytest.raises(InputError, match="two dimensions; got 3"):
        find_hops(Trajectory([0, 1], [0, 0], np.zeros((2, 3)), [0.0, 1.0]))


def test_hops_across_the_border_of_a_periodic_cell_are_hops():
    frames, _, _ = walkers(36, 80, 0.02, np.random.default_rng(4), spacing=2.0)
    linked = link_atoms(frames, search_range=1.4)
    track = replace(linked.trajectory, cell=12.0 * np.eye(2))
    wrapped = replace(track, positions=track.positions % 12.0)
    assert not np.allclose(wrapped.positions, track.positions)
    free, folded = find_hops(track), find_hops(wrapped)
    assert free.n_hops > 20
    assert folded.table[["particle", "frame_after"]].equals(free.table[["particle", "frame_after"]])
    np.testing.assert_allclose(folded.table["dx"], free.table["dx"], atol=1e-9)
    assert not any("search range" in text for text in folded.warnings)


def test_hops_in_every_fifth_step_are_refused_not_lost():
    frames, _, _ = walkers(20, 300, 0.2, np.random.default_rng(5), sd=0.03, hop=1.0, spacing=90.0)
    track = link_atoms(frames, search_range=4.0).trajectory
    with pytest.raises(NotIdentified, match="too many to tell hops from the tails"):
        find_hops(replace(track, localization_sd=np.full(len(track.frame), 0.03)))
