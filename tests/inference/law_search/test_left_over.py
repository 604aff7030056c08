"""What is left in a residual: nothing of noise alone, much of a structure, in any unit or order."""

import numpy as np
import pytest

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.left_over import nats_left_over


def data_of(x, weight=1.0, known=False):
    x = np.atleast_2d(x)
    n = x.shape[1]
    names = tuple("pqrst"[: len(x)])
    return SearchData(x, np.zeros(n), np.full(n, weight), known, names)


@pytest.mark.parametrize("n_variables", [1, 2, 3])
@pytest.mark.parametrize("known", [False, True])
def test_noise_alone_leaves_nothing_on_average(n_variables, known):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        x = rng.uniform(0.0, 1.0, (n_variables, 120))
        found.append(nats_left_over(data_of(x, 0.25, known), 2.0 * rng.standard_normal(120)))
    # Half a chi squared of at most 20 degrees of freedom: a standard deviation of at most 3.2
    assert abs(np.mean(found)) < 4.0 * 3.7 / np.sqrt(200)


def test_a_structure_of_the_size_of_the_noise_is_seen_in_any_unit_and_order():
    rng = np.random.default_rng(2)
    x = rng.uniform(0.0, 1.0, 100)
    rest = np.sqrt(2.0) * np.sin(7.0 * x) + rng.standard_normal(100)
    found = nats_left_over(data_of(x), rest)
    assert found > 20.0
    order = rng.permutation(100)
    assert nats_left_over(data_of(x[order]), rest[order]) == pytest.approx(found, rel=1e-9)
    assert nats_left_over(data_of(1e-9 * x), 1e6 * rest) == pytest.approx(found, rel=1e-9)


def test_the_order_of_the_columns_does_not_matter():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 9, (2, 150)).astype(float)
    rest = rng.standard_normal(150) + 0.2 * x[0]
    found = nats_left_over(data_of(x), rest)
    assert nats_left_over(data_of(x[::-1]), rest) == pytest.approx(found, rel=1e-9)


def test_too_few_points_and_no_residual_say_nothing():
    assert nats_left_over(data_of(np.arange(20.0)), np.arange(20.0) % 3) == np.inf
    assert nats_left_over(data_of(np.arange(100.0)), np.zeros(100)) == np.inf
