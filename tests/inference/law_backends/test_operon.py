"""Operon's fronts become our laws: measured by ours, seeded, stopped, refused where absent."""

import importlib.util

import numpy as np
import pytest

from physlearn.checks import BackendUnavailable, InputError
from physlearn.inference.law_backends import operon as backend
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.search_options import SearchOptions
from physlearn.inference.laws.expression import evaluate
from physlearn.inference.laws.regressor_options import RegressorOptions
from physlearn.inference.laws.symbolic import SymbolicRegressor

X = np.random.default_rng(3).uniform(0.5, 2.0, (2, 80))
Y = 2.5 * X[0] * X[1] + 0.01 * np.random.default_rng(4).standard_normal(80)
DATA = SearchData(X, Y, np.ones(80), False, ("a", "b"))
installed = pytest.mark.skipif(
    importlib.util.find_spec("pyoperon") is None, reason="pyoperon is not installed"
)
RECORDED = [  # as pyoperon 0.6.2 writes them
    "(0.0882249251 + (0.9980903864 * ((((-1.0021619797) * v1) ^ 2) + (0.5664764047 * v0))))",
    "(0.0000000001 + (1.0000000000 * ((2.4 * v0) * v1)))",
    "(38.4000663757 + ((-37.1338653564) * sqrt(cos((0.3183098733 * v1)))))",
    "cbrt((2.2489056587 * v0))",
    "(1.5e-3 + exp(((-0.5) * v0)))",
]


def test_recorded_text_is_read_with_its_numbers():
    program = backend.program_of_operon(RECORDED[0], ["a", "b"])
    a, b = X
    wanted = 0.0882249251 + 0.9980903864 * ((-1.0021619797 * b) ** 2 + 0.5664764047 * a)
    np.testing.assert_allclose(evaluate(program, DATA.columns), wanted, rtol=1e-12)
    assert backend.program_of_operon(RECORDED[1], ["a", "b"]) == (2.4, "a", "mul", "b", "mul")
    with pytest.raises(InputError, match="cbrt"):
        backend.program_of_operon(RECORDED[3], ["a", "b"])


def test_a_recorded_front_becomes_laws_with_our_constants():
    laws = backend.laws_of_front(DATA, RECORDED)
    best = laws[0]
    assert best.structure == frozenset({("a", "b", "mul")})
    assert best.constants == pytest.approx([2.5], abs=0.005)
    assert [law.description_length for law in laws] == sorted(
        law.description_length for law in laws
    )


def test_without_pyoperon_there_is_a_recipe(monkeypatch):
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install 'pyoperon"):
        SymbolicRegressor(backend="operon").fit(X.T, Y)


@installed
def test_equal_seeds_give_equal_laws_and_the_product_is_found():
    options = RegressorOptions(n_evaluations=10_000)
    tables = [
        SymbolicRegressor("operon", rng=1, variables=["a", "b"], options=options)
        .fit(X.T, Y).equations_.table for _ in range(2)
    ]  # fmt: skip
    assert tables[0].equals(tables[1])
    assert tables[0]["loss"][0] < 2e-4


@installed
def test_stop_hands_back_what_there_is():
    options = SearchOptions(stop=lambda: True)
    outcome = backend.evolve_laws(DATA, options, n_evaluations=10_000, seed=2)
    assert outcome.laws
    assert "stopped after 20%" in outcome.warnings[0]
