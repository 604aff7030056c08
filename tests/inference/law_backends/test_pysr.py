"""PySR is looked for before it is imported; its tables become laws."""

import shutil
import sys

import numpy as np
import pytest
import sympy

from physlearn.checks import BackendUnavailable
from physlearn.inference.law_backends import pysr as backend
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.symbolic import SymbolicRegressor

X1 = np.linspace(0.5, 4.0, 60)


def test_pysr_without_julia_is_refused_before_it_is_imported(monkeypatch):
    monkeypatch.setattr(backend, "find_julia", lambda: None)
    with pytest.raises(BackendUnavailable, match="needs Julia"):
        SymbolicRegressor(backend="pysr").fit(X1[:, None], X1)
    assert "pysr" not in sys.modules
    assert "juliacall" not in sys.modules


def test_julia_without_pysr_gets_its_own_recipe(monkeypatch):
    monkeypatch.setattr(backend, "find_julia", lambda: "/somewhere/julia")
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install 'pysr"):
        SymbolicRegressor(backend="pysr").fit(X1[:, None], X1)


def test_a_recorded_table_of_pysr_becomes_laws():
    x = sympy.Symbol("x0")
    recorded = [  # the column sympy_format of PySRRegressor.equations_
        sympy.Float(4.1), 2.4 * x, x**2 * 0.7 + sympy.exp(-x) / 3, sympy.sqrt(x) - sympy.log(x),
        sympy.tan(x), x ** sympy.Float(1.3), sympy.Symbol("other") * 2.0,
    ]  # fmt: skip
    y = 2.5 * X1 + 0.01 * np.random.default_rng(0).standard_normal(60)
    laws = backend.laws_from_sympy(SearchData(X1[None], y, np.ones(60), False, ("x0",)), recorded)
    assert 4 <= len(laws) <= 5  # tan is not in the grammar, other is no variable
    line = next(law for law in laws if law.structure == frozenset({("x0",)}))
    assert line.constants == pytest.approx([2.5], abs=0.005)  # refitted, from 2.4


@pytest.mark.skipif(
    backend.find_julia() is None, reason="Julia is not on this machine: pysr is not run"
)
def test_pysr_finds_a_line():
    found = SymbolicRegressor(backend="pysr", largest_size=7, rng=1).fit(X1[:, None], 2.5 * X1)
    assert found.score(X1[:, None], 2.5 * X1) > 0.999
    assert shutil.which("julia")
