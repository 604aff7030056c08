"""Known laws come back; scikit-learn's manners; clear sentences for bad input."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.inference.law_data.law_constraints import LawConstraints
from physlearn.inference.law_data.noise_models import NoiseModel
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.regressor_data import law_names
from physlearn.inference.laws.regressor_options import RegressorOptions
from physlearn.inference.laws.symbolic import SymbolicRegressor

X1 = np.linspace(0.5, 4.0, 60)
SHORT = RegressorOptions(n_terms=1, highest_price=8)


def one_percent(values, seed):
    noise = 0.01 * np.std(values)
    return values + noise * np.random.default_rng(seed).standard_normal(values.size), noise


@pytest.mark.parametrize("known", [True, False])
def test_an_arrhenius_law_comes_back_at_one_percent_noise(known):
    truth = 3 * np.exp(-1.7 / X1)
    y, noise = one_percent(truth, seed=4)
    found = SymbolicRegressor(noise=noise if known else None).fit(X1[:, None], y).equations_
    assert found.index_of([("x0", "inv", "c", "mul", "exp")]) == 0
    np.testing.assert_allclose(found.predict(X1[:, None]), truth, atol=4 * noise)


def test_pandas_names_become_variables_and_are_checked():
    table = pd.DataFrame({"drive": X1, "curvature": np.cos(3 * X1)})
    y, _ = one_percent(0.5 * table["drive"] - 0.4 * table["curvature"], seed=2)
    model = SymbolicRegressor(target="velocity", options=RegressorOptions(highest_price=6)).fit(
        table, y
    )
    assert list(model.feature_names_in_) == ["drive", "curvature"]
    assert model.equations_.variables == ("drive", "curvature")
    assert model.equations_.index_of([["drive"], ["curvature"]]) == 0
    with pytest.raises(InputError, match="feature names should match"):
        model.predict(table[["curvature", "drive"]])


def test_scikit_learn_can_clone_pipe_and_cross_validate():
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = SymbolicRegressor(largest_size=3, options=SHORT)
    copy = clone(model.set_params(target="z"))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "equations_")
    assert (cross_val_score(copy, X1[:, None], 2 / X1, cv=3) > 0.999).all()
    piped = make_pipeline(StandardScaler(), copy).fit(X1[:, None], 2 * X1 + 1)
    assert piped.score(X1[:, None], 2 * X1 + 1) == pytest.approx(1.0)
    assert copy.fit(X1[:, None], 2 / X1) is copy


# 30 columns: more than the exhaustive search takes
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "it has 30 columns; the search takes 10",
    "check_all_zero_sample_weights_error": "it has 20 columns; the search takes 10",
    "check_sample_weights_shape": "it repeats 4 rows; a search needs 5 different ones",
    "check_sample_weights_not_overwritten": "it repeats 4 rows; a search needs 5 different ones",
}


@pytest.mark.slow
def test_scikit_learns_own_checks_pass():
    from sklearn.utils.estimator_checks import check_estimator

    model = SymbolicRegressor(
        largest_size=3, options=RegressorOptions(n_terms=1, highest_price=6)
    )  # fmt: skip
    results = check_estimator(
        model, expected_failed_checks=EXPECTED_TO_FAIL, on_fail=None, on_skip=None
    )
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 50


@pytest.mark.parametrize("kind", [InputError, TypeError])
def test_entries_that_are_no_numbers_are_both_kinds_of_error(kind):
    rows = np.arange(20.0).reshape(10, 2).astype(object)
    rows[0, 0] = {"foo": "bar"}
    with pytest.raises(kind, match="must be a string or a real number"):
        SymbolicRegressor().fit(rows, np.arange(10.0))


def test_links_functions_and_constraints_reach_the_search():
    y, _ = one_percent(np.exp(2.0 - X1), seed=1)
    logged = SymbolicRegressor(options=RegressorOptions(link="log", highest_price=8, n_terms=1))
    logged.fit(X1[:, None], y)
    np.testing.assert_allclose(logged.predict(X1[:, None]), np.exp(2.0 - X1), rtol=0.05)
    assert logged.equations_.link == "log"
    own = RegressorOptions(functions={"step": lambda x: 1.0 * (x > 2)}, highest_price=6, n_terms=1)
    jump = SymbolicRegressor(options=own).fit(X1[:, None], 3.0 * (X1 > 2))
    assert jump.equations_.best.variables == {"step_x0"}
    np.testing.assert_allclose(jump.predict([[1.0], [3.0]]), [0.0, 3.0], atol=1e-9)
    none = RegressorOptions(constraints=lambda law: "never", highest_price=6, n_terms=1)
    with pytest.raises(InputError, match="broke a constraint"):
        SymbolicRegressor(options=none).fit(X1[:, None], y)


def test_own_functions_take_the_users_own_columns_everywhere():
    y, _ = one_percent(3.0 * (X1 > 2) + X1, seed=3)
    own = {"step": lambda x: 1.0 * (x > 2)}
    options = RegressorOptions(functions=own, highest_price=5, n_kept=8)
    model = SymbolicRegressor(options=options, noise=0.02).fit(X1[:, None], y)
    found, rows = model.equations_, np.array([[1.0], [3.0]])
    assert found.variables == ("x0",)
    assert found.ranges.shape == (1, 2)
    np.testing.assert_allclose(found.predict(rows), [1.0, 6.0], atol=0.1)
    np.testing.assert_array_equal(model.predict(rows), found.predict(rows))
    assert found.predict_interval(rows, rng=1).shape == (2, 2)
    assert set(found.discriminating_ranges.columns) >= {"law", "x0", "repeats"}
    assert "step_x0" not in found.discriminating_ranges.columns
    assert found.extrapolates(rows + 9.0).all()
    assert r"\mathrm{step}" in found.to_latex() or "step" in found.to_latex()
    names: dict = {}
    exec(found.to_python(), names)  # noqa: S102 - the source is what is tested
    np.testing.assert_allclose(names["y"](rows[:, 0], own["step"]), found.predict(rows))
    again = EquationSet.from_json(found.to_json(), functions=own)
    np.testing.assert_array_equal(again.predict(rows), found.predict(rows))
    with pytest.raises(InputError, match="functions lacks 'step'"):
        EquationSet.from_json(found.to_json()).predict(rows)
    with pytest.raises(InputError, match="second column 'step_x0'"):
        SymbolicRegressor(options=options, variables=["x0", "step_x0"]).fit(
            np.column_stack([X1, np.cos(X1)]), y
        )


def test_one_odd_name_is_renamed_and_the_others_stay():
    table = pd.DataFrame({"drive (V)": X1, "T": np.cos(3 * X1)})
    found = SymbolicRegressor(options=SHORT).fit(table, X1**2).equations_
    assert found.variables == ("drive_V", "T")
    assert "column 'drive (V)' is called drive_V in the laws" in found.warnings
    odd = pd.DataFrame({"drive": X1, "exp": np.cos(3 * X1), "2 theta": X1**3, "a-b": np.sin(X1)})
    assert law_names(None, list(odd), 4)[0] == ["drive", "exp_", "x_2_theta", "a_b"]


def test_errors_and_constraints_of_a_renamed_column_keep_to_it():
    table = pd.DataFrame({"drive (V)": X1})
    noise = NoiseModel(sd=0.2, x_sd={"drive (V)": 0.05})
    y = 2.0 * X1 + 0.2 * np.random.default_rng(1).standard_normal(60)
    rules = LawConstraints({"drive (V)": (0.5, 4.0)}, monotone={"drive (V)": "decreasing"})
    few = RegressorOptions(n_terms=1, highest_price=4, n_kept=5)
    found = SymbolicRegressor(noise=noise, options=few).fit(table, y).equations_
    assert found.best.variables == {"drive_V"}
    falling = RegressorOptions(n_terms=1, highest_price=4, constraints=rules)
    fallen = SymbolicRegressor(options=falling).fit(table, y).equations_
    assert all((np.diff(law.predict({"drive_V": X1})) <= 1e-9).all() for law in fallen.equations)


@pytest.mark.parametrize("noise", [None, NoiseModel(sd=0.1), NoiseModel("student", sd=0.1)])
def test_columns_that_tell_nothing_are_said_under_every_noise(noise):
    few = RegressorOptions(n_terms=1, highest_price=4, n_kept=5)
    x = np.column_stack([X1, np.full(60, 7.0), 2.0 * X1 + 1.0])
    y = 3.0 * X1 + 0.1 * np.random.default_rng(2).standard_normal(60)
    found = SymbolicRegressor(noise=noise, options=few).fit(x, y).equations_
    assert any("x1 is constant (7)" in text for text in found.warnings)
    assert any("x2 is a linear function of x0" in text for text in found.warnings)
    np.testing.assert_allclose(found.predict(x), 3.0 * X1, atol=0.1)


def test_a_column_called_y_is_told_from_the_target():
    table = pd.DataFrame({"y": X1, "x": np.cos(3 * X1)})
    found = SymbolicRegressor(options=SHORT).fit(table, X1**2).equations_
    assert (found.target, found.best.variables) == ("target", {"y"})
    assert any("X has a column y" in text for text in found.warnings)
    with pytest.raises(InputError, match="target must not be the name of a column"):
        SymbolicRegressor(options=SHORT, target="x").fit(table, X1**2)


def test_dates_and_text_are_refused_in_one_sentence():
    days = pd.date_range("2020-01-01", periods=60)
    for x in (pd.DataFrame({"t": days, "x": X1}), days.to_numpy()[:, None]):
        with pytest.raises(InputError, match="must hold numbers, got dates or durations"):
            SymbolicRegressor(options=SHORT).fit(x, X1)
    with pytest.raises(InputError, match="column 'kind' of X must hold numbers, got text"):
        SymbolicRegressor(options=SHORT).fit(pd.DataFrame({"kind": ["a"] * 60, "x": X1}), X1)
    with pytest.raises(InputError, match="y must hold numbers, got dates"):
        SymbolicRegressor(options=SHORT).fit(X1[:, None], days - days[0])


def test_stop_keeps_the_best_so_far_and_progress_says_it():
    told = []
    options = RegressorOptions(stop=lambda: True, progress=lambda done, text: told.append(done))
    found = SymbolicRegressor(options=options).fit(X1[:, None], 2 * X1).equations_
    assert found.predict([[2.0]]) == pytest.approx([4.0])
    assert any("stopped" in text for text in found.warnings)


def test_noise_that_is_too_small_is_said():
    y = 2 * X1 + 0.3 * np.random.default_rng(0).standard_normal(60)
    found = SymbolicRegressor(noise=0.01, options=SHORT).fit(X1[:, None], y).equations_
    assert any("times the noise" in text for text in found.warnings)


def test_noisy_points_count_less():
    y, noise = 2.0 * X1, np.full(60, 0.01)
    y[40:] += 5.0
    noise[40:] = 1e3
    found = SymbolicRegressor(noise=noise, options=SHORT).fit(X1[:, None], y).equations_
    assert found.best.predict({"x0": np.array([2.0])}) == pytest.approx([4.0], abs=0.02)
    weighed = SymbolicRegressor(options=SHORT).fit(X1[:, None], y, 1.0 / noise**2).equations_
    assert weighed.best.predict({"x0": np.array([2.0])}) == pytest.approx([4.0], abs=0.02)


def test_columns_that_tell_nothing_are_said():
    x = np.column_stack([X1, 2 * X1 + 1, np.full(60, 7.0)])
    found = SymbolicRegressor(options=SHORT).fit(x, X1**2).equations_
    assert any("x2 is constant (7)" in text for text in found.warnings)
    assert any("x1 is a linear function of x0" in text for text in found.warnings)
    shifted = SymbolicRegressor(unary=("log",), options=SHORT).fit(X1[:, None] - 2, X1).equations_
    assert any("undefined" in text and "x0" in text for text in shifted.warnings)


def test_a_set_survives_json():
    found = SymbolicRegressor(options=SHORT).fit(X1[:, None], 3 * np.exp(-2 / X1)).equations_
    again = EquationSet.from_json(found.to_json())
    assert again.table.equals(found.table)
    np.testing.assert_array_equal(again.predict(X1[:, None]), found.predict(X1[:, None]))


@pytest.mark.parametrize(
    ("model", "x", "y", "message"),
    [
        (SymbolicRegressor(backend="other"), X1[:, None], X1, "backend must be one of"),
        (SymbolicRegressor(noise=0.0), X1[:, None], X1, "noise must be above 0"),
        (SymbolicRegressor(variables=["a", "b"]), X1[:, None], X1, "1 different names"),
        (SymbolicRegressor(variables=["a b"]), X1[:, None], X1, "must be names"),
        (SymbolicRegressor(variables=["lambda"]), X1[:, None], X1, "a Python keyword; use lambda_"),
        (SymbolicRegressor(variables=["exp"]), X1[:, None], X1, "a function of the laws; use exp_"),
        (SymbolicRegressor(), [[1, 2], [3]], X1[:2], r"X must .* 2 number.* row 0 and 1 in row 1"),
        (SymbolicRegressor(), X1[:2, None], [1, [2, 3]], "y must have rows of one length"),
        (SymbolicRegressor(unary=("foo",)), X1[:, None], X1, "unary may hold"),
        (SymbolicRegressor(unary=None), X1[:, None], X1, "unary must be names like"),
        (SymbolicRegressor(unary="exp"), X1[:, None], X1, "unary must be names like"),
        (SymbolicRegressor(largest_size="a"), X1[:, None], X1, "largest_size must be a whole"),
        (SymbolicRegressor(options={"n_kept": 3}), X1[:, None], X1, "options must be Regressor"),
        (SymbolicRegressor(), X1[:, None], ["fast"] * 60, "y must hold numbers, got text"),
        (SymbolicRegressor(), X1, X1, "Expected 2D array"),
        (SymbolicRegressor(), X1[:3, None], X1[:3], "minimum of 5"),
        (SymbolicRegressor(), X1[:9, None], X1, "inconsistent numbers of samples"),
        (SymbolicRegressor(), np.ones((60, 2)), X1, "X must vary in at least one column"),
        (SymbolicRegressor(), np.ones((60, 11)), X1, "at most 10 columns"),
        (SymbolicRegressor(target_unit="m"), X1[:, None], X1, "need units for the variables"),
        (
            SymbolicRegressor(), np.where(X1 > 3.9, np.nan, X1)[:, None], X1,
            "first NaN in row 58",
        ),
        (
            SymbolicRegressor(options=RegressorOptions(link="log")), X1[:, None], X1 - 1,
            "link='log' is defined above 0; got y = -0.5 in row 0",
        ),
    ],
)  # fmt: skip
def test_bad_arguments_get_one_sentence(model, x, y, message):
    with pytest.raises(InputError, match=message):
        model.fit(x, y)
    with pytest.raises(ValueError, match="call fit first"):
        SymbolicRegressor().predict(X1[:, None])


def test_options_are_checked():
    with pytest.raises(InputError, match="n_terms must be 1, 2 or 3"):
        RegressorOptions(n_terms=7)
    with pytest.raises(InputError, match="link must be one of"):
        RegressorOptions(link="cube")


@pytest.mark.parametrize(
    ("x_unit", "y_unit", "message"),
    [
        (1.37e-21, 1.0, "^x0 must be given in a unit.* multiply it by 1e21"),
        (1e15, 1.0, "^x0 must be given in a unit.* multiply it by 1e-15"),
        (1.0, 1e-200, "^y must be given in a unit.* multiply it by 1e2"),
        (1.0, 0.0, "^y must differ from 0 in some row"),
    ],
)
def test_a_unit_that_the_answer_would_depend_on_is_refused(x_unit, y_unit, message):
    y = 2.0 * np.exp(-X1)
    with pytest.raises(InputError, match=message):
        SymbolicRegressor(options=SHORT).fit(X1[:, None] * x_unit, y * y_unit)


def test_only_different_points_that_weigh_fix_constants():
    y, _ = one_percent(2.0 / X1, seed=3)
    few = np.isin(np.arange(X1.size), (0, 12, 24, 36, 48, 59))
    model = SymbolicRegressor(options=RegressorOptions(highest_price=12))
    repeated = np.repeat(np.flatnonzero(few), 5)
    scatter = 1.0 + 0.01 * np.random.default_rng(1).standard_normal(repeated.size)
    for found in (
        model.fit(X1[:, None], y, sample_weight=few),
        model.fit(X1[repeated, None], y[repeated] * scatter),
    ):
        assert max(law.n_constants for law in found.equations_.equations) < 5
    weight = np.where(np.arange(X1.size) < 4, 1.0, 0.0)
    with pytest.raises(InputError, match=r"at least 5 different rows .* got 4: measure"):
        model.fit(X1[:, None], y, sample_weight=weight)
    with pytest.raises(InputError, match=r"at least 5 different rows .* got 3: measure"):
        model.fit(np.repeat(X1[:3], 20)[:, None], y)


@pytest.mark.parametrize("weight", [np.ones(59), np.ones((60, 1)), np.ones((2, 60))])
def test_weights_of_a_wrong_shape_are_refused(weight):
    with pytest.raises(InputError, match=r"sample_weight must have shape \(60,\), got"):
        SymbolicRegressor(options=SHORT).fit(X1[:, None], 2.0 / X1, sample_weight=weight)
