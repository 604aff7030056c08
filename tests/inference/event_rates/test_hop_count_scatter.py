"""Counts that scatter more than independent hops are said, Poisson ones are not."""

import numpy as np
import pandas as pd
import pytest

from physlearn.inference import fit_hop_rates


def scatter_said(hops, **columns):
    table = pd.DataFrame({"hops": hops, "exposure": 50.0, "n_bonds": 4, **columns})
    fit = fit_hop_rates(table, rng=1, n_draws=400)
    return [text for text in fit.warnings if "counts of hops scatter" in text]


def test_bursts_of_four_are_said_with_how_much_too_narrow_the_interval_is():
    rng = np.random.default_rng(0)
    texts = [scatter_said(4 * rng.poisson(10.0, 12)) for _ in range(10)]
    assert sum(map(bool, texts)) >= 9
    factors = [float(one[0].split("about ")[1].split(" ")[0]) for one in texts if one]
    # a variance four times as large: 4 sd of ten roots of chi-squares with 11 degrees of freedom
    assert abs(np.mean(factors) - 2.0) < 4 * 2.0 / np.sqrt(2 * 11 * len(factors))


@pytest.mark.parametrize("temperature", [300.0, np.linspace(250.0, 350.0, 6)])
def test_poisson_counts_are_not_said(temperature):
    rng = np.random.default_rng(1)
    expected = 40.0 * np.exp((np.asarray(temperature) - 300.0) / 50.0) * np.ones(6)
    columns = {"temperature_kelvin": temperature} if np.ndim(temperature) else {}
    said = sum(bool(scatter_said(rng.poisson(expected), **columns)) for _ in range(25))
    assert said <= 2  # one in a hundred each: three or more in 25 come once in 500


def test_too_few_counts_to_judge_are_let_be():
    assert not scatter_said([0, 4, 0, 4, 0, 0])
