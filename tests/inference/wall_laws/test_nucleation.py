"""Births of domains per area and time."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.wall_laws.nucleation import _Births, _dispersion, fit_nucleation_rate
from physlearn.inference.wall_laws.wall_drive import drive_levels
from physlearn.records import WallTrack

POINT = {
    "frame": [0], "wall": [0], "time": [0.0], "x": [0.0], "y": [0.0], "normal_x": [1.0],
    "normal_y": [0.0], "normal_error": [0.1], "error_correlation_length": [1.0],
    "arc_length": [0.0], "curvature": [0.0], "normal_velocity": [np.nan],
}  # fmt: skip


def film(counts, drive=None, metadata=None):
    frames = np.repeat(np.arange(1, len(counts) + 1), counts)
    events = pd.DataFrame({"frame": frames, "wall": np.arange(frames.size), "kind": "birth"})
    return WallTrack(
        pd.DataFrame(POINT), np.arange(len(counts) + 1.0), events=events, drive=drive,
        metadata=metadata or {},
    )  # fmt: skip


def test_the_posterior_is_the_gamma_of_the_count():
    fit = fit_nucleation_rate(film([2, 0, 1, 4]), area=50.0, rng=1, n_draws=20000)
    expected = stats.gamma(7.5, scale=1 / 200.0)
    p = stats.kstest(fit["nucleation_rate"], expected.cdf).pvalue
    assert p > 1e-4


def test_levels_get_rates_of_their_own_and_a_view_is_read_from_the_track(oracle):
    rng = np.random.default_rng(2)
    drive = np.repeat([1.0, 2.0], 20)
    inside = []
    for _ in range(200):
        rates = rng.uniform(0.5, 4.0, 2) * 1e-3
        counts = rng.poisson(np.repeat(rates, 20)[:-1] * 0.8 * 600)
        track = film(counts, drive, {"field_of_view": [-0.5, -0.5, 29.5, 19.5]})
        fit = fit_nucleation_rate(track, detection=(0.8, 0.0), rng=rng, n_draws=1000)
        ends = fit.interval("nucleation_rate")
        inside += [low <= rate <= high for rate, (low, high) in zip(rates, ends, strict=True)]
    oracle("births: 90 % intervals", p=stats.binomtest(int(np.sum(inside)), 400, 0.9).pvalue)


def test_a_birth_counts_for_the_drive_of_the_frame_before_it():
    # between frames k - 1 and k the drive of frame k - 1 acts: births at every second interval
    drive = np.array([1.0, 2.0] * 5 + [1.0])
    fit = fit_nucleation_rate(film([0, 5] * 5, drive), area=10.0, rng=1)
    assert fit.diagnostics["births"] == [0, 25]
    assert fit.diagnostics["exposure"] == [50.0, 50.0]


def test_no_birth_is_a_bound_and_bursts_are_flagged():
    none = fit_nucleation_rate(film([0, 0, 0]), area=10.0, rng=1)
    assert any("upper bound" in text for text in none.warnings)
    bursts = fit_nucleation_rate(film([0, 0, 12, 0, 0, 0, 11, 0, 0, 0]), area=10.0, rng=1)
    assert any("cluster in time" in text for text in bursts.warnings)


def test_the_scatter_of_few_births_over_unlike_areas_is_known():
    # one rate, some frames of which hardly any area is seen: chi2 scatters more than 2 per freedom
    rng = np.random.default_rng(3)
    exposure = np.repeat([1.0, 30.0], 20)
    scores = []
    for _ in range(2000):
        counts = rng.multinomial(40, exposure / exposure.sum()).astype(float)
        births = _Births(counts, exposure, np.zeros(1), np.zeros(40, dtype=int), False)
        scores.append(stats.norm.isf(_dispersion(births)))
    assert np.mean(scores) == pytest.approx(0.0, abs=0.15)
    assert np.std(scores) == pytest.approx(1.0, abs=0.15)


def test_an_unknown_area_is_asked_for():
    with pytest.raises(InputError, match="area must be given"):
        fit_nucleation_rate(film([1, 1]))
    with pytest.raises(InputError, match="detection"):
        fit_nucleation_rate(film([1, 1]), area=1.0, detection=(0.0, 0.1))


def test_levels_of_a_rounded_drive_are_one_and_two_areas_are_ambiguous():
    force = np.sin(np.pi * np.arange(7) / 3)
    levels, group = drive_levels(force)
    assert levels.size == 3
    np.testing.assert_allclose(levels[group], force, atol=1e-12)
    assert 0.0 in levels
    track = WallTrack(pd.DataFrame(POINT), np.array([0.0, 1.0]), closed={0: False})
    with pytest.raises(InputError, match="two frames"):
        fit_nucleation_rate(track, area=(10.0, 10.0))
