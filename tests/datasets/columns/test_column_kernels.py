"""The compiled core against its plain-Python form and against derivatives taken by differences."""

import numpy as np
import pytest

from physlearn.datasets.columns import column_kernels as kernels

NOISE = np.array([1.0, 0.7, 0.05])
COLUMNS = np.array(
    [
        [14.3, 15.1, np.log(50.0), np.log(2.2)],
        [21.13, 16.4, np.log(30.0), np.log(2.4)],
        [3.0, 30.6, np.log(40.0), np.log(2.0)],
    ]
)


def scene(columns=COLUMNS, background=5.0):
    model = np.full((36, 40), background)
    kernels.add_columns(model, columns, 5.0)
    return model


def test_picture_of_a_column_is_a_gaussian():
    y, x = np.mgrid[:36, :40]
    wanted = 5.0 + sum(
        np.exp(c[2] - ((x - c[0]) ** 2 + (y - c[1]) ** 2) / (2 * np.exp(2 * c[3]))) for c in COLUMNS
    )
    assert np.abs(scene() - wanted).max() < 50 * np.exp(-12.5)  # cut at 5 widths


def own(column, model, get=lambda f: f):
    """Return score, information and what a constant shares of one column, and its pixels."""
    work, score, level, information = np.empty((4, 40)), np.zeros(4), np.zeros(4), np.zeros((4, 4))
    weight = 1.0 / (NOISE[0] + NOISE[1] * model)
    pixels = get(kernels.own_information)(
        np.ones_like(model), model, weight, column, 5.0, 1.0, work, score, information, level
    )
    return score, information + np.tril(information, -1).T, level, np.array([pixels])


def run(form, rng_seed=0):
    """Return everything that the kernels give, compiled or plain."""
    get = (lambda f: f.py_func) if form == "plain" else (lambda f: f)
    image = np.random.default_rng(rng_seed).poisson(scene()).astype(float)
    columns = COLUMNS + np.array([0.3, -0.2, 0.1, 0.05])
    model, active, absorbed = scene(columns), np.ones(3, dtype=bool), np.zeros(3)
    weight = 1.0 / (NOISE[0] + NOISE[1] * model)
    rules = np.array([5.0, np.log(1.0), np.log(4.0), 1.0, 0.03, 1.0, np.log(2.2), 3.0])
    moving = get(kernels.column_sweep)(image, model, weight, columns, active, absorbed, rules)
    gains = [
        get(kernels.removal_gain)(
            image, model, weight, columns, np.arange(3), np.array(noise), 5.0, 1.0
        )
        for noise in (NOISE, [1.0, 0.0, 0.1])
    ]
    return model, columns, absorbed, np.array([moving]), *gains, *own(columns[0], model, get)


def test_compiled_and_plain_kernels_agree():
    for compiled, plain in zip(run("compiled"), run("plain"), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-9, atol=1e-11)


def test_live_model_equals_the_model_drawn_anew():
    model, columns = run("compiled")[:2]
    np.testing.assert_allclose(model, scene(columns), atol=1e-9)


def test_information_equals_finite_differences():
    model = scene()
    steps = 1e-5 * np.eye(12).reshape(12, 3, 4)
    slopes = np.array([(scene(COLUMNS + s) - scene(COLUMNS - s)) / 2e-5 for s in steps])
    weight = 1.0 / (NOISE[0] + NOISE[1] * model)
    wanted = np.einsum("aij,bij,ij->ab", slopes, slopes, weight)
    score, information, level, _ = own(COLUMNS[0], model)
    np.testing.assert_allclose(information, wanted[:4, :4], rtol=2e-4, atol=1e-3)
    np.testing.assert_allclose(level, np.einsum("aij,ij->a", slopes, weight)[:4], atol=2e-3)
    pull = np.einsum("aij,ij->a", slopes, weight * (1.0 - model))[:4]
    np.testing.assert_allclose(score, pull, rtol=1e-3, atol=2e-2)


def test_removal_gain_is_twice_the_log_likelihood_ratio():
    columns = COLUMNS - np.array([0.0, 0.0, np.log(8.0), 0.0])
    image = np.random.default_rng(3).poisson(scene(columns)).astype(float)
    model, without = scene(columns), scene(columns[1:])
    wanted = 2 * ((image * np.log(model) - model) - (image * np.log(without) - without)).sum()
    weight = 1.0 / model
    gain = kernels.removal_gain(
        image, model, weight, columns, np.arange(1), np.array([0.0, 1.0, 0.01]), 5.0, 1.0
    )
    assert gain[0, 0] == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("free_width", [0.0, 1.0])
def test_sweeps_reach_the_maximum_of_the_likelihood(free_width):
    image = np.random.default_rng(3).poisson(scene()).astype(float)
    columns = COLUMNS.copy()
    model = scene(columns)
    active = np.ones(3, dtype=bool)
    rules = np.array([5.0, np.log(1.0), np.log(4.0), free_width, 1e-6, 1.0, 0.0, 0.0])
    for _ in range(60):
        active[:] = True
        weight = 1.0 / np.maximum(model, 0.05)
        kernels.column_sweep(image, model, weight, columns, active, np.zeros(3), rules)

    def log_likelihood(trial):
        mean = scene(trial)
        return float((image * np.log(mean) - mean).sum())

    best = log_likelihood(columns)
    for direction in np.eye(12).reshape(12, 3, 4):
        if free_width or not direction[:, 3].any():
            for sign in (-0.02, 0.02):
                assert log_likelihood(columns + sign * direction) < best
