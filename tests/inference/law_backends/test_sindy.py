"""PySINDy beside ours: the same names, its own numbers, a recipe where it is absent."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physlearn.checks import BackendUnavailable, InputError
from physlearn.inference.law_backends import sindy as backend
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet

T = np.arange(300) * 0.05
TABLE = pd.DataFrame({
    "t": T, "x": np.cos(T) * np.exp(-0.1 * T), "y": -np.sin(T) * np.exp(-0.1 * T)
})  # fmt: skip
installed = pytest.mark.skipif(
    importlib.util.find_spec("pysindy") is None, reason="pysindy is not installed"
)


def ours(target, names, *terms):
    law = Equation(tuple(Term(c, program) for c, program in terms), 0.0, 0.0, len(terms))
    return EquationSet((law,), names, target, np.array([[0.0, 1.0]] * len(names)), 0.1)


def test_without_pysindy_there_is_a_recipe(monkeypatch):
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install 'pysindy"):
        backend.compare_with_pysindy(TABLE)


@installed
def test_a_damped_rotation_stands_beside_ours():
    own = {
        "dx/dt": ours("dx/dt", ("x", "y"), (-0.1, ("x",)), (1.0, ("y",))),
        "dy/dt": ours("dy/dt", ("x", "y"), (-1.0, ("x",)), (-0.1, ("y",))),
    }
    table = backend.compare_with_pysindy(TABLE, ours=own).set_index(["target", "term"])
    assert list(table.columns) == ["ours", "pysindy_default", "pysindy_tuned"]
    for place in (("dx/dt", "y"), ("dx/dt", "x"), ("dy/dt", "x")):
        row = table.loc[place]
        assert row["pysindy_tuned"] == pytest.approx(row["ours"], abs=0.01)
    for bad in (TABLE.assign(t=T**2), TABLE.drop(columns="t")):
        with pytest.raises(InputError, match="time"):
            backend.compare_with_pysindy(bad, ours=own)
    with pytest.raises(InputError, match="data must be"):
        backend.compare_with_pysindy([1, 2])


@installed
def test_a_diffusing_line_stands_beside_ours(monkeypatch):
    monkeypatch.setattr(backend, "DOMAINS", (20, 80))
    monkeypatch.setattr(backend, "THRESHOLDS", (0.02, 0.05))
    t, x = np.arange(40)[:, None] * 0.1, np.arange(64) * 0.2
    wave = np.exp(-0.1 * t) * np.sin(x) + 0.5 * np.exp(-0.4 * t) * np.sin(2 * x + 1)
    film = xr.DataArray(wave, dims=("time", "x"), coords={"time": t[:, 0], "x": x}, name="u")
    own = ours("du/dt", ("lap_u",), (0.1, ("lap_u",)))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    table = backend.compare_with_pysindy(film, ours=own, rng=0).set_index("term")
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert table.loc["u_xx", "pysindy_tuned"] == pytest.approx(0.1, abs=0.005)
    assert table.loc["u_xx", "ours"] == 0.1
