"""What is said of a set of laws."""

import numpy as np
import pytest

from physlearn.inference import EquationSet
from physlearn.inference.laws.equation import Equation, Term
from physlearn.law_words import law_constants, law_sentences


def laws_of(covariance, length_of_constant=20.0):
    law = Equation((Term(2.0, ("x",)), Term(-1.0, (1,))), 0.1, 1.0, 2, covariance)
    constant = Equation((Term(0.5, (1,)),), 3.0, length_of_constant, 1)
    return EquationSet((law, constant), ("x",), "y", np.array([[0.0, 1.0]]), 0.1, units="um/s")


def test_constants_come_with_their_intervals():
    rows = law_constants(laws_of(np.diag([0.01, 0.04])))
    assert [row["name"] for row in rows] == ["c0", "c1"]
    assert [row["mean"] for row in rows] == [2.0, -1.0]
    assert [row["sd"] for row in rows] == pytest.approx([0.1, 0.2])
    assert rows[0]["q95"] - rows[0]["q05"] == pytest.approx(2 * 1.6449 * 0.1, rel=1e-3)


def test_without_a_covariance_no_interval_is_said():
    rows = law_constants(laws_of(None))
    assert [row["sd"] for row in rows] == [None, None]
    assert "[" not in law_sentences(laws_of(None))[1]


def test_verdict_and_constants_are_sentences():
    verdict, constants = law_sentences(laws_of(np.diag([0.01, 0.04])))
    assert verdict.startswith("These data fix the law")
    assert constants.startswith("Given the first law, y = c0 * x")
    assert "with y in um/s: c0 = 2 [1.84, 2.16]" in constants


def test_narrow_intervals_keep_their_width():
    constants = law_sentences(laws_of(np.diag([1e-8, 0.04])))[1]
    assert "c0 = 2 [1.9998, 2.0002]" in constants
    assert "c1 = −1 [−1.33, −0.671]" in constants


def test_where_a_constant_does_no_law_is_told():
    verdict = law_sentences(laws_of(None, length_of_constant=0.0))[0]
    assert verdict.startswith("No law claimed: a constant explains these data")
