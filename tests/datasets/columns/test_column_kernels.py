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


def run(form, rng_seed=0):
    """Return everything that the kernels give, compiled or plain."""
    get = (lambda f: f.py_func) if form == "plain" else (lambda f: f)
    image = np.random.default_rng(rng_seed).poisson(scene()).astype(float)
    columns = COLUMNS + np.array([0.3, -0.2, 0.1, 0.05])
    model, nodes = scene(columns), np.full((3, 3), 5.0)
    active = np.ones(3, dtype=bool)
    rules = np.array([5.0, np.log(1.0), np.log(4.0), 1.0, 0.03])
    moving = get(kernels.column_sweep)(image, model, columns, active, NOISE, rules)
    largest = get(kernels.background_sweep)(image, model, nodes, NOISE)
    pairs = np.array([[0, 1]])
    blocks = get(kernels.pair_information)(model, columns, pairs, NOISE, 5.0)
    own = get(kernels.pair_information)(model, columns, np.array([[0, 0], [1, 1], [2, 2]]), NOISE,
                                        5.0)  # fmt: skip
    covariance = get(kernels.cluster_covariance)(
        model, columns, NOISE, 5.0, 12.0, np.array([0, 1, 2, 2]), np.array([1, 0]), blocks, own,
        np.array([0, 0]),
    )  # fmt: skip
    return model, columns, nodes, blocks, own, covariance, np.array([moving, largest])


def test_compiled_and_plain_kernels_agree():
    for compiled, plain in zip(run("compiled"), run("plain"), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-9, atol=1e-12)


def test_information_equals_finite_differences():
    model = scene()
    steps = 1e-5 * np.eye(12).reshape(12, 3, 4)
    slopes = np.array([(scene(COLUMNS + s) - scene(COLUMNS - s)) / 2e-5 for s in steps])
    weight = 1.0 / (NOISE[0] + NOISE[1] * model)
    wanted = np.einsum("aij,bij,ij->ab", slopes, slopes, weight)
    own = kernels.pair_information(model, COLUMNS, np.array([[0, 0]]), NOISE, 5.0)[0]
    np.testing.assert_allclose(own, wanted[:4, :4], rtol=2e-4, atol=1e-3)
    shared = kernels.pair_information(model, COLUMNS, np.array([[0, 1]]), NOISE, 5.0)[0]
    np.testing.assert_allclose(shared, wanted[:4, 4:8], rtol=1e-3, atol=2e-2)


def test_neighbour_makes_a_column_less_certain():
    model = scene()
    alone = np.array([0, 0, 0, 0]), np.empty(0, dtype=np.int64)
    both = np.array([0, 1, 2, 2]), np.array([1, 0])
    blocks = kernels.pair_information(model, COLUMNS, np.array([[0, 1]]), NOISE, 5.0)
    own = kernels.pair_information(model, COLUMNS, np.array([[k, k] for k in range(3)]), NOISE, 5.0)
    variances = [
        kernels.cluster_covariance(
            model, COLUMNS, NOISE, 5.0, 12.0, starts, near, blocks, own,
            np.zeros(len(near), dtype=np.int64),
        )[0, 0, 0]
        for starts, near in (alone, both)
    ]  # fmt: skip
    assert variances[1] > 1.01 * variances[0]


@pytest.mark.parametrize("free_width", [0.0, 1.0])
def test_sweeps_reach_the_maximum_of_the_likelihood(free_width):
    image = np.random.default_rng(3).poisson(scene()).astype(float)
    columns = COLUMNS.copy()
    model = scene(columns)
    active = np.ones(3, dtype=bool)
    rules = np.array([5.0, np.log(1.0), np.log(4.0), free_width, 1e-6])
    noise = np.array([0.0, 1.0, 0.05])
    for _ in range(60):
        kernels.column_sweep(image, model, columns, active, noise, rules)

    def log_likelihood(trial):
        mean = scene(trial)
        return float((image * np.log(mean) - mean).sum())

    best = log_likelihood(columns)
    for direction in np.eye(12).reshape(12, 3, 4):
        if free_width or not direction[:, 3].any():
            for sign in (-0.02, 0.02):
                assert log_likelihood(columns + sign * direction) < best
