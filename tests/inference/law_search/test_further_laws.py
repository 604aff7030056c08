"""Factors times functions of sums, quotients of sums and squares of sums are found and limited."""

import numpy as np
import pytest

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.candidates import candidate_laws
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.law_search.further_laws import with_further_laws
from physlearn.inference.law_search.linear_laws import linear_laws
from physlearn.inference.law_search.prefactor_laws import prefactor_laws
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.ratio_laws import ratio_laws
from physlearn.inference.law_search.screening import Fitted
from physlearn.inference.law_search.square_laws import square_laws
from physlearn.inference.laws.expression import evaluate

UNARY = ("exp", "log", "sqrt", "inv", "square", "cube")
BINARY = ("add", "sub", "mul", "div", "pow")
NOTHING = Fitted(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros((0, 3)))
PREFACTORS = {
    "speed in a cluster": lambda x: x / (x**2 + 0.8) ** 0.75,
    "coupled pair": lambda x: 1 / (x * (3.0 + np.exp(1.2 / x))),
    "halo": lambda x: 1 / (x * (0.7 + x) ** 2),
    "damped wave": lambda x: np.sin(2.3 * x**2) * np.exp(-0.2 * x**4),
}
RATIOS = {
    "Fano line": lambda x: (x + 1.3) ** 2 / ((x - 0.3) ** 2 + 0.5),
    "oscillator": lambda x: (1.1 - x**2) / ((1.1 - x**2) ** 2 + 0.3 * x**2),
    "loss": lambda x: x / ((x**2 - 1.2) ** 2 + 0.4 * x**2),
}


def least_rest(starts, x, y, names=("x",)):
    """Largest rest of the best candidate, with a factor of its own, over the largest y."""
    rests = [np.inf]
    for code, constants in starts:
        (program,) = terms_of(code, constants, names)
        with np.errstate(all="ignore"):
            values = evaluate(program, dict(zip(names, np.atleast_2d(x), strict=True)))
            rest = values * (y @ values) / (values @ values) - y
        rests.append(np.abs(rest).max() if np.isfinite(rest).all() else np.inf)
    return min(rests) / np.abs(y).max()


def data_of(x, y, names=("x",)):
    return SearchData(np.atleast_2d(x), y, np.ones(len(y)), False, names)


def pairs(starts):
    return [(start.code, start.constants) for start in starts]


def further(data, unary=UNARY, binary=BINARY, allows=None, goes_on=lambda done, so_far: True):
    pool = candidate_laws(len(data.x), 14, unary, binary, 1, None)
    more, fitted = with_further_laws(data, pool, NOTHING, unary, binary, allows, goes_on)
    return [
        (more.programs[row, : more.lengths[row]].tolist(), constants.tolist())
        for row, constants in zip(fitted.rows, fitted.constants, strict=True)
    ]


@pytest.mark.parametrize("name", PREFACTORS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_factor_times_a_function_of_a_sum_is_found(name, sign):
    x = np.random.default_rng(1).uniform(0.2, 1.9, 80)
    y = sign * 2.0 * PREFACTORS[name](x)
    found = further(data_of(x, y), (*UNARY, "sin", "cos"))
    assert least_rest(found, x, y) < 1e-6


def test_two_variables_share_a_factor():
    p, q = np.random.default_rng(2).uniform(0.1, 3.0, (2, 120))
    y = 1.5 * p * q / (1 + 0.7 * p + 1.3 * q) ** 2
    data = data_of([p, q], y, ("p", "q"))
    pool = candidate_laws(2, 12, UNARY, BINARY, 1, None)
    starts = prefactor_laws(data, pool, UNARY, BINARY, lambda: True)
    best = min(starts, key=lambda start: start.cost)
    assert least_rest(pairs([best]), [p, q], y, ("p", "q")) < 1e-6


@pytest.mark.parametrize("name", RATIOS)
def test_quotients_of_sums_are_solved_without_a_start(name):
    x = np.random.default_rng(3).uniform(-2.5, 2.5, 90)
    y = 0.7 * RATIOS[name](x)
    assert least_rest(pairs(ratio_laws(data_of(x, y), UNARY, BINARY)), x, y) < 1e-6


def test_quotients_of_two_variables_and_roots_of_quotients():
    s, i = np.random.default_rng(9).uniform(0.1, 3.0, (2, 90))
    y = 2.0 * (s + 0.4 * i) / (s + 0.8 + 0.9 * i)
    found = ratio_laws(data_of([s, i], y, ("s", "i")), UNARY, BINARY)
    assert least_rest(pairs(found), [s, i], y, ("s", "i")) < 1e-6
    y = np.sqrt((s**2 + 0.4) / (s**2 + 1.7))
    assert least_rest(pairs(ratio_laws(data_of(s, y), UNARY, BINARY)), s, y) < 1e-6


def test_one_constant_where_the_square_of_a_sum_will_do():
    g, t = np.random.default_rng(4).uniform([[-2.5], [0.3]], [[0.5], [1.2]], (2, 120))
    y = np.exp(-((g + 0.9) ** 2) / (2.2 * t))
    starts = square_laws(data_of([g, t], y, ("g", "T")), UNARY, BINARY)
    best = min(starts, key=lambda start: start.cost)
    assert best.constants == pytest.approx((0.9, -1 / 2.2), abs=1e-8)
    assert least_rest(pairs([best]), [g, t], y, ("g", "T")) < 1e-6


def test_a_share_brings_what_is_left_of_the_whole():
    p = np.random.default_rng(5).uniform(0.02, 0.98, 90)
    q = 1 - p
    y = 0.7 * p * np.log(p) + 1.4 * q * np.log(q) + 2.0 * p * q
    pool = candidate_laws(1, 12, UNARY, BINARY, 2, None)
    best = min(linear_laws(data_of(p, y), pool, 3), key=lambda law: law.description_length)
    assert sorted(best.constants) == pytest.approx([0.7, 1.4, 2.0], abs=1e-6)
    outside = linear_laws(data_of(p + 0.5, y), pool, 3)
    assert not any(1 in term.program[:-1] for law in outside for term in law.terms)


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(unary=("exp", "square", "inv"), highest_price=16),
        SearchOptions(unary=("exp", "log"), binary=("add", "mul")),
        SearchOptions(unary=("inv", "square", "sqrt"), binary=("add", "mul", "div"),
                      largest_size=8),
    ],
)  # fmt: skip
def test_limits_are_kept(options):
    x = np.random.default_rng(6).uniform(0.2, 1.9, 60)
    y = 1 / (x * (0.7 + x) ** 2)
    found = further(data_of(x, y), options.unary, options.binary, options.allows)
    programs = [terms_of(code, constants, ("x",))[0] for code, constants in found]
    assert all(options.allows(program) for program in programs)


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(7)
    x = rng.uniform(0.2, 1.9, 80)
    y = PREFACTORS["halo"](x)
    y = y + 0.01 * np.std(y) * rng.standard_normal(80)
    order = rng.permutation(80)
    first, second = (
        find_laws(data_of(x[rows], y[rows]), SearchOptions(highest_price=15)).laws[0]
        for rows in (np.arange(80), order)
    )
    assert first.structure == second.structure
    assert first.constants == pytest.approx(second.constants, rel=1e-5)


def test_a_stop_hands_back_what_there_is():
    x = np.random.default_rng(8).uniform(0.2, 1.9, 80)
    data = data_of(x, PREFACTORS["halo"](x))
    asked = []

    def goes_on(done, so_far):
        asked.append(done)
        return False

    further(data, goes_on=goes_on)
    assert 0 < len(asked) < 4
    assert set(asked) == {0.75}


def test_an_interrupt_in_this_stage_hands_back_the_best_so_far(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("physlearn.inference.law_search.further_laws.ratio_laws", interrupted)
    x = np.random.default_rng(10).uniform(0.2, 1.9, 60)
    data = data_of(x, PREFACTORS["damped wave"](x))
    outcome = find_laws(data, SearchOptions(highest_price=8))
    assert outcome.laws
    assert outcome.laws[0].loss <= np.var(data.y)
    assert any("stopped" in warning for warning in outcome.warnings)


def test_the_stage_is_left_out_where_a_short_law_says_all(monkeypatch):
    def unused(*_):
        raise AssertionError

    monkeypatch.setattr(
        "physlearn.inference.law_search.expression_search.with_further_laws", unused
    )
    rng = np.random.default_rng(11)
    x = rng.uniform(0.5, 2.0, 60)
    y = 3.0 / x
    for noise in (0.0, 0.02):
        laws = find_laws(data_of(x, y + noise * rng.standard_normal(60))).laws
        assert laws[0].terms[0].program == ("x", "inv")


@pytest.mark.parametrize(
    "y", [np.zeros(60), np.full(60, 2.5), np.r_[np.zeros(20), np.ones(40)]], ids=("0", "c", "step")
)
def test_flat_targets_break_nothing(y):
    x = np.linspace(0.5, 4.0, 60)
    for code, constants in further(data_of(x, y)):
        assert np.isfinite(constants).all() and len(code)


def test_tiny_and_zero_numbers_break_nothing():
    x = np.random.default_rng(12).uniform(0.2, 1.9, 60)
    y = PREFACTORS["halo"](x)
    for small in (0.0, 1e-160, 1e-300):
        x[0] = small
        with np.errstate(all="ignore"):  # as in a search
            found = further(data_of(x, y))
        for code, constants in found:
            assert np.isfinite(constants).all() and len(code)


def test_the_order_of_the_columns_does_not_matter():
    rng = np.random.default_rng(13)
    p, q = rng.uniform(0.1, 3.0, (2, 120))
    y = 1.5 * p * q / (1 + 0.7 * p + 1.3 * q) ** 2
    y = y + 0.01 * np.std(y) * rng.standard_normal(120)
    pool = candidate_laws(2, 12, UNARY, BINARY, 1, None)
    costs = []
    for columns, names in (([p, q], ("p", "q")), ([q, p], ("q", "p"))):
        data = data_of(columns, y, names)
        starts = [*prefactor_laws(data, pool, UNARY, BINARY, lambda: True),
                  *ratio_laws(data, UNARY, BINARY), *square_laws(data, UNARY, BINARY)]  # fmt: skip
        costs.append(sorted(start.cost for start in starts)[:12])
    assert costs[0] == pytest.approx(costs[1], abs=1e-6)
