import numpy as np
import pytest

from physlearn.causal.counterfactual_models.node_terms import (
    Basis,
    NoiseFreeMonomials,
    make_basis,
    noisy_design,
)


def test_monomials_of_noisy_columns_have_the_mean_of_the_true_ones():
    rng = np.random.default_rng(1)
    true = np.array([0.7, -1.2])
    covariance = np.array([[0.3, 0.1], [0.1, 0.2]])
    n = 400_000
    seen = true + rng.multivariate_normal([0, 0], covariance, size=n)
    free = NoiseFreeMonomials(seen, covariance[None])
    for exponents in ((1, 1), (2, 0), (2, 1), (3, 2), (4, 0)):
        values = free(exponents)
        wanted = true[0] ** exponents[0] * true[1] ** exponents[1]
        assert abs(values.mean() - wanted) < 4 * values.std() / np.sqrt(n), exponents


def test_noise_that_differs_from_patch_to_patch_is_taken_out_patch_by_patch():
    free = NoiseFreeMonomials(np.array([[2.0], [2.0]]), np.array([[[0.0]], [[1.0]]]))
    assert free((2,)).tolist() == [4.0, 3.0]


def test_of_a_line_only_the_noise_covariance_is_taken_out():
    rng = np.random.default_rng(2)
    columns = rng.normal(size=(300, 2))
    covariance = np.array([[[0.1, 0.02], [0.02, 0.3]]])
    trend = np.linalg.qr(np.column_stack([np.ones(300), rng.normal(size=(300, 2))]))[0]
    values, noise = noisy_design(make_basis("linear", columns[:, :1], [-1]), columns, covariance,
                                 trend)  # fmt: skip
    assert np.allclose(noise, covariance[0])
    assert np.allclose(trend.T @ values, 0.0, atol=1e-9)


def test_forms():
    parents = np.random.default_rng(3).normal(size=(600, 3))
    groups = [-1, 1, 1]
    linear = make_basis("linear", parents, groups)
    assert linear.monomials == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    quadratic = make_basis("quadratic", parents, groups)
    # lines of one column of levels have no squares and no product
    assert set(quadratic.monomials) - set(linear.monomials) == {(2, 0, 0), (1, 1, 0), (1, 0, 1)}
    spline = make_basis("spline", parents, groups)
    assert spline.n_terms == 3 + 5
    assert spline.evaluate(parents).shape == (600, 8)


def test_a_spline_goes_on_as_a_line():
    basis = make_basis("spline", np.linspace(-2, 2, 600)[:, None], [-1])
    outside = basis.evaluate(np.linspace(3, 5, 5)[:, None])
    assert np.allclose(np.diff(outside, n=2, axis=0), 0.0, atol=1e-9)
    inside = basis.evaluate(np.linspace(-1, 1, 5)[:, None])
    assert np.abs(np.diff(inside, n=2, axis=0)).max() > 0.01


@pytest.mark.parametrize("shape", [(4, 2), (3, 4, 2)])
def test_terms_are_evaluated_along_the_last_axis(shape):
    values = np.random.default_rng(4).normal(size=shape)
    basis = Basis("quadratic", ((1, 0), (1, 1)), ((), ()))
    assert np.allclose(basis.evaluate(values)[..., 1], values[..., 0] * values[..., 1])
