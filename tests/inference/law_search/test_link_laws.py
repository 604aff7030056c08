"""Sums for 1 / y, log y and 1 / y**2 come with their constants where there is no noise."""

import numpy as np
import pytest

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.candidates import candidate_laws
from physlearn.inference.law_search.link_laws import with_links
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.screening import Fitted
from physlearn.inference.laws.expression import evaluate

UNARY = ("exp", "log", "sqrt", "inv", "square", "cube")
BINARY = ("add", "sub", "mul", "div", "pow")
NOTHING = Fitted(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros((0, 3)))
LAWS = {
    "Schottky": lambda t, e: t**2 * np.exp((0.6 * np.sqrt(e) - 1.8) / t),
    "two resistances": lambda t, e: 1 / (0.4 + 0.7 * t / e + 0.2 * t**2),
    "resonance": lambda t, e: 1 / np.sqrt((1.1 - t**2) ** 2 + 0.3 * t**2),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sums_for_a_function_of_y_are_found(name, sign):
    t, e = np.random.default_rng(3).uniform(0.4, 1.6, (2, 60))
    y = sign * 3.0 * LAWS[name](t, e)
    data = SearchData(np.stack([t, e]), y, np.ones(60), False, ("t", "e"))
    pool = candidate_laws(2, 14, UNARY, BINARY, 1, None)
    more, fitted = with_links(data, pool, NOTHING, UNARY, BINARY)
    rests = []
    for row, constants in zip(fitted.rows, fitted.constants, strict=True):
        code = more.programs[row, : more.lengths[row]].tolist()
        (program,) = terms_of(code, constants.tolist(), data.names)
        values = evaluate(program, data.columns)
        if np.isfinite(values).all():
            rests.append(np.abs(values * (y @ values) / (values @ values) - y).max())
    assert min(rests) < 1e-6 * np.abs(y).max()


def test_data_of_both_signs_have_no_such_sum():
    x = np.linspace(-1.0, 1.0, 40)
    data = SearchData(x[None], x, np.ones(40), False, ("x",))
    pool = candidate_laws(1, 9, UNARY, BINARY, 1, None)
    more, fitted = with_links(data, pool, NOTHING, UNARY, BINARY)
    assert more is pool
    assert fitted is NOTHING
