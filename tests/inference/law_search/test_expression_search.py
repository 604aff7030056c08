"""Planted laws come back with their constants; noise alone is no law; a search can be stopped."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search import expression_search
from physlearn.inference.law_search.expression_search import (
    SearchOptions,
    find_laws,
    measure_law,
    search_laws,
)
from physlearn.inference.law_search.program_prices import price_of_program
from physlearn.inference.law_search.refinement import polish
from physlearn.inference.law_search.same_law import same_law
from physlearn.inference.laws.equation import Equation, Term

X = np.linspace(0.5, 3.0, 80)
SMALL = SearchOptions(highest_price=13)


def data_of(y, noise=None, x=X):
    weight = np.ones(y.size) if noise is None else np.full(y.size, 1 / noise**2)
    names = ("x", "z")[: np.atleast_2d(x).shape[0]]
    return SearchData(np.atleast_2d(x), y, weight, noise is not None, names)


def noisy(truth, seed, x=X, part=0.01):
    values = truth.predict(dict(zip(("x", "z"), np.atleast_2d(x), strict=False)))
    noise = part * values.std()
    return values + noise * np.random.default_rng(seed).standard_normal(values.size), noise


def law(*terms):
    return Equation(tuple(Term(c, p) for c, p in terms), 0.0, 0.0, 0)


PLANTED = {
    "Arrhenius": law((3.0, ("x", "inv", -1.7, "mul", "exp"))),
    "Curie and Weiss": law((1.3, ("x", -0.2, "add", "inv"))),
    "decay on a background": law((2.0, ("x", -1.1, "mul", "exp")), (0.7, (1,))),
    "power": law((1.7, ("x", 1.37, "pow"))),
    "Langmuir": law((2.0, ("x", "x", 0.9, "add", "div"))),
    "Vogel, Fulcher, Tammann": law((1.2, ("x", -0.3, "add", "inv", 0.8, "mul", "exp"))),
    "Gauss": law((1.2, ("x", -1.6, "add", "square", -1.9, "mul", "exp"))),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("known", [True, False])
def test_planted_laws_come_back(name, known):
    truth = PLANTED[name]
    y, noise = noisy(truth, seed=11)
    found = search_laws(data_of(y, noise if known else None))
    assert same_law(found[0], truth, {"x": X}), [str(one.sympy()) for one in found[:3]]
    sd = np.sqrt(np.diag(found[0].covariance))
    assert (sd > 0).all()
    assert found[0].noise_sd == pytest.approx(noise, rel=0.4)
    lengths = [one.description_length for one in found]
    assert lengths == sorted(lengths)


def test_lennard_jones_comes_back_with_exact_exponents():
    x = np.linspace(0.95, 2.0, 80)
    truth = law((1.0, ("x", 12, "pow", "inv")), (-2.0, ("x", 6, "pow", "inv")))
    y, _ = noisy(truth, seed=3, x=x)
    best = search_laws(data_of(y, x=x))[0]
    assert same_law(best, truth, {"x": x}), str(best.sympy())
    assert best.n_constants == 2
    sd = np.sqrt(np.diag(best.covariance))
    assert np.abs(np.sort(best.constants) - [-2.0, 1.0]) == pytest.approx(0.0, abs=4 * sd.max())


def test_a_fitted_exponent_becomes_exact_where_the_data_allow_it():
    y, _ = noisy(law((1.4, ("x", 5, "pow"))), seed=5)
    found = search_laws(data_of(y), SearchOptions(highest_price=9, unary=("exp",), n_terms=1))
    assert found[0].n_constants == 1
    assert found[0].terms[0].program == ("x", 5, "pow")
    y, _ = noisy(law((1.4, ("x", 1.37, "pow"))), seed=5)
    assert search_laws(data_of(y), SMALL)[0].n_constants == 2


def test_two_variables():
    x = np.random.default_rng(1).uniform(0.5, 2.5, (2, 150))
    truth = law((1.5, ("x", 1.6, "pow", "z", "inv", -1.2, "mul", "exp", "mul")))  # creep
    y, _ = noisy(truth, seed=2, x=x)
    best = search_laws(data_of(y, x=x))[0]
    assert same_law(best, truth, {"x": x[0], "z": x[1]}), str(best.sympy())


def test_noise_alone_is_hardly_ever_a_law():
    claims = 0
    for seed in range(20):
        generator = np.random.default_rng((seed, 8))
        y = (seed % 2) + 0.3 * generator.standard_normal(X.size)
        # What noise looks like most is short: longer laws change no margin here
        options = SearchOptions(highest_price=9, n_terms=2)
        best = find_laws(data_of(y, 0.3 if seed % 3 else None), options).laws[0]
        claims += any(term.program != (1,) for term in best.terms)
    assert claims <= 1  # 0 of 60 were measured: at most 5 %, and 1 of 20 is no surprise


def test_points_of_less_noise_count_more():
    y = 2.0 * X
    y[50:] += 4.0
    weight = np.where(np.arange(80) < 50, 1e4, 1e-8)
    best = search_laws(SearchData(X[None], y, weight, True, ("x",)), SMALL)[0]
    assert best.terms[0].program == ("x",)
    assert float(best.terms[0].coefficient) == pytest.approx(2.0, abs=1e-2)


def test_a_search_is_stopped_with_what_there_is():
    y, _ = noisy(PLANTED["Arrhenius"], seed=4)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 3

    outcome = find_laws(data_of(y), SearchOptions(stop=stop))
    assert "stopped after" in outcome.warnings[0]
    assert outcome.laws
    assert np.isfinite(outcome.laws[0].description_length)


@pytest.mark.parametrize("late", [0, 6])
def test_ctrl_c_hands_back_the_best_so_far(monkeypatch, late):
    y, _ = noisy(PLANTED["Arrhenius"], seed=4)
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > late:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(expression_search._Watch, "__call__", interrupted)
    outcome = find_laws(data_of(y))
    assert "stopped after" in outcome.warnings[0]
    assert outcome.laws


def test_progress_tells_the_best_law_so_far(monkeypatch):
    monkeypatch.setattr(expression_search, "REPORT_EVERY_S", -1.0)
    told = []
    y, _ = noisy(PLANTED["Arrhenius"], seed=4)
    options = SearchOptions(highest_price=13, progress=lambda done, text: told.append((done, text)))
    find_laws(data_of(y), options)
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1
    assert "x" in told[-1][1]


def test_constraints_remove_laws_and_say_so():
    y, _ = noisy(PLANTED["power"], seed=4)

    def no_power(found):
        return "it holds a power" if any("pow" in t.program for t in found.terms) else None

    outcome = find_laws(data_of(y), SearchOptions(highest_price=13, constraints=no_power))
    assert outcome.laws
    assert not any("pow" in term.program for one in outcome.laws for term in one.terms)
    assert "broke a constraint" in outcome.warnings[0]
    assert "it holds a power" in outcome.warnings[0]


def test_only_chosen_operations_are_used():
    y, _ = noisy(PLANTED["Curie and Weiss"], seed=4)
    found = search_laws(
        data_of(y), SearchOptions(highest_price=13, unary=("exp",), binary=("add", "mul"))
    )
    words = {t for one in found for term in one.terms for t in term.program if isinstance(t, str)}
    assert not words & {"log", "sqrt", "sin", "div"}


LIMITED = {
    "sum": (1, lambda x, z: 1 / (0.3 + 2 * x + 0.5 / x)),
    "power": (1, lambda x, z: x**4),
    "product": (2, lambda x, z: x**1.6 * np.exp(-z)),
}


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(largest_size=5, highest_price=15), SearchOptions(highest_price=9),
        SearchOptions(highest_price=13, unary=("exp", "inv"), binary=("add", "mul")),
    ],
)  # fmt: skip
def test_limits_bind_every_law(name, options):
    count, truth = LIMITED[name]
    generator = np.random.default_rng(2)
    x = generator.uniform(0.5, 2.5, (2, 60))
    y = truth(*x) * (1 + 0.01 * generator.standard_normal(60))
    laws = search_laws(data_of(y, x=x[:count]), options)
    terms = [term.program for one in laws for term in one.terms if term.program != (1,)]
    assert terms
    assert max(len(program) for program in terms) <= (options.largest_size or 99)
    assert max(round(price_of_program(program, 1)) for program in terms) <= options.highest_price
    if "pow" not in options.binary:
        words = {token for program in terms for token in program if isinstance(token, str)}
        assert words <= {"x", "z", "exp", "inv", "add", "sub", "mul", "div", "neg"}


@pytest.mark.parametrize("seed", range(2))
def test_a_logarithm_of_years_is_no_cheap_difference(seed):
    x = np.linspace(2000.0, 2020.0, 60)
    truth = law((2.0, ("x", -1999.5, "add", "inv")))
    y = truth.predict({"x": x})
    y *= 1 + 0.003 * np.random.default_rng(seed).standard_normal(x.size)
    data = data_of(y, x=x)
    best = search_laws(data, SearchOptions(highest_price=13))[0]
    assert same_law(best, truth, {"x": x}), str(best.sympy())
    other = [Term(0.000999, ("x", "log", -7.60065, "add", "inv"))]
    mimic = polish(data, measure_law(data, other))
    assert mimic.description_length > best.description_length + 1.0


def test_negative_values_leave_what_is_defined():
    x = np.linspace(-2.0, 2.0, 60)
    y, _ = noisy(law((1.5, ("x", "square")), (0.4, (1,))), seed=6, x=x)
    outcome = find_laws(data_of(y, x=x), SMALL)
    assert same_law(outcome.laws[0], law((1.5, ("x", "square")), (0.4, (1,))), {"x": x})
    assert outcome.warnings[-1].startswith("x goes down to -2: laws with log, sqrt, powers")
    assert not find_laws(data_of(1.5 * X), SMALL).warnings


def test_data_without_noise_give_the_law_to_rounding():
    found = search_laws(data_of(2.5 / X), SMALL)[0]
    assert found.terms[0].program == ("x", "inv")
    assert found.constants[0] == pytest.approx(2.5, rel=1e-12)
    assert found.n_constants == 1


def test_measured_laws_are_on_the_scale_of_the_search():
    y, _ = noisy(PLANTED["Arrhenius"], seed=4)
    data = data_of(y)
    best = search_laws(data, SMALL)[0]
    again = measure_law(data, best.terms)
    assert again.description_length == pytest.approx(best.description_length)
    assert again.loss == pytest.approx(best.loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unary": ("sinh",)}, "unary may hold"), ({"binary": ("mod",)}, "binary may hold"),
        ({"n_terms": 4}, "n_terms must be 1, 2 or 3"), ({"n_kept": 0}, "n_kept must be a whole"),
        ({"highest_price": 0}, "highest_price must be a whole"),
    ],
)  # fmt: skip
def test_bad_options_get_one_sentence(options, message):
    with pytest.raises(InputError, match=message):
        SearchOptions(**options)
