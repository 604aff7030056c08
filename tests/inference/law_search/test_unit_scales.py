"""Laws keep their values when the units change, and the search gives the same laws in any unit."""

import numpy as np
import pytest

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.law_search.unit_scales import rescaled_terms
from physlearn.inference.laws.equation import Equation, Term

X = np.linspace(0.5, 3.0, 60)
Z = np.linspace(2.0, 0.7, 60)
SCALES = {"x": 7.0, "z": 1e-5}

MOVABLE = {
    "decay": [Term(3.0, ("x", -2.0, "mul", "exp"))],
    "power with an offset": [Term(1.3, ("x", 1.37, "pow")), Term(0.4, (1,))],
    "logarithm with an offset": [Term(1.3, ("x", "log")), Term(0.4, (1,))],
    "relative logarithm": [Term(1.3, ("x", 0.3, "mul", 1, "add", "log"))],
    "shifted logarithm squared": [Term(1.3, ("x", "log", 0.3, "add", "square"))],
    "pole": [Term(1.3, ("x", 0.2, "add", "inv"))],
    "distance to a critical point": [Term(1.3, ("x", "neg", 4.0, "add", 0.4, "pow"))],
    "Langmuir": [Term(2.0, ("x", "x", 0.9, "add", "div"))],
    "sum of two variables": [Term(2.0, ("x", "square", "z", "inv", 0.3, "mul", "add", "sqrt"))],
    "Fermi": [Term(2.0, ("x", -1.0, "add", "z", "div", 0.7, "mul", "exp", 1, "add", "inv"))],
    "three halves": [Term(2.0, ("x", 0.5, "mul", "square", "z", 3, 2, "div", "pow", "mul"))],
    "exponential of a logarithm": [Term(2.0, ("x", "log", "exp", "x", "mul"))],
    "constant over a variable": [Term(1.0, (2.0, "x", "div", "sin"))],
}  # fmt: skip


@pytest.mark.parametrize("name", MOVABLE)
def test_a_law_says_the_same_in_other_units(name):
    terms = MOVABLE[name]
    columns = {"x": X, "z": Z}
    moved = rescaled_terms(terms, SCALES, 30.0)
    own = {key: value * SCALES[key] for key, value in columns.items()}
    before = Equation(tuple(terms), 0.0, 0.0, 0)
    after = Equation(moved, 0.0, 0.0, 0)
    assert after.structure == before.structure
    np.testing.assert_allclose(after.predict(own), 30.0 * before.predict(columns), rtol=1e-9)


@pytest.mark.parametrize(
    "terms",
    [
        [Term(3.0, ("x", "exp"))], [Term(3.0, ("x", 1, "add"))], [Term(3.0, ("x", "log"))],
        [Term(3.0, ("x", "z", "add"))], [Term(1, ("x",))], [Term(3.0, ("x", "x", "pow"))],
        [Term(3.0, ("x", "log", "square")), Term(1.0, (1,))], [Term(3.0, ("x", "sin"))],
    ],
)  # fmt: skip
def test_numbers_that_belong_to_the_unit_are_seen(terms):
    assert rescaled_terms(terms, SCALES, 30.0) is None
    assert rescaled_terms(terms, {"x": 1.0, "z": 1.0}) is not None


WORLDS = {
    "Arrhenius": lambda x: 3 * np.exp(-1.7 / x),
    "logarithm": lambda x: 2 - 0.7 * np.log(x),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_search_gives_the_same_laws_in_any_unit(name):
    clean = WORLDS[name](X)
    y = clean + 0.01 * clean.std() * np.random.default_rng(1).standard_normal(X.size)
    found = []
    for x_unit, y_unit in ((1.0, 1.0), (1e6, 1e-6), (1e-25, 1e6)):
        data = SearchData(X[None] * x_unit, y * y_unit, np.ones(X.size), False, ("x",))
        laws = find_laws(data, SearchOptions(highest_price=13)).laws
        lengths = np.array([law.description_length for law in laws])
        weights = np.exp(lengths.min() - lengths)
        weights /= weights.sum()
        likely = {law.structure: w for law, w in zip(laws, weights, strict=True) if w > 0.01}
        # The density of y changes by its unit, the values of the law by both
        length = lengths[0] - X.size * np.log(y_unit)
        values = laws[0].predict({"x": X * x_unit}) / y_unit
        sd = np.sqrt(np.diag(laws[0].covariance)) / np.abs(laws[0].constants)
        found.append((likely, length, values, sd))
    for likely, length, values, sd in found[1:]:
        assert likely.keys() == found[0][0].keys()
        assert list(likely.values()) == pytest.approx(list(found[0][0].values()), abs=5e-3)
        assert length == pytest.approx(found[0][1], abs=1e-6)
        np.testing.assert_allclose(values, found[0][2], rtol=1e-6)
        if name == "Arrhenius":  # an offset's own error depends on where x is 1
            np.testing.assert_allclose(sd, found[0][3], rtol=1e-4)


@pytest.mark.parametrize(("start", "far"), [(0.0, False), (900.0, False), (2000.0, True)])
def test_exponentials_far_from_0_come_back_or_a_sentence_says_so(start, far):
    t = np.linspace(start, start + 20.0, 60)
    y = 3 * np.exp(-(t - start) / 3)
    y *= 1 + 0.003 * np.random.default_rng(0).standard_normal(60)
    data = SearchData(t[None], y, np.ones(60), False, ("t",))
    outcome = find_laws(data, SearchOptions(highest_price=10))
    assert any("lies far from 0" in text for text in outcome.warnings) == far
    best = outcome.laws[0]
    assert (best.structure == Equation((Term(1.0, ("t", -0.3, "mul", "exp")),), 0, 0, 2).structure
            ) != far  # fmt: skip
