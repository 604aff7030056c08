"""Laws that are one up to algebra are told so, others are not."""

import numpy as np
import pytest

from physlearn.inference.law_search.same_law import same_law
from physlearn.inference.laws.equation import Equation, Term

COLUMNS = {"x": np.linspace(0.6, 2.5, 50)}


def of(*terms):
    return Equation(tuple(Term(c, p) for c, p in terms), 0.0, 0.0, 0)


CURIE = of((2.0, ("x", -0.3, "add", "inv")))
DECAY = of((2.0, ("x", "inv", -1.5, "mul", "exp")))
PAIRS = {
    "another pole": (of((1.0, ("x", -0.1, "add", "inv"))), CURIE, True),
    "slope and offset below": (of((1, ("x", 0.7, "mul", -0.1, "add", "inv"))), CURIE, True),
    "one constant too many": (of((1.0, ("x", 0.7, "mul", -0.1, "add", "inv"))), CURIE, False),
    "an offset too many": (of((1.0, ("x", -0.1, "add", "inv")), (0.1, (1,))), CURIE, False),
    "a power is no pole": (of((1.0, ("x", -1.1, "pow"))), CURIE, False),
    "exponent of a sum": (of((1, ("x", "inv", -2.0, "mul", 0.1, "add", "exp"))), DECAY, True),
    "quotient": (of((3.0, (-1.0, "x", "div", "exp"))), DECAY, True),
    "other function": (of((2.0, ("x", -1.5, "mul", "exp"))), DECAY, False),
    "fixed exponent": (of((2.0, ("x", "square"))), of((1.0, ("x", 2, "pow"))), True),
    "fitted exponent": (of((2.0, ("x", 2.0, "pow"))), of((1.0, ("x", "square"))), False),
    "expanded": (
        of((2.0, (1,)), (-1.0, ("x", -1.5, "mul", "exp"))),
        of((2.0, (1,)), (-2.0, ("x", -1.0, "mul", "exp"))), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_same_law(name):
    found, truth, expected = PAIRS[name]
    assert same_law(found, truth, COLUMNS) is expected


def test_a_truth_undefined_on_the_columns_is_matched_by_nothing():
    truth = of((1.0, ("x", -2.0, "add", "log")))
    assert not same_law(truth, truth, COLUMNS)
