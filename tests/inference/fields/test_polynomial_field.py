"""Films of a polynomial free energy: against an ODE solver, finite differences, the transpose."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physlearn.inference.fields import polynomial_kernels as kernels
from physlearn.inference.fields.field_model import TimeSteps, transpose_gap
from physlearn.inference.fields.polynomial_field import TERMS, make_polynomial_field
from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau

ALL = tuple(term for term in TERMS if term not in ("gradient_x", "gradient_y"))
THETA = np.array([0.05, -0.4, 0.03, 0.3, 0.1, 0.6, 0.08])
TIMES = np.array([0.0, 1.0, 2.5, 3.0])


def _model(mirror, shape=(7, 9)):
    profile = np.random.default_rng(3).normal(size=shape)
    return make_polynomial_field(
        shape, TIMES, ALL, mirror=mirror, pixel_size=(1.0, 1.3), profile=profile,
        drive=lambda times, intervals: np.sin(times) + intervals,
    ).with_steps(THETA)  # fmt: skip


@pytest.mark.parametrize("mirror", [False, True])
def test_the_adjoint_is_the_exact_transpose_of_the_tangent(mirror):
    rng = np.random.default_rng(1)
    gap = transpose_gap(_model(mirror), 0.5 * rng.normal(size=(7, 9)), THETA, rng)
    assert gap < 1e-12


@pytest.mark.parametrize("mirror", [False, True])
def test_the_tangent_is_the_derivative(mirror):
    rng = np.random.default_rng(2)
    model = _model(mirror)
    start, change = 0.5 * rng.normal(size=(2, 7, 9))
    slant = rng.normal(size=THETA.size)
    ahead = model.forward(start + 1e-5 * change, THETA + 1e-5 * slant)
    back = model.forward(start - 1e-5 * change, THETA - 1e-5 * slant)
    model.forward(start, THETA)
    tangent = model.tangent(change[None], slant[None])[0]
    np.testing.assert_allclose(tangent, (ahead - back) / 2e-5, atol=1e-6)
    alone = model.tangent(change[None])[0]
    np.testing.assert_allclose(model.adjoint(alone[None], theta=False)[1], 0.0)


@pytest.mark.parametrize("mirror", [False, True])
def test_frames_are_those_of_an_ode_solver(mirror, oracle):
    rng = np.random.default_rng(4)
    model = _model(mirror)
    start = 0.5 * rng.normal(size=(7, 9))
    names = dict(zip(ALL, THETA, strict=True))
    mode = "symmetric" if mirror else "wrap"

    def rate(moment, flat):
        p = flat.reshape(7, 9)
        wide = np.pad(p, 1, mode=mode)
        along_x = wide[1:-1, 2:] + wide[1:-1, :-2] - 2 * p
        along_y = (wide[2:, 1:-1] + wide[:-2, 1:-1] - 2 * p) / 1.3**2
        interval = np.searchsorted(TIMES[1:-1], moment, side="right")
        push = (np.sin(moment) + interval) * model.profile
        return (
            names["bias"] - names["alpha"] * p - names["cubic"] * p**2 - names["beta"] * p**3
            - names["gamma"] * p**5 + names["gradient"] * (along_x + along_y)
            + names["field"] * push
        ).ravel()  # fmt: skip

    frame = start.ravel()
    for k in range(3):
        frame = solve_ivp(rate, TIMES[k : k + 2] - [0, 1e-12], frame, rtol=1e-10, atol=1e-12).y[
            :, -1
        ]
    found = model.with_steps(THETA, 8).forward(start, THETA)[-1].ravel()
    oracle("film_ode", error=np.abs(found - frame).max(), bound=1e-5)


def test_the_sign_convention_is_that_of_the_landau_potential():
    rng = np.random.default_rng(5)
    start = 0.5 * rng.normal(size=(12, 12))
    potential = LandauPotential(a=-0.8, b=0.1, c=0.6, e=0.2, kappa_x=1.0, kappa_y=1.0)
    film = simulate_ginzburg_landau(
        potential, start, frame_times=[0.0, 1.0, 2.0], mobility=0.5, drive=[0.2, -0.1],
        time_step=4e-4,
    )  # fmt: skip
    terms = ("alpha", "cubic", "beta", "gamma", "gradient", "field")
    theta = 0.5 * np.array([-0.8, 0.1, 0.6, 0.2, 1.0, 1.0])
    model = make_polynomial_field(
        (12, 12), np.arange(3.0), terms,
        drive=lambda times, intervals: np.array([0.2, -0.1])[intervals],
    ).with_steps(theta, 8)  # fmt: skip
    # eight times finer: from so rough a start the steps of a fit are off by up to 0.02
    np.testing.assert_allclose(model.forward(start, theta), film.to_numpy(), atol=3e-3)


def test_compiled_steps_are_those_of_plain_python():
    model = _model(True, (4, 5))
    rng = np.random.default_rng(6)
    start = 0.5 * rng.normal(size=(4, 5))
    frames = model.forward(start, THETA)
    steps, plain = model.steps, np.empty_like(frames)
    stages, slopes = np.empty_like(model.stages), np.empty_like(model.slopes)
    common = (model.full, steps.lengths, steps.counts, model.waves, model.profile, True)
    kernels.run_film.py_func(start, *common, stages, slopes, plain)
    np.testing.assert_allclose(plain, frames, rtol=1e-12)
    changes, slants = rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 8))
    compiled, same = np.empty((2, *frames.shape)), np.empty((2, *frames.shape))
    kernels.tangent_of_film(changes, slants, *common, stages, slopes, compiled)
    kernels.tangent_of_film.py_func(changes, slants, *common, stages, slopes, same)
    np.testing.assert_allclose(same, compiled, rtol=1e-10, atol=1e-12)
    results = []
    for run in (kernels.back_through_film, kernels.back_through_film.py_func):
        back, pull = np.empty((2, 4, 5)), np.empty((2, 8))
        run(compiled, *common, stages, slopes, True, back, pull)
        results.append((back, pull))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10, atol=1e-10)


def test_features_take_the_mean_of_the_noise_off():
    rng = np.random.default_rng(7)
    model = make_polynomial_field((64, 64), TIMES, ("alpha", "beta", "gamma", "cubic"))
    clean = np.full((64, 64), 0.7)
    exact = model.features(clean, 0, 0.0).mean(axis=(1, 2))
    noisy = np.mean(
        [model.features(clean + 0.3 * rng.normal(size=clean.shape), 0, 0.3).mean(axis=(1, 2))
         for _ in range(30)], axis=0)  # fmt: skip
    np.testing.assert_allclose(noisy, exact, atol=0.02)


def test_steps_that_would_be_too_many_are_refused():
    with pytest.raises(ValueError, match="time steps"):
        TimeSteps.of(np.array([0.0, 1e9]), 0.1)
