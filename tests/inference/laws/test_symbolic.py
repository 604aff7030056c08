"""Known laws come back; what cannot be told apart stays; scikit-learn's manners."""

import shutil
import sys

import numpy as np
import pytest
import sympy

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets.synthetic.synthetic_walls import make_wall_video
from physlearn.datasets.walls.track_walls import track_walls
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import (
    LARGEST_EXPONENT,
    OPERATIONS,
    evaluate_program,
    fit_programs,
)
from physlearn.inference.law_search.expression_search import enumerate_skeletons
from physlearn.inference.laws import symbolic
from physlearn.inference.laws.equation import Term
from physlearn.inference.laws.symbolic import SymbolicRegressor, laws_from_sympy, term_from_sympy
from physlearn.inference.walls.wall_law import discover_wall_law

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
    assert len(ranges) == len(found.credible_set()) - 1
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


def test_the_planted_wall_law_is_in_the_credible_set():
    laws = discover_wall_law(track_walls(make_wall_video(rng=21).video))
    place = laws.index_of([["drive"], ["curvature"]])
    assert place is not None
    assert place < len(laws.credible_set())
    numbers = {term.program: term.coefficient for term in laws.equations[place].terms}
    # 4 sigma of the scatter over 8 films: .0015 and .009
    assert numbers[("drive",)] == pytest.approx(0.5, abs=0.006)
    assert numbers[("curvature",)] == pytest.approx(-0.4, abs=0.04)


def test_kernels_equal_their_plain_python_forms():
    skeletons = enumerate_skeletons(1, 5, ("exp", "log", "sqrt", "inv", "square"))
    assert len(skeletons) > 300
    generator = np.random.default_rng(5)
    x, constants = generator.uniform(0.5, 2, (1, 9)), np.array([0.7, -1.2])
    picked = [skeletons[i] for i in generator.choice(len(skeletons), 25, replace=False)]
    programs = np.zeros((25, 5), dtype=np.int64)
    for row, (code, _) in enumerate(picked):
        programs[row, : len(code)] = code
        results = []
        for function in (evaluate_program, evaluate_program.py_func):
            value, slope = np.zeros((6, 9)), np.zeros((6, 2, 9))
            with np.errstate(all="ignore"):
                legal = function(programs[row], len(code), x, constants, value, slope)
            results.append((legal, value[0], slope[0]))
        assert results[0][0] == results[1][0]
        if results[0][0]:
            np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)
            np.testing.assert_allclose(results[0][2], results[1][2], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("code", [[0, OPERATIONS["exp"]], [10, 0, OPERATIONS["pow"]]])
def test_exponents_beyond_the_largest_are_undefined(code):
    program, constants = np.array(code), np.array([np.e, 0.0])
    for exponent, legal in ((0.99 * LARGEST_EXPONENT, True), (1.01 * LARGEST_EXPONENT, False)):
        value, slope = np.zeros((4, 1)), np.zeros((4, 2, 1))
        x = np.array([[exponent]])
        assert evaluate_program(program, len(code), x, constants, value, slope) == legal
        if legal:
            assert value[0, 0] == pytest.approx(np.exp(exponent))


def test_slopes_of_programs_are_derivatives():
    code = [0, 23, 10, OPERATIONS["mul"], 20, 10, OPERATIONS["pow"]]  # exp(c0 / x) ** c1
    program, x = np.array(code), np.linspace(0.8, 2, 7)[None]
    constants = np.array([0.6, 1.4])
    slopes = np.zeros((8, 2, 7))
    evaluate_program(program, 7, x, constants, np.zeros((8, 7)), slopes)
    for place in range(2):
        ends = []
        for step in (1e-6, -1e-6):
            value = np.zeros((8, 7))
            moved = constants + step * np.eye(2)[place]
            evaluate_program(program, 7, x, moved, value, np.zeros((8, 2, 7)))
            ends.append(value[0])
        np.testing.assert_allclose(slopes[0, place], (ends[0] - ends[1]) / 2e-6, rtol=1e-7)


def test_variable_projection_finds_the_least_squares_of_scipy():
    from scipy.optimize import curve_fit

    y = 3 * np.exp(-0.7 * X1) + 0.1 * np.random.default_rng(6).standard_normal(60)
    best, _ = curve_fit(
        lambda x, a, b: a * np.exp(b * x), X1, y, p0=[1, -1], xtol=1e-14, ftol=1e-14
    )
    programs = np.array([[0, 10, OPERATIONS["mul"], OPERATIONS["exp"]]])
    misfit, constants = np.zeros((1, 2)), np.zeros((1, 2, 2))
    fit_programs(
        programs, np.array([4]), np.array([1]), X1[None], y, np.ones(60), np.array([[1.0, 1.0]]),
        60, misfit, constants,
    )  # fmt: skip
    assert constants[0, 0, 0] == pytest.approx(best[1], rel=1e-5)
    assert misfit[0, 0] == pytest.approx(
        ((y - best[0] * np.exp(best[1] * X1)) ** 2).sum(), rel=1e-9
    )


def test_scikit_learn_can_clone_and_cross_validate():
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    model = SymbolicRegressor(largest_size=3, n_terms=1)
    copy = clone(model.set_params(n_kept=5))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "equations_")
    scores = cross_val_score(copy, X1[:, None], 2 / X1, cv=3)
    assert (scores > 0.999).all()
    fitted = copy.fit(X1[:, None], 2 / X1)
    assert fitted is copy
    assert (fitted.n_features_in_, len(fitted.equations_.equations)) == (1, 5)


def test_pysr_without_julia_is_refused_before_it_is_imported(monkeypatch):
    monkeypatch.setattr(symbolic, "find_julia", lambda: None)
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
    laws = laws_from_sympy(SearchData(X1[None], y, np.ones(60), False, ("x0",)), recorded)
    assert len(laws) == 5  # tan is not in the grammar
    assert str(laws[0].sympy()).startswith("2.5")
    for expression in recorded[1:4]:
        values = Term(1.0, term_from_sympy(expression)).values({"x0": X1})
        np.testing.assert_allclose(values, sympy.lambdify(x, expression)(X1), rtol=1e-12)


@pytest.mark.skipif(
    symbolic.find_julia() is None,
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
        (SymbolicRegressor(n_terms=7), X1[:, None], "n_terms must be 1, 2 or 3"),
        (SymbolicRegressor(noise=0.0), X1[:, None], "noise must be above 0"),
        (SymbolicRegressor(variables=["a", "b"]), X1[:, None], "1 different names"),
        (SymbolicRegressor(variables=["a b"]), X1[:, None], "must be names"),
        (SymbolicRegressor(), X1, "X must have 2 dimension"),
        (SymbolicRegressor(), X1[:3, None], "y must have shape"),
    ],
)
def test_bad_arguments_get_one_sentence(model, x, message):
    with pytest.raises(InputError, match=message):
        model.fit(x, X1)
    with pytest.raises(InputError, match="call fit first"):
        SymbolicRegressor().predict(X1[:, None])
