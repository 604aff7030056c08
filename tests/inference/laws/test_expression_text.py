"""Expressions as text: read by a grammar, written with few brackets, to and from sympy."""

import numpy as np
import pytest
import sympy
from random_programs import COLUMNS, random_programs

from physlearn.checks import InputError
from physlearn.inference.laws.expression import evaluate
from physlearn.inference.laws.expression_text import (
    from_sympy,
    parse_expression,
    parse_template,
    to_infix,
    to_sympy,
)

T = {"T": np.linspace(0.7, 3.0, 5)}


@pytest.mark.parametrize(
    "text",
    [
        "2-3-4", "2**3**2", "-2**2", "2/3/4", "2*-3", "2**-1", "-(T+1)*-T", "1.5e-2*T",
        "T**1.5 - .5", "exp(-2/T)", "sqrt(abs(sin(T)))", "log(T)/log(10)", "-exp(T)**2",
        "(T)", "+T", "3*(T - (2 - T))", "tanh(cos(T))**2/T",
    ],
)  # fmt: skip
def test_text_means_what_sympy_says_it_means(text):
    expected = sympy.lambdify(sympy.Symbol("T"), sympy.parse_expr(text.replace("abs", "Abs")))
    expected_values = np.broadcast_to(expected(T["T"]), 5)
    for spelling in (text, text.replace("**", "^"), text.replace(" ", "").replace("log", "ln")):
        program = parse_expression(spelling, ["T"])
        np.testing.assert_allclose(evaluate(program, T), expected_values, rtol=1e-12)
        assert not any(isinstance(token, float) for token in program)


def test_what_is_written_reads_back():
    names = list(COLUMNS)
    for program in random_programs(5, 120):
        text = to_infix(program)
        again = evaluate(parse_expression(text, names), COLUMNS)
        np.testing.assert_allclose(again, evaluate(program, COLUMNS), rtol=1e-8, err_msg=text)


def test_sympy_forms_read_back():
    for program in random_programs(6, 80):
        try:
            again = from_sympy(to_sympy(program))
        except InputError as error:
            assert "64 tokens" in str(error) or "no real number" in str(error)
            continue
        np.testing.assert_allclose(
            evaluate(again, COLUMNS), evaluate(program, COLUMNS), rtol=1e-7, atol=1e-10
        )


def test_sympy_keeps_exact_numbers_exact():
    x = sympy.Symbol("x")
    assert from_sympy(x**2) == ("x", "square")
    assert from_sympy(x ** sympy.Rational(3, 2)) == ("x", 3, 2, "div", "pow")
    assert from_sympy(x**1.5) == ("x", 1.5, "pow")
    assert from_sympy(-sympy.exp(-1 / x)) == ("x", "inv", "neg", "exp", "neg")
    for wrong in (sympy.gamma(x), sympy.I * x, sympy.zoo, sympy.Symbol("exp") + 1):
        with pytest.raises(InputError, match="expression"):
            from_sympy(wrong)
    deep = x
    for _ in range(70):
        deep = sympy.sin(deep)
    with pytest.raises(InputError, match="64 tokens"):
        from_sympy(deep)


def test_free_constants_have_names():
    program, names = parse_template("a*exp(-b/T) + a*2", ["T"], {"a": 3.0, "b": 0.5})
    assert names == ("a", "b", "a")
    assert [token for token in program if isinstance(token, float)] == [3.0, 0.5, 3.0]
    np.testing.assert_allclose(evaluate(program, T), 3 * np.exp(-0.5 / T["T"]) + 6)
    assert to_infix(program, names) == "a * exp(-b / T) + a * 2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be an expression"),
        (None, "must be an expression"),
        ("T +", "ends where a value"),
        ("T T", "lacks an operation before 'T'"),
        ("* T", "lacks a value before"),
        ("(T", "not closed"),
        ("T)", "not opened"),
        ("exp T", "bracket after the function"),
        ("U + T", "uses 'U'"),
        ("T @ T", "holds '@'"),
        ("T; import os", "holds ';'"),
        ("__import__('os')", "text holds"),
        ("T.real", "holds '.'"),
        ("1e999", "1e-300 and 1e300"),
        ("()", "lacks a value"),
        ("T*" * 40 + "T", "1 to 64 tokens"),
        ("(" * 3000, "at most 2000 characters"),
    ],
)
def test_text_outside_of_the_grammar_is_refused_in_one_sentence(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_expression(text, ["T"])
    assert "\n" not in str(caught.value)


def test_names_must_be_free():
    with pytest.raises(InputError, match="no operation"):
        parse_expression("exp", ["exp"])
    with pytest.raises(InputError, match="both as a variable and as a constant"):
        parse_expression("T", ["T"], ["T"])
