"""Mobility from thermal noise at a known temperature, and from an energy scale."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.fields.thermal_field import fit_thermal_field
from physlearn.inference.fields.thermal_scale import mobility_draws
from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau

POTENTIAL = LandauPotential(a=-1.0, c=1.0, kappa_x=1.2, kappa_y=1.2)


def warm_film(seed, *, thermal=0.02, noise=0.02, edge=24, n_frames=24, conserved=False):
    """A coarsening film with thermal and measurement noise."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    start = gaussian_filter(rng.normal(size=(edge, edge)), 4, mode="wrap")
    times = 0.5 * np.arange(n_frames)
    film = simulate_ginzburg_landau(
        POTENTIAL, start / start.std(), "conserved" if conserved else "nonconserved",
        frame_times=np.append(0.0, 4.0 + times), mobility=0.5, thermal_energy=thermal,
        time_step=0.01, method="explicit", rng=seed,
    ).to_numpy()[1:]  # fmt: skip
    return film + noise * rng.normal(size=film.shape), times


def test_mobility_and_coefficients_have_honest_intervals(oracle):
    truth = np.array([-0.5, 0.5, 0.6, 0.5, -1.0, 1.0, 1.2, 0.02])
    scores = []
    for seed in range(6):
        film, times = warm_film(seed)
        fit = fit_thermal_field(film, times, temperature=0.02, edges="periodic", rng=1)
        draws = np.column_stack([fit["landau"], fit["mobility"], fit["coefficient"],
                                 fit["noise_sd"]])  # fmt: skip
        scores.append((draws.mean(0) - truth) / draws.std(0))
    scores = np.array(scores)
    names = ("alpha", "beta", "gradient", "mobility", "a", "c", "kappa", "noise")
    for column, name in enumerate(names):
        oracle(f"thermal {name}: mean", z=scores[:, column].mean() * np.sqrt(6))
        spread = np.sqrt((scores[:, column] ** 2).mean())
        oracle(f"thermal {name}: spread", z=max(spread - 1.0, 0.0) * np.sqrt(12))


def test_a_temperature_known_to_a_tenth_widens_the_mobility_only():
    film, times = warm_film(3, edge=32, n_frames=18)
    film[7] = np.nan
    sharp, wide = (
        fit_thermal_field(film, times, temperature=kt, noise_sd=0.02, edges="periodic", rng=1)
        for kt in (0.02, (0.02, 0.002))
    )
    assert np.allclose(sharp["landau"].std(0), wide["landau"].std(0), rtol=0.1)
    share = wide["mobility"].std() / wide["mobility"].mean()
    assert share == pytest.approx(0.1, rel=0.3)
    assert sharp["mobility"].std() < 0.6 * wide["mobility"].std()


def test_a_film_without_thermal_noise_has_no_mobility():
    film, times = warm_film(4, thermal=0.0, noise=0.05)
    with pytest.raises(NotIdentified, match="no thermal noise"):
        fit_thermal_field(film, times, temperature=0.02, edges="periodic", rng=1)


def test_input_that_cannot_be_used_is_said():
    film, times = warm_film(4, n_frames=10, edge=16)
    with pytest.raises(InputError, match="whole or wholly NaN"):
        holed = film.copy()
        holed[2, 3, 4] = np.nan
        fit_thermal_field(holed, times, temperature=0.02)
    with pytest.raises(InputError, match="increase"):
        fit_thermal_field(film, times[::-1], temperature=0.02)
    with pytest.raises(InputError, match="at least 8"):
        fit_thermal_field(film[:6], times[:6], temperature=0.02)
    with pytest.raises(InputError, match="temperature"):
        fit_thermal_field(film, times, temperature=-1.0)


def test_one_known_energy_gives_the_mobility_with_its_uncertainty():
    rng = np.random.default_rng(1)
    products = rng.normal([-0.4, 0.4, 0.6], 0.001, (20_000, 3))
    terms = ("alpha", "beta", "gradient")
    mobility, energies = mobility_draws(products, terms, {"alpha": (-2.0, 0.1)}, rng)
    assert mobility.mean() == pytest.approx(0.2, rel=0.01)
    assert mobility.std() / mobility.mean() == pytest.approx(0.05, rel=0.1)
    assert energies[:, 2].mean() == pytest.approx(3.0, rel=0.01)
    with pytest.raises(NotIdentified, match="no positive mobility"):
        mobility_draws(products, terms, {"alpha": (2.0, 0.1)}, rng)
    with pytest.raises(InputError, match="one of the fit's terms"):
        mobility_draws(products, terms, {"gamma": (2.0, 0.1)}, rng)
    with pytest.raises(InputError, match="third of its value"):
        mobility_draws(products, terms, {"alpha": (-2.0, 1.0)}, rng)


def test_open_edges_leave_out_a_rim():
    film, times = warm_film(5, edge=40, n_frames=16)
    cut = film[:, 4:-4, 4:-4]
    fit = fit_thermal_field(cut, times, temperature=0.02, noise_sd=0.02, edges="open", rng=1)
    assert abs(fit["landau"].mean(0)[2] - 0.6) < 4 * fit["landau"].std(0)[2]
    closed = fit_thermal_field(film, times, temperature=0.02, noise_sd=0.02, edges="periodic",
                               rng=1)  # fmt: skip
    assert fit["mobility"].std() > closed["mobility"].std()


def test_fluctuations_that_forget_themselves_are_refused_unless_the_camera_is_quiet(oracle):
    film = simulate_ginzburg_landau(
        POTENTIAL, np.ones((24, 24)), frame_times=0.5 * np.arange(12), mobility=0.5,
        thermal_energy=0.01, time_step=0.01, method="explicit", rng=1,
    )  # fmt: skip
    times = film.time.to_numpy()
    with pytest.raises(NotIdentified, match="forget themselves"):
        fit_thermal_field(film.to_numpy(), times, temperature=0.01, edges="periodic", rng=1)
    fit = fit_thermal_field(
        film.to_numpy(), times, temperature=0.01, noise_sd=0.0, edges="periodic", rng=1
    )
    score = (fit["mobility"].mean() - 0.5) / fit["mobility"].std()
    oracle("mobility from equilibrium fluctuations", z=score)
