"""Programs: values and slopes against sympy, numpy and the compiled kernel."""

import numpy as np
import pytest
import sympy
from random_programs import COLUMNS, random_programs

from physlearn.checks import InputError
from physlearn.inference.laws.expression import (
    LARGEST_PROGRAM,
    OPERATIONS,
    check_program,
    evaluate,
    evaluate_many,
    floats_of,
    gradients,
    variables_of,
    with_floats,
)
from physlearn.inference.laws.expression_text import to_sympy


@pytest.mark.parametrize("program", random_programs(1, 40))
def test_values_are_those_of_sympy(program):
    symbols = [sympy.Symbol(name, real=True) for name in COLUMNS]
    expected = sympy.lambdify(symbols, to_sympy(program, 17))(*COLUMNS.values())
    np.testing.assert_allclose(evaluate(program, COLUMNS), expected, rtol=1e-9, atol=1e-12)


def test_slopes_are_central_differences():
    checked = 0
    for program in random_programs(2, 150):
        constants = np.array(floats_of(program))
        values, slopes = gradients(program, COLUMNS)
        np.testing.assert_array_equal(values, evaluate(program, COLUMNS))
        assert slopes.shape == (constants.size, 7)
        for place in range(constants.size):
            step = 1e-6 * np.eye(constants.size)[place]
            ends = [
                evaluate(with_floats(program, constants + sign * step), COLUMNS)
                for sign in (1.0, -1.0)
            ]
            numeric = (ends[0] - ends[1]) / 2e-6
            if np.isfinite(numeric).all() and np.abs(slopes).max() < 1e4:
                scale = max(np.abs(slopes[place]).max(), np.abs(values).max())
                np.testing.assert_allclose(slopes[place], numeric, rtol=2e-6, atol=2e-9 * scale)
                checked += 1
    assert checked > 40


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_has_the_slope_of_its_function(name):
    operation = OPERATIONS[name]
    program = (0.7, *([1.3] if operation.arity == 2 else []), name)
    values, slopes = gradients(program, {"x": np.zeros(1)})
    for place in range(operation.arity):
        symbols = sympy.symbols("a b", positive=True)[: operation.arity]
        program_of_names = (*[str(s) for s in symbols], name)
        given = to_sympy(program_of_names)
        names = [sympy.Symbol(str(s), real=True) for s in symbols]
        numbers = dict(zip(names, (0.7, 1.3), strict=False))
        assert values[0] == pytest.approx(float(given.subs(numbers)), rel=1e-14)
        slope = float(sympy.diff(given, names[place]).subs(numbers).evalf())
        assert slopes[place, 0] == pytest.approx(slope, rel=1e-12)


def test_many_sets_of_constants_are_many_evaluations():
    program = ("x", 0.5, "mul", "exp", 2, "y", "mul", "add", 1.5, "pow")
    constants = np.random.default_rng(3).uniform(0.2, 1.0, (5, 2))
    many = evaluate_many(program, COLUMNS, constants)
    for row, values in zip(constants, many, strict=True):
        np.testing.assert_allclose(values, evaluate(with_floats(program, row), COLUMNS))
    assert evaluate_many((2,), COLUMNS, np.empty((3, 0))).shape == (3, 7)
    assert evaluate_many((2.0,), COLUMNS, np.ones((3, 1))).shape == (3, 7)


def test_undefined_values_are_nan_and_infinities_on_the_way_are_none():
    x = {"x": np.array([-1.0, 0.0, 2.0])}
    assert np.isnan(evaluate(("x", "log"), x)).tolist() == [True, True, False]
    assert np.isnan(evaluate(("x", "inv"), x)).tolist() == [False, True, False]
    assert evaluate(("x", "inv", "square", "neg", "exp"), x)[1] == 0.0
    values, slopes = gradients(("x", 1.5, "pow"), x)
    assert np.isnan(values).tolist() == np.isnan(slopes[0]).tolist() == [True, False, False]
    assert slopes[0, 1] == 0.0


def test_exact_numbers_are_not_constants():
    program = ("x", 2, "pow", 2.0, "mul")
    assert floats_of(program) == [2.0]
    assert variables_of(program) == {"x"}
    assert with_floats(program, [3.0]) == ("x", 2, "pow", 3.0, "mul")
    assert check_program(["x", np.float64(2.5), "mul", np.int64(3), "add"])[3] == 3
    assert gradients(program, COLUMNS)[1].shape == (1, 7)
    with pytest.raises(InputError, match="values must hold 1 numbers"):
        with_floats(program, [1.0, 2.0])


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ((), "1 to 64 tokens"),
        (("x",) * (LARGEST_PROGRAM + 1), "1 to 64 tokens"),
        (("x", "add"), "lacks an argument for 'add' at place 1"),
        (("exp",), "lacks an argument"),
        (("x", "y"), "leaves 2 values"),
        ((float("nan"),), "finite"),
        ((float("inf"),), "finite"),
        ((10**400,), "finite"),
        ((True,), "names, numbers and operations"),
        ((None,), "names, numbers and operations"),
        ((["x"],), "names, numbers and operations"),
        (("x y",), "names like x"),
        (("__import__('os')",), "names like x"),
        ("xy", "row of tokens"),
        (None, "row of tokens"),
    ],
)
def test_programs_that_are_no_expression_are_refused_in_one_sentence(program, message):
    with pytest.raises(InputError, match=message) as caught:
        check_program(program)
    assert "\n" not in str(caught.value)
