"""Noisy films: kernels, the surrogate posterior, a planted potential, films at rest."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference import fit_noisy_motion, noisy_motion_model, potential_of
from physlearn.inference.langevin import noisy_motion_kernels as kernels
from physlearn.inference.langevin.film import film_of
from physlearn.inference.langevin.film_simulation import FilmSimulator
from physlearn.inference.langevin.simulated_posterior import fit_surrogate, walked_draws
from physlearn.inference.potential_families.make_family import make_interaction
from physlearn.lattice_models.particles import InversePower, simulate_langevin
from physlearn.lattice_models.particles.langevin_motion import LangevinSettings
from physlearn.records import AtomicConfiguration, Trajectory

POTENTIAL = InversePower(1.0, 1.0, 8.0, cutoff=2.0)


def soft_film(seed=1, side=6, n_frames=15, error=0.01):
    grid = 1.1 * np.stack(np.meshgrid(*[np.arange(float(side))] * 2), axis=-1).reshape(-1, 2)
    start = AtomicConfiguration(grid, unit="reduced", cell=1.1 * side * np.eye(2))
    film = simulate_langevin(
        POTENTIAL, start, n_frames, 20, time_step=2e-4, rng=seed,
        settings=LangevinSettings(burn_in_steps=2000),
    )  # fmt: skip
    noise = error * np.random.default_rng((seed, 3)).standard_normal(film.positions.shape)
    return Trajectory(
        film.frame, film.particle, film.positions + noise, film.times, unit="reduced",
        time_unit="reduced", cell=film.cell,
    )  # fmt: skip


def test_kernels_are_their_plain_forms():
    film = film_of(soft_film(side=4, n_frames=5))
    n = film.places.shape[1]
    kinds = np.zeros((n, n), dtype=np.int64)
    bins = np.array([[0.0, 1.0, 1.5, 2.0]])
    for periodic in (film.kernel_box, np.zeros(3)):
        found = []
        for function in (kernels.pair_sums, kernels.pair_sums.py_func):
            counts, motion = np.zeros((1, 3)), np.zeros((1, 3, 5))
            function(
                film.places, film.seen, film.joined, periodic, kinds, bins, bins, counts, motion
            )
            found.append((counts, motion))
        assert np.array_equal(found[0][0], found[1][0])
        assert np.allclose(found[0][1], found[1][1])
    one, two = np.zeros((3, 2)), np.zeros((3, 2))
    kernels.step_sums(film.places, film.joined, one)
    kernels.step_sums.py_func(film.places, film.joined, two)
    assert np.allclose(one, two)
    steps = np.diff(film.places, axis=0)
    assert one[0, 0] == pytest.approx((steps**2).sum())
    assert one[1, 0] == pytest.approx((steps[1:] * steps[:-1]).sum())


def test_simulated_films_keep_gaps_and_blur():
    film = film_of(soft_film(n_frames=6))
    family = make_interaction("inverse_power", length=1.0, cutoff=2.0)
    theta = np.log([1.0, 8.0])
    sharp = FilmSimulator(film, family, 0.0, None, np.random.default_rng(1))(theta, 1.0, 0.0)
    blurred = FilmSimulator(film, family, 1.0, None, np.random.default_rng(1))(theta, 1.0, 0.0)
    assert np.array_equal(sharp.seen, film.seen)
    size = [(np.diff(one.places, axis=0) ** 2).mean() for one in (sharp, blurred)]
    # a whole interval's blur takes a third of a free step; forces take a little more
    assert 0.5 < size[1] / size[0] < 0.85


def test_the_surrogate_finds_a_gaussian_posterior(oracle):
    """Summaries that are linear in two parameters: the exact posterior is known."""
    rng = np.random.default_rng(1)
    slopes = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -1.0]])
    truth, misses = np.array([0.3, -0.2]), []
    exact = np.linalg.inv(slopes @ slopes.T / 0.01 + 0.01 * np.eye(2))
    for _ in range(20):
        observed = truth @ slopes + 0.1 * rng.standard_normal(3)
        found = fit_surrogate(
            lambda theta: theta @ slopes + 0.1 * rng.standard_normal(3), observed, np.zeros(2),
            np.eye(2), np.zeros(2), 0.01 * np.eye(2), np.full(2, -np.inf), (60, 60, 180), rng,
        )  # fmt: skip
        wanted = exact @ (slopes @ observed / 0.01)
        misses.append(np.linalg.solve(np.linalg.cholesky(exact), found.mode - wanted))
        assert found.covariance == pytest.approx(exact, rel=0.6, abs=0.3 * exact[0, 0])
    # a share of a standard deviation is what 180 films leave
    oracle("shift", error=float(np.sqrt(np.mean(np.square(misses)))), bound=0.35)


def test_the_walk_leaves_a_gaussian_as_it_is(oracle):
    rng = np.random.default_rng(2)
    wide = np.array([[1.0, 0.8], [0.8, 2.0]])
    start = rng.multivariate_normal(np.zeros(2), wide, 2000)
    inverse = np.linalg.inv(wide)
    draws = walked_draws(lambda x: -0.5 * np.einsum("ni,ij,nj->n", x, inverse, x), start, rng)
    assert np.cov(draws.T) == pytest.approx(wide, abs=0.4)
    oracle("mean", error=float(np.abs(draws.mean(axis=0)).max()), bound=0.25)


@pytest.mark.slow
def test_a_film_at_rest_gives_prior_and_bound():
    places = np.tile([[1.0, 1.0], [2.5, 1.0], [1.0, 2.5], [2.5, 2.5]], (8, 1))
    still = Trajectory(
        np.repeat(range(8), 4), np.tile(range(4), 8), places, np.arange(8.0), unit="um",
        cell=4 * np.eye(2),
    )  # fmt: skip
    fit = fit_noisy_motion(still, "inverse_power", cutoff=1.9, rng=1)
    low, high = fit.interval("diffusion")
    assert 0.0 < low < 1e-3 * high
    assert np.log(fit["strength"]).std() > 1.0


def test_wrong_options_are_told():
    film = soft_film(side=4, n_frames=5)
    for options, match in (
        ({"equilibrium": False}, "equilibrium"),
        ({"exposure_s": 1.0}, "frame interval"),
        ({"localization_sd": "guess"}, "localization_sd"),
        ({"n_simulations": (3, 3, 3)}, "n_simulations"),
    ):
        with pytest.raises(InputError, match=match):
            fit_noisy_motion(film, "inverse_power", cutoff=2.0, **options)


@pytest.mark.slow
def test_a_planted_potential_is_found_through_noise(oracle):
    for seed in (1, 2, 3):
        fit = fit_noisy_motion(
            soft_film(seed), "inverse_power", cutoff=2.0, localization_sd="free", rng=seed
        )
        for name, truth in (("strength", 1.0), ("exponent", 8.0), ("diffusion", 1.0)):
            draws = np.log(fit[name] / truth)
            oracle(f"{name} {seed}", z=np.median(draws) / draws.std())
        assert potential_of(fit).value([1.0])[0] > 0.0
        assert [v.name for v in noisy_motion_model(fit).free_RVs] == [
            "theta", "log_diffusion", "localization_sd"
        ]  # fmt: skip
