"""Series that share constants: against one big least-squares fit, separate fits, and coverage."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from physlearn.checks import InputError
from physlearn.inference.law_data.grouped_laws import fit_grouped_law
from physlearn.inference.law_data.noise_models import NoiseModel
from physlearn.inference.law_data.template_forms import TemplateOptions
from physlearn.inference.law_data.templates import fit_template

FEW = TemplateOptions(n_starts=40)
X = np.tile(np.linspace(0.3, 3.0, 6), 5)
GROUPS = np.repeat(np.arange(5), 6)
AMPLITUDE = np.array([1.0, 2.0, 0.5, 4.0, 3.0])
FORM = "A*exp(-k*x) + c"


def world(seed, sd=0.05, rates=None):
    rng = np.random.default_rng(seed)
    rate = np.full(5, 0.8) if rates is None else np.asarray(rates)
    clean = AMPLITUDE[GROUPS] * np.exp(-rate[GROUPS] * X) + 0.3
    return clean + sd * rng.standard_normal(X.size)


def test_shared_and_own_constants_are_those_of_one_least_squares():
    y = world(1)
    law = fit_grouped_law(FORM, {"x": X}, y, GROUPS, ["A"], options=FEW)

    def whole(x, k, c, *amplitudes):
        return np.array(amplitudes)[GROUPS] * np.exp(-k * x) + c

    best, covariance = curve_fit(whole, X, y, [0.8, 0.3, *AMPLITUDE])
    assert law.shared.index.tolist() == ["k", "c"]
    found = np.concatenate([law.shared["value"], law.own["value"]])
    np.testing.assert_allclose(found, best, rtol=1e-4)
    errors = np.concatenate([law.shared["sd"], law.own["sd"]])
    np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=0.1)
    predicted = law.predict({"x": X[:6]}, 3)
    np.testing.assert_allclose(predicted, whole(X, *best)[GROUPS == 3], rtol=1e-4)


def test_all_own_is_separate_fits():
    y = world(2, 0.02)
    noise = NoiseModel(sd=0.02)
    law = fit_grouped_law("A*exp(-k*x)", {"x": X}, y - 0.3, GROUPS, ["A", "k"], noise, FEW)
    assert law.shared.empty
    for group in range(5):
        part = group == GROUPS
        alone = fit_template("A*exp(-k*x)", {"x": X[part]}, y[part] - 0.3, noise, FEW)
        rows = law.own[law.own["group"] == group]
        np.testing.assert_allclose(rows["value"], alone.constants["value"], rtol=1e-4)
        np.testing.assert_allclose(rows["sd"], alone.constants["sd"], rtol=1e-3)


def test_the_evidence_tells_whether_a_constant_is_shared():
    def odds(y):
        noise = NoiseModel(sd=0.05)
        columns = {"x": X}
        together = fit_grouped_law("A*exp(-k*x) + 0.3", columns, y, GROUPS, ["A"], noise, FEW)
        apart = fit_grouped_law("A*exp(-k*x) + 0.3", columns, y, GROUPS, ["A", "k"], noise, FEW)
        return together.log_evidence - apart.log_evidence

    assert odds(world(3)) > 2.0
    assert odds(world(3, rates=[0.4, 0.8, 1.2, 0.6, 1.0])) < -10.0


def test_the_shared_constant_is_covered():
    n, inside = 20, 0
    start = TemplateOptions(start={"k": 0.7}, n_starts=2)
    for seed in range(n):
        y = world(seed + 100)
        row = fit_grouped_law(FORM, {"x": X}, y, GROUPS, ["A"], options=start).shared.loc["k"]
        inside += bool(row["low"] < 0.8 < row["high"])
    low, high = stats.binom.ppf([0.001, 0.999], n, 0.9)
    assert low <= inside <= high


def test_labels_may_be_words_in_any_order():
    order = np.random.default_rng(4).permutation(X.size)
    y = world(1)
    words = [f"sample {group}" for group in GROUPS[order]]
    law = fit_grouped_law(FORM, {"x": X[order]}, y[order], words, ["A"], options=FEW)
    same = fit_grouped_law(FORM, {"x": X}, y, GROUPS, ["A"], options=FEW)
    np.testing.assert_allclose(law.shared["value"], same.shared["value"], rtol=1e-5)
    with pytest.raises(InputError, match="group must be one of sample"):
        law.predict({"x": X}, "another")


@pytest.mark.parametrize(
    ("groups", "own", "said"),
    [
        (GROUPS[:-1], ["A"], "one label a point, 30; got 29"),
        (np.zeros(30), ["A"], "at least 2 different"),
        (GROUPS, ["q"], "own must be a list of constants"),
        (GROUPS, "A", "own must be a list"),
        (np.arange(30), ["A"], "30 points for 32 constants of 30 series"),
        (np.where(X > 2.9, np.nan, GROUPS), ["A"], "a label for every point, got nan in row 5"),
    ],
)
def test_groups_that_cannot_be_used_are_refused(groups, own, said):
    with pytest.raises(InputError, match=said):
        fit_grouped_law(FORM, {"x": X}, world(1), groups, own)
