"""Where laws differ and how many measurements tell them apart."""

import numpy as np
import pytest
from law_worlds import laws_of, observe

from physlearn.causal.hypotheses import hypotheses_from_functions
from physlearn.checks import InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.law_differences import (
    DECISIVE_NATS,
    constant_probability,
    law_functions,
)

LINE = Equation((Term(1.0, ("x",)),), 0.0, 0.0, 1, np.array([[0.0]]))
PARABOLA = Equation((Term(1.0, ("x", "square")),), 0.0, 0.5, 1, np.array([[0.0]]))


def pair(ranges, noise=0.1, **given):
    return EquationSet((LINE, PARABOLA), ("x",), "y", np.array([ranges]), noise, **given)


def test_the_largest_difference_inside_and_beyond_is_found():
    inside, beyond = pair((0.0, 1.0)).discriminating_ranges.to_dict("records")
    assert inside["inside"]
    assert inside["x"] == pytest.approx(0.5, abs=1e-3)  # of x - x**2
    assert inside["difference"] == pytest.approx(0.25, abs=1e-5)
    assert inside["difference_over_noise"] == pytest.approx(2.5, abs=1e-4)
    assert not beyond["inside"]
    assert abs(beyond["x"] - 0.5) == pytest.approx(0.75, abs=1e-9)
    assert beyond["difference"] == pytest.approx(0.25 * 1.25, abs=1e-9)


def test_a_positive_range_is_not_left_through_zero():
    beyond = pair((0.1, 2.0)).discriminating_ranges.query("not inside")
    assert (beyond["x"] >= 0.05).all()


def test_repeats_are_what_the_odds_need():
    # n measurements of x = 0.5: mean log odds n (gap / noise)**2 / 2
    noise = 0.3
    row = pair((0.0, 1.0), noise).discriminating_ranges.iloc[0]
    assert row["repeats"] == np.ceil(2 * DECISIVE_NATS * (noise / 0.25) ** 2)
    rng = np.random.default_rng(1)
    y = 0.5 + noise * rng.standard_normal((20_000, int(row["repeats"])))
    odds = (((y - 0.25) ** 2 - (y - 0.5) ** 2) / (2 * noise**2)).sum(axis=1)
    error = odds.std() / np.sqrt(20_000)
    assert odds.mean() > DECISIVE_NATS - 4 * error
    assert odds.mean() < DECISIVE_NATS + (0.25 / noise) ** 2 / 2 + 4 * error


def test_constants_that_could_make_up_the_difference_hide_it():
    line = Equation(LINE.terms, 0.0, 0.0, 1, np.array([[25.0]]))
    other = Equation((Term(1.2, ("x", "abs")),), 0.0, 0.5, 1, np.array([[25.0]]))
    laws = EquationSet((line, other), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    assert np.isinf(laws.discriminating_ranges["repeats"]).all()
    assert "no measurement within a quarter beyond the range would tell" in laws.verdict


def test_the_measurement_that_the_verdict_names_decides():
    rng = np.random.default_rng(3)
    x = np.linspace(1.0, 1.8, 16)
    templates = {"a*exp(b*x)": [1.0, 0.8], "a*x**b": [2.0, 1.2]}
    open_ones = decided = 0
    for _ in range(30):
        laws = laws_of(observe(2 * x**1.2, 0.1, rng, x=x), templates, noise_sd=0.1)
        table = laws.discriminating_ranges
        table = table[np.isfinite(table["repeats"])]
        if laws.n_credible() < 2 or not len(table):
            continue
        open_ones += 1
        row = table.sort_values("repeats").iloc[0]
        assert f"measure at x = {row['x']:.4g}" in laws.verdict
        both = np.concatenate([x, np.full(int(row["repeats"]), row["x"])])
        after = laws_of(observe(2 * both**1.2, 0.1, rng, x=both), templates, noise_sd=0.1)
        decided += after.index_of([("x", "c", "pow")]) == 0
    assert open_ones >= 8
    # Odds of 20 to 1 are expected by then, not certain
    assert decided >= 0.75 * open_ones


def test_two_variables_are_searched_together():
    first = Equation((Term(1.0, ("x",)),), 0.0, 0.0, 1)
    second = Equation((Term(1.0, ("x", "u", "mul")),), 0.0, 0.5, 1)
    laws = EquationSet((first, second), ("x", "u"), "y", np.array([[0, 1], [0, 1.0]]), 0.1)
    inside = laws.discriminating_ranges.iloc[0]
    assert inside["x"] > 0.9  # of x (1 - u)
    assert inside["u"] < 0.1


def test_poles_and_undefined_places_are_not_proposed():
    pole = Equation((Term(1.0, ("x", "log")),), 0.0, 0.5, 1)
    laws = EquationSet((LINE, pole), ("x",), "y", np.array([[-1.0, 1.0]]), 0.1)
    table = laws.discriminating_ranges
    assert np.isfinite(table["difference"]).all()
    assert (table["x"] > 0).all()


def test_the_probability_of_a_constant_is_worked_out_once():
    rng = np.random.default_rng(5)
    x = np.linspace(0.0, 1.0, 30)
    slope = laws_of(observe(3 * x, 0.1, rng, x=x), {"a*x": [1.0]})
    assert constant_probability(slope) < 1e-10
    flat = laws_of(observe(1 + 0 * x, 0.1, rng, x=x), {"a + b*x": [1.0, 0.0]})
    assert constant_probability(flat) > 0.5
    assert np.isnan(constant_probability(EquationSet((LINE,), ("x",), "y", np.eye(2)[:1], 0.1)))


def test_the_planner_takes_the_laws():
    laws = pair((0.0, 1.0), link="log")
    functions = law_functions(laws)
    assert list(functions) == ["x", "x**2"]
    assert functions["x**2"](2.0) == pytest.approx(np.exp(4.0))
    hypotheses = hypotheses_from_functions(functions, argument="bias_V", noise_sd=laws.noise_sd)
    assert [h.name for h in hypotheses] == ["x", "x**2"]
    same = EquationSet((LINE, LINE.with_constants([1.00001])), ("x",), "y", np.eye(2)[:1], 0.1)
    assert len(law_functions(same)) == 2
    wide = EquationSet((LINE,), ("x", "u"), "y", np.array([[0, 1], [0, 1.0]]), 0.1)
    with pytest.raises(InputError, match="one variable"):
        law_functions(wide)


def test_noise_that_differs_by_point_counts_by_its_median():
    x = np.linspace(0.0, 1.0, 21)
    sd = np.where(np.arange(21) < 3, 50.0, 0.1)
    data = SearchData(x[None], x, 1.0 / sd**2, True, ("x",))
    mean = float(np.sqrt(1.0 / np.mean(data.weight)))
    laws = pair((0.0, 1.0), mean, data=data, constant_length=50.0)
    row = laws.discriminating_ranges.iloc[0]
    assert row["difference_over_noise"] == pytest.approx(2.5, abs=1e-4)
    assert "median noise" in laws.verdict
