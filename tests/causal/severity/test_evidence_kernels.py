import numpy as np
import pytest

from physlearn.causal.severity import evidence_kernels as kernels

RNG = np.random.default_rng(0)
MEMBER = RNG.integers(5, size=40).astype(np.int32)
SHAPE = RNG.normal(size=40).astype(np.float32)


@pytest.mark.parametrize("dof", [np.inf, 7.0])
def test_log_mean_likelihood(dof):
    products, squares = np.zeros(40, np.float32), np.zeros(40, np.float32)
    residuals = RNG.normal(size=(3, 5))
    for residual in residuals:
        kernels.add_shot(residual, MEMBER, SHAPE, products, squares)
    sums, sizes = (residuals**2).sum(axis=0), np.array([1.0, 2.0])
    result, plain = np.empty(2), np.empty(2)
    given = (sums, MEMBER, products, squares, sizes, dof, 3)
    kernels.log_mean_likelihood(*given, result)
    kernels.log_mean_likelihood.py_func(*given, plain)
    for k, size in enumerate(sizes):
        total = ((residuals[:, MEMBER] - size * SHAPE) ** 2).sum(axis=0)
        logs = -0.5 * total if np.isinf(dof) else -0.5 * (dof + 3) * np.log1p(total / dof)
        assert result[k] == pytest.approx(np.log(np.exp(logs).mean()), abs=1e-4)
    assert result == pytest.approx(plain, abs=1e-5)


def test_information_of_a_mixture():
    """Two hypotheses of two members each: the integral by a fine sum over the readout."""
    members = np.array([[0.0], [3.0], [1.0], [1.5]])
    weights = np.array([0.3, 0.7, 0.5, 0.5])
    prior, sds = np.array([0.4, 0.6]), np.array([[0.5], [0.8]])
    values = np.empty(1)
    given = (members, weights, np.array([0, 2, 4]), prior, sds)
    kernels.mixture_information_kernel(*given, values)
    y = np.linspace(-8, 12, 20001)
    bell = np.exp(-0.5 * ((y - members) / sds[[0, 0, 1, 1]]) ** 2) / sds[[0, 0, 1, 1]]
    density = np.array([weights[:2] @ bell[:2], weights[2:] @ bell[2:]])
    density /= density.sum(axis=1, keepdims=True)
    exact = (prior[:, None] * density * np.log((density + 1e-300) / (prior @ density))).sum()
    assert values[0] == pytest.approx(exact, rel=0.01)
    plain = np.empty(1)
    kernels.mixture_information_kernel.py_func(*given, plain)
    assert plain == pytest.approx(values, rel=1e-9)


def test_survival_values():
    columns = np.array([[0.0, 1.0], [2.0, 2.0]])
    member, shape = np.array([0, 1, 1], np.int32), np.ones((2, 3), np.float32)
    top, weights = np.array([0, 2]), np.array([0.25, 0.75])
    values, plain = np.empty(2), np.empty(2)
    given = (columns, np.array([0.0, 0.5]), member, shape, top, weights, np.array([1.0, 2.0]),
             np.array([1.0, 4.0]), np.array([1.0, 1.0]))  # fmt: skip
    kernels.survival_values(*given, values)
    kernels.survival_values.py_func(*given, plain)
    exact = [-np.log(0.25 + 0.75 * np.exp(-0.5 * 1.5**2)), -np.log(0.25 + 0.75 * np.exp(-0.125))]
    assert values == pytest.approx(exact)
    assert plain == pytest.approx(exact)
