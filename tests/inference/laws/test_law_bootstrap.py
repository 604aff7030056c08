"""Resampled blocks: right where errors depend on each other."""

import numpy as np
import pytest
from law_worlds import laws_of
from scipy.stats import binomtest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.laws.equation import Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.law_bootstrap import LawBootstrap, bootstrap_laws

TEMPLATES = {"a*x": [1.0], "a*x**b": [1.0, 1.0]}
N_BLOCKS, LENGTH = 24, 10
BLOCKS = np.repeat(np.arange(N_BLOCKS), LENGTH)


def block_world(rng):
    """Return a line whose errors are one number a block, and the function that fits rows of it."""
    x = rng.uniform(1.0, 2.0, N_BLOCKS * LENGTH)
    y = 2.0 * x + 0.2 * np.repeat(rng.standard_normal(N_BLOCKS), LENGTH)

    def fit(rows):
        data = SearchData(x[rows][None], y[rows], np.ones(rows.size), False, ("x",))
        slope = float(x[rows] @ y[rows] / (x[rows] @ x[rows]))
        law = measure_law(data, (Term(slope, ("x",)),))
        return EquationSet((law,), ("x",), "y", np.array([[1.0, 2.0]]), law.noise_sd)

    return fit


def test_blocks_hold_the_truth_where_independent_errors_do_not():
    rng = np.random.default_rng(1)
    held = np.zeros(2, dtype=int)
    for _ in range(60):
        fit = block_world(rng)
        low, high = bootstrap_laws(fit, BLOCKS, n=40, rng=rng).constants_interval([["x"]])[0]
        held[0] += low < 2.0 < high
        whole = fit(np.arange(BLOCKS.size))
        sd = np.sqrt(whole.best.covariance[0, 0])
        held[1] += abs(whole.best.constants[0] - 2.0) < 1.645 * sd
    assert binomtest(int(held[0]), 60, 0.9).pvalue > 0.01, held
    assert held[1] < 40  # taking the errors for independent is wrong here


def test_frequencies_say_how_often_a_law_is_chosen():
    rng = np.random.default_rng(2)
    x = np.linspace(0.5, 2.0, 80)
    y = 2.0 * x**1.15 + 0.15 * rng.standard_normal(80)

    def fit(rows):
        data = SearchData(x[rows][None], y[rows], np.ones(rows.size), False, ("x",))
        return laws_of(data, TEMPLATES)

    found = bootstrap_laws(fit, np.arange(80) // 4, n=40, rng=3)
    table = found.frequencies
    assert table["selected"].sum() == pytest.approx(1.0)
    assert (table["selected"].diff().dropna() <= 0).all()
    power = [("x", "c", "pow")]
    assert found.selected(power) + found.selected([("x",)]) == pytest.approx(1.0)
    (a_low, a_high), (b_low, b_high) = found.constants_interval(power)
    assert a_low < 2.0 < a_high
    assert b_low < 1.15 < b_high
    low, high = found.predict_interval([[1.0]])[0]
    assert low < 2.0 < high
    again = bootstrap_laws(fit, np.arange(80) // 4, n=40, rng=3)
    assert again.frequencies.equals(table)
    with pytest.raises(NotIdentified, match="0 of 40 replicates hold this law"):
        found.constants_interval([("x", "exp")])


def test_too_few_blocks_and_fits_that_fail_are_said():
    def nothing(rows):
        raise NotIdentified("no law")

    with pytest.raises(InputError, match="at least 8 blocks, got 3"):
        bootstrap_laws(nothing, [1, 2, 3])
    with pytest.raises(InputError, match="blocks must have shape"):
        bootstrap_laws(nothing, [[1, 2]])
    with pytest.raises(InputError, match="at least 20"):
        bootstrap_laws(nothing, np.arange(9), n=3)
    with pytest.raises(NotIdentified, match="30 of 30 resampled"):
        bootstrap_laws(nothing, np.arange(9), n=30)
    assert LawBootstrap(()).n_failed == 0
