"""Known laws come back; what cannot be told apart stays; scikit-learn's manners."""

import shutil
import sys

import numpy as np
import pytest
import sympy
from sklearn.exceptions import NotFittedError

from physlearn.checks import BackendUnavailable, InputError
from physlearn.inference.law_backends import pysr
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.expression import evaluate
from physlearn.inference.laws.expression_text import from_sympy
from physlearn.inference.laws.regressor_options import RegressorOptions
from physlearn.inference.laws.symbolic import SymbolicRegressor

X1 = np.linspace(0.5, 4.0, 60)
LAWS = {
    "a*x": (lambda x: 2.5 * x, [("x0",)]),
    "a*exp(-b/x)": (lambda x: 3 * np.exp(-1.7 / x), [("x0", "inv", "c", "mul", "exp")]),
    "a*x**b": (lambda x: 1.7 * x**1.6, [("x0", "c", "pow")]),
    "c+a*exp(-b*x**2)": (
        lambda x: 1 + 3 * np.exp(-0.8 * x**2), [("x0", "square", "c", "mul", "exp"), ("c",)]
    ),
    "a/(1+(x/b)**2)": (lambda x: 2 / (1 + (x / 1.5) ** 2), [("x0", "square", "c", "add", "inv")]),
}  # fmt: skip


def one_percent(values, seed):
    noise = 0.01 * np.std(values)
    return values + noise * np.random.default_rng(seed).standard_normal(values.size), noise


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("known", [True, False])
def test_known_laws_come_back_at_one_percent_noise(name, known):
    law, structure = LAWS[name]
    y, noise = one_percent(law(X1), seed=4)
    found = SymbolicRegressor(noise=noise if known else None).fit(X1[:, None], y).equations_
    index = found.index_of(structure)
    assert index == 0, found.credible_set().to_string()
    np.testing.assert_allclose(found.predict(X1[:, None]), law(X1), atol=4 * noise)


def test_a_plane_in_two_variables_comes_back_with_its_constants():
    x = np.random.default_rng(1).uniform(-1, 2, (80, 2))
    y, noise = one_percent(0.5 * x[:, 0] - 0.4 * x[:, 1], seed=2)
    found = SymbolicRegressor(noise=noise, variables=["drive", "curvature"]).fit(x, y).equations_
    assert found.index_of([["drive"], ["curvature"]]) == 0
    numbers = {term.program: term.coefficient for term in found.best.terms}
    error = noise / np.sqrt(80)
    assert numbers[("drive",)] == pytest.approx(0.5, abs=5 * error)
    assert numbers[("curvature",)] == pytest.approx(-0.4, abs=5 * error)


def test_laws_that_the_data_cannot_tell_apart_share_the_weight():
    x = np.linspace(1.0, 1.3, 20)
    y = np.exp(0.3 * x) + 0.02 * np.random.default_rng(3).standard_normal(20)
    found = SymbolicRegressor(noise=0.02).fit(x[:, None], y).equations_
    assert len(found.credible_set()) >= 3
    table = found.table
    assert table["weight"].sum() == pytest.approx(1.0)
    assert (table["description_length"].diff().dropna() >= 0).all()
    ranges = found.discriminating_ranges
    assert ranges["law"].nunique() <= found.n_credible() - 1
    assert (ranges["difference_over_noise"] >= 0).all()


def test_noise_that_is_too_small_is_said():
    y = 2 * X1 + 0.3 * np.random.default_rng(0).standard_normal(60)
    found = SymbolicRegressor(noise=0.01).fit(X1[:, None], y).equations_
    assert any("times the noise" in text for text in found.warnings)


def test_noisy_points_count_less():
    y = 2.0 * X1
    noise = np.full(60, 0.01)
    y[40:] += 5.0
    noise[40:] = 1e3
    found = SymbolicRegressor(noise=noise).fit(X1[:, None], y).equations_
    assert found.index_of([["x0"]]) == 0
    assert found.best.terms[0].coefficient == pytest.approx(2.0, abs=1e-3)


def test_scikit_learn_can_clone_and_cross_validate():
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    model = SymbolicRegressor(largest_size=3, options=RegressorOptions(n_terms=1))
    copy = clone(model.set_params(target="z"))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "equations_")
    scores = cross_val_score(copy, X1[:, None], 2 / X1, cv=3)
    assert (scores > 0.999).all()
    fitted = copy.fit(X1[:, None], 2 / X1)
    assert fitted is copy
    assert (fitted.n_features_in_, fitted.equations_.target) == (1, "z")


def test_pysr_without_julia_is_refused_before_it_is_imported(monkeypatch):
    monkeypatch.setattr(pysr, "find_julia", lambda: None)
    with pytest.raises(BackendUnavailable, match="needs Julia"):
        SymbolicRegressor(backend="pysr").fit(X1[:, None], X1)
    assert "pysr" not in sys.modules
    assert "juliacall" not in sys.modules


def test_a_recorded_table_of_pysr_becomes_laws():
    x = sympy.Symbol("x0")
    recorded = [  # the column sympy_format of PySRRegressor.equations_
        sympy.Float(4.1), 2.5 * x, x**2 * 0.7 + sympy.exp(-x) / 3, sympy.sqrt(x) - sympy.log(x),
        sympy.tan(x), x ** sympy.Float(1.3),
    ]  # fmt: skip
    y = 2.5 * X1 + 0.01 * np.random.default_rng(0).standard_normal(60)
    laws = pysr.laws_from_sympy(SearchData(X1[None], y, np.ones(60), False, ("x0",)), recorded)
    assert len(laws) == 5  # tan is not in the grammar
    assert str(laws[0].sympy()).startswith("2.5")
    for expression in recorded[1:4]:
        values = evaluate(from_sympy(expression), {"x0": X1})
        np.testing.assert_allclose(values, sympy.lambdify(x, expression)(X1), rtol=1e-12)


@pytest.mark.skipif(
    pysr.find_julia() is None,
    reason="Julia is not on this machine: the pysr backend is not run",
)
def test_pysr_finds_a_line():
    found = SymbolicRegressor(backend="pysr", largest_size=7, rng=1).fit(X1[:, None], 2.5 * X1)
    assert found.score(X1[:, None], 2.5 * X1) > 0.999
    assert shutil.which("julia")


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (SymbolicRegressor(backend="other"), X1[:, None], "backend must be one of"),
        (SymbolicRegressor(noise=0.0), X1[:, None], "noise must be above 0"),
        (SymbolicRegressor(variables=["a", "b"]), X1[:, None], "1 different names"),
        (SymbolicRegressor(variables=["a b"]), X1[:, None], "must be names"),
        (SymbolicRegressor(), X1, "Expected 2D array"),
        (SymbolicRegressor(), X1[:3, None], "minimum of 5"),
    ],
)
def test_bad_arguments_get_one_sentence(model, x, message):
    with pytest.raises(InputError, match=message):
        model.fit(x, X1)
    with pytest.raises(NotFittedError, match="call fit first"):
        SymbolicRegressor().predict(X1[:, None])
