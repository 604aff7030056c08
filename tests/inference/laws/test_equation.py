"""Laws as sums of terms."""

import numpy as np
import pytest
import sympy
from random_programs import COLUMNS, random_programs

from physlearn.checks import InputError
from physlearn.inference.laws.equation import Equation, Term, split_terms
from physlearn.inference.laws.expression import evaluate

X = {"x": np.linspace(0.5, 2, 5)}
LAW = Equation((Term(2.0, ("x", "inv", -0.5, "mul", "exp")), Term(0.3, (1,))), 0.0, 0.0, 3)


def test_a_factor_of_a_quotient_is_the_coefficient_however_it_is_written():
    saturating = ("x", "x", 1.0, "add", "div")
    for written in (
        (2.0, "x", "mul", "x", 1.0, "add", "div"),
        (2.0, *saturating, "mul"),
        ("x", "x", 1.0, "add", 0.5, "mul", "div"),
    ):
        (term,) = split_terms(written)
        assert (term.coefficient, term.program) == (2.0, saturating)
    assert split_terms((3.0, "x", "div")) == (Term(3.0, ("x", "inv")),)


def test_constants_stand_term_by_term_and_can_be_replaced():
    np.testing.assert_array_equal(LAW.constants, [2.0, -0.5, 0.3])
    other = LAW.with_constants([1.0, -2.0, 5.0])
    np.testing.assert_allclose(other.predict(X), np.exp(-2 / X["x"]) + 5)
    assert other.structure == LAW.structure == {("x", "inv", "c", "mul", "exp"), ("c",)}
    assert other.n_constants == 3
    with pytest.raises(InputError, match="constants must have shape"):
        LAW.with_constants([1.0])
    bare = Equation((Term(1, ("x", "inv")),), 0.0, 0.0, 0)
    assert bare.with_constants(bare.constants) == bare


def test_exact_coefficients_are_not_fitted():
    law = Equation((Term(1, ("x", 1.5, "pow")), Term(-2, ("x",))), 0.0, 0.0, 1)
    np.testing.assert_array_equal(law.constants, [1.5])
    np.testing.assert_allclose(law.predict(X), X["x"] ** 1.5 - 2 * X["x"])
    assert law.with_constants([2.0]).terms[1].coefficient == -2


def test_sensitivities_stand_in_the_order_of_the_constants():
    slopes = LAW.sensitivities(X)
    for place in range(3):
        step = 1e-6 * np.eye(3)[place]
        ends = [LAW.with_constants(LAW.constants + sign * step).predict(X) for sign in (1, -1)]
        np.testing.assert_allclose(slopes[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-8)


def test_the_sympy_form_says_the_same_numbers():
    symbolic = sympy.lambdify(sympy.Symbol("x", real=True), LAW.sympy())
    np.testing.assert_allclose(symbolic(X["x"]), LAW.predict(X), rtol=1e-12)


def test_programs_split_into_terms_of_the_same_sum():
    for program in random_programs(8, 100):
        terms = split_terms(program)
        total = np.sum([term.values(COLUMNS) for term in terms], axis=0)
        np.testing.assert_allclose(total, evaluate(program, COLUMNS), rtol=1e-9, atol=1e-10)
    terms = split_terms(("x", 2.0, "mul", 3.0, "mul", 1.5, "neg", "sub", "x", "sub"))
    assert [(t.coefficient, t.program) for t in terms] == [(6.0, ("x",)), (1.5, (1,)), (-1, ("x",))]


def test_complexity_counts_nodes():
    assert LAW.complexity == 9
    assert Equation((Term(2.0, (1.0,)),), 0.0, 0.0, 1).complexity == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Term(float("nan"), ("x",)), "coefficient must be finite"),
        (lambda: Term("2", ("x",)), "coefficient must be a number"),
        (lambda: Term(True, ("x",)), "coefficient must be a number"),
        (lambda: Term(1.0, ("x", "add")), "lacks an argument"),
        (lambda: Equation((), 0.0, 0.0, 0), "1 to 64 terms"),
        (lambda: Equation(LAW.terms, 0.0, 0.0, 3, np.eye(2)), "covariance must have shape"),
    ],
)
def test_what_is_no_law_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_equal_laws_are_equal_whatever_their_covariance():
    first = Equation(LAW.terms, 0.0, 0.0, 3, np.eye(3))
    assert first == LAW
    assert hash(first) == hash(LAW)
    with pytest.raises(ValueError, match="read-only"):
        first.covariance[0, 0] = 2.0
