"""Compiled programs against plain Python, numpy's functions and scipy's least squares."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from physlearn.inference.law_search.candidates import candidate_laws
from physlearn.inference.law_search.expression_kernels import (
    CONSTANT,
    LARGEST_EXPONENT,
    MAX_CONSTANTS,
    ONE,
    OPERATIONS,
    evaluate_program,
    fit_programs,
    start_constants,
)
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.laws import expression

UNARY = ("exp", "log", "sqrt", "inv", "square", "cube", "sin", "cos", "tanh", "abs", "neg")
BINARY = ("add", "sub", "mul", "div", "pow")
X = np.linspace(0.5, 4.0, 60)


def evaluated(function, code, x, constants):
    value, slope = np.zeros((9, x.shape[1])), np.zeros((9, MAX_CONSTANTS, x.shape[1]))
    with np.errstate(all="ignore"):
        terms = function(np.array(code), len(code), x, constants, value, slope)
    return terms, value[:terms], slope[:terms]


def codes(*tokens):
    return [OPERATIONS.get(t, t) for t in tokens]


def picked(seed, count):
    laws = candidate_laws(2, 14, UNARY, BINARY, 2, None)
    rows = np.random.default_rng(seed).choice(len(laws), count, replace=False)
    return [laws.programs[row, : laws.lengths[row]].tolist() for row in rows]


def test_operations_are_those_of_the_grammar():
    assert set(OPERATIONS) == set(expression.OPERATIONS)


def test_kernel_equals_plain_python_and_the_grammar_of_laws():
    constants = np.array([0.7, -1.2, 0.4])
    x = np.random.default_rng(5).uniform(0.5, 2, (2, 7))
    n_defined = 0
    for code in picked(3, 60):
        terms, value, slope = evaluated(evaluate_program, code, x, constants)
        plain = evaluated(evaluate_program.py_func, code, x, constants)
        assert terms == plain[0]
        np.testing.assert_allclose(value, plain[1], rtol=1e-12)
        np.testing.assert_allclose(slope, plain[2], rtol=1e-10, atol=1e-12)
        programs = terms_of(code, constants.tolist(), ("a", "b"))
        for program, row, slopes in zip(programs, value, slope, strict=False):
            columns = {"a": x[0], "b": x[1]}
            expected, derivatives = expression.gradients(program, columns)
            np.testing.assert_allclose(row, expected, rtol=1e-10)
            used = slopes[np.abs(slopes).max(axis=1) > 0]
            wanted = derivatives[np.abs(derivatives).max(axis=1, initial=0) > 0]
            np.testing.assert_allclose(used, wanted, rtol=1e-8, atol=1e-10)
        n_defined += terms > 0
    assert n_defined > 40


@pytest.mark.parametrize(
    ("code", "x"),
    [
        (codes(0, "log"), -1.0), (codes(0, "sqrt"), -1.0), (codes(0, "inv"), 0.0),
        (codes(0, CONSTANT, "pow"), -2.0), (codes(0, "exp"), 1.01 * LARGEST_EXPONENT),
        (codes(ONE, 0, "div"), 0.0), (codes(0, ONE, "sub", "log"), 1.0),
    ],
)  # fmt: skip
def test_what_is_undefined_gives_no_values(code, x):
    assert evaluated(evaluate_program, code, np.array([[2.0, x]]), np.ones(3))[0] == 0


def fitted(code, count, y, starts, offset, weight=None):
    root = np.ones(y.size) if weight is None else np.sqrt(weight)
    misfits, constants = np.full(1, np.inf), np.zeros((1, MAX_CONSTANTS))
    fit_programs(
        np.array([code]), np.array([len(code)]), np.array([count]), X[None], root, y * root,
        np.array(starts), 200, np.array([offset]), misfits, constants,
    )  # fmt: skip
    return misfits[0], constants[0]


def test_variable_projection_finds_the_least_squares_of_scipy():
    generator = np.random.default_rng(6)
    weight = generator.uniform(0.5, 2.0, X.size)
    y = 1 + 3 * np.exp(-0.7 * (X - 1.5) ** 2) + 0.1 * generator.standard_normal(X.size)
    code = codes(0, CONSTANT, "add", "square", CONSTANT, "mul", "exp")
    misfit, constants = fitted(code, 2, y, [[-0.7, -3.0, 1.0]], 1, weight)

    def rest(p):
        law = p[0] + p[1] * np.exp(p[3] * (X + p[2]) ** 2)
        return np.sqrt(weight) * (y - law)

    best = least_squares(rest, [1, 3, -1.5, -0.7], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert misfit == pytest.approx(2 * best.cost, rel=1e-8)
    np.testing.assert_allclose(constants[:2], best.x[2:], rtol=1e-4)


def test_two_exponentials_share_the_fit():
    y = 5 * np.exp(-2.1 * X) - 2 * np.exp(-0.6 * X)
    code = codes(0, CONSTANT, "mul", "exp", 0, CONSTANT, "mul", "exp")
    misfit, constants = fitted(code, 2, y, [[-8.0, -1.0, 1.0], [-4.0, -3.0, 1.0]], 0)
    assert misfit < 1e-12
    np.testing.assert_allclose(np.sort(constants[:2]), [-2.1, -0.6], rtol=1e-4)


def test_collinear_terms_are_no_law():
    assert fitted(codes(0, 0), 0, X, [[1.0, 1.0, 1.0]], 0)[0] == np.inf
    assert fitted(codes(0), 0, X, [[1.0, 1.0, 1.0]], 1)[0] == pytest.approx(0.0, abs=1e-20)


def test_starts_scale_with_the_data():
    code = np.array(codes(0, CONSTANT, "add", "inv", CONSTANT, "mul", "exp"))
    found = []
    for scale in (1.0, 1e3):
        constants = np.zeros(MAX_CONSTANTS)
        workspace = np.zeros((9, X.size)), np.zeros((9, MAX_CONSTANTS, X.size))
        assert start_constants(code, 7, scale * X[None], 0, np.ones(3), constants, *workspace)
        found.append(constants[:2])
    np.testing.assert_allclose(found[1], 1e3 * found[0], rtol=1e-10)
