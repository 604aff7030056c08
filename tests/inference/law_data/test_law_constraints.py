"""Conditions on laws: one that keeps and one that breaks each."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.law_data.law_constraints import LawConstraints
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.laws.equation import Equation, split_terms
from physlearn.inference.laws.expression_text import parse_expression

NUMBERS = {"a": 2.0, "b": 0.5}


def law(text):
    program = parse_expression(text, ["x", "t"], NUMBERS)
    return Equation(split_terms(program), 0.0, 0.0, 2)


BOX = {"x": (0.0, 3.0), "t": (1.0, 2.0)}


@pytest.mark.parametrize(
    ("given", "keeps", "breaks", "said"),
    [
        ({"monotone": {"x": "increasing"}}, "a*x/(b + x)", "a*sin(x)", "falls in x"),
        ({"monotone": {"x": "decreasing"}}, "a*exp(-b*x)*t", "a*x*t", "rises in x"),
        ({"monotone": {"t": "increasing"}}, "a*t*x", "x/t", "falls in t"),
        ({"curvature": {"x": "convex"}}, "a*exp(b*x)", "a*x**b", "not convex in x"),
        ({"curvature": {"x": "concave"}}, "a*x**b", "a*(x - 1)**3", "not concave in x"),
        ({"symmetry": {"x": "even"}}, "a*x**2 + cos(x)", "a*x + t", "not even in x"),
        ({"symmetry": {"x": "odd"}}, "a*x**3 - tanh(x)", "a*x + b", "not odd in x"),
        ({"values": {"x": (0.0, 0.0)}}, "a*x*t", "a*x + b", "is 0.5 at x = 0, not 0"),
        ({"values": {"x": (0.0, 1.0)}}, "exp(-x*t)", "x/0 + t", "undefined"),
        ({"limits": {"x": 0.0}}, "a*x*exp(-b*x)", "a*exp(-x) + b", "goes to 0.5 as x grows"),
        ({"limits": {"x": 1.0}}, "exp(x)/(exp(x) + b)", "a*exp(b*x)", "as x grows, not to 1"),
        ({"limits": {"x": 0.0}}, "a/(x + t)**b", "a*sin(x)", "as x grows, not to 0"),
        ({"positive": True}, "a*exp(-x)", "a*(x - 1)", "is -2 at x = 0"),
        ({}, "a*x + t", "a/(x - 1.5)", "undefined at x = 1.5"),
    ],
)
def test_each_condition_keeps_and_breaks(given, keeps, breaks, said):
    rules = LawConstraints(BOX, **given)
    assert rules(law(keeps)) is None
    assert said in rules(law(breaks))


def test_a_search_leaves_out_what_breaks_and_says_so():
    """Short data that bend down fit a parabola, which must not fall beyond them."""
    x = np.linspace(0.1, 1.5, 30)
    y = 2.0 * x / (0.5 + x) + 0.02 * np.random.default_rng(1).standard_normal(30)
    data = SearchData(x[None], y, np.full(30, 2500.0), True, ("x",))
    rules = LawConstraints(
        {"x": (0.0, 20.0)}, monotone={"x": "increasing"}, values={"x": (0.0, 0.0)}
    )
    free = find_laws(data, SearchOptions(highest_price=12))
    bound = find_laws(data, SearchOptions(highest_price=12, constraints=rules))
    assert any(rules(one) is not None for one in free.laws)
    assert bound.laws
    assert all(rules(one) is None for one in bound.laws)
    assert any("broke a constraint" in said for said in bound.warnings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ranges": {}}, "ranges must name"),
        ({"ranges": {"x": (1.0, 0.0)}}, "must rise"),
        ({"ranges": BOX, "monotone": {"x": "up"}}, "must be increasing or decreasing; got 'up'"),
        ({"ranges": BOX, "limits": {"q": 0.0}}, "limits names 'q'"),
        ({"ranges": BOX, "tolerance": 0.0}, "tolerance"),
    ],
)
def test_conditions_that_mean_nothing_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        LawConstraints(**given)


def test_a_variable_without_a_range_is_named():
    with pytest.raises(InputError, match="'t' is missing"):
        LawConstraints({"x": (0.0, 1.0)})(law("a*t"))
