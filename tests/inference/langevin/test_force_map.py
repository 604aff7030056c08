"""Force maps against exact Gaussian answers, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov, toeplitz
from scipy.stats import multivariate_normal

from physlearn.checks import InputError, NotIdentified
from physlearn.inference import (
    ForceMapSettings,
    fit_force_map,
    fit_underdamped,
    force_map_model,
    force_map_table,
)
from physlearn.inference.langevin import force_map_answer
from physlearn.inference.langevin import force_map_kernels as kernels
from physlearn.inference.langevin.force_map_check import BiasCheck, check_bias, simulate_series
from physlearn.inference.langevin.force_map_fields import make_field, make_log_diffusion
from physlearn.inference.langevin.force_map_grid import FieldGrid
from physlearn.inference.langevin.force_map_likelihood import Mode, MotionModel, score_rows
from physlearn.inference.langevin.force_map_series import NoiseOf, Series
from physlearn.records import Trajectory


def series_of(positions, gaps):
    positions = np.asarray(positions, float).reshape(len(gaps), -1)
    return Series(np.array([0, len(gaps)]), np.asarray(gaps), positions, np.zeros(len(gaps)))


def harmonic_model(positions, noise, *, underdamped=False, exposure=0.0):
    family = make_field("harmonic", positions)
    log_diffusion = None if underdamped else make_log_diffusion("constant", family.grid, 1, 0.0)
    known = NoiseOf(np.full(len(positions), noise))
    return MotionModel(family, log_diffusion, known, 1.0, exposure)


def trap_tracks(n_frames=150, n=12, interval=0.1, stiffness=2.0, noise=0.0, seed=3):
    rng = np.random.default_rng(seed)
    decay = np.exp(-stiffness * interval)
    x = [rng.standard_normal((n, 2)) / np.sqrt(stiffness)]
    for _ in range(n_frames - 1):
        fresh = np.sqrt((1 - decay**2) / stiffness) * rng.standard_normal((n, 2))
        x.append(decay * x[-1] + fresh)
    x = np.array(x)
    seen = x + noise * rng.standard_normal(x.shape)
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames), seen.reshape(-1, 2),
        interval * np.arange(n_frames), unit="um",
    )  # fmt: skip


def test_filter_is_the_exact_one_in_a_trap_with_noise_and_gaps(oracle):
    rng = np.random.default_rng(1)
    gaps = np.r_[0.0, rng.uniform(0.1, 1.5, 60)]
    seen, stiffness, diffusion, noise = rng.standard_normal(61), 3.0, 0.7, 0.1
    model = harmonic_model(seen[:, None], noise)
    theta = np.array([stiffness, 0.2, np.log(diffusion)])
    series = series_of(seen, gaps)
    found = model.rows(theta, series, 0.02).log_density.sum()
    general = model.general_rows(theta, series, 0.02).log_density.sum()
    mean, variance, exact = seen[0], noise**2, 0.0
    for y, gap in zip(seen[1:], gaps[1:], strict=True):
        decay = np.exp(-stiffness * diffusion * gap)
        mean, variance = 0.2 + decay * (mean - 0.2), decay**2 * variance
        variance += (1 - decay**2) / stiffness
        total = variance + noise**2
        exact += -0.5 * (np.log(2 * np.pi * total) + (y - mean) ** 2 / total)
        gain = variance / total
        mean, variance = mean + gain * (y - mean), variance * (1 - gain)
    oracle("log likelihood of a trap", error=found - exact, bound=1e-9)
    oracle("the same in sub-steps", error=general - exact, bound=1e-5)


def test_filter_is_the_exact_one_of_free_diffusion_with_blur(oracle):
    rng = np.random.default_rng(2)
    n, interval, exposure, noise, diffusion = 40, 0.5, 0.3, 0.2, 1.3
    seen = np.cumsum(rng.standard_normal(n))
    family = make_field("free", seen[:, None])
    log_diffusion = make_log_diffusion("constant", family.grid, 1, 0.0)
    model = MotionModel(family, log_diffusion, NoiseOf(np.full(n, noise)), 1.0, exposure)
    gaps = np.r_[0.0, np.full(n - 1, interval)]
    theta, series = np.log([diffusion]), series_of(seen, gaps)
    found = model.rows(theta, series, np.inf).log_density.sum()
    general = model.general_rows(theta, series, np.inf).log_density.sum()
    column = np.zeros(n - 1)
    column[0] = 2 * diffusion * (interval - exposure / 3) + 2 * noise**2
    column[1] = diffusion * exposure / 3 - noise**2
    exact = multivariate_normal(np.zeros(n - 1), toeplitz(column)).logpdf(np.diff(seen))
    oracle("log likelihood with blur", error=found - exact, bound=1e-8)
    oracle("the same in sub-steps", error=general - exact, bound=1e-8)


def test_filter_is_the_exact_one_of_a_damped_oscillator(oracle):
    rng = np.random.default_rng(3)
    n, interval, noise, friction, square, stiffness = 50, 0.4, 0.05, 0.6, 1.5, 2.0
    seen = rng.standard_normal(n)
    model = harmonic_model(seen[:, None], noise, underdamped=True)
    theta = np.array([stiffness, 0.0, np.log(friction), np.log(square)])
    gaps = np.r_[0.0, np.full(n - 1, interval)]
    series = series_of(seen, gaps)
    found = model.rows(theta, series, 0.005).log_density.sum()
    general = model.general_rows(theta, series, 0.005).log_density.sum()
    drift = np.array([[0.0, 1.0], [-square * stiffness, -friction]])
    settled = solve_continuous_lyapunov(drift, -np.diag([0.0, 2 * friction * square]))
    step = expm(drift * interval)
    fresh = settled - step @ settled @ step.T
    state, spread, exact = np.array([seen[0], 0.0]), np.diag([noise**2, square]), 0.0
    for y in seen[1:]:
        state, spread = step @ state, step @ spread @ step.T + fresh
        total = spread[0, 0] + noise**2
        exact += -0.5 * (np.log(2 * np.pi * total) + (y - state[0]) ** 2 / total)
        gain = spread[:, 0] / total
        state, spread = state + gain * (y - state[0]), spread - np.outer(gain, spread[0])
    oracle("log likelihood of an oscillator", error=found - exact, bound=1e-9)
    oracle("the same in sub-steps", error=general - exact, bound=1e-5)


@pytest.mark.parametrize("underdamped", [False, True])
def test_exact_steps_agree_with_sub_steps_under_blur_and_gaps(underdamped, oracle):
    rng = np.random.default_rng(7)
    seen, gaps = rng.standard_normal((30, 2)), np.r_[0.0, rng.uniform(0.3, 4.0, 29)]
    model = harmonic_model(seen, 0.1, underdamped=underdamped, exposure=0.2)
    theta = np.array([2.0, -0.3, 0.1, 0.4, 0.2, 0.3])[: model.n_parameters]
    series = series_of(seen, gaps)
    fast, slow = model.rows(theta, series, 0.01), model.general_rows(theta, series, 0.01)
    for name in ("innovation", "spread", "log_density", "velocity"):
        away = abs(getattr(fast, name) - getattr(slow, name)).max()
        oracle(f"{name}, {underdamped}", error=away, bound=1e-6)


@pytest.mark.parametrize("kind", ["polynomial", "force_polynomial"])
def test_tables_hold_a_polynomial_and_its_derivatives(kind, oracle):
    rng = np.random.default_rng(4)
    family = make_field(kind, rng.uniform(-1, 1, (50, 2)), degree=3, center=[0.0, 0.0])
    numbers = np.zeros(family.n_parameters)
    numbers[next(k for k, name in enumerate(family.names) if name.endswith("x^2*y"))] = 1.0
    table = np.ascontiguousarray(family.tables(numbers)[0])
    taps, out = np.zeros((3, 3, 4)), np.zeros(10)
    taps[:, 0, 0] = 1.0
    x, y = 0.31, -0.42
    point, grid = np.array([x, y]), family.grid
    kernels.spline(point, 2, grid.numbers, grid.counts, table, taps, out)
    exact = np.array([x * x * y, 2 * x * y, x * x, 2 * y, 0.0, 2 * x])
    oracle(f"{kind} table", error=abs(out[[0, 1, 2, 4, 5, 7]] - exact).max(), bound=1e-9)


def test_kernels_without_compiling_give_the_same():
    rng = np.random.default_rng(5)
    seen = rng.standard_normal((6, 2))
    gaps = np.r_[0.0, np.full(5, 0.2)]
    family = make_field("spline", seen, knots=2, diffusion_knots=2)
    log_diffusion = make_log_diffusion("position", family.grid, 2, 0.1)
    model = MotionModel(family, log_diffusion, NoiseOf(np.full(6, 0.1)), 0.5, 0.1)
    theta = 0.1 * rng.standard_normal(model.n_parameters)
    series = series_of(seen, gaps)
    fast = model.rows(theta, series, 0.1)
    field = model.physics(theta, 0.1)
    out = [np.zeros((6, 2)), np.zeros((6, 2, 2)), np.zeros(6), np.zeros((6, 4))]
    kernels.filter_rows.py_func(
        series.starts, series.gaps, series.positions, np.full(6, 0.01), field, *out
    )
    assert np.isfinite(fast.log_density).all()
    assert np.allclose(out[2], fast.log_density, rtol=1e-12, atol=1e-12)


def test_simulated_scores_of_an_exact_likelihood_average_to_zero(oracle):
    tracks = trap_tracks(60, 10, 0.3)
    series = series_of(tracks.positions[tracks.particle == 0], np.r_[0.0, np.full(59, 0.3)])
    model = harmonic_model(series.positions, 0.05)
    theta = np.array([2.0, 2.0, 0.0, 0.0, 0.0])
    scores, information, _ = score_rows(model, theta, series, 0.1)
    mode = Mode(theta, information + model.prior_precision, 0.1, scores, True)
    check = check_bias(model, series, mode, np.random.default_rng(1))
    oracle("score", z=(check.bias_in_se / max(check.noise_in_se, 1e-3)))
    one, other = simulate_series(model, theta, series, np.random.default_rng(2))
    assert np.isfinite(one.positions).all()
    assert not np.allclose(one.positions, other.positions)


def test_trap_is_found_with_unknown_noise(oracle):
    fit = fit_force_map(trap_tracks(60, 10, noise=0.1), "harmonic", rng=1)
    for name, truth in (("diffusion", 1.0), ("localization_sd", 0.1)):
        oracle(name, z=(fit[name].mean() - truth) / fit[name].std())
    for axis in range(2):
        stiffness = fit["stiffness"][:, axis]
        oracle(f"stiffness {axis}", z=(stiffness.mean() - 2.0) / stiffness.std())
    table = force_map_table(fit, [[0.0, 0.0], [0.5, 0.0]])
    assert table.force_x_q05[1] < -1.0 < table.force_x_q95[1]


def test_a_function_of_the_user_is_fitted(oracle):
    def well(at, stiffness):
        return 0.5 * stiffness * (at**2).sum(axis=1)

    settings = ForceMapSettings(start=[1.0], check=False)
    fit = fit_force_map(trap_tracks(60), well, localization_sd=0.0, settings=settings, rng=1)
    oracle("stiffness", z=(fit["stiffness"].mean() - 2.0) / fit["stiffness"].std())
    with pytest.raises(InputError, match="function must be given again"):
        force_map_table(fit, [[0.0, 0.0]])
    assert len(force_map_table(fit, [[0.0, 0.0]], function=well)) == 1


def test_diffusion_in_space_is_flat_where_it_is_constant():
    settings = ForceMapSettings(axes=(0,), diffusion_knots=2, check=False)
    fit = fit_force_map(
        trap_tracks(80), "harmonic", localization_sd=0.0, diffusion="position", settings=settings,
        rng=1,
    )  # fmt: skip
    table = force_map_table(fit, [[-0.4], [0.0], [0.4]])
    assert ((table.diffusion_q05 < 1.1) & (table.diffusion_q95 > 0.9)).all()


def test_a_model_for_pymc_has_the_likelihood_and_its_slope(oracle):
    pymc = pytest.importorskip("pymc")
    settings = ForceMapSettings(axes=(0,), degree=2, check=False)
    tracks = trap_tracks(20, 4)
    with force_map_model(tracks, "polynomial", localization_sd=0.05, settings=settings) as model:
        height = model.compile_logp(mode="FAST_COMPILE")
        slope = model.compile_dlogp(mode="FAST_COMPILE")
    start = model.initial_point()
    oracle("slope at the mode", error=abs(slope(start)).max(), bound=0.05)
    for k in range(len(start["theta"])):
        ends = []
        for sign in (1.0, -1.0):
            point = {"theta": start["theta"] + 0.2}
            point["theta"][k] += sign * 1e-3
            ends.append(height(point))
        away = (ends[0] - ends[1]) / 2e-3
        there = slope({"theta": start["theta"] + 0.2})[k]
        oracle(f"slope {k}", error=away / there - 1.0, bound=5e-3)
    assert isinstance(model, pymc.Model)


@pytest.mark.slow
def test_nuts_agrees_with_the_fit(oracle):
    pymc = pytest.importorskip("pymc")
    tracks = trap_tracks(40, 6)
    settings = ForceMapSettings(axes=(0,))
    fit = fit_force_map(tracks, "harmonic", localization_sd=0.0, settings=settings, rng=1)
    with force_map_model(tracks, "harmonic", localization_sd=0.0, settings=settings):
        chains = pymc.sample(400, tune=300, chains=2, cores=1, random_seed=1, progressbar=False)
    theta = chains.posterior["theta"].to_numpy().reshape(-1, 3)
    for k, draws in enumerate((fit["stiffness"][:, 0], fit["center"][:, 0])):
        oracle(f"mean {k}", error=(theta[:, k].mean() - draws.mean()) / draws.std(), bound=0.25)
        oracle(f"sd {k}", error=theta[:, k].std() / draws.std() - 1.0, bound=0.2)


def test_temperature_gives_absolute_numbers():
    fit = fit_force_map(
        trap_tracks(40, 6), "harmonic", localization_sd=0.0, temperature=(300.0, 3.0),
        settings=ForceMapSettings(check=False), rng=1,
    )  # fmt: skip
    expected = 1.380649e-23 * 300.0 / 1e-12
    assert abs(np.median(fit["drag"]) / expected - 1.0) < 0.3


def test_overdamped_tracks_are_refused_as_underdamped():
    with pytest.raises(NotIdentified, match="forgotten between frames"):
        fit_underdamped(
            trap_tracks(20, 6, 2.0), "harmonic", localization_sd=0.0,
            settings=ForceMapSettings(check=False), rng=1,
        )  # fmt: skip


def test_a_drifting_or_shaking_picture_is_named():
    tracks, fitted = trap_tracks(100, 10), {}
    frame, shake = tracks.frame[:, None], np.random.default_rng(8).standard_normal((100, 1))
    cases = {"still": 0.0 * frame, "drifts": 0.05 * frame, "shakes": 0.2 * shake[tracks.frame]}
    for name, moved in cases.items():
        seen = replace(tracks, positions=tracks.positions + moved)
        fitted[name] = fit_force_map(seen, "harmonic", localization_sd=0.0, rng=1)
    told = {name: any("move together" in one for one in fit.warnings)
            for name, fit in fitted.items()}  # fmt: skip
    assert told == {"still": False, "drifts": True, "shakes": True}


def test_exchanged_names_and_times_in_frames_are_refused():
    tracks = trap_tracks(40, 2)
    apart = tracks.positions + np.where(tracks.particle[:, None] == 1, 20.0, 0.0)
    name = np.where(tracks.frame < 20, tracks.particle, 1 - tracks.particle)
    with pytest.raises(InputError, match="exchange identities"):
        fit_force_map(replace(tracks, positions=apart, particle=name), "harmonic")
    with pytest.raises(InputError, match="frame numbers"):
        fit_force_map(replace(tracks, time_unit="frame"), "harmonic")


def test_a_field_that_lets_tracks_go_is_named(monkeypatch):
    def hill(at, steepness):
        return -5.0 * steepness * at[:, 0] ** 4

    settings = ForceMapSettings(axes=(0,), start=[2.0], start_sd=[0.01])
    with pytest.raises(InputError, match="carries particles away"):
        fit_force_map(trap_tracks(20, 4), hill, localization_sd=0.0, settings=settings, rng=1)
    gone = BiasCheck(np.full(3, np.nan), np.eye(3), 0, np.inf, np.inf)
    monkeypatch.setattr(force_map_answer, "check_bias", lambda *_: gone)
    settings = ForceMapSettings(axes=(0,), degree=2)
    fit = fit_force_map(trap_tracks(20, 4), "polynomial", localization_sd=0.0, settings=settings)
    assert any("leave the field" in one for one in fit.warnings)


def test_bad_input_gets_a_sentence():
    tracks = trap_tracks(10)
    with pytest.raises(InputError, match="two frames"):
        fit_force_map(trap_tracks(1), "harmonic")
    with pytest.raises(InputError, match="must not be periodic"):
        fit_force_map(replace(tracks, cell=10 * np.eye(2)), "harmonic")
    with pytest.raises(InputError, match="exposure_s must not be longer"):
        fit_force_map(tracks, "harmonic", exposure_s=1.0)
    with pytest.raises(InputError, match="still"):
        fit_force_map(replace(tracks, positions=np.ones_like(tracks.positions)), "harmonic")
    with pytest.raises(InputError, match="field must be"):
        fit_force_map(tracks, "lennard_jones", localization_sd=0.0)
    with pytest.raises(InputError, match="needs start"):
        fit_force_map(tracks, lambda at, a: a * at[:, 0], localization_sd=0.0)
    with pytest.raises(InputError, match="axes must be"):
        fit_force_map(tracks, settings=ForceMapSettings(axes=(5,)))
    with pytest.raises(InputError, match="take fit_pair_potential"):
        fit_underdamped(tracks, forces="pair")


def test_grid_splines_are_refined_exactly(oracle):
    own = FieldGrid(np.zeros(1), np.ones(1), np.array([3]))
    fine = FieldGrid(np.zeros(1), np.ones(1), np.array([6]))
    family = make_log_diffusion("position", fine, 3, 0.0)
    theta = np.random.default_rng(6).standard_normal(6)
    taps, values = np.zeros((3, 3, 4)), np.zeros((2, 10))
    taps[:, 0, 0] = 1.0
    for k, (grid, table) in enumerate(((own, theta), (fine, family.tables(theta)[0]))):
        kernels.spline(np.array([0.37]), 1, grid.numbers, grid.counts, table, taps, values[k])
    oracle("refined spline", error=abs(values[0] - values[1]).max(), bound=1e-9)
