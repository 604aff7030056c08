"""log Z between references, against independent spins where it is known in closed form."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.posteriors.partition_surface import PartitionSurface

N_SPINS = 2000
STEP = 1 / np.sqrt(N_SPINS)


def magnetization(field, shape, rng):
    return 2.0 * rng.binomial(N_SPINS, 1 / (1 + np.exp(-2 * field)), shape) - N_SPINS


def log_z(field):
    return N_SPINS * np.log(2 * np.cosh(field))


def surface_of(fields, n, seed, turned=False, odd=None):
    rng = np.random.default_rng(seed)
    samples = np.stack([magnetization(field, n, rng) for field in fields])
    if turned:
        samples *= rng.choice([-1.0, 1.0], samples.shape)
    return PartitionSurface(fields[:, None], samples[:, :, None], odd)


def test_log_partition_spanning_thousands_is_exact_within_its_scatter(oracle):
    fields = np.linspace(0.0, 2.0, 60)
    exact = log_z(2.0) - log_z(0.0)
    assert exact > 2000  # exp() of this overflows: the case that must not
    found = []
    for seed in range(12):
        surface = surface_of(fields, 200, seed)
        ends = surface(fields[[0, -1], None])
        found.append(ends[1] - ends[0])
    found = np.array(found)
    error = found.std(ddof=1) / np.sqrt(len(found))
    oracle("log Z(2) - log Z(0) of 2000 spins", z=(found.mean() - exact) / error)
    # Integrating the magnetization over independent samples of each field has this variance; MBAR
    # is at most that good by a few per cent. 12 estimates know their sd to 1 part in sqrt(22)
    theory = np.sqrt((fields[1] * np.sqrt(N_SPINS)) ** 2 * np.sum(1 / np.cosh(fields) ** 2 / 200))
    assert found.std(ddof=1) < (1 + 4 / np.sqrt(22)) * theory


@pytest.mark.parametrize("mirrored", [False, True])
def test_errors_are_the_scatter_about_the_exact_surface(mirrored, oracle):
    center = 0.0 if mirrored else 0.1
    odd = np.array([True]) if mirrored else None
    points = center + np.array([[-2.0], [1.0], [2.5]]) * STEP
    z = []
    for seed in range(60):
        fields = center + 1.4 * STEP * np.random.default_rng(seed).standard_normal(64)
        # turned over at random, chains that never cross h = 0 look like this
        surface = surface_of(fields, 10, seed, turned=mirrored, odd=odd)
        exact = log_z(points[:, 0]) - log_z(surface.anchor[0])
        z.append((surface(points) - exact) / surface.errors(points))
    z = np.array(z)
    for column, point in zip(z.T, points[:, 0], strict=True):
        # first-order errors leave out what the surface fitted: a few per cent
        spread = (column.std() / 1.05 - 1) * np.sqrt(2 * len(column))
        oracle(f"errors of log Z at {point:.3f}, mirrored {mirrored}", z=spread)
        oracle(f"mean of log Z at {point:.3f}", z=column.mean() * np.sqrt(len(column)) / 1.05)


def test_turned_over_samples_are_wrong_without_the_symmetry():
    fields = 0.05 + 1.4 * STEP * np.random.default_rng(1).standard_normal(64)
    exact = log_z(0.08) - log_z(0.05)
    with_it = surface_of(fields, 40, 1, turned=True, odd=np.array([True]))
    without = surface_of(fields, 40, 1, turned=True)
    gaps = [s([[0.08]])[0] - s([[0.05]])[0] - exact for s in (with_it, without)]
    assert abs(gaps[0]) < 0.3 < abs(gaps[1])


def test_rounds_of_different_lengths_join_and_equal_references_are_one():
    rng = np.random.default_rng(2)
    fields = np.repeat(0.1 + STEP * np.array([-1.0, 0.0, 1.0, 2.0]), 8)[:, None]
    rounds = [
        (fields, np.stack([magnetization(h, (n, 1), rng) for h in fields[:, 0]])) for n in (5, 20)
    ]
    surface = PartitionSurface.pooled(rounds)
    assert surface.counts.tolist() == [200.0] * 4
    assert surface.settled
    exact = log_z(0.1 + STEP) - log_z(0.1)
    gap = surface([[0.1 + STEP]])[0] - surface([[0.1]])[0] - exact
    assert abs(gap) < 4 * surface.errors([[0.1 + STEP]])[0] + 0.01


def test_references_that_never_meet_are_not_settled():
    rng = np.random.default_rng(3)
    fields = np.array([[-0.5], [0.5]])
    samples = np.stack([magnetization(h, (50, 1), rng) for h in fields[:, 0]])
    assert not PartitionSurface(fields, samples).settled


def test_weighted_samples_and_anchor_give_the_same_surface():
    fields = 0.1 + STEP * np.linspace(-2, 2, 16)
    surface = surface_of(fields, 10, 4, odd=np.array([True]))
    points = 0.1 + STEP * np.linspace(-3, 3, 7)[:, None]
    before = surface(points)
    statistics, weight = surface.weighted_samples()
    direct = np.log(np.exp(points @ statistics.T + weight).sum(axis=1))
    np.testing.assert_allclose(direct, before, atol=2e-4)
    surface.move_anchor(points[0])
    np.testing.assert_allclose(surface(points), before - before[0], atol=2e-4)
    carried = surface.evaluate(0.1 + STEP * np.array([[0.0], [20.0]]))[1]
    assert carried[0] > 50
    assert carried[1] < 5


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(InputError, match="statistics must have shape"):
        PartitionSurface(np.zeros((2, 1)), np.zeros((3, 4, 1)))
    with pytest.raises(InputError, match="groups must have shape"):
        PartitionSurface(np.zeros((2, 1)), np.zeros((2, 4, 1)), groups=np.zeros((2, 3), int))
