"""The picture of laws over their data."""

import numpy as np
import pytest
from matplotlib import pyplot

from physlearn.checks import InputError
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.plots import plot_equations, plot_laws

X = np.linspace(1.0, 3.0, 20)


@pytest.fixture
def ax():
    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


def a_set(names=("x",), **given):
    laws = tuple(
        Equation((Term(2.0, program),), 0.1, length, 1, np.array([[0.01]]))
        for length, program in enumerate((("x",), ("x", "square"), ("x", 3.5, "sub", "inv")))
        if program[-1] != "inv"
    )
    pole = Equation((Term(2, ("x", -3, "add", "inv")),), 0.1, 3.0, 0)
    ranges = np.array([[1.0, 2.9]] * len(names))
    return EquationSet((*laws, pole), names, "y", ranges, 0.1, **given)


def test_data_band_best_and_next_laws_and_what_lies_beyond(ax):
    laws = a_set(units="nm", variable_units=("K",))
    assert plot_equations(laws, X[:, None], 2 * X, rng=1, ax=ax) is ax
    best, second, third, data = ax.lines
    assert [line.get_linestyle() for line in (best, second, third)] == ["-", "--", "--"]
    np.testing.assert_allclose(best.get_ydata(), 2 * best.get_xdata())
    np.testing.assert_array_equal(data.get_xdata(), X)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (K)", "y (nm)")
    spans = [patch for patch in ax.patches if patch.get_width() > 0]
    assert len(spans) == 2
    assert len(ax.collections) == 1
    assert ax.get_legend().get_texts()[1].get_text().startswith("2 x: ")


def test_a_pole_beyond_the_data_does_not_flatten_the_picture(ax):
    plot_equations(a_set(), rng=1, ax=ax)
    assert ax.get_ylim()[1] < 60
    assert len(ax.lines) == 3  # no observations given or kept


def test_kept_observations_are_drawn_and_a_cut_through_two_variables(ax):
    data = SearchData(X[None], 2 * X, np.ones(20), False, ("x",))
    plot_equations(a_set(data=data), rng=1, ax=ax)
    assert len(ax.lines) == 4
    ax.clear()
    plot_equations(a_set(("x", "u")), rng=1, variable="u", ax=ax)
    assert np.ptp(ax.lines[0].get_ydata()) == 0
    with pytest.raises(InputError, match="variable must be one of"):
        plot_equations(a_set(), variable="z", ax=ax)


def test_the_front_beside_it(ax):
    assert plot_laws(a_set().table, ax=ax).get_ylabel() == "misfit"
