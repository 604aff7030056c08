"""Models of any list of terms: exact derivatives, conservation, an independent simulator."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.fields import term_kernels
from physlearn.inference.fields.field_model import transpose_gap
from physlearn.inference.fields.term_model import make_term_model, stage_weights
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.lattice_models.fields import (
    FieldSettings,
    LandauPotential,
    simulate_ginzburg_landau,
)

USER = (
    FieldTerm("slant", lambda order, field: order**2 + field * order, operator="gradient_x"),
    FieldTerm("bend", lambda order, field: np.abs(order) * order, operator="laplacian"),
    FieldTerm("tilt", lambda order, field: order**2, operator="gradient_y"),
)
THETA = np.array([-0.4, 0.4, 0.5, 0.02, 0.1, 0.05, 0.05, 0.03, 0.04])


def driven_model(conserved, mirror):
    """A model with every kind of term on oblong pixels, irregular times and a shaped drive."""
    profile = np.random.default_rng(5).normal(size=(12, 9))
    terms = ("alpha", "beta", "gradient", "gamma", "field", "cubic", *USER)
    return make_term_model(
        (12, 9), [0.0, 1.0, 1.5, 3.0], terms, conserved=conserved, mirror=mirror,
        pixel_size=(1.0, 1.3), drive=lambda times, _: np.sin(times), profile=profile,
    ).with_steps(THETA)  # fmt: skip


@pytest.mark.parametrize("conserved", [True, False])
@pytest.mark.parametrize("mirror", [True, False])
def test_adjoint_is_the_transpose_and_tangent_the_derivative(conserved, mirror, oracle):
    rng = np.random.default_rng(1)
    model = driven_model(conserved, mirror)
    start = 0.5 * rng.normal(size=(12, 9))
    gap = transpose_gap(model, start, THETA, rng)
    oracle("transpose of the term model", error=gap, bound=1e-10)
    move, turn, step = rng.normal(size=(12, 9)), rng.normal(size=THETA.size), 1e-5
    ahead = model.forward(start + step * move, THETA + step * turn)
    back = model.forward(start - step * move, THETA - step * turn)
    model.forward(start, THETA)
    tangent = model.tangent(move[None], turn[None])[0]
    error = np.abs((ahead - back) / (2 * step) - tangent).max() / np.abs(tangent).max()
    oracle("tangent of the term model against differences", error=error, bound=1e-6)


@pytest.mark.parametrize("conserved", [True, False])
def test_frames_are_those_of_the_simulator(conserved, oracle):
    rng = np.random.default_rng(2)
    film = simulate_ginzburg_landau(
        LandauPotential(a=-0.4, c=0.4, kappa_x=0.5, kappa_y=0.3), 0.3 * rng.normal(size=(20, 24)),
        "conserved" if conserved else "nonconserved", frame_times=[0.0, 4.0, 5.0, 6.5, 8.0],
        time_step=0.002, method="explicit", settings=FieldSettings(boundary="no_flux"),
    ).to_numpy()[1:]  # fmt: skip
    theta = np.array([-0.4, 0.4, 0.5, 0.3])
    terms = ("alpha", "beta", "gradient_x", "gradient_y")
    model = make_term_model(
        (20, 24), [4.0, 5.0, 6.5, 8.0], terms, conserved=conserved
    ).with_steps(theta, 4)  # fmt: skip
    error = np.abs(model.forward(film[0], theta) - film).max()
    # Euler steps of 0.002 in the simulator are the larger error
    oracle("frames of the term model against the simulator", error=error, bound=2e-3)


def test_conserved_fields_keep_their_mean_and_user_functions_equal_built_in_ones():
    rng = np.random.default_rng(3)
    start, theta = rng.normal(size=(10, 11)), np.array([-0.4, 0.3, 0.6])
    plain = make_term_model((10, 11), [0.0, 1.0, 2.0]).with_steps(theta)
    frames = plain.forward(start, theta)
    assert np.allclose(frames.mean((1, 2)), start.mean(), atol=1e-12)
    cube = FieldTerm("cube", lambda order, field: -(order**3))
    same = make_term_model((10, 11), [0.0, 1.0, 2.0], ("alpha", cube, "gradient"))
    same.steps, same.n_stages = plain.steps, plain.n_stages
    assert np.allclose(same.forward(start, theta), frames, atol=1e-11)


def test_steps_are_of_second_order(oracle):
    theta = np.array([-0.5, 0.5, 0.4])
    start = np.random.default_rng(4).normal(size=(12, 12))
    frames = []
    for refine in (4, 8, 32):
        model = make_term_model((12, 12), [0.0, 1.0], conserved=False).with_steps(theta, refine)
        frames.append(model.forward(start, theta)[-1])
    ratio = np.abs(frames[0] - frames[2]).max() / np.abs(frames[1] - frames[2]).max()
    oracle("fall of the steps' error when halved", error=ratio - 4.0, bound=0.8)


def test_stage_weights_keep_constants_and_kernels_equal_their_plain_form():
    weights = stage_weights(7)
    assert np.allclose(weights[1:, :3].sum(1), 1.0)
    rng = np.random.default_rng(6)
    field, profile = rng.normal(size=(2, 5, 6))
    theta, grid = rng.normal(size=8), np.array([1.0, 0.7])
    found = []
    for kernel in (term_kernels.stage_rate, term_kernels.stage_rate.py_func):
        work, out = np.empty((2, 5, 6))
        kernel(field, np.empty((0, 0)), 0.3, profile, theta, grid, True, True, work, out)
        found.append(out)
    assert np.allclose(*found, rtol=1e-12)
    for kind in range(4):
        for mirror in (True, False):
            one, other = rng.normal(size=(2, 5, 6))
            ahead, back = np.empty((2, 5, 6))
            term_kernels.operate(kind, one, ahead, grid, False, mirror)
            term_kernels.operate(kind, other, back, grid, True, mirror)
            assert np.isclose((ahead * other).sum(), (one * back).sum())


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (("alpha", "delta"), "got 'delta'"),
        (("alpha", "alpha"), "different names"),
        (("alpha", "field"), "needs a drive"),
        (("alpha", "bias"), "does not feel a bias"),
    ],
)
def test_terms_that_cannot_be_used_are_said(terms, words):
    with pytest.raises(InputError, match=words):
        make_term_model((8, 8), [0.0, 1.0], terms)


def test_a_conserved_field_does_not_feel_an_even_drive():
    with pytest.raises(InputError, match="even drive"):
        make_term_model((8, 8), [0.0, 1.0], ("alpha", "field"), drive=lambda times, _: times)
