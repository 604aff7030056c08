"""Diffusion constants by lag: exact likelihood, coverage, smeared tracks, films at rest."""

import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal

from physlearn.checks import InputError
from physlearn.inference import measure_diffusion, measure_pair_force, stokes_einstein
from physlearn.inference.langevin.diffusion_spectra import spectra_of
from physlearn.inference.langevin.tracks import tracks_of
from physlearn.records import Trajectory

SUB = 12


def film(
    rng, n=40, n_frames=60, diffusion=0.5, error=0.1, exposure=0, drift=0.0, missing=0.0, spread=0.0
):
    """Simulate walks with SUB steps a frame; ``exposure``: steps over which a frame averages."""
    own = diffusion * np.exp(spread * rng.standard_normal(n))
    length = (n_frames - 1) * SUB + max(exposure, 1)
    fine = rng.standard_normal((length, n, 2)) * np.sqrt(2 * own * 0.1 / SUB)[None, :, None]
    fine = np.cumsum(fine, axis=0) + 20 * rng.random((n, 2))
    width = max(exposure, 1)
    places = np.stack([fine[t * SUB : t * SUB + width].mean(axis=0) for t in range(n_frames)])
    places += error * rng.standard_normal(places.shape)
    places += drift * np.arange(n_frames)[:, None, None]
    frame, particle = np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames)
    keep = rng.random(len(frame)) >= missing
    return Trajectory(
        frame[keep], particle[keep], places.reshape(-1, 2)[keep], 0.1 * np.arange(n_frames),
        unit="um",
    )  # fmt: skip


def test_components_give_the_dense_likelihood():
    walk = film(np.random.default_rng(1), n=1, n_frames=9, missing=0.2)
    spectra = spectra_of(tracks_of(walk, False), 1)
    gaps = 0.1 * np.diff(walk.frame)
    error, diffusion = 0.013, 0.7
    dense = np.diag(2 * diffusion * gaps + 2 * error)
    dense -= error * (np.eye(len(gaps), k=1) + np.eye(len(gaps), k=-1))
    steps = np.diff(walk.positions, axis=0)
    exact = sum(multivariate_normal.logpdf(steps[:, k], cov=dense) for k in range(2))
    # the components are those of displacements over sqrt(2 gap)
    ours = spectra.log_likelihood(np.array([diffusion]), np.array([error]))[0]
    ours -= np.log(2 * np.pi) * len(gaps) + np.log(2 * gaps).sum()
    assert ours == pytest.approx(exact, abs=1e-8)
    assert spectra.grouped().log_likelihood(np.array([0.7]), np.array([0.013]))[0] == (
        pytest.approx(ours + np.log(2 * np.pi) * len(gaps) + np.log(2 * gaps).sum())
    )


def test_scores_are_derivatives():
    spectra = spectra_of(tracks_of(film(np.random.default_rng(2), n=5), True), 2)
    at, step = np.array([0.4, 0.02]), 1e-5
    scores = spectra.scores(*at)[0].sum(axis=0)
    up = spectra.log_likelihood(at[:1] * np.exp([step]), at[1:])
    down = spectra.log_likelihood(at[:1] * np.exp([-step]), at[1:])
    assert scores[0] == pytest.approx((up - down)[0] / (2 * step), rel=1e-5)
    up, down = (spectra.log_likelihood(at[:1], at[1:] + sign * step) for sign in (1, -1))
    assert scores[1] == pytest.approx((up - down)[0] / (2 * step), rel=1e-5)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ({"exposure": 12, "drift": 0.2, "missing": 0.2}, {}),
        ({"n": 4}, {"localization_sd": 0.1, "exposure_s": 0.0}),
        ({}, {"min_lag": 4}),
    ],
)
def test_intervals_hold_the_truth(case, options, oracle):
    """Blur, drift and gaps; few tracks with a known error; a longer lag."""
    n, held, misses = 20, 0, []
    for k in range(n):
        found = measure_diffusion(film(np.random.default_rng((k, 7)), **case), rng=k, **options)
        held += found.low < 0.5 < found.high
        misses.append(np.log(found.diffusion / 0.5))
    oracle("cover", p=min(binom.cdf(held, n, 0.9), binom.sf(held - 1, n, 0.9)))
    oracle("bias", z=np.mean(misses) / np.std(misses) * np.sqrt(n))


def test_smeared_tracks_are_flagged_and_honest_ones_are_not():
    smeared = measure_diffusion(film(np.random.default_rng(3), n=80, exposure=3 * SUB), rng=1)
    assert smeared.flags["smeared"]
    assert smeared.flags["per_frame_likelihood_fails"]
    assert smeared.min_lag >= 3
    assert any("smeared beyond one frame" in text for text in smeared.warnings)
    honest = measure_diffusion(film(np.random.default_rng(3), n=80, exposure=SUB), rng=1)
    assert honest.min_lag == 1
    assert not honest.flags["smeared"]


def test_different_particles_are_noticed():
    found = measure_diffusion(film(np.random.default_rng(4), spread=0.5), rng=1)
    assert found.flags["particles_differ"]
    same = measure_diffusion(film(np.random.default_rng(4)), rng=1)
    assert not same.flags["particles_differ"]


def test_nothing_moves_gives_a_wide_bound():
    places = np.tile([[1.25, 3.5], [2.0, 4.75]], (20, 1))
    still = Trajectory(np.repeat(range(20), 2), np.tile(range(2), 20), places, np.arange(20.0))
    found = measure_diffusion(still, rng=1)
    assert found.flags["nothing_moves"]
    assert found.low > 0.0
    assert found.high / found.low > 1e4


def test_options_are_checked():
    walk = film(np.random.default_rng(5), n=5)
    for options, match in (
        ({"lags": [3, 2]}, "rising"),
        ({"min_lag": 100}, "below"),
        ({"localization_sd": 0.1}, "exposure_s must be said"),
        ({"exposure_s": 0.2}, "must not exceed"),
    ):
        with pytest.raises(InputError, match=match):
            measure_diffusion(walk, **options)


def test_free_walkers_have_no_pair_force_and_pushed_ones_do():
    walk = film(np.random.default_rng(6), n=60, n_frames=40, diffusion=0.05, error=0.01)
    free = measure_pair_force(walk, distances=[0.5, 2.0, 4.0], lag=1, rng=1)
    assert free.diagnostics["p_no_force"] > 1e-3
    rng, places, frames = np.random.default_rng(7), 6 * np.random.default_rng(8).random((60, 2)), []
    for _ in range(60):
        gap = places[:, None] - places[None]
        distance = np.sqrt((gap**2).sum(axis=2)) + 1e-9
        push = np.where((distance < 1.5) & (distance > 0.0), 3.0, 0.0) / distance
        places = places + 0.05 * 0.1 * (push[..., None] * gap).sum(axis=1)
        places = places + np.sqrt(0.01) * rng.standard_normal(places.shape)
        frames.append(places)
    pushed = Trajectory(
        np.repeat(range(60), 60), np.tile(range(60), 60), np.concatenate(frames),
        0.1 * np.arange(60), unit="um",
    )  # fmt: skip
    found = measure_pair_force(pushed, distances=[0.3, 1.4, 3.0], lag=1, rng=1)
    assert found.diagnostics["p_no_force"] < 1e-3
    assert found["force"][:, 0].mean() == pytest.approx(3.0, rel=0.4)


def test_stokes_einstein_is_the_textbook_number_and_compares():
    fit = stokes_einstein(1.0, 1.0, 293.15)
    assert fit["diffusion"].mean() == pytest.approx(0.4294, rel=1e-3)
    walk = film(np.random.default_rng(9), diffusion=0.43)
    found = measure_diffusion(walk, rng=1)
    same = stokes_einstein((1.0, 0.05), (1.0, 0.03), 293.15, measured=found.fit, rng=1)
    assert same.diagnostics["agrees"]
    other = stokes_einstein((3.0, 0.05), (1.0, 0.03), 293.15, measured=found.fit, rng=1)
    assert not other.diagnostics["agrees"]


def cut_where_images_merge(walk, reach):
    """Take out particles that come nearer than ``reach`` to another; they come back renamed."""
    from scipy.spatial import cKDTree

    n = int(walk.particle.max()) + 1
    places = walk.positions.reshape(-1, n, 2)
    hidden = np.zeros(places.shape[:2], dtype=bool)
    for t, here in enumerate(places):
        hidden[t, cKDTree(here).query_pairs(reach, output_type="ndarray").ravel()] = True
        # the field of view ends where particles walk on
        hidden[t] |= ((here < 2.0) | (here > 18.0)).any(axis=1)
    name = np.arange(n) + n * np.cumsum(hidden, axis=0)
    keep = ~hidden.ravel()
    return Trajectory(
        walk.frame[keep], np.unique(name.ravel()[keep], return_inverse=True)[1],
        walk.positions[keep], walk.times, unit="um",
    )  # fmt: skip


@pytest.mark.slow
def test_p_of_no_force_is_uniform_though_merged_images_cut_tracks(oracle):
    """Free walkers in a field of view: lost pairs and edges must not look like a force."""
    from scipy.stats import kstest

    p, z = [], []
    for k in range(60):
        walk = film(np.random.default_rng((k, 17)), n=110, n_frames=80, diffusion=0.05, error=0.02)
        found = measure_pair_force(cut_where_images_merge(walk, 0.7), lag=2, rng=k)
        p.append(found.diagnostics["p_no_force"])
        z.append(found.diagnostics["z"][0])
    oracle("uniform", p=kstest(p, "uniform").pvalue)
    oracle("first bin", z=np.mean(z) * np.sqrt(60))
