"""Laws with units are right in their units, exact where they are, and say what is missing."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.laws.regressor_options import RegressorOptions
from physlearn.inference.laws.symbolic import SymbolicRegressor


def noisy(values, seed, share=0.01):
    return values + share * np.std(values) * np.random.default_rng(seed).standard_normal(
        values.size
    )


def test_a_law_of_four_variables_comes_back_without_a_constant():
    m, h, w, t = np.random.default_rng(1).uniform(1.0, 3.0, (4, 300))
    y = noisy(0.5 * m * w**2 * h**2 / t, 2)
    units = {"m": "kg", "h": "m", "w": "1/s", "t": "1"}
    model = SymbolicRegressor(variables=list(units), units=units, target_unit="J", unary=("inv",))
    found = model.fit(np.column_stack([m, h, w, t]), y).equations_
    assert found.best.n_constants == 0
    np.testing.assert_allclose(
        found.predict(np.column_stack([m, h, w, t])), 0.5 * m * w**2 * h**2 / t
    )
    assert (found.units, found.variable_units) == ("J", ("kg", "m", "1/s", "1"))


@pytest.mark.parametrize("unit", ["nm", "m"])
def test_prefixes_do_not_change_the_law(unit):
    scale = {"nm": 1e9, "m": 1.0}[unit]
    x = np.random.default_rng(3).uniform(1e-9, 9e-9, (200, 2))
    y = noisy(0.25 * x[:, 0] ** 2 / x[:, 1], 4)
    units = {"x0": unit, "x1": unit}
    model = SymbolicRegressor(units=units, target_unit="m", unary=("exp", "inv", "square"))
    found = model.fit(x * scale, y).equations_
    assert found.best.n_constants == 0
    np.testing.assert_allclose(found.predict(x * scale), 0.25 * x[:, 0] ** 2 / x[:, 1], rtol=1e-9)


def test_a_known_constant_carries_its_unit():
    generator = np.random.default_rng(5)
    t, e, f = generator.uniform([600, 0.1, 1.0], [900, 0.2, 3.0], (200, 3)).T
    x = np.column_stack([t, e, f])
    rate = f * np.exp(-e * 1.602176634e-19 / (1.380649e-23 * t))
    options = RegressorOptions(constants={"k_B": (1.380649e-23, "J/K")})
    model = SymbolicRegressor(
        variables=["T", "E", "f"], units={"T": "K", "E": "eV", "f": "Hz"}, target_unit="Hz",
        unary=("exp", "inv"), options=options,
    )  # fmt: skip
    found = model.fit(x, noisy(rate, 6)).equations_
    np.testing.assert_allclose(found.predict(x), rate, rtol=1e-6)
    with pytest.raises(InputError, match="units lack f"):
        model.set_params(units={"T": "K", "E": "eV"}).fit(x, rate)


@pytest.mark.parametrize(
    ("units", "target_unit", "message"),
    [
        ({"x0": "K", "x1": "m"}, "1/s", "no variable or constant has s"),
        ({"x0": "K"}, "K", "units lack x1"),
        ({"x0": "K", "x1": "m", "z": "m"}, "K", "units names 'z'"),
        ({"x0": "K", "x1": "m"}, None, "units need the target's unit"),
        ({"x0": "K", "x1": "foo"}, "K", "no SI symbol"),
    ],
)
def test_units_that_cannot_be_used_get_one_sentence(units, target_unit, message):
    x = np.random.default_rng(0).uniform(1, 2, (20, 2))
    with pytest.raises(InputError, match=message):
        SymbolicRegressor(units=units, target_unit=target_unit).fit(x, x[:, 0])


def test_a_broken_constraint_is_said_with_units_too():
    length, gravity = np.random.default_rng(1).uniform([0.5, 1.0], [2.0, 9.0], (60, 2)).T
    period = noisy(2 * np.pi * np.sqrt(length / gravity), 3)
    falls = lambda law: "is not what was asked for"  # noqa: E731
    model = SymbolicRegressor(
        units={"l": "m", "g": "m/s^2"}, target_unit="s", variables=["l", "g"],
        options=RegressorOptions(constraints=falls),
    )  # fmt: skip
    with pytest.raises(InputError, match="broke a constraint; the best of them is not what was"):
        model.fit(np.column_stack([length, gravity]), period)


@pytest.mark.parametrize("seed", [0, 1])
def test_answers_do_not_depend_on_the_order_of_the_columns(seed):
    """Also where columns hold 0, so that some groups are undefined."""
    generator = np.random.default_rng(seed)
    columns = dict(zip("abct", generator.uniform(1.0, 3.0, (4, 80)), strict=True))
    columns["a"][3] = columns["t"][7] = 0.0
    units = {"a": "m", "b": "m", "c": "m", "t": "s"}
    speed = noisy(columns["b"] * np.exp(-columns["a"] / columns["c"]), seed + 5)
    told = []
    for names in (list("abct"), [str(n) for n in generator.permutation(list("abct"))]):
        model = SymbolicRegressor(
            units=units, target_unit="m", variables=names, unary=("exp", "neg"),
            options=RegressorOptions(highest_price=5, n_terms=1),
        )  # fmt: skip
        found = model.fit(np.column_stack([columns[n] for n in names]), speed).equations_
        told.append((found.table["equation"].head(3).tolist(), found.best.description_length))
        assert any(text.startswith("a is 0 in 1 row(s), first row 3") for text in found.warnings)
        assert not any("group_" in text for text in found.warnings)
    assert told[0][0] == told[1][0]
    assert told[0][1] == pytest.approx(told[1][1], rel=1e-6)
