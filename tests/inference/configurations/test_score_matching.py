"""Score matching against known potentials, exact identities and plain kernels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom
from snapshot_worlds import LIQUID, liquid, triangular

from physlearn.inference.configurations import score_kernels, score_tables
from physlearn.inference.configurations.noisy_scores import extrapolation
from physlearn.inference.configurations.quasi_posterior import draw_quasi_posterior
from physlearn.inference.configurations.score_matching import (
    find_score_mode,
    match_score,
    resemblance,
)
from physlearn.inference.configurations.score_tables import list_frame_pairs, make_grid, sum_fields
from physlearn.inference.configurations.snapshots import read_snapshots
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models.particles import LennardJones, particle_forces, sample_positions
from physlearn.records import AtomicConfiguration

FAMILY = make_interaction("lennard_jones", length=1.05, cutoff=2.5)
TRUTH = FAMILY.unconstrained([1.25, 1.0])


def prepared(frame, position_sd=0.0):
    snapshot = read_snapshots(frame, position_sd)
    frames = [list_frame_pairs(snapshot[0], FAMILY)]
    grid = make_grid(frames, FAMILY)
    return frames, grid, sum_fields(frames, grid)


def test_forces_are_those_of_the_simulator():
    frames, grid, _ = prepared(liquid()[0])
    out = np.zeros(frames[0].positions.shape)
    listed = frames[0].pairs, frames[0].vectors, frames[0].distance, frames[0].kinds, grid.grid
    score_kernels.add_forces(*listed, grid.force(FAMILY, TRUTH), out)
    expected = particle_forces(LIQUID, liquid()[0])
    np.testing.assert_allclose(out, expected, atol=2e-3 * np.abs(expected).max())


def test_sums_are_linear_in_the_force_and_divergences_are_derivatives():
    frames, grid, sums = prepared(liquid()[0])
    shares = sums.scores(frames, grid.force(FAMILY, TRUTH))[0]
    np.testing.assert_allclose(shares.sum(0), sums.at(FAMILY, TRUTH), rtol=1e-6, atol=1e-6)
    # divergence of particle 5's fields: move it and look how its fields change
    moved, step = liquid()[0].positions.copy(), 1e-5
    slopes = 0.0
    for axis in range(2):
        fields = []
        for sign in (1, -1):
            places = moved.copy()
            places[5, axis] += sign * step
            frame = AtomicConfiguration(places, unit="reduced", cell=liquid()[0].cell)
            own = [list_frame_pairs(read_snapshots(frame, 0.0)[0], FAMILY)]
            fields.append(sum_fields(own, grid).fields[0][0][5, :, axis])
        slopes = slopes + (fields[0] - fields[1]) / (2 * step)
    np.testing.assert_allclose(sums.fields[0][1][5], slopes, rtol=1e-3, atol=1e-3)


def test_sums_have_mean_zero_and_the_stated_covariance(oracle):
    values, stated = [], []
    for frame in liquid():
        frames, grid, sums = prepared(frame)
        force = grid.force(FAMILY, TRUTH)
        # one set of fields for all frames: bumps differ from frame to frame by a hair only
        values.append(sums.at(FAMILY, TRUTH))
        stated.append(sums.variance(frames, force))
    values, covariance = np.array(values), np.mean(stated, axis=0)
    sd = np.sqrt(np.diag(covariance))
    for k in (2, 3):
        oracle("mean of a sum", z=values[:, k].mean() / (sd[k] / np.sqrt(len(values))))
    ratio = values.var(axis=0) / sd**2
    oracle("variance of the sums", z=(ratio.mean() - 1) / np.sqrt(2 / len(values)))


def test_estimates_are_unbiased_and_their_intervals_hold():
    """60 frames of 256 particles; cov90 by the exact binomial law."""
    modes = [find_score_mode(read_snapshots(frame, 0.0), FAMILY) for frame in liquid()]
    away = np.array([mode.theta for mode in modes]) - TRUTH
    se = np.array([np.sqrt(np.diag(mode.covariance)) for mode in modes])
    n = len(modes)
    for k in range(2):
        assert abs((away[:, k] / se[:, k]).mean()) < 4 / np.sqrt(n)
        held = int((np.abs(away[:, k]) < 1.645 * se[:, k]).sum())
        assert min(binom.cdf(held, n, 0.9), binom.sf(held - 1, n, 0.9)) > 1e-3
    # the bound of this system, by a likelihood: .21 and .011; optimal fields reach 1.5 of it
    assert away[:, 0].std() < 0.42
    assert away[:, 1].std() < 0.022
    misfit = np.array([mode.misfit for mode in modes])
    assert abs(misfit.mean() - 5) < 4 * np.sqrt(10 / n)


def test_stated_errors_of_positions_are_undone_and_unstated_ones_bias():
    frames, rng = liquid()[:12], np.random.default_rng(3)
    aware, naive = [], []
    for frame in frames:
        shaken = AtomicConfiguration(
            frame.positions + rng.normal(0, 0.02, frame.positions.shape),
            unit="reduced", cell=frame.cell,
        )  # fmt: skip
        aware.append(find_score_mode(read_snapshots(shaken, 0.02), FAMILY, rng))
        naive.append(find_score_mode(read_snapshots(shaken, 0.0), FAMILY))
    depth = [np.array([m.theta[0] for m in modes]) - TRUTH[0] for modes in (aware, naive)]
    se = np.sqrt(np.mean([m.covariance[0, 0] for m in aware]) / len(frames))
    assert abs(depth[0].mean()) < 4 * se
    assert depth[1].mean() < -0.3


def test_edge_of_a_field_of_view_is_neighbour_only():
    frame = liquid()[3]
    low, high = np.zeros(2), np.diag(frame.cell)
    field = AtomicConfiguration(frame.positions, unit="reduced", field_of_view=(*low, *high))
    snapshot = read_snapshots(field, 0.0)[0]
    pairs = list_frame_pairs(snapshot, FAMILY)
    assert 0 < pairs.inner.sum() < snapshot.n
    periodic = list_frame_pairs(read_snapshots(frame, 0.0)[0], FAMILY)
    grid = make_grid([periodic], FAMILY)
    open_sums, box_sums = sum_fields([pairs], grid), sum_fields([periodic], grid)
    force = grid.force(FAMILY, TRUTH)
    one, two = open_sums.scores([pairs], force)[0], box_sums.scores([periodic], force)[0]
    np.testing.assert_allclose(one[pairs.inner], two[pairs.inner], rtol=1e-9, atol=1e-9)
    assert not one[~pairs.inner].any()


def test_kernels_equal_their_plain_form():
    frame = AtomicConfiguration(liquid()[0].positions[:40], unit="reduced")
    pairs = list_frame_pairs(read_snapshots(frame, 0.0)[0], FAMILY)
    pairs = score_tables.FramePairs(
        pairs.pairs, pairs.vectors, pairs.distance, pairs.kinds,
        np.arange(40) % 3 > 0, pairs.positions,
    )  # fmt: skip
    grid = make_grid([pairs], FAMILY)
    listed = pairs.pairs, pairs.vectors, pairs.distance, pairs.kinds, grid.grid
    force, k = grid.force(FAMILY, TRUTH), grid.n_fields
    results = []
    for pick in (lambda kernel: kernel, lambda kernel: kernel.py_func):
        push, fields, spread = np.zeros((40, 2)), np.zeros((40, k, 2)), np.zeros((40, k))
        weights, out = np.zeros((1, score_tables.N_POINTS, 2, k)), np.zeros((k, k))
        pick(score_kernels.add_forces)(*listed, force, push)
        pick(score_kernels.gather_fields)(*listed, grid.first, grid.table, fields, spread)
        pick(score_kernels.project_fields)(*listed, pairs.inner, fields, weights)
        pick(score_kernels.add_variances)(
            *listed, pairs.inner, grid.first, grid.table, force, fields, np.zeros((40, k, 2, 2)),
            out,
        )  # fmt: skip
        results.append((push, fields, spread, weights, out))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-6)


def test_polynomials_are_carried_back_exactly():
    levels = (0.0, 0.8, 1.6)
    weights = extrapolation(levels)
    for power in range(3):
        total = sum(w * level**power for w, level in zip(weights, levels, strict=True))
        assert total == pytest.approx((-1.0) ** power)


def test_importance_draws_and_walkers_agree(monkeypatch):
    mode = find_score_mode(read_snapshots(liquid()[0], 0.0), FAMILY)
    light = draw_quasi_posterior(mode, FAMILY, 1500, np.random.default_rng(1))
    monkeypatch.setattr("physlearn.inference.configurations.quasi_posterior.WORST_K", -np.inf)
    monkeypatch.setattr("physlearn.inference.configurations.quasi_posterior.CHAIN_STEPS", 120)
    walked = draw_quasi_posterior(mode, FAMILY, 1500, np.random.default_rng(1))
    assert "walkers" in walked.approximation
    gap = (light.draws.mean(0) - walked.draws.mean(0)) / light.draws.std(0)
    assert (np.abs(gap) < 0.2).all()


def test_the_posterior_of_a_curved_sum_is_that_of_the_sum(oracle):
    """exp(theta) - 1 is Gaussian: so is exp(theta) of the draws, about 1 (flat prior)."""
    spread, n = 0.3, 1000
    sums = SimpleNamespace(
        at=lambda _, theta: np.exp(theta) - 1.0, slope=lambda _, theta: np.exp(theta)[:, None]
    )
    mode = SimpleNamespace(
        theta=np.zeros(1), covariance=np.full((1, 1), spread**2), sums=sums,
        weight=np.full((1, 1), spread**-2),
    )  # fmt: skip
    flat = SimpleNamespace(prior_mean=np.zeros(1), prior_covariance=np.full((1, 1), 1e4))
    drawn = draw_quasi_posterior(mode, flat, n, np.random.default_rng(2))
    y = np.exp(drawn.draws[:, 0])
    n = drawn.diagnostics["effective_draws"]
    oracle("mean", z=(y.mean() - 1.0) / (spread / np.sqrt(n)))
    oracle("variance", z=(y.var() / spread**2 - 1.0) / np.sqrt(2 / n))


def test_slopes_and_their_shares_are_derivatives_of_the_sums():
    frames, grid, sums = prepared(liquid()[0])
    gradient, step = grid.pull_gradient(FAMILY, TRUTH), 1e-4
    shares = sums.slope_shares(frames, gradient)[0].sum(axis=0)
    slope = sums.slope(FAMILY, TRUTH)
    central = np.stack(
        [(sums.at(FAMILY, TRUTH + step * unit) - sums.at(FAMILY, TRUTH - step * unit)) / (2 * step)
         for unit in np.eye(2)], axis=1,
    )  # fmt: skip
    np.testing.assert_allclose(slope, central, rtol=1e-4, atol=1e-4 * np.abs(central).max())
    np.testing.assert_allclose(shares, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())


def test_a_wrong_family_is_named():
    repulsive = make_interaction("inverse_power", length=1.05, cutoff=2.5)
    found = match_score(
        read_snapshots(list(liquid()), 0.0), repulsive, rng=np.random.default_rng(1)
    )
    assert found.diagnostics["misfit_p"] < 1e-3
    assert "No inverse_power potential" in found.warnings[0]


def test_a_step_at_the_cutoff_is_part_of_the_force():
    """Cut at 1.6 diameters the energy has a step of .28 kT; taken as shifted, the fit fails."""
    cut = LennardJones(1.25, 1.0, cutoff=1.6, truncation="cut")
    frames = sample_positions(cut, triangular(14, 0.7), 60, 60, rng=3)
    found = {}
    for truncation in ("cut", "shift"):
        family = make_interaction("lennard_jones", length=1.05, cutoff=1.6, truncation=truncation)
        mode = find_score_mode(read_snapshots(frames, 0.0), family)
        truth = family.unconstrained([1.25, 1.0])
        found[truncation] = (mode.theta - truth) / np.sqrt(np.diag(mode.covariance)), mode.misfit
    assert (np.abs(found["cut"][0]) < 4).all()
    assert (np.abs(found["shift"][0] - found["cut"][0]) > 3).all()
    assert found["shift"][1] > found["cut"][1] + 5


def test_a_lone_particle_of_another_species_changes_little():
    """Fields of pairs that never occur weigh nothing; the others keep their weights."""
    plain, mixed = [], []
    for frame in liquid()[:6]:
        lone = (np.arange(frame.n) == 7).astype(int)
        plain.append(frame)
        mixed.append(
            AtomicConfiguration(frame.positions, unit="reduced", cell=frame.cell, species=lone)
        )
    two = make_interaction("lennard_jones", 2, length=1.05, cutoff=2.5)
    one = find_score_mode(read_snapshots(plain, 0.0), FAMILY)
    found = find_score_mode(read_snapshots(mixed, 0.0), two)
    sd, other = (np.sqrt(np.diag(mode.covariance)) for mode in (one, found))
    np.testing.assert_allclose(other[:2], sd, rtol=0.3)
    assert (np.abs(found.theta[:2] - one.theta) < sd).all()
    assert (other[4:] > 0.9 * np.sqrt(np.diag(two.prior_covariance))[4:]).all()
    told = match_score(read_snapshots(mixed, 0.0), two, rng=np.random.default_rng(1))
    assert told.diagnostics["misfit_p"] > 1e-3


def test_frames_that_resemble_each_other_count_less():
    """Identical frames tell nothing new; independent ones are not punished for it."""
    frames = liquid()
    for n in (2, 5, 12):
        assert resemblance(read_snapshots([frames[0]] * n, 0.0), FAMILY, None) == pytest.approx(n)
    apart = [
        resemblance(read_snapshots(list(frames[k : k + 6]), 0.0), FAMILY, None)
        for k in range(0, 60, 6)
    ]
    assert np.mean(apart) < 1.7
    near = [resemblance(read_snapshots(sample_positions(LIQUID, frames[k], 12, 1, rng=k), 0.0),
                        FAMILY, None) for k in range(5)]  # fmt: skip
    assert np.mean(near) > 2.5
