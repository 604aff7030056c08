"""The mode and the information with the first frame integrated out, against dense algebra."""

import numpy as np
import pytest

from physlearn.inference.fields.field_frames import FieldFrames
from physlearn.inference.fields.field_posterior import draw_few, last_field, time_step_shift
from physlearn.inference.fields.gauss_newton import Problem, Unknowns, fit_field
from physlearn.inference.fields.polynomial_field import make_polynomial_field

NOISE, THETA = 0.05, np.array([-0.3, 0.4, 0.5])


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(1)
    model = make_polynomial_field((8, 8), np.arange(8.0), ("alpha", "beta", "gradient"),
                                  largest=1.5).with_steps(THETA)  # fmt: skip
    start = 0.8 * np.sign(rng.normal(size=(8, 8)))
    clean = model.forward(start, THETA)
    weights = (rng.random(clean.shape) > 0.15).astype(float)
    weights[3] = 0.0
    camera = FieldFrames((clean + NOISE * rng.normal(size=clean.shape)) * weights, weights,
                         np.arange(8.0), (1.0, 1.0), nuisances=("drift_x",))  # fmt: skip
    prior = np.array([[0.0, 5.0], [0.0, 5.0], [0.0, 5.0], [0.0, 1.0]])
    problem = Problem(model, camera, prior, start.copy(), 0.8)
    optimum = fit_field(problem, Unknowns(start, THETA * 1.2, np.zeros(1)), tolerance=1e-3)
    return problem, optimum


def _dense(problem, optimum):
    """Jacobian of the seen pixels by start and few, and the priors' information."""
    eye = np.eye(64).reshape(64, 8, 8)
    starts = problem.camera.observe(problem.model.tangent(eye)).reshape(64, -1)
    few = problem.columns(optimum.frames, 3).reshape(4, -1)
    jacobian = np.concatenate([starts, few]).T
    own = np.concatenate([np.full(64, 1 / 0.8**2), 1 / problem.prior[:, 1] ** 2])
    return jacobian, own


def test_the_information_is_the_schur_complement_of_the_dense_one(fitted, oracle):
    problem, optimum = fitted
    problem.residual(optimum.point)
    jacobian, own = _dense(problem, optimum)
    whole = jacobian.T @ jacobian / optimum.noise_sd**2 + np.diag(own)
    covariance = np.linalg.inv(whole)[64:, 64:]
    ratio = np.sqrt(np.diag(optimum.covariance) / np.diag(covariance))
    oracle("film_information", error=np.abs(ratio - 1).max(), bound=0.02)


def test_the_mode_has_no_gradient(fitted):
    problem, optimum = fitted
    _, residual = problem.residual(optimum.point)
    jacobian, own = _dense(problem, optimum)
    point = np.concatenate([(optimum.point.start - problem.guess).ravel(), optimum.point.few])
    gradient = jacobian.T @ residual.ravel() / optimum.noise_sd**2 - own * point
    whole = jacobian.T @ jacobian / optimum.noise_sd**2 + np.diag(own)
    step = np.linalg.solve(whole, gradient)
    assert optimum.converged
    assert np.abs(step[64:] / np.sqrt(np.diag(optimum.covariance))).max() < 0.02


def test_deviations_of_the_last_field_are_posterior_draws(fitted):
    problem, optimum = fitted
    problem.residual(optimum.point)
    jacobian, own = _dense(problem, optimum)
    information = jacobian[:, :64].T @ jacobian[:, :64] / optimum.noise_sd**2
    information += np.diag(own[:64])
    eye = np.eye(64).reshape(64, 8, 8)
    carry = problem.model.tangent(eye)[:, -1].reshape(64, 64)
    exact = np.einsum("ia,ij,ja->a", carry, np.linalg.inv(information), carry).mean()
    found = last_field(problem, optimum, np.random.default_rng(2), 200)
    # 200 draws of a smooth field: about 10 independent numbers each
    assert abs((found.deviations**2).mean() / exact - 1) < 4 * np.sqrt(2 / 2000)


def test_draws_have_the_information_s_covariance(fitted):
    problem, optimum = fitted
    draws = draw_few(problem, optimum, np.random.default_rng(3), 4000)
    ratio = draws.few.std(axis=0) / np.sqrt(np.diag(optimum.covariance))
    np.testing.assert_allclose(ratio, 1.0, atol=0.15)
    assert np.abs(time_step_shift(problem, optimum)).max() < 0.2
