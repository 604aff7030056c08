"""Short runs against plain Python, known forces, free diffusion and the Ornstein-Uhlenbeck law."""

from itertools import pairwise

import numpy as np
import pytest

from physlearn.inference.langevin import sub_steps_kernels as kernels
from physlearn.inference.langevin.force_tables import SIZE, force_tables
from physlearn.inference.langevin.short_runs import Frame, run_moments, seen_features, tables_at
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.inference.potential_families.user_function import family_from_function
from physlearn.lattice_models.particles import neighbour_pairs, particle_forces
from physlearn.lattice_models.random_numbers import ziggurat_tables
from physlearn.records import AtomicConfiguration

REACH = 12.0


def place(n, box, d=2, seed=1):
    """Return n places that keep a distance, on a jittered grid."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(n ** (1 / d)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * d), axis=-1).reshape(-1, d)[:n]
    return (grid + 0.5) * box / side + rng.uniform(-0.05, 0.05, (n, d))


def lists(places, box, reach):
    n, d = places.shape
    start, other = np.zeros(n + 1, np.int64), np.zeros(64 * n, np.int64)
    shift, cells = np.zeros((64 * n, d)), np.zeros(n, np.int64)
    lengths = np.zeros(d) if box is None else np.full(d, box)
    m = kernels.list_frame_pairs(places, lengths, reach, start, other, shift, cells)
    return start, other[:m].copy(), shift[:m].copy()


@pytest.mark.parametrize(("n", "d", "box"), [(100, 2, 11.0), (125, 3, 6.0), (30, 2, None)])
def test_lists_hold_every_pair_once(n, d, box):
    places = place(n, box or 6.0, d)
    start, other, shift = lists(places, box, 2.0)
    one = np.repeat(np.arange(n), np.diff(start))
    cell = None if box is None else np.full(d, box)
    pairs, away = neighbour_pairs(places, 2.0, cell)
    mine = np.sort(np.stack([one, other], axis=1), axis=1)
    assert {tuple(p) for p in mine.tolist()} == {tuple(p) for p in pairs.tolist()}
    assert len(mine) == len(pairs)
    distance = np.linalg.norm(places[one] - places[other] - shift, axis=1)
    assert np.allclose(np.sort(distance), np.sort(np.linalg.norm(away, axis=1)))


@pytest.mark.parametrize("d", [2, 3])
def test_tabulated_forces_are_those_of_the_potential(d, oracle):
    box, n = 7.0, 6**2 if d == 2 else 6**3
    places = place(n, box, d)
    family = make_interaction("lennard_jones", length=1.0, cutoff=2.5)
    start, other, shift = lists(places, box, 2.5)
    law = force_tables(family, np.zeros(2), 1e-5)
    lanes = np.repeat(places[:, :, None], 8, axis=2)
    force = np.zeros_like(lanes)
    kinds = np.zeros(len(other), np.int64)
    kernels.lane_forces(lanes, force, start, other, shift, kinds, law.flat, SIZE, law.scale)
    known = particle_forces(
        family.potential(np.zeros(2)),
        AtomicConfiguration(places, unit="reduced", cell=box * np.eye(d)),
    )
    error = np.abs(force[:, :, 3] - known).max() / np.abs(known).max()
    oracle("tabulated force against the potential", error=error, bound=1e-4)


def test_compiled_kernels_equal_plain_python():
    places = place(9, 4.0)
    family = make_interaction("lennard_jones", length=1.0, cutoff=1.5)
    start, other, shift = lists(places, 4.0, 2.0)
    plain = [np.zeros(10, np.int64), np.zeros(576, np.int64), np.zeros((576, 2))]
    m = kernels.list_frame_pairs.py_func(
        places, np.full(2, 4.0), 2.0, *plain, np.zeros(9, np.int64)
    )
    assert m == len(other)
    assert np.array_equal(plain[1][:m], other)
    law = force_tables(family, np.zeros(2), 1e-4)
    tables = tables_at(family, np.zeros(2), [])
    kinds, use = np.zeros(len(other), np.int64), np.ones(9, np.int64)
    out = []
    for both in (False, True):
        move, count = kernels.move_lanes, kernels.lane_features
        if both:
            move, count = move.py_func, count.py_func
        lanes = np.repeat(places[:, :, None], 8, axis=2)
        with np.errstate(over="ignore"):
            move(lanes, np.zeros_like(lanes), np.zeros_like(lanes), start, other, shift, kinds,
                 law.flat, SIZE, np.array([1.0, 1e-4, law.scale]), 2, 2,
                 np.array([5, 7], np.uint64), ziggurat_tables())  # fmt: skip
        sums = np.zeros((3, 8))
        count(lanes, places, use, 1, start, other, shift, kinds, tables.first, tables.flat, SIZE,
              tables.width, tables.scale, sums)  # fmt: skip
        out.append((lanes, sums))
    assert np.allclose(out[0][0], out[1][0], rtol=1e-12, atol=1e-12)
    assert np.allclose(out[0][1], out[1][1], rtol=1e-9)
    # a lane and its mirror share the noise
    assert not np.allclose(out[0][0][..., 0], out[0][0][..., 4])


def spring_frames(stiffness, n=400):
    """Return frames of one pair each, held by a spring, and their family."""

    def energy(distance, k):
        return 0.5 * k * distance**2

    family = InteractionFamily(
        (family_from_function(energy, {"k": (stiffness, 1.0)}, cutoff=REACH, closest=1e-3),)
    )
    rng = np.random.default_rng(3)
    frames = []
    for _ in range(n):
        places = rng.normal(0.0, 1.0, (2, 2))
        frames.append(
            Frame(places, places, np.ones(2, np.int64), np.array([0, 0, 1]), np.array([0]),
                  np.zeros((1, 2)), np.zeros(1, np.int64), 0)
        )  # fmt: skip
    return frames, family


def test_runs_follow_the_ornstein_uhlenbeck_law(oracle):
    # r = x1 - x2 relaxes by exp(-2 k D t); its variance there is 2 / k (1 - exp(-4 k D t)) / 2
    k, diffusion, interval = 4.0, 0.7, 0.1
    frames, family = spring_frames(k)
    theta = family.unconstrained([k])
    tables = tables_at(family, theta, frames)
    moments = run_moments(frames, family, theta, np.log(diffusion), tables, interval=interval,
                          n_steps=60, seed=2)  # fmt: skip
    away = np.array([frame.places[1] - frame.places[0] for frame in frames])
    keep = np.exp(-2.0 * k * diffusion * interval)
    spread = (1.0 - keep**2) / k
    expected = 0.5 * ((keep * away) ** 2).sum(axis=1) + spread
    # the energy ends at 0 at the cutoff, and so does its derivative by the stiffness
    left = (moments.mean[:, 0] + 0.5 * REACH**2 - expected).sum()
    error = np.sqrt(moments.error[0, 0])
    oracle("mean squared distance of a pair on a spring", z=left / error)
    # the centre diffuses freely, the difference towards 0
    centre = 2.0 * 2.0 * diffusion * interval / 2.0
    moved = 2.0 * centre + 0.5 * ((keep - 1.0) ** 2 * (away**2).sum(axis=1) + 2.0 * spread)
    z = (moments.mean[:, 1] - moved).sum() / np.sqrt(moments.error[1, 1])
    oracle("mean squared displacement of a pair on a spring", z=z)


def test_half_the_steps_share_the_noise():
    frames, family = spring_frames(4.0, 20)
    theta = family.unconstrained([4.0])
    tables = tables_at(family, theta, frames)
    means = [
        run_moments(
            frames,
            family,
            theta,
            0.0,
            tables,
            interval=0.1,
            n_steps=steps,
            n_draws=64 // steps,
            seed=2,
        ).mean
        for steps in (16, 32, 64)
    ]
    changes = [np.abs(a - b).max() for a, b in pairwise(means)]
    # the paths are of first order in the step, and without shared noise they would not agree at all
    assert changes[1] < 0.7 * changes[0]
    assert changes[0] < 0.01 * np.abs(means[0]).max()


def test_seen_features_are_those_of_the_next_frame():
    frames, family = spring_frames(4.0, 3)
    theta = family.unconstrained([4.0])
    tables = tables_at(family, theta, frames)
    seen = seen_features(frames, tables)
    for frame, row in zip(frames, seen, strict=True):
        square = ((frame.places[1] - frame.places[0]) ** 2).sum()
        assert row[0] + 0.5 * REACH**2 == pytest.approx(0.5 * square, abs=1e-3)
        assert row[1] == 0.0
