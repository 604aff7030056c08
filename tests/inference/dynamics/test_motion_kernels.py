"""Integration with sensitivities against scipy, finite differences and the plain form."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physlearn.inference.dynamics.motion_kernels import CODES, shoot
from physlearn.inference.dynamics.motion_library import compile_terms, read_terms
from physlearn.inference.laws.expression import OPERATIONS, evaluate, gradients


def _run(function, states, coefficients, inner):
    programs = read_terms(["sin(q)", "v", "exp(-d*q)"], ("q", "v"), {"d": 0.3})
    terms = compile_terms(programs, ("q", "v"))
    n = 60
    out, slopes = np.zeros((n, 2)), np.zeros((n, 2, 6))
    good = function(
        terms.codes, terms.numbers, terms.first, np.zeros(3, np.int64), np.asarray(coefficients),
        np.asarray(inner), True, np.array([0, 30, n]), np.asarray(states),
        np.full(n, 4, np.int64), np.full(n, 0.025), np.arange(n) * 4, np.zeros((4 * n, 3, 0)),
        np.full(2, 1e8), out, slopes,
    )  # fmt: skip
    return good, out, slopes


STATES = np.array([[1.0, 0.2], [-0.5, 0.1]])
COEFFICIENTS, INNER = np.array([-2.0, -0.1, 0.05]), np.array([0.3])


def test_paths_match_scipy():
    good, out, _ = _run(shoot, STATES, COEFFICIENTS, INNER)
    assert good
    exact = solve_ivp(
        lambda _t, s: [s[1], -2 * np.sin(s[0]) - 0.1 * s[1] + 0.05 * np.exp(-0.3 * s[0])],
        (0, 3.0), STATES[1], t_eval=np.arange(30) * 0.1, rtol=1e-10, atol=1e-12,
    ).y.T  # fmt: skip
    np.testing.assert_allclose(out[30:], exact, atol=1e-7)


def test_sensitivities_match_differences():
    _, _, slopes = _run(shoot, STATES, COEFFICIENTS, INNER)
    step = 1e-6
    for place in range(6):
        found = []
        for sign in (1, -1):
            states, coefficients, inner = STATES.copy(), COEFFICIENTS.copy(), INNER.copy()
            target = (states[:, place],) if place < 2 else ()
            if place < 2:
                target[0][...] += sign * step
            elif place < 5:
                coefficients[place - 2] += sign * step
            else:
                inner[0] += sign * step
            found.append(_run(shoot, states, coefficients, inner)[1])
        numeric = (found[0] - found[1]) / (2 * step)
        np.testing.assert_allclose(slopes[:, :, place], numeric, atol=2e-8)


def test_compiled_equals_plain():
    compiled = _run(shoot, STATES, COEFFICIENTS, INNER)
    plain = _run(shoot.py_func, STATES, COEFFICIENTS, INNER)
    np.testing.assert_allclose(compiled[1], plain[1], rtol=1e-12)
    np.testing.assert_allclose(compiled[2], plain[2], rtol=1e-10, atol=1e-14)


def test_a_motion_that_runs_away_is_told():
    states = np.array([[1e3, 1e3], [0.0, 0.0]])
    assert not _run(shoot, states, np.array([0.0, 30.0, 0.0]), INNER)[0]


def test_operations_agree_with_the_one_table():
    assert set(CODES) == set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(CODES))
def test_every_operation_has_its_value_and_slope(name):
    # One step of length h from x: x + h f(x) up to second order, and its slope by the constant
    program = ("x", 1.5, name) if OPERATIONS[name].arity == 2 else ("x", 1.5, "mul", name)
    terms = compile_terms([program], ("x",))
    out, slopes = np.zeros((2, 1)), np.zeros((2, 1, 3))
    h = 1e-7
    assert shoot(
        terms.codes, terms.numbers, terms.first, np.zeros(1, np.int64), np.ones(1), terms.inner,
        False, np.array([0, 2]), np.array([[0.7]]), np.array([1, 0]), np.array([h, 0.0]),
        np.array([0, 1]), np.zeros((1, 3, 0)), np.full(1, 1e8), out, slopes,
    )  # fmt: skip
    columns = {"x": np.array([0.7])}
    assert (out[1, 0] - 0.7) / h == pytest.approx(evaluate(program, columns)[0], rel=1e-5)
    assert slopes[1, 0, 2] / h == pytest.approx(gradients(program, columns)[1][0, 0], rel=1e-5)
